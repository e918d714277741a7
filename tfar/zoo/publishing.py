"""From a training run to an artefact of the zoo: weights, figures, card."""

from __future__ import annotations

import contextlib
import json
import os
import pathlib
import shutil
import statistics
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import keras
import numpy as np
import tensorflow as tf

import tfar
from tfar import arguments, datasets, files, kinds, private, serving, training, zoo
from tfar.layers import CausalConv2D, MaskedDense
from tfar.training import feeding, recipes, runs
from tfar.typing import Path, Progress
from tfar.zoo import cards

if TYPE_CHECKING:
    from tfar.models import AutoregressiveModel

__all__ = ["check_published", "export_again", "measure_again", "publish", "slim", "time_again"]

NUM_EXAMPLES = 32
SCORED, DRAWN = 100, 16  # at once, where an artefact is timed
SPLITS = "train", "validation", "test"
FILED = "bytes", "sha256", "signatures", "limits"  # of metrics: those about the SavedModel


def slim(model: AutoregressiveModel) -> AutoregressiveModel:
    """The copy of a model that is published: float32, and compresses well in git and in a wheel.

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


def publish(name: str, run: Path | None = None, *, progress: Progress = None) -> dict[str, Any]:
    """Publishes the best weights of a training run as the artefact ``name``, in a clone.

    Writes ``saved_models/<name>/1`` and, in ``zoo/<name>``, ``examples.npz``, ``metrics.json`` and
    ``card.md``.

    Args:
      name: an artefact that has a recipe.
      run: folder of the run, see `tfar.training.train`; None for a
        `tfar.training.recipes.Composition`, whose model is made of artefacts.
      progress: as in `tfar.kinds.Kind.log_prob`.

    Returns:
      The metrics, a dict.

    Raises:
      FileNotFoundError: if the run has no weights, or the data set is not there.
      ValueError: if there is no such recipe, a file of the run is damaged, or a run is missing or
        given for an artefact without one.
    """
    recipe = recipes.load(zoo.recipe_path(name))
    if isinstance(recipe, recipes.Composition) != (run is None):
        wanted = "no run" if run is not None else "the folder of a training run"
        raise ValueError(f"Expected {wanted} of {name}, see its recipe, got {run}.")
    data = arguments.string("dataset", recipe.dataset)  # no files of one's own: others have none

    def split_of(split):
        return feeding.inputs(recipe, datasets.load(data, split))

    if isinstance(recipe, recipes.Composition):
        splits = {split: split_of(split) for split in SPLITS}
        made = recipe.model(*map(zoo.load, recipe.members))
        held: dict[str, Any] = {
            "made_of": {member: zoo.checksum(member) for member in recipe.members},
            "recipe": {"dataset": data, "config": training.loop.comparable(made)},
            "commands": {"make": f"tfar publish {name}"},
        }
    else:
        made, held, splits = _trained(recipe, arguments.path("run", run), split_of)
    model = slim(made)
    kind = kinds.of(model)
    test = kind.inputs(splits["test"])
    count = len(feeding.events(test))
    rows = np.sort(np.random.default_rng(0).permutation(count)[:NUM_EXAMPLES])  # may be sorted
    examples = feeding.rows_of(test, rows)
    held["commands"]["test"] = f"tfar evaluate {name}"
    metrics = {
        "name": name,
        "summary": recipe.summary,
        "dataset": data,
        **_described(model),
        "sizes": {split: len(feeding.events(part)) for split, part in splits.items()},
        "validation": kind.figures(splits["validation"], progress),
        "test": kind.figures(splits["test"], progress),
        **_protocols(kind, splits.get, progress),
        "paper": recipe.paper,
        **held,
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


def _trained(recipe, run, split_of):
    """The model of a run with its best weights, what metrics say of the run, and the data."""
    record = runs.record(run)
    if record is None or runs.best(run) is None:
        raise FileNotFoundError(f"{run} is not the folder of a training run: train there first.")
    record.pop("source", None)  # the checksum of the file, with its comments
    splits = {split: split_of(split) for split in SPLITS}
    model = training.build(recipe, feeding.events(splits["train"]))
    held = {
        "training": runs.load_best(model, run),
        "recipe": record,
        "commands": {"train": f"tfar train {recipe.name}{_start(record)}"},
    }
    return model, held, splits


def check_published(metrics: dict[str, Any], split: str, found: Mapping[str, Any]) -> None:
    """Raises ValueError if figures differ from those published by more than a fraction of 1e-4.

    Args:
      metrics: a dict, see `tfar.zoo.info`.
      split: "train" (which has no published figures), "validation", "test" or a protocol.
      found: `tfar.kinds.Kind.figures` of the model and the split.

    >>> check_published({"test": {"nats": 80.0}}, "test", {"nats": 80.1})
    Traceback (most recent call last):
    ...
    ValueError: Expected the published 80.0000 nats, got 80.1000.
    """
    every = {**metrics, **metrics.get("protocols", {})}
    published = every[split]["nats"] if split in every else found["nats"]
    if abs(found["nats"] - published) > 1e-4 * abs(published):
        raise ValueError(f"Expected the published {published:.4f} nats, got {found['nats']:.4f}.")


def _start(record):
    """The option with which a run was begun, without the folder of a file.

    >>> _start({"start": "somewhere/mine.keras"}), _start({})
    (' --start mine.keras', '')
    """
    return f" --start {pathlib.Path(record['start']).name}" if "start" in record else ""


def export_again(name: str) -> dict[str, Any]:
    """Writes an artefact's SavedModel again, with the same weights, for a new TensorFlow or tfar.

    Returns:
      The metrics, with the new checksum.
    """
    model = zoo.load(name)
    metrics = {key: value for key, value in zoo.info(name).items() if key not in FILED}
    metrics.update(_described(model))
    return _put(name, model, metrics)


def _protocols(kind, split_of, progress=None):
    """The entry of metrics with the figures of other protocols, if the kind has any."""
    found = {name: kind.by_protocol(name, split_of, progress) for name in kind.protocols}
    return {"protocols": found} if found else {}


def measure_again(name: str, progress: Progress = None) -> dict[str, Any]:
    """Measures an artefact by the other protocols of its kind, and writes metrics and card again.

    Returns:
      The metrics.
    """
    model, metrics = zoo.load(name), zoo.info(name)

    def split_of(split):
        return datasets.load(metrics["dataset"], split)

    metrics.update(_protocols(kinds.of(model), split_of, progress))
    return _write(metrics)


def time_again(name: str) -> dict[str, Any]:
    """Measures how long an artefact takes on this machine, and writes its metrics and card again.

    ``times`` of the metrics: ``score_ms`` of an example, of `SCORED` at once; ``draw_ms`` of a
    sample, of `DRAWN` at once, without XLA; medians of three, after what is compiled; and the
    number of ``cores``.

    Returns:
      The metrics.
    """
    model, metrics = zoo.load(name), zoo.info(name)
    examples, _ = zoo.examples(name)
    count = len(feeding.events(examples))
    some = feeding.rows_of(examples, np.arange(SCORED) % count)
    given = None
    if model.condition is not None:
        given = tf.nest.map_structure(lambda part: part[:DRAWN], examples["condition"])
    joint = model.joint(condition=given)
    shape = DRAWN if given is None else ()
    metrics["times"] = {
        "score_ms": 1000 / SCORED * _seconds(lambda: model.predict_on_batch(some)),
        "draw_ms": 1000 / DRAWN * _seconds(lambda: joint.sample(shape, seed=1).numpy()),
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else 0,
    }
    return _write(metrics)


def _write(metrics):
    """Writes the metrics and the card of an artefact that is there, and returns the metrics."""
    folder = zoo.recipe_path(metrics["name"]).parent
    with files.replacing(folder / "metrics.json") as partial:
        partial.write_text(json.dumps(metrics, indent=1) + "\n")
    with files.replacing(folder / "card.md") as partial:
        partial.write_text(cards.card(metrics), encoding="utf-8")
    return metrics


def _seconds(function):
    """The median of three runs, after one that compiles."""
    function()
    each = []
    for _ in range(3):
        start = time.perf_counter()
        function()
        each.append(time.perf_counter() - start)
    return statistics.median(each)


def _described(model):
    """What metrics say about the model itself."""
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
        "per": kinds.of(model).per,
        "parameters": model.count_params(),
    }


def _condition(condition):
    """What metrics say about a condition; for labels they have ``num_classes``."""
    if condition is None or condition.num_classes is not None:
        return {}
    specs = condition.named(condition.structure)
    shapes = {name: spec.shape.as_list() for name, spec in specs.items()}
    return {"condition": {"support": condition.support, "shapes": shapes}}


def _put(name, model, metrics, packed=None):
    """Puts a model, its metrics and its card in place, and the examples if there are new ones.

    All are written before the first one is renamed into place: a kill before that leaves the old
    artefact intact, and git has the old one in any case.
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
