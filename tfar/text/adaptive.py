"""A text model that learns as it reads: mixed with counts of what it has read."""

from __future__ import annotations

import collections
from typing import TYPE_CHECKING, Any

import numpy as np
import tensorflow as tf

from tfar.text.counts import Counts
from tfar.typing import Nest, Progress

if TYPE_CHECKING:
    from tfar.models import SequenceModel

# The first exponents of the network, of the counts of all and of the recent ones: after a primer,
# and without one. These, the rates, and the discount of the counts were chosen on the validation
# split of tiny_shakespeare, where twice or half of a rate costs less than 0.003 bits a character.
PRIMED, UNPRIMED = (0.6, 0.15, 0.1), (0.9, 0.05, 0.05)
RATE = 5e-4
BIAS_RATE = 0.1


class Mixer:
    """A product of experts, renormalised, whose exponents follow the gradient of log p:

        log p(c) = sum_e w_e log p_e(c) + b_h(c) - log Z,     h the last two symbols, b = 0 at first
        w_e    <- w_e + 0.0005 (log p_e(x) - sum_c p(c) log p_e(c))        after the symbol x
        b_h(c) <- b_h(c) + 0.1 ((c = x) - p(c))

    The experts are the network and the two predictions of `Counts`. Each p is a function of what
    came before alone and sums to 1: the product over a text is a probability. -log p is convex in w
    and b (Mattern 2012: geometric mixing; of two symbols it is PAQ's logistic mixing).

    Args:
      num_symbols: V.
      primer: ints [n], symbols that the counts have read before.

    #### References
    C. Mattern. Mixing strategies in data compression. DCC 2012.
    T. Mikolov, A. Deoras, D. Povey, L. Burget, J. Cernocky. Strategies for training large scale
    neural network language models. ASRU 2011 (a maximum-entropy model beside a network).

    >>> mixer = Mixer(3, np.zeros(0, int))
    >>> network = np.log([0.5, 0.3, 0.2])
    >>> for symbol in [2, 2, 2, 2]:
    ...     first = mixer.log_probs(network)
    ...     mixer.update(symbol)
    >>> bool(mixer.log_probs(network)[2] > first[2] > network[2])
    True
    """

    def __init__(self, num_symbols: int, primer: np.ndarray) -> None:
        self._counts = Counts(num_symbols)
        self._counts.read(primer)
        self._weights = np.array(PRIMED if len(primer) else UNPRIMED)
        self._biases = collections.defaultdict(lambda: np.zeros(num_symbols))
        self._last = 0, 0

    def log_probs(self, network: np.ndarray) -> np.ndarray:
        """log p of the next symbol [V], from that of the network [V]."""
        self._experts = np.concatenate([network[None], self._counts.log_probs()])
        mixed = self._weights @ self._experts + self._biases[self._last]
        mixed -= mixed.max()
        self._mixed = mixed - np.log(np.exp(mixed).sum())
        return self._mixed

    def update(self, symbol: int) -> None:
        """Learns the symbol that `log_probs` was asked about."""
        p = np.exp(self._mixed)
        self._weights += RATE * (self._experts[:, symbol] - self._experts @ p)
        bias = self._biases[self._last]
        bias -= BIAS_RATE * p
        bias[symbol] += BIAS_RATE
        self._last = self._last[1], symbol
        self._counts.update(symbol)


class Adapted:
    """Stands between a text model and a partner of `tfar.compression.lockstep`, and mixes.

    Args:
      partner: one who is told the mixed conditionals.
      mixer: a `Mixer`.
    """

    def __init__(self, partner: Any, mixer: Mixer) -> None:
        self.partner, self.mixer = partner, mixer

    def exchange(self, sites: np.ndarray, digit: int, log_probs: np.ndarray) -> np.ndarray:
        mixed = self.mixer.log_probs(log_probs[0, 0].astype(np.float64))
        symbols = self.partner.exchange(sites, digit, mixed[None, None])
        self.mixer.update(int(symbols[0, 0]))
        return symbols


def log_probs(
    model: SequenceModel,
    numbers: np.ndarray,
    mixer: Mixer,
    *,
    state: Nest,
    piece: int,
    progress: Progress = None,
) -> np.ndarray:
    """log p of each character given those before it, float64 [N] nats.

    Args:
      model: a `tfar.models.SequenceModel` of characters that ``extends``.
      numbers: ints [N].
      mixer: a `Mixer`, which learns them.
      state: the model's initial state, for one text.
      piece: how many characters the network reads at once.
      progress: wrapper of the iterable of pieces.
    """
    told = model.once("conditionals", lambda: _told(model))
    starts, nats = range(0, len(numbers), piece), []
    for first in progress(starts) if progress else starts:
        part = numbers[first : first + piece]
        each, state = told(tf.constant(part[None]), state, tf.constant(first))
        for network, symbol in zip(each.numpy().astype(np.float64), part.tolist()):
            nats.append(mixer.log_probs(network)[symbol])
            mixer.update(symbol)
    return np.array(nats)


def _told(model):
    def told(x, state, first):
        params, state = model.extend(x, state, first)
        return tf.nn.log_softmax(params[0]), state

    return tf.function(told, autograph=False, reduce_retracing=True)
