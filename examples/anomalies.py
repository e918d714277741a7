"""How well scores tell other pictures from binarized MNIST: the table of docs/using.md.

    python examples/anomalies.py [--model pixelcnn_mnist] [--num 2000] [--write]

Normal are ``num`` images of the test split, drawn at random; as many others give the mean of
typicality. Odd are those images flipped, transposed, inverted or with shuffled pixels, blank ones,
and the test splits of Fashion-MNIST (pixels above 127) and of the Caltech-101 silhouettes. No score
is fitted to any of them. Figures are AUROC with 95 % bootstrap intervals, see
`tfar.anomaly.report`; ``--write`` writes anomalies.json and the table.
"""

import argparse
import json
import os
import pathlib

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np

import tfar
from tfar import anomaly, datasets
from tfar.anomaly import scores

HERE = pathlib.Path(__file__).parent
PAGE = HERE.parent / "docs" / "using.md"
START, END = "<!-- examples/anomalies.py -->", "<!-- end -->"
SEED = 0
SCORES = "likelihood", "typicality", "complexity"


def sets(normal, rng):
    """``{name: images}``, of zeros and ones, of the odd sets."""
    count = len(normal)
    shuffled = rng.permuted(normal.reshape([count, -1]), axis=1).reshape(normal.shape)
    fashion = np.asarray(datasets.load("fashion_mnist", "test")["x"][:count] > 127)
    return {
        "flipped upside down": normal[:, ::-1],
        "transposed": normal.transpose([0, 2, 1, 3]),
        "inverted": 1 - normal,
        "shuffled pixels": shuffled,
        "blank": np.zeros([100, *normal.shape[1:]], normal.dtype),
        "Fashion-MNIST": fashion.astype(normal.dtype),
        "silhouettes": datasets.load("caltech101_silhouettes", "test")[:count],
    }


def measure(model, normal, reference, odd):
    """A row for each odd set: the report of each score."""
    mean = scores.likelihood(model, reference).mean()

    def scored(x):
        nats = scores.likelihood(model, x)
        bits = np.array([scores.png_bits(image) for image in x])
        each = nats, -np.abs(nats - mean), nats + np.log(2) * bits
        return dict(zip(SCORES, each))

    known, rows = scored(normal), []
    for name, x in odd.items():
        found = scored(x)
        reports = {s: anomaly.report(known[s], found[s], seed=SEED) for s in SCORES}
        rows.append({"set": name, "images": len(x), **reports})
    return rows


def table(held):
    """The lines of the table in Markdown."""
    first = f"{held['model']}, AUROC against {held['normal']:,} test images"
    yield " | ".join([f"| {first}", *SCORES]) + " |"
    yield "|---|" + "---|" * len(SCORES)
    for row in held["rows"]:
        cells = []
        for score in SCORES:
            auroc = row[score]["auroc"]
            cells.append(f"{auroc['value']:.3f} ({auroc['low']:.3f} to {auroc['high']:.3f})")
        yield f"| {row['set']} ({row['images']:,}) | " + " | ".join(cells) + " |"


def filled(page, held):
    """A page with the table between the marks."""
    before, _, rest = page.partition(START)
    return "\n".join([before + START, "", *table(held), "", END + rest.partition(END)[2]])


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--model", default="pixelcnn_mnist")
    parser.add_argument("--num", type=int, default=2000)
    parser.add_argument("--write", action="store_true")
    options = parser.parse_args()
    x = datasets.load("binarized_mnist", "test")
    rng = np.random.default_rng(SEED)
    x = x[rng.permutation(len(x))]
    normal, reference = x[: options.num], x[options.num : 2 * options.num]
    rows = measure(tfar.load(options.model), normal, reference, sets(normal, rng))
    held = {"model": options.model, "normal": len(normal), "seed": SEED, "rows": rows}
    print("\n".join(table(held)))
    if options.write:
        (HERE / "anomalies.json").write_text(json.dumps(held, indent=1) + "\n")
        PAGE.write_text(filled(PAGE.read_text(), held))


if __name__ == "__main__":
    main()
