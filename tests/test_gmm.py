"""Finite mixtures and kernel density estimates, against SciPy's and scikit-learn's formulas."""

import numpy as np
import pytest
import scipy.special
import scipy.stats
import sklearn.neighbors
import tensorflow as tf
from support.cases import MODELS, inputs, randomised, shared

from tfar import anomaly, heads, models
from tfar.heads import Bernoulli, Categorical, Columns, GaussianMixture
from tfar.models import GMM, KernelDensity
from tfar.testing import randomise

NAMES = [name for name in MODELS if name.startswith(("gmm", "kernel_density"))]


def gaussian(covariance, sites=4, components=3, seed=0):
    model = GMM([sites], components, covariance=covariance)
    return randomise(model, seed=seed, scale=0.7)


@pytest.mark.parametrize("covariance", ["full", "tied", "diag"])
def test_density_is_scipys(covariance):
    model, rng = gaussian(covariance), np.random.RandomState(1)
    network, x = model.network, 2 * rng.normal(size=[20, 4])
    each = []
    for k in range(3):
        scales = np.exp(network.log_scale.numpy()[:, 0 if covariance == "tied" else k])
        factor = np.diag(scales)
        if covariance != "diag":
            factor += np.tril(network.below.numpy()[0 if covariance == "tied" else k], -1)
        normal = scipy.stats.multivariate_normal(network.loc.numpy()[:, k], factor @ factor.T)
        each.append(normal.logpdf(x))
    weights = scipy.special.log_softmax(network.weight_logits.numpy())
    expected = scipy.special.logsumexp(np.array(each) + weights[:, None], axis=0)
    np.testing.assert_allclose(model.log_prob(x), expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("name", NAMES)
def test_density_is_the_product_of_the_conditionals_in_every_order(name):
    model = randomised(name, seed=2)
    x = inputs(model, 50)
    fast = model.log_prob(x).numpy()
    everything = np.ones(model.grid_shape, bool)
    np.testing.assert_allclose(model.log_prob(x, counted=everything), fast, rtol=1e-4, atol=1e-4)
    other = model.of_order("random")
    np.testing.assert_allclose(other.log_prob(x, counted=everything), fast, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("name", [name for name in NAMES if MODELS[name]().condition is None])
def test_a_site_given_all_others(name):
    """By Bayes' rule within the components, and by the conditional of an order that ends there."""
    model = randomised(name, seed=3)
    x = inputs(model, 20)
    found = anomaly.cells(model, x.reshape([20, -1]) if model.num_sites == 1 else x)
    for site in range(model.num_sites):
        observed = np.reshape(np.arange(model.num_sites) != site, model.event_shape)
        expected = -model.joint(observed=observed).log_prob(x)
        np.testing.assert_allclose(found[:, site], expected, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("covariance", ["full", "tied"])
def test_conditional_means_are_those_of_a_gaussian(covariance):
    """E(x_0, x_2 | x_1, x_3) of one component, from samples given the observed sites."""
    model = gaussian(covariance, components=1, seed=5)
    factor = np.diag(np.exp(model.network.log_scale.numpy()[:, 0]))
    factor += np.tril(model.network.below.numpy()[0], -1)
    s, m = factor @ factor.T, model.network.loc.numpy()[:, 0]
    given, drawn, value = [1, 3], [0, 2], np.array([np.nan, 0.5, np.nan, -1.0])
    observed = np.isfinite(value)
    gain = s[np.ix_(drawn, given)] @ np.linalg.inv(s[np.ix_(given, given)])
    mean = m[drawn] + gain @ (value[given] - m[given])
    cov = s[np.ix_(drawn, drawn)] - gain @ s[np.ix_(given, drawn)]
    x = model.joint(observed=observed).sample(4000, seed=1, value=value).numpy()[:, drawn]
    np.testing.assert_allclose(x.mean(axis=0), mean, atol=4 * np.sqrt(np.diag(cov) / 4000).max())
    np.testing.assert_allclose(np.cov(x.T), cov, rtol=0.15, atol=0.05 * np.diag(cov).max())


def test_nearly_singular_covariances_keep_their_precision_in_other_orders():
    """Columns that are equal up to a few thousandths: squared, float32 would lose them."""
    model = GMM([3], 1)
    model.network.log_scale.assign(np.log([[1.0], [4e-3], [4e-3]]))
    model.network.below.assign([[[0, 0, 0], [1, 0, 0], [1, 4e-3, 0]]])
    x = model.joint().sample(50, seed=1)
    other = model.of_order([2, 0, 1])
    np.testing.assert_allclose(other.log_prob(x), model.log_prob(x), rtol=1e-3)
    slow = other.log_prob(x, counted=np.ones(3, bool))
    np.testing.assert_allclose(slow, model.log_prob(x), rtol=2e-2, atol=0.1)


def test_kernel_density_is_scikit_learns():
    x = np.random.RandomState(0).normal([3.0, -50.0], [1.0, 20.0], [60, 2]).astype(np.float32)
    model = KernelDensity.of(x[:40], bandwidth=0.3)
    mean, std = x[:40].mean(axis=0), x[:40].std(axis=0)
    other = sklearn.neighbors.KernelDensity(bandwidth=0.3).fit((x[:40] - mean) / std)
    expected = other.score_samples((x[40:] - mean) / std) - np.log(std).sum()
    np.testing.assert_allclose(model.log_prob(x[40:]), expected, rtol=1e-4, atol=1e-3)
    observed = model.joint(observed=np.array([False, True]))
    assert observed.log_prob(x[40:]).shape == [20]


def test_kernels_of_categories():
    """1 - l for the own category, and l / (V - 1) for each other, summed over the examples."""
    head = Columns([Categorical(3), Bernoulli()])
    x = np.array([[0, 1], [2, 0], [2, 1]])
    model = KernelDensity.of(x, bandwidth=0.25, head=head)
    rate = 0.2  # h / (1 + h)
    for event in np.array([[0, 0], [1, 1], [2, 1]]):
        first = np.where(event[0] == x[:, 0], 1 - rate, rate / 2)
        second = np.where(event[1] == x[:, 1], 1 - rate, rate)
        found = model.log_prob(event[None].astype(np.float32))[0]
        np.testing.assert_allclose(found, np.log(np.mean(first * second)), rtol=1e-5)


def test_tables_of_kernels():
    columns = [{"name": "a", "mean": 1.0, "std": 2.0}, {"name": "b", "categories": ["x", "y"]}]
    x = np.array([[0.0, 1.0], [2.0, 0.0], [3.0, 1.0]], np.float32)
    head = heads.Table(columns, 3, family="gaussian")
    assert repr(head).endswith("family='gaussian')")
    model = KernelDensity.of(x, head=head)
    again = type(model).from_config(model.get_config())
    again.set_weights(model.get_weights())
    np.testing.assert_allclose(again.log_prob(x), model.log_prob(x))


def test_values_outside_the_support_are_impossible():
    model = shared("gmm_columns_real")
    x = tf.constant([[3.0, 0.0, 1.0], [2.0, np.nan, 0.0], [0.0, 0.5, 1.0]])
    assert np.isfinite(model.log_prob(x)).tolist() == [False, False, True]


@pytest.mark.parametrize("covariance", ["full", "tied", "diag"])
def test_orders_that_occur_twice_are_factored_once(covariance):
    network, each = gaussian(covariance).network, [[2, 0, 1, 3], [0, 1, 2, 3], [2, 0, 1, 3]]
    several = network.ordered(tf.constant(each))
    for row, order in enumerate(each):
        alone = network.ordered(tf.constant(order))
        for found, expected in zip(several, alone):
            np.testing.assert_allclose(found[row], expected[0], rtol=1e-4, atol=1e-5)


def test_clear_errors():
    with pytest.raises(ValueError, match=r"GaussianMixture\(3\), Bernoulli\(\) or Categorical\(\)"):
        GMM([2], 3, head=GaussianMixture(2))
    with pytest.raises(ValueError, match="covariance"):
        GMM([2], 3, covariance="spherical")
    with pytest.raises(ValueError, match="bandwidth"):
        KernelDensity.of(np.zeros([3, 2]), bandwidth=0.0)
    with pytest.raises(ValueError, match=r"\[N, \*event_shape\]"):
        KernelDensity.of(np.zeros([3]))
    with pytest.raises(ValueError, match="finite"):
        KernelDensity.of(np.array([[1.0, np.nan]]))


def test_product_of_experts():
    x = np.random.RandomState(0).normal(size=[40, 3]).astype(np.float32)
    one, two = (
        randomise(models.OrderlessNADE([3], (4,), head=GaussianMixture(2))),
        gaussian("diag", 3),
    )
    score = anomaly.product(two, own=anomaly.pseudolikelihood)
    expected = anomaly.pseudolikelihood(one, x) + anomaly.likelihood(two, x)
    np.testing.assert_allclose(score(one, x), expected)
    detector = anomaly.Detector(one, score, level=0.1).fit(x)
    assert 0 < detector.p_values(x[:5]).min() <= 1
    with pytest.raises(ValueError, match="at least one other model"):
        anomaly.product()
    with pytest.raises(ValueError, match=r"of shape \[3\], got one of \[4\]"):
        anomaly.product(gaussian("diag", 4))(one, x)
