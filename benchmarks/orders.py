"""Order-agnostic NADE's NLL as an average over more and more orders.

    python benchmarks/orders.py [--model orderless_nade_mnist] [--split test] [--examples 1000]
        [--orders 1 8 64] [--json benchmarks/orders.json]

p(x) = (1/R) sum_r p_r(x) over the first R of a list of random orders, for the first examples of a
split, with standard errors over the examples; and the mean, least and largest NLL of single orders.
"""

import argparse
import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np
from timing import save

import tfar


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--model", default="orderless_nade_mnist")
    parser.add_argument("--split", default="test")
    parser.add_argument("--examples", type=int, default=1000)
    parser.add_argument("--orders", type=int, nargs="+", default=[1, 8, 64])
    parser.add_argument("--json")
    arguments = parser.parse_args()
    model = tfar.zoo.load(arguments.model)
    x = tfar.datasets.load(tfar.zoo.info(arguments.model)["dataset"], arguments.split)
    x = x[: arguments.examples]
    each = []
    for seed in range(max(arguments.orders)):
        one = model.of_order(tfar.orders.random(model.num_sites, seed))
        each.append(np.concatenate([one.log_prob(x[i : i + 500]) for i in range(0, len(x), 500)]))
    each, rows = np.array(each, np.float64), []
    print("| orders | NLL, nats |\n|---|---|")
    for count in arguments.orders:
        nats = np.log(count) - np.logaddexp.reduce(each[:count], axis=0)
        error = nats.std(ddof=1) / len(nats) ** 0.5
        rows.append({"orders": count, "nats": nats.mean(), "standard_error": error})
        print(f"| {count} | {nats.mean():.2f} ± {error:.2f} |")
    single = -each.mean(axis=1)
    print(f"single orders: {single.mean():.2f}, from {single.min():.2f} to {single.max():.2f}")
    if arguments.json:
        save(rows, arguments.json)


if __name__ == "__main__":
    main()
