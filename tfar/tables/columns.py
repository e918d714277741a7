"""What columns hold, inferred from a data frame, as `tfar.heads.Table` takes it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from tfar.arguments import integer
from tfar.tables import numeric, times
from tfar.tables.entries import exact, is_decimal, named, numbers, plain, sort_key

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

KINDS = "categorical", "integer", "real", "time", "left out"
MANY = 20  # an integer column with at most so many different values is taken as categorical
DISTINCT = 0.5  # text of which more than this fraction of the values differ is left out ...
LEAST = 50  # ... if so many differ
OTHER = "(other)"  # the category of rare words


def kinds(
    frame: pd.DataFrame,
    categorical: Sequence[str] = (),
    *,
    given: Mapping[str, str] | None = None,
) -> dict[str, str]:
    """What each column is taken as, a dict: one of "categorical", "integer", "real", "time" or
    "left out".

    * bools, text and pandas' categories are categorical, but text most of whose entries differ is
      taken for names and left out;
    * integers are categorical if at most 20 values occur, otherwise "integer", unless they count
      the rows: then they are left out. So are whole numbers that are floats only for want of
      entries;
    * other numbers are "real", and dates, times, durations and periods "time";
    * objects that are `decimal.Decimal` are "integer" if all are whole, else "real";
    * a column without an entry is left out.

    Args:
      frame: a data frame.
      categorical: names of columns that are categorical, whatever they hold.
      given: the kinds of other columns, by name.

    Raises:
      ValueError: if it is not a data frame, two columns have the same name, names have several
        levels, there is no such column, or a kind is unknown.

    >>> kinds(pd.DataFrame({"a": [1, 2, 1], "b": [0.5, 1.5, 2.5], "c": ["x", "y", "x"]}))
    {'a': 'categorical', 'b': 'real', 'c': 'categorical'}
    """
    frame = named(frame)
    chosen = {**{str(k): v for k, v in (given or {}).items()}}
    chosen.update(dict.fromkeys(_names(categorical), "categorical"))
    for name, kind in chosen.items():
        if name not in frame.columns:
            raise ValueError(f"The table has no column {name!r}, only {list(frame.columns)}.")
        if kind not in KINDS:
            raise ValueError(
                f"Expected the column {name!r} to be one of {', '.join(KINDS)}, got {kind!r}."
            )
    return {name: chosen.get(name) or _kind(frame[name]) for name in frame.columns}


def _kind(values):
    present = values.dropna()
    if not len(present):
        return "left out"
    dtype = values.dtype
    if isinstance(dtype, pd.CategoricalDtype) or pd.api.types.is_bool_dtype(present):
        return "categorical"
    if times.is_time(values):
        return "time"
    if pd.api.types.is_numeric_dtype(values):
        if not (pd.api.types.is_integer_dtype(dtype) or _whole_but_for_missing(values)):
            return "real"
        if present.nunique() <= MANY:
            return "categorical"
        return "left out" if _counts_rows(values) else "integer"
    if is_decimal(values):
        if _places(present):
            return "real"
        return "left out" if _counts_rows(values) else "integer"
    distinct = present.map(str).nunique()
    return "left out" if distinct > max(LEAST, DISTINCT * len(present)) else "categorical"


def _whole_but_for_missing(values):
    """Whether numbers are integers that are floats only for want of entries."""
    present = values.dropna()
    if not pd.api.types.is_float_dtype(values) or len(present) == len(values):
        return False
    return bool((present == np.floor(present)).all() and np.isfinite(present).all())


def _counts_rows(values):
    """Whether integers are the number of the row, from any first one on, as ids are."""
    there = values.notna().to_numpy()
    x = values[there].to_numpy().astype(np.int64)
    return len(x) > MANY and len(np.unique(x - np.flatnonzero(there))) == 1


def describe(
    frame: pd.DataFrame,
    categorical: Sequence[str] = (),
    *,
    given: Mapping[str, str] | None = None,
    rare: int = 0,
) -> list[dict[str, Any]]:
    """The columns of a table as `tfar.heads.Table` takes them, a list of dicts that JSON can hold.

    Each has a "name", a "kind" and the "dtype" of its entries; "categories"; "levels", "low",
    "mean" and "std" of integers; and of reals the "transform" to their codes with its numbers,
    "mean" and "std", and the "decimals" that draws are rounded to. Numbers may have "atoms", the
    codes of values that have a probability of their own, the "frequent" ones; of integers those
    that are far from the "span" of all others follow it. Integers of a range that float32 does not
    hold are "rounded" reals, less an "origin" if they are large. Columns of objects have the
    "object" that they hold or, for `decimal.Decimal`, the "places". Columns that are left out are
    not there.

    Args:
      frame, categorical, given: as in `kinds`.
      rare: makes one category of words, "(other)", of those that occur in fewer rows than this;
        words that are not there belong to it too. 0 for none.

    Raises:
      ValueError: if an entry is not finite, no number or no date, a date is none of the years 1 to
        9999, a category is neither a string, a number nor a bool, or no column is left; or as in
        `kinds`.
    """
    rare = integer("rare", rare, least=0)
    frame, columns = named(frame), []
    for name, kind in kinds(frame, categorical, given=given).items():
        values = frame[name]
        if kind == "left out":
            continue
        column = {"name": name, "kind": kind, "dtype": str(values.dtype)}
        if not values.notna().any():
            raise ValueError(f"The column {name!r} has no entry: leave it out.")
        if kind == "categorical":
            if _whole_but_for_missing(values):
                values, column["dtype"] = values.dropna().astype("int64"), "int64"
            column.update(_categorical(name, values, rare))
        elif kind == "time":
            ticks, held = times.ticks(name, values)
            column.update({**held, **numeric.whole(ticks)})
        elif kind == "integer":
            column.update(_integer(name, values))
        else:
            column.update(_real(name, values))
        columns.append(column)
    if not columns:
        raise ValueError("Expected at least one column that is not left out.")
    return columns


def _categorical(name, values, rare):
    present = values.dropna()
    for value in map(plain, present):  # JSON, in which models are saved, has no others
        if not isinstance(value, str | int | float | bool):
            raise ValueError(
                f"The column {name!r} holds {value!r}, a {type(value).__name__}: convert it to "
                "numbers or strings."
            )
    found: dict[str, Any] = {
        "categories": [plain(value) for value in sorted(present.unique(), key=sort_key)]
    }
    if rare and all(isinstance(value, str) for value in found["categories"]):
        if OTHER in found["categories"]:
            raise ValueError(f"The column {name!r} has a category {OTHER!r} already: rename it.")
        counts = present.astype(object).value_counts()
        kept = [category for category in found["categories"] if counts[category] >= rare]
        return {"categories": [*kept, OTHER], "others": True}
    if isinstance(values.dtype, pd.CategoricalDtype):
        found["ordered"] = bool(values.dtype.ordered)
        found["order"] = [plain(value) for value in values.dtype.categories]
    return found


def _integer(name, values):
    x = exact(name, values)[values.notna().to_numpy()]
    if x.dtype.kind == "f" and (x != np.floor(x)).any():
        where = np.flatnonzero((numbers(name, values) % 1) > 0)[0]
        raise ValueError(
            f"The column {name!r} is taken as integers, and holds {values.iloc[where]!r} in row "
            f"{values.index[where]}."
        )
    return {**numeric.whole(x), **({"places": 0} if is_decimal(values) else {})}


def _real(name, values):
    x = numbers(name, values)
    x = x[~np.isnan(x)]
    found = numeric.real(x)
    if is_decimal(values):
        found["decimals"] = found["places"] = _places(values.dropna())
        return found
    narrow = str(values.dtype).lower() == "float32"
    decimals = numeric.decimals(x.astype(np.float32) if narrow else x)
    return found if decimals is None else {**found, "decimals": decimals}


def _places(present):
    """The most places after the point of numbers that are `decimal.Decimal`."""
    finite = [value.as_tuple().exponent for value in present if value.is_finite()]
    return max((max(0, -int(exponent)) for exponent in finite), default=0)


def table(frame: pd.DataFrame, columns: Sequence[dict[str, Any]]) -> str:
    """What each column of a frame is taken as, in words, a line for each.

    >>> frame = pd.DataFrame({"id": range(30), "x": np.linspace(0.0, 1.0, 30)})
    >>> print(table(frame, describe(frame)))
    id  left out: no two alike, or the number of the row
    x   real, 0 to 1
    """
    frame, held = named(frame), {column["name"]: column for column in columns}
    width = max(len(name) for name in frame.columns)
    lines = []
    for name in frame.columns:
        words = _words(held.get(name), frame[name])
        missing = int(frame[name].isna().sum())
        words += f", {missing:,} missing" if missing and name in held else ""
        lines.append(f"{name.ljust(width)}  {words}")
    return "\n".join(lines)


def _words(column, values):
    if column is None:
        some = values.notna().any()
        return "left out: " + ("no two alike, or the number of the row" if some else "empty")
    if "categories" in column:
        shown = [str(category) for category in column["categories"][:4]]
        more = ", ..." if len(column["categories"]) > 4 else ""
        return f"categorical, {len(column['categories'])}: {', '.join(shown)}{more}"
    low, high = values.min(), values.max()
    short = isinstance(low, float | np.floating)
    span = f"{low:g} to {high:g}" if short else f"{low} to {high}"
    kind = column["kind"]
    if kind == "time":
        kind += f" in steps of {times.step(column)}"
    if column.get("transform", "linear") != "linear":
        kind += f" ({column['transform']})"
    count = len(column.get("atoms", ()))
    return f"{kind}, {span}" + (f", {count} of its values with a mass" if count else "")


def _names(categorical):
    """Column names as strings."""
    if isinstance(categorical, str) or not np.iterable(categorical):
        raise ValueError(
            f"Expected categorical to be a sequence of column names, got {categorical!r}."
        )
    return [str(name) for name in categorical]
