"""The signatures of models of tables that take and give rows as words, as a CSV file has them."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import tensorflow as tf

from tfar.serving.signatures import SEED, TEMPERATURE, Functions, require
from tfar.tables import words

if TYPE_CHECKING:
    from tfar.models import AutoregressiveModel
    from tfar.serving.costs import Limits


class Rows:
    """What `log_prob`, `sample` and `complete` do with codes, with words; see `tfar.tables.words`.

    Rows are strings [B, n], the columns in the order of the model, "" where an entry is missing.
    Log-probabilities are float64 nats in the units of the data, as `tfar.tables.log_prob` has them.
    The model has no condition.
    """

    def __init__(self, model: AutoregressiveModel, limits: Limits) -> None:
        self.model = model
        self.columns = model.head.columns  # type: ignore[attr-defined]  # as it is a table
        self.names = [column["name"] for column in self.columns]
        self.functions = Functions(model, limits)
        # Several signatures call them: each is in the graph once.
        self.read = tf.function(lambda rows: words.codes(self.columns, rows), autograph=False)
        self.write = tf.function(lambda x: words.written(self.columns, x), autograph=False)
        rows = {"rows": tf.TensorSpec([None, len(self.columns)], tf.string)}
        draws = {
            "num_samples": tf.TensorSpec([], tf.int32),
            "seed": SEED,
            "temperature": TEMPERATURE,
        }
        self.signatures: dict[str, tuple[Callable[..., Any], dict[str, Any]]] = {
            "log_prob_of_rows": (self.log_prob, rows),
            "sample_rows": (self.sample, draws),
            "complete_rows": (self.complete, {**rows, **draws}),
        }

    def log_prob(self, rows: tf.Tensor) -> dict[str, tf.Tensor]:
        """log p of what is there; -inf where a column does not take an entry."""
        x, outside = self._codes(rows)
        nats = self.functions.log_prob(x)["log_prob"]
        nats = tf.cast(nats, tf.float64) + words.log_units(self.columns, x)
        none = tf.reduce_any(outside, axis=1)
        return {"log_prob": tf.where(none, tf.constant(float("-inf"), tf.float64), nats)}

    def sample(self, **arguments: Any) -> dict[str, tf.Tensor]:
        x = self.functions.sample(**arguments)["samples"]
        return {"rows": self._written(x), "columns": tf.constant(self.names)}

    def complete(self, rows: tf.Tensor, **arguments: Any) -> dict[str, tf.Tensor]:
        """What is there stays as it is spelt; log p is of what is drawn."""
        x, outside = self._codes(rows)
        taken = [f"Expected an entry that the column {name} takes, got" for name in self.names]
        x = require_entries(x, ~outside, rows, taken)
        known = ~tf.math.is_nan(x)
        found = self.functions.complete(x, known, **arguments)
        drawn = tf.where(known, tf.constant(float("nan")), found["samples"])
        flat = tf.reshape(drawn, [-1, len(self.columns)])
        units = tf.reshape(words.log_units(self.columns, flat), tf.shape(drawn)[:2])
        return {
            "rows": tf.where(known, rows, self._written(drawn)),
            "log_prob": tf.cast(found["log_prob"], tf.float64) + units,
            "columns": tf.constant(self.names),
        }

    def _codes(self, rows):
        """Codes, and which of them their columns do not take: there they are 0."""
        rows = self.functions.some_rows(rows)
        x, valid = self.read(rows)
        messages = [
            f"Expected {words.expected(column)} in the column {column['name']}, or nothing for a "
            "missing entry, got"
            for column in self.columns
        ]
        x = require_entries(x, valid, rows, messages)
        outside = ~self.model.head.in_support(x)
        return tf.where(outside, tf.zeros_like(x), x), outside

    def _written(self, x):
        flat = self.write(tf.reshape(x, [-1, len(self.columns)]))
        return tf.reshape(flat, tf.shape(x))


def require_entries(
    x: tf.Tensor, held: tf.Tensor, rows: tf.Tensor, messages: list[str]
) -> tf.Tensor:
    """``x``, if all entries are as they must be, ``held`` [B, n].

    Otherwise the error has the message of the first column that has others, and its first one.
    """
    column = tf.argmax(tf.reduce_any(~held, axis=0))
    entries, right = tf.gather(rows, column, axis=1), tf.gather(held, column, axis=1)
    bad = tf.boolean_mask(entries, ~right)[:1]
    return require(x, (held, tf.gather(tf.constant(messages), column), bad))
