"""Recurrent layers of Keras, one site after the other."""

from typing import Any, Self

import keras
import tensorflow as tf

from tfar.arguments import integer
from tfar.layers.base import CausalLayer
from tfar.layers.schedule import Plan, Sites
from tfar.typing import BatchSize, KerasShape, Member, Nest, Rows, Training


@keras.saving.register_keras_serializable(package="tfar")
class Recurrent(CausalLayer):
    """h_i = cell(x_i, h_{i-1}) with a learned h_{-1}, by a recurrent layer of Keras.

    `call` is the Keras layer's own, with cuDNN if available; `step` is one call of its cell, so
    that memory and time per site do not depend on the number of earlier sites.

    An exclusive layer gives h_{i-1} at site i: h_{-1} at the first, before it has seen anything.

    A condition s is appended to every x_i, and the learned start becomes h_{-1} + U s.

    Args:
      layer: a ``keras.layers.SimpleRNN``, ``LSTM``, ``GRU`` or ``RNN`` of a cell whose output is
        the first of its states.
      embedding: width of a linear map before the layer, an embedding of one-hot inputs; None for
        no map.
      condition_size: entries of s, or 0.
      exclusive: as in `tfar.layers.CausalLayer`.

    Raises:
      ValueError: if the layer is not such a layer, or runs backwards.

    >>> layer = Recurrent(keras.layers.LSTM(8), exclusive=True)
    >>> layer(np.zeros([2, 5, 3])).shape
    TensorShape([2, 5, 8])
    """

    stationary = True

    def __init__(
        self,
        layer: keras.layers.Layer,
        *,
        embedding: int | None = None,
        condition_size: int = 0,
        **kwargs: Any,
    ) -> None:
        images = keras.layers.ConvLSTM1D, keras.layers.ConvLSTM2D, keras.layers.ConvLSTM3D
        forward = isinstance(layer, keras.layers.RNN) and not layer.go_backwards
        if not forward or isinstance(layer, images):
            raise ValueError(f"Expected a forward recurrent layer of Keras, got {layer!r}.")
        kwargs.setdefault("dtype", layer.dtype_policy)
        super().__init__(**kwargs)
        layer.return_sequences, layer.return_state = True, True
        self.layer = layer
        self.embedding = None if embedding is None else integer("embedding", embedding, least=1)
        self.condition_size = integer("condition_size", condition_size, least=0)
        self.sizes = [int(size) for size in tf.nest.flatten(layer.cell.state_size)]

    def build(self, input_shape: KerasShape) -> None:
        self.in_channels = input_shape[-1]
        if self.embedding:
            shape = (input_shape[-1], self.embedding)
            self.kernel = self.add_weight(shape=shape, initializer="normal", name="embedding")
            input_shape = (*input_shape[:-1], self.embedding)
        if not self.layer.built:
            self.layer.build((*input_shape[:-1], input_shape[-1] + self.condition_size))
        self.start = [
            self.add_weight(shape=(size,), initializer="zeros", name=f"start_bias_{i}")
            for i, size in enumerate(self.sizes)
        ]
        self.condition_kernel = self.condition_weights(sum(self.sizes))

    def compute_output_shape(self, input_shape: KerasShape) -> KerasShape:
        return (*input_shape[:-1], self.sizes[0])

    def _inputs(self, x, condition):
        """The inputs of the Keras layer, for one site [B, c] or several [B, n, c]."""
        x = tf.cast(x, self.compute_dtype)
        x = x @ tf.cast(self.kernel, x.dtype) if self.embedding else x
        if not self.condition_size:
            return x
        condition = tf.cast(condition, x.dtype)
        if x.shape.rank == 3:
            condition = tf.tile(condition[:, None], [1, tf.shape(x)[1], 1])
        return tf.concat([x, condition], axis=-1)

    def _starts(self, batch_size, condition):
        starts = [tf.cast(start, self.compute_dtype) for start in self.start]
        starts = [tf.tile(start[None], [batch_size, 1]) for start in starts]
        if not self.condition_size:
            return starts
        added = self.of_condition(condition, self.condition_kernel, self.compute_dtype)
        return [start + part for start, part in zip(starts, tf.split(added, self.sizes, axis=1))]

    def call(
        self, x: tf.Tensor, condition: Rows = None, member: Member = None, training: Training = None
    ) -> tf.Tensor:
        start = self._starts(tf.shape(x)[0], condition)
        if not self.exclusive:
            inputs = self._inputs(x, condition)
            return self.layer(inputs, initial_state=start, training=training)[0]
        first = start[0][:, None]
        if x.shape[1] == 1:
            return first
        inputs = self._inputs(x[:, :-1], condition)
        after = self.layer(inputs, initial_state=start, training=training)[0]
        return tf.concat([first, after], axis=1)

    def initial_state(
        self,
        batch_size: BatchSize,
        condition: Rows = None,
        member: Member = None,
        schedule: Plan | None = None,
    ) -> Nest:
        """The states of the cell, the last input, for `extend`, and the condition."""
        last = tf.zeros([batch_size, 1, self.in_channels], self.compute_dtype)
        given = (tf.cast(condition, self.compute_dtype),) if self.condition_size else ()
        return self._starts(batch_size, condition), last, *given

    def step(self, x: tf.Tensor, state: Nest, sites: Sites) -> tuple[tf.Tensor, Nest]:
        before, last, *given = state
        y, after = self._step(x[:, 0], before, given, sites.one)
        return y[:, None], (after, last, *given)

    def _step(self, x, before, given, site):
        inputs = self._inputs(x, given[0] if given else None)
        y, after = self.layer.cell(inputs, before, training=False)
        if self.exclusive:  # nothing comes before the first site
            after = [tf.where(site > 0, new, old) for new, old in zip(after, before)]
            y = after[0]
        return y, list(after)

    def extend(self, x: tf.Tensor, state: Nest, first: tf.Tensor) -> tuple[tf.Tensor, Nest]:
        before, last, *given = state
        x = tf.cast(x, last.dtype)
        last, x = x[:, -1:], tf.concat([last, x[:, :-1]], axis=1) if self.exclusive else x
        y, before = self._step(x[:, 0], before, given, first)

        def others():
            inputs = self._inputs(x[:, 1:], given[0] if given else None)
            after, *states = self.layer(inputs, initial_state=before, training=False)
            return tf.concat([y[:, None], after], axis=1), states

        if x.shape[1] == 1:
            return y[:, None], (before, last, *given)
        y, before = tf.cond(tf.shape(x)[1] > 1, others, lambda: (y[:, None], before))
        return y, (before, last, *given)

    def extends(self, schedule: Plan) -> bool:
        return True

    def get_config(self) -> dict[str, Any]:
        layer = keras.saving.serialize_keras_object(self.layer)
        return {
            **super().get_config(),
            "layer": layer,
            "embedding": self.embedding,
            "condition_size": self.condition_size,
        }

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Self:
        layer = keras.saving.deserialize_keras_object(config["layer"])
        return cls(**{**config, "layer": layer})
