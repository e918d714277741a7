"""Kinds of data: images, texts, tables, and arrays of other shapes.

A `Kind` holds everything that depends on a model's kind of data: what one example is, how data are
read and cut, which figures are reported, how samples are drawn, shown and written, and which
signatures are exported. Commands, training, exports and cards use it, and do not tell kinds apart.

A kind imports what it needs when it is used: cards take its words without importing TensorFlow.
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
    """The kind of a model, an object of one of the registered classes.

    Args:
      model: a `tfar.models.AutoregressiveModel`.

    Raises:
      ValueError: if it is not such a model.

    >>> of(tfar.models.FVSBN([3])).name
    'vectors'
    """
    from tfar import serving

    serving.check_model(model)
    return next(kind for kind in KINDS if kind.fits(model))(model)


def per(word: str) -> type[Kind]:
    """The class of the kind whose figures are means per ``word``.

    Args:
      word: the entry "per" of a ``metrics.json``.

    Raises:
      ValueError: if there is no such kind.

    >>> per("character").bits_unit
    'bits/char'
    """
    for kind in reversed(KINDS):  # the most general of those that share a word
        if kind.per == word:
            return kind
    known = ", ".join(sorted({repr(kind.per) for kind in KINDS}))
    raise ValueError(f"Expected figures per one of {known}, got {word!r}.")


def formats() -> list[str]:
    """Endings of the files to which samples of any kind are written.

    >>> formats()
    ['.png', '.npy', '.csv', '.txt']
    """
    return list(dict.fromkeys(ending for kind in reversed(KINDS) for ending in kind.formats))


def register(kind: type[K]) -> type[K]:
    """A decorator that registers a kind of your own, before those that are registered.

    Args:
      kind: a subclass of `Kind` with a ``fits`` of its own.

    Returns:
      ``kind``.

    Raises:
      ValueError: if it is not such a class.

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
        raise ValueError(f"Expected a subclass of tfar.kinds.Kind with its own fits, got {kind!r}.")
    KINDS.insert(0, kind)
    return kind
