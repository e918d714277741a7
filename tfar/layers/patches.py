"""Causal layers over patches of sites (Yu et al. 2023)."""

import operator
from typing import Any, Self

import keras
import numpy as np
import tensorflow as tf

from tfar.arguments import instance, integer
from tfar.layers.base import CausalLayer
from tfar.layers.dense import Dense
from tfar.layers.schedule import Plan, Sites, one_by_one
from tfar.typing import BatchSize, KerasShape, Member, Nest, Rows, Training


@keras.saving.register_keras_serializable(package="tfar")
class Patches(CausalLayer):
    """A causal layer f over patches of P sites each, whose outputs are mapped to the sites.

    z_1, z_2, ... = f(patch_1, patch_2, ...),  y_i = K_place(i) z_patch(i) + b_place(i)

    with patch_j the concatenated inputs of P successive sites. f is exclusive, so y_i depends on
    the patches before that of site i: the site's own patch must reach the output by another
    path, see `tfar.models.Transformer`. The cost of f is that of a sequence P times shorter.
    [B, n, c] becomes [B, n, filters]. Exclusive.

    `step` runs one step of f when a patch begins.

    Args:
      layer: f, an exclusive `tfar.layers.CausalLayer` from [B, n / P, P c] to [B, n / P, d].
      size: P, which divides n.
      filters: output channels of a site.

    Raises:
      ValueError: if f is inclusive, or P does not divide the number of sites.

    #### References
    L. Yu, D. Simig, C. Flaherty, A. Aghajanyan, L. Zettlemoyer, M. Lewis. MEGABYTE: Predicting
    Million-byte Sequences with Multiscale Transformers. NeurIPS 2023, section 2.

    >>> layer = Patches(tfar.layers.Shift(), size=2, filters=8)
    >>> layer(np.zeros([3, 6, 1])).shape
    TensorShape([3, 6, 8])
    """

    def __init__(self, layer: CausalLayer, size: int, filters: int, **kwargs: Any) -> None:
        kwargs.pop("exclusive", None)
        if not instance("layer", layer, CausalLayer, "a tfar.layers.CausalLayer").exclusive:
            raise ValueError(f"The layer {layer.name!r} is inclusive: a patch would see itself.")
        super().__init__(exclusive=True, **kwargs)
        self.layer, self.size = layer, integer("size", size, least=1)
        self.filters = integer("filters", filters, least=1)
        self.condition_size = layer.condition_size

    def build(self, input_shape: KerasShape) -> None:
        n, self.in_channels = input_shape[1:]
        if n % self.size:
            raise ValueError(f"Patches of {self.size} sites do not divide {n} sites.")
        self.patches = n // self.size
        shape = (None, self.patches, self.size * self.in_channels)
        if not self.layer.built:
            self.layer.build(shape)
        channels = self.layer.compute_output_shape(shape)[-1]
        outputs = self.size * self.filters
        self.projection = Dense(outputs, dtype=self.dtype_policy, name="projection")
        self.projection.build((*shape[:2], channels))

    hand_out = property(operator.attrgetter("projection"))  # in files, see attention.py

    def compute_output_shape(self, input_shape: KerasShape) -> KerasShape:
        return (*input_shape[:2], self.filters)

    def call(
        self, x: tf.Tensor, condition: Rows = None, member: Member = None, training: Training = None
    ) -> tf.Tensor:
        n = x.shape[1]
        patches = tf.reshape(x, [-1, n // self.size, self.size * self.in_channels])
        y = self.projection(
            self.layer(patches, condition=condition, member=member, training=training)
        )
        return tf.reshape(y, [-1, n, self.filters])

    def initial_state(
        self,
        batch_size: BatchSize,
        condition: Rows = None,
        member: Member = None,
        schedule: Plan | None = None,
    ) -> Nest:
        """(the last P inputs, the state of f, the outputs of the patch)."""
        shape = [batch_size, self.size, self.in_channels]
        last = tf.zeros(shape, self.compute_dtype)
        outputs = tf.zeros([batch_size, self.size, self.filters], self.compute_dtype)
        return last, self.layer.initial_state(batch_size, condition, member), outputs

    @property
    def has_step(self) -> bool:
        return self.layer.has_step

    def step(self, x: tf.Tensor, state: Nest, sites: Sites) -> tuple[tf.Tensor, Nest]:
        last, inner, outputs = state
        last = tf.concat([last[:, 1:], tf.cast(x, last.dtype)], axis=1)
        patch, place = sites.one // self.size, sites.one % self.size

        def begin():
            """All inputs of the previous patch are known here."""
            before = tf.reshape(last, [-1, 1, self.size * self.in_channels])
            z, after = self.layer.step(before, inner, one_by_one(self.patches).at(patch))
            return tf.reshape(self.projection(z), tf.shape(outputs)), after

        outputs, inner = tf.cond(place == 0, begin, lambda: (outputs, inner))
        return outputs[:, place, None], (last, inner, outputs)

    def depends(self, sources: np.ndarray) -> np.ndarray:
        sources = np.asarray(sources, bool)
        of_patches = sources.reshape([-1, self.size, sources.shape[1]]).any(axis=1)
        return np.repeat(self.layer.depends(of_patches), self.size, axis=0)  # type: ignore[arg-type]  # an array

    def get_config(self) -> dict[str, Any]:
        layer = keras.saving.serialize_keras_object(self.layer)
        return {
            **super().get_config(),
            "layer": layer,
            "size": self.size,
            "filters": self.filters,
        }

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Self:
        layer = keras.saving.deserialize_keras_object(config["layer"])
        return cls(**{**config, "layer": layer})
