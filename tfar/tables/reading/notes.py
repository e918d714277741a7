"""What is said of a table while it is read: what was guessed, and what is wrong with it."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any


class Notes:
    """Sentences on the table of one file.

    Attributes:
      name: of the file.
      sentences: that say what was guessed.
      warned: those of them that `read_csv` warns of.
      lines: of the text, in which the rows of the data frame begin; None if that is not known.
    """

    def __init__(self, name: Any) -> None:
        self.name = name
        self.sentences: list[str] = []
        self.warned: list[str] = []
        self.lines: Sequence[int] | None = None

    def add(self, sentence: str, warn: bool = False) -> None:
        """Notes what was guessed."""
        self.sentences.append(sentence)
        if warn:
            self.warned.append(sentence)

    def error(self, sentence: str) -> ValueError:
        """The error of a file that holds no table."""
        return ValueError(f"{self.name} is not a CSV file with a header: {sentence}")

    def where(self, row: int) -> str:
        """Where a row of the data frame is in the file."""
        return f"row {row}" if self.lines is None else f"line {self.lines[row]}"
