"""Running a recipe: data, optimizer, schedule, averaged weights, resuming.

A recipe is a flat Python file, ``zoo/<name>/recipe.py``, whose top-level names are the fields of
`Recipe`. Training is plain ``model.fit`` with Keras' own callbacks.
"""

import dataclasses
import json
import pathlib
import runpy
import shutil
import types
from collections.abc import Callable

import keras
import numpy as np
import tensorflow as tf

from tfar import datasets
from tfar.muon import Muon

BEST, RECORD = "best.weights.h5", "recipe.json"
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
        ``{"none": str}``, the reason why there is none.
      conditional: whether the model is given the data set's labels, its entry "condition".
      epochs, batch_size, learning_rate: as in Keras; the rate is the peak, reached after the
        fraction ``warmup`` of all steps and followed by a cosine to 0.
      cycles: how many times the schedule of rates and shifts is run, each time over as many epochs
        and from half the rate; it divides ``epochs`` (Loshchilov and Hutter 2017: warm restarts).
      optimizer: "adamw", or "muon" for `tfar.muon.Muon`.
      weight_decay: as in Keras' AdamW, of all weights but biases.
      clip_norm: largest norm of the gradient of all weights together; None for any.
      ema: momentum of the average of the weights that is validated and kept.
      shift: fraction of the images of an epoch that are moved by up to one pixel in each
        direction, falling linearly to 0 over the first ``shift_until`` of the epochs.
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
    learning_rate: float
    conditional: bool = False
    cycles: int = 1
    optimizer: str = "adamw"
    warmup: float = 0.03
    weight_decay: float = 0.0
    clip_norm: float | None = None
    ema: float = 0.999
    shift: float = 0.0
    shift_until: float = 0.9
    seed: int = 1
    jit_compile: bool = False
    precision: str = "float32"


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
    return Recipe(name=path.parent.name, **values)


def inputs(recipe, data):
    """What a recipe's model takes of what a data set's function returned.

    Args:
      recipe: a `Recipe`.
      data: an array, a dict of arrays "x" and "condition", or a string.

    Returns:
      The array of examples or, if the recipe is conditional, the dict; a string as it is.

    Raises:
      ValueError: if the recipe is conditional and the data have no labels.
    """
    labelled = isinstance(data, dict) and "condition" in data
    if recipe.conditional and not labelled:
        raise ValueError(f"{recipe.name} is conditional, and {recipe.dataset} has no labels.")
    return data if recipe.conditional or not isinstance(data, dict) else data["x"]


def events(inputs):
    """The examples themselves, of what a model takes: x of x or of a dict."""
    return inputs["x"] if isinstance(inputs, dict) else inputs


def rows_of(inputs, rows):
    """Some rows, a slice or ints, of what a model takes."""
    if isinstance(inputs, dict):
        return {key: value[rows] for key, value in inputs.items()}
    return inputs[rows]


def windows(numbers, length, first=0):
    """A sequence [N] cut into windows [(N - first) // length, length], from ``first`` on.

    What is left over at the end is left out.

    >>> windows(np.arange(8), 3, first=1).tolist()
    [[1, 2, 3], [4, 5, 6]]
    """
    count = (len(numbers) - first) // length
    return numbers[first : first + count * length].reshape([count, length])


class Schedule(keras.optimizers.schedules.LearningRateSchedule):
    """The learning rate: a warm-up, a cosine down to 0, and as often as there are cycles.

    Args:
      rate: the peak of the first cycle; every other one has half that of the one before.
      steps: of a cycle.
      warmup: fraction of them.

    #### References
    I. Loshchilov, F. Hutter. SGDR: Stochastic Gradient Descent with Warm Restarts. ICLR 2017.

    >>> rate = Schedule(1.0, steps=10, warmup=0.2)
    >>> [round(float(rate(step)), 2) for step in (0, 1, 2, 6, 9, 10, 12)]
    [0.0, 0.5, 1.0, 0.5, 0.04, 0.0, 0.5]
    """

    def __init__(self, rate, steps, warmup):
        self.rate, self.steps, self.warmup = float(rate), int(steps), float(warmup)
        rise = max(1, round(warmup * steps))
        self.once = keras.optimizers.schedules.CosineDecay(
            initial_learning_rate=0.0,
            warmup_target=self.rate,
            warmup_steps=rise,
            decay_steps=max(1, self.steps - rise),
        )

    def __call__(self, step):
        step = tf.cast(step, tf.int64)
        halvings = tf.cast(step // self.steps, tf.float32)
        return self.once(step % self.steps) * 0.5**halvings

    def get_config(self):
        return {"rate": self.rate, "steps": self.steps, "warmup": self.warmup}


def build(recipe, x):
    """The recipe's untrained model, in its precision, from its seed.

    Args:
      recipe: a `Recipe`.
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


def shifted(x, fraction, rng):
    """Images [N, H, W, C] with a random ``fraction`` of them moved by up to one pixel each way.

    What is moved in is 0.

    >>> x = np.ones([1, 2, 2, 1], np.uint8)
    >>> bool((shifted(x, 0.0, np.random.default_rng(0)) == x).all())
    True
    """
    chosen = rng.random(len(x)) < fraction
    down, right = rng.integers(-1, 2, size=(2, len(x)))
    height, width = x.shape[1:3]
    moved = x.copy()
    for dy in (-1, 0, 1):
        for dx in (-1, 0, 1):
            rows = chosen & (down == dy) & (right == dx)
            padded = np.pad(x[rows], ((0, 0), (1, 1), (1, 1), (0, 0)))
            moved[rows] = padded[:, 1 - dy : 1 - dy + height, 1 - dx : 1 - dx + width]
    return moved


def shifted_fraction(recipe, epoch, epochs):
    """The fraction of the images of an epoch that are moved, see `Recipe`."""
    cycle = epochs // recipe.cycles
    return recipe.shift * max(0.0, 1 - epoch % cycle / (recipe.shift_until * cycle))


def batches(recipe, data, epochs, first_epoch=0, length=None):
    """An endless-looking stream: the shuffled, augmented batches of one epoch after the other.

    What an epoch holds depends on the seed and its number only, so that a resumed run sees what an
    uninterrupted one would. The last, incomplete batch of an epoch is left out.

    Args:
      recipe: a `Recipe`.
      data: examples, a dict of them, or a sequence [N] to cut into windows, elsewhere every epoch.
      epochs: all of them.
      first_epoch: where to start.
      length: of windows, in the case of a sequence.
    """

    def generate():
        for epoch in range(first_epoch, epochs):
            rng = np.random.default_rng([recipe.seed, epoch])
            fraction = shifted_fraction(recipe, epoch, epochs)
            shown = shifted(x, fraction, rng) if fraction else x
            shown = windows(x, length, rng.integers(length)) if length else shown
            shown = {**data, "x": shown} if isinstance(data, dict) else shown
            order = rng.permutation(len(events(shown)))[: steps * recipe.batch_size]
            for rows in order.reshape([steps, recipe.batch_size]):
                yield rows_of(shown, rows)

    x, steps = events(data), steps_per_epoch(recipe, data, length)
    signature = tf.nest.map_structure(
        lambda a: tf.TensorSpec([recipe.batch_size, *a.shape[1:]], a.dtype),
        windows(x, length) if length else data,
    )
    return tf.data.Dataset.from_generator(generate, output_signature=signature).prefetch(8)


def steps_per_epoch(recipe, data, length=None):
    """Batches of an epoch; of windows as many as there are wherever the first one begins.

    Raises:
      ValueError: if there is none.
    """
    x = events(data)
    count = (len(x) - length + 1) // length if length else len(x)
    steps = count // recipe.batch_size
    if not steps:
        raise ValueError(f"Expected at least one batch of {recipe.batch_size}, got {count}.")
    return steps


def train(recipe, folder, epochs=None, data=None, verbose="auto"):
    """Trains a recipe, or goes on where a run in the same folder stopped.

    After every epoch the whole state goes to ``folder/backup``, and the averaged weights to
    ``folder/best.weights.h5`` if they have the lowest validation NLL so far. ``folder/log.csv``
    has a line an epoch.

    Args:
      recipe: a `Recipe`.
      folder: where the run lives; made if need be.
      epochs: in place of the recipe's, schedule included.
      data: ``{"train": ..., "validation": ...}`` in place of the recipe's data set, arrays, dicts
        of arrays "x" and "condition", or strings.
      verbose: as in ``keras.Model.fit``.

    Returns:
      An uncompiled model with the best weights.

    Raises:
      FileNotFoundError: if the data set is not there.
      ValueError: if the folder holds a run of another recipe, there is less than a batch of data,
        or training diverged.
    """
    folder = pathlib.Path(folder)
    if data is None:
        data = {split: datasets.load(recipe.dataset, split) for split in ("train", "validation")}
    data = {split: inputs(recipe, part) for split, part in data.items()}
    x = events(data["train"])
    epochs = recipe.epochs if epochs is None else epochs
    if recipe.shift and np.ndim(x) != 4:
        raise ValueError(f"shift moves images [N, H, W, C], got the shape {list(np.shape(x))}.")
    model, length = build(recipe, x), None
    if isinstance(x, str):
        (length,) = model.event_shape
        data = {split: model.head.vocabulary.encode(text) for split, text in data.items()}
        data["validation"] = windows(data["validation"], length)
    steps = steps_per_epoch(recipe, data["train"], length)
    _record(recipe, epochs, model, folder)
    if epochs % recipe.cycles:
        raise ValueError(f"{recipe.cycles} cycles do not divide {epochs} epochs.")
    schedule = Schedule(recipe.learning_rate, steps * epochs // recipe.cycles, recipe.warmup)
    optimizer = OPTIMIZERS[recipe.optimizer](
        schedule,
        weight_decay=recipe.weight_decay,
        global_clipnorm=recipe.clip_norm,
        use_ema=True,
        ema_momentum=recipe.ema,
    )
    optimizer.exclude_from_weight_decay(var_names=["bias"])
    model.compile(optimizer, jit_compile=recipe.jit_compile)
    first_epoch = _first_epoch(folder / "backup")
    if first_epoch < epochs:
        model.fit(
            batches(recipe, data["train"], epochs, first_epoch, length),
            epochs=epochs,
            steps_per_epoch=steps,
            shuffle=False,  # `batches` has done it
            validation_data=(data["validation"],),
            validation_batch_size=500,
            verbose=verbose,
            callbacks=[
                EpochSeeds(),
                keras.callbacks.TerminateOnNaN(),
                averages := keras.callbacks.SwapEMAWeights(),
                # Before the backup: a run that is killed between them judges the epoch again.
                BestWeights(folder, averages),
                keras.callbacks.BackupAndRestore(
                    folder / "backup", double_checkpoint=True, delete_checkpoint=False
                ),
                keras.callbacks.CSVLogger(folder / "log.csv", append=first_epoch > 0),
            ],
        )
    if not (folder / BEST).exists():
        raise ValueError(f"{recipe.name}: validation NLL was never finite; lower learning_rate.")
    best = build(recipe, x)
    best.load_weights(folder / BEST)
    return best


def _record(recipe, epochs, model, folder):
    """Ties the folder to the recipe; ValueError if it holds a run of another."""
    config = {k: v for k, v in model.get_config().items() if k != "name"}  # Keras numbers those
    fields = {k: v for k, v in vars(recipe).items() if k not in ("model", "summary", "paper")}
    asked = json.loads(json.dumps({**fields, "epochs": epochs, "config": config}))
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / RECORD
    if not path.exists():
        path.write_text(json.dumps(asked))
    held = json.loads(path.read_text())
    differs = different(asked, held)
    if differs:
        raise ValueError(
            f"{folder} holds a run of another recipe ({', '.join(differs)} differ): give another "
            "folder, or remove it."
        )


def different(one, other):
    """The fields in which two records of recipes differ; a missing one has its default value.

    >>> different({"epochs": 3, "clip_norm": None}, {"epochs": 4})
    ['epochs']
    """
    default = {field.name: field.default for field in dataclasses.fields(Recipe)}
    fields = one.keys() | other.keys()
    return sorted(k for k in fields if one.get(k, default.get(k)) != other.get(k, default.get(k)))


def _first_epoch(backup):
    """The epoch at which a run goes on, after Keras' own repair of a backup cut short."""
    metadata = backup / "training_metadata.json"
    if not metadata.exists():
        return 0
    try:
        return json.loads(metadata.read_text())["epoch"]
    except ValueError:  # killed while writing: the backup before this one is whole
        for file in (metadata, backup / "latest.weights.h5"):
            previous = file.with_name(f"{file.name}.bkp")
            if not previous.exists():
                shutil.rmtree(backup)
                return 0
            shutil.copyfile(previous, file)
        return _first_epoch(backup)


class EpochSeeds(keras.callbacks.Callback):
    """Makes dropout depend on the seed and the epoch only: Keras does not save its generators."""

    def on_epoch_begin(self, epoch, logs=None):
        for variable in self.model.non_trainable_variables:
            if "seed_generator_state" in variable.path:
                seed, _ = variable.numpy()
                variable.assign(np.array([seed, (epoch << 20) % 2**32], variable.dtype))


class BestWeights(keras.callbacks.Callback):
    """Keeps the weights of the lowest validation NLL, across interruptions, whole or not at all.

    ``keras.callbacks.ModelCheckpoint`` forgets the best value when training is resumed.

    Args:
      folder: where to.
      averages: the ``keras.callbacks.SwapEMAWeights`` that puts the weights that were validated
        into the model for a test, and so for keeping them.
    """

    def __init__(self, folder, averages):
        super().__init__()
        self.path, self.record, self.averages = folder / BEST, folder / "best.json", averages

    def on_epoch_end(self, epoch, logs=None):
        best = json.loads(self.record.read_text())["val_nats"] if self.record.exists() else np.inf
        if not logs["val_nats"] < best:  # NaN is no improvement
            return
        self.averages.on_test_begin()
        for path, write in (
            (self.path, self.model.save_weights),
            (self.record, lambda p: p.write_text(json.dumps({"epoch": epoch + 1, **logs}))),
        ):
            partial = path.with_name(f"partial-{path.name}")
            write(partial)
            partial.replace(path)
        self.averages.on_test_end()
