"""Text models that learn as they read the test split: the table of docs/using.md.

    python examples/adaptive_text.py [--models NAME ...] [--write]

Each character is given all before it. The counts begin with nothing, or with the training text;
rates and first weights were chosen on the validation split. The standard error is that of blocks of
256 characters. PPMd of order 6, given the training text likewise, is the size of both less that of
the training text (it needs pyppmd). ``--write`` writes adaptive_text.json and the table.
"""

import argparse
import json
import os
import pathlib
import time

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np

import tfar
from tfar import datasets, text

HERE = pathlib.Path(__file__).parent
PAGE = HERE.parent / "docs" / "using.md"
START, END = "<!-- examples/adaptive_text.py -->", "<!-- end -->"
MODELS = "transformer_shakespeare", "char_rnn_shakespeare"
BLOCK = 256


def measure(name, told, training):
    """A row for the model alone, learning, and learning given the training text."""
    model, rows = tfar.zoo.load(name), []
    text.log_prob(model, told[: 2 * BLOCK], block=BLOCK)  # compiles
    ways = {"alone": None, "learns": "", "learns, given the training text": training}
    for way, adapt in ways.items():
        start = time.perf_counter()
        bits = -text.log_prob(model, told, block=BLOCK, adapt=adapt) / np.log(2)
        seconds = time.perf_counter() - start
        each = bits[: len(told) // BLOCK] / BLOCK
        row = {"model": name, "way": way, "bits": float(bits.sum() / len(told))}
        row["standard_error"] = float(each.std(ddof=1) / np.sqrt(len(each)))
        rows.append({**row, "ms": 1e3 * seconds / len(told)})
    return rows


def ppmd(told, training):
    """A row of PPMd, or none if it is not installed."""
    try:
        import pyppmd
    except ImportError:
        return []
    sizes = [
        len(pyppmd.compress(t.encode(), max_order=6, mem_size=2**28))
        for t in (training + told, training)
    ]
    bits = 8 * (sizes[0] - sizes[1]) / len(told)
    return [{"model": "PPMd", "way": "learns, given the training text", "bits": bits}]


def table(held):
    """The lines of the table in Markdown."""
    yield f"| tiny_shakespeare, test split ({held['characters']:,}) | bits a character | ms each |"
    yield "|---|---|---|"
    for row in held["rows"]:
        error = f" ± {row['standard_error']:.3f}" if "standard_error" in row else ""
        spent = f"{row['ms']:.2f}" if "ms" in row else ""
        yield f"| {row['model']}, {row['way']} | {row['bits']:.3f}{error} | {spent} |"


def filled(page, held):
    """A page with the table between the marks."""
    before, _, rest = page.partition(START)
    return "\n".join([before + START, "", *table(held), "", END + rest.partition(END)[2]])


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--models", nargs="+", default=MODELS, metavar="NAME")
    parser.add_argument("--write", action="store_true")
    options = parser.parse_args()
    training, told = (datasets.load("tiny_shakespeare", split) for split in ("train", "test"))
    rows = [row for name in options.models for row in measure(name, told, training)]
    held = {"characters": len(told), "rows": [*rows, *ppmd(told, training)]}
    print("\n".join(table(held)))
    if options.write:
        (HERE / "adaptive_text.json").write_text(json.dumps(held, indent=1) + "\n")
        PAGE.write_text(filled(PAGE.read_text(), held))


if __name__ == "__main__":
    main()
