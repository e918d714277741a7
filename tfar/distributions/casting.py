"""How data get into a distribution."""

import tensorflow as tf


def log_prob(p, x):
    """log p(x), float32 nats, of values of any dtype: they are cast to that of the distribution.

    That is not always the dtype of what a head draws: counts are int32, and TFP's distributions of
    them take floats.

    Args:
      p: a ``tfd.Distribution``.
      x: a tensor that broadcasts with its batch and event shape.

    >>> import tensorflow_probability as tfp
    >>> log_prob(tfp.distributions.Poisson(tf.constant(1.0, tf.float64)), tf.constant(0)).dtype
    tf.float32
    """
    return tf.cast(p.log_prob(tf.cast(x, p.dtype)), tf.float32)
