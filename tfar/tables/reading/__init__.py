"""Tables of people's files: what their bytes, separators and spellings of numbers stand for.

pandas reads; what it is told is guessed from all lines, not from the first ones. A guess that could
as well be another one is an error, which names the line and the option that decides.
"""

from __future__ import annotations

import json
import os
import warnings
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from tfar.tables.reading.contents import columnar, decoded, name_of, unpacked
from tfar.tables.reading.conversion import converted
from tfar.tables.reading.notes import Notes
from tfar.tables.reading.rows import Text

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import IO, Any

    import pandas as pd

    from tfar.typing import Path

__all__ = ["SAID", "Reading", "read", "read_csv"]

SAID = "read"  # the key of ``frame.attrs``


class Reading(NamedTuple):
    """A table that was read.

    Attributes:
      frame: a data frame.
      notes: sentences that say what was guessed.
      warned: those of them that `read_csv` warns of: what was left out or changed.
      spelt: the frame as it is spelt in a file of text, all strings but where options said
        otherwise; None of other files.
    """

    frame: pd.DataFrame
    notes: list[str]
    warned: list[str]
    spelt: pd.DataFrame | None = None


def read_csv(path: Path | IO[Any], **options: Any) -> pd.DataFrame:
    """The data frame in a file, as `read` finds it, with warnings of what was left out or changed.

    Args:
      path, **options: as in `read`.

    Raises:
      ValueError, ImportError, OSError: as `read` does.

    >>> import io
    >>> read_csv(io.StringIO("side;x\\nleft;0.5\\nright;2.0\\n")).x.tolist()
    [0.5, 2.0]
    """
    found = read(path, **options)
    for sentence in found.warned:
        warnings.warn(f"{name_of(path)}: {sentence}", stacklevel=2)
    return found.frame


def read(
    path: Path | IO[Any],
    *,
    missing: Sequence[str] | None = None,
    words: Sequence[str] = (),
    **options: Any,
) -> Reading:
    """The data frame in a file of text, Parquet, or Arrow, and what was guessed.

    The separator splits the header line and every row into the same number of fields. Columns
    without a name that hold row numbers, or nothing, are left out.

    A column is one of numbers if all its entries are, in one convention; thousands separators,
    currency and per cent signs are removed ("5%" is 5). Where a comma may stand before decimals or
    between thousands, another column decides, or that commas separate the fields; else it is an
    error. So it is if nine in ten entries are numbers, and not all.

    Empty entries are missing, and so are markers such as "?" and "NA" where the others are numbers;
    between words they are words. ISO dates stay words, which `fit_table` takes for times; other
    dates are read if named in ``parse_dates``.

    What was said of a file, and not guessed, is in ``frame.attrs``: a model that is fitted to the
    frame keeps it, and `tfar score` reads other files likewise.

    Args:
      path: of the file, which may be compressed, or an open file.
      missing: the entries that are missing in every column, as well as empty ones, in place of the
        markers.
      words: names of columns that hold words, whatever they look like, such as the code 01200.
      **options: those of `pandas.read_csv` (or `read_parquet`, `read_feather`), in place of a
        guess: ``sep``, ``decimal``, ``thousands``, ``dtype``, ``index_col``, ``header``...

    Raises:
      ValueError: if there is no table in it, or a guess is in doubt; the message names the file,
        the line and what decides.
      ImportError: if it is a Parquet or Arrow file and pyarrow is not installed.
      OSError: if it cannot be read.

    >>> import io
    >>> found = read(io.StringIO("hp;price\\n90,5;€ 1.200\\n?;€ 900\\n"))
    >>> found.frame.values.tolist()
    [[90.5, 1200.0], [nan, 900.0]]
    >>> found.notes[1]
    "The column 'hp': '?' read as missing, 1 in all, first in line 3."
    """
    name = name_of(path)
    if isinstance(missing, str) or not (missing is None or np.iterable(missing)):
        raise ValueError(f"Expected missing to be a sequence of strings, got {missing!r}.")
    if {"chunksize", "iterator"} & {*options}:
        raise ValueError("Tables are read as a whole: pass neither chunksize nor iterator.")
    missing = None if missing is None else [str(word) for word in missing]
    said = {**options, **({} if missing is None else {"missing": missing})}
    said.update({"words": [str(name) for name in words]} if len(words) else {})
    if hasattr(path, "read"):
        content = path.read()
    elif isinstance(path, str | os.PathLike):
        with open(path, "rb") as file:
            content = file.read()
    else:
        raise ValueError(f"Expected the path of a table or an open file, got {path!r:.200}.")
    if isinstance(content, bytes):
        content = unpacked(content, name)
        if content[:4] == b"PAR1" or content[:6] == b"ARROW1" or str(name).endswith(".arrow"):
            frame = columnar(content, name, options)
            return Reading(_with(frame, said), [], [])
        content = decoded(content, name, options.pop("encoding", None))
        options.pop("compression", None)  # its first bytes tell
    signs = {key: options.pop(key, None) for key in ("decimal", "thousands")}
    notes = Notes(name)
    text = Text(content.removeprefix("\ufeff"), notes, missing, options)
    spelt = text.frame()
    frame = converted(spelt.copy(deep=False), text, signs, words)
    return Reading(_with(frame, said), notes.sentences, notes.warned, spelt)


def _with(frame, said):
    """The frame with what was said of the file, if JSON can hold it."""
    try:
        frame.attrs[SAID] = json.loads(json.dumps(said))
    except TypeError:  # a converter, or a dtype of NumPy
        frame.attrs[SAID] = {}
    return frame
