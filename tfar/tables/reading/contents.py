"""From the bytes of a file to its text, or to the data frame of a Parquet or Arrow file."""

from __future__ import annotations

import bz2
import gzip
import importlib
import io
import lzma
import zlib
from typing import TYPE_CHECKING

import pandas as pd

from tfar import records

if TYPE_CHECKING:
    from typing import Any


def name_of(path: Any) -> Any:
    """The path of an open file, where it has one; a path as it is."""
    return getattr(path, "name", path)


def unpacked(content: bytes, name: Any) -> bytes:
    """The bytes, decompressed if their first ones say that they are compressed."""
    packers = {b"\x1f\x8b": gzip, b"BZh": bz2, b"\xfd7zXZ": lzma}
    for magic, packer in packers.items():
        if content.startswith(magic):
            try:
                return packer.decompress(content)
            except (OSError, EOFError, ValueError, zlib.error, lzma.LZMAError) as error:
                raise records.damaged(name, records.words(error), "Get it again.") from error
    if content.startswith(b"PK\x03\x04"):
        raise ValueError(
            f"{name} is not a CSV file with a header but a zip archive, as workbooks of Excel "
            "are: save the sheet as CSV, or unpack the archive."
        )
    return content


def columnar(content: bytes, name: Any, options: dict[str, Any]) -> pd.DataFrame:
    """The data frame of a Parquet file, or of an Arrow file or stream."""
    file = io.BytesIO(content)
    try:
        if content[:4] == b"PAR1":
            return pd.read_parquet(file, **options)
        if content[:6] == b"ARROW1":
            return pd.read_feather(file, **options)
        return importlib.import_module("pyarrow.ipc").open_stream(file).read_pandas(**options)
    except ImportError as error:
        raise ImportError(f"Reading {name} needs pyarrow: pip install pyarrow") from error
    except (ValueError, OSError) as error:  # pyarrow's own are subclasses
        raise ValueError(
            f"{name} is not a Parquet or Arrow file: {records.words(error)}."
        ) from error


def decoded(content: bytes, name: Any, encoding: str | None) -> str:
    """The text in an encoding; None is UTF-8, or UTF-16 where its first bytes say so."""
    wide = content[:2] in (b"\xff\xfe", b"\xfe\xff")  # "Unicode text" of Excel
    if encoding is None and not wide and b"\0" in content:
        line = content.count(10, 0, content.index(0)) + 1
        raise ValueError(
            f"{name} is not a CSV file with a header: line {line} has a zero byte, as files that "
            "are no text have. Save the table as CSV in UTF-8."
        )
    encoding = encoding or ("utf-16" if wide else "utf-8")
    try:
        return content.decode(encoding)
    except UnicodeDecodeError as error:
        line = content.count(10, 0, error.start) + 1
        raise ValueError(
            f"{name} is not a CSV file with a header in {encoding}: line {line} has the byte "
            f"{content[error.start]:#04x}. Pass its encoding, for instance encoding='cp1252' "
            "(Windows in Western Europe), or save it as UTF-8."
        ) from error
    except LookupError as error:
        raise ValueError(f"Expected encoding to be one of Python's, got {encoding!r}.") from error
