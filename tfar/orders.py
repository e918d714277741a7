"""Orders: the sequence in which the sites of an event are modelled.

An order is a permutation of the n sites, an int32 array whose entry i is the site (in row-major
layout of the event) that is modelled as number i. Models take one of the names below or any
permutation.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from tfar.arguments import integer

if TYPE_CHECKING:
    from tfar.typing import Order

__all__ = ["get", "random", "raster", "reversed", "several"]


def raster(num_sites: int) -> np.ndarray:
    """The layout's own order: row by row.

    >>> raster(4).tolist()
    [0, 1, 2, 3]
    """
    return np.arange(integer("num_sites", num_sites, least=1), dtype=np.int32)


def reversed(num_sites: int) -> np.ndarray:
    """From the last site to the first.

    >>> reversed(4).tolist()
    [3, 2, 1, 0]
    """
    return raster(num_sites)[::-1].copy()


def random(num_sites: int, seed: int = 0) -> np.ndarray:
    """A permutation drawn by ``np.random.RandomState(seed)``, the same on every machine.

    >>> sorted(random(4, seed=1).tolist())
    [0, 1, 2, 3]
    """
    num_sites = integer("num_sites", num_sites, least=1)
    rng = np.random.RandomState(integer("seed", seed, least=0, most=2**32 - 1))
    return rng.permutation(num_sites).astype(np.int32)


NAMED = {"raster": raster, "reversed": reversed, "random": random}


def get(order: Order, num_sites: int) -> np.ndarray:
    """The permutation that ``order`` stands for.

    Args:
      order: "raster", "reversed", "random" (seed 0), or a permutation of 0 ... num_sites - 1.
      num_sites: number of sites n.

    Returns:
      int32 array [n].

    Raises:
      ValueError: if the name is unknown or the numbers are not a permutation of the sites.
    """
    if isinstance(order, str):
        if order not in NAMED:
            raise ValueError(
                f"Expected order to be a permutation or one of {list(NAMED)}, got {order!r}."
            )
        return NAMED[order](num_sites)
    num_sites = integer("num_sites", num_sites, least=1)
    permutation = _array(order)
    if (
        permutation.dtype.kind not in "iuf"
        or permutation.shape != (num_sites,)
        or not np.array_equal(np.sort(permutation), np.arange(num_sites))
    ):
        raise ValueError(
            f"Expected order to be a permutation of 0 ... {num_sites - 1} or one of {list(NAMED)}, "
            f"got an array of shape {list(permutation.shape)} with {permutation.ravel()[:8]} ..."
        )
    return permutation.astype(np.int32)


def several(order: Order) -> bool:
    """Whether ``order`` holds several orders, [R, n].

    >>> several("random"), several([1, 0]), several([[1, 0], [0, 1]])
    (False, False, True)
    """
    return not isinstance(order, str) and _array(order).ndim == 2


def _array(order):
    try:
        return np.asarray(order)
    except ValueError:  # rows of different lengths
        raise ValueError(
            f"Expected order to be a permutation or one of {list(NAMED)}, got {order!r}."
        ) from None
