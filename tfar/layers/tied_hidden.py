"""Hidden units with weights shared by all sites, as sums over the sites before.

#### References
H. Larochelle, I. Murray. The Neural Autoregressive Distribution Estimator. AISTATS 2011.
"""

from collections.abc import Callable
from typing import Any

import keras
import tensorflow as tf

from tfar import arguments
from tfar.arguments import flag, integer, rate
from tfar.layers.base import CausalLayer
from tfar.layers.schedule import Plan, Sites
from tfar.typing import Activation, BatchSize, KerasShape, Member, Nest, Rows, Training

LONG = 64  # sites from which on a graph, made anew, is faster than a loop in eager mode


def recurrence(
    output: Callable[..., tf.Tensor],
    channels: int,
    x: tf.Tensor,
    kernel: tf.Tensor,
    sums: tf.Tensor,
    *weights: tf.Tensor,
) -> tf.Tensor:
    """y_i = output(a_i, *weights_i) with a_0 = sums and a_{i+1} = a_i + x_i W_i.

    The backward pass runs the recurrence backwards, a_i = a_{i+1} - x_i W_i, and so holds one a at
    a time, [B, H], where automatic differentiation would hold all n of them.

    Args:
      output: function of a_i [B, H] and the site's weights that gives [B, channels].
      channels: p.
      x: [n, B, c].
      kernel: W [n, c, H].
      sums: a_0 [B, H].
      *weights: [n, ...], of all sites.

    Returns:
      y [n, B, p].
    """
    n = x.shape[0]

    @tf.custom_gradient
    def run(x, kernel, sums, *weights):
        def forward(i, a, y):
            here = output(a, *(weight[i] for weight in weights))
            return i + 1, a + x[i] @ kernel[i], y.write(i, here)

        y = tf.TensorArray(tf.float32, n, element_shape=[None, channels])
        _, last, y = tf.while_loop(lambda i, *_: i < n, forward, (0, sums, y))

        def grad(dy):
            def backward(i, a, da, dx, dw, *rest):  # a and da = dL/da are those of site i + 1
                dx = dx.write(i, tf.matmul(da, kernel[i], transpose_b=True))
                dw = dw.write(i, tf.matmul(x[i], da, transpose_a=True))
                a -= x[i] @ kernel[i]
                here = [weight[i] for weight in weights]
                with tf.GradientTape() as tape:
                    tape.watch([a, *here])
                    y = output(a, *here)
                da_i, *changes = tape.gradient(y, [a, *here], dy[i])
                rest = [array.write(i, change) for array, change in zip(rest, changes)]
                return i - 1, a, da + da_i, dx, dw, *rest

            arrays = (
                tf.TensorArray(tf.float32, n, element_shape=t.shape[1:])
                for t in (x, kernel, *weights)
            )
            start = (n - 1, last, tf.zeros_like(last), *arrays)
            _, _, da, *arrays = tf.while_loop(lambda i, *_: i >= 0, backward, start)
            dx, dw, *rest = (array.stack() for array in arrays)
            return dx, dw, da, *rest

        return y.stack(), grad

    if n >= LONG and tf.executing_eagerly():
        run = tf.function(run, autograph=False)
    return run(x, kernel, sums, *weights)


@keras.saving.register_keras_serializable(package="tfar")
class TiedHidden(CausalLayer):
    """a_i = c + sum_{j<i} W_j x_j,  h_i = g(r_i a_i),  y_i = b_i + V_i h_i: one W for all sites.

    Maps [B, n, c] to [B, n, channels] in O(n H), both in `call` and over all the calls of `step`:
    a_{i+1} is a_i plus one term. With a condition s, c + U s replaces c. Exclusive.

    The activations of all sites, [B, n, H], are never held at once, see `recurrence`.

    Args:
      hidden: H.
      channels: output channels.
      activation: g, as in Keras.
      dropout: rate for hidden units in training, the same ones at all sites of an example.
      rescaled: whether the r_i are learned, starting at 1; otherwise they are 1.
      condition_size: entries of s, or 0.
    """

    def __init__(
        self,
        hidden: int,
        channels: int,
        *,
        activation: Activation = "sigmoid",
        dropout: float = 0.0,
        rescaled: bool = False,
        condition_size: int = 0,
        **kwargs: Any,
    ) -> None:
        kwargs.pop("exclusive", None)
        super().__init__(exclusive=True, **kwargs)
        self.hidden = integer("hidden", hidden, least=1)
        self.channels = integer("channels", channels, least=1)
        self.activation = arguments.activation("activation", activation)
        self.dropout = rate("dropout", dropout)
        self.rescaled = flag("rescaled", rescaled)
        self.condition_size = integer("condition_size", condition_size, least=0)
        self.seed_generator = keras.random.SeedGenerator()

    def build(self, input_shape: KerasShape) -> None:
        _, n, in_channels = input_shape
        self.num_sites = n
        # Sums over up to n sites: scaled so that the first activations are of order one.
        weights = keras.initializers.RandomNormal(stddev=n**-0.5)
        outputs = keras.initializers.RandomNormal(stddev=self.hidden**-0.5)
        self.kernel = self.add_weight(
            shape=(n, in_channels, self.hidden), initializer=weights, name="kernel"
        )
        self.hidden_bias = self.add_weight(
            shape=(self.hidden,), initializer="zeros", name="hidden_bias"
        )
        self.out_kernel = self.add_weight(
            shape=(n, self.hidden, self.channels), initializer=outputs, name="out_kernel"
        )
        self.bias = self.add_weight(shape=(n, self.channels), initializer="zeros", name="bias")
        self.scales = (
            [self.add_weight(shape=(n, 1), initializer="ones", name="scales")]
            if self.rescaled
            else []
        )
        self.condition_kernel = self.condition_weights(self.hidden)

    def compute_output_shape(self, input_shape: KerasShape) -> KerasShape:
        return (*input_shape[:2], self.channels)

    def call(
        self, x: tf.Tensor, condition: Rows = None, member: Member = None, training: Training = None
    ) -> tf.Tensor:
        # In float32 whatever the policy: these are running sums over the sites.
        x = tf.transpose(tf.cast(x, tf.float32), [1, 0, 2])  # [n, B, c]
        sums = self._first_sums(tf.shape(x)[1], condition)
        keep = tf.ones_like(sums)
        if training and self.dropout:
            keep = keras.random.dropout(keep, self.dropout, seed=self.seed_generator)

        def output(sums, *weights):
            return self._output(sums, keep, *weights)

        kernel, *weights = (
            tf.cast(w, tf.float32) for w in (self.kernel, self.out_kernel, *self.scales)
        )
        y = recurrence(output, self.channels, x, kernel, sums, *weights)
        y += tf.cast(self.bias, tf.float32)[:, None]
        return tf.cast(tf.transpose(y, [1, 0, 2]), self.compute_dtype)

    def _output(self, sums, keep, out_kernel, *scales):
        for scale in scales:
            sums = scale * sums
        return (self.activation(sums) * keep) @ out_kernel

    def _first_sums(self, batch_size, condition):
        """a_0, [B, H]."""
        sums = tf.zeros([batch_size, self.hidden]) + tf.cast(self.hidden_bias, tf.float32)
        return sums + self.of_condition(condition, self.condition_kernel, tf.float32)

    def initial_state(
        self,
        batch_size: BatchSize,
        condition: Rows = None,
        member: Member = None,
        schedule: Plan | None = None,
    ) -> Nest:
        return self._first_sums(batch_size, condition)

    def step(self, x: tf.Tensor, state: Nest, sites: Sites) -> tuple[tf.Tensor, Nest]:
        sums, site = state, sites.one
        # The input at site 0 is zeros, so any row of the kernel will do.
        kernel = tf.cast(self.kernel[tf.maximum(site - 1, 0)], tf.float32)
        sums += tf.cast(x[:, 0], tf.float32) @ kernel
        bias, *weights = (
            tf.cast(w[site], tf.float32) for w in (self.bias, self.out_kernel, *self.scales)
        )
        y = self._output(sums, 1.0, *weights) + bias
        return tf.cast(y[:, None], self.compute_dtype), sums

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
            "rescaled": self.rescaled,
            "condition_size": self.condition_size,
        }
