"""Conditions that a Keras layer of the user's maps to a vector."""

from __future__ import annotations

from typing import Any, Self

import keras
import tensorflow as tf

from tfar import private
from tfar.arguments import instance
from tfar.conditions.base import Condition
from tfar.conditions.numbers import Labels, Vector
from tfar.typing import Nest, Training


@keras.saving.register_keras_serializable(package="tfar")
class Embedded(Condition):
    """Values that a Keras layer maps to vectors [B, d]: a tensor [B, ...], or a dict of them.

    The layer's weights are the model's: trained, saved and exported with it. Its output for an
    example must not depend on the other examples of a batch.

    Args:
      parts: `Labels` or a `Vector`, or a dict of names to those; the layer is given valid values,
        int32 labels and float32 numbers.
      layer: a Keras layer or model.

    Raises:
      ValueError: if an argument is not as above, or the layer does not map values to [B, d].

    >>> table = keras.Sequential([keras.layers.Embedding(100, 8), keras.layers.Flatten()])
    >>> Embedded(Labels(100, shape=[2]), table).size  # two words
    16
    """

    def __init__(self, parts: Condition | dict[str, Condition], layer: keras.layers.Layer) -> None:
        self.parts = parts
        each = parts if isinstance(parts, dict) and parts else {"": parts}
        for key, part in each.items():
            what = "a condition, or a dict of names to conditions"
            instance("parts", part, Labels | Vector, what)
            if isinstance(parts, dict) and not str(key).isidentifier():
                raise ValueError(f"Expected names of parts that are identifiers, got {key!r}.")
        self.layer = instance("layer", layer, keras.layers.Layer, "a Keras layer")
        self.structure = self._each(lambda part: part.structure)
        words = self._each(lambda part: part.support)
        if isinstance(words, dict):
            words = "a dict of " + ", ".join(f"{key}: {word}" for key, word in words.items())
        self.support = words
        with tf.init_scope():
            self.size = self._embedded_size()

    def _each(self, function, *values):
        if not isinstance(self.parts, dict):
            return function(self.parts, *values)
        return {
            key: function(part, *(value[key] for value in values))
            for key, part in self.parts.items()
        }

    def _embedded_size(self):
        """d, found by a call of the layer on two examples, which also builds it."""
        value = tf.nest.map_structure(lambda *each: tf.stack(each), *(self.examples() * 2)[:2])
        shape = getattr(self.layer(value), "shape", None)
        if shape is None or len(shape) != 2 or shape[0] != 2:
            raise ValueError(
                f"Expected layer {self.layer.name!r} to map a batch of conditions to vectors "
                f"[B, d], got {shape} of a batch of 2."
            )
        return int(shape[1])

    def tensors(self, value: Nest, name: str = "condition") -> Nest:
        if isinstance(self.parts, dict) and (
            not isinstance(value, dict) or set(value) != set(self.parts)
        ):
            got = sorted(map(str, value)) if isinstance(value, dict) else type(value).__name__
            raise ValueError(f"Expected {name} to be a dict of {sorted(self.parts)}, got {got}.")
        if not isinstance(self.parts, dict):
            return self.parts.tensors(value, name)
        each = {k: part.tensors(value[k], f"{name}[{k!r}]") for k, part in self.parts.items()}
        self.batch_shape(each)
        return each

    def valid(self, value: Nest) -> tf.Tensor:
        valid = tf.nest.flatten(self._each(lambda part, v: part.valid(v), value))
        return tf.reduce_all(tf.stack(valid), axis=0)

    def clean(self, value: Nest) -> Nest:
        return self._each(lambda part, v: part.clean(v), value)

    def encode(
        self, value: Nest, dtype: tf.DType = tf.float32, training: Training = None
    ) -> tf.Tensor:
        takes = {"training": training} if private.takes_training(self.layer) else {}
        return tf.cast(self.layer(self.clean(value), **takes), dtype)

    def examples(self) -> list:
        few = self._each(lambda part: part.examples())
        count = max(map(len, few.values())) if isinstance(few, dict) else len(few)
        return [self._each(lambda _, one, k=k: one[k % len(one)], few) for k in range(count)]

    def get_config(self) -> dict[str, Any]:
        return {
            "parts": self._each(keras.saving.serialize_keras_object),
            "layer": keras.saving.serialize_keras_object(self.layer),
        }

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Self:
        return cls(**{key: keras.saving.deserialize_keras_object(config[key]) for key in config})
