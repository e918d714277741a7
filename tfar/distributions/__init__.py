"""Joint distributions as TensorFlow Probability distributions, and those that heads need."""

from tfar.distributions.autoregressive import Autoregressive
from tfar.distributions.casting import log_prob
from tfar.distributions.columns import Columns
from tfar.distributions.discretized_logistic import DiscretizedLogisticMixture
from tfar.distributions.mixtures import GaussianMixture, LogisticMixture
from tfar.distributions.policy import Policy

__all__ = [
    "Autoregressive",
    "Columns",
    "DiscretizedLogisticMixture",
    "GaussianMixture",
    "LogisticMixture",
    "Policy",
    "log_prob",
]
