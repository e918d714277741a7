"""Files, written atomically; errors name the file."""

from __future__ import annotations

import contextlib
import errno
import os
import pathlib
import shutil
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tfar.typing import Path


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[pathlib.Path]:
    """A path next to ``path`` to write to, which replaces ``path`` when the block ends.

    If the block raises, ``path`` stays as it was and the partial file is removed. A killed process
    leaves one file ``partial-NAME``, which the next writer of ``path`` replaces. The parent folder
    is made if needed. A folder may be written instead of a file, if none exists yet.

    Args:
      path: of a file, or of a folder that does not exist.

    Yields:
      a ``pathlib.Path`` of the same ending.

    Raises:
      OSError: if the block or the replacement raises one; the message names ``path``.

    >>> import tempfile
    >>> path = pathlib.Path(tempfile.mkdtemp()) / "figures.txt"
    >>> with replacing(path) as partial:
    ...     _ = partial.write_text("1.5")
    >>> path.read_text(), len(list(path.parent.iterdir()))
    ('1.5', 1)
    """
    if not isinstance(path, str | os.PathLike) or not os.path.basename(path):
        raise ValueError(f"Expected path to be the path of a file, got {path!r}.")
    path = pathlib.Path(path)
    partial = path.with_name(f"partial-{path.name}")
    try:
        _make_folder(path.parent)
        _remove(partial)  # of a process that was killed
        yield partial
        if partial.is_file():  # its contents must be on the disk before its name
            with partial.open("rb") as file:
                os.fsync(file.fileno())
        partial.replace(path)
    except OSError as error:
        raise _naming(path, error) from error
    finally:
        _remove(partial)


def check_writable(path: Path) -> None:
    """Raises OSError, before any work, if `replacing` could not write ``path``.

    >>> check_writable("/proc/none/model.keras")
    Traceback (most recent call last):
    ...
    FileNotFoundError: /proc/none/model.keras could not be written: No such file or directory
    """
    path = pathlib.Path(path)
    if path.is_dir():
        raise IsADirectoryError(f"{path} could not be written: it is a folder")
    partial = path.with_name(f"partial-{path.name}")
    try:
        _make_folder(path.parent)
        partial.touch()
    except OSError as error:
        raise _naming(path, error) from error
    finally:
        _remove(partial)


def _make_folder(path):
    try:
        path.mkdir(parents=True, exist_ok=True)
    except (FileExistsError, NotADirectoryError) as error:  # the parent, or one above it
        raise NotADirectoryError(errno.ENOTDIR, "a folder above it is a file") from error


def read(path: Path) -> bytes:
    """The bytes of a file.

    Raises:
      OSError: if it cannot be read, with a message that names it; FileNotFoundError if it does not
        exist.

    >>> read("none.json")
    Traceback (most recent call last):
    ...
    FileNotFoundError: none.json could not be read: No such file or directory
    """
    try:
        return pathlib.Path(path).read_bytes()
    except OSError as error:
        raise _naming(path, error, "read") from error


def _naming(path, error, done="written"):
    """An error of the same type that names ``path``: libraries name the partial file, or none."""
    named = type(error)(f"{path} could not be {done}: {error.strerror or error}")
    named.errno = error.errno
    return named


def _remove(path):
    with contextlib.suppress(OSError):
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)
