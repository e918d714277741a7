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
OUTSTANDING = 5.0  # ... and so many times as often as nine tenths of the values, ...
RARE = 5, 0.005  # ... or in so many rows and this fraction, if it is far from all others, ...
FAR = 3.0  # ... by so many times the range between the quartiles of the values, ...
FEW = 3  # ... but so many that are near it, as 97, 98 and 99 are to each other
DECIMALS = 6  # numbers with more are drawn with all digits
LARGEST = 1e38  # of the codes
TINY = 1e-300  # for numbers that are not positive where all were: as good as impossible
GAIN = 0.1  # nats a row by which another transform must be better than none


def whole(x: np.ndarray) -> dict[str, Any]:
    """What describes a column of integers [N], of any dtype: masses if float32 holds their range.

    The codes are x - low, and those of values far from all others (999 among ages) follow them.

    >>> whole(np.array([7, 9, 8]))
    {'low': 7, 'levels': 3, 'mean': 1.0, 'std': 0.816496580927726}
    """
    least, most = int(x.min()), int(x.max())
    above = less(x, least)  # exact, where they are less than 2^53
    values, counts = np.unique(above, return_counts=True)
    frequent, far = _frequent(values, counts), _far(values)
    rest = above[~np.isin(above, values[frequent & far])]
    first, span = (rest.min(), int(np.ptp(rest)) + 1) if len(rest) else (0.0, 1)
    if span + ATOMS > MOST or least == most or not len(rest):
        origin = least if _is_coarse(least, most) else 0
        described = {**real(less(x, origin)), "rounded": True}
        return {**described, "origin": origin} if origin else described
    found: dict[str, Any] = {"low": least + int(first), "levels": span}
    codes, atoms = rest - first, values[frequent] - first
    if len(atoms):
        outside = far[frequent]
        found["frequent"] = [least + int(value) for value in values[frequent]]
        found["atoms"] = (
            np.where(outside, span + np.cumsum(outside) - 1, atoms).astype(int).tolist()
        )
        found.update(span=span, levels=span + int(outside.sum()))
        others = codes[~np.isin(codes, atoms)]
        codes = others if len(np.unique(others)) > 1 else codes
    return {**found, "mean": _mean(codes), "std": _std(codes)}


def _is_coarse(least, most):
    """Whether float64 does not hold integers, and does their differences better."""
    largest = max(abs(least), abs(most))
    return largest > 2**53 and largest > 2 * (most - least)


def base(column: dict[str, Any]) -> int:
    """The integer that is subtracted from those of a column before they are float64."""
    return column.get("low", column.get("origin", 0))


def less(x: np.ndarray, base: int) -> np.ndarray:
    """x - base, float64 [N], subtracted before it is rounded.

    >>> less(np.array([2**62 + 1]), 2**62), less(np.array([np.nan, 2.5]), 1)
    (array([1.]), array([nan, 1.5]))
    """
    if x.dtype.kind == "f" and (abs(base) <= 2**53 or not np.isfinite(x).all()):
        return x - float(base)
    if x.dtype.kind == "i" and len(x):
        ends = base, int(x.max()) - base, int(x.min()) - base
        if all(-(2**63) <= one < 2**63 for one in ends):
            return (x.astype(np.int64) - base).astype(np.float64)
    return np.array([int(value) - base + value % 1 for value in x.tolist()], np.float64)


def real(x: np.ndarray) -> dict[str, Any]:
    """What describes a column of reals, float64 [N]: a transform, its numbers, and atoms."""
    values, counts = np.unique(x, return_counts=True)
    atoms = values[_frequent(values, counts)]
    rest = x[~np.isin(x, atoms)]
    if len(np.unique(rest)) > 1:
        found = _transform(rest)
    else:
        found = {"transform": "linear", "mean": _mean(x), "std": _std(x)}
    if len(atoms):
        found["frequent"] = [float(atom) for atom in atoms]
        codes = _float32(_codes(found, atoms))
        while len(set(codes.tolist())) < len(codes):  # alike in float32
            twice = np.flatnonzero(np.diff(codes) <= 0) + 1
            codes[twice] = np.nextafter(codes[twice - 1], np.float32(np.inf))
        found["atoms"] = codes.tolist()
    return found


def _frequent(values, counts):
    """Which of the sorted distinct values, that occur so often, have masses of their own."""
    if len(values) == 1:
        return np.array([True])
    total = counts.sum()
    outstanding = max(FREQUENT * total, OUTSTANDING * np.quantile(counts, 0.9))
    least = np.where(_far(values), max(RARE[0], RARE[1] * total), outstanding)
    frequent = counts >= least
    if frequent.sum() > ATOMS:
        frequent &= counts >= np.sort(counts)[-ATOMS]
    return frequent


def _far(values):
    """Which of the sorted distinct values are, with at most two others, far from the rest."""
    low, high = np.quantile(values, [0.25, 0.75])
    group = np.concatenate([[0], np.cumsum(np.diff(values) > FAR * (high - low))])
    return (np.bincount(group) <= FEW)[group] & (group[-1] > 0)


def encode(column: dict[str, Any], x: np.ndarray) -> np.ndarray:
    """The codes of numbers less the `base` of the column, float32 [N], NaN where a number is.

    What is not among the integers of the column has the code -1; a number that is not positive,
    where all were that the transform was chosen for, is taken as 1e-300.
    """
    if "levels" in column:
        inside = (x >= 0) & (x < column.get("span", column["levels"])) & (x == np.floor(x))
        codes = np.where(inside, x, -1.0)
        for value, atom in atoms(column):
            codes[x == value] = atom
        return np.where(np.isnan(x), np.nan, codes).astype(np.float32)
    codes = _float32(_codes(column, x))
    for value, atom in atoms(column):
        alike = (codes == atom) & (x != value)  # only in float32
        above = np.nextafter(atom, np.float32(np.inf))
        codes[alike] = above
        codes[x == value] = atom
    return codes


def decode(column: dict[str, Any], codes: np.ndarray) -> np.ndarray:
    """The numbers that have some codes, float64 [N], with the decimals of the column."""
    return _above(column, codes) + float(base(column))


def integers(column: dict[str, Any], codes: np.ndarray) -> np.ndarray:
    """The integers that have some codes, int64 [N] or, if one is too large, of Python's ints."""
    above, low = np.round(_above(column, codes)), base(column)
    largest = np.abs(above).max(initial=0.0)
    if largest < 2**62 and abs(low) < 2**62:
        return above.astype(np.int64) + low
    return np.array([int(one) + low for one in above.tolist()], object)


def _above(column, codes):
    """The numbers less the base."""
    codes = codes.astype(np.float64)
    x = codes.copy() if "levels" in column else _untransformed(column, codes)
    if column.get("decimals") is not None:
        x = _with_decimals(column, x)
    for value, atom in atoms(column):
        x[codes == atom] = value
    return np.round(x) if column.get("rounded") else x


def _untransformed(column, codes):
    y = codes * column["std"] + column["mean"]
    transform = column.get("transform", "linear")
    with np.errstate(over="ignore"):
        if transform == "log":
            x = np.exp(y)
        elif transform == "asinh":
            x = column["centre"] + column["scale"] * np.sinh(y)
        else:
            x = y
    return np.clip(x, -np.finfo(np.float64).max, np.finfo(np.float64).max)


def decimals(x: np.ndarray) -> int | None:
    """With how many decimals all reals [N] are written, or None for more than 6.

    >>> decimals(np.array([0.5, 1.25])), decimals(np.array([1 / 3]))
    (2, None)
    """
    with np.errstate(over="ignore", invalid="ignore"):
        fit = (count for count in range(DECIMALS + 1) if (np.round(x, count) == x).all())
        return next(fit, None)


def _with_decimals(column, x):
    """Rounded, but not to zero where all were positive that the transform was chosen for."""
    with np.errstate(over="ignore", invalid="ignore"):
        rounded = np.round(x, column["decimals"])
    rounded = np.where(np.isfinite(rounded), rounded, x)
    if column.get("transform") == "log":
        rounded = np.maximum(rounded, 10.0 ** -column["decimals"])
    return rounded


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
    atoms = np.array(column.get("atoms", ()), np.float32)
    density = ~np.isnan(codes) & ~np.isin(_float32(codes), atoms)
    return np.where(density, found, 0.0)


def atoms(column: dict[str, Any]) -> list[tuple[float, np.float32]]:
    """``(value less the base, code)`` of each value that has a mass of its own."""
    values = [value - base(column) for value in column.get("frequent", ())]
    return list(zip(values, np.array(column.get("atoms", ()), np.float32)))


def _float32(codes):
    """Codes as float32 that are finite, and have others above them."""
    return np.clip(codes, -LARGEST, LARGEST).astype(np.float32)


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
    unit = _unit(x)
    return float(x[0] + unit * np.mean(x / unit - x[0] / unit))  # exact for a constant


def _std(x):
    unit = _unit(x)
    std = float(unit * np.std(x / unit - x[0] / unit))
    return std if std > 1e-12 * np.abs(x).max() else 1.0


def _unit(x):
    """1, or for numbers whose sums of squares float64 does not hold the largest."""
    largest = float(np.abs(x).max())
    return largest if largest > 1e140 else 1.0
