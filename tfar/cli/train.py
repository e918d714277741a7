"""Commands that train."""

from __future__ import annotations

import contextlib
import pathlib
import sys
from typing import TYPE_CHECKING

import click

from tfar import files, zoo
from tfar.cli.shell import Command, existing_recipe, main, say

if TYPE_CHECKING:
    from typing import Any


@main.command(cls=Command)
@click.argument("recipe", callback=existing_recipe)
@click.option("--out", help="Folder of the run.  [default: runs/NAME]")
@click.option("--epochs", type=click.IntRange(1), help="Instead of the recipe's and its cycles.")
@click.option(
    "--strategy",
    default="default",
    show_default=True,
    type=click.Choice(["default", "mirrored", "multiworker", "tpu"]),
    help="One device, all GPUs of this machine, the workers of TF_CONFIG, or a TPU.",
)
@click.option(
    "--precision",
    type=click.Choice(["float32", "bfloat16", "float16"]),
    help="Of the arithmetic, instead of the recipe's.",
)
@click.option(
    "--save-every",
    default=200,
    show_default=True,
    type=click.IntRange(1),
    help="Steps from one save of the whole state to the next.",
)
@click.option("--tensorboard", is_flag=True, help="Log scalars and samples to TensorBoard.")
@click.option("--start", help="A trained model to begin with, for the last cycle of the recipe.")
def train(
    recipe: str, *, out: str | None, epochs: int | None, strategy: str, **options: Any
) -> None:
    """Train RECIPE, a name of the zoo or a recipe.py; resumes where it stopped.

    Whatever stopped it, the results are those of a run that was never stopped. A finished run is
    not trained again.

    A strategy splits each batch over the devices, so that the run is the same. Several workers must
    all see the folder of the run; only the chief writes to it.
    """
    from tfar import training
    from tfar.distribute import strategies
    from tfar.training import recipes

    strategy = strategies.get(strategy)
    chief = strategies.is_chief(strategy)

    path = recipe if recipe.endswith(".py") else zoo.recipe_path(recipe)
    loaded = recipes.load_recipe(path)
    folder = pathlib.Path(out or f"runs/{loaded.name}")
    kept = folder / "model.keras"
    best = training.finished(
        loaded, folder, epochs=epochs, precision=options["precision"], start=options["start"]
    )
    if best and kept.exists():
        click.echo(
            f"{folder} is finished. {kept}: the weights of the lowest validation NLL, "
            f"{best['val_nats']:.4f} nats, of epoch {best['epoch']}"
        )
        return
    if chief:
        files.check_writable(kept)
    with _interruptible():
        model = training.train(loaded, folder, epochs=epochs, strategy=strategy, **options)
        if not chief:
            return
        with files.replacing(kept) as partial:
            model.save(partial)
    click.echo(f"{kept}: the weights of the lowest validation NLL")


@contextlib.contextmanager
def _interruptible():
    """Says what is kept when the user presses Ctrl-C; the status is that of a shell."""
    try:
        yield
    except KeyboardInterrupt as interrupt:
        click.echo(f"\nInterrupted. {interrupt or 'The same command resumes.'}", err=True)
        raise SystemExit(130) from None


@main.command("train-table", cls=Command)
@click.argument("file", type=click.Path(exists=True, dir_okay=False))
@click.option("--out", default="table.keras", show_default=True, help="The model, a .keras file.")
@click.option("--run", help="Folder of the run, which resumes where it stopped.")
@click.option("--drop", multiple=True, help="A column to leave out; may be given several times.")
@click.option("--categorical", multiple=True, help="A categorical column; likewise.")
@click.option("--epochs", default=300, show_default=True, type=click.IntRange(1), help="At most.")
@click.option("--seed", default=0, show_default=True, help="Of the split, weights and training.")
def train_table(
    file: str,
    *,
    out: str,
    run: str | None,
    drop: tuple[str, ...],
    categorical: tuple[str, ...],
    epochs: int,
    seed: int,
) -> None:
    """Fit a joint distribution to the columns of the CSV in FILE.

    A tenth of the rows is held out to decide when to stop. `tfar sample` then draws rows, `tfar
    score` gives log-likelihoods in the units of the data, and `tfar.tables.complete` draws any
    columns given any others.
    """
    from tfar import tables

    if not out.endswith(".keras"):
        raise click.BadParameter(f"{out!r} does not end in .keras", param_hint="--out")
    files.check_writable(out)
    frame = tables.read_csv(file)
    unknown = sorted(set(drop) - set(frame.columns))
    if unknown:
        raise ValueError(f"The table has no column {unknown[0]!r}, only {list(frame.columns)}.")
    frame = frame.drop(columns=list(drop))
    for name, kind in tables.kinds(frame, categorical).items():
        say(f"{name}: {kind}")
    verbose = "auto" if sys.stderr.isatty() else 2
    with _interruptible():
        model = tables.fit_table(
            frame, categorical=categorical, epochs=epochs, seed=seed, folder=run, verbose=verbose
        )
        with files.replacing(out) as partial:
            model.save(partial)
    nats = tables.log_prob(model, frame).mean()
    click.echo(f"{out}: {nats:.4f} nats a row, on all {len(frame):,} rows")
