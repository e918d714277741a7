"""Neural autoregressive distribution estimator.

#### References
H. Larochelle, I. Murray. The Neural Autoregressive Distribution Estimator. AISTATS 2011.
B. Uria, M.-A. Cote, K. Gregor, I. Murray, H. Larochelle. Neural Autoregressive Distribution
Estimation. JMLR 17, 2016, section 2.
"""

from typing import Any

import keras

from tfar import conditions, heads
from tfar.layers import TiedHidden
from tfar.models.base import AutoregressiveModel
from tfar.typing import Activation, Order, Shape


@keras.saving.register_keras_serializable(package="tfar")
class NADE(AutoregressiveModel):
    """h_i = g(c + W_{.,<i} x_<i),  p(X_i = 1 | x_<i) = sigmoid(b_i + V_i h_i).

    W and c are shared by all the sites, so that scoring and sampling cost O(n H) each. With a
    `Categorical` head W acts on one-hot inputs, and V_i gives the logits of all categories. With a
    condition s, c + U s replaces c.

    Args:
      event_shape: shape of one example.
      hidden: H, the number of hidden units.
      head: default `tfar.heads.Bernoulli()`.
      order: see `tfar.orders.get`.
      activation: g, "sigmoid" in the paper.
      dropout: rate for hidden units in training.
      num_classes, condition: what the model is conditioned on, if anything: see
        `tfar.models.AutoregressiveModel`.
      **kwargs: passed to ``keras.Model``.

    >>> model = NADE(event_shape=[4], hidden=3)
    >>> model.count_params()  # W and V: n H each, c: H, b: n
    31
    """

    rescaled = False  # see `TiedHidden`

    def __init__(
        self,
        event_shape: Shape,
        hidden: int = 500,
        *,
        head: heads.Head | str | None = None,
        order: Order = "raster",
        activation: Activation = "sigmoid",
        dropout: float = 0.0,
        num_classes: int | None = None,
        condition: conditions.Condition | None = None,
        **kwargs: Any,
    ) -> None:
        head, condition = heads.get(head), conditions.get(condition, num_classes)
        network = TiedHidden(
            hidden,
            head.num_params,
            activation=activation,
            dropout=dropout,
            rescaled=self.rescaled,
            condition_size=conditions.size(condition),
            dtype=kwargs.get("dtype"),
        )
        config = network.get_config()
        self.hyperparameters = {key: config[key] for key in ("hidden", "activation", "dropout")}
        super().__init__(network, event_shape, head, order=order, condition=condition, **kwargs)
