"""Commands for servers, and for the maintainers of the zoo."""

import click

from tfar import files, zoo
from tfar.cli.shell import Command, existing_model, existing_recipe, main, output, progress, say


@main.command(cls=Command)
@click.argument("model", callback=existing_model)
@click.argument("folder")
@click.option("--max-bytes", type=click.IntRange(1), help="Memory of a request.  [default: 2 GiB]")
@click.option("--max-rows", type=click.IntRange(1), help="Rows to score; by default what fits.")
@click.option("--max-samples", type=click.IntRange(1), help="Samples to draw; likewise.")
@click.option("--max-length", type=click.IntRange(1), help="Length of a text.  [default: 10,000]")
def export(model: str, folder: str, **limits: int | None) -> None:
    """Write MODEL as a SavedModel that TensorFlow Serving serves.

    FOLDER must be new; the server expects a version number below the model's name: models/mine/1.
    The options limit what one request may ask for.
    """
    from tfar import serving, zoo

    say(f"Loading {model}")
    loaded, _ = zoo.find(model)
    given = {name: value for name, value in limits.items() if value is not None}
    click.echo(serving.export(loaded, folder, **given))


@main.command("export-again", cls=Command)
@click.argument("names", nargs=-1)
def export_again(names: tuple[str, ...]) -> None:
    """Write the SavedModels of the zoo (or of NAMES) again, with the same weights, in a clone."""
    from tfar.zoo import publishing

    for name in names or zoo.list():
        metrics = publishing.export_again(name)
        click.echo(f"{name}: {metrics['bytes'] / 1e6:.1f} MB")


@main.command("measure-again", cls=Command)
@click.argument("names", nargs=-1)
def measure_again(names: tuple[str, ...]) -> None:
    """Measure the text models of the zoo (or NAMES) by their other protocols, in a clone."""
    from tfar.zoo import publishing

    for name in names or [name for name in zoo.list() if "protocols" in zoo.info(name)]:
        found = publishing.measure_again(name, progress("Scoring")).get("protocols", {})
        for protocol, figures in found.items():
            click.echo(f"{name}, {protocol}: {figures['nats']:.4f} nats")


@main.command("time-again", cls=Command)
@click.argument("names", nargs=-1)
def time_again(names: tuple[str, ...]) -> None:
    """Measure how long the models of the zoo (or NAMES) take here, for their cards, in a clone."""
    from tfar.zoo import publishing

    for name in names or zoo.list():
        times = publishing.time_again(name)["times"]
        click.echo(f"{name}: {times['score_ms']:.2g} ms to score, {times['draw_ms']:.2g} to draw")


@main.command("serve-config")
@click.option(
    "--base-path", help="Where the server finds the models.  [default: the zoo of this tfar]"
)
@click.option("--out", default="models.config", show_default=True, callback=output())
def serve_config(base_path: str | None, out: str) -> None:
    """Write a models.config of the whole zoo, for tensorflow_model_server."""
    config = zoo.serve_config(base_path)
    with files.replacing(out) as partial:
        partial.write_text(config, encoding="utf-8")
    click.echo(out)


@main.command(cls=Command)
@click.argument("name", callback=existing_recipe)
@click.argument("run", type=click.Path(exists=True, file_okay=False), required=False)
def publish(name: str, run: str | None) -> None:
    """Publish the best weights of RUN as the artefact NAME (in a clone of the repository).

    An artefact that is made of others has no RUN.
    """
    from tfar.zoo import cards, publishing

    metrics = publishing.publish(name, run, progress=progress("Scoring"))
    click.echo(f"{name}: {cards.measured(metrics['test'], metrics['per'])}")
    click.echo(f"paper: {cards.versus(metrics)}")


@main.command()
@click.option(
    "--write",
    type=click.Path(exists=True, dir_okay=False),
    multiple=True,
    help="Pages to update, README.md and docs/results.md.",
)
def table(write: tuple[str, ...]) -> None:
    """The results table, from every metrics.json of the zoo; --write also updates the cards."""
    from tfar.zoo import cards

    if write:
        cards.write_cards()
        for page in write:
            cards.write_table(page)
            click.echo(page)
    else:
        click.echo(cards.table())
