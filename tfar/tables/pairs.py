"""A picture of a table beside draws of a model: every pair of its numbers."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from tfar import arguments, files
from tfar.tables.entries import named

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from tfar.typing import Path

MOST = 8  # columns
POINTS = 2000  # of each table in a panel
INCH = 1.6  # the side of a panel
CROPPED = 0.002  # of the data, on either side, that axes may leave out
COLOURS = "#2a6f97", "#e07a2f"


def pairs(
    frame: pd.DataFrame,
    drawn: pd.DataFrame,
    path: Path | None = None,
    *,
    columns: Sequence[str] | None = None,
) -> Figure:
    """A scatter plot of each pair of numeric columns, of data and of draws, and their histograms.

    Data are below the diagonal and draws above it, in the same axes: the picture of a good model is
    symmetric about the diagonal, where the histograms of both lie over each other. Axes span the
    data but for their outermost 0.2 %. Of each table at most 2,000 rows are shown.

    Args:
      frame: a table, N rows.
      drawn: draws of a model of it, such as ``tfar.tables.sample(model, len(frame))``.
      path: of a PNG, PDF or SVG file to write; by default none.
      columns: at most eight, which hold numbers; by default the first eight numeric ones.

    Returns:
      The ``matplotlib.figure.Figure``, which notebooks show.

    Raises:
      ValueError: if an argument is not a data frame, no column is numeric in both, a column is not,
        or there are more than eight.
      OSError: if the file cannot be written.

    >>> frame = pd.DataFrame({"x": np.linspace(0.0, 1.0, 40), "y": np.linspace(1.0, 0.0, 40)})
    >>> len(pairs(frame, frame.sample(20, random_state=1)).axes)
    4
    """
    from matplotlib.figure import Figure

    frame, drawn = named(frame), named(drawn)
    names = _chosen(frame, drawn, columns)
    rows = [_numbers(table, names) for table in (frame, drawn)]
    limits = [_limits(rows[0][:, i]) for i in range(len(names))]
    side = INCH * len(names) + 1
    figure = Figure(figsize=(side, side), layout="constrained")
    grid = figure.subplots(len(names), len(names), squeeze=False)
    for i, row in enumerate(grid):
        for j, axes in enumerate(row):
            if i == j:
                _histograms(axes, [x[:, i] for x in rows], limits[i])
            else:
                which = int(j > i)
                _scatter(axes, rows[which][:, [j, i]], COLOURS[which])
                axes.set_ylim(limits[i])
            axes.set_xlim(limits[j])
            _label(axes, names, i, j)
    labels = [f"data, {len(frame):,} rows", f"draws, {len(drawn):,} rows"]
    handles = [grid[0, 0].patches[0], grid[0, 0].patches[1]]
    figure.legend(handles, labels, loc="outside upper center", ncols=2, frameon=False)
    if path is not None:
        path = arguments.path("path", path)
        with files.replacing(path) as partial:
            figure.savefig(partial, format=path.suffix[1:] or "png", dpi=100)
    return figure


def _chosen(frame, drawn, columns):
    """The names of the columns that are shown."""
    numeric = [
        name
        for name in frame.columns
        if name in drawn.columns and _is_numeric(frame[name]) and _is_numeric(drawn[name])
    ]
    if columns is None:
        names = numeric[:MOST]
    else:
        names = [str(name) for name in arguments.items("columns", columns, "names", bool)]
    bad = [name for name in names if name not in numeric]
    if bad or not names:
        raise ValueError(
            f"Expected columns that hold numbers in both tables, got {bad or list(frame.columns)}; "
            f"numeric ones are {numeric}."
        )
    if len(names) > MOST:
        raise ValueError(f"Expected at most {MOST} columns, got {len(names)}: choose some.")
    return names


def _is_numeric(values):
    return pd.api.types.is_numeric_dtype(values) and not pd.api.types.is_bool_dtype(values)


def _numbers(table, names):
    """float64 [N, m], at most so many rows, spread over the table."""
    x = table[names].to_numpy(np.float64, na_value=np.nan)
    x = np.where(np.isfinite(x), x, np.nan)
    return x[np.linspace(0, len(x) - 1, min(len(x), POINTS)).astype(int)]


def _limits(x):
    """The ends of an axis."""
    x = x[~np.isnan(x)]
    if not len(x):
        return 0.0, 1.0
    low, high = np.quantile(x, [CROPPED, 1 - CROPPED])
    margin = 0.06 * (high - low) or 0.5
    return float(low - margin), float(high + margin)


def _histograms(axes: Axes, each: list[np.ndarray], limits: tuple[float, float]) -> None:
    """Of data, filled, and of draws, as a line, in the same bins."""
    count = len(each[0])
    bins = np.linspace(*limits, int(np.clip(1.5 * np.sqrt(count), 8, 40)) + 1)
    data, draws = (np.histogram(x[~np.isnan(x)], bins)[0] / max(len(x), 1) for x in each)
    axes.stairs(data, bins, fill=True, color=COLOURS[0], alpha=0.35)
    axes.stairs(draws, bins, color=COLOURS[1], linewidth=1.5)
    axes.set_yticks([])


def _scatter(axes: Axes, points: np.ndarray, colour: str) -> None:
    size = np.clip(2000 / max(len(points), 1), 2, 12)
    alpha = np.clip(200 / max(len(points), 1), 0.25, 0.8)
    options = {"alpha": alpha, "color": colour, "linewidths": 0, "rasterized": True}
    axes.scatter(points[:, 0], points[:, 1], size, **options)


def _label(axes: Axes, names: Sequence[str], i: int, j: int) -> None:
    """Names and numbers at the left and lower edges only."""
    axes.locator_params(axis="x", nbins=3)
    if i != j:
        axes.locator_params(axis="y", nbins=3)
    axes.spines[["top", "right"]].set_visible(i != j)
    axes.tick_params(labelsize=7, length=0)
    for axis in (axes.xaxis, axes.yaxis):
        axis.get_offset_text().set_fontsize(7)
    if i == len(names) - 1:
        axes.set_xlabel(_short(names[j]), fontsize=9)
        axes.tick_params(axis="x", length=3)
    else:
        axes.set_xticklabels([])
    if j == 0:
        axes.set_ylabel(_short(names[i]), fontsize=9)
        axes.tick_params(axis="y", length=3)
    else:
        axes.set_yticklabels([])


def _short(name):
    return name if len(name) <= 20 else f"{name[:19]}\N{HORIZONTAL ELLIPSIS}"
