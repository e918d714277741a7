"""Columns of strings to those of numbers and truth values, and what is noted of them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from tfar.tables.reading.spelling import Column, conventions, is_number

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tfar.tables.reading.rows import Text

DATE = re.compile(r"\d{4}[-/.]\d{1,2}[-/.]\d{1,2}([T ].*)?|\d{1,2}[-/.]\d{1,2}[-/.]\d{2,4}( .*)?")
MOST = 0.9  # the share of numbers from which the entries that are none are in doubt
MANY = 20  # a column of words with more different numbers than this is warned of


def converted(
    frame: pd.DataFrame, text: Text, signs: dict[str, str | None], words: Sequence[str] = ()
) -> pd.DataFrame:
    """The frame of a text with columns of numbers and truth values where the strings are such.

    Args:
      frame, text: a text and its data frame.
      signs: "decimal" and "thousands", or None where they are to be guessed.
      words: names of columns of words.

    Raises:
      ValueError: if the entries of a column may be several numbers, or are not all numbers.
    """
    notes = text.notes
    columns = {}
    for name in frame.columns:
        own = text.given is None or name in text.given
        if not own and pd.api.types.is_string_dtype(frame[name].dtype):
            columns[name] = Column(frame[name], text.missing, conventions(**signs))
    read = [column.numbers for column in columns.values() if len(column.numbers) == 1]
    decimals = {numbers[0].decimal for numbers in read if numbers[0].fraction}
    for name, column in columns.items():
        if name in words:
            frame[name] = frame[name].mask(_missing(column))
        elif column.true_or_false():
            frame[name] = column.taken([word.lower() == "true" for word in column.rest])
            _note_missing(notes, name, column)
        elif column.numbers:
            numbers = _chosen(notes, name, column, text.sep, decimals)
            frame[name] = column.taken(numbers.values)
            _note_missing(notes, name, column)
            _note_numbers(notes, name, column, numbers, frame[name].dtype)
        elif not column.rest:
            frame[name] = np.full(len(frame), np.nan)
            _note_missing(notes, name, column)
        else:
            _check_words(notes, name, column)
            frame[name] = frame[name].mask(_missing(column))
    bare = np.flatnonzero(frame.isna().all(axis=1))
    if len(bare) and len(frame.columns) > 1:
        notes.add(
            f"Rows without any entry: {len(bare)}, first in {notes.where(bare[0])}.", warn=True
        )
    return frame


def _missing(column):
    """Where a column of words has none: markers are words among others, but not among dates."""
    return column.empty() | (column.marked() if _dates(column) else False)


def _dates(column):
    return bool(column.rest) and all(map(DATE.fullmatch, column.rest))


def _chosen(notes, name, column, sep, decimals):
    """The one of several numbers that the entries may be."""
    fit = [numbers for numbers in column.numbers if {numbers.decimal} == decimals]
    if len(column.numbers) == 1 or fit:
        return (fit or column.numbers)[0]
    if not column.numbers[0].thousands and column.numbers[0].decimal == ".":
        if sep == ";":
            notes.add(
                f"The column {name!r}: the point in {column.rest[0]!r} is read as a decimal "
                "one; if it separates thousands, pass thousands='.'.",
                warn=True,
            )
        return column.numbers[0]
    thousands = [numbers for numbers in column.numbers if numbers.thousands]
    if sep == "," and thousands:  # a decimal comma would be odd in such a file
        return thousands[0]
    word = next(word for word in column.rest if "," in word)
    raise ValueError(
        f"{notes.name}: {word!r} in the column {name!r}, {notes.where(column.row(word))}, has a "
        "decimal comma or one between thousands, and no other entry tells which: pass "
        "decimal=',' or thousands=','."
    )


def _note_missing(notes, name, column):
    if column.markers:
        notes.add(
            f"The column {name!r}: {', '.join(map(repr, column.markers))} read as missing, "
            f"{sum(map(column.count, column.markers))} in all, first in "
            f"{notes.where(min(map(column.row, column.markers)))}.",
            warn=True,
        )


def _note_numbers(notes, name, column, numbers, dtype):
    found = {
        "a decimal comma": numbers.decimal == "," and numbers.fraction,
        f"{numbers.thousands!r} between thousands": numbers.grouped,
        f"{' and '.join(numbers.marks)}, which is left out": numbers.marks,
        "negative ones in brackets": numbers.brackets,
    }
    if any(found.values()):
        key = max(column.rest, key=len)
        notes.add(
            f"The column {name!r} is read as numbers with "
            f"{', '.join(what for what, held in found.items() if held)} ({key!r}).",
            warn=True,
        )
    most = 2**53 if dtype.kind == "f" else 2**63  # up to which integers are exact
    code = next(
        (
            word
            for word, value in zip(column.rest, numbers.values)
            if re.match(r"0\d", word) or (isinstance(value, int) and abs(value) > most)
        ),
        None,
    )
    if code:
        notes.add(
            f"The column {name!r} is read as numbers, which do not keep all digits of "
            f"{code!r}; if they are codes, pass dtype={{{name!r}: str}}.",
            warn=True,
        )


def _check_words(notes, name, column):
    """Notes, or raises ValueError, where a column of words may be one of something else."""
    share, others = column.share()
    words = f"dtype={{{name!r}: str}}"
    if share >= MOST and others:
        word = min(others, key=column.row)
        raise ValueError(
            f"{notes.name}: the column {name!r} holds numbers, but {word!r} in "
            f"{notes.where(column.row(word))} ({sum(map(column.count, others))} in all). "
            f"Pass missing=[{word!r}] if it stands for none, {words} if they are words, or "
            "correct it."
        )
    first, numeric = column.rest[0], sum(map(is_number, column.rest))
    dates = _dates(column)
    if dates:
        _note_missing(notes, name, column)
    elif column.markers:
        notes.add(
            f"The column {name!r}: {', '.join(map(repr, column.markers))} kept as words, as "
            f"the others are; if they are missing, pass missing={column.markers}.",
            warn=True,
        )
    if dates:
        iso = re.match(r"\d{4}-", first)
        known = "" if re.match(r"\d{4}", first) else " and dayfirst or date_format"
        left = ", which `fit_table` takes for times" if iso else ""
        notes.add(
            f"The column {name!r} holds dates, such as {first!r}, left as words{left}: pass "
            f"parse_dates=[{name!r}]{known}.",
            warn=True,
        )
    elif numeric == len(column.rest) or numeric > MANY or column.units():
        notes.add(
            f"The column {name!r} is read as words, though many entries have numbers, such as "
            f"{first!r}.",
            warn=True,
        )
