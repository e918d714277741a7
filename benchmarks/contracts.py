"""The margins of the contracts that train or sample, over many seeds.

    python benchmarks/contracts.py [--seeds 20] [--models PATTERN]

Tests run each of them once. Here each model of `tests/support/cases.py` is trained and sampled from
several seeds. All must pass, and the table gives the margins: the smallest share of the gap between
the first loss and the entropy that training closes (at least 0.7 is required), and the smallest
p-value of a sampling test (at least 1e-4; the smallest of k tests is about 1 / k).
"""

import argparse
import json
import os
import pathlib
import re
import sys

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
sys.path.insert(0, str(pathlib.Path(__file__).parents[1] / "tests"))

import keras
from support.cases import MODELS, randomised, rate

from tfar import testing


def margins(name, seeds):
    keras.utils.set_random_seed(1)
    share = testing.verify_training(MODELS[name](), learning_rate=rate(name), seeds=seeds)
    model = randomised(name, seed=3)
    tail = min(testing.verify_sampling(model, seed=seed) for seed in seeds)
    return {"share_closed": round(share, 4), "p_value": float(f"{tail:.2g}")}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--models", default="", help="a regular expression")
    parser.add_argument("--out", help="a JSON file")
    options = parser.parse_args()
    found = {}
    for name in MODELS:
        if re.search(options.models, name):
            found[name] = margins(name, range(options.seeds))
            print(
                f"{name:32} {found[name]['share_closed']:.3f}  {found[name]['p_value']:.1e}",
                flush=True,
            )
    if options.out:
        pathlib.Path(options.out).write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
