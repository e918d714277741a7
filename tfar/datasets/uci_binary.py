"""The TFDS builder of the eight binary data sets.

Importing this module imports TFDS, which then knows `tfds.load("uci_binary/dna")` too.
"""

from __future__ import annotations

import hashlib
import pathlib
import warnings
from collections.abc import Iterator

import numpy as np
import tensorflow_datasets as tfds

from tfar.datasets.source import Source, original
from tfar.datasets.uci import SOURCES


class UciBinaryConfig(tfds.core.BuilderConfig):
    """A config that carries the source of its data set."""

    def __init__(self, source: Source) -> None:
        super().__init__(name=source.builder.split("/")[1])
        self.source = source


class UciBinary(tfds.core.GeneratorBasedBuilder):
    """Binary data sets of the NADE and MADE papers: a feature "x", uint8 [D], in the file's order.

    The file is taken from TFAR_DATA_DIR if it is there, and else downloaded. Either way it must be
    the published one, or ValueError is raised and nothing is written.
    """

    VERSION = tfds.core.Version("1.0.0")
    RELEASE_NOTES = {"1.0.0": "The files of https://github.com/mgermain/MADE."}
    BUILDER_CONFIGS = [UciBinaryConfig(source) for source in SOURCES.values()]

    def _info(self) -> tfds.core.DatasetInfo:
        x = tfds.features.Tensor(
            shape=self.builder_config.source.shape,
            dtype=np.uint8,
            encoding=tfds.features.Encoding.BYTES,  # three times as quick to write
        )
        return tfds.core.DatasetInfo(
            builder=self,
            description=UciBinary.__doc__,
            features=tfds.features.FeaturesDict({"x": x}),
            homepage="https://github.com/mgermain/MADE",
            disable_shuffling=True,  # keeps the file's order
        )

    def _split_generators(self, dl_manager: tfds.download.DownloadManager) -> dict[str, Iterator]:
        source = self.builder_config.source
        ((name, url),) = source.urls.items()
        path = original(name) or pathlib.Path(dl_manager.download(url))
        splits = read_file(path, source)
        return {split: self._generate_examples(rows) for split, rows in splits.items()}

    def _generate_examples(self, rows: np.ndarray) -> Iterator[tuple[int, dict[str, np.ndarray]]]:
        for index, row in enumerate(rows):
            yield index, {"x": row}


def read_file(path: pathlib.Path, source: Source) -> dict[str, np.ndarray]:
    """Reads an original .npz file, and refuses one that is not the published one.

    Args:
      path: an .npz of "train_data", "valid_data" and "test_data", zeros and ones of any dtype.
      source: its sizes, and its SHA-256 where that is known.

    Returns:
      A dict of uint8 [N, D] arrays, keyed by "train", "validation" and "test".

    Raises:
      ValueError: another SHA-256, shape or value, or not such a file; the message says which.
    """
    ((name, url),) = source.urls.items()
    refused = f"{path} is not the file {name} of {url}"
    sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
    if sha256 != source.sha256.get(name, sha256):
        raise ValueError(f"{refused}: its SHA-256 is {sha256}, not {source.sha256[name]}")
    splits = {}
    for split, key in zip(source.sizes, ("train_data", "valid_data", "test_data"), strict=True):
        try:
            with warnings.catch_warnings(), np.load(path, allow_pickle=False) as arrays:
                warnings.simplefilter(
                    "ignore"
                )  # Python 2 wrote these files: "additional header parsing"
                rows = arrays[key]
        except Exception as error:
            raise ValueError(f"{refused}: {key} cannot be read from it ({error})") from error
        if rows.shape != (expected := (source.sizes[split], *source.shape)):
            raise ValueError(f"{refused}: its {key} has shape {rows.shape}, not {expected}")
        if not np.isin(rows, (0, 1)).all():
            raise ValueError(f"{refused}: its {key} has values other than 0 and 1")
        splits[split] = rows.astype(np.uint8)
    return splits
