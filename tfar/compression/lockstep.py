"""All conditionals of some examples, site by site, in the same steps for whoever knows the values.

An encoder could have them from one parallel pass, but a decoder cannot, and a pass and the steps
differ in the last digits, as do two batch sizes: one other probability garbles the rest of a chunk.
So both run the same graphs on inputs of the same shapes with the same numbers: the values that the
decoder knows by then, and zeros for the others. XLA, whose code depends on the machine, is left
out.
"""

from __future__ import annotations

import numpy as np
import tensorflow as tf

from tfar.compression.coder import Partner
from tfar.layers import Schedule, WholeRows, one_by_one
from tfar.models import AutoregressiveModel
from tfar.typing import Nest

STEPS, ROWS = 128, 4  # if brief


def talk(
    model: AutoregressiveModel,
    partner: Partner,
    counts: np.ndarray,
    *,
    batch_size: int,
    member: int = 0,
    condition: Nest = None,
    brief: bool = False,
) -> None:
    """Tells a partner the conditionals of all sites, and asks it for the values.

    Args:
      model: whose head has digits.
      partner: a `Partner`.
      counts: ints [n], falling: of how many examples there is a site. There may be more sites than
        the model has, if it models sequences of any length.
      batch_size: examples that are computed, whether there are as many or not.
      member: of an ensemble.
      condition: ``batch_size`` rows of a condition, or None.
      brief: whether the first steps (or rows) are enough.
    """
    state = {"batch_size": batch_size, "member": member, "condition": condition}
    if isinstance(model.schedule, WholeRows):
        _by_rows(model, partner, counts, state, ROWS if brief else None)
    else:
        _by_steps(model, partner, counts, state, STEPS if brief else None)


def turns(model: AutoregressiveModel) -> list[np.ndarray]:
    """The sites that `talk` asks about at a time, ints, one array after the other."""
    if isinstance(model.schedule, WholeRows):
        return list(np.arange(model.num_sites)[:, None])
    schedule = model.schedule or one_by_one(model.num_sites)
    return [sites[sites >= 0] for sites in _sites_at(schedule, model.num_sites)]


def _by_steps(model, partner, counts, given, times):
    schedule, n = model.schedule, len(counts)
    if not isinstance(schedule, Schedule):
        schedule = one_by_one(model.num_sites)
    state = model.initial_state(**given, schedule=schedule)
    key = "compression", "step", given["batch_size"], given["member"], schedule
    step, digit = model.once(key, lambda: _steps(model, given["member"], schedule))
    shape = [given["batch_size"], schedule.slots, len(model.head.digits)]
    at = _sites_at(schedule, n)
    digits = np.zeros(shape, np.int32)
    for number, sites in enumerate(at[:times]):
        time = tf.constant(number)
        params, log_probs, state = step(time, digits, state)
        digits = np.zeros(shape, np.int32)
        slots = np.flatnonzero(sites >= 0)
        rows = counts[sites[slots[0]]]
        for i in range(shape[-1]):
            if i:
                log_probs = digit(time, params, digits, i)
            told = log_probs.numpy()[:rows, slots]
            digits[:rows, slots, i] = partner.exchange(sites[slots], i, told)


def _sites_at(schedule, n):
    """ints [times, slots], the site in each slot at each time, -1 if it is idle."""
    if schedule.slots == 1:
        return np.arange(n)[:, None]
    at = np.full(schedule.times * schedule.slots, -1)
    at[schedule.places()] = np.arange(n)
    return at.reshape([schedule.times, schedule.slots])


def _steps(model, member, schedule):
    """``(step, digit)``, graphs of `_by_steps`."""
    head, last = model.head, model.num_sites - 1
    order = tf.constant(model.permutations[member])

    def own(sites):  # texts may be longer than the windows
        return head.at(order[tf.clip_by_value(sites.number[0], 0, last)])

    def step(time, digits, state):
        before = own(schedule.at(tf.maximum(time - 1, 0)))
        x = before.encode(before.from_digits(digits))
        x = tf.where(time > 0, x, tf.zeros_like(x))
        sites = schedule.at(time)
        params, state = model.step(x, state, sites, member=member)
        return params, own(sites).digit_log_probs(params, digits, 0), state

    def digit(time, params, digits, i):
        return own(schedule.at(time)).digit_log_probs(params, digits, i)

    return tf.function(step, autograph=False), tf.function(digit, autograph=False)


def _by_rows(model, partner, counts, given, times):
    width, shape = model.schedule.columns, [given["batch_size"], model.schedule.columns]
    state = model.initial_state(**given, schedule=model.schedule)
    key = "compression", "rows", given["batch_size"]
    row, digit = model.once(key, lambda: _rows(model))
    for first in range(0, len(counts), width)[:times]:
        digits = np.zeros([*shape, len(model.head.digits)], np.int32)
        for column in range(width):
            params, log_probs, _ = row(tf.constant(first), tf.constant(column), digits, state)
            rows, sites = counts[first + column], np.array([first + column])
            for i in range(digits.shape[-1]):
                if i:
                    log_probs = digit(params, digits[:, column : column + 1], i)
                told = log_probs.numpy()[:rows]
                digits[:rows, column, i] = partner.exchange(sites, i, told)[:, 0]
        *_, state = row(tf.constant(first), tf.constant(0), digits, state)


def _rows(model):
    """``(row, digit)``, graphs of `_by_rows`."""
    head = model.head

    def row(first, column, digits, state):
        params, state = model.extend(head.from_digits(digits), state, first)
        params = tf.gather(params, column[None], axis=1)
        return params, head.digit_log_probs(params, digits[:, :1], 0), state

    return tf.function(row, autograph=False), tf.function(head.digit_log_probs, autograph=False)
