"""A particle filter: examples drawn side by side, of which likely ones replace unlikely ones.

#### References
N. J. Gordon, D. J. Salmond, A. F. M. Smith. Novel approach to nonlinear/non-Gaussian Bayesian state
estimation. IEE Proceedings F 140, 1993.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from tfar import randomness
from tfar.sampling import fixed_point, loop
from tfar.sampling.policy import Policy
from tfar.sampling.protocol import Conditionals
from tfar.typing import Nest

STAGES = 256  # after which particles may replace each other, at most
ENOUGH = 0.5  # of the particles, if weights are as even as those of so many alike


def filtered(
    stages: Particles, shape: Sequence[int], seed: tf.Tensor
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Draws all sites of particles, which replace each other after stages.

    Args:
      stages: `Particles`, those of one example after those of another.
      shape: (B, K), K for each of B examples.
      seed: int32 [2].

    Returns:
      ``(x, log_weights, evidence, effective)``: [B K, sites, *site_shape] in the order, [B, K],
      [B], and of how many families, which were alike at the first missing site, they are, [B].
    """
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
        weights = normalised(log_weights)
        uneven = 1 / np.sum(weights**2, axis=1) < ENOUGH * particles
        if not uneven.any():
            continue
        own = randomness.derived(seed, 3 + number)
        chosen = systematic(weights, randomness.uniforms(own, 0, [count, 1]).numpy(), particles)
        chosen = np.where(uneven[:, None], chosen, np.arange(particles))
        family = np.take_along_axis(family, chosen, axis=1)
        stages.select((chosen + particles * np.arange(count)[:, None]).reshape(-1))
        evidence += np.where(uneven, _log_mean(log_weights), 0)
        log_weights = np.where(uneven[:, None], 0, log_weights)
    evidence += _log_mean(log_weights)
    weights, effective = normalised(log_weights), np.zeros(count, np.float32)
    for row in range(count):
        effective[row] = 1 / np.sum(np.bincount(family[row], weights[row]) ** 2)
    return stages.result(), log_weights, evidence.astype(np.float32), effective


class Particles:
    """Examples that a loop draws, a stage after the other.

    Args:
      model: a `tfar.models.AutoregressiveModel`.
      member: the number of a member.
      condition: a row for each particle, or None.
      values, known: of the sites, as `tfar.sampling.loop.draw` takes them.

    Attributes:
      count: how many stages.
      has_drawn: whether a site has been drawn that is not given.
    """

    count: int
    steps: int  # of a loop in a stage, at most

    def __init__(
        self, model: Conditionals, member: int, *, condition: Nest, values: Any, known: Any
    ) -> None:
        self.model, self.member, self.values, self.known = model, member, values, known
        self.unknown = ~known.numpy()[0]
        self.drawn: list[np.ndarray] = []
        self.has_drawn = False
        n = len(values)
        self.carry = self.begin(n, condition=condition)
        other = self.begin(n + 1, condition=rows_of(condition, np.arange(n + 1) % n))
        self.axes = tf.nest.map_structure(_axis, self.carry, other)

    def begin(self, n: int, condition: Nest) -> Any:
        """The carry of the loop: its first entry is the time, its fourth the log-probability."""
        raise NotImplementedError

    def advance(self, seed: tf.Tensor) -> np.ndarray:
        """log p of the given sites of the next stage, [n] nats."""
        before = self.carry[3].numpy()
        self.carry, x = self.stage(seed)
        self.drawn.append(x.numpy())
        self.has_drawn |= bool(self.unknown[self.done()].any())
        return self.carry[3].numpy() - before

    def stage(self, seed: tf.Tensor) -> tuple[Any, tf.Tensor]:
        """``(carry, drawn)`` after the next stage."""
        raise NotImplementedError

    def done(self) -> np.ndarray:
        """bool [sites]: which have been drawn, or given."""
        raise NotImplementedError

    def select(self, chosen: np.ndarray) -> None:
        """Replaces each particle by the one of that number."""
        self.carry = _selected(self.carry, self.axes, chosen)
        self.drawn = [np.take(x, chosen, axis=self.axis) for x in self.drawn]

    axis = 0  # of the particles in what is drawn

    def result(self) -> np.ndarray:
        """[n, sites, *site_shape], in the order."""
        return np.concatenate(self.drawn, axis=1)


class ByTimes(Particles):
    """The times of a schedule, some of them a stage."""

    axis = 1

    def begin(self, n: int, condition: Nest) -> Any:
        schedule: Any = self.model.schedule
        self.schedule = schedule
        self.steps = -(-self.schedule.times // STAGES)
        self.count = -(-self.schedule.times // self.steps)
        return loop.begin(self.model, n, self.member, condition, self.schedule)

    def stage(self, seed: tf.Tensor) -> tuple[Any, tf.Tensor]:
        def make():
            fixed = {"scored": "known", "member": self.member, "schedule": self.schedule}
            own = functools.partial(loop.advance, self.model, policy=Policy(), **fixed)
            return tf.function(own, autograph=False, reduce_retracing=True)

        first, values, known = int(self.carry[0]), self.values, self.known
        count = min(self.steps, self.schedule.times - first)
        if self.schedule.slots == 1:  # the loop takes values from the first time on
            values, known = values[:, first : first + count], known[:, first : first + count]
        advance = self.model.once(("particles", self.member), make)
        options = {"seed": seed, "values": values, "known": known}
        return advance(carry=self.carry, count=tf.constant(count), **options)

    def done(self) -> np.ndarray:
        return self.schedule.places() // self.schedule.slots < int(self.carry[0])

    def result(self) -> np.ndarray:
        return np.concatenate(self.drawn)[self.schedule.places()].swapaxes(0, 1)


class ByRows(Particles):
    """A row of sites a stage."""

    def begin(self, n: int, condition: Nest) -> Any:
        self.count = self.model.schedule.rows  # type: ignore[union-attr]  # as it has whole rows
        return fixed_point.begin_rows(self.model, n, member=self.member, condition=condition)

    def stage(self, seed: tf.Tensor) -> tuple[Any, tf.Tensor]:
        def make():
            fixed = {"count": 1, "policy": Policy(), "scored": "known"}
            own = functools.partial(fixed_point.advance_rows, self.model, **fixed)
            return tf.function(own, autograph=False, reduce_retracing=True)

        advance = self.model.once("particles", make)
        return advance(carry=self.carry, seed=seed, values=self.values, known=self.known)

    def done(self) -> np.ndarray:
        columns = self.model.schedule.columns  # type: ignore[union-attr]
        return np.arange(self.model.num_sites) < int(self.carry[0]) * columns


def _axis(one, two):
    """The axis of the examples in a tensor, in which it differs from another; -1 if it has none."""
    differs = [i for i, (a, b) in enumerate(zip(one.shape, two.shape)) if a != b]
    return differs[0] if differs else -1


def _selected(carry, axes, chosen):
    return tf.nest.map_structure(
        lambda part, axis: part if axis < 0 else tf.gather(part, chosen, axis=axis), carry, axes
    )


def normalised(log_weights: np.ndarray) -> np.ndarray:
    """Weights [B, K] that sum to 1, of logarithms."""
    weights = np.exp(log_weights - log_weights.max(axis=1, keepdims=True))
    return weights / weights.sum(axis=1, keepdims=True)


def _log_mean(log_weights):
    most = log_weights.max(axis=1)
    return most + np.log(np.mean(np.exp(log_weights - most[:, None]), axis=1))


def systematic(weights: np.ndarray, uniforms: np.ndarray, count: int) -> np.ndarray:
    """Ints [B, count]: particle k about count w_k times, for [B, 1] uniform numbers."""
    places = (np.arange(count) + uniforms) / count
    edges = np.cumsum(weights, axis=1)
    edges[:, -1] = 1
    return (places[:, :, None] >= edges[:, None]).sum(axis=2)


def rows_of(condition: Nest, which: np.ndarray) -> Nest:
    """Some rows of a condition; None of None."""
    if condition is None:
        return None
    return tf.nest.map_structure(lambda part: tf.gather(part, which), condition)
