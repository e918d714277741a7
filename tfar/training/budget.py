"""Time as the measure of training: how many epochs fit into it, and of which network."""

from __future__ import annotations

import functools
import json
import math
import re
import time
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import click

from tfar import arguments, files, records
from tfar.training import loop, runs

if TYPE_CHECKING:
    import pathlib

    from tfar.models import AutoregressiveModel
    from tfar.training.recipes import Recipe
    from tfar.typing import Path

__all__ = ["chosen", "seconds", "trained"]

PLAN = "plan.json"
FEW, MOST = 10, 200  # epochs


def seconds(budget: str | float) -> float:
    """A time in seconds: a number of them, or hours, minutes and seconds as in "1h30m".

    Raises:
      ValueError: if it is anything else, or not above 0.

    >>> seconds("30m"), seconds("1h30m"), seconds(20)
    (1800.0, 5400.0, 20.0)
    """
    if not isinstance(budget, str):
        return arguments.number("budget", budget, above=0)
    parts = re.fullmatch(r"(?:([\d.]+)h)?(?:([\d.]+)m)?(?:([\d.]+)s?)?", budget.strip())
    try:
        given = parts.groups() if parts else ()
        found = sum(float(part or 0) * unit for part, unit in zip(given, (3600, 60, 1)))
        return arguments.number("budget", found, above=0)
    except ValueError:
        raise ValueError(
            f"Expected budget to be a time such as '45s', '30m' or '1h30m', got {budget!r}."
        ) from None


def trained(
    recipe: Callable[..., Recipe],
    sizes: Sequence[str],
    data: dict[str, Any],
    *,
    budget: str | float | None = None,
    epochs: int | None = None,
    folder: Path | None = None,
    verbose: int | str = "auto",
) -> AutoregressiveModel:
    """Trains for a budget or for a number of epochs, with samples in the run's folder.

    Args:
      recipe: a function of a number of epochs and a size of the network.
      sizes: the sizes that may be chosen, the largest first; without a budget it is the first.
      data, folder, verbose: as in `tfar.training.train`.
      budget: as in `seconds`; by default 30 minutes.
      epochs: instead of a budget.

    Raises:
      ValueError: if both are given; or as in `chosen` and `tfar.training.train`.
    """
    if folder is not None:
        folder = arguments.path("folder", folder)
    if epochs is not None:
        if budget is not None:
            raise ValueError("Expected a budget or a number of epochs, got both.")
        found = recipe(arguments.integer("epochs", epochs, least=1), sizes[0])
    else:
        ways = {size: functools.partial(recipe, size=size) for size in sizes}
        say = (lambda sentence: None) if verbose == 0 else None
        limit = "30m" if budget is None else budget
        found = chosen(ways, data, limit, folder=folder, say=say, samples=folder is not None)
    return loop.train(found, folder, data=data, verbose=verbose, samples=folder is not None)


def chosen(
    recipes: Mapping[str, Callable[[int], Recipe]],
    data: dict[str, Any],
    budget: str | float,
    *,
    folder: pathlib.Path | None = None,
    say: Callable[[str], Any] | None = None,
    samples: bool = False,
) -> Recipe:
    """The first of several recipes of which ten epochs fit into a budget, with as many as fit.

    A few steps of each are timed until one fits; if none does, it is the last. There are at most
    200 epochs. The choice depends on the machine and on what else it does. It is written to
    ``folder/plan.json``, and is not made again: a run that resumes is the same run.

    Args:
      recipes: functions of a number of epochs, by name, the slowest first.
      data: as in `tfar.training.train`.
      budget: as in `seconds`, of all that follows: what timing takes, and what compiling will take,
        are subtracted from it. At least one epoch is trained.
      folder: of the run, or None.
      say: is told in a sentence what was chosen; by default it is written to standard error.
      samples: as in `tfar.training.train`.

    Raises:
      ValueError: if the folder holds a run of another budget, or of a given number of epochs; or as
        in `tfar.training.build`.
    """
    limit = seconds(budget)
    if folder is None:
        return _timed(recipes, data, limit, say, samples)[0]
    with runs.locked(folder):
        if (held := _held(folder, recipes, limit)) is not None:
            return recipes[held["size"]](held["epochs"])
        recipe, plan = _timed(recipes, data, limit, say, samples)
        with files.replacing(folder / PLAN) as partial:
            partial.write_text(json.dumps(plan))
        return recipe


def _held(folder, recipes, limit):
    """The plan of a run that has begun, or None for a new run."""
    remedy = "Train in another folder."
    path = folder / PLAN
    fields = {"budget_s": records.NUMBER, "size": str, "epochs": int}
    try:
        held = records.read(path, fields, remedy)
    except FileNotFoundError:
        if runs.record(folder) is None:
            return None
        raise ValueError(
            f"{folder} holds a run whose epochs were given, without a budget: give another folder, "
            "or remove it."
        ) from None
    if held["size"] not in recipes or held["epochs"] < 1:
        raise ValueError(
            f"{folder} holds a run of another kind: give another folder, or remove it."
        )
    if held["budget_s"] != limit:
        raise ValueError(
            f"{folder} holds a run of a budget of {held['budget_s']:g} s, not {limit:g} s: give "
            "another folder, or remove it."
        )
    return held


def _timed(recipes, data, limit, say, samples):
    say = say or (lambda sentence: click.echo(sentence, err=True))
    start = time.monotonic()
    for size, make in recipes.items():
        began, last = time.monotonic(), size == [*recipes][-1]
        most = math.inf if last else limit / FEW
        each = loop.epoch_seconds(make(1), data, samples=samples, most=most)
        now = time.monotonic()
        # Timing is mostly compiling, and training compiles all of it once more.
        left = limit - (now - start) - (now - began)
        epochs = 1
        for _ in range(3):  # the more epochs, the fewer of them may be validated
            every = make(epochs).validate_every
            epoch = each.steps + each.validation / every + each.samples
            epochs = min(max(round(left / epoch), 1), MOST)
        if left / epoch >= FEW:
            break
    say(f"A {size} network, {epochs} epochs of about {epoch:.3g} s")
    plan = {"budget_s": limit, "size": size, "epochs": epochs, "epoch_s": epoch}
    return make(epochs), plan
