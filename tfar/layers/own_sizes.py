"""A layer whose units are the channels of all sites, where sites have different numbers of them."""

from collections.abc import Sequence
from typing import Any, Self

import keras
import numpy as np
import tensorflow as tf

from tfar.arguments import instance
from tfar.layers.base import CausalLayer
from tfar.layers.packing import Packing
from tfar.layers.schedule import Plan, Sites
from tfar.typing import BatchSize, KerasShape, Member, Nest, Rows, Training


@keras.saving.register_keras_serializable(package="tfar")
class OwnSizes(CausalLayer):
    """y = unpack(f(pack(x))): a layer f of units, which are the channels that sites have.

    Maps [B, n, c] to [B, n, p] by a layer [B, U, 1] -> [B, V, 1], such as `MaskedDense`: U and V
    are the sums of the sizes, with the units of each site side by side. Channels beyond a site's
    size are ignored, and zero in the output.

    Args:
      layer: f, a `tfar.layers.CausalLayer`, which steps through sites and not through units.
      inputs: how many of the c channels each site has, the first ones.
      outputs: the same of the p channels.

    >>> f = tfar.layers.MaskedDense([0, 0, 1], [0, 1, 1], 2, exclusive=True)
    >>> OwnSizes(f, [2, 1], [1, 2])(np.ones([4, 2, 2])).shape
    TensorShape([4, 2, 2])
    """

    def __init__(
        self, layer: CausalLayer, inputs: Sequence[int], outputs: Sequence[int], **kwargs: Any
    ) -> None:
        kwargs.pop("exclusive", None)
        instance("layer", layer, CausalLayer, "a tfar.layers.CausalLayer")
        super().__init__(exclusive=layer.exclusive, **kwargs)
        self.layer, self.condition_size = layer, layer.condition_size
        self.inputs, self.outputs = Packing(inputs), Packing(outputs)
        self.sizes = list(inputs), list(outputs)

    def build(self, input_shape: KerasShape) -> None:
        if tuple(input_shape[1:]) != self.inputs.used.shape:
            raise ValueError(
                f"Expected inputs of shape {[None, *self.inputs.used.shape]}, got "
                f"{list(input_shape)}."
            )
        if not self.layer.built:
            self.layer.build((input_shape[0], self.inputs.total, 1))

    def compute_output_shape(self, input_shape: KerasShape) -> KerasShape:
        return (input_shape[0], *self.outputs.used.shape)

    def call(
        self, x: tf.Tensor, condition: Rows = None, member: Member = None, training: Training = None
    ) -> tf.Tensor:
        units = self.inputs.pack(x)[..., None]
        y = self.layer(units, condition=condition, member=member, training=training)
        return self.outputs.unpack(y[..., 0])

    def initial_state(
        self,
        batch_size: BatchSize,
        condition: Rows = None,
        member: Member = None,
        schedule: Plan | None = None,
    ) -> Nest:
        return self.layer.initial_state(batch_size, condition, member, schedule)

    @property
    def has_step(self) -> bool:
        return self.layer.has_step

    def select(self, state: Nest, examples: tf.Tensor) -> Nest:
        return self.layer.select(state, examples)

    def step(self, x: tf.Tensor, state: Nest, sites: Sites) -> tuple[tf.Tensor, Nest]:
        return self.layer.step(x, state, sites)  # the units of one site are padded already

    @property
    def output_bias(self) -> keras.Variable | None:
        return self.layer.output_bias

    def depends(self, sources: np.ndarray) -> np.ndarray:
        site = self.inputs.places // self.inputs.used.shape[1]  # of each unit
        first = self.outputs.numbers[:, 0]  # unit of each site: all have the same dependencies
        return self.layer.depends(np.asarray(sources, bool)[site])[first]

    def get_config(self) -> dict[str, Any]:
        layer = keras.saving.serialize_keras_object(self.layer)
        inputs, outputs = self.sizes
        return {**super().get_config(), "layer": layer, "inputs": inputs, "outputs": outputs}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Self:
        layer = keras.saving.deserialize_keras_object(config["layer"])
        return cls(**{**config, "layer": layer})
