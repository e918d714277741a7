"""A dense layer with only the entries below the diagonal."""

from typing import Any

import keras
import tensorflow as tf
import tensorflow_probability as tfp

from tfar.arguments import integer
from tfar.layers.base import CausalLayer
from tfar.layers.schedule import Plan, Sites
from tfar.typing import BatchSize, KerasShape, Member, Nest, Rows, Training


@keras.saving.register_keras_serializable(package="tfar")
class TriangularDense(CausalLayer):
    """y_i = b_i + sum_{j<i} A_ij x_j, with only the n(n-1)/2 entries below the diagonal stored.

    Maps [B, n, c] to [B, n, channels]; A_ij is a [channels, c] matrix. Exclusive. With a
    condition s, b_i + U_i s replaces b_i.

    Args:
      channels: output channels.
      condition_size: entries of s, or 0.
    """

    def __init__(self, channels: int, condition_size: int = 0, **kwargs: Any) -> None:
        kwargs.pop("exclusive", None)
        super().__init__(exclusive=True, **kwargs)
        self.channels = integer("channels", channels, least=1)
        self.condition_size = integer("condition_size", condition_size, least=0)

    def build(self, input_shape: KerasShape) -> None:
        _, self.num_sites, self.in_channels = input_shape
        pairs = self.num_sites * (self.num_sites - 1) // 2
        self.kernel = self.add_weight(
            shape=(self.in_channels, self.channels, pairs), initializer="zeros", name="kernel"
        )
        self.bias = self.add_weight(
            shape=(self.num_sites, self.channels), initializer="zeros", name="bias"
        )
        self.condition_kernel = self.condition_weights(self.num_sites * self.channels, "zeros")

    def compute_output_shape(self, input_shape: KerasShape) -> KerasShape:
        return (*input_shape[:2], self.channels)

    def _matrix(self):
        """[c, channels, n, n] in the compute dtype; rows are outputs."""
        if self.num_sites == 1:
            return tf.zeros([self.in_channels, self.channels, 1, 1], self.compute_dtype)
        below = tfp.math.fill_triangular(tf.cast(self.kernel, self.compute_dtype))
        return tf.pad(below, [[0, 0], [0, 0], [1, 0], [0, 1]])

    def call(
        self, x: tf.Tensor, condition: Rows = None, member: Member = None, training: Training = None
    ) -> tf.Tensor:
        y = tf.einsum("bjc,cpij->bip", tf.cast(x, self.compute_dtype), self._matrix())
        return y + self._biases(condition, y.dtype)

    def _biases(self, condition, dtype):
        """[n, channels] or, given a condition, [B, n, channels]."""
        bias = tf.cast(self.bias, dtype)
        if not self.condition_size:
            return bias
        added = self.of_condition(condition, self.condition_kernel, dtype)
        return bias + tf.reshape(added, [-1, *bias.shape])

    def initial_state(
        self,
        batch_size: BatchSize,
        condition: Rows = None,
        member: Member = None,
        schedule: Plan | None = None,
    ) -> Nest:
        shape = [batch_size, self.num_sites, self.channels]
        sums = tf.broadcast_to(self._biases(condition, tf.float32), shape)
        sums = tf.transpose(sums, [0, 2, 1])
        return sums, tf.transpose(self._matrix(), [3, 0, 1, 2])  # column first

    def step(self, x: tf.Tensor, state: Nest, sites: Sites) -> tuple[tf.Tensor, Nest]:
        sums, columns = state
        site = sites.one
        # The input at site 0 is zeros, so any column will do.
        column = columns[tf.maximum(site - 1, 0)]
        x = tf.cast(x[:, 0], column.dtype)
        sums += tf.cast(tf.einsum("bc,cpi->bpi", x, column), tf.float32)
        return tf.cast(sums[:, None, :, site], self.compute_dtype), (sums, columns)

    @property
    def output_bias(self) -> keras.Variable | None:
        return self.bias

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "channels": self.channels,
            "condition_size": self.condition_size,
        }
