"""A vertical and a horizontal stack of gated convolutions (van den Oord et al. 2016b)."""

from typing import Any

import keras
import numpy as np
import tensorflow as tf

from tfar.arguments import flag, integer, integers, odd, rate
from tfar.layers.base import CausalLayer
from tfar.layers.checks import Checked
from tfar.layers.conv import CausalConv2D
from tfar.layers.schedule import Plan, WholeRows
from tfar.typing import BatchSize, KerasShape, Member, Nest, Rows, Shape, Training


def gate(x: tf.Tensor) -> tf.Tensor:
    """tanh(a) sigmoid(b), with a and b the halves of x [..., 2f].

    >>> gate(tf.zeros([1, 4])).numpy().tolist()
    [[0.0, 0.0]]
    """
    a, b = tf.split(x, 2, axis=-1)
    return tf.tanh(a) * tf.sigmoid(b)


@keras.saving.register_keras_serializable(package="tfar")
class RowConv2D(Checked):
    """A convolution that is causal along the rows of an image, and sees all columns in reach.

    Row r of the output sees rows r - above ... r of the input, or r - above ... r - 1 if it is
    exclusive. The sites of this layer are rows: `call` maps [B, H, W, c] to [B, H, W, filters],
    and `step` one row [B, 1, W, c] to [B, 1, W, filters], as `tfar.layers.CausalLayer` does with
    sites. With a ``stride`` only rows and columns that are multiples of it have outputs; `step`
    gives one for every row, and only these count.

    Args:
      filters: output channels.
      above: number of rows above that are seen.
      width: odd, columns of the kernel.
      exclusive: whether the row itself is not seen.
      stride: an int that divides H and W.
    """

    axes = ("H", "W", "c")
    stationary = True

    def __init__(
        self,
        filters: int,
        *,
        above: int,
        width: int,
        exclusive: bool = False,
        stride: int = 1,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.exclusive = flag("exclusive", exclusive)
        self.filters = integer("filters", filters, least=1)
        self.above = integer("above", above, least=int(self.exclusive))  # otherwise no row is seen
        self.width = odd("width", width)
        self.stride = integer("stride", stride, least=1)

    def build(self, input_shape: KerasShape) -> None:
        rows = self.above + (not self.exclusive)
        self.kernel = self.add_weight(
            shape=(rows, self.width, input_shape[-1], self.filters),
            initializer="he_normal",
            name="kernel",
        )
        self.bias = self.add_weight(shape=(self.filters,), initializer="zeros", name="bias")
        self.row_shape = tuple(input_shape[2:])

    def call(self, x: tf.Tensor) -> tf.Tensor:
        x = x[:, :-1] if self.exclusive else x
        return self._convolve(x, self.above)

    def _convolve(self, x, above=0):
        side = self.width // 2
        kernel, bias = tf.cast(self.kernel, x.dtype), tf.cast(self.bias, x.dtype)
        if kernel.shape[:2] == [1, 1] and not above and self.stride == 1:
            # A product of matrices: its gradients are faster than those of a convolution.
            y = tf.reshape(x, [-1, x.shape[-1]]) @ kernel[0, 0] + bias
            return tf.reshape(y, [-1, *x.shape[1:-1], self.filters])
        if above or side:
            x = tf.pad(x, [[0, 0], [above, 0], [side, side], [0, 0]])
        return tf.nn.conv2d(x, kernel, self.stride, "VALID") + bias  # as in `tfar.layers.Dense`

    def initial_state(self, batch_size: BatchSize) -> Nest:
        """The rows above the first one, [B, above, W, c], one fewer if exclusive."""
        rows = self.above - self.exclusive
        return tf.zeros([batch_size, rows, *self.row_shape], self.compute_dtype)

    def step(self, x: tf.Tensor, state: Nest) -> tuple[tf.Tensor, Nest]:
        """Row r of the output; ``x`` is row r of the input, or row r - 1 if exclusive."""
        rows = tf.concat([state, tf.cast(x, state.dtype)], axis=1)
        return self._convolve(rows), rows[:, 1:]

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "filters": self.filters,
            "above": self.above,
            "width": self.width,
            "exclusive": self.exclusive,
            "stride": self.stride,
        }

    def depends(self, sources: np.ndarray, image_shape: Shape) -> np.ndarray:
        """As `tfar.layers.CausalLayer.depends`, with pixels [H W] as sites and no stride."""
        row, column = np.divmod(np.arange(np.prod(image_shape)), image_shape[1])
        dy, dx = row[:, None] - row, column[:, None] - column
        seen = (dy >= self.exclusive) & (dy <= self.above) & (np.abs(dx) <= self.width // 2)
        return seen @ np.asarray(sources, bool)


@keras.saving.register_keras_serializable(package="tfar")
class GatedStacks(CausalLayer):
    """The two stacks of a Gated PixelCNN, without a blind spot.

    The vertical stack sees the rows above, the horizontal one the pixels to the left and, in every
    layer, the vertical one:

        V_l = vertical convolution of v_{l-1} + U_l s,         v_l = g(V_l)
        H_l = horizontal convolution of h_{l-1} + A_l V_l + U'_l s
        h_l = h_{l-1} + R_l g(H_l),                            y = sum_l S_l g(H_l)

    (h_1 = R_1 g(H_1) alone)
    with g(a, b) = tanh(a) sigmoid(b), residual connections R and skip connections S, and s the
    condition, if any (``condition`` [B, d], for instance a one-hot label).

    The sites are pixels, or their colours, as in `tfar.layers.CausalConv2D`. [B, n, c] becomes
    [B, n, filters]. Exclusive.

    It has no `step`, but `extend` for whole rows: a row needs the horizontal stack only, once the
    vertical stack has run over the row above.

    Args:
      filters: f.
      layers: L.
      kernel_size: odd, k: the vertical convolutions see (k + 1) / 2 rows of k columns, the
        horizontal ones (k + 1) / 2 columns.
      first_kernel_size: odd, that of the first layer.
      image_shape: (H, W).
      subpixels: sites per pixel.
      condition_size: d, or 0 for no condition.
      dropout: rate for g(H_l) in training.

    #### References
    A. van den Oord, N. Kalchbrenner, O. Vinyals, L. Espeholt, A. Graves, K. Kavukcuoglu.
    Conditional Image Generation with PixelCNN Decoders. NIPS 2016, sections 2.1 to 2.3, figure 2.
    """

    def __init__(
        self,
        filters: int,
        layers: int,
        *,
        kernel_size: int,
        first_kernel_size: int,
        image_shape: Shape,
        subpixels: int = 1,
        condition_size: int = 0,
        dropout: float = 0.0,
        **kwargs: Any,
    ) -> None:
        kwargs.pop("exclusive", None)
        super().__init__(exclusive=True, **kwargs)
        self.filters = integer("filters", filters, least=1)
        self.num_layers = integer("layers", layers, least=1)
        self.kernel_size = odd("kernel_size", kernel_size)
        self.first_kernel_size = odd("first_kernel_size", first_kernel_size)
        self.image_shape = integers("image_shape", image_shape, least=1, count=2)
        self.subpixels = integer("subpixels", subpixels, least=1)
        self.condition_size = integer("condition_size", condition_size, least=0)
        self.dropout = rate("dropout", dropout)
        policy, f = self.dtype_policy, self.filters
        self.vertical, self.across, self.horizontal, self.out = [], [], [], []
        for index in range(self.num_layers):
            size = self.kernel_size if index else self.first_kernel_size
            self.vertical.append(
                RowConv2D(2 * f, above=size // 2, width=size, exclusive=not index, dtype=policy)
            )
            self.across.append(RowConv2D(2 * f * self.subpixels, above=0, width=1, dtype=policy))
            self.horizontal.append(
                CausalConv2D(
                    2 * f,
                    (1, size),
                    self.image_shape,
                    subpixels=self.subpixels,
                    exclusive=not index,
                    use_bias=False,  # there is one in `across`
                    dtype=policy,
                )
            )
            last = index == self.num_layers - 1
            self.out.append(
                CausalConv2D(
                    f if last else 2 * f,
                    1,
                    self.image_shape,
                    subpixels=self.subpixels,
                    dtype=policy,
                )
            )
        self.drop = keras.layers.Dropout(self.dropout, dtype=policy)

    def build(self, input_shape: KerasShape) -> None:
        n, c = input_shape[1:]
        height, width = self.image_shape
        f = self.filters
        v, h = self.subpixels * c, c
        for index in range(self.num_layers):
            self.vertical[index].build((None, height, width, v))
            self.across[index].build((None, height, width, 2 * f))
            self.horizontal[index].build((None, n, h))
            self.out[index].build((None, n, f))
            v = h = f
        # For each layer, the gates of the vertical and of the horizontal stack.
        self.condition_kernel = self.condition_weights(self.num_layers * 4 * f, "zeros")

    def compute_output_shape(self, input_shape: KerasShape) -> KerasShape:
        return (*input_shape[:2], self.filters)

    def _conditions(self, condition):
        """For each layer, the terms added to V, [B, 1, 1, 2f], and to H, [B, 1, 2f], or zeros."""
        if not self.condition_size:
            return [(0.0, 0.0)] * self.num_layers
        added = self.of_condition(condition, self.condition_kernel, self.compute_dtype)
        parts = tf.split(added[:, None], 2 * self.num_layers, axis=-1)
        return [(v[:, None], h) for v, h in zip(parts[::2], parts[1::2])]

    def _join(self, index, inside, h, skip):
        """h_l and the sum of the skips so far; ``inside`` is [S_l, R_l] g(H_l)."""
        if index == self.num_layers - 1:
            return h, inside if skip is None else skip + inside
        to_skip, residual = tf.split(inside, 2, axis=-1)
        if index == 0:
            return residual, to_skip
        return h + residual, skip + to_skip

    def call(
        self, x: tf.Tensor, condition: Rows = None, member: Member = None, training: Training = None
    ) -> tf.Tensor:
        height, width = self.image_shape
        f, n = self.filters, height * width * self.subpixels
        v = tf.reshape(x, [-1, height, width, self.subpixels * x.shape[-1]])
        h, skip = x, None
        for index, (to_v, to_h) in enumerate(self._conditions(condition)):
            above = self.vertical[index](v) + to_v
            v = gate(above)
            across = tf.reshape(self.across[index](above), [-1, n, 2 * f])
            inside = gate(self.horizontal[index](h) + across + to_h)
            inside = self.out[index](self.drop(inside, training=training))
            h, skip = self._join(index, inside, h, skip)
        return skip

    def initial_state(
        self,
        batch_size: BatchSize,
        condition: Rows = None,
        member: Member = None,
        schedule: Plan | None = None,
    ) -> Nest:
        """(of the condition, rows above in the vertical stack, what it adds to H at the next)."""
        conditions = self._conditions(condition) if self.condition_size else ()
        shape = [batch_size, self.image_shape[1], self.subpixels * self.horizontal[0].in_channels]
        nothing = tf.zeros(shape, self.compute_dtype)
        rows = [vertical.initial_state(batch_size) for vertical in self.vertical]
        return conditions, *self._next_row(nothing, conditions, rows)

    def extend(self, x: tf.Tensor, state: Nest, first: tf.Tensor) -> tuple[tf.Tensor, Nest]:
        conditions, rows, added = state
        x = h = tf.cast(x, self.compute_dtype)
        skip = None
        for index, from_above in enumerate(added):
            y, _ = self.horizontal[index].extend(h, (), first)
            inside, _ = self.out[index].extend(gate(y + from_above), (), first)
            h, skip = self._join(index, inside, h, skip)
        return skip, (conditions, *self._next_row(x, conditions, rows))

    def extends(self, schedule: Plan) -> bool:
        height, width = self.image_shape
        return schedule == WholeRows(height, width * self.subpixels)

    def _next_row(self, row, conditions, rows):
        """The vertical stack below a row of inputs: its states, and what it adds to H."""
        width = self.image_shape[1]
        sites = width * self.subpixels
        v = tf.reshape(row, [-1, 1, width, self.subpixels * self.horizontal[0].in_channels])
        after, added = [], []
        for index, state in enumerate(rows):
            to_v, to_h = conditions[index] if conditions else (0.0, 0.0)
            above, state = self.vertical[index].step(v, state)
            above += to_v
            v = gate(above)
            across = self.across[index](above)
            after.append(state)
            added.append(tf.reshape(across, [-1, sites, 2 * self.filters]) + to_h)
        return after, added

    def depends(self, sources: np.ndarray) -> np.ndarray:
        sources = h = np.asarray(sources, bool)
        # The vertical stack works on pixels; all the sites of a pixel enter it.
        v = sources.reshape([np.prod(self.image_shape), self.subpixels, -1]).any(1)
        result = np.zeros_like(sources)
        for index in range(self.num_layers):
            v = self.vertical[index].depends(v, self.image_shape)  # type: ignore[arg-type]  # an array
            inside = self.horizontal[index].depends(h) | np.repeat(v, self.subpixels, axis=0)
            inside = self.out[index].depends(inside)
            h = inside if index == 0 else h | inside
            result |= inside
        return result

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "filters": self.filters,
            "layers": self.num_layers,
            "kernel_size": self.kernel_size,
            "first_kernel_size": self.first_kernel_size,
            "image_shape": list(self.image_shape),
            "subpixels": self.subpixels,
            "condition_size": self.condition_size,
            "dropout": self.dropout,
        }
