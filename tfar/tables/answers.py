"""Queries of a table model: log-likelihoods, samples, and missing entries."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from tfar import arguments, kinds
from tfar.tables.codec import to_array, to_frame

if TYPE_CHECKING:
    from typing import Any

    import pandas as pd

    from tfar.models import AutoregressiveModel
    from tfar.typing import Seed


def is_table(model: Any) -> bool:
    """Whether a model is a table model."""
    return kinds.Tables.fits(model)


def log_prob(model: AutoregressiveModel, frame: pd.DataFrame) -> np.ndarray:
    """log p of each row of a data frame [N], nats, in the units of the data.

    Raises:
      ValueError: if it is not a table model, or the frame has other columns or invalid entries.
    """
    x = to_array(_columns(model), frame)
    return model.predict(x, batch_size=1000, verbose=0)


def sample(model: AutoregressiveModel, n: int, *, seed: Seed = None, **policy: Any) -> pd.DataFrame:
    """A data frame of ``n`` rows drawn from a model; ``policy`` as in ``joint().sample``.

    Raises:
      ValueError: if it is not a table model, or ``n`` is not a number of rows.
    """
    columns, n = _columns(model), arguments.integer("n", n, least=1)
    return to_frame(columns, model.joint().sample(n, seed=seed, **policy).numpy())


def complete(model: AutoregressiveModel, frame: pd.DataFrame, *, seed: Seed = None) -> pd.DataFrame:
    """The data frame, with its missing entries drawn given the other entries of their rows.

    Args:
      model: a table model.
      frame: a data frame; entries that are NaN or None are drawn.
      seed: as in ``joint().sample``.

    Raises:
      ValueError: if it is not a table model, or the frame has other columns or invalid entries.
    """
    from tfar import randomness

    columns = _columns(model)
    x = to_array(columns, frame, missing=True)
    patterns, group = np.unique(~np.isnan(x), axis=0, return_inverse=True)
    seed = randomness.stateless_seed(seed)
    for number, observed in enumerate(patterns):
        rows = group.ravel() == number
        joint = model.joint(observed=observed)
        x[rows] = joint.sample(seed=randomness.derived(seed, number), value=x[rows]).numpy()
    completed = to_frame(columns, x)
    completed.index = frame.index
    return completed


def _columns(model):
    if not is_table(model):
        kind = f"one with the head {model.head}" if hasattr(model, "head") else f"{model!r:.200}"
        raise ValueError(
            f"Expected a model of a table, as fit_table makes one, got {kind}. For other models "
            "use log_prob, joint().sample and joint().sample(value=...)."
        )
    return model.head.columns
