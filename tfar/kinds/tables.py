"""Tables: rows of mixed columns, as data frames."""

from __future__ import annotations

import io
import warnings
from typing import TYPE_CHECKING

import numpy as np

from tfar import contents, files
from tfar.kinds.base import Kind

if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

    import pandas as pd

    from tfar.typing import Path, Progress, Seed


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
        """As in `Kind`, or a data frame with these columns."""
        from tfar import tables

        frame = hasattr(data, "columns")
        return super().held(tables.to_array(self.columns, data) if frame else data)

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
        """As in `Kind`, of rows of codes, in the units of the data."""
        from tfar.tables import codec

        nats = super().log_prob(inputs, batch_size=batch_size, progress=progress)
        return nats + codec.log_units(self.columns, np.asarray(inputs))

    def oddest(self, inputs: Any) -> tuple[list[str], np.ndarray] | None:
        """The oddest cell of each row given the others, if the model has all orders."""
        from tfar import anomaly

        if not self.model.all_orders:
            return None
        missing = np.isnan(np.asarray(inputs))
        cells = np.where(missing, -np.inf, anomaly.cells(self.model, inputs))
        return [self.columns[i]["name"] for i in cells.argmax(axis=1)], cells.max(axis=1)

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
        """The rows [N, n] of a CSV file in UTF-8."""
        from tfar import tables

        return tables.to_array(self.columns, self._frame(content, name))

    def _frame(self, content, name):
        from tfar import tables

        text = contents.text(content, name)
        if not text.strip():
            raise ValueError(f"Expected a table in {name}, got nothing.")
        file = io.StringIO(text)
        file.name = name
        # Categories that are text stay so, whatever they look like, and so does what is left out.
        as_text = [column["name"] for column in self.columns if self._is_text(column)]
        as_text += [name for column in self.columns for name in column.get("left_out", ())]
        found = tables.read(file, header=0, dtype=dict.fromkeys(as_text, str))
        # Dates are left as words, from which the columns that are times are made.
        known = tuple(f"The column {column['name']!r} holds dates" for column in self.columns)
        for sentence in found.warned:
            if not sentence.startswith(known):
                warnings.warn(f"{name}: {sentence}", stacklevel=2)
        return found.frame

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
        """The rows of a CSV file, with their missing entries drawn, see `tfar.tables.complete`."""
        from tfar import tables

        frame = self._frame(files.read(path), str(path))
        if frame.empty:
            raise ValueError(f"Expected rows to complete in {path}, got none.")
        return tables.complete(self.model, frame, seed=seed)

    def strings(self, samples: Any) -> Iterable[str]:
        return [samples.to_csv(index=False)]
