"""Gated PixelCNN.

#### References
A. van den Oord, N. Kalchbrenner, O. Vinyals, L. Espeholt, A. Graves, K. Kavukcuoglu. Conditional
Image Generation with PixelCNN Decoders. NIPS 2016.
"""

from typing import Any

import keras

from tfar import arguments, conditions, heads
from tfar.arguments import flag
from tfar.layers import Causal, GatedStacks, SiteBias
from tfar.models.base import AutoregressiveModel
from tfar.models.images import image_sites, output_layers
from tfar.typing import Activation, Order, Shape


@keras.saving.register_keras_serializable(package="tfar")
class GatedPixelCNN(AutoregressiveModel):
    """Two stacks of gated convolutions: p(x_i | x_<i, y), with or without a condition y.

    See `tfar.layers.GatedStacks` for the formulas. The sum of the skip connections passes through
    g and a 1x1 layer to the parameters of the head. The receptive field has no blind spot: a pixel
    sees all earlier pixels that are in reach.

    Every colour of every pixel of an image [H, W, C] is a site, in raster order: R, then G given R,
    then B given R and G. If the head models vectors, every pixel is a site.

    Args:
      event_shape: (H, W, C).
      filters: channels of each stack.
      layers: number of layers.
      kernel_size: size of the convolutions, odd.
      first_kernel_size: size of the first convolutions, odd.
      head: default `tfar.heads.Bernoulli()`.
      order: see `tfar.orders.get`. Neighbours in the order should be neighbours in the image, as
        in "raster" and "reversed".
      num_classes: K, if the model is conditional: inputs are then
        ``{"x": [B, H, W, C], "condition": [B]}`` with labels 0 ... K - 1, and the joint is
        ``model.joint(condition=labels)``.
      positions: whether every site has biases of its own before g and after the last layer. The
        paper has none, but digits are in the middle of their images.
      activation: g.
      dropout: rate for the gated channels of the horizontal stack in training.
      condition: as ``num_classes``, but of any kind, see `tfar.conditions`.
      **kwargs: passed to ``keras.Model``.

    Raises:
      ValueError: if ``event_shape`` is not that of an image.

    >>> model = GatedPixelCNN([8, 8, 1], filters=8, layers=3, num_classes=10)
    >>> joint = model.joint(condition=[3, 7])
    >>> joint.batch_shape, joint.sample(5, seed=1).shape
    (TensorShape([2]), TensorShape([5, 2, 8, 8, 1]))
    """

    def __init__(
        self,
        event_shape: Shape,
        filters: int = 32,
        layers: int = 10,
        *,
        kernel_size: int = 3,
        first_kernel_size: int = 7,
        head: heads.Head | str | None = None,
        order: Order = "raster",
        num_classes: int | None = None,
        positions: bool = True,
        activation: Activation = "relu",
        dropout: float = 0.0,
        condition: conditions.Condition | None = None,
        **kwargs: Any,
    ) -> None:
        head, positions = heads.get(head), flag("positions", positions)
        condition = conditions.get(condition, num_classes)
        arguments.activation("activation", activation)
        height, width, subpixels = image_sites(event_shape, head)
        dtype = kwargs.get("dtype")
        network = [
            GatedStacks(
                filters,
                layers,
                kernel_size=kernel_size,
                first_kernel_size=first_kernel_size,
                image_shape=(height, width),
                subpixels=subpixels,
                condition_size=conditions.size(condition),
                dropout=dropout,
                dtype=dtype,
            )
        ]
        if positions:
            network.append(SiteBias(dtype=dtype))
        network += [
            keras.layers.Activation(activation, dtype=dtype),
            *output_layers(head, (height, width), subpixels=subpixels, positions=positions),
        ]
        self.hyperparameters = {
            "filters": int(filters),
            "layers": int(layers),
            "kernel_size": int(kernel_size),
            "first_kernel_size": int(first_kernel_size),
            "positions": positions,
            "activation": activation,
            "dropout": float(dropout),
        }
        network = Causal(network, dtype=dtype)
        super().__init__(network, event_shape, head, order=order, condition=condition, **kwargs)
