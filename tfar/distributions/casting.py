"""Casts of data and parameters for distributions."""

from typing import Any

import tensorflow as tf
from tensorflow_probability import distributions as tfd


def tensor(name: str, value: Any, dtype_hint: tf.DType | None = None) -> tf.Tensor:
    """A tensor of integers, bools or floats; ValueError for anything else.

    >>> tensor("x", [[0, 1], [0]])
    Traceback (most recent call last):
    ...
    ValueError: Expected x to be an array or a tensor of numbers, got [[0, 1], [0]].
    """
    try:
        x = tf.convert_to_tensor(value, dtype_hint=dtype_hint)
    except (TypeError, ValueError):
        raise ValueError(
            f"Expected {name} to be an array or a tensor of numbers, got {value!r:.200}."
        ) from None
    if not (x.dtype.is_floating or x.dtype.is_integer or x.dtype.is_bool):
        raise ValueError(f"Expected {name} of an integer, bool or float dtype, got {x.dtype.name}.")
    return x


def parameters(rank: int, **values: Any) -> list[tf.Tensor]:
    """Tensors of floats whose last ``rank`` axes are those of a parameter.

    Raises:
      ValueError: if one is not a tensor of floats, or has fewer axes.
    """
    tensors = [tensor(name, value, tf.float32) for name, value in values.items()]
    for name, x in zip(values, tensors):
        if not x.dtype.is_floating or (x.shape.rank is not None and x.shape.rank < rank):
            raise ValueError(
                f"Expected {name} to be floats of at least {rank} axes, got {x.dtype.name} of "
                f"shape {x.shape}."
            )
    return tensors


def log_prob(p: tfd.Distribution, x: Any) -> tf.Tensor:
    """log p(x), float32 nats, of values of any dtype: they are cast to that of the distribution.

    That is not always the dtype that a head draws: counts are int32, and TFP's distributions of
    counts take floats.

    Args:
      p: a ``tfd.Distribution``.
      x: a tensor that broadcasts with its batch and event shape.

    >>> import tensorflow_probability as tfp
    >>> log_prob(tfp.distributions.Poisson(tf.constant(1.0, tf.float64)), tf.constant(0)).dtype
    tf.float32
    """
    if not hasattr(p, "log_prob") or isinstance(p, type):
        raise ValueError(f"Expected p to be a distribution, got {p!r:.200}.")
    return tf.cast(p.log_prob(tf.cast(tensor("x", x), p.dtype)), tf.float32)
