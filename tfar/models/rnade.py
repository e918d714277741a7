"""Real-valued neural autoregressive density estimator.

#### References
B. Uria, I. Murray, H. Larochelle. RNADE: The real-valued neural autoregressive density-estimator.
NIPS 2013.
"""

from typing import Any

import keras

from tfar import heads
from tfar.models.nade import NADE
from tfar.typing import Activation, Order, Shape


@keras.saving.register_keras_serializable(package="tfar")
class RNADE(NADE):
    """p(x_i | x_<i) = sum_k pi_k N(x_i; m_k, s_k^2), a mixture whose parameters come from

    h_i = g(r_i (c + W_{.,<i} x_<i)),   (log pi, m, log s) = b_i + V_i h_i

    up to constants, see `tfar.heads.GaussianMixture`. W and c are shared by all the sites, as in
    `tfar.models.NADE`; the r_i, one learned number per site, rescale sums that grow with i.

    Args:
      event_shape: shape of one example.
      hidden: H, the number of hidden units.
      head: default ``tfar.heads.GaussianMixture(10)``, for standardised data; any other works too.
      order: see `tfar.orders.get`.
      activation: g; the paper's best results are with rectifiers.
      dropout: rate for hidden units in training.
      **kwargs: as in `tfar.models.NADE`.

    >>> model = RNADE(event_shape=[3], hidden=5, head=tfar.heads.GaussianMixture(2))
    >>> model.joint().sample(4, seed=1).dtype
    tf.float32
    """

    rescaled = True

    def __init__(
        self,
        event_shape: Shape,
        hidden: int = 50,
        *,
        head: heads.Head | str | None = None,
        order: Order = "raster",
        activation: Activation = "relu",
        dropout: float = 0.0,
        **kwargs: Any,
    ) -> None:
        head = heads.GaussianMixture(10) if head is None else head
        super().__init__(
            event_shape,
            hidden,
            head=head,
            order=order,
            activation=activation,
            dropout=dropout,
            **kwargs,
        )
