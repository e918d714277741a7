"""The command that trains a recipe."""

from __future__ import annotations

import pathlib
from typing import TYPE_CHECKING

import click

from tfar import files, zoo
from tfar.cli.shell import (
    Command,
    device,
    existing_recipe,
    interruptible,
    main,
    quietly,
    use_device,
)

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
@click.option("--samples", is_flag=True, help="Samples of each epoch, as files in the folder.")
@click.option("--start", help="A trained model to begin with, for the last cycle of the recipe.")
@device
@quietly
def train(
    recipe: str,
    *,
    out: str | None,
    epochs: int | None,
    strategy: str,
    device: str | None,
    quiet: bool,
    **options: Any,
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

    use_device(device)
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
        _say_best(f"{folder} is finished. {kept}: ", best)
        return
    if chief:
        files.check_writable(kept)
    with interruptible():
        model = training.train(
            loaded,
            folder,
            epochs=epochs,
            strategy=strategy,
            verbose=0 if quiet else "auto",
            **options,
        )
        if not chief:
            return
        with files.replacing(kept) as partial:
            model.save(partial)
    _say_best(f"{kept}: ", training.runs.best(folder))


def _say_best(where, best):
    click.echo(
        f"{where}the weights of the lowest validation NLL, {best['val_nats']:.4f} nats, of epoch "
        f"{best['epoch']}"
    )
