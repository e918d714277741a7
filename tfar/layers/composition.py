"""Causal layers made of other layers: one after the other, side by side, or at every site."""

from collections.abc import Sequence
from typing import Any, Self

import keras
import numpy as np
import tensorflow as tf

from tfar import private
from tfar.arguments import activation, items
from tfar.layers.base import CausalLayer
from tfar.layers.probes import check_pointwise
from tfar.layers.schedule import Plan, Schedule, Sites
from tfar.typing import Activation, BatchSize, KerasShape, Member, Nest, Rows, Training


class Composite(CausalLayer):
    """A causal layer made of other layers: the base of `Causal` and `Sum`."""

    def __init__(self, layers: Sequence[Any], **kwargs: Any) -> None:
        kwargs.pop("exclusive", None)  # it follows from the layers
        layers = items("layers", layers, "a list of layers, at least one", lambda _: True)
        layers = [layer if isinstance(layer, CausalLayer) else Pointwise(layer) for layer in layers]
        super().__init__(exclusive=self._exclusive(layers), **kwargs)
        self.parts = layers
        self.condition_size = max(layer.condition_size for layer in layers)
        self.stationary = all(layer.stationary for layer in layers)

    def initial_state(
        self,
        batch_size: BatchSize,
        condition: Rows = None,
        member: Member = None,
        schedule: Plan | None = None,
    ) -> Nest:
        given = condition, member, schedule
        return tuple(part.initial_state(batch_size, *given) for part in self.parts)

    @property
    def has_step(self) -> bool:
        return all(part.has_step for part in self.parts)

    def schedule(self, fastest: Schedule) -> Schedule:
        for part in self.parts:
            fastest = part.schedule(fastest)
        return fastest

    def extends(self, schedule: Plan) -> bool:
        return all(part.extends(schedule) for part in self.parts)

    def select(self, state: Nest, examples: tf.Tensor) -> Nest:
        return tuple(part.select(of_part, examples) for part, of_part in zip(self.parts, state))

    def get_config(self) -> dict[str, Any]:
        parts = [keras.saving.serialize_keras_object(part) for part in self.parts]
        return {**super().get_config(), "layers": parts}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Self:
        parts = [keras.saving.deserialize_keras_object(part) for part in config["layers"]]
        return cls(**{**config, "layers": parts})


@keras.saving.register_keras_serializable(package="tfar")
class Causal(Composite):
    """Layers one after the other, with a tuple of their states.

    A plain Keras layer in the list must act on every site by itself (see `Pointwise`). At most one
    of the layers may be exclusive, and it must be the first: a layer before it would see a site
    that does not exist, and turn the zeros of site 0 into something else.

    >>> net = Causal([Shift(), keras.layers.Dense(3)])
    >>> net.exclusive
    True
    >>> net(np.ones([2, 5, 1])).shape
    TensorShape([2, 5, 3])
    """

    def _exclusive(self, layers):
        exclusive = [i for i, layer in enumerate(layers) if layer.exclusive]
        if len(exclusive) > 1:
            raise ValueError(
                "A path through a network may have only one exclusive layer, got "
                f"{[layers[i].name for i in exclusive]}: make the later ones inclusive."
            )
        if exclusive and exclusive[0] > 0:
            raise ValueError(
                f"{layers[0].name!r} comes before the exclusive layer "
                f"{layers[exclusive[0]].name!r}: put the exclusive layer first."
            )
        return bool(exclusive)

    def build(self, input_shape: KerasShape) -> None:
        for part in self.parts:
            if not part.built:
                part.build(input_shape)
            input_shape = part.compute_output_shape(input_shape)

    def compute_output_shape(self, input_shape: KerasShape) -> KerasShape:
        for part in self.parts:
            input_shape = part.compute_output_shape(input_shape)
        return input_shape

    def call(
        self, x: tf.Tensor, condition: Rows = None, member: Member = None, training: Training = None
    ) -> tf.Tensor:
        for part in self.parts:
            x = part(x, condition=condition, member=member, training=training)
        return x

    def step(self, x: tf.Tensor, state: Nest, sites: Sites) -> tuple[tf.Tensor, Nest]:
        states = []
        for part, part_state in zip(self.parts, state):
            x, part_state = part.step(x, part_state, sites)
            states.append(part_state)
        return x, tuple(states)

    def extend(self, x: tf.Tensor, state: Nest, first: tf.Tensor) -> tuple[tf.Tensor, Nest]:
        states = []
        for part, part_state in zip(self.parts, state):
            x, part_state = part.extend(x, part_state, first)
            states.append(part_state)
        return x, tuple(states)

    @property
    def output_bias(self) -> keras.Variable | None:
        return self.parts[-1].output_bias

    def depends(self, sources: np.ndarray) -> np.ndarray:
        for part in self.parts:
            sources = part.depends(sources)
        return sources


@keras.saving.register_keras_serializable(package="tfar")
class Sum(Composite):
    """The sum of layers that all take the same input: ``y = sum_k layer_k(x)``.

    Direct connections are sums, and so are residual blocks, see `residual_block`. All layers are
    exclusive, or none is.
    """

    def _exclusive(self, layers):
        if len({layer.exclusive for layer in layers}) > 1:
            raise ValueError(
                "The layers of a Sum must be all exclusive or all inclusive, got exclusive="
                f"{[layer.exclusive for layer in layers]}."
            )
        return layers[0].exclusive

    def build(self, input_shape: KerasShape) -> None:
        for part in self.parts:
            if not part.built:
                part.build(input_shape)
        shapes = [tuple(part.compute_output_shape(input_shape)) for part in self.parts]
        if len(set(shapes)) > 1:
            raise ValueError(f"The layers of a Sum must have outputs of one shape, got {shapes}.")

    def compute_output_shape(self, input_shape: KerasShape) -> KerasShape:
        return self.parts[0].compute_output_shape(input_shape)

    def call(
        self, x: tf.Tensor, condition: Rows = None, member: Member = None, training: Training = None
    ) -> tf.Tensor:
        options = {"condition": condition, "member": member, "training": training}
        return self._added([part(x, **options) for part in self.parts])

    def step(self, x: tf.Tensor, state: Nest, sites: Sites) -> tuple[tf.Tensor, Nest]:
        outputs, states = zip(*(part.step(x, s, sites) for part, s in zip(self.parts, state)))
        return self._added(outputs), states

    def extend(self, x: tf.Tensor, state: Nest, first: tf.Tensor) -> tuple[tf.Tensor, Nest]:
        outputs, states = zip(*(part.extend(x, s, first) for part, s in zip(self.parts, state)))
        return self._added(outputs), states

    def _added(self, outputs):
        return sum(outputs)

    @property
    def output_bias(self) -> keras.Variable | None:
        return next((p.output_bias for p in self.parts if p.output_bias is not None), None)

    def depends(self, sources: np.ndarray) -> np.ndarray:
        return np.any([part.depends(sources) for part in self.parts], axis=0)


@keras.saving.register_keras_serializable(package="tfar")
class WeightedSum(Sum):
    """``y = sum_k w_k layer_k(x)`` with a trainable number w_k for each layer, at first 1 / K.

    Outputs are float32, whatever the precision of the layers.

    >>> net = WeightedSum([Shift(), Shift()])
    >>> net(np.array([[[3.0], [5.0]]])).numpy().ravel().tolist(), net.shares.numpy().tolist()
    ([0.0, 3.0], [0.5, 0.5])
    """

    def build(self, input_shape: KerasShape) -> None:
        super().build(input_shape)
        count = len(self.parts)
        start = keras.initializers.Constant(1 / count)
        self.shares = self.add_weight(shape=(count,), initializer=start, name="shares")

    def _added(self, outputs):
        shares = tf.unstack(tf.cast(self.shares, tf.float32))
        return sum(share * tf.cast(y, tf.float32) for share, y in zip(shares, outputs))

    @property
    def output_bias(self) -> None:
        return None  # those of the layers are weighted


def residual_block(layers: Sequence[Any], dtype: Any = None) -> Sum:
    """A residual block, ``x + f(x)``: the `Sum` of the identity and inclusive layers in sequence.

    Args:
      layers: those of f, as `Causal` takes them; its output must have the shape of x.
      dtype: dtype or policy of the block.

    >>> block = residual_block([keras.layers.Dense(2, kernel_initializer="zeros")])
    >>> block(np.ones([1, 3, 2])).numpy().ravel().tolist()
    [1.0, 1.0, 1.0, 1.0, 1.0, 1.0]
    """
    identity = keras.layers.Activation("linear", dtype=dtype)
    return Sum([identity, Causal(layers, dtype=dtype)], dtype=dtype)


@keras.saving.register_keras_serializable(package="tfar")
class Pointwise(CausalLayer):
    """A Keras layer that acts on every site by itself: an activation, dropout, a Dense on channels.

    Args:
      layer: a Keras layer, a callable or the name of an activation. It must treat sites alike and
        independently, in training too: normalisation over a batch or over the sites does not.

    Raises:
      ValueError: when it is built, if a few random inputs show that it mixes sites, see
        `tfar.layers.probes`.
    """

    layer: keras.layers.Layer
    stationary = True

    def __init__(self, layer: keras.layers.Layer | Activation, **kwargs: Any) -> None:
        kwargs.pop("exclusive", None)
        if isinstance(layer, keras.layers.Layer):
            kwargs.setdefault("dtype", layer.dtype_policy)  # or it would cast back and forth
        else:
            if layer is None or isinstance(layer, type):
                raise ValueError(
                    f"Expected layer to be a Keras layer or an activation, got {layer!r}."
                )
            layer = keras.layers.Activation(activation("layer", layer), dtype=kwargs.get("dtype"))
        super().__init__(**kwargs)
        self.layer = layer

    def build(self, input_shape: KerasShape) -> None:
        if not self.layer.built:
            self.layer.build(input_shape)
        with tf.init_scope():
            check_pointwise(self.layer, input_shape[1] or 5, input_shape[2])

    def compute_output_shape(self, input_shape: KerasShape) -> KerasShape:
        return self.layer.compute_output_shape(input_shape)

    def call(
        self, x: tf.Tensor, condition: Rows = None, member: Member = None, training: Training = None
    ) -> tf.Tensor:
        if private.takes_training(self.layer):
            return self.layer(x, training=training)
        return self.layer(x)

    def step(self, x: tf.Tensor, state: Nest, sites: Sites) -> tuple[tf.Tensor, Nest]:
        return self.call(x, training=False), state

    def schedule(self, fastest: Schedule) -> Schedule:
        return fastest

    def extend(self, x: tf.Tensor, state: Nest, first: tf.Tensor) -> tuple[tf.Tensor, Nest]:
        return self.call(x, training=False), state

    def extends(self, schedule: Plan) -> bool:
        return True

    def depends(self, sources: np.ndarray) -> np.ndarray:
        return np.asarray(sources, bool)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "layer": keras.saving.serialize_keras_object(self.layer)}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Self:
        layer = keras.saving.deserialize_keras_object(config["layer"])
        return cls(**{**config, "layer": layer})


@keras.saving.register_keras_serializable(package="tfar")
class Shift(CausalLayer):
    """y[0] = 0, y[i] = x[i - 1]: makes the inclusive layers that follow it exclusive.

    >>> Shift()(np.array([[[1.0], [2.0], [3.0]]])).numpy().ravel().tolist()
    [0.0, 1.0, 2.0]
    """

    stationary = True

    def __init__(self, **kwargs: Any) -> None:
        kwargs.pop("exclusive", None)
        super().__init__(exclusive=True, **kwargs)

    def build(self, input_shape: KerasShape) -> None:
        self.channels = input_shape[-1]

    def compute_output_shape(self, input_shape: KerasShape) -> KerasShape:
        return input_shape

    def call(
        self, x: tf.Tensor, condition: Rows = None, member: Member = None, training: Training = None
    ) -> tf.Tensor:
        return tf.concat([tf.zeros_like(x[:, :1]), x[:, :-1]], axis=1)

    def initial_state(
        self,
        batch_size: BatchSize,
        condition: Rows = None,
        member: Member = None,
        schedule: Plan | None = None,
    ) -> Nest:
        """The last input, [B, 1, c], for `extend`."""
        return tf.zeros([batch_size, 1, self.channels], self.compute_dtype)

    def step(self, x: tf.Tensor, state: Nest, sites: Sites) -> tuple[tf.Tensor, Nest]:
        return x, state  # the loop already passes site t - 1

    def extend(self, x: tf.Tensor, state: Nest, first: tf.Tensor) -> tuple[tf.Tensor, Nest]:
        x = tf.cast(x, state.dtype)
        return tf.concat([state, x[:, :-1]], axis=1), x[:, -1:]

    def extends(self, schedule: Plan) -> bool:
        return True

    def depends(self, sources: np.ndarray) -> np.ndarray:
        sources = np.asarray(sources, bool)
        return np.concatenate([np.zeros_like(sources[:1]), sources[:-1]])
