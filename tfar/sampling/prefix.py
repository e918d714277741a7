"""A clamped value: which sites of an order are given, and the checks that it must pass."""

from collections.abc import Sequence

import tensorflow as tf

from tfar.sampling.protocol import Conditionals
from tfar.typing import Member

# What a clamped value must give.
WHOLE = "all the entries along the last axis of a site, or none"
FOLLOWS = "a prefix of the order of the model"


def in_order(
    model: Conditionals,
    value: tf.Tensor,
    known: tf.Tensor,
    *,
    batch: Sequence[int],
    member: Member,
) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor, tf.Tensor]:
    """A clamped value in the order of a member.

    Args:
      model: a `tfar.models.AutoregressiveModel`.
      value: [*batch, *event_shape].
      known: bool of the same shape, which entries are given.
      batch: a shape, in which one size may be -1.
      member: the number of a member, an int or a scalar tensor.

    Returns:
      ``(values, known, whole, follows)``: [*batch, n, *site_shape] and bool [*batch, n], and as
      scalar bools whether it gives what `WHOLE` and `FOLLOWS` say.
    """
    shape, axis = [*batch, model.num_sites, *model.head.site_shape], len(batch)
    order = tf.gather(tf.constant(model.permutations), member)
    value, known = (tf.gather(tf.reshape(v, shape), order, axis=axis) for v in (value, known))
    partly = known
    if model.head.site_shape:
        partly, known = tf.reduce_any(known, axis=-1), tf.reduce_all(known, axis=-1)
    follows = known[..., :-1] | ~known[..., 1:]
    return value, known, tf.reduce_all(known == partly), tf.reduce_all(follows)
