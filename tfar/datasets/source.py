"""Where a data set comes from, and how it becomes arrays: found or prepared, then read."""

from __future__ import annotations

import contextlib
import dataclasses
import importlib
import io
import os
import pathlib
import sys
import tempfile
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    import numpy as np
    import tensorflow_datasets as tfds


@dataclasses.dataclass(frozen=True, kw_only=True)
class Source:
    """What must be known about a data set before it is read.

    Attributes:
      name: the name of the function in `tfar.datasets`.
      builder: the TFDS builder, with its config: "mnist", "uci_binary/dna".
      sizes: rows of "train", "validation" and "test".
      feature: the TFDS feature that holds the data.
      shape: the shape of one row of that feature.
      urls: the address of every original file, keyed by file name.
      tfds_splits: TFDS' name or slice for a split, where it is not the split's own name.
      sha256: the SHA-256 of original files, for those whose builder is ours (TFDS knows its own).
      registers: the module that TFDS learns the builder from, if it is one of ours.
      tfds_lacks: size in bytes and SHA-256 of original files, for a builder of TFDS whose checksums
        are not in the wheel of TFDS. Without them TFDS would neither verify a file nor take one
        from TFAR_DATA_DIR.
      folder: the folder in TFAR_DATA_DIR with the original files, for those that are named like
        another data set's.
    """

    name: str
    builder: str
    sizes: Mapping[str, int]
    feature: str
    shape: tuple[int, ...]
    urls: Mapping[str, str]
    tfds_splits: Mapping[str, str] = dataclasses.field(default_factory=dict)
    sha256: Mapping[str, str] = dataclasses.field(default_factory=dict)
    registers: str | None = None
    tfds_lacks: Mapping[str, tuple[int, str]] = dataclasses.field(default_factory=dict)
    folder: str = ""

    def read(self, split: str, *, download: bool = True) -> dict[str, np.ndarray]:
        """Returns every TFDS feature of a whole split, rows in TFDS' (fixed) order.

        Args:
          split: a key of `sizes`.
          download: whether missing files may be downloaded.

        Raises:
          ValueError: no such split; or data, found or made, of another size than the published.
          FileNotFoundError: not prepared, and its files are not here and were not downloaded.
          PermissionError: the data set must be prepared, and no folder for that is writable.
        """
        check_split(self.name, split, self.sizes)
        import tensorflow_datasets as tfds

        builder = self._prepared(download)
        tfds_split = self.tfds_splits.get(split, split)
        with _no_warnings():
            rows = builder.as_dataset(split=tfds_split, batch_size=-1, shuffle_files=False)
            arrays = dict(tfds.as_numpy(rows))
        expected, found = (self.sizes[split], *self.shape), arrays[self.feature].shape
        if found != expected:
            raise ValueError(
                f"{self.name}/{split} in {builder.data_dir} has shape {found}, "
                f"not the published {expected}: delete that folder and load again"
            )
        return arrays

    def _prepared(self, download: bool) -> tfds.core.DatasetBuilder:
        """Returns the builder of a prepared copy, which is made if it does not exist."""
        builders = [self._builder(folder) for folder in _tfds_folders()]
        for builder in builders:
            if builder.data_path.exists():
                return builder
        missing = [name for name in self.urls if not original(os.path.join(self.folder, name))]
        if missing:
            problem = _unreachable(self.urls[missing[0]]) if download else "download=False"
            if problem:
                raise FileNotFoundError(self._how_to_get(builders, missing, problem))
        for builder in builders:
            if _writable(builder.data_path):
                return self._prepare(builder, builders, missing)
        raise PermissionError(
            f"{self.name} must be prepared first, and none of {_tfds_folders()} is writable: "
            "set TFDS_DATA_DIR to a folder that is"
        )

    def _builder(self, folder: str) -> tfds.core.DatasetBuilder:
        import tensorflow_datasets as tfds

        if self.registers:
            importlib.import_module(self.registers)
        return tfds.builder(self.builder, data_dir=folder)

    def _prepare(self, builder, builders, missing: list[str]) -> tfds.core.DatasetBuilder:
        """Makes the prepared copy; TFDS writes to "incomplete.*" and renames it at the end."""
        import requests
        import tensorflow_datasets as tfds
        from tensorflow_datasets.core.download import checksums, download_manager, util

        if self.tfds_lacks:
            type(builder).url_infos = {
                self.urls[name]: checksums.UrlInfo(size, sha256, name)
                for name, (size, sha256) in self.tfds_lacks.items()
            }
        files = os.environ.get("TFAR_DATA_DIR")
        files = files and os.path.join(files, self.folder)
        config = tfds.download.DownloadConfig(manual_dir=files, try_download_gcs=False)
        # TFDS writes to stdout, and shows progress on stderr, which helps in a long download only.
        output = sys.stderr if missing else io.StringIO()
        try:
            with (
                contextlib.redirect_stdout(output),
                contextlib.redirect_stderr(output),
                _no_warnings(),
                tempfile.TemporaryDirectory(prefix="tfar-") as downloads,  # no bad file is kept
            ):
                builder.download_and_prepare(download_dir=downloads, download_config=config)
        except (requests.RequestException, util.DownloadError) as error:
            raise FileNotFoundError(self._how_to_get(builders, missing, error)) from None
        except download_manager.NonMatchingChecksumError as error:
            raise ValueError(f"a file of {self.name} is not the published one: {error}") from None
        except OSError:
            if not builder.data_path.exists():  # otherwise another process was quicker
                raise
            return self._builder(builder.data_dir_root)
        return builder

    def _how_to_get(self, builders, missing: list[str], problem: object) -> str:
        """Says which data set is missing, where it was looked for, and what to do."""
        prepared = "\n".join(f"    {builder.data_dir}" for builder in builders)
        folder = os.environ.get("TFAR_DATA_DIR")
        files = " ".join(os.path.join(self.folder, name) for name in missing)
        where = f"{folder} has no {files}" if folder else "TFAR_DATA_DIR is not set"
        target = os.path.join("FOLDER", self.folder).rstrip("/")
        fetch = "\n".join(f"    wget -P {target} {self.urls[name]}" for name in missing)
        return (
            f"the data set {self.name!r} is not on this machine\n"
            f"  prepared: not in\n{prepared}\n"
            f"  original files: {where}\n"
            f"  not downloaded: {problem}\n"
            "To get it, load it once with a network; or fetch its files and name their folder:\n"
            f"{fetch}\n"
            "    export TFAR_DATA_DIR=FOLDER\n"
            "or set TFDS_DATA_DIR to a folder where TFDS has prepared it."
        )


@contextlib.contextmanager
def _no_warnings():
    """Suppresses what TFDS logs, such as warnings about its own use of its deprecated names."""
    from absl import logging

    verbosity = logging.get_verbosity()
    logging.set_verbosity(logging.ERROR)
    try:
        yield
    finally:
        logging.set_verbosity(verbosity)


def check_split(name: str, split: str, splits: Iterable[str]) -> None:
    """Raises ValueError, which names the splits that there are, if `split` is not one of them."""
    if not isinstance(split, str) or split not in splits:
        names = ", ".join(map(repr, splits))
        raise ValueError(f"{name} has no split {split!r}; its splits are {names}")


def original(file_name: str) -> pathlib.Path | None:
    """Returns the path of an original file in TFAR_DATA_DIR, or None if it is not there."""
    folder = os.environ.get("TFAR_DATA_DIR")
    path = pathlib.Path(folder or "", file_name).expanduser()
    return path if folder and path.is_file() else None


def _tfds_folders() -> list[str]:
    """Returns where prepared data may be, the first choice first."""
    home = os.path.expanduser("~/tensorflow_datasets")
    return list(dict.fromkeys([os.path.expanduser(os.environ.get("TFDS_DATA_DIR") or home), home]))


def _writable(path: os.PathLike) -> bool:
    """Whether `path` can be made; not in a folder without a write bit, even for root."""
    folder = pathlib.Path(path)
    while not folder.exists():
        folder = folder.parent
    return os.access(folder, os.W_OK) and bool(folder.stat().st_mode & 0o222)


def _unreachable(url: str) -> str | None:
    """Says why `url` does not answer, or None. Tries once: TFDS' ten tries would take minutes."""
    import requests

    try:
        requests.head(url, timeout=10, allow_redirects=True)
    except requests.RequestException as error:
        return f"{type(error).__name__} at {url}"
    return None
