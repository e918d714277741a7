"""The command line. TensorFlow is imported by the commands that need it, never for ``--help``."""

from __future__ import annotations

import contextlib
import csv
import os
import pathlib
import sys
import traceback
import warnings
import zipfile
from typing import TYPE_CHECKING

import click

import tfar
from tfar import files, quiet, zoo

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from typing import Any

    from tfar.kinds import Kind
    from tfar.models import AutoregressiveModel


class Commands(click.Group):
    """Turns errors into one sentence and exit status 1, an interruption into status 130."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except (click.ClickException, click.exceptions.Exit, BrokenPipeError):
            raise
        except KeyboardInterrupt as error:
            stopped = click.ClickException("Interrupted.")
            stopped.exit_code = 130  # type: ignore[misc]  # as in shells: 128 plus the number of the signal
            raise stopped from error
        except Exception as error:
            if os.environ.get("TFAR_DEBUG"):  # not raised: Click makes "Aborted!" of an EOFError
                traceback.print_exc()
            raise click.ClickException(sentence(error)) from error


def sentence(error: BaseException) -> str:
    """The message of an error and, if users cannot fix it, how to see where it comes from."""
    if isinstance(error, UnicodeDecodeError):
        return f"Expected text in UTF-8, got other bytes at position {error.start}."
    if isinstance(error, OSError) and error.strerror and error.filename:
        return f"{error.filename}: {error.strerror}"
    words = str(error).strip()
    if isinstance(error, (ValueError, OSError, ImportError, csv.Error)) and words:
        return words
    kind, first = type(error).__name__, words.partition("\n")[0]
    said = f"{kind}: {first}" if first else kind
    return f"{said} (TFAR_DEBUG=1 shows where it comes from)"


class Command(click.Command):
    """A command that computes: TensorFlow is imported first, see `tfar.quiet`."""

    def invoke(self, ctx: click.Context) -> Any:
        quiet.import_tensorflow()
        return super().invoke(ctx)


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(tfar.__version__, prog_name="tfar")
def main() -> None:
    """Autoregressive density models: sample, score and train the models of the zoo.

    MODEL is a name that `tfar list` shows, the path of a .keras file, or a folder that `tfar
    export` wrote. Data sets are found through TFDS_DATA_DIR and TFAR_DATA_DIR (see tfar.datasets),
    or downloaded. With TFAR_DEBUG=1, errors show their traceback and TensorFlow shows its log.
    """
    if not os.environ.get("TFAR_DEBUG"):
        os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    os.environ["KERAS_BACKEND"] = "tensorflow"
    warnings.showwarning = _warned


def _warned(message, *_, **__):
    """Without the place in the code, which tells users of a shell nothing."""
    click.echo(f"Warning: {message}", err=True)


# What options are checked for, before anything is imported or computed ----------------------------


def existing_model(context: click.Context, parameter: click.Parameter, model: str) -> str:
    """The callback of MODEL: it must exist, or similar names are suggested."""
    if model.endswith(".keras"):
        if not os.path.exists(model):
            raise FileNotFoundError(f"There is no file {model}.")
        if not zipfile.is_zipfile(model):
            raise ValueError(f"{model} is damaged, or not a Keras file: it is not a ZIP archive.")
    elif model in zoo.list() or not os.path.exists(model):
        zoo.info(model)
    elif not os.path.exists(os.path.join(model, "saved_model.pb")):
        raise ValueError(f"{model} is neither a .keras file nor a folder that `tfar export` wrote.")
    return model


def zoo_name(context: click.Context, parameter: click.Parameter, name: str) -> str:
    """The callback of the name of a model of the zoo."""
    zoo.info(name)
    return name


def existing_recipe(context: click.Context, parameter: click.Parameter, recipe: str) -> str:
    """The callback of RECIPE."""
    if not recipe.endswith(".py"):
        zoo.recipe_path(recipe)
    return recipe


def output(*endings: str) -> Callable[..., str | None]:
    """The callback of --out: a file that can be written, with one of the endings, if any."""

    def check(context, parameter, out):
        if out is None:
            return None
        if endings and pathlib.Path(out).suffix not in endings:
            others = ", ".join(endings[1:])
            raise click.BadParameter(f"{out!r} ends neither in {endings[0]} nor in {others}")
        files.check_writable(out)
        return out

    return check


def sample_file(context: click.Context, parameter: click.Parameter, out: str | None) -> str | None:
    """The callback of --out for samples of any kind."""
    from tfar import kinds

    return output(*kinds.formats())(context, parameter, out)


def refuse(context: click.Context, reason: str, *names: str) -> None:
    """Raises ValueError, with a reason, if one of the parameters was given: it does not apply."""
    for parameter in context.command.params:
        given = context.get_parameter_source(parameter.name)
        if parameter.name in names and given is not click.core.ParameterSource.DEFAULT:
            raise ValueError(f"{reason}: it takes no {max(parameter.opts, key=len)}.")


def adaptation(function: Any) -> Any:
    """Adds --adapt, see `primer`."""
    return click.option(
        "--adapt",
        type=click.Path(exists=True, dir_okay=False),
        help="For a text model, which then learns as it reads: a text that it counts first, or an "
        "empty file.",
    )(function)


def primer(adapt: str | None, kind: Kind, model: str) -> str | None:
    """The text in the file that --adapt names, or None."""
    if adapt is None:
        return None
    if not kind.adapts:
        raise ValueError(f"{model} is a model of {kind.name}: it takes no --adapt.")
    return kind.from_bytes(files.read(adapt), adapt)


def device(function: Any) -> Any:
    """Adds --device, see `use_device`."""
    return click.option("--device", help="cpu, gpu, or gpu:1 for the second.  [default: any]")(
        function
    )


def quietly(function: Any) -> Any:
    """Adds --quiet."""
    return click.option("-q", "--quiet", is_flag=True, help="Print the result only.")(function)


@contextlib.contextmanager
def interruptible() -> Iterator[None]:
    """Says what is kept when the user presses Ctrl-C; the status is that of a shell."""
    try:
        yield
    except KeyboardInterrupt as interrupt:
        click.echo(f"\nInterrupted. {interrupt or 'The same command resumes.'}", err=True)
        raise SystemExit(130) from None


def use_device(name: str | None) -> None:
    """Hides all devices but one from TensorFlow, which must not have computed anything yet.

    Raises:
      ValueError: if there is no such device.
    """
    if name is None:
        return
    import tensorflow as tf

    gpus = tf.config.list_physical_devices("GPU")
    if name.lower() == "cpu":
        return tf.config.set_visible_devices([], "GPU")
    kind, _, number = name.lower().partition(":")
    if kind != "gpu" or (number and not number.isdecimal()):
        raise ValueError(f"Expected --device to be cpu, gpu or gpu:N, got {name!r}.")
    if int(number or 0) >= len(gpus):
        raise ValueError(f"There is no {name} that TensorFlow can use: it finds {len(gpus)} GPUs.")
    tf.config.set_visible_devices(gpus[int(number or 0)], "GPU")


# What commands share ------------------------------------------------------------------------------


def progress(label: str) -> Callable[[Sequence[Any]], Iterable[Any]]:
    """A wrapper of iterables that shows a bar on a terminal."""

    def wrap(iterable):
        with click.progressbar(iterable, label=label, file=sys.stderr) as bar:
            yield from bar

    return wrap


def named(out: str | None, default: str, kind: Kind, name: str) -> str:
    """``out``, or ``default`` with the usual ending of a kind's samples; checked for that."""
    if out is None:
        out = default + kind.endings[0]
        files.check_writable(out)
    if pathlib.Path(out).suffix not in kind.endings:
        raise ValueError(
            f"{name} is a model of {kind.name}, of the shape {list(kind.model.event_shape)}: "
            f"expected --out to end in {' or '.join(kind.endings)}, got {out!r}."
        )
    return out


def is_own(data: str) -> bool:
    """Whether what the user means is a file or a folder, and not the name of a data set."""
    from tfar import datasets

    return data not in datasets.list() and (os.path.exists(data) or bool(pathlib.Path(data).suffix))


def examples(kind: Kind, data: str, split: str = "test") -> Any:
    """The examples of a split of a data set, or those in a file or a folder, see `Kind.at`."""
    from tfar import datasets
    from tfar.training import feeding

    if is_own(data):
        return kind.at(data)
    inputs = datasets.load(data, split)
    return inputs if kind.model.condition is not None else feeding.events(inputs)


def say(doing: str) -> None:
    """Says on standard error what takes a while."""
    click.echo(f"{doing} ...", err=True)


def load(model: str) -> tuple[AutoregressiveModel, str | None]:
    """``(model, name)``, see `tfar.zoo.find`."""
    say(f"Loading {model}")
    return zoo.find(model)
