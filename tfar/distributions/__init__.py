"""Families of distributions that heads need, as distributions of TensorFlow Probability."""

from tfar.distributions.atoms import WithAtoms
from tfar.distributions.casting import log_prob
from tfar.distributions.columns import Columns
from tfar.distributions.discretized_logistic import DiscretizedLogisticMixture
from tfar.distributions.integers import IntegerMixture
from tfar.distributions.mixtures import GaussianMixture, LogisticMixture

__all__ = [
    "Columns",
    "DiscretizedLogisticMixture",
    "GaussianMixture",
    "IntegerMixture",
    "LogisticMixture",
    "WithAtoms",
    "log_prob",
]
