"""MNIST, grey and binarized once or anew, from TFDS."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

from tfar import arguments
from tfar.datasets.source import Source, check_split

if TYPE_CHECKING:
    import numpy as np

_SIZES = {"train": 50_000, "validation": 10_000, "test": 10_000}
_LAROCHELLE = "http://www.cs.toronto.edu/~larocheh/public/datasets/binarized_mnist"
_LECUN = "https://storage.googleapis.com/cvdf-datasets/mnist"


def idx_files(address: str) -> dict[str, str]:
    """The addresses of the four files of MNIST, and of data sets made like it, by their names."""
    kinds = "images-idx3", "labels-idx1"
    return {
        name: f"{address}/{name}"
        for part in ("train", "t10k")
        for name in (f"{part}-{kind}-ubyte.gz" for kind in kinds)
    }


_BINARIZED_MNIST = Source(
    name="binarized_mnist",
    builder="binarized_mnist",
    sizes=_SIZES,
    feature="image",
    shape=(28, 28, 1),
    urls={
        name: f"{_LAROCHELLE}/{name}"
        for name in (f"binarized_mnist_{split}.amat" for split in ("train", "valid", "test"))
    },
)

_MNIST = Source(
    name="mnist",
    builder="mnist",
    sizes=_SIZES,
    feature="image",
    shape=(28, 28, 1),
    urls=idx_files(_LECUN),
    tfds_splits={"train": "train[:50000]", "validation": "train[50000:]"},
)


def binarized_mnist(split: str, *, download: bool = True) -> np.ndarray:
    """Static binarized MNIST: Larochelle's draw, on which NADE, MADE and PixelRNN report.

    Every pixel was drawn once, its grey value being the probability of a one. Figures on *dynamic*
    binarization (drawn again each epoch) are not comparable. Rows are in TFDS' order, a fixed
    shuffle of the original files' (whose test file is sorted by class).

    Args:
      split: "train" (50,000 images), "validation" (10,000) or "test" (10,000).
      download: whether missing files may be downloaded (110 MB).

    Returns:
      uint8 [N, 28, 28, 1] of zeros and ones.

    Raises:
      ValueError: no such split, or a file that is not the published one (TFDS holds the SHA-256).
      FileNotFoundError: not on this machine, and not downloaded; the message says how to get it.

    #### References
    [1] H. Larochelle and I. Murray. The Neural Autoregressive Distribution Estimator.
        AISTATS 2011.
    [2] R. Salakhutdinov and I. Murray. On the Quantitative Analysis of Deep Belief Networks.
        ICML 2008.
    Source: TFDS `binarized_mnist`, from
        http://www.cs.toronto.edu/~larocheh/public/datasets/binarized_mnist/
    """
    return _BINARIZED_MNIST.read(split, download=download)["image"]


def mnist(split: str, *, download: bool = True) -> dict[str, np.ndarray]:
    """MNIST: grey images of digits, and which digit each is.

    TFDS has only "train" (60,000) and "test". Here "train" is the first 50,000 rows of TFDS' train
    and "validation" its last 10,000. TFDS' order is a fixed shuffle of LeCun's, so these are not
    the last 10,000 rows of LeCun's files.

    Args:
      split: "train" (50,000 images), "validation" (10,000) or "test" (10,000).
      download: whether missing files may be downloaded (12 MB).

    Returns:
      A dict of "x", uint8 [N, 28, 28, 1] in 0..255, and "condition", int32 [N], the digits.

    Raises:
      ValueError: no such split, or a file that is not the published one (TFDS holds the SHA-256).
      FileNotFoundError: not on this machine, and not downloaded; the message says how to get it.

    #### References
    [1] Y. LeCun, L. Bottou, Y. Bengio and P. Haffner. Gradient-based learning applied to document
        recognition. Proceedings of the IEEE, 1998.
    Source: TFDS `mnist`, from https://storage.googleapis.com/cvdf-datasets/mnist/
    """
    arrays = _MNIST.read(split, download=download)
    return {"x": arrays["image"], "condition": arrays["label"].astype("int32")}


def dynamic_mnist(split: str, *, draw: int = 0, download: bool = True) -> np.ndarray:
    """Dynamically binarized MNIST: every pixel is a one with its grey value as the probability.

    A model is trained on bits that are drawn anew in each epoch, see `redrawn_mnist`, and so sees
    more than the 50,000 images of `binarized_mnist`: figures on the two are not comparable. Those
    on this one are about one draw of the test images, here of a stated seed.

    Args:
      split: "train" (50,000 images), "validation" (10,000) or "test" (10,000), as of `mnist`.
      draw: the number of the draw, the seed of its bits.
      download: whether missing files may be downloaded (12 MB).

    Returns:
      uint8 [N, 28, 28, 1] of zeros and ones.

    Raises:
      ValueError: no such split, or a file that is not the published one (TFDS holds the SHA-256).
      FileNotFoundError: not on this machine, and not downloaded; the message says how to get it.

    #### References
    Y. Burda, R. Grosse, R. Salakhutdinov. Importance Weighted Autoencoders. ICLR 2016, section 5.
    Source: TFDS `mnist`, from https://storage.googleapis.com/cvdf-datasets/mnist/
    """
    check_split("dynamic_mnist", split, _SIZES)
    draw = arguments.integer("draw", draw, least=0)
    import numpy as np

    grey = mnist(split, download=download)["x"]
    return _bits(grey, np.random.default_rng([draw, [*_SIZES].index(split)]))


def redrawn_mnist(rng: np.random.Generator) -> np.ndarray:
    """The training images of `dynamic_mnist` with bits drawn by ``rng``, uint8 [50000, 28, 28, 1].

    For ``redraw`` of a `tfar.training.Recipe`.

    Raises:
      FileNotFoundError: as `dynamic_mnist`.
    """
    return _bits(_training_images(), rng)


@functools.cache
def _training_images():
    return mnist("train")["x"]


def _bits(grey, rng):
    import numpy as np

    return (rng.random(grey.shape, np.float32) * 255 < grey).astype(np.uint8)
