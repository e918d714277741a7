"""Purification: the most likely example near a given one (PixelDefend).

#### References
Y. Song, T. Kim, S. Nowozin, S. Ermon, N. Kushman. PixelDefend: Leveraging Generative Models to
Understand and Defend against Adversarial Examples. ICLR 2018, section 4, algorithm 1.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import tensorflow as tf

from tfar.heads import Head
from tfar.sampling import loop, prefix
from tfar.sampling.protocol import Conditionals
from tfar.typing import Member, Nest


class Nearby(tf.experimental.ExtensionType):
    """A policy of `tfar.sampling.loop` that draws nothing: it takes the most likely value near one.

    x*_i = argmax over z, |z - x_i| <= eps, of p(z | x*_<i), with x_i among the loop's ``values``:
    the range lies round the given value, and the condition is on what was taken before.

    Attributes:
      eps: an int from 0.
    """

    eps: int

    def draw(
        self, head: Head, params: tf.Tensor, uniforms: tf.Tensor, given: tf.Tensor | None = None
    ) -> tf.Tensor:
        return head.most_likely_near(params, given, self.eps)


def check(joint: Any) -> None:
    """ValueError unless the examples of a `tfar.sampling.Autoregressive` can be purified."""
    model = joint.model
    if not model.head.on_a_scale:
        raise ValueError(
            f"Purification looks for values near others, and those of {model.head} are not "
            "integers on a scale."
        )
    if joint.observed is not None:
        raise ValueError("Purification is of all sites: leave observed out.")
    if joint.member is None and model.members > 1:
        raise ValueError(
            f"Purification needs one order, and this is an ensemble of {model.members}: use "
            "model.joint(member=r)."
        )


def purified(
    model: Conditionals,
    member: Member,
    sampler: Callable[..., Any],
    x: tf.Tensor,
    *,
    eps: int,
    condition: Nest = None,
) -> tf.Tensor:
    """The examples that `Nearby` makes of others, one site after the other.

    Args:
      model: a `tfar.models.AutoregressiveModel`.
      member: the number of a member, or None if there is one.
      sampler: what `tfar.sampling.loop.plain`, `compiled` or `compiled_by_xla` gives.
      x: [n, *event_shape], valid values.
      eps: an int from 0.
      condition: n rows of a condition, or None.

    Returns:
      [n, *event_shape] of the dtype of the head.
    """
    n = tf.shape(x)[0] if x.shape[0] is None else x.shape[0]
    everywhere = tf.ones_like(x, tf.bool)
    values, *_ = prefix.in_order(model, x, everywhere, batch=[n], member=member or 0)
    values = tf.cast(values, model.head.dtype)
    seed = tf.constant([0, 0])  # nothing is drawn
    rows = tf.convert_to_tensor(n, tf.int32) if tf.executing_eagerly() else n
    policy: Any = Nearby(eps)
    return loop.draw(model, member, sampler, rows, seed, policy, values, None, condition)[0]
