"""The characters of a text, and their numbers."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from tfar import arguments

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Self


class Vocabulary:
    """The characters that a model knows, numbered from 0.

    Args:
      characters: a string of different characters, at least two.

    Raises:
      ValueError: if it is not such a string.

    >>> vocabulary = Vocabulary.of("hello")
    >>> vocabulary.characters, vocabulary.encode("hole").tolist()
    ('ehlo', [1, 3, 2, 0])
    >>> vocabulary.decode([1, 0, 2, 2, 3])
    'hello'
    """

    def __init__(self, characters: str) -> None:
        if not isinstance(characters, str) or not 1 < len(characters) == len(set(characters)):
            raise ValueError(
                f"Expected a string of at least two characters, all different, got {characters!r}."
            )
        self.characters = characters
        self._numbers = {character: number for number, character in enumerate(characters)}

    @classmethod
    def of(cls, text: str) -> Self:
        """The vocabulary of a text, a string, in the order of Unicode."""
        return cls("".join(sorted(set(arguments.string("text", text)))))

    def __len__(self) -> int:
        return len(self.characters)

    def encode(self, text: str) -> np.ndarray:
        """Numbers of the characters of a string, int32 [len(text)].

        Raises:
          ValueError: if it is not a string, or a character is unknown; the message names the first.
        """
        arguments.string("text", text)
        try:
            return np.array([self._numbers[character] for character in text], np.int32)
        except KeyError as error:
            where = text.index(error.args[0])
            raise ValueError(
                f"The vocabulary has no {error.args[0]!r}, which the text has at position {where}. "
                f"It has {self.characters!r}."
            ) from None

    def decode(self, numbers: Sequence[int] | np.ndarray) -> str:
        """The text of integers [n], an array or a sequence.

        Raises:
          ValueError: if they are not integers, or one is not the number of a character.
        """
        numbers = np.asarray(numbers)
        if numbers.ndim != 1 or (numbers.size and numbers.dtype.kind not in "iu"):
            raise ValueError(
                f"Expected integers of shape [n], got {numbers.dtype} of shape "
                f"{list(numbers.shape)}."
            )
        outside = np.flatnonzero((numbers < 0) | (numbers >= len(self)))
        if outside.size:
            raise ValueError(
                f"Expected numbers from 0 to {len(self) - 1}, got {numbers[outside[0]]} at "
                f"position {outside[0]}."
            )
        return "".join(self.characters[number] for number in numbers)
