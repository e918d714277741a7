"""Cached sampling against fixed points and a full pass per site, on the same models, in one run.

    python benchmarks/sampling.py [--num 100] [--json benchmarks/sampling.json]

Each is measured without and with XLA (``model.joint(jit_compile=True)``). All samplers are
compiled and run once before they are timed; they draw the same samples, which is checked. The
models have the sizes of the papers' MNIST models; their weights are random, which does not matter
for time.
"""

import argparse
import itertools
import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np
import tables
import tensorflow as tf
from timing import save, seconds

import tfar

MODELS = {
    "FVSBN": lambda: tfar.models.FVSBN([28, 28, 1]),
    "NADE, 500 hidden units": lambda: tfar.models.NADE([28, 28, 1], 500),
    "MADE, 2 x 800 hidden units": lambda: tfar.models.MADE([28, 28, 1], (800, 800), direct=True),
    "MADE, 8000 hidden units": lambda: tfar.models.MADE([28, 28, 1], (8000,)),
}


def measure(name, make, num, jit_compile):
    tfar.testing.randomise(model := make(), seed=0)
    cached = model.joint(jit_compile=jit_compile)
    passes = model.joint(cached=False, jit_compile=jit_compile)
    oracle = tf.function(
        lambda: tfar.testing.sample_by_full_passes(model, num, seed=1),
        autograph=False,
        jit_compile=jit_compile,
    )
    x = oracle().numpy()
    same = min(float(np.mean(j.sample(num, seed=1).numpy() == x)) for j in (cached, passes))
    fast = seconds(lambda: cached.sample(num, seed=1).numpy(), repeats=5)
    fixed_point = seconds(lambda: passes.sample(num, seed=1).numpy(), repeats=2)
    slow = seconds(lambda: oracle().numpy(), repeats=1)
    x = cached.sample(num, seed=2)
    log_prob = tf.function(cached.log_prob, jit_compile=jit_compile or None)
    log_prob(x)
    one_pass = seconds(lambda: log_prob(x).numpy(), repeats=5)
    return {
        "model": name,
        "xla": jit_compile,
        "samples": num,
        "cached_s": fast,
        "fixed_point_s": fixed_point,
        "full_pass_per_site_s": slow,
        "ratio": slow / fast,
        "one_scoring_pass_s": one_pass,
        "same_draws": same,
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--num", type=int, default=100)
    parser.add_argument("--json")
    arguments = parser.parse_args()
    print(tables.header("sampling"))
    rows = []
    for (name, make), jit_compile in itertools.product(MODELS.items(), (False, True)):
        row = measure(name, make, arguments.num, jit_compile)
        if row["same_draws"] < 0.99:
            raise SystemExit(f"{name}: the samplers agree in {row['same_draws']:.2%} of all sites.")
        rows.append(row)
        print(tables.line("sampling", row), flush=True)
    if arguments.json:
        save(rows, arguments.json)


if __name__ == "__main__":
    main()
