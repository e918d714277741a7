"""The command that completes what is given in part."""

from __future__ import annotations

import click

from tfar import files, zoo
from tfar.cli.shell import Command, examples, existing_model, load, main, named, output, say


@main.command(cls=Command)
@click.argument("model", callback=existing_model)
@click.option("--rows", type=click.IntRange(0), help="Rows of pixels to keep.")
@click.option(
    "--mask",
    type=click.Path(exists=True, dir_okay=False),
    help="An .npy file of bools of the shape of an image: which pixels to keep.",
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
    help="Data set, of which the test split is taken, or a file or folder of images; by default "
    "the test images packed with MODEL.",
)
@click.option("-n", "--num", default=8, show_default=True, type=click.IntRange(1), help="Images.")
@click.option("--draws", default=7, show_default=True, type=click.IntRange(1), help="Per image.")
@click.option(
    "--out",
    callback=output(".png", ".npy"),
    help="A picture or an array.  [default: completed.png]",
)
@click.option("--seed", default=0, show_default=True, help="The same seed draws the same samples.")
def complete(
    model: str,
    *,
    rows: int | None,
    mask: str | None,
    particles: int,
    data: str | None,
    num: int,
    draws: int,
    out: str | None,
    seed: int,
) -> None:
    """Keep the first ROWS of test images, or the pixels of MASK, and let MODEL draw the rest.

    A few images are packed with a model of the zoo, so that no data set is needed. In the picture
    each is followed by its draws; an .npy file holds [images, 1 + draws, ...]. A model whose order
    is reversed keeps the last rows.

    A model of one order draws a pixel given those before it. If pixels are kept that come after
    drawn ones, a particle filter draws, which is approximate, and it is said how good it is.
    """
    import numpy as np

    from tfar import contents, kinds
    from tfar.training import feeding

    if (rows is None) == (mask is None):
        raise click.UsageError("Give either --rows or --mask.")
    loaded, name = load(model)
    kind = kinds.of(loaded)
    if not kind.keeps_rows:
        raise ValueError(f"Expected images to complete: {model} is a model of {kind.name}.")
    out = named(out, "completed", kind, model)
    if data:
        inputs = examples(kind, data)
    elif name:
        inputs, _ = zoo.examples(name)
    else:
        raise click.UsageError("No images are packed with this model: give --data.")
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
