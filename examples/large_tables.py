"""Large tables: `tfar.fit_table` with a budget, the second table of docs/tables.md.

    python examples/large_tables.py [--seed 0] [--write]

Made-up tables whose density is known exactly, so that log p of held-out rows has a best value.
Each column is given its parents, one or two columns to its left: categories by a table of random
probabilities, reals by a normal distribution round a curve of the parents, for some of its rows
another one. 3,000 rows more are held out. `tfar.fit_table` has its defaults but for the budget, and
is measured in a process of its own: time, and the largest memory.
"""

import argparse
import json
import os
import pathlib
import subprocess
import sys
import time

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np
import pandas as pd

HERE = pathlib.Path(__file__).parent
PAGE = HERE.parent / "docs" / "tables.md"
START, END = "<!-- examples/large_tables.py -->", "<!-- end of large tables -->"
HELD_OUT = 3000
# name: (rows, columns, budget in seconds, questions)
RUNS = {
    "5,000 x 20, a minute": (5000, 20, 60, "any"),
    "30,000 x 40, five minutes": (30_000, 40, 300, "any"),
    "30,000 x 40, ten minutes": (30_000, 40, 600, "any"),
    "30,000 x 40, five minutes, prefixes": (30_000, 40, 300, "prefix"),
    "5,000 x 300, five minutes": (5000, 300, 300, "any"),
}


def made_up(rows, columns, seed):
    """``(table, log p)`` of rows of a random network of columns."""
    rng = np.random.default_rng([seed, columns])
    draws = np.random.default_rng([seed, columns, rows])
    values, table, log_p = [], {}, np.zeros(rows)
    for i in range(columns):
        parents = rng.choice(i, size=min(i, 2), replace=False) if i else []
        if rng.random() < 0.5:
            count = int(rng.integers(2, 8))
            logits = rng.normal(size=[count, 1]) + sum(
                rng.normal(size=[count, 3]) @ _features(values[j]) for j in parents
            )
            p = np.exp(logits) / np.exp(logits).sum(axis=0)
            p = np.broadcast_to(p, [count, rows])
            drawn = (draws.random(rows) > np.cumsum(p, axis=0)).sum(axis=0).clip(max=count - 1)
            log_p += np.log(p[drawn, np.arange(rows)])
            table[f"c{i}"] = np.array([f"v{k}" for k in range(count)])[drawn]
            values.append(drawn - (count - 1) / 2)
        else:
            shift, share = rng.normal(scale=3), rng.uniform(0.1, 0.5)
            mean = sum(rng.normal(size=3) @ _features(values[j]) for j in parents) + np.zeros(rows)
            scale = rng.uniform(0.2, 1)
            x = mean + scale * draws.normal(size=rows) + shift * (draws.random(rows) < share)
            each = [_normal(x, mean, scale), _normal(x, mean + shift, scale)]
            log_p += np.log((1 - share) * np.exp(each[0]) + share * np.exp(each[1]) + 1e-300)
            table[f"x{i}"] = x
            values.append(np.tanh(x))
    return pd.DataFrame(table), log_p


def _features(value):
    return np.stack([value, np.sin(2 * value), value**2 / 4])


def _normal(x, mean, scale):
    return -0.5 * ((x - mean) / scale) ** 2 - np.log(scale) - 0.5 * np.log(2 * np.pi)


def measure(rows, columns, budget, questions, seed):
    """What one process measures: a fit and what it is worth."""
    import resource

    from tfar import tables

    frame, log_p = made_up(rows + HELD_OUT, columns, seed)
    train, test, truth = frame[:rows], frame[rows:], log_p[rows:]
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    start = time.perf_counter()
    found = tables.fit(train, budget=budget, questions=questions, seed=seed, verbose=0)
    fit_s = time.perf_counter() - start
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    gap = tables.log_prob(found.model, test) - truth
    start = time.perf_counter()
    tables.sample(found.model, 1000, seed=1)
    sample_s = time.perf_counter() - start
    return {
        "rows": rows,
        "columns": columns,
        "budget_s": budget,
        "family": found.family,
        "fit_s": fit_s,
        "memory_mb": memory / 1024,
        "truth": float(truth.mean()),
        "gap": float(gap.mean()),
        "gap_error": float(gap.std(ddof=1) / len(gap) ** 0.5),
        "sample_s": sample_s,
    }


def lines(rows):
    """The lines of the table in Markdown."""
    yield "| table, budget | family | fit | memory | best log p | below it | 1,000 draws |"
    yield "|---|---|---|---|---|---|---|"
    for name, row in rows.items():
        yield (
            f"| {name} | {row['family']} | {row['fit_s']:.0f} s | {row['memory_mb']:.0f} MB "
            f"| {row['truth']:.2f} | {-row['gap']:.2f} ± {row['gap_error']:.2f} "
            f"| {row['sample_s']:.1f} s |"
        )


def filled(page, rows):
    """A page with the table between the marks."""
    before, _, rest = page.partition(START)
    return "\n".join([before + START, "", *lines(rows), "", END + rest.partition(END)[2]])


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", choices=RUNS, help="One run, in this process.")
    parser.add_argument("--write", action="store_true")
    options = parser.parse_args()
    if options.only:
        print(json.dumps(measure(*RUNS[options.only], options.seed)))
        return
    rows = {}
    for name in RUNS:
        command = [sys.executable, __file__, "--only", name, "--seed", str(options.seed)]
        done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
        rows[name] = json.loads(done.stdout.splitlines()[-1])
        print({k: round(v, 3) if isinstance(v, float) else v for k, v in rows[name].items()})
    print("\n".join(lines(rows)))
    if options.write:
        (HERE / "large_tables.json").write_text(json.dumps(rows, indent=1) + "\n")
        PAGE.write_text(filled(PAGE.read_text(), rows))


if __name__ == "__main__":
    main()
