"""Types that recur in the signatures of tfar; importing them imports TensorFlow."""

import os
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

import keras
import numpy as np
import tensorflow as tf

Path: TypeAlias = str | os.PathLike[str]

# A tensor or an array, or a tuple, a list or a dict of such nests.
Nest: TypeAlias = Any

Shape: TypeAlias = Sequence[int]
# As Keras hands a shape to ``build``: its entries are ints, or None where they are not known.
KerasShape: TypeAlias = tuple[Any, ...]
BatchSize: TypeAlias = int | tf.Tensor

Activation: TypeAlias = str | Callable[..., Any] | None
Initializer: TypeAlias = str | dict[str, Any] | keras.initializers.Initializer

# What a network is given of a condition, [B, d] numbers, a row for each example; or None.
Rows: TypeAlias = tf.Tensor | None
Training: TypeAlias = bool | None  # as in Keras
# The number of one member of an ensemble; what None stands for, a function says.
Member: TypeAlias = int | tf.Tensor | None
# A name of `tfar.orders`, a permutation of the sites, or several of them.
Order: TypeAlias = str | Sequence[int] | Sequence[Sequence[int]] | np.ndarray
# See `tfar.randomness.stateless_seed`.
Seed: TypeAlias = int | Sequence[int] | np.ndarray | tf.Tensor | None
Temperature: TypeAlias = float | tf.Tensor | None

# Wraps an iterable whose parts take a while, for instance by a bar on a terminal.
Progress: TypeAlias = Callable[[Any], Iterable[Any]] | None

# The base of what is mixed into a model: to a type checker one has what ``keras.Model`` has.
if TYPE_CHECKING:
    OfModel = keras.Model
else:
    OfModel = object
