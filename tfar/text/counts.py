"""Counts of what followed which characters, with contexts of all lengths up to ten."""

from __future__ import annotations

import array
import math
from collections.abc import Sequence

import numpy as np

from tfar.arguments import integer

ORDER = 10  # of the longest contexts
DISCOUNT = 0.5


class Counts:
    """p(c | the last k characters) for k = 0, ..., 10, each interpolated with the one before.

    With n(c) the count of c after the last k characters, N the sum and T the number of different
    ones,

        p_k(c) = (max(n(c) - d, 0) + d T p_(k-1)(c)) / N,   p_k = p_(k-1) if N = 0,   p_(-1) = 1 / V

    sums to 1 for every k, and the prediction is that of the longest contexts (Ney et al. 1994:
    absolute discounting). There are two: by the counts of all that was read, and by those of what
    came by `update` alone, a cache of the recent text (Kuhn and De Mori 1990).

    Args:
      num_symbols: V; symbols are ints from 0 to V - 1. The longest contexts have 10 of them, or as
        many as V^k < 2^63 allows.

    #### References
    H. Ney, U. Essen, R. Kneser. On structuring probabilistic dependences in stochastic language
    modelling. Computer Speech and Language 8, 1994.
    J. G. Cleary, W. J. Teahan, I. H. Witten. Unbounded length contexts for PPM. DCC 1995.
    R. Kuhn, R. De Mori. A cache-based natural language model for speech recognition. PAMI 12, 1990.

    >>> counts = Counts(3)
    >>> counts.read([0, 1, 2, 0, 1])
    >>> np.exp(counts.log_probs()).round(3).tolist()  # of all that was read, and of updates
    [[0.1, 0.1, 0.8], [0.333, 0.333, 0.333]]
    >>> counts.update(2)
    """

    def __init__(self, num_symbols: int) -> None:
        self.num_symbols = integer("num_symbols", num_symbols, least=2)
        self.order = min(ORDER, math.floor(63 / math.log2(num_symbols) - 1e-9))
        self._places = num_symbols ** np.arange(self.order)[::-1]  # of the latest symbol first
        self._context = 0  # the last symbols, as digits
        self._read, self._updates = _Contexts(num_symbols), _Contexts(num_symbols)

    def read(self, symbols: Sequence[int] | np.ndarray) -> None:
        """Counts the next symbols, ints [n], at once: 12 bytes of memory each."""
        symbols = np.asarray(symbols, np.int64)
        before = self._context // self._places[::-1] % self.num_symbols
        text, n = np.concatenate([before, symbols]), len(symbols)
        contexts = np.zeros(n, np.int64)
        for ago, place in enumerate(self._places):
            contexts += text[self.order - 1 - ago :][:n] * place
        self._read.extend(contexts, symbols, contexts // self._places[0])
        self._context = int(text[-self.order :] @ self._places[::-1])

    def log_probs(self) -> np.ndarray:
        """log p of the next symbol, [2, V] nats: by all counts, and by those of updates."""
        ranges = self._context // self._places * self._places
        ranges = np.stack([ranges, ranges + self._places], axis=1)[1:]  # of orders 2, 3, ...
        latest = int(self._context // self._places[0])
        recent = self._updates.counts(ranges, latest)
        counts = np.stack([recent + self._read.counts(ranges, latest), recent])
        total = counts.sum(axis=-1, keepdims=True)
        kept = np.maximum(counts - DISCOUNT, 0) / np.maximum(total, 1)
        rest = DISCOUNT * np.count_nonzero(counts, axis=-1, keepdims=True) / np.maximum(total, 1)
        rest[total == 0] = 1
        p = np.full([2, self.num_symbols], 1 / self.num_symbols)
        for k in range(self.order + 1):
            p = kept[:, k] + rest[:, k] * p
        return np.log(p)

    def update(self, symbol: int) -> None:
        """Counts the next symbol. After n of them it takes time in proportion to n, 1 ms for
        n = 10^6."""
        self._updates.insert(self._context, symbol, int(self._context // self._places[0]))
        self._context = int(symbol * self._places[0] + self._context // self.num_symbols)


class _Contexts:
    """Contexts and what followed them, sorted by the context with the latest symbol first.

    So the occurrences of a context of any length are neighbours, and one array has the counts of
    all orders; those of orders 0 and 1, which are many, are tables, too.
    """

    def __init__(self, num_symbols: int) -> None:
        self.contexts, self.symbols = array.array("q"), array.array("i")
        self.singles = np.zeros(num_symbols, np.int64)
        self.pairs = np.zeros([num_symbols, num_symbols], np.int64)

    def extend(self, contexts: np.ndarray, symbols: np.ndarray, latest: np.ndarray) -> None:
        np.add.at(self.singles, symbols, 1)
        np.add.at(self.pairs, (latest, symbols), 1)
        contexts = np.concatenate([np.asarray(self.contexts), contexts])
        symbols = np.concatenate([np.asarray(self.symbols), symbols.astype(np.int32)])
        order = np.argsort(contexts, kind="stable")
        self.contexts = array.array("q", contexts[order].tobytes())
        self.symbols = array.array("i", symbols[order].tobytes())

    def insert(self, context: int, symbol: int, latest: int) -> None:
        at = int(np.searchsorted(np.asarray(self.contexts), context))
        self.contexts.insert(at, context)
        self.symbols.insert(at, symbol)
        self.singles[symbol] += 1
        self.pairs[latest, symbol] += 1

    def counts(self, ranges: np.ndarray, latest: int) -> np.ndarray:
        """Ints [2 + n, V] of what followed contexts of orders 0 and 1, and ranges [n, 2]."""
        counts = np.zeros([2 + len(ranges), len(self.singles)], np.int64)
        counts[0], counts[1] = self.singles, self.pairs[latest]
        symbols = np.asarray(self.symbols)
        for k, (first, stop) in enumerate(
            np.searchsorted(np.asarray(self.contexts), ranges).tolist()
        ):
            if first == stop:
                break
            counts[2 + k] = np.bincount(symbols[first:stop], minlength=len(self.singles))
        return counts
