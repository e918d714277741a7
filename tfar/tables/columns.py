"""What columns hold, inferred from a data frame, as `tfar.heads.Table` takes it."""

from __future__ import annotations

import csv
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import IO, Any

    from tfar.typing import Path

# An integer column with at most this many different values is taken as categorical.
MANY = 20


def read_csv(path: Path | IO[str]) -> pd.DataFrame:
    """The data frame in a CSV file, whatever separates its columns (``;`` in the wine data).

    Raises:
      ValueError: if it is not a CSV file with a header; the message names the file.
      OSError: if it cannot be read.
    """
    try:
        return pd.read_csv(path, sep=None, engine="python")
    except (ValueError, csv.Error) as error:
        name = getattr(path, "name", path)
        raise ValueError(f"{name} is not a CSV file with a header: {error}.") from error


def kinds(frame: pd.DataFrame, categorical: Sequence[str] = ()) -> dict[str, str]:
    """What each column is taken as, "categorical" or "real", a dict.

    Columns of numbers are real, unless they are integers with at most 20 different values; all
    others are categorical.

    Args:
      frame: a data frame.
      categorical: names of columns that are categorical, whatever they hold.

    Raises:
      ValueError: if it is not a data frame, two columns have the same name, names have several
        levels, or there is no such column.

    >>> kinds(pd.DataFrame({"a": [1, 2, 1], "b": [0.5, 1.5, 2.5], "c": ["x", "y", "x"]}))
    {'a': 'categorical', 'b': 'real', 'c': 'categorical'}
    """
    frame, categorical = named(frame), _names(categorical)
    unknown = [name for name in categorical if name not in frame.columns]
    if unknown:
        raise ValueError(f"The table has no column {unknown[0]!r}, only {list(frame.columns)}.")

    def kind(name, column):
        if name in categorical or not pd.api.types.is_numeric_dtype(column):
            return "categorical"
        if pd.api.types.is_bool_dtype(column):
            return "categorical"
        few = pd.api.types.is_integer_dtype(column) and column.nunique() <= MANY
        return "categorical" if few else "real"

    return {name: kind(name, frame[name]) for name in frame.columns}


def describe(frame: pd.DataFrame, categorical: Sequence[str] = ()) -> list[dict[str, Any]]:
    """The columns of a table as `tfar.heads.Table` takes them, a list of dicts.

    Raises:
      ValueError: if an entry is missing or not finite, or a categorical column has only one
        category, or has one that is neither a string, a number nor a bool; or as in `kinds`.
    """
    frame, columns = named(frame), []
    for name, kind in kinds(frame, categorical).items():
        values = frame[name]
        check_missing(name, values)
        if kind == "real":
            x = numbers(name, values)
            std = float(x.std()) or 1.0
            columns.append({"name": name, "mean": float(x.mean()), "std": std})
            continue
        for value in map(plain, values):  # JSON, in which models are saved, has no others
            if not isinstance(value, str | int | float | bool):
                raise ValueError(
                    f"The column {name!r} holds {value!r}, a {type(value).__name__}: convert it to "
                    "numbers or strings."
                )
        categories = [plain(value) for value in sorted(values.unique(), key=_sort_key)]
        if len(categories) < 2:
            raise ValueError(f"The column {name!r} has only one value, {categories}: leave it out.")
        columns.append({"name": name, "categories": categories})
    return columns


# Entries ----------------------------------------------------------------------------------------


def named(frame: pd.DataFrame) -> pd.DataFrame:
    """The data frame with strings as column names, all different."""
    if not isinstance(frame, pd.DataFrame):
        raise ValueError(f"Expected a data frame, got {type(frame).__name__} {frame!r:.200}.")
    if frame.columns.nlevels > 1:
        raise ValueError(
            f"The table has column names of {frame.columns.nlevels} levels: join them, as in "
            "frame.columns = ['.'.join(map(str, names)) for names in frame.columns]."
        )
    frame = frame.rename(columns=str)
    twice = frame.columns[frame.columns.duplicated()]
    if len(twice):
        raise ValueError(f"The table has two columns named {twice[0]!r}: rename one.")
    return frame


def _names(categorical):
    """Column names as strings."""
    if isinstance(categorical, str) or not np.iterable(categorical):
        raise ValueError(
            f"Expected categorical to be a sequence of column names, got {categorical!r}."
        )
    return [str(name) for name in categorical]


def check_missing(name: str, values: pd.Series) -> None:
    missing = values.isna()
    if missing.any():
        raise ValueError(
            f"The column {name!r} has no value in row {values.index[missing.to_numpy()][0]} "
            f"({int(missing.sum())} such rows)."
        )


def numbers(name: str, values: pd.Series, *, missing: bool = False) -> np.ndarray:
    """float64 [N]; raises ValueError if an entry is not a finite number."""
    if np.iscomplexobj(values):
        raise ValueError(f"The column {name!r} holds complex numbers: split it into two real ones.")
    x = pd.to_numeric(values, errors="coerce").to_numpy(np.float64, na_value=np.nan)
    bad = ~np.isfinite(x) & ~(values.isna().to_numpy() if missing else False)
    if bad.any():
        where = np.flatnonzero(bad)[0]
        raise ValueError(
            f"Expected real numbers in the column {name!r}, got {values.iloc[where]!r} in row "
            f"{values.index[where]} ({int(bad.sum())} such rows)."
        )
    return x


def plain(value: Any) -> Any:
    """A category as JSON can hold it: NumPy's scalars become Python's."""
    return value.item() if isinstance(value, np.generic) else value


def _sort_key(value):
    return (type(plain(value)).__name__, value)
