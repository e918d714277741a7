"""The cost of ending a fit at the first loss that is not finite.

    python benchmarks/finite_loss.py [--json FILE]

The time of an epoch of ``fit``, and of the same without the assertion in its graph and without the
callback. They run in turn, and the ratio is that of the fastest epoch of each.
"""

import argparse
import os
import time

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np
from timing import save

import tfar

MODELS = {
    "FVSBN, 16 sites": (lambda: tfar.models.FVSBN([16]), 12_800),
    "MADE, 784 sites": (lambda: tfar.models.MADE([784], (500,)), 6_400),
    "PixelCNN, 28x28": (lambda: tfar.models.PixelCNN([28, 28, 1], positions=False), 320),
}
BATCH = 64


def without(model):
    """The model, whose fit does not check the loss."""
    model._finite = lambda loss, x, training: loss
    model._callbacks = lambda callbacks: callbacks
    return model


def epochs(models, x, rounds):
    """Seconds of the fastest epoch of each model."""
    for model in models:
        model.compile(keras.optimizers.Adam(1e-4))
        model.fit(x, batch_size=BATCH, verbose=0)
    best = [np.inf] * len(models)
    for _ in range(rounds):
        for i, model in enumerate(models):
            start = time.perf_counter()
            model.fit(x, batch_size=BATCH, verbose=0)
            best[i] = min(best[i], time.perf_counter() - start)
    return best


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--json", metavar="FILE")
    arguments = parser.parse_args()
    rows = []
    print("| model | steps | ms a step | without | ratio |\n|---|---|---|---|---|")
    for name, (make, count) in MODELS.items():
        event = make().event_shape
        x = np.random.default_rng(0).integers(0, 2, [count, *event], dtype=np.uint8)
        checked, plain = epochs([make(), without(make())], x, arguments.rounds)
        steps = count // BATCH
        row = {"model": name, "steps": steps, "ms": 1e3 * checked / steps}
        row.update(without_ms=1e3 * plain / steps, ratio=checked / plain)
        rows.append(row)
        print(
            f"| {name} | {steps} | {row['ms']:.2f} | {row['without_ms']:.2f} | "
            f"{row['ratio']:.3f} |",
            flush=True,
        )
    if arguments.json:
        save(rows, arguments.json)


if __name__ == "__main__":
    main()
