"""Compresses examples by a model, and decompresses them."""

from __future__ import annotations

import hashlib
import json
import zlib
from typing import Any

import numpy as np
import tensorflow as tf

from tfar import conditions, kinds, text
from tfar.arguments import flag, instance, integer, string
from tfar.compression import container, layout
from tfar.compression import portable as portable_files
from tfar.compression.coder import Decoder, Encoder, Witness
from tfar.compression.container import Chunk, Damaged, Header
from tfar.compression.lockstep import talk, turns
from tfar.models import AutoregressiveModel
from tfar.text.adaptive import Adapted
from tfar.typing import Nest, Progress


def compress(
    model: AutoregressiveModel,
    data: Nest,
    *,
    adapt: str | None = None,
    portable: bool = False,
    member: int = 0,
    name: str = "",
    progress: Progress = None,
) -> bytes:
    """Examples in -log2 p(x) bits and a little more, at most 1 % and 100 bytes.

    Every value is coded by its conditional, in multiples of 2^-20, with the range coder of the
    package constriction. The model, which the decoder needs too, is not in the file.

    Both sides compute the conditionals by the same steps on as many examples, 512 at a time or, of
    a text, 8 parts of at most 8,192 characters: it takes about the time of sampling. Decoding needs
    a machine of the same arithmetic, of which the file holds a fingerprint.

    Args:
      model: a `tfar.models.AutoregressiveModel` of discrete values.
      data: x [N, *event_shape] of any integer, bool or float dtype, which is kept; a string for a
        text model; or for a conditional model ``{"x": x, "condition": c}``.
      adapt: for a text, as in `tfar.text.log_prob`: the model learns as it codes, character after
        character, and begins anew in each chunk of 65,536.
      portable: for examples of zeros and ones: whether any machine may decode, for about 1 % more;
        encoding then takes one parallel pass. See `tfar.compression.portable`.
      member: which member of an ensemble codes.
      name: of the model, a path or a name of the zoo, for whoever decompresses.
      progress: wrapper of the iterable of chunks, for instance a progress bar.

    Returns:
      bytes, see `tfar.compression.container`.

    Raises:
      ValueError: if the model has real values, or if the data are not valid for it or hold
        negative zeros.
      ImportError: without the package constriction.

    #### References
    J. Rissanen, G. G. Langdon. Arithmetic coding. IBM Journal of Research and Development 23, 1979.
    R. Bamler. Understanding Entropy Coding With Asymmetric Numeral Systems (ANS): a Statistician's
    Perspective. arXiv 2201.01741, 2022 (constriction).

    >>> model = tfar.models.MADE([5], (8,))
    >>> x = np.array([[0, 1, 0, 0, 1], [1, 1, 0, 1, 0]], np.uint8)
    >>> content = compress(model, x)
    >>> decompress(model, content).tolist()
    [[0, 1, 0, 0, 1], [1, 1, 0, 1, 0]]
    """
    _check(model)
    member = integer("member", member, least=0, most=model.members - 1)
    string("name", name)
    config, weights = _digests(model)
    model, number = model.of_member(member)
    x, condition = _apart(model, data)
    plan = layout.of(model, x, number, adapts=adapt is not None)
    if flag("portable", portable) and (model.head.digits != (2,) or not plan.dtype):
        raise ValueError(
            f"Portable files are of examples of zeros and ones, and this is a model of {model.head}"
            f" and {kinds.of(model).name}."
        )
    x = x if isinstance(x, str) else layout.array(model, x)
    condition = _conditions(model, condition, plan)
    chunks, payload, restored = [], b"", []
    for first, stop in progress(plan.chunks) if progress else plan.chunks:
        digits = plan.to_digits(x[first:stop])
        restored.append(plan.from_digits(digits, first, stop))
        if portable:
            rows = portable_files.rows_of(condition, slice(first, stop))
            written = _portable(model, digits, restored[-1], number, rows)
        else:
            encoder = Encoder(digits)
            _talk(model, _adapted(model, encoder, adapt), plan, number, condition, (first, stop))
            written = encoder.written()
        chunks.append(Chunk(len(written), zlib.crc32(written), zlib.crc32(_bytes(restored[-1]))))
        payload += written
    if _bytes(plan.joined(restored)) != _bytes(x):
        raise ValueError("The data hold negative zeros, which the model does not know: add 0.")
    header = Header(
        config=config,
        weights=weights,
        machine=_machine(model, plan, number, adapt, portable=portable),
        portable=portable,
        condition=_digest((condition, adapt))[:4],
        data=_digest(x)[:8],
        count=plan.count,
        batch_size=plan.batch_size,
        dtype=plan.dtype,
        member=member,
        model=name,
        chunks=chunks,
    )
    return container.packed(header, payload)


def decompress(
    model: AutoregressiveModel,
    content: bytes,
    *,
    condition: Nest = None,
    adapt: str | None = None,
    progress: Progress = None,
) -> Any:
    """The data that `compress` was given, exactly.

    Args:
      model: the same model, with the same weights.
      content: what `compress` returned.
      condition: for a conditional model, the conditions of the examples.
      adapt, progress: as in `compress`, which was given the same text.

    Returns:
      x [N, *event_shape] of the dtype that was given, or a string.

    Raises:
      Damaged: if the file is damaged; see `salvage`.
      ValueError: if it is no such file, or was made by another model, with other weights or
        conditions, or on a machine of other arithmetic.
      ImportError: without the package constriction.
    """
    options: Any = {"condition": condition, "adapt": adapt, "progress": progress}
    data, lost = salvage(model, content, **options)
    if lost:
        which = ", ".join(f"{first} to {stop - 1}" for first, stop in lost)
        what = "characters" if isinstance(data, str) else "examples"
        raise Damaged(
            f"The file is damaged, or cut off: {what} {which} are lost. Decode the others with "
            "tfar.compression.salvage, or with --salvage."
        )
    return data


def salvage(
    model: AutoregressiveModel,
    content: bytes,
    *,
    condition: Nest = None,
    adapt: str | None = None,
    progress: Progress = None,
) -> tuple[Any, list[tuple[int, int]]]:
    """What a file still holds, if some of its chunks are damaged.

    Args:
      model, content, condition, adapt, progress: as in `decompress`.

    Returns:
      ``(data, lost)``: the other examples, or characters, one after the other; and pairs (first,
      stop) of the numbers of those that are lost.

    Raises:
      Damaged: if the header is damaged.
      ValueError, ImportError: as in `decompress`.

    >>> model = tfar.models.MADE([5], (8,))
    >>> content = compress(model, np.eye(600, 5, dtype=np.uint8))
    >>> x, lost = salvage(model, content[:-1] + b"?")
    >>> len(x), lost
    (512, [(512, 600)])
    """
    _check(model)
    header, parts = container.unpacked(content)
    _verify_model(model, header)
    model, number = model.of_member(header.member)
    if header.dtype:
        options: Any = {"member": number, "dtype": header.dtype}
        plan: layout.Layout = layout.Examples(
            model, count=header.count, batch_size=header.batch_size, **options
        )
    else:
        plan = layout.Text(model, count=header.count, batch_size=header.batch_size)
    rows = _conditions(model, condition, plan)
    if _digest((rows, adapt))[:4] != header.condition:
        raise ValueError(
            "The file was made with other conditions, or another text to adapt from: give the same."
        )
    if header.machine != _machine(model, plan, number, adapt, portable=header.portable):
        raise ValueError(
            "The file was made on a machine, or with a version of TensorFlow, whose arithmetic "
            "differs in the last digits: decoding would go wrong. Decompress it there."
        )
    found, lost = [], []
    chunks = list(zip(plan.chunks, parts, header.chunks, strict=True))
    for (first, stop), part, chunk in progress(chunks) if progress else chunks:
        if part is None:
            lost.append((first, stop))
            continue
        counts = plan.counts(first, stop)
        shape = int(counts[0]), len(counts), len(model.head.digits)  # type: ignore[arg-type]  # as checked
        decoder = portable_files.Decoder(part, shape) if header.portable else Decoder(part, shape)
        _talk(model, _adapted(model, decoder, adapt), plan, number, rows, (first, stop))
        found.append(plan.from_digits(decoder.digits, first, stop))
        if zlib.crc32(_bytes(found[-1])) != chunk.data_sum:
            raise ValueError(
                "A chunk decodes to other data than were given: the arithmetic of this machine "
                "must differ from that of the one that made the file. Decompress it there."
            )
    data = plan.joined(found)
    if not lost and _digest(data)[:8] != header.data:
        raise Damaged("The file decodes to other data than were given.")
    return data, lost


def _check(model):
    head = instance("model", model, AutoregressiveModel, "a tfar.models.AutoregressiveModel").head
    if head.digits is None:
        raise ValueError(
            f"Only discrete values are coded without loss, and {head} has real ones: round them "
            "to a grid, and model its numbers, for instance by tfar.heads.Categorical."
        )


def _apart(model, data):
    """``(x, condition)``."""
    if not isinstance(data, dict):
        return data, None
    expected = ["x"] if model.condition is None else ["condition", "x"]
    if sorted(data) != expected:
        raise ValueError(f"Expected the keys {expected}, got {sorted(data)}.")
    return data["x"], data.get("condition")


def _conditions(model, condition, plan):
    """Rows of conditions, one for each example or one for a text; None for None."""
    given = conditions.checked(model, condition)
    if given is None:
        return None
    batch, expected = model.condition.batch_shape(given).as_list(), [plan.count]
    if isinstance(plan, layout.Text):
        expected = []
    if batch != expected:
        raise ValueError(f"Expected conditions of the batch shape {expected}, got {batch}.")
    return model.condition.rows(given, expected or [1])


def _talk(model, partner, plan, member, condition, chunk):
    options = {"batch_size": plan.batch_size, "member": member}
    if condition is not None:
        options["condition"] = plan.condition(condition, *chunk)
    talk(model, partner, plan.counts(*chunk), **options)


def _portable(model, digits, x, member, condition):
    """The chunk of examples x, whose digits are given."""
    logits = portable_files.logits_of(model, x, member=member, condition=condition)
    encoder = portable_files.Encoder(digits, logits)
    for sites in turns(model):
        encoder.write(sites)
    return encoder.written()


def _adapted(model, partner, adapt):
    """A partner who is told the conditionals, or what they are mixed to with those of counts."""
    return partner if adapt is None else Adapted(partner, text.mixer_of(model, adapt))


def _machine(model, plan, member, adapt, *, portable):
    """What a `Witness` sees of the conditionals that this machine computes; zeros for any."""
    if portable:
        return bytes(8)
    witness, condition, batch_size = Witness(), None, plan.batch_size
    if model.condition is not None:
        example = model.condition.tensors(model.condition.examples()[0])
        condition = model.condition.rows(example, [batch_size])
    counts = np.full(model.num_sites, batch_size)
    options = {"batch_size": batch_size, "member": member, "condition": condition}
    talk(model, _adapted(model, witness, adapt), counts, **options, brief=True)
    return witness.digest()


def _verify_model(model, header):
    config, weights = _digests(model)
    made_by = f"The file was made by {header.model}" if header.model else "The file was made"
    if config != header.config:
        raise ValueError(f"{made_by} with another model: this one has other layers or sizes.")
    if weights != header.weights:
        raise ValueError(f"{made_by} with other weights of this model.")


def _digests(model):
    """Of a model's config, without the names of layers, and of its weights."""
    config = json.dumps(_nameless(model.get_config()), sort_keys=True, default=str)
    sha = hashlib.sha256()
    for weight in model.weights:
        sha.update(np.ascontiguousarray(weight.numpy()).tobytes())
    return hashlib.sha256(config.encode()).digest()[:4], sha.digest()[:8]


def _nameless(config):
    if isinstance(config, dict):
        return {key: _nameless(part) for key, part in config.items() if key != "name"}
    return [_nameless(part) for part in config] if isinstance(config, list | tuple) else config


def _bytes(data):
    if isinstance(data, str):
        return data.encode("utf-8", "surrogatepass")
    return np.ascontiguousarray(np.asarray(data)).tobytes()


def _digest(data):
    sha = hashlib.sha256()
    for part in tf.nest.flatten(data):
        sha.update(b"none" if part is None else _bytes(part))
    return sha.digest()
