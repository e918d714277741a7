"""What to draw from a conditional in place of itself: sharper, or without its unlikely values."""

import typing

import numpy as np
import tensorflow as tf


class Policy(tf.experimental.ExtensionType):
    """Changes every conditional before it is drawn from, and so what is sampled.

    First the ``temperature`` T divides the logits, p_k^(1/T) / Z (and multiplies scales); then all
    but the ``top_k`` likeliest values are left out; then all that come, in the order of their
    probabilities, after values that make up ``top_p`` together (Holtzman et al. 2020: nucleus
    sampling). Equally likely values are kept or left out together. What is kept is normalised.

    ``log_prob`` stays that of the model: the draws of a policy are not its samples.

    Attributes:
      temperature: positive scalar, or None for 1.
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

    def __init__(self, temperature=None, top_k=None, top_p=None):
        self.temperature = _checked("a positive temperature", temperature, lambda t: t > 0)
        top_k = _checked("an integer top_k of at least 1", top_k, lambda k: k >= 1 and k % 1 == 0)
        self.top_k = None if top_k is None else tf.cast(top_k, tf.int32)
        self.top_p = _checked("a top_p above 0 and at most 1", top_p, lambda p: 0 < p <= 1)

    @property
    def restricts(self):
        """Whether values are left out."""
        return self.top_k is not None or self.top_p is not None

    def check(self, head):
        """Raises ValueError if values are to be left out of a head that knows no such thing."""
        if self.restricts and not head.of_logits:
            raise ValueError(f"top_k and top_p choose among categories, which {head} has not.")

    def draw(self, head, params, uniforms):
        """Values of a head's distribution, under the policy; see `tfar.heads.Head.draw`."""
        if not self.restricts:
            return head.draw(params, uniforms, self.temperature)
        return head.draw(self.restricted(params), uniforms)

    def restricted(self, logits):
        """The logits [..., K] after all three, -inf where a value is left out."""
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


def _checked(expected, value, valid):
    """``value`` as a tensor, or None; ValueError if it is known and none that is ``expected``."""
    if value is None:
        return None
    static = tf.get_static_value(value) if tf.is_tensor(value) else value
    if static is not None and (np.ndim(static) or not valid(static)):
        raise ValueError(f"Expected {expected}, got {static}.")
    return tf.cast(value, tf.float32)
