"""The two ends of a file, and a witness: those who talk with `tfar.compression.lockstep`.

Each is asked about one symbol of several sites at a time, given the probabilities of its values,
and answers with the symbols: the encoder knows them, the decoder reads them, the witness makes them
up. So all three make the model compute the same.
"""

from __future__ import annotations

import hashlib
from typing import Any, Protocol

import numpy as np

PRECISION = 20  # bits of a numerator


class Partner(Protocol):
    """One who knows, reads or makes up symbols."""

    def exchange(self, sites: np.ndarray, digit: int, log_probs: np.ndarray) -> np.ndarray:
        """The symbols of some sites, int32 [R, S].

        Args:
          sites: ints [S], in the order of the model.
          digit: which digit of the values.
          log_probs: [R, S, K] nats, for R examples or texts.
        """


def numerators(log_probs: np.ndarray) -> np.ndarray:
    """Integers [..., K] with the sum 2^20, close to 2^20 p: at least 1 where p is positive.

    What rounding down leaves is added to the likeliest value.

    Args:
      log_probs: [..., K] nats, -inf where p is 0.

    Raises:
      ValueError: if a p is NaN.

    >>> numerators(np.log([[0.5, 0.25, 0.25 - 1e-9, 1e-9]])).tolist()
    [[524288, 262144, 262143, 1]]
    """
    p = np.exp(np.asarray(log_probs, np.float64))
    total = p.sum(axis=-1, keepdims=True)
    if not np.all(total > 0) or not np.all(np.isfinite(total)):
        raise ValueError("The model gives probabilities that are NaN: nothing can be coded by it.")
    possible = p > 0
    free = 2**PRECISION - possible.sum(axis=-1, keepdims=True)
    counts = np.floor(p / total * free).astype(np.int64) + possible
    best = np.argmax(counts, axis=-1)[..., None]
    rest = 2**PRECISION - counts.sum(axis=-1, keepdims=True)
    np.put_along_axis(counts, best, np.take_along_axis(counts, best, axis=-1) + rest, axis=-1)
    return counts


def library() -> Any:
    """The module of constriction's coders; ImportError that says how to install it."""
    try:
        import constriction
    except ImportError as error:
        raise ImportError(
            "Compression needs the package constriction: pip install 'tfar[compression]'."
        ) from error
    return constriction.stream


def _table(log_probs):
    # Multiples of 2^-20 that sum to 1 are exact in float64, and so is all that constriction does
    # with them: with perfect=False a table has one meaning.
    each = numerators(log_probs) / 2.0**PRECISION
    return np.ascontiguousarray(each.reshape([-1, each.shape[-1]]))


class Encoder:
    """Writes symbols that it knows.

    Args:
      digits: int32 [R, n, D], in the order of the model.
    """

    def __init__(self, digits: np.ndarray) -> None:
        stream = library()
        self.digits = digits
        self._family = stream.model.Categorical(perfect=False)
        self._coder = stream.queue.RangeEncoder()

    def exchange(self, sites: np.ndarray, digit: int, log_probs: np.ndarray) -> np.ndarray:
        symbols = self.digits[: len(log_probs), sites, digit]
        flat = np.ascontiguousarray(symbols.reshape(-1), np.int32)
        self._coder.encode(flat, self._family, _table(log_probs))
        return symbols

    def written(self) -> bytes:
        return self._coder.get_compressed().astype("<u4").tobytes()


class Decoder:
    """Reads the symbols that an `Encoder` wrote.

    Args:
      content: bytes.
      shape: (R, n, D).
    """

    def __init__(self, content: bytes, shape: tuple[int, int, int]) -> None:
        stream = library()
        self.digits = np.zeros(shape, np.int32)
        self._family = stream.model.Categorical(perfect=False)
        words = np.frombuffer(content, "<u4").astype(np.uint32)
        self._coder = stream.queue.RangeDecoder(words)

    def exchange(self, sites: np.ndarray, digit: int, log_probs: np.ndarray) -> np.ndarray:
        symbols = self._coder.decode(self._family, _table(log_probs))
        symbols = symbols.reshape(log_probs.shape[:2])
        self.digits[: len(symbols), sites, digit] = symbols
        return symbols


class Witness:
    """Makes symbols up, and keeps a digest of all the probabilities: a machine's fingerprint."""

    def __init__(self) -> None:
        self._sha = hashlib.sha256()
        self._rng = np.random.RandomState(0)

    def exchange(self, sites: np.ndarray, digit: int, log_probs: np.ndarray) -> np.ndarray:
        counts = numerators(log_probs)
        self._sha.update(counts.astype("<i8").tobytes())
        drawn = self._rng.randint(0, 2**PRECISION, [*counts.shape[:2], 1])
        return (np.cumsum(counts, axis=-1) <= drawn).sum(axis=-1).astype(np.int32)

    def digest(self) -> bytes:
        return self._sha.digest()[:8]
