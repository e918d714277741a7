"""Fashion-MNIST, from TFDS."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tfar.datasets.digits import idx_files
from tfar.datasets.source import Source

if TYPE_CHECKING:
    import numpy as np

_ZALANDO = "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com"

_FASHION_MNIST = Source(
    name="fashion_mnist",
    builder="fashion_mnist",
    sizes={"train": 50_000, "validation": 10_000, "test": 10_000},
    feature="image",
    shape=(28, 28, 1),
    urls=idx_files(_ZALANDO),
    tfds_splits={"train": "train[:50000]", "validation": "train[50000:]"},
    folder="fashion_mnist",  # the files of MNIST have the same names
)


def fashion_mnist(split: str, *, download: bool = True) -> dict[str, np.ndarray]:
    """Fashion-MNIST: grey images of clothes, and which of ten kinds each is.

    TFDS has only "train" (60,000) and "test". Here "train" is the first 50,000 rows of TFDS' train
    and "validation" its last 10,000. In TFAR_DATA_DIR its original files are in a folder
    "fashion_mnist", since those of MNIST have the same names.

    Args:
      split: "train" (50,000 images), "validation" (10,000) or "test" (10,000).
      download: whether missing files may be downloaded (30 MB).

    Returns:
      A dict of "x", uint8 [N, 28, 28, 1] in 0..255, and "condition", int32 [N], the kinds: T-shirt,
      trouser, pullover, dress, coat, sandal, shirt, sneaker, bag, ankle boot.

    Raises:
      ValueError: no such split, or a file that is not the published one (TFDS holds the SHA-256).
      FileNotFoundError: not on this machine, and not downloaded; the message says how to get it.

    #### References
    [1] H. Xiao, K. Rasul and R. Vollgraf. Fashion-MNIST: a Novel Image Dataset for Benchmarking
        Machine Learning Algorithms. arXiv:1708.07747, 2017.
    Source: TFDS `fashion_mnist`, from http://fashion-mnist.s3-website.eu-central-1.amazonaws.com
    """
    arrays = _FASHION_MNIST.read(split, download=download)
    return {"x": arrays["image"], "condition": arrays["label"].astype("int32")}
