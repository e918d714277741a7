"""Sampling policies: conditionals made sharper, or without their unlikely values."""

import typing

import numpy as np
import tensorflow as tf

from tfar.arguments import integer, number
from tfar.heads import Head

TEMPERATURES = 1e-30, 1e30  # the lowest and the highest


class Policy(tf.experimental.ExtensionType):
    """Changes every conditional before it is drawn from, and so the samples.

    First the ``temperature`` T divides the logits, p_k^(1/T) / Z (and multiplies scales); then all
    but the ``top_k`` most likely values are left out; then all but the most likely values that
    together reach the probability ``top_p`` (Holtzman et al. 2020: nucleus sampling). Equally
    likely values are kept or left out together. The rest is renormalised.

    ``log_prob`` remains that of the model: draws under a policy are not samples of the model.

    Attributes:
      temperature: scalar from 1e-30 to 1e30, or None for 1.
      top_k: scalar int, at least 1, or None for all.
      top_p: scalar in (0, 1], or None for 1.

    #### References
    A. Holtzman, J. Buys, L. Du, M. Forbes, Y. Choi. The Curious Case of Neural Text Degeneration.
    ICLR 2020.

    >>> logits = tf.math.log([[0.5, 0.3, 0.15, 0.05]])
    >>> kept = Policy(top_k=3, top_p=0.7).restricted(logits)
    >>> tf.nn.softmax(kept).numpy().round(3).tolist()
    [[0.625, 0.375, 0.0, 0.0]]
    """

    temperature: typing.Union[tf.Tensor, None] = None  # noqa: UP007 (extension types know no |)
    top_k: typing.Union[tf.Tensor, None] = None  # noqa: UP007
    top_p: typing.Union[tf.Tensor, None] = None  # noqa: UP007

    def __init__(
        self,
        temperature: float | tf.Tensor | None = None,
        top_k: int | tf.Tensor | None = None,
        top_p: float | tf.Tensor | None = None,
    ) -> None:
        # Beyond these, quotients leave float32's range: draws would be NaN, or all of one value.
        coldest, hottest = TEMPERATURES
        self.temperature = _checked(
            temperature, lambda t: number("temperature", t, least=coldest, most=hottest)
        )
        top_k = _checked(top_k, lambda k: integer("top_k", k, least=1))
        self.top_k = None if top_k is None else tf.cast(tf.minimum(top_k, 2.0**31 - 128), tf.int32)
        self.top_p = _checked(top_p, lambda p: number("top_p", p, above=0, most=1))

    @property
    def restricts(self) -> bool:
        """Whether values are left out."""
        return self.top_k is not None or self.top_p is not None

    def check(self, head: Head) -> None:
        """Raises ValueError if values would be left out of a head without categories."""
        if self.restricts and not head.of_logits:
            raise ValueError(
                f"top_k and top_p choose among the categories of a head, and {head} has none: "
                "leave them out."
            )

    def draw(
        self, head: Head, params: tf.Tensor, uniforms: tf.Tensor, given: tf.Tensor | None = None
    ) -> tf.Tensor:
        """Values of a head's distribution, under the policy; see `tfar.heads.Head.draw`.

        ``given``, the values that the loop was given for these sites, make no difference here.
        """
        if not self.restricts:
            return head.draw(params, uniforms, self.temperature)
        return head.draw(self.restricted(params), uniforms)

    def restricted(self, logits: tf.Tensor) -> tf.Tensor:
        """The logits [..., K] under the policy, -inf where a value is left out."""
        logits -= tf.reduce_max(logits, axis=-1, keepdims=True)
        if self.temperature is not None:
            logits /= self.temperature
        ordered = tf.sort(logits, axis=-1, direction="DESCENDING")
        if self.top_k is not None:
            last = tf.minimum(self.top_k, tf.shape(logits)[-1]) - 1
            least = tf.gather(ordered, last, axis=-1)[..., None]
            logits = tf.where(logits < least, -np.inf, logits)
            ordered = tf.where(ordered < least, -np.inf, ordered)
        if self.top_p is not None:
            before = tf.cumsum(tf.nn.softmax(ordered), axis=-1, exclusive=True)
            kept = tf.where(before < self.top_p, ordered, np.inf)
            logits = tf.where(logits < tf.reduce_min(kept, axis=-1, keepdims=True), -np.inf, logits)
        return logits


def _checked(value, check):
    """``value`` as a float32 tensor, or None; ``check`` raises if it is known and invalid."""
    if value is None:
        return None
    static = tf.get_static_value(value) if tf.is_tensor(value) else value
    if static is not None:
        check(static)
    return tf.cast(value, tf.float32)
