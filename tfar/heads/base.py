"""The base class of heads, and the effect of a temperature."""

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
        data are given as [...] below, a head of vectors takes and returns [..., C].
      num_params: parameters per site, the output channels that a network must have.
      num_inputs: channels per site that `encode` returns, the input channels of a network.
      sizes: None, or where sites differ, the number of inputs and of parameters that each of the n
        sites has: the first ones of those above. The others are zeros, and make no difference.
      num_uniforms: uniform numbers that `draw` takes per value.
      dtype: dtype of samples.
      support: a description of valid values, for error messages.
      of_logits: whether the parameters are the logits of the values 0, 1, 2, ...
      on_a_scale: whether values are integers whose differences mean something, as those of grey
        levels and counts do, and numbers of characters do not.
      digits: how many values each of a value's `to_digits` has, or None if values are real.
    """

    site_shape: tuple[int, ...] = ()
    num_params: int
    num_inputs: int
    sizes: tuple[list[int], list[int]] | None = None
    num_uniforms: int
    dtype: tf.DType
    support: str
    of_logits: bool = False
    on_a_scale: bool = False
    digits: tuple[int, ...] | None = None

    @abc.abstractmethod
    def encode(self, x: tf.Tensor, dtype: tf.DType = tf.float32) -> tf.Tensor:
        """Maps data ``[...]`` of any dtype to network inputs ``[..., num_inputs]``."""

    @abc.abstractmethod
    def distribution(self, params: tf.Tensor, temperature: Temperature = None) -> tfd.Distribution:
        """Maps network outputs ``[..., num_params]`` to a ``tfd.Distribution``, batch shape [...].

        ``temperature``, a number, a scalar tensor or None for 1, divides logits and multiplies
        scales: below 1 the distribution is sharper, above 1 flatter. See `tempered`.
        """

    @abc.abstractmethod
    def draw(
        self, params: tf.Tensor, uniforms: tf.Tensor, temperature: Temperature = None
    ) -> tf.Tensor:
        """Draws values ``[...]`` of `dtype` from p(x; params), by inversion of uniform numbers.

        A sampler of ``tfp`` would draw different values with XLA and without it.

        Args:
          params: network outputs [..., num_params].
          uniforms: [..., num_uniforms] in (0, 1).
          temperature: as in `distribution`.
        """

    def most_likely_near(self, params: tf.Tensor, x: tf.Tensor, eps: int) -> tf.Tensor:
        """argmax over z in the support, |z - x| <= eps, of p(z; params); the least of several.

        Args:
          params: network outputs [..., num_params].
          x: valid values [...].
          eps: an int from 0.

        Raises:
          ValueError: if values are not integers on a scale; see `on_a_scale`.
        """
        if not self.on_a_scale or self.site_shape:
            raise ValueError(f"{self} has no integers on a scale, of which some are near another.")
        candidates = tf.cast(x, self.dtype)[..., None] + tf.range(-eps, eps + 1)
        valid = self.in_support(candidates)
        inside = tf.where(valid, candidates, tf.cast(x, self.dtype)[..., None])
        log_prob = self.log_prob(params[..., None, :], inside)
        best = tf.argmax(tf.where(valid, log_prob, -np.inf), axis=-1, output_type=tf.int32)
        return tf.gather(inside, best, axis=-1, batch_dims=x.shape.rank)

    def log_prob(self, params: tf.Tensor, x: tf.Tensor) -> tf.Tensor:
        """log p(x; params) of values [...], float32 nats."""
        return casting.log_prob(self.distribution(params), x)

    # A value as a short sequence of digits, each of which has few values, all with their
    # probabilities: what entropy coding needs.

    def to_digits(self, x: tf.Tensor) -> tf.Tensor:
        """int32 [..., D]: the digits of valid values [...], each from 0 to ``digits[i] - 1``."""
        return tf.cast(x, tf.int32)[..., None]

    def from_digits(self, digits: tf.Tensor) -> tf.Tensor:
        """The values [...] of `dtype` that have the digits [..., D]."""
        return tf.cast(digits[..., 0], self.dtype)

    def digit_log_probs(self, params: tf.Tensor, digits: tf.Tensor, i: int) -> tf.Tensor:
        """log p of all values of the i-th digit, given the digits before it.

        Args:
          params: network outputs [..., num_params].
          digits: int32 [..., D], of which those from the i-th on make no difference.
          i: an int from 0 to D - 1.

        Returns:
          [..., digits[i]] nats.

        Raises:
          ValueError: if values are real.
        """
        if self.digits is None:
            raise ValueError(f"{self} has real values, which have no digits.")
        values = tf.range(self.digits[i])
        x = tf.broadcast_to(values, tf.concat([tf.shape(params)[:-1], tf.shape(values)], 0))
        return self.log_prob(params[..., None, :], x)

    @abc.abstractmethod
    def marginal(self, x: np.ndarray) -> np.ndarray:
        """Maps examples ``[N, n]``, an array, to parameters ``[n, num_params]`` of each column's
        marginal, smoothed as if every value had been observed once more."""

    def missing(self, x: tf.Tensor) -> tf.Tensor | None:
        """bool ``[...]``: which entries are missing; None for a head that needs all of them."""
        return None

    @abc.abstractmethod
    def in_support(self, x: tf.Tensor) -> tf.Tensor:
        """bool ``[...]``: whether each value is in the support. NaN is not."""

    def at(self, site: int | tf.Tensor) -> Any:
        """The head of one site, for a head that differs between sites.

        ``site``, an int or a scalar tensor, is the site's number in the layout; or [B], an own site
        for each example.
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
    """As `tempered`, for logits [..., K] defined up to a constant: the largest is set to 0.

    So a low temperature makes none of them +inf, which has no softmax.
    """
    if temperature is None:
        return logits
    return tempered(logits - tf.reduce_max(logits, axis=-1, keepdims=True), temperature)
