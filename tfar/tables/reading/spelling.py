"""The entries of a column, and the numbers that people's words stand for."""

from __future__ import annotations

import collections
import functools
import re
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pandas as pd

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

# Spellings of a missing entry, in lower case, where the other entries are numbers.
MARKERS = frozenset(["?", "na", "n/a", "#n/a", "<na>", "nan", "null", "none", "-", "--", "."])
# What is before decimals and between thousands. Of those that give the same numbers, the first.
CONVENTIONS = [(".", ""), (",", ""), (".", ","), (",", "."), (",", " "), (".", " ")]
CONVENTIONS += [(".", "'"), (",", "'")]
# A number as programs write it; one as people do, with signs around it; thousands like decimals.
PLAIN = re.compile(r"[-+]?(?:\d+\.?\d*|\.\d+)(?:e[-+]?\d+)?|[-+]?inf(?:inity)?", re.I | re.A)
NUMBER = re.compile(
    r"(?P<open>\()?(?P<sign>[-+]?) ?(?P<before>[$€£¥₹₽₩₺₫₴¢]?) ?(?P<inner>[-+]?)"
    r"(?P<digits>\d[\d.,' ]*|[.,]\d+)(?P<power>e[-+]?\d+)? ?(?P<after>[$€£¥₹₽₩₺₫₴¢%‰]?)(?(open)\))",
    re.I | re.A,
)
POINTS = re.compile(r"[-+]?(?:[1-9]\d{0,2}(?:\.\d{3})+|\d{1,3})", re.A)
UNIT = re.compile(r"([^\W\d_]{1,5} )?[-+]?\d[\d.,]*(?: ?([^\W\d_]{1,5}))?")
LIKE_SPACES = str.maketrans("\u00a0\u202f\u2009\u2019\u2212", "   '-")


class _Bare(NamedTuple):
    """A number without what is around its digits."""

    digits: str
    power: str
    negative: bool
    marks: tuple[str, ...]


class Numbers(NamedTuple):
    """What the entries of a column are in one convention."""

    decimal: str
    thousands: str
    values: list[float]
    fraction: bool  # whether an entry has decimals
    grouped: bool = False  # whether an entry has thousands separators
    marks: tuple[str, ...] = ()  # signs of a currency, or of per cent
    brackets: bool = False  # whether an entry is negative by its brackets


class Column:
    """The different entries of a column: empty ones, markers, and the rest."""

    def __init__(
        self,
        values: pd.Series,
        missing: Sequence[str] | None,
        conventions: list[tuple[str, str]],
    ) -> None:
        self.codes, words = pd.factorize(values.to_numpy(object))
        self.words = [str(word).strip() for word in words]
        blank = {"", *(missing or [])}
        held = [word for word in dict.fromkeys(self.words) if word not in blank]
        self.markers = [word for word in held if missing is None and word.lower() in MARKERS]
        self.rest = [word for word in held if word not in self.markers]
        self.conventions = conventions
        self.numbers = _numbers(self.rest, conventions) if self.rest else []

    def true_or_false(self) -> bool:
        """Whether all entries are truth values."""
        return bool(self.rest) and all(word.lower() in ("true", "false") for word in self.rest)

    def row(self, word: str) -> int:
        """The first row with an entry."""
        return int(np.flatnonzero(np.isin(self.codes, self._codes(word)))[0])

    def count(self, word: str) -> int:
        """The number of rows with an entry."""
        return int(np.isin(self.codes, self._codes(word)).sum())

    def _codes(self, word):
        return [code for code, each in enumerate(self.words) if each == word]

    def empty(self) -> np.ndarray:
        """bool [N], where there is no entry."""
        held = {*self.rest, *self.markers}
        return np.array([word not in held for word in self.words] + [True])[self.codes]

    def marked(self) -> np.ndarray:
        """bool [N], where there is a marker of missing entries."""
        return np.array([word in self.markers for word in self.words] + [False])[self.codes]

    def taken(self, values: Sequence[Any]) -> np.ndarray:
        """The column whose different entries, but markers, have these values."""
        values = dict(zip(self.rest, values))
        found = [values.get(word, np.nan) for word in self.words] + [np.nan]  # of code -1
        lacking = any(value is np.nan for value in found[:-1]) or (self.codes < 0).any()
        kinds = {type(value) for value in values.values()}
        if kinds == {bool}:
            dtype = object if lacking else bool
        else:
            whole = kinds == {int} and not lacking
            dtype = np.int64 if whole and max(map(abs, values.values())) < 2**63 else np.float64
        if not lacking:
            found.pop()
        return np.array(found, dtype)[self.codes]

    def share(self) -> tuple[float, list[str]]:
        """The share of entries that are numbers in one convention, and the others."""
        bare = {word: _bare(word) for word in self.rest}
        counts = np.bincount(self.codes[self.codes >= 0], minlength=len(self.words))
        rows = collections.Counter()
        for word, count in zip(self.words, counts):
            rows[word] += int(count)
        common = collections.Counter(found.marks for found in bare.values() if found)
        marks = common.most_common(1)[0][0] if common else ()
        best = set()
        for convention in {**dict.fromkeys(self.conventions), **dict.fromkeys(CONVENTIONS)}:
            fits = _pattern(*convention).fullmatch
            good = {w for w, found in bare.items() if found and found.marks == marks}
            good = {word for word in good if fits(bare[word].digits)}
            best = max(best, good, key=lambda words: sum(rows[word] for word in words))
        others = [word for word in self.rest if word not in best]
        total = sum(rows[word] for word in self.rest)
        return sum(rows[word] for word in best) / total, others

    def units(self) -> bool:
        """Whether all entries are numbers with one unit."""
        found = [UNIT.fullmatch(word.translate(LIKE_SPACES)) for word in self.rest]
        units = {match and match.groups() for match in found}
        return len(found) > 1 and len(units) == 1 and None not in units


def conventions(decimal: str | None, thousands: str | None) -> list[tuple[str, str]]:
    """The conventions that the options leave."""
    held = [
        (point, group)
        for point, group in CONVENTIONS
        if decimal in (None, point) and thousands in (None, group)
    ]
    return held or [(decimal or ".", thousands or "")]


def _numbers(words, conventions):
    """The different `Numbers` that the words are: none, one, or several where it is in doubt."""
    if conventions == CONVENTIONS and all(map(PLAIN.fullmatch, words)):
        points = any("." in word for word in words)
        if not points or not all(map(POINTS.fullmatch, words)):
            return [Numbers(".", "", [*map(_plain, words)], points)]
    bare = [_bare(word) for word in words]
    if not all(bare) or len({found.marks for found in bare}) > 1:
        return []
    brackets = [word.startswith("(") for word in words]
    if all(brackets):
        return []  # of (1), (2), (3) none may be negative
    found = []
    for point, group in conventions:
        if all(_pattern(point, group).fullmatch(each.digits) for each in bare):
            values = [_value(each, point, group) for each in bare]
            fraction = any(point in each.digits for each in bare)
            grouped = bool(group) and any(group in each.digits for each in bare)
            if all(values != each.values for each in found):
                more = {"marks": bare[0].marks, "brackets": any(brackets)}
                found.append(Numbers(point, group, values, fraction, grouped, **more))
    return found


@functools.cache
def _pattern(point, group):
    whole = r"\d+"
    if group:
        whole = rf"(?:[1-9]\d{{0,2}}(?:{re.escape(group)}\d{{3}})+|\d+)"
    decimals = rf"{re.escape(point)}\d{'*' if point == '.' else '+'}"  # "5." is a number, "5," not
    return re.compile(rf"{whole}(?:{decimals})?|{re.escape(point)}\d+", re.A)


def _bare(word):
    found = NUMBER.fullmatch(word.translate(LIKE_SPACES))
    if not found or (found["sign"] and found["inner"]):
        return None
    marks = tuple(mark for mark in (found["before"], found["after"]) if mark)
    negative = "-" in (found["sign"], found["inner"]) or bool(found["open"])
    return _Bare(found["digits"].strip(), found["power"] or "", negative, marks)


def _value(bare, point, group):
    digits = bare.digits.replace(group, "") if group else bare.digits
    value = _plain(digits.replace(point, ".") + bare.power)
    return -value if bare.negative else value


def _plain(digits):
    try:
        return int(digits)
    except ValueError:
        return float(digits)


def is_number(word: object) -> bool:
    """Whether a word is a number in one of the conventions."""
    bare = _bare(str(word).strip())
    return bare is not None and any(_pattern(*each).fullmatch(bare.digits) for each in CONVENTIONS)


def is_whole(word: object) -> bool:
    """Whether a word has digits only."""
    return re.fullmatch(r"\d+", str(word)) is not None
