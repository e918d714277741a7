"""The models, one file per paper."""

from tfar.models.base import AutoregressiveModel
from tfar.models.char_rnn import CharRNN
from tfar.models.fvsbn import FVSBN
from tfar.models.gated_pixel_cnn import GatedPixelCNN
from tfar.models.gmm import GMM
from tfar.models.kernel_density import KernelDensity
from tfar.models.logit_average import logit_average
from tfar.models.made import MADE
from tfar.models.mixture import Mixture
from tfar.models.nade import NADE
from tfar.models.orderless import AnyOrder
from tfar.models.orderless_nade import OrderlessNADE
from tfar.models.pixel_cnn import PixelCNN
from tfar.models.pixel_cnn_pp import PixelCNNpp
from tfar.models.pixel_rnn import PixelRNN
from tfar.models.rnade import RNADE
from tfar.models.sequence import SequenceModel
from tfar.models.transformer import Transformer

__all__ = [
    "FVSBN",
    "GMM",
    "MADE",
    "NADE",
    "RNADE",
    "AnyOrder",
    "AutoregressiveModel",
    "CharRNN",
    "GatedPixelCNN",
    "KernelDensity",
    "Mixture",
    "OrderlessNADE",
    "PixelCNN",
    "PixelCNNpp",
    "PixelRNN",
    "SequenceModel",
    "Transformer",
    "logit_average",
]
