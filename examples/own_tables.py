"""Small tables of real numbers: `tfar.fit_table` beside scikit-learn, the table of docs/tables.md.

    python examples/own_tables.py [--seed 0] [--write]

scikit-learn's iris, wine, diabetes and breast cancer, every column taken as real; 70 % of the rows
are fitted to and the others scored, in nats a row and in raw units. `tfar.fit_table` has its
defaults. Of scikit-learn's Gaussian mixtures (1 to 10 components; full, tied and diagonal
covariances) and kernel densities (nine bandwidths), on standardised columns, five-fold
cross-validation chooses. Then three tenths of the entries of the test rows are hidden, at random:
the root of the mean squared error, in standard deviations of a column, of the mean of 100
completions (as `tfar.tables.impute`), and how many of the hidden entries lie between the tenth and
the ninetieth percent of them (as `tfar.tables.quantiles`).
"""

import argparse
import json
import os
import pathlib
import time
import warnings

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np
import pandas as pd
from sklearn.datasets import load_breast_cancer, load_diabetes, load_iris, load_wine
from sklearn.mixture import GaussianMixture
from sklearn.model_selection import KFold, train_test_split
from sklearn.neighbors import KernelDensity
from sklearn.preprocessing import StandardScaler

from tfar import tables

HERE = pathlib.Path(__file__).parent
PAGE = HERE.parent / "docs" / "tables.md"
START, END = "<!-- examples/own_tables.py -->", "<!-- end -->"
SETS = {
    "iris": load_iris,
    "wine": load_wine,
    "diabetes": lambda: load_diabetes(scaled=False),
    "breast_cancer": load_breast_cancer,
}
DRAWS = 100


def mixtures(seed):
    for covariance in ("full", "tied", "diag"):
        for k in (1, 2, 3, 4, 5, 6, 8, 10):
            yield GaussianMixture(k, covariance_type=covariance, reg_covar=1e-4, random_state=seed)


def kernels(seed):
    yield from (KernelDensity(bandwidth=h) for h in np.geomspace(0.05, 2, 9))


def chosen(models, x, seed):
    """The one with the highest cross-validated log p, fitted to all rows."""
    folds = list(KFold(5, shuffle=True, random_state=seed).split(x))
    scores = []
    for model in models:
        scores.append(np.mean([model.fit(x[a]).score_samples(x[b]).mean() for a, b in folds]))
    return models[int(np.argmax(scores))].fit(x)


def hidden(model, test, std, seed):
    """``(RMSE, coverage)`` of completions where three tenths of the entries are hidden."""
    gone = np.random.default_rng(seed).random(test.shape) < 0.3
    lacking = test.mask(gone)
    draws = tables.draws(model, lacking, DRAWS, seed=seed).to_numpy().reshape(DRAWS, *test.shape)
    errors = ((draws.mean(axis=0) - test) / std).to_numpy()[gone]
    low, high = np.quantile(draws, [0.1, 0.9], axis=0, method="weibull")  # as `tables.quantiles`
    inside = (test.to_numpy() >= low) & (test.to_numpy() <= high)
    return float(np.sqrt((errors**2).mean())), float(inside[gone].mean())


def measure(name, seed):
    """The row of a set."""
    x = SETS[name]().data
    columns = [f"column {i}" for i in range(x.shape[1])]
    train, test = (
        pd.DataFrame(part, columns=columns)
        for part in train_test_split(x, test_size=0.3, random_state=seed)
    )
    start = time.perf_counter()
    model = tables.fit_table(train, kinds=dict.fromkeys(columns, "real"), seed=seed, verbose=0)
    seconds = time.perf_counter() - start
    ours = tables.log_prob(model, test)
    scale = StandardScaler().fit(train.to_numpy())
    a, b = scale.transform(train.to_numpy()), scale.transform(test.to_numpy())
    units = np.log(scale.scale_).sum()
    row = {"set": name, "seed": seed, "rows": len(train), "columns": x.shape[1], "fit_s": seconds}
    row["fit_table"] = float(ours.mean())
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of mixtures that have not converged
        for other, models in (("mixture", mixtures(seed)), ("kernels", kernels(seed))):
            theirs = chosen(list(models), a, seed).score_samples(b) - units
            gap = ours - theirs
            row[other] = float(theirs.mean())
            row[f"{other}_gap"] = float(gap.mean())
            row[f"{other}_error"] = float(gap.std(ddof=1) / np.sqrt(len(gap)))
    row["rmse"], row["coverage"] = hidden(model, test, scale.scale_, seed)
    return row


def table(rows):
    """The lines of the table in Markdown."""
    yield "| set | fit | `fit_table` | mixture, CV | kernels, CV | RMSE | 80 % interval |"
    yield "|---|---|---|---|---|---|---|"
    for row in rows:
        others = " | ".join(
            f"{row[name]:.2f} ({row[name + '_gap']:+.2f} ± {row[name + '_error']:.2f})"
            for name in ("mixture", "kernels")
        )
        label = f"{row['set']}, {row['rows']} x {row['columns']} | {row['fit_s']:.0f} s"
        completed = f"{row['rmse']:.3f} | {100 * row['coverage']:.0f} %"
        yield f"| {label} | {row['fit_table']:.2f} | {others} | {completed} |"


def filled(page, held):
    """A page with the table between the marks."""
    before, _, rest = page.partition(START)
    return "\n".join([before + START, "", *table(held), "", END + rest.partition(END)[2]])


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--write", action="store_true")
    options = parser.parse_args()
    rows = []
    for name in SETS:
        row = measure(name, options.seed)
        print({k: round(v, 3) if isinstance(v, float) else v for k, v in row.items()}, flush=True)
        rows.append(row)
    print("\n".join(table(rows)))
    if options.write:
        (HERE / "own_tables.json").write_text(json.dumps(rows, indent=1) + "\n")
        PAGE.write_text(filled(PAGE.read_text(), rows))


if __name__ == "__main__":
    main()
