"""Two of the binary data sets as the categories that their bits stand for.

The code is one-to-one, so that an example has the same probability either way, and a model of
categories need not learn that at most one of some bits is set.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from tfar.datasets.uci import SOURCES

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np

MUSHROOMS = (6, 4, 10, 2, 9, 2, 2, 2, 12, 2, 4, 4, 9, 9, 1, 4, 3, 5, 9, 6, 7)  # bits of each


def _categories(bits: np.ndarray, values: Sequence[Sequence[int]]) -> np.ndarray:
    """For each column, the sum of the values of its bits, of which at most one is set."""
    import numpy as np

    sums, first = [], 0
    for column in values:
        sums.append(bits[:, first : first + len(column)] @ np.array(column, np.uint8))
        first += len(column)
    return np.stack(sums, axis=1)


def dna_nucleotides(split: str, *, download: bool = True) -> np.ndarray:
    """DNA: splice junctions of 60 nucleotides, one of four each; the data of `dna`.

    Args:
      split: "train" (1,400 rows), "validation" (600 rows), "test" (1,186 rows).
      download: whether a missing file may be downloaded.

    Returns:
      uint8 [N, 60] of 0 to 3: 0 where none of the three bits of `dna` is set, else its number.

    Raises:
      ValueError: no such split, or a file that is not the published one.
      FileNotFoundError: not on this machine, and not downloaded; the message says how to get it.

    #### References
    Source: see `dna`; https://github.com/mgermain/MADE
    """
    source = dataclasses.replace(SOURCES["dna"], name="dna_nucleotides")
    return _categories(source.read(split, download=download)["x"], [[1, 2, 3]] * 60)


def mushrooms_attributes(split: str, *, download: bool = True) -> np.ndarray:
    """Mushrooms: their 21 categorical attributes; the data of `mushrooms`.

    Args:
      split: "train" (2,000 rows), "validation" (500 rows), "test" (5,624 rows).
      download: whether a missing file may be downloaded.

    Returns:
      uint8 [N, 21] of 0 to 11: which bit of the attribute is set, of 6, 4, 10, 2, 9, 2, 2, 2, 12,
      2, 4, 4, 9, 9, 1, 4, 3, 5, 9, 6 and 7 bits.

    Raises:
      ValueError: no such split, or a file that is not the published one.
      FileNotFoundError: not on this machine, and not downloaded; the message says how to get it.

    #### References
    Source: see `mushrooms`; https://github.com/mgermain/MADE
    """
    source = dataclasses.replace(SOURCES["mushrooms"], name="mushrooms_attributes")
    values = [range(bits) for bits in MUSHROOMS]
    return _categories(source.read(split, download=download)["x"], values)
