"""How examples, or a text, are cut into chunks, and those into sites and digits."""

from __future__ import annotations

from typing import Any

import numpy as np
import tensorflow as tf

from tfar import kinds
from tfar.models import AutoregressiveModel
from tfar.typing import Nest

EXAMPLES = 512  # of a chunk, the most that are computed together
STREAMS = 8  # texts of a chunk, likewise; each begins anew
CHARACTERS = 2**16  # of a chunk, at most
LEAST = 512  # characters of such a text, if there are enough


class Examples:
    """Arrays [N, *event_shape], ``batch_size`` of them in a chunk.

    Args:
      model: a `tfar.models.AutoregressiveModel`.
      member: which member of an ensemble.
      count: N.
      dtype: that of the array, as ``str`` gives it.
      batch_size: of the file; by default the least power of 2 that holds all, up to 512.

    Attributes:
      chunks: pairs (first, stop) of examples.
    """

    def __init__(
        self,
        model: AutoregressiveModel,
        member: int,
        *,
        count: int,
        dtype: str,
        batch_size: int | None = None,
    ) -> None:
        self.model, self.count, self.dtype = model, count, dtype
        self.order = model.permutations[member]
        self.batch_size = batch_size or min(EXAMPLES, 2 ** (count - 1).bit_length())
        starts = range(0, count, self.batch_size)
        self.chunks = [(first, min(first + self.batch_size, count)) for first in starts]

    def counts(self, first: int, stop: int) -> np.ndarray:
        """How many examples of a chunk have each site, ints [n]."""
        return np.full(self.model.num_sites, stop - first)

    def to_digits(self, data: Any) -> np.ndarray:
        """int32 [R, n, D] of the examples of a chunk, in the order of the model."""
        model = self.model
        x = np.reshape(data, [len(data), model.num_sites, *model.head.site_shape])
        return model.head.to_digits(tf.constant(x)).numpy()[:, self.order]

    def from_digits(self, digits: np.ndarray, first: int, stop: int) -> np.ndarray:
        """The examples of a chunk."""
        laid_out = digits[:, np.argsort(self.order)]
        x = self.model.head.from_digits(tf.constant(laid_out)).numpy()
        return x.reshape([-1, *self.model.event_shape]).astype(self.dtype)

    def condition(self, rows: Nest, first: int, stop: int) -> Nest:
        """``batch_size`` rows of a condition for a chunk, the last one repeated."""
        which = np.minimum(np.arange(first, first + self.batch_size), stop - 1)
        return tf.nest.map_structure(lambda part: tf.gather(part, which), rows)

    def joined(self, parts: list[Any]) -> np.ndarray:
        return np.concatenate(parts or [np.zeros([0, *self.model.event_shape], self.dtype)])


class Text:
    """A text, cut into chunks and those into at most 8 texts, which are read side by side.

    Args:
      model: a model of text.
      count: how many characters.
      batch_size: of the file, 1 for a model that adapts; by default as many as are worth it, up to
        8.

    Attributes:
      chunks: pairs (first, stop) of characters.
    """

    dtype = ""

    def __init__(
        self, model: AutoregressiveModel, *, count: int, batch_size: int | None = None
    ) -> None:
        self.model, self.count = model, count
        longest = model.longest or CHARACTERS
        self.least = min(LEAST, longest)
        self.batch_size = batch_size or min(STREAMS, max(1, count // self.least))
        self.longest = min(CHARACTERS // self.batch_size, longest)
        size = self.batch_size * self.longest
        self.chunks = [(first, min(first + size, count)) for first in range(0, count, size)]

    def counts(self, first: int, stop: int) -> np.ndarray:
        """How many texts of a chunk have each position, ints [n]."""
        lengths = self._lengths(stop - first)
        return np.sum(lengths[:, None] > np.arange(lengths[0]), axis=0)

    def _lengths(self, count):
        """Of the texts of a chunk, ints, falling."""
        streams = max(min(self.batch_size, count // self.least), -(-count // self.longest), 1)
        return count // streams + (np.arange(streams) < count % streams)

    def to_digits(self, data: Any) -> np.ndarray:
        """int32 [R, n, 1] of the characters of a chunk."""
        numbers = kinds.Texts(self.model).encode(data)
        lengths = self._lengths(len(numbers))
        digits = np.zeros([len(lengths), lengths[0], 1], np.int32)
        for row, part in zip(digits, np.split(numbers, np.cumsum(lengths)[:-1])):
            row[: len(part), 0] = part
        return digits

    def from_digits(self, digits: np.ndarray, first: int, stop: int) -> str:
        """The text of a chunk."""
        parts = [row[:length, 0] for row, length in zip(digits, self._lengths(stop - first))]
        return kinds.Texts(self.model).decode(np.concatenate(parts))

    def condition(self, rows: Nest, first: int, stop: int) -> Nest:
        """``batch_size`` rows of the text's condition."""
        which = np.zeros(self.batch_size, np.int32)
        return tf.nest.map_structure(lambda part: tf.gather(part, which), rows)

    def joined(self, parts: list[Any]) -> str:
        return "".join(parts)


Layout = Examples | Text


def of(model: AutoregressiveModel, data: Any, member: int, *, adapts: bool = False) -> Layout:
    """The layout of data, which are checked.

    Raises:
      ValueError: if they are not valid for the model, or if it adapts and they are not a text.
    """
    if kinds.Texts.fits(model) and isinstance(data, str):
        kinds.Texts(model).encode(data)
        if not data:
            raise ValueError("Expected at least one character, got an empty text.")
        return Text(model, count=len(data), batch_size=1 if adapts else None)
    if adapts:
        raise ValueError("Expected adapt=None: only a model of text learns from the text it codes.")
    x = array(model, data)
    return Examples(model, member, count=len(x), dtype=x.dtype.str)


def array(model: AutoregressiveModel, data: Any) -> np.ndarray:
    """Examples as an array of valid values."""
    model.check_events(model._arrays(data))
    return np.asarray(data)
