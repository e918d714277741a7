"""Causal convolutions over the pixels of an image (van den Oord et al. 2016)."""

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from tfar import arguments
from tfar.arguments import flag, initializer, integer, integers, odd
from tfar.layers.base import CausalLayer
from tfar.layers.schedule import Plan, Schedule, Sites, WholeRows, one_by_one
from tfar.typing import (
    Activation,
    BatchSize,
    Initializer,
    KerasShape,
    Member,
    Nest,
    Rows,
    Shape,
    Training,
)


def raster_taps(kernel_size: Sequence[int], *, now: bool) -> list[tuple[int, int]]:
    """The offsets (dy, dx) of a kernel's taps that come before its pixel in the raster order.

    Args:
      kernel_size: (height, width) of the whole kernel, odd ints.
      now: whether the pixel itself is included.

    Returns:
      list of pairs of ints, row by row.

    >>> raster_taps((3, 3), now=True)
    [(-1, -1), (-1, 0), (-1, 1), (0, -1), (0, 0)]
    """
    height, width = kernel_size
    rows, columns = range(-(height // 2), 1), range(-(width // 2), width // 2 + 1)
    offsets = [(dy, dx) for dy in rows for dx in columns if (dy, dx) < (0, 0)]
    return [*offsets, (0, 0)] if now else offsets


@keras.saving.register_keras_serializable(package="tfar")
class CausalConv2D(CausalLayer):
    """A convolution that sees the pixels before its own, and its own unless it is exclusive.

    y[r, c] = b + sum over taps (dy, dx) of x[r + dy, c + dx] K[dy, dx], with x = 0 outside the
    image. The taps are those of the kernel that come before the centre in the raster order (mask A
    of the paper); an inclusive layer has the centre too (mask B). Only these have weights (with
    several sites per pixel, some weights of the centre are masked).

    The sites of an image of ``image_shape`` (H, W) are its pixels, in raster order: the layer maps
    [B, H W, c] to [B, H W, filters]. With ``subpixels`` S every pixel is S successive sites (its
    colours), [B, H W S, c]: each of them sees all the sites of earlier pixels, and within the pixel
    the same rule holds (R, then G given R, then B given both).

    `step` keeps the sites in the receptive field, a few rows: its multiplications are those of one
    kernel, whatever the size of the image. (It also shifts these rows by one site in memory.)

    Args:
      filters: output channels per site.
      kernel_size: an odd int or two of them, height and width of the whole kernel.
      image_shape: (H, W).
      subpixels: S.
      exclusive: whether a site sees sites before it (True) or itself too (False).
      use_bias: whether there is a bias.
      activation: as in Keras, applied to the outputs; none by default.
      kernel_initializer: as in Keras.

    Raises:
      ValueError: if the kernel's sizes are not odd or leave no tap, or the input is not such an
        image.

    #### References
    A. van den Oord, N. Kalchbrenner, K. Kavukcuoglu. Pixel Recurrent Neural Networks. ICML 2016,
    section 3.4.

    >>> layer = CausalConv2D(8, 3, image_shape=(28, 28))
    >>> layer(np.zeros([2, 784, 1])).shape, tuple(layer.kernel.shape)
    (TensorShape([2, 784, 8]), (5, 1, 8))
    """

    def __init__(
        self,
        filters: int,
        kernel_size: int | Sequence[int],
        image_shape: Shape,
        *,
        subpixels: int = 1,
        exclusive: bool = False,
        use_bias: bool = True,
        activation: Activation = None,
        kernel_initializer: Initializer = "he_normal",
        **kwargs: Any,
    ) -> None:
        super().__init__(exclusive=exclusive, **kwargs)
        self.filters = integer("filters", filters, least=1)
        sizes = kernel_size if isinstance(kernel_size, tuple | list) else [kernel_size] * 2
        if len(sizes) != 2:
            raise ValueError(f"Expected kernel_size to be an int or two, got {kernel_size!r}.")
        self.kernel_size = tuple(odd("kernel_size", size) for size in sizes)
        self.image_shape = integers("image_shape", image_shape, least=1, count=2)
        self.subpixels = integer("subpixels", subpixels, least=1)
        self.use_bias = flag("use_bias", use_bias)
        self.activation = arguments.activation("activation", activation)
        self.kernel_initializer = initializer("kernel_initializer", kernel_initializer)
        now = not exclusive or self.subpixels > 1
        self.taps = raster_taps(self.kernel_size, now=now)
        if not self.taps:
            raise ValueError("An exclusive kernel of one tap sees nothing: make it larger.")

    def build(self, input_shape: KerasShape) -> None:
        sites = np.prod(self.image_shape) * self.subpixels
        if input_shape[1] != sites:
            raise ValueError(
                f"Expected {sites} sites, {self.subpixels} for each pixel of an image of "
                f"{list(self.image_shape)}, got the shape {tuple(input_shape)}."
            )
        self.in_channels = input_shape[2]
        shape = (self.subpixels * self.in_channels, self.subpixels * self.filters)
        self.kernel = self.add_weight(
            shape=(len(self.taps), *shape), initializer=self._initial, name="kernel"
        )
        self.bias = (
            self.add_weight(shape=(self.filters,), initializer="zeros", name="bias")
            if self.use_bias
            else None
        )

    def _initial(self, shape, dtype=None):
        # Fans are counted over all taps: Keras takes the first axes of a shape as the window.
        return keras.ops.reshape(self.kernel_initializer((1, *shape), dtype=dtype), shape)

    def compute_output_shape(self, input_shape: KerasShape) -> KerasShape:
        return (*input_shape[:2], self.filters)

    def _masked_kernel(self):
        """[taps, S c, S f], in the compute dtype, masked by `weight_mask`."""
        kernel = tf.cast(self.kernel, self.compute_dtype)
        return kernel if self.subpixels == 1 else kernel * tf.cast(self.weight_mask(), kernel.dtype)

    def weight_mask(self) -> np.ndarray:
        """float32, of the kernel's shape: 0 for weights from subpixels that are not seen."""
        shape = [self.subpixels, self.in_channels, self.subpixels, self.filters]
        mask = np.ones([len(self.taps), *shape], np.float32)
        if self.subpixels > 1:
            seen = np.triu(np.ones([self.subpixels] * 2), 1 if self.exclusive else 0)
            mask[-1] = seen[:, None, :, None]
        return mask.reshape(self.kernel.shape)

    def call(
        self, x: tf.Tensor, condition: Rows = None, member: Member = None, training: Training = None
    ) -> tf.Tensor:
        height, width = self.image_shape
        channels = self.subpixels * self.in_channels
        kernel = self._masked_kernel()
        if self.taps == [(0, 0)]:
            y = tf.reshape(x, [-1, channels]) @ kernel[0]
        else:
            y = self._convolve(tf.reshape(x, [-1, height, width, channels]), kernel)
        if self.subpixels > 1:
            y = tf.reshape(y, [-1, self.filters])
        return tf.reshape(self._finish(y), [-1, height * width * self.subpixels, self.filters])

    def _finish(self, y):
        """Bias and activation of sites [..., filters].

        If nothing comes between them and the product, TensorFlow fuses them into one operation. In
        `step` a change of shape does: for few sites oneDNN's fused operation takes 9 us, the three
        together 5. A sum, not `tf.nn.bias_add`: see `tfar.layers.Dense`.
        """
        y = y + tf.cast(self.bias, y.dtype) if self.use_bias else y
        return self.activation(y)

    def _convolve(self, x, kernel, above_known=False):
        above, left = -self.taps[0][0], -min(dx for _, dx in self.taps)
        right = max(dx for _, dx in self.taps)  # -1 for a row that ends before the centre
        # The taps fill a rectangle except for the end of its last row. Zeros are multiplied there,
        # but two convolutions, of the part above and of the left, took 1.6 times as long to train.
        columns = left + right + 1
        empty = (above + 1) * columns - len(self.taps)
        kernel = tf.pad(kernel, [[0, empty], [0, 0], [0, 0]])
        kernel = tf.reshape(kernel, [above + 1, columns, *self.kernel.shape[1:]])
        x = x[:, :, :right] if right < 0 else x
        # Padded separately: with explicit padding, gradients of bfloat16 are 25 times slower.
        pad = 0 if above_known else above
        x = tf.pad(x, [[0, 0], [pad, 0], [left, max(right, 0)], [0, 0]])
        return tf.nn.conv2d(x, kernel, 1, "VALID")

    def schedule(self, fastest: Schedule) -> Schedule:
        """A row lags so far behind that what the taps see of those above is there."""
        height, width = self.image_shape
        if (fastest.rows, fastest.columns) != (height, width * self.subpixels):
            return fastest.raster()
        s = self.subpixels
        # From the first subpixel of a pixel to the last one of the pixel at a tap.
        lags = [-(-(dx * s + s - 1 + self.exclusive) // -dy) for dy, dx in self.taps if dy]
        lag = max(1, fastest.lag, *lags)
        return fastest.slower(-(-lag // s) * s)  # all slots are at the same subpixel

    def _tables(self, schedule):
        """The length of the window, where in it the taps are, and which are seen.

        Returns:
          ``(length, places, seen)``: times in the window; int32 [S, slots, taps S], for the
          subpixel of an output, where slots and times are one axis; and int32 [rows W S, taps S], 0
          or 1, for its row (or the first that sees as many above), column and subpixel. The first
          place has zeros, for taps that are not seen.
        """
        width, s = self.image_shape[1], np.arange(self.subpixels)
        lag = width * self.subpixels if schedule.slots == 1 else schedule.lag
        dy, dx = np.repeat(self.taps, self.subpixels, axis=0).T
        behind = -dy * lag - dx * self.subpixels - np.tile(s, len(self.taps)) + s[:, None]
        seen = (behind >= self.exclusive) & self._inside(dy, dx)
        length = behind.max() + (not self.exclusive) + 1
        times = length - 1 + self.exclusive - behind
        slots = (np.arange(schedule.slots)[:, None] + dy) % schedule.slots
        places = times[:, None] + slots * length
        return length, places.astype(np.int32), seen.reshape([-1, len(dx)]).astype(np.int32)

    def _inside(self, dy, dx):
        """bool [rows, W, 1, taps S]: whether taps are in the image; see `_tables`."""
        width = self.image_shape[1]
        row, column = np.indices([1 - dy.min(), width])[..., None, None]
        return (row + dy >= 0) & (column + dx >= 0) & (column + dx < width)

    @property
    def _pointwise(self):
        return self.taps == [(0, 0)] and self.subpixels == 1

    def initial_state(
        self,
        batch_size: BatchSize,
        condition: Rows = None,
        member: Member = None,
        schedule: Plan | None = None,
    ) -> Nest:
        """Zeros, and what was given at the last times, in each slot: [B, slots, 1 + times, c].

        For whole rows, the rows above that are seen: [B, rows, W, S c].
        """
        if self._pointwise:
            return ()
        if isinstance(schedule, WholeRows):
            shape = [batch_size, -self.taps[0][0], self.image_shape[1], self.subpixels]
            return tf.zeros([*shape[:-1], shape[-1] * self.in_channels], self.compute_dtype)
        schedule = schedule or one_by_one(int(np.prod(self.image_shape)) * self.subpixels)
        length, *_ = self._tables(schedule)
        shape = [batch_size, schedule.slots, length, self.in_channels]
        return tf.zeros(shape, self.compute_dtype)

    def step(self, x: tf.Tensor, state: Nest, sites: Sites) -> tuple[tf.Tensor, Nest]:
        x = tf.cast(x, self.compute_dtype)
        slots = sites.schedule.slots
        kernel = tf.reshape(tf.cast(self.kernel, x.dtype), [-1, self.subpixels, self.filters])
        if self._pointwise:
            y = tf.reshape(x, [-1, self.in_channels]) @ kernel[:, 0]
            return self._finish(tf.reshape(y, [-1, slots, self.filters])), state
        now = x[:, :, None]
        window = tf.concat([tf.zeros_like(now), state[:, :, 2:], now], axis=2)
        length, places, seen = self._tables(sites.schedule)
        row_length = self.image_shape[1] * self.subpixels
        row, place = sites.number // row_length, sites.number % row_length
        here = tf.minimum(row, -self.taps[0][0]) * row_length + place
        # All slots are at the same subpixel.
        subpixel = place[0] % self.subpixels if self.subpixels > 1 else 0
        kernel, places = kernel[:, subpixel], tf.constant(places)[subpixel]
        window_of_all = tf.reshape(window, [-1, slots * length, self.in_channels])
        taps = tf.gather(window_of_all, places * tf.gather(tf.constant(seen), here), axis=1)
        y = tf.reshape(taps, [-1, kernel.shape[0]]) @ kernel
        return self._finish(tf.reshape(y, [-1, slots, self.filters])), window

    def extend(self, x: tf.Tensor, state: Nest, first: tf.Tensor) -> tuple[tf.Tensor, Nest]:
        x, channels = tf.cast(x, self.compute_dtype), self.subpixels * self.in_channels
        width, kernel = self.image_shape[1], self._masked_kernel()
        if self.taps == [(0, 0)]:
            y = tf.reshape(x, [-1, channels]) @ kernel[0]
            width = tf.shape(x)[1] // self.subpixels
        else:
            row = tf.reshape(x, [-1, 1, width, channels])
            rows = tf.concat([state, row], axis=1) if self.taps[0][0] else row
            y, state = self._convolve(rows, kernel, above_known=True), rows[:, 1:]
        return self._finish(tf.reshape(y, [-1, width * self.subpixels, self.filters])), state

    def extends(self, schedule: Plan) -> bool:
        height, width = self.image_shape
        if self._pointwise:
            return True
        return schedule == WholeRows(height, width * self.subpixels)

    @property
    def output_bias(self) -> keras.Variable | None:
        return None  # all sites share one

    def depends(self, sources: np.ndarray) -> np.ndarray:
        width, s = self.image_shape[1], self.subpixels
        site = np.arange(np.prod(self.image_shape) * s)
        row, column = np.divmod(site // s, width)
        dy = row[None, :] - row[:, None]
        dx = column[None, :] - column[:, None]
        seen = np.zeros(dy.shape, bool)
        for tap in self.taps:
            seen |= (dy == tap[0]) & (dx == tap[1])
        seen &= np.tri(len(site), k=-1 if self.exclusive else 0, dtype=bool)
        return seen @ np.asarray(sources, bool)

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "filters": self.filters,
            "kernel_size": list(self.kernel_size),
            "image_shape": list(self.image_shape),
            "subpixels": self.subpixels,
            "use_bias": self.use_bias,
            "activation": keras.activations.serialize(self.activation),
            "kernel_initializer": keras.initializers.serialize(self.kernel_initializer),
        }
