"""Sampling by fixed-point iteration: many sites at once from a guess, until nothing changes.

Heads draw by inverting uniform numbers u_i that depend on the seed and the site only. So the sample
of a seed is the one x with x_i = F_i^-1(u_i | x_<i) for every i, and x <- F^-1(u | x), for all
sites at once in one parallel pass, ends there: after k passes the first k sites are right. It needs
at most n passes for n sites, and on images some thirty for 784.

#### References
A. Wiggers, E. Hoogeboom. Predictive Sampling with Forecasting Autoregressive Models. ICML 2020,
section 3.1.
Y. Song, C. Meng, R. Liao, S. Ermon. Accelerating Feedforward Computation via Parallel Nonlinear
Equation Solving. ICML 2021, section 4.1.
"""

from collections.abc import Callable
from typing import Any, Literal

import tensorflow as tf

from tfar import randomness
from tfar.layers import WholeRows
from tfar.sampling.policy import Policy
from tfar.sampling.protocol import Conditionals
from tfar.typing import Member, Nest

Drawn = tuple[tf.Tensor, tf.Tensor, tf.Tensor]


def by_passes(
    model: Conditionals,
    n: int | tf.Tensor,
    seed: tf.Tensor,
    policy: Policy,
    *,
    member: Member = 0,
    values: tf.Tensor | None = None,
    known: tf.Tensor | None = None,
    condition: Nest = None,
    scored: bool | Literal["drawn", "known"] = False,
    selects: bool = True,
) -> Drawn:
    """Draws all sites at once: it needs no ``step`` of the network.

    Args:
      model, n, seed, policy, member, values, known, condition, scored: as in
        `tfar.sampling.loop.draw`, but ``member`` is a number.
      selects: whether a pass leaves out the examples that did not change in the last one; XLA,
        which needs fixed shapes, cannot.

    Returns:
      ``(x, log_prob, passes)``: [n, sites, *site_shape] in the order; [n], or [0] if not
      ``scored``; and how many passes it took, an int32 scalar.
    """
    order = tf.gather(tf.constant(model.permutations), member)
    rank = tf.math.invert_permutation(order)  # in what follows, sites are in the layout

    def parameters(x, examples):
        return model.parameters(x, condition=_of(examples, condition), member=member)

    noise = tf.gather(_noise(model, seed, tf.range(model.num_sites), n), rank, axis=1)
    given = [v if v is None else tf.gather(v, rank, axis=1) for v in (values, known)]
    start = tf.zeros(tf.concat([[n], [model.num_sites, *model.head.site_shape]], 0))
    start = tf.cast(start, model.head.dtype)
    redraw = _redraw(model, policy, parameters, noise, *given)
    x, passes = _settled(redraw, start, selects)
    log_prob = tf.zeros([0])
    if scored:
        each = model.head.log_prob(parameters(x, None), x)
        log_prob = tf.reduce_sum(_counted(each, given[1], scored), axis=1)
    return tf.gather(x, order, axis=1), log_prob, passes


def by_rows(
    model: Conditionals,
    n: int | tf.Tensor,
    seed: tf.Tensor,
    policy: Policy,
    *,
    member: Member = 0,
    values: tf.Tensor | None = None,
    known: tf.Tensor | None = None,
    condition: Nest = None,
    scored: bool | Literal["drawn", "known"] = False,
    selects: bool = True,
) -> Drawn:
    """Draws an image row by row, the sites of a row at once, by ``extend`` of the network.

    The first guess of a row is the row above it. Arguments and results are those of `by_passes`,
    with passes over rows.
    """
    carry = begin_rows(model, n, member=member, condition=condition)
    options: Any = {"values": values, "known": known, "scored": scored, "selects": selects}
    options.update(seed=seed, policy=policy)
    rows = model.schedule.rows  # type: ignore[union-attr]
    carry, x = advance_rows(model, carry, rows, **options)
    *_, log_prob, passes = carry
    return x, log_prob if scored else tf.zeros([0]), passes


def begin_rows(
    model: Conditionals, n: int | tf.Tensor, *, member: Member = 0, condition: Nest = None
) -> tuple[Any, ...]:
    """What `advance_rows` starts from: (row, the row above, state, log-probability, passes)."""
    rows, columns = model.schedule.rows, model.schedule.columns  # type: ignore[union-attr]
    options = {"member": member, "condition": condition}
    state = model.initial_state(n, **options, schedule=WholeRows(rows, columns))
    above = tf.zeros(tf.concat([[n], [columns, *model.head.site_shape]], 0))
    return tf.constant(0), tf.cast(above, model.head.dtype), state, tf.zeros([n]), tf.constant(0)


def advance_rows(
    model: Conditionals,
    carry: tuple[Any, ...],
    count: int | tf.Tensor,
    *,
    seed: tf.Tensor,
    policy: Policy,
    values: tf.Tensor | None = None,
    known: tf.Tensor | None = None,
    scored: bool | Literal["drawn", "known"] = False,
    selects: bool = True,
) -> tuple[tuple[Any, ...], tf.Tensor]:
    """The next rows, as `tfar.sampling.loop.advance` does it for times of a schedule.

    ``values`` and ``known`` are of all sites; other arguments are as there and in `by_passes`.

    Returns:
      ``(carry, drawn)`` with ``drawn`` [n, count columns, *site_shape].
    """
    columns, head, first_row = model.schedule.columns, model.head, carry[0]  # type: ignore[union-attr]
    n = tf.shape(carry[1])[0] if carry[1].shape[0] is None else carry[1].shape[0]

    def body(row, x, state, log_prob, passes, drawn):
        first = row * columns
        here = first + tf.range(columns)
        given = [v if v is None else tf.gather(v, here, axis=1) for v in (values, known)]

        def parameters(x, examples):
            of_some = state if examples is None else model.select(state, examples)
            return model.extend(x, of_some, first)[0]

        noise = _noise(model, seed, here, n)
        redraw = _redraw(model, policy, parameters, noise, *given)
        new, more = _settled(redraw, x, selects)
        new = tf.ensure_shape(new, x.shape)
        params, after = model.extend(new, state, first)
        after = tf.nest.map_structure(lambda a, b: tf.ensure_shape(a, b.shape), after, state)
        if scored:
            each = _counted(head.log_prob(params, new), given[1], scored)
            log_prob += tf.reduce_sum(each, axis=1)
        return row + 1, new, after, log_prob, passes + more, drawn.write(row - first_row, new)

    drawn = tf.TensorArray(head.dtype, count, element_shape=carry[1].shape)
    *carry, drawn = tf.while_loop(
        lambda row, *_: row < first_row + count, body, (*carry, drawn), maximum_iterations=count
    )
    x = tf.transpose(drawn.stack(), [1, 0, 2, *range(3, 3 + len(head.site_shape))])
    return tuple(carry), tf.reshape(x, [n, count * columns, *head.site_shape])


def _counted(each, known, scored):
    """Log-probabilities of sites [n, sites], with 0 for those that ``scored`` leaves out."""
    if known is None or scored is True:
        return each
    return tf.where(known if scored == "known" else ~known, each, 0.0)


def _settled(
    redraw: Callable[[tf.Tensor, Any], tf.Tensor], x: tf.Tensor, selects: bool
) -> tuple[tf.Tensor, tf.Tensor]:
    """The fixed point of x <- redraw(x, examples), and after how many passes.

    ``redraw`` maps x, or the rows of x of some examples and their numbers, to new ones. It ends
    after as many passes as there are sites: draws near a tie may differ from pass to pass.
    """

    def again(x, examples, passes):
        old = tf.gather(x, examples) if selects else x
        new = redraw(old, examples if selects else None)
        changed = tf.reduce_any(tf.reshape(new != old, [-1, old.shape[1:].num_elements()]), axis=1)
        if not selects:
            return new, tf.where(tf.reduce_any(changed), examples, -1), passes + 1
        x = tf.tensor_scatter_nd_update(x, examples[:, None], new)
        return x, tf.boolean_mask(examples, changed), passes + 1

    def going(_, examples, passes):
        return tf.size(examples) > 0 if selects else tf.reduce_any(examples >= 0)

    examples = tf.range(tf.shape(x)[0])
    shapes = x.shape, tf.TensorShape([None] if selects else examples.shape), tf.TensorShape([])
    x, _, passes = tf.while_loop(
        going, again, (x, examples, 0), shape_invariants=shapes, maximum_iterations=x.shape[1]
    )
    return x, passes


def _redraw(model, policy, parameters, noise, values, known):
    """The function of `_settled`: a pass, and draws with the same random numbers, or values."""

    def redraw(x, examples):
        given = _of(examples, values)
        new = policy.draw(model.head, parameters(x, examples), _of(examples, noise), given)
        if known is None:
            return new
        here = known[..., None] if model.head.site_shape else known
        return tf.where(_of(examples, here), given, new)

    return redraw


def _noise(model, seed, streams, n):
    """Uniform numbers of some sites, [n, sites, num_uniforms]."""
    noise = randomness.uniforms_of_each(seed, streams, [n, model.head.num_uniforms])
    return tf.transpose(noise, [1, 0, 2])


def _of(examples, rows):
    """The rows of some examples, of all if ``examples`` is None; None of no rows."""
    if examples is None or rows is None:
        return rows
    return tf.nest.map_structure(lambda part: tf.gather(part, examples), rows)
