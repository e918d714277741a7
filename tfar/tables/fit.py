"""A joint distribution fitted to a table, in one call."""

from __future__ import annotations

import dataclasses
import math
import os
import time
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pandas as pd

from tfar import arguments, heads
from tfar.tables import gaussians
from tfar.tables.codec import log_units, to_array
from tfar.tables.columns import describe
from tfar.tables.reading import SAID, read_csv
from tfar.training import recipes

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tfar.models import AutoregressiveModel
    from tfar.typing import Path

NETWORKS = {"any": "orderless", "prefix": "made"}  # by the questions that the model must answer
HIDDEN = {"orderless": (256, 256), "made": (500,)}
FAMILIES = "auto", "gaussians", *NETWORKS.values()
LEAST_ROWS = 10
FEW = 1000  # rows, below which all of them are for mixtures of Gaussians
SHARE = 1 / 3  # of the budget that these take where a network is tried too
REST = 0.9  # of the time that is then left, for training the network; the rest is for its figures
HELD_OUT = 2000  # rows, at most
VALIDATED = 200, 20_000  # rows, and entries, that choose the epoch, whichever are more rows
AT_ONCE = 64  # steps that are executed at once, at most: they take milliseconds


class Fitted(NamedTuple):
    """A model, and how well it does on rows that it was not fitted to.

    Attributes:
      model: a `tfar.models.GMM`, `OrderlessNADE` or `MADE`, of events [n], with a
        `tfar.heads.Table`.
      family: "gaussians", "orderless" or "made".
      held_out: float64 [M], log p of held-out rows in nats and in the units of the data. Mixtures
        of Gaussians of fewer than 1,000 rows are cross-validated, with all rows in turn.
    """

    model: AutoregressiveModel
    family: str
    held_out: np.ndarray


def fit_table(data: pd.DataFrame | Path, **options: Any) -> AutoregressiveModel:
    """Fits a joint distribution to a table, in one call: p of any columns given any others.

    `log_prob`, `sample` and `complete` of `tfar.tables` then answer questions in the data's own
    units. See `fit` for the arguments, and for what is raised.

    >>> frame = pd.DataFrame({"x": np.linspace(0.0, 1.0, 40), "y": np.linspace(1.0, 0.0, 40) ** 2})
    >>> type(fit_table(frame)).__name__
    'GMM'
    """
    return fit(data, **options).model


def fit(
    data: pd.DataFrame | Path,
    *,
    categorical: Sequence[str] = (),
    kinds: Mapping[str, str] | None = None,
    rare: int = 0,
    questions: str = "any",
    family: str = "auto",
    budget: str | float | None = 60.0,
    hidden: Sequence[int] | None = None,
    components: int | None = None,
    dropout: float = 0.0,
    noise: float = 0.0,
    num_orders: int = 8,
    epochs: int | None = None,
    batch_size: int = 50,
    learning_rate: float = 2e-3,
    validation: float = 0.1,
    patience: int | None = None,
    validate_every: int | None = None,
    seed: int = 0,
    precision: str = "float32",
    folder: Path | None = None,
    verbose: int | str = "auto",
) -> Fitted:
    """As `fit_table`, with the figures of held-out rows.

    Two families are tried, and held-out rows decide between them:

    * "gaussians", a stack of mixtures of Gaussians (with categories), see
      `tfar.tables.gaussians`: for tables of real and categorical columns. Tables
      of fewer than 1,000 rows get it at once; larger ones without a real column, or with missing
      entries, get the other at once.
    * "orderless", an order-agnostic NADE: for all kinds of columns, and with missing entries, which
      count neither in training nor in the validation. Or, if every question is about columns given
      those to their left, "made", a MADE: one order is easier to learn than all.

    Args:
      data: a data frame, or the path of a file, see `read`.
      categorical: names of columns that are categorical, see `tfar.tables.kinds`.
      kinds: what other columns are taken as, by name: "real", "integer", "time", "categorical" or
        "left out".
      rare: makes one category, "(other)", of those in fewer rows than this, in columns of words;
        words that are not in the table belong to it too. By default each is a category, and others
        have no probability.
      questions: what the model is for: "any", columns given any others; or "prefix", log p of whole
        rows, samples, and columns given those before them in the table.
      family: "gaussians", "orderless" or "made", or "auto" for the better one that answers the
        questions.
      budget: the time that fitting takes, about, in seconds or as in "90s" or "1h30m"; None for
        300 epochs of a network, and all mixtures.
      hidden: of a network, the units of its hidden layers; by default two of 256, and of a MADE one
        of 500.
      components: of the mixtures of numbers; by default 3, and 10 for 1,000 rows or more.
      dropout: the rate, in a network.
      noise: standard deviation, in those of a column, of noise that is added to reals in training
        of a network: densities are learnt as smooth as that (Rothfuss et al. 2019).
      num_orders: how many random orders an orderless model is the mixture of.
      epochs: of a network; by default as many as the budget allows, and at most 300.
      batch_size, learning_rate: of a network, the rows of a step and the peak of the rate.
      patience: epochs without a better validation after which training of a network stops; by
        default 0.3 of them.
      validate_every: epochs from one validation to the next.
      validation: fraction of the rows that are held out, at most 2,000 of them.
      seed: the seed of everything random.
      precision: "float32", "bfloat16" or "float16", of the arithmetic of a network.
      folder: the folder of the run of a network, which resumes where it stopped, if the table is
        the same; by default a temporary one.
      verbose: as in `tfar.training.train`.

    Raises:
      ValueError: if an argument is invalid, there are fewer than ten rows or no columns, an entry
        is invalid, see `describe`, "gaussians" do not fit the columns, or a "made" has rows with
        missing entries; or as in `tfar.training.train`.
      OSError: if the table cannot be read, or the folder cannot be written.

    #### References
    M. Germain, K. Gregor, I. Murray, H. Larochelle. MADE: Masked Autoencoder for Distribution
    Estimation. ICML 2015.
    B. Uria, I. Murray, H. Larochelle. A Deep and Tractable Density Estimator. ICML 2014.
    J. Rothfuss et al. Noise Regularization for Conditional Density Estimation. arXiv:1907.08982,
    2019.
    """
    from tfar.training import budget as times

    start = time.monotonic()
    if not isinstance(data, pd.DataFrame | str | os.PathLike):
        raise ValueError(
            "Expected data to be a data frame (pandas.DataFrame makes one) or the path of a CSV "
            f"file, got {data!r:.200}."
        )
    questions = arguments.choice("questions", questions, tuple(NETWORKS))
    family = arguments.choice("family", family, FAMILIES)
    budget = None if budget is None else times.seconds(budget)
    validation = arguments.number("validation", validation, above=0, below=1)
    num_orders = arguments.integer("num_orders", num_orders, least=1)
    seed = arguments.integer("seed", seed, least=0, most=2**32 - 1)
    policy = recipes.POLICIES[arguments.choice("precision", precision, tuple(recipes.POLICIES))]
    folder = None if folder is None else arguments.path("folder", folder)
    arguments.choice("verbose", verbose, ("auto", 0, 1, 2, False, True))
    network = _Network(
        family=family if family in NETWORKS.values() else NETWORKS[questions],
        hidden=None if hidden is None else tuple(arguments.integers("hidden", hidden, least=1)),
        components=components,
        dropout=dropout,
        epochs=epochs,
        patience=patience,
        validate_every=validate_every,
        options={
            "batch_size": batch_size,
            "learning_rate": learning_rate,
            "noise": noise,
            "precision": policy,
        },
        seed=seed,
    )
    frame = data if isinstance(data, pd.DataFrame) else read_csv(data)
    if len(frame) < LEAST_ROWS or not len(frame.columns):
        raise ValueError(f"Expected at least ten rows and a column, got a table of {frame.shape}.")
    columns = _described(frame, categorical, kinds, rare)
    x = to_array(columns, frame)
    x = x[np.random.RandomState(seed).permutation(len(x))]
    recipe = network._recipe(columns, len(x))  # which checks the other arguments
    fit_gaussians = gaussians.fits(columns)
    if family == "gaussians" and not fit_gaussians:
        raise ValueError(
            "Mixtures of Gaussians take real and categorical columns without frequent values: use "
            'family="orderless".'
        )
    if family == "gaussians" or (family == "auto" and fit_gaussians and len(x) < FEW):
        deadline = math.inf if budget is None else start + 0.8 * budget
        rows = gaussians.rows_of(columns, x)
        mixture, left_out, used = gaussians.stacked(rows, seed, deadline)
        held_out = left_out + log_units(columns, x[used])
        return Fitted(gaussians.model_of(mixture, columns), "gaussians", held_out)
    if network.family == "made" and np.isnan(x).any():
        raise ValueError(
            "Rows with missing entries are given to models of all orders: leave out family='made' "
            "and questions='prefix', or the rows or columns that lack entries."
        )
    count = min(max(1, round(validation * len(x))), len(x) - 1, HELD_OUT)
    held, kept = x[:count], x[count:]
    units, other = log_units(columns, held), None
    tried = family == "auto" and fit_gaussians and not np.isnan(x).any()
    if tried and gaussians.real_columns(columns):
        deadline = math.inf if budget is None else start + SHARE * budget
        mixture, *_ = gaussians.stacked(gaussians.rows_of(columns, kept), seed, deadline)
        other = mixture.log_prob(gaussians.rows_of(columns, held)) + units
    limit = None if budget is None else max(REST * (start + budget - time.monotonic()), 1.0)
    some = held[: max(VALIDATED[0], VALIDATED[1] // len(columns))]
    best = network._trained(recipe, {"train": kept, "validation": some}, folder, limit, verbose)
    if network.family == "orderless":
        rng = np.random.RandomState(seed)
        drawn = [rng.permutation(len(columns)) for _ in range(num_orders)]
        best = best.of_order(np.unique(drawn, axis=0))  # two columns have only two orders
    own = best.predict(held, batch_size=500, verbose=0).astype(np.float64) + units
    if other is not None and other.mean() > own.mean():
        return Fitted(gaussians.model_of(mixture, columns), "gaussians", other)
    return Fitted(best, network.family, own)


def _described(frame, categorical, kinds, rare):
    columns = describe(frame, categorical, given=kinds, rare=rare)
    names = {column["name"] for column in columns}
    left_out = [str(name) for name in frame.columns if str(name) not in names]
    if left_out:
        columns[0]["left_out"] = left_out  # which `to_array` passes over
    if frame.attrs.get(SAID):
        columns[0]["read"] = frame.attrs[SAID]  # for other files like this one
    return columns


@dataclasses.dataclass(frozen=True, kw_only=True)
class _Network:
    """How a network is trained; what is None depends on the rows and on the budget."""

    family: str
    hidden: tuple[int, ...] | None
    components: int | None
    dropout: float
    epochs: int | None
    patience: int | None
    validate_every: int | None
    options: dict[str, Any]
    seed: int

    def _recipe(self, columns, count):
        """The recipe for a table of so many rows, of 300 epochs if none are given."""
        from tfar import models

        components = (3 if count < FEW else 10) if self.components is None else self.components
        components = arguments.integer("components", components, least=1)
        dropout = arguments.number("dropout", self.dropout, least=0, below=1)
        order = np.random.RandomState(self.seed).permutation(len(columns))

        hidden = HIDDEN[self.family] if self.hidden is None else self.hidden

        def model(x):
            head = heads.Table(columns, components)
            options = {"head": head, "dropout": dropout, "activation": "silu", "seed": self.seed}
            if self.family == "made":
                return models.MADE([len(columns)], hidden, **options)
            return models.OrderlessNADE([len(columns)], hidden, order=order, **options)

        recipe = recipes.Recipe(
            name="table",
            summary="A table.",
            dataset="table",
            model=model,
            paper={"none": "a table of one's own"},
            clip_norm=1.0,
            ema=0.99,
            seed=self.seed,
            **self._lasting(300 if self.epochs is None else self.epochs),
            **self.options,
        )
        return dataclasses.replace(recipe, batch_size=min(recipe.batch_size, max(count // 2, 1)))

    def _lasting(self, epochs):
        patience, every = self.patience, self.validate_every
        number = epochs if isinstance(epochs, int) else 1  # the recipe refuses others
        return {
            "epochs": epochs,
            "patience": math.ceil(0.3 * number) if patience is None else patience,
            "validate_every": math.ceil(number / 20) if every is None else every,
        }

    def _trained(self, recipe, splits, folder, limit, verbose):
        """The model, after as many epochs as fit into the limit, in seconds, if none are given."""
        from tfar.training import budget, loop

        size = min(recipe.batch_size, len(splits["train"]))
        steps = len(splits["train"]) // size
        at_once = [k for k in range(1, AT_ONCE + 1) if steps % k <= steps / 50 and k <= steps]
        recipe = dataclasses.replace(recipe, batch_size=size, steps_per_execution=max(at_once))
        if self.epochs is None and limit is not None:

            def lasting(epochs):
                return dataclasses.replace(recipe, **self._lasting(epochs))

            say = (lambda sentence: None) if verbose == 0 else None
            recipe = budget.chosen({"table": lasting}, splits, limit, folder=folder, say=say)
        return loop.train(recipe, folder, data=splits, verbose=verbose)
