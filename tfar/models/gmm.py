"""Finite mixtures: of Gaussians, of categories, or of both.

#### References
G. McLachlan, D. Peel. Finite Mixture Models. Wiley, 2000, chapters 2 and 3.
D. Titterington, A. Smith, U. Makov. Statistical Analysis of Finite Mixture Distributions. 1985.
"""

from typing import Any

import keras
import numpy as np
import tensorflow as tf

from tfar import conditions, heads
from tfar.arguments import instance, integer
from tfar.layers.components import Components
from tfar.models.orderless import AnyOrder
from tfar.typing import Member, Nest, Order, Shape


@keras.saving.register_keras_serializable(package="tfar")
class GMM(AnyOrder):
    """p(x) = sum_k pi_k p_k(x): N(x; m_k, S_k) in the real sites, times categories in the others.

    Its conditionals are mixtures too, with weights that depend on the sites so far, see
    `tfar.layers.Components`. p(x) is the same in every order, so that any sites may be observed,
    and `log_prob` needs no conditionals. It trains with ``fit``, as other models do.

    Args:
      event_shape: shape of one example.
      components: K.
      covariance: of the real sites, "full", "tied" (one for all components) or "diag".
      head: `tfar.heads.GaussianMixture` with K components (the default), `Bernoulli`,
        `Categorical`, or `Columns` of these, such as ``tfar.heads.Table(columns, K,
        family="gaussian")``.
      order: see `tfar.orders.get`.
      network: the network of another such model, to share its weights.
      num_classes, condition: what the weights pi are conditioned on, if anything: see
        `tfar.models.AutoregressiveModel`.
      **kwargs: passed to ``keras.Model``.

    Raises:
      ValueError: if the number of components is invalid, or the head is another one.

    >>> model = GMM([3], components=2)
    >>> x = tf.constant([[0.0, 1.0, 2.0]])
    >>> several = model.of_order([2, 0, 1]).log_prob(x), model.log_prob(x)
    >>> np.allclose(*several, atol=1e-5)
    True
    """

    def __init__(
        self,
        event_shape: Shape,
        components: int = 10,
        *,
        covariance: str = "full",
        head: heads.Head | str | None = None,
        order: Order = "raster",
        network: Components | None = None,
        num_classes: int | None = None,
        condition: conditions.Condition | None = None,
        **kwargs: Any,
    ) -> None:
        components = integer("components", components, least=1)
        head = heads.GaussianMixture(components) if head is None else heads.get(head)
        condition = conditions.get(condition, num_classes)
        if network is None:
            network = Components(
                components,
                [_logits(head.at(i), components) for i in range(int(np.prod(event_shape)))],
                covariance=covariance,
                condition_size=conditions.size(condition),
                dtype=kwargs.get("dtype"),
            )
        instance("network", network, Components, "that of a GMM")
        self.hyperparameters = {"components": components, "covariance": network.covariance}
        super().__init__(network, event_shape, head, order=order, condition=condition, **kwargs)

    def log_prob(
        self, inputs: Nest, *, member: Member = None, counted: tf.Tensor | np.ndarray | None = None
    ) -> tf.Tensor:
        """As in `AutoregressiveModel`; if all sites are counted, without the conditionals."""
        if counted is not None:
            return super().log_prob(inputs, member=member, counted=counted)
        self.check_member(member)
        return self._score(inputs, None)

    def log_prob_of_site(self, x: tf.Tensor, site: int | tf.Tensor) -> tf.Tensor:
        """As in `AnyOrder`; of a row with missing entries, the difference of two marginals."""
        codes, _ = self._codes(x)
        here = (tf.range(self.num_sites) == site)[None, :, None]
        rest = tf.where(here, np.float32(np.nan), codes)
        there = tf.cast(~tf.math.is_nan(codes[:, site, 0]), tf.float32)
        each = tf.cond(
            tf.reduce_any(tf.math.is_nan(codes)),
            lambda: self.network.log_prob(codes) - self.network.log_prob(rest),
            lambda: self.network.log_prob(codes, but=site),
        )
        return each - there * tf.constant(self._log_units())[site]

    def _score(self, inputs, conditionals, counted=None):
        if counted is not None:
            return super()._score(inputs, conditionals, counted)
        x, condition = self._pick(inputs)
        codes, valid = self._codes(x)
        if condition is not None:
            valid &= self.condition.valid(condition)
        log_prob = self.network.log_prob(codes, self._encoded(condition))
        return tf.where(valid, log_prob - self._log_units().sum(), -np.inf)

    def _codes(self, x):
        """The codes [B, n, c] of examples, with 0 for invalid values, and which are valid, [B].

        Missing entries are NaN, and valid.
        """
        x = tf.reshape(x, [-1, self.num_sites])
        supported = self.head.in_support(x)
        x = tf.where(supported, x, tf.zeros_like(x))
        return self.head.encode(x), tf.reduce_all(supported, axis=1)

    def _log_units(self):
        """log of what one unit of the network's real sites is, float32 [n]."""
        each = [getattr(self.head.at(i), "std", 1.0) for i in range(self.num_sites)]
        return np.log(np.float32(each))


def _logits(head, components):
    """The entry of ``logits`` of `Components` for a site with this head."""
    if isinstance(head, heads.GaussianMixture) and not head.equal_weights:
        if head.num_components == components:
            return 0
    elif isinstance(head, heads.Bernoulli) and not head.centered:
        return 1
    elif type(head) is heads.Categorical:
        return head.num_categories
    raise ValueError(
        f"Expected heads GaussianMixture({components}), Bernoulli() or Categorical(), or Columns "
        f"of these, got {head!r}."
    )
