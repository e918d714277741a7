"""Pictures of samples."""

import math

import numpy as np

from tfar import files


def grid(x, columns=None, scale=3, margin=1):
    """Samples side by side in one picture.

    Args:
      x: [N, H, W, C] images with C 1 or 3, 0/1 or 0 ... 255; or [N, D] vectors, drawn as rows, of
        0/1 or of categories, the last of which is white.
      columns: images a row; by default about the square root of N.
      scale: pixels of the picture for one of an image.
      margin: pixels between images, before scaling.

    Returns:
      uint8 array [height, width, 3].

    Raises:
      ValueError: if ``x`` has another shape.

    >>> grid(np.zeros([4, 28, 28, 1]), scale=1).shape
    (59, 59, 3)
    """
    x = np.asarray(x)
    if x.ndim == 2:
        x = x[:, None, :, None] / max(1, x.max(initial=0))
        columns, margin = 1, 0
    if x.ndim != 4 or x.shape[-1] not in (1, 3) or not len(x):
        raise ValueError(f"Expected [N, H, W, 1 or 3] or [N, D], got the shape {list(x.shape)}.")
    count, height, width = x.shape[:3]
    columns = columns or math.ceil(math.sqrt(count))
    rows = math.ceil(count / columns)
    shades = x * 255 if x.max() <= 1 else x
    tiles = np.full([rows * columns, height + margin, width + margin, 3], 96, np.uint8)
    tiles[:count, margin:, margin:] = np.broadcast_to(shades, [*shades.shape[:3], 3])
    picture = tiles.reshape(rows, columns, height + margin, width + margin, 3).swapaxes(1, 2)
    picture = picture.reshape(rows * (height + margin), columns * (width + margin), 3)
    picture = np.pad(picture, ((0, margin), (0, margin), (0, 0)), constant_values=96)
    return picture.repeat(scale, axis=0).repeat(scale, axis=1)


def save_grid(x, path, **kwargs):
    """Writes `grid` to a PNG file, atomically."""
    import matplotlib.image

    picture = grid(x, **kwargs)
    with files.replacing(path) as partial:
        matplotlib.image.imsave(partial, picture, format="png")
