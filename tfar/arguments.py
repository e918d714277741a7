"""Arguments, checked in one style: what was expected, and what came.

Every function returns the argument, converted to its type, or raises ValueError.
"""

from __future__ import annotations

import math
import operator
import os
import pathlib
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    import types
    from collections.abc import Callable, Iterable
    from typing import Any, NoReturn

    import keras

T = TypeVar("T")


def integer(name: str, value: Any, *, least: float | None = None, most: float | None = None) -> int:
    """An int (also NumPy's), in a range; not a bool, and not a float, even a whole one.

    >>> integer("filters", 2.5, least=1)
    Traceback (most recent call last):
    ...
    ValueError: Expected filters to be an integer of at least 1, got 2.5.
    """
    try:
        if isinstance(value, bool):
            raise TypeError
        number = operator.index(value)
    except TypeError:
        number = None
    if number is None or not _inside(number, least, most):
        _refuse(name, "an integer" + _range(least, most), value)
    return number


def integers(
    name: str, values: Any, *, least: float | None = None, count: int | None = None
) -> tuple[int, ...]:
    """A tuple of ints, at least one, or ``count`` of them.

    >>> integers("hidden", [8, 0], least=1)
    Traceback (most recent call last):
    ...
    ValueError: Expected hidden to be a sequence of integers of at least 1, got [8, 0].
    """
    what = "a sequence of " + (f"{count} " if count else "") + "integers" + _range(least, None)
    try:
        numbers = tuple(integer(name, value, least=least) for value in values)
    except (TypeError, ValueError):
        numbers = ()
    if (
        isinstance(values, str | bytes | dict | set)
        or not numbers
        or count not in (None, len(numbers))
    ):
        _refuse(name, what, values)
    return numbers


def odd(name: str, value: Any) -> int:
    """An odd int of at least 1.

    >>> odd("kernel_size", 4)
    Traceback (most recent call last):
    ...
    ValueError: Expected kernel_size to be an odd integer of at least 1, got 4.
    """
    try:
        if integer(name, value, least=1) % 2:
            return operator.index(value)
    except ValueError:
        pass
    _refuse(name, "an odd integer of at least 1", value)


def rate(name: str, value: Any) -> float:
    """A fraction to drop in training, a float in [0, 1).

    >>> rate("dropout", 2.0)
    Traceback (most recent call last):
    ...
    ValueError: Expected dropout to be a finite number of at least 0 and below 1, got 2.0.
    """
    return number(name, value, least=0, below=1)


def number(
    name: str,
    value: Any,
    *,
    least: float | None = None,
    most: float | None = None,
    above: float | None = None,
    below: float | None = None,
) -> float:
    """A finite float, in a range that is closed (least, most) or open (above, below).

    >>> number("dropout", 1.5, least=0, below=1)
    Traceback (most recent call last):
    ...
    ValueError: Expected dropout to be a finite number of at least 0 and below 1, got 1.5.
    """
    try:
        if isinstance(value, bool | str | bytes):
            raise TypeError
        real = float(value)
    except (TypeError, ValueError, OverflowError):
        real = math.nan
    if not math.isfinite(real) or not _inside(real, least, most, above, below):
        _refuse(name, "a finite number" + _range(least, most, above, below), value)
    return real


def numbers(name: str, values: Any) -> list[float]:
    """Finite numbers; ValueError if there are others.

    >>> numbers("atoms", (0, 2.5))
    [0.0, 2.5]
    """
    try:
        each = list(() if isinstance(values, str) else values)
    except TypeError:
        each = []
    if not each:
        _refuse(name, "a sequence of at least one finite number", values)
    return [number(f"{name}[{i}]", value) for i, value in enumerate(each)]


def choice(name: str, value: T, options: Iterable[Any]) -> T:
    """One of the options.

    >>> choice("cell", "lstn", ("gru", "lstm"))
    Traceback (most recent call last):
    ...
    ValueError: Expected cell to be one of 'gru', 'lstm', got 'lstn'.
    """
    if not any(type(value) is type(option) and value == option for option in options):
        _refuse(name, "one of " + ", ".join(map(repr, options)), value)
    return value


def string(name: str, value: Any) -> str:
    """A str.

    >>> string("prompt", None)
    Traceback (most recent call last):
    ...
    ValueError: Expected prompt to be a string, got None.
    """
    if not isinstance(value, str):
        _refuse(name, "a string", value)
    return value


def flag(name: str, value: Any) -> bool:
    """A bool (also NumPy's), and nothing that merely counts as one.

    >>> flag("direct", "no")
    Traceback (most recent call last):
    ...
    ValueError: Expected direct to be True or False, got 'no'.
    """
    if isinstance(value, bool):
        return value
    if getattr(value, "dtype", None) != "bool" or getattr(value, "shape", None) != ():
        _refuse(name, "True or False", value)
    return bool(value)


def instance(name: str, value: Any, kind: type | types.UnionType, what: str) -> Any:
    """An instance of a class, which the error describes as ``what``.

    >>> instance("layer", "relu", int, "a number")
    Traceback (most recent call last):
    ...
    ValueError: Expected layer to be a number, got 'relu'.
    """
    if not isinstance(value, kind):
        _refuse(name, what, value)
    return value


def items(name: str, values: Any, what: str, is_one: Callable[[Any], Any]) -> list[Any]:
    """A list, not empty, of values that ``is_one`` accepts.

    >>> items("heads", 3, "a list of heads", callable)
    Traceback (most recent call last):
    ...
    ValueError: Expected heads to be a list of heads, got 3.
    """
    try:
        listed = [] if isinstance(values, str | bytes | dict | set) else list(values)
    except TypeError:
        listed = []
    if not listed or not all(is_one(value) for value in listed):
        _refuse(name, what, values)
    return listed


def activation(name: str, value: Any) -> Callable[..., Any]:
    """What ``keras.activations.get`` returns for a name, a function or None."""
    import keras

    return _resolved(name, value, keras.activations.get, "a Keras activation or a function")


def initializer(name: str, value: Any) -> keras.initializers.Initializer:
    """What ``keras.initializers.get`` returns for a name, a config or an initializer."""
    import keras

    return _resolved(name, value, keras.initializers.get, "a Keras initializer")


def _resolved(name, value, get, what):
    try:
        return get(value)
    except (TypeError, ValueError, KeyError, AttributeError):
        _refuse(name, what, value)


def path(name: str, value: Any) -> pathlib.Path:
    """A ``pathlib.Path``, from a str or a path.

    >>> path("folder", None)
    Traceback (most recent call last):
    ...
    ValueError: Expected folder to be a path, got None.
    """
    if not isinstance(value, str | os.PathLike) or not os.fspath(value):
        _refuse(name, "a path", value)
    return pathlib.Path(value)


def _refuse(name: str, expected: str, value: Any) -> NoReturn:
    shown = repr(value)
    shown = shown if len(shown) <= 200 else f"{shown[:200]}..."
    raise ValueError(f"Expected {name} to be {expected}, got {shown}.") from None


def _inside(number, least=None, most=None, above=None, below=None):
    return (
        (least is None or number >= least)
        and (most is None or number <= most)
        and (above is None or number > above)
        and (below is None or number < below)
    )


def _range(least=None, most=None, above=None, below=None):
    bounds = (("at least", least), ("above", above), ("at most", most), ("below", below))
    words = " and ".join(f"{word} {bound}" for word, bound in bounds if bound is not None)
    return f" {'of ' * words.startswith('at ')}{words}" if words else ""
