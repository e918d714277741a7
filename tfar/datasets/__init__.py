"""Data sets as NumPy arrays: one function each, the splits of the papers, the same rows everywhere.

>>> from tfar import datasets
>>> print(*datasets.list()[:6])
adult binarized_mnist caltech101_silhouettes cifar10 cifar10_jpeg connect4

Everything but `cifar10_jpeg`, a single local file, goes through TensorFlow Datasets, which prepares
a data set once, verifies its checksums, and reads it back in a fixed order. Two environment
variables say where things are:

* ``TFDS_DATA_DIR``, TFDS' own: the folder of prepared data sets (otherwise
  ``~/tensorflow_datasets``). It may be read-only: what is not prepared there is looked for, and
  prepared, in ``~/tensorflow_datasets``.
* ``TFAR_DATA_DIR``: a folder of *original files* (``dna.npz``, ``train-images-idx3-ubyte.gz``, ...)
  that are taken from there instead of downloaded. It is never written to.

Importing this package imports neither TensorFlow nor TFDS; the first call does.
"""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING

from tfar.arguments import flag
from tfar.datasets.categories import dna_nucleotides, mushrooms_attributes
from tfar.datasets.clothes import fashion_mnist
from tfar.datasets.colours import cifar10, cifar10_jpeg
from tfar.datasets.digits import binarized_mnist, dynamic_mnist, mnist, redrawn_mnist
from tfar.datasets.silhouettes import caltech101_silhouettes
from tfar.datasets.texts import tiny_shakespeare
from tfar.datasets.uci import adult, connect4, dna, mushrooms, nips, ocr_letters, rcv1, web
from tfar.datasets.wine import wine_quality_red, wine_quality_white

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np

__all__ = [
    "adult",
    "binarized_mnist",
    "caltech101_silhouettes",
    "cifar10",
    "cifar10_jpeg",
    "connect4",
    "dna",
    "dna_nucleotides",
    "dynamic_mnist",
    "fashion_mnist",
    "list",
    "load",
    "mnist",
    "mushrooms",
    "mushrooms_attributes",
    "nips",
    "ocr_letters",
    "rcv1",
    "redrawn_mnist",
    "tiny_shakespeare",
    "web",
    "wine_quality_red",
    "wine_quality_white",
]

_OTHERS = "list", "load", "redrawn_mnist"
_FUNCTIONS = {name: globals()[name] for name in __all__ if name not in _OTHERS}


def load(
    name: str, split: str, *, download: bool = True
) -> np.ndarray | dict[str, np.ndarray] | str:
    """Reads a data set by its name: `load("dna", "train")` is `dna("train")`.

    For a data set in folds this is fold 0; the function of that name takes other folds.

    Args:
      name: one of `list()`.
      split: "train", "validation" or "test".
      download: whether files that are missing may be downloaded.

    Returns:
      What the function of that name returns: an array, a dict of arrays where there are labels, or
      a string.

    Raises:
      ValueError: no such data set (the message names the nearest), or no such split.
      FileNotFoundError: not on this machine, and not downloaded; the message says how to get it.

    >>> load("mushroom", "train")
    Traceback (most recent call last):
    ...
    ValueError: no data set 'mushroom': did you mean 'mushrooms'?
    """
    flag("download", download)
    if not isinstance(name, str) or name not in _FUNCTIONS:
        near = " or ".join(map(repr, difflib.get_close_matches(str(name), _FUNCTIONS)))
        hint = f"did you mean {near}?" if near else f"there are {', '.join(_FUNCTIONS)}"
        raise ValueError(f"no data set {name!r}: {hint}")
    return _FUNCTIONS[name](split, download=download)


def list() -> Sequence[str]:
    """Returns the sorted names that `load` takes."""
    return sorted(_FUNCTIONS)
