"""Character-level recurrent networks.

#### References
T. Mikolov, M. Karafiat, L. Burget, J. Cernocky, S. Khudanpur. Recurrent Neural Network Based
Language Model. Interspeech 2010.
A. Karpathy. The Unreasonable Effectiveness of Recurrent Neural Networks. 2015,
https://karpathy.github.io/2015/05/21/rnn-effectiveness.
"""

from collections.abc import Sequence
from typing import Any

import keras

from tfar import conditions, heads
from tfar.arguments import choice, integers, rate
from tfar.layers import Causal, Recurrent
from tfar.models.sequence import SequenceModel
from tfar.typing import Shape

CELLS = {
    "rnn": keras.layers.SimpleRNN,
    "lstm": keras.layers.LSTM,
    "gru": keras.layers.GRU,
}


@keras.saving.register_keras_serializable(package="tfar")
class CharRNN(SequenceModel):
    """A hidden state h, updated by every character, and a linear map to the next one's logits.

    h_t = tanh(W_hh h_{t-1} + W_xh x_t + b_h),  p(X_{t+1} | x_<=t) = softmax(W_hy h_t + b_y),

    with x_t one-hot and a learned h_0, which gives p(X_1). An LSTM or a GRU may replace tanh, and
    layers may be stacked: each takes the h of the one below. Keras' own layers are used, and so
    cuDNN if available. Memory and time per character do not depend on its position.

    A condition is concatenated to every x_t, and added to the h_0 of every layer by a linear map.

    Args:
      event_shape: (n,), the length of the windows in training.
      units: size of h in each layer.
      cell: "rnn", "lstm" or "gru".
      head: a head of categories, for instance `tfar.heads.Characters`.
      embedding: width of a linear embedding of the characters before the first layer, or None.
      dropout: rate for the outputs h of each layer, in training.
      num_classes, condition: what the model is conditioned on, if anything: see
        `tfar.models.AutoregressiveModel`.
      **kwargs: passed to ``keras.Model``.

    Raises:
      ValueError: if events are not sequences, or the cell is unknown.

    Karpathy's example, "hello" over the characters h, e, l, o: its probability is the product of
    those of its characters, each given the ones before:

    >>> model = CharRNN([5], units=(3,), cell="rnn", head=tfar.heads.Characters("helo"))
    >>> hello = model.head.vocabulary.encode("hello")[None]
    >>> hello.tolist()
    [[0, 1, 2, 2, 3]]
    >>> each = model(hello).prob(hello).numpy()[0]  # p(h), p(e | h), p(l | he), ...
    >>> bool(np.isclose(np.prod(each), model.joint().prob(hello[0])))
    True
    """

    def __init__(
        self,
        event_shape: Shape,
        units: Sequence[int] = (512, 512),
        *,
        cell: str = "lstm",
        head: heads.Head | str | None = None,
        embedding: int | None = None,
        dropout: float = 0.0,
        num_classes: int | None = None,
        condition: conditions.Condition | None = None,
        **kwargs: Any,
    ) -> None:
        head, condition = heads.get(head), conditions.get(condition, num_classes)
        integers("event_shape (n,)", event_shape, least=1, count=1)
        choice("cell", cell, tuple(CELLS))
        units, dropout = integers("units", units, least=1), rate("dropout", dropout)
        dtype, layers = kwargs.get("dtype"), []
        for size in units:
            first = not layers
            layer = CELLS[cell](int(size), return_sequences=True, dtype=dtype)
            options: dict[str, Any] = {"condition_size": conditions.size(condition), "dtype": dtype}
            layers.append(
                Recurrent(layer, embedding=embedding if first else None, exclusive=first, **options)
            )
            if dropout:
                layers.append(keras.layers.Dropout(dropout, dtype=dtype))
        layers.append(keras.layers.Dense(head.num_params, dtype="float32", name="output"))
        self.hyperparameters = {
            "units": [int(size) for size in units],
            "cell": cell,
            "embedding": embedding,
            "dropout": float(dropout),
        }
        network = Causal(layers, dtype=dtype)
        super().__init__(network, event_shape, head, order="raster", condition=condition, **kwargs)

    def get_config(self) -> dict[str, Any]:
        config = super().get_config()
        del config["order"]  # always that of time
        return config
