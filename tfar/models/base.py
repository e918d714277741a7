"""The base of all models: a Keras model that returns the distribution of every conditional."""

import math
from collections.abc import Callable
from typing import Any, Self

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import ArrayLike
from tensorflow_probability import distributions as tfd

from tfar import conditions, heads, orders
from tfar.arguments import integers
from tfar.distribute.replicas import Distributed, never_empty
from tfar.layers import CausalLayer
from tfar.layers.packing import Packing
from tfar.layers.probes import check_exclusive, condition_size
from tfar.models.fitting import Fitting
from tfar.models.inputs import InputChecks
from tfar.models.saving import Saving
from tfar.models.scoring import Scoring
from tfar.models.stepping import Stepping
from tfar.typing import Member, Nest, Order, Shape, Training

if keras.backend.backend() != "tensorflow":
    raise ImportError(
        f"tfar needs Keras on TensorFlow, and it is on {keras.backend.backend()}: set "
        "KERAS_BACKEND=tensorflow."
    )


@keras.saving.register_keras_serializable(package="tfar")
class AutoregressiveModel(
    Scoring, Stepping, Saving, Fitting, Distributed, InputChecks, keras.Model
):
    """p(x) = prod_i p(x_i | x_<i), with all conditionals computed by one causal network.

    ``model(x)`` for ``x`` of shape [B, *event_shape] is a ``tfd.Distribution`` of that batch shape:
    the conditionals, in the layout of the data. ``model.joint()`` is the joint distribution.
    Inputs may be of any integer, bool or float dtype, and may come as ``{"x": x}``.

    A model with a ``condition`` is conditional, p(x | c) = prod_i p(x_i | x_<i, c): its inputs are
    ``{"x": x, "condition": c}``, and ``model.joint(condition=c)`` has the batch shape of c. See
    `tfar.conditions` for what c may be: labels, vectors or a structure.

    The loss is the negative log-likelihood, the mean over the batch in nats: ``compile`` takes an
    optimizer and no loss. ``evaluate`` gives it as ``nats``, and as ``bits_per_dim``: nats divided
    by log 2 and by the number of dimensions of an event. ``predict`` gives log p(x), [B] nats.
    All three give the same under ``tf.distribute``, see `tfar.distribute.replicas`.

    Args:
      network: a `tfar.layers.CausalLayer`, exclusive, that maps [B, n, head.num_inputs] to
        [B, n, head.num_params] with the n sites in the order that is modelled. Any other Keras
        layer that does so works too, and is sampled by whole passes, at most n, see
        `tfar.sampling.fixed_point`. It is tested for leaks on a few random inputs;
        `tfar.testing.verify_causality` tests more. In a conditional model the network also takes
        ``condition``, [B, d] numbers.
      event_shape: shape of one example, for instance [28, 28, 1]. Every entry is a site or, if
        the head models vectors, every vector along the last axis.
      head: a `tfar.heads.Head`.
      order: order of the sites, see `tfar.orders.get`.
      num_classes: K, for ``condition=tfar.conditions.Labels(K)``.
      condition: what the model is conditioned on, a `tfar.conditions.Condition`, or None.
      **kwargs: passed to ``keras.Model`` (``name``, ``dtype``).

    A subclass sets ``hyperparameters``, a dict of its own constructor's other arguments, before it
    calls this constructor: they become attributes, such as ``PixelCNN(...).filters``, and part of
    the config. (``layers`` is the exception, Keras' own list: read ``hyperparameters["layers"]``.)

    Raises:
      ValueError: if the network is inclusive, is a plain Keras layer that leaks, has outputs of the
        wrong shape or takes a condition of another size, or if the order is invalid.

    >>> network = tfar.layers.MaskedDense(range(4), range(4), num_sites=4, exclusive=True)
    >>> model = AutoregressiveModel(network, [2, 2], tfar.heads.Bernoulli())
    >>> model
    AutoregressiveModel(event_shape=[2, 2], head=Bernoulli(centered=False), order=raster,
    parameters=20)
    >>> model(np.array([[[0, 1], [1, 1]]])).batch_shape
    TensorShape([1, 2, 2])
    >>> float(model.joint().prob(np.zeros([2, 2])).numpy() < 1)
    1.0
    """

    hyperparameters: dict[str, Any] = {}
    weights_in_layout = False  # whether the sites of the network are in the order of the data

    def __init__(
        self,
        network: keras.layers.Layer,
        event_shape: Shape,
        head: heads.Head | str,
        *,
        order: Order = "raster",
        num_classes: int | None = None,
        condition: conditions.Condition | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(autocast=False, **kwargs)  # 255 is not a bfloat16
        for name, value in self.hyperparameters.items():
            if not hasattr(type(self), name):  # not `layers`, which is Keras' own
                object.__setattr__(self, name, value)
        if not isinstance(network, keras.layers.Layer):
            raise ValueError(
                "Expected network to be a tfar.layers.CausalLayer or another Keras layer, got "
                f"{network!r}."
            )
        self._describe(event_shape, heads.get(head), conditions.get(condition, num_classes))
        head = self.head
        size = conditions.size(self.condition)
        taken = condition_size(network, size)
        if taken != size:
            raise ValueError(
                f"Expected a network that takes a condition of size {size}, got {network.name!r}, "
                f"which takes one of size {taken} (0: no condition)."
            )
        self.condition_layer = getattr(self.condition, "layer", None)  # for Keras to track
        self.permutations = self._permutations(order)
        self.order = order if isinstance(order, str) else np.asarray(order).tolist()
        self.network = network
        if isinstance(network, CausalLayer) and not network.exclusive:
            raise ValueError(
                f"The network {network.name!r} is inclusive: site i would see itself. "
                "Give it one exclusive layer, for instance tfar.layers.Shift()."
            )
        # Built at once: load_weights and BackupAndRestore need the variables.
        input_shape = (None, self.num_sites, head.num_inputs)
        if not network.built:
            network.build(input_shape)
        output_shape = tuple(network.compute_output_shape(input_shape))
        if output_shape[1:] != (self.num_sites, head.num_params):
            raise ValueError(
                f"{head} at {self.num_sites} sites needs network outputs of shape "
                f"{[None, self.num_sites, head.num_params]}, got {list(output_shape)}."
            )
        if not isinstance(network, CausalLayer):
            with tf.init_scope():
                check_exclusive(network, self.num_sites, head.num_inputs, condition_size=size)
        self.built = True

    def _describe(
        self, event_shape: Shape, head: heads.Head, condition: conditions.Condition | None
    ) -> None:
        """Sets what is known without a network."""
        self.event_shape = integers("event_shape", event_shape, least=1)
        self.head, self.condition = head, condition
        rank = len(self.event_shape) - len(head.site_shape)
        if rank < 0 or self.event_shape[rank:] != head.site_shape:
            raise ValueError(
                f"{head} models vectors of shape {list(head.site_shape)} along the last axis, got "
                f"event_shape={list(event_shape)}."
            )
        self.grid_shape = self.event_shape[:rank]
        self.num_sites = int(np.prod(self.grid_shape))
        self.nats = keras.metrics.Mean("nats")
        self.bits_per_dim = keras.metrics.Mean("bits_per_dim")
        # Keras must not track these: joint distributions and their compiled samplers.
        object.__setattr__(self, "_made", {})

    def _permutations(self, order):
        return orders.get(order, self.num_sites)[None]

    @property
    def members(self) -> int:
        """Number of orders or masks that share the weights; 1 unless the model is an ensemble."""
        return len(self.permutations)

    @property
    def shares(self) -> tf.Tensor:
        """The weights of the members in their mixture, float32 [R], which sum to 1."""
        return tf.fill([self.members], np.float32(1 / self.members))

    def of_member(self, member: int) -> tuple["AutoregressiveModel", int]:
        """The model that has a member, and its number there; see `Mixture`."""
        return self, member

    def by_member(self, member: Member, function: Callable[..., Any]) -> Any:
        """``function(*of_member(member))``, in a graph too, where the number may be unknown."""
        return function(self, member)

    @property
    def num_classes(self) -> int | None:
        """K if the model is conditioned on a label, else None."""
        return None if self.condition is None else self.condition.num_classes

    @property
    def num_dimensions(self) -> int:
        """The number of entries of an event; bits/dim are bits divided by it."""
        return int(np.prod(self.event_shape))

    def __repr__(self) -> str:
        parts = [f"{type(self).__name__}(event_shape={list(self.event_shape)}, head={self.head!r}"]
        parts.append(f"order={self.order if isinstance(self.order, str) else 'given'}")
        if self.members > 1:
            parts.append(f"members={self.members}")
        if self.condition is not None:
            parts.append(f"condition={self.condition.support}")
        return ", ".join([*parts, f"parameters={self.count_params():,})"])

    def summary(self, *args: Any, **kwargs: Any) -> None:
        """As in Keras, after a line with event shape, head, order and parameters."""
        (kwargs.get("print_fn") or print)(repr(self))
        super().summary(*args, **kwargs)

    def _encoded(self, condition, training=None):
        """A condition as the network takes it, [B, d]; None for None."""
        if condition is None:
            return None
        return self.condition.encode(condition, self.compute_dtype, training)

    def _given(self, condition, member):
        """The network's arguments besides x: an encoded condition, unless None, and a member."""
        given = {} if condition is None else {"condition": condition}
        return {**given, "member": member} if self.members > 1 else given

    def call(
        self, inputs: Nest, training: Training = None, member: Member = None
    ) -> tfd.Distribution:
        """All conditionals of ``inputs``, in one pass.

        Args:
          inputs: ``x`` [B, *event_shape] or ``{"x": x}``; for a conditional model also
            ``"condition"``, one for each example.
          training: as in Keras.
          member: which of the `members` of an ensemble; by default a random one in training, and
            the first otherwise.

        Returns:
          ``tfd.Distribution`` of batch shape [B, *event_shape], parameters in float32. If the head
          models vectors, the last axis is the event axis instead of a batch axis.

        Raises:
          ValueError: if the shape or dtype of ``inputs`` is wrong, or the batch is empty.
        """
        x, condition = self._pick(inputs)
        member = self.check_member(member)
        if member is None:
            member = self._default_member(training)

        def params(x, condition):
            options = {"condition": condition, "member": member, "training": training}
            y = self.parameters(x, **options)
            return tf.reshape(y, [-1, *self.grid_shape, self.head.num_params])

        return self.head.distribution(never_empty(params, x, condition))

    def _default_member(self, training):
        return 0

    def _parameters(self, x, condition, member, training=None):
        """The network between two permutations: [B, n, inputs] -> [B, n, params], in the layout."""
        options = {**self._given(condition, member), "training": training}
        if self.order == "raster":
            return self.network(x, **options)
        permutation = self.permutations[0]
        y = self.network(tf.gather(x, permutation, axis=1), **options)
        return tf.gather(y, np.argsort(permutation), axis=1)

    def compute_output_spec(
        self, inputs: Nest, training: Training = None, member: Member = None
    ) -> keras.KerasTensor:
        x = inputs["x"] if isinstance(inputs, dict) else inputs
        return keras.KerasTensor(x.shape, dtype=self.head.dtype.name)

    def adapt(self, x: ArrayLike) -> None:
        """Sets the output biases to the marginal distribution of every site, as a good start.

        Otherwise training spends its first thousands of steps on sites that are (nearly) constant.
        A network without an output bias stays as it is.

        Args:
          x: examples [N, *event_shape], an array (also for a conditional model).

        >>> model = tfar.models.FVSBN([2])
        >>> model.adapt(np.array([[0, 1], [0, 1], [0, 0], [0, 0]]))
        >>> model(np.zeros([1, 2])).probs_parameter().numpy().round(3)
        array([[0.167, 0.5  ]], dtype=float32)
        """
        x = self._array(x, "x")
        self.check_events(x)
        bias = self.network.output_bias if isinstance(self.network, CausalLayer) else None
        if bias is not None:
            params = self.head.marginal(
                np.reshape(x, [len(x), self.num_sites, *self.head.site_shape])
            )
            if not self.weights_in_layout:
                params = params[self.permutations[0]]
            sizes = self.head.sizes
            if sizes is not None and params.size != math.prod(bias.shape):
                params = params[Packing(sizes[1]).used]  # sites have only what they need
            bias.assign(np.reshape(params, bias.shape))

    def get_config(self) -> dict[str, Any]:
        config = {
            "name": self.name,
            "dtype": keras.dtype_policies.serialize(self.dtype_policy),
            "event_shape": list(self.event_shape),
            "head": keras.saving.serialize_keras_object(self.head),
            "order": self.order,
        }
        if self.num_classes is not None and self.condition.names is None:  # type: ignore[union-attr]
            config["num_classes"] = self.num_classes
        elif self.condition is not None:
            config["condition"] = keras.saving.serialize_keras_object(self.condition)
        if type(self) is AutoregressiveModel:
            config["network"] = keras.saving.serialize_keras_object(self.network)
        return {**config, **self.hyperparameters}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Self:
        config = dict(config)
        for key in {"head", "network", "dtype", "condition"} & set(config):
            config[key] = keras.saving.deserialize_keras_object(config[key])
        return cls(**config)
