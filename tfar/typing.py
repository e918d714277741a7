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
# A shape as Keras passes it to ``build``: its entries are ints, or None where they are unknown.
KerasShape: TypeAlias = tuple[Any, ...]
BatchSize: TypeAlias = int | tf.Tensor

Activation: TypeAlias = str | Callable[..., Any] | None
Initializer: TypeAlias = str | dict[str, Any] | keras.initializers.Initializer

# The encoded condition that a network is given, [B, d] numbers, a row per example; or None.
Rows: TypeAlias = tf.Tensor | None
Training: TypeAlias = bool | None  # as in Keras
# The number of one member of an ensemble; each function says what None stands for. Where a model of
# any order is drawn from, also orders [B, n], one for each example.
Member: TypeAlias = int | tf.Tensor | None
# A name of `tfar.orders`, a permutation of the sites, or several of them.
Order: TypeAlias = str | Sequence[int] | Sequence[Sequence[int]] | np.ndarray
# See `tfar.randomness.stateless_seed`.
Seed: TypeAlias = int | Sequence[int] | np.ndarray | tf.Tensor | None
Temperature: TypeAlias = float | tf.Tensor | None

# Wraps an iterable whose parts take a while, for instance in a progress bar.
Progress: TypeAlias = Callable[[Any], Iterable[Any]] | None

# The base of a mixin for models: to a type checker it has the attributes of ``keras.Model``.
if TYPE_CHECKING:
    OfModel = keras.Model
else:
    OfModel = object
