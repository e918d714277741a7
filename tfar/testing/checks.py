"""What the verifiers share: toys, enumerated, and demands that say what was violated."""

import itertools

import numpy as np
import tensorflow as tf
import tensorflow_probability as tfp


def randomise(target, seed=0, scale=1.0):
    """Draws all trainable weights of a layer or model, biases included, from N(0, scale^2).

    Zero biases and kernels, as layers have them at first, hide mistakes.

    Args:
      target: a built ``keras.layers.Layer`` or ``keras.Model``.
      seed: int.
      scale: standard deviation.

    Returns:
      ``target``.

    >>> dense = keras.layers.Dense(2)
    >>> dense.build([None, 3])
    >>> bool(np.all(randomise(dense).bias.numpy() != 0))
    True
    """
    rng = np.random.RandomState(seed)
    for weight in target.trainable_weights:
        weight.assign(rng.normal(size=weight.shape, scale=scale))
    return target


def symbols(head):
    """The values that a discrete head allows at a site, int32 [K, *head.site_shape].

    >>> symbols(tfar.heads.Categorical(3)).tolist()
    [0, 1, 2]
    """
    values = np.flatnonzero(head.in_support(tf.range(2**12)).numpy())
    entries = int(np.prod(head.site_shape))
    if len(values) ** entries > 2**16:
        raise ValueError(f"{len(values)} values of {entries} entries are too many to enumerate.")
    grid = itertools.product(values, repeat=entries)
    return np.array(list(grid), np.int32).reshape([-1, *head.site_shape])


def enumerate_digits(model):
    """Every event of a discrete toy model as numbers of `symbols`, [K^n, n].

    Raises:
      ValueError: if there are more than 2^16.
    """
    base = len(symbols(model.head))
    if base**model.num_sites > 2**16:
        raise ValueError(
            f"{base} values at {model.num_sites} sites are too many events to enumerate."
        )
    return np.array(list(itertools.product(range(base), repeat=model.num_sites)))


def enumerate_events(model):
    """Every event of a discrete toy model, int32 [K^n, *event_shape].

    Raises:
      ValueError: if there are more than 2^16.

    >>> enumerate_events(tfar.models.FVSBN([2])).tolist()
    [[0, 0], [0, 1], [1, 0], [1, 1]]
    """
    events = symbols(model.head)[enumerate_digits(model)]
    return events.reshape([-1, *model.event_shape])


def members(model):
    """The joint distributions of a model: the mixture (None) and, if there are several, each."""
    return [None, *range(model.members)] if model.members > 1 else [None]


def conditions(model):
    """The labels that a model can be conditioned on; of one that is not conditional, None."""
    return [None] if model.num_classes is None else list(range(model.num_classes))


def inputs_of(x, condition):
    """What a model takes: x or, given a label, a dict."""
    return x if condition is None else {"x": x, "condition": np.full(len(x), condition)}


def joint_of(model, condition, **options):
    """The joint distribution, given a label or None."""
    return model.joint(**options, **({} if condition is None else {"condition": condition}))


def demand(condition, message):
    if not condition:
        raise AssertionError(message)


def demand_close(actual, expected, message, rtol=1e-4, atol=1e-5):
    """Elementwise closeness, with infinities equal to themselves; names the worst entry."""
    actual, expected = np.asarray(actual, np.float64), np.asarray(expected, np.float64)
    demand(actual.shape == expected.shape, f"{message}: {actual.shape}, not {expected.shape}.")
    far = ~np.isclose(actual, expected, rtol=rtol, atol=atol)
    if far.any():
        index = tuple(int(i) for i in np.argwhere(far)[0])
        raise AssertionError(
            f"{message}: {actual[index]}, not {expected[index]}, at {list(index)} "
            f"({int(far.sum())} of {far.size} such entries)."
        )


def demand_frequencies(samples, events, p, what):
    """A chi-square test; cells that expect fewer than five are pooled."""
    row_of = {tuple(event): i for i, event in enumerate(events.tolist())}
    counts = np.zeros(len(events))
    for sample in samples.tolist():
        demand(tuple(sample) in row_of, f"{sample} was drawn and is no event.")
        counts[row_of[tuple(sample)]] += 1
    by_size = np.argsort(p)
    counts, expected = counts[by_size], p[by_size] * len(samples)
    pooled = max(np.sum(expected < 5), np.searchsorted(np.cumsum(expected), 5) + 1)
    counts = np.array([np.sum(counts[:pooled]), *counts[pooled:]])
    expected = np.array([np.sum(expected[:pooled]), *expected[pooled:]])
    if len(counts) > 1:
        statistic = np.sum((counts - expected) ** 2 / expected)
        chi2 = tfp.distributions.Chi2(np.float64(len(counts) - 1))
        tail = float(chi2.survival_function(statistic))
        demand(
            tail > 1e-4,
            f"The frequencies of {what} are not their probabilities: chi-square {statistic:.1f} "
            f"in {len(counts)} cells, p = {tail:.1g}.",
        )
