"""Sampling and forward passes of PixelCNNs, against a full pass per pixel.

    python benchmarks/pixelcnn.py [--json benchmarks/pixelcnn.json] [--only TEXT] [--others]

The model is a PixelCNN of 7 blocks with 64/32 channels on binary images; then other batch sizes,
image sides and depths, the other families, and with ``--others`` the same network in PyTorch
(`pip install torch`) and tfd.PixelCNN. Everything of tfar's is a compiled ``tf.function``, without
XLA or with it on all sides, and is run once before it is timed. "Passes" is the time of a sample in
forward passes over the same number of images; "same" is how many pixels are those that the full
passes drew. Where a full pass per pixel would take more than a minute, the time of one pass is
multiplied by the number of pixels ("about"). Weights are random.
"""

import argparse
import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import importlib.util

if importlib.util.find_spec("torch"):
    import torch  # noqa: F401  # first: imported after TensorFlow it fails

import numpy as np
import tables
import tensorflow as tf
import tensorflow_probability as tfp
from timing import save, seconds

import tfar
from tfar import heads
from tfar.layers import Schedule
from tfar.models import GatedPixelCNN, PixelCNN, PixelCNNpp
from tfar.sampling import Policy, fixed_point

PATIENCE = 60.0  # seconds for one run of a full pass per pixel


def plain(side):
    return PixelCNN([side, side, 1])


# name, model of an image side, side, batch
CASES = [
    *(("PixelCNN, 7 blocks", plain, 28, batch) for batch in (1, 16, 256)),
    *(("PixelCNN, 7 blocks", plain, side, 16) for side in (14, 56)),
    ("PixelCNN, 3 blocks", lambda s: PixelCNN([s, s, 1], blocks=3), 28, 16),
    ("PixelCNN, 15 blocks", lambda s: PixelCNN([s, s, 1], blocks=15), 28, 16),
    ("Gated PixelCNN, 8 layers", lambda s: GatedPixelCNN([s, s, 1], layers=8), 28, 16),
    ("PixelCNN++, 3 levels", lambda s: PixelCNNpp([s, s, 1], head=heads.Bernoulli()), 28, 16),
]


def per_pixel(one_pass, pixels, run):
    """``(seconds, whether they are an estimate, what it drew)`` of a full pass for every pixel."""
    estimate = one_pass * pixels
    if estimate > PATIENCE:
        return estimate, True, None
    drawn = []
    return seconds(lambda: drawn.append(run()), repeats=1), False, drawn[-1]


def steps(model):
    """How many times the network is stepped for one image; of whole rows, how many passes."""
    if isinstance(model.schedule, Schedule):
        return model.schedule.times
    passes = fixed_point.by_rows(model, 1, tf.constant([0, 0]), Policy())[2]
    return f"{int(passes)} rows"


def measure(name, model, batch, xla):
    tfar.testing.randomise(model, scale=0.1)
    joint = model.joint(jit_compile=xla)
    oracle = tf.function(
        lambda: tfar.testing.sample_by_full_passes(model, batch, seed=0),
        autograph=False,
        jit_compile=xla,
    )
    x = joint.sample(batch, seed=0)
    score = tf.function(joint.log_prob, jit_compile=xla)
    one_pass = seconds(lambda: score(x).numpy())
    sampled = seconds(lambda: joint.sample(batch, seed=0).numpy())
    slow, about, drawn = per_pixel(one_pass, model.num_sites, lambda: oracle().numpy())
    same = None if about else float(np.mean(drawn == x))
    if same is not None and same < 0.99:
        raise SystemExit(f"{name}: a full pass per pixel agrees in {same:.1%} of the pixels.")
    return {
        "model": name,
        "side": model.event_shape[0],
        "batch": batch,
        "xla": xla,
        "steps": steps(model),
        "sampled": sampled,
        "one_pass": one_pass,
        "passes": sampled / one_pass,
        "per_pixel": slow,
        "about": about,
        "ratio": slow / sampled,
        **({} if same is None else {"same": same}),
    }


def by_pytorch(batch):
    """The PixelCNN of 7 blocks in PyTorch, by a full pass for every pixel."""
    import torch_pixelcnn

    layers = torch_pixelcnn.network()
    x = torch_pixelcnn.sample(layers, batch, 2)
    x = x.new_zeros([batch, 1, 28, 28]).bernoulli_(0.2)
    one_pass = seconds(lambda: torch_pixelcnn.score(layers, x).numpy())
    slow, about, _ = per_pixel(
        one_pass, 28 * 28, lambda: torch_pixelcnn.sample(layers, batch, 28).numpy()
    )
    row = {"model": "PixelCNN, 7 blocks, in PyTorch", "side": 28, "batch": batch, "xla": False}
    return {**row, "one_pass": one_pass, "per_pixel": slow, "about": about}


def tfp_pixel_cnn(batch):
    """The nearest tfd.PixelCNN: one resolution, seven blocks, 32 channels, two levels."""
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
    score = tf.function(lambda x: p.log_prob(x, training=False))
    sample = tf.function(lambda: p.sample(batch, seed=1, training=False))
    one_pass = seconds(lambda: score(x).numpy())
    slow, about, _ = per_pixel(one_pass, 28 * 28, lambda: sample().numpy())
    row = {"model": "tfd.PixelCNN, 7 blocks of 32", "side": 28, "batch": batch, "xla": False}
    return {**row, "one_pass": one_pass, "per_pixel": slow, "about": about}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json")
    parser.add_argument("--only", default="", help="models with this in their names")
    parser.add_argument("--others", action="store_true", help="PyTorch and TFP too: minutes")
    arguments = parser.parse_args()
    print(tables.header("pixelcnn"))
    rows = []
    for row in measured(arguments.only, arguments.others):
        print(tables.line("pixelcnn", row), flush=True)
        rows.append(row)
        if arguments.json:  # after every row: all of them take a quarter of an hour
            save(rows, arguments.json)


def measured(only, others):
    for name, make, side, batch in CASES:
        if only in name:
            for xla in (False, True):
                yield measure(name, make(side), batch, xla)
    for batch in (1, 16, 256) if others else ():
        yield by_pytorch(batch)
        yield tfp_pixel_cnn(batch)


if __name__ == "__main__":
    main()
