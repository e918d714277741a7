"""The gated residual block of a PixelCNN++ (Salimans et al. 2017)."""

from collections.abc import Sequence
from typing import Any

import keras
import tensorflow as tf

from tfar.typing import BatchSize, KerasShape, Nest, Rows, Training


def concat_elu(x: tf.Tensor) -> tf.Tensor:
    """elu of [x, -x]: twice the channels."""
    return tf.nn.elu(tf.concat([x, -x], axis=-1))


class GatedResidual(keras.layers.Layer):
    """x + a sigmoid(b), (a, b) = second(drop(concat_elu(first(concat_elu(x)) + added))) + U s.

    Args:
      first: convolution to f channels, a `RowConv2D` or a `CornerConv2D`.
      second: convolution to 2f channels, of the same kind.
      condition_size: d, the entries of s, or 0.
      dropout: rate of drop.
    """

    def __init__(
        self,
        first: keras.layers.Layer,
        second: keras.layers.Layer,
        *,
        condition_size: int = 0,
        dropout: float = 0.0,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.first, self.second = first, second
        self.condition_size = condition_size
        self.drop = keras.layers.Dropout(dropout, dtype=self.dtype_policy)

    def build(self, input_shape: KerasShape) -> None:
        twice = (*input_shape[:-1], 2 * input_shape[-1])
        self.first.build(twice)
        self.second.build(twice)
        if self.condition_size:
            self.condition_kernel = self.add_weight(
                shape=(self.condition_size, twice[-1]), initializer="zeros", name="condition_kernel"
            )

    def call(
        self,
        x: tf.Tensor,
        added: tf.Tensor | float = 0.0,
        condition: Rows = None,
        training: Training = None,
    ) -> tf.Tensor:
        y = self.first(concat_elu(x)) + added
        y = self.second(self.drop(concat_elu(y), training=training))
        return self._gate(x, y, condition)

    def step_row(
        self,
        x: tf.Tensor,
        state: Nest,
        added: tf.Tensor | float = 0.0,
        condition: Rows = None,
    ) -> tuple[tf.Tensor, Nest]:
        """A row [B, 1, W, f], by convolutions of rows."""
        y, first = self.first.step(concat_elu(x), state[0])
        y, second = self.second.step(concat_elu(y + added), state[1])
        return self._gate(x, y, condition), (first, second)

    def above(
        self, inputs: Sequence[tf.Tensor], added: tf.Tensor, condition: Rows = None
    ) -> list[tf.Tensor]:
        """What `CornerConv2D.above` gives for both, with ``added`` [W, B, f] and U s."""
        first, second = (conv.above(x) for conv, x in zip((self.first, self.second), inputs))
        if self.condition_size:
            second += self._conditional(condition, second.dtype)
        return [first + added, second]

    def step(
        self, x: tf.Tensor, left: Sequence[tf.Tensor], above: Sequence[tf.Tensor]
    ) -> tuple[tf.Tensor, list[tf.Tensor]]:
        """A pixel [B, f], by corner convolutions, and the inputs of both."""
        inputs = [concat_elu(x)]
        y = self.first.step(inputs[0], left[0], above[0])
        inputs.append(concat_elu(y))
        y = self.second.step(inputs[1], left[1], above[1])
        return self._gate(x, y), inputs

    def initial_state(self, batch_size: BatchSize) -> Nest:
        """The state of `step_row`."""
        return self.first.initial_state(batch_size), self.second.initial_state(batch_size)

    def _conditional(self, condition, dtype):
        return tf.cast(condition, dtype) @ tf.cast(self.condition_kernel, dtype)

    def _gate(self, x, y, condition=None):
        if condition is not None and self.condition_size:
            s = self._conditional(condition, y.dtype)
            y += tf.reshape(s, [-1, *[1] * (y.shape.rank - 2), s.shape[-1]])
        a, b = tf.split(y, 2, axis=-1)
        return x + a * tf.sigmoid(b)
