"""RNADE on the wine data, in ten folds, compared with the papers.

    python benchmarks/wine.py [--folds 10] [--json benchmarks/wine.json]

Log-likelihoods of the test folds in nats, in units of the training part's standard deviations. One
of the nine other folds decides when to stop, see `tfar.datasets.wine_quality_red`. The error is
that of the mean over the folds. It takes about 25 minutes on one core.
"""

import argparse
import os
import tempfile

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np
from timing import save

# RNADE with mixtures of Gaussians (Uria et al. 2013), and the best of Uria et al. 2014.
PAPERS = {"red": (-9.36, -8.76), "white": (-10.23, -9.67)}


def network(x):
    """Chosen on the validation part of fold 0 of the red wines, among 50 to 400 hidden units, 10
    or 20 Gaussians or logistics, and dropout of 0 to 0.6."""
    import tfar

    head = tfar.heads.LogisticMixture(20)
    return tfar.models.RNADE(x.shape[1:], hidden=200, head=head, dropout=0.5)


def fold(colour, number, epochs):
    """The mean log-likelihood of validation and test examples."""
    import tfar

    read = getattr(tfar.datasets, f"wine_quality_{colour}")
    data = {split: read(split, fold=number) for split in ("train", "validation", "test")}
    recipe = tfar.training.Recipe(
        name=f"rnade_wine_{colour}",
        summary="RNADE.",
        dataset=f"wine_quality_{colour}",
        model=network,
        paper={"none": "see the table"},
        epochs=epochs,
        batch_size=100,
        learning_rate=3e-3,
        clip_norm=1.0,
        ema=0.99,
        patience=epochs // 4,
    )
    with tempfile.TemporaryDirectory() as folder:
        model = tfar.training.train(recipe, folder, data=data, verbose=0)
    return [float(np.mean(model.predict(data[s], verbose=0))) for s in ("validation", "test")]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--folds", type=int, default=10)
    parser.add_argument("--json")
    arguments = parser.parse_args()
    rows = []
    print("| wine | test log-likelihood, nats | validation | RNADE 2013 | best of 2014 |")
    print("|---|---|---|---|---|")
    for colour, epochs in (("red", 400), ("white", 200)):
        scores = np.array([fold(colour, k, epochs) for k in range(arguments.folds)])
        validation, test = scores.mean(axis=0)
        error = scores[:, 1].std(ddof=1) / len(scores) ** 0.5 if len(scores) > 1 else np.nan
        first, best = PAPERS[colour]
        print(
            f"| {colour} | {test:.2f} ± {error:.2f} | {validation:.2f} | {first} | {best} |",
            flush=True,
        )
        rows.append(
            {"wine": colour, "test": test, "standard_error": error, "folds": scores.tolist()}
        )
    if arguments.json:
        save(rows, arguments.json)


if __name__ == "__main__":
    main()
