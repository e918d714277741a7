"""Whether the spread of a table model's conditionals is right: ranks of entries among draws."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pandas as pd

from tfar import arguments
from tfar.tables.answers import columns_of, filled
from tfar.tables.codec import to_array
from tfar.tables.entries import named

if TYPE_CHECKING:
    from tfar.models import AutoregressiveModel
    from tfar.typing import Seed


class Calibration(NamedTuple):
    """Where the entries of a table lie in what a model says of them given their rows.

    Attributes:
      ranks: float64 [N, n] in (0, 1), with the index of the frame, NaN where an entry is missing.
        They are uniform if the model is right: a heap at both ends says that the model is too
        sure, one in the middle that it is not sure enough, one at 1 that entries are larger.
      columns: [n, 5], a row for each column: "count" of entries; the "mean" of the ranks, about
        0.5; "within_80", the fraction between 0.1 and 0.9, about 0.8; "statistic", the largest
        distance from a uniform distribution (Kolmogorov and Smirnov), and its "p_value".
    """

    ranks: pd.DataFrame
    columns: pd.DataFrame


def calibration(
    model: AutoregressiveModel, frame: pd.DataFrame, *, draws: int = 20, seed: Seed = None
) -> Calibration:
    """Ranks of all entries among draws of them given the other entries of their rows.

    Each entry x in turn is taken as missing and drawn D times. With v uniform in (0, 1),

        u = (#{draws < x} + v (1 + #{draws = x})) / (D + 1)

    is uniform if the model is right, for numbers, masses, atoms and (in the order of their codes)
    categories alike, and for any D; it is the randomised probability integral transform of D to
    infinity. The rows should be others than those that the model was fitted to. It takes D n draws
    of each row.

    Args:
      model: a table model.
      frame: N rows.
      draws: D, of each entry.
      seed: as in ``joint().sample``.

    Raises:
      ValueError: if it is not a table model, ``draws`` is not a number of draws, or the frame has
        other columns or invalid entries.

    #### References
    C. Czado, T. Gneiting, L. Held. Predictive Model Assessment for Count Data. Biometrics 65, 2009.
    S. Talts et al. Validating Bayesian Inference Algorithms with Simulation-Based Calibration.
    arXiv:1804.06788, 2018.

    >>> frame = pd.DataFrame({"x": np.linspace(0.0, 1.0, 40), "y": np.linspace(1.0, 0.0, 40) ** 2})
    >>> found = calibration(tfar.fit_table(frame), frame, seed=1)
    >>> found.ranks.shape, found.columns.index.tolist()
    ((40, 2), ['x', 'y'])
    """
    from tfar import randomness

    columns, frame = columns_of(model), named(frame)
    draws = arguments.integer("draws", draws, least=1)
    x, seed = to_array(columns, frame), randomness.stateless_seed(seed)
    ranks = np.full(x.shape, np.nan)
    for i in range(len(columns)):
        rows = np.flatnonzero(~np.isnan(x[:, i]))
        own, asked = x[rows, i, None], np.repeat(x[rows], draws, axis=0)
        asked[:, i] = np.nan
        drawn = filled(model, asked, seed=randomness.derived(seed, 2 * i))[:, i]
        drawn = drawn.reshape(len(rows), draws)
        v = randomness.uniforms(randomness.derived(seed, 2 * i + 1), 0, [len(rows)]).numpy()
        below, same = (drawn < own).sum(axis=1), (drawn == own).sum(axis=1)
        ranks[rows, i] = (below + v * (1 + same)) / (draws + 1)
    names = [column["name"] for column in columns]
    figures = pd.DataFrame([_figures(u[~np.isnan(u)]) for u in ranks.T], index=names)
    return Calibration(pd.DataFrame(ranks, index=frame.index, columns=names), figures)


def _figures(u):
    """The row of `Calibration.columns` of the ranks [M] of a column."""
    count = len(u)
    if not count:
        return {"count": 0, **dict.fromkeys(("mean", "within_80", "statistic", "p_value"), np.nan)}
    steps, sorted_u = np.arange(count + 1) / count, np.sort(u)
    distance = max((steps[1:] - sorted_u).max(), (sorted_u - steps[:-1]).max())
    return {
        "count": count,
        "mean": u.mean(),
        "within_80": ((u >= 0.1) & (u <= 0.9)).mean(),
        "statistic": distance,
        "p_value": _p_value(distance, count),
    }


def _p_value(distance, count):
    """Of Kolmogorov's statistic, by Stephens' (1970) correction of the limit for few numbers."""
    scaled = (np.sqrt(count) + 0.12 + 0.11 / np.sqrt(count)) * distance
    if scaled < 0.2:  # where the series converges slowly, to 1
        return 1.0
    k = np.arange(1, 101)
    return float(np.clip(2 * np.sum((-1.0) ** (k - 1) * np.exp(-2 * (k * scaled) ** 2)), 0, 1))
