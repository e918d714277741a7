"""Tables: rows of mixed columns, as data frames."""

import io

from tfar.kinds.base import Kind, decoded


class Tables(Kind):
    """Models with a `tfar.heads.Table`, which knows the columns; see `tfar.tables`."""

    name = "tables"
    samples = "rows"
    formats = (".csv",)
    printed = True
    reads = True
    per = "row"

    @staticmethod
    def fits(model):
        from tfar import heads

        return isinstance(getattr(model, "head", None), heads.Table)

    @property
    def columns(self):
        return self.model.head.columns

    def described(self):
        columns = ", ".join(
            f"{column['name']} ({'categorical' if 'categories' in column else 'real'})"
            for column in self.columns
        )
        return {"head": type(self.model.head).__name__, "columns": columns}

    def read(self, content, name):
        """The rows [N, n] of a CSV file in UTF-8."""
        from tfar import tables

        text = decoded(content, name)
        if not text.strip():
            raise ValueError(f"Expected a table in {name}, got nothing.")
        file = io.StringIO(text)
        file.name = name
        return tables.to_array(self.columns, tables.read_csv(file))

    def draw(self, num, seed=None, **options):
        from tfar import tables

        return tables.to_frame(self.columns, super().draw(num, seed, **options))

    def strings(self, samples):
        return [samples.to_csv(index=False)]
