"""Orders: in which sequence the sites of an event are modelled.

An order is a permutation of the n sites, an int32 array whose entry i is the site (in row-major
layout of the event) that is modelled as number i. Models take one of the names below or any
permutation.
"""

import numpy as np

__all__ = ["get", "random", "raster", "reversed"]


def raster(num_sites):
    """The layout's own order: row by row.

    >>> raster(4).tolist()
    [0, 1, 2, 3]
    """
    return np.arange(num_sites, dtype=np.int32)


def reversed(num_sites):
    """From the last site to the first.

    >>> reversed(4).tolist()
    [3, 2, 1, 0]
    """
    return raster(num_sites)[::-1].copy()


def random(num_sites, seed=0):
    """A permutation drawn by ``np.random.RandomState(seed)``, the same on every machine.

    >>> sorted(random(4, seed=1).tolist())
    [0, 1, 2, 3]
    """
    return np.random.RandomState(seed).permutation(num_sites).astype(np.int32)


NAMED = {"raster": raster, "reversed": reversed, "random": random}


def get(order, num_sites):
    """The permutation that ``order`` stands for.

    Args:
      order: "raster", "reversed", "random" (seed 0), or a permutation of 0 ... num_sites - 1.
      num_sites: number of sites n.

    Returns:
      int32 array [n].

    Raises:
      ValueError: if the name is unknown or the numbers are no permutation of the sites.
    """
    if isinstance(order, str):
        if order not in NAMED:
            raise ValueError(
                f"Expected order to be a permutation or one of {list(NAMED)}, got {order!r}."
            )
        return NAMED[order](num_sites)
    permutation = np.asarray(order)
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
