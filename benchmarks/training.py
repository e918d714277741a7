"""Training throughput of a PixelCNN, and of the same network written plainly in PyTorch.

    python benchmarks/training.py [--batch 64] [--json benchmarks/training.json]

Seven residual blocks of 64/32 channels on binary 28x28 images, Adam, in images a second. PyTorch
is measured if it can be imported; nothing else needs it (`pip install torch`).

The share is the rate of the multiplications that the network needs, times three for gradients,
relative to the rate of the same processor in TensorFlow's product of two large matrices.
"""

import argparse
import importlib.util
import os
import time

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np
import tables
from timing import save

# Per pixel: the taps of 7x7 before it, seven blocks of 1x1, five taps of 3x3, 1x1; two of 1x1.
MULTIPLICATIONS = 784 * (24 * 64 + 7 * (64 * 32 + 5 * 32 * 32 + 32 * 64) + 64 * 64 + 64)


def peak(precision):
    """Multiplications per second in the product of two large matrices, the best of several."""
    import tensorflow as tf

    size, best = 2048, 0.0
    a = tf.random.stateless_normal([size, size], [0, 0])
    a = tf.cast(a, tf.bfloat16 if precision == "mixed_bfloat16" else tf.float32)
    for _ in range(20):
        start = time.perf_counter()
        (a @ a)[0, 0].numpy()
        best = max(best, size**3 / (time.perf_counter() - start))
    return best


def throughput(steps, batch, rounds=3, seconds=8):
    """Images per second of several steps, each in its fastest stretch after a warm-up.

    They run in turn, so that other load on the machine slows all of them.
    """
    for step in steps:
        for _ in range(3):
            step()
    rates = [0.0] * len(steps)
    for _ in range(rounds):
        for index, step in enumerate(steps):
            end = time.perf_counter() + seconds
            while (start := time.perf_counter()) < end:
                for _ in range(5):
                    step()
                rates[index] = max(rates[index], 5 * batch / (time.perf_counter() - start))
    return rates


def ours(x, precision):
    import keras

    import tfar

    model = tfar.models.PixelCNN([28, 28, 1], positions=False, dtype=precision)
    model.compile(keras.optimizers.Adam(1e-3))
    return lambda: model.train_on_batch(x)


def pytorch(x, precision):
    import torch
    import torch_pixelcnn
    from torch import nn

    network = torch_pixelcnn.network()
    optimizer = torch.optim.Adam(network.parameters(), 1e-3)
    x = (
        torch.from_numpy(x)
        .permute(0, 3, 1, 2)
        .float()
        .contiguous(memory_format=torch.channels_last)
    )
    low = precision == "mixed_bfloat16"

    def step():
        optimizer.zero_grad()
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=low):
            logits = network(x)
        loss = nn.functional.binary_cross_entropy_with_logits(logits.float(), x, reduction="sum")
        (loss / len(x)).backward()
        optimizer.step()
        return loss.item()

    return step


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--json")
    arguments = parser.parse_args()
    x = (np.random.default_rng(0).random([arguments.batch, 28, 28, 1]) < 0.2).astype(np.uint8)
    contenders = {}
    if importlib.util.find_spec("torch"):
        import torch  # first: imported after TensorFlow it fails

        torch.optim.Adam([torch.zeros(1)])  # and so does what this imports

        contenders[f"PyTorch {torch.__version__}"] = pytorch
    contenders["tfar"] = ours
    rows = []
    print(tables.header("training"))
    for precision in ("float32", "mixed_bfloat16"):
        most = peak(precision) / (3 * MULTIPLICATIONS)
        steps = [make(x, precision) for make in contenders.values()]
        for library, rate in zip(contenders, throughput(steps, arguments.batch)):
            row = {"library": library, "precision": precision, "batch": arguments.batch}
            rows.append({**row, "images_per_s": rate, "share_of_peak": rate / most})
            print(tables.line("training", rows[-1]), flush=True)
    if arguments.json:
        save(rows, arguments.json)


if __name__ == "__main__":
    main()
