"""Files of zeros and ones that decode on any machine: by logits on a grid.

Two machines, two batch sizes, or a parallel pass and the steps, give logits that differ by some
1e-6. Rounded to multiples of 0.25 they are the same, unless one lies next to the border of two
cells. Those within 2e-5 of a border, a few in a thousand images of digits, are listed in the file
with the cell that was taken. So the encoder may use one parallel pass, and the decoder any steps,
whose logits are right to 2e-5. It costs about 1 % of the length.
"""

from __future__ import annotations

import numpy as np
import tensorflow as tf

from tfar.compression.coder import PRECISION, library
from tfar.models import AutoregressiveModel
from tfar.typing import Nest

GRID = 0.25
CELLS = 48  # on either side of 0: logits are cut at 12
TOLERANCE = 2e-5
PASS = 100  # examples of a parallel pass


def cells(logits: np.ndarray) -> np.ndarray:
    """The nearest multiples of 0.25, ints from -48 to 48."""
    return np.clip(np.rint(logits / GRID), -CELLS, CELLS).astype(np.int64)


def ambiguous(logits: np.ndarray) -> np.ndarray:
    """Bools: which logits are within 2e-5 of the border of two cells."""
    places = np.clip(logits / GRID, -CELLS, CELLS)
    return np.abs(places - np.floor(places) - 0.5) <= TOLERANCE / GRID


def _tables():
    """The probabilities of 0 and 1 in each cell, multiples of 2^-20."""
    on = np.rint(2**PRECISION / (1 + np.exp(-GRID * np.arange(-CELLS, CELLS + 1))))
    return np.stack([2**PRECISION - on, on], axis=1) / 2**PRECISION


def logits_of(
    model: AutoregressiveModel, x: np.ndarray, *, member: int, condition: Nest = None
) -> np.ndarray:
    """The logits of examples [R, *event_shape] by parallel passes, [R, n] in the model's order."""

    def make():
        def told(x, condition):
            params = model.parameters(x, condition=condition, member=member)
            log_probs = model.head.digit_log_probs(params, tf.zeros([1, 1, 1], tf.int32), 0)
            order = tf.constant(model.permutations[member])
            return tf.gather(log_probs[..., 1] - log_probs[..., 0], order, axis=1)

        return tf.function(told, autograph=False, reduce_retracing=True)

    told, parts = model.once(("portable", member), make), []
    for first in range(0, len(x), PASS):
        some = slice(first, first + PASS)
        parts.append(told(tf.constant(x[some]), rows_of(condition, some)).numpy())
    return np.concatenate(parts)


def rows_of(condition: Nest, some: slice) -> Nest:
    """Some rows of a condition; None of None."""
    return condition if condition is None else tf.nest.map_structure(lambda p: p[some], condition)


class Encoder:
    """Writes symbols that it knows, by logits that it knows.

    Args:
      digits: int32 [R, n, 1], zeros and ones, in the order of the model.
      logits: [R, n].
    """

    def __init__(self, digits: np.ndarray, logits: np.ndarray) -> None:
        stream = library()
        self._digits, self._cells, self._tables = digits[..., 0], cells(logits), _tables()
        self._family = stream.model.Categorical(perfect=False)
        self._coder = stream.queue.RangeEncoder()
        self._listed = _listed(logits)

    def write(self, sites: np.ndarray) -> None:
        """Codes sites, in the order in which they are asked for."""
        symbols = np.ascontiguousarray(self._digits[:, sites].reshape(-1), np.int32)
        tables = self._tables[self._cells[:, sites].reshape(-1) + CELLS]
        self._coder.encode(symbols, self._family, tables)

    def written(self) -> bytes:
        return self._listed + self._coder.get_compressed().astype("<u4").tobytes()


class Decoder:
    """As `tfar.compression.coder.Decoder`, for what an `Encoder` wrote."""

    def __init__(self, content: bytes, shape: tuple[int, int, int]) -> None:
        stream = library()
        self.digits = np.zeros(shape, np.int32)
        self._tables = _tables()
        self._up, rest = _unlisted(content, shape[:2])
        self._family = stream.model.Categorical(perfect=False)
        self._coder = stream.queue.RangeDecoder(np.frombuffer(rest, "<u4").astype(np.uint32))

    def exchange(self, sites: np.ndarray, digit: int, log_probs: np.ndarray) -> np.ndarray:
        logits = log_probs[..., 1] - log_probs[..., 0]
        up, found = self._up[: len(logits), sites], cells(logits)
        below = np.clip(np.rint(logits / GRID - 0.5), -CELLS, CELLS).astype(np.int64)
        found = np.where(up < 0, found, below + up)
        symbols = self._coder.decode(self._family, self._tables[found.reshape(-1) + CELLS])
        symbols = symbols.reshape(found.shape)
        self.digits[: len(symbols), sites, digit] = symbols
        return symbols


def _listed(logits):
    """The list of ambiguous sites: their number, and the gaps between them, times two, plus 1 if
    the cell above the border was taken; each in groups of seven bits."""
    places = np.flatnonzero(ambiguous(logits))
    each = logits.reshape(-1)[places]
    up = cells(each) - np.rint(each / GRID - 0.5).astype(np.int64)
    gaps = np.diff(places, prepend=0)
    found = bytearray()
    for number in [len(places), *(2 * gaps + up).tolist()]:
        while number >= 128:
            found.append(number % 128 + 128)
            number //= 128
        found.append(number)
    return bytes(found)


def _unlisted(content, shape):
    """``(up, rest)``: -1, 0 or 1 for each site, and the bytes after the list."""
    numbers, number, shift, place = [], 0, 0, 0
    while not numbers or len(numbers) <= numbers[0]:
        byte = content[place]
        number |= byte % 128 << shift
        place, shift = place + 1, shift + 7
        if byte < 128:
            numbers.append(number)
            number, shift = 0, 0
    entries = np.array(numbers[1:], np.int64)
    up = np.full(int(np.prod(shape)), -1)
    up[np.cumsum(entries // 2)] = entries % 2
    return up.reshape(shape), content[place:]
