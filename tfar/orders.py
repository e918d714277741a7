"""Orders: the sequence in which the sites of an event are modelled.

An order is a permutation of the n sites, an int32 array whose entry i is the site (in row-major
layout of the event) that is modelled as number i. Models take one of the names below or any
permutation.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from tfar.arguments import flag, integer, integers

if TYPE_CHECKING:
    from tfar.typing import Order, Shape

__all__ = ["get", "random", "raster", "reversed", "scan", "several"]


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


def scan(
    grid_shape: Shape, *, columns: bool = False, upwards: bool = False, leftwards: bool = False
) -> np.ndarray:
    """One of the eight orders in which neighbours in the order are neighbours in the image.

    They are the raster order of the image after a reflection, a rotation or a transposition, and
    what a convolutional network can be given: site i of the order is pixel i of another image. The
    colours of a pixel stay together, in their own order.

    Args:
      grid_shape: (H, W) or (H, W, C), the grid of the sites.
      columns: by columns instead of rows. The image must be square for a network that takes an
        image of (H, W).
      upwards: from the last row to the first.
      leftwards: from the last column to the first.

    Returns:
      int32 array [H W C].

    Raises:
      ValueError: if ``grid_shape`` is not that of an image.

    >>> scan([2, 3]).tolist(), scan([2, 3], leftwards=True).tolist()
    ([0, 1, 2, 3, 4, 5], [2, 1, 0, 5, 4, 3])
    >>> scan([2, 3], columns=True, upwards=True).tolist()
    [3, 0, 4, 1, 5, 2]
    """
    shape = integers("grid_shape", grid_shape, least=1)
    if len(shape) not in (2, 3):
        raise ValueError(f"Expected grid_shape to be (H, W) or (H, W, C), got {list(shape)}.")
    sites = raster(int(np.prod(shape))).reshape([*shape[:2], -1])
    if flag("upwards", upwards):
        sites = sites[::-1]
    if flag("leftwards", leftwards):
        sites = sites[:, ::-1]
    if flag("columns", columns):
        sites = sites.transpose(1, 0, 2)
    return sites.reshape(-1).copy()


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
