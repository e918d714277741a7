"""Heads for real values: mixtures of Gaussians and of logistics."""

from typing import Any

import keras
import numpy as np
import tensorflow as tf
from tensorflow_probability import distributions as tfd

from tfar import distributions
from tfar.arguments import flag, integer, number
from tfar.distributions.mixtures import spread
from tfar.heads.base import Head, tempered_categories
from tfar.typing import Temperature


class RealMixture(Head):
    """What the two mixtures share: everything but the family."""

    num_inputs = 1
    num_uniforms = 2
    dtype = tf.float32
    support = "a finite number"
    family: type[tfd.Distribution]  # of `tfar.distributions`

    def __init__(
        self,
        num_components: int,
        *,
        equal_weights: bool = False,
        mean: float = 0.0,
        std: float = 1.0,
    ) -> None:
        self.num_components = integer("num_components", num_components, least=1)
        self.equal_weights = flag("equal_weights", equal_weights)
        self.mean, self.std = number("mean", mean), number("std", std, above=0)
        self.num_params = (2 if equal_weights else 3) * self.num_components

    def encode(self, x: tf.Tensor, dtype: tf.DType = tf.float32) -> tf.Tensor:
        standardised = (tf.cast(x, tf.float32) - self.mean) / self.std
        return tf.cast(standardised, dtype)[..., None]

    def distribution(self, params: tf.Tensor, temperature: Temperature = None) -> tfd.Distribution:
        parts = tf.split(params, self.num_params // self.num_components, axis=-1)
        loc, log_scale = parts[-2:]
        logits = tf.zeros_like(loc) if self.equal_weights else parts[0]
        loc = self.mean + self.std * (loc + spread(self.num_components))
        log_scale = tf.clip_by_value(log_scale, -7.0, 7.0) + np.float32(np.log(self.std))
        if temperature is not None:
            log_scale += tf.math.log(tf.cast(temperature, log_scale.dtype))
        return self.family(tempered_categories(logits, temperature), loc, log_scale)

    def draw(
        self, params: tf.Tensor, uniforms: tf.Tensor, temperature: Temperature = None
    ) -> tf.Tensor:
        return self.distribution(params, temperature).invert(uniforms)

    def marginal(self, x: np.ndarray) -> np.ndarray:
        """Components at quantiles of each column's values, as wide as these are apart."""
        k = self.num_components
        x = (np.sort(x, axis=0).astype(np.float64) - self.mean) / self.std
        loc = x[((np.arange(k) + 0.5) / k * len(x)).astype(int)].T  # [n, K]
        scale = np.maximum(x.std(axis=0) / k**0.5, 0.01)[:, None]
        parts = [loc - spread(self.num_components), np.log(scale) + np.zeros_like(loc)]
        return np.concatenate(parts if self.equal_weights else [0 * loc, *parts], axis=1)

    def in_support(self, x: tf.Tensor) -> tf.Tensor:
        return tf.math.is_finite(tf.cast(x, tf.float32))

    def get_config(self) -> dict[str, Any]:
        return {
            "num_components": self.num_components,
            "equal_weights": self.equal_weights,
            "mean": self.mean,
            "std": self.std,
        }


@keras.saving.register_keras_serializable(package="tfar")
class GaussianMixture(RealMixture):
    """p(x) = sum_k pi_k N(x; mean + std (m_k + loc_k), std s_k) for real x, in nats per unit of x.

    The parameters of a site are K logits of pi (none with ``equal_weights``, where pi_k = 1 / K),
    K loc, and K logarithms of s, clipped to [-7, 7]: no density exceeds 438 / std, even on
    constant columns. The m_k are the quantiles (k + 1/2) / K of a standard normal, so that
    components differ if all parameters are 0, as they are before training. Values enter the
    network as (x - mean) / std. A temperature divides the logits and multiplies the s. Samples are
    float32.

    Args:
      num_components: K.
      equal_weights: whether pi_k = 1 / K.
      mean, std: of the data, or 0 and 1 if they are standardised already. Densities are always
        those of x.

    Raises:
      ValueError: if there is no component, or the std is not positive.

    #### References
    C. Bishop. Mixture Density Networks. 1994.
    B. Uria, I. Murray, H. Larochelle. RNADE: The real-valued neural autoregressive
    density-estimator. NIPS 2013, section 3.

    >>> head = GaussianMixture(1, mean=100.0, std=10.0)
    >>> float(head.distribution(tf.zeros([3])).stddev().numpy())
    10.0
    """

    family = distributions.GaussianMixture


@keras.saving.register_keras_serializable(package="tfar")
class LogisticMixture(RealMixture):
    """As `GaussianMixture`, with logistic distributions, which have heavier tails.

    p(x) = sum_k pi_k f(z_k) / (std s_k), with f(z) = e^-z / (1 + e^-z)^2 and
    z_k = (x - mean - std (m_k + loc_k)) / (std s_k)

    Args:
      num_components, equal_weights, mean, std: as in `GaussianMixture`.

    >>> head = LogisticMixture(1)
    >>> float(head.distribution(tf.zeros([3])).prob(0.0).numpy())
    0.25
    """

    family = distributions.LogisticMixture
