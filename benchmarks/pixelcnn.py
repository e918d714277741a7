"""Sampling and forward passes of PixelCNNs, beside a full pass per pixel and tfd.PixelCNN.

    python benchmarks/pixelcnn.py [--json benchmarks/pixelcnn.json] [--tfp]

The model is a PixelCNN of 7 blocks with 64/32 channels on binary images; then other batch sizes,
image sides and depths, and the other families. Everything is compiled and run once before it is
timed. Where a full pass per pixel would take more than a minute, the time of one pass is multiplied
by the number of pixels ("about"). Weights are random, which does not matter for time.
"""

import argparse
import json
import os
import platform
import time

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np
import tensorflow as tf
import tensorflow_probability as tfp

import tfar
from tfar.models import GatedPixelCNN, PixelCNN, PixelCNNpp

COLUMNS = (
    "model",
    "side",
    "batch",
    "cached",
    "cached_xla",
    "one_pass",
    "per_pixel",
    "ratio",
    "about",
)


def seconds(run, repeats=3):
    run()
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        run()
        times.append(time.perf_counter() - start)
    return min(times)


def measure(name, model, batch):
    tfar.testing.randomise(model, scale=0.1)
    plain, compiled = model.joint(), model.joint(jit_compile=True)
    x = plain.sample(batch, seed=0)
    score = tf.function(plain.log_prob)
    one_pass = seconds(lambda: score(x).numpy())
    cached = seconds(lambda: plain.sample(batch, seed=0).numpy(), repeats=2)
    cached_xla = seconds(lambda: compiled.sample(batch, seed=0).numpy())
    same = float(np.mean(compiled.sample(batch, seed=0) == x))
    if same < 0.99:
        raise SystemExit(f"{name}: with XLA {same:.1%} of the pixels are those without.")
    per_pixel = one_pass * model.num_sites
    about = per_pixel > 60
    if not about:
        oracle = model.joint(cached=False)
        if not np.array_equal(oracle.sample(batch, seed=0), x):
            raise SystemExit(f"{name}: a full pass per pixel draws something else.")
        per_pixel = seconds(lambda: oracle.sample(batch, seed=0).numpy(), repeats=1)
    row = (name, model.event_shape[0], batch, cached, cached_xla, one_pass, per_pixel)
    return dict(zip(COLUMNS, (*row, per_pixel / min(cached, cached_xla), about)))


def tfp_pixel_cnn(batch):
    """The nearest configuration: one resolution, seven blocks, 32 channels."""
    p = tfp.distributions.PixelCNN(
        image_shape=(28, 28, 1),
        num_resnet=7,
        num_hierarchies=1,
        num_filters=32,
        num_logistic_mix=1,
        dropout_p=0.0,
        high=1,
        low=0,
    )
    x = np.zeros([batch, 28, 28, 1], np.float32)
    score = tf.function(p.log_prob)
    one_pass = seconds(lambda: score(x).numpy())
    start = time.perf_counter()
    p.sample(batch, seed=1).numpy()
    row = ("tfd.PixelCNN, 7 blocks, 32 channels", 28, batch, time.perf_counter() - start)
    return dict(zip(COLUMNS, (*row, None, one_pass, None, None, False)))


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json")
    parser.add_argument("--tfp", action="store_true", help="tfd.PixelCNN too, which takes minutes")
    arguments = parser.parse_args()
    cases = [("PixelCNN, 7 blocks", lambda s: PixelCNN([s, s, 1]), 28, b) for b in (1, 16, 256)]
    cases += [("PixelCNN, 7 blocks", lambda s: PixelCNN([s, s, 1]), s, 16) for s in (14, 56)]
    cases += [
        ("PixelCNN, 3 blocks", lambda s: PixelCNN([s, s, 1], blocks=3), 28, 16),
        ("PixelCNN, 15 blocks", lambda s: PixelCNN([s, s, 1], blocks=15), 28, 16),
        ("Gated PixelCNN, 8 layers", lambda s: GatedPixelCNN([s, s, 1], layers=8), 28, 16),
        (
            "PixelCNN++, 3 levels",
            lambda s: PixelCNNpp([s, s, 1], head=tfar.heads.Bernoulli()),
            28,
            16,
        ),
    ]
    heads = "model", "side", "batch", "cached, s", "with XLA, s", "one pass, s"
    print(f"| {' | '.join(heads)} | pass per pixel, s | ratio |")
    print("|---|---|---|---|---|---|---|---|")
    rows = []
    for name, make, side, batch in cases:
        rows.append(show(measure(name, make(side), batch)))
    if arguments.tfp:
        rows.append(show(tfp_pixel_cnn(4)))
    if arguments.json:
        machine = f"{platform.machine()}, {os.cpu_count()} cores, TensorFlow {tf.__version__}"
        with open(arguments.json, "w") as file:
            json.dump({"machine": machine, "rows": rows}, file, indent=1)


def show(row):
    numbers = [row["cached"], row["cached_xla"], row["one_pass"]]
    cells = ["" if number is None else f"{number:.3f}" for number in numbers]
    about = "about " if row["about"] else ""
    for key in ("per_pixel", "ratio"):
        cells.append("" if row[key] is None else f"{about}{row[key]:.0f}")
    print(f"| {row['model']} | {row['side']} | {row['batch']} | {' | '.join(cells)} |", flush=True)
    return row


if __name__ == "__main__":
    main()
