"""Conditions that are a tensor of numbers: labels and vectors."""

from __future__ import annotations

import abc
from collections.abc import Sequence
from typing import Any, Self

import keras
import numpy as np
import tensorflow as tf

from tfar.arguments import integer, integers, items
from tfar.conditions.base import Condition
from tfar.distributions import casting
from tfar.typing import Nest, Training


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
      names: K different words for the labels, which values may have instead of numbers, or None.

    >>> Labels(3).encode(tf.constant([2, 0])).numpy().tolist()
    [[0.0, 0.0, 1.0], [1.0, 0.0, 0.0]]
    >>> Labels(2, names=["cat", "dog"]).tensors(["dog", "cat"]).numpy().tolist()
    [1, 0]
    """

    def __init__(
        self, num_classes: int, shape: Sequence[int] = (), *, names: Sequence[str] | None = None
    ) -> None:
        self.count = integer("num_classes", num_classes, least=1)
        self.shape = _shape(shape)
        self.names = None
        if names is not None:
            what = f"{self.count} different words"
            self.names = tuple(items("names", names, what, lambda name: isinstance(name, str)))
            if len(self.names) != self.count or len(set(self.names)) != self.count:
                raise ValueError(f"Expected names to be {what}, got {list(names)}.")
        self.num_classes = None if self.shape else self.count
        self.structure = tf.TensorSpec(self.shape, tf.int32)
        self.size = self.count * int(np.prod(self.shape))
        self.support = f"labels from 0 to {self.count - 1}"
        if self.names:
            self.support += f" ({', '.join(self.names)})"

    def tensors(self, value: Nest, name: str = "condition") -> Nest:
        """As in `Condition`; words become the numbers of the labels that they name."""
        return super().tensors(self._numbered(value, name), name)

    def _numbered(self, value, name):
        if self.names is None or isinstance(value, tf.Tensor):
            return value
        words = np.asarray(value)
        if words.dtype.kind != "U":
            return value
        if unknown := sorted({*map(str, words.flat)} - {*self.names}):
            raise ValueError(f"Expected {self.support} as {name}, got {unknown[0]!r}.")
        return np.array([self.names.index(word) for word in words.flat], np.int32).reshape(
            words.shape
        )

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
        config: dict[str, Any] = {"num_classes": self.count, "shape": list(self.shape)}
        return config if self.names is None else {**config, "names": list(self.names)}

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


def _shape(shape):
    empty = isinstance(shape, tuple | list) and not shape
    return () if empty else integers("shape", shape, least=1)
