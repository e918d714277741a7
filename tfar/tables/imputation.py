"""Missing entries of a table: many draws of them, one guess, or intervals."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from tfar import arguments
from tfar.tables import numeric, times
from tfar.tables.answers import columns_of, complete, filled
from tfar.tables.codec import cast, to_array
from tfar.tables.entries import named

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from typing import Any

    from tfar.models import AutoregressiveModel
    from tfar.typing import Seed

AT_ONCE = 2**24  # codes of draws that are kept at once


def draws(
    model: AutoregressiveModel, frame: pd.DataFrame, n: int, *, seed: Seed = None
) -> pd.DataFrame:
    """``n`` completions of a data frame, one below the other, by one run of `complete`.

    They are multiple imputations: what is estimated from each of them varies as much as the missing
    entries leave open.

    Returns:
      [n N, ...]: as ``pd.concat`` of ``n`` frames, with the level "draw" before the index.
      ``found.loc[0]`` is the first completed frame, and ``found.groupby(level="draw")`` has all.

    Raises:
      ValueError: as in `complete`, or if ``n`` is not a number of draws.

    >>> frame = pd.DataFrame({"x": np.linspace(0.0, 1.0, 40), "y": np.linspace(1.0, 0.0, 40) ** 2})
    >>> found = draws(tfar.fit_table(frame), pd.DataFrame({"x": [0.5], "y": [None]}), 3, seed=1)
    >>> found.index.tolist(), found.x.tolist()
    ([(0, 0), (1, 0), (2, 0)], [0.5, 0.5, 0.5])
    """
    n = arguments.integer("n", n, least=1)
    columns_of(model)
    several = pd.concat([named(frame)] * n, keys=range(n), names=["draw"])
    return complete(model, several, seed=seed)


def impute(
    model: AutoregressiveModel, frame: pd.DataFrame, *, draws: int = 100, seed: Seed = None
) -> pd.DataFrame:
    """The data frame, with its missing entries replaced by the likeliest single guesses.

    Numbers are the mean of ``draws`` draws given the other entries of the row, which has the least
    squared error; they are floats for integers too. Times are rounded to their step, and categories
    are the most frequent ones (of several the first). A table of guesses varies less than data
    do: use `tfar.tables.draws` to estimate anything but means from it.

    Args:
      model: a table model.
      frame: N rows. Entries that are given, and columns that the model leaves out, are untouched.
      draws: of each row. The error of a mean is its standard deviation / sqrt(draws).
      seed: as in ``joint().sample``.

    Raises:
      ValueError: if it is not a table model, ``draws`` is not a number of draws, or the frame has
        other columns or invalid entries.

    >>> frame = pd.DataFrame({"x": np.linspace(0.0, 1.0, 40), "y": np.linspace(1.0, 0.0, 40)})
    >>> found = impute(tfar.fit_table(frame), pd.DataFrame({"x": [0.3], "y": [None]}), seed=1)
    >>> found.round(1).values.tolist()
    [[0.3, 0.7]]
    """
    columns, frame = columns_of(model), named(frame)
    draws = arguments.integer("draws", draws, least=1)
    x = to_array(columns, frame)
    guesses = [np.full(len(x), np.nan) for _ in columns]
    for rows, drawn in _drawn(model, x, draws, seed):
        for i, column in enumerate(columns):
            guesses[i][rows] = _guess(column, drawn[:, :, i])
    found = frame.copy()
    for i, column in enumerate(columns):
        missing = np.isnan(x[:, i])
        if missing.any():
            found[column["name"]] = _with(column, frame[column["name"]], missing, guesses[i])
    return found


def quantiles(
    model: AutoregressiveModel,
    frame: pd.DataFrame,
    q: float | Sequence[float],
    *,
    draws: int = 200,
    seed: Seed = None,
) -> pd.DataFrame:
    """Quantiles of missing numbers and times given the other entries of their rows.

    They are interpolated between order statistics of ``draws`` draws: number k of D is taken as the
    quantile k / (D + 1), by which an interval covers as often as it says, however few draws
    (Hyndman and Fan 1996, definition 6). Those of numpy's default are too narrow.

    Args:
      model: a table model.
      frame: N rows; of an entry that is given all quantiles are the entry.
      q: one or Q numbers between 0 and 1.
      draws: of each row.
      seed: as in ``joint().sample``.

    Returns:
      [Q N, m], of the m columns that are not categorical, in the units of the data; numbers are
      float64. The index has the level "quantile" before that of the frame: ``found.loc[0.1]`` and
      ``found.loc[0.9]`` are the ends of an interval of 80 %.

    Raises:
      ValueError: if it is not a table model, all of its columns are categorical, ``q`` is not
        between 0 and 1, or so near to one that the draws cannot tell it, or the frame has other
        columns or invalid entries.

    #### References
    R. Hyndman, Y. Fan. Sample Quantiles in Statistical Packages. American Statistician 50, 1996.

    >>> frame = pd.DataFrame({"x": np.linspace(0.0, 1.0, 40), "y": np.linspace(1.0, 0.0, 40)})
    >>> asked = pd.DataFrame({"x": [0.3], "y": [None]})
    >>> found = quantiles(tfar.fit_table(frame), asked, [0.1, 0.9], seed=1)
    >>> bool(found.loc[0.1].y[0] < 0.7 < found.loc[0.9].y[0])
    True
    """
    columns, frame = columns_of(model), named(frame)
    draws = arguments.integer("draws", draws, least=1)
    q = [arguments.number("q", one, above=0, below=1) for one in np.atleast_1d(q).tolist()]
    for one in q:
        if (draws + 1) * min(one, 1 - one) < 1 - 1e-9:
            raise ValueError(
                f"{draws} draws cannot tell a quantile of {one:g}: ask for at least "
                f"{int(np.ceil(1 / min(one, 1 - one) - 1 - 1e-9))} draws."
            )
    sites = [i for i, column in enumerate(columns) if "categories" not in column]
    if not sites:
        raise ValueError("All columns are categorical: use tfar.tables.predict_proba.")
    x = to_array(columns, frame)
    found = {i: np.full([len(q), len(x)], np.nan) for i in sites}
    for rows, drawn in _drawn(model, x, draws, seed):
        for i in sites:
            values = _numbers(columns[i], drawn[:, :, i])
            found[i][:, rows] = np.quantile(values, q, axis=1, method="weibull")
    parts = []
    for k in range(len(q)):
        part = {}
        for i in sites:
            name, missing = columns[i]["name"], np.isnan(x[:, i])
            part[name] = _with(columns[i], frame[name], missing, found[i][k])
        parts.append(pd.DataFrame(part, index=frame.index))
    return pd.concat(parts, keys=q, names=["quantile"])


def _drawn(
    model: AutoregressiveModel, x: np.ndarray, draws: int, seed: Seed
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """``(rows, codes [R, draws, n])`` of the rows that lack entries, as many as fit at once."""
    from tfar import randomness

    seed = randomness.stateless_seed(seed)
    lacking = np.flatnonzero(np.isnan(x).any(axis=1))
    step = max(1, AT_ONCE // (draws * x.shape[1]))
    for number, first in enumerate(range(0, len(lacking), step)):
        rows = lacking[first : first + step]
        own = randomness.derived(seed, number)
        yield (
            rows,
            filled(model, np.repeat(x[rows], draws, axis=0), seed=own).reshape(
                len(rows), draws, -1
            ),
        )


def _numbers(column, codes):
    """The numbers, or steps of times, of codes of any shape, float64."""
    return numeric.decode(column, codes.reshape(-1)).reshape(codes.shape)


def _guess(column, codes):
    """The mean of each row of codes [R, draws], or the code that is most frequent."""
    if "categories" not in column:
        return _numbers(column, codes).mean(axis=1)
    size = len(column["categories"])
    codes = np.minimum(codes.astype(int), size - 1)  # of one category: see `tfar.heads.Table`
    counts = np.bincount(
        (codes + size * np.arange(len(codes))[:, None]).ravel(), minlength=size * len(codes)
    )
    return counts.reshape(len(codes), size).argmax(axis=1)


def _with(
    column: dict[str, Any], values: pd.Series, missing: np.ndarray, found: np.ndarray
) -> pd.Series:
    """A column with the numbers, steps or codes ``found``, float64 [N], where one is missing."""
    found = np.where(missing, found, 0.0)
    if "categories" in column:
        new = pd.Series([column["categories"][int(code)] for code in found], dtype=object)
    elif column.get("kind") == "time":
        new = times.decode(column, found)
    else:
        own = pd.to_numeric(values).to_numpy(np.float64, na_value=np.nan)
        return pd.Series(np.where(missing, found, own), values.index)
    new.index = values.index
    if not missing.all():
        whole = values.astype(object).where(~missing, new.astype(object))
        new = whole.astype(values.dtype) if values.dtype.kind in "mM" else whole.infer_objects()
    return cast(column, new)
