"""Completions of examples of which any sites are given: exact ones, or those of a particle filter.

A model of one order draws a site given those before it. If given sites come later than drawn ones,
a particle filter draws K completions side by side, weighs each by the probability of the given
sites that it meets, and lets likely ones replace unlikely ones. For K to infinity it draws from
p(x_u | x_o); for the K at hand it says how many completions count.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf

from tfar import conditions, randomness
from tfar.arguments import integer
from tfar.layers import Schedule, WholeRows
from tfar.sampling import particle_filter, prefix
from tfar.typing import Seed


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
    sites = prefix.sites_of(model, tf.constant(given), [len(value)])
    if joint.own_orders and model.orders_for(sites, joint.member) is not None:
        return _in_own_orders(joint, value, draws, seed)
    patterns, group = np.unique(given.reshape([len(value), -1]), axis=0, return_inverse=True)
    seed = randomness.stateless_seed(seed)
    for number, pattern in enumerate(patterns):
        rows = np.flatnonzero(group.ravel() == number)
        own = particle_filter.rows_of(condition, rows)
        arguments = pattern.reshape(model.event_shape), value[rows], own, draws
        # With one pattern, exact draws are those of ``sample(value=...)`` from the same seed.
        options = {"seed": randomness.derived(seed, number) if number else seed}
        part = _exact(joint, *arguments, **options)
        if part is None:
            part = _by_particles(joint, *arguments, **options, particles=particles)
        for whole, piece in zip(found, part):
            whole[(slice(None), rows) if whole.ndim > 1 else rows] = piece
    return found


def _in_own_orders(joint, value, draws, seed):
    """As `complete`, of a model of all orders: one run of the loop for whatever each row has."""
    x, log_prob = joint.sample_and_score(draws, seed, value, "drawn")
    _, evidence = joint.sample_and_score(1, seed, value, "known")
    exact = np.full(len(value), np.inf, np.float32)
    return Completion(x.numpy(), log_prob.numpy(), evidence[0].numpy(), exact)


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
    rows = particle_filter.rows_of(condition, np.repeat(np.arange(count), particles))
    whole = isinstance(model.schedule, WholeRows)
    kind = particle_filter.ByRows if whole else particle_filter.ByTimes
    stages = kind(model, member, condition=rows, values=values, known=known)
    x, log_weights, evidence, effective = particle_filter.filtered(stages, [count, particles], seed)
    # Draws by their weights, which are those of the last stage.
    weights = particle_filter.normalised(log_weights)
    uniforms = randomness.uniforms(randomness.derived(seed, 1), 0, [count, 1]).numpy()
    rng = np.random.default_rng(randomness.derived(seed, 2).numpy().view(np.uint32))
    taken = rng.permuted(particle_filter.systematic(weights, uniforms, draws), axis=1)
    order = np.argsort(model.permutations[member])
    x = x[:, order].reshape([count, particles, *model.event_shape])
    samples = np.take_along_axis(x, taken.reshape([count, draws, *[1] * (x.ndim - 2)]), axis=1)
    samples = samples.swapaxes(0, 1)
    every = particle_filter.rows_of(condition, np.tile(np.arange(count), draws))
    inputs = conditions.joined(samples.reshape([-1, *model.event_shape]), every)
    log_prob = model.log_prob(inputs, member=member).numpy().reshape([draws, count])
    return Completion(samples, log_prob - evidence, evidence, effective)
