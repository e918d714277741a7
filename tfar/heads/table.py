"""The head for rows of a table, whose columns are described and whose entries may be missing."""

from collections.abc import Sequence
from typing import Any, Self

import keras
import numpy as np
import tensorflow as tf

from tfar.arguments import choice, integer, items, number
from tfar.heads.atoms import Atoms
from tfar.heads.base import Head
from tfar.heads.columns import Columns
from tfar.heads.discrete import Bernoulli, Categorical
from tfar.heads.integers import Integers
from tfar.heads.real import GaussianMixture, LogisticMixture

FAMILIES = {"logistic": LogisticMixture, "gaussian": GaussianMixture}


@keras.saving.register_keras_serializable(package="tfar")
class Table(Columns):
    """`Columns` of a table, whose descriptions are saved with the model, see `tfar.tables`.

    Events are rows of codes, float32, NaN where an entry is missing: `tfar.tables.to_array` makes
    them from a data frame, and `to_frame` gives it back. Categories have a `Categorical` head, or
    `Bernoulli` for two; integers have `Integers`, with codes from 0; a column of reals has a
    mixture in standardised units; and both have `Atoms` of frequent values.

    Args:
      columns: what `tfar.tables.describe` gives: a list of dicts with a "name" and "categories",
        "levels" (of integers), or neither (real). Integers and reals also have "mean" and "std",
        and may have "atoms", codes; integers with atoms also the "span" of the others' codes;
        a column without a "kind" is one of an older version, whose real codes are standardised too.
      num_components: of each mixture.
      family: of the mixtures of reals, "logistic" for `LogisticMixture` or "gaussian" for
        `GaussianMixture`.
      own_sizes: as in `Columns`.

    >>> Table([{"name": "side", "categories": ["left", "right"]}, {"name": "x", "mean": 3.0,
    ...     "std": 2.0}]).heads
    [Bernoulli(centered=False), LogisticMixture(num_components=10, equal_weights=False, mean=0.0,
    std=1.0)]
    """

    def __init__(
        self,
        columns: Sequence[dict[str, Any]],
        num_components: int = 10,
        *,
        family: str = "logistic",
        own_sizes: bool = True,
    ) -> None:
        what = "a list of at least one dict, each with a name and categories, levels, or a mean"
        self.columns = [dict(column) for column in items("columns", columns, what, _is_column)]
        self.num_components = integer("num_components", num_components, least=1)
        self.family = choice("family", family, tuple(FAMILIES))
        for column in self.columns:
            if "mean" in column:
                number(f"the mean of {column['name']!r}", column["mean"])
                number(f"the std of {column['name']!r}", column["std"], above=0)
        super().__init__([self._head(column) for column in self.columns], own_sizes=own_sizes)

    def _head(self, column) -> Head:
        if "categories" in column:
            count = max(len(column["categories"]), 2)  # of one: also "any other", which is no code
            return Bernoulli() if count == 2 else Categorical(count)
        if "levels" in column:
            mean, std = column["mean"], column["std"]
            levels = column.get("span", column["levels"])  # without atoms that follow these
            others: Head = Integers(self.num_components, levels, mean=mean, std=std)
        else:
            others = FAMILIES[self.family](self.num_components)
        return Atoms(others, column["atoms"]) if column.get("atoms") else others

    def missing(self, x: tf.Tensor) -> tf.Tensor:
        return tf.math.is_nan(x) if x.dtype.is_floating else tf.zeros_like(x, tf.bool)

    def encode(self, x: tf.Tensor, dtype: tf.DType = tf.float32) -> tf.Tensor:
        """As in `Columns`; a missing entry is NaN, then zeros."""
        absent = self.missing(x)
        codes = super().encode(tf.where(absent, tf.zeros_like(x), x), dtype)
        mark = tf.one_hot(0, self.num_inputs, on_value=np.nan, off_value=0.0, dtype=dtype)
        return tf.where(absent[..., None], mark, codes)

    def in_support(self, x: tf.Tensor) -> tf.Tensor:
        absent = self.missing(x)
        return super().in_support(tf.where(absent, tf.zeros_like(x), x)) | absent

    def log_prob(self, params: tf.Tensor, x: tf.Tensor) -> tf.Tensor:
        """As in `Head`; 0 of a missing entry, and -inf of one that a column does not take."""
        absent = self.missing(x)
        there = self.in_support(x) & ~absent  # distributions fail at other values
        found = super().log_prob(params, tf.where(there, x, tf.zeros_like(x)))
        return tf.where(there, found, tf.where(absent, 0.0, -np.inf))

    def marginal(self, x: np.ndarray) -> np.ndarray:
        """As in `Head`, of the entries that are there; of none, as if one had the code 0."""
        rows = []
        for i, head in enumerate(self.heads):
            there = x[~np.isnan(x[:, i]), i : i + 1]
            params = head.marginal(there if len(there) else np.zeros([1, 1], x.dtype))
            rows.append(np.pad(params, ((0, 0), (0, self.num_params - head.num_params))))
        return np.concatenate(rows)

    def get_config(self) -> dict[str, Any]:
        config = {
            "columns": self.columns,
            "num_components": self.num_components,
            "own_sizes": self.own_sizes,
        }
        return config if self.family == "logistic" else {**config, "family": self.family}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Self:
        return cls(**{"own_sizes": False, **config})

    def __repr__(self) -> str:
        names = [column["name"] for column in self.columns]
        family = "" if self.family == "logistic" else f", family={self.family!r}"
        return f"Table({names}, {self.num_components}{family})"


def _is_column(column):
    if not isinstance(column, dict) or "name" not in column:
        return False
    if "categories" in column:
        return isinstance(column["categories"], list | tuple) and len(column["categories"]) > 0
    return {"mean", "std"} <= set(column)
