"""Tables: rows of mixed columns, as data frames."""

from __future__ import annotations

import io
import warnings
from typing import TYPE_CHECKING

import numpy as np

from tfar import files
from tfar.kinds.base import Kind

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from typing import Any

    import pandas as pd

    from tfar.serving.costs import Limits
    from tfar.typing import Path, Progress, Seed

MOST = 1000  # normal rows among which cells are ranked


class Tables(Kind):
    """Models with a `tfar.heads.Table`, which knows the columns; see `tfar.tables`."""

    name = "tables"
    samples = "rows"
    formats = (".csv",)
    printed = True
    completing = ()
    per = "row"

    @staticmethod
    def fits(model: Any) -> bool:
        from tfar import heads

        return isinstance(getattr(model, "head", None), heads.Table)

    @property
    def columns(self) -> list[dict[str, Any]]:
        return self.model.head.columns  # type: ignore[attr-defined]  # as it fits

    def described(self) -> dict[str, Any]:
        columns = ", ".join(f"{c['name']} ({self._kind(c)})" for c in self.columns)
        return {"head": type(self.model.head).__name__, "columns": columns}

    @staticmethod
    def _kind(column):
        return column.get("kind") or ("categorical" if "categories" in column else "real")

    def held(self, data: Any) -> Any:
        """As in `Kind`, or a data frame with these columns.

        A value that its column does not take may be there: log p of its row is -inf.
        """
        from tfar import tables

        frame = hasattr(data, "columns")
        x = tables.to_array(self.columns, data, outside=True) if frame else np.asarray(data)
        outside = self.outside(x)
        return np.where(outside, x, super().held(np.where(outside, 0, x).astype(x.dtype)))

    def outside(self, x: np.ndarray) -> np.ndarray:
        """As in `Kind`: finite codes that their columns do not take."""
        import tensorflow as tf

        if x.shape[1:] != (len(self.columns),) or x.dtype.kind not in "fiub":
            return np.zeros(x.shape, bool)
        taken = self.model.head.in_support(tf.constant(x, tf.float32)).numpy()
        return ~taken & np.isfinite(x)

    def noisy(self, x: np.ndarray, noise: float, rng: np.random.Generator) -> np.ndarray:
        """In codes, whose standard deviation is 1; atoms stay as they are."""
        real = np.array([not {"categories", "levels"} & set(c) for c in self.columns])
        moved = x + (noise * real * rng.standard_normal(x.shape)).astype(x.dtype)
        for i, column in enumerate(self.columns):
            atoms = np.isin(x[:, i], np.float32(column.get("atoms", ())))
            moved[atoms, i] = x[atoms, i]
        return moved

    def log_prob(
        self, inputs: Any, *, batch_size: int = 500, progress: Progress = None
    ) -> np.ndarray:
        """As in `Kind`, of rows of codes, in the units of the data; see `held`."""
        from tfar.tables import codec

        x = np.asarray(inputs)
        outside = self.outside(x)
        x = np.where(outside, 0, x).astype(x.dtype)
        nats = super().log_prob(x, batch_size=batch_size, progress=progress)
        return np.where(outside.any(axis=1), -np.inf, nats + codec.log_units(self.columns, x))

    def log_probs(self, data: Any, progress: Progress = None) -> np.ndarray:
        """As in `Kind`.

        Raises:
          ValueError: if log p of a row is -inf, and so is the mean.
        """
        nats = super().log_probs(data, progress)
        none = np.isneginf(nats)
        if none.any():
            raise ValueError(
                f"The model gives {int(none.sum())} of {len(nats)} rows no probability, first row "
                f"{int(none.argmax())}: leave them out, or take `tfar score`, which counts them."
            )
        return nats

    def score(self, data: Any, *, progress: Progress = None, adapt: str | None = None) -> str:
        """As in `Kind`, and how many rows have no probability."""
        outside = np.any(self.outside(np.asarray(data)), axis=1)
        if not outside.any():
            return super().score(data, progress=progress, adapt=adapt)
        said = f"-inf nats a row: {int(outside.sum())} of {len(outside)} have no probability"
        if outside.all():
            return said
        rest = super().score(data[~outside], progress=progress, adapt=adapt)
        return f"{said}; the others {rest}"

    def oddest(self, inputs: Any, normal: Any) -> tuple[list[str], np.ndarray] | None:
        """As in `Kind`, of the cells of rows, if the model has all orders."""
        from tfar import anomaly

        if not self.model.all_orders:
            return None
        missing = np.isnan(np.asarray(inputs))
        cells = np.where(missing, -np.inf, anomaly.cells(self.model, inputs))
        usual = anomaly.cells(self.model, normal[:MOST])
        usual[np.isnan(np.asarray(normal[:MOST]))] = np.nan
        chosen = _rarest(cells, usual).argmax(axis=1)
        names = [self.columns[i]["name"] for i in chosen]
        return names, np.take_along_axis(cells, chosen[:, None], axis=1)[:, 0]

    def check_comparable(self, other: Kind) -> None:
        own, others = (
            {column["name"]: column.get("categories") for column in getattr(kind, "columns", ())}
            for kind in (self, other)
        )
        if own != others:
            raise ValueError(
                f"Expected two models of the same columns, got {sorted(own)} and "
                f"{sorted(others) or other.name}, or with other categories."
            )

    def read(self, content: bytes, name: str) -> Any:
        """The rows [N, n] of a file, which is read as that was to which the model was fitted.

        An entry that a column does not take has a code whose log-probability is -inf.
        """
        from tfar import tables

        frame = self._reading(content, name).frame
        return tables.to_array(self.columns, frame, outside=True)

    def _reading(self, content, name):
        from tfar import tables

        if not content.strip():
            raise ValueError(f"Expected a table in {name}, got nothing.")
        file = io.BytesIO(content)
        file.name = name
        # Categories that are text stay so, whatever they look like, and so does what is left out.
        words = [column["name"] for column in self.columns if self._is_text(column)]
        words += [name for column in self.columns for name in column.get("left_out", ())]
        said = dict(self.columns[0].get("read", {}))
        words += said.pop("words", [])
        found = tables.read(file, words=words, **{"header": 0, **said})
        # Dates are left as words, from which the columns that are times are made.
        known = tuple(f"The column {column['name']!r} holds dates" for column in self.columns)
        for sentence in found.warned:
            if not sentence.startswith(known):
                warnings.warn(f"{name}: {sentence}", stacklevel=2)
        return found

    @staticmethod
    def _is_text(column):
        categories = column.get("categories", [0])
        return all(isinstance(category, str) for category in categories)

    def from_bytes(self, content: bytes, name: str) -> Any:
        """The rows of a CSV file. Its values are kept, not how they are spelt."""
        return self.read(content, name)

    def to_bytes(self, data: Any) -> bytes:
        from tfar import tables

        return tables.to_frame(self.columns, data).to_csv(index=False).encode()

    def draw(self, num: int, *, seed: Seed = None, **options: Any) -> pd.DataFrame:
        from tfar import tables

        return tables.to_frame(self.columns, super().draw(num, seed=seed, **options))

    def completed(self, path: Path, *, seed: Seed = None, **options: Any) -> pd.DataFrame:
        """The rows of a file, with their missing entries drawn, see `tfar.tables.complete`.

        What is given stays as it is spelt.
        """
        from tfar import tables

        reading = self._reading(files.read(path), str(path))
        frame, spelt = reading.frame, reading.spelt
        if frame.empty:
            raise ValueError(f"Expected rows to complete in {path}, got none.")
        found = tables.complete(self.model, frame, seed=seed)
        if spelt is not None:
            given = {name: spelt[name] for name in frame if name in spelt}
            for name, words in given.items():
                there = frame[name].notna()
                found[name] = found[name].astype(object).where(~there, words)
        return found

    def signatures(self, limits: Limits) -> dict[str, tuple[Callable[..., Any], dict[str, Any]]]:
        """As in `Kind`; of a model with a condition, which is in no column, there are none."""
        from tfar.serving.rows import Rows

        if self.model.condition is not None:
            return {}
        return Rows(self.model, limits).signatures

    def verify_signatures(self, signatures: Mapping[str, Any]) -> None:
        import tensorflow as tf

        from tfar.tables import codec
        from tfar.testing.checks import demand, demand_close

        if self.model.condition is not None:
            return
        asked = {"seed": tf.constant([5, 6]), "temperature": tf.constant(1.0)}
        asked["num_samples"] = tf.constant(4)
        codes = signatures["sample"](**asked)["samples"].numpy()
        drawn = signatures["sample_rows"](**asked)
        names = [name.decode() for name in drawn["columns"].numpy()]
        demand(names == [column["name"] for column in self.columns], f"The columns are {names}.")
        rows = np.char.decode(drawn["rows"].numpy().astype(bytes))
        try:
            again = codec.to_array(self.columns, self._entries(rows))
        except (KeyError, ValueError) as error:
            raise AssertionError(f"The rows that are drawn cannot be read: {error}.") from error
        demand(np.array_equal(again, codes), "The rows that are drawn are others than the samples.")
        first = self.model.permutations[0][: len(names) // 2]
        rest = np.setdiff1d(np.arange(len(names)), first)
        given = rows.copy()
        given[:, rest] = ""
        codes[:, rest] = np.nan
        nats = {}
        for what, x in ("rows", again), ("parts of rows", codes):
            words = tf.constant(given if x is codes else rows, tf.string)
            nats[what] = signatures["log_prob_of_rows"](rows=words)["log_prob"]
            demand_close(nats[what], self.log_prob(x), f"log_prob_of_rows of {what} differs")
        answer = signatures["complete_rows"](rows=tf.constant(given, tf.string), **asked)
        found = np.char.decode(answer["rows"].numpy().astype(bytes))
        demand(np.all(found[:, :, first] == given[:, first]), "What is given has changed.")
        for whole, log_prob in zip(found, answer["log_prob"]):
            exact = self.log_prob(codec.to_array(self.columns, self._entries(whole)))
            what = "log_prob of complete_rows differs"
            demand_close(log_prob, exact - nats["parts of rows"], what, rtol=1e-4, atol=1e-4)

    def _entries(self, rows):
        """The data frame of rows of words that an export has written, read by Python and pandas."""
        import pandas as pd

        from tfar.tables import times

        found = {}
        for column, entries in zip(self.columns, rows.T):
            if "categories" in column:
                spelt = {str(category): category for category in column["categories"]}
                values = pd.Series([spelt[word] for word in entries])
            elif column.get("kind") != "time":
                exact = column.get("kind") == "integer" or "levels" in column
                values = pd.Series([(int if exact else float)(word) for word in entries])
            elif column["time"] == "time":
                values = pd.to_datetime(pd.Series(entries), format="ISO8601")
            else:
                values = times.decode(column, np.array([int(word) for word in entries]))
            found[column["name"]] = values
        return pd.DataFrame(found)

    def strings(self, samples: Any) -> Iterable[str]:
        return [samples.to_csv(index=False)]


def _rarest(cells, usual):
    """How rare figures [N, n] are among the usual ones of their columns, the rarest the highest.

    It is their rank from above; of those of the lowest rank in a row, what they exceed the median
    by, in standard deviations.
    """
    ranks, excess = np.ones(cells.shape), np.zeros(cells.shape)
    for i, column in enumerate(usual.T):
        column = np.sort(column[~np.isnan(column)])
        if len(column):
            ranks[:, i] = 1 - np.searchsorted(column, cells[:, i]) / len(column)
            scale = max(column.std(), 1e-3) if np.isfinite(column).all() else 1.0
            excess[:, i] = (cells[:, i] - np.median(column)) / scale
    excess = np.where(np.isneginf(cells), -np.inf, excess)  # missing
    return np.where(ranks == ranks.min(axis=1, keepdims=True), excess, -np.inf)
