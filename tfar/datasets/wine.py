"""Chemical measurements of red and white wines: tables of real values, in ten folds."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tfar.datasets.source import Source, check_split

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np

COLUMNS = (
    "fixed acidity",
    "volatile acidity",
    "citric acid",
    "residual sugar",
    "chlorides",
    "free sulfur dioxide",
    "total sulfur dioxide",
    "density",
    "pH",
    "sulphates",
    "alcohol",
)
FOLDS = 10
SEED = 0

_UCI = "https://archive.ics.uci.edu/ml/machine-learning-databases/wine-quality"


def _source(colour: str, rows: int, size: int, sha256: str) -> Source:
    file = f"winequality-{colour}.csv"
    return Source(
        name=f"wine_quality_{colour}",
        builder=f"wine_quality/{colour}",
        sizes={"all": rows},
        feature="quality",  # the only TFDS feature that has no others in it
        shape=(),
        urls={file: f"{_UCI}/{file}"},
        tfds_splits={"all": "train"},
        tfds_lacks={file: (size, sha256)},
    )


# Sizes and SHA-256 as the repository of TFDS registers them.
SOURCES = {
    "red": _source(
        "red", 1_599, 84_199, "4a402cf041b025d4566d954c3b9ba8635a3a8a01e039005d97d6a710278cf05e"
    ),
    "white": _source(
        "white", 4_898, 264_426, "76c3f809815c17c07212622f776311faeb31e87610d52c26d87d6e361b169836"
    ),
}

_DOC = """Wine quality, {colour}: 11 physical and chemical measurements of each of {rows:,} wines.

    Columns are in the order of the original file, `tfar.datasets.wine.COLUMNS`: fixed acidity,
    volatile acidity, citric acid, residual sugar, chlorides, free sulfur dioxide, total sulfur
    dioxide, density, pH, sulphates, alcohol.

    The set has no published splits. The protocol follows [1]: the score, which is discrete, is left
    out, and so would be one of any two columns whose Pearson correlation is above 0.98 (here there
    are none: the largest is {correlation} in absolute value). The rows are permuted by
    ``numpy.random.RandomState(0)`` and cut into 10 parts by ``numpy.array_split``. In fold k, part
    k is the test split, the part after it (after the last, the first) the validation split, and the
    other eight are the training split. The folds of [1] are different: compare means over all
    folds.

    Values were rounded when they were measured, and {repeated} rows are copies of an earlier one.
    No noise is added: a density may gain, without bound, from narrow peaks at frequent values.

    Args:
      split: "train" ({train:,} rows in fold 0), "validation" ({validation}) or "test" ({test}).
      fold: 0 to 9.
      standardized: whether to subtract from each column its mean in the training split of that
        fold, and to divide by its standard deviation there. Figures of [1] are for such values.
        Otherwise values are as measured: acids, sugar, chlorides and sulphates in g/dm3, sulfur
        dioxide in mg/dm3, density in g/cm3, alcohol in % by volume.
      download: whether a missing file may be downloaded ({kilobytes} kB).

    Returns:
      float32 [N, 11].

    Raises:
      ValueError: no such split or fold, or a file that is not the published one.
      FileNotFoundError: not on this machine, and not downloaded; the message says how to get it.

    #### References
    [1] B. Uria, I. Murray and H. Larochelle. RNADE: The Real-valued Neural Autoregressive
        Density-estimator. NIPS 2013.
    [2] P. Cortez, A. Cerdeira, F. Almeida, T. Matos and J. Reis. Modeling wine preferences by data
        mining from physicochemical properties. Decision Support Systems, 2009.
    Source: TFDS `wine_quality/{colour}`, from
        {url}

    >>> tfar.datasets.wine_quality_{colour}("train", fold=10)
    Traceback (most recent call last):
    ...
    ValueError: wine_quality_{colour} has folds 0 to 9, got fold=10
    """


def _function(colour: str, **facts: str | int) -> Callable[..., np.ndarray]:
    """Returns the public function of a data set, with its docstring."""
    source = SOURCES[colour]
    ((file, url),) = source.urls.items()
    rows = source.sizes["all"]

    def read(
        split: str, *, fold: int = 0, standardized: bool = True, download: bool = True
    ) -> np.ndarray:
        import numpy as np

        check_split(source.name, split, ("train", "validation", "test"))
        if fold not in range(FOLDS):
            raise ValueError(f"{source.name} has folds 0 to {FOLDS - 1}, got fold={fold!r}")
        features = source.read("all", download=download)["features"]
        x = np.stack([features[column] for column in COLUMNS], axis=1).astype(np.float32)
        parts = np.array_split(np.random.RandomState(SEED).permutation(rows), FOLDS)
        test, validation, *others = [parts[(int(fold) + i) % FOLDS] for i in range(FOLDS)]
        train = np.concatenate(others)
        chosen = x[{"train": train, "validation": validation, "test": test}[split]]
        if not standardized:
            return chosen
        known = x[train].astype(np.float64)
        return ((chosen - known.mean(axis=0)) / known.std(axis=0)).astype(np.float32)

    read.__name__ = read.__qualname__ = f"wine_quality_{colour}"
    read.__doc__ = _DOC.format(
        colour=colour,
        rows=rows,
        train=rows - 2 * -(-rows // FOLDS),
        validation=-(-rows // FOLDS),
        test=-(-rows // FOLDS),
        kilobytes=source.tfds_lacks[file][0] // 1000,
        url=url,
        **facts,
    )
    return read


wine_quality_red = _function("red", correlation="0.68", repeated=240)
wine_quality_white = _function("white", correlation="0.84", repeated=937)
