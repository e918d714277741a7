"""Commands that describe models."""

import shutil
import textwrap

import click

from tfar import quiet, zoo
from tfar.cli.shell import existing_model, load, main, sentence


@main.command("list")
def list_models() -> None:
    """The trained models, with their test NLL.

    Summaries are cut to the width of the terminal; `tfar info NAME` shows everything.
    """
    from tfar import kinds
    from tfar.zoo import cards

    rows = []
    for name in zoo.list():
        try:
            metrics = zoo.info(name)
            per = metrics.get("per", "example")
            unit = kinds.per(per).nats_unit
            rows.append((name, cards.nats(metrics["test"], per), unit, metrics["summary"]))
        except (ValueError, KeyError, TypeError) as error:
            click.echo(f"The metrics of {name} are damaged: {sentence(error)}", err=True)
    widest = max((len(name) for name, *_ in rows), default=0)
    for name, figure, unit, summary in rows:
        line = f"{name:{widest}}  {figure:>15} {unit:9}  "
        room = max(20, shutil.get_terminal_size().columns - len(line))
        click.echo(line + textwrap.shorten(summary, room, placeholder=" ..."))


@main.command()
@click.argument("name", metavar="MODEL", callback=existing_model)
def info(name: str) -> None:
    """The card of a model of the zoo, or a description of another model."""
    if name in zoo.list():
        zoo.info(name)  # or the clear error
        card = zoo.recipe_path(name).parent / "card.md"
        click.echo(card.read_text(encoding="utf-8"))
        return
    quiet.import_tensorflow()
    from tfar.zoo import cards

    model, _ = load(name)
    for word, value in cards.described(model).items():
        click.echo(f"{word:11}  {value}")
