"""Families of distributions that heads need, as distributions of TensorFlow Probability."""

from tfar.distributions.casting import log_prob
from tfar.distributions.columns import Columns
from tfar.distributions.discretized_logistic import DiscretizedLogisticMixture
from tfar.distributions.mixtures import GaussianMixture, LogisticMixture

__all__ = [
    "Columns",
    "DiscretizedLogisticMixture",
    "GaussianMixture",
    "LogisticMixture",
    "log_prob",
]
