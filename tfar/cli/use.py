"""Commands that use trained models."""

from __future__ import annotations

import io
import pathlib
import sys
from typing import TYPE_CHECKING

import click

from tfar import files, records, zoo
from tfar.cli.shell import (
    Command,
    adaptation,
    examples,
    existing_model,
    is_own,
    load,
    main,
    named,
    output,
    primer,
    progress,
    refuse,
    sample_file,
    say,
    zoo_name,
)

if TYPE_CHECKING:
    from typing import Any


def _condition(condition, given):
    """One or more values of a condition, as tensors, from what --condition gives."""
    import numpy as np

    spec, named = condition.structure, isinstance(condition.structure, dict)
    if named:
        wanted = f"the path of an .npz file with the arrays {', '.join(spec)}"
    else:
        count = spec.shape.num_elements()
        wanted = f"{count} in all, separated by commas, or the path of an .npy file"
    names, number = condition.names or (), given.isdecimal() or given.endswith(".npy")
    if given in names or (names and not number):
        return condition.tensors(given)  # the number of the name, or the clear error
    try:
        if named:
            value = dict(np.load(io.BytesIO(files.read(given))))
        elif pathlib.Path(given).suffix == ".npy":
            value = np.load(io.BytesIO(files.read(given)))
        else:
            kind = np.int64 if spec.dtype.is_integer else np.float64
            value = np.array(given.split(","), kind).reshape(spec.shape)
    except Exception as error:  # whatever NumPy raises on the words or the content
        message = f"Expected as condition {condition.support}: {wanted}, got {given!r}"
        raise ValueError(f"{message} ({records.words(error)}).") from error
    return condition.tensors(value)


def _print(strings):
    for string in strings:
        click.echo(string, nl=False)


@main.command(cls=Command)
@click.argument("model", callback=existing_model)
@click.option("-n", "--num", type=click.IntRange(1), help="Samples.  [default: 64; 1 text]")
@click.option(
    "--out",
    callback=sample_file,
    help="By default samples.png; texts and rows of tables are printed.",
)
@click.option("--seed", default=0, show_default=True, help="The same seed draws the same samples.")
@click.option("--temperature", type=float, help="Below 1: likelier, less varied samples.")
@click.option("--top-k", type=int, help="Draw among this many likeliest values of a site.")
@click.option("--top-p", type=float, help="Draw among the likeliest with this total probability.")
@click.option(
    "--condition",
    "--label",
    metavar="VALUE",
    help="For a conditional model: a label or its name, numbers separated by commas, or an .npy "
    "or .npz file of one or more conditions, which samples take in turn.  [default: all labels in "
    "turn]",
)
@click.option("--prompt", default="", help="For a text model: the text to continue.")
@click.option(
    "--length",
    default=500,
    show_default=True,
    type=click.IntRange(1),
    help="For a text model: characters to draw.",
)
@click.pass_context
def sample(
    context: click.Context,
    model: str,
    *,
    num: int | None,
    out: str | None,
    seed: int,
    condition: str | None,
    prompt: str,
    length: int,
    **policy: Any,
) -> None:
    """Draw samples of MODEL into a PNG (or, by its ending, an .npy file).

    A model of text continues a prompt, and its texts are printed as they come, or written to a .txt
    file. Rows of a model of a table are printed as CSV, or written to a .csv file.
    """
    from tfar import kinds
    from tfar.sampling import Policy

    Policy(**policy)  # or the clear error, before the model is loaded
    loaded, _ = load(model)
    kind, own = kinds.of(loaded), {"prompt": prompt, "length": length}
    refuse(context, f"{model} is a model of {kind.name}", *(own.keys() - kind.options))
    options: dict[str, Any] = {name: own[name] for name in kind.options}
    if loaded.condition is None:
        refuse(context, f"{model} is not conditional", "condition")
    elif condition is not None:
        options["condition"] = value = _condition(loaded.condition, condition)
        count = loaded.condition.batch_shape(value).num_elements()
        num = num or (count if count > 1 else None)
    elif loaded.num_classes is None:
        raise ValueError(f"{model} is conditional: give --condition, {loaded.condition.support}.")
    if not loaded.head.of_logits:
        refuse(context, f"{model} has no categories to draw among", "top_k", "top_p")
    if out or not kind.printed:
        out = named(out, "samples", kind, model)
    num = num or kind.number
    if out:
        say(f"Drawing {num} {kind.samples}")
    samples = kind.draw(num, seed=seed, **options, **policy)
    if not out:
        return _print(kind.strings(samples))
    kind.write(samples, out)
    click.echo(out)


@main.command(cls=Command)
@click.argument("model", callback=existing_model)
@click.argument("file", type=click.Path(exists=True, allow_dash=True))
@adaptation
def score(model: str, file: str, *, adapt: str | None) -> None:
    """The log-likelihood of the text, table or images in FILE (- for standard input) under MODEL.

    A table is a CSV file; the figure is the mean over its rows. Images are in a folder, or in an
    .npy or .npz file, or a single one; see `tfar detect` for the figure of each.
    """
    from tfar import kinds

    content = sys.stdin.buffer.read() if file == "-" else None
    loaded, _ = load(model)
    kind = kinds.of(loaded)
    data = kind.at(file) if content is None else kind.read(content, "<stdin>")
    adapt = primer(adapt, kind, model)
    click.echo(kind.score(data, progress=progress("Scoring"), adapt=adapt))


@main.command(cls=Command)
@click.argument("model", callback=existing_model)
@click.option(
    "--data",
    help="Data set, or a file or folder of examples, as `tfar score` takes them; by default the "
    "data set that MODEL was trained on.",
)
@click.option(
    "--split",
    default="test",
    show_default=True,
    type=click.Choice(["train", "validation", "test"]),
)
@click.option("--protocol", help="Another protocol of a card: crops or adaptive, of texts.")
@click.pass_context
def evaluate(
    context: click.Context, model: str, *, data: str | None, split: str, protocol: str | None
) -> None:
    """The NLL of a whole split, or of all examples in a file or folder, with its standard error."""
    from tfar import kinds
    from tfar.zoo import cards, publishing

    loaded, name = load(model)
    kind, known = kinds.of(loaded), zoo.info(name) if name else {}
    if not (data or known):
        raise click.UsageError("This model does not say what it was trained on: give --data.")
    data = data or known["dataset"]
    if is_own(data):
        refuse(context, f"{data} has no splits", "split")
    if protocol:
        refuse(context, f"--protocol {protocol} has splits of its own", "split")
        if is_own(data):
            raise click.UsageError(f"--protocol {protocol} needs a data set, which has splits.")
        found = kind.by_protocol(
            protocol, lambda part: examples(kind, data, part), progress("Scoring")
        )
        click.echo(f"{model}, {protocol}: {cards.measured(found, kind.per)}")
        if known and data == known["dataset"]:
            publishing.check_published(known, protocol, found)
        return
    found = kind.figures(examples(kind, data, split), progress("Scoring"))
    click.echo(f"{model}: {cards.measured(found, kind.per)}")
    if known and data == known["dataset"]:
        click.echo(f"paper: {cards.versus(known)}")
        publishing.check_published(known, split, found)


@main.command(cls=Command)
@click.argument("a", callback=existing_model)
@click.argument("b", callback=existing_model)
@click.option(
    "--data", required=True, help="Data set, or a file or folder, as `tfar evaluate` takes them."
)
@click.option(
    "--split",
    default="test",
    show_default=True,
    type=click.Choice(["train", "validation", "test"]),
)
@click.pass_context
def compare(context: click.Context, a: str, b: str, *, data: str, split: str) -> None:
    """By how much A explains the same examples better than B: log p of A less that of B.

    The figure is the mean difference with its standard error, over pairs: of the same example under
    both models or, in a text, of the same block of 256 characters.
    """
    from tfar import kinds
    from tfar.zoo import cards

    if is_own(data):
        refuse(context, f"{data} has no splits", "split")
    found, each = [], []
    for name in (a, b):
        found.append(kinds.of(load(name)[0]))
        found[0].check_comparable(found[-1])
    given = [examples(kind, data, split) for kind in found]  # read before any is scored
    for name, kind, inputs in zip((a, b), found, given):
        each.append(kind.log_probs(inputs, progress(f"Scoring by {name}")))
        click.echo(f"{name}: {cards.measured(kind.averaged(-each[-1], inputs), kind.per)}")
    gap = found[0].averaged(each[0] - each[1], inputs)
    better = "equal" if not gap["nats"] else f"{a if gap['nats'] > 0 else b} is better"
    click.echo(f"difference of log p: {cards.nats(gap, kind.per)} nats{kind.each} ({better})")


@main.command(cls=Command)
@click.option(
    "--out",
    callback=output(".png", ".npy"),
    help="A picture or an array.  [default: demo.png; texts are printed]",
)
@click.option(
    "--name",
    default="pixelcnn_mnist",
    show_default=True,
    callback=zoo_name,
    help="A name that `list` shows.",
)
@click.pass_context
def demo(context: click.Context, out: str | None, name: str) -> None:
    """Load a trained model, verify it, draw samples; needs no download."""
    from tfar import kinds
    from tfar.zoo import cards

    say(f"Loading {name}")
    loaded = zoo.load(name)
    kind = kinds.of(loaded)
    if kind.printed:
        refuse(context, f"{name} is a model of {kind.name}, which are printed", "out")
    else:
        out = named(out, "demo", kind, name)
    metrics = zoo.info(name)
    difference = zoo.verify(name, model=loaded)
    count = metrics["examples"]["shape"][0]
    click.echo(f"{name}: {metrics['summary']}")
    click.echo(
        f"recorded test NLL  {cards.measured(metrics['test'], metrics.get('per', 'example'))}"
    )
    click.echo(f"paper              {cards.versus(metrics)}")
    click.echo(
        f"verified here      log p(x) of {count} bundled test examples, largest relative "
        f"difference {difference:.1e}"
    )
    if kind.printed:
        return _print(kind.strings(kind.draw(kind.number, seed=0)))
    say(f"Drawing {kind.number} {kind.samples}")
    kind.write(kind.draw(kind.number, seed=0), out)  # type: ignore[arg-type]  # named above
    click.echo(f"samples            {out}")
