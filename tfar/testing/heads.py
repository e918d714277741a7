"""The contract of heads."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from tfar.distributions import casting
from tfar.heads import Head
from tfar.testing.checks import (
    demand,
    demand_close,
    demand_frequencies,
    of_heads,
    quadrature,
    symbols,
)


@of_heads
def verify_head(
    head: Head,
    reference: Callable[..., Any],
    *,
    seed: int = 0,
    tempered: Callable[..., Any] | None = lambda params, t: params / t,
    values: Sequence[int] | np.ndarray | None = None,
) -> None:
    """Holds a discrete head to an independent formula.

    * ``log_prob`` is ``reference``, for random parameters, extreme ones (0, +-1e4) and at a
      temperature, and the probabilities of all values sum to 1.
    * ``encode`` distinguishes all values, takes any dtype, and gives the requested dtype.
    * ``in_support`` is true for the values, and false for their neighbours, fractions, NaN and
      infinity.
    * Samples are in the support, of ``head.dtype``, and as frequent as their probabilities say.
    * If the head has ``digits``, they are those of one value, and p(x) is the product of their
      probabilities, each of which sums to 1 and depends on the digits before it only.

    Args:
      head: a `tfar.heads.Head`.
      reference: function of float64 arrays ``x`` [N, *head.site_shape] and ``params``
        [N, head.num_params] that gives log p(x), [N].
      seed: int.
      tempered: function of ``params`` and a temperature that gives the parameters at that
        temperature; by default all of them are logits. None if there are no such parameters, and no
        distribution at a temperature.
      values: the values to take of a head of infinitely many, consecutive from the least.

    Raises:
      AssertionError: if one of these does not hold.
    """
    if not callable(reference):
        raise ValueError(f"Expected reference to be a function of x and params, got {reference!r}.")
    rng, bounded = np.random.RandomState(seed), values is None
    values = symbols(head) if bounded else np.asarray(values)
    temperatures = (None,) if tempered is None else (None, 0.5)
    tempered = tempered or (lambda params, t: params)
    extremes = rng.choice([0, -1e4, 1e4], [81, head.num_params])
    params = np.array([*rng.normal(size=[20, head.num_params], scale=3), *extremes], np.float32)
    # At an extreme scale the edge of a bin is as sharp as float32 is coarse.
    atol = np.repeat([2e-5, 5e-4], [20, 81])
    for temperature in temperatures:
        p, total, due = head.distribution(tf.constant(params), temperature), 0.0, 0.0
        demand(p.batch_shape == params.shape[:1], f"The batch shape is {p.batch_shape}.")
        exact = tempered(params.astype(np.float64), temperature or 1.0)
        for part in np.array_split(values, len(values) // 256 + 1):  # one by one takes seconds
            shape = [len(part), len(params), *head.site_shape]
            every = np.broadcast_to(part[:, None], shape)
            found = casting.log_prob(p, every).numpy()
            what = f"log_prob at temperature {temperature} is not the reference"
            demand(found.shape == every.shape[:2], f"{what}: {found.shape}, not {shape[:2]}.")
            for x, actual in zip(every, found):
                expected = reference(x * 1.0, exact)
                what = f"log_prob({x[0]}) at temperature {temperature} is not the reference"
                demand_close(actual, expected, what, atol=atol)
                total, due = total + np.exp(actual), due + np.exp(expected)
        due = np.ones(len(params)) if bounded else due
        demand_close(total, due, "The probabilities do not sum to 1")
    if head.digits is not None:
        _verify_digits(head, params[:20], values)
    for dtype in (tf.uint8, tf.int32, tf.int64, tf.float32):
        held = values[: 256 if dtype == tf.uint8 and head.site_shape == () else None]
        code = head.encode(tf.cast(held, dtype), tf.float64)
        demand(code.dtype == tf.float64, f"encode gives {code.dtype}, asked for float64.")
        shape = (len(held), head.num_inputs)
        demand(code.shape == shape, f"encode gives {code.shape} for {len(held)} values.")
        demand(len(np.unique(code, axis=0)) == len(held), "encode maps two values to one code.")
        what = f"encode depends on the dtype ({dtype.name})"
        demand_close(code, head.encode(tf.constant(held), tf.float64), what)
    least, most = int(values.min()), int(values.max())
    outside = [least - 1, least + 0.5, least - 1e-3, np.nan, np.inf, -np.inf]
    outside += [most + 1] if bounded else []
    for x in outside:
        inside = bool(head.in_support(tf.constant(x, tf.float32)))
        demand(not inside, f"in_support holds for {x}, outside {least} ... {most}.")
    logits = rng.normal(size=[head.num_params]).astype(np.float32)
    uniforms = tf.constant(rng.uniform(size=[4000, head.num_uniforms]), tf.float32)
    for temperature in temperatures:
        samples = head.draw(tf.tile(logits[None], [4000, 1]), uniforms, temperature)
        demand(samples.dtype == head.dtype, f"Samples are {samples.dtype}, not {head.dtype}.")
        demand(np.all(head.in_support(samples)), "A sample is outside the support.")
        all_logits = np.tile(logits, [len(values), 1]).astype(np.float64)
        exact = np.exp(reference(values * 1.0, tempered(all_logits, temperature or 1.0)))
        what = f"samples of the head at temperature {temperature}"
        drawn, cells = samples.numpy().reshape([4000, -1]), values.reshape([len(values), -1])
        demand_frequencies(drawn, cells, exact, what)
    ends = tf.constant([2.0**-24, 1 - 2.0**-24])[:, None] * tf.ones([2, head.num_uniforms])
    twice = np.repeat(params, 2, axis=0)
    drawn = head.draw(tf.constant(twice), tf.tile(ends, [len(params), 1])).numpy()
    log_probs = reference(drawn * 1.0, tempered(twice.astype(np.float64), 1.0))
    for x, log_p in zip(drawn, log_probs):
        # Each random number resolves 2^-24, a probability that many counts may share.
        likely = log_p > (-20 if bounded else -40) * head.num_uniforms
        demand(likely, f"{x} is drawn, of log-probability {log_p:.0f}.")


def _verify_digits(head, params, values):
    x = tf.constant(values)
    digits = head.to_digits(x)
    sizes = np.array(head.digits)
    valid = digits.shape == (len(values), len(sizes)) and np.all((digits >= 0) & (digits < sizes))
    demand(valid, f"The digits of a value are not of the sizes {head.digits}.")
    demand(np.array_equal(head.from_digits(digits), x), "A value is not that of its digits.")
    # All values of several rows at once: an operation for each row takes seconds.
    for some in np.array_split(params, min(len(params), len(params) * len(values) // 2**14 + 1)):
        _verify_sums(head, some, values, digits)


def _verify_sums(head, params, values, digits):
    """log p is the sum over digits, whose probabilities sum to 1, for all pairs of both."""
    count, sizes = len(params) * len(values), head.digits
    rows, total = tf.repeat(params, len(values), axis=0), 0.0
    x = tf.constant(np.concatenate([values] * len(params)))
    digits = tf.tile(digits, [len(params), 1])
    for i in range(len(sizes)):
        before = tf.concat([digits[:, :i], 0 * digits[:, i:]], axis=1)
        log_probs = head.digit_log_probs(rows, before, i)
        demand(log_probs.shape == (count, sizes[i]), f"Digit {i}: {log_probs.shape}.")
        sums = np.exp(np.float64(log_probs)).sum(axis=1)
        demand_close(sums, np.ones(count), f"The probabilities of digit {i} do not sum")
        total += tf.gather(log_probs, digits[:, i], batch_dims=1)
    expected = head.log_prob(rows, x)
    # Far out, differences of the distribution function of counts have no digits left.
    near = expected > -20
    demand_close(total[near], expected[near], "log p is not the sum over digits", atol=1e-3)


@of_heads
def verify_real_head(
    head: Any,
    log_density: Callable[..., Any],
    distribution_function: Callable[..., Any],
    *,
    seed: int = 0,
) -> None:
    """Holds a head of real values to an independent formula.

    * ``log_prob`` is ``log_density``, for random parameters and at a temperature, and the density
      integrates to 1. For extreme parameters (0, +-1e4), and values far out, it is finite.
    * ``encode`` is finite, takes any dtype, and gives the requested dtype.
    * ``in_support`` is true for finite numbers only.
    * The ``distribution_function`` of samples, float32, is uniform (chi-square). The ends of (0, 1)
      give finite samples.

    Args:
      head: a `tfar.heads.Head` with attributes ``mean`` and ``std``.
      log_density: function of float64 arrays ``x`` [N], ``params`` [N, head.num_params] and a
        temperature that gives log p(x), [N].
      distribution_function: likewise, P(X <= x).
      seed: int.

    Raises:
      AssertionError: if one of these does not hold.
    """
    rng = np.random.RandomState(seed)
    params = rng.normal(size=[20, head.num_params]).astype(np.float32)
    places, weights = quadrature(head)
    for temperature in (None, 0.5):
        p = head.distribution(tf.constant(params), temperature)
        demand(p.batch_shape == [20], f"The batch shape is {p.batch_shape}.")
        for offset in (-30.0, -1.2, 0.0, 0.7, 4.0):
            x = np.full([20], np.float32(head.mean + head.std * offset))
            expected = log_density(x.astype(np.float64), params * 1.0, temperature or 1.0)
            what = f"log_prob({x[0]}) at temperature {temperature} is not the reference"
            demand_close(p.log_prob(x), expected, what, atol=1e-4)
        total = weights @ np.exp(p.log_prob(places[:, None]).numpy().astype(np.float64))
        demand_close(total, np.ones(20), "The density does not integrate to 1", rtol=1e-3)
        u = tf.constant(rng.uniform(size=[4000, head.num_uniforms]), tf.float32)
        samples = head.draw(tf.tile(params[:1], [4000, 1]), u, temperature)
        demand(samples.dtype == head.dtype, f"Samples are {samples.dtype}, not {head.dtype}.")
        rows = np.tile(params[:1], [4000, 1]) * 1.0
        drawn = distribution_function(samples.numpy() * 1.0, rows, temperature or 1.0)
        cells, what = np.arange(50)[:, None], f"samples of the head at temperature {temperature}"
        counted = np.clip(np.floor(drawn * 50), 0, 49).astype(int)[:, None]
        demand_frequencies(counted, cells, np.full(50, 0.02), what)
    extremes = tf.constant(rng.choice([0, -1e4, 1e4], [81, head.num_params]), tf.float32)
    ends = tf.constant([2.0**-24, 1 - 2.0**-24])[:, None] * tf.ones([2, head.num_uniforms])
    for x in (head.mean, head.mean + 1e6 * head.std):
        finite = np.isfinite(head.distribution(extremes).log_prob(np.float32(x)))
        demand(finite.all(), f"log_prob({x}) of extreme parameters is not finite.")
    drawn = head.draw(tf.repeat(extremes, 2, axis=0), tf.tile(ends, [len(extremes), 1]))
    demand(np.isfinite(drawn).all(), "The ends of (0, 1) give samples that are not finite.")
    for dtype in (tf.uint8, tf.int64, tf.float16, tf.float64):
        code = head.encode(tf.cast([0, 1, 3], dtype), tf.float64)
        demand(code.dtype == tf.float64, f"encode gives {code.dtype}, asked for float64.")
        demand_close(code, (np.array([[0], [1], [3]]) - head.mean) / head.std, "encode differs")
    inside = head.in_support(tf.constant([0.0, -1e30, np.nan, np.inf, -np.inf])).numpy()
    demand(inside.tolist() == [True, True, False, False, False], f"in_support gives {inside}.")
