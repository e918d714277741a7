"""What models of all orders share: one network, to which the order is an argument."""

from __future__ import annotations

from typing import Any, Self

import numpy as np
import tensorflow as tf

from tfar.models.base import AutoregressiveModel
from tfar.sampling import prefix
from tfar.typing import Member, Order

KEPT = 32  # models in other orders, with their compiled samplers


class AnyOrder(AutoregressiveModel):
    """A model whose network takes any order of the sites: any of them may be observed.

    Its ``network`` takes the argument ``order`` in `call` and `initial_state`, a permutation [n],
    and has inputs and outputs in that order, while its weights belong to sites of the layout. A
    subclass takes the argument ``network``, the network of another such model.

    ``model.joint(observed=...)`` uses one order, which begins with the observed sites and continues
    in that of the member (of an ensemble, by default the first). In ``joint().sample(value=...)``
    and ``joint().complete(...)`` each example has an order of its own.
    """

    all_orders = True
    weights_in_layout = True

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        object.__setattr__(self, "_reordered", {})

    def of_order(self, order: Order) -> Self:
        """The model with another order, or several, and the same weights."""
        config = {**self.get_config(), **self._of_one_order(), "order": order}
        config.pop("num_classes", None)
        config.update(head=self.head, dtype=self.dtype_policy, network=self.network)
        config.update(condition=self.condition)
        return type(self)(**config)

    def _of_one_order(self):
        """What differs in the config of a model of another order."""
        return {}

    def ordered_for(self, observed: np.ndarray, member: Member = None) -> Self:
        """As in `AutoregressiveModel`; the other sites follow in the member's order."""
        observed = self._observed_sites(observed)
        order = self.permutations[self.check_member(member) or 0]
        order = order[np.argsort(~observed[order], kind="stable")]
        key = order.tobytes()
        if key not in self._reordered:  # kept, with their compiled samplers
            if len(self._reordered) >= KEPT:
                self._reordered.pop(next(iter(self._reordered)))
            self._reordered[key] = self.of_order(order)
        return self._reordered[key]

    def orders_for(self, known: tf.Tensor, member: Member = None) -> tf.Tensor:
        """As in `AutoregressiveModel`: the other sites follow in the member's order."""
        member = self.check_member(member)
        order = tf.gather(tf.constant(self.permutations), 0 if member is None else member)
        later = tf.cast(~tf.gather(known, order, axis=-1), tf.int32)
        return tf.gather(order, tf.argsort(later, axis=-1, stable=True))

    def log_prob_of_site(self, x: tf.Tensor, site: int | tf.Tensor) -> tf.Tensor:
        """log p(x_i | all other sites), [B] float32 nats, of a model without a condition.

        Missing entries are no others, and of one that is missing itself it is 0.

        Args:
          x: valid examples [B, *event_shape].
          site: i, counted in the layout, an int or a scalar tensor.
        """
        raise NotImplementedError(f"{type(self).__name__} has no log_prob_of_site.")

    def _given(self, condition, member):
        return {"condition": condition, "order": prefix.order_of(self, member)}

    def _parameters(self, x, condition, member, training=None):
        given = self._given(condition, member)
        y = self.network(tf.gather(x, given["order"], axis=1), training=training, **given)
        return tf.gather(y, tf.math.invert_permutation(given["order"]), axis=1)
