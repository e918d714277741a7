"""Deep, order-agnostic NADE: one network for all orders.

#### References
B. Uria, I. Murray, H. Larochelle. A Deep and Tractable Density Estimator. ICML 2014.
B. Uria, M.-A. Cote, K. Gregor, I. Murray, H. Larochelle. Neural Autoregressive Distribution
Estimation. JMLR 17, 2016, section 5.
"""

import keras
import numpy as np
import tensorflow as tf
import tensorflow_probability as tfp

from tfar import arguments, heads, orders
from tfar.arguments import instance, integer, integers, rate
from tfar.layers import CausalLayer, Dense
from tfar.models.base import AutoregressiveModel

tfd = tfp.distributions

BLOCK = 16  # sites that go through the hidden layers together


@keras.saving.register_keras_serializable(package="tfar")
class OrderlessHidden(CausalLayer):
    """y_i = b_i + V_i f(c + sum_{j before i} (W_j x_j + U_j)), with before as an order has it.

    f is a stack of dense layers. The weights belong to sites of the layout, and the order is the
    ``context``, a permutation [n] as in `tfar.orders`, or None for the raster order: inputs and
    outputs come in that order, [B, n, c] -> [B, n, channels]. Exclusive.

    U tells the network which sites are known: without it a known 0 would be as an unknown value.

    An exact pass takes a pass through f for every site, some of which go through it together.
    `given` is one pass for any known sites.

    Args:
      hidden: units of each layer of f, the input of the first one included.
      channels: output channels.
      activation: after each of these layers.
      dropout: rate for hidden units in training.
    """

    def __init__(self, hidden, channels, activation="relu", dropout=0.0, **kwargs):
        kwargs.pop("exclusive", None)
        super().__init__(exclusive=True, **kwargs)
        self.hidden = list(integers("hidden", hidden, least=1))
        self.channels = integer("channels", channels, least=1)
        self.activation = arguments.activation("activation", activation)
        self.dropout = rate("dropout", dropout)
        self.drop = keras.layers.Dropout(self.dropout, dtype=self.dtype_policy)
        self.layers = [
            Dense(units, kernel_initializer="he_normal", dtype=self.dtype_policy)
            for units in self.hidden[1:]
        ]

    def build(self, input_shape):
        _, n, c = input_shape
        first, last = self.hidden[0], self.hidden[-1]
        self.num_sites = n
        normal = keras.initializers.RandomNormal
        self.kernel = self.add_weight(
            shape=(n, c + 1, first), initializer=normal(stddev=(2 / n) ** 0.5), name="kernel"
        )
        self.hidden_bias = self.add_weight(shape=(first,), initializer="zeros", name="hidden_bias")
        self.out_kernel = self.add_weight(
            shape=(n, last, self.channels), initializer="zeros", name="out_kernel"
        )
        self.bias = self.add_weight(shape=(n, self.channels), initializer="zeros", name="bias")
        for layer, units in zip(self.layers, self.hidden):
            layer.build((None, units))

    def compute_output_shape(self, input_shape):
        return (*input_shape[:2], self.channels)

    def _deep(self, sums, training=None):
        """f, from the pre-activations of its first layer."""
        h = self.drop(self.activation(tf.cast(sums, self.compute_dtype)), training=training)
        for layer in self.layers:
            h = self.drop(self.activation(layer(h)), training=training)
        return h

    def _inputs(self, x):
        """x and, behind it, the 1 that U is for: [..., c + 1]."""
        return tf.concat([x, tf.ones_like(x[..., :1])], axis=-1)

    def given(self, x, known, training=None):
        """Outputs of all sites [B, n, channels], in the layout, where the known ones are given.

        Args:
          x: [B, n, c], in the layout.
          known: bool [B, n].
        """
        inputs = self._inputs(x) * tf.cast(known, x.dtype)[..., None]
        kernel = tf.cast(tf.reshape(self.kernel, [-1, self.hidden[0]]), x.dtype)
        sums = tf.reshape(inputs, [-1, kernel.shape[0]]) @ kernel
        h = self._deep(sums + tf.cast(self.hidden_bias, x.dtype), training)
        out = tf.transpose(tf.cast(self.out_kernel, h.dtype), [1, 0, 2])
        y = h @ tf.reshape(out, [self.hidden[-1], -1])
        y = tf.reshape(y, [-1, self.num_sites, self.channels])
        return y + tf.cast(self.bias, y.dtype)

    def call(self, x, context=None, training=None):
        missing = -self.num_sites % BLOCK
        blocks = (self.num_sites + missing) // BLOCK
        inputs = tf.transpose(self._inputs(x), [1, 0, 2])
        inputs = tf.pad(inputs, [[0, missing], [0, 0], [0, 0]])
        _, order, sums = self.initial_state(tf.shape(x)[0], context)
        order = tf.pad(order, [[0, missing]])

        def block(i, sums, outputs):
            sites = i * BLOCK + tf.range(BLOCK)
            here = tf.gather(order, sites)
            kernel = tf.cast(tf.gather(self.kernel, here), tf.float32)
            known = tf.cast(tf.gather(inputs, sites), tf.float32) @ kernel
            before = sums + tf.cumsum(known, exclusive=True)
            h = self._deep(before, training)
            y = h @ tf.cast(tf.gather(self.out_kernel, here), h.dtype)
            y += tf.cast(tf.gather(self.bias, here), h.dtype)[:, None]
            return i + 1, before[-1] + known[-1], outputs.write(i, y)

        shape = [BLOCK, None, self.channels]
        outputs = tf.TensorArray(self.compute_dtype, blocks, element_shape=shape)
        start = 0, sums, outputs
        *_, outputs = tf.while_loop(lambda i, *_: i < blocks, block, start)
        return tf.transpose(outputs.concat()[: self.num_sites], [1, 0, 2])

    def initial_state(self, batch_size, context=None):
        """(site, the order, pre-activations [B, H])."""
        order = tf.range(self.num_sites) if context is None else context
        bias = tf.cast(self.hidden_bias, tf.float32)
        return tf.constant(0), order, tf.tile(bias[None], [batch_size, 1])

    def step(self, x, state, training=None):
        site, order, sums = state
        here, before = order[site], order[tf.maximum(site - 1, 0)]
        known = tf.cast(self._inputs(x), tf.float32) @ tf.cast(self.kernel[before], tf.float32)
        sums += known * tf.cast(site > 0, tf.float32)
        h = self._deep(sums, training)
        y = h @ tf.cast(self.out_kernel[here], h.dtype) + tf.cast(self.bias[here], h.dtype)
        return y, (site + 1, order, sums)

    @property
    def output_bias(self):
        return self.bias

    def get_config(self):
        return {
            **super().get_config(),
            "hidden": self.hidden,
            "channels": self.channels,
            "activation": keras.activations.serialize(self.activation),
            "dropout": self.dropout,
        }


@keras.saving.register_keras_serializable(package="tfar")
class OrderlessNADE(AutoregressiveModel):
    """p(x_i | x_o) for any set o of known sites, by one network of x_o and of o itself.

    Trained on random sets: of an example in a batch, d of the n sites are known, d uniform in
    0 ... n - 1 and the sites at random, and the loss is

        n / (n - d) sum_{i not in o} -log p(x_i | x_o)

    which in the mean is the negative log-likelihood, averaged over all orders. Each order is a
    model of its own; several are an ensemble, p(x) = (1/R) sum_r p_r(x). Scoring one order takes n
    passes, less their first and last layers.

    Since every order serves, what is given may be any sites: ``model.joint(observed=...)``, in one
    order, which begins with them and goes on as that of the member (of an ensemble by default the
    first).

    Args:
      event_shape: shape of one example.
      hidden: units of each hidden layer.
      head: default `tfar.heads.Bernoulli()`.
      order: see `tfar.orders.get`, or [R, n], several. "random" stands for ``num_orders`` of them.
      num_orders: R, by default as many as there are orders.
      activation: after hidden layers.
      dropout: rate for hidden units in training.
      seed: for random orders, and of the random sets.
      network: that of another such model, to share its weights.
      **kwargs: passed to ``keras.Model``.

    Raises:
      ValueError: if numbers of units or orders make no sense.

    >>> model = OrderlessNADE(event_shape=[4], hidden=(8, 8), order="random", num_orders=3)
    >>> model.members, model.of_order([3, 2, 1, 0]).permutations.tolist()
    (3, [[3, 2, 1, 0]])
    """

    def __init__(
        self,
        event_shape,
        hidden=(500, 500),
        head=None,
        order="raster",
        num_orders=None,
        activation="relu",
        dropout=0.0,
        seed=0,
        network=None,
        **kwargs,
    ):
        head = heads.get(head)
        hidden, dropout = integers("hidden", hidden, least=1), rate("dropout", dropout)
        seed = integer("seed", seed, least=0)
        several = orders.several(order)
        if num_orders is None:
            num_orders = len(order) if several else 1
        num_orders = integer("num_orders", num_orders, least=1)
        fixed = num_orders > 1 and not several and order != "random"
        if fixed or (several and len(order) != num_orders):
            raise ValueError(f"The order {order!r} does not stand for num_orders={num_orders}.")
        self._arguments = {
            "hidden": [int(units) for units in hidden],
            "num_orders": int(num_orders),
            "activation": activation,
            "dropout": float(dropout),
            "seed": int(seed),
        }
        if network is None:
            network = OrderlessHidden(
                hidden, head.num_params, activation, dropout, dtype=kwargs.get("dtype")
            )
        instance("network", network, OrderlessHidden, "that of an OrderlessNADE")
        super().__init__(network, event_shape, head, order, **kwargs)
        self.set_seeds = keras.random.SeedGenerator(seed)
        object.__setattr__(self, "_reordered", {})

    def _permutations(self, order):
        count, seed = self._arguments["num_orders"], self._arguments["seed"]
        if isinstance(order, str) and order == "random":
            return np.stack([orders.random(self.num_sites, seed + r) for r in range(count)])
        each = order if orders.several(order) else [order]
        return np.stack([orders.get(one, self.num_sites) for one in each])

    def of_order(self, order):
        """The model of another order, or of several, with the same weights."""
        config = {**self.get_config(), **self._arguments, "num_orders": None, "order": order}
        config.update(head=self.head, dtype=self.dtype_policy, network=self.network)
        return type(self)(**config)

    def ordered_for(self, observed, member=None):
        """As in `AutoregressiveModel`; the other sites come as in the member's order."""
        observed = self._observed_sites(observed)
        order = self.permutations[self.check_member(member) or 0]
        order = order[np.argsort(~observed[order], kind="stable")]
        key = order.tobytes()
        if key not in self._reordered:  # kept, with the samplers that are compiled for them
            if len(self._reordered) >= 32:
                self._reordered.pop(next(iter(self._reordered)))
            self._reordered[key] = self.of_order(order)
        return self._reordered[key]

    def call(self, inputs, training=None, member=None):
        """As in `AutoregressiveModel`; in training the conditionals given a random set of sites.

        Then it is a ``tfd.Masked``, whose valid sites are those that are not known.
        """
        if not training:
            return super().call(inputs, training, member)
        x, _ = self._pick(inputs)
        x = tf.reshape(x, [-1, self.num_sites, *self.head.site_shape])
        known = self._random_sets(tf.shape(x)[0])
        params = self.network.given(self.head.encode(x, self.compute_dtype), known, training)
        params = tf.reshape(
            tf.cast(params, tf.float32), [-1, *self.grid_shape, self.head.num_params]
        )
        unknown = tf.reshape(~known, [-1, *self.grid_shape])
        return tfd.Masked(self.head.distribution(params), unknown)

    def _random_sets(self, count):
        """bool [count, n]: d sites in each row, d uniform in 0 ... n - 1."""
        n = self.num_sites
        keys = keras.random.uniform([count, n], seed=self.set_seeds)
        ranks = tf.argsort(tf.argsort(keys, axis=1), axis=1)
        size = keras.random.randint([count, 1], 0, n, seed=self.set_seeds)
        return ranks < size

    def _score(self, inputs, conditionals, counted=None):
        # What ``tfd.Masked(...)`` makes of a distribution that is no composite tensor is not one.
        if not hasattr(conditionals, "validity_mask"):
            return super()._score(inputs, conditionals, counted)
        unknown = conditionals.validity_mask
        log_prob = super()._score(inputs, conditionals.distribution, unknown)
        count = tf.reduce_sum(tf.cast(tf.reshape(unknown, [-1, self.num_sites]), tf.float32), 1)
        return log_prob * self.num_sites / count

    def _context(self, condition, member):
        return tf.gather(tf.constant(self.permutations), member)

    def _parameters(self, x, context, member, training=None):
        y = self.network(tf.gather(x, context, axis=1), context=context, training=training)
        return tf.gather(y, tf.math.invert_permutation(context), axis=1)

    def _marginal_layout(self, params):
        return params

    def get_config(self):
        return {**super().get_config(), **self._arguments}
