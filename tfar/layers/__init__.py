"""Causal layers: every site in parallel by `call`, some sites at a time by `step`."""

from tfar.layers.attention import CausalSelfAttention
from tfar.layers.base import CausalLayer
from tfar.layers.biases import ConditionBias, SiteBias
from tfar.layers.components import Components
from tfar.layers.composition import (
    Causal,
    Composite,
    Pointwise,
    Shift,
    Sum,
    WeightedSum,
    residual_block,
)
from tfar.layers.conv import CausalConv2D
from tfar.layers.dense import Dense, MaskedDense
from tfar.layers.multiscale import MultiscaleStreams
from tfar.layers.orderless_hidden import OrderlessHidden
from tfar.layers.own_sizes import OwnSizes
from tfar.layers.patches import Patches
from tfar.layers.pixel_lstm import DiagonalBiLSTM, RowLSTM
from tfar.layers.recurrent import Recurrent
from tfar.layers.schedule import Plan, Schedule, Sites, WholeRows, one_by_one
from tfar.layers.stacks import GatedStacks, RowConv2D
from tfar.layers.tied import Tied
from tfar.layers.tied_hidden import TiedHidden
from tfar.layers.triangular import TriangularDense

__all__ = [
    "Causal",
    "CausalConv2D",
    "CausalLayer",
    "CausalSelfAttention",
    "Components",
    "Composite",
    "ConditionBias",
    "Dense",
    "DiagonalBiLSTM",
    "GatedStacks",
    "MaskedDense",
    "MultiscaleStreams",
    "OrderlessHidden",
    "OwnSizes",
    "Patches",
    "Plan",
    "Pointwise",
    "Recurrent",
    "RowConv2D",
    "RowLSTM",
    "Schedule",
    "Shift",
    "SiteBias",
    "Sites",
    "Sum",
    "Tied",
    "TiedHidden",
    "TriangularDense",
    "WeightedSum",
    "WholeRows",
    "one_by_one",
    "residual_block",
]
