"""The best figures that others have published on the data sets of the zoo.

Each was seen in its source or in a paper that quotes it; what is only remembered is not here.
"""

from __future__ import annotations

from typing import NamedTuple

__all__ = ["BEST", "Known", "known"]


class Known(NamedTuple):
    """A published figure.

    Attributes:
      value: of a test example or, for texts, of a character.
      unit: "nats" or "bits/dim".
      exact: whether it is -log p(x), or a bound that is not below it.
      what: the model.
      reference: where it was published, and the protocol where it is another one than ours.
    """

    value: float
    unit: str
    exact: bool
    what: str
    reference: str

    @property
    def figure(self) -> str:
        """The value and its unit."""
        value = f"{self.value:.2f}" if self.value >= 10 else f"{self.value:g}"
        return f"{value} {self.unit}"

    def __str__(self) -> str:
        """
        >>> print(Known(78.59, "nats", False, "BIVA", "Maaløe et al. 2019"))
        at most 78.59 nats, a bound (BIVA; Maaløe et al. 2019)
        """
        value = self.figure if self.exact else f"at most {self.figure}, a bound"
        return f"{value} ({self.what}; {self.reference})"


BEST = {
    "binarized_mnist": (
        Known(79.20, "nats", True, "Diagonal BiLSTM", "van den Oord et al. 2016, Pixel RNN"),
        Known(78.59, "nats", False, "BIVA, importance-weighted", "Maaløe et al. 2019"),
    ),
    "dynamic_mnist": (
        Known(
            77.56,
            "nats",
            True,
            "LMConv, a mixture of 8 orders",
            "Jain et al. 2020, Locally Masked Convolution; 60,000 training images",
        ),
        Known(76.93, "nats", False, "CR-NVAE", "Sinha and Dieng 2021"),
    ),
    "mnist": (
        Known(
            0.621,
            "bits/dim",
            True,
            "Transformer, 10 logistics",
            "Katharopoulos et al. 2020, Transformers are RNNs",
        ),
    ),
    "caltech101_silhouettes": (
        Known(88.48, "nats", True, "SpARN, on another split", "Goessling and Amit 2015"),
        Known(77.36, "nats", False, "VLAE, on another split", "Chen et al. 2017"),
    ),
    **dict.fromkeys(
        ("tiny_shakespeare", "tiny_shakespeare, crops"),
        (
            Known(
                1.4697,
                "nats",
                True,
                "nanoGPT, on the last 10 %",
                "github.com/karpathy/nanoGPT; random crops of 256",
            ),
        ),
    ),
    **{
        name: (Known(value, "nats", True, "the best of those compared", "Germain et al. 2015"),)
        for names, value in (
            (("dna", "dna_nucleotides"), 79.66),
            (("mushrooms", "mushrooms_attributes"), 9.55),
            (("nips",), 272.39),
        )
        for name in names
    },
}


def known(dataset: str) -> tuple[Known, ...]:
    """The figures for a data set of `tfar.datasets.list`; none for most.

    After a comma there may be a protocol, see `tfar.kinds.Kind.protocols`.
    """
    return BEST.get(dataset, ())
