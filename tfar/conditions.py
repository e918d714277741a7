"""What a model is conditioned on: the c of p(x | c).

======================  =================================  ========================================
condition               one value                          what the network is given, [B, size]
======================  =================================  ========================================
`Labels`                ints 0 ... K - 1                   one-hot
`Vector`                finite numbers                     the numbers
`Embedded`              any of those, or a dict of them    the output of a Keras layer of your own
======================  =================================  ========================================

>>> from tfar.conditions import Embedded, Labels, Vector
>>> model = tfar.models.MADE([4], (8,), condition=Vector(3))
>>> joint = model.joint(condition=np.zeros([2, 5, 3]))
>>> joint.batch_shape, joint.sample(7, seed=1).shape
(TensorShape([2, 5]), TensorShape([7, 2, 5, 4]))
>>> model({"x": np.zeros([6, 4]), "condition": np.ones([6, 3])}).batch_shape
TensorShape([6, 4])
"""

from __future__ import annotations

import abc
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Self

import keras
import numpy as np
import tensorflow as tf

from tfar import private
from tfar.arguments import instance, integer, integers
from tfar.distributions import casting
from tfar.typing import Nest, Shape, Training

if TYPE_CHECKING:
    from tfar.sampling.protocol import Conditionals

__all__ = ["Condition", "Embedded", "Labels", "Vector", "checked", "get", "joined", "size"]


class Condition(abc.ABC):
    """What a model is conditioned on, and how it enters the network.

    A *value* is a tensor [*batch, *shape], or a dict of such tensors with the same batch.

    Attributes:
      structure: a ``tf.TensorSpec`` of a single value, or a dict of them.
      size: d, how many numbers `encode` makes of a value.
      support: a description of the valid values, for error messages.
      num_classes: K for a single label, otherwise None.
    """

    structure: Nest
    size: int
    support: str
    num_classes: int | None = None

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


class _Numbers(Condition):
    """A single tensor of numbers."""

    def tensors(self, value: Nest, name: str = "condition") -> Nest:
        x = casting.tensor(name, value)
        rank, shape = self.structure.shape.rank, self.structure.shape
        known = x.shape.rank is not None and x.shape.rank >= rank
        if not known or not x.shape[x.shape.rank - rank :].is_compatible_with(shape):
            lead = ", ".join(["...", *map(str, shape)])
            raise ValueError(f"Expected {name} of shape [{lead}], got {x.dtype.name} {x.shape}.")
        x = self._widened(x, name)
        inside = self._inside(x)
        static = tf.get_static_value(inside)
        if static is not None and not np.all(static):
            wrong = tf.get_static_value(x)[~static]
            raise ValueError(
                f"Expected {self.support} as {name}, got {wrong[0]} ({wrong.size} such values)."
            )
        return self._narrowed(x, inside)

    def valid(self, value: Nest) -> tf.Tensor:
        inside = self._inside(value)
        rank = self.structure.shape.rank
        return tf.reduce_all(inside, axis=list(range(-rank, 0))) if rank else inside

    @abc.abstractmethod
    def _widened(self, x, name):
        """The tensor in the dtype in which numbers are checked, or ValueError."""

    @abc.abstractmethod
    def _inside(self, x):
        """Whether each number is valid, bools of the shape of x."""

    @abc.abstractmethod
    def _narrowed(self, x, inside):
        """The tensor in the dtype of `structure`."""


@keras.saving.register_keras_serializable(package="tfar")
class Labels(_Numbers):
    """Labels 0 ... K - 1, one-hot: one for each example, or an array of them.

    Args:
      num_classes: K.
      shape: shape of the labels of one example, () for a single one; [40] for 40 attributes.

    >>> Labels(3).encode(tf.constant([2, 0])).numpy().tolist()
    [[0.0, 0.0, 1.0], [1.0, 0.0, 0.0]]
    """

    def __init__(self, num_classes: int, shape: Sequence[int] = ()) -> None:
        self.count = integer("num_classes", num_classes, least=1)
        self.shape = _shape(shape)
        self.num_classes = None if self.shape else self.count
        self.structure = tf.TensorSpec(self.shape, tf.int32)
        self.size = self.count * int(np.prod(self.shape))
        self.support = f"labels from 0 to {self.count - 1}"

    def _widened(self, x, name):
        if not x.dtype.is_integer:
            raise ValueError(
                f"Expected integer labels as {name}, got {x.dtype.name} of shape {x.shape}."
            )
        return tf.cast(x, tf.int64)

    def _inside(self, x):
        return (x >= 0) & (x < self.count)

    def _narrowed(self, x, inside):
        return tf.where(inside, tf.cast(x, tf.int32), -1)  # 2^32 is not label 0

    def clean(self, value: Nest) -> Nest:
        return tf.where(self._inside(value), value, 0)

    def encode(
        self, value: Nest, dtype: tf.DType = tf.float32, training: Training = None
    ) -> tf.Tensor:
        return tf.reshape(tf.one_hot(value, self.count, dtype=dtype), [-1, self.size])

    def examples(self) -> list:
        places = np.arange(np.prod(self.shape, dtype=int)).reshape(self.shape)
        return [np.int32((places + k) % self.count) for k in range(min(3, self.count))]

    def get_config(self) -> dict[str, Any]:
        return {"num_classes": self.count, "shape": list(self.shape)}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Self:
        return cls(**config)


@keras.saving.register_keras_serializable(package="tfar")
class Vector(_Numbers):
    """Finite numbers, as float32: a vector or an array of any shape, which is flattened.

    Args:
      shape: d, or the shape of one value.

    >>> Vector([2, 3]).size
    6
    """

    def __init__(self, shape: int | Sequence[int]) -> None:
        self.shape = _shape([shape] if isinstance(shape, int | np.integer) else shape)
        self.structure = tf.TensorSpec(self.shape, tf.float32)
        self.size = int(np.prod(self.shape))
        self.support = f"finite numbers of shape {list(self.shape)}"

    def _widened(self, x, name):
        return tf.cast(x, tf.float32)

    def _inside(self, x):
        return tf.math.is_finite(x)

    def _narrowed(self, x, inside):
        return x

    def clean(self, value: Nest) -> Nest:
        return tf.where(self._inside(value), value, 0.0)

    def encode(
        self, value: Nest, dtype: tf.DType = tf.float32, training: Training = None
    ) -> tf.Tensor:
        return tf.cast(tf.reshape(self.clean(value), [-1, self.size]), dtype)

    def examples(self) -> list:
        return list(np.float32(np.random.RandomState(1).normal(size=[2, *self.shape])))  # type: ignore[call-overload]  # no scalar

    def get_config(self) -> dict[str, Any]:
        return {"shape": list(self.shape)}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Self:
        return cls(**config)


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


def _shape(shape):
    empty = isinstance(shape, tuple | list) and not shape
    return () if empty else integers("shape", shape, least=1)


def get(condition: Condition | None, num_classes: int | None = None) -> Condition | None:
    """The condition of a model: the given one, `Labels` of a number of classes, or None.

    Raises:
      ValueError: if it is not a condition, or both are given.
    """
    if num_classes is None:
        what = "a tfar.conditions.Labels, Vector or Embedded"
        return None if condition is None else instance("condition", condition, Condition, what)
    if condition is not None:
        raise ValueError("Expected condition or num_classes, which stands for labels, got both.")
    return Labels(num_classes)


def size(condition: Condition | None) -> int:
    """How many numbers of a condition enter the network; 0 for None."""
    return 0 if condition is None else condition.size


def joined(x: Nest, condition: Nest) -> Nest:
    """What a model takes: ``x`` alone where there is no condition, or both in a dict."""
    return x if condition is None else {"x": x, "condition": condition}


def checked(model: Conditionals, value: Nest) -> Nest:
    """The tensors of a value that a model is conditioned on; None if it is not conditional.

    Raises:
      ValueError: if a condition is missing, or given to a model that takes none; if it is
        invalid, or has no static shape.
    """
    if (value is None) != (model.condition is None):
        raise ValueError(
            "This model is not conditional: it takes no condition."
            if model.condition is None
            else f"This model is conditional: give condition=, {model.condition.support}."
        )
    if value is None:
        return None
    tensors = model.condition.tensors(value)  # type: ignore[union-attr]  # not None, as the value
    batch = model.condition.batch_shape(tensors)  # type: ignore[union-attr]
    if not batch.is_fully_defined():
        raise ValueError(f"Expected a condition of a static shape, got the batch shape {batch}.")
    return tensors
