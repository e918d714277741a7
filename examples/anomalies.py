"""How well scores tell other pictures from those of a model: the tables of docs/using.md.

    python examples/anomalies.py [--model pixelcnn_mnist] [--background MODEL] [--num 2000]
                                 [--odd NAME=FILE.npz ...] [--write]

Normal are ``num`` images of the test split of the model's data set, drawn at random; as many others
give the mean of typicality. Odd are those images flipped, transposed, inverted or with shuffled
pixels, blank ones, the test splits of other data sets, and "images" [N, 28, 28] of files. A model
of zeros and ones is given pixels above 127. No score is fitted to any of them. Figures are AUROC
with 95 % bootstrap intervals, see `tfar.anomaly.report`; ``--write`` adds them to anomalies.json,
and writes the tables.
"""

import argparse
import json
import os
import pathlib

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np

import tfar
from tfar import anomaly, datasets, zoo
from tfar.anomaly import scores

HERE = pathlib.Path(__file__).parent
PAGE = HERE.parent / "docs" / "using.md"
START, END = "<!-- examples/anomalies.py -->", "<!-- end -->"
SEED = 0
OTHERS = "fashion_mnist", "mnist", "caltech101_silhouettes"


def sets(normal, own, files, rng):
    """``{name: images}`` of the odd sets, of the values that the normal ones have."""
    count, binary = len(normal), normal.max() <= 1
    shuffled = rng.permuted(normal.reshape([count, -1]), axis=1).reshape(normal.shape)
    found = {
        "flipped upside down": normal[:, ::-1],
        "transposed": normal.transpose([0, 2, 1, 3]),
        "inverted": (1 if binary else 255) - normal,
        "shuffled pixels": shuffled,
        "blank": np.zeros([100, *normal.shape[1:]], normal.dtype),
    }
    for name in OTHERS:
        if name != own and (name, own) != ("mnist", "binarized_mnist"):
            x = datasets.load(name, "test")
            found[name] = np.asarray(x["x"] if isinstance(x, dict) else x)[:count]
    for name, path in files:
        x = np.load(path)["images"]
        found[name] = x[rng.permutation(len(x))[:count]].reshape([-1, *normal.shape[1:]])
    return {name: suited(x, binary).astype(normal.dtype) for name, x in found.items()}


def suited(x, binary):
    """Images of zeros and ones, or of 8 bits."""
    if x.max() <= 1:
        return x if binary else x * 255
    return x > 127 if binary else x


def measure(model, background, normal, reference, odd):
    """A row for each odd set: the report of each score."""
    mean = scores.likelihood(model, reference).mean()

    def scored(x):
        nats = scores.likelihood(model, x)
        bits = np.array([scores.png_bits(image) for image in x])
        found = {
            "likelihood": nats,
            "typicality": -np.abs(nats - mean),
            "complexity": nats + np.log(2) * bits,
        }
        if background is not None:
            found["ratio"] = nats - scores.likelihood(background, x)
        return found

    known, rows = scored(normal), []
    for name, x in odd.items():
        found = scored(x)
        reports = {s: anomaly.report(known[s], found[s], seed=SEED) for s in known}
        rows.append({"set": name, "images": len(x), **reports})
    return rows


def table(held):
    """The lines of the table in Markdown."""
    first = f"{held['model']}, AUROC against {held['normal']:,} test images"
    names = [name for name in held["rows"][0] if name not in ("set", "images")]
    yield " | ".join([f"| {first}", *names]) + " |"
    yield "|---|" + "---|" * len(names)
    for row in held["rows"]:
        cells = []
        for score in names:
            auroc = row[score]["auroc"]
            cells.append(f"{auroc['value']:.3f} ({auroc['low']:.3f} to {auroc['high']:.3f})")
        yield f"| {row['set']} ({row['images']:,}) | " + " | ".join(cells) + " |"


def filled(page, held):
    """A page with the tables between the marks."""
    before, _, rest = page.partition(START)
    lines = [line for each in held for line in [*table(each), ""]]
    return "\n".join([before + START, "", *lines, END + rest.partition(END)[2]])


def named_file(argument):
    name, _, path = argument.partition("=")
    if not path:
        raise argparse.ArgumentTypeError(f"expected NAME=FILE.npz, got {argument}")
    return name, path


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--model", default="pixelcnn_mnist")
    parser.add_argument("--background")
    parser.add_argument("--num", type=int, default=2000)
    parser.add_argument("--odd", type=named_file, action="append", default=[])
    parser.add_argument("--write", action="store_true")
    options = parser.parse_args()
    model, dataset = tfar.load(options.model), zoo.info(options.model)["dataset"]
    background = tfar.load(options.background) if options.background else None
    x = datasets.load(dataset, "test")
    x = np.asarray(x["x"] if isinstance(x, dict) else x)
    rng = np.random.default_rng(SEED)
    x = x[rng.permutation(len(x))]
    normal, reference = x[: options.num], x[options.num : 2 * options.num]
    odd = sets(normal, dataset, options.odd, rng)
    rows = measure(model, background, normal, reference, odd)
    row = {"model": options.model, "background": options.background}
    row.update(normal=len(normal), seed=SEED, rows=rows)
    print("\n".join(table(row)))
    if options.write:
        path = HERE / "anomalies.json"
        held = json.loads(path.read_text())
        held = [other for other in held if other["model"] != options.model] + [row]
        path.write_text(json.dumps(held, indent=1) + "\n")
        PAGE.write_text(filled(PAGE.read_text(), held))


if __name__ == "__main__":
    main()
