"""Sites of different sizes: their channels side by side, without those that a site has not."""

from collections.abc import Sequence

import numpy as np
import tensorflow as tf

from tfar.arguments import integers


class Packing:
    """Which channels sites have: [B, n, c] without the others is [B, m], and back.

    Site i has the first ``sizes[i]`` of c channels. ``always`` more follow that each site has.

    Args:
      sizes: n integers from 1.
      always: an integer from 0.

    >>> packing = Packing([1, 2])
    >>> packing.pack(tf.constant([[[1.0, 0.0], [2.0, 3.0]]])).numpy().tolist()
    [[1.0, 2.0, 3.0]]
    >>> packing.unpack(tf.constant([[1.0, 2.0, 3.0]])).numpy().tolist()
    [[[1.0, 0.0], [2.0, 3.0]]]
    """

    def __init__(self, sizes: Sequence[int], always: int = 0) -> None:
        own = np.array(integers("sizes", sizes, least=1))[:, None] > np.arange(max(sizes))
        self.used = np.pad(own, ((0, 0), (0, always)), constant_values=True)  # [n, c]
        self.places = np.flatnonzero(self.used).astype(np.int32)  # in the n * c, of the m
        numbers = np.maximum(np.cumsum(self.used) - 1, 0).astype(np.int32)
        self.numbers = numbers.reshape(self.used.shape)  # among the m, of the n * c
        self.everything = bool(self.used.all())
        self.total = len(self.places)

    def pack(self, x: tf.Tensor) -> tf.Tensor:
        """[B, n, c] -> [B, m]."""
        x = tf.reshape(x, [-1, self.used.size])
        return x if self.everything else tf.gather(x, self.places, axis=1)

    def unpack(self, y: tf.Tensor) -> tf.Tensor:
        """[B, m] -> [B, n, c], with zeros for channels that a site has not."""
        if self.everything:
            return tf.reshape(y, [-1, *self.used.shape])

        # The gradient of a gather adds what was taken twice, which is slow, and here never is.
        @tf.custom_gradient
        def run(y):
            x = tf.transpose(tf.gather(tf.transpose(y), self.numbers.ravel()))  # whole rows: faster
            x = tf.reshape(x, [-1, *self.used.shape])
            return x * tf.constant(self.used, y.dtype), self.pack

        return run(y)

    def of_sites(self, rows: tf.Tensor, sites: tf.Tensor) -> tf.Tensor:
        """Rows [m, h], one for each channel, of some sites [...]: [..., c, h], zeros included."""
        found = tf.gather(rows, tf.gather(self.numbers, sites))
        return found * tf.gather(tf.constant(self.used, found.dtype), sites)[..., None]
