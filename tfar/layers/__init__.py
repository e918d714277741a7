"""Causal layers: every site in parallel by `call`, one site at a time by `step`."""

from tfar.layers.base import Causal, CausalLayer, Composite, Pointwise, Shift, Sum
from tfar.layers.dense import MaskedDense

__all__ = ["Causal", "CausalLayer", "Composite", "MaskedDense", "Pointwise", "Shift", "Sum"]
