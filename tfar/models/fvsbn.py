"""Fully visible sigmoid belief network.

#### References
B. Frey. Graphical Models for Machine Learning and Digital Communication. MIT Press, 1998.
Z. Gan, R. Henao, D. Carlson, L. Carin. Learning Deep Sigmoid Belief Networks with Data
Augmentation. AISTATS 2015 (names it FVSBN).
"""

from typing import Any

import keras

from tfar import conditions, heads
from tfar.layers import TriangularDense
from tfar.models.base import AutoregressiveModel
from tfar.typing import Order, Shape


@keras.saving.register_keras_serializable(package="tfar")
class FVSBN(AutoregressiveModel):
    """p(X_i = 1 | x_<i) = sigmoid(alpha_0^(i) + sum_{j<i} alpha_j^(i) x_j): logistic regressions.

    n sites have n (n + 1) / 2 parameters. X_1, which has nothing to regress on, has a table of one
    entry, p(X_1 = 1) = sigmoid(alpha_0^(1)). With a `Categorical` head the regressions are
    multinomial, on one-hot inputs. A condition c is one more regressor: U_i c is added.

    Args:
      event_shape: shape of one example.
      head: default `tfar.heads.Bernoulli()`.
      order: see `tfar.orders.get`.
      num_classes, condition: what the model is conditioned on, if anything: see
        `tfar.models.AutoregressiveModel`.
      **kwargs: passed to ``keras.Model``.

    >>> model = FVSBN(event_shape=[4])
    >>> model.count_params()
    10
    """

    def __init__(
        self,
        event_shape: Shape,
        *,
        head: heads.Head | str | None = None,
        order: Order = "raster",
        num_classes: int | None = None,
        condition: conditions.Condition | None = None,
        **kwargs: Any,
    ) -> None:
        head, condition = heads.get(head), conditions.get(condition, num_classes)
        network = TriangularDense(
            head.num_params, conditions.size(condition), dtype=kwargs.get("dtype")
        )
        super().__init__(network, event_shape, head, order=order, condition=condition, **kwargs)
