"""Heads: from network outputs to distributions, and from data to network inputs.

One head serves `call` and `step`. It samples in data space, so that what is fed back while
sampling is exactly what training saw.
"""

from tfar.heads.atoms import Atoms
from tfar.heads.base import Head, tempered, tempered_categories
from tfar.heads.columns import Columns
from tfar.heads.counts import NegativeBinomial, Poisson
from tfar.heads.discrete import Bernoulli, Categorical, Characters
from tfar.heads.integers import Integers
from tfar.heads.mixtures import DiscretizedLogisticMixture
from tfar.heads.real import GaussianMixture, LogisticMixture
from tfar.heads.table import Table
from tfar.heads.vocabulary import Vocabulary

__all__ = [
    "Atoms",
    "Bernoulli",
    "Categorical",
    "Characters",
    "Columns",
    "DiscretizedLogisticMixture",
    "GaussianMixture",
    "Head",
    "Integers",
    "LogisticMixture",
    "NegativeBinomial",
    "Poisson",
    "Table",
    "Vocabulary",
    "get",
    "tempered",
    "tempered_categories",
]

NAMED = {"bernoulli": Bernoulli, "poisson": Poisson, "negative_binomial": NegativeBinomial}


def get(head: Head | str | None) -> Head:
    """The head itself, the head of a name, or `Bernoulli` for None.

    Args:
      head: a `Head`, or "bernoulli", "poisson" or "negative_binomial": others need arguments.

    Raises:
      ValueError: if it is anything else, for instance a class.

    >>> get("poisson")
    Poisson()
    """
    if head is None or (isinstance(head, str) and head in NAMED):
        return NAMED[head or "bernoulli"]()
    if not isinstance(head, Head):
        raise ValueError(
            f"Expected a head, for instance tfar.heads.Bernoulli(), or one of {', '.join(NAMED)}, "
            f"got {head!r}."
        )
    return head


# Keras writes the module of a class into files: the public one stays when code moves.
for _name in __all__:
    globals()[_name].__module__ = __name__
