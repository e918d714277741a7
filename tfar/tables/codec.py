"""Rows of a data frame to the codes that a model takes, and back."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from tfar.tables import numeric, times
from tfar.tables.entries import named, numbers, plain

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any


def to_array(columns: Sequence[dict[str, Any]], frame: pd.DataFrame) -> np.ndarray:
    """Rows of a data frame as a model takes them: codes, float32 [N, n], NaN where one is missing.

    Numbers are standardised in float64, so that times, ids and coordinates keep their resolution.

    Args:
      columns: what `describe` returned for the table that the model was fitted to.
      frame: a data frame with those columns, in any order; others that it had when the model was
        fitted and were left out may be there too.

    Raises:
      ValueError: if a column is missing or unknown, or an entry is not a number, is out of the
        range of integers, or is not a known category; the message names the column and the row.
    """
    names = [column["name"] for column in columns]
    frame = named(frame)
    lacking = [name for name in names if name not in frame.columns]
    left_out = {name for column in columns for name in column.get("left_out", ())}
    extra = [name for name in frame.columns if name not in names and name not in left_out]
    if lacking or extra:
        raise ValueError(f"Expected the columns {names}; missing: {lacking}, unknown: {extra}.")
    arrays = [_encoded(column, frame[column["name"]]) for column in columns]
    return np.stack(arrays, axis=1).astype(np.float32)


def to_frame(columns: Sequence[dict[str, Any]], x: np.ndarray) -> pd.DataFrame:
    """The data frame of rows of codes [N, n], as a model draws them: the inverse of `to_array`.

    Entries have the dtypes of the table that the model was fitted to; one whose code is NaN is
    missing.
    """
    found = {column["name"]: _decoded(column, x[:, i]) for i, column in enumerate(columns)}
    return pd.DataFrame(found)


def log_units(columns: Sequence[dict[str, Any]], x: np.ndarray) -> np.ndarray:
    """log |d code / d x| of rows of codes [N, n], float64 [N] nats: sums over the densities.

    What must be added to the log-density of codes for that of the data in their own units.
    """
    each = [numeric.log_units(column, x[:, i]) for i, column in enumerate(columns)]
    return np.sum(each, axis=0)


def _encoded(column, values):
    if "categories" in column:
        return _codes(column, values)
    name = column["name"]
    if column.get("kind") == "time":
        x = times.encode(column, name, values)
    else:
        x = numbers(name, values)
    codes = numeric.encode(column, x)
    if "levels" not in column:
        return codes
    outside = (codes < 0) | (codes >= column["levels"]) | (codes != np.floor(codes))
    outside &= ~np.isnan(codes)
    if outside.any():
        where = np.flatnonzero(outside)[0]
        raise ValueError(
            f"Expected {_range(column)} in the column {name!r}, got {plain(values.iloc[where])!r} "
            f"in row {values.index[where]} ({int(outside.sum())} such rows)."
        )
    return codes


def _range(column):
    if column["kind"] == "time":
        return f"times of steps of {times.step(column)} in the range of the training data"
    return f"integers from {column['low']} to {column['low'] + column['levels'] - 1}"


def _codes(column, values):
    """The codes of categories, NaN where a value is missing."""
    known = {category: code for code, category in enumerate(column["categories"])}
    codes = np.array([known.get(plain(value), -1) for value in values], np.float64)
    codes[values.isna().to_numpy()] = np.nan
    if (codes == -1).any():
        where = np.flatnonzero(codes == -1)[0]
        raise ValueError(
            f"The column {column['name']!r} has the categories {column['categories']}, got "
            f"{plain(values.iloc[where])!r} in row {values.index[where]} "
            f"({int((codes == -1).sum())} such rows)."
        )
    return codes


def _decoded(column, codes):
    missing = np.isnan(codes)
    codes = np.where(missing, 0, codes)
    if "categories" in column:
        last = len(column["categories"]) - 1
        entries = [column["categories"][min(int(code), last)] for code in codes]
        found = pd.Series(entries, dtype=object if missing.any() else None)
    elif column.get("kind") == "time":
        found = times.decode(column, numeric.decode(column, codes))
    else:
        found = pd.Series(numeric.decode(column, codes))
    if missing.any():
        found[missing] = None
    return cast(column, found)


def cast(column: dict[str, Any], values: pd.Series) -> pd.Series:
    """Entries in the dtype of the column, as far as that holds them."""
    dtype = column.get("dtype")
    if dtype is None or values.isna().any() or column.get("kind") == "time":
        return values
    if "order" in column:
        return values.astype(pd.CategoricalDtype(column["order"], ordered=column["ordered"]))
    if column.get("kind") == "integer" and dtype.startswith("float"):
        dtype = "int64"  # they were floats for want of entries
    if dtype.startswith(("int", "uint", "Int", "UInt")) and "categories" not in column:
        values = values.round()
    return values.astype(dtype)
