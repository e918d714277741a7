"""The models, one file a paper."""

from tfar.models.base import AutoregressiveModel
from tfar.models.fvsbn import FVSBN
from tfar.models.made import MADE
from tfar.models.nade import NADE

__all__ = ["FVSBN", "MADE", "NADE", "AutoregressiveModel"]
