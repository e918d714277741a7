"""Dynamically binarized MNIST: how much the figure depends on the bits that are drawn.

    python benchmarks/draws.py [--draws 5] [--json benchmarks/draws.json]

The test images are binarized by draws 0, 1, ... of `tfar.datasets.dynamic_mnist`; the published
figure is that of draw 0. The mean NLL of each draw, in nats, the mean of these, and its standard
error over images, each with its mean over the draws.
"""

import argparse
import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np
from timing import save

import tfar

NAME = "gated_pixelcnn_dynamic_mnist"


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--draws", type=int, default=5)
    parser.add_argument("--json")
    arguments = parser.parse_args()
    count = arguments.draws
    model, each = tfar.zoo.load(NAME), []
    for draw in range(count):
        x = tfar.datasets.dynamic_mnist("test", draw=draw)
        each.append(-model.predict(x, batch_size=100, verbose=0))
        print(f"draw {draw}: {each[-1].mean():.2f} nats", flush=True)
    images = np.mean(each, axis=0)
    found = {
        "model": NAME,
        "nats": float(images.mean()),
        "standard_error": float(images.std(ddof=1) / np.sqrt(len(images))),
        "draws": [float(nats.mean()) for nats in each],
    }
    print(f"{count} draws: {found['nats']:.2f} ± {found['standard_error']:.2f} nats")
    if arguments.json:
        save(found, arguments.json)


if __name__ == "__main__":
    main()
