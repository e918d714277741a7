"""Questions to a table model: probabilities of the values of a column, and odd cells."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from tfar import kinds
from tfar.tables import numeric
from tfar.tables.answers import columns_of
from tfar.tables.codec import to_array, to_frame
from tfar.tables.entries import named

if TYPE_CHECKING:
    from tfar.models import AutoregressiveModel

MOST = 1000  # values of a column of which each gets a probability
AT_ONCE = 2**24  # codes that are scored at once


def predict_proba(model: AutoregressiveModel, frame: pd.DataFrame, column: str) -> pd.DataFrame:
    """p(column = v | what is given of the other columns), for every value v, of each row.

    It is p(v, o) / sum_w p(w, o), with o the given entries of the row: other missing entries are
    integrated out, exactly (`log_prob` is the marginal). Each row's probabilities add up to 1.

    Args:
      model: a table model.
      frame: N rows. It may lack the column, or hold anything in it, which is not looked at.
      column: the name of a column whose values have masses: categories, or integers or times of
        at most 1,000 values.

    Returns:
      float64 [N, V], with the index of the frame, and a column for each value.

    Raises:
      ValueError: if it is not a table model, there is no such column, it has a density or more
        values, or the frame has other columns or invalid entries.

    >>> frame = pd.DataFrame({"side": ["left"] * 30 + ["right"] * 10, "x": [0.1, 0.2] * 20})
    >>> model = tfar.fit_table(frame, family="orderless", hidden=(8,), epochs=2, verbose=0)
    >>> found = predict_proba(model, pd.DataFrame({"x": [0.1, None]}), "side")
    >>> found.columns.tolist(), np.allclose(found.sum(axis=1), 1)
    (['left', 'right'], True)
    """
    columns, frame = columns_of(model), named(frame)
    names, column = [one["name"] for one in columns], str(column)
    if column not in names:
        raise ValueError(f"The model has no column {column!r}, only {names}.")
    site = names.index(column)
    codes, labels = _values(columns[site])
    x = to_array(columns, frame.assign(**{column: np.nan}))
    found = np.zeros([len(x), len(codes)])
    step = max(1, AT_ONCE // (len(codes) * len(columns)))
    for first in range(0, len(x), step):
        rows = np.repeat(x[first : first + step], len(codes), axis=0)
        rows[:, site] = np.tile(codes, len(rows) // len(codes))
        found[first : first + step] = kinds.of(model).log_prob(rows).reshape(-1, len(codes))
    found = np.exp(found - found.max(axis=1, keepdims=True))
    found /= found.sum(axis=1, keepdims=True)
    return pd.DataFrame(found, index=frame.index, columns=pd.Index(labels, name=column))


def _values(column):
    """The codes of all values of a column, float32 [V], and the values."""
    if "categories" in column:
        count = len(column["categories"])
    elif "levels" in column:
        count = column["levels"]
    else:
        raise ValueError(
            f"The column {column['name']!r} is {column.get('kind', 'real')}: its values have a "
            "density and no probabilities. Use tfar.tables.quantiles or tfar.tables.draws."
        )
    if count > MOST:
        raise ValueError(
            f"Expected a column of at most {MOST:,} values, and {column['name']!r} has {count:,}: "
            "use tfar.tables.quantiles or tfar.tables.draws."
        )
    codes = np.arange(count, dtype=np.float32)
    if "categories" in column:
        return codes, column["categories"]
    return codes, to_frame([column], codes[:, None])[column["name"]].to_list()


def surprise(model: AutoregressiveModel, frame: pd.DataFrame) -> pd.DataFrame:
    """-log p(entry | the other given entries of its row), nats, of every cell.

    A high one is odd in its row: a typing error, or a category that does not fit. It is
    `tfar.anomaly.cells` for data frames, in the units of the data: of densities it may be negative,
    and is comparable within a column, not between them.

    Returns:
      float64 [N, n], of the model's columns with the index of the frame; NaN where one is missing,
      and inf where a column does not take it, as in `log_prob`.

    Raises:
      ValueError: if it is not a table model of all orders, or the frame has other columns or
        invalid entries.

    >>> frame = pd.DataFrame({"x": np.linspace(0.0, 1.0, 40), "y": np.linspace(1.0, 0.0, 40)})
    >>> frame.loc[7, "y"] = 0.1
    >>> int(surprise(tfar.fit_table(frame), frame).y.argmax())
    7
    """
    from tfar import anomaly

    columns, frame = columns_of(model), named(frame)
    x = to_array(columns, frame, outside=True)
    nats = anomaly.cells(model, x).astype(np.float64)
    nats -= np.stack([numeric.log_units(c, x[:, i]) for i, c in enumerate(columns)], axis=1)
    nats[np.isnan(x)] = np.nan
    return pd.DataFrame(nats, index=frame.index, columns=[column["name"] for column in columns])
