"""Completions of examples of which any sites are given: exact ones, or those of a particle filter.

A model of one order draws a site given those before it. If given sites come later than drawn ones,
a particle filter draws K completions side by side, weighs each by the probability of the given
sites that it meets, and lets likely ones replace unlikely ones. For K to infinity it draws from
p(x_u | x_o); for the K at hand it says how many completions count.
"""

from __future__ import annotations

import functools
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf

from tfar import conditions, randomness
from tfar.arguments import integer
from tfar.layers import Schedule, WholeRows
from tfar.sampling import fixed_point, loop, prefix
from tfar.sampling.policy import Policy
from tfar.typing import Seed

STAGES = 256  # after which particles may replace each other, at most
ENOUGH = 0.5  # of the particles, if weights are as even as those of so many alike


class Completion(NamedTuple):
    """Draws of the entries x_u that are missing, given the others, x_o.

    Attributes:
      samples: [draws, B, *event_shape], whole examples.
      log_prob: float32 [draws, B] nats, log p(x_u | x_o) of each, log p(x) - log p(x_o).
      evidence: float32 [B] nats, log p(x_o); for approximate draws an estimate, whose exponential
        is right on average.
      effective: float32 [B], of how many independent completions the draws are taken: infinity if
        they are exact. Of a particle filter, in the earliest of the missing sites, where the fewest
        are left. A few mean that draws are alike there and evidence is rough: take more particles.
    """

    samples: np.ndarray
    log_prob: np.ndarray
    evidence: np.ndarray
    effective: np.ndarray


def complete(joint: Any, value: Any, draws: int, *, particles: int, seed: Seed) -> Completion:
    """What `tfar.sampling.Autoregressive.complete` returns; ``joint`` is the distribution."""
    model = joint.model
    draws = integer("draws", draws, least=1)
    particles = integer("particles", particles, least=1)
    value = np.asarray(value, np.float32)
    rank = len(model.event_shape)
    if value.ndim != rank + 1 or value.shape[1:] != tuple(model.event_shape) or not len(value):
        shape = ", ".join(map(str, model.event_shape))
        raise ValueError(f"Expected a value of shape [B, {shape}], got {list(value.shape)}.")
    if joint.member is None and model.members > 1:
        raise ValueError(
            f"A completion needs one order, and this is an ensemble of {model.members}: use "
            "model.joint(member=r)."
        )
    if joint.observed is not None:
        raise ValueError("Which entries are given is said by value, with NaN: leave observed out.")
    condition = joint.condition
    if condition is not None:
        condition = model.condition.rows(condition, [len(value)])
    found = Completion(
        np.zeros([draws, *value.shape], joint.dtype.as_numpy_dtype),
        *(np.zeros(shape, np.float32) for shape in ([draws, len(value)], len(value), len(value))),
    )
    given = ~np.isnan(value)
    model.check_support(tf.constant(np.where(given, value, 0)))
    patterns, group = np.unique(given.reshape([len(value), -1]), axis=0, return_inverse=True)
    seed = randomness.stateless_seed(seed)
    for number, pattern in enumerate(patterns):
        rows = np.flatnonzero(group.ravel() == number)
        own = _rows(condition, rows)
        arguments = pattern.reshape(model.event_shape), value[rows], own, draws
        # With one pattern, exact draws are those of ``sample(value=...)`` from the same seed.
        options = {"seed": randomness.derived(seed, number) if number else seed}
        part = _exact(joint, *arguments, **options)
        if part is None:
            part = _by_particles(joint, *arguments, **options, particles=particles)
        for whole, piece in zip(found, part):
            whole[(slice(None), rows) if whole.ndim > 1 else rows] = piece
    return found


def _exact(joint, observed, value, condition, draws, seed):
    """As `complete`, for one pattern; None if the model has no order that begins with it."""
    given = {} if condition is None else {"condition": condition}
    try:
        known = joint.model.joint(member=joint.member, observed=observed, **given)
    except ValueError:
        sites = observed.reshape([joint.model.num_sites, -1])
        if (sites != sites[:, :1]).any():
            raise
        return None
    samples = known.sample(draws, seed=seed, value=value)
    log_prob = known.log_prob(samples).numpy()
    inputs = conditions.joined(samples[0], condition)
    sites = observed.reshape([*joint.model.grid_shape, -1])[..., 0]
    evidence = known.model.log_prob(inputs, member=known.member, counted=sites).numpy()
    return Completion(samples.numpy(), log_prob, evidence, np.full(len(value), np.inf))


def _by_particles(joint, observed, value, condition, draws, *, particles, seed):
    """As `complete`, for one pattern."""
    model, member, count = joint.model, joint.member or 0, len(value)
    if not isinstance(model.schedule, Schedule | WholeRows):
        raise ValueError(
            "The model has no order that begins with the given sites, and its network no steps, by "
            "which a particle filter could draw the others."
        )
    laid_out = np.where(observed, value, 0)
    given = np.broadcast_to(observed, value.shape)
    values, known, *_ = prefix.in_order(model, laid_out, given, batch=[count], member=member)
    values = tf.repeat(tf.cast(values, joint.dtype), particles, axis=0)
    known = tf.repeat(known, particles, axis=0)
    rows = _rows(condition, np.repeat(np.arange(count), particles))
    stages = _Rows if isinstance(model.schedule, WholeRows) else _Times
    filtered = stages(model, member, len(values), rows, values, known)
    x, log_weights, evidence, families = _filtered(filtered, [count, particles], seed)
    # Draws by their weights, which are those of the last stage.
    weights = _normalised(log_weights)
    uniforms = randomness.uniforms(randomness.derived(seed, 1), 0, [count, 1]).numpy()
    rng = np.random.default_rng(randomness.derived(seed, 2).numpy().view(np.uint32))
    taken = rng.permuted(_systematic(weights, uniforms, draws), axis=1)
    order = np.argsort(model.permutations[member])
    x = x[:, order].reshape([count, particles, *model.event_shape])
    samples = np.take_along_axis(x, taken.reshape([count, draws, *[1] * (x.ndim - 2)]), axis=1)
    samples = samples.swapaxes(0, 1)
    every = _rows(condition, np.tile(np.arange(count), draws))
    inputs = conditions.joined(samples.reshape([-1, *model.event_shape]), every)
    log_prob = model.log_prob(inputs, member=member).numpy().reshape([draws, count])
    return Completion(samples, log_prob - evidence, evidence, families)


def _filtered(stages, shape, seed):
    """``(x, log_weights, evidence, effective)`` of particles that replace each other."""
    count, particles = shape
    log_weights, evidence = np.zeros(shape), np.zeros(count)
    family = np.tile(np.arange(particles), [count, 1])
    drawn = False  # whether any site has been
    for number in range(stages.count):
        log_weights = log_weights + stages.advance(seed).reshape(shape)
        if not drawn:
            drawn = stages.has_drawn
            if not drawn:  # all are alike: given sites at the start
                continue
            family = np.tile(np.arange(particles), [count, 1])
        weights = _normalised(log_weights)
        uneven = 1 / np.sum(weights**2, axis=1) < ENOUGH * particles
        if not uneven.any():
            continue
        own = randomness.derived(seed, 3 + number)
        chosen = _systematic(weights, randomness.uniforms(own, 0, [count, 1]).numpy(), particles)
        chosen = np.where(uneven[:, None], chosen, np.arange(particles))
        family = np.take_along_axis(family, chosen, axis=1)
        stages.select((chosen + particles * np.arange(count)[:, None]).reshape(-1))
        evidence += np.where(uneven, _log_mean(log_weights), 0)
        log_weights = np.where(uneven[:, None], 0, log_weights)
    evidence += _log_mean(log_weights)
    weights, effective = _normalised(log_weights), np.zeros(count, np.float32)
    for row in range(count):
        effective[row] = 1 / np.sum(np.bincount(family[row], weights[row]) ** 2)
    return stages.values(), log_weights, evidence.astype(np.float32), effective


class _Times:
    """The times of a schedule, some at once."""

    def __init__(self, model, member, n, condition, values, known):
        self.model, self.schedule, self.known = model, model.schedule, known
        self.given, self.drawn = values, []
        begin = functools.partial(loop.begin, model, member=member, schedule=self.schedule)
        self.carry, self._axes = _begun(begin, n, condition)
        self.each = -(-self.schedule.times // STAGES)
        self.count = -(-self.schedule.times // self.each)
        self.has_drawn, self._unknown = False, ~known.numpy()[0]

        def make():
            fixed = {"scored": "known", "member": member, "schedule": self.schedule}
            own = functools.partial(loop.advance, model, policy=Policy(), **fixed)
            return tf.function(own, autograph=False, reduce_retracing=True)

        self._advance = model.once(("particles", member), make)

    def advance(self, seed):
        first = int(self.carry[0])
        count = min(self.each, self.schedule.times - first)
        values, known = self.given, self.known
        if self.schedule.slots == 1:
            values, known = values[:, first : first + count], known[:, first : first + count]
        before = self.carry[3].numpy()
        options = {"seed": seed, "values": values, "known": known}
        self.carry, x = self._advance(carry=self.carry, count=tf.constant(count), **options)
        self.drawn.append(x.numpy())
        sites = self.schedule.places() // self.schedule.slots
        self.has_drawn |= bool(self._unknown[sites < first + count].any())
        return self.carry[3].numpy() - before

    def select(self, chosen):
        self.carry = _selected(self.carry, self._axes, chosen)
        self.drawn = [x[:, chosen] for x in self.drawn]

    def values(self):
        x = np.concatenate(self.drawn)[self.schedule.places()]
        return x.swapaxes(0, 1)


class _Rows:
    """The rows of sites, one after the other."""

    def __init__(self, model, member, n, condition, values, known):
        self.model, self.known, self.given, self.drawn = model, known, values, []
        begin = functools.partial(fixed_point.begin_rows, model, member=member)
        self.carry, self._axes = _begun(begin, n, condition)
        self.count = model.schedule.rows
        self.has_drawn, self._unknown = False, ~known.numpy()[0]

        def make():
            own = functools.partial(
                fixed_point.advance_rows, model, count=1, policy=Policy(), scored="known"
            )
            return tf.function(own, autograph=False, reduce_retracing=True)

        self._advance = model.once("particles", make)

    def advance(self, seed):
        before = self.carry[3].numpy()
        options = {"seed": seed, "values": self.given, "known": self.known}
        self.carry, x = self._advance(carry=self.carry, **options)
        self.drawn.append(x.numpy())
        done = int(self.carry[0]) * self.model.schedule.columns
        self.has_drawn |= bool(self._unknown[:done].any())
        return self.carry[3].numpy() - before

    def select(self, chosen):
        self.carry = _selected(self.carry, self._axes, chosen)
        self.drawn = [x[chosen] for x in self.drawn]

    def values(self):
        return np.concatenate(self.drawn, axis=1)


def _begun(begin, n, condition):
    """What a loop starts from, and the axis of the examples in each of its tensors, or -1."""
    carry = begin(n, condition=condition)
    other = begin(n + 1, condition=_rows(condition, np.arange(n + 1) % n))

    def axis(one, two):
        differs = [i for i, (a, b) in enumerate(zip(one.shape, two.shape)) if a != b]
        return differs[0] if differs else -1

    return carry, tf.nest.map_structure(axis, carry, other)


def _selected(carry, axes, chosen):
    return tf.nest.map_structure(
        lambda part, axis: part if axis < 0 else tf.gather(part, chosen, axis=axis), carry, axes
    )


def _rows(condition, which):
    """Some rows of a condition; None of None."""
    if condition is None:
        return None
    return tf.nest.map_structure(lambda part: tf.gather(part, which), condition)


def _normalised(log_weights):
    weights = np.exp(log_weights - log_weights.max(axis=1, keepdims=True))
    return weights / weights.sum(axis=1, keepdims=True)


def _log_mean(log_weights):
    most = log_weights.max(axis=1)
    return most + np.log(np.mean(np.exp(log_weights - most[:, None]), axis=1))


def _systematic(weights, uniforms, count):
    """Ints [B, count]: particle k about count w_k times (systematic resampling)."""
    places = (np.arange(count) + uniforms) / count
    edges = np.cumsum(weights, axis=1)
    edges[:, -1] = 1
    return (places[:, :, None] >= edges[:, None]).sum(axis=2)
