"""PixelCNN++.

#### References
T. Salimans, A. Karpathy, X. Chen, D. P. Kingma. PixelCNN++: Improving the PixelCNN with Discretized
Logistic Mixture Likelihood and Other Modifications. ICLR 2017.
P. Ramachandran, T. Le Paine, P. Khorrami, M. Babaeizadeh, S. Chang, Y. Zhang, M. Hasegawa-Johnson,
R. Campbell, T. Huang. Fast Generation for Convolutional Autoregressive Models. ICLR 2017 workshop.
"""

from typing import Any

import keras

from tfar import conditions, heads
from tfar.arguments import flag, integers
from tfar.layers import Causal, MultiscaleStreams
from tfar.models.base import AutoregressiveModel
from tfar.models.images import image_sites, output_layers
from tfar.typing import Order, Shape


@keras.saving.register_keras_serializable(package="tfar")
class PixelCNNpp(AutoregressiveModel):
    """p(x) = prod_i p(x_i | x_<i), with a pixel's colours x_i modelled as a whole.

    The network is `MultiscaleStreams`. The paper's head is a mixture of discretized logistic
    distributions, `tfar.heads.DiscretizedLogisticMixture`; any other with one site per pixel works
    too.

    Args:
      event_shape: (H, W, C).
      filters: channels of both streams.
      resnets: blocks per resolution on the way down.
      levels: number of resolutions; 2^(levels - 1) must divide H and W.
      head: default ``tfar.heads.DiscretizedLogisticMixture(5, channels=C)``.
      order: see `tfar.orders.get`. Neighbours in the order should be neighbours in the image, as
        in "raster" and "reversed".
      num_classes, condition: what the model is conditioned on, if anything: see
        `tfar.models.AutoregressiveModel`.
      positions: whether every site has biases of its own after the last layer.
      dropout: rate in the blocks.
      **kwargs: passed to ``keras.Model``.

    Raises:
      ValueError: if ``event_shape`` is not that of an image that can be halved so often, or the
        head has several sites per pixel.

    >>> model = PixelCNNpp([8, 8, 3], filters=8, resnets=1, levels=2)
    >>> model.joint().sample(2, seed=1).shape
    TensorShape([2, 8, 8, 3])
    """

    def __init__(
        self,
        event_shape: Shape,
        filters: int = 32,
        resnets: int = 2,
        *,
        levels: int = 3,
        head: heads.Head | str | None = None,
        order: Order = "raster",
        num_classes: int | None = None,
        positions: bool = True,
        dropout: float = 0.0,
        condition: conditions.Condition | None = None,
        **kwargs: Any,
    ) -> None:
        if head is None:
            *_, channels = integers("event_shape (H, W, C)", event_shape, least=1, count=3)
            head = heads.DiscretizedLogisticMixture(5, channels=channels)
        head, positions = heads.get(head), flag("positions", positions)
        condition = conditions.get(condition, num_classes)
        height, width, subpixels = image_sites(event_shape, head)
        if subpixels > 1:
            raise ValueError(
                f"PixelCNN++ needs one site per pixel, and {head} has {subpixels} here."
            )
        dtype = kwargs.get("dtype")
        network = [
            MultiscaleStreams(
                filters,
                resnets,
                levels=levels,
                image_shape=(height, width),
                condition_size=conditions.size(condition),
                dropout=dropout,
                dtype=dtype,
            ),
            *output_layers(head, (height, width), subpixels=1, positions=positions),
        ]
        self.hyperparameters = {
            "filters": int(filters),
            "resnets": int(resnets),
            "levels": int(levels),
            "positions": positions,
            "dropout": float(dropout),
        }
        network = Causal(network, dtype=dtype)
        super().__init__(network, event_shape, head, order=order, condition=condition, **kwargs)
