"""Tables: rows of mixed columns, as data frames."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

import numpy as np

from tfar import contents
from tfar.kinds.base import Kind

if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

    import pandas as pd

    from tfar.typing import Seed


class Tables(Kind):
    """Models with a `tfar.heads.Table`, which knows the columns; see `tfar.tables`."""

    name = "tables"
    samples = "rows"
    formats = (".csv",)
    printed = True
    reads = True
    per = "row"

    @staticmethod
    def fits(model: Any) -> bool:
        from tfar import heads

        return isinstance(getattr(model, "head", None), heads.Table)

    @property
    def columns(self) -> list[dict[str, Any]]:
        return self.model.head.columns  # type: ignore[attr-defined]  # as it fits

    def described(self) -> dict[str, Any]:
        columns = ", ".join(
            f"{column['name']} ({'categorical' if 'categories' in column else 'real'})"
            for column in self.columns
        )
        return {"head": type(self.model.head).__name__, "columns": columns}

    def held(self, data: Any) -> Any:
        """As in `Kind`, or a data frame with these columns."""
        from tfar import tables

        frame = hasattr(data, "columns")
        return super().held(tables.to_array(self.columns, data) if frame else data)

    def noisy(self, x: np.ndarray, noise: float, rng: np.random.Generator) -> np.ndarray:
        stds = [0.0 if "categories" in column else column["std"] for column in self.columns]
        return x + (noise * np.array(stds) * rng.standard_normal(x.shape)).astype(x.dtype)

    def oddest(self, inputs: Any) -> tuple[list[str], np.ndarray] | None:
        """The oddest cell of each row given the others, if the model has all orders."""
        from tfar import anomaly
        from tfar.models import AnyOrder

        if not isinstance(self.model, AnyOrder):
            return None
        cells = anomaly.cells(self.model, inputs)
        return [self.columns[i]["name"] for i in cells.argmax(axis=1)], cells.max(axis=1)

    def read(self, content: bytes, name: str) -> Any:
        """The rows [N, n] of a CSV file in UTF-8."""
        from tfar import tables

        text = contents.text(content, name)
        if not text.strip():
            raise ValueError(f"Expected a table in {name}, got nothing.")
        file = io.StringIO(text)
        file.name = name
        return tables.to_array(self.columns, tables.read_csv(file))

    def from_bytes(self, content: bytes, name: str) -> Any:
        """The rows of a CSV file. Its values are kept, not how they are spelt."""
        return self.read(content, name)

    def to_bytes(self, data: Any) -> bytes:
        from tfar import tables

        return tables.to_frame(self.columns, data).to_csv(index=False).encode()

    def draw(self, num: int, *, seed: Seed = None, **options: Any) -> pd.DataFrame:
        from tfar import tables

        return tables.to_frame(self.columns, super().draw(num, seed=seed, **options))

    def strings(self, samples: Any) -> Iterable[str]:
        return [samples.to_csv(index=False)]
