"""Running a recipe: optimizer, schedule, averaged weights, resuming.

Training is plain ``model.fit`` with Keras' own callbacks.
"""

import dataclasses
import json
import sys

import keras
import numpy as np
import tensorflow as tf

from tfar import datasets, feeding, files, progress, recipes, strategies, survival, zoo
from tfar.recipes import OPTIMIZERS, different

__all__ = ["BestWeights", "Schedule", "build", "train"]

BEST, RECORD = "best.weights.h5", "recipe.json"
POLICIES = {"float32": "float32", "bfloat16": "mixed_bfloat16", "float16": "mixed_float16"}


class Schedule(keras.optimizers.schedules.LearningRateSchedule):
    """The learning rate: a warm-up, a cosine down to 0, and as often as there are cycles.

    Args:
      rates: the peak of each cycle.
      cycles: the number of steps of each.
      warmup: fraction of them.

    #### References
    I. Loshchilov, F. Hutter. SGDR: Stochastic Gradient Descent with Warm Restarts. ICLR 2017.

    >>> rate = Schedule([1.0, 0.5], cycles=[10, 5], warmup=0.2)
    >>> [round(float(rate(step)), 2) for step in (0, 1, 2, 6, 9, 10, 11, 13, 15, 99)]
    [0.0, 0.5, 1.0, 0.5, 0.04, 0.0, 0.5, 0.25, 0.0, 0.0]
    """

    def __init__(self, rates, cycles, warmup):
        self.rates, self.cycles = [float(rate) for rate in rates], [int(c) for c in cycles]
        self.warmup = float(warmup)

    def __call__(self, step):
        # Keras' `CosineDecay` is the same for a cycle, but a `tf.cond`, and an optimizer asks for
        # the rate once for every weight that decays: with it, the first step of a PixelCNN++ took
        # 26 s for 20 (one cycle) and 51 s for 29 (three).
        step, first, rate = tf.cast(step, tf.float32), 0, tf.constant(0.0)
        for peak, steps in zip(self.rates, self.cycles):
            rise, done = max(1, round(self.warmup * steps)), step - first
            fallen = tf.minimum((done - rise) / max(1, steps - rise), 1.0)
            height = tf.where(done < rise, done / rise, 0.5 * (1 + tf.cos(np.pi * fallen)))
            rate = tf.where(done < 0, rate, peak * height)
            first += steps
        return rate

    def get_config(self):
        return {"rates": self.rates, "cycles": self.cycles, "warmup": self.warmup}


def build(recipe, x):
    """The recipe's untrained model, in its precision, from its seed.

    Args:
      recipe: a `tfar.recipes.Recipe`.
      x: the training examples, or a training text.
    """
    keras.utils.set_random_seed(recipe.seed)
    policy = keras.config.dtype_policy()
    keras.config.set_dtype_policy(recipe.precision)
    try:
        model = recipe.model(x)
    finally:
        keras.config.set_dtype_policy(policy)
    if not isinstance(x, str):
        model.adapt(x)
    return model


def train(
    recipe,
    folder,
    epochs=None,
    data=None,
    verbose="auto",
    strategy="default",
    precision=None,
    save_every=200,
    tensorboard=False,
    start=None,
):
    """Trains a recipe, or goes on where a run in the same folder stopped, at whatever moment.

    Every few steps and after every epoch the whole state goes to ``folder/checkpoint.npz``, see
    `tfar.survival.Checkpoint`; after an epoch the averaged weights go to
    ``folder/best.weights.h5`` if they have the lowest validation NLL so far. ``folder/log.csv``
    has a line an epoch.

    Under a strategy of several replicas the recipe's batch is split over them, so that the run is
    the one that one device would make, up to rounding and dropout. Of several workers, which must
    all see ``folder``, the chief alone writes to it.

    Args:
      recipe: a `tfar.recipes.Recipe`.
      folder: where the run lives; made if need be.
      epochs: in place of the recipe's and of its cycles, schedule included; with ``start``, in
        place of the last cycle's.
      data: ``{"train": ..., "validation": ...}`` in place of the recipe's data set, arrays, dicts
        of arrays "x" and "condition", or strings.
      verbose: 0 for silence, 1 for Keras' bar of every epoch, 2 for a line an epoch; "auto", 1 on
        a terminal and else 2.
      strategy: a ``tf.distribute.Strategy`` or a name, see `tfar.strategies.get`.
      precision: "float32", "bfloat16" or "float16" in place of the recipe's; weights and the
        log-likelihood are in float32 always, and the loss is scaled for "float16".
      save_every: steps from one save of the state to the next.
      tensorboard: whether ``folder/tensorboard`` gets the scalars of each epoch, and samples of
        images or of text.
      start: a trained model, as `tfar.zoo.find` takes it, whose weights a new run begins with; of
        the recipe's cycles it runs the last one only, the others being the model's past.

    Returns:
      An uncompiled model with the best weights.

    Raises:
      FileNotFoundError: if the data set is not there.
      ValueError: if the folder holds a run of another recipe, there is less than a batch of data,
        no such strategy, precision or ``start``, that is another model than the recipe's, or
        training diverged.
      OSError: if the disk is full; what was saved before is kept.
      SystemExit: of status 143 if the process got a SIGTERM; the running step was finished and
        saved, and training goes on after it when it is asked for again.
    """
    strategy = strategies.get(strategy)  # first: several workers need it before anything runs
    if precision is not None:
        if precision not in POLICIES:
            raise ValueError(f"Expected a precision of {list(POLICIES)}, got {precision!r}.")
        recipe = dataclasses.replace(recipe, precision=POLICIES[precision])
    if epochs is not None:
        recipe = recipes.lasting(recipe, epochs, last=bool(start))
    if data is None:
        data = {split: datasets.load(recipe.dataset, split) for split in ("train", "validation")}
    with strategies.own_folder(strategy, folder) as own:
        return _train(recipe, own, data, verbose, strategy, save_every, tensorboard, start)


def _train(recipe, folder, data, verbose, strategy, save_every, tensorboard, start):
    data = {split: feeding.inputs(recipe, part) for split, part in data.items()}
    x, epochs = feeding.events(data["train"]), recipe.epochs
    cycles = recipes.cycles(recipe, epochs)
    if any(cycle.shift for cycle in cycles) and np.ndim(x) != 4:
        raise ValueError(f"shift moves images [N, H, W, C], got the shape {list(np.shape(x))}.")
    with strategy.scope():
        model, length = build(recipe, x), None
    if isinstance(x, str):
        (length,) = model.event_shape
        data = {split: model.head.vocabulary.encode(text) for split, text in data.items()}
        data["validation"] = feeding.windows(data["validation"], length)
    steps = feeding.steps_per_epoch(recipe, data["train"], length)
    cycles = cycles[-1:] if start else cycles
    first = cycles[0].first
    place = survival.Checkpoint(folder / "checkpoint.npz", steps, save_every, strategy, first)
    trained = zoo.find(start)[0] if start and not place.saved else None
    _record(recipe, model, folder, start, trained)
    if trained is not None:
        model.set_weights(trained.get_weights())
    lengths = [steps * cycle.length for cycle in cycles]
    schedule = Schedule([cycle.rate for cycle in cycles], lengths, recipe.warmup)
    with strategy.scope():
        optimizer = OPTIMIZERS[recipe.optimizer](
            schedule,
            weight_decay=recipe.weight_decay,
            global_clipnorm=recipe.clip_norm,
            use_ema=True,
            ema_momentum=recipe.ema,
        )
        optimizer.exclude_from_weight_decay(var_names=["bias"])
        alone = strategy.num_replicas_in_sync == 1  # Keras fails to compile for several
        model.compile(optimizer, jit_compile=recipe.jit_compile and alone)
        model.optimizer.build(model.trainable_variables)  # which a checkpoint restores
    best = BestWeights(folder, averages := keras.callbacks.SwapEMAWeights(), recipe.patience)
    if verbose == "auto":
        verbose = 1 if sys.stdout.isatty() else 2
    callbacks = [
        averages,
        best,
        keras.callbacks.CSVLogger(folder / "log.csv", append=True),
        progress.Progress(epochs, steps, recipe.batch_size, lines=verbose == 2),
    ]
    if tensorboard:
        callbacks += progress.tensorboard(folder / "tensorboard", averages)
    with place:
        while place.epoch < epochs and not best.gave_up(place.epoch):
            _forget(folder / "log.csv", place.epoch)
            model.fit(
                feeding.batches(recipe, data["train"], epochs, (place.epoch, place.step), length),
                initial_epoch=place.epoch,
                epochs=place.epoch + 1 if place.step else epochs,  # the rest of an epoch by itself
                steps_per_epoch=steps - place.step,
                shuffle=False,  # `batches` has done it
                validation_data=(data["validation"],),
                validation_batch_size=500,
                validation_freq=recipe.validate_every,
                verbose=verbose if verbose == 1 else 0,
                callbacks=[*callbacks, place],
            )
    if not (folder / BEST).exists():
        raise ValueError(f"{recipe.name}: validation NLL was never finite; lower learning_rate.")
    trained = build(recipe, x)
    trained.load_weights(folder / BEST)
    return trained


def _record(recipe, model, folder, start, trained):
    """Ties the folder to the recipe, and to the trained model that a new run begins with, if any.

    Raises:
      ValueError: if the folder holds a run of another recipe, or the model is another one.
    """
    config = _comparable(model)
    fields = {k: v for k, v in vars(recipe).items() if k not in ("model", "summary", "paper")}
    asked = json.loads(json.dumps({**fields, "config": config}))
    if start:
        asked["start"] = start
    path = folder / RECORD
    held = json.loads(path.read_text()) if path.exists() else asked
    begun = held.pop("start_sha256", None)
    if differs := different(asked, held):
        raise ValueError(
            f"{folder} holds a run of another recipe ({', '.join(differs)} differ): give another "
            "folder, or remove it."
        )
    if trained is not None:
        theirs = _comparable(trained)
        free = {"dtype", "dropout"}  # of training alone
        if differs := sorted(k for k in config.keys() - free if config[k] != theirs.get(k)):
            raise ValueError(
                f"{start} cannot be the start of {recipe.name}, a model with another "
                f"{', '.join(differs)}."
            )
        # An artefact may be replaced by what begins with it: this tells which one it was.
        begun = zoo.checksum(start)
    with files.replacing(path) as partial:  # a run that is killed here can resume
        partial.write_text(json.dumps({**held, "start_sha256": begun} if start else held))


def _comparable(model):
    """A model's configuration without its name, which Keras numbers, as JSON has it."""
    config = {k: v for k, v in model.get_config().items() if k != "name"}
    return json.loads(json.dumps(config))


def _forget(path, epochs):
    """Cuts a log to its lines of so many epochs: a killed run may have written one more."""
    if not path.exists():
        return
    lines = path.read_text().splitlines(keepends=True)
    kept = [line for line in lines[1:] if int(line.partition(",")[0]) < epochs]
    with files.replacing(path) as partial:
        partial.write_text("".join(lines[:1] + kept))


class BestWeights(keras.callbacks.Callback):
    """Keeps the weights of the lowest validation NLL, across interruptions, atomically.

    ``keras.callbacks.ModelCheckpoint`` forgets the best value when training is resumed.

    Args:
      folder: where to.
      averages: the ``keras.callbacks.SwapEMAWeights`` that puts the weights that were validated
        into the model for a test, and so for keeping them.
      patience: epochs without a lower one after which training stops, or None.
    """

    def __init__(self, folder, averages, patience=None):
        super().__init__()
        self.path, self.record, self.averages = folder / BEST, folder / "best.json", averages
        self.patience = patience or np.inf

    def on_epoch_end(self, epoch, logs=None):
        if "val_nats" not in logs:
            return
        if not logs["val_nats"] < self._held()["val_nats"]:  # NaN is no improvement
            self.model.stop_training = self.gave_up(epoch + 1)
            return
        self.averages.on_test_begin()
        for path, write in (
            (self.path, self.model.save_weights),
            (self.record, lambda p: p.write_text(json.dumps({"epoch": epoch + 1, **logs}))),
        ):
            with files.replacing(path) as partial:
                write(partial)
        self.averages.on_test_end()

    def gave_up(self, epochs):
        """Whether so many epochs are ``patience`` more than those of the best weights."""
        return epochs - self._held()["epoch"] >= self.patience

    def _held(self):
        if self.record.exists():
            return json.loads(self.record.read_text())
        return {"val_nats": np.inf, "epoch": np.inf}
