"""Caltech 101 Silhouettes, from its authors' MATLAB file."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tfar.datasets.source import Source

if TYPE_CHECKING:
    import numpy as np

_FILE = "caltech101_silhouettes_28.mat"

SEED = 0
SOURCE = Source(
    name="caltech101_silhouettes",
    builder="caltech101_silhouettes",
    sizes={"train": 4_100, "validation": 2_264, "test": 2_307},
    feature="image",
    shape=(28, 28, 1),
    urls={_FILE: f"https://people.cs.umass.edu/~marlin/data/{_FILE}"},
    sha256={_FILE: "862d0a4b828256d54ad5de7c5066c18c72f355cac5b7cde4c1c3be7c000d180b"},
    registers="tfar.datasets.silhouettes_builder",
)


def caltech101_silhouettes(split: str, *, download: bool = True) -> np.ndarray:
    """Caltech 101 Silhouettes: outlines of things of 101 kinds, filled in black on white.

    The split is **our own**. That of the papers is in another file of the same authors,
    ``caltech101_silhouettes_28_split1.mat``; this is the unsplit file of the same 8,671 images. Our
    split has the sizes of theirs but other rows, so that figures compare with theirs roughly, not
    to the last nat. The rows are permuted by ``numpy.random.RandomState(0)``: the first 4,100 are
    "train", the next 2,264 "validation" and the last 2,307 "test".

    Preparing it, once, needs SciPy (``pip install scipy``), which reads MATLAB files and which tfar
    needs for nothing else.

    Args:
      split: "train" (4,100 images), "validation" (2,264) or "test" (2,307).
      download: whether a missing file may be downloaded (0.7 MB).

    Returns:
      uint8 [N, 28, 28, 1], upright: 0 where the thing is and 1 around it, as in the file.

    Raises:
      ValueError: no such split, or a file that is not the published one.
      FileNotFoundError: not on this machine, and not downloaded; the message says how to get it.
      ImportError: not prepared yet, and SciPy is not installed.

    #### References
    [1] B. Marlin, K. Swersky, B. Chen and N. de Freitas. Inductive Principles for Restricted
        Boltzmann Machine Learning. AISTATS 2010.
    Source: https://people.cs.umass.edu/~marlin/data/caltech101_silhouettes_28.mat
    The file's SHA-256 is verified:
        862d0a4b828256d54ad5de7c5066c18c72f355cac5b7cde4c1c3be7c000d180b

    >>> tfar.datasets.caltech101_silhouettes("all")
    Traceback (most recent call last):
    ...
    ValueError: caltech101_silhouettes has no split 'all'; ...
    """
    return SOURCE.read(split, download=download)["image"]
