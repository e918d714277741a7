"""The folder of a training run: its lock, its record, its best weights and its log.

A damaged file stops the run with an error that names the file, and is left as it is.
"""

from __future__ import annotations

import contextlib
import csv
import datetime
import errno
import hashlib
import io
import json
import os
import pathlib
import socket
import warnings
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import keras
import numpy as np

from tfar import files, records

if TYPE_CHECKING:
    from tfar.models import AutoregressiveModel

try:
    import fcntl
except ImportError:  # not a Unix
    fcntl = None  # type: ignore[assignment]

CHECKPOINT, RECORD, LOG, LOCK = "checkpoint.npz", "recipe.json", "log.csv", "lock"
BEST, BEST_RECORD = "best.weights.h5", "best.json"
NO_LOCKS = (errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOLCK)


@contextlib.contextmanager
def locked(folder: pathlib.Path) -> Iterator[None]:
    """Locks a folder, made if needed, so that only this process may write to it.

    The operating system releases the lock when the process ends, for whatever reason. A folder that
    was made here and is still empty is removed again.

    Raises:
      BlockingIOError: if another run holds the folder; the message says which, and since when.
      OSError: if it is not a folder or cannot be written; the message names it.

    >>> import pathlib, tempfile
    >>> folder = pathlib.Path(tempfile.mkdtemp())
    >>> with locked(folder), locked(folder):
    ...     pass
    Traceback (most recent call last):
    ...
    BlockingIOError: Another run writes to /...: process ... on ... since ...
    """
    path, made = folder / LOCK, not folder.exists()
    if not made and not folder.is_dir():
        raise NotADirectoryError(f"{folder} is a file, and a run needs a folder.")
    files.check_writable(path)
    file = _hold(path)
    try:
        with contextlib.suppress(OSError):  # on a full disk the lock does not name its holder
            file.truncate(0)
            now = datetime.datetime.now().astimezone().isoformat(" ", "seconds")
            file.write(f"process {os.getpid()} on {socket.gethostname()} since {now}")
            file.flush()
        yield
    finally:
        with contextlib.suppress(OSError):
            path.unlink(missing_ok=True)  # before the lock is released: see `_hold`
        with contextlib.suppress(OSError):
            file.close()
        if made:
            with contextlib.suppress(OSError):  # it is not empty
                folder.rmdir()


def _hold(path):
    """The file at a path, open and locked."""
    while True:
        file = path.open("a+")
        try:
            _lock(file)
            if os.path.samestat(os.fstat(file.fileno()), path.stat()):
                return file
        except FileNotFoundError:  # or another file is there: ours was removed before the lock
            pass
        except BlockingIOError:
            file.seek(0)
            raise BlockingIOError(
                f"Another run writes to {path.parent}: {file.read() or 'another process'}. Wait "
                "for it, or give another folder."
            ) from None
        file.close()


def _lock(file):
    try:
        if fcntl is None:
            raise OSError(errno.ENOSYS, "no locks on this system")
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno not in NO_LOCKS:
            raise
        warnings.warn(
            f"{file.name} cannot be locked ({error.strerror}): make sure that no other process "
            "trains there.",
            stacklevel=5,
        )


def _named(data, name="x"):
    """Pairs of names and arrays, from an array or a dict of arrays, nested or not."""
    if not isinstance(data, dict):
        return [(name, data)]
    return [pair for key, part in sorted(data.items()) for pair in _named(part, key)]


def digest(data: Any) -> str:
    """The SHA-256, in hexadecimal, of an array, a dict of arrays, nested or not, or a string.

    >>> digest(np.zeros(3)) == digest([0.0, 0.0, 0.0]) != digest(np.zeros([3, 1]))
    True
    """
    sha = hashlib.sha256()
    for name, part in _named(data):
        if isinstance(part, str):
            part = np.frombuffer(part.encode("utf-8", "surrogatepass"), np.uint8)
        part = np.asarray(part)
        sha.update(f"{name} {part.dtype} {part.shape} ".encode())
        sha.update(np.ascontiguousarray(part).reshape(-1).view(np.uint8))  # type: ignore[arg-type]  # a buffer
    return sha.hexdigest()


def record(folder: pathlib.Path) -> dict[str, Any] | None:
    """The record of the run in a folder, a dict, or None.

    Raises:
      ValueError: if the record is damaged.
      OSError: if it cannot be read.
    """
    return _read(folder / RECORD, {"name": str}, {"data": {}})


def best(folder: pathlib.Path) -> dict[str, Any] | None:
    """The record of the best weights, a dict of "epoch", "val_nats" and more, or None.

    Raises: as `record`.
    """
    return _read(folder / BEST_RECORD, {"epoch": int, "val_nats": records.NUMBER}, {"sha256": str})


def _read(path, needed, known):
    """The dict in a JSON file, with its needed and known fields checked; None without a file."""
    remedy = "Restore it from a copy, or train in another folder."
    try:
        held = records.read(path, needed, remedy)
    except FileNotFoundError:
        return None
    fields = {key: kind for key, kind in known.items() if key in held}
    records.check(path, held, fields, remedy)
    return held


class BestWeights(keras.callbacks.Callback):
    """Saves the weights of the lowest validation NLL, across interruptions, atomically.

    ``best.json`` has the SHA-256 of ``best.weights.h5`` and is written after it: a run that is
    killed between the two validates that epoch again, and writes both again.
    ``keras.callbacks.ModelCheckpoint`` forgets the best value when training is resumed.

    Args:
      folder: the folder of the run.
      averages: the ``keras.callbacks.SwapEMAWeights`` that puts the averaged weights, which are
        validated, into the model for a test, and so for saving.
      patience: epochs without a lower NLL after which training stops, or None.
      every: epochs from one validation to the next.
    """

    def __init__(
        self,
        folder: pathlib.Path,
        averages: keras.callbacks.SwapEMAWeights,
        *,
        patience: int | None = None,
        every: int = 1,
    ) -> None:
        super().__init__()
        self.folder, self.averages = folder, averages
        self.patience, self.every = patience or np.inf, every
        self.held = best(folder) or {"val_nats": np.inf, "epoch": np.inf}

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        if "val_nats" not in logs:
            return
        if not logs["val_nats"] < self.held["val_nats"]:  # NaN is not an improvement
            self.model.stop_training = self.gave_up(epoch + 1)
            return
        self.averages.on_test_begin()
        self.model.save_weights(weights := _WeightsFile())
        finite = all(np.isfinite(weight).all() for weight in self.model.get_weights())
        self.averages.on_test_end()
        if not finite:  # the NLL may be finite all the same; `Checkpoint` ends training
            return
        content = weights.getvalue()
        self.held = {"epoch": epoch + 1, **logs, "sha256": _sha256(content)}
        with files.replacing(self.folder / BEST) as partial:
            partial.write_bytes(content)
        with files.replacing(self.folder / BEST_RECORD) as partial:
            partial.write_text(json.dumps(self.held))

    def gave_up(self, epochs: int) -> bool:
        """Whether patience had run out at the last validation within so many epochs."""
        return epochs - epochs % self.every - self.held["epoch"] >= self.patience


class _WeightsFile(io.BytesIO):
    """An HDF5 file in memory: on a full disk, the HDF5 library aborts the process."""

    def __str__(self) -> str:
        return BEST


def load_best(model: AutoregressiveModel, folder: pathlib.Path) -> dict[str, Any]:
    """Loads the best weights of a run into a model, after verifying their checksum.

    Runs of older versions have no checksum to verify.

    Returns:
      What `best` returns, without the checksum.

    Raises:
      FileNotFoundError: if there are no such weights.
      ValueError: if they are damaged.
      OSError: if they cannot be read.
    """
    path, known = folder / BEST, best(folder)
    if known is None:
        raise FileNotFoundError(f"{folder} has no {BEST_RECORD}: train there first.")
    content, expected = files.read(path), known.pop("sha256", None)
    if expected not in (None, found := _sha256(content)):
        raise ValueError(
            f"{path} is damaged: its SHA-256 is {found[:16]}..., not {expected[:16]}... as "
            "written. Restore it from a copy, or train in another folder."
        )
    try:
        model.load_weights(_WeightsFile(content))
    except (OSError, KeyError, RuntimeError) as error:  # of HDF5
        raise ValueError(f"{path} is damaged ({error}): restore it from a copy.") from error
    return known


def _sha256(content):
    return hashlib.sha256(content).hexdigest()


class Log(keras.callbacks.Callback):
    """``log.csv``, a line per epoch, in the format of ``keras.callbacks.CSVLogger``.

    It is written atomically, and the line of an epoch that is run again is replaced.

    Raises:
      ValueError: if the file is damaged; the message has the number of the line.
      OSError: if the file cannot be read or, from ``fit``, written; the message names it.
    """

    def __init__(self, path: pathlib.Path) -> None:
        super().__init__()
        self.path, self.lines = path, []
        with contextlib.suppress(FileNotFoundError):
            content = files.read(path).decode(errors="replace")
            self.lines = list(csv.reader(content.splitlines()))
            if not content.endswith("\n") and not (self.lines[1:] and self._is_good(-1)):
                self.lines = self.lines[:-1]  # the process was killed in the last line
        for number in range(len(self.lines)):
            if not self._is_good(number):
                raise ValueError(
                    f"{path} is damaged in line {number + 1}: restore it from a copy, or move it "
                    "away, and training resumes with a new one."
                )

    def _is_good(self, number):
        line, header = self.lines[number], self.lines[0]
        if line is header:
            return header[:1] == ["epoch"]
        return len(line) == len(header) and line[0].isdecimal()

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        if not self.lines:
            keys = sorted(logs)
            if "val_nats" not in keys:  # it will be there after a validation
                keys += [f"val_{key}" for key in keys]
            self.lines = [["epoch", *keys]]
        header, *lines = self.lines
        values = {"epoch": epoch, **logs}
        line = [str(values.get(key, "NA")) for key in header]
        self.lines = [header, *(line for line in lines if int(line[0]) < epoch), line]
        with files.replacing(self.path) as partial, partial.open("w", newline="") as file:
            csv.writer(file, lineterminator="\n").writerows(self.lines)
