"""Arguments, checked in one style: what was expected, and what came.

Every function returns the argument as what it is taken for, or raises ValueError.
"""

import math
import operator
import os
import pathlib


def integer(name, value, least=None, most=None):
    """An int (NumPy's too), in a range; no bool, and no float, though it may be whole.

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


def integers(name, values, least=None, count=None):
    """A tuple of ints, at least one, or ``count`` of them.

    >>> integers("hidden", [8, 0], least=1)
    Traceback (most recent call last):
    ...
    ValueError: Expected hidden to be a sequence of integers of at least 1, got [8, 0].
    """
    what = "a sequence of " + (f"{count} " if count else "") + "integers" + _range(least, None)
    try:
        numbers = tuple(integer(name, value, least) for value in values)
    except (TypeError, ValueError):
        numbers = ()
    if (
        isinstance(values, str | bytes | dict | set)
        or not numbers
        or count not in (None, len(numbers))
    ):
        _refuse(name, what, values)
    return numbers


def number(name, value, least=None, most=None, above=None, below=None):
    """A finite float, in a range that is closed (least, most) or open (above, below).

    >>> number("dropout", 1.5, least=0, below=1)
    Traceback (most recent call last):
    ...
    ValueError: Expected dropout to be a number of at least 0 and below 1, got 1.5.
    """
    try:
        if isinstance(value, bool | str | bytes):
            raise TypeError
        real = float(value)
    except (TypeError, ValueError, OverflowError):
        real = math.nan
    if not math.isfinite(real) or not _inside(real, least, most, above, below):
        _refuse(name, "a number" + _range(least, most, above, below), value)
    return real


def choice(name, value, options):
    """One of some options, which are hashable.

    >>> choice("cell", "lstn", ("gru", "lstm"))
    Traceback (most recent call last):
    ...
    ValueError: Expected cell to be one of 'gru', 'lstm', got 'lstn'.
    """
    if not any(type(value) is type(option) and value == option for option in options):
        _refuse(name, "one of " + ", ".join(map(repr, options)), value)
    return value


def string(name, value):
    """A str.

    >>> string("prompt", None)
    Traceback (most recent call last):
    ...
    ValueError: Expected prompt to be a string, got None.
    """
    if not isinstance(value, str):
        _refuse(name, "a string", value)
    return value


def path(name, value):
    """A ``pathlib.Path``, of a string or a path.

    >>> path("folder", None)
    Traceback (most recent call last):
    ...
    ValueError: Expected folder to be a path, got None.
    """
    if not isinstance(value, str | os.PathLike) or not os.fspath(value):
        _refuse(name, "a path", value)
    return pathlib.Path(value)


def _refuse(name, expected, value):
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
    bounds = (("of at least", least), ("above", above), ("of at most", most), ("below", below))
    words = " and ".join(f"{word} {bound}" for word, bound in bounds if bound is not None)
    return f" {words}" if words else ""
