"""The training loop, which runs a recipe: optimizer, schedule, averaged weights, resuming.

Training is plain ``model.fit`` with Keras' own callbacks.
"""

import dataclasses
import json
import math
import os
import pathlib
import sys
import tempfile
import time
from typing import Any, NamedTuple

import click
import keras
import numpy as np
import tensorflow as tf

from tfar import arguments, files, kinds, models, private, zoo
from tfar.distribute import strategies
from tfar.training import checkpoints, feeding, progress, recipes, runs, sources
from tfar.training.recipes import OPTIMIZERS, POLICIES, Recipe
from tfar.training.schedule import Schedule
from tfar.typing import Path

__all__ = ["EpochSeconds", "build", "comparable", "epoch_seconds", "finished", "train"]

SPLITS = {"train": "the training data", "validation": "the validation data"}


def build(recipe: Recipe, x: Any) -> models.AutoregressiveModel:
    """The recipe's untrained model, in its precision, from its seed.

    Args:
      recipe: a `tfar.training.Recipe`.
      x: the training examples, or a training text.

    Raises:
      ValueError: if the recipe's function does not return a model, or the examples do not fit it.
    """
    keras.utils.set_random_seed(recipe.seed)
    policy = keras.config.dtype_policy()
    keras.config.set_dtype_policy(recipe.precision)
    try:
        model = recipe.model(x)
    finally:
        keras.config.set_dtype_policy(policy)
    if not isinstance(model, models.AutoregressiveModel):
        raise ValueError(
            f"Expected the function model of {recipe.name} to return a "
            f"tfar.models.AutoregressiveModel, got {model!r}."
        )
    kinds.of(model).adapt(x)
    return model


def train(
    recipe: Recipe,
    folder: Path | None,
    *,
    epochs: int | None = None,
    data: dict[str, Any] | None = None,
    verbose: int | str = "auto",
    strategy: str | tf.distribute.Strategy = "default",
    precision: str | None = None,
    save_every: int = 200,
    tensorboard: bool = False,
    samples: bool = False,
    start: Path | None = None,
) -> models.AutoregressiveModel:
    """Trains a recipe, or resumes a run in the same folder where it stopped, at any moment.

    The whole state is saved to ``folder/checkpoint.npz`` every few steps and after every epoch, see
    `tfar.training.checkpoints.Checkpoint`. After an epoch the averaged weights are saved to
    ``folder/best.weights.h5`` if they have the lowest validation NLL so far. ``folder/log.csv``
    has a line per epoch. A run is tied to its recipe and to its data; ``recipe.json`` has a digest
    of the data. If a run is refused, nothing in the folder is lost.

    A strategy of several replicas splits the recipe's batch over them, so that the run equals that
    of one device, up to rounding and dropout. Several workers must all see ``folder``; only the
    chief writes to it.

    Args:
      recipe: a `tfar.training.Recipe`.
      folder: the folder of the run, made if needed; None for a temporary one.
      epochs: replaces the recipe's epochs and cycles, including the schedule; with ``start``, it
        replaces the epochs of the last cycle.
      data: ``{"train": ..., "validation": ...}`` instead of the recipe's data set: arrays, dicts
        of arrays "x" and "condition", or strings.
      verbose: 0 to print nothing, 1 for Keras' bar of every epoch, 2 for a line per epoch; "auto"
        is 1 on a terminal and 2 otherwise. What comes before the first step goes to standard error.
      strategy: a ``tf.distribute.Strategy`` or a name, see `tfar.distribute.strategies.get`.
      precision: "float32", "bfloat16" or "float16" instead of the recipe's; weights and the
        log-likelihood are always in float32, and the loss is scaled for "float16".
      save_every: steps from one save of the state to the next.
      tensorboard: whether ``folder/tensorboard`` gets the scalars of each epoch, and samples of
        images or of text.
      samples: whether ``folder/samples`` gets a picture, a text or a table of samples after each
        epoch, or after a hundred of them if there are more.
      start: a trained model, as `tfar.zoo.find` takes it, whose weights a new run begins with. The
        run is then the last of the recipe's cycles only: the model has been through the others.

    Returns:
      An uncompiled model with the best weights.

    Raises:
      FileNotFoundError: if the data set is not there.
      BlockingIOError: if another run writes to the folder.
      ValueError: if the folder holds a run of another recipe or of other data, or a damaged one;
        there is less than a batch of data, or they do not fit the model; an argument is invalid;
        ``start`` is another model than the recipe's; or training diverged.
      OSError: if the folder cannot be read or written, or the disk is full; what was saved before
        is kept.
      KeyboardInterrupt: on Ctrl-C, with a message that says what was kept.
      SystemExit: with status 143 if the process got a SIGTERM; the current step was finished and
        saved, and the next call resumes after it.
    """
    strategy = strategies.get(strategy)  # first: several workers need it before anything runs
    recipe = _changed(recipe, epochs, precision, start)
    if folder is not None:
        folder = arguments.path("folder", folder)
    if data is not None and (not isinstance(data, dict) or set(data) != set(SPLITS)):
        raise ValueError(
            'Expected data to be {"train": ..., "validation": ...}, got '
            f"{sorted(map(str, data)) if isinstance(data, dict) else type(data).__name__}."
        )
    arguments.choice("verbose", verbose, ("auto", 0, 1, 2, False, True))
    arguments.integer("save_every", save_every, least=1)
    arguments.choice("tensorboard", tensorboard, (False, True))
    arguments.choice("samples", samples, (False, True))
    if start is not None:
        start = str(start) if isinstance(start, os.PathLike) else arguments.string("start", start)
    with strategies.own_folder(strategy, folder) as own, runs.locked(own):
        options = {"verbose": verbose, "save_every": save_every}
        shown = {"tensorboard": tensorboard, "samples": samples}
        return _train(recipe, own, data, strategy, start, folder, **options, **shown)


def finished(
    recipe: Recipe,
    folder: Path,
    *,
    epochs: int | None = None,
    precision: str | None = None,
    start: Path | None = None,
) -> dict[str, Any] | None:
    """What `tfar.training.runs.best` returns for a finished run; None for any other.

    Only the folder is read, which is quick: no data are read and no model is built. So only a
    recipe that was read from a file, the same as that of the run, is recognised.

    Args: as in `train`.
    """
    recipe = _changed(recipe, epochs, precision, start)
    folder = arguments.path("folder", folder)
    held = runs.record(folder)
    if held is None or recipe.source is None or recipe.source != held.get("source"):
        return None
    try:
        place = checkpoints.read(folder / runs.CHECKPOINT)
    except checkpoints.Damaged:  # training reports and repairs it
        return None
    best = runs.BestWeights(folder, None, patience=recipe.patience, every=recipe.validate_every)
    if _different(held, _fields(recipe, start)) or place is None:
        return None
    return best.held if place[0] >= recipe.epochs or best.gave_up(place[0]) else None


def _changed(recipe, epochs, precision, start):
    """The recipe with its epochs and precision replaced, if others are given."""
    if not isinstance(recipe, recipes.Recipe):
        raise ValueError(
            f"Expected recipe to be a tfar.training.Recipe, got {recipe!r}: "
            "tfar.training.load_recipe(PATH) reads one, and tfar.zoo.recipe_path(NAME) is the path "
            "of a recipe of the zoo."
        )
    if precision is not None:
        arguments.choice("precision", precision, tuple(POLICIES))
        recipe = dataclasses.replace(recipe, precision=POLICIES[precision])
    if epochs is not None:
        epochs = arguments.integer("epochs", epochs, least=1)
        recipe = recipes.lasting(recipe, epochs, last=start is not None)
    return recipe


def _train(recipe, folder, data, strategy, start, known, verbose, save_every, tensorboard, samples):
    """As `train`, in ``folder``; ``known`` is the name by which the user knows it."""
    held, fields = runs.record(folder), _fields(recipe, start)
    _refuse(known, "another recipe", _different(held, fields))
    if data is None:
        if verbose:
            click.echo(f"Reading {sources.named(recipe.dataset)} ...", err=True)
        data = {split: sources.load(recipe, split) for split in SPLITS}
    data = {split: feeding.inputs(recipe, data[split], split=split) for split in SPLITS}
    digests = {split: runs.digest(part) for split, part in data.items()}
    before = (held or {}).get("data", digests)
    differ = [split for split in SPLITS if before.get(split) != digests[split]]
    _refuse(known, "other data", [SPLITS[split] for split in differ])
    x, epochs = feeding.events(data["train"]), recipe.epochs
    cycles = recipe.periods
    with strategy.scope():
        model = build(recipe, x)
    kind = kinds.of(model)
    if any(cycle.shift for cycle in cycles) and not kind.shifts:
        raise ValueError(f"Expected images [N, H, W, C] to shift, got {list(np.shape(x))}.")
    config = comparable(model)
    _refuse(known, "another recipe", ["config"] if held and held.get("config") != config else [])
    data["validation"] = kind.inputs(data["validation"])
    for part in data.values() if recipe.conditional else [data["validation"]]:
        model.check(part)  # as `build` has done with the examples
    rng, held_out = np.random.default_rng(recipe.seed), data["validation"]
    shown = feeding.replaced(model, feeding.events(held_out), recipe.replaced, rng)
    shown = kind.noisy(shown, recipe.noise, rng) if recipe.noise else shown
    data["validation"] = {**held_out, "x": shown} if isinstance(held_out, dict) else shown
    steps = feeding.steps_per_epoch(recipe, model, data["train"])
    cycles = cycles if start is None else cycles[-1:]
    log = runs.Log(folder / runs.LOG)
    averages = keras.callbacks.SwapEMAWeights()
    best = runs.BestWeights(folder, averages, patience=recipe.patience, every=recipe.validate_every)
    place = checkpoints.Checkpoint(
        folder / runs.CHECKPOINT,
        steps=steps,
        every=save_every,
        strategy=strategy,
        first=cycles[0].first,
        kept=known,
    )
    record = {**fields, "config": config, "data": digests, **(held or {}), "source": recipe.source}
    if start is not None and not place.saved:
        trained = zoo.find(start)[0]
        _check_start(recipe, start, config, comparable(trained))
        model.set_weights(trained.get_weights())
        # An artefact may be replaced by a run that begins with it: this identifies the old one.
        record["start_sha256"] = zoo.checksum(start)
    _record(folder, record)
    lengths = [steps * cycle.length for cycle in cycles]
    schedule = Schedule([cycle.rate for cycle in cycles], lengths, recipe.warmup)
    with strategy.scope():
        alone = strategy.num_replicas_in_sync == 1  # Keras fails to compile for several
        _compile(model, recipe, schedule, jit_compile=recipe.jit_compile and alone)
    if verbose == "auto":
        verbose = 1 if sys.stdout.isatty() else 2
    callbacks = [
        averages,
        best,
        log,
        progress.Progress(epochs, steps=steps, batch_size=recipe.batch_size, lines=verbose == 2),
    ]
    if verbose == 2:  # beside a bar, `fit` says it
        callbacks.append(progress.FirstStep())
    given = _shown_condition(model, data["validation"])
    if tensorboard:
        callbacks += progress.tensorboard(folder / "tensorboard", averages, given)
    if samples:
        callbacks.append(progress.SampleFiles(folder / "samples", averages, given, epochs=epochs))
    validated = [*range(recipe.validate_every, epochs, recipe.validate_every), epochs]
    with place:
        while place.epoch < epochs and not best.gave_up(place.epoch):
            model.fit(
                feeding.batches(recipe, model, data["train"], first=(place.epoch, place.step)),
                initial_epoch=place.epoch,
                epochs=place.epoch + 1 if place.step else epochs,  # the rest of an epoch by itself
                steps_per_epoch=steps - place.step,
                shuffle=False,  # `batches` has done it
                validation_data=(data["validation"],),
                validation_batch_size=500,
                validation_freq=validated,
                verbose=1 if verbose == 1 else 0,
                callbacks=[*callbacks, place],
            )
    if runs.best(folder) is None:
        raise ValueError(f"{recipe.name}: validation NLL was never finite; lower learning_rate.")
    trained = build(recipe, x)
    runs.load_best(trained, folder)
    return trained


class EpochSeconds(NamedTuple):
    """How long the steps of an epoch take, a validation, and drawing samples."""

    steps: float
    validation: float = 0.0
    samples: float = 0.0


def epoch_seconds(
    recipe: Recipe,
    data: dict[str, Any],
    *,
    steps: int = 4,
    samples: bool = False,
    most: float = math.inf,
) -> EpochSeconds:
    """How long an epoch takes here: from a few steps, which change nothing.

    Args:
      recipe: a `tfar.training.Recipe`.
      data: as in `train`.
      steps: how many are timed, after one that is compiled.
      samples: whether samples are drawn after an epoch, as in `train`.
      most: seconds; where the steps alone take longer, nothing else is timed.

    Raises:
      ValueError: as in `train`, if the data are invalid.
    """
    data = {split: feeding.inputs(recipe, data[split], split=split) for split in SPLITS}
    model = build(recipe, feeding.events(data["train"]))
    all_steps = feeding.steps_per_epoch(recipe, model, data["train"])
    _compile(model, recipe, recipe.periods[0].rate, jit_compile=recipe.jit_compile)
    clock = progress.Clock()
    endless = dataclasses.replace(recipe, epochs=steps + 1, cycles=())  # of one step at least
    batches = feeding.batches(endless, model, data["train"])
    at_once = recipe.steps_per_execution
    count = (steps + 1) * at_once
    model.fit(batches, steps_per_epoch=count, shuffle=False, verbose=0, callbacks=[clock])
    found = EpochSeconds(all_steps * clock.seconds / at_once)
    if found.steps > most:
        return found
    kind = kinds.of(model)
    held_out = kind.inputs(data["validation"])
    first, count = feeding.rows_of(held_out, slice(500)), len(feeding.events(held_out))
    once = _again(lambda: model.evaluate(first, batch_size=500, verbose=0))
    found = found._replace(validation=once * max(count / 500, 1))
    if samples:
        given = _shown_condition(model, held_out)
        with tempfile.TemporaryDirectory() as folder:
            path = pathlib.Path(folder) / f"samples{kind.endings[0]}"
            found = found._replace(samples=_again(lambda: kind.write(kind.preview(given), path)))
    return found


def _again(function):
    """The seconds of a second call, for which nothing is compiled."""
    function()
    begin = time.perf_counter()
    function()
    return time.perf_counter() - begin


def _shown_condition(model, held_out):
    """What samples are conditioned on that training shows, where there is no default."""
    if model.condition is None or model.num_classes is not None:
        return None
    return held_out["condition"]


def _compile(model, recipe, rate, jit_compile):
    optimizer = OPTIMIZERS[recipe.optimizer](
        rate,
        weight_decay=recipe.weight_decay,
        global_clipnorm=recipe.clip_norm,
        use_ema=True,
        ema_momentum=recipe.ema,
    )
    optimizer.exclude_from_weight_decay(var_names=["bias"])
    private.average_briefly(optimizer)
    model.compile(
        optimizer, jit_compile=jit_compile, steps_per_execution=recipe.steps_per_execution
    )
    model.optimizer.build(model.trainable_variables)  # which a checkpoint restores


def _fields(recipe, start):
    """The fields that identify a run, as JSON has them, except for its data and its model."""
    apart = ("model", "summary", "paper", "source")
    fields = {key: value for key, value in vars(recipe).items() if key not in apart}
    fields["dataset"] = sources.named(recipe.dataset)
    fields["redraw"] = sources.named(recipe.redraw)
    return json.loads(json.dumps(fields if start is None else {**fields, "start": start}))


def _different(held, fields):
    """The names of fields in which a record, if there is one, differs from ``fields``."""
    apart = ("config", "data", "source", "start_sha256")
    known = {key: value for key, value in (held or fields).items() if key not in apart}
    return recipes.different(fields, known)


def _refuse(folder, what, differ):
    if differ:
        raise ValueError(
            f"{folder} holds a run of {what} ({', '.join(differ)} differ): give another folder, "
            "or remove it."
        )


def _record(folder, record):
    with files.replacing(folder / runs.RECORD) as partial:  # a run that is killed here can resume
        partial.write_text(json.dumps(record))


def comparable(model: models.AutoregressiveModel) -> dict[str, Any]:
    """A model's configuration without its name, which Keras numbers, as JSON has it."""
    config = {k: v for k, v in model.get_config().items() if k != "name"}
    return json.loads(json.dumps(config))


def _check_start(recipe, start, config, theirs):
    free = {"dtype", "dropout"}  # they matter in training only
    if differs := sorted(k for k in config.keys() - free if config[k] != theirs.get(k)):
        raise ValueError(
            f"{start} cannot be the start of {recipe.name}, whose model has another "
            f"{', '.join(differs)}."
        )
