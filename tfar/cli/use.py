"""Commands that use trained models."""

import io
import pathlib
import shutil
import textwrap

import click

from tfar import files, quiet, zoo
from tfar.cli.shell import (
    Command,
    existing_model,
    load,
    main,
    output,
    progress,
    refuse,
    say,
    sentence,
    zoo_name,
)


def _kind(model):
    """What a model's examples are: "texts", "tables", "images", "vectors" or "arrays"."""
    from tfar import tables, text

    if text.is_text(model):
        return "texts"
    if tables.is_table(model):
        return "tables"
    return {1: "vectors", 3: "images"}.get(len(model.event_shape), "arrays")


def _endings(model):
    """Of the files that a model's samples are written to, the usual one first."""
    from tfar import plots

    alone = {"texts": [".txt"], "tables": [".csv"]}
    drawn = plots.drawable(model.event_shape, model.head.dtype.as_numpy_dtype)
    return alone.get(_kind(model), [".png", ".npy"] if drawn else [".npy"])


def _named(out, default, model, name):
    """``out``, or ``default`` with the usual ending of a model's samples; checked for that."""
    endings = _endings(model)
    if out is None:
        out = default + endings[0]
        files.check_writable(out)
    if pathlib.Path(out).suffix not in endings:
        raise ValueError(
            f"{name} is a model of {_kind(model)}, of the shape {list(model.event_shape)}: "
            f"expected --out to end in {' or '.join(endings)}, got {out!r}."
        )
    return out


def _joint(model, num, label):
    """``(joint, n)`` to draw ``num`` samples from: n of each label of a conditional model's batch.

    Without a label, samples take the labels in turn.
    """
    if model.num_classes is None:
        return model.joint(), num
    labels = [i % model.num_classes if label is None else label for i in range(num)]
    return model.joint(condition=labels), ()


def _write(x, out, **options):
    import numpy as np

    from tfar import plots

    if pathlib.Path(out).suffix == ".png":
        return plots.save_grid(x, out, **options)
    with files.replacing(out) as partial:
        np.save(partial, x)


def _texts(model, num, prompt, length, seed, **policy):
    """Pieces of ``num`` texts, with a line of dashes between two; the first is that of the seed."""
    from tfar import randomness, text

    first = randomness.stateless_seed(seed)
    for number in range(num):
        if number:
            yield "---\n"
        own = randomness.derived(first, number) if number else first
        pieces = text.stream(model, prompt, length, seed=own, **policy)
        yield prompt
        yield from pieces
        yield "\n"


@main.command("list")
def list_models():
    """The trained models, with their test NLL.

    Summaries are cut to the width of the terminal; `tfar info NAME` has the whole.
    """
    from tfar.zoo import cards

    rows = []
    for name in zoo.list():
        try:
            metrics = zoo.info(name)
            per = metrics.get("per", "example")
            unit = "nats/char" if per == "character" else "nats"
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
def info(name):
    """The card of a model of the zoo, or what is known of another one."""
    if name in zoo.list():
        zoo.info(name)  # or the clear error
        card = zoo.recipe_path(name).parent / "card.md"
        click.echo(card.read_text(encoding="utf-8"))
        return
    quiet.import_tensorflow()
    model, _ = load(name)
    for word, value in _described(model).items():
        click.echo(f"{word:11}  {value}")


def _described(model):
    """What a model is, in words: a dict of lines."""
    head, condition = model.head, model.condition
    module, name = type(model).__module__, type(model).__name__
    lines = {
        "class": f"tfar.models.{name}" if module.startswith("tfar.") else f"{module}.{name}",
        "event shape": list(model.event_shape),
        "head": type(head).__name__ if _kind(model) == "tables" else head,
        "order": model.order if isinstance(model.order, str) else "given",
        "members": model.members,
        "condition": "none" if condition is None else condition.support,
        "parameters": f"{model.count_params():,}",
        "dtype": f"{model.dtype_policy.name}, samples {head.dtype.name}",
    }
    if _kind(model) == "tables":
        lines["columns"] = ", ".join(
            f"{column['name']} ({'categorical' if 'categories' in column else 'real'})"
            for column in head.columns
        )
    return lines


@main.command(cls=Command)
@click.argument("model", callback=existing_model)
@click.option("-n", "--num", type=click.IntRange(1), help="Samples.  [default: 64; of a text 1]")
@click.option(
    "--out",
    callback=output(".png", ".npy", ".csv", ".txt"),
    help="By default samples.png; texts and rows of tables are printed.",
)
@click.option("--seed", default=0, show_default=True, help="The same seed draws the same samples.")
@click.option("--temperature", type=float, help="Below 1: likelier, less varied samples.")
@click.option("--top-k", type=int, help="Draw among the likeliest so many values of a site.")
@click.option("--top-p", type=float, help="Draw among those that have this probability together.")
@click.option("--label", type=int, help="Of a conditional model; by default labels in turn.")
@click.option("--prompt", default="", help="Of a model of text: what it continues.")
@click.option(
    "--length",
    default=500,
    show_default=True,
    type=click.IntRange(1),
    help="Of a text: characters to draw.",
)
@click.pass_context
def sample(context, model, num, out, seed, label, prompt, length, **policy):
    """Draw samples of MODEL into a PNG (or, by its ending, an .npy file).

    A model of text continues a prompt, and its texts are printed as they come, or written to a .txt
    file. Rows of a model of a table are printed as CSV, or written to a .csv file.
    """
    from tfar import tables
    from tfar.sampling import Policy

    Policy(**policy)  # or the clear error, before the model is loaded
    loaded, _ = load(model)
    kind = _kind(loaded)
    if kind != "texts":
        refuse(context, f"{model} is a model of {kind}", "prompt", "length")
    if loaded.num_classes is None:
        refuse(context, f"{model} is not conditional", "label")
    if not loaded.head.of_logits:
        refuse(context, f"{model} has no categories to draw among", "top_k", "top_p")
    if out or kind not in ("texts", "tables"):
        out = _named(out, "samples", loaded, model)
    num = num or (1 if kind == "texts" else 64)
    if kind == "texts":
        pieces = _texts(loaded, num, prompt, length, seed, **policy)
        if out is None:
            for piece in pieces:
                click.echo(piece, nl=False)
            return
        say(f"Drawing {num} texts")
        with files.replacing(out) as partial, partial.open("w", encoding="utf-8") as file:
            file.writelines(pieces)
    elif kind == "tables":
        rows = tables.sample(loaded, num, seed, temperature=policy["temperature"])
        if out is None:
            click.echo(rows.to_csv(index=False), nl=False)
            return
        with files.replacing(out) as partial:
            rows.to_csv(partial, index=False)
    else:
        joint, n = _joint(loaded, num, label)
        say(f"Drawing {num} samples")
        _write(joint.sample(n, seed=seed, **policy).numpy(), out)
    click.echo(out)


@main.command(cls=Command)
@click.argument("model", callback=existing_model)
@click.argument("file", type=click.File(encoding="utf-8"))
def score(model, file):
    """The log-likelihood of the text or table in FILE (- for standard input) under MODEL.

    A table is a CSV file; the figure is the mean over its rows.
    """
    import numpy as np

    from tfar import tables, text

    try:
        given = file.read()
    except UnicodeDecodeError as error:
        raise ValueError(
            f"Expected {file.name} to be text in UTF-8, got other bytes at position {error.start}."
        ) from error
    loaded, _ = load(model)
    kind = _kind(loaded)
    if kind not in ("texts", "tables"):
        raise ValueError(
            f"{model} is a model of {kind}: `tfar score` takes texts and tables. `tfar evaluate` "
            "scores a data set."
        )
    if kind == "tables":
        if not given.strip():
            raise ValueError(f"Expected a table in {file.name}, got nothing.")
        nats = tables.log_prob(loaded, tables.read_csv(io.StringIO(given)))
        error = f" ± {nats.std(ddof=1) / len(nats) ** 0.5:.4f}" if len(nats) > 1 else ""
        click.echo(f"{nats.mean():.4f}{error} nats a row, rows: {len(nats):,}")
        return
    nats = text.log_prob(loaded, given, progress=progress("Scoring")).sum()
    each = nats / len(given)
    click.echo(
        f"{nats:.2f} nats, {len(given):,} characters, {each:.4f} nats or "
        f"{-each / np.log(2):.4f} bits a character"
    )


@main.command(cls=Command)
@click.argument("model", callback=existing_model)
@click.option("--rows", required=True, type=click.IntRange(0), help="Rows of pixels to keep.")
@click.option("--data", help="Data set of the test images; by default those packed with MODEL.")
@click.option("-n", "--num", default=8, show_default=True, type=click.IntRange(1), help="Images.")
@click.option("--draws", default=7, show_default=True, type=click.IntRange(1), help="Of each.")
@click.option(
    "--out",
    callback=output(".png", ".npy"),
    help="A picture or an array.  [default: completed.png]",
)
@click.option("--seed", default=0, show_default=True, help="The same seed draws the same samples.")
def complete(model, rows, data, num, draws, out, seed):
    """Keep the first ROWS of test images, and let MODEL draw the rest, several times.

    With a model of the zoo a few images are packed, and no data set is needed. In the picture each
    is followed by what was drawn; an .npy file holds [images, 1 + draws, ...]. A model whose order
    is reversed keeps the last rows.
    """
    import numpy as np

    from tfar import datasets
    from tfar.training import feeding

    loaded, name = load(model)
    if _kind(loaded) != "images":
        raise ValueError(f"Expected images to complete: {model} is a model of {_kind(loaded)}.")
    out = _named(out, "completed", loaded, model)
    if data:
        inputs = datasets.load(data, "test")
    elif name:
        inputs, _ = zoo.examples(name)
    else:
        raise click.UsageError("No images are packed with this model: give --data.")
    x = feeding.events(inputs)
    shape = np.shape(x)[1:]  # of a text ()
    if shape != loaded.event_shape:
        raise ValueError(
            f"Expected images of the shape {list(loaded.event_shape)} of the model, got "
            f"{list(shape)}."
        )
    if rows > shape[0]:
        raise ValueError(f"Expected images of at least {rows} rows, got {shape[0]} rows.")
    if num > len(x):
        raise ValueError(f"There are {len(x)} test images: it cannot complete {num}.")
    x, condition = x[:num], None
    if loaded.condition is not None:
        if not isinstance(inputs, dict):
            raise ValueError(f"{model} is conditional, and {data} has no condition.")
        condition = feeding.rows_of(inputs["condition"], slice(num))
    given = np.zeros(loaded.num_sites, bool)
    given[loaded.permutations[0][: rows * loaded.num_sites // x.shape[1]]] = True
    given = given.reshape([*loaded.grid_shape, *[1] * len(loaded.head.site_shape)])
    if given.all(axis=(1, 2)).sum() != rows:
        raise ValueError(f"{model} does not draw row by row, so that no rows can be kept.")
    value = np.where(given, x, np.nan)
    say(f"Drawing {draws} times the rest of {len(x)} images")
    drawn = loaded.joint(condition=condition).sample(draws, seed=seed, value=value).numpy()
    both = np.concatenate([x[:, None], drawn.swapaxes(0, 1)], axis=1)
    if pathlib.Path(out).suffix == ".png":
        _write(both.reshape([-1, *x.shape[1:]]), out, columns=1 + draws)
    else:
        _write(both, out)
    click.echo(out)


@main.command(cls=Command)
@click.argument("model", callback=existing_model)
@click.option("--data", help="Data set; by default the one that MODEL was trained on.")
@click.option(
    "--split",
    default="test",
    show_default=True,
    type=click.Choice(["train", "validation", "test"]),
)
def evaluate(model, data, split):
    """The NLL of a whole split, in nats and bits/dim, with its standard error."""
    from tfar import datasets
    from tfar.training import feeding
    from tfar.zoo import cards, publishing

    loaded, name = load(model)
    known = zoo.info(name) if name else {}
    if not (data or known):
        raise click.UsageError("This model does not say what it was trained on: give --data.")
    inputs = datasets.load(data or known["dataset"], split)
    if loaded.condition is None:
        inputs = feeding.events(inputs)
    found = publishing.figures(loaded, inputs, progress=progress(f"Scoring {split}"))
    click.echo(f"{model}: {cards.measured(found, publishing.per(loaded))}")
    if known and data in (None, known["dataset"]):
        click.echo(f"paper: {cards.versus(known)}")
    if name and data in (None, known["dataset"]) and split in known:
        published = known[split]["nats"]
        if abs(found["nats"] - published) > 1e-4 * abs(published):
            raise click.ClickException(f"published were {published:.4f}, found {found['nats']:.4f}")


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
def demo(context, out, name):
    """Load a trained model, verify it, draw samples; needs no download."""
    from tfar.zoo import cards

    say(f"Loading {name}")
    loaded = zoo.load(name)
    kind = _kind(loaded)
    if kind == "texts":
        refuse(context, f"{name} is a model of texts, which are printed", "out")
    else:
        out = _named(out, "demo", loaded, name)
    metrics = zoo.info(name)
    difference = zoo.verify(name, loaded)
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
    if kind == "texts":
        for piece in _texts(loaded, 1, "", 500, seed=0):
            click.echo(piece, nl=False)
        return
    say("Drawing 64 samples")
    joint, n = _joint(loaded, 64, None)
    _write(joint.sample(n, seed=0).numpy(), out)
    click.echo(f"samples            {out}")
