"""Numbers of a column to the codes that a network takes, and back, in float64.

A real x has the code (g(x) - mean) / std with a transform g, "linear", "log" or "asinh", whichever
makes the column most like a normal one. The log-density of x is that of its code plus
log |d code / d x|.
"""

from __future__ import annotations

from typing import Any

import numpy as np

MOST = 2**24  # levels of integers: float32 holds so many
ATOMS = 20  # at most so many values have a probability of their own ...
FREQUENT = 0.05  # ... each of which occurs in this fraction of the rows ...
RARE = 5, 0.005  # ... or in so many rows and this fraction, if it is far from all others, ...
FAR = 3.0  # ... by so many times the range between their quartiles, ...
OUTSTANDING = 5.0  # ... and so many times as often as nine tenths of the values
TINY = 1e-300  # for numbers that are not positive where all were: as good as impossible
GAIN = 0.1  # nats a row by which another transform must be better than none


def whole(x: np.ndarray) -> dict[str, Any]:
    """What describes a column of integers, float64 [N]: masses if float32 holds their range.

    >>> whole(np.array([7.0, 9.0, 8.0]))
    {'low': 7, 'levels': 3, 'mean': 1.0, 'std': 0.816496580927726}
    """
    low, high = int(x.min()), int(x.max())
    if high - low >= MOST or high == low:
        return {**real(x), "rounded": True}
    codes = x - low
    return {"low": low, "levels": high - low + 1, "mean": _mean(codes), "std": _std(codes)}


def real(x: np.ndarray) -> dict[str, Any]:
    """What describes a column of reals, float64 [N]: a transform, its numbers, and atoms."""
    values, counts = np.unique(x, return_counts=True)
    least = np.where(_far(values, x), max(RARE[0], RARE[1] * len(x)), FREQUENT * len(x))
    frequent = counts >= np.maximum(least, OUTSTANDING * np.quantile(counts, 0.9))
    if len(values) == 1:
        frequent[:] = True
    if frequent.sum() > ATOMS:
        frequent &= counts >= np.sort(counts)[-ATOMS]
    atoms = values[frequent]
    rest = x[~np.isin(x, atoms)]
    if len(np.unique(rest)) > 1:
        found = _transform(rest)
    else:
        found = {"transform": "linear", "mean": _mean(x), "std": _std(x)}
    if len(atoms):
        found["frequent"] = [float(atom) for atom in atoms]
        codes = _codes(found, atoms).astype(np.float32)
        while len(set(codes.tolist())) < len(codes):  # alike in float32
            twice = np.flatnonzero(np.diff(codes) <= 0) + 1
            codes[twice] = np.nextafter(codes[twice - 1], np.float32(np.inf))
        found["atoms"] = codes.tolist()
    return found


def _far(values, x):
    """Which of the sorted distinct values are far from the next on either side."""
    low, high = np.quantile(x, [0.25, 0.75])
    gaps = np.concatenate([[np.inf], np.diff(values), [np.inf]])
    return np.minimum(gaps[:-1], gaps[1:]) > FAR * max(high - low, 0)


def encode(column: dict[str, Any], x: np.ndarray) -> np.ndarray:
    """The codes of numbers, float32 [N], NaN where a number is.

    An integer out of the range of the column has a code out of that of the head; a number that is
    not positive, where all were that the transform was chosen for, is taken as 1e-300.
    """
    if "levels" in column:
        return np.where(np.isnan(x), np.nan, x - column["low"]).astype(np.float32)
    known = _codes(column, x)
    codes = known.astype(np.float32)
    for value, atom in zip(column.get("frequent", ()), _atoms(column)):
        alike = (codes == atom) & (x != value)  # only in float32
        above = np.nextafter(atom, np.float32(np.inf))
        codes[alike] = above
        codes[x == value] = atom
    return codes


def decode(column: dict[str, Any], codes: np.ndarray) -> np.ndarray:
    """The numbers that have some codes, float64 [N]."""
    codes = codes.astype(np.float64)
    if "levels" in column:
        return codes + column["low"]
    y = codes * column["std"] + column["mean"]
    transform = column.get("transform", "linear")
    with np.errstate(over="ignore"):
        if transform == "log":
            x = np.exp(y)
        elif transform == "asinh":
            x = column["centre"] + column["scale"] * np.sinh(y)
        else:
            x = y
    x = np.clip(x, -np.finfo(np.float64).max, np.finfo(np.float64).max)
    for value, atom in zip(column.get("frequent", ()), _atoms(column)):
        x[codes == atom] = value
    return np.round(x) if column.get("rounded") else x


def log_units(column: dict[str, Any], codes: np.ndarray) -> np.ndarray:
    """log |d code / d x| at some codes, float64 [N]; 0 of masses and missing entries."""
    codes = codes.astype(np.float64)
    if "categories" in column or "levels" in column:
        return np.zeros(len(codes))
    y = codes * column["std"] + column["mean"]
    found = np.full(len(codes), -np.log(column["std"]))
    transform = column.get("transform", "linear")
    if transform == "log":
        found -= y  # d log(x) / d x = 1 / x
    elif transform == "asinh":
        found -= np.log(column["scale"]) + np.logaddexp(y, -y) - np.log(2)
    density = ~np.isnan(codes) & ~np.isin(codes.astype(np.float32), _atoms(column))
    return np.where(density, found, 0.0)


def _atoms(column):
    return np.array(column.get("atoms", ()), np.float32)


def _codes(column, x):
    transform = column.get("transform", "linear")
    if transform == "log":
        y = np.log(np.maximum(x, TINY))
    elif transform == "asinh":
        y = np.arcsinh((x - column["centre"]) / column["scale"])
    else:
        y = x
    return (y - column["mean"]) / column["std"]


def _transform(x):
    """The transform under which the numbers are most likely as normal ones."""
    tried = [{"transform": "linear"}]
    if x.min() > 0:
        tried.append({"transform": "log"})
    low, centre, high = np.quantile(x, [0.25, 0.5, 0.75])
    if high > low:
        scale = float((high - low) / 1.349)
        tried.append({"transform": "asinh", "centre": float(centre), "scale": scale})
    scores = []
    for one in tried:
        y = _codes({**one, "mean": 0.0, "std": 1.0}, x)
        one.update(mean=_mean(y), std=_std(y))
        units = log_units({**one, "mean": 0.0, "std": 1.0}, y)
        scores.append(np.mean(units) - np.log(one["std"]))
    best = int(np.argmax(scores))
    return tried[best if scores[best] > scores[0] + GAIN else 0]


def _mean(x):
    return float(x[0] + np.mean(x - x[0]))  # exact for a constant, whatever its binary digits


def _std(x):
    std = float(np.std(x - x[0]))
    return std if std > 1e-12 * np.abs(x).max() else 1.0
