"""Biases: of each site, and of a condition at every site."""

from typing import Any

import keras
import numpy as np
import tensorflow as tf

from tfar.arguments import integer
from tfar.layers.base import CausalLayer
from tfar.layers.schedule import Plan, Schedule, Sites
from tfar.typing import BatchSize, KerasShape, Member, Nest, Rows, Training


@keras.saving.register_keras_serializable(package="tfar")
class ConditionBias(CausalLayer):
    """y_i = x_i + U s: a condition s adds the same at all sites. Inclusive.

    Args:
      condition_size: d, the entries of s.

    >>> layer = ConditionBias(2)
    >>> layer(np.zeros([3, 5, 4]), condition=np.ones([3, 2])).shape
    TensorShape([3, 5, 4])
    """

    stationary = True

    def __init__(self, condition_size: int, **kwargs: Any) -> None:
        kwargs.pop("exclusive", None)
        super().__init__(**kwargs)
        self.condition_size = integer("condition_size", condition_size, least=1)

    def build(self, input_shape: KerasShape) -> None:
        self.condition_kernel = self.condition_weights(input_shape[-1])

    def compute_output_shape(self, input_shape: KerasShape) -> KerasShape:
        return input_shape

    def call(
        self, x: tf.Tensor, condition: Rows = None, member: Member = None, training: Training = None
    ) -> tf.Tensor:
        return x + self.of_condition(condition, self.condition_kernel, x.dtype)[:, None]

    def initial_state(
        self,
        batch_size: BatchSize,
        condition: Rows = None,
        member: Member = None,
        schedule: Plan | None = None,
    ) -> Nest:
        return self.of_condition(condition, self.condition_kernel, self.compute_dtype)

    def step(self, x: tf.Tensor, state: Nest, sites: Sites) -> tuple[tf.Tensor, Nest]:
        return tf.cast(x, state.dtype) + state[:, None], state

    def schedule(self, fastest: Schedule) -> Schedule:
        return fastest

    def extend(self, x: tf.Tensor, state: Nest, first: tf.Tensor) -> tuple[tf.Tensor, Nest]:
        return tf.cast(x, state.dtype) + state[:, None], state

    def extends(self, schedule: Plan) -> bool:
        return True

    def depends(self, sources: np.ndarray) -> np.ndarray:
        return np.asarray(sources, bool)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "condition_size": self.condition_size}


@keras.saving.register_keras_serializable(package="tfar")
class SiteBias(CausalLayer):
    """y[i] = x[i] + b[i], a bias for every site: it tells convolutions where they are.

    >>> SiteBias()(np.zeros([2, 9, 4])).shape
    TensorShape([2, 9, 4])
    """

    def __init__(self, **kwargs: Any) -> None:
        kwargs.pop("exclusive", None)
        super().__init__(**kwargs)

    def build(self, input_shape: KerasShape) -> None:
        self.bias = self.add_weight(shape=input_shape[1:], initializer="zeros", name="bias")

    def compute_output_shape(self, input_shape: KerasShape) -> KerasShape:
        return input_shape

    def call(
        self, x: tf.Tensor, condition: Rows = None, member: Member = None, training: Training = None
    ) -> tf.Tensor:
        return x + tf.cast(self.bias, x.dtype)

    def step(self, x: tf.Tensor, state: Nest, sites: Sites) -> tuple[tf.Tensor, Nest]:
        x = tf.cast(x, self.compute_dtype)
        return x + tf.cast(tf.gather(self.bias, sites.number), x.dtype), state

    def schedule(self, fastest: Schedule) -> Schedule:
        return fastest

    def extend(self, x: tf.Tensor, state: Nest, first: tf.Tensor) -> tuple[tf.Tensor, Nest]:
        x = tf.cast(x, self.compute_dtype)
        sites = first + tf.range(tf.shape(x)[1])
        here = tf.gather(self.bias, sites)  # not a slice, which XLA takes by constants only
        return x + tf.cast(here, x.dtype), state

    def extends(self, schedule: Plan) -> bool:
        return True

    @property
    def output_bias(self) -> keras.Variable | None:
        return self.bias

    def depends(self, sources: np.ndarray) -> np.ndarray:
        return np.asarray(sources, bool)
