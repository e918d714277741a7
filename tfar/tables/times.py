"""Dates, times and durations as whole numbers of steps, and back."""

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


ISO = re.compile(r"\d{4}-\d\d-\d\d([ T]\d\d:\d\d(:\d\d(\.\d+)?)?)?")


def is_time(values: pd.Series) -> bool:
    """Whether a column holds dates, times or durations, or texts that are ISO dates."""
    if pd.api.types.is_datetime64_any_dtype(values) or pd.api.types.is_timedelta64_dtype(values):
        return True
    present = values.dropna()
    if _is_text(values):
        return True
    if values.dtype != object or not len(present):
        return False
    return all(isinstance(value, datetime.date | datetime.timedelta) for value in present)


def ticks(name: str, values: pd.Series) -> tuple[np.ndarray, dict[str, Any]]:
    """``(steps, description)``: the present entries as whole numbers of the longest step that fits.

    Raises:
      ValueError: if the entries are not dates, times or durations.
    """
    whole = _nanoseconds(name, values)
    held = {"time": "duration" if _is_duration(values) else "time", "zone": _zone(values)}
    held["text"] = _is_text(values)
    present = whole[values.notna().to_numpy()]
    step = next(step for step, size in STEPS.items() if not (present % size).any())
    return (present // STEPS[step]).astype(np.float64), {**held, "step": step}


def encode(column: dict[str, Any], name: str, values: pd.Series) -> np.ndarray:
    """float64 [N] steps, NaN where an entry is missing.

    Raises:
      ValueError: if the entries are of another kind.
    """
    whole = _nanoseconds(name, values)
    found = whole // STEPS[column["step"]]
    return np.where(values.isna().to_numpy(), np.nan, found.astype(np.float64))


def decode(column: dict[str, Any], steps: np.ndarray) -> pd.Series:
    """Dates, times or durations from whole numbers of steps."""
    whole = np.round(steps).astype(np.int64) * STEPS[column["step"]]
    if column["time"] == "duration":
        return _as(column, pd.Series(pd.to_timedelta(whole, unit="ns")))
    found = pd.to_datetime(whole, unit="ns", utc=bool(column["zone"]))
    if column.get("text"):
        day = column["step"] == "1 day"
        texts = found.strftime("%Y-%m-%d") if day else [time.isoformat(" ") for time in found]
        return pd.Series(texts, dtype=object)
    return _as(column, pd.Series(found.tz_convert(column["zone"]) if column["zone"] else found))


def _as(column, values):
    """In the unit of the column, if it has one."""
    known = column.get("dtype", "object").startswith(("datetime64", "timedelta64"))
    return values.astype(column["dtype"]) if known else values


def step(column: dict[str, Any]) -> str:
    """The resolution of a column, in words."""
    return column["step"]


def _is_text(values):
    """Whether all entries are texts of ISO dates or times."""
    present = values.dropna()
    if not (values.dtype == object or pd.api.types.is_string_dtype(values)) or not len(present):
        return False
    return all(isinstance(value, str) and ISO.fullmatch(value) for value in present)


def _is_duration(values):
    if pd.api.types.is_timedelta64_dtype(values):
        return True
    present = values.dropna()
    return values.dtype == object and isinstance(present.iloc[0], datetime.timedelta)


def _zone(values):
    zone = getattr(values.dtype, "tz", None)
    return None if zone is None else str(zone)


def _nanoseconds(name, values):
    """int64 [N] nanoseconds, of any value where an entry is missing."""
    if not values.notna().any():
        return np.zeros(len(values), np.int64)
    if not is_time(values):
        raise ValueError(
            f"Expected dates, times or durations in the column {name!r}, got "
            f"{values.dropna().iloc[0]!r}."
        )
    if _is_duration(values):
        return pd.to_timedelta(values).to_numpy("timedelta64[ns]").astype(np.int64)
    whole = pd.to_datetime(values, format="ISO8601" if _is_text(values) else None)
    if getattr(whole.dtype, "tz", None) is not None:
        whole = whole.dt.tz_convert("UTC").dt.tz_localize(None)
    return whole.to_numpy("datetime64[ns]").astype(np.int64)
