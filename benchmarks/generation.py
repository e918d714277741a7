"""Generation of text with caches, compared with a full pass for every character.

    python benchmarks/generation.py [--json benchmarks/generation.json] [--torch]

An LSTM of 512 units, a Transformer that attends to all earlier characters and one with a window of
128 (four layers of width 128), over 65 characters, one text at a time, in float32 and without XLA.
The full pass is run on a buffer of the whole length. ``--torch`` adds nanoGPT's own way of
sampling, a crop to 256 characters and a full pass of a network of the same size, written plainly in
PyTorch. Where all the passes would take more than a minute, the time of one is multiplied by their
number ("about"). Weights are random, which does not matter for time.
"""

import argparse
import functools
import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np
import tables
import tensorflow as tf
from timing import save, seconds

from tfar import testing
from tfar.heads import Categorical
from tfar.models import CharRNN, Transformer

LENGTHS = 128, 512, 2048
PATIENCE = 60.0  # seconds for one text by full passes
CASES = {
    "LSTM of 512 units": lambda n: CharRNN([n], (512,), head=Categorical(65)),
    "Transformer, all before": lambda n: Transformer([n], 128, 4, 4, head=Categorical(65)),
    "Transformer, window of 128": lambda n: Transformer(
        [n], 128, 4, 4, window=128, head=Categorical(65)
    ),
}


def measure(name, make, length, batch=1):
    model = make(length)
    joint = model.joint()
    by_passes = functools.partial(testing.sample_by_full_passes, model, batch, seed=0)
    oracle = tf.function(by_passes, autograph=False)
    cached = seconds(lambda: joint.sample(batch, seed=0).numpy())
    x = joint.sample(batch, seed=0)
    score = tf.function(joint.log_prob)
    slow = length * seconds(lambda: score(x).numpy())
    about = slow > PATIENCE
    if not about:
        slow = seconds(lambda: oracle().numpy(), repeats=1)
        same = float(np.mean(oracle() == x))
        if same < 0.99:
            raise SystemExit(f"{name}: full passes agree in {same:.1%} of the characters.")
    row = {"model": name, "batch": batch, "length": length}
    return {**row, "cached": cached, "full": slow, "about": about}


def nano_gpt(length, block=256):
    """A crop and a full pass for every character, as in nanoGPT's ``generate``, in PyTorch."""
    import torch
    from torch import nn
    from torch.nn import functional

    width, layers, heads, symbols = 128, 4, 4, 65

    class Block(nn.Module):
        def __init__(self):
            super().__init__()
            self.norms = nn.ModuleList(nn.LayerNorm(width, bias=False) for _ in range(2))
            self.inside = nn.Linear(width, 3 * width, bias=False)
            self.outside = nn.Linear(width, width, bias=False)
            self.up = nn.Linear(width, 4 * width, bias=False)
            self.down = nn.Linear(4 * width, width, bias=False)

        def forward(self, x):
            b, n, _ = x.shape
            q, k, v = self.inside(self.norms[0](x)).view(b, n, 3, heads, -1).unbind(2)
            y = functional.scaled_dot_product_attention(
                *(t.transpose(1, 2) for t in (q, k, v)), is_causal=True
            )
            x = x + self.outside(y.transpose(1, 2).reshape(b, n, width))
            return x + self.down(functional.gelu(self.up(self.norms[1](x))))

    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.symbols, self.places = nn.Embedding(symbols, width), nn.Embedding(block, width)
            self.blocks = nn.Sequential(*(Block() for _ in range(layers)))
            self.norm = nn.LayerNorm(width, bias=False)

        def forward(self, x):
            y = self.symbols(x) + self.places(torch.arange(x.shape[1]))
            # Only for the last character, as in nanoGPT.
            return self.norm(self.blocks(y))[:, -1] @ self.symbols.weight.T

    net = Net().eval()

    @torch.no_grad()
    def generate():
        x = torch.zeros([1, 1], dtype=torch.long)
        for _ in range(length):
            logits = net(x[:, -block:])
            chosen = torch.multinomial(functional.softmax(logits, dim=-1), 1)
            x = torch.cat([x, chosen], dim=1)

    row = {"model": "nanoGPT's sampling in PyTorch, crops of 256", "batch": 1, "length": length}
    return {**row, "full": seconds(generate, repeats=1), "about": False}


def show(row):
    best = row.get("cached", row["full"])
    characters = row["length"] * row["batch"]
    row = {**row, "rate": characters / best, "each_ms": 1e3 * best / row["length"]}
    if "cached" in row:
        row["ratio"] = row["full"] / row["cached"]
    print(tables.line("generation", row), flush=True)
    return row


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json")
    parser.add_argument("--torch", action="store_true", help="nanoGPT's sampling, in PyTorch")
    arguments = parser.parse_args()
    print(tables.header("generation"))
    rows = [show(measure(name, make, n)) for name, make in CASES.items() for n in LENGTHS]
    rows += [show(measure(name, make, LENGTHS[0], batch=64)) for name, make in CASES.items()]
    if arguments.torch:
        rows += [show(nano_gpt(n)) for n in LENGTHS]
    if arguments.json:
        save(rows, arguments.json)


if __name__ == "__main__":
    main()
