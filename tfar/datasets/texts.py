"""Texts, from TFDS."""

from __future__ import annotations

from tfar.datasets.source import Source

_TINY_SHAKESPEARE = Source(
    name="tiny_shakespeare",
    builder="tiny_shakespeare",
    sizes={"train": 1, "validation": 1, "test": 1},
    feature="text",
    shape=(),
    urls={
        "input.txt": "https://raw.githubusercontent.com/karpathy/char-rnn/master/data/"
        "tinyshakespeare/input.txt"
    },
)


def tiny_shakespeare(split: str, *, download: bool = True) -> str:
    """A megabyte of Shakespeare's plays, as characters.

    Karpathy's file, cut as TFDS does: its first 90 % (nanoGPT's training part) and two halves of
    the rest (together nanoGPT's validation part, 111,540 characters). All 65 characters of its
    vocabulary occur in "train".

    Args:
      split: "train" (1,003,854 characters), "validation" (55,770) or "test" (55,770).
      download: whether missing files may be downloaded (1 MB).

    Returns:
      A string.

    Raises:
      ValueError: no such split, or a file that is not the published one (TFDS holds the SHA-256).
      FileNotFoundError: not on this machine, and not downloaded; the message says how to get it.

    #### References
    [1] A. Karpathy. The Unreasonable Effectiveness of Recurrent Neural Networks. 2015.
    Source: TFDS `tiny_shakespeare`, from
        https://raw.githubusercontent.com/karpathy/char-rnn/master/data/tinyshakespeare/input.txt
    """
    return _TINY_SHAKESPEARE.read(split, download=download)["text"][0].decode()
