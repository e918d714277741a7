"""PixelRNN: Row LSTM and Diagonal BiLSTM.

#### References
A. van den Oord, N. Kalchbrenner, K. Kavukcuoglu. Pixel Recurrent Neural Networks. ICML 2016,
sections 3.1 to 3.3 and 3.6.
"""

from typing import Any

import keras

from tfar import arguments, conditions, heads
from tfar.arguments import choice, flag, integer, rate
from tfar.layers import (
    Causal,
    CausalConv2D,
    ConditionBias,
    DiagonalBiLSTM,
    RowLSTM,
    Shift,
    SiteBias,
    Sum,
    residual_block,
)
from tfar.models.base import AutoregressiveModel
from tfar.models.images import image_sites, output_layers
from tfar.typing import Activation, Order, Shape


@keras.saving.register_keras_serializable(package="tfar")
class PixelRNN(AutoregressiveModel):
    """A stack of LSTMs over rows or diagonals, with residual connections.

    A 7x7 exclusive convolution to 2h channels, then for each layer x + (1x1 of 2h)(LSTM of h (x)),
    then g, 1x1, g, and 1x1 to the parameters of the head. The receptive field of a
    `tfar.layers.RowLSTM` is a triangle, that of a `tfar.layers.DiagonalBiLSTM` all earlier pixels.

    With diagonals, the first layer also has a 1x1 of the previous site in raster order. Without it
    the last pixel of a row would be hidden from distant pixels of the next row: the first
    convolution leaves out the pixel itself, and the LSTM from the right leaves out the whole row.

    Sites, heads and conditions are as in `tfar.models.PixelCNN`.

    Args:
      event_shape: (H, W, C).
      units: h, the number of units of an LSTM.
      layers: number of LSTM layers.
      recurrence: "row" or "diagonal".
      kernel_size: size of the convolutions of Row LSTMs, odd.
      first_kernel_size: size of the first convolution, odd.
      head: default `tfar.heads.Bernoulli()`.
      order: see `tfar.orders.get`. Neighbours in the order should be neighbours in the image.
      positions: whether every site has biases of its own after the first layer and after the last;
        the paper has none.
      activation: g.
      dropout: rate for the outputs of an LSTM, in training.
      num_classes, condition: what the model is conditioned on, if anything: see
        `tfar.models.AutoregressiveModel`.
      **kwargs: passed to ``keras.Model``.

    Raises:
      ValueError: if ``event_shape`` is not that of an image, or the recurrence is unknown.

    >>> model = PixelRNN([8, 8, 1], units=4, layers=2, recurrence="diagonal")
    >>> model.joint().sample(2, seed=1).shape
    TensorShape([2, 8, 8, 1])
    """

    def __init__(
        self,
        event_shape: Shape,
        units: int = 16,
        layers: int = 7,
        *,
        recurrence: str = "row",
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
        *image_shape, subpixels = image_sites(event_shape, head)
        choice("recurrence", recurrence, ("row", "diagonal"))
        units, layers = integer("units", units, least=1), integer("layers", layers, least=1)
        dropout = rate("dropout", dropout)
        dtype = kwargs.get("dtype")

        def lstm():
            if recurrence == "row":
                return RowLSTM(units, kernel_size, image_shape, subpixels=subpixels, dtype=dtype)
            return DiagonalBiLSTM(units, image_shape, subpixels=subpixels, dtype=dtype)

        def convolution(filters, size, initializer="he_normal", **options):
            options = {"kernel_initializer": initializer, "dtype": dtype, **options}
            return CausalConv2D(filters, size, image_shape, subpixels=subpixels, **options)

        first = convolution(2 * units, first_kernel_size, exclusive=True)
        if recurrence == "diagonal":
            one_before = keras.layers.Dense(2 * units, use_bias=False, dtype=dtype)
            first = Sum([first, Causal([Shift(dtype=dtype), one_before], dtype=dtype)], dtype=dtype)
        network = [first]
        if positions:
            network.append(SiteBias(dtype=dtype))
        if condition is not None:
            network.append(ConditionBias(condition.size, dtype=dtype))
        for _ in range(layers):
            # A block starts as the identity: deep stacks then train from the first step on.
            branch = [lstm(), convolution(2 * units, 1, "zeros")]
            if dropout:
                branch.insert(1, keras.layers.Dropout(dropout, dtype=dtype))
            network.append(residual_block(branch, dtype))
        network += [
            keras.layers.Activation(activation, dtype=dtype),
            convolution(2 * units, 1),
            keras.layers.Activation(activation, dtype=dtype),
        ]
        network += output_layers(head, image_shape, subpixels=subpixels, positions=positions)
        self.hyperparameters = {
            "units": int(units),
            "layers": int(layers),
            "recurrence": recurrence,
            "kernel_size": int(kernel_size),
            "first_kernel_size": int(first_kernel_size),
            "positions": positions,
            "activation": activation,
            "dropout": float(dropout),
        }
        network = Causal(network, dtype=dtype)
        super().__init__(network, event_shape, head, order=order, condition=condition, **kwargs)
