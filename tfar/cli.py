"""The command line. TensorFlow is imported by the commands that need it, never for ``--help``."""

import itertools
import os
import pathlib
import sys

import click

import tfar
from tfar import files


class Commands(click.Group):
    """Turns the errors that users can mend into one line and exit status 1."""

    def invoke(self, ctx):
        try:
            return super().invoke(ctx)
        except (ValueError, OSError, ImportError) as error:
            if os.environ.get("TFAR_DEBUG"):
                raise
            raise click.ClickException(str(error)) from error


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(tfar.__version__, prog_name="tfar")
def main():
    """Autoregressive density models: sample, score and train the models of the zoo.

    MODEL is a name that `tfar list` shows, the path of a .keras file, or a folder that `tfar
    export` wrote. Data sets are found by TFDS_DATA_DIR and TFAR_DATA_DIR (see tfar.datasets), or
    downloaded. With TFAR_DEBUG=1 errors show where they come from.
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    os.environ["KERAS_BACKEND"] = "tensorflow"


def _picture(context, parameter, out):
    """The callback of --out."""
    if pathlib.Path(out).suffix not in (".png", ".npy"):
        raise click.BadParameter(f"{out!r} ends neither in .png nor in .npy")
    return out


def _progress(label):
    """A wrapper of iterables that shows a bar on a terminal."""

    def wrap(iterable):
        with click.progressbar(iterable, label=label, file=sys.stderr) as bar:
            yield from bar

    return wrap


def _say(doing):
    """Says on standard error what takes a while."""
    click.echo(f"{doing} ...", err=True)


def _joint(model, num, label):
    """``(joint, n)`` to draw ``num`` samples from: n of each label of a conditional model's batch.

    Without a label, samples take the labels in turn.
    """
    if model.num_classes is None:
        return model.joint(), num
    labels = [i % model.num_classes if label is None else label for i in range(num)]
    return model.joint(condition=labels), ()


@main.command("list")
def list_models():
    """The trained models, with their test NLL."""
    from tfar import zoo

    for name in zoo.list():
        metrics = zoo.info(name)
        test = metrics["test"]
        figure = f"{test['nats']:8.2f} ± {test['standard_error']:.2f} nats"
        click.echo(f"{name:26} {figure}  {metrics['summary']}")


@main.command()
@click.argument("name")
def info(name):
    """The model card of NAME."""
    from tfar import zoo

    zoo.info(name)  # or the clear error
    click.echo((zoo.recipe_path(name).parent / "card.md").read_text(encoding="utf-8"))


@main.command()
@click.argument("model")
@click.option("-n", "--num", default=64, show_default=True, type=click.IntRange(1), help="Samples.")
@click.option("--out", default="samples.png", show_default=True, callback=_picture)
@click.option("--seed", default=0, show_default=True, help="The same seed draws the same samples.")
@click.option("--temperature", type=float, help="Below 1: likelier, less varied samples.")
@click.option("--top-k", type=int, help="Draw among the likeliest so many values of a site.")
@click.option("--top-p", type=float, help="Draw among those that have this probability together.")
@click.option("--label", type=int, help="Of a conditional model; by default labels in turn.")
@click.option("--prompt", default="", help="Of a model of text: what it goes on from.")
@click.option("--length", default=500, show_default=True, help="Of a text: characters to draw.")
def sample(model, num, out, seed, label, prompt, length, **policy):
    """Draw samples of MODEL into a PNG (or, by its ending, an .npy file).

    A model of text goes on from a prompt, and its text is printed as it comes. Rows of a model of
    a table are printed as CSV.
    """
    from tfar import tables, text, zoo

    _say(f"Loading {model}")
    loaded, _ = zoo.find(model)
    if label is not None and loaded.num_classes is None:
        raise ValueError("This model is not conditional: it takes no --label.")
    if tables.is_table(loaded):
        given = {key: value for key, value in policy.items() if value is not None}
        click.echo(tables.sample(loaded, num, seed, **given).to_csv(index=False), nl=False)
        return
    if text.is_text(loaded):
        pieces = text.stream(loaded, prompt, length, seed=seed, **policy)
        for piece in itertools.chain([prompt], pieces, ["\n"]):
            click.echo(piece, nl=False)
        return
    if prompt:
        raise ValueError("This is no model of text: it takes no --prompt.")
    _say(f"Drawing {num} samples")
    joint, n = _joint(loaded, num, label)
    _write(joint.sample(n, seed=seed, **policy).numpy(), out)
    click.echo(out)


@main.command()
@click.argument("model")
@click.argument("file", type=click.File(encoding="utf-8"))
def score(model, file):
    """The log-likelihood of the text or table in FILE (- for standard input) under MODEL.

    A table is a CSV file; the figure is the mean over its rows.
    """
    import numpy as np

    from tfar import tables, text, zoo

    _say(f"Loading {model}")
    loaded, _ = zoo.find(model)
    if tables.is_table(loaded):
        nats = tables.log_prob(loaded, tables.read_csv(file))
        error = nats.std(ddof=1) / len(nats) ** 0.5 if len(nats) > 1 else np.nan
        click.echo(f"{nats.mean():.4f} ± {error:.4f} nats a row, {len(nats):,} rows")
        return
    given = file.read()
    nats = text.log_prob(loaded, given, progress=_progress("Scoring")).sum()
    each = nats / len(given)
    click.echo(
        f"{nats:.2f} nats, {len(given):,} characters, {each:.4f} nats or "
        f"{-each / np.log(2):.4f} bits a character"
    )


@main.command()
@click.argument("model")
@click.option("--rows", required=True, type=click.IntRange(0), help="Rows of pixels to keep.")
@click.option("--data", help="Data set of the test images; by default those packed with MODEL.")
@click.option("-n", "--num", default=8, show_default=True, type=click.IntRange(1), help="Images.")
@click.option("--draws", default=7, show_default=True, type=click.IntRange(1), help="Of each.")
@click.option("--out", default="completed.png", show_default=True, callback=_picture)
@click.option("--seed", default=0, show_default=True, help="The same seed draws the same samples.")
def complete(model, rows, data, num, draws, out, seed):
    """Keep the first ROWS of test images, and let MODEL draw the rest, several times.

    With a model of the zoo a few images are packed, and no data set is needed. In the picture each
    is followed by what was drawn; an .npy file holds [images, 1 + draws, ...]. A model whose order
    is reversed keeps the last rows.
    """
    import numpy as np

    from tfar import datasets, feeding, zoo

    _say(f"Loading {model}")
    loaded, name = zoo.find(model)
    if data:
        inputs = datasets.load(data, "test")
    elif name:
        inputs, _ = zoo.examples(name)
    else:
        raise click.UsageError("No images are packed with this model: give --data.")
    x = feeding.events(inputs)
    shape = np.shape(x)[1:]  # of a text ()
    if shape != loaded.event_shape or len(shape) != 3 or rows > shape[0]:
        raise ValueError(
            f"Expected images of at least {rows} rows, of the shape {list(loaded.event_shape)} of "
            f"the model, got {list(shape)}."
        )
    if num > len(x):
        raise ValueError(f"There are {len(x)} test images: it cannot complete {num}.")
    x, condition = x[:num], None
    if loaded.num_classes is not None:
        if not isinstance(inputs, dict):
            raise ValueError(f"{model} is conditional, and {data} has no labels.")
        condition = inputs["condition"][:num]
    given = np.zeros(loaded.num_sites, bool)
    given[loaded.permutations[0][: rows * loaded.num_sites // x.shape[1]]] = True
    given = given.reshape([*loaded.grid_shape, *[1] * len(loaded.head.site_shape)])
    if given.all(axis=(1, 2)).sum() != rows:
        raise ValueError(f"{model} does not draw row by row, so that no rows can be kept.")
    value = np.where(given, x, np.nan)
    _say(f"Drawing {draws} times the rest of {len(x)} images")
    drawn = loaded.joint(condition=condition).sample(draws, seed=seed, value=value).numpy()
    both = np.concatenate([x[:, None], drawn.swapaxes(0, 1)], axis=1)
    if pathlib.Path(out).suffix == ".png":
        _write(both.reshape([-1, *x.shape[1:]]), out, columns=1 + draws)
    else:
        _write(both, out)
    click.echo(out)


def _write(x, out, **options):
    import numpy as np

    from tfar import plots

    if pathlib.Path(out).suffix == ".png":
        return plots.save_grid(x, out, **options)
    with files.replacing(out) as partial:
        np.save(partial, x)


@main.command()
@click.argument("model")
@click.option("--data", help="Data set; by default the one that MODEL was trained on.")
@click.option(
    "--split",
    default="test",
    show_default=True,
    type=click.Choice(["train", "validation", "test"]),
)
def evaluate(model, data, split):
    """The NLL of a whole split, in nats and bits/dim, with its standard error."""
    from tfar import cards, datasets, feeding, publishing, zoo

    _say(f"Loading {model}")
    loaded, name = zoo.find(model)
    known = zoo.info(name) if name else {}
    if not (data or known):
        raise click.UsageError("This model does not say what it was trained on: give --data.")
    inputs = datasets.load(data or known["dataset"], split)
    if loaded.num_classes is None:
        inputs = feeding.events(inputs)
    found = publishing.figures(loaded, inputs, progress=_progress(f"Scoring {split}"))
    click.echo(f"{model}: {cards.measured(found, publishing.per(loaded))}")
    if known and data in (None, known["dataset"]):
        click.echo(f"paper: {cards.versus(known)}")
    if name and data in (None, known["dataset"]) and split in known:
        published = known[split]["nats"]
        if abs(found["nats"] - published) > 1e-4 * abs(published):
            raise click.ClickException(f"published were {published:.4f}, found {found['nats']:.4f}")


@main.command()
@click.argument("recipe")
@click.option("--out", help="Folder of the run.  [default: runs/NAME]")
@click.option("--epochs", type=click.IntRange(1), help="In place of the recipe's and its cycles.")
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
    help="Of the arithmetic, in place of the recipe's.",
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
def train(recipe, out, epochs, strategy, **options):
    """Train RECIPE, a name of the zoo or a recipe.py; goes on where it stopped.

    However it stopped: the results are those of a run that was never stopped.

    Under a strategy a batch is split over the devices, so that the run is the same. Of several
    workers, which must all see the folder of the run, the chief alone writes.
    """
    from tfar import recipes, strategies, training, zoo

    strategy = strategies.get(strategy)

    path = recipe if recipe.endswith(".py") else zoo.recipe_path(recipe)
    loaded = recipes.load_recipe(path)
    folder = pathlib.Path(out or f"runs/{loaded.name}")
    model = training.train(loaded, folder, epochs, strategy=strategy, **options)
    if not strategies.is_chief(strategy):
        return
    with files.replacing(folder / "model.keras") as partial:
        model.save(partial)
    click.echo(f"{folder / 'model.keras'}: the weights of the lowest validation NLL")


@main.command("train-table")
@click.argument("file", type=click.Path(exists=True, dir_okay=False))
@click.option("--out", default="table.keras", show_default=True, help="The model, a .keras file.")
@click.option("--run", help="Folder of the run, which goes on where it stopped.")
@click.option("--drop", multiple=True, help="A column to leave out; may be given several times.")
@click.option("--categorical", multiple=True, help="A column that has categories; likewise.")
@click.option("--epochs", default=300, show_default=True, type=click.IntRange(1), help="At most.")
@click.option("--seed", default=0, show_default=True, help="Of the split, the weights and all.")
def train_table(file, out, run, drop, categorical, epochs, seed):
    """Fit a joint distribution to the columns of the CSV in FILE.

    A tenth of the rows is held out, and says when to stop. `tfar sample` then draws rows, `tfar
    score` gives log-likelihoods in the units of the data, and `tfar.tables.complete` draws any
    columns given any others.
    """
    from tfar import tables

    if not out.endswith(".keras"):
        raise click.BadParameter(f"{out!r} does not end in .keras", param_hint="--out")
    frame = tables.read_csv(file)
    unknown = sorted(set(drop) - set(frame.columns))
    if unknown:
        raise ValueError(f"The table has no column {unknown[0]!r}, but {list(frame.columns)}.")
    frame = frame.drop(columns=list(drop))
    for name, kind in tables.kinds(frame, categorical).items():
        _say(f"{name}: {kind}")
    verbose = "auto" if sys.stderr.isatty() else 2
    model = tables.fit_table(
        frame, categorical, epochs=epochs, seed=seed, folder=run, verbose=verbose
    )
    with files.replacing(out) as partial:
        model.save(partial)
    nats = tables.log_prob(model, frame).mean()
    click.echo(f"{out}: {nats:.4f} nats a row, on all {len(frame):,} rows")


@main.command()
@click.option("--out", default="demo.png", show_default=True, callback=_picture)
@click.option(
    "--name", default="pixelcnn_mnist", show_default=True, help="A name that `list` shows."
)
def demo(out, name):
    """Load a trained model, verify it, draw a grid of samples; needs no download."""
    from tfar import cards, zoo

    _say(f"Loading {name}")
    loaded = zoo.load(name)
    metrics = zoo.info(name)
    difference = zoo.verify(name, loaded)
    count = metrics["examples"]["shape"][0]
    click.echo(f"{name}: {metrics['summary']}")
    click.echo(f"recorded test NLL  {cards.measured(metrics['test'])}")
    click.echo(f"paper              {cards.versus(metrics)}")
    click.echo(
        f"verified here      log p(x) of {count} bundled test examples, largest relative "
        f"difference {difference:.1e}"
    )
    _say("Drawing 64 samples")
    joint, n = _joint(loaded, 64, None)
    _write(joint.sample(n, seed=0).numpy(), out)
    click.echo(f"samples            {out}")


@main.command()
@click.argument("model")
@click.argument("folder")
@click.option("--max-bytes", type=click.IntRange(1), help="Memory of a request.  [default: 2 GiB]")
@click.option("--max-rows", type=click.IntRange(1), help="Rows to score, in place of what fits.")
@click.option("--max-samples", type=click.IntRange(1), help="Samples to draw, in place of it.")
@click.option("--max-length", type=click.IntRange(1), help="Characters of a text, 10,000 if none.")
def export(model, folder, **limits):
    """Write MODEL as a SavedModel that TensorFlow Serving serves.

    FOLDER is a new one, for the server a version number below the model's name: models/mine/1.
    The options bound what one request may ask for.
    """
    from tfar import serving, zoo

    _say(f"Loading {model}")
    loaded, _ = zoo.find(model)
    given = {name: value for name, value in limits.items() if value is not None}
    click.echo(serving.export(loaded, folder, **given))


@main.command("export-again")
@click.argument("names", nargs=-1)
def export_again(names):
    """Write the SavedModels of the zoo (or of NAMES) anew, with the same weights, in a clone."""
    from tfar import publishing, zoo

    for name in names or zoo.list():
        metrics = publishing.export_again(name)
        click.echo(f"{name}: {metrics['bytes'] / 1e6:.1f} MB")


@main.command("serve-config")
@click.option(
    "--base-path", help="Where the server finds the models.  [default: the zoo of this tfar]"
)
@click.option("--out", default="models.config", show_default=True)
def serve_config(base_path, out):
    """Write a models.config of the whole zoo, for tensorflow_model_server."""
    from tfar import zoo

    with files.replacing(out) as partial:
        partial.write_text(zoo.serve_config(base_path))
    click.echo(out)


@main.command()
@click.argument("name")
@click.argument("run", type=click.Path(exists=True, file_okay=False))
def publish(name, run):
    """Make the best weights of RUN the artefact NAME (in a clone of the repository)."""
    from tfar import cards, publishing

    metrics = publishing.publish(name, run, progress=_progress("Scoring"))
    click.echo(f"{name}: {cards.measured(metrics['test'], metrics['per'])}")
    click.echo(f"paper: {cards.versus(metrics)}")


@main.command()
@click.option("--write", type=click.Path(exists=True, dir_okay=False), help="A README to update.")
def table(write):
    """The results table, from every metrics.json of the zoo."""
    from tfar import cards

    if write:
        cards.write_table(write)
    else:
        click.echo(cards.table())


if __name__ == "__main__":
    main()
