"""What the verifiers share: enumerated toys, and demands that say what was violated."""

import contextlib
import functools
import itertools
from collections.abc import Callable, Iterator, Sequence
from typing import Any, ParamSpec, TypeVar

import keras
import numpy as np
import tensorflow as tf
import tensorflow_probability as tfp

from tfar import conditions as conditioning
from tfar.arguments import instance, integer, number
from tfar.heads import Head
from tfar.models import AutoregressiveModel
from tfar.sampling.joint import Autoregressive
from tfar.typing import Nest

P = ParamSpec("P")
R = TypeVar("R")
T = TypeVar("T", bound=keras.layers.Layer)


def of_models(function: Callable[P, R]) -> Callable[P, R]:
    """A function whose first argument must be a model."""

    @functools.wraps(function)
    def checked(model, *args, **kwargs):
        what = "a tfar.models.AutoregressiveModel"
        return function(instance("model", model, AutoregressiveModel, what), *args, **kwargs)

    return checked  # type: ignore[return-value]  # it takes the same


def of_heads(function: Callable[P, R]) -> Callable[P, R]:
    """A function whose first argument must be a head."""

    @functools.wraps(function)
    def checked(head, *args, **kwargs):
        return function(instance("head", head, Head, "a tfar.heads.Head"), *args, **kwargs)

    return checked  # type: ignore[return-value]  # it takes the same


def randomise(target: T, *, seed: int = 0, scale: float = 1.0) -> T:
    """Draws all trainable weights of a layer or model, biases included, from N(0, scale^2).

    Zero biases and kernels, with which layers start, hide mistakes.

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
    instance("target", target, keras.layers.Layer, "a Keras layer or model")
    rng = np.random.RandomState(integer("seed", seed, least=0, most=2**32 - 1))
    scale = number("scale", scale, least=0)
    for weight in target.trainable_weights:
        weight.assign(rng.normal(size=weight.shape, scale=scale))
    return target


def is_real(head: Head) -> bool:
    """Whether a head models real values, which have densities."""
    return head.dtype.is_floating


def is_unbounded(head: Head) -> bool:
    """Whether a head has infinitely many values, real ones or counts."""
    return is_real(head) or bool(head.in_support(tf.constant(2**20)))


@of_heads
def symbols(head: Head) -> np.ndarray:
    """The values that a discrete head allows at a site, int32 [K, *head.site_shape].

    For a head of real values, four of them, float32 [4], unevenly spaced about its mean; for
    counts, the first few.

    >>> symbols(tfar.heads.Categorical(3)).tolist()
    [0, 1, 2]
    """
    if is_real(head):
        return np.float32(head.mean + head.std * np.array([-1.6, -0.3, 0.2, 1.9]))  # type: ignore[attr-defined, return-value]  # of reals
    if is_unbounded(head):
        return np.array([0, 1, 2, 5], np.int32)
    values = np.flatnonzero(head.in_support(tf.range(2**12)).numpy())
    entries = int(np.prod(head.site_shape))
    if len(values) ** entries > 2**16:
        raise ValueError(f"{len(values)} values of {entries} entries are too many to enumerate.")
    grid = itertools.product(values, repeat=entries)
    return np.array(list(grid), np.int32).reshape([-1, *head.site_shape])


def quadrature(head: Head) -> tuple[np.ndarray, np.ndarray]:
    """``(values, weights)`` of a site: sums of weights times densities are integrals.

    For a discrete head, its `symbols`, all with the weight 1; for counts, the first 80. For real
    values, the trapezoidal rule in t where x = mean + std sinh(t): dense in the middle, and
    reaching far out.
    """
    if not is_real(head):
        values = np.arange(80) if is_unbounded(head) else symbols(head)
        return values, np.ones(len(values))
    t, step = np.linspace(-6, 6, 501, retstep=True)
    return np.float32(head.mean + head.std * np.sinh(t)), head.std * np.cosh(t) * step  # type: ignore[attr-defined, return-value]


def grid(columns: Sequence[np.ndarray], limit: int = 2**16) -> np.ndarray:
    """Every combination of the rows of arrays, one array per site: [product of lengths, n, ...].

    Raises:
      ValueError: if there are more than ``limit``.

    >>> grid([np.array([0, 1]), np.array([5, 6])]).tolist()
    [[0, 5], [0, 6], [1, 5], [1, 6]]
    """
    count = np.prod([float(len(column)) for column in columns])
    if count > limit:
        raise ValueError(
            f"{len(columns[0])} values at {len(columns)} sites are too many events to enumerate."
        )
    numbers = np.meshgrid(*(np.arange(len(column)) for column in columns), indexing="ij")
    chosen = [column[k.ravel()] for column, k in zip(columns, numbers)]
    return np.stack(chosen, axis=1)


def enumerate_digits(model: AutoregressiveModel) -> np.ndarray:
    """Every event of a toy model as indices into `symbols`, [product of their counts, n].

    Raises:
      ValueError: if there are more than 2^16.
    """
    return grid([np.arange(len(symbols(model.head.at(i)))) for i in range(model.num_sites)])


@of_models
def enumerate_events(model: AutoregressiveModel) -> np.ndarray:
    """Every event of a discrete toy model, int32 [K^n, *event_shape].

    For real values, those that `symbols` gives are taken.

    Raises:
      ValueError: if there are more than 2^16.

    >>> enumerate_events(tfar.models.FVSBN([2])).tolist()
    [[0, 0], [0, 1], [1, 0], [1, 1]]
    """
    events = grid([symbols(model.head.at(i)) for i in range(model.num_sites)])
    return events.reshape([-1, *model.event_shape])


def members(model: AutoregressiveModel) -> list[int | None]:
    """The joint distributions of a model: the mixture (None) and, of an ensemble, each member."""
    return [None, *range(model.members)] if model.members > 1 else [None]


def conditions(model: AutoregressiveModel) -> list:
    """A few conditions for a model; a single None if it is not conditional."""
    return [None] if model.condition is None else model.condition.examples()


def stacked(values: Sequence[Any], count: int) -> Nest:
    """A batch of ``count`` conditions, which take the values in turn; None for None."""
    if values[0] is None:
        return None
    turns = [values[i % len(values)] for i in range(count)]
    return tf.nest.map_structure(lambda *each: np.stack(each), *turns)


def inputs_of(x: np.ndarray, condition: Nest) -> Nest:
    """The inputs of a model: x or, given a condition, a dict."""
    return conditioning.joined(x, stacked([condition], len(x)))


def joint_of(model: AutoregressiveModel, condition: Nest, **options: Any) -> Autoregressive:
    """The joint distribution, given a condition or None."""
    return model.joint(**options, **({} if condition is None else {"condition": condition}))


@contextlib.contextmanager
def eagerly() -> Iterator[None]:
    """Runs each ``tf.function`` operation by operation: for a toy that is faster than tracing."""
    before = tf.config.functions_run_eagerly()
    tf.config.run_functions_eagerly(True)
    try:
        yield
    finally:
        tf.config.run_functions_eagerly(before)


def demand(condition: Any, message: str) -> None:
    if not condition:
        raise AssertionError(message)


def demand_close(
    actual: Any, expected: Any, message: str, *, rtol: float = 1e-4, atol: float | np.ndarray = 1e-5
) -> None:
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


def same_draws(one: np.ndarray, other: np.ndarray) -> bool:
    """Whether two arrays of samples are the same: real ones may differ in their last digits."""
    if one.dtype.kind == "f":
        return one.shape == other.shape and np.allclose(one, other, rtol=1e-3, atol=1e-4)
    return np.array_equal(one, other)


def demand_frequencies(samples: np.ndarray, events: np.ndarray, p: np.ndarray, what: str) -> float:
    """The p-value of a chi-square test, at least 1e-4; cells expecting under five are pooled."""
    row_of = {tuple(event): i for i, event in enumerate(events.tolist())}
    counts = np.zeros(len(events))
    for sample in samples.tolist():
        demand(tuple(sample) in row_of, f"{sample} was drawn and is not an event.")
        counts[row_of[tuple(sample)]] += 1
    by_size = np.argsort(p)
    counts, expected = counts[by_size], p[by_size] * len(samples)
    pooled = max(np.sum(expected < 5), np.searchsorted(np.cumsum(expected), 5) + 1)
    counts = np.array([np.sum(counts[:pooled]), *counts[pooled:]])
    expected = np.array([np.sum(expected[:pooled]), *expected[pooled:]])
    tail = 1.0
    if len(counts) > 1:
        statistic = np.sum((counts - expected) ** 2 / expected)
        chi2 = tfp.distributions.Chi2(np.float64(len(counts) - 1))
        tail = float(chi2.survival_function(statistic))
        demand(
            tail > 1e-4,
            f"The frequencies of {what} are not their probabilities: chi-square {statistic:.1f} "
            f"in {len(counts)} cells, p = {tail:.1g}.",
        )
    return tail
