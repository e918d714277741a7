"""The file: what it was made by, its chunks, and the digests by which any damage is seen.

    4 bytes   "tfar"
    1 byte    version of the format
    2 bytes   length of the header
    header    see `Header`; each chunk's length and check sums are in it
    4 bytes   CRC-32 of all before
    chunks    one after the other, of a range coder each

All numbers are little endian.
"""

from __future__ import annotations

import dataclasses
import struct
import zlib

MAGIC, VERSION = b"tfar", 1
START = struct.Struct("<4sBI")
FIXED = struct.Struct("<4s8s8s4s8sIHBHB")
CHUNK = struct.Struct("<III")


class Damaged(ValueError):
    """A compressed file is damaged."""


@dataclasses.dataclass
class Chunk:
    """A part of the payload.

    Attributes:
      size: in bytes.
      sum: CRC-32 of the bytes.
      data_sum: CRC-32 of what they decode to.
    """

    size: int
    sum: int
    data_sum: int


@dataclasses.dataclass(kw_only=True)
class Header:
    """What a decoder must know.

    Attributes:
      config, weights: digests of the model's config and of its weights, 4 and 8 bytes.
      machine: what the `Witness` saw, 8 bytes.
      condition: a digest of the conditions of the examples, 4 bytes.
      data: a digest of the data, 8 bytes.
      count: the number of examples, or of characters.
      batch_size: examples that are computed together, those of a chunk, or texts.
      dtype: of the examples, "" for text.
      member: of an ensemble.
      portable: whether logits are on a grid, see `tfar.compression.portable`.
      model: the name under which the model was given.
      chunks: a list of `Chunk`.
    """

    config: bytes
    weights: bytes
    machine: bytes
    condition: bytes
    data: bytes
    count: int
    batch_size: int
    dtype: str
    member: int
    portable: bool
    model: str
    chunks: list[Chunk]


def packed(header: Header, payload: bytes) -> bytes:
    """The file.

    Args:
      header: a `Header`.
      payload: the chunks' bytes, one after the other.
    """
    digests = header.config, header.weights, header.machine, header.condition, header.data
    dtype, model = header.dtype.encode("ascii"), header.model.encode()
    numbers = header.count, header.batch_size, len(dtype), header.member, header.portable
    body = FIXED.pack(*digests, *numbers) + dtype
    body += struct.pack("<H", len(model)) + model
    body += b"".join(CHUNK.pack(c.size, c.sum, c.data_sum) for c in header.chunks)
    head = START.pack(MAGIC, VERSION, len(body)) + body
    return head + struct.pack("<I", zlib.crc32(head)) + payload


def unpacked(content: bytes) -> tuple[Header, list[bytes | None]]:
    """``(header, chunks)``: the bytes of each chunk, None for one that is damaged or cut off.

    Raises:
      Damaged: if the header is damaged.
      ValueError: if it is not such a file, or of a newer version.
    """
    if content[:4] != MAGIC:
        raise ValueError("Expected a file that tfar compressed, got something else.")
    if len(content) < START.size:
        raise Damaged("The file is cut off in its header: nothing can be decoded.")
    _, version, size = START.unpack_from(content)
    end = START.size + size
    if version != VERSION:
        raise ValueError(
            f"The file has version {version} of the format, and this version of tfar reads "
            f"{VERSION}: use the one that wrote it, or the file is damaged."
        )
    if len(content) < end + 4:
        raise Damaged("The file is cut off in its header: nothing can be decoded.")
    if struct.unpack_from("<I", content, end)[0] != zlib.crc32(content[:end]):
        raise Damaged("The header of the file is damaged: nothing can be decoded.")
    header = _header(content[START.size : end])
    chunks: list[bytes | None] = []
    place = end + 4
    for chunk in header.chunks:
        part = content[place : place + chunk.size]
        place += chunk.size
        chunks.append(part if zlib.crc32(part) == chunk.sum else None)
    return header, chunks


def _header(body):
    config, weights, machine, condition, data, *numbers = FIXED.unpack_from(body)
    count, batch_size, length, member, portable = numbers
    place = FIXED.size
    dtype, place = body[place : place + length].decode("ascii"), place + length
    (length,) = struct.unpack_from("<H", body, place)
    model, place = body[place + 2 : place + 2 + length].decode(), place + 2 + length
    return Header(
        config=config,
        weights=weights,
        machine=machine,
        condition=condition,
        data=data,
        count=count,
        batch_size=batch_size,
        dtype=dtype,
        member=member,
        portable=bool(portable),
        model=model,
        chunks=[Chunk(*each) for each in CHUNK.iter_unpack(body[place:])],
    )
