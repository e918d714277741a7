"""Random numbers: the same ones in eager mode, in a graph, under XLA and in a server."""

from typing import Any

import numpy as np
import tensorflow as tf

_PHILOX = 1  # ``tf.random.Algorithm.PHILOX``, as the raw operation takes it


def stateless_seed(seed: Any) -> tf.Tensor:
    """An int32 [2] seed from ``None``, an int, a scalar int tensor, or a pair of ints.

    TFP takes an int as a seed of the global generator, so that a second call draws other values;
    here the same int always draws the same values.

    Raises:
      ValueError: if it is anything else.

    >>> stateless_seed(7).numpy().tolist()
    [0, 7]
    """
    if seed is None:
        return tf.random.uniform([2], minval=tf.int32.min, maxval=tf.int32.max, dtype=tf.int32)
    error = ValueError(
        "Expected a seed that is None, an int, a scalar integer tensor or a pair of ints, "
        f"got {seed!r}."
    )
    if isinstance(seed, bool):
        raise error
    if isinstance(seed, (int, np.integer)):
        seed = int(seed) % 2**63
        return tf.constant([seed >> 32, (seed & 0xFFFFFFFF) - (seed & 0x80000000) * 2], tf.int32)
    try:
        seed = tf.convert_to_tensor(seed)
    except (TypeError, ValueError):
        raise error from None
    if not seed.dtype.is_integer or seed.shape.as_list() not in ([], [2]):
        raise error
    if not seed.shape.rank and seed.dtype.size == 8:
        return tf.bitcast(tf.cast(seed, tf.int64), tf.int32)[::-1]  # high and low, as of an int
    seed = tf.cast(seed, tf.int32)
    return seed if seed.shape.rank else tf.stack([0, seed])


def uniforms(seed: tf.Tensor, stream: int | tf.Tensor, shape: Any) -> tf.Tensor:
    """Uniform random numbers in (0, 1), float32, as a pure function of seed, stream and place.

    Philox is run by its raw operation with a key and a counter of our own, since
    ``tf.random.stateless_*`` scramble their seeds differently with and without XLA. Number k of a
    stream does not depend on how many are drawn: a smaller draw is the start of a larger one.

    Args:
      seed: int32 [2].
      stream: scalar int, for instance the number of a site; streams of a seed are independent.
      shape: of the result.

    >>> few, more = (uniforms(tf.constant([0, 7]), 3, [n]).numpy() for n in (2, 5))
    >>> bool(np.all(few == more[:2])), bool(np.all((more > 0) & (more < 1)))
    (True, True)
    """
    return _uniform(_bits(seed, stream, shape))


def uniforms_of_each(seed: tf.Tensor, streams: tf.Tensor, shape: Any) -> tf.Tensor:
    """`uniforms` of several streams, int32 [k]: float32 [k, *shape].

    >>> both = uniforms_of_each(tf.constant([0, 7]), tf.constant([3, 4]), [2])
    >>> bool(np.all(both[1] == uniforms(tf.constant([0, 7]), 4, [2])))
    True
    """
    if streams.shape[0] is not None and streams.shape[0] <= 128:
        bits = tf.stack([_bits(seed, stream, shape) for stream in tf.unstack(streams)])
    else:  # too many operations
        bits = tf.map_fn(
            tf.autograph.experimental.do_not_convert(lambda stream: _bits(seed, stream, shape)),
            streams,
            fn_output_signature=tf.TensorSpec(None, tf.uint32),
        )
    return _uniform(bits)


def derived(seed: tf.Tensor, stream: int | tf.Tensor) -> tf.Tensor:
    """A seed, int32 [2], that is a pure function of a seed and a stream.

    >>> derived(tf.constant([0, 7]), 1).shape
    TensorShape([2])
    """
    return tf.bitcast(_bits(seed, stream, [2]), tf.int32)


def _uniform(bits):
    # 23 bits plus one half: neither 0 nor 1 can occur, and every number is exact.
    bits = tf.bitwise.right_shift(bits, tf.constant(9, tf.uint32))
    return (tf.cast(bits, tf.float32) + 0.5) * 2.0**-23


def _bits(seed, stream, shape):
    key = tf.reshape(tf.bitcast(tf.cast(seed, tf.int32), tf.uint64), [1])
    counter = tf.stack([tf.constant(0, tf.uint64), tf.cast(stream, tf.uint64)])
    return tf.raw_ops.StatelessRandomUniformFullIntV2(
        shape=shape, key=key, counter=counter, alg=_PHILOX, dtype=tf.uint32
    )


def category(logits: tf.Tensor, uniforms: tf.Tensor) -> tf.Tensor:
    """The category k of p(k) = softmax(logits)_k for a random number u: the least with F(k) > u.

    Args:
      logits: [..., K], up to a constant.
      uniforms: [...], in (0, 1).

    Returns:
      int32 [...].

    >>> category(tf.math.log([0.2, 0.5, 0.3]), tf.constant([0.1, 0.6, 0.8])).numpy().tolist()
    [0, 1, 2]
    """
    weights = tf.exp(logits - tf.reduce_max(logits, axis=-1, keepdims=True))
    below = tf.cumsum(weights, axis=-1)
    passed = tf.cast(below <= uniforms[..., None] * below[..., -1:], tf.int32)
    return tf.minimum(tf.reduce_sum(passed, axis=-1), logits.shape[-1] - 1)  # u may round to 1
