"""Small colour images: CIFAR-10 from TFDS, and a small re-encoded part of it from a file."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from tfar.datasets.source import Source, check_split, original

if TYPE_CHECKING:
    import numpy as np

_CIFAR10 = Source(
    name="cifar10",
    builder="cifar10",
    sizes={"train": 45_000, "validation": 5_000, "test": 10_000},
    feature="image",
    shape=(32, 32, 3),
    urls={
        "cifar-10-binary.tar.gz": "https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz",
    },
    tfds_splits={"train": "train[:45000]", "validation": "train[45000:]"},
)

_JPEG = "cifar10_jpeg.npz"
_JPEG_SHA256 = "60866bbd9b7e89b12d81ef021933099a3effffa70032e82afca8a594be6b4b27"
_JPEG_ROWS = {
    "train": ("train", slice(0, 4_500)),
    "validation": ("train", slice(4_500, 5_000)),
    "test": ("test", slice(0, 1_000)),
}


def cifar10(split: str, *, download: bool = True) -> dict[str, np.ndarray]:
    """CIFAR-10: colour images of ten kinds of things, and the kind of each.

    TFDS has only "train" (50,000) and "test". Here "train" is the first 45,000 rows of TFDS' train
    and "validation" its last 5,000.

    Args:
      split: "train" (45,000 images), "validation" (5,000) or "test" (10,000).
      download: whether missing files may be downloaded (162 MB).

    Returns:
      A dict of "x", uint8 [N, 32, 32, 3] in 0..255, and "condition", int32 [N], the classes.

    Raises:
      ValueError: no such split, or a file that is not the published one (TFDS holds the SHA-256).
      FileNotFoundError: not on this machine, and not downloaded; the message says how to get it.

    #### References
    [1] A. Krizhevsky. Learning Multiple Layers of Features from Tiny Images. 2009.
    Source: TFDS `cifar10`, from https://www.cs.toronto.edu/~kriz/cifar.html
    """
    arrays = _CIFAR10.read(split, download=download)
    return {"x": arrays["image"], "condition": arrays["label"].astype("int32")}


def cifar10_jpeg(split: str, *, download: bool = True) -> dict[str, np.ndarray]:
    """A tenth of CIFAR-10, re-encoded as JPEG: real colour images, but *not* CIFAR-10.

    Compression removed much of the noise that makes CIFAR-10 hard to predict: bits/dim on this set
    are not comparable with any published figure. It has no public address; the file
    ``cifar10_jpeg.npz`` is looked for in the folder TFAR_DATA_DIR, and read as it is.

    Args:
      split: "train" (4,500 images, the first of the file's 5,000 to train on), "validation" (the
        last 500 of these) or "test" (1,000).
      download: has no effect.

    Returns:
      A dict of "x", uint8 [N, 32, 32, 3] in 0..255, and "condition", int32 [N], the classes.

    Raises:
      ValueError: no such split, or a file that is not the one whose SHA-256 we know.
      FileNotFoundError: the file is not in TFAR_DATA_DIR.

    #### References
    [1] A. Krizhevsky. Learning Multiple Layers of Features from Tiny Images. 2009.
    Source: re-encoded from https://www.cs.toronto.edu/~kriz/cifar.html
    """
    import numpy as np

    check_split("cifar10_jpeg", split, _JPEG_ROWS)
    path = original(_JPEG)
    if path is None:
        raise FileNotFoundError(
            f"the data set 'cifar10_jpeg' is the file {_JPEG}, which has no public address and is "
            "not in the folder that TFAR_DATA_DIR names; tfar.datasets.cifar10 is the real CIFAR-10"
        )
    sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
    if sha256 != _JPEG_SHA256:
        raise ValueError(f"{path}: its SHA-256 is {sha256}, not {_JPEG_SHA256}")
    part, rows = _JPEG_ROWS[split]
    with np.load(path) as arrays:
        x, labels = arrays[f"x_{part}"][rows], arrays[f"y_{part}"][rows]
    return {"x": x, "condition": labels.astype("int32")}
