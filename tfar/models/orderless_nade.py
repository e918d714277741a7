"""Deep, order-agnostic NADE: one network for all orders.

#### References
B. Uria, I. Murray, H. Larochelle. A Deep and Tractable Density Estimator. ICML 2014.
B. Uria, M.-A. Cote, K. Gregor, I. Murray, H. Larochelle. Neural Autoregressive Distribution
Estimation. JMLR 17, 2016, section 5.
"""

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from tensorflow_probability import distributions as tfd

from tfar import conditions, heads, orders
from tfar.arguments import instance, integer, integers, rate
from tfar.layers import OrderlessHidden
from tfar.models.orderless import AnyOrder
from tfar.typing import Activation, Member, Nest, Order, Shape, Training


@keras.saving.register_keras_serializable(package="tfar")
class OrderlessNADE(AnyOrder):
    """p(x_i | x_o) for any set o of known sites, by one network that takes x_o and o.

    It is trained on random sets: d of an example's n sites, chosen at random, are known, with d
    uniform in 0 ... n - 1, and the loss is

        n / (n - d) sum_{i not in o} -log p(x_i | x_o)

    whose expectation is the negative log-likelihood, averaged over all orders. Missing entries
    of a `tfar.heads.Table` count neither among the n nor among the known sites. Each order is a
    model of its own; several are an ensemble, p(x) = (1/R) sum_r p_r(x). Scoring one order takes n
    passes, except for their first and last layers.

    Since every order is modelled, any sites may be observed, see `AnyOrder`.

    Args:
      event_shape: shape of one example.
      hidden: units of each hidden layer.
      head: default `tfar.heads.Bernoulli()`.
      order: see `tfar.orders.get`, or [R, n], several orders. "random" draws ``num_orders``.
      num_orders: R, by default as many as there are orders.
      activation: after hidden layers.
      dropout: rate for hidden units in training.
      seed: for random orders and for the random sets.
      network: the network of another such model, to share its weights.
      num_classes, condition: what the model is conditioned on, if anything: see
        `tfar.models.AutoregressiveModel`.
      **kwargs: passed to ``keras.Model``.

    Raises:
      ValueError: if the numbers of units or orders are invalid.

    >>> model = OrderlessNADE(event_shape=[4], hidden=(8, 8), order="random", num_orders=3)
    >>> model.members, model.of_order([3, 2, 1, 0]).permutations.tolist()
    (3, [[3, 2, 1, 0]])
    """

    def __init__(
        self,
        event_shape: Shape,
        hidden: Sequence[int] = (500, 500),
        *,
        head: heads.Head | str | None = None,
        order: Order = "raster",
        num_orders: int | None = None,
        activation: Activation = "relu",
        dropout: float = 0.0,
        seed: int = 0,
        network: OrderlessHidden | None = None,
        num_classes: int | None = None,
        condition: conditions.Condition | None = None,
        **kwargs: Any,
    ) -> None:
        head, condition = heads.get(head), conditions.get(condition, num_classes)
        hidden, dropout = integers("hidden", hidden, least=1), rate("dropout", dropout)
        seed = integer("seed", seed, least=0)
        several = orders.several(order)
        if num_orders is None:
            num_orders = len(order) if several else 1
        num_orders = integer("num_orders", num_orders, least=1)
        fixed = num_orders > 1 and not several and order != "random"
        if fixed or (several and len(order) != num_orders):
            raise ValueError(f"The order {order!r} does not stand for num_orders={num_orders}.")
        self.hyperparameters = {
            "hidden": [int(units) for units in hidden],
            "num_orders": int(num_orders),
            "activation": activation,
            "dropout": float(dropout),
            "seed": int(seed),
        }
        if network is None:
            network = OrderlessHidden(
                hidden,
                head.num_params,
                activation=activation,
                dropout=dropout,
                condition_size=conditions.size(condition),
                sizes=head.sizes,
                dtype=kwargs.get("dtype"),
            )
        instance("network", network, OrderlessHidden, "that of an OrderlessNADE")
        super().__init__(network, event_shape, head, order=order, condition=condition, **kwargs)
        self.set_seeds = keras.random.SeedGenerator(seed)

    def _permutations(self, order):
        count, seed = self.hyperparameters["num_orders"], self.hyperparameters["seed"]
        if isinstance(order, str) and order == "random":
            return np.stack([orders.random(self.num_sites, seed + r) for r in range(count)])
        each = order if orders.several(order) else [order]
        return np.stack([orders.get(one, self.num_sites) for one in each])

    def _of_one_order(self):
        return {"num_orders": None}

    def log_prob_of_site(self, x: tf.Tensor, site: int | tf.Tensor) -> tf.Tensor:
        """As in `AnyOrder`, by one pass."""
        sites = tf.reshape(x, [-1, self.num_sites, *self.head.site_shape])
        known = tf.broadcast_to(tf.range(self.num_sites) != site, tf.shape(sites)[:2])
        encoded = self.head.encode(sites, self.compute_dtype)
        params = tf.cast(self.network.given(encoded, known), tf.float32)
        return tf.gather(self.head.log_prob(params, sites), site, axis=1)

    def call(
        self, inputs: Nest, training: Training = None, member: Member = None
    ) -> tfd.Distribution:
        """As in `AutoregressiveModel`; in training the conditionals given a random set of sites.

        In training it returns a ``tfd.Masked``, whose valid sites are the unknown ones.
        """
        if not training:
            return super().call(inputs, training, member)
        x, condition = self._pick(inputs)
        x = tf.reshape(x, [-1, self.num_sites, *self.head.site_shape])
        missing = self.head.missing(x)
        present = tf.ones(tf.shape(x)[:2], tf.bool) if missing is None else ~missing
        known = self._random_sets(present)
        x, condition = self.head.encode(x, self.compute_dtype), self._encoded(condition, training)
        params = self.network.given(x, known, training=training, condition=condition)
        params = tf.reshape(
            tf.cast(params, tf.float32), [-1, *self.grid_shape, self.head.num_params]
        )
        unknown = tf.reshape(present & ~known, [-1, *self.grid_shape])
        return tfd.Masked(self.head.distribution(params), unknown)

    def _random_sets(self, present):
        """bool [B, n]: d of the m present sites in each row, d uniform in 0 ... m - 1."""
        n, count = self.num_sites, tf.shape(present)[0]
        keys = keras.random.uniform([count, n], seed=self.set_seeds)
        keys = tf.where(present, keys, 2.0)  # the others come last
        ranks = tf.argsort(tf.argsort(keys, axis=1), axis=1)
        size = keras.random.randint([count, 1], 0, n, seed=self.set_seeds)
        there = tf.reduce_sum(tf.cast(present, tf.int32), axis=1, keepdims=True)
        return ranks < size * there // n

    def _score(self, inputs, conditionals, counted=None):
        # ``tfd.Masked(p)`` is not a ``tfd.Masked`` if p is not a composite tensor.
        if not hasattr(conditionals, "validity_mask"):
            return super()._score(inputs, conditionals, counted)
        unknown = conditionals.validity_mask
        log_prob = super()._score(inputs, conditionals.distribution, unknown)
        count = tf.reduce_sum(tf.cast(tf.reshape(unknown, [-1, self.num_sites]), tf.float32), 1)
        x, _ = self._pick(inputs)
        missing, there = self.head.missing(x), float(self.num_sites)
        if missing is not None:
            flat = tf.reshape(~missing, [-1, self.num_sites])
            there = tf.reduce_sum(tf.cast(flat, tf.float32), axis=1)
        return tf.math.divide_no_nan(log_prob * there, count)  # a row may be empty
