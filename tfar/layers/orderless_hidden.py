"""Hidden layers that see the values of a set of sites, and which sites these are.

#### References
B. Uria, I. Murray, H. Larochelle. A Deep and Tractable Density Estimator. ICML 2014.
"""

from collections.abc import Sequence
from typing import Any

import keras
import tensorflow as tf

from tfar import arguments
from tfar.arguments import integer, integers, rate
from tfar.layers.base import CausalLayer
from tfar.layers.dense import Dense
from tfar.layers.packing import Packing
from tfar.layers.schedule import Plan, Sites
from tfar.typing import Activation, BatchSize, KerasShape, Member, Nest, Rows, Training

BLOCK = 16  # sites that pass through the hidden layers together


@keras.saving.register_keras_serializable(package="tfar")
class OrderlessHidden(CausalLayer):
    """y_i = b_i + V_i f(c + sum_{j before i} (W_j x_j + U_j)), where an order defines before.

    f is a stack of dense layers. The weights belong to sites of the layout, and the order is the
    argument ``order`` of `call` and `initial_state`, a permutation [n] as in `tfar.orders`, or None
    for the raster order: inputs and outputs are in that order, [B, n, c] -> [B, n, channels].
    Exclusive.

    U tells the network which sites are known: without it a known 0 would look unknown. A site whose
    first input is NaN is missing, and unknown to all others: outputs are marginal of it.
    With a condition s, c + C s replaces c.

    An exact evaluation needs a pass through f for every site; blocks of sites pass together.
    `given` is one pass for any set of known sites. `step` also takes orders [B, n], an own one for
    each example.

    Args:
      hidden: the width of the input of f, then the units of its dense layers.
      channels: output channels.
      activation: after each of these, the input included.
      dropout: rate for hidden units in training.
      condition_size: entries of s, or 0.
      sizes: None, or where sites differ: how many input channels each has, the first ones, and how
        many output channels; the others are zeros, and have no weights.
    """

    def __init__(
        self,
        hidden: Sequence[int],
        channels: int,
        *,
        activation: Activation = "relu",
        dropout: float = 0.0,
        condition_size: int = 0,
        sizes: tuple[Sequence[int], Sequence[int]] | None = None,
        **kwargs: Any,
    ) -> None:
        kwargs.pop("exclusive", None)
        super().__init__(exclusive=True, **kwargs)
        self.hidden = list(integers("hidden", hidden, least=1))
        self.channels = integer("channels", channels, least=1)
        self.activation = arguments.activation("activation", activation)
        self.dropout = rate("dropout", dropout)
        self.condition_size = integer("condition_size", condition_size, least=0)
        self.sizes = None if sizes is None else [list(each) for each in sizes]
        self.drop = keras.layers.Dropout(self.dropout, dtype=self.dtype_policy)
        self.layers = [
            Dense(units, kernel_initializer="he_normal", dtype=self.dtype_policy)
            for units in self.hidden[1:]
        ]

    def build(self, input_shape: KerasShape) -> None:
        _, n, c = input_shape
        first, last = self.hidden[0], self.hidden[-1]
        self.num_sites = n
        normal = keras.initializers.RandomNormal
        sizes = self.sizes or ([c] * n, [self.channels] * n)
        if (len(sizes[0]), max(sizes[0]), max(sizes[1])) != (n, c, self.channels):
            raise ValueError(
                f"Expected sizes of {n} sites, at most {c} and {self.channels}, got {self.sizes}."
            )
        self.inputs, self.outputs = Packing(sizes[0], always=1), Packing(sizes[1])
        shapes = (n, c + 1, first), (n, last, self.channels), (n, self.channels)
        if self.sizes is not None:
            shapes = (self.inputs.total, first), (self.outputs.total, last), (self.outputs.total,)
        self.kernel = self.add_weight(
            shape=shapes[0], initializer=normal(stddev=(2 / n) ** 0.5), name="kernel"
        )
        self.hidden_bias = self.add_weight(shape=(first,), initializer="zeros", name="hidden_bias")
        self.out_kernel = self.add_weight(shape=shapes[1], initializer="zeros", name="out_kernel")
        self.bias = self.add_weight(shape=shapes[2], initializer="zeros", name="bias")
        for layer, units in zip(self.layers, self.hidden):
            layer.build((None, units))
        self.condition_kernel = self.condition_weights(first)

    def compute_output_shape(self, input_shape: KerasShape) -> KerasShape:
        return (*input_shape[:2], self.channels)

    def _deep(self, sums, training=None):
        """f, from the pre-activations of its first layer."""
        h = self.drop(self.activation(tf.cast(sums, self.compute_dtype)), training=training)
        for layer in self.layers:
            h = self.drop(self.activation(layer(h)), training=training)
        return h

    def _inputs(self, x):
        """x followed by a 1, which U multiplies, or zeros if x is missing: [..., c + 1]."""
        inputs = tf.concat([x, tf.ones_like(x[..., :1])], axis=-1)
        return tf.where(tf.math.is_nan(x[..., :1]), tf.zeros_like(inputs), inputs)

    def given(
        self, x: tf.Tensor, known: tf.Tensor, *, training: Training = None, condition: Rows = None
    ) -> tf.Tensor:
        """Outputs of all sites given the known ones, [B, n, channels], in the layout.

        Args:
          x: [B, n, c], in the layout.
          known: bool [B, n].
          training, condition: as in `call`.
        """
        inputs = self.inputs.pack(self._inputs(x) * tf.cast(known, x.dtype)[..., None])
        sums = inputs @ tf.cast(tf.reshape(self.kernel, [-1, self.hidden[0]]), x.dtype)
        sums += self.of_condition(condition, self.condition_kernel, x.dtype)
        h = self._deep(sums + tf.cast(self.hidden_bias, x.dtype), training)
        out = tf.cast(self.out_kernel, h.dtype)
        if self.sizes is None:
            out = tf.reshape(tf.transpose(out, [0, 2, 1]), [-1, self.hidden[-1]])
        y = tf.matmul(h, out, transpose_b=True) + tf.cast(tf.reshape(self.bias, [-1]), h.dtype)
        return self.outputs.unpack(y)

    def _weights_of(self, sites):
        """W_j with U_j, V_i and b_i of some sites [...]: [..., c + 1, H], [..., H, p], [..., p]."""
        if self.sizes is None:
            return [tf.gather(w, sites) for w in (self.kernel, self.out_kernel, self.bias)]
        kernel, out = (
            packing.of_sites(rows, sites)
            for packing, rows in ((self.inputs, self.kernel), (self.outputs, self.out_kernel))
        )
        bias = self.outputs.of_sites(self.bias[:, None], sites)
        return kernel, tf.linalg.matrix_transpose(out), bias[..., 0]

    def call(
        self,
        x: tf.Tensor,
        condition: Rows = None,
        member: Member = None,
        training: Training = None,
        order: tf.Tensor | None = None,
    ) -> tf.Tensor:
        missing = -self.num_sites % BLOCK
        blocks = (self.num_sites + missing) // BLOCK
        inputs = tf.transpose(self._inputs(x), [1, 0, 2])
        inputs = tf.pad(inputs, [[0, missing], [0, 0], [0, 0]])
        order, sums = self.initial_state(tf.shape(x)[0], condition, member, order=order)
        order = tf.pad(order, [[0, missing]])

        def block(i, sums, outputs):
            sites = i * BLOCK + tf.range(BLOCK)
            here = tf.gather(order, sites)
            kernel, out, bias = self._weights_of(here)
            known = tf.cast(tf.gather(inputs, sites), tf.float32) @ tf.cast(kernel, tf.float32)
            before = sums + tf.cumsum(known, exclusive=True)
            h = self._deep(before, training)
            y = h @ tf.cast(out, h.dtype) + tf.cast(bias, h.dtype)[:, None]
            return i + 1, before[-1] + known[-1], outputs.write(i, y)

        shape = [BLOCK, None, self.channels]
        outputs = tf.TensorArray(self.compute_dtype, blocks, element_shape=shape)
        start = 0, sums, outputs
        *_, outputs = tf.while_loop(lambda i, *_: i < blocks, block, start)
        return tf.transpose(outputs.concat()[: self.num_sites], [1, 0, 2])

    def initial_state(
        self,
        batch_size: BatchSize,
        condition: Rows = None,
        member: Member = None,
        schedule: Plan | None = None,
        *,
        order: tf.Tensor | None = None,
    ) -> Nest:
        """(the order, pre-activations [B, H])."""
        order = tf.range(self.num_sites) if order is None else order
        sums = tf.tile(tf.cast(self.hidden_bias, tf.float32)[None], [batch_size, 1])
        sums += self.of_condition(condition, self.condition_kernel, tf.float32)
        return order, sums

    def step(
        self, x: tf.Tensor, state: Nest, sites: Sites, training: Training = None
    ) -> tuple[tf.Tensor, Nest]:
        (order, sums), site = state, sites.one
        here, before = (tf.gather(order, s, axis=-1) for s in (site, tf.maximum(site - 1, 0)))
        known = self._times(tf.cast(self._inputs(x[:, 0]), tf.float32), self._weights_of(before)[0])
        sums += known * tf.cast(site > 0, tf.float32)
        h = self._deep(sums, training)
        _, out, bias = self._weights_of(here)
        y = self._times(h, out) + tf.cast(bias, h.dtype)
        return y[:, None], (order, sums)

    @staticmethod
    def _times(x, kernel):
        """x [B, a] times a kernel [a, b], or an own one for each example."""
        kernel = tf.cast(kernel, x.dtype)
        return x @ kernel if kernel.shape.rank == 2 else tf.einsum("ba,bac->bc", x, kernel)

    @property
    def output_bias(self) -> keras.Variable | None:
        return self.bias

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "hidden": self.hidden,
            "channels": self.channels,
            "activation": keras.activations.serialize(self.activation),
            "dropout": self.dropout,
            "condition_size": self.condition_size,
            "sizes": self.sizes,
        }
