"""The header of a table: whether it is one, and the columns that it gives no name."""

from __future__ import annotations

import collections
from typing import TYPE_CHECKING

from tfar.tables.reading.spelling import PLAIN, is_number, is_whole

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    import pandas as pd

    from tfar.tables.reading.notes import Notes


def check_names(
    names: Sequence[str], frame: pd.DataFrame, notes: Notes, options: dict[str, Any]
) -> None:
    """Raises ValueError if the first line seems to be a row, or has a name twice."""
    remedy = "Pass header=None if it is a row, names=[...] as well, or header=0 if it is not."
    if {"index_col", "usecols"} & {*options}:
        return
    named = {i: name for i, name in enumerate(names) if name}
    numeric = [PLAIN.fullmatch(name) is not None for name in named.values()]
    again = [bool((frame.iloc[:, i] == name).any()) for i, name in named.items()]
    counted = [*named.values()] == [str(i) for i in range(len(named))] and (
        not names[0] or len(named) > 2 or not all(map(is_whole, frame.astype(str).to_numpy().flat))
    )  # as pandas writes the names of an array
    if all(numeric) and not counted:
        raise notes.error(f"its first line holds numbers, {names[:5]}, and no names. {remedy}")
    words = [found for found, number in zip(again, numeric) if not number]
    if (any(numeric) and words and all(words)) or sum(again) > len(again) / 2:
        raise notes.error(
            f"the names in its first line, {names[:5]}, are entries of their columns, too. "
            + remedy
        )
    for name, count in collections.Counter(named.values()).items():
        if count > 1:
            raise notes.error(f"it has {count} columns named {name!r}: rename one.")


def named(
    names: Sequence[str], frame: pd.DataFrame, notes: Notes, options: dict[str, Any]
) -> pd.DataFrame:
    """The data frame without the row numbers and empty columns that have no name."""
    own = {"index_col", "usecols", "names"} & {*options}
    for i, name in enumerate(names if not own else []):
        if name and (i or name != "Unnamed: 0"):
            continue
        values = frame[f"Unnamed: {i}"]
        labels = values.is_unique and not any("." in word for word in values if is_number(word))
        if values.isna().all():
            notes.add(f"Column {i + 1}, which has no name and no entries, is left out.")
        elif i == 0 and labels and len(names) > 1:
            kind = "row numbers" if all(map(is_whole, values)) else "labels of the rows"
            notes.add(f"The first column, without a name, holds {kind}: left out.", warn=True)
        else:
            notes.add(f"Column {i + 1} has no name: it is named 'Unnamed: {i}'.", warn=True)
            continue
        frame = frame.drop(columns=f"Unnamed: {i}")
    return frame.rename(columns=lambda name: name.strip() if isinstance(name, str) else name)
