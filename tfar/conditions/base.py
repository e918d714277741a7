"""What every condition answers."""

from __future__ import annotations

import abc
from collections.abc import Mapping
from typing import Any

import tensorflow as tf

from tfar.typing import Nest, Shape, Training


class Condition(abc.ABC):
    """What a model is conditioned on, and how it enters the network.

    A *value* is a tensor [*batch, *shape], or a dict of such tensors with the same batch.

    Attributes:
      structure: a ``tf.TensorSpec`` of a single value, or a dict of them.
      size: d, how many numbers `encode` makes of a value.
      support: a description of the valid values, for error messages.
      num_classes: K for a single label, otherwise None.
      names: the K names of labels that have some, otherwise None.
    """

    structure: Nest
    size: int
    support: str
    num_classes: int | None = None
    names: tuple[str, ...] | None = None

    @abc.abstractmethod
    def tensors(self, value: Nest, name: str = "condition") -> Nest:
        """A value as tensors of the dtypes of `structure`.

        Raises:
          ValueError: if its dtype or shape is wrong or, where it is known, a number is invalid.
        """

    @abc.abstractmethod
    def valid(self, value: Nest) -> tf.Tensor:
        """Whether each value of a batch is valid, bools [*batch]."""

    @abc.abstractmethod
    def clean(self, value: Nest) -> Nest:
        """A value whose invalid numbers are replaced by valid ones."""

    @abc.abstractmethod
    def encode(
        self, value: Nest, dtype: tf.DType = tf.float32, training: Training = None
    ) -> tf.Tensor:
        """Values [B, ...] to network inputs [B, size]; invalid ones to finite numbers."""

    @abc.abstractmethod
    def examples(self) -> list:
        """A few different values to test a model with, a list of NumPy arrays or of dicts."""

    def batch_shape(self, value: Nest) -> tf.TensorShape:
        """The batch shape of a value that `tensors` has returned, a ``tf.TensorShape``."""
        leads = tf.nest.map_structure(
            lambda x, spec: x.shape[: x.shape.rank - spec.shape.rank], value, self.structure
        )
        shapes = list(leads.values()) if isinstance(leads, dict) else [leads]
        if any(not shape.is_compatible_with(shapes[0]) for shape in shapes):
            raise ValueError(f"Expected conditions of one batch shape, got {shapes}.")
        return shapes[0]

    def rows(self, value: Nest, batch: Shape | tf.Tensor | tf.TensorShape) -> Nest:
        """A value broadcast to a batch, a shape or int32 tensor, and flattened: [N, *shape]."""
        batch = tf.convert_to_tensor(batch, tf.int32)

        def flat(x, spec):
            shape = spec.shape.as_list()
            x = tf.broadcast_to(x, tf.concat([batch, tf.constant(shape, tf.int32)], 0))
            return tf.reshape(x, [-1, *shape])

        return tf.nest.map_structure(flat, value, self.structure)

    def specs(self, *batch: int | None) -> Nest:
        """The ``tf.TensorSpec`` of a batch of values, in the structure of a value."""
        return tf.nest.map_structure(
            lambda spec: tf.TensorSpec([*batch, *spec.shape], spec.dtype), self.structure
        )

    def named(self, value: Nest) -> dict[str, Any]:
        """The tensors of a value by name: "condition" or, for a dict, "condition_KEY"."""
        if not isinstance(self.structure, dict):
            return {"condition": value}
        return {f"condition_{key}": value[key] for key in self.structure}

    def packed(self, named: Mapping[str, Any]) -> Nest:
        """The value from the dict that `named` returned."""
        if not isinstance(self.structure, dict):
            return named["condition"]
        return {key: named[f"condition_{key}"] for key in self.structure}
