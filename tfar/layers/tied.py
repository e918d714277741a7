"""One matrix for the embedding and for the logits (Press and Wolf 2017)."""

from typing import Any, Self

import keras
import numpy as np
import tensorflow as tf

from tfar.arguments import instance, integer
from tfar.layers.base import CausalLayer
from tfar.layers.products import product
from tfar.layers.schedule import Plan, Schedule, Sites
from tfar.typing import BatchSize, KerasShape, Member, Nest, Rows, Training


@keras.saving.register_keras_serializable(package="tfar")
class Tied(CausalLayer):
    """y = E f(E^T x) + b: one matrix E embeds symbols and gives logits, around a causal layer f.

    Args:
      layer: f, a `tfar.layers.CausalLayer` from [B, n, width] to the same shape.
      width: number of columns of E.

    #### References
    O. Press, L. Wolf. Using the Output Embedding to Improve Language Models. EACL 2017.

    >>> Tied(tfar.layers.Shift(), width=4)(np.zeros([2, 5, 3])).shape
    TensorShape([2, 5, 3])
    """

    def __init__(self, layer: CausalLayer, width: int, **kwargs: Any) -> None:
        kwargs.pop("exclusive", None)
        instance("layer", layer, CausalLayer, "a tfar.layers.CausalLayer")
        super().__init__(exclusive=layer.exclusive, **kwargs)
        self.layer, self.width = layer, integer("width", width, least=1)
        self.condition_size, self.stationary = layer.condition_size, layer.stationary

    def build(self, input_shape: KerasShape) -> None:
        symbols = input_shape[-1]
        initializer = keras.initializers.RandomNormal(stddev=self.width**-0.5)
        self.embedding = self.add_weight(
            shape=(symbols, self.width), initializer=initializer, name="embedding"
        )
        self.bias = self.add_weight(shape=(symbols,), initializer="zeros", name="bias")
        if not self.layer.built:
            self.layer.build((*input_shape[:-1], self.width))

    def compute_output_shape(self, input_shape: KerasShape) -> KerasShape:
        return tuple(input_shape)

    def _in(self, x):
        return product(tf.cast(x, self.compute_dtype), self.embedding)

    def _out(self, x):
        # In float32 whatever the policy, like outputs in Keras.
        y = product(tf.cast(x, tf.float32), tf.transpose(self.embedding))
        return y + tf.cast(self.bias, tf.float32)

    def call(
        self, x: tf.Tensor, condition: Rows = None, member: Member = None, training: Training = None
    ) -> tf.Tensor:
        return self._out(
            self.layer(self._in(x), condition=condition, member=member, training=training)
        )

    def initial_state(
        self,
        batch_size: BatchSize,
        condition: Rows = None,
        member: Member = None,
        schedule: Plan | None = None,
    ) -> Nest:
        return self.layer.initial_state(batch_size, condition, member, schedule)

    @property
    def has_step(self) -> bool:
        return self.layer.has_step

    def schedule(self, fastest: Schedule) -> Schedule:
        return self.layer.schedule(fastest)

    def extend(self, x: tf.Tensor, state: Nest, first: tf.Tensor) -> tuple[tf.Tensor, Nest]:
        y, state = self.layer.extend(self._in(x), state, first)
        return self._out(y), state

    def extends(self, schedule: Plan) -> bool:
        return self.layer.extends(schedule)

    def select(self, state: Nest, examples: tf.Tensor) -> Nest:
        return self.layer.select(state, examples)

    def step(self, x: tf.Tensor, state: Nest, sites: Sites) -> tuple[tf.Tensor, Nest]:
        y, state = self.layer.step(self._in(x), state, sites)
        return self._out(y), state

    def depends(self, sources: np.ndarray) -> np.ndarray:
        return self.layer.depends(sources)

    def get_config(self) -> dict[str, Any]:
        layer = keras.saving.serialize_keras_object(self.layer)
        return {**super().get_config(), "layer": layer, "width": self.width}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Self:
        layer = keras.saving.deserialize_keras_object(config["layer"])
        return cls(**{**config, "layer": layer})
