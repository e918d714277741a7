"""Heads: from network outputs to distributions, and from data to network inputs.

One head serves `call` and `step`. It samples in data space, so that what is fed back while
sampling is exactly what training saw.
"""

from tfar.heads.base import Head
from tfar.heads.columns import Columns, Table
from tfar.heads.counts import NegativeBinomial, Poisson
from tfar.heads.discrete import Bernoulli, Categorical, Characters
from tfar.heads.mixtures import DiscretizedLogisticMixture
from tfar.heads.real import GaussianMixture, LogisticMixture
from tfar.heads.vocabulary import Vocabulary

__all__ = [
    "Bernoulli",
    "Categorical",
    "Characters",
    "Columns",
    "DiscretizedLogisticMixture",
    "GaussianMixture",
    "Head",
    "LogisticMixture",
    "NegativeBinomial",
    "Poisson",
    "Table",
    "Vocabulary",
    "get",
]


def get(head):
    """``head``, or `Bernoulli()` for None; ValueError if it is no head (a class, say)."""
    head = Bernoulli() if head is None else head
    if not isinstance(head, Head):
        raise ValueError(f"Expected a head, for instance tfar.heads.Bernoulli(), got {head!r}.")
    return head


# Keras writes a class' module into files: the public one, which stays when code moves.
for _name in __all__:
    globals()[_name].__module__ = __name__
