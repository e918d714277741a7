"""Kinds of data: images, texts, tables, and arrays of other shapes.

What depends on the kind of data that a model is of, its `Kind` says: what one example is, how data
are read and cut, which figures are reported, how samples are drawn, shown and written, and which
signatures are exported. Commands, training, exports and cards ask it, and know no kinds.

What a kind needs is imported when it is used: cards take its words, and import no TensorFlow.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from tfar.kinds.base import Kind, Vectors
from tfar.kinds.images import Images
from tfar.kinds.tables import Tables
from tfar.kinds.texts import Texts

if TYPE_CHECKING:
    from tfar.models import AutoregressiveModel

__all__ = [
    "KINDS",
    "Images",
    "Kind",
    "Tables",
    "Texts",
    "Vectors",
    "formats",
    "of",
    "per",
    "register",
]

K = TypeVar("K", bound=Kind)

KINDS = [Texts, Tables, Images, Vectors, Kind]  # the first that fits is a model's


def of(model: AutoregressiveModel) -> Kind:
    """The kind of a model, an object of one of the classes that are registered.

    Args:
      model: a `tfar.models.AutoregressiveModel`.

    Raises:
      ValueError: if it is no such model.

    >>> of(tfar.models.FVSBN([3])).name
    'vectors'
    """
    from tfar import serving

    serving.check_model(model)
    return next(kind for kind in KINDS if kind.fits(model))(model)


def per(word: str) -> type[Kind]:
    """The kind whose figures are means over what a word says, for its words: the class.

    Args:
      word: "per" of a ``metrics.json``.

    Raises:
      ValueError: if there is no such kind.

    >>> per("character").bits_unit
    'bits/char'
    """
    for kind in reversed(KINDS):  # of those with a word in common, the most general
        if kind.per == word:
            return kind
    known = ", ".join(sorted({repr(kind.per) for kind in KINDS}))
    raise ValueError(f"Expected figures per one of {known}, got {word!r}.")


def formats() -> list[str]:
    """Endings of the files that samples of one kind or another are written to.

    >>> formats()
    ['.png', '.npy', '.csv', '.txt']
    """
    return list(dict.fromkeys(ending for kind in reversed(KINDS) for ending in kind.formats))


def register(kind: type[K]) -> type[K]:
    """A decorator that makes a kind of one's own known; it comes before those that are there.

    Args:
      kind: a subclass of `Kind` with a ``fits`` of its own.

    Returns:
      ``kind``.

    Raises:
      ValueError: if it is no such class.

    >>> @register
    ... class Counts(Kind):
    ...     name = "counts"
    ...
    ...     @staticmethod
    ...     def fits(model):
    ...         return isinstance(model.head, tfar.heads.NegativeBinomial)
    >>> KINDS.remove(Counts)
    """
    if not (isinstance(kind, type) and issubclass(kind, Kind) and "fits" in vars(kind)):
        raise ValueError(f"Expected a subclass of tfar.kinds.Kind with a fits, got {kind!r}.")
    KINDS.insert(0, kind)
    return kind
