"""PixelCNN.

#### References
A. van den Oord, N. Kalchbrenner, K. Kavukcuoglu. Pixel Recurrent Neural Networks. ICML 2016,
sections 3.4 and 3.5.
"""

from typing import Any

import keras

from tfar import arguments, conditions, heads
from tfar.arguments import flag, integer, rate
from tfar.layers import Causal, CausalConv2D, ConditionBias, SiteBias, residual_block
from tfar.models.base import AutoregressiveModel
from tfar.models.images import image_sites, output_layers
from tfar.typing import Activation, Order, Shape


@keras.saving.register_keras_serializable(package="tfar")
class PixelCNN(AutoregressiveModel):
    """A stack of causal convolutions.

    A 7x7 exclusive convolution, then residual blocks with h = filters / 2 inner channels,
    x + (1x1 of filters)(g((3x3 of h)(g((1x1 of h)(g(x)))))), then two 1x1 layers to the parameters
    of the head. The receptive field of a pixel, above it and to its left, grows with the number of
    blocks but has a blind spot on its right. A condition is projected to the channels and added
    after the first convolution.

    Every colour of every pixel of an image [H, W, C] is a site, in raster order: R, then G given R,
    then B given R and G. If the head models vectors, every pixel is a site.

    Args:
      event_shape: (H, W, C).
      filters: channels between the blocks, an even number.
      blocks: number of residual blocks.
      kernel_size: size of the convolution in a block, odd.
      first_kernel_size: size of the first convolution, odd.
      head: default `tfar.heads.Bernoulli()`.
      order: see `tfar.orders.get`. Neighbours in the order should be neighbours in the image, as
        in "raster" and "reversed".
      positions: whether every site has biases of its own after the first layer and after the last.
        The paper has none, but digits are in the middle of their images.
      activation: g.
      dropout: rate for the inner channels of a block in training.
      num_classes, condition: what the model is conditioned on, if anything: see
        `tfar.models.AutoregressiveModel`.
      **kwargs: passed to ``keras.Model``.

    Raises:
      ValueError: if ``event_shape`` is not that of an image, or filters are odd.

    >>> model = PixelCNN([8, 8, 1], filters=16, blocks=2)
    >>> model.joint().sample(2, seed=1).shape
    TensorShape([2, 8, 8, 1])
    """

    def __init__(
        self,
        event_shape: Shape,
        filters: int = 64,
        blocks: int = 7,
        *,
        kernel_size: int = 3,
        first_kernel_size: int = 7,
        head: heads.Head | str | None = None,
        order: Order = "raster",
        positions: bool = True,
        activation: Activation = "relu",
        dropout: float = 0.0,
        num_classes: int | None = None,
        condition: conditions.Condition | None = None,
        **kwargs: Any,
    ) -> None:
        head, positions = heads.get(head), flag("positions", positions)
        condition = conditions.get(condition, num_classes)
        arguments.activation("activation", activation)
        height, width, subpixels = image_sites(event_shape, head)
        if integer("filters", filters, least=1) % 2:
            raise ValueError(f"Expected filters to be an even integer, got {filters}.")
        blocks, dropout = integer("blocks", blocks, least=0), rate("dropout", dropout)
        dtype = kwargs.get("dtype")

        def convolution(filters, size, initializer="he_normal", **options):
            return CausalConv2D(
                filters,
                size,
                (height, width),
                subpixels=subpixels,
                kernel_initializer=initializer,
                dtype=dtype,
                **options,
            )

        def activate():
            return keras.layers.Activation(activation, dtype=dtype)

        layers = [convolution(filters, first_kernel_size, exclusive=True)]
        if positions:
            layers.append(SiteBias(dtype=dtype))
        if condition is not None:
            layers.append(ConditionBias(condition.size, dtype=dtype))
        for _ in range(blocks):
            branch = [
                activate(),
                convolution(filters // 2, 1, activation=activation),
                convolution(filters // 2, kernel_size, activation=activation),
                # A block starts as the identity: deep stacks then train from the first step on.
                convolution(filters, 1, "zeros"),
            ]
            if dropout:
                branch.insert(-1, keras.layers.Dropout(dropout, dtype=dtype))
            layers.append(residual_block(branch, dtype))
        layers += [activate(), convolution(filters, 1, activation=activation)]
        layers += output_layers(head, (height, width), subpixels=subpixels, positions=positions)
        self.hyperparameters = {
            "filters": int(filters),
            "blocks": int(blocks),
            "kernel_size": int(kernel_size),
            "first_kernel_size": int(first_kernel_size),
            "positions": positions,
            "activation": activation,
            "dropout": float(dropout),
        }
        network = Causal(layers, dtype=dtype)
        super().__init__(network, event_shape, head, order=order, condition=condition, **kwargs)
