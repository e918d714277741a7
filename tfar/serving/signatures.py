"""What the signatures of an export compute, with every argument checked in the graph."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import tensorflow as tf
from tensorflow_probability import distributions as tfd

from tfar import conditions, kinds
from tfar.conditions import Condition
from tfar.distributions import Columns
from tfar.sampling import Policy, loop, prefix
from tfar.sampling.policy import TEMPERATURES
from tfar.typing import Nest

if TYPE_CHECKING:
    from tfar.models import AutoregressiveModel
    from tfar.serving.costs import Limits

SEED, TEMPERATURE = tf.TensorSpec([2], tf.int32), tf.TensorSpec([], tf.float32)


def signatures(model: AutoregressiveModel, limits: Limits) -> dict[str, Any]:
    """The concrete functions of a model's SavedModel, a dict by name.

    Args:
      model: a `tfar.models.AutoregressiveModel`.
      limits: the `tfar.serving.costs.Limits` of a request.
    """
    event, dtype = model.event_shape, tf.as_dtype(model.head.dtype)
    x = {"x": tf.TensorSpec([None, *event], dtype)}
    known = {"known": tf.TensorSpec([None, *event], tf.bool)}
    given = model.condition
    condition = {} if given is None else given.named(given.specs(None))
    member = {"member": tf.TensorSpec([], tf.int32)} if model.members > 1 else {}
    draws = {
        "num_samples": tf.TensorSpec([], tf.int32),
        "seed": SEED,
        "temperature": TEMPERATURE,
    }
    functions = Functions(model, limits)

    def trace(function, *inputs):
        specs = {name: spec for part in inputs for name, spec in part.items()}

        def signature(**tensors):
            # Outside Python nothing compares the fed shapes with the declared ones.
            fed = {k: tf.ensure_shape(v, specs[k].shape) for k, v in tensors.items()}
            own = {k: v for k, v in fed.items() if k not in condition}
            if len(own) < len(fed):
                own["condition"] = given.packed(fed)
            return function(**own)

        named = {name: tf.TensorSpec(s.shape, s.dtype, name) for name, s in specs.items()}
        return tf.function(signature, autograph=False).get_concrete_function(**named)

    own = kinds.of(model).signatures(limits)
    log_prob = trace(functions.log_prob, x, condition)
    return {
        **{name: trace(function, specs) for name, (function, specs) in own.items()},
        "serving_default": log_prob,
        "log_prob": log_prob,
        "conditionals": trace(functions.conditionals, x, condition, member),
        "sample": trace(functions.sample, draws, condition),
        "complete": trace(functions.complete, x, known, draws, condition, member),
    }


def require(value: tf.Tensor, *checks: tuple[Any, ...]) -> tf.Tensor:
    """``value``, after checks: if one fails, it raises InvalidArgument with its message.

    Args:
      value: a tensor; what is computed from it runs only after the checks.
      *checks: each a bool tensor, all of which must be true, a message, and the tensors that came,
        which are shown after it.
    """
    asserted = [tf.debugging.Assert(tf.reduce_all(held), words) for held, *words in checks]
    with tf.control_dependencies(asserted):
        return tf.identity(value)


def parameters(p: tfd.Distribution) -> dict[str, tf.Tensor]:
    """The tensors that are parameters of a conditional distribution, a dict by name.

    For `tfar.distributions.Columns`, the names of those of column i begin with ``column_i_``.
    """
    if not isinstance(p, Columns):
        return {name: value for name, value in p.parameters.items() if tf.is_tensor(value)}
    return {
        f"column_{i}_{name}": value
        for i, column in enumerate(p.each())
        for name, value in parameters(column).items()
    }


class Functions:
    """What the signatures compute, with every argument checked in the graph."""

    def __init__(self, model: AutoregressiveModel, limits: Limits) -> None:
        self.model = model
        self.limits = limits

    def log_prob(self, x: tf.Tensor, condition: Nest = None) -> dict[str, tf.Tensor]:
        nats = self.model.log_prob(self._inputs(x, condition))
        bits = -nats / np.float32(np.log(2) * self.model.num_dimensions)
        return {"log_prob": nats, "bits_per_dim": bits}

    def conditionals(
        self, x: tf.Tensor, condition: Nest = None, member: Any = 0
    ) -> dict[str, tf.Tensor]:
        member = self._checked_member(member)
        p = self.model(self._inputs(x, condition), member=member)
        return {**parameters(p), "order": tf.cast(self._order(member), tf.int32)}

    def sample(
        self,
        num_samples: tf.Tensor,
        seed: tf.Tensor,
        temperature: tf.Tensor,
        condition: Nest = None,
    ) -> dict[str, tf.Tensor]:
        lead = []
        if condition is not None:
            condition = self._checked_condition(condition)
            lead = [rows_of(condition)]
        rows = lead[0] if lead else 1
        num_samples, temperature = self._checked_draws(num_samples, temperature, rows)
        if condition is not None:
            condition = _tiled(condition, num_samples)
        x, _ = self._drawn(None, num_samples * rows, seed, temperature, None, None, condition)
        return self._samples(x, [num_samples, *lead])

    def complete(
        self,
        x: tf.Tensor,
        known: tf.Tensor,
        *,
        num_samples: tf.Tensor,
        seed: tf.Tensor,
        temperature: tf.Tensor,
        condition: Nest = None,
        member: Any = 0,
    ) -> dict[str, tf.Tensor]:
        batch = tf.shape(x)[0]
        num_samples, temperature = self._checked_draws(num_samples, temperature, batch)
        member = self._checked_member(member)
        alike = tf.reduce_all(tf.equal(tf.shape(x), tf.shape(known)))
        shapes = tf.shape(x), tf.shape(known)
        x = require(x, (alike, "Expected x and known of one shape, got", *shapes))
        if condition is not None:
            condition = _tiled(self._checked_condition(condition, x), num_samples)
        x = self._checked_x(tf.where(known, x, tf.zeros_like(x)))
        orders = self.model.orders_for(prefix.sites_of(self.model, known, [-1]), member)
        member = member if orders is None else orders
        values, known = self._prefix(x, known, member)
        values, known, orders = _tiled((values, known, orders), num_samples)
        member = member if orders is None else orders
        count = num_samples * batch
        drawn, log_prob = self._drawn(member, count, seed, temperature, values, known, condition)
        log_prob = tf.reshape(log_prob, [num_samples, batch])
        return {**self._samples(drawn, [num_samples, batch]), "log_prob": log_prob}

    def _drawn(self, member, n, seed, temperature, values, known, condition):
        """Samples and log p of what is drawn. Without values, no site is marked as known: one
        sampler serves both signatures."""
        if values is None:
            sites = [n, self.model.num_sites]
            values = tf.zeros([*sites, *self.model.head.site_shape], self.model.head.dtype)
            known = tf.zeros(sites, tf.bool)
        sampler, policy = loop.compiled(self.model), Policy(temperature)
        arguments = seed, policy, values, known, condition
        return loop.draw(self.model, member, sampler, n, *arguments, scored="drawn")

    def _samples(self, x, lead):
        return {"samples": tf.reshape(x, [*lead, *self.model.event_shape])}

    def some_rows(self, x: tf.Tensor) -> tf.Tensor:
        """``x``, if it has at least one row and not more than a request may have."""
        rows, most = tf.shape(x)[0], self.limits.max_rows
        allowed = f"Expected at most {most} rows of x (max_rows of this export; send parts), got"
        return require(
            x,
            (rows > 0, "Expected at least one example as x, got none."),
            (rows <= most, allowed, rows),
        )

    def _inputs(self, x, condition):
        x = self._checked_x(self.some_rows(x))
        if condition is None:
            return x
        return conditions.joined(x, self._checked_condition(condition, x))

    def _prefix(self, x, known, member):
        """``values`` [B, n, *site_shape] and ``known`` [B, n], in the order of a member."""
        options = {"batch": [-1], "member": member}
        values, known, whole, follows = prefix.in_order(self.model, x, known, **options)
        checks = ((whole, prefix.WHOLE), (follows, prefix.FOLLOWS))
        checks = [(held, f"Expected known to mark {what}.") for held, what in checks]
        return values, require(known, *checks)

    def _order(self, member):
        return tf.gather(tf.constant(self.model.permutations), member)

    def _checked_x(self, x):
        head = self.model.head
        return require(
            x,
            (tf.shape(x)[0] > 0, "Expected at least one example as x, got none."),
            (head.in_support(x), f"Expected every entry of x to be {head.support}."),
        )

    def _checked_condition(self, condition, x=None):
        return checked_condition(self.model.condition, condition, x)

    def _checked_draws(self, num_samples, temperature, rows):
        drawn = tf.cast(num_samples, tf.int64) * tf.cast(rows, tf.int64)
        most = self.limits.max_samples
        allowed = (
            f"Expected at most {most} samples, num_samples times the rows that are given "
            "(max_samples of this export; draw parts, of other seeds), got"
        )
        num_samples = require(num_samples, (drawn <= most, allowed, drawn))
        return at_least_1("num_samples", num_samples), positive(temperature)

    def _checked_member(self, member):
        last = self.model.members - 1
        if not last:
            return member
        inside = (member >= 0) & (member <= last)
        return require(member, (inside, f"Expected member to be from 0 to {last}, got", member))


def rows_of(condition: Nest) -> tf.Tensor:
    """The batch size of a condition."""
    return tf.shape(tf.nest.flatten(condition)[0])[0]


def _tiled(tensors, count):
    """A nest of tensors [B, ...], repeated as a whole: [count B, ...]."""
    return tf.nest.map_structure(
        lambda part: None if part is None else tf.tile(part, [count, *[1] * (part.shape.rank - 1)]),
        tensors,
    )


def checked_condition(kind: Condition, condition: Nest, x: tf.Tensor | None = None) -> Nest:
    """A batch of conditions, one for each row of x, after the checks of its kind."""
    rows = rows_of(condition)
    sizes = tf.stack([tf.shape(part)[0] for part in tf.nest.flatten(condition)])
    alike = True if x is None else rows == tf.shape(x)[0]
    checks = (
        (rows > 0, "Expected at least one condition, got none."),
        (sizes == rows, "Expected as many rows of each part of condition, got", sizes),
        (alike, "Expected one condition for each row of x, got", rows),
    )
    condition = tf.nest.map_structure(lambda part: require(part, *checks), condition)
    words = f"Expected {kind.support} as condition, got"
    wrong = tf.nest.flatten(condition)
    valid = kind.valid(condition)
    return tf.nest.map_structure(lambda part: require(part, (valid, words, *wrong)), condition)


def at_least_1(name: str, number: tf.Tensor) -> tf.Tensor:
    return require(number, (number > 0, f"Expected {name} to be at least 1, got", number))


def positive(temperature: tf.Tensor) -> tf.Tensor:
    coldest, hottest = TEMPERATURES
    inside = (temperature >= coldest) & (temperature <= hottest)  # NaN is neither
    message = f"Expected temperature to be from {coldest:g} to {hottest:g}, got"
    return require(temperature, (inside, message, temperature))
