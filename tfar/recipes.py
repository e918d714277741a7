"""Recipes: flat Python files that say how an artefact is made.

A recipe is ``zoo/<name>/recipe.py``, whose top-level names are the fields of `Recipe`.
"""

import dataclasses
import pathlib
import runpy
import types
import typing
from collections.abc import Callable

import keras

from tfar.muon import Muon

__all__ = ["Cycle", "Recipe", "cycles", "different", "lasting", "load_recipe"]

OPTIMIZERS = {"adamw": keras.optimizers.AdamW, "muon": Muon}


@dataclasses.dataclass(frozen=True)
class Recipe:
    """What it takes to make an artefact.

    Attributes:
      name: name of the artefact.
      summary: one sentence for the card.
      dataset: a name of `tfar.datasets.list()`.
      model: function of the training examples, an array, or of the training text, a string, that
        returns an uncompiled model.
      paper: ``{"nats": float, "what": str, "reference": str}``, the figure to compare with; or
        ``{"none": str}``, the reason why there is none. A figure that is not on the test split has
        ``"splits": [...]``, the names of those that it is on together.
      conditional: whether the model is given the data set's labels, its entry "condition".
      epochs, batch_size, learning_rate: as in Keras; the rate is the peak, reached after the
        fraction ``warmup`` of all steps and followed by a cosine to 0. Each cycle after the first
        has half the peak of the one before, unless a tuple gives one for each.
      cycles: the numbers of epochs, ``epochs`` in all, over which the schedule of rates and shifts
        is run (Loshchilov and Hutter 2017: warm restarts); by default it is run once.
      optimizer: "adamw", or "muon" for `tfar.muon.Muon`.
      weight_decay: as in Keras' AdamW, of all weights but biases.
      clip_norm: largest norm of the gradient of all weights together; None for any.
      ema: momentum of the average of the weights that is validated and kept: over 1 / (1 - ema)
        steps. At the peak rate weights are others after 1 / (rate weight_decay) steps, of which an
        average is no model: it is one when the rate has fallen, if a cycle is long enough.
      shift: fraction of the images of an epoch that are moved by up to one pixel in each
        direction, falling linearly to 0 over the first ``shift_until`` of the epochs; a tuple gives
        one for each cycle.
      validate_every: epochs from one validation to the next.
      patience: epochs without a lower validation NLL after which training stops; None for never.
      seed: of weights, batches, dropout and shifts.
      jit_compile: whether XLA compiles the training step.
      precision: a Keras dtype policy; where the processor has no bfloat16, "float32" is faster.
    """

    name: str
    summary: str
    dataset: str
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
    validate_every: int = 1
    patience: int | None = None
    seed: int = 1
    jit_compile: bool = False
    precision: str = "float32"


class Cycle(typing.NamedTuple):
    first: int
    length: int
    rate: float
    shift: float


def cycles(recipe, epochs):
    """First epoch, number of epochs, peak rate and shift of each cycle, a list of `Cycle`.

    Args:
      recipe: a `Recipe`.
      epochs: the recipe's, or those in place of them.

    Raises:
      ValueError: if the recipe has cycles, of another number of epochs in all.
    """
    lengths = recipe.cycles or (epochs,)
    if sum(lengths) != epochs:
        raise ValueError(
            f"The cycles {list(lengths)} of {recipe.name} do not add up to {epochs} epochs."
        )
    peaks, shifts = recipe.learning_rate, recipe.shift
    if not isinstance(peaks, tuple | list):
        peaks = [peaks * 0.5**index for index in range(len(lengths))]
    if not isinstance(shifts, tuple | list):
        shifts = [shifts] * len(lengths)
    for what, values in ("learning rates", peaks), ("shifts", shifts):
        if len(values) != len(lengths):
            raise ValueError(f"{recipe.name} has {len(values)} {what} for {len(lengths)} cycles.")
    firsts = [sum(lengths[:index]) for index in range(len(lengths))]
    return [Cycle(*values) for values in zip(firsts, lengths, peaks, shifts)]


def lasting(recipe, epochs, last=False):
    """The recipe with other epochs: of one cycle, or of the ``last`` one alone."""
    if last:
        lengths = (*recipe.cycles[:-1], epochs)
        several = lengths if len(lengths) > 1 else ()
        return dataclasses.replace(recipe, epochs=sum(lengths), cycles=several)
    first = cycles(recipe, recipe.epochs)[0]
    return dataclasses.replace(
        recipe, epochs=epochs, cycles=(), learning_rate=first.rate, shift=first.shift
    )


def load_recipe(path):
    """Reads a recipe file.

    Raises:
      FileNotFoundError: if there is none.
      ValueError: if it lacks a field or has one that `Recipe` does not know.
    """
    path = pathlib.Path(path).resolve()  # its folder names the artefact
    values = {
        key: value
        for key, value in runpy.run_path(str(path)).items()
        if not key.startswith("_") and not isinstance(value, types.ModuleType)
    }
    fields = {field.name: field for field in dataclasses.fields(Recipe)}
    unknown = sorted(set(values) - set(fields))
    missing = sorted(
        key
        for key, field in fields.items()
        if field.default is dataclasses.MISSING and key not in values and key != "name"
    )
    if unknown or missing:
        raise ValueError(
            f"{path} is no recipe: unknown names {unknown} (a leading underscore hides a name), "
            f"missing names {missing}."
        )
    if values.get("optimizer", "adamw") not in OPTIMIZERS:
        raise ValueError(
            f"{path}: expected an optimizer of {sorted(OPTIMIZERS)}, got {values['optimizer']!r}."
        )
    lengths = values.get("cycles", ())
    if not isinstance(lengths, tuple | list) or any(
        not isinstance(n, int) or n < 1 for n in lengths
    ):
        raise ValueError(
            f"{path}: expected the numbers of epochs of each cycle, as in cycles = (30, 10), got "
            f"{lengths!r}."
        )
    recipe = Recipe(name=path.parent.name, **values)
    cycles(recipe, recipe.epochs)
    return recipe


def different(one, other):
    """The fields in which two records of recipes differ; a missing one has its default value.

    Records are of JSON, in which tuples are lists.

    >>> different({"epochs": 3, "clip_norm": None, "cycles": []}, {"epochs": 4})
    ['epochs']
    """
    default = {
        field.name: list(field.default) if isinstance(field.default, tuple) else field.default
        for field in dataclasses.fields(Recipe)
    }
    fields = one.keys() | other.keys()
    return sorted(k for k in fields if one.get(k, default.get(k)) != other.get(k, default.get(k)))
