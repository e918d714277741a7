"""Pictures of samples."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from tfar import arguments, files

if TYPE_CHECKING:
    from typing import Any

    from tfar.typing import Path, Shape

__all__ = ["drawable", "grid", "save_grid"]


def drawable(event_shape: Shape, dtype: np.typing.DTypeLike) -> bool:
    """Whether `grid` draws samples of a shape and dtype: integers, in one row or image.

    >>> drawable([28, 28, 1], np.int32), drawable([11], np.float32)
    (True, False)
    """
    event_shape = arguments.integers("event_shape", event_shape, least=1)
    channels = event_shape[-1] if len(event_shape) == 3 else None
    pictured = len(event_shape) == 1 or channels in (1, 3)
    return pictured and np.issubdtype(dtype, np.integer)


def grid(
    x: np.ndarray, *, columns: int | None = None, scale: int = 3, margin: int = 1
) -> np.ndarray:
    """Samples side by side in one picture.

    Args:
      x: [N, H, W, C] images with C 1 or 3, 0/1 or 0 ... 255; or [N, D] vectors, drawn as rows, of
        0/1 or of categories, the last of which is white.
      columns: images per row; by default about the square root of N.
      scale: pixels of the picture per pixel of an image.
      margin: pixels between images, before scaling.

    Returns:
      uint8 array [height, width, 3].

    Raises:
      ValueError: if ``x`` has another shape or other values, or another argument is not as above.

    >>> grid(np.zeros([4, 28, 28, 1]), scale=1).shape
    (59, 59, 3)
    """
    scale = arguments.integer("scale", scale, least=1)
    margin = arguments.integer("margin", margin, least=0)
    try:
        x = np.asarray(x)
    except ValueError:
        raise ValueError(f"Expected x to be an array, got {x!r:.200}.") from None
    if not x.size or not (x.ndim == 2 or (x.ndim == 4 and x.shape[-1] in (1, 3))):
        raise ValueError(f"Expected [N, H, W, 1 or 3] or [N, D], got the shape {list(x.shape)}.")
    if x.dtype.kind not in "biuf" or not (x.min() >= 0 and x.max() < np.inf):
        raise ValueError(
            "Expected finite numbers of at least 0, got "
            + (f"{x.min()} to {x.max()}." if x.dtype.kind in "biuf" else f"{x.dtype}.")
        )
    if x.ndim == 2:
        x = x[:, None, :, None] / max(1, x.max())
        columns, margin = 1, 0
    elif x.max() > 255:
        raise ValueError(f"Expected images of 0 ... 255, got {x.max()}.")
    count, height, width = x.shape[:3]
    columns = math.ceil(math.sqrt(count)) if columns is None else columns
    columns = arguments.integer("columns", columns, least=1)
    rows = math.ceil(count / columns)
    shades = x * 255 if x.max() <= 1 else x
    tiles = np.full([rows * columns, height + margin, width + margin, 3], 96, np.uint8)
    tiles[:count, margin:, margin:] = np.broadcast_to(shades, [*shades.shape[:3], 3])
    picture = tiles.reshape(rows, columns, height + margin, width + margin, 3).swapaxes(1, 2)
    picture = picture.reshape(rows * (height + margin), columns * (width + margin), 3)
    picture = np.pad(picture, ((0, margin), (0, margin), (0, 0)), constant_values=96)
    return picture.repeat(scale, axis=0).repeat(scale, axis=1)


def save_grid(x: np.ndarray, path: Path, **kwargs: Any) -> None:
    """Writes `grid` to a PNG file, atomically."""
    import matplotlib.image

    picture = grid(x, **kwargs)
    with files.replacing(path) as partial:
        matplotlib.image.imsave(partial, picture, format="png")
