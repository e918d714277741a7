"""From a training run to an artefact of the zoo: weights, figures, card."""

import contextlib
import json
import pathlib
import shutil

import keras
import numpy as np
import tensorflow as tf

import tfar
from tfar import arguments, datasets, files, private, serving, text, training, zoo
from tfar.layers import CausalConv2D, MaskedDense
from tfar.training import feeding, recipes, runs
from tfar.zoo import cards

__all__ = ["export_again", "figures", "per", "publish", "score", "slim"]

NUM_EXAMPLES = 32
BLOCK = 256  # characters whose log-probability is one observation of a text's
FILED = "bytes", "sha256", "signatures", "limits"  # of metrics: what is known of the SavedModel


def slim(model):
    """A float32 copy of a model that compresses well, in git and in a wheel: what is published.

    Weights that a mask hides are set to 0, and the others are rounded to 11 significant bits, as a
    float16 has. All figures are measured on the copy.

    >>> model = tfar.models.FVSBN([3])
    >>> _ = model.trainable_variables[1].assign(np.full([3, 1], 1 / 3))
    >>> float(slim(model).trainable_variables[1][0, 0])
    0.333251953125
    """
    copy = type(model).from_config({**model.get_config(), "dtype": "float32"})
    copy.set_weights(model.get_weights())
    for layer in private.all_layers(copy):
        if isinstance(layer, (MaskedDense, CausalConv2D)):
            layer.kernel.assign(layer.kernel * layer.weight_mask())
    for variable in copy.trainable_variables:
        mantissa, exponent = np.frexp(variable.numpy())
        variable.assign(np.ldexp(np.round(mantissa * 2**11) / 2**11, exponent))
    return copy


def score(model, inputs, batch_size=500, progress=None):
    """log p(x) of many examples, [N] float64 nats, in batches.

    Args:
      model: an `AutoregressiveModel`.
      inputs: array [N, *event_shape], or a dict with "condition" too, which may be a dict itself.
      batch_size: examples scored at once.
      progress: wrapper of the iterable of batch starts, for instance a progress bar.

    Raises:
      ValueError: if a shape, dtype or value is not the model's.
    """
    serving.check_model(model)
    arguments.integer("batch_size", batch_size, least=1)
    if not all(isinstance(part, (np.ndarray, tf.Tensor)) for part in tf.nest.flatten(inputs)):
        raise ValueError(f"Expected an array or a dict of arrays, got {type(inputs).__name__}.")
    model.check(inputs)
    starts = range(0, len(feeding.events(inputs)), batch_size)
    parts = [
        model.predict_on_batch(feeding.rows_of(inputs, slice(start, start + batch_size)))
        for start in (progress(starts) if progress else starts)
    ]
    return np.concatenate(parts).astype(np.float64)


def figures(model, inputs, progress=None):
    """NLL of a split, the mean over examples, or over the characters of a text.

    Args:
      model: an `AutoregressiveModel`.
      inputs: as in `score`; or a string, of which each character is given all that come before it.
      progress: as in `score`.

    Returns:
      ``{"examples", "nats", "standard_error", "bits_per_dim"}``. The standard error of a text is
      that of its blocks of 256 characters.
    """
    if isinstance(inputs, str):
        blocks = -text.log_prob(model, inputs, block=BLOCK, progress=progress)
        each = blocks[: len(inputs) // BLOCK] / BLOCK
        mean, count, dimensions = blocks.sum() / len(inputs), len(inputs), 1
    else:
        each = -score(model, inputs, progress=progress)
        mean, count, dimensions = each.mean(), len(each), model.num_dimensions
    return {
        "examples": count,
        "nats": float(mean),
        "standard_error": float(each.std(ddof=1) / np.sqrt(len(each))),
        "bits_per_dim": float(mean / np.log(2) / dimensions),
    }


def per(model):
    """What a model's figures are the means over: "character" or "example"."""
    return "character" if text.is_text(model) else "example"


def publish(name, run, progress=None):
    """Makes the best weights of a training run the artefact ``name``, in a clone of the repository.

    Writes ``saved_models/<name>/1`` and, in ``zoo/<name>``, ``examples.npz``, ``metrics.json`` and
    ``card.md``.

    Args:
      name: an artefact that has a recipe.
      run: folder of the run, see `tfar.training.train`.
      progress: as in `score`.

    Returns:
      The metrics, a dict.

    Raises:
      FileNotFoundError: if the run has no weights, or the data set is not there.
      ValueError: if there is no such recipe, or a file of the run is damaged.
    """
    run = arguments.path("run", run)
    recipe = recipes.load_recipe(zoo.recipe_path(name))
    record = runs.record(run)
    if record is None or runs.best(run) is None:
        raise FileNotFoundError(f"{run} is no folder of a training run: train there first.")
    record.pop("source", None)  # of the file with its comments
    splits = {
        split: feeding.inputs(recipe, datasets.load(recipe.dataset, split))
        for split in ("train", "validation", "test")
    }
    trained = training.build(recipe, feeding.events(splits["train"]))
    best = runs.load_best(trained, run)
    model = slim(trained)
    test = splits["test"]
    if isinstance(test, str):
        test = feeding.windows(model.head.vocabulary.encode(test), *model.event_shape)
    count = len(feeding.events(test))
    rows = np.sort(np.random.default_rng(0).permutation(count)[:NUM_EXAMPLES])  # may be sorted
    examples = feeding.rows_of(test, rows)
    metrics = {
        "name": name,
        "summary": recipe.summary,
        "dataset": recipe.dataset,
        **_described(model),
        "sizes": {split: len(feeding.events(part)) for split, part in splits.items()},
        "validation": figures(model, splits["validation"], progress),
        "test": figures(model, splits["test"], progress),
        "paper": recipe.paper,
        "training": best,
        "recipe": record,
        "commands": {
            "train": f"tfar train {name}{_start(record)}",
            "test": f"tfar evaluate {name}",
        },
        "versions": {
            "tfar": tfar.__version__,
            "keras": keras.__version__,
            "tensorflow": tf.__version__,
        },
        "examples": {
            "split": "test",
            "rows": rows.tolist(),
            "shape": list(feeding.events(examples).shape),
            "log_prob": model.log_prob(examples).numpy().round(5).tolist(),
        },
    }
    return _put(name, model, metrics, zoo.pack(examples))


def _start(record):
    """The option that a run was begun with, with the name of a file alone.

    >>> _start({"start": "somewhere/mine.keras"}), _start({})
    (' --start mine.keras', '')
    """
    return f" --start {pathlib.Path(record['start']).name}" if "start" in record else ""


def export_again(name):
    """Writes an artefact's SavedModel anew, with the same weights: for a new TensorFlow or tfar.

    Returns:
      The metrics, with the new checksum.
    """
    model = zoo.load(name)
    metrics = {key: value for key, value in zoo.info(name).items() if key not in FILED}
    metrics.update(_described(model))
    return _put(name, model, metrics)


def _described(model):
    """What metrics say of the model itself."""
    return {
        "model": type(model).__name__,
        "event_shape": list(model.event_shape),
        "head": repr(model.head),
        "dtype": model.head.dtype.name,
        "distribution": _family(model.head),
        "order": model.order if isinstance(model.order, str) else "given",
        "members": model.members,
        "num_classes": model.num_classes,
        **_condition(model.condition),
        "per": per(model),
        "parameters": model.count_params(),
    }


def _condition(condition):
    """What metrics say of a condition; of labels they have ``num_classes``."""
    if condition is None or condition.num_classes is not None:
        return {}
    specs = condition.named(condition.structure)
    shapes = {name: spec.shape.as_list() for name, spec in specs.items()}
    return {"condition": {"support": condition.support, "shapes": shapes}}


def _put(name, model, metrics, packed=None):
    """Puts a model, its metrics and its card in place, and the examples if there are new ones.

    All are written before the first takes its place: a kill before leaves the old artefact whole,
    and git has the old one in any case.
    """
    folder, place = zoo.recipe_path(name).parent, zoo.model_folder(name)
    partial, old = (place.with_name(f"{kind}-{place.name}") for kind in ("partial", "old"))
    for left in (partial, old):  # by a run that was killed
        if left.exists():
            shutil.rmtree(left)
    try:
        serving.export(model, partial)
        size = sum(file.stat().st_size for file in partial.rglob("*") if file.is_file())
        filed = size, serving.digest(partial), serving.describe(partial), serving.limits(partial)
        metrics = {**metrics, **dict(zip(FILED, filed))}
        with contextlib.ExitStack() as stack:

            def replacing(name):
                return stack.enter_context(files.replacing(folder / name))

            if packed is not None:
                np.savez_compressed(replacing("examples.npz"), **packed)
            replacing("metrics.json").write_text(json.dumps(metrics, indent=1) + "\n")
            replacing("card.md").write_text(cards.card(metrics), encoding="utf-8")
            if place.exists():
                place.replace(old)
            partial.replace(place)
    finally:  # if anything failed
        shutil.rmtree(partial, ignore_errors=True)
    if old.exists():
        shutil.rmtree(old)
    return metrics


def _family(head):
    """The public name of the distribution of a site."""
    family = type(head.distribution(tf.zeros([1, head.num_params])))
    ours = family.__module__.startswith("tfar.")
    return f"{'tfar.distributions' if ours else 'tfp.distributions'}.{family.__name__}"
