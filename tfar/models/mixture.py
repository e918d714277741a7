"""Mixtures of whole models, of one order or of several.

#### References
B. Uria, I. Murray, H. Larochelle. A Deep and Tractable Density Estimator. ICML 2014, section 4
(ensembles over orders).
"""

import functools
from collections.abc import Callable, Sequence
from typing import Any, Self

import keras
import numpy as np
import tensorflow as tf

from tfar.arguments import integer, items
from tfar.heads import Bernoulli
from tfar.layers import Sites
from tfar.models.base import AutoregressiveModel
from tfar.models.logit_average import check_own_weights
from tfar.models.sequence import SequenceModel
from tfar.sampling.joint import Autoregressive
from tfar.typing import BatchSize, Member, Nest, Training


@keras.saving.register_keras_serializable(package="tfar")
class Mixture(AutoregressiveModel):
    """p(x) = sum_k w_k p_k(x): one density of several models, each with its own weights and order.

    It is at most -log w_k nats worse than model k, and better than all of them where they fail on
    different examples. A mixture of orders has no conditionals of its own: it is an ensemble, whose
    members are the models (and, of a model that is an ensemble, its members). ``model(x,
    member=r)`` gives the conditionals of one, a sample draws its member first, and completions and
    clamped values are for ``model.joint(member=r)``. Of models that share an order,
    `tfar.models.logit_average` makes a model with conditionals.

    ``fit`` trains the models together on -log p(x), with fixed w; `fit_weights` finds w. The
    models are those that were given, not copies.

    Args:
      models: at least one, of the same event shape, kind of values and condition; none of a text,
        and none that shares weights with another.
      weights: w, numbers above 0, which are divided by their sum; by default 1 / K each.
      **kwargs: passed to ``keras.Model`` (``name``).

    Raises:
      ValueError: if the models differ in one of these or share weights, or if their number is
        another than that of the weights.

    >>> models = [tfar.models.NADE([3], 4, order=order) for order in ("raster", "reversed")]
    >>> mixture = Mixture(models, weights=[3, 1])
    >>> x = np.array([[0, 1, 1]])
    >>> each = [model.joint().prob(x).numpy() for model in models]
    >>> np.allclose(mixture.joint().prob(x), 0.75 * each[0] + 0.25 * each[1])
    True
    """

    def __init__(
        self,
        models: Sequence[AutoregressiveModel],
        weights: Sequence[float] | None = None,
        **kwargs: Any,
    ) -> None:
        keras.Model.__init__(self, autocast=False, **kwargs)
        what = "a list of at least one tfar.models.AutoregressiveModel, none of a text"
        models = items("models", models, what, _is_of_events)
        first = models[0]
        for model in models:
            for name, of in COMMON.items():
                if of(model) != of(first):
                    raise ValueError(
                        f"Expected models of the same {name}, got {of(first)} and {of(model)}."
                    )
        check_own_weights(models)
        given = np.ones(len(models)) if weights is None else np.asarray(weights)
        if given.shape != (len(models),) or given.dtype.kind not in "iuf" or not _positive(given):
            raise ValueError(
                f"Expected {len(models)} finite numbers above 0 as weights, got {weights!r}."
            )
        self._describe(first.event_shape, first.head, first.condition)
        self.models = list(models)
        self.proportions = self.add_weight(
            shape=given.shape, initializer="zeros", trainable=False, name="proportions"
        )
        self.proportions.assign(given / given.sum())
        self.places = [(k, r) for k, model in enumerate(models) for r in range(model.members)]
        self.permutations = np.concatenate([model.permutations for model in models])
        self.order = self.permutations.tolist()
        self.built = True

    def __repr__(self) -> str:
        return f"Mixture({self.models!r}, weights={self.proportions.numpy().round(4).tolist()})"

    @property
    def shares(self) -> tf.Tensor:
        """The weights of the members, float32 [R], which sum to 1: w_k, over those of a model."""
        each = self.proportions.value / [float(model.members) for model in self.models]
        return tf.gather(each, [k for k, _ in self.places])

    def of_member(self, member: int) -> tuple[AutoregressiveModel, int]:
        k, r = self.places[member]
        return self.models[k].of_member(r)

    def by_member(self, member: Member, function: Callable[..., Any]) -> Any:
        number = tf.get_static_value(member)
        if number is not None:
            return function(*self.of_member(int(number)))
        each = [functools.partial(function, *self.of_member(r)) for r in range(self.members)]
        return tf.switch_case(member, each)

    def parameters(
        self,
        x: tf.Tensor,
        *,
        condition: Nest = None,
        member: Member = 0,
        training: Training = None,
    ) -> tf.Tensor:
        options = {"condition": condition, "training": training}
        return self.by_member(member, lambda own, r: own.parameters(x, member=r, **options))

    def _mixture(self, inputs, counted):
        each = [model.log_prob(inputs, counted=counted) for model in self.models]
        return self._mixed(each)

    def _mixed(self, each):
        return tf.reduce_logsumexp(tf.stack(each) + tf.math.log(self.proportions)[:, None], axis=0)

    def _scored(self, x, conditionals, training):
        if not training:
            return self.log_prob(x)
        each = [model._scored(x, model(x, training=True), training) for model in self.models]
        return self._mixed(each)

    def joint(self, *, member: Member = None, **options: Any) -> Autoregressive:
        """As in `AutoregressiveModel`; of one member, that of its model."""
        member = self.check_member(member)
        if member is None and self.members == 1:
            member = 0
        if member is None or tf.get_static_value(member) is None:
            return super().joint(member=member, **options)
        own, r = self.of_member(int(tf.get_static_value(member)))
        return own.joint(member=r if own.members > 1 else None, **options)

    def fit_weights(
        self, inputs: Nest, *, batch_size: int = 256, iterations: int = 1000
    ) -> np.ndarray:
        """Sets w to those of the highest likelihood, by expectation maximisation, and returns them.

        On examples that no model was trained on: those of a validation split.

        Args:
          inputs: x [N, *event_shape], or ``{"x": x, "condition": c}``.
          batch_size: examples that are scored at once.
          iterations: at most; the likelihood is concave in w, and each one increases it.

        Returns:
          float32 [K].

        Raises:
          ValueError: if the inputs are invalid.

        #### References
        A. P. Dempster, N. M. Laird, D. B. Rubin. Maximum Likelihood from Incomplete Data via the EM
        Algorithm. JRSS B 39, 1977.

        >>> models = [tfar.models.NADE([3], 4, order=order) for order in ("raster", "reversed")]
        >>> float(Mixture(models).fit_weights(np.eye(3)).sum())
        1.0
        """
        batch_size = integer("batch_size", batch_size, least=1)
        iterations = integer("iterations", iterations, least=1)
        inputs = self.check(inputs)
        each = np.stack(
            [model.predict(inputs, batch_size=batch_size, verbose=0) for model in self.models]
        ).astype(np.float64)
        likelihood = np.exp(each - np.max(each, axis=0))
        shares = self.proportions.numpy().astype(np.float64)
        for _ in range(iterations):
            joint = shares[:, None] * likelihood
            found = (joint / joint.sum(axis=0)).mean(axis=1)
            done, shares = np.abs(found - shares).max() < 1e-7, found
            if done:
                break
        self.proportions.assign(shares)
        return self.proportions.numpy()

    @property
    def schedule(self) -> None:
        """None: each member has its own."""
        return None

    @property
    def extends(self) -> bool:
        """False: each member has states of its own."""
        return False

    def initial_state(self, batch_size: BatchSize, *, member: Member = 0, **options: Any) -> Nest:
        """As in `AutoregressiveModel`, of a member whose number is known."""
        return self.by_member(
            self.check_member(member),
            lambda own, r: own.initial_state(batch_size, member=r, **options),
        )

    def step(
        self, x: tf.Tensor, state: Nest, sites: Sites, *, member: Member = 0
    ) -> tuple[tf.Tensor, Nest]:
        """As in `AutoregressiveModel`, of a member whose number is known."""
        return self.by_member(member, lambda own, r: own.step(x, state, sites, member=r))

    def adapt(self, x: Any) -> None:
        """As in `AutoregressiveModel`, all models."""
        for model in self.models:
            model.adapt(x)

    def get_config(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "dtype": keras.dtype_policies.serialize(self.dtype_policy),
            "models": [keras.saving.serialize_keras_object(model) for model in self.models],
        }

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Self:
        models = [keras.saving.deserialize_keras_object(model) for model in config["models"]]
        dtype = keras.saving.deserialize_keras_object(config["dtype"])
        return cls(models, name=config["name"], dtype=dtype)


def _is_of_events(model):
    return isinstance(model, AutoregressiveModel) and not isinstance(model, SequenceModel)


def _positive(shares):
    return bool(np.isfinite(shares).all() and (shares > 0).all())


def _values(head):
    """What the conditionals are of: how values enter a network may differ."""
    return "Bernoulli()" if isinstance(head, Bernoulli) else repr(head)


COMMON = {
    "event shape": lambda model: list(model.event_shape),
    "head": lambda model: _values(model.head),
    "condition": lambda model: getattr(model.condition, "support", None),
}
