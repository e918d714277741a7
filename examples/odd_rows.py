"""Odd rows of ADBench's tables, beside scikit-learn's detectors: the table of docs/using.md.

    python examples/odd_rows.py FOLDER [--tables NAME ...] [--seed 0] [--write]

FOLDER has .npz files of "X" [N, d] and "y", 1 for an anomaly, from the repository ADBench (Han et
al., NeurIPS 2022). All detectors learn from a random half of the normal rows, at most 10,000, and
are tried on the others, at most 7,500, and on the anomalies, at most 2,500. Nothing is chosen by
table: ours are `tfar.models.KernelDensity` with a bandwidth of a tenth of a column's standard
deviation; and `tfar.fit_table` with a noise of as much, 2,000 steps of training, and the scores
"pseudolikelihood" and "likelihood". The others take
standardised columns: the distance to the fifth neighbour, LOF of 20 neighbours, an isolation
forest, and a one-class SVM on at most 5,000 rows. Figures are AUROC. ``--write`` adds each table's
row to odd_rows.json as soon as it is there, and writes the page.
"""

import argparse
import json
import math
import os
import pathlib
import time

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np
import pandas as pd
from sklearn.ensemble import IsolationForest
from sklearn.metrics import roc_auc_score
from sklearn.neighbors import LocalOutlierFactor, NearestNeighbors
from sklearn.preprocessing import StandardScaler
from sklearn.svm import OneClassSVM

import tfar
from tfar import tables
from tfar.anomaly import scores
from tfar.models import KernelDensity

HERE = pathlib.Path(__file__).parent
PAGE = HERE.parent / "docs" / "using.md"
START, END = "<!-- examples/odd_rows.py -->", "<!-- end -->"
STEPS = 2000
OURS = {
    "kernels": "`KernelDensity`, likelihood",
    "pseudolikelihood": "`fit_table`, pseudolikelihood",
    "likelihood": "`fit_table`, likelihood",
}
OTHERS = "kNN", "LOF", "IForest", "OCSVM"


def split(x, y, seed):
    """``(train, test, odd)``: rows, rows, and which of the latter are anomalies."""
    rng = np.random.RandomState(seed)
    normal, anomalies = np.flatnonzero(y == 0), np.flatnonzero(y == 1)
    normal = normal[rng.permutation(len(normal))]
    anomalies = anomalies[rng.permutation(len(anomalies))][:2500]
    half = len(normal) // 2
    test = np.concatenate([normal[half:][:7500], anomalies])
    return x[normal[:half][:10_000]], x[test], y[test]


def others(train, test, seed):
    """``{name: scores}`` of scikit-learn's detectors, higher for odder rows."""
    scale = StandardScaler().fit(train)
    train, test = scale.transform(train), scale.transform(test)
    few = train[np.random.RandomState(seed).permutation(len(train))[:5000]]
    neighbours = min(5, len(train))
    near = NearestNeighbors(n_neighbors=neighbours).fit(train).kneighbors(test)[0]
    lof = LocalOutlierFactor(n_neighbors=min(20, len(train) - 1), novelty=True).fit(train)
    return {
        "kNN": near[:, -1],
        "LOF": -lof.score_samples(test),
        "IForest": -IsolationForest(random_state=seed).fit(train).score_samples(test),
        "OCSVM": -OneClassSVM(gamma="scale").fit(few).score_samples(test),
    }


def ours(train, test, seed):
    """As `others`, and the seconds that fitting and scoring took."""
    names = [f"column {i}" for i in range(train.shape[1])]
    frames = [pd.DataFrame(x, columns=names) for x in (train, test)]
    kept = round(0.9 * len(train))  # the others are held out
    batch_size = min(200, kept)
    epochs = math.ceil(STEPS / (kept // batch_size))
    start = time.perf_counter()
    model = tfar.fit_table(
        frames[0],
        family="orderless",
        kinds=dict.fromkeys(names, "real"),
        components=10,
        noise=0.1,
        batch_size=batch_size,
        epochs=epochs,
        patience=math.ceil(0.4 * epochs),
        validate_every=math.ceil(epochs / 40),
        dropout=0.1,
        num_orders=4,
        seed=seed,
        verbose=0,
    )
    middle = time.perf_counter()
    x = tables.to_array(model.head.columns, frames[1])
    found = {
        "pseudolikelihood": -scores.pseudolikelihood(model, x),
        "likelihood": -scores.likelihood(model, x),
    }
    return found, middle - start, time.perf_counter() - middle


def by_kernels(train, test):
    """As `others`, of kernels at all training rows."""
    kernels = KernelDensity.of(train.astype(np.float32))
    return {"kernels": -scores.likelihood(kernels, test.astype(np.float32))}


def measure(path, seed):
    """The row of a table."""
    with np.load(path, allow_pickle=True) as file:
        x, y = file["X"].astype(np.float64), file["y"].astype(int)
    train, test, odd = split(x, y, seed)
    own, fit_s, score_s = ours(train, test, seed)
    found = {**by_kernels(train, test), **own, **others(train, test, seed)}
    auroc = {name: float(roc_auc_score(odd, each)) for name, each in found.items()}
    sizes = {"rows": len(train), "columns": x.shape[1], "tested": len(test)}
    return {"table": path.stem, "seed": seed, **sizes, "fit_s": fit_s, "score_s": score_s, **auroc}


def table(rows):
    """The lines of the table in Markdown: the means, and their paired differences from kNN's."""
    yield f"| {len(rows)} tables, AUROC in % | mean | less kNN's |"
    yield "|---|---|---|"
    for name in (*OURS, *OTHERS):
        each = 100 * np.array([row[name] for row in rows])
        less = each - 100 * np.array([row["kNN"] for row in rows])
        error = less.std(ddof=1) / np.sqrt(len(less)) if len(less) > 1 else 0.0
        label = OURS.get(name, name)
        gap = "" if name == "kNN" else f"{less.mean():+.2f} ± {error:.2f}"
        yield f"| {label} | {each.mean():.2f} | {gap} |"


def filled(page, held):
    """A page with the table between the marks."""
    before, _, rest = page.partition(START)
    return "\n".join([before + START, "", *table(held), "", END + rest.partition(END)[2]])


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("--tables", nargs="+", metavar="NAME")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--write", action="store_true")
    options = parser.parse_args()
    path = HERE / "odd_rows.json"
    held = json.loads(path.read_text()) if path.exists() else []
    files = sorted(options.folder.glob("*.npz"), key=lambda p: int(p.stem.split("_")[0]))
    found = []
    for file in files:
        if options.tables and file.stem not in options.tables:
            continue
        row = measure(file, options.seed)
        print({k: round(v, 4) if isinstance(v, float) else v for k, v in row.items()}, flush=True)
        found.append(row)
        held = [other for other in held if other["table"] != file.stem] + [row]
        if options.write:
            path.write_text(json.dumps(held, indent=1) + "\n")
            PAGE.write_text(filled(PAGE.read_text(), held))
    print("\n".join(table(found)))


if __name__ == "__main__":
    main()
