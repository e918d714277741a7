"""Every set of zeros and ones in a folder, fitted, and a table of what came out.

    python examples/binary_sets.py FOLDER [--budget 2m | --epochs N] [--json FILE]

The folder holds the sets of the NADE papers: ``NAME.npz`` with ``train_data``, ``valid_data`` and
``test_data``, as in the repository of the MADE paper (github.com/mgermain/MADE, datasets/), or
``NAME.train.data``, ``NAME.valid.data`` and ``NAME.test.data``, comma-separated, as in the
repository of UCLA (github.com/UCLA-StarAI/Density-Estimation-Datasets, datasets/). For each set a
MADE with direct connections and an order-agnostic NADE, the mixture of eight orders, are trained
for the budget each; the validation split chooses, and the test split is looked at once.
"""

import argparse
import dataclasses
import functools
import json
import os
import pathlib
import time

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np

import tfar
from tfar import training
from tfar.training import budget
from tfar.zoo import field

SPLITS = "train", "valid", "test"
ORDERS = 8


def sets(folder):
    """Pairs of the name of a set and a function that reads its three splits."""
    for path in sorted(folder.glob("*.npz")):
        with np.load(path, encoding="latin1") as held:
            if {f"{split}_data" for split in SPLITS} <= set(held.files):
                yield path.stem, functools.partial(from_npz, path)
    for path in sorted(folder.rglob("*.train.data")):
        yield path.name.removesuffix(".train.data"), functools.partial(from_texts, path)


def from_npz(path):
    with np.load(path, encoding="latin1") as held:
        return [bits(path, held[f"{split}_data"]) for split in SPLITS]


def from_texts(path):
    stem = str(path).removesuffix("train.data")
    return [
        bits(path, np.loadtxt(f"{stem}{split}.data", delimiter=",", ndmin=2)) for split in SPLITS
    ]


def bits(path, x):
    if not np.isin(x, (0, 1)).all():
        raise ValueError(f"Expected zeros and ones in {path}.")
    return x.astype(np.uint8)


def made(x):
    return tfar.models.MADE(x.shape[1:], (500,), direct=True, dropout=0.2, activation="silu")


def orderless(x):
    return tfar.models.OrderlessNADE(x.shape[1:], (256, 256), activation="silu")


MODELS = {"MADE": made, "orderless NADE": orderless}


def recipe(name, model, epochs):
    """AdamW, whose averaged weights are validated twenty times."""
    return training.Recipe(
        name=name,
        summary="Zeros and ones.",
        dataset=name,
        model=model,
        paper={"none": "of many sets"},
        epochs=epochs,
        batch_size=50,
        learning_rate=2e-3,
        weight_decay=0.3,
        clip_norm=1.0,
        ema=0.99,
        validate_every=max(1, epochs // 20),
    )


def fitted(name, kind, data, limit, epochs=None):
    """The model of a kind, trained for a time, or for a number of epochs."""
    few = min(50, len(data["train"]))
    data = {**data, "validation": data["validation"][:1000]}

    def lasting(epochs):
        return dataclasses.replace(recipe(name, MODELS[kind], epochs), batch_size=few)

    if epochs is None:
        found = budget.chosen({kind: lasting}, data, limit, say=lambda sentence: None)
    else:
        found = lasting(epochs)
    model = training.train(found, None, data=data, verbose=0)
    if kind == "MADE":
        return model
    rng = np.random.RandomState(0)
    return model.of_order([rng.permutation(model.num_sites) for _ in range(ORDERS)])


def nats(model, x):
    each = -model.predict(x, batch_size=200, verbose=0).astype(np.float64)
    return {"nats": each.mean(), "standard_error": each.std(ddof=1) / np.sqrt(len(each))}


def measured(name, splits, limit, epochs=None):
    """The figures of a set, a dict."""
    train, valid, test = splits
    start, found = time.monotonic(), {}
    for kind in MODELS:
        model = fitted(name, kind, {"train": train, "validation": valid}, limit, epochs)
        found[kind] = model, nats(model, valid)
    best = min(found, key=lambda kind: found[kind][1]["nats"])
    return {
        "set": name,
        "sizes": [len(part) for part in splits],
        "columns": train.shape[1],
        "model": best,
        "validation": {kind: figures for kind, (_, figures) in found.items()},
        "test": nats(found[best][0], test),
        "seconds": time.monotonic() - start,
    }


def row(found):
    known = field.known(found["set"])
    test, (train, valid, count) = found["test"], found["sizes"]
    return (
        f"| {found['set']} | {train:,} / {valid:,} / {count:,} x {found['columns']} "
        f"| {test['nats']:.2f} ± {test['standard_error']:.2f} | {found['model']} "
        f"| {'; '.join(map(str, known)) or '-'} | {found['seconds']:.0f} s |"
    )


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("--budget", default="2m", help="for each of two models of a set")
    parser.add_argument("--epochs", type=int, help="instead of a budget")
    parser.add_argument("--json", type=pathlib.Path, help="where the figures are written")
    options = parser.parse_args()
    found = []
    print("| set | train / validation / test | test NLL, nats | model | best known | time |")
    print("|---|---|---|---|---|---|")
    for name, read in sets(options.folder):
        found.append(measured(name, read(), options.budget, options.epochs))
        print(row(found[-1]), flush=True)
    if not found:
        parser.error(f"there is no set of the two forms in {options.folder}, see --help")
    if options.json:
        options.json.write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
