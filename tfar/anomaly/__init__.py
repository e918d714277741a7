"""Anomalies: which examples a density model finds odd, with p-values that hold.

A model's log p(x) alone misleads: models of clothes find digits more likely than clothes. See
`Detector` for scores that do better, and `report` for figures with intervals.

#### References
E. Nalisnick, A. Matsukawa, Y. W. Teh, D. Gorur, B. Lakshminarayanan. Do Deep Generative Models Know
What They Don't Know? ICLR 2019.
"""

from tfar.anomaly.detector import Detector
from tfar.anomaly.figures import report
from tfar.anomaly.parts import cells, surprise
from tfar.anomaly.scores import (
    complexity,
    likelihood,
    product,
    pseudolikelihood,
    ratio,
    typicality,
)

__all__ = [
    "Detector",
    "cells",
    "complexity",
    "likelihood",
    "product",
    "pseudolikelihood",
    "ratio",
    "report",
    "surprise",
    "typicality",
]
