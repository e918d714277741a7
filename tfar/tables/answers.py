"""Queries of a table model: log-likelihoods, samples, and missing entries."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from tfar import arguments, kinds
from tfar.tables.codec import cast, to_array, to_frame
from tfar.tables.entries import named

if TYPE_CHECKING:
    from typing import Any

    import pandas as pd

    from tfar.models import AutoregressiveModel
    from tfar.typing import Seed

ROWS = 500  # that are completed at once


def is_table(model: Any) -> bool:
    """Whether a model is a table model."""
    return kinds.Tables.fits(model)


def log_prob(model: AutoregressiveModel, frame: pd.DataFrame) -> np.ndarray:
    """log p of each row of a data frame, float64 [N] nats, in the units of the data.

    It is the sum of log-probabilities, of categories, integers and atoms, and of log-densities, of
    other reals. Of a row with missing entries it is that of the others, the marginal. Of a row with
    a category that was not in the training data, or an integer or a time out of their range, it is
    -inf, with a warning that names the first.

    Raises:
      ValueError: if it is not a table model, or the frame has other columns or invalid entries.
    """
    x = to_array(columns_of(model), frame, outside=True)
    return kinds.of(model).log_prob(x)


def sample(model: AutoregressiveModel, n: int, *, seed: Seed = None, **policy: Any) -> pd.DataFrame:
    """A data frame of ``n`` rows drawn from a model; ``policy`` as in ``joint().sample``.

    Raises:
      ValueError: if it is not a table model, or ``n`` is not a number of rows.
    """
    columns, n = columns_of(model), arguments.integer("n", n, least=1)
    return to_frame(columns, model.joint().sample(n, seed=seed, **policy).numpy())


def complete(model: AutoregressiveModel, frame: pd.DataFrame, *, seed: Seed = None) -> pd.DataFrame:
    """The data frame, with its missing entries drawn given the other entries of their rows.

    Entries that are given, and columns that the model leaves out, are untouched. Each row may lack
    others: all are drawn in one run of the sampling loop. A given entry that its column does not
    take, such as a category that was not in the training data, tells nothing about the others: it
    counts as missing, with a warning.

    Args:
      model: a table model.
      frame: a data frame; entries that are NaN or None are drawn.
      seed: as in ``joint().sample``.

    Raises:
      ValueError: if it is not a table model, or the frame has other columns or invalid entries.
    """
    columns = columns_of(model)
    frame = named(frame)
    x = to_array(columns, frame, outside=True)
    x[kinds.of(model).outside(x)] = np.nan
    drawn = filled(model, x, seed=seed)
    completed, found = frame.copy(), to_frame(columns, drawn)
    found.index = frame.index
    for column in columns:
        name = column["name"]
        missing = frame[name].isna()
        if missing.all():
            completed[name] = found[name]
        elif missing.any():
            entries = frame[name].astype(object).where(~missing, found[name].astype(object))
            completed[name] = cast(column, entries.infer_objects())
    return completed


def filled(model: AutoregressiveModel, x: np.ndarray, *, seed: Seed = None) -> np.ndarray:
    """Rows of codes [N, n] of a table model, with those that are NaN drawn given their rows."""
    from tfar import randomness

    joint = model.joint(member=0) if model.members > 1 else model.joint()
    seed = randomness.stateless_seed(seed)
    drawn = x.copy()
    lacking = np.flatnonzero(np.isnan(x).any(axis=1))
    for number, first in enumerate(range(0, len(lacking), ROWS)):
        rows = lacking[first : first + ROWS]
        own = randomness.derived(seed, number)
        drawn[rows] = joint.sample(seed=own, value=x[rows]).numpy()
    return drawn


def columns_of(model: Any) -> list[dict[str, Any]]:
    """What the columns of a table model hold, as `tfar.tables.describe` gives it.

    Raises:
      ValueError: if it is not a table model.
    """
    if not is_table(model):
        kind = f"one with the head {model.head}" if hasattr(model, "head") else f"{model!r:.200}"
        raise ValueError(
            f"Expected a model of a table, as fit_table makes one, got {kind}. For other models "
            "use log_prob, joint().sample and joint().sample(value=...)."
        )
    return model.head.columns
