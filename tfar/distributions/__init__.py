"""Joint distributions as TensorFlow Probability distributions."""

from tfar.distributions.autoregressive import Autoregressive

__all__ = ["Autoregressive"]
