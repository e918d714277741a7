"""Commands that make files smaller by p(x), without loss."""

from __future__ import annotations

import os
from typing import Any

import click

from tfar import files
from tfar.cli.shell import (
    Command,
    adaptation,
    existing_model,
    load,
    main,
    output,
    primer,
    progress,
    say,
)


@main.command(cls=Command)
@click.argument("model", callback=existing_model)
@click.argument("source", metavar="IN", type=click.Path(exists=True, dir_okay=False))
@click.argument("out", callback=output())
@click.option(
    "--portable", is_flag=True, help="Of zeros and ones: for any machine, and about 1 % longer."
)
@adaptation
def compress(model: str, *, source: str, out: str, portable: bool, adapt: str | None) -> None:
    """Compress the examples in IN by MODEL, without loss, into OUT.

    IN is an .npy file of examples, a text in UTF-8 or, for a model of a table whose columns are all
    categories, a CSV file, whose values are kept. MODEL is needed again to decompress, on a machine
    of the same arithmetic.
    """
    from tfar import compression, kinds

    loaded, name = load(model)
    if loaded.condition is not None:
        raise ValueError(f"{model} is conditional: use tfar.compression.compress.")
    content, kind = files.read(source), kinds.of(loaded)
    data = kind.from_bytes(content, source)
    named, bar = name or os.path.abspath(model), progress("Compressing")
    text = primer(adapt, kind, model)
    options: Any = {"adapt": text, "portable": portable, "name": named, "progress": bar}
    packed = compression.compress(loaded, data, **options)
    with files.replacing(out) as partial:
        partial.write_bytes(packed)
    each = len(packed) / len(data)
    click.echo(
        f"{out}: {len(packed):,} bytes for {len(content):,}, {each:.3f} a {kind.per} "
        f"({len(data):,} {kind.per}s)"
    )


@main.command(cls=Command)
@click.argument("source", metavar="IN", type=click.Path(exists=True, dir_okay=False))
@click.argument("out", callback=output())
@click.option(
    "--model",
    callback=lambda c, p, m: m and existing_model(c, p, m),
    help="By default the one that IN names.",
)
@click.option("--salvage", is_flag=True, help="Write what is intact in a damaged file.")
@adaptation
def decompress(
    source: str, out: str, *, model: str | None, salvage: bool, adapt: str | None
) -> None:
    """Decompress IN, which `tfar compress` wrote, into OUT: the very same examples."""
    from tfar import compression, kinds
    from tfar.compression.container import unpacked

    content = files.read(source)
    named = unpacked(content)[0].model  # or the clear error
    if model is None:
        try:
            model = existing_model(click.get_current_context(), None, named)  # type: ignore[arg-type]
        except (OSError, ValueError) as error:
            raise ValueError(
                f"{source} was made by {named or 'a model without a name'}, which is not there: "
                "give --model."
            ) from error
    loaded, _ = load(model)
    kind = kinds.of(loaded)
    options: Any = {"adapt": primer(adapt, kind, model), "progress": progress("Decompressing")}
    if salvage:
        data, lost = compression.salvage(loaded, content, **options)
        for first, stop in lost:
            say(f"Lost {first} to {stop - 1}")
    else:
        data = compression.decompress(loaded, content, **options)
    with files.replacing(out) as partial:
        partial.write_bytes(kind.to_bytes(data))
    click.echo(out)
