"""The only sampling loop of the library."""

import functools
from collections.abc import Callable
from typing import Any

import tensorflow as tf

from tfar import conditions, randomness
from tfar.sampling.policy import Policy
from tfar.sampling.protocol import Conditionals
from tfar.typing import Member, Nest


def compiled(
    model: Conditionals, member: Member = None, cached: bool = True, jit_compile: bool = False
) -> Callable[..., Any]:
    """`draw` of a model as a ``tf.function``, made once: one serves every joint of the model."""

    def make():
        return tf.function(
            functools.partial(draw, model, member, cached),
            autograph=False,
            reduce_retracing=True,
            jit_compile=jit_compile or None,
        )

    return model.once((member, cached, jit_compile), make)


def compiled_advance(model: Conditionals, scored: bool) -> Callable[..., Any]:
    """`advance` of a model as a ``tf.function``, made once, of ``(carry, count, seed, policy,
    values, known)``; for models that are no ensembles."""

    def make():
        return tf.function(
            functools.partial(advance, model, scored=scored),
            autograph=False,
            reduce_retracing=True,
        )

    return model.once(("advance", scored), make)


def draw(
    model: Conditionals,
    member: Member,
    cached: bool,
    n: int | tf.Tensor,
    seed: tf.Tensor,
    policy: Policy,
    values: tf.Tensor | None,
    known: tf.Tensor | None,
    condition: Nest,
    scored: bool,
) -> tuple[tf.Tensor, tf.Tensor]:
    """Draws from a model, or from one member of an ensemble.

    Args:
      model: a `tfar.models.AutoregressiveModel`.
      member: the number of a member, an int or a scalar tensor, or None for the mixture of all.
      cached: whether by the network's `step`, or by a full pass for every site.
      n: how many, an int or a scalar tensor.
      seed: a pair of ints.
      policy: a `tfar.sampling.Policy`.
      values: [n, sites, *site_shape] in the order of the member, or None.
      known: bool [n, sites], which of ``values`` are taken in place of draws; or None.
      condition: n rows of what the model is conditioned on, or None.
      scored: a bool, whether log-probabilities are wanted.

    Returns:
      ``(x, log_prob)``, [n, *event_shape] and [n] ([0] or meaningless if not ``scored``).
    """
    if member is not None or model.members == 1:
        arguments = policy, values, known, condition, scored
        return _whole(model, 0 if member is None else member, cached, n, seed, *arguments)
    chance = randomness.uniforms(randomness.derived(seed, model.members), 0, [n])
    choice = tf.cast(chance * model.members, tf.int32)

    def draw_member(member, x):
        rows = tf.where(choice == member)
        own, number = randomness.derived(seed, member), tf.shape(rows)[0]
        given = tf.nest.map_structure(
            lambda c: None if c is None else tf.gather_nd(c, rows), condition
        )
        drawn, _ = _whole(model, member, cached, number, own, policy, None, None, given, False)
        return member + 1, tf.tensor_scatter_nd_update(x, rows, drawn)

    start = tf.zeros([n, *model.event_shape], model.head.dtype)
    _, x = tf.while_loop(lambda m, _: m < model.members, draw_member, [0, start])
    return x, model.log_prob(conditions.joined(x, condition)) if scored else tf.zeros([0])


def _whole(model, member, cached, n, seed, policy, values, known, condition, scored):
    """All the sites, laid out as an event: see `draw`."""
    carry = begin(model, n, member, cached, condition)
    arguments = seed, policy, values, known, scored, member, cached
    (*_, log_prob), drawn = advance(model, carry, model.num_sites, *arguments)
    permutation = tf.gather(tf.constant(model.permutations), member)
    x = tf.gather(drawn, tf.math.invert_permutation(permutation))
    x = tf.transpose(x, [1, 0, *range(2, 2 + len(model.head.site_shape))])  # [n, sites, ...]
    return tf.reshape(x, [n, *model.event_shape]), log_prob


def begin(
    model: Conditionals,
    n: int | tf.Tensor,
    member: Member = 0,
    cached: bool = True,
    condition: Nest = None,
) -> tuple[Any, ...]:
    """What `advance` starts from: (site, its predecessor, encoded, state, log-probability)."""
    state = model.initial_state(n, member, cached, condition)
    return tf.constant(0), tf.zeros([n, model.head.num_inputs]), state, tf.zeros([n])


def advance(
    model: Conditionals,
    carry: tuple[Any, ...],
    count: int | tf.Tensor,
    seed: tf.Tensor,
    policy: Policy,
    values: tf.Tensor | None = None,
    known: tf.Tensor | None = None,
    scored: bool = False,
    member: Member = 0,
    cached: bool = True,
) -> tuple[tuple[Any, ...], tf.Tensor]:
    """The sampling loop, x[t - 1] -> step -> head -> x[t], over the next sites of the order.

    What a site draws depends on the seed and its number, not on where the loop has paused.

    Args:
      model: a `tfar.models.AutoregressiveModel`.
      carry: what `begin` or `advance` returned.
      count: how many sites, an int or a scalar tensor.
      seed, policy, scored, member, cached: as in `draw`.
      values, known: as in `draw`, of the ``count`` sites.

    Returns:
      ``(carry, drawn)`` with ``drawn`` [count, n, *site_shape].
    """
    head, first, previous = model.head, carry[0], carry[1]
    order, last = tf.gather(tf.constant(model.permutations), member), model.num_sites - 1
    n = tf.shape(previous)[0] if previous.shape[0] is None else previous.shape[0]

    def body(site, previous, state, log_prob, drawn):
        params, state = model.step(previous, state, member, cached)
        noise = randomness.uniforms(seed, site, [n, head.num_uniforms])
        own = head.at(order[tf.minimum(site, last)])  # texts may be longer than the windows
        x = policy.draw(own, params, noise)
        if values is not None:
            here = tf.reshape(known[:, site - first], [-1, *[1] * len(head.site_shape)])
            x = tf.where(here, values[:, site - first], x)
        if scored:
            log_prob += own.log_prob(params, x)
        return site + 1, own.encode(x), state, log_prob, drawn.write(site - first, x)

    shape = [previous.shape[0], *head.site_shape]
    drawn = tf.TensorArray(head.dtype, count, element_shape=shape)
    *carry, drawn = tf.while_loop(
        lambda site, *_: site < first + count,
        body,
        (*carry, drawn),
        maximum_iterations=count,
    )
    return tuple(carry), drawn.stack()
