"""The contracts of models."""

import itertools
import json
import os

import keras
import numpy as np
import tensorflow as tf

from tfar.testing.checks import (
    conditions,
    demand,
    demand_close,
    demand_frequencies,
    enumerate_digits,
    enumerate_events,
    grid,
    inputs_of,
    is_real,
    joint_of,
    members,
    quadrature,
    same_draws,
    symbols,
)


def verify_causality(model, differs=True):
    """Enumerates a toy: conditional i depends on the prefix x_<i of the order, and on it alone.

    For every member of an ensemble, in its own order, and given every label: conditional i is the
    same over all completions of a prefix and, with ``differs``, not the same for all prefixes. With
    ``differs``, labels matter too. Of real values a few are taken, see `symbols`.

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
    every = []
    for member, label in itertools.product(range(model.members), conditions(model)):
        order = np.asarray(model.permutations[member])
        codes = digits[:, order] * base ** np.arange(n)  # the sum of these is a number of the event
        p = model(inputs_of(events, label), member=member)
        p = np.stack([np.exp(p.log_prob(np.broadcast_to(v, events.shape))) for v in values], -1)
        p = p.reshape([-1, n, base])[:, order]
        every.append(p)
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
    if differs and model.num_classes is not None:
        change = np.max(np.abs(np.diff(every, axis=0)), axis=(0, 1, 3))
        for i in np.flatnonzero(change < 1e-6):
            raise AssertionError(f"Conditional {i} is the same for all labels.")
    return depends


def verify_normalisation(model):
    """Enumerates a toy: the probabilities of all events sum to 1, and densities integrate to 1.

    They do for the mixture of an ensemble, for each of its members, and given each label. Of real
    values there may be two sites.

    Args:
      model: a `tfar.models.AutoregressiveModel`.

    Raises:
      AssertionError: if they do not.
    """
    columns = [quadrature(model.head.at(i)) for i in range(model.num_sites)]
    values, weights = zip(*columns)
    events = grid(values, 2**20).reshape([-1, *model.event_shape])
    weights = grid(weights, 2**20).reshape([len(events), -1]).prod(axis=1)
    for member, label in itertools.product(members(model), conditions(model)):
        joint = joint_of(model, label, member=member)
        parts = np.array_split(events, len(events) // 2**16 + 1)
        p = np.concatenate([np.exp(joint.log_prob(part), dtype=np.float64) for part in parts])
        total = np.sum(weights * p)
        what = f"Probabilities (member {member}, label {label}) do not sum to 1"
        demand_close(total, 1.0, what)


def verify_sampling(model, seed=0, num_samples=4000):
    """Holds the sampler of a toy to its exact probabilities.

    * Frequencies agree with probabilities (chi-square, p > 1e-4), so that sites are drawn from
      their conditionals and independently of each other; so are examples and calls. Discrete
      toys are enumerated; of real values the distribution functions F(x_i | x_<i) are uniform and
      independent (the probability integral transform), as counted in cells.
    * The same seed draws the same; the cached sampler draws what the oracle draws; clamping a
      prefix of what a seed drew changes nothing, whatever the order.
    * A clamped prefix comes back untouched, and the rest follows the exact conditional.
    * ``experimental_sample_and_log_prob`` gives the samples of that seed and their ``log_prob``.

    Args:
      model: a `tfar.models.AutoregressiveModel`.
      seed: int.
      num_samples: how many to count.

    Raises:
      AssertionError: if one of these does not hold.
    """
    for label in conditions(model):
        _verify_sampling(model, label, seed, num_samples)
    if model.num_classes is not None:  # a batch of labels draws from each of its own
        labels = np.arange(model.num_classes).repeat(64)
        batch = model.joint(condition=labels)
        x, log_prob = batch.experimental_sample_and_log_prob(2, seed=seed)
        demand_close(log_prob, batch.log_prob(x), "sample_and_log_prob of a batch of labels")
        for label in conditions(model):
            own = joint_of(model, label).log_prob(x).numpy()[:, labels == label]
            message = f"A batch of labels gives another log_prob for label {label}"
            demand_close(log_prob.numpy()[:, labels == label], own, message)


def _verify_sampling(model, label, seed, num_samples):
    joint = joint_of(model, label)
    first = _drawn(joint, num_samples, seed)
    demand(np.array_equal(first, _drawn(joint, num_samples, seed)), "A seed draws two things.")
    second = _drawn(joint, num_samples, seed + 1)
    if is_real(model.head):
        same = 0.0
        for member in members(model)[-model.members :]:  # a mixture has no conditionals
            own = (
                first
                if model.members == 1
                else _drawn(joint_of(model, label, member=member), num_samples, seed)
            )
            _demand_uniform(model, member, label, own, np.zeros(model.num_sites, bool), "samples")
    else:
        events = enumerate_events(model)
        p = np.exp(joint.log_prob(events).numpy().astype(np.float64))
        demand_frequencies(first, events.reshape([len(events), -1]), p, "samples")
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
    demand(
        same_draws(few, _drawn(joint_of(model, label, cached=False), 200, seed)),
        "The cached sampler does not draw what the oracle draws from the same seed.",
    )
    for member in members(model)[-model.members :]:  # a mixture has no order to clamp in
        _verify_clamping(model, member, label, seed, num_samples)


def _verify_clamping(model, member, label, seed, num_samples):
    joint, n = joint_of(model, label, member=member), model.num_sites
    site_shape, d = model.head.site_shape, model.num_dimensions
    order = np.asarray(model.permutations[member or 0])
    x = _drawn(joint, 64, seed)
    ranks = np.argsort(order)
    lengths = np.arange(64) % (n + 1)
    given = (ranks < lengths[:, None]).reshape([64, n, *[1] * len(site_shape)])
    value = np.where(given, x.reshape([64, n, *site_shape]), np.nan)
    value = value.reshape([64, *model.event_shape])
    again = _drawn(joint, [], seed, value=value)
    where = f" (member {member}, order {order.tolist()})"
    demand(same_draws(x, again), "Clamping what a seed drew changes the rest" + where + ".")
    length = (n + 1) // 2
    value = value.reshape([64, d])[length : 64 : n + 1][:3]
    clamped = joint.sample(num_samples // 2, seed, value=value.reshape([-1, *model.event_shape]))
    if not is_real(model.head):
        events = enumerate_events(model)
        p = np.exp(joint.log_prob(events).numpy().astype(np.float64))
        flat = events.reshape([-1, d])
    for i, prefix in enumerate(value):
        given = ~np.isnan(prefix)
        samples = clamped.numpy()[:, i].reshape([-1, d])
        kept = np.float32(prefix[given])
        demand(np.all(samples[:, given] == kept), "A clamped prefix changes" + where)
        if is_real(model.head):
            what = f"samples behind the prefix {prefix.tolist()}" + where
            _demand_uniform(model, member, label, samples, given, what)
            continue
        fits = np.all(flat[:, given] == prefix[given], axis=1)
        what = f"samples behind the prefix {prefix.tolist()}" + where
        demand_frequencies(samples, flat[fits], p[fits] / np.sum(p[fits]), what)


def _demand_uniform(model, member, label, samples, given, what):
    """Of ``samples`` [N, n], F(x_i | x_<i) is uniform and independent at the sites not given.

    Of a discrete site it is drawn between F below the value and F at it. Counted are cells: so many
    parts of (0, 1) a site that there are some hundreds.
    """
    x = samples.reshape([-1, *model.event_shape])
    p = model(inputs_of(x, label), member=member or 0)
    upper, jump = p.cdf(x).numpy(), np.zeros(x.shape)
    for i in range(model.num_sites):
        if not is_real(model.head.at(i)):
            jump.reshape(samples.shape)[:, i] = p.prob(x).numpy().reshape(samples.shape)[:, i]
    chance = np.random.RandomState(0).uniform(size=x.shape)
    u = (upper - chance * jump).reshape(samples.shape)[:, ~given]
    if not u.shape[1]:
        return
    parts = max(2, int(300 ** (1 / u.shape[1])))
    cells = grid([np.arange(parts)] * u.shape[1])
    counted = np.clip(np.floor(u * parts), 0, parts - 1).astype(int)
    demand_frequencies(counted, cells, np.full(len(cells), 1 / len(cells)), what)


def _drawn(joint, *args, **kwargs):
    samples = joint.sample(*args, **kwargs)
    demand(samples.dtype == joint.dtype, f"Samples are {samples.dtype}, not {joint.dtype}.")
    return samples.numpy().reshape([-1, joint.model.num_dimensions])


def verify_training(model, epochs=10, learning_rate=0.05):
    """Overfits one batch of two events, one of them three times as frequent as the other.

    * ``fit`` closes at least 70 % of the gap between the first loss and the entropy of the batch.
      With real values, whose densities have no bound, it takes off half a nat a site.
    * The loss and the nats of ``evaluate`` are ``-mean(joint().log_prob(x))``, before and after,
      and bits_per_dim is nats over log 2 and the number of dimensions.

    The model is compiled and trained.

    Args:
      model: a `tfar.models.AutoregressiveModel`.
      epochs: epochs of 20 steps each.
      learning_rate: of Adam at first; it falls to 0, or where training ends would be chance.

    Raises:
      AssertionError: if one of these does not hold.
    """
    values = [symbols(model.head.at(i)) for i in range(model.num_sites)]
    first, last = (np.stack([v[k] for v in values]).reshape(model.event_shape) for k in (0, -1))
    batch = np.stack([first] * 6 + [last] * 2)
    entropy = -np.sum([w * np.log(w) for w in (0.25, 0.75)])
    rate = keras.optimizers.schedules.CosineDecay(learning_rate, 20 * epochs)
    model.compile(keras.optimizers.Adam(rate))
    before = _verify_loss(model, batch)
    steps = np.concatenate([batch] * 20)
    steps = inputs_of(steps, conditions(model)[0])
    model.fit(steps, batch_size=len(batch), epochs=epochs, shuffle=False, verbose=0)
    after = _verify_loss(model, batch)
    if is_real(model.head):
        least = 0.5 * model.num_sites
        demand(before - after > least, f"fit takes the loss from {before:.4f} to {after:.4f} nats.")
        return
    demand(
        after - entropy < 0.3 * (before - entropy),
        f"fit takes the loss from {before:.4f} to {after:.4f} nats; the entropy of the batch is "
        f"{entropy:.4f}.",
    )
    demand(after > entropy - 1e-3, f"A loss of {after:.4f} is below the entropy {entropy:.4f}.")


def _verify_loss(model, batch):
    label = conditions(model)[0]
    inputs = inputs_of(batch, label)
    logs = model.evaluate(inputs, batch_size=len(batch), verbose=0, return_dict=True)
    nats = -np.mean(joint_of(model, label).log_prob(batch))
    demand_close(logs["loss"], nats, "The loss is not the mean of -joint().log_prob(x)")
    demand_close(logs["nats"], nats, "The metric `nats` is not the mean of -joint().log_prob(x)")
    bits = nats / np.log(2) / model.num_dimensions
    demand_close(logs["bits_per_dim"], bits, "bits_per_dim is not nats / log(2) / dimensions")
    return nats


def verify_precision(model, count=4096, error=0.15):
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


def verify_persistence(model, folder):
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
    label = conditions(model)[-1]
    x = joint_of(model, label).sample(16, seed=0)
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
            expected = joint_of(model, label, member=member).log_prob(x)
            actual = joint_of(copy, label, member=member).log_prob(x)
            demand_close(actual, expected, f"{what} gives another log_prob (member {member})")
    again = joint_of(loaded, label).sample(16, seed=0)
    demand(np.array_equal(again, x), "load_model gives a model that draws something else.")
