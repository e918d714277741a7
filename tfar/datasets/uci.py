"""The eight binary data sets on which the NADE and MADE papers report."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tfar.datasets.source import Source

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np

_MADE = "https://github.com/mgermain/MADE"
_RAW = "https://raw.githubusercontent.com/mgermain/MADE/master/datasets"


def _source(name: str, rows: tuple[int, int, int], size: int, sha256: str | None = None) -> Source:
    file = f"{name}.npz"
    url = f"{_MADE}/releases/download/ICML2015/{file}" if name == "rcv1" else f"{_RAW}/{file}"
    return Source(
        name=name,
        builder=f"uci_binary/{name}",
        sizes=dict(zip(("train", "validation", "test"), rows, strict=True)),
        feature="x",
        shape=(size,),
        urls={file: url},
        sha256={file: sha256} if sha256 else {},
        registers="tfar.datasets.uci_binary",
    )


# Sizes as the papers state them. The checksums are of files that we have had; of the other files
# the shapes and values are verified.
SOURCES = {
    source.name: source
    for source in (
        _source("adult", (5_000, 1_414, 26_147), 123),
        _source("connect4", (16_000, 4_000, 47_557), 126),
        _source(
            "dna",
            (1_400, 600, 1_186),
            180,
            "df2d2e7ce1469edfead15e41024e108d64f1b4633cfecfc40ef7107cc22c895c",
        ),
        _source(
            "mushrooms",
            (2_000, 500, 5_624),
            112,
            "4130f1defa3033911fe746a3ab1bb22b0c812bb29e68391a0fbc2d65bab6ae74",
        ),
        _source(
            "nips",
            (400, 100, 1_240),
            500,
            "dbf3b659a49670957c0851971bd51ff952a657f010581d12f6c1e2dca8907b20",
        ),
        _source("ocr_letters", (32_152, 10_000, 10_000), 128),
        _source("rcv1", (40_000, 10_000, 150_000), 150),
        _source("web", (14_000, 3_188, 32_561), 300),
    )
}

_DOC = """{what}

    One of the eight binary data sets of the NADE and MADE papers, in their splits. Rows are in the
    order of the file that MADE's authors published.

    Args:
      split: {splits}.
      download: whether a missing file may be downloaded.

    Returns:
      uint8 [N, {size}] of zeros and ones.

    Raises:
      ValueError: no such split, or a file that is not the published one.
      FileNotFoundError: not on this machine, and not downloaded; the message says how to get it.

    #### References
    [1] H. Larochelle and I. Murray. The Neural Autoregressive Distribution Estimator.
        AISTATS 2011.
    [2] M. Germain, K. Gregor, I. Murray and H. Larochelle. MADE: Masked Autoencoder for
        Distribution Estimation. ICML 2015.
    Source: {url}
    {verified}
    """


def _function(name: str, what: str) -> Callable[..., np.ndarray]:
    """Returns the public function of a data set, with its docstring."""
    source = SOURCES[name]
    (file, url), (size,) = *source.urls.items(), source.shape

    def read(split: str, *, download: bool = True) -> np.ndarray:
        return source.read(split, download=download)["x"]

    read.__name__ = read.__qualname__ = name
    read.__doc__ = _DOC.format(
        what=what,
        splits=", ".join(f'"{split}" ({rows:,} rows)' for split, rows in source.sizes.items()),
        size=size,
        url=url,
        verified=f"The file's SHA-256 is verified: {source.sha256[file]}."
        if file in source.sha256
        else "We have not had this file: its address is the one that MADE's authors give, its\n"
        "    SHA-256 is unknown, and only its shapes and values are verified.",
    )
    return read


adult = _function("adult", "Adult: census records, 14 attributes made binary (LIBSVM's a5a).")
connect4 = _function(
    "connect4", "Connect-4: positions of the game, three bits for each of 42 squares."
)
dna = _function(
    "dna",
    """DNA: splice junctions, 60 nucleotides of three bits each (StatLog).

    The literature has two splits, this one and 1,600 / 400 / 1,186 rows: state the sizes with every
    figure.""",
)
mushrooms = _function("mushrooms", "Mushrooms: 21 categorical attributes, one bit for each value.")
nips = _function("nips", "NIPS 0-12: which of 500 words a paper of that conference uses.")
ocr_letters = _function("ocr_letters", "OCR letters: 16 x 8 images of handwritten letters.")
rcv1 = _function("rcv1", "RCV1: which of 150 words a Reuters news story uses.")
web = _function("web", "Web: which of 300 keywords a web page has (LIBSVM's w6a).")
