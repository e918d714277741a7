"""Convolutions that end at their pixel (Salimans et al. 2017)."""

from typing import Any

import keras
import numpy as np
import tensorflow as tf

from tfar.arguments import flag, integer, integers
from tfar.layers.checks import Checked
from tfar.typing import KerasShape, Shape


class CornerConv2D(Checked):
    """A convolution of two rows and two columns, of which the last ones are the pixel's own.

    y[r, c] = b + sum over i, j in {0, 1} of x[r - i, c - j] K[i, j], with x = 0 outside the image,
    and without x[r, c] if it is exclusive. With a ``stride`` only rows and columns that are
    multiples of it have outputs. Maps [B, H W, c] to [B, H W / stride^2, filters].

    One pixel at a time, what the row above adds to each pixel of the next one, `above`, is computed
    once per row, and `step` adds what the row itself does.

    Args:
      filters: output channels.
      image_shape: (H, W).
      exclusive: whether the pixel itself is not seen.
      stride: an int that divides H and W.
    """

    def __init__(
        self,
        filters: int,
        image_shape: Shape,
        *,
        exclusive: bool = False,
        stride: int = 1,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.filters = integer("filters", filters, least=1)
        self.image_shape = integers("image_shape", image_shape, least=1, count=2)
        self.exclusive = flag("exclusive", exclusive)
        self.stride = integer("stride", stride, least=1)
        self.kernel_initializer = keras.initializers.HeNormal()

    def build(self, input_shape: KerasShape) -> None:
        self.channels = input_shape[-1]
        self.kernel = self.add_weight(
            # Of the taps (-1, -1), (-1, 0), (0, -1) and (0, 0).
            shape=(3 if self.exclusive else 4, self.channels, self.filters),
            initializer=self._initial,
            name="kernel",
        )
        self.bias = self.add_weight(shape=(self.filters,), initializer="zeros", name="bias")

    def _initial(self, shape, dtype=None):
        # Fans are counted over all taps: Keras takes the first axes of a shape as the window.
        return keras.ops.reshape(self.kernel_initializer((1, *shape), dtype=dtype), shape)

    def call(self, x: tf.Tensor) -> tf.Tensor:
        (height, width), kernel = self.image_shape, tf.cast(self.kernel, x.dtype)
        kernel = tf.pad(kernel, [[0, int(self.exclusive)], [0, 0], [0, 0]])
        kernel = tf.reshape(kernel, [2, 2, self.channels, self.filters])
        x = tf.reshape(x, [-1, height, width, self.channels])
        # Padded separately, as in `CausalConv2D`.
        x = tf.pad(x, [[0, 0], [1, 0], [1, 0], [0, 0]])
        y = tf.nn.conv2d(x, kernel, self.stride, "VALID") + tf.cast(self.bias, x.dtype)
        return tf.reshape(y, [-1, height * width // self.stride**2, self.filters])

    def above(self, x: tf.Tensor) -> tf.Tensor:
        """What a row of inputs adds to the outputs of the next one, and b: [W, B, filters].

        ``x`` are zeros and the row, [1 + W, B, c].
        """
        pairs = tf.concat([x[:-1], x[1:]], axis=-1)
        flat = tf.reshape(pairs, [-1, 2 * self.channels])
        y = flat @ self._taps(0, 2) + tf.cast(self.bias, flat.dtype)
        return tf.reshape(y, [self.image_shape[1], -1, self.filters])

    def step(self, x: tf.Tensor | None, left: tf.Tensor, above: tf.Tensor) -> tf.Tensor:
        """The output at a pixel, [B, filters].

        Args:
          x: its input [B, c], or None if the layer is exclusive.
          left: the input of the pixel to the left, [B, c], or zeros.
          above: what `above` gave for its column.
        """
        if x is None:
            return left @ self._taps(2, 3) + above
        return tf.concat([left, x], axis=-1) @ self._taps(2, 4) + above

    def _taps(self, first, end):
        kernel = tf.cast(self.kernel, self.compute_dtype)[first:end]
        return tf.reshape(kernel, [(end - first) * self.channels, self.filters])

    def depends(self, sources: np.ndarray) -> np.ndarray:
        """As `tfar.layers.CausalLayer.depends`, without the stride."""
        row, column = np.divmod(np.arange(np.prod(self.image_shape)), self.image_shape[1])
        dy, dx = row[:, None] - row, column[:, None] - column
        seen = (dy >= 0) & (dy <= 1) & (dx >= 0) & (dx <= 1)
        seen &= ~(self.exclusive & (dy == 0) & (dx == 0))
        return seen @ np.asarray(sources, bool)
