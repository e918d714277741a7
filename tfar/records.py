"""JSON files that tfar has written, checked when they are read."""

from __future__ import annotations

import json
import numbers
from typing import TYPE_CHECKING

from tfar import files

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from tfar.typing import Path

NUMBER = numbers.Real


def read(path: Path, fields: Mapping[str, Any], remedy: str) -> dict[str, Any]:
    """The dict in a JSON file.

    Args:
      path: of the file.
      fields: what it must hold: a dict from keys to types, to such dicts, or to a list of one of
        these, which stands for a list of any length.
      remedy: a sentence that says how to get an intact file.

    Raises:
      OSError: if the file cannot be read, with a message that names it; FileNotFoundError if it is
        missing.
      ValueError: if it is damaged, with a sentence that names the file, and the remedy.

    >>> import pathlib, tempfile
    >>> path = pathlib.Path(tempfile.mkdtemp()) / "metrics.json"
    >>> _ = path.write_text('{"test": {"nats": 1.5}}')
    >>> read(path, {"test": {"nats": NUMBER}}, "Restore it.")
    {'test': {'nats': 1.5}}
    """
    try:
        held = json.loads(files.read(path).decode())
    except (ValueError, RecursionError) as error:  # including bytes that are not UTF-8
        raise damaged(path, "it is not JSON", remedy) from error
    check(path, held, fields, remedy)
    return held


def check(path: Path, held: Any, fields: Mapping[str, Any], remedy: str) -> None:
    """Raises ValueError, as `read` does, unless what a file held has the fields."""
    reason = _difference(held, fields)
    if reason:
        raise damaged(path, reason, remedy)


def damaged(path: Path, reason: object, remedy: str) -> ValueError:
    """The ValueError of a damaged file or folder."""
    return ValueError(f"{path} is damaged: {reason}. {remedy}")


def words(error: Exception) -> str:
    """The message of an exception on one line; for one of Keras, the message of its cause."""
    line = " ".join(str(error).split())
    return line.rpartition("Exception encountered: ")[2][:200].rstrip(".")


def _difference(held, expected, where=""):
    """What is wrong, in words, or None."""
    name = f" as {where}" if where else ""
    if isinstance(expected, dict):
        if not isinstance(held, dict):
            return f"expected an object{name}, got {_shown(held)}"
        for key, inner in expected.items():
            place = f"{where}.{key}" if where else key
            if key not in held:
                return f"it has no {place}"
            reason = _difference(held[key], inner, place)
            if reason:
                return reason
        return None
    if isinstance(expected, list):
        if not isinstance(held, list):
            return f"expected a list{name}, got {_shown(held)}"
        reasons = (_difference(part, expected[0], f"{where}[{i}]") for i, part in enumerate(held))
        return next(filter(None, reasons), None)
    if not isinstance(held, expected) or (isinstance(held, bool) and expected is not bool):
        words = {int: "an integer", NUMBER: "a number", str: "a string"}
        return f"expected {words[expected]}{name}, got {_shown(held)}"
    return None


def _shown(value):
    shown = json.dumps(value)
    return shown if len(shown) <= 60 else f"{shown[:60]}..."
