"""Sampling: the joint distribution, the one loop that draws from it, and policies."""

from tfar.sampling.completion import Completion
from tfar.sampling.joint import Autoregressive
from tfar.sampling.policy import Policy

__all__ = ["Autoregressive", "Completion", "Policy"]
