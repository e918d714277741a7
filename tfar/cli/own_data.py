"""Commands that train models of one's own images, texts and tables."""

from __future__ import annotations

import inspect
import json
import pathlib
import sys
from typing import TYPE_CHECKING

import click

from tfar import files
from tfar.cli.shell import Command, device, interruptible, main, quietly, say, use_device

if TYPE_CHECKING:
    from typing import Any


precision = click.option(
    "--precision",
    default="float32",
    show_default=True,
    type=click.Choice(["float32", "bfloat16", "float16"]),
    help="Of the arithmetic.",
)


def _size(context, parameter, given):
    """The callback of --size: N, or (H, W) from HxW."""
    if given is None:
        return None
    numbers = given.lower().split("x")
    if not all(number.isdecimal() for number in numbers) or len(numbers) > 2:
        raise click.BadParameter(f"{given!r} is neither a number, as 28, nor HxW, as 24x32")
    return int(given) if len(numbers) == 1 else tuple(map(int, numbers))


def _keras_file(context, parameter, out):
    """The callback of --out of a command that makes a model: checked before anything is read."""
    if not out.endswith(".keras"):
        raise click.BadParameter(f"{out!r} does not end in .keras")
    files.check_writable(out)
    return out


def fitting(function: Any) -> Any:
    """Adds the options of the commands that fit a model to one's own data, for a time."""
    options: list[Any] = [
        click.option("--budget", help="How long to train, as in 45s or 1h30m.  [default: 30m]"),
        click.option("--epochs", type=click.IntRange(1), help="Instead of a budget."),
        click.option("--seed", default=0, show_default=True, help="Of everything random."),
        click.option("--run", help="Folder of the run, which resumes.  [default: runs/NAME]"),
        precision,
        device,
        quietly,
    ]
    for option in reversed(options):
        function = option(function)
    return function


def _fit(fit, data, out, run, quiet, **options):
    """Fits by a function of `tfar`, saves the model, and says what it gave."""
    from tfar import kinds
    from tfar.training import runs

    folder = pathlib.Path(run or f"runs/{pathlib.Path(out).stem}")
    with interruptible():
        model = fit(data, folder=folder, verbose=0 if quiet else "auto", **options)
        with files.replacing(out) as partial:
            model.save(partial)
    kind, best = kinds.of(model), runs.best(folder)
    figure = f"{best['val_bits_per_dim']:.4f} {kind.bits_unit}"
    click.echo(f"{out}: {figure} on held-out {kind.name}, after epoch {best['epoch']} ({folder})")


@main.command("train-text", cls=Command)
@click.argument("texts", metavar="FILE...", nargs=-1, required=True, type=click.Path(exists=True))
@click.option("--out", default="text.keras", show_default=True, callback=_keras_file)
@click.option(
    "--family",
    default="transformer",
    show_default=True,
    type=click.Choice(["transformer", "gru"]),
    help="Of networks.",
)
@fitting
def train_text(
    texts: tuple[str, ...],
    *,
    device: str | None,
    out: str,
    run: str | None,
    quiet: bool,
    **options: Any,
) -> None:
    """Fit a model to the texts in FILEs, in UTF-8, character by character.

    The last tenth is held out. Samples are drawn after each epoch, into the folder of the run; the
    same command resumes a run that was stopped.
    """
    from tfar import text
    from tfar.text import fit

    use_device(device)
    whole = fit.read(texts)
    if not quiet:
        known = len(set(whole))
        click.echo(f"{len(whole):,} characters, of which {known:,} are different", err=True)
    _fit(text.fit_text, whole, out, run, quiet, **options)


@main.command("train-images", cls=Command)
@click.argument("images", type=click.Path(exists=True))
@click.option("--out", default="images.keras", show_default=True, callback=_keras_file)
@click.option("--binary", is_flag=True, help="Black and white; the same as --levels 2.")
@click.option(
    "--levels",
    type=click.IntRange(2, 256),
    help="To which 8 bits are reduced.  [default: 2 for black and white, otherwise 256]",
)
@click.option(
    "--size", callback=_size, help="N or HxW: images of these proportions are resized to it."
)
@click.option(
    "--family",
    default="pixelcnn",
    show_default=True,
    type=click.Choice(["pixelcnn", "gated", "pixelcnn_pp", "made"]),
    help="Of networks.",
)
@click.option(
    "--labels",
    type=click.Choice(["from-folders"]),
    help="Condition the model on the sub-folders, or on the array 'labels' of an .npz file.",
)
@fitting
def train_images(
    images: str,
    *,
    labels: str | None,
    size: Any,
    device: str | None,
    out: str,
    run: str | None,
    quiet: bool,
    **options: Any,
) -> None:
    """Fit a model to the images in IMAGES: a folder, or an .npz or .npy file.

    Black-and-white, grey and colour images are told apart. A tenth of the images is held out. Every
    image is checked before training begins. Samples are drawn after each epoch, into the folder of
    the run; the same command resumes a run that was stopped.
    """
    from tfar import pictures

    use_device(device)
    found = pictures.read(images, size=size, labels=labels is not None)
    if not quiet:
        count, height, width, channels = found.x.shape
        levels = 2 if options["binary"] else options["levels"] or pictures.natural_levels(found.x)
        colours = "grey" if channels == 1 else "colour"
        click.echo(
            f"{count:,} {colours} images of {width}x{height} pixels, {levels} levels", err=True
        )
        if found.left_out:
            left_out = f"Left out: {found.left_out:,} files that do not end as images do"
            click.echo(left_out, err=True)
        for number, name in enumerate(found.classes or ()):
            click.echo(f"label {number}: {name}", err=True)
    _fit(pictures.fit_images, found, out, run, quiet, labels=labels, **options)


@main.command("train-table", cls=Command)
@click.argument("file", type=click.Path(exists=True, dir_okay=False))
@click.option(
    "--out",
    default="table.keras",
    show_default=True,
    callback=_keras_file,
    help="The model, a .keras file.",
)
@click.option("--run", help="Folder of the run of a network, which resumes where it stopped.")
@click.option("--drop", multiple=True, help="A column to leave out; may be given several times.")
@click.option("--categorical", multiple=True, help="A categorical column; likewise.")
@click.option(
    "--kind",
    "kinds",
    multiple=True,
    metavar="NAME=KIND",
    help="What a column is taken as: real, integer, time, categorical or 'left out'; likewise.",
)
@click.option(
    "--rare",
    default=0,
    metavar="ROWS",
    type=click.IntRange(0),
    help="One category of words in fewer rows than this, and of unseen ones.  [default: none]",
)
@click.option("--missing", multiple=True, help="An entry that stands for a missing one; likewise.")
@click.option("--words", multiple=True, help="A column of words, such as the code 01200; likewise.")
@click.option(
    "--read",
    "said",
    multiple=True,
    metavar="NAME=VALUE",
    help="An option of pandas.read_csv, such as decimal=, or encoding=cp1252 or "
    "'parse_dates=[\"when\"]', instead of a guess; likewise.",
)
@click.option(
    "--family",
    default="auto",
    show_default=True,
    type=click.Choice(["auto", "gaussians", "orderless"]),
    help="Of the model; auto is the one that is better on held-out rows.",
)
@click.option("--budget", default="60s", show_default=True, help="Time, as in 90s or 1h30m.")
@click.option("--epochs", type=click.IntRange(1), help="Of a network, instead of the budget.")
@click.option("--seed", default=0, show_default=True, help="Of the split, weights and training.")
@precision
@device
@quietly
def train_table(
    file: str,
    *,
    device: str | None,
    out: str,
    run: str | None,
    quiet: bool,
    drop: tuple[str, ...],
    kinds: tuple[str, ...],
    missing: tuple[str, ...],
    words: tuple[str, ...],
    said: tuple[str, ...],
    budget: str,
    **options: Any,
) -> None:
    """Fit a joint distribution to the columns of the CSV in FILE, or of a Parquet or Arrow file.

    What each column is taken as is shown first. `tfar sample` then draws rows, `tfar score` gives
    log-likelihoods in the units of the data, and `tfar complete` fills in what is missing. They
    read other files with the same --missing, --words and --read.
    """
    from tfar import tables

    use_device(device)
    given = dict(_pair(kind) for kind in kinds)
    reading = tables.read(file, missing=list(missing) or None, words=words, **_said(said))
    for note in () if quiet else reading.notes:
        say(note)
    frame = reading.frame
    given.update(dict.fromkeys(drop, "left out"))
    if len(frame) >= tables.LEAST_ROWS and not quiet:  # otherwise `fit` says so
        known = {"given": given, "rare": options["rare"]}
        say(tables.table(frame, tables.describe(frame, options["categorical"], **known)))
    verbose = 0 if quiet else "auto" if sys.stderr.isatty() else 2
    with interruptible():
        found = tables.fit(
            frame, kinds=given, budget=budget, folder=run, verbose=verbose, **options
        )
        with files.replacing(out) as partial:
            found.model.save(partial)
    nats = found.held_out
    error = nats.std(ddof=1) / len(nats) ** 0.5 if len(nats) > 1 else 0.0
    click.echo(
        f"{out}: {-nats.mean():.4f} ± {error:.4f} nats a row, -log p in the units of the data, on "
        f"{len(nats):,} held-out rows ({found.family})"
    )


def _pair(text):
    name, mark, kind = text.rpartition("=")
    if not mark or not name:
        raise click.BadParameter(f"{text!r} is not NAME=KIND", param_hint="--kind")
    return name, kind


def _said(texts):
    """What --read says: a dict of options of `pandas.read_csv`, whose values may be JSON."""
    import pandas as pd

    found = {}
    for text in texts:
        name, mark, value = text.partition("=")
        if not mark or name not in inspect.signature(pd.read_csv).parameters:
            raise click.BadParameter(
                f"{text!r} is not NAME=VALUE with an option of pandas.read_csv", param_hint="--read"
            )
        try:
            found[name] = json.loads(value)
        except ValueError:
            found[name] = value
    return found
