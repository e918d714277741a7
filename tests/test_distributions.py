"""The families that heads make: as TFP's own in functions and slices, and far from all data."""

import numpy as np
import pytest
import tensorflow as tf
import tensorflow_probability as tfp
from support.cases import events, shared

from tfar import distributions
from tfar.heads import (
    Bernoulli,
    Categorical,
    Columns,
    DiscretizedLogisticMixture,
    GaussianMixture,
    LogisticMixture,
    NegativeBinomial,
    Poisson,
)

tfd = tfp.distributions

HEADS = {
    "bernoulli": Bernoulli(),
    "categorical": Categorical(3),
    "gaussians": GaussianMixture(2, equal_weights=True),
    "logistics": LogisticMixture(3, mean=4.0, std=2.0),
    "discretized_logistics": DiscretizedLogisticMixture(2, channels=3, levels=4),
    "poisson": Poisson(),
    "negative_binomial": NegativeBinomial(),
    "columns": Columns([Bernoulli(), LogisticMixture(2), Categorical(3), Poisson()]),
    "columns_alike": Columns([Bernoulli(), LogisticMixture(2), Bernoulli(), LogisticMixture(2)]),
}


def made(name):
    """``(p, x)`` of batch shape [2, 3, 4]."""
    head, rng = HEADS[name], np.random.RandomState(0)
    params = tf.constant(rng.normal(size=[2, 3, 4, head.num_params]), tf.float32)
    uniforms = tf.constant(rng.uniform(size=[2, 3, 4, head.num_uniforms]), tf.float32)
    return head.distribution(params), head.draw(params, uniforms)


SLICES = [
    np.s_[0],
    np.s_[1, 2],
    np.s_[0, 1, 2],
    np.s_[..., 0],
    np.s_[..., -1],
    np.s_[..., 1:3],
    np.s_[:, 0],
    np.s_[1:, ..., ::2],
    np.s_[None],
    np.s_[:, None, ..., 3],
    np.s_[...],
]


@pytest.mark.parametrize("slices", SLICES, ids=str)
@pytest.mark.parametrize("name", HEADS)
def test_slices(name, slices):
    p, x = made(name)
    expected = distributions.log_prob(p, x).numpy()[slices]
    part = p[slices]
    numbers = np.arange(24).reshape([2, 3, 4])[slices]  # of the batch: events may have an axis
    picked = x.numpy().reshape([24, *x.shape[3:]])[numbers]
    assert part.batch_shape == expected.shape
    np.testing.assert_allclose(distributions.log_prob(part, tf.constant(picked)), expected, 1e-6)


@pytest.mark.parametrize("slices", [np.s_[0, 1, 2, 3], np.s_[..., None], np.s_[..., 4:]], ids=str)
def test_slices_that_columns_refuse(slices):
    p, _ = made("columns")
    with pytest.raises(IndexError):
        p[slices]


def test_slices_of_joints():
    joint = shared("gated_pixel_cnn_labels").joint(condition=[[0, 1, 2], [2, 1, 0]])
    x = joint.sample(seed=1)
    expected = joint.log_prob(x).numpy()
    for slices in (np.s_[0], np.s_[..., 1], np.s_[1, 2], np.s_[:, None], np.s_[:, ::2], np.s_[...]):
        part = joint[slices]
        assert part.batch_shape == expected[slices].shape
        found = part.log_prob(x.numpy().reshape([6, 2, 3, 1])[np.arange(6).reshape([2, 3])[slices]])
        np.testing.assert_allclose(found, expected[slices], rtol=1e-5)
    for slices in (np.s_[0], np.s_[None], np.s_[..., 0], np.s_[:]):
        with pytest.raises(IndexError, match=r"batch shape of this joint distribution is \[\]"):
            shared("fvsbn").joint()[slices]


@pytest.mark.parametrize("name", HEADS)
def test_composite_tensors(name):
    p, x = made(name)
    assert isinstance(p, tf.__internal__.CompositeTensor)
    expected = distributions.log_prob(p, x)
    back = tf.function(lambda p: p)(p)
    assert type(back) is type(p)
    np.testing.assert_array_equal(distributions.log_prob(back, x), expected)
    masked = tfd.Masked(p, tf.constant([True, False, True, False]))
    assert isinstance(masked, tfd.Masked)
    np.testing.assert_array_equal(distributions.log_prob(masked, x)[..., 0], expected[..., 0])


OF_EVERY_HEAD = [  # and of every way in which a model makes its parameters
    "fvsbn",
    "made_orders",
    "char_rnn_lstm",
    "pixel_cnn_mixture",
    "gated_pixel_cnn_labels",
    "rnade_real",
    "made_real_orders",
    "nade_counts",
    "orderless_counts",
    "orderless_columns_real",
    "own_plain",
]


@pytest.mark.parametrize("name", OF_EVERY_HEAD)
def test_a_function_returns_the_conditionals(name):
    model = shared(name)
    x = events(model, 2)
    inputs = x if model.num_classes is None else {"x": x, "condition": np.array([0, 1])}
    expected = distributions.log_prob(model(inputs), x)
    found = distributions.log_prob(tf.function(model)(inputs), x)
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("family", [GaussianMixture, LogisticMixture])
@pytest.mark.parametrize("x", [1e6, 1e15, 1e18, 1e20, 1e25, 3e38, -3e38])
def test_far_values(family, x):
    """log p is a number or -inf, and the gradients are finite; a -inf has one of 0."""
    head = family(3, std=1e-3)
    params = tf.constant(np.random.RandomState(0).normal(size=[2, head.num_params]), tf.float32)
    value = tf.constant([x, 0.0], tf.float32)
    with tf.GradientTape() as tape:
        tape.watch([params, value])
        log_prob = head.distribution(params).log_prob(value)
    assert not np.isnan(log_prob).any() and (log_prob < np.inf).numpy().all()
    for gradient in tape.gradient(log_prob, [params, value]):
        assert np.isfinite(gradient).all()
    if abs(x) < 1e15:
        assert np.isfinite(log_prob).all()


def test_values_outside_the_support_have_no_gradient():
    p = HEADS["discretized_logistics"].distribution
    params = tf.zeros([4, HEADS["discretized_logistics"].num_params])
    x = tf.constant([[0, 1, 2], [np.nan, 1, 2], [0.5, 1, 2], [0, 1, 4]], tf.float32)
    with tf.GradientTape() as tape:
        tape.watch(params)
        log_prob = p(params).log_prob(x)
    assert np.isfinite(log_prob[0]) and (log_prob[1:] == -np.inf).numpy().all()
    assert np.isfinite(tape.gradient(log_prob, params)).all()


def test_one_rule_casts_data():
    """Whatever the dtype of the data, that of the distribution, and that of what a head draws."""
    for name in HEADS:
        p, x = made(name)
        expected = distributions.log_prob(p, x)
        assert expected.dtype == tf.float32
        for dtype in (tf.float64, tf.float32) if x.dtype.is_floating else (tf.int64, tf.float32):
            np.testing.assert_allclose(
                distributions.log_prob(p, tf.cast(x, dtype)), expected, rtol=1e-5
            )
