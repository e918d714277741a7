"""Entries of data frames: names, numbers and categories, with clear errors for invalid ones."""

from __future__ import annotations

import decimal
from typing import Any

import numpy as np
import pandas as pd


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


def numbers(name: str, values: pd.Series) -> np.ndarray:
    """float64 [N], NaN where an entry is missing; ValueError if one is not a finite number."""
    if np.iscomplexobj(values):
        raise ValueError(f"The column {name!r} holds complex numbers: split it into two real ones.")
    x = pd.to_numeric(values, errors="coerce").to_numpy(np.float64, na_value=np.nan)
    bad = ~np.isfinite(x) & ~values.isna().to_numpy()
    if bad.any():
        where = np.flatnonzero(bad)[0]
        raise ValueError(
            f"Expected real numbers in the column {name!r}, got {values.iloc[where]!r} in row "
            f"{values.index[where]} ({int(bad.sum())} such rows)."
        )
    return x


def is_decimal(values: pd.Series) -> bool:
    """Whether a column holds `decimal.Decimal` only, as databases give."""
    present = values.dropna()
    if values.dtype != object or not len(present):
        return False
    return all(isinstance(value, decimal.Decimal) for value in present)


def exact(name: str, values: pd.Series) -> np.ndarray:
    """[N] numbers, 0 where one is missing: integers of any size as they are, others in float64.

    The dtype is int64, uint64, object (of ints) or float64.

    Raises:
      ValueError: as in `numbers`.
    """
    present = values.notna().to_numpy()
    if pd.api.types.is_integer_dtype(values.dtype):
        unsigned = pd.api.types.is_unsigned_integer_dtype(values.dtype)
        found = np.zeros(len(values), np.uint64 if unsigned else np.int64)
        found[present] = values[present].to_numpy(found.dtype)
        return found
    x = np.where(present, numbers(name, values), 0.0)
    if values.dtype != object or not _all_whole(values[present]):
        return x
    found = np.zeros(len(values), object)
    found[present] = [int(value) for value in values[present]]
    return found


def _all_whole(present):
    kinds = int | np.integer | decimal.Decimal
    return all(isinstance(value, kinds) and value == int(value) for value in present)


def decimals(values: pd.Series, places: int) -> pd.Series:
    """Numbers as `decimal.Decimal` with so many places, None where one is missing."""
    entries = [
        None if missing else _decimal(value, places)
        for value, missing in zip(values, values.isna())
    ]
    return pd.Series(entries, values.index, dtype=object)


def _decimal(value, places):
    if isinstance(value, decimal.Decimal):
        return value
    whole = isinstance(value, int | np.integer)
    return decimal.Decimal(int(value)) if whole else decimal.Decimal(f"{value:.{places}f}")


def plain(value: Any) -> Any:
    """A category as JSON can hold it: NumPy's scalars become Python's."""
    return value.item() if isinstance(value, np.generic) else value


def sort_key(value: Any) -> tuple[str, Any]:
    """Categories of several types are sorted by type, then by value."""
    return (type(plain(value)).__name__, value)
