"""Two streams of convolutions at several resolutions.

#### References
T. Salimans, A. Karpathy, X. Chen, D. P. Kingma. PixelCNN++: Improving the PixelCNN with Discretized
Logistic Mixture Likelihood and Other Modifications. ICLR 2017.
P. Ramachandran, T. Le Paine, P. Khorrami, M. Babaeizadeh, S. Chang, Y. Zhang, M. Hasegawa-Johnson,
R. Campbell, T. Huang. Fast Generation for Convolutional Autoregressive Models. ICLR 2017 workshop.
"""

from typing import Any

import keras
import numpy as np
import tensorflow as tf

from tfar.arguments import integer, integers, rate
from tfar.layers.base import CausalLayer
from tfar.layers.corner import CornerConv2D
from tfar.layers.levels import Level
from tfar.layers.schedule import Plan, Sites
from tfar.layers.stacks import RowConv2D
from tfar.typing import BatchSize, KerasShape, Member, Nest, Rows, Shape, Training


@keras.saving.register_keras_serializable(package="tfar")
class MultiscaleStreams(CausalLayer):
    """The network of a PixelCNN++: [B, H W, c] becomes [B, H W, filters]. Exclusive.

    Stream u sees the rows above, stream ul all the pixels before, by convolutions of 2x3 and 2x2
    that end at the pixel. Both are halved in resolution ``levels - 1`` times and upsampled again
    (see `tfar.layers.levels.Level`), with shortcuts from each block on the way down to the opposite
    one on the way up. Inputs get a channel of ones, which distinguishes the image from padding.

    `step` computes once per row what depends on the rows above, and levels of lower resolution step
    only at their own sites (Ramachandran et al. 2017).

    Args:
      filters: f.
      resnets: blocks of each level on the way down.
      levels: number of resolutions; 2^(levels - 1) divides H and W.
      image_shape: (H, W).
      condition_size: d, entries of the condition (``condition`` [B, d]), or 0.
      dropout: rate in the blocks.

    Raises:
      ValueError: if the image cannot be halved that often.
    """

    def __init__(
        self,
        filters: int,
        resnets: int,
        *,
        levels: int,
        image_shape: Shape,
        condition_size: int = 0,
        dropout: float = 0.0,
        **kwargs: Any,
    ) -> None:
        kwargs.pop("exclusive", None)
        super().__init__(exclusive=True, **kwargs)
        self.filters = integer("filters", filters, least=1)
        self.resnets = integer("resnets", resnets, least=1)
        self.levels = integer("levels", levels, least=1)
        self.image_shape = integers("image_shape", image_shape, least=1, count=2)
        self.condition_size = integer("condition_size", condition_size, least=0)
        self.dropout = rate("dropout", dropout)
        if any(size % 2 ** (self.levels - 1) for size in self.image_shape):
            halvings = min(_halvings(size) for size in self.image_shape)
            raise ValueError(
                f"levels={self.levels} halves an image {self.levels - 1} times, but one of "
                f"{list(self.image_shape)} can be halved {halvings} times: give levels="
                f"{halvings + 1}{' or fewer' * bool(halvings)}, or pad the images."
            )
        policy, f = self.dtype_policy, self.filters
        self.level: Any = None
        for depth in reversed(range(self.levels)):
            shape = tuple(size // 2**depth for size in self.image_shape)
            self.level = Level(
                f,
                resnets,
                shape,
                inner=self.level,
                condition_size=self.condition_size,
                dropout=self.dropout,
                dtype=policy,
            )
        self.first_rows = RowConv2D(f, above=2, width=3, exclusive=True, dtype=policy)
        self.first_above = RowConv2D(f, above=1, width=3, exclusive=True, dtype=policy)
        self.first_pixels = CornerConv2D(f, self.image_shape, exclusive=True, dtype=policy)

    def build(self, input_shape: KerasShape) -> None:
        sites = np.prod(self.image_shape)
        if len(input_shape) != 3 or input_shape[1] != sites:
            raise ValueError(
                f"Expected {sites} sites, the pixels of an image of {list(self.image_shape)}, got "
                f"the shape {tuple(input_shape)}."
            )
        self.channels = input_shape[2] + 1
        self.first_rows.build((None, *self.image_shape, self.channels))
        self.first_above.build((None, *self.image_shape, self.channels))
        self.first_pixels.build((None, sites, self.channels))
        self.level.build()

    def compute_output_shape(self, input_shape: KerasShape) -> KerasShape:
        return (*input_shape[:2], self.filters)

    def call(
        self, x: tf.Tensor, condition: Rows = None, member: Member = None, training: Training = None
    ) -> tf.Tensor:
        x = tf.concat([x, tf.ones_like(x[..., :1])], axis=-1)
        image = tf.reshape(x, [-1, *self.image_shape, self.channels])
        above = tf.reshape(self.first_above(image), [-1, x.shape[1], self.filters])
        u, ul = self.first_rows(image), self.first_pixels(x) + above
        return tf.nn.elu(self.level(u, ul, condition=condition, training=training)[1])

    def initial_state(
        self,
        batch_size: BatchSize,
        condition: Rows = None,
        member: Member = None,
        schedule: Plan | None = None,
    ) -> Nest:
        rows, pixels = self.level.initial_state(batch_size)
        first = (
            self.first_rows.initial_state(batch_size),
            self.first_above.initial_state(batch_size),
            tf.zeros([self.image_shape[1], batch_size, self.filters], self.compute_dtype),
        )
        condition = () if condition is None else condition
        inputs = [1 + self.image_shape[1], batch_size, self.channels]
        return condition, (first, rows), (tf.zeros(inputs, self.compute_dtype), pixels)

    def step(self, x: tf.Tensor, state: Nest, sites: Sites) -> tuple[tf.Tensor, Nest]:
        condition, rows, (inputs, pixels) = state
        width = self.image_shape[1]
        row, column = sites.one // width, sites.one % width
        x = tf.cast(x[:, 0], self.compute_dtype)
        # Before the first site there is only padding, without a one.
        one = tf.cast(sites.one > 0, x.dtype) * tf.ones_like(x[:, :1])
        x = tf.concat([x, one], axis=-1)
        # The pixel before is to the left, or the last one of the row above.
        place = tf.where(column == 0, width, column)
        inputs = tf.tensor_scatter_nd_update(inputs, tf.reshape(place, [1, 1]), x[None])
        rows = tf.cond(
            column == 0,
            _apart(lambda: self._step_row(row, rows, inputs, pixels, condition)),
            lambda: rows,
        )
        left = tf.cast(column > 0, x.dtype) * x
        ul = self.first_pixels.step(None, left, tf.gather(rows[0][2], column))
        ul, pixels = self.level.step(ul, row, column, rows[1], pixels)
        return tf.nn.elu(ul)[:, None], (condition, rows, (inputs, pixels))

    def _step_row(self, row, rows, inputs, pixels, condition):
        """What depends on the rows above only, the last of which is in ``inputs``."""
        (first_rows, first_above, _), level = rows
        condition = None if isinstance(condition, tuple) else condition
        last_row = tf.transpose(inputs[1:], [1, 0, 2])[:, None]
        u, first_rows = self.first_rows.step(last_row, first_rows)
        above, first_above = self.first_above.step(last_row, first_above)
        above = tf.transpose(above[:, 0], [1, 0, 2]) + self.first_pixels.above(inputs)
        _, level = self.level.step_row(u, row, level, pixels, condition=condition)
        return (first_rows, first_above, above), level

    def depends(self, sources: np.ndarray) -> np.ndarray:
        sources = np.asarray(sources, bool)
        u = self.first_rows.depends(sources, self.image_shape)
        above = self.first_above.depends(sources, self.image_shape)
        return self.level.depends(u, self.first_pixels.depends(sources) | above)[1]

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "filters": self.filters,
            "resnets": self.resnets,
            "levels": self.levels,
            "image_shape": list(self.image_shape),
            "condition_size": self.condition_size,
            "dropout": self.dropout,
        }


def _halvings(size):
    """How many times a size can be halved.

    >>> _halvings(28), _halvings(7)
    (2, 0)
    """
    return (size & -size).bit_length() - 1


def _apart(function):
    """A branch of a ``tf.cond`` as a function that is not inlined in a graph.

    At each pixel at which it is not taken, the executor would pass by all its operations.
    """
    if tf.executing_eagerly():
        return function
    return tf.function(function, autograph=False, experimental_attributes={"_noinline": True})
