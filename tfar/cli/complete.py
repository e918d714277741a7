"""The command that completes what is given in part."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from tfar import files, zoo
from tfar.cli.shell import (
    Command,
    examples,
    existing_model,
    load,
    main,
    named,
    refuse,
    sample_file,
    say,
)

if TYPE_CHECKING:
    from typing import Any

    from tfar.kinds import Kind


@main.command(cls=Command)
@click.argument("model", callback=existing_model)
@click.argument("file", required=False, type=click.Path(exists=True))
@click.option("--rows", type=click.IntRange(0), help="For images: rows of pixels to keep.")
@click.option(
    "--mask",
    type=click.Path(exists=True, dir_okay=False),
    help="For images: an .npy file of bools of the shape of one, which pixels to keep.",
)
@click.option(
    "--particles",
    default=256,
    show_default=True,
    type=click.IntRange(1),
    help="For pixels that the model draws before ones that are kept.",
)
@click.option(
    "--data",
    help="For images, instead of FILE: a data set, of which the test split is taken, or a file or "
    "folder; by default the test images packed with MODEL.",
)
@click.option("-n", "--num", type=click.IntRange(1), help="Images.  [default: 8, or all of fewer]")
@click.option(
    "--draws", default=7, show_default=True, type=click.IntRange(1), help="For each image."
)
@click.option("--each-line", is_flag=True, help="For a text: each of its lines is one to continue.")
@click.option(
    "--length",
    default=500,
    show_default=True,
    type=click.IntRange(1),
    help="For a text: characters to draw.",
)
@click.option(
    "--out",
    callback=sample_file,
    help="By default completed.png; texts and tables are printed.",
)
@click.option("--seed", default=0, show_default=True, help="The same seed draws the same samples.")
@click.pass_context
def complete(
    context: click.Context,
    model: str,
    file: str | None,
    *,
    out: str | None,
    seed: int,
    **own: Any,
) -> None:
    """Let MODEL draw what is missing, and keep the rest.

    Of a model of a table, FILE is a CSV file with the columns of the table: entries that are
    missing are drawn given the others of their row. Of a model of text, FILE is a text, which is
    continued, or a text of which each line is continued. Both are printed, or written to --out.

    Of images, the first ROWS are kept, or the pixels of MASK. A few images are packed with a model
    of the zoo, so that no data set is needed. In the picture each is followed by its draws; an .npy
    file holds [images, 1 + draws, ...]. A model whose order is reversed keeps the last rows. A
    model of one order draws a pixel given those before it. If pixels are kept that come after drawn
    ones, a particle filter draws, which is approximate, and it is said how good it is.
    """
    from tfar import kinds

    loaded, name = load(model)
    kind = kinds.of(loaded)
    if kind.completing is None:
        raise ValueError(
            f"Expected images, texts or a table to complete: {model} is a model of {kind.name}."
        )
    refuse(context, f"{model} is a model of {kind.name}", *(own.keys() - {*kind.completing}))
    options = {name: own[name] for name in kind.completing}
    if kind.keeps_rows:
        return _complete_images(kind, model, name, file, out=out, seed=seed, **options)
    if file is None:
        raise click.UsageError(f"Give FILE: the {kind.name} to complete.")
    if out:
        out = named(out, "completed", kind, model)
    say(f"Completing {file}")
    samples = kind.completed(file, seed=seed, **options)
    if not out:
        for string in kind.strings(samples):
            click.echo(string, nl=False)
        return
    kind.write(samples, out)
    click.echo(out)


def _complete_images(
    kind: Kind,
    model: str,
    name: str | None,
    file: str | None,
    *,
    rows: int | None,
    mask: str | None,
    particles: int,
    data: str | None,
    num: int | None,
    draws: int,
    out: str | None,
    seed: int,
) -> None:
    """Draws images into a picture or an array, and says how likely they are."""
    import numpy as np

    from tfar import contents
    from tfar.training import feeding

    if (rows is None) == (mask is None):
        raise click.UsageError("Give either --rows or --mask.")
    if file is not None and data is not None:
        raise click.UsageError("Give either FILE or --data.")
    loaded, data = kind.model, file or data
    out = named(out, "completed", kind, model)
    if data:
        inputs = examples(kind, data)
    elif name:
        inputs, _ = zoo.examples(name)
    else:
        raise click.UsageError("No images are packed with this model: give --data, or FILE.")
    x = feeding.events(inputs)
    if rows is not None:
        kept = kind.first_rows(x, rows)  # type: ignore[attr-defined]  # as it keeps rows
    else:
        kept = contents.array(files.read(mask), mask)  # type: ignore[arg-type]  # one of both is given
        if kept.dtype != bool or kept.shape not in (loaded.grid_shape, loaded.event_shape):
            raise ValueError(
                f"Expected bools of shape {list(loaded.event_shape)} in {mask}, got {kept.dtype} "
                f"of shape {list(kept.shape)}."
            )
        kept = kept.reshape([*kept.shape, *[1] * (len(loaded.event_shape) - kept.ndim)])
    num = min(8, len(x)) if num is None else num
    if num > len(x):
        raise ValueError(f"Expected --num of at most {len(x)}, all the test images, got {num}.")
    if loaded.condition is None:
        inputs = x
    elif not isinstance(inputs, dict):
        raise ValueError(f"{model} is conditional, and {data} has no condition.")
    say(f"Drawing {draws} completions of each of {num} images")
    inputs = feeding.rows_of(inputs, slice(num))
    options = {"draws": draws, "seed": seed, "particles": particles}
    images, found = kind.complete(inputs, kept, **options)  # type: ignore[attr-defined]
    kind.write(images, out)
    for number, row in enumerate(found.log_prob.T):
        line = f"image {number}: log p of what is drawn {row.mean():.1f} nats on average, of what "
        line += f"is kept {found.evidence[number]:.1f}"
        if np.isfinite(found.effective[number]):
            line += f" (approximate: of {found.effective[number]:.1f} independent completions)"
        click.echo(line, err=True)
    click.echo(out)
