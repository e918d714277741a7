"""People's own pictures: read from a folder or a file, checked, and fitted in one call.

>>> import pathlib, tempfile
>>> folder = pathlib.Path(tempfile.mkdtemp())
>>> for number in range(12):
...     tfar.plots.save_grid(np.eye(4)[None, ..., None] * (number % 2), folder / f"{number}.png")
>>> found = read(folder, size=4)
>>> found.x.shape, found.names[0]
((12, 4, 4, 1), '0.png')
"""

from tfar.pictures.fit import FAMILIES, fit_images
from tfar.pictures.levels import natural_levels, to_levels
from tfar.pictures.reading import ENDINGS, Pictures, of_bytes, read

__all__ = [
    "ENDINGS",
    "FAMILIES",
    "Pictures",
    "fit_images",
    "natural_levels",
    "of_bytes",
    "read",
    "to_levels",
]
