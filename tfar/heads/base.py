"""What a head is, and what a temperature does."""

import abc
from typing import Any, Self

import numpy as np
import tensorflow as tf
from tensorflow_probability import distributions as tfd

from tfar.distributions import casting
from tfar.typing import Temperature


class Head(abc.ABC):
    """The family of p(x_i | x_<i), given its parameters.

    Attributes:
      site_shape: shape of the value of a site: () or, for a head of vectors, (C,). Where shapes of
        data are given as [...] below, a head of vectors takes and gives [..., C].
      num_params: parameters a site, the channels that a network has to put out.
      num_inputs: channels a site that `encode` makes, the channels that a network takes in.
      num_uniforms: random numbers that `draw` takes for a value.
      dtype: dtype of samples.
      support: words for what a value may be, for error messages.
      of_logits: whether the parameters are the logits of the values 0, 1, 2, ...
    """

    site_shape: tuple[int, ...] = ()
    num_params: int
    num_inputs: int
    num_uniforms: int
    dtype: tf.DType
    support: str
    of_logits: bool = False

    @abc.abstractmethod
    def encode(self, x: tf.Tensor, dtype: tf.DType = tf.float32) -> tf.Tensor:
        """Data ``[...]`` of any dtype to network inputs ``[..., num_inputs]``."""

    @abc.abstractmethod
    def distribution(self, params: tf.Tensor, temperature: Temperature = None) -> tfd.Distribution:
        """Network outputs ``[..., num_params]`` to a ``tfd.Distribution`` of batch shape [...].

        ``temperature``, None for 1 or a number or a scalar tensor, divides the logits, and
        multiplies scales: below 1 sharper, above 1 flatter. See `tempered`.
        """

    @abc.abstractmethod
    def draw(
        self, params: tf.Tensor, uniforms: tf.Tensor, temperature: Temperature = None
    ) -> tf.Tensor:
        """Values ``[...]`` of p(x; params), of `dtype`, by inversion of random numbers.

        A sampler of ``tfp`` would draw other values under XLA and without it.

        Args:
          params: network outputs [..., num_params].
          uniforms: [..., num_uniforms] in (0, 1).
          temperature: as in `distribution`.
        """

    def log_prob(self, params: tf.Tensor, x: tf.Tensor) -> tf.Tensor:
        """log p(x; params) of values [...], float32 nats."""
        return casting.log_prob(self.distribution(params), x)

    @abc.abstractmethod
    def marginal(self, x: np.ndarray) -> np.ndarray:
        """Examples ``[N, n]``, an array, to the parameters ``[n, num_params]`` of each column's
        own distribution, smoothed as by one more observation of every value."""

    @abc.abstractmethod
    def in_support(self, x: tf.Tensor) -> tf.Tensor:
        """bool ``[...]``: whether each value can occur at all. NaN cannot."""

    def at(self, site: int | tf.Tensor) -> Any:
        """The head of one site, for a head that has others at others: a number in the layout.

        ``site`` is an int or a scalar tensor.
        """
        return self

    def get_config(self) -> dict[str, Any]:
        return {}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Self:
        return cls(**config)

    def __repr__(self) -> str:
        arguments = ", ".join(f"{k}={v!r}" for k, v in self.get_config().items())
        return f"{type(self).__name__}({arguments})"


def tempered(logits: tf.Tensor, temperature: Temperature) -> tf.Tensor:
    """Logits [...] at a temperature T, logits / T.

    Args:
      logits: a tensor.
      temperature: T, a number or a scalar tensor, or None for 1.

    >>> tempered(tf.constant([1.0, -3.0]), 0.5).numpy().tolist()
    [2.0, -6.0]
    """
    return logits if temperature is None else logits / tf.cast(temperature, logits.dtype)


def tempered_categories(logits: tf.Tensor, temperature: Temperature) -> tf.Tensor:
    """As `tempered`, of logits [..., K] that count up to a constant: the largest is 0.

    So a low temperature makes none of them infinite, which would be no weight beside another.
    """
    if temperature is None:
        return logits
    return tempered(logits - tf.reduce_max(logits, axis=-1, keepdims=True), temperature)
