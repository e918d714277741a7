"""The levels of a pixel: two for a drawing, 256 for 8 bits, or any number between."""

from __future__ import annotations

import numpy as np

from tfar import arguments


def to_levels(x: np.ndarray, levels: int) -> np.ndarray:
    """Pixels of 8 bits as levels 0 ... L - 1: floor(x L / 256), for two levels x >= 128.

    Values that are all below L are levels already, and stay as they are.

    Args:
      x: ints from 0 to 255, of any shape.
      levels: L, from 2 to 256.

    Returns:
      uint8 array of the shape of ``x``.

    >>> to_levels(np.array([0, 127, 128, 255]), 2).tolist()
    [0, 0, 1, 1]
    >>> to_levels(np.array([0, 3, 1]), 4).tolist()
    [0, 3, 1]
    """
    levels = arguments.integer("levels", levels, least=2, most=256)
    if x.size and x.max() >= levels:
        x = x.astype(np.int32) * levels // 256
    return x.astype(np.uint8)


def natural_levels(x: np.ndarray) -> int:
    """2 for grey images of black and white only, otherwise 256.

    Black and white are 0 and 1, or any one value below 128 and any one of at least 128.

    Args:
      x: images [N, H, W, C], ints from 0 to 255.

    >>> natural_levels(np.array([0, 255]).reshape([1, 2, 1, 1]))
    2
    >>> natural_levels(np.array([0, 100]).reshape([1, 2, 1, 1]))
    256
    """
    if x.shape[-1] > 1:
        return 256
    values = np.flatnonzero(np.bincount(x.reshape(-1), minlength=2))
    two = len(values) == 2 and values[0] < 128 <= values[1]
    return 2 if two or values.max() <= 1 else 256
