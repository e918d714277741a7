"""From a training run to an artefact of the zoo: weights, figures, card, table."""

import json
import pathlib
import shutil

import keras
import numpy as np
import tensorflow as tf

import tfar
from tfar import datasets, serving, training, zoo
from tfar.layers import CausalConv2D, MaskedDense

NUM_EXAMPLES = 32
FILED = "bytes", "sha256", "signatures"  # of metrics: what is known of the SavedModel
START, END = "<!-- results: written by `tfar table` -->", "<!-- end of results -->"


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
    for layer in copy._flatten_layers():
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
      inputs: array [N, *event_shape], or a dict with "condition" too.
      batch_size: examples scored at once.
      progress: wrapper of the iterable of batch starts, for instance a progress bar.

    Raises:
      ValueError: if a shape, dtype or value is not the model's.
    """
    model.check(inputs)
    starts = range(0, len(training.events(inputs)), batch_size)
    parts = [
        model.predict_on_batch(training.rows_of(inputs, slice(start, start + batch_size)))
        for start in (progress(starts) if progress else starts)
    ]
    return np.concatenate(parts).astype(np.float64)


def figures(model, inputs, progress=None):
    """NLL of a split: ``{"examples", "nats", "standard_error", "bits_per_dim"}``."""
    nats = -score(model, inputs, progress=progress)
    return {
        "examples": len(nats),
        "nats": float(nats.mean()),
        "standard_error": float(nats.std(ddof=1) / np.sqrt(len(nats))),
        "bits_per_dim": float(nats.mean() / np.log(2) / model.num_dimensions),
    }


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
    """
    run = pathlib.Path(run)
    recipe = training.load_recipe(zoo.recipe_path(name))
    splits = {
        split: training.inputs(recipe, datasets.load(recipe.dataset, split))
        for split in ("train", "validation", "test")
    }
    if not (run / training.BEST).exists():
        raise FileNotFoundError(f"{run} has no {training.BEST}: train there first.")
    trained = training.build(recipe, training.events(splits["train"]))
    trained.load_weights(run / training.BEST)
    model = slim(trained)
    test = splits["test"]
    count = len(training.events(test))
    rows = np.sort(np.random.default_rng(0).permutation(count)[:NUM_EXAMPLES])  # may be sorted
    examples = training.rows_of(test, rows)
    metrics = {
        "name": name,
        "summary": recipe.summary,
        "dataset": recipe.dataset,
        **_described(model),
        "sizes": {split: len(training.events(part)) for split, part in splits.items()},
        "validation": figures(model, splits["validation"], progress),
        "test": figures(model, test, progress),
        "paper": recipe.paper,
        "training": json.loads((run / "best.json").read_text()),
        "recipe": json.loads((run / training.RECORD).read_text()),
        "commands": {
            "train": f"tfar train {name}",
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
            "shape": list(training.events(examples).shape),
            "log_prob": model.log_prob(examples).numpy().round(5).tolist(),
        },
    }
    return _put(name, model, metrics, zoo.pack(examples))


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
        "distribution": _family(model.head),
        "order": model.order if isinstance(model.order, str) else "given",
        "members": model.members,
        "num_classes": model.num_classes,
        "parameters": model.count_params(),
    }


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
    serving.export(model, partial)
    size = sum(file.stat().st_size for file in partial.rglob("*") if file.is_file())
    filed = size, serving.digest(partial), serving.describe(partial)
    metrics = {**metrics, **dict(zip(FILED, filed))}
    files = ["metrics.json", "card.md"]
    if packed is not None:
        files.append("examples.npz")
        with open(folder / "partial-examples.npz", "wb") as file:
            np.savez_compressed(file, **packed)
    (folder / "partial-metrics.json").write_text(json.dumps(metrics, indent=1) + "\n")
    (folder / "partial-card.md").write_text(card(metrics), encoding="utf-8")
    if place.exists():
        place.replace(old)
    partial.replace(place)
    for file in files:
        (folder / f"partial-{file}").replace(folder / file)
    if old.exists():
        shutil.rmtree(old)
    return metrics


def card(metrics):
    """The model card, Markdown."""
    name, test, validation = metrics["name"], metrics["test"], metrics["validation"]
    return f"""# {name}

{metrics["summary"]}

| | |
|---|---|
| model | `tfar.models.{metrics["model"]}`, {metrics["parameters"]:,} parameters, \
{metrics["bytes"] / 1e6:.1f} MB |
| data | `{metrics["dataset"]}`, train / validation / test \
{" / ".join(f"{size:,}" for size in metrics["sizes"].values())} |
| input | [batch, {", ".join(map(str, metrics["event_shape"]))}], any integer, bool or float \
dtype{_labels(metrics)}; head `{metrics["head"]}` |
| samples | int32, same layout |
| test NLL | **{test["nats"]:.2f} ± {test["standard_error"]:.2f} nats** \
({test["bits_per_dim"]:.4f} bits/dim) |
| validation NLL | {validation["nats"]:.2f} ± {validation["standard_error"]:.2f} nats |
| paper | {_beside(test, metrics["paper"])} |
| chosen | on validation, after epoch {metrics["training"]["epoch"]}; seed \
{metrics["recipe"]["seed"]} |

± is one standard error of the mean over the split. Masked weights are stored as 0 and the others
with 11 significant bits; the figures are those of the stored model.

```console
$ {metrics["commands"]["test"]}       # the figures above, again
$ {metrics["commands"]["train"]}          # the recipe, see recipe.py
$ tfar sample {name} -n 64 --out samples.png
```

## Served

`saved_models/{name}` is a base path for TensorFlow Serving. Its signatures (`serving_default` is
`log_prob`), with `?` for a size that the request chooses:

| signature | inputs | outputs |
|---|---|---|
{_signatures(metrics)}

- `log_prob` is in nats and `bits_per_dim` in bits per dimension, of each row of `x`.
- `seed` is any pair of int32, and the same one draws the same samples; `temperature` is positive, 1
  for the model itself.
- `known` is true where an entry of `x` is given; the others do not count. What is given is a prefix
  of the order of the sites, here "{metrics["order"]}", the output `order` of `conditionals`.
- The other outputs of `conditionals` are the parameters of `{metrics["distribution"]}`.
{_chosen(metrics)}"""


def _family(head):
    """The public name of the distribution of a site."""
    family = type(head.distribution(tf.zeros([1, head.num_params])))
    ours = family.__module__.startswith("tfar.")
    return f"{'tfar.distributions' if ours else 'tfp.distributions'}.{family.__name__}"


def _signatures(metrics):
    """The rows of the card's table of signatures."""
    return "\n".join(
        f"| `{name}` | {_tensors(signature['inputs'])} | {_tensors(signature['outputs'])} |"
        for name, signature in metrics["signatures"].items()
        if name != "serving_default"
    )


def _tensors(described):
    return "<br>".join(f"`{name}` {words}" for name, words in described.items())


def _chosen(metrics):
    """Words on the inputs that only some models have."""
    text = ""
    if metrics.get("num_classes"):
        text += f"- `condition` is a label from 0 to {metrics['num_classes'] - 1} for each row.\n"
    if metrics["members"] > 1:
        text += f"- `member`, from 0 to {metrics['members'] - 1}, chooses one of the ensemble.\n"
    return text


def _labels(metrics):
    if not metrics.get("num_classes"):
        return ""
    return f', as "x", and labels 0 ... {metrics["num_classes"] - 1} as "condition"'


def _beside(test, paper):
    """The paper's figure and the distance from it, in words."""
    if "none" in paper:
        return f"none: {paper['none']}"
    gap = test["nats"] - paper["nats"]
    return (
        f"{paper['nats']:.2f} nats ({paper['what']}; {paper['reference']}): this model is "
        f"{abs(gap):.2f} nats {'below, better' if gap < 0 else 'above, worse'}"
    )


def table():
    """The results table of the README, Markdown, from every ``metrics.json``."""
    lines = [
        "| model | data (train / validation / test) | test NLL, nats | bits/dim "
        "| paper, nats | parameters |",
        "|---|---|---|---|---|---|",
    ]
    for name in zoo.list():
        m = zoo.info(name)
        sizes = " / ".join(f"{size:,}" for size in m["sizes"].values())
        lines.append(
            f"| [`{name}`](zoo/{name}/card.md) | {m['dataset']} ({sizes}) "
            f"| {m['test']['nats']:.2f} ± {m['test']['standard_error']:.2f} "
            f"| {m['test']['bits_per_dim']:.4f} "
            f"| {_figure(m['paper'])} | {m['parameters']:,} |"
        )
    return "\n".join(lines)


def _figure(paper):
    if "none" in paper:
        return "none"
    return f"{paper['nats']:.2f} ({paper['what']}; {paper['reference']})"


def write_table(readme):
    """Puts `table` between the two marks of a README.

    Raises:
      ValueError: if the marks are not there.
    """
    readme = pathlib.Path(readme)
    text = readme.read_text(encoding="utf-8")
    if text.count(START) != 1 or text.count(END) != 1:
        raise ValueError(f"{readme} needs the lines {START!r} and {END!r} once each.")
    before, rest = text.split(START)
    after = rest.split(END)[1]
    readme.write_text(f"{before}{START}\n\n{table()}\n\n{END}{after}", encoding="utf-8")
