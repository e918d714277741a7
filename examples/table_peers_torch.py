"""What table_peers.py sets tfar beside: zuko's flows and mostlyai's TabularARGN, with PyTorch.

    pip install zuko mostlyai-engine scikit-learn      # in an environment of its own, without tfar
    python examples/table_peers_torch.py zuko [--seed 0] [--at runs]
    python examples/table_peers_torch.py argn [--seed 0] [--at runs]

log p of every test row, draws and seconds are written to `--at`, where table_peers.py, in which it
is said what is measured, reads them. Where `import mostlyai.engine` fails on an "operator
torchvision::nms", torchvision was built for another PyTorch, and is not needed: uninstall it.
"""

import argparse
import os
import pathlib
import runpy
import time

import numpy as np
from sklearn.datasets import load_breast_cancer, load_diabetes, load_iris, load_wine
from sklearn.model_selection import KFold, train_test_split
from sklearn.preprocessing import StandardScaler

HERE = pathlib.Path(__file__).parent
SETS = {
    "iris": load_iris,
    "wine": load_wine,
    "diabetes": lambda: load_diabetes(scaled=False),
    "breast_cancer": load_breast_cancer,
}
ROWS, HELD_OUT, COLUMNS = 5000, 3000, 20
# transforms, width of their two hidden layers
SHAPES = {"MAF": [(3, 32), (3, 64), (5, 64)], "NSF": [(2, 32), (3, 64)]}
NOISE = [0.03, 0.1, 0.2, 0.4]  # on the standardised rows
RATE, DECAY, BATCH, FOLDS, EVERY, PATIENCE, MOST = 2e-3, 3.0, 64, 5, 20, 6, 1500


def split(name, seed):
    """The rows of own_tables.py: ``(train, test)``."""
    return train_test_split(SETS[name]().data, test_size=0.3, random_state=seed)


def made_up(seed):
    """The table of large_tables.py: ``(train, test, log p of test)``."""
    example = runpy.run_path(str(HERE / "large_tables.py"))
    frame, log_p = example["made_up"](ROWS + HELD_OUT, COLUMNS, seed)
    return frame[:ROWS], frame[ROWS:].reset_index(drop=True), log_p[ROWS:]


def fresh(seed):
    """As many rows of the same table as are held out, other ones."""
    example = runpy.run_path(str(HERE / "large_tables.py"))
    return example["made_up"](HELD_OUT, COLUMNS, seed)[0]


def timed(sample, found, name):
    """10,000 draws; the seconds of them and of 1,000 are noted, each after a first one."""
    for count in (1000, 10_000):
        sample(count)
        start = time.process_time()
        drawn = sample(count)
        found[f"{name}/draw_{count}_s"] = time.process_time() - start
    return drawn


# zuko -------------------------------------------------------------------------------------------


def train(build, x, rows, noise, seed):
    """Trains as many flows as there are masks of rows, side by side, each with noise of its own.

    Yields, every few steps, what gives log p of each row of an array by each flow.
    """
    import torch
    from torch.func import functional_call, stack_module_state, vmap

    class Scored(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.flow = build()

        def forward(self, x):
            return self.flow().log_prob(x)

    torch.manual_seed(seed)
    rng = np.random.default_rng(seed)
    flows = [Scored() for _ in rows]
    weights, buffers = stack_module_state(flows)
    weights = {k: v.detach().requires_grad_() for k, v in weights.items()}
    adam = torch.optim.Adam(weights.values(), lr=RATE)
    noise = torch.tensor(noise, dtype=torch.float32)[:, None, None]

    def one(weights, buffers, x):
        return functional_call(flows[0], (weights, buffers), (x,))

    def log_p(x):
        with torch.no_grad():
            x = torch.as_tensor(x, dtype=torch.float32)
            return vmap(one, (0, 0, None))(weights, buffers, x).numpy().astype(float)

    x = torch.as_tensor(x, dtype=torch.float32)
    batch = min(BATCH, rows.sum(axis=1).min())
    while True:
        for _ in range(EVERY):
            chosen = np.where(rows, rng.random(rows.shape), 2).argsort(axis=1)[:, :batch]
            taken = x[torch.as_tensor(chosen)]
            taken = taken + noise * torch.randn_like(taken)
            adam.zero_grad()
            (-vmap(one)(weights, buffers, taken).mean(dim=1).sum()).backward()
            adam.step()
            with torch.no_grad():  # decoupled, as in AdamW
                for weight in weights.values():
                    weight.mul_(1 - RATE * DECAY)
        yield log_p


def validated(build, x, seed):
    """``[(mean held-out log p, noise, rounds of steps)]`` of each noise, at its best round."""
    folds = np.ones([FOLDS, len(x)], bool)
    for i, (_, held) in enumerate(KFold(FOLDS, shuffle=True, random_state=seed).split(x)):
        folds[i, held] = False
    rows = np.tile(folds, [len(NOISE), 1])
    best = [(-np.inf, noise, 0) for noise in NOISE]
    for i, log_p in enumerate(train(build, x, rows, np.repeat(NOISE, FOLDS), seed), 1):
        held = np.where(rows, 0, log_p(x)).reshape([len(NOISE), -1]).sum(axis=1) / len(x)
        best = [max(b, (value, b[1], i)) for b, value in zip(best, held)]
        last = max(b[2] for b in best if b[0] > max(best)[0] - 2)  # of those that may win
        if i * EVERY >= MOST or i - last >= PATIENCE:
            return best


def refitted(build, x, noise, rounds, seed):
    """log p by flows of all rows, from as many beginnings as there were folds."""
    rows = np.ones([FOLDS, len(x)], bool)
    rounds = round(rounds * FOLDS / (FOLDS - 1))  # as many epochs
    for i, log_p in enumerate(train(build, x, rows, [noise] * FOLDS, seed), 1):
        if i >= rounds:
            return log_p


def zuko_flows(seed, sets=SETS):
    """log p of the test rows of each set by each family of flows, and the seconds of all of it."""
    import torch
    from zuko import flows

    torch.set_num_threads(len(os.sched_getaffinity(0)))
    found = {}
    for name in sets:
        a, b = split(name, seed)
        scale = StandardScaler().fit(a)
        a, b = scale.transform(a), scale.transform(b)
        for family in SHAPES:
            start = time.process_time()
            tried = []
            for transforms, width in SHAPES[family]:

                def build(transforms=transforms, width=width, family=family, d=a.shape[1]):
                    hidden = (width, width)
                    return getattr(flows, family)(d, transforms=transforms, hidden_features=hidden)

                tried += [(*each, build) for each in validated(build, a, seed)]
                print(name, family, transforms, width, *(e[:3] for e in tried[-len(NOISE) :]))
            _, noise, rounds, build = max(tried, key=lambda each: each[0])
            log_p = refitted(build, a, noise, rounds, seed)(b) - np.log(scale.scale_).sum()
            key = f"{name}/{family.lower()}"
            found[key] = log_p.mean(axis=0)
            found[f"{key}_5"] = np.logaddexp.reduce(log_p) - np.log(len(log_p))
            found[f"{key}/s"] = time.process_time() - start
            means = found[key].mean(), found[f"{key}_5"].mean()
            print(key, build.__defaults__, noise, rounds * EVERY, *means, flush=True)
    return found


# TabularARGN ------------------------------------------------------------------------------------


def log_widths(bins, x):
    """The log of the width of the bin that each of x lies in, or next to."""
    at = np.searchsorted(bins, x, side="right") - 1
    return np.log(np.diff(bins))[at.clip(0, len(bins) - 2)]


def argn(seed):
    """log p of held-out rows, draws and times of TabularARGN, trained until it stops by itself."""
    import torch
    from mostlyai.engine import TabularARGN

    torch.set_num_threads(len(os.sched_getaffinity(0)))
    table, test, _ = made_up(seed)
    found = {}
    for name, flexible in (("TabularARGN", True), ("TabularARGN, one order", False)):
        options = {"enable_flexible_generation": flexible, "value_protection": False}
        start = time.process_time()
        model = TabularARGN(**options, random_state=seed, device="cpu").fit(table)
        found[f"{name}/fit_s"] = time.process_time() - start
        log_p = model.log_prob(test).astype(float)
        for column, stats in model._get_column_stats().items():
            if "bins" in stats:
                log_p -= log_widths(stats["bins"], test[column].to_numpy())
        found[f"{name}/log_p"] = log_p
        drawn = timed(model.sample, found, name)[: len(test)]
        for column in table:
            kind = float if table[column].dtype.kind == "f" else str
            found[f"{name}/draws/{column}"] = drawn[column].to_numpy(dtype=kind)
        print(name, found[f"{name}/fit_s"], log_p.mean(), flush=True)
    return found


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("peer", choices=["zuko", "argn"])
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--at", type=pathlib.Path, default=pathlib.Path("runs"))
    options = parser.parse_args()
    found = {"zuko": zuko_flows, "argn": argn}[options.peer](options.seed)
    options.at.mkdir(parents=True, exist_ok=True)
    np.savez(options.at / f"{options.peer}.npz", seed=options.seed, **found)


if __name__ == "__main__":
    main()
