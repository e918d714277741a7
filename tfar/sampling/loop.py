"""The only sampling loop of the library."""

import functools
from collections.abc import Callable
from typing import Any, Literal

import tensorflow as tf

from tfar import conditions, randomness
from tfar.layers import Schedule, one_by_one
from tfar.sampling import fixed_point, prefix
from tfar.sampling.policy import Policy
from tfar.sampling.protocol import Conditionals
from tfar.typing import Member, Nest


def draw(
    model: Conditionals,
    member: Member,
    sampler: Callable[..., Any],
    n: int | tf.Tensor,
    seed: tf.Tensor,
    policy: Policy,
    values: tf.Tensor | None = None,
    known: tf.Tensor | None = None,
    condition: Nest = None,
    scored: bool | Literal["drawn", "known"] = False,
) -> tuple[tf.Tensor, tf.Tensor]:
    """Draws from a model, or from one member of an ensemble.

    Args:
      model: a `tfar.models.AutoregressiveModel`.
      member: the number of a member, an int or a scalar tensor, or None for the mixture of all; of
        a model of any order, also an order for each sample, int32 [n, sites].
      sampler: what `plain`, `compiled` or `compiled_by_xla` gives.
      n: how many samples, an int or a scalar tensor.
      seed: a pair of ints.
      policy: a `tfar.sampling.Policy`.
      values: [n, sites, *site_shape] in the order of the member, or None.
      known: bool [n, sites], which of ``values`` are used instead of draws; None if they only
        guide the policy.
      condition: n rows of a condition, or None.
      scored: whether log-probabilities are wanted: of all sites, or of those that are "drawn", or
        "known", given those before them.

    Returns:
      ``(x, log_prob)``, [n, *event_shape] and [n] ([0] or meaningless if not ``scored``).
    """
    rows = {"values": values, "known": known, "condition": condition}
    rows = {name: part for name, part in rows.items() if part is not None}
    if member is not None or model.members == 1:
        return sampler(0 if member is None else member, n, seed, policy, rows, scored)
    x, log_prob = sampler(None, n, seed, policy, rows, scored)
    if scored:
        inputs = conditions.joined(x, condition)
        some = tf.convert_to_tensor(n) > 0
        log_prob = tf.cond(some, lambda: model.log_prob(inputs), lambda: tf.zeros([0]))
    return x, log_prob


def plain(model: Conditionals, cached: bool = True) -> Callable[..., Any]:
    """A function of ``(member, n, seed, policy, rows, scored)`` that draws.

    See `draw`; ``rows`` is a dict of those of ``values``, ``known`` and ``condition`` that are
    given, and what is drawn from a mixture is not scored.
    """

    def run(member, n, seed, policy, rows, scored):
        if member is None:
            return mixture(model, run, n, seed, policy=policy, rows=rows, scored=scored)
        return _one_member(model, cached, member, n, seed, policy, rows, scored)

    return run


def compiled(model: Conditionals, cached: bool = True) -> Callable[..., Any]:
    """As `plain`, by a ``tf.function`` that is traced once for each set of given arguments.

    One trace serves any number of samples, every member, eager callers and graphs.
    """

    def of_mixture(n, seed, policy, rows, scored):
        return mixture(model, run, n, seed, policy=policy, rows=rows, scored=scored)

    def run(member, n, seed, policy, rows, scored):
        def make():
            given = {k: tf.nest.map_structure(_of_any_length, part) for k, part in rows.items()}
            numbers = [tf.TensorSpec([], tf.int32)] * (1 if member is None else 2)
            if own:
                numbers[0] = tf.TensorSpec([None, model.num_sites], tf.int32)
            pair = tf.TensorSpec([2], tf.int32)
            if member is None:
                function = functools.partial(of_mixture, scored=scored)
            else:
                function = functools.partial(_one_member, model, cached, scored=scored)
            return tf.function(
                function,
                autograph=False,
                input_signature=[*numbers, pair, tf.type_spec_from_value(policy), given],
            )

        own = tf.is_tensor(member) and member.shape.rank == 2
        key = "draw", member is None, own, cached, scored, tf.type_spec_from_value(policy), *rows
        numbers = [n] if member is None else [member, n]
        return model.once(key, make)(*numbers, seed, policy, rows)

    return run


def _of_any_length(tensor):
    return tf.TensorSpec([None, *tensor.shape[1:]], tensor.dtype)


def mixture(
    model: Conditionals,
    sampler: Callable[..., Any],
    n: int | tf.Tensor,
    seed: tf.Tensor,
    *,
    policy: Policy,
    rows: dict[str, Any],
    scored: bool | Literal["drawn", "known"] = False,
) -> tuple[tf.Tensor, tf.Tensor]:
    """Each sample from a member drawn for it; in a graph, members are drawn from side by side.

    Arguments and results are those of a sampler, see `plain`. The members are drawn from as
    ``scored`` says, so that they share their compiled samplers with those who want it.
    """
    chance = randomness.uniforms(randomness.derived(seed, model.members), 0, [n])
    choice = tf.searchsorted(tf.cumsum(model.shares)[:-1], chance, side="right")

    def draw_member(member, x):
        own, its = randomness.derived(seed, member), tf.where(choice == member)

        def drawn():
            given = tf.nest.map_structure(lambda part: tf.gather_nd(part, its), rows)
            mine, _ = sampler(member, tf.shape(its)[0], own, policy, given, scored)
            return tf.tensor_scatter_nd_update(x, its, mine)

        return member + 1, tf.cond(tf.size(its) > 0, drawn, lambda: x)

    start = tf.zeros([n, *model.event_shape], model.head.dtype)
    _, x = tf.while_loop(lambda m, _: m < model.members, draw_member, [tf.constant(0), start])
    return x, tf.zeros([0])


def compiled_by_xla(model: Conditionals, member: int, cached: bool = True) -> Callable[..., Any]:
    """As `plain` for one member, by a function that XLA compiles for each number of samples."""

    def make():
        own = functools.partial(_one_member, model, cached, member, selects=False)
        return tf.function(own, autograph=False, reduce_retracing=True, jit_compile=True)

    function = model.once(("draw by XLA", member, cached), make)
    return lambda member, *arguments: function(*arguments)


def _one_member(model, cached, member, n, seed, policy, rows, scored, selects=True):
    """All the sites, laid out as an event: see `draw`."""
    count, (n, rows) = n, _at_least_one(n, rows)

    def drawn(model, member):
        plan = model.schedule if cached else None
        if isinstance(plan, Schedule):
            x, log_prob = _by_steps(model, member, n, seed, policy, rows, scored)
        else:
            by = fixed_point.by_passes if plan is None else fixed_point.by_rows
            options = {**rows, "member": member, "scored": scored, "selects": selects}
            x, log_prob, _ = by(model, n, seed, policy, **options)
        order = prefix.order_of(model, member)
        own = order.shape.rank - 1  # whether each sample has its own
        places = tf.argsort(order, axis=1) if own else tf.math.invert_permutation(order)
        x = tf.gather(x, places, axis=1, batch_dims=own)
        return tf.reshape(x, [n, *model.event_shape])[:count], log_prob[:count]

    return model.by_member(member, drawn)


def _at_least_one(n, rows):
    """``n`` and ``rows``, with a row of zeros if there are none.

    TensorFlow's convolutions give wrong shapes on an empty batch.
    """
    if not tf.is_tensor(n) and n > 0:
        return n, rows
    missing = tf.cast(tf.equal(n, 0), tf.int32)

    def filled(part):
        return tf.concat([part, tf.zeros([missing, *part.shape[1:]], part.dtype)], axis=0)

    return n + missing, tf.nest.map_structure(filled, rows)


def _by_steps(model, member, n, seed, policy, rows, scored):
    schedule = model.schedule
    carry = begin(model, n, member, rows.get("condition"), schedule)
    given = rows.get("values"), rows.get("known")
    arguments = seed, policy, *given, scored, member, schedule
    (*_, log_prob), drawn = advance(model, carry, schedule.times, *arguments)
    x = tf.gather(drawn, schedule.places())
    x = tf.transpose(x, [1, 0, *range(2, 2 + len(model.head.site_shape))])  # [n, sites, ...]
    return x, log_prob


def begin(
    model: Conditionals,
    n: int | tf.Tensor,
    member: Member = 0,
    condition: Nest = None,
    schedule: Schedule | None = None,
) -> tuple[Any, ...]:
    """What `advance` starts from: (time, encoded predecessors, state, log-probability)."""
    schedule = schedule or one_by_one(model.num_sites)
    state = model.initial_state(n, member=member, condition=condition, schedule=schedule)
    before = tf.zeros([n, schedule.slots, model.head.num_inputs])
    return tf.constant(0), before, state, tf.zeros([n])


def advance(
    model: Conditionals,
    carry: tuple[Any, ...],
    count: int | tf.Tensor,
    seed: tf.Tensor,
    policy: Policy,
    values: tf.Tensor | None = None,
    known: tf.Tensor | None = None,
    scored: bool | Literal["drawn", "known"] = False,
    member: Member = 0,
    schedule: Schedule | None = None,
) -> tuple[tuple[Any, ...], tf.Tensor]:
    """The sampling loop, x[t - 1] -> step -> head -> x[t], over the next times of a schedule.

    The draw at a site depends on the seed and the site's number, not on the schedule or on where
    the loop paused.

    Args:
      model: a `tfar.models.AutoregressiveModel`.
      carry: what `begin` or `advance` returned.
      count: how many times, an int or a scalar tensor.
      seed, policy, member: as in `draw`.
      values, known: as in `draw`, for the sites from the first time on.
      scored: as in `draw`.
      schedule: as given to `begin`; by default a time is a site.

    Returns:
      ``(carry, drawn)`` with ``drawn`` [count slots, n, *site_shape], for all slots at the first
      time, then all at the second, and so on.
    """
    schedule = schedule or one_by_one(model.num_sites)
    head, first, previous = model.head, carry[0], carry[1]
    order, last = prefix.order_of(model, member), model.num_sites - 1
    n = tf.shape(previous)[0] if previous.shape[0] is None else previous.shape[0]
    begun = first if schedule.slots == 1 else 0  # the first site of values

    def body(time, previous, state, log_prob, drawn):
        sites = schedule.at(time)
        params, state = model.step(previous, state, sites, member=member)
        noise = randomness.uniforms_of_each(seed, sites.number, [n, head.num_uniforms])
        noise = tf.transpose(noise, [1, 0, 2])
        # Texts may be longer than the windows.
        own = head.at(tf.gather(order, tf.minimum(sites.number[0], last), axis=-1))
        given = None if values is None else tf.gather(values, sites.number - begun, axis=1)
        x = policy.draw(own, params, noise, given)
        if known is not None:
            here = tf.gather(known, sites.number - begun, axis=1)
            here = tf.reshape(here, [-1, schedule.slots, *[1] * len(head.site_shape)])
            x = tf.where(here, given, x)
        if scored:
            some = sites.valid
            if known is not None and scored in ("drawn", "known"):
                here = tf.gather(known, sites.number - begun, axis=1)
                some &= here if scored == "known" else ~here
            counted = tf.where(some, own.log_prob(params, x), 0.0)
            log_prob += tf.reduce_sum(counted, axis=1)
        return time + 1, own.encode(x), state, log_prob, drawn.write(time - first, x)

    shape = [previous.shape[0], schedule.slots, *head.site_shape]
    drawn = tf.TensorArray(head.dtype, count, element_shape=shape)
    *carry, drawn = tf.while_loop(
        lambda time, *_: time < first + count,
        body,
        (*carry, drawn),
        maximum_iterations=count,
    )
    axes = [0, 2, 1, *range(3, 3 + len(head.site_shape))]
    drawn = tf.transpose(drawn.stack(), axes)  # [count, slots, n, ...]
    return tuple(carry), tf.reshape(drawn, [count * schedule.slots, n, *head.site_shape])


def read(model: Conditionals, carry: tuple[Any, ...], values: tf.Tensor) -> tuple[Any, ...]:
    """The carry of `advance` after the next sites, whose values [n, k, *site_shape] are given.

    Their log-probability is added. They are read by one pass if the model ``extends``, whose memory
    grows with k, and by steps otherwise. For models that are not ensembles.
    """
    if not model.extends:
        known = tf.ones(tf.shape(values)[:2], tf.bool)
        given = tf.constant([0, 0]), Policy(), values, known
        return advance(model, carry, tf.shape(values)[1], *given, scored=True)[0]
    time, before, state, log_prob = carry
    params, after = model.extend(values, state, time)
    after = tf.nest.map_structure(lambda a, b: tf.ensure_shape(a, b.shape), after, state)
    last = tf.ensure_shape(model.head.encode(values[:, -1:]), before.shape)
    added = tf.reduce_sum(model.head.log_prob(params, values), axis=1)
    return (
        time + tf.shape(values)[1],
        last,
        after,
        tf.ensure_shape(log_prob + added, log_prob.shape),
    )


def compiled_advance(model: Conditionals) -> Callable[..., Any]:
    """`advance` of a model as a ``tf.function``, made once, of ``(carry, count, seed, policy)``."""
    return model.once("advance", lambda: _function(advance, model))


def compiled_read(model: Conditionals) -> Callable[..., Any]:
    """`read` of a model as a ``tf.function``, made once, of ``(carry, values)``."""
    return model.once("read", lambda: _function(read, model))


def _function(of_model, model):
    own = functools.partial(of_model, model)
    return tf.function(own, autograph=False, reduce_retracing=True)
