"""The contract of purification: each value is the most likely one in reach, given those before."""

import itertools

import numpy as np
import tensorflow as tf

from tfar.models import AutoregressiveModel
from tfar.testing.checks import (
    conditions,
    demand,
    inputs_of,
    is_unbounded,
    joint_of,
    members,
    of_models,
    symbols,
)


@of_models
def verify_purification(model: AutoregressiveModel, *, seed: int = 0, count: int = 16) -> None:
    """Holds `tfar.sampling.Autoregressive.purify` to its definition, for all conditions and orders.

    For eps of 0, 1 and 2, and one that reaches every value:

    * no value moves farther than eps, and x* is x for eps = 0;
    * each value is the most likely one in reach given those that were taken before: log p of all
      in reach comes from one parallel pass over x*, of a vector by the sum over its later channels;
    * the samplers with caches and by whole passes give the same;
    * with the largest eps the result does not depend on x (greedy decoding);
    * with a threshold, examples at least as likely stay, and the others are purified.

    Args:
      model: a `tfar.models.AutoregressiveModel` whose head has ``on_a_scale``.
      seed: of the examples, whose values are drawn uniformly.
      count: how many.

    Raises:
      AssertionError: if one of these does not hold.
    """
    values = [symbols(model.head.at(i)) for i in range(model.num_sites)]
    rng = np.random.RandomState(seed)
    drawn = [v[rng.randint(0, len(v), count)] for v in values]
    x = np.stack(drawn, axis=1).reshape([count, *model.event_shape]).astype(np.int32)
    largest = int(max(v.max() for v in values))
    for condition, member in itertools.product(conditions(model), members(model)[-model.members :]):
        joint = joint_of(model, condition, member=member)
        passes = joint_of(model, condition, member=member, cached=False)
        for eps in sorted({0, 1, 2, largest}):
            near = joint.purify(x, eps).numpy()
            where = f" (eps {eps}, member {member}, condition {condition})"
            demand(np.abs(near - x).max() <= eps, "A value moves farther than eps" + where)
            _verify_most_likely(model, member, condition, x, near, eps, where)
            same = np.mean(near == passes.purify(x, eps).numpy())
            demand(same == 1, f"Caches and whole passes agree in {same:.1%} of the values" + where)
        if not any(is_unbounded(model.head.at(i)) for i in range(model.num_sites)):
            alike = len(np.unique(near.reshape([count, -1]), axis=0)) == 1
            demand(alike, "With the largest eps the result depends on x" + where)
        log_prob = joint.log_prob(x).numpy()
        threshold = float(np.median(log_prob))
        found = joint.purify(x, 1, threshold=threshold).numpy()
        stays = (log_prob >= np.float32(threshold)).reshape([-1, *[1] * len(model.event_shape)])
        expected = np.where(stays, x, joint.purify(x, 1).numpy())
        demand(np.array_equal(found, expected), f"A threshold chooses others (member {member}).")


def _verify_most_likely(model, member, condition, x, near, eps, where):
    """No value in reach is more likely than that of ``near``, given what comes before it."""
    p = model(inputs_of(near, condition), member=member or 0)
    head = model.head
    if not head.site_shape:
        best = np.full(x.shape, -np.inf)
        for step in range(-eps, eps + 1):
            best = np.maximum(best, _log_prob(p, head, x + step))
        _demand_best(_log_prob(p, head, near), best, where)
        return
    each = symbols(head)
    grid = [np.broadcast_to(value, near.shape) for value in each]
    log_prob = np.stack([np.asarray(p.log_prob(value)) for value in grid], axis=-1)  # [..., K]
    for channel in range(head.site_shape[0]):
        before = np.all(near[..., None, :channel] == each[:, :channel], axis=-1)  # [..., K]

        def total(value, before=before, channel=channel):
            fits = before & (each[:, channel] == value[..., None])
            kept = tf.reduce_logsumexp(tf.where(fits, log_prob, -np.inf), axis=-1)
            return kept.numpy()

        best = np.full(near.shape[:-1], -np.inf)
        for step in range(-eps, eps + 1):
            best = np.maximum(best, total(x[..., channel] + step))
        _demand_best(total(near[..., channel]), best, f", channel {channel}{where}")


def _log_prob(p, head, value):
    valid = np.asarray(head.in_support(tf.constant(value)))
    return np.where(valid, np.asarray(p.log_prob(np.where(valid, value, 0))), -np.inf)


def _demand_best(found, best, where):
    far = np.argwhere(~(found >= best - 1e-4 * (1 + np.abs(best))))
    if len(far):
        index = tuple(int(i) for i in far[0])
        raise AssertionError(
            f"The value at {list(index)} has log p {found[index]:.5f}, one in reach of it "
            f"{best[index]:.5f}, given those before" + where + "."
        )
