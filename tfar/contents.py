"""What the bytes of a user's file hold: a text or an array, or the clear error."""

from __future__ import annotations

import io

import numpy as np

from tfar import records


def text(content: bytes, name: str) -> str:
    """The text in UTF-8, with line feeds at the ends of its lines, and no byte order mark.

    Args:
      content: bytes.
      name: of the file, for messages.

    Raises:
      ValueError: if they are not UTF-8.

    >>> text(b"to be\\r\\n", "play.txt")
    'to be\\n'
    """
    try:
        return io.TextIOWrapper(io.BytesIO(content), encoding="utf-8-sig").read()
    except UnicodeDecodeError as error:
        raise ValueError(
            f"Expected {name} to be text in UTF-8, got other bytes at position {error.start}."
        ) from error


def array(content: bytes, name: str) -> np.ndarray:
    """The array of an ``.npy`` file.

    Args:
      content, name: as in `text`.

    Raises:
      ValueError: if they hold anything else, an archive of several arrays for instance.

    >>> array(b"abc", "x.npy")
    Traceback (most recent call last):
    ...
    ValueError: x.npy is damaged: ... Expected an array in .npy.
    """
    try:
        found = np.load(io.BytesIO(content))
        if not isinstance(found, np.ndarray):
            raise ValueError("it is an archive")
    except Exception as error:  # whatever NumPy raises on the content
        raise records.damaged(name, records.words(error), "Expected an array in .npy.") from error
    return found


def arrays(content: bytes, name: str) -> dict[str, np.ndarray]:
    """The arrays of an ``.npz`` file, by name.

    Args:
      content, name: as in `text`.

    Raises:
      ValueError: if they hold anything else.

    >>> arrays(b"abc", "x.npz")
    Traceback (most recent call last):
    ...
    ValueError: x.npz is damaged: ... Expected an archive of arrays, .npz.
    """
    try:
        found = np.load(io.BytesIO(content))
        if isinstance(found, np.ndarray):
            raise ValueError("it is one array")
        return dict(found)
    except Exception as error:  # whatever NumPy raises on the content
        remedy = "Expected an archive of arrays, .npz."
        raise records.damaged(name, records.words(error), remedy) from error
