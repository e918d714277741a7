"""A joint distribution fitted to a table, in one call."""

from __future__ import annotations

import dataclasses
import os
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from tfar import arguments, heads
from tfar.tables.codec import to_array
from tfar.tables.columns import describe, read_csv
from tfar.training import recipes

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tfar.models import OrderlessNADE
    from tfar.typing import Path


def fit_table(
    data: pd.DataFrame | Path,
    *,
    categorical: Sequence[str] = (),
    hidden: Sequence[int] = (256, 256),
    components: int = 10,
    dropout: float = 0.3,
    noise: float = 0.0,
    num_orders: int = 8,
    epochs: int = 300,
    batch_size: int = 50,
    learning_rate: float = 2e-3,
    validation: float = 0.1,
    patience: int = 50,
    validate_every: int = 1,
    seed: int = 0,
    folder: Path | None = None,
    verbose: int | str = "auto",
) -> OrderlessNADE:
    """Fits a joint distribution to a table, in one call: order-agnostic NADE over mixed columns.

    Real columns are modelled by mixtures of logistics, all others are categorical. The held-out
    rows of ``validation`` select the weights and the time to stop. ``model.joint(observed=...)``,
    `log_prob`, `sample` and `complete` then handle any columns given any others.

    Args:
      data: a data frame, or the path of a CSV file.
      categorical: names of columns that are categorical, see `kinds`.
      hidden: units of hidden layers.
      components: components of the mixtures.
      dropout: rate for hidden units.
      noise: in standard deviations of a column, of the Gaussian noise that is added to real columns
        in training: the density is learnt as smooth as that, which rounded columns need where odd
        rows are looked for (Rothfuss et al. 2019). Densities are then those of noisy data.
      num_orders: how many random orders of the columns; the model is their mixture.
      epochs, batch_size, learning_rate: as in Keras, with a warm-up and a cosine decay.
      validation: fraction of the rows that are held out.
      patience: epochs without a better validation NLL after which training stops.
      validate_every: epochs from one validation to the next. One takes as many passes as there are
        columns, which is most of the time of small tables.
      seed: the seed of everything random.
      folder: the folder of the run, which resumes where it stopped, if the table is the same; by
        default a temporary one.
      verbose: as in `tfar.training.train`.

    Returns:
      `tfar.models.OrderlessNADE`, of events [n], with a `tfar.heads.Table`.

    Raises:
      ValueError: if an argument is invalid, there are fewer than ten rows or no columns, or an
        entry is invalid, see `describe`; or as in `tfar.training.train`.
      OSError: if the table cannot be read, or the folder cannot be written.

    #### References
    B. Uria, I. Murray, H. Larochelle. A Deep and Tractable Density Estimator. ICML 2014.
    J. Rothfuss et al. Noise Regularization for Conditional Density Estimation. arXiv:1907.08982,
    2019.
    """
    from tfar import models, training

    if not isinstance(data, pd.DataFrame | str | os.PathLike):
        raise ValueError(
            "Expected data to be a data frame (pandas.DataFrame makes one) or the path of a CSV "
            f"file, got {data!r:.200}."
        )
    hidden = arguments.integers("hidden", hidden, least=1)
    components = arguments.integer("components", components, least=1)
    dropout = arguments.number("dropout", dropout, least=0, below=1)
    num_orders = arguments.integer("num_orders", num_orders, least=1)
    validation = arguments.number("validation", validation, above=0, below=1)

    def model(x):
        head = heads.Table(columns, components)
        return models.OrderlessNADE(
            [len(columns)], hidden, head=head, order=order, dropout=dropout, seed=seed
        )

    recipe = recipes.Recipe(  # which checks the other arguments
        name="table",
        summary="A table.",
        dataset="table",
        model=model,
        paper={"none": "a table of one's own"},
        epochs=epochs,
        batch_size=batch_size,
        learning_rate=learning_rate,
        clip_norm=1.0,
        ema=0.99,
        patience=patience,
        validate_every=validate_every,
        seed=seed,
        noise=noise,
    )
    frame = data if isinstance(data, pd.DataFrame) else read_csv(data)
    if len(frame) < 10 or not len(frame.columns):
        raise ValueError(f"Expected at least ten rows and a column, got a table of {frame.shape}.")
    columns = describe(frame, categorical)
    x = to_array(columns, frame)
    x = x[np.random.RandomState(seed).permutation(len(x))]
    held_out = min(max(1, round(validation * len(x))), len(x) - 1)
    splits = {"validation": x[:held_out], "train": x[held_out:]}
    order = np.random.RandomState(seed).permutation(len(columns))
    recipe = dataclasses.replace(recipe, batch_size=min(recipe.batch_size, len(splits["train"])))
    best = training.train(recipe, folder, data=splits, verbose=verbose)
    rng = np.random.RandomState(seed)
    drawn = [rng.permutation(len(columns)) for _ in range(num_orders)]
    return best.of_order(np.unique(drawn, axis=0))  # two columns have only two orders
