"""Entries of data frames: names, numbers and categories, with clear errors for invalid ones."""

from __future__ import annotations

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


def plain(value: Any) -> Any:
    """A category as JSON can hold it: NumPy's scalars become Python's."""
    return value.item() if isinstance(value, np.generic) else value


def sort_key(value: Any) -> tuple[str, Any]:
    """Categories of several types are sorted by type, then by value."""
    return (type(plain(value)).__name__, value)
