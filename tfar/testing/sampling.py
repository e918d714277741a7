"""The contract of sampling: samples have the probabilities that are scored."""

import numpy as np
import tensorflow as tf

from tfar.models import AutoregressiveModel
from tfar.testing.checks import (
    conditions,
    demand,
    demand_close,
    demand_frequencies,
    eagerly,
    enumerate_events,
    grid,
    inputs_of,
    is_real,
    is_unbounded,
    joint_of,
    members,
    of_models,
    quadrature,
    same_draws,
    stacked,
)
from tfar.testing.oracle import sample_by_full_passes


@of_models
def verify_sampling(model: AutoregressiveModel, *, seed: int = 0, num_samples: int = 4000) -> float:
    """Holds the sampler of a toy to its exact probabilities.

    * Frequencies agree with probabilities (chi-square, p > 1e-4), so that sites are drawn from
      their conditionals and independently of each other. Examples and calls are independent, too.
      Discrete toys are enumerated; for real values the distribution functions F(x_i | x_<i) are
      uniform and independent (the probability integral transform), as counted in cells.
    * The same seed draws the same samples; the cached sampler, compiled, draws what the oracle
      draws in eager mode, see `tfar.testing.sample_by_full_passes`, and so does the sampler by
      whole passes; clamping a prefix of a seed's samples changes nothing, in any order.
    * A clamped prefix is returned unchanged, and the rest follows the exact conditional.
    * ``experimental_sample_and_log_prob`` gives the samples of that seed and their ``log_prob``.

    Args:
      model: a `tfar.models.AutoregressiveModel`.
      seed: int.
      num_samples: how many samples to count.

    Returns:
      The smallest p-value of all chi-square tests, a float.

    Raises:
      AssertionError: if one of these does not hold.
    """
    tails = [_verify_sampling(model, given, seed, num_samples) for given in conditions(model)]
    if model.condition is not None:
        _verify_batch(model, seed)
    return min(tails)


def _verify_batch(model, seed):
    """Given a batch of conditions, each example is drawn given its own."""
    values, rows = conditions(model), 64
    turns = stacked(values, rows * len(values))
    batch = model.joint(condition=turns)
    x, log_prob = batch.experimental_sample_and_log_prob(2, seed=seed)
    demand_close(log_prob, batch.log_prob(x), "sample_and_log_prob of a batch of conditions")
    for k, condition in enumerate(values):
        own = joint_of(model, condition).log_prob(x).numpy()
        message = f"A batch of conditions gives another log_prob for {condition}"
        demand_close(log_prob.numpy()[:, k :: len(values)], own[:, k :: len(values)], message)
    alone = model.joint(condition=tf.nest.map_structure(lambda part: part[:1], turns))
    again = batch[:1]
    demand(again.batch_shape == [1], f"joint[:1] has the batch shape {again.batch_shape}.")
    demand_close(again.log_prob(x[:, :1]), alone.log_prob(x[:, :1]), "joint[:1] differs")


def _verify_sampling(model, condition, seed, num_samples):
    joint, tails = joint_of(model, condition), []
    first = _drawn(joint, num_samples, seed)
    demand(
        np.array_equal(first, _drawn(joint, num_samples, seed)),
        "The same seed draws other samples.",
    )
    second = _drawn(joint, num_samples, seed + 1)
    if is_unbounded(model.head):
        same = _agreement(model, joint)
        for member in members(model)[-model.members :]:  # a mixture has no conditionals
            own = (
                first
                if model.members == 1
                else _drawn(joint_of(model, condition, member=member), num_samples, seed)
            )
            none = np.zeros(model.num_sites, bool)
            tails.append(_demand_uniform(model, member, condition, own, none, "samples"))
    else:
        events = enumerate_events(model)
        p = np.exp(joint.log_prob(events).numpy().astype(np.float64))
        tails.append(demand_frequencies(first, events.reshape([len(events), -1]), p, "samples"))
        same = np.sum(p**2)  # how often two independent draws agree
    for one, other, what in ((first, second, "calls"), (first[1:], first[:-1], "examples")):
        agree = np.mean(np.all(one == other, 1))
        noise = np.sqrt(same * (1 - same) / len(one)) + 1e-9
        demand(
            abs(agree - same) < 6 * noise or same > 1 - 1e-3,
            f"Samples of different {what} agree in {agree:.4f}, not {same:.4f}, of all cases.",
        )
    few, log_prob = joint.experimental_sample_and_log_prob(200, seed=seed)
    few = few.numpy().reshape([200, -1])
    demand(
        np.array_equal(few, _drawn(joint, 200, seed)), "sample_and_log_prob draws other samples."
    )
    exact = joint.log_prob(few.reshape([200, *model.event_shape]))
    demand_close(log_prob, exact, "sample_and_log_prob gives another log_prob")
    with eagerly():
        slow = sample_by_full_passes(model, 200, seed=seed, condition=condition).numpy()
        passes = _drawn(joint_of(model, condition, cached=False), 200, seed)
    for which, drawn in ("cached sampler", few), ("sampler by whole passes", passes):
        message = f"The {which} does not draw what the oracle draws from the same seed."
        demand(same_draws(drawn, slow.reshape([200, -1])), message)
    for member in members(model)[-model.members :]:  # a mixture has no order to clamp in
        tails += _verify_clamping(model, member, condition, seed, num_samples)
    return min(tails)


def _agreement(model, joint):
    """How often two independent draws of a model of infinitely many values agree."""
    heads = [model.head.at(i) for i in range(model.num_sites)]
    if any(is_real(head) for head in heads):
        return 0.0
    events = grid([quadrature(head)[0] for head in heads], 2**20)
    return np.sum(np.exp(2 * joint.log_prob(events.reshape([-1, *model.event_shape])).numpy()))


def _verify_clamping(model, member, condition, seed, num_samples):
    joint, n = joint_of(model, condition, member=member), model.num_sites
    site_shape, d = model.head.site_shape, model.num_dimensions
    order = np.asarray(model.permutations[member or 0])
    count = num_samples // 2
    x = _drawn(joint, 3 * count, seed)
    ranks = np.argsort(order)
    lengths = np.arange(len(x)) % (n + 1)
    given = (ranks < lengths[:, None]).reshape([len(x), n, *[1] * len(site_shape)])
    value = np.where(given, x.reshape([len(x), n, *site_shape]), np.nan)
    value = value.reshape([len(x), *model.event_shape])
    again = _drawn(joint, [], seed, value=value)
    where = f" (member {member}, order {order.tolist()})"
    few = same_draws(x[:64], again[:64])  # in thousands, the last digit may decide one
    demand(few, "Clamping what a seed drew changes the rest" + where + ".")
    length = (n + 1) // 2
    value = value.reshape([len(x), d])[length :: n + 1][:3]
    clamped = joint.sample(count, seed, value=value.reshape([-1, *model.event_shape]))
    if not is_unbounded(model.head):
        events = enumerate_events(model)
        p = np.exp(joint.log_prob(events).numpy().astype(np.float64))
        flat = events.reshape([-1, d])
    tails = []
    for i, prefix in enumerate(value):
        given = ~np.isnan(prefix)
        samples = clamped.numpy()[:, i].reshape([-1, d])
        kept = np.float32(prefix[given])
        demand(np.all(samples[:, given] == kept), "A clamped prefix changes" + where)
        if is_unbounded(model.head):
            what = f"samples after the prefix {prefix.tolist()}" + where
            tails.append(_demand_uniform(model, member, condition, samples, given, what))
            continue
        fits = np.all(flat[:, given] == prefix[given], axis=1)
        what = f"samples after the prefix {prefix.tolist()}" + where
        tails.append(demand_frequencies(samples, flat[fits], p[fits] / np.sum(p[fits]), what))
    return tails


def _demand_uniform(model, member, condition, samples, given, what):
    """F(x_i | x_<i) of ``samples`` [N, n] is uniform and independent at the sites not given.

    For a discrete site, a draw between F below the value and F at it is taken. Samples are counted
    in cells: each site divides (0, 1) into so many parts that there are a few hundred cells.
    """
    x = samples.reshape([-1, *model.event_shape])
    p = model(inputs_of(x, condition), member=member or 0)
    x = tf.cast(x, p.dtype)
    upper, jump = p.cdf(x).numpy(), np.zeros(x.shape)
    for i in range(model.num_sites):
        if not is_real(model.head.at(i)):
            jump.reshape(samples.shape)[:, i] = p.prob(x).numpy().reshape(samples.shape)[:, i]
    chance = np.random.RandomState(0).uniform(size=x.shape)
    u = (upper - chance * jump).reshape(samples.shape)[:, ~given]
    if not u.shape[1]:
        return 1.0
    parts = max(2, int(300 ** (1 / u.shape[1])))
    cells = grid([np.arange(parts)] * u.shape[1])
    counted = np.clip(np.floor(u * parts), 0, parts - 1).astype(int)
    return demand_frequencies(counted, cells, np.full(len(cells), 1 / len(cells)), what)


def _drawn(joint, *args, **kwargs):
    samples = joint.sample(*args, **kwargs)
    demand(samples.dtype == joint.dtype, f"Samples are {samples.dtype}, not {joint.dtype}.")
    return samples.numpy().reshape([-1, joint.model.num_dimensions])
