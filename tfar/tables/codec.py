"""Rows of a data frame to the codes that a model takes, and back."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from tfar.tables import numeric, times
from tfar.tables.entries import decimals, exact, named, numbers, plain

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any


def to_array(
    columns: Sequence[dict[str, Any]], frame: pd.DataFrame, *, outside: bool = False
) -> np.ndarray:
    """Rows of a data frame as a model takes them: codes, float32 [N, n], NaN where one is missing.

    Numbers are standardised in float64, so that times, ids and coordinates keep their resolution.

    Args:
      columns: what `describe` returned for the table that the model was fitted to.
      frame: a data frame with those columns, in any order; others that it had when the model was
        fitted and were left out may be there too.
      outside: whether entries that are none of the integers, times or categories of their column
        have a code that it does not take, with a warning. Their log-probability is -inf.

    Raises:
      ValueError: if a column is missing or unknown, or an entry is not a number, or is none of the
        integers, times or categories of its column; the message names the column and the row.
    """
    names = [column["name"] for column in columns]
    frame = named(frame)
    lacking = [name for name in names if name not in frame.columns]
    left_out = {name for column in columns for name in column.get("left_out", ())}
    extra = [name for name in frame.columns if name not in names and name not in left_out]
    if lacking or extra:
        raise ValueError(f"Expected the columns {names}; missing: {lacking}, unknown: {extra}.")
    arrays = [_encoded(column, frame[column["name"]], outside) for column in columns]
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


def _encoded(column, values, outside):
    name = column["name"]
    if "categories" in column:
        known = {category: code for code, category in enumerate(column["categories"])}
        other = len(known) - 1 if column.get("others") else -1
        codes = np.array([known.get(plain(value), other) for value in values], np.float64)
        codes[values.isna().to_numpy()] = np.nan
        what, bad = f"one of {column['categories']!r:.200}", codes == -1
    else:
        if column.get("kind") == "time":
            x = times.encode(column, name, values)
        elif column.get("kind") == "integer" or "levels" in column:
            x = exact(name, values)
        else:
            x = numbers(name, values)
        x = np.where(values.isna().to_numpy(), np.nan, numeric.less(x, numeric.base(column)))
        codes = numeric.encode(column, x)
        if "levels" not in column:
            return codes
        what, bad = _range(column), codes == -1
    if bad.any():
        where = np.flatnonzero(bad)[0]
        sentence = (
            f"Expected {what} in the column {name!r}, got {plain(values.iloc[where])!r} in row "
            f"{values.index[where]} ({int(bad.sum())} such rows)."
        )
        if not outside:
            raise ValueError(sentence)
        warnings.warn(f"{sentence} The model gives them no probability.", stacklevel=2)
    return np.where(bad, -1.0, codes)


def _range(column):
    last = column["low"] + column.get("span", column["levels"]) - 1
    far = [one for one in column.get("frequent", ()) if not column["low"] <= one <= last]
    ends, after = [column["low"], last, *far], ""
    if column["kind"] == "time":
        ends, after = (
            times.decode(column, np.array(ends)).tolist(),
            f", in steps of {column['step']},",
        )
    others = "".join(f", or {one}" for one in ends[2:])
    kind = "times" if column["kind"] == "time" else "integers"
    return f"{kind} from {ends[0]} to {ends[1]}{others}{after}"


def _decoded(column, codes):
    missing = np.isnan(codes)
    codes = np.where(missing, 0, codes)
    if "categories" in column:
        last = len(column["categories"]) - 1
        entries = [column["categories"][min(int(code), last)] for code in codes]
        found = pd.Series(entries, dtype=object if missing.any() else None)
    elif column.get("kind") == "time":
        found = times.decode(column, numeric.integers(column, codes))
    elif column.get("kind") == "integer":
        found = _held(column, pd.Series(numeric.integers(column, codes)), missing)
    else:
        found = pd.Series(numeric.decode(column, codes))
    if missing.any():
        found[missing] = None
    return cast(column, found)


def _held(column, values, missing):
    """Integers within the dtype of the column, and as objects if they are to lose no digits."""
    dtype = column.get("dtype", "").lower().split("[")[0]
    if dtype.startswith(("int", "uint")):
        limits = np.iinfo(dtype)
        values = values.clip(int(limits.min), int(limits.max))
    large = missing.any() and max(abs(int(values.min())), abs(int(values.max()))) > 2**53
    return values.astype(object) if large else values


def cast(column: dict[str, Any], values: pd.Series) -> pd.Series:
    """Entries in the dtype of the column, as far as that holds them."""
    dtype = column.get("dtype")
    if column.get("kind") == "time":
        return times.given(column, values)
    if "places" in column:
        return decimals(values, column["places"])
    if dtype is None or (values.isna().any() and not dtype.startswith(("Int", "UInt"))):
        return values
    if column.get("others"):
        return values.astype(object)
    if "order" in column:
        return values.astype(pd.CategoricalDtype(column["order"], ordered=column["ordered"]))
    if column.get("kind") == "integer" and dtype.startswith("float"):
        dtype = "int64"  # they were floats for want of entries
    whole = dtype.startswith(("int", "uint", "Int", "UInt")) and "categories" not in column
    if whole and values.dtype != object:
        values = values.round()
    return values.astype(dtype)
