"""The contracts of models."""

import itertools
import json
import math
import os
from collections.abc import Sequence

import keras
import numpy as np
import tensorflow as tf

from tfar.distributions import casting
from tfar.models import AutoregressiveModel
from tfar.testing.checks import (
    conditions,
    demand,
    demand_close,
    demand_frequencies,
    eagerly,
    enumerate_digits,
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
    symbols,
)
from tfar.typing import Path


@of_models
def verify_causality(model: AutoregressiveModel, differs: bool = True) -> np.ndarray:
    """Enumerates a toy: conditional i depends on the prefix x_<i of the order, and on it alone.

    For every member of an ensemble, in its own order, and given each of a few conditions:
    conditional i is the same over all completions of a prefix and, with ``differs``, not the same
    for all prefixes, and not for all conditions. Of real values a few are taken, see `symbols`.

    Args:
      model: a `tfar.models.AutoregressiveModel`.
      differs: False for a model that may ignore its inputs, as with zeros for weights.

    Returns:
      bool [members, n, n], in the order of each member: whether conditional i was seen to change
      with site j.

    Raises:
      AssertionError: if a conditional depends on its own or a later site, or on nothing.
    """
    events, digits = enumerate_events(model), enumerate_digits(model)
    n = model.num_sites
    values = [symbols(model.head.at(i)) for i in range(n)]
    base = max(len(column) for column in values)
    # Value number k of every site, the last one where a site has fewer.
    values = [np.stack([v[min(k, len(v) - 1)] for v in values]) for k in range(base)]
    values = [value.reshape(model.event_shape) for value in values]
    depends = np.zeros([model.members, n, n], bool)
    every = [[] for _ in range(model.members)]
    for member, condition in itertools.product(range(model.members), conditions(model)):
        order = np.asarray(model.permutations[member])
        codes = digits[:, order] * base ** np.arange(n)  # the sum of these is a number of the event
        p = model(inputs_of(events, condition), member=member)
        values_of = [np.broadcast_to(v, events.shape) for v in values]
        p = np.stack([np.exp(casting.log_prob(p, v)) for v in values_of], -1)
        p = p.reshape([-1, n, base])[:, order]
        every[member].append(p)
        for i, j in itertools.product(range(n), range(n)):
            others = codes.sum(1) - codes[:, j]
            _, first, group = np.unique(others, return_index=True, return_inverse=True)
            change = np.abs(p[:, i] - p[first[group], i])
            depends[member, i, j] |= np.max(change / (1 + p[:, i])) > 1e-6
        where = f" (sites are numbered in the order of member {member}, {order.tolist()})"
        for i, j in np.argwhere(np.triu(depends[member])):
            raise AssertionError(f"Leak: conditional {i} depends on x_{j}" + where + ".")
        for i in np.flatnonzero(~depends[member].any(1))[1:]:
            demand(not differs, f"Conditional {i} is the same for all prefixes" + where + ".")
    if differs and len(conditions(model)) > 1:
        change = np.max(np.abs(np.diff(every, axis=1)), axis=(1, 2, 4))
        for member, i in np.argwhere(change < 1e-6):
            where = f" (of member {member}, in its order)" if model.members > 1 else ""
            raise AssertionError(f"Conditional {i} is the same for all conditions{where}.")
    return depends


@of_models
def verify_normalisation(model: AutoregressiveModel) -> None:
    """Enumerates a toy: the probabilities of all events sum to 1, and densities integrate to 1.

    They do for the mixture of an ensemble, for each of its members, and given each of a few
    conditions. Of real values there may be two sites.

    Args:
      model: a `tfar.models.AutoregressiveModel`.

    Raises:
      AssertionError: if they do not.
    """
    columns = [quadrature(model.head.at(i)) for i in range(model.num_sites)]
    values, weights = zip(*columns)
    events = grid(values, 2**20).reshape([-1, *model.event_shape])
    weights = grid(weights, 2**20).reshape([len(events), -1]).prod(axis=1)
    for member, condition in itertools.product(members(model), conditions(model)):
        joint = joint_of(model, condition, member=member)
        parts = np.array_split(events, len(events) // 2**16 + 1)
        p = np.concatenate([np.exp(joint.log_prob(part), dtype=np.float64) for part in parts])
        total = np.sum(weights * p)
        what = f"Probabilities (member {member}, condition {condition}) do not sum to 1"
        demand_close(total, 1.0, what)


@of_models
def verify_sampling(model: AutoregressiveModel, seed: int = 0, num_samples: int = 4000) -> float:
    """Holds the sampler of a toy to its exact probabilities.

    * Frequencies agree with probabilities (chi-square, p > 1e-4), so that sites are drawn from
      their conditionals and independently of each other; so are examples and calls. Discrete
      toys are enumerated; of real values the distribution functions F(x_i | x_<i) are uniform and
      independent (the probability integral transform), as counted in cells.
    * The same seed draws the same; the cached sampler, compiled, draws what the oracle draws in
      eager mode; clamping a prefix of what a seed drew changes nothing, whatever the order.
    * A clamped prefix comes back untouched, and the rest follows the exact conditional.
    * ``experimental_sample_and_log_prob`` gives the samples of that seed and their ``log_prob``.

    Args:
      model: a `tfar.models.AutoregressiveModel`.
      seed: int.
      num_samples: how many to count.

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
    """A batch of conditions draws each example from its own."""
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
    demand_close(again.log_prob(x[:, :1]), alone.log_prob(x[:, :1]), "joint[:1] is another")


def _verify_sampling(model, condition, seed, num_samples):
    joint, tails = joint_of(model, condition), []
    first = _drawn(joint, num_samples, seed)
    demand(np.array_equal(first, _drawn(joint, num_samples, seed)), "A seed draws two things.")
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
        slow = _drawn(joint_of(model, condition, cached=False), 200, seed)
    message = "The cached sampler does not draw what the oracle draws from the same seed."
    demand(same_draws(few, slow), message)
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
    few = same_draws(x[:64], again[:64])  # of thousands, one may be decided by the last digit
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
            what = f"samples behind the prefix {prefix.tolist()}" + where
            tails.append(_demand_uniform(model, member, condition, samples, given, what))
            continue
        fits = np.all(flat[:, given] == prefix[given], axis=1)
        what = f"samples behind the prefix {prefix.tolist()}" + where
        tails.append(demand_frequencies(samples, flat[fits], p[fits] / np.sum(p[fits]), what))
    return tails


def _demand_uniform(model, member, condition, samples, given, what):
    """Of ``samples`` [N, n], F(x_i | x_<i) is uniform and independent at the sites not given.

    Of a discrete site it is drawn between F below the value and F at it. Counted are cells: so many
    parts of (0, 1) a site that there are some hundreds.
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


@of_models
def verify_training(
    model: AutoregressiveModel,
    epochs: int = 10,
    learning_rate: float = 0.05,
    seeds: Sequence[int] = (0,),
) -> float:
    """Overfits one batch, of which the entropy is known.

    Sites of few values take one of two events, of which one is three times as frequent as the
    other. Independently of those, sites of real values take 32 draws of a narrow Gaussian in which
    they are correlated (densities of single points would have no bound, and what dropout does to
    them is chance), and counts are drawn of Poisson distributions whose means are one more than the
    count before.

    * ``fit`` closes at least 70 % of the gap between the first loss and the entropy of the batch,
      and takes the loss of few values no lower than that.
    * The loss and the nats of ``evaluate`` are ``-mean(joint().log_prob(x))``, before and after,
      and bits_per_dim is nats over log 2 and the number of dimensions. So they are with weights w
      of the examples, of shape [N] and [N, 1]: the loss is then -mean(w log p), the metrics are
      divided by sum(w).

    The model is compiled and trained.

    Args:
      model: a `tfar.models.AutoregressiveModel`, which begins with the weights that it has.
      epochs: epochs of 20 steps each.
      learning_rate: of Adam at first; it falls to 0, or where training ends would be chance.
      seeds: ints; for each, a batch of its own and, from the second on, other initial weights.

    Returns:
      The share of the gap that was closed, a float; the smallest of those of the seeds.

    Raises:
      AssertionError: if one of these does not hold.
    """
    rate = keras.optimizers.schedules.CosineDecay(learning_rate, 20 * epochs)
    model.compile(keras.optimizers.Adam(rate))
    shares = []
    for seed in seeds:
        batch, entropy = _batch(model, seed)
        if shares:
            keras.utils.set_random_seed(seed)
            model.set_weights(type(model).from_config(model.get_config()).get_weights())
            for variable in model.optimizer.variables:
                variable.assign(tf.zeros_like(variable))
        before = _verify_loss(model, batch)
        steps = inputs_of(np.concatenate([batch] * (20 * epochs)), conditions(model)[0])
        model.fit(steps, batch_size=len(batch), shuffle=False, verbose=0)
        after = _verify_loss(model, batch)
        shares.append((before - after) / (before - entropy))
        demand(
            shares[-1] > 0.7,
            f"fit takes the loss from {before:.4f} to {after:.4f} nats; the entropy of the batch "
            f"is {entropy:.4f} (seed {seed}).",
        )
        if not any(is_unbounded(model.head.at(i)) for i in range(model.num_sites)):
            less = f"A loss of {after:.4f} is below the entropy {entropy:.4f} (seed {seed})."
            demand(after > entropy - 1e-3, less)
    return float(min(shares))


def _batch(model, seed):
    """The events of `verify_training`, [N, *event_shape], and their entropy in nats."""
    heads = [model.head.at(i) for i in range(model.num_sites)]
    free = np.array([is_unbounded(head) for head in heads])
    values = [symbols(head) for head in heads]
    first, last = (np.stack([v[k] for v in values]) for k in (0, -1))
    batch, entropy = np.stack([first] * 6 + [last] * 2), 0.0
    if not free.all():
        entropy -= np.sum([w * np.log(w) for w in (0.25, 0.75)])
    if free.any():
        rng = np.random.RandomState(seed)
        noise = 0.1 * rng.normal(size=[32, model.num_sites]) + 0.2 * rng.normal(size=[32, 1])
        count, drawn = np.full(32, 5), np.zeros([32, model.num_sites])
        for i, head in enumerate(heads):
            if is_real(head):
                drawn[:, i] = head.mean + head.std * (0.8 + noise[:, i])
            elif free[i]:
                rate = 1 + count
                count = drawn[:, i] = rng.poisson(rate)
                log_p = count * np.log(rate) - rate - [math.lgamma(1 + k) for k in count]
                entropy -= np.mean(log_p)
        if real := [i for i, head in enumerate(heads) if is_real(head)]:
            covariance = np.atleast_2d(np.cov(drawn[:, real], rowvar=False, bias=True))
            entropy += 0.5 * np.linalg.slogdet(2 * np.pi * np.e * covariance)[1]
        batch = (batch[:1] if free.all() else batch).repeat(32, axis=0).astype(drawn.dtype)
        batch[:, free] = np.tile(drawn[:, free], [len(batch) // 32, 1])
    return batch.reshape([-1, *model.event_shape]), entropy


def _verify_loss(model, batch):
    condition = conditions(model)[0]
    inputs = inputs_of(batch, condition)
    each = -joint_of(model, condition).log_prob(batch).numpy()
    weights = np.random.RandomState(0).randint(0, 3, len(batch)).astype(np.float32)
    weights[0] = 3.0
    logs = model.evaluate(inputs, batch_size=len(batch), verbose=0, return_dict=True)
    _demand_logs(model, logs, each, np.ones_like(weights), "")
    for given in (weights, weights[:, None]):  # as a step hands them on
        model.reset_metrics()
        p = model(inputs)
        loss = model.compute_loss(inputs, None, p, tf.constant(given), training=False)
        logs = {metric.name: metric.result() for metric in model.metrics}
        what = f", weights {list(given.shape)}"
        _demand_logs(model, {**logs, "loss": loss}, each, weights, what)
    return np.mean(each)


def _demand_logs(model, logs, each, weights, what):
    message = f"The loss is not -mean(joint().log_prob(x)){what}"
    demand_close(logs["loss"], np.mean(weights * each), message)
    nats = np.sum(weights * each) / np.sum(weights)
    demand_close(logs["nats"], nats, f"`nats` is not -mean(joint().log_prob(x)){what}")
    bits = nats / np.log(2) / model.num_dimensions
    message = f"bits_per_dim is not nats / log(2) / dimensions{what}"
    demand_close(logs["bits_per_dim"], bits, message)


@of_models
def verify_precision(model: AutoregressiveModel, count: int = 4096, error: float = 0.15) -> None:
    """In bfloat16 a model learns from its events what it does in float32.

    Of the mean negative log-likelihood of ``count`` random events, the gradient by each weight w
    of the same model in ``mixed_bfloat16`` is that in float32 up to ``error`` times |g_w| and a
    tenth of |g|, the norms of the gradient by this weight and by all. A sum over the events that
    runs in bfloat16 is far off: it stops growing at 256 times its terms.

    Args:
      model: a `tfar.models.AutoregressiveModel` in float32 that `from_config` makes in the policy
        that is its ``dtype``, and of which layers that are given as such keep theirs.
      count: number of events.
      error: largest relative error.

    Raises:
      AssertionError: if some weight's gradient is another one.
    """
    low = type(model).from_config({**model.get_config(), "dtype": "mixed_bfloat16"})
    low.set_weights(model.get_weights())
    rng = np.random.RandomState(0)
    values = [symbols(model.head.at(i)) for i in range(model.num_sites)]
    x = np.stack([v[rng.randint(len(v), size=count)] for v in values], 1)
    x = inputs_of(x.reshape([count, *model.event_shape]), conditions(model)[-1])
    expected, actual = ([g.numpy() for g in _gradients(m, x)] for m in (model, low))
    whole = np.sqrt(sum(np.sum(g**2) for g in expected))
    for weight, one, other in zip(model.trainable_weights, expected, actual):
        off, norm = np.linalg.norm(other - one), np.linalg.norm(one)
        demand(
            off <= error * (norm + 0.1 * whole),
            f"In bfloat16 the gradient by {weight.path} is off by {off:.3g}; it has the norm "
            f"{norm:.3g}, that by all weights {whole:.3g}.",
        )


def _gradients(model, inputs):
    with tf.GradientTape() as tape:
        loss = -tf.reduce_mean(model.log_prob(inputs))
    weights = [weight.value for weight in model.trainable_weights]
    gradients = tape.gradient(loss, weights, unconnected_gradients="zero")
    return [tf.convert_to_tensor(g) for g in gradients]  # of a gather it is in slices


@of_models
def verify_persistence(model: AutoregressiveModel, folder: Path) -> None:
    """Saves and rebuilds a model in two ways: a .keras file, and its config with a weights file.

    The copies have the same weights, the same config, the same log_prob on samples of all their
    members, and draw the same.

    Args:
      model: a `tfar.models.AutoregressiveModel`.
      folder: an existing folder to write to.

    Raises:
      AssertionError: if something is lost.
    """
    path = os.path.join(folder, "model.keras")
    model.save(path)
    loaded = keras.saving.load_model(path)
    path = os.path.join(folder, "model.weights.h5")
    model.save_weights(path)
    rebuilt = type(model).from_config(model.get_config())
    rebuilt.load_weights(path)
    condition = conditions(model)[-1]
    with eagerly():
        x = joint_of(model, condition).sample(16, seed=0)
        again = joint_of(loaded, condition).sample(16, seed=0)
    for copy, what in ((loaded, "load_model"), (rebuilt, "from_config and load_weights")):
        demand(type(copy) is type(model), f"{what} gives a {type(copy).__name__}.")
        count = len(copy.weights), len(model.weights)
        demand(count[0] == count[1], f"{what} gives {count[0]} weights, not {count[1]}.")
        for one, other in zip(copy.weights, model.weights):
            demand_close(one, other, f"{what} gives another {other.path}", 0.0, 0.0)
        for key, value in model.get_config().items():
            # As JSON, which knows no tuples.
            got, value = (json.dumps(v, sort_keys=True) for v in (copy.get_config()[key], value))
            demand(got == value, f"{what} gives {key} = {got[:99]} as config, not {value[:99]}.")
        for member in members(model):
            expected = joint_of(model, condition, member=member).log_prob(x)
            actual = joint_of(copy, condition, member=member).log_prob(x)
            demand_close(actual, expected, f"{what} gives another log_prob (member {member})")
    demand(np.array_equal(again, x), "load_model gives a model that draws something else.")
