"""Schedules: whatever the order of the work, the same seed draws the same samples."""

import functools

import numpy as np
import pytest
from support.thorough import beyond

from tfar import conditions
from tfar.heads import Bernoulli, Categorical, DiscretizedLogisticMixture
from tfar.layers import Schedule, WholeRows, one_by_one
from tfar.models import GatedPixelCNN, PixelCNN
from tfar.testing import randomise, sample_by_full_passes

CASES = {  # shape, kernel sizes of the first and the other layers, head
    "odd": ((5, 7, 1), 5, 3, Bernoulli()),
    "wide_kernels": ((4, 9, 1), 7, 5, Bernoulli()),
    "tall": ((9, 4, 1), 3, 3, Categorical(3)),
    "one_row": ((1, 6, 1), 3, 3, Bernoulli()),
    "one_column": ((6, 1, 1), 3, 3, Bernoulli()),
    "colours": ((3, 5, 3), 3, 3, Categorical(4)),
    "vectors": ((4, 6, 2), 3, 3, DiscretizedLogisticMixture(2, channels=2, levels=8)),
    "conditional": ((4, 6, 1), 3, 3, Bernoulli()),
    "transposed": ((5, 5, 1), 3, 3, Bernoulli()),
}
EVERY_RUN = {"odd", "colours", "conditional", "transposed"}


def slowed(model, schedule):
    """A model of the same weights, which is drawn from in another schedule."""
    kind = type("Slowed", (PixelCNN,), {"schedule": schedule})
    other = kind.from_config(model.get_config())
    other.set_weights(model.get_weights())
    return other


@functools.cache
def made(name):
    shape, first, size, head = CASES[name]
    options = {"condition": conditions.Vector(2)} if name == "conditional" else {}
    if name == "transposed":
        options = {"order": np.arange(25).reshape([5, 5]).T.ravel()}
    sizes = {"kernel_size": size, "first_kernel_size": first}
    model = PixelCNN(shape, filters=4, blocks=2, head=head, **sizes, **options)
    return randomise(model, seed=3, scale=0.3)


@pytest.mark.parametrize("name", beyond(EVERY_RUN, CASES))
def test_every_schedule_draws_the_same(name):
    model = made(name)
    fastest, n = model.schedule, model.num_sites
    condition = {"condition": [0.3, -2.0]} if name == "conditional" else {}
    expected = slowed(model, one_by_one(n)).joint(**condition).sample(5, seed=4).numpy()
    assert len(np.unique(expected.reshape([5, -1]), axis=0)) == 5
    for lag in {fastest.lag, max(1, fastest.columns - 1)}:
        schedule = model.network.schedule(fastest.slower(lag))
        joint = slowed(model, schedule).joint(**condition)
        x, log_prob = joint.experimental_sample_and_log_prob(5, seed=4)
        np.testing.assert_array_equal(x, expected)
        np.testing.assert_allclose(log_prob, joint.log_prob(x), rtol=1e-5)
    value = np.full(expected.shape, np.nan)
    given = model.permutations[0][: n // 2]
    value.reshape([5, n, -1])[:, given] = expected.reshape([5, n, -1])[:, given]
    np.testing.assert_array_equal(model.joint(**condition).sample(seed=4, value=value), expected)


@pytest.mark.parametrize("name", beyond(EVERY_RUN, CASES))
def test_whole_rows_draw_the_same(name):
    shape, first, size, head = CASES[name]
    condition = {"condition": [0.3, -2.0]} if name == "conditional" else {}
    options = {"condition": conditions.Vector(2)} if condition else {}
    if name == "transposed":
        options = {"order": np.arange(25).reshape([5, 5]).T.ravel()}
    sizes = {"kernel_size": size, "first_kernel_size": first}
    model = GatedPixelCNN(shape, 4, 2, head=head, **sizes, **options)
    randomise(model, seed=3, scale=0.3)
    assert model.schedule == WholeRows(shape[0], model.num_sites // shape[0])
    joint = model.joint(**condition)
    expected = sample_by_full_passes(model, 5, seed=4, **condition).numpy()
    assert len(np.unique(expected.reshape([5, -1]), axis=0)) > 1
    x, log_prob = joint.experimental_sample_and_log_prob(5, seed=4)
    np.testing.assert_array_equal(x, expected)
    np.testing.assert_allclose(log_prob, joint.log_prob(x), rtol=1e-5)
    n = model.num_sites
    value = np.full(expected.shape, np.nan)
    given = model.permutations[0][: n // 2]
    value.reshape([5, n, -1])[:, given] = expected.reshape([5, n, -1])[:, given]
    np.testing.assert_array_equal(joint.sample(seed=4, value=value), expected)


def test_a_schedule_draws_each_site_once_and_after_those_that_it_lags_behind():
    for rows, columns in [(1, 5), (5, 1), (3, 4), (6, 4), (2, 7)]:
        for lag in range(1, columns + 1):
            schedule = Schedule(rows, columns, lag)
            number = np.full([schedule.times, schedule.slots], -1)
            for t in range(schedule.times):
                sites = schedule.at(t)
                number[t] = np.where(sites.valid, sites.number, -1)
            time, slot = np.divmod(schedule.places(), schedule.slots)
            np.testing.assert_array_equal(number[time, slot], np.arange(rows * columns))
            assert np.sum(number >= 0) == rows * columns
            time = time.reshape([rows, columns])
            assert np.all(np.diff(time, axis=1) == 1) and np.all(np.diff(time, axis=0) == lag)


@pytest.mark.parametrize(
    "shape, sizes, lag, times",
    [([28, 28, 1], (7, 3), 4, 136), ([28, 28, 1], (3, 3), 2, 82), ([28, 28, 1], (3, 7), 3, 109)],
)
def test_the_lag_follows_from_the_reach_of_the_kernels(shape, sizes, lag, times):
    first, others = sizes
    model = PixelCNN(shape, filters=2, blocks=1, first_kernel_size=first, kernel_size=others)
    assert (model.schedule.lag, model.schedule.times) == (lag, times)
