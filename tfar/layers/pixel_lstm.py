"""LSTMs over the rows and over the diagonals of an image (van den Oord et al. 2016)."""

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from tfar.arguments import integer, integers, odd
from tfar.layers.base import CausalLayer
from tfar.layers.conv import CausalConv2D
from tfar.layers.schedule import Plan, Sites
from tfar.typing import BatchSize, KerasShape, Member, Nest, Rows, Shape, Training


def cell(gates: tf.Tensor, c: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """One step of an LSTM: ``(h, c)`` from gates i, f, g, o [..., 4h] and the previous c, float32.

    c' = sigmoid(f + 1) c + sigmoid(i) tanh(g),  h = sigmoid(o) tanh(c')

    The 1 makes the cell remember at first.
    """
    i, f, g, o = tf.split(tf.cast(gates, tf.float32), 4, axis=-1)
    c = tf.sigmoid(f + 1) * c + tf.sigmoid(i) * tf.tanh(g)
    return tf.cast(tf.sigmoid(o) * tf.tanh(c), gates.dtype), c


def recurrence(step: Callable[..., Any], inputs: tf.Tensor, *state: tf.Tensor) -> tf.Tensor:
    """The outputs of ``y, *state = step(inputs[t], *state)`` for all t, stacked [T, ...]."""
    length = inputs.shape[0]
    given = tf.TensorArray(inputs.dtype, length, element_shape=inputs.shape[1:]).unstack(inputs)

    def body(t, outputs, *state):
        y, *state = step(given.read(t), *state)
        return t + 1, outputs.write(t, y), *state

    _, outputs, *_ = tf.while_loop(
        lambda t, *_: t < length,
        body,
        (0, tf.TensorArray(inputs.dtype, length), *state),
        maximum_iterations=length,
    )
    return outputs.stack()


def part(x: tf.Tensor, axis: int, begin: int | tf.Tensor, size: int | tf.Tensor) -> tf.Tensor:
    """``size`` entries of an axis, starting at ``begin``.

    Its gradient is a padding with zeros. That of x[a:b] is assigned entry by entry on a CPU, which
    took a sixth of the training step of a Diagonal BiLSTM.
    """
    begins, sizes = [0] * len(x.shape), [-1] * len(x.shape)
    begins[axis], sizes[axis] = begin, size
    return tf.slice(x, begins, sizes)


class _PixelLSTM(CausalLayer):
    """What the two layers share: arguments, shapes, and gates from the input."""

    directions = 1

    def __init__(
        self, units: int, kernel_size: int, image_shape: Shape, *, subpixels: int = 1, **kwargs: Any
    ) -> None:
        kwargs.pop("exclusive", None)
        super().__init__(**kwargs)
        self.units = integer("units", units, least=1)
        self.kernel_size = odd("kernel_size", kernel_size)
        self.image_shape = integers("image_shape", image_shape, least=1, count=2)
        self.subpixels = integer("subpixels", subpixels, least=1)
        self.to_gates = CausalConv2D(
            self.directions * 4 * self.units,
            (1, self.kernel_size),
            self.image_shape,
            subpixels=self.subpixels,
            kernel_initializer="glorot_uniform",
            dtype=self.dtype_policy,
            name="to_gates",
        )

    def build(self, input_shape: KerasShape) -> None:
        self.to_gates.build(input_shape)
        # All sites of a pixel form one vector: all of them may see what is before the pixel.
        self.state_size = self.subpixels * self.units

    def compute_output_shape(self, input_shape: KerasShape) -> KerasShape:
        return (*input_shape[:2], self.units)

    def _recurrent_kernel(self, taps, name):
        shape = (taps * self.state_size, 4 * self.state_size)
        return self.add_weight(shape=shape, initializer="glorot_uniform", name=name)

    def _of_subpixel(self, kernel, subpixel):
        """The columns of a recurrent kernel that lead to the gates of one site of a pixel."""
        kernel = tf.reshape(kernel, [-1, self.subpixels, 4 * self.units])
        return kernel[:, subpixel]

    def _zeros(self, batch_size, *shape, dtype=None):
        return tf.zeros([batch_size, *shape], dtype or self.compute_dtype)

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "units": self.units,
            "kernel_size": self.kernel_size,
            "image_shape": list(self.image_shape),
            "subpixels": self.subpixels,
        }


@keras.saving.register_keras_serializable(package="tfar")
class RowLSTM(_PixelLSTM):
    """An LSTM that runs down the image, one row at a time.

    gates[r, c] = sum_d K_d x[r, c - d] + sum_d S_d h[r - 1, c + d] + b,
    h[r, c], c[r, c] = LSTM(gates[r, c], c[r - 1, c])

    The first sum sees the pixel itself and those to its left in reach, the second (*state to
    state*) the kernel_size pixels above: the receptive field is a triangle. Inclusive; [B, n, c]
    becomes [B, n, units]. Sites are pixels, or their colours, as in `tfar.layers.CausalConv2D`.

    Args:
      units: size of h at a site.
      kernel_size: odd, of both sums.
      image_shape: (H, W).
      subpixels: S, sites per pixel; the row below sees the h of all the sites of a pixel.

    #### References
    A. van den Oord, N. Kalchbrenner, K. Kavukcuoglu. Pixel Recurrent Neural Networks. ICML 2016,
    section 3.1.

    >>> RowLSTM(4, 3, image_shape=(2, 3))(np.zeros([5, 6, 1])).shape
    TensorShape([5, 6, 4])
    """

    def build(self, input_shape: KerasShape) -> None:
        super().build(input_shape)
        self.kernel = self._recurrent_kernel(self.kernel_size, "recurrent_kernel")

    def _from_above(self, h):
        """The term that a row's h [B, W, S units] adds to the next gates, [B, W, 4 S units]."""
        side = self.kernel_size // 2
        h = tf.pad(h, [[0, 0], [side, side], [0, 0]])
        width = self.image_shape[1]
        taps = tf.concat([part(h, 1, d, width) for d in range(self.kernel_size)], axis=-1)
        return taps @ tf.cast(self.kernel, h.dtype)

    def call(
        self, x: tf.Tensor, condition: Rows = None, member: Member = None, training: Training = None
    ) -> tf.Tensor:
        height, width = self.image_shape
        s, u = self.subpixels, self.units
        gates = tf.reshape(self.to_gates(x), [-1, height, width, s * 4 * u])
        batch_size = tf.shape(gates)[0]

        def row(gates, h, c):
            gates = tf.reshape(gates + self._from_above(h), [-1, width, s, 4 * u])
            h, c = cell(gates, c)
            h = tf.reshape(h, [-1, width, s * u])
            return h, h, c

        h = self._zeros(batch_size, width, s * u)
        c = self._zeros(batch_size, width, s, u, dtype=tf.float32)
        h = recurrence(row, tf.transpose(gates, [1, 0, 2, 3]), h, c)
        return tf.reshape(tf.transpose(h, [1, 0, 2, 3]), [-1, height * width * s, u])

    def initial_state(
        self,
        batch_size: BatchSize,
        condition: Rows = None,
        member: Member = None,
        schedule: Plan | None = None,
    ) -> Nest:
        """(state of `to_gates`, gates from above, c above, and this row's h and c)."""
        sites, u = self.image_shape[1] * self.subpixels, self.units
        return (
            self.to_gates.initial_state(batch_size),
            self._zeros(batch_size, sites, 4 * u),
            self._zeros(batch_size, sites, u, dtype=tf.float32),
            self._zeros(batch_size, sites, u),
            self._zeros(batch_size, sites, u, dtype=tf.float32),
        )

    def step(self, x: tf.Tensor, state: Nest, sites: Sites) -> tuple[tf.Tensor, Nest]:
        inner, above, c_above, h_row, c_row = state
        gates, inner = self.to_gates.step(x, inner, sites)
        width, places = self.image_shape[1], h_row.shape[1]
        place = sites.one % places

        def begin():
            h = tf.reshape(h_row, [-1, width, self.state_size])
            return tf.reshape(self._from_above(h), tf.shape(above)), c_row

        above, c_above = tf.cond(place == 0, begin, lambda: (above, c_above))
        h, c = cell(gates[:, 0] + above[:, place], c_above[:, place])
        here = (tf.range(places) == place)[:, None]
        h_row, c_row = tf.where(here, h[:, None], h_row), tf.where(here, c[:, None], c_row)
        return h[:, None], (inner, above, c_above, h_row, c_row)

    def depends(self, sources: np.ndarray) -> np.ndarray:
        """Dependencies of the gates, c[r - 1, c] and h[r - 1, c + d], up to the first row."""
        seen = self.to_gates.depends(sources)
        height, width = self.image_shape
        rows = seen.reshape([height, width, self.subpixels, -1]).copy()
        side = self.kernel_size // 2
        for r in range(1, height):
            above = rows[r - 1].any(axis=1)  # all the sites of a pixel
            for c in range(width):
                rows[r, c] |= above[max(0, c - side) : c + side + 1].any(axis=0)
        return rows.reshape(seen.shape)


@keras.saving.register_keras_serializable(package="tfar")
class DiagonalBiLSTM(_PixelLSTM):
    """Two LSTMs that run over an image along its diagonals, from its two upper corners.

    gates[r, c] = K x[r, c] + S_1 h[r, c - 1] + S_2 h[r - 1, c] + b,
    h[r, c], c[r, c] = LSTM(gates[r, c], c[r, c - 1])

    for the one from the left. The other is its mirror image, with its own weights, and is shifted
    down by a row before both are added, y[r, c] = h[r, c] + h'[r - 1, c], since h'[r, c] has seen
    the pixels to the right. The receptive field is the whole image before the pixel.
    Inclusive; [B, n, c] becomes [B, n, units], as in `RowLSTM`.

    `call` computes the pixels of a diagonal at once, and the H + W - 1 diagonals one after the
    other. When a row begins, `step` runs the LSTM from the right over the row above.

    Args:
      units: size of h at a site.
      image_shape: (H, W).
      subpixels: S, sites per pixel.

    #### References
    A. van den Oord, N. Kalchbrenner, K. Kavukcuoglu. Pixel Recurrent Neural Networks. ICML 2016,
    section 3.2 and figure 3.

    >>> DiagonalBiLSTM(4, image_shape=(2, 3))(np.zeros([5, 6, 1])).shape
    TensorShape([5, 6, 4])
    """

    directions = 2

    def __init__(
        self, units: int, image_shape: Shape, *, subpixels: int = 1, **kwargs: Any
    ) -> None:
        kwargs.pop("kernel_size", None)
        super().__init__(units, 1, image_shape, subpixels=subpixels, **kwargs)

    def build(self, input_shape: KerasShape) -> None:
        super().build(input_shape)
        self.kernels = [self._recurrent_kernel(2, f"recurrent_kernel_{d}") for d in range(2)]

    def call(
        self, x: tf.Tensor, condition: Rows = None, member: Member = None, training: Training = None
    ) -> tf.Tensor:
        height, width = self.image_shape
        s, u = self.subpixels, self.units
        gates = tf.reshape(self.to_gates(x), [-1, height, width, s, 2, 4 * u])
        batch_size = tf.shape(gates)[0]
        gates = tf.transpose(gates, [4, 1, 2, 0, 3, 5])  # [2, H, W, B, S, 4 units]
        gates = tf.reshape(gates, [2, height, width, -1, s * 4 * u])
        length, places = height + width - 1, self._places()
        gates = tf.scatter_nd(places, gates, [length, 2, height, batch_size, s * 4 * u])
        kernels = tf.stack([tf.cast(kernel, gates.dtype) for kernel in self.kernels])

        def diagonal(gates, h, c):
            # Outside the image all gates are 0, and so are h and c to the left of it.
            above = tf.pad(part(h, 1, 0, height - 1), [[0, 0], [1, 0], [0, 0], [0, 0]])
            before = tf.reshape(tf.concat([h, above], axis=-1), [2, -1, 2 * s * u])
            gates += tf.reshape(before @ kernels, tf.shape(gates))
            h, c = cell(tf.reshape(gates, [2, height, -1, s, 4 * u]), c)
            h = tf.reshape(h, [2, height, -1, s * u])
            return h, h, c

        h = tf.zeros([2, height, batch_size, s * u], gates.dtype)
        c = tf.zeros([2, height, batch_size, s, u])
        h = recurrence(diagonal, gates, h, c)  # [T, 2, H, B, S units]
        left, right = tf.unstack(tf.gather_nd(h, places))  # [H, W, B, S units]
        y = left + tf.pad(part(right, 0, 0, height - 1), self._down_a_row())
        return tf.reshape(tf.transpose(y, [2, 0, 1, 3]), [-1, height * width * s, u])

    def _down_a_row(self):
        """Padding: in its own row, the LSTM from the right has seen later pixels."""
        return [[1, 0], [0, 0], [0, 0], [0, 0]]

    def _places(self):
        """(diagonal, direction, row) of both directions' pixels, int32 [2, H, W, 3]."""
        height, width = self.image_shape
        direction, row, column = np.indices([2, height, width], np.int32)
        beside = np.where(direction == 0, column, width - 1 - column)
        return np.stack([row + beside, direction, row], axis=-1)

    def initial_state(
        self,
        batch_size: BatchSize,
        condition: Rows = None,
        member: Member = None,
        schedule: Plan | None = None,
    ) -> Nest:
        """(state of `to_gates`, states of both directions).

        From the left: h and c of the pixel to the left, h and c of this pixel's sites that are
        done, h of the row above, h of this row. From the right: gates of this row from the
        input, h of the row above.
        """
        width, s, u = self.image_shape[1], self.subpixels, self.units
        pixel = self._zeros(batch_size, s, u), self._zeros(batch_size, s, u, dtype=tf.float32)
        row = self._zeros(batch_size, width * s, u)
        gates = self._zeros(batch_size, width * s, 4 * u)
        inner = self.to_gates.initial_state(batch_size)
        return inner, (pixel, pixel, row, row), (gates, row)

    def step(self, x: tf.Tensor, state: Nest, sites: Sites) -> tuple[tf.Tensor, Nest]:
        inner, (left, now, above, row), (inputs, right) = state
        gates, inner = self.to_gates.step(x, inner, sites)
        from_left, from_right = tf.split(gates[:, 0], 2, axis=-1)
        width, s = self.image_shape[1], self.subpixels
        place, subpixel = sites.one % (width * s), sites.one % s
        here = (tf.range(width * s) == place)[:, None]

        def begin_row():
            nothing = tuple(tf.zeros_like(part) for part in now)
            return nothing, row, self._run_from_right(inputs, right)

        def begin_pixel():
            return now, above, right

        left, above, right = tf.cond(
            place == 0,
            begin_row,
            lambda: tf.cond(subpixel == 0, begin_pixel, lambda: (left, above, right)),
        )
        pixel = tf.reshape(above, [-1, width, self.state_size])[:, place // s]
        before = tf.concat([tf.reshape(left[0], [-1, self.state_size]), pixel], axis=-1)
        kernel = self._of_subpixel(tf.cast(self.kernels[0], before.dtype), subpixel)
        h, c = cell(from_left + before @ kernel, left[1][:, subpixel])
        mine = (tf.range(s) == subpixel)[:, None]
        now = tuple(tf.where(mine, new[:, None], old) for new, old in zip((h, c), now))
        row = tf.where(here, h[:, None], row)
        y = h + right[:, place]
        inputs = tf.where(here, from_right[:, None], inputs)
        return y[:, None], (inner, (left, now, above, row), (inputs, right))

    def _run_from_right(self, inputs, above):
        """h of a row, [B, W S, units], from its gates and the h of the row above."""
        width, s, u = self.image_shape[1], self.subpixels, self.units
        kernel = tf.cast(self.kernels[1], inputs.dtype)
        gates = tf.reshape(inputs, [-1, width, s * 4 * u])
        above = tf.reshape(above, [-1, width, s * u])
        given = tf.transpose(tf.concat([gates, above], axis=-1)[:, ::-1], [1, 0, 2])

        def pixel(given, h, c):
            gates, above = tf.split(given, [s * 4 * u, s * u], axis=-1)
            gates += tf.concat([h, above], axis=-1) @ kernel
            h, c = cell(tf.reshape(gates, [-1, s, 4 * u]), c)
            h = tf.reshape(h, [-1, s * u])
            return h, h, c

        h = tf.zeros_like(above[:, 0])
        c = tf.zeros([tf.shape(inputs)[0], s, u])
        h = tf.transpose(recurrence(pixel, given, h, c)[::-1], [1, 0, 2])
        return tf.reshape(h, tf.shape(inputs[..., :u]))

    def depends(self, sources: np.ndarray) -> np.ndarray:
        """All the sites before, and those of the pixel itself that may be seen."""
        return np.tri(len(sources), dtype=bool) @ np.asarray(sources, bool)

    def get_config(self) -> dict[str, Any]:
        config = super().get_config()
        del config["kernel_size"]  # on diagonals it is 1 for the input and 2 for the state
        return config
