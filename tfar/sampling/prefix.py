"""A clamped value: which sites of an order are given, and the checks that it must pass."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf

from tfar.distributions import casting
from tfar.sampling.protocol import Conditionals
from tfar.typing import Member

# What a clamped value must give.
WHOLE = "all the entries along the last axis of a site, or none"
FOLLOWS = "a prefix of the order of the model"


def order_of(model: Conditionals, member: Member) -> tf.Tensor:
    """The order of a member, int32 [n]; or orders [*batch, n], one for each example, themselves.

    Only a model of any order takes the latter, see `tfar.models.AnyOrder`.
    """
    if isinstance(member, tf.Tensor) and member.shape.rank:
        return member
    return tf.gather(tf.constant(model.permutations), member)


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
      member: the number of a member, an int or a scalar tensor, or orders [*batch, n].

    Returns:
      ``(values, known, whole, follows)``: [*batch, n, *site_shape] and bool [*batch, n], and as
      scalar bools whether it gives what `WHOLE` and `FOLLOWS` say.
    """
    shape, axis = [*batch, model.num_sites, *model.head.site_shape], len(batch)
    order = order_of(model, member)
    each = order.shape.rank - 1  # 0 if all examples share it
    value, known = (
        tf.gather(tf.reshape(v, shape), order, axis=axis, batch_dims=each) for v in (value, known)
    )
    partly = known
    if model.head.site_shape:
        partly, known = tf.reduce_any(known, axis=-1), tf.reduce_all(known, axis=-1)
    follows = known[..., :-1] | ~known[..., 1:]
    return value, known, tf.reduce_all(known == partly), tf.reduce_all(follows)


class Clamped(NamedTuple):
    """A value as the sampling loop takes it.

    Attributes:
      values: [*batch, n, *site_shape], in the order.
      known: bool [*batch, n], which of them are given.
      order: int32 [*batch, n], the orders of the examples, or None if they have that of the member.
      checks: pairs of a bool tensor and a message, which hold in eager mode.
    """

    values: tf.Tensor
    known: tf.Tensor
    order: tf.Tensor | None
    checks: Sequence[tuple[tf.Tensor, str]]


def clamped(model: Conditionals, value: Any, member: Member, *, own: bool = True) -> Clamped:
    """Reads a value with NaN where an entry is drawn.

    Args:
      model: a `tfar.models.AutoregressiveModel`.
      value: [*batch, *event_shape], or shorter along the first axis of the event.
      member: the number of a member.
      own: whether each example may have an order of its own, if the model has all.

    Raises:
      ValueError: if the shape is another, the model is an ensemble without a member, or, in eager
        mode, a check fails.
    """
    if member is None and model.members > 1:
        raise ValueError(
            f"A clamped value needs one order, and this is an ensemble of {model.members}: use "
            "model.joint(member=r)."
        )
    member = 0 if member is None else member
    value = tf.cast(casting.tensor("value", value), tf.float32)
    rank = len(model.event_shape)
    shape = value.shape.as_list() if value.shape.rank is not None else []
    event = shape[-rank:]
    if len(event) == rank and None not in event and event[1:] == list(model.event_shape[1:]):
        missing = model.event_shape[0] - event[0]
        if missing > 0:
            pad = [[0, 0]] * (len(shape) - rank) + [[0, missing]] + [[0, 0]] * (rank - 1)
            value = tf.pad(value, pad, constant_values=np.nan)
    if None in shape or value.shape.as_list()[-rank:] != list(model.event_shape):
        raise ValueError(
            f"Expected a value of the static shape [..., *{list(model.event_shape)}], or "
            f"shorter along the first axis of the event, got {value.shape}."
        )
    batch = shape[:-rank]
    laid_out = tf.where(tf.math.is_nan(value), tf.zeros_like(value), value)
    given = ~tf.math.is_nan(value)
    order = model.orders_for(sites_of(model, given, batch), member) if own else None
    found = in_order(model, laid_out, given, batch=batch, member=member if order is None else order)
    values, known, whole, follows = found
    words = "Expected a clamped value to give"
    if tf.executing_eagerly():
        if not whole:
            raise ValueError(f"{words} {WHOLE}.")
        if not follows:
            gap = np.argwhere(~known.numpy()[..., :-1] & known.numpy()[..., 1:])[0]
            raise ValueError(
                f"{words} {FOLLOWS}: site {gap[-1] + 1} of the order is given, site {gap[-1]} is "
                "missing (NaN)."
            )
        model.check_support(laid_out)
    supported = tf.reduce_all(model.head.in_support(laid_out))
    checks = (
        (whole, f"{words} {WHOLE}."),
        (follows, f"{words} {FOLLOWS}."),
        (supported, f"{model.head} takes {model.head.support}."),
    )
    return Clamped(tf.cast(values, model.head.dtype), known, order, checks)


def sites_of(model: Conditionals, given: tf.Tensor, batch: Sequence[int]) -> tf.Tensor:
    """bool [*batch, n]: which sites are given, from the entries [*batch, *event_shape]."""
    sites = tf.reshape(given, [*batch, model.num_sites, *model.head.site_shape])
    return tf.reduce_all(sites, axis=-1) if model.head.site_shape else sites


def observed_of(event_shape: tf.TensorShape, observed: np.ndarray, value: Any) -> tf.Tensor:
    """A value with NaN at the entries that are not observed.

    Raises:
      ValueError: if there is no value, its shape is another, or an observed entry of it is NaN.
    """
    if value is None:
        raise ValueError("Samples of p(x_u | x_o) need x_o: give value=x.")
    value = tf.cast(casting.tensor("value", value), tf.float32)
    if not value.shape[-event_shape.rank :].is_compatible_with(event_shape):
        raise ValueError(
            f"Expected a value of the shape [..., *{event_shape.as_list()}], got {value.shape}."
        )
    value = tf.where(observed, value, np.nan)
    if tf.executing_eagerly() and bool(tf.reduce_any(tf.math.is_nan(value) & observed)):
        raise ValueError("An observed entry of the value is NaN.")
    return value
