"""From a text to rows: its separator, the lengths of its rows, and pandas' frame of strings."""

from __future__ import annotations

import collections
import csv
import io
import itertools
import re
import warnings
from typing import TYPE_CHECKING, NamedTuple

import pandas as pd

from tfar.tables.reading.header import check_names, named
from tfar.tables.reading.spelling import is_number

if TYPE_CHECKING:
    from typing import Any

    from tfar.tables.reading.notes import Notes

SEPARATORS = ",;\t|"
NONE = "\x1f"  # stands for no separator: texts do not hold it
# Options of pandas with which lines are no longer rows: then pandas alone checks their lengths.
SHAPES = {"skiprows", "comment", "nrows", "skipfooter", "quoting", "escapechar", "lineterminator"}
SHAPES |= {"doublequote", "dialect", "on_bad_lines", "skip_blank_lines"}


class Rows(NamedTuple):
    """A text split into fields: its names, and of each row the first field, width and line."""

    names: list[str]
    firsts: list[str]
    widths: list[int]
    lines: list[int]
    ended: bool  # whether the last field of every row is empty

    def fits(self) -> bool:
        """Whether all rows are as long as the header, or one longer, or lack its empty end."""
        n, widths = len(self.names), set(self.widths)
        longer = widths == {n + 1} and (self.ended or len({*self.firsts}) == len(self.firsts))
        return widths <= {n} or longer or (widths == {n - 1} and not self.names[-1])


class Text:
    """A text that is a table.

    Attributes:
      notes: `Notes`, of what was guessed.
      missing: the entries that are missing in every column, or None.
      given: the columns whose dtypes or converters the options say, or None: all; of `frame`.
      sep: the separator; of `frame`.
    """

    def __init__(
        self, text: str, notes: Notes, missing: list[str] | None, options: dict[str, Any]
    ) -> None:
        self.text, self.notes, self.missing, self.options = text, notes, missing, options
        self.cut = 0  # lines before the header
        self.sep = ""
        self.given: set[Any] | None = set()
        self.headless = options.get("header", None if "names" in options else 0) is None

    def frame(self) -> pd.DataFrame:
        """The data frame, whose entries are strings but in columns that the options say.

        Raises:
          ValueError: if it is no table, or may be several.
        """
        sep = self._begin()
        sep = self.options.pop("delimiter", None) or self.options.pop("sep", None) or sep
        if not self.text.strip():
            raise self.notes.error("it is empty, and no line tells the delimiter.")
        rows, header = None, self.options.get("header", 0)
        if SHAPES & {*self.options} or header not in (0, None, "infer"):
            # pandas will say what does not fit
            sep = sep or max(SEPARATORS, key=self._first().count)
        elif sep is None or len(sep) == 1:
            sep, rows = self._split(sep)
        self.notes.add(f"The separator is {sep!r}." if sep != NONE else "There is one column.")
        frame = self._frame(sep, rows)
        if rows and len(frame) == len(rows.lines):
            self.notes.lines = rows.lines
        if rows and not {"header", "names"} & {*self.options}:
            check_names(rows.names, frame, self.notes, self.options)
        if rows and not self.headless:
            frame = named(rows.names, frame, self.notes, self.options)
        self.sep = sep
        return frame

    def _first(self):
        return next(line for line in self.text.splitlines() if line.strip())

    def _begin(self):
        """Cuts what is before the header; the separator that Excel's first line ``sep=;`` names."""
        said = re.match(r'"?sep=(.)"?\r?\n', self.text)
        if said:
            self.text, self.cut = self.text[said.end() :], 1
            return said[1]
        lines = self.text[:100_000].splitlines(keepends=True)
        count = next((i for i, line in enumerate(lines) if not line.startswith("#")), 0)
        if count and "comment" not in self.options:
            last, after = lines[count - 1 : count + 1]
            if any(last.count(sep) == after.count(sep) > 0 for sep in SEPARATORS):
                count -= 1  # the header, as numpy.savetxt writes it
            if count:
                self.notes.add(f"Comments before the header, {count} in all, are left out.")
            self.text, self.cut = self.text[sum(map(len, lines[:count])) :], count
        return None

    def _split(self, sep):
        """The separator and the rows; raises ValueError unless all fit the header."""
        first, found, failed = self._first(), {}, None
        for each in [sep] if sep else [sep for sep in SEPARATORS if sep in first]:
            try:
                rows = self._scan(each)
            except ValueError as error:
                failed = error
                continue
            if sep or len(rows.names) > 1:
                found[each] = rows
        if failed and not found:
            raise failed
        fitting = [each for each in found if found[each].fits()]
        # In "weight, kg;height, cm" a space follows the comma, and in the rows it does not.
        odd = [each for each in fitting if first.count(each) == first.count(f"{each} ")]
        odd = [each for each in odd if not self._spaced(each)]
        if len(fitting) > 1:
            fitting = [each for each in fitting if each not in odd] or fitting
        elif odd == [","] != [sep] and found[","].widths and self._numeric(NONE) == 1:
            raise self.notes.error(
                f"{first!r} may be two names, or one and the commas of the rows decimal ones: pass "
                "sep=',' or sep=';'."
            )
        if len(fitting) > 1:
            choice = " or ".join(map(repr, fitting))
            raise self.notes.error(
                f"its lines may be separated by {choice}: pass one of them as sep."
            )
        if fitting:
            return fitting[0], found[fitting[0]]
        later = self.text[self.text.find(first) + len(first) :]
        if not found or not (sep or any(mark in later for mark in SEPARATORS)):
            rows = self._scan(NONE)
            self._check_alone()
            blank = sum(not line.strip() for line in self.text.strip().splitlines())
            if blank:
                self.notes.add(
                    f'Blank lines, {blank} in all, are left out: "" is a missing entry.', warn=True
                )
            return NONE, rows

        def share(each):
            return found[each].widths.count(len(found[each].names))

        best = max(found, key=share)
        rows, n = found[best], len(found[best].names)
        i = next(i for i, width in enumerate(rows.widths) if width != n)
        raise self.notes.error(
            f"expected {n} fields, as in the header, got {rows.widths[i]} in line {rows.lines[i]}, "
            f"with the separator {best!r}. Quote fields that hold it, complete the line, or pass "
            "another sep."
        )

    def _spaced(self, sep):
        """Whether spaces follow all separators, to which they belong then."""
        start = self.text.find("\n") + 1
        marks = re.findall(f"{re.escape(sep)}(.?)", self.text[start : start + 10_000])
        return " " in marks and {*marks} <= {" ", ""}

    def _records(self, sep):
        """The lines as lists of fields."""
        return csv.reader(
            io.StringIO(self.text, newline=""),
            delimiter=sep,
            quotechar=self.options.get("quotechar", '"'),
            skipinitialspace=self._spaced(sep),
            strict=True,
        )

    def _scan(self, sep):
        rows, names, before, ended = [], None, 0, True
        records = self._records(sep)
        try:
            for fields in records:
                line, before = before + 1 + self.cut, records.line_num
                if fields and len(fields) == 1 and fields[0].isspace():
                    continue  # as pandas does
                if fields and names is None:
                    names = [field.strip() for field in fields]
                    if not self.headless:
                        continue
                if fields:
                    rows.append((fields[0], len(fields), line))
                    ended = ended and not fields[-1].strip()
        except csv.Error as error:
            raise self.notes.error(
                f"{error}, in the field that begins in line {before + 1 + self.cut}. A quotation "
                "mark at the start of a field needs one at its end, and one within is doubled."
            ) from error
        return Rows(names, *([list(part) for part in zip(*rows)] or [[], [], []]), ended)

    def _numeric(self, sep):
        """The share of columns in which the first entries are numbers."""
        rows = [fields for fields in itertools.islice(self._records(sep), 200) if fields][1:]
        columns = [[word.strip() for word in column] for column in zip(*rows)]
        return sum(all(map(is_number, words)) for words in columns) / max(len(columns), 1)

    def _check_alone(self):
        """Raises ValueError if a text whose header has no separator seems to have columns."""
        if self._numeric(NONE) == 1:
            return  # numbers with a decimal comma
        lines = [line for line in self.text[:10_000].splitlines() if line.strip()]
        counts = {len(line.split()) for line in lines}
        if len(counts) == 1 < max(counts) and any(is_number(word) for word in lines[-1].split()):
            raise self.notes.error(
                f"spaces split all lines into {max(counts)} words: pass sep=r'\\s+' if they "
                "separate columns, or sep=',' if there is one column."
            )
        for sep in SEPARATORS:
            try:
                widths = {*self._scan(sep).widths}
            except ValueError:  # its quotes are those of another separator
                continue
            if len(widths) == 1 < max(widths) and self._numeric(sep) == 1:
                raise self.notes.error(
                    f"the header has one name, and {sep!r} splits every other line into "
                    f"{max(widths)} numbers. Name all columns in the first line."
                )

    def _frame(self, sep, rows):
        """The text as pandas reads it, with entries that are strings."""
        dtype = self.options.pop("dtype", {})
        self.given = {*self.options.get("converters", {})}
        if isinstance(dtype, dict):
            self.given |= {*dtype}
            dtype = collections.defaultdict(lambda: str, dtype)
        else:
            self.given = None  # all
        longer = rows and rows.widths and max(rows.widths) > len(rows.names)
        options = {
            "keep_default_na": False,
            "na_values": ["", *(self.missing or [])],
            **self.options,
        }
        if rows:
            options.setdefault("skipinitialspace", self._spaced(sep))
            options.setdefault("index_col", 0 if longer and not rows.ended else False)
        try:
            with warnings.catch_warnings():
                # That it leaves out the empty last fields, or has other options for a column.
                warnings.simplefilter("ignore", pd.errors.ParserWarning)
                frame = pd.read_csv(io.StringIO(self.text), sep=sep, dtype=dtype, **options)
        except (ValueError, csv.Error) as error:
            raise self.notes.error(f"{str(error).strip().rstrip('.')}.") from error
        if longer and rows.ended:
            self.notes.add("The separator at the end of every line is left out.")
        elif longer and "index_col" not in self.options:
            self.notes.add(
                "The first field of every line, one more than names, is left out.", warn=True
            )
            frame = frame.reset_index(drop=True)
        return frame
