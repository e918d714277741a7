"""Maps of a likelihood ratio: the picture of docs/using.md.

    python examples/maps.py [--odd FILE.npz] [--out docs/maps.png]

The first images of the test splits of Fashion-MNIST and of MNIST, and "images" [N, 28, 28] of a
file, each followed by the mean of log p_0 - log p over 5x5 pixels: p is pixelcnn_pp_fashion, and
p_0 its background, pixelcnn_fashion_local. Grey levels are the same for all, from -1 to 1 nat.
"""

import argparse
import os
import pathlib

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np

import tfar
from tfar import anomaly, datasets, kinds

OUT = pathlib.Path(__file__).parents[1] / "docs" / "maps.png"
EACH, WIDE = 8, 5


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--odd", help="A file of other images.")
    parser.add_argument("--out", default=OUT)
    options = parser.parse_args()
    x = [datasets.load(name, "test")["x"][:EACH] for name in ("fashion_mnist", "mnist")]
    if options.odd:
        x.append(np.load(options.odd)["images"][:EACH, ..., None])
    x = np.concatenate(x)
    model, background = map(tfar.load, ("pixelcnn_pp_fashion", "pixelcnn_fashion_local"))
    maps = anomaly.surprise(model, x, background=background)
    maps = np.pad(maps.reshape(x.shape[:3]), ((0, 0), (WIDE // 2,) * 2, (WIDE // 2,) * 2), "edge")
    near = np.lib.stride_tricks.sliding_window_view(maps, [WIDE, WIDE], axis=(1, 2))
    kinds.of(model).write_maps(x, np.clip(near.mean(axis=(3, 4)), -1, 1), options.out)


if __name__ == "__main__":
    main()
