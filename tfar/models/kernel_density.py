"""Kernel density estimates: a component at every example.

#### References
E. Parzen. On Estimation of a Probability Density Function and Mode. Annals of Mathematical
Statistics 33, 1962.
J. Aitchison, C. Aitken. Multivariate Binary Discrimination by the Kernel Method. Biometrika 63,
1976.
"""

from typing import Any, Self

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import ArrayLike

from tfar import conditions, heads
from tfar.arguments import number
from tfar.models.gmm import GMM
from tfar.typing import Order, Shape


@keras.saving.register_keras_serializable(package="tfar")
class KernelDensity(GMM):
    """p(x) = (1/N) sum_j prod_i K(x_i, x_ji): a kernel at each of N examples x_j, as its weights.

    K is N(x_ji, h^2) in a real site, in units of the head, and in a site of V categories it is
    1 - l for the category of x_j and l / (V - 1) for each other one. So p(x_i | x_<i) is attention:
    kernels of the sites so far are the weights of the examples' values of the next site. `of`
    makes one; ``fit`` would train the examples too, to fit the training data too well.

    Args:
      event_shape: shape of one example.
      components: N.
      head, order, network, num_classes, condition: as in `GMM`.
      **kwargs: passed to ``keras.Model``.

    >>> x = np.random.RandomState(0).normal(size=[50, 2])
    >>> model = KernelDensity.of(x, bandwidth=0.3)
    >>> model.components, model.joint().sample(4, seed=1).shape
    (50, TensorShape([4, 2]))
    """

    def __init__(
        self,
        event_shape: Shape,
        components: int,
        *,
        head: heads.Head | str | None = None,
        order: Order = "raster",
        num_classes: int | None = None,
        condition: conditions.Condition | None = None,
        **kwargs: Any,
    ) -> None:
        kwargs.pop("covariance", None)  # of a config
        super().__init__(
            event_shape,
            components,
            covariance="diag",
            head=head,
            order=order,
            num_classes=num_classes,
            condition=condition,
            **kwargs,
        )

    @classmethod
    def of(
        cls, x: ArrayLike, *, bandwidth: float = 0.1, head: heads.Head | str | None = None
    ) -> Self:
        """The kernel density of examples.

        Args:
          x: the examples [N, *event_shape].
          bandwidth: h, and l = h / (1 + h), between 0 and 1.
          head: as in `GMM`, for N components; by default Gaussian kernels in units of each entry's
            standard deviation.

        Raises:
          ValueError: if there is no example, one is invalid, or the bandwidth is not positive.
        """
        bandwidth = number("bandwidth", bandwidth, above=0)
        x = np.asarray(x)
        if x.ndim < 2 or not x.size:
            raise ValueError(f"Expected examples [N, *event_shape], got the shape {list(x.shape)}.")
        rows = x.reshape([len(x), -1])
        if head is None:
            head = heads.Columns(
                [
                    heads.GaussianMixture(len(x), mean=float(mean), std=float(std) or 1.0)
                    for mean, std in zip(rows.mean(axis=0), rows.std(axis=0))
                ]
            )
        model = cls(x.shape[1:], len(x), head=head)
        model.check_events(x)
        codes = model.head.encode(tf.constant(rows, tf.float32)).numpy()
        network = model.network
        network.loc.assign(codes[..., 0].T)
        network.log_scale.assign(np.full(network.log_scale.shape, np.log(bandwidth)))
        if network.num_values:
            network.categories.assign(_kernels(network, codes, bandwidth / (1 + bandwidth)))
        return model


def _kernels(network, codes, other):
    """The logits of kernels of categories, [n, N, V]: ``other`` for all that differ together."""
    logits = np.zeros(network.categories.shape, np.float32)
    for i, count in enumerate(network.logits):
        if count:
            own = codes[:, i, 0] if count == 1 else codes[:, i, :count].argmax(axis=1)
            values = max(count, 2)
            logits[i, :, :values] = np.log(other / (values - 1))
            logits[i, np.arange(len(own)), own.astype(int)] = np.log(1 - other)
    return logits
