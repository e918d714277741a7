"""The TFDS builder of Caltech 101 Silhouettes.

Importing this module imports TFDS, which then knows `tfds.load("caltech101_silhouettes")` too.
"""

from __future__ import annotations

import hashlib
import pathlib
from collections.abc import Iterator

import numpy as np
import tensorflow_datasets as tfds

from tfar.datasets import silhouettes
from tfar.datasets.source import original


class Caltech101Silhouettes(tfds.core.GeneratorBasedBuilder):
    """Black shapes on white: a feature "image", uint8 [28, 28, 1] of zeros and ones.

    The file is taken from TFAR_DATA_DIR if it is there, and else downloaded. Either way it must be
    the published one, or ValueError is raised and nothing is written.
    """

    VERSION = tfds.core.Version("1.0.0")
    RELEASE_NOTES = {"1.0.0": "The unsplit file, in a split of tfar's."}

    def _info(self) -> tfds.core.DatasetInfo:
        image = tfds.features.Tensor(
            shape=silhouettes.SOURCE.shape,
            dtype=np.uint8,
            encoding=tfds.features.Encoding.BYTES,
        )
        return tfds.core.DatasetInfo(
            builder=self,
            description=Caltech101Silhouettes.__doc__,
            features=tfds.features.FeaturesDict({"image": image}),
            homepage="https://people.cs.umass.edu/~marlin/data.shtml",
            disable_shuffling=True,  # keeps the order of the permutation
        )

    def _split_generators(self, dl_manager: tfds.download.DownloadManager) -> dict[str, Iterator]:
        ((name, url),) = silhouettes.SOURCE.urls.items()
        splits = read_file(original(name) or pathlib.Path(dl_manager.download(url)))
        return {split: self._generate_examples(images) for split, images in splits.items()}

    def _generate_examples(self, images: np.ndarray) -> Iterator[tuple[int, dict[str, np.ndarray]]]:
        for index, image in enumerate(images):
            yield index, {"image": image}


def read_file(path: pathlib.Path) -> dict[str, np.ndarray]:
    """Reads the original file and splits it.

    Args:
      path: caltech101_silhouettes_28.mat, under any name.

    Returns:
      A dict of uint8 [N, 28, 28, 1] arrays, keyed by "train", "validation" and "test".

    Raises:
      ValueError: it is another file.
      ImportError: SciPy is not installed.
    """
    source = silhouettes.SOURCE
    ((name, known),) = source.sha256.items()
    sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
    if sha256 != known:
        raise ValueError(f"{path} is not the file {name}: its SHA-256 is {sha256}, not {known}")
    try:
        import scipy.io
    except ImportError as error:
        raise ImportError(f"{name} is a MATLAB file, read by SciPy: pip install scipy") from error
    rows = scipy.io.loadmat(path, variable_names=["X"])["X"]
    images = rows.reshape(-1, 28, 28, 1).swapaxes(1, 2)  # MATLAB keeps columns together
    images = images[np.random.RandomState(silhouettes.SEED).permutation(len(images))]
    ends = np.cumsum([*source.sizes.values()])
    return dict(zip(source.sizes, np.split(images, ends[:-1]), strict=True))
