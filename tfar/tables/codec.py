"""Rows of a data frame to the arrays that a model takes, and back."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from tfar.tables.columns import check_missing, named, numbers, plain

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any


def to_array(
    columns: Sequence[dict[str, Any]], frame: pd.DataFrame, *, missing: bool = False
) -> np.ndarray:
    """Rows of a data frame as a model takes them, float32 [N, n].

    Args:
      columns: what `describe` returned for the table that the model was fitted to.
      frame: a data frame with those columns, in any order.
      missing: whether entries may be missing; they become NaN.

    Raises:
      ValueError: if a column is missing or unknown, or an entry is missing, not a number, or not a
        known category; the message names the column and the row.
    """
    names = [column["name"] for column in columns]
    frame = named(frame)
    lacking = [name for name in names if name not in frame.columns]
    extra = [name for name in frame.columns if name not in names]
    if lacking or extra:
        raise ValueError(f"Expected the columns {names}; missing: {lacking}, unknown: {extra}.")
    arrays = []
    for column in columns:
        values = frame[column["name"]]
        if not missing:
            check_missing(column["name"], values)
        if "categories" in column:
            arrays.append(_codes(column, values))
        else:
            arrays.append(numbers(column["name"], values, missing=missing))
    return np.stack(arrays, axis=1).astype(np.float32)


def to_frame(columns: Sequence[dict[str, Any]], x: np.ndarray) -> pd.DataFrame:
    """The data frame of rows [N, n] as a model draws them: the inverse of `to_array`."""
    frame: dict[str, Any] = {}
    for i, column in enumerate(columns):
        if "categories" in column:
            frame[column["name"]] = [column["categories"][int(code)] for code in x[:, i]]
        else:
            frame[column["name"]] = x[:, i].astype(np.float64)
    return pd.DataFrame(frame)


def _codes(column, values):
    """The codes of categories, NaN where a value is missing."""
    numbers = {category: code for code, category in enumerate(column["categories"])}
    codes = np.array([numbers.get(plain(value), -1) for value in values], np.float64)
    codes[values.isna().to_numpy()] = np.nan
    if (codes == -1).any():
        where = np.flatnonzero(codes == -1)[0]
        raise ValueError(
            f"The column {column['name']!r} has the categories {column['categories']}, got "
            f"{plain(values.iloc[where])!r} in row {values.index[where]} "
            f"({int((codes == -1).sum())} such rows)."
        )
    return codes
