"""Dates, times, durations and periods as whole numbers of steps, and back."""

from __future__ import annotations

import datetime
import re
from typing import Any

import numpy as np
import pandas as pd

STEPS = {  # nanoseconds, the longest first
    "1 day": 86_400_000_000_000,
    "1 hour": 3_600_000_000_000,
    "1 minute": 60_000_000_000,
    "1 second": 1_000_000_000,
    "1 millisecond": 1_000_000,
    "1 microsecond": 1_000,
    "1 nanosecond": 1,
}
UNITS = {"s": "1 second", "ms": "1 millisecond", "us": "1 microsecond", "ns": "1 nanosecond"}
MOST = 2**63 - 2**10  # the largest int64 that is a float64 too
YEARS = 1, 9999  # that Python, pandas and ISO 8601 agree on

ISO = re.compile(r"\d{4}-\d\d-\d\d([ T]\d\d:\d\d(:\d\d(\.\d+)?)?)?")


def is_time(values: pd.Series) -> bool:
    """Whether a column holds dates, times, durations or periods, or texts that are ISO dates."""
    if values.dtype.kind in "mM" or isinstance(values.dtype, pd.PeriodDtype | pd.DatetimeTZDtype):
        return True
    present = values.dropna()
    if _is_text(values):
        return True
    if values.dtype != object or not len(present):
        return False
    kinds = datetime.date | datetime.timedelta | pd.Period
    return all(isinstance(value, kinds) for value in present)


def ticks(name: str, values: pd.Series) -> tuple[np.ndarray, dict[str, Any]]:
    """``(steps, description)``: the present entries as int64 numbers of the longest step that fits.

    Steps of dates and times count from 1970, in UTC; those of periods are as pandas counts them.

    Raises:
      ValueError: if the entries are not dates, times, durations or periods, are not all of one of
        these, or a date is none of the years 1 to 9999.
    """
    present = values.dropna()
    if _is_period(present):
        whole, freq = _periods(name, present)
        return whole, {"time": "period", "freq": freq, "step": f"1 {freq}", **_given(present)}
    held: dict[str, Any] = {"time": "duration" if _is_duration(present) else "time"}
    found, zone = _moments(name, present)
    if held["time"] == "time":
        _check_years(name, present, found)
    held.update(zone=zone, text=_is_text(present), **_given(present))
    step = next(step for step in STEPS if not _in_steps(found, step)[1].any())
    return _in_steps(found, step)[0], {**held, "step": step}


def encode(column: dict[str, Any], name: str, values: pd.Series) -> np.ndarray:
    """[N] steps, 0 where an entry is missing: int64 or, if an entry is between two, float64.

    Raises:
      ValueError: if the entries are of another kind.
    """
    present = values.dropna()
    if not len(present):
        return np.zeros(len(values), np.int64)
    if column["time"] == "period":
        found, freq = _periods(name, present)
        if freq != column["freq"]:
            raise ValueError(f"Expected periods of {column['freq']} in {name!r}, got {freq}.")
    else:
        moments, _ = _moments(name, present)
        if (moments.dtype.kind == "m") != (column["time"] == "duration"):
            raise ValueError(
                f"Expected a {column['time']} in the column {name!r}, got {present.iloc[0]!r}."
            )
        found, rest = _in_steps(moments, column["step"])
        found = found + rest if rest.any() else found
    steps = np.zeros(len(values), found.dtype)
    steps[values.notna().to_numpy()] = found
    return steps


def decode(column: dict[str, Any], steps: np.ndarray) -> pd.Series:
    """Dates, times, durations or periods from numbers of steps, in the type that was given."""
    steps = np.asarray(np.round(steps.astype(np.float64)) if steps.dtype.kind == "f" else steps)
    if "rounded" in column:  # draws may lie outside of what there is
        steps = np.clip(steps, *ends(column))
    steps = steps.astype(np.int64)
    if column["time"] == "period":
        found = pd.Series(pd.PeriodIndex.from_ordinals(steps, freq=column["freq"]))
        return given(column, found)
    kind = "timedelta64" if column["time"] == "duration" else "datetime64"
    unit, size = _unit(column["step"])
    whole = (steps * size).view(f"{kind}[{unit}]")
    if column["time"] == "duration":
        return given(column, pd.Series(pd.TimedeltaIndex(whole)))
    found = pd.DatetimeIndex(whole)
    if column["zone"]:
        found = found.tz_localize("UTC").tz_convert(column["zone"])
    if column.get("text"):
        day = column["step"] == "1 day"
        texts = np.datetime_as_string(whole, "D") if day else [t.isoformat(" ") for t in found]
        return pd.Series(texts, dtype=object)
    return given(column, pd.Series(found))


def given(column: dict[str, Any], values: pd.Series) -> pd.Series:
    """Times in the dtype of the column or, in a column of objects, of the type that it held."""
    if column.get("dtype", "object").startswith(("datetime64", "timedelta64")):
        return values.astype(column["dtype"])
    kind = column.get("object")
    if kind is None or values.dtype == object:
        return values
    if kind == "Period":
        return values.astype(object)
    entries: list[Any] = [None] * len(values)
    for i, value in enumerate(values):
        if value is not pd.NaT:
            entries[i] = value.to_pytimedelta() if kind == "timedelta" else value.to_pydatetime()
            entries[i] = entries[i].date() if kind == "date" else entries[i]
    return pd.Series(entries, values.index, dtype=object)


def step(column: dict[str, Any]) -> str:
    """The resolution of a column, in words."""
    return column["step"]


def _given(present):
    """The type of the entries of a column of objects, if it has to be restored."""
    if present.dtype != object:
        return {}
    kind = type(present.iloc[0])
    kept = datetime.date, datetime.datetime, datetime.timedelta, pd.Period
    return {"object": kind.__name__} if kind in kept else {}


def _unit(step):
    """``(unit, size)``: of NumPy's and pandas' units the one that a step is so many times."""
    size = STEPS[step]
    for unit, least in UNITS.items():
        if size >= STEPS[least]:
            return unit, size // STEPS[least]
    raise AssertionError(step)


def ends(column: dict[str, Any]) -> tuple[int, int]:
    """The first and the last step that the type of a column holds."""
    if column["time"] == "period":
        return -(2**31), 2**31
    size, dtype = STEPS[column["step"]], column.get("dtype", "object")
    if "[ns" in dtype:
        return -MOST // size + 1, MOST // size
    if column["time"] == "duration":
        most = MOST // max(1, size // STEPS[UNITS["us"]])
        return -most, most
    first, last = (
        int(np.datetime64(day, "us").astype(np.int64)) * 1000 // size
        for day in (f"{YEARS[0]:04d}-01-01", f"{YEARS[1]:04d}-12-31T23:59:59.999999")
    )
    return first, last


def _in_steps(found, step):
    """``(steps, rest)``: datetime64 or timedelta64 [N] as int64 steps, and what is left, in [0, 1).

    What is too far from 0 for int64 gets the first or the last of its numbers.
    """
    own = STEPS[UNITS[np.datetime_data(found.dtype)[0]]]
    whole, size = found.astype(np.int64), STEPS[step]
    if own <= size:
        return whole // (size // own), whole % (size // own) / (size // own)
    most = MOST // (own // size)
    return np.clip(whole, -most, most) * (own // size), np.zeros(len(whole))


def _is_text(values):
    """Whether all entries are texts of ISO dates or times."""
    present = values.dropna()
    if not (values.dtype == object or pd.api.types.is_string_dtype(values)) or not len(present):
        return False
    return all(isinstance(value, str) and ISO.fullmatch(value) for value in present)


def _is_duration(present):
    return present.dtype.kind == "m" or isinstance(present.iloc[0], datetime.timedelta)


def _is_period(present):
    return isinstance(present.dtype, pd.PeriodDtype) or isinstance(present.iloc[0], pd.Period)


def _periods(name, present):
    """``(ordinals, frequency)`` of periods."""
    try:
        index = pd.PeriodIndex(present)
    except (ValueError, TypeError) as error:
        raise ValueError(f"Expected periods of one length in {name!r}: {error}.") from None
    return index.asi8, index.dtype.name.removeprefix("period[").removesuffix("]")


def _moments(name, present):
    """``(moments, zone)``: datetime64 in UTC or timedelta64 [N], in one of `UNITS`."""
    if not is_time(present) or _is_period(present):
        raise ValueError(
            f"Expected dates, times or durations in the column {name!r}, got {present.iloc[0]!r}."
        )
    text = _is_text(present)
    try:
        if _is_duration(present):
            return pd.to_timedelta(present).to_numpy(), None
        found = pd.to_datetime(
            present, format="ISO8601" if text else None, errors="coerce" if text else "raise"
        )
    except (ValueError, TypeError, OverflowError) as error:
        raise ValueError(f"The times in the column {name!r} are not alike: {error}") from None
    none = found.isna().to_numpy()
    if none.any():
        where = np.argmax(none)
        raise ValueError(
            f"The column {name!r} holds dates, and {present.iloc[where]!r} in row "
            f"{present.index[where]}, which is none ({int(none.sum())} such rows): if it stands "
            f"for a missing value, pass missing=[{present.iloc[where]!r}] when reading, or replace "
            "it by None; if these are no dates, take the column as categorical."
        )
    zone = getattr(found.dtype, "tz", None)
    if zone is not None:
        found = found.dt.tz_convert("UTC").dt.tz_localize(None)
    return found.to_numpy(), None if zone is None else str(zone)


def _check_years(name, present, found):
    years = found.astype("datetime64[Y]").astype(np.int64) + 1970
    outside = (years < YEARS[0]) | (years > YEARS[1])
    if outside.any():
        where = np.argmax(outside)
        raise ValueError(
            f"Expected dates of the years {YEARS[0]} to {YEARS[1]} in the column {name!r}, got "
            f"{present.iloc[where]!s} in row {present.index[where]} "
            f"({int(outside.sum())} such rows)."
        )
