"""What the signatures of an export compute, with every argument checked in the graph."""

import numpy as np
import tensorflow as tf

from tfar import text
from tfar.distributions import Columns, Policy, sampler


def signatures(model, max_samples):
    """The concrete functions of a model's SavedModel, a dict by name; see `export`."""
    event, dtype = model.event_shape, tf.as_dtype(model.head.dtype)
    x = {"x": tf.TensorSpec([None, *event], dtype)}
    known = {"known": tf.TensorSpec([None, *event], tf.bool)}
    condition = {"condition": tf.TensorSpec([None], tf.int32)} if model.num_classes else {}
    member = {"member": tf.TensorSpec([], tf.int32)} if model.members > 1 else {}
    draws = {
        "num_samples": tf.TensorSpec([], tf.int32),
        "seed": tf.TensorSpec([2], tf.int32),
        "temperature": tf.TensorSpec([], tf.float32),
    }
    functions = Functions(model, max_samples)

    def trace(function, *inputs):
        specs = {name: spec for part in inputs for name, spec in part.items()}

        def signature(**given):
            # Outside of Python nothing compares the shapes of what is fed with those promised.
            return function(**{k: tf.ensure_shape(v, specs[k].shape) for k, v in given.items()})

        named = {name: tf.TensorSpec(s.shape, s.dtype, name) for name, s in specs.items()}
        return tf.function(signature, autograph=False).get_concrete_function(**named)

    if text.is_text(model):
        prompt = {
            "prompt": tf.TensorSpec([], tf.string),
            "length": tf.TensorSpec([], tf.int32),
            "seed": draws["seed"],
            "temperature": draws["temperature"],
            "top_k": tf.TensorSpec([], tf.int32),
            "top_p": tf.TensorSpec([], tf.float32),
        }
        generate = {"generate": trace(functions.generate, prompt)}
    else:
        generate = {}
    log_prob = trace(functions.log_prob, x, condition)
    return {
        **generate,
        "serving_default": log_prob,
        "log_prob": log_prob,
        "conditionals": trace(functions.conditionals, x, condition, member),
        "sample": trace(functions.sample, draws, condition),
        "complete": trace(functions.complete, x, known, draws, condition, member),
    }


def require(value, *checks):
    """``value``, behind checks: where a condition does not hold, InvalidArgument and its message.

    Args:
      value: a tensor that what must not run before is computed from.
      *checks: pairs of a bool tensor, all of which is to be true, and a message.
    """
    asserted = [tf.debugging.Assert(tf.reduce_all(held), [message]) for held, message in checks]
    with tf.control_dependencies(asserted):
        return tf.identity(value)


def parameters(p):
    """The tensors that a conditional distribution has for parameters, a dict by name.

    Of `tfar.distributions.Columns` the names of those of column i begin with ``column_i_``.
    """
    if not isinstance(p, Columns):
        return {name: value for name, value in p.parameters.items() if tf.is_tensor(value)}
    return {
        f"column_{i}_{name}": value
        for i, column in enumerate(p.columns)
        for name, value in parameters(column).items()
    }


class Functions:
    """What the signatures compute, with every argument checked in the graph."""

    def __init__(self, model, max_samples):
        self.model = model
        self.max_samples = max_samples

    def log_prob(self, x, condition=None):
        nats = self.model.log_prob(self._inputs(x, condition))
        bits = -nats / np.float32(np.log(2) * self.model.num_dimensions)
        return {"log_prob": nats, "bits_per_dim": bits}

    def conditionals(self, x, condition=None, member=0):
        member = self._checked_member(member)
        p = self.model(self._inputs(x, condition), member=member)
        return {**parameters(p), "order": tf.cast(self._order(member), tf.int32)}

    def sample(self, num_samples, seed, temperature, condition=None):
        lead = []
        if condition is not None:
            condition = self._checked_condition(condition)
            lead = [tf.shape(condition)[0]]
        rows = lead[0] if lead else 1
        num_samples, temperature = self._checked_draws(num_samples, temperature, rows)
        if condition is not None:
            condition = tf.tile(condition, [num_samples])
        arguments = Policy(temperature), None, None, condition, False
        x, _ = sampler.draw(self.model, None, True, num_samples * rows, seed, *arguments)
        return self._samples(x, [num_samples, *lead])

    def complete(self, x, known, num_samples, seed, temperature, condition=None, member=0):
        batch = tf.shape(x)[0]
        num_samples, temperature = self._checked_draws(num_samples, temperature, batch)
        member = self._checked_member(member)
        alike = tf.reduce_all(tf.equal(tf.shape(x), tf.shape(known)))
        x = require(x, (alike, "x and known differ in shape."))
        if condition is not None:
            condition = tf.tile(self._checked_condition(condition, x), [num_samples])
        x = self._checked_x(tf.where(known, x, tf.zeros_like(x)))
        values, known = self._prefix(x, known, member)
        values = tf.tile(values, [num_samples, *[1] * (values.shape.rank - 1)])
        known = tf.tile(known, [num_samples, 1])
        arguments = Policy(temperature), values, known, condition, False
        drawn, _ = sampler.draw(self.model, member, True, num_samples * batch, seed, *arguments)
        return self._samples(drawn, [num_samples, batch])

    def generate(self, prompt, length, seed, temperature, top_k, top_p):
        points = tf.constant([ord(c) for c in self.model.head.vocabulary.characters])
        length, temperature = self._checked_draws(length, temperature, 1, "length")
        top_k = require(top_k, (top_k > 0, "top_k is to be at least 1."))
        top_p = require(top_p, ((top_p > 0) & (top_p <= 1), "top_p is to be above 0, at most 1."))
        same = tf.strings.unicode_decode(prompt, "UTF-8", errors="strict")[:, None] == points
        known = tf.reduce_any(same, axis=1)
        same = require(same, (known, "prompt has a character that the model does not know."))
        given = tf.argmax(same, axis=1, output_type=tf.int32)
        total = tf.size(given) + length
        if self.model.longest is not None:
            most = f"prompt and length are to be {self.model.longest} characters at most."
            total = require(total, (total <= self.model.longest, most))
        values = tf.pad(given, [[0, length]])[None]
        known = (tf.range(total) < tf.size(given))[None]
        policy, carry = Policy(temperature, top_k, top_p), sampler.begin(self.model, 1)
        _, drawn = sampler.advance(self.model, carry, total, seed, policy, values, known)
        return {"text": tf.strings.unicode_encode(tf.gather(points, drawn[:, 0]), "UTF-8")}

    def _samples(self, x, lead):
        return {"samples": tf.reshape(x, [*lead, *self.model.event_shape])}

    def _inputs(self, x, condition):
        x = self._checked_x(x)
        if condition is None:
            return x
        return {"x": x, "condition": self._checked_condition(condition, x)}

    def _prefix(self, x, known, member):
        """``values`` [B, n, *site_shape] and ``known`` [B, n], in the order of a member."""
        model = self.model
        shape = [-1, model.num_sites, *model.head.site_shape]
        order = self._order(member)
        values, known = (tf.gather(tf.reshape(v, shape), order, axis=1) for v in (x, known))
        if model.head.site_shape:
            whole = tf.reduce_all(known, axis=-1)
            same = whole == tf.reduce_any(known, axis=-1)
            message = "known is to be the same for all the entries along the last axis of a site."
            known = require(whole, (same, message))
        follows = known[:, :-1] | ~known[:, 1:]
        message = "known is to be a prefix of the order of the model."
        return values, require(known, (follows, message))

    def _order(self, member):
        return tf.gather(tf.constant(self.model.permutations), member)

    def _checked_x(self, x):
        head = self.model.head
        return require(
            x,
            (tf.shape(x)[0] > 0, "Expected at least one example as x, got none."),
            (head.in_support(x), f"Every entry of x is to be {head.support}."),
        )

    def _checked_condition(self, condition, x=None):
        classes = self.model.num_classes
        rows = tf.shape(condition)[0]
        return require(
            condition,
            (rows > 0, "Expected at least one label as condition, got none."),
            (
                x is None or rows == tf.shape(x)[0],
                "Expected one label as condition for each row of x.",
            ),
            (
                (condition >= 0) & (condition < classes),
                f"Every condition is to be a label from 0 to {classes - 1}.",
            ),
        )

    def _checked_draws(self, num_samples, temperature, rows, name="num_samples"):
        positive = (temperature > 0) & (temperature < np.inf)  # NaN is neither
        drawn = tf.cast(num_samples, tf.int64) * tf.cast(rows, tf.int64)
        return (
            require(
                num_samples,
                (num_samples > 0, f"{name} is to be at least 1."),
                (
                    drawn <= self.max_samples,
                    f"A request may draw {self.max_samples}: {name} times the rows that are given "
                    "is more.",
                ),
            ),
            require(temperature, (positive, "temperature is to be a positive number.")),
        )

    def _checked_member(self, member):
        last = self.model.members - 1
        if not last:
            return member
        inside = (member >= 0) & (member <= last)
        return require(member, (inside, f"member is to be from 0 to {last}."))
