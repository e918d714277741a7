"""The head for vectors of integers: mixtures of discretized logistics."""

from typing import Any

import keras
import numpy as np
import tensorflow as tf
from tensorflow_probability import distributions as tfd

from tfar import distributions
from tfar.arguments import integer
from tfar.heads.base import Head, tempered_categories
from tfar.typing import Temperature


@keras.saving.register_keras_serializable(package="tfar")
class DiscretizedLogisticMixture(Head):
    """Vectors of C integers 0 ... L - 1, a pixel's colours, by a mixture of discretized logistics.

    A site is a vector along the last axis of the data. Its parameters are K logits, K C locations,
    K C logarithms of scales, clipped to [-7, 7], and K C (C - 1) / 2 couplings, to which tanh
    is applied; see `tfar.distributions.DiscretizedLogisticMixture`. Locations are offsets from K
    points evenly spaced in (-1, 1), so that components differ if all parameters are 0, as they are
    before training. A temperature divides the logits and multiplies the scales. Values enter the
    network scaled to [-1, 1]. Samples are int32.

    Args:
      num_components: K.
      channels: C.
      levels: L, at least 2.

    Raises:
      ValueError: if one of these is too small.

    >>> head = DiscretizedLogisticMixture(10, channels=3)
    >>> head.num_params, head.site_shape
    (100, (3,))
    """

    dtype = tf.int32
    on_a_scale = True

    def __init__(self, num_components: int, *, channels: int = 1, levels: int = 256) -> None:
        self.num_components = integer("num_components", num_components, least=1)
        self.channels = self.num_inputs = c = integer("channels", channels, least=1)
        self.levels = integer("levels", levels, least=2)
        self.site_shape = (c,)
        self.num_uniforms = 1 + c
        self.num_params = self.num_components * (1 + 2 * c + c * (c - 1) // 2)
        self.support = f"an integer from 0 to {self.levels - 1}"
        self.digits = (self.levels,) * c

    def encode(self, x: tf.Tensor, dtype: tf.DType = tf.float32) -> tf.Tensor:
        return tf.cast(tf.cast(x, tf.float32) * (2 / (self.levels - 1)) - 1, dtype)

    def distribution(self, params: tf.Tensor, temperature: Temperature = None) -> tfd.Distribution:
        k, c = self.num_components, self.channels
        couplings = c * (c - 1) // 2
        logits, *rest = tf.split(params, [k, k * c, k * c, k * couplings], axis=-1)
        loc, log_scale, coupling = (
            tf.reshape(t, tf.concat([tf.shape(t)[:-1], [k, size]], 0))
            for t, size in zip(rest, (c, c, couplings))
        )
        loc += np.float32(self._places())
        # Below -7 a bin is certain, above 7 the two outer bins share all: gradients vanish.
        log_scale = tf.clip_by_value(log_scale, -7.0, 7.0)
        if temperature is not None:
            log_scale += tf.math.log(tf.cast(temperature, log_scale.dtype))
        return distributions.DiscretizedLogisticMixture(
            tempered_categories(logits, temperature),
            loc,
            log_scale,
            tf.tanh(coupling),
            levels=self.levels,
            dtype=self.dtype,
        )

    def draw(
        self, params: tf.Tensor, uniforms: tf.Tensor, temperature: Temperature = None
    ) -> tf.Tensor:
        return self.distribution(params, temperature).invert(uniforms)

    def most_likely_near(self, params: tf.Tensor, x: tf.Tensor, eps: int) -> tf.Tensor:
        """As in `Head`, one channel after the other: each given those that were taken before."""
        return self.distribution(params).most_likely_near(tf.cast(x, self.dtype), eps)

    def to_digits(self, x: tf.Tensor) -> tf.Tensor:
        return tf.cast(x, tf.int32)

    def from_digits(self, digits: tf.Tensor) -> tf.Tensor:
        return tf.cast(digits, self.dtype)

    def digit_log_probs(self, params: tf.Tensor, digits: tf.Tensor, i: int) -> tf.Tensor:
        return self.distribution(params).log_channel(digits, i)

    def _places(self):
        return np.linspace(-1, 1, self.num_components + 2)[1:-1, None]  # [K, 1]

    def marginal(self, x: np.ndarray) -> np.ndarray:
        """Components at quantiles of each channel's values and, if K > 1, a wide one.

        The wide one, with the weight of one observation in N + 1, smooths the mixture.
        """
        k, (n, c) = self.num_components, x.shape[1:]
        narrow = max(k - 1, 1)
        z = np.sort(x, axis=0) * (2 / (self.levels - 1)) - 1
        loc = z[((np.arange(narrow) + 0.5) / narrow * len(z)).astype(int)]  # [K - 1, n, C]
        least = 1 / (self.levels - 1) if k > 1 else 0.1
        log_scale = np.log(np.maximum(z.std(axis=0) / narrow, least))
        log_scale = np.tile(log_scale, [narrow, 1, 1])
        logits = np.full([n, k], -np.log(narrow))
        if k > 1:
            loc = np.concatenate([loc, np.zeros([1, n, c])])
            log_scale = np.concatenate([log_scale, np.full([1, n, c], -1.0)])
            logits[:, -1] = -np.log(len(x))
        parts = [(loc - self._places()[:, None]), log_scale]
        parts = [part.transpose([1, 0, 2]).reshape([n, -1]) for part in parts]
        couplings = np.zeros([n, k * c * (c - 1) // 2])
        return np.concatenate([logits, *parts, couplings], axis=1)

    def in_support(self, x: tf.Tensor) -> tf.Tensor:
        x = tf.cast(x, tf.float32)
        return (x >= 0) & (x < self.levels) & (x == tf.floor(x))

    def get_config(self) -> dict[str, Any]:
        return {
            "num_components": self.num_components,
            "channels": self.channels,
            "levels": self.levels,
        }
