"""Recipes: flat Python files that say how an artefact is made.

A recipe is ``zoo/<name>/recipe.py``, whose top-level names are the fields of `Recipe` or, with
``members``, of `Composition`.
"""

import dataclasses
import difflib
import hashlib
import runpy
import traceback
import types
import typing
from collections.abc import Callable, Mapping
from typing import Any

import keras

from tfar import arguments
from tfar.training import sources
from tfar.training.muon import Muon
from tfar.typing import Path

__all__ = ["Composition", "Cycle", "Recipe", "different", "lasting", "load", "load_recipe"]

OPTIMIZERS = {"adamw": keras.optimizers.AdamW, "muon": Muon}
PAPER = ("nats", "what", "reference")
POLICIES = {"float32": "float32", "bfloat16": "mixed_bfloat16", "float16": "mixed_float16"}


class Cycle(typing.NamedTuple):
    first: int
    length: int
    rate: float
    shift: float


@dataclasses.dataclass(frozen=True, kw_only=True)
class Composition:
    """How an artefact is made of others, without training: a mixture, or an average.

    Attributes:
      members: names of artefacts.
      model: function of their models that returns the uncompiled model.
      name, summary, dataset, paper, conditional, source: as in `Recipe`; the data set is the one on
        which the model is measured.

    Raises:
      ValueError: if a field has a wrong type.
    """

    name: str
    summary: str
    dataset: str
    members: tuple
    model: Callable
    paper: dict
    conditional: bool = False
    source: str | None = None

    def __post_init__(self) -> None:
        for field, check in {
            **dict.fromkeys(("name", "summary", "dataset"), arguments.string),
            "members": _names,
            "model": _function,
            "paper": _paper,
        }.items():
            object.__setattr__(self, field, check(field, getattr(self, field)))
        arguments.choice("conditional", self.conditional, (True, False))


@dataclasses.dataclass(frozen=True, kw_only=True)
class Recipe:
    """Everything that determines how an artefact is trained.

    Attributes:
      name: name of the artefact.
      summary: one sentence for the card.
      dataset: a name of `tfar.datasets.list()`; a function of "train" or "validation" that returns
        the data of that split, an array, a dict of arrays "x" and "condition", or a string; or
        ``{"train": path, "validation": path}``, a path being that of a text, of an ``.npy`` file or
        of images as `tfar.pictures.read` takes them, relative to where training is started.
      model: function of the training examples, an array, or of the training text, a string, that
        returns an uncompiled model.
      paper: ``{"nats": float, "what": str, "reference": str}``, the figure to compare with; or
        ``{"none": str}``, the reason why there is no figure. One that is not on the test split has
        ``"splits": [...]``, the names of those that it is on together.
      conditional: whether the model is given the data set's entry "condition", labels for instance.
      epochs, batch_size, learning_rate: as in Keras; the rate is the peak, reached after the
        fraction ``warmup`` of all steps and followed by a cosine to 0. Each cycle after the first
        has half the peak of the one before, unless a tuple gives one for each.
      cycles: the numbers of epochs, ``epochs`` in all, over which the schedule of rates and shifts
        is run (Loshchilov and Hutter 2017: warm restarts); by default it is run once.
      optimizer: "adamw", or "muon" for `tfar.training.Muon`.
      weight_decay: as in Keras' AdamW, of all weights but biases.
      clip_norm: largest norm of the gradient of all weights together; None for no limit.
      ema: momentum of the average of the weights that is validated and kept, over 1 / (1 - ema)
        steps. At the peak rate the weights are replaced within 1 / (rate weight_decay) steps, and
        their average is not a good model; once the rate has fallen, in a cycle that is long enough,
        it is.
      shift: fraction of the images of an epoch that are shifted by up to one pixel in each
        direction, falling linearly to 0 over the first ``shift_until`` of the epochs; a tuple gives
        one for each cycle.
      redraw: a function of a ``np.random.Generator`` that returns the training examples of an
        epoch, drawn anew, as many as the data set has: `tfar.datasets.redrawn_mnist`, for instance.
      replaced: fraction of the values, of validation too, that uniform ones replace, others in each
        epoch: for a background model of likelihood ratios (Ren et al. 2019), which learns what is
        common to all examples; see `tfar.anomaly.ratio`.
      noise: standard deviation of the Gaussian noise that is added to the real columns of a table,
        of validation too, in units of a column's own, other noise in each epoch: the density is
        learnt as smooth as that (Rothfuss et al. 2019).
      validate_every: epochs from one validation to the next; the last epoch is validated too.
      patience: epochs without a lower validation NLL after which training stops; None for never.
      seed: seed of weights, batches, dropout, shifts and replaced values.
      jit_compile: whether XLA compiles the training step.
      steps_per_execution: as in Keras: steps that are taken at once, which is faster for small
        networks; what happens between steps, such as saving, happens between these. An epoch has a
        multiple of them.
      precision: the Keras dtype policy "float32", "mixed_bfloat16" or "mixed_float16"; on a
        processor without bfloat16, "float32" is faster.
      source: SHA-256 of the file from which `load_recipe` has read it, otherwise None.

    Raises:
      ValueError: if a field has a wrong type or is out of its range, with a message that names it,
        or if the cycles do not fit the epochs, rates or shifts.

    >>> Recipe(name="mine", summary="", dataset="mine", model=lambda x: None,
    ...     paper={"none": "mine"}, epochs=3, batch_size=16, learning_rate=-1.0)
    Traceback (most recent call last):
    ...
    ValueError: Expected learning_rate to be a finite number above 0, got -1.0.
    """

    name: str
    summary: str
    dataset: str | dict | Callable
    model: Callable
    paper: dict
    epochs: int
    batch_size: int
    learning_rate: float | tuple
    conditional: bool = False
    cycles: tuple = ()
    optimizer: str = "adamw"
    warmup: float = 0.03
    weight_decay: float = 0.0
    clip_norm: float | None = None
    ema: float = 0.999
    shift: float | tuple = 0.0
    shift_until: float = 0.9
    redraw: Callable | None = None
    replaced: float = 0.0
    noise: float = 0.0
    validate_every: int = 1
    patience: int | None = None
    seed: int = 1
    jit_compile: bool = False
    steps_per_execution: int = 1
    precision: str = "float32"
    source: str | None = None

    def __post_init__(self) -> None:
        def check(fields, function, *args, **ranges):
            for field in fields.split():
                value = function(field, getattr(self, field), *args, **ranges)
                object.__setattr__(self, field, value)  # as ints and floats, which JSON has

        check("name summary", arguments.string)
        check("dataset", sources.checked)
        check("model", _function)
        check("paper", _paper)
        check("conditional jit_compile", arguments.choice, (True, False))
        check("epochs batch_size validate_every steps_per_execution", arguments.integer, least=1)
        check("cycles", _several, arguments.integers, least=1)
        check("learning_rate", _one_or_each, above=0)
        check("optimizer", arguments.choice, tuple(OPTIMIZERS))
        check("precision", arguments.choice, tuple(POLICIES.values()))
        check("warmup", arguments.number, least=0, most=1)
        check("weight_decay", arguments.number, least=0)
        check("clip_norm", _optional, arguments.number, above=0)
        check("ema", arguments.number, least=0, below=1)
        check("shift", _one_or_each, least=0, most=1)
        check("shift_until", arguments.number, above=0, most=1)
        check("replaced", arguments.number, least=0, most=1)
        check("noise", arguments.number, least=0)
        check("patience", _optional, arguments.integer, least=1)
        check("seed", arguments.integer, least=0, most=2**32 - 1)
        check("source", _optional, arguments.string)
        check("redraw", _optional, _function)
        self.periods  # noqa: B018 (or the clear error)

    @property
    def periods(self) -> list[Cycle]:
        """First epoch, number of epochs, peak rate and shift of each cycle."""
        lengths = self.cycles or (self.epochs,)
        if sum(lengths) != self.epochs:
            raise ValueError(
                f"The cycles {list(lengths)} of {self.name} do not add up to {self.epochs} epochs."
            )
        peaks, shifts = self.learning_rate, self.shift
        if not isinstance(peaks, tuple | list):
            peaks = [peaks * 0.5**index for index in range(len(lengths))]
        if not isinstance(shifts, tuple | list):
            shifts = [shifts] * len(lengths)
        for what, values in ("learning rates", peaks), ("shifts", shifts):
            if len(values) != len(lengths):
                raise ValueError(f"{self.name} has {len(values)} {what} for {len(lengths)} cycles.")
        firsts = [sum(lengths[:index]) for index in range(len(lengths))]
        return [Cycle(*values) for values in zip(firsts, lengths, peaks, shifts)]


def _names(name, value):
    return tuple(arguments.items(name, value, "names of artefacts", lambda one: type(one) is str))


def _function(name, value):
    if not callable(value):
        raise ValueError(f"Expected {name} to be a function, got {value!r}.")
    return value


def _paper(name, value):
    if not isinstance(value, dict) or not ({"none"} <= set(value) or set(PAPER) <= set(value)):
        raise ValueError(
            f"Expected {name} to be a dict of {', '.join(PAPER)}, or of the reason why there is "
            f'none, {{"none": ...}}, got {value!r}.'
        )
    return value


def _optional(name, value, check, **ranges):
    return None if value is None else check(name, value, **ranges)


def _several(name, value, check, **ranges):
    empty = isinstance(value, tuple | list) and not value
    return () if empty else check(name, value, **ranges)


def _one_or_each(name, value, **ranges):
    """A number, or a tuple of one for each cycle."""
    if isinstance(value, tuple | list):
        return tuple(arguments.number(name, each, **ranges) for each in value)
    return arguments.number(name, value, **ranges)


def lasting(recipe: Recipe, epochs: int, *, last: bool = False) -> Recipe:
    """The recipe with another number of epochs: in one cycle, or in its ``last`` cycle only."""
    if last:
        lengths = (*recipe.cycles[:-1], epochs)
        several = lengths if len(lengths) > 1 else ()
        return dataclasses.replace(recipe, epochs=sum(lengths), cycles=several)
    first = recipe.periods[0]
    return dataclasses.replace(
        recipe, epochs=epochs, cycles=(), learning_rate=first.rate, shift=first.shift
    )


def load_recipe(path: Path) -> Recipe:
    """Reads a recipe file; the recipe has the name of its folder.

    Raises:
      FileNotFoundError: if the file does not exist.
      ValueError: if the file lacks a field, has one that `Recipe` does not know or refuses, or
        raises an error (the message names the file and, for an error, the line); or if it is of a
        `Composition`.
    """
    found = load(path)
    if isinstance(found, Composition):
        raise ValueError(
            f"{path} makes {found.name} of trained models, {', '.join(found.members)}: there is "
            f"nothing to train. `tfar publish {found.name}` makes it again, in a clone."
        )
    return found


def load(path: Path) -> Recipe | Composition:
    """Reads the file of a `Recipe` or of a `Composition`, as `load_recipe` does."""
    path = arguments.path("path", path).resolve()  # its folder names the artefact
    if not path.is_file():
        raise FileNotFoundError(f"There is no recipe file {path}.")
    try:
        found = runpy.run_path(str(path))
    except (Exception, SystemExit) as error:
        raise ValueError(f"{path}{_line(path, error)}: {type(error).__name__}: {error}") from error
    values = {
        key: value
        for key, value in found.items()
        if not key.startswith("_") and not isinstance(value, types.ModuleType)
    }
    kind: Any = Composition if "members" in values else Recipe
    fields = {
        field.name: field.default
        for field in dataclasses.fields(kind)
        if field.name not in ("name", "source")
    }
    unknown = sorted(set(values) - set(fields))
    missing = [key for key in fields if fields[key] is dataclasses.MISSING and key not in values]
    if unknown or missing:
        near = {name: difflib.get_close_matches(name, fields, 1) for name in unknown}
        hints = "".join(f"{match[0]} for {name}? " for name, match in near.items() if match)
        raise ValueError(
            f"{path} is not a recipe: unknown names {unknown} ({hints}A leading underscore hides a "
            f"name), missing names {sorted(missing)}."
        )
    source = hashlib.sha256(path.read_bytes()).hexdigest()
    try:
        return kind(name=path.parent.name, source=source, **values)
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error


def _line(path, error):
    """Where in a file an error was raised, in words, as far as it is known."""
    lines = [f.lineno for f in traceback.extract_tb(error.__traceback__) if f.filename == str(path)]
    if isinstance(error, SyntaxError) and error.filename == str(path):
        lines.append(error.lineno)
    return f", line {lines[-1]}" if lines else ""


def different(one: Mapping[str, Any], other: Mapping[str, Any]) -> list[str]:
    """The fields in which two records of recipes differ; a missing one has its default value.

    Records come from JSON, in which tuples are lists.

    >>> different({"epochs": 3, "clip_norm": None, "cycles": []}, {"epochs": 4})
    ['epochs']
    """
    default = {
        field.name: list(field.default) if isinstance(field.default, tuple) else field.default
        for field in dataclasses.fields(Recipe)
    }
    fields = one.keys() | other.keys()
    return sorted(k for k in fields if one.get(k, default.get(k)) != other.get(k, default.get(k)))
