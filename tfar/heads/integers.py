"""A head for integers of a known range."""

from typing import Any

import keras
import numpy as np
import tensorflow as tf
from tensorflow_probability import distributions as tfd

from tfar import distributions
from tfar.arguments import integer, number
from tfar.distributions.mixtures import spread
from tfar.heads.base import Head, tempered_categories
from tfar.typing import Temperature

MOST = 2**24  # float32 holds all integers up to it
DIGITS = 2**16  # the most values that are tried one by one


@keras.saving.register_keras_serializable(package="tfar")
class Integers(Head):
    """p(x) for x in {0, ..., L - 1}: a mixture of discretized logistics, masses that sum to 1.

    The parameters of a site are K logits, K loc and K logarithms of scales s, clipped to [-7, 7],
    in units of ``std`` round ``mean``; see `tfar.distributions.IntegerMixture`, whose centres are
    mean + std (m_k + loc_k) with m_k as in `GaussianMixture`. Values enter the network as
    (x - mean) / std. Samples are int32.

    Args:
      num_components: K.
      levels: L, at most 2^24.
      mean, std: of the data.

    Raises:
      ValueError: if an argument is invalid.

    >>> head = Integers(2, 5, mean=2.0)
    >>> p = head.distribution(tf.zeros([6]))
    >>> round(float(tf.reduce_sum(p.prob(tf.range(5.0)))), 4)
    1.0
    """

    num_inputs = 1
    num_uniforms = 2
    dtype = tf.int32
    on_a_scale = True

    def __init__(
        self, num_components: int, levels: int, *, mean: float = 0.0, std: float = 1.0
    ) -> None:
        self.num_components = integer("num_components", num_components, least=1)
        self.levels = integer("levels", levels, least=1, most=MOST)
        self.mean, self.std = number("mean", mean), number("std", std, above=0)
        self.num_params = 3 * self.num_components
        self.support = f"an integer from 0 to {self.levels - 1}"
        self.digits = (self.levels,) if self.levels <= DIGITS else None

    def encode(self, x: tf.Tensor, dtype: tf.DType = tf.float32) -> tf.Tensor:
        return tf.cast((tf.cast(x, tf.float32) - self.mean) / self.std, dtype)[..., None]

    def distribution(self, params: tf.Tensor, temperature: Temperature = None) -> tfd.Distribution:
        logits, loc, log_scale = tf.split(params, 3, axis=-1)
        loc = self.mean + self.std * (loc + spread(self.num_components))
        log_scale = tf.clip_by_value(log_scale, -7.0, 7.0) + np.float32(np.log(self.std))
        if temperature is not None:
            log_scale += tf.math.log(tf.cast(temperature, log_scale.dtype))
        logits = tempered_categories(logits, temperature)
        return distributions.IntegerMixture(logits, loc, log_scale, levels=self.levels)

    def draw(
        self, params: tf.Tensor, uniforms: tf.Tensor, temperature: Temperature = None
    ) -> tf.Tensor:
        return tf.cast(self.distribution(params, temperature).invert(uniforms), self.dtype)

    def marginal(self, x: np.ndarray) -> np.ndarray:
        """Components at quantiles of each column's values, as wide as these are apart."""
        k = self.num_components
        x = (np.sort(x, axis=0).astype(np.float64) - self.mean) / self.std
        loc = x[((np.arange(k) + 0.5) / k * len(x)).astype(int)].T  # [n, K]
        scale = np.maximum(x.std(axis=0) / k**0.5, 0.3 / self.std)[:, None]
        return np.concatenate([0 * loc, loc - spread(k), np.log(scale) + 0 * loc], axis=1)

    def in_support(self, x: tf.Tensor) -> tf.Tensor:
        x = tf.cast(x, tf.float32)
        return (x >= 0) & (x < self.levels) & (x == tf.floor(x))

    def get_config(self) -> dict[str, Any]:
        return {
            "num_components": self.num_components,
            "levels": self.levels,
            "mean": self.mean,
            "std": self.std,
        }
