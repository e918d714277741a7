"""Any order, and any observed sites: order-agnostic NADE, and what other models say of it."""

import itertools
import math

import keras
import numpy as np
import pytest
import tensorflow as tf
import tensorflow_probability as tfp
from support.cases import shared

from tfar import heads, layers, models, testing
from tfar.heads import (
    Bernoulli,
    Categorical,
    Characters,
    Columns,
    DiscretizedLogisticMixture,
    GaussianMixture,
    LogisticMixture,
    NegativeBinomial,
    Poisson,
    Table,
)
from tfar.models import NADE, OrderlessNADE
from tfar.testing.checks import demand_frequencies


@pytest.fixture(scope="module")
def model():
    return testing.randomise(
        OrderlessNADE([4], (7, 6), head=Categorical(3), activation="tanh"), seed=5
    )


def test_conditionals_by_loops(model):
    """The formula, in NumPy, in an order that is not its own inverse."""
    order = [2, 0, 3, 1]
    network, x = model.network, np.array([[1, 0, 2, 1], [0, 2, 2, 0]])
    kernel, out, bias = (w.numpy() for w in (network.kernel, network.out_kernel, network.bias))
    (dense,) = network.layers
    code, expected = np.eye(3)[x], np.zeros([2, 4, 3])
    for row, (i, site) in itertools.product(range(2), enumerate(order)):
        a = network.hidden_bias.numpy().astype(np.float64)
        for j in order[:i]:
            a = a + np.append(code[row, j], 1.0) @ kernel[j]
        h = np.tanh(np.tanh(a) @ dense.kernel.numpy() + dense.bias.numpy())
        expected[row, site] = h @ out[site] + bias[site]
    other = model.of_order(order)
    np.testing.assert_allclose(other(x).logits_parameter(), expected, rtol=1e-4, atol=1e-5)
    # One pass with known sites gives the same for those that come next.
    for i in range(4):
        known = np.isin(np.arange(4), order[:i])
        given = model.network.given(tf.constant(code, tf.float32), np.tile(known, [2, 1]))
        site = order[i]
        np.testing.assert_allclose(given[:, site], expected[:, site], rtol=1e-4, atol=1e-5)


HEADS = {
    "bernoulli": (Bernoulli(), [3]),
    "categorical": (Categorical(3), [3]),
    "characters": (Characters("abc"), [3]),
    "gaussians": (GaussianMixture(2, mean=1.0), [3]),
    "logistics": (LogisticMixture(2, equal_weights=True), [3]),
    "discretized_logistics": (DiscretizedLogisticMixture(2, channels=2, levels=3), [1, 3, 2]),
    "poisson": (Poisson(), [3]),
    "negative_binomial": (NegativeBinomial(), [3]),
    "columns": (Columns([Bernoulli(), GaussianMixture(2), Poisson()]), [3]),
    "integers": (heads.Integers(2, 4, mean=1.5), [3]),
    "atoms": (heads.Atoms(GaussianMixture(2), [0.0]), [3]),
    "atoms_of_integers": (heads.Atoms(heads.Integers(2, 3, mean=1.5), [1, 3]), [3]),
    "table": (
        Table(
            [
                {"name": "a", "mean": 2.0, "std": 3.0},
                {"name": "b", "categories": ["u", "v"]},
                {"name": "c", "categories": [1, 2, 3]},
            ],
            2,
        ),
        [3],
    ),
}


def losses_of_all_sets(model, x):
    """``(mean, exact)``: the training loss of an event, averaged over sets d and o as they are
    drawn, and its negative log-likelihood averaged over all orders."""
    n = model.num_sites
    sets = [np.isin(range(n), o) for d in range(n) for o in itertools.combinations(range(n), d)]
    chances = [1 / n / math.comb(n, known.sum()) for known in sets]
    model._random_sets = lambda count: tf.constant(np.stack(sets))
    many = np.repeat(x, len(sets), axis=0)
    losses = -model._score(many, model(many, training=True)).numpy()
    orders = itertools.permutations(range(n))
    exact = np.mean([-model.of_order(order).log_prob(x)[0] for order in orders])
    return np.sum(chances * losses), exact


def test_every_head_is_tried():
    tried = {type(head) for head, _ in HEADS.values()}
    assert tried == {getattr(heads, name) for name in heads.__all__ if name[0].isupper()} - {
        heads.Head,
        heads.Vocabulary,
    }


@pytest.mark.parametrize("name", HEADS)
def test_the_loss_is_the_mean_over_all_orders(name):
    head, event_shape = HEADS[name]
    model = testing.randomise(
        OrderlessNADE(event_shape, (7, 6), head=head, activation="tanh"), seed=5, scale=0.3
    )
    values = [testing.symbols(head.at(i)) for i in range(3)]
    x = np.stack([column[-1 - i % 2] for i, column in enumerate(values)])
    mean, exact = losses_of_all_sets(model, x.reshape([1, *event_shape]))
    np.testing.assert_allclose(mean, exact, rtol=1e-5)


def test_random_sets_are_of_every_size_and_of_every_site(model):
    known = model._random_sets(tf.ones([40_000, 4], tf.bool)).numpy()
    sizes = np.bincount(known.sum(axis=1), minlength=4) / len(known)
    np.testing.assert_allclose(sizes, [0.25] * 4, atol=0.01)
    np.testing.assert_allclose(known.mean(axis=0), [0.375] * 4, atol=0.01)
    pairs = known[known.sum(axis=1) == 2] @ [1, 2, 4, 8]
    np.testing.assert_allclose(
        np.unique(pairs, return_counts=True)[1] / len(pairs), 1 / 6, atol=0.02
    )


@pytest.mark.parametrize("sites", [[], [1], [0, 3], [2, 1, 3]])
def test_the_others_given_any_sites(model, sites):
    observed = np.isin(np.arange(4), sites)
    joint = model.joint(observed=observed)
    assert joint.event_shape == [4]
    events = testing.enumerate_events(model)
    p = np.exp(joint.log_prob(events).numpy().astype(np.float64))
    free = 3 ** (4 - len(sites))
    _, group = np.unique(events[:, observed], axis=0, return_inverse=True)
    totals = np.bincount(group.ravel(), p)
    np.testing.assert_allclose(totals, np.ones(3 ** len(sites)), rtol=1e-4)
    value = np.array([2, 0, 1, 1])
    x = joint.sample(3000, seed=1, value=value).numpy()
    assert np.all(x[:, observed] == value[observed])
    fits = np.all(events[:, observed] == value[observed], axis=1)
    assert fits.sum() == free
    demand_frequencies(x, events[fits], p[fits], f"samples given the sites {sites}")
    again = joint.sample(3000, seed=1, value=np.where(observed, value, np.nan))
    np.testing.assert_array_equal(again, x)
    both, log_prob = joint.experimental_sample_and_log_prob(9, seed=1, value=value)
    np.testing.assert_allclose(log_prob, joint.log_prob(both), rtol=1e-4, atol=1e-5)


def test_the_sites_that_are_not_observed_keep_their_order(model):
    several = model.of_order([[2, 0, 3, 1], [1, 3, 0, 2]])
    observed = np.array([False, True, False, True])
    for member, expected in ((None, [3, 1, 2, 0]), (0, [3, 1, 2, 0]), (1, [1, 3, 0, 2])):
        assert several.ordered_for(observed, member).permutations.tolist() == [expected]


def test_a_prefix_may_be_observed_of_a_fixed_order():
    model = shared("nade_relu")  # reversed
    observed = np.zeros(6, bool)
    observed[4:] = True
    observed = observed.reshape([2, 3, 1])
    x = testing.enumerate_events(model)
    conditional = model.joint(observed=observed).log_prob(x)
    together = model.joint().log_prob(x).numpy().astype(np.float64)
    _, group = np.unique(x.reshape([-1, 6])[:, 4:], axis=0, return_inverse=True)
    marginal = np.bincount(group.ravel(), np.exp(together))
    expected = together - np.log(marginal)[group.ravel()]
    np.testing.assert_allclose(conditional, expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    "name, arguments, message",
    [
        ("nade", {"observed": np.array([0, 1, 0, 0], bool)}, "site 0, not observed, comes before"),
        ("nade", {"observed": [1, 0, 0, 0]}, r"Expected bools of shape \[4\] as observed, got int"),
        ("nade", {"observed": np.ones(3, bool)}, r"as observed, got bool of shape \[3\]"),
        ("made_orders", {"observed": np.ones([2, 2, 1], bool)}, "an ensemble of 2: use"),
        (
            "orderless_nade_orders",
            {"observed": np.ones(3, bool), "member": 3},
            "a member from 0 to 2, got 3",
        ),
        (
            "pixel_cnn_mixture",
            {"observed": np.array([[[1, 0], [0, 0], [0, 0]]], bool)},
            "along the last axis of a site must be observed together",
        ),
    ],
)
def test_what_cannot_be_observed(name, arguments, message):
    with pytest.raises(ValueError, match=message):
        shared(name).joint(**arguments)


def test_samples_need_what_is_observed(model):
    joint = model.joint(observed=np.array([True, False, False, True]))
    with pytest.raises(ValueError, match="give value=x"):
        joint.sample(2, seed=1)
    with pytest.raises(ValueError, match="An observed entry of the value is NaN"):
        joint.sample(2, seed=1, value=[1, 1, 1, np.nan])
    with pytest.raises(ValueError, match=r"of the shape \[..., \*\[4\]\], got \(3,\)"):
        joint.sample(2, seed=1, value=[1, 1, 1])


@pytest.mark.parametrize("hidden", [(400,), (3, 400)])
def test_units_of_every_layer_are_dropped_in_training_alone(hidden):
    layer = layers.OrderlessHidden(hidden, 1, activation="sigmoid", dropout=0.5)
    layer.build((None, 2, 1))
    sums = tf.ones([1, hidden[0]])
    assert np.all(layer._deep(sums) > 0)
    assert 0.3 < np.mean(layer._deep(sums, training=True) == 0) < 0.7


def test_other_orders_share_the_weights(model):
    other = model.of_order([[3, 2, 1, 0], [1, 0, 3, 2]])
    assert other.members == 2
    assert [id(w) for w in other.trainable_weights] == [id(w) for w in model.trainable_weights]
    x = np.array([[1, 0, 2, 1]])
    each = [other.log_prob(x, member=r).numpy() for r in range(2)]
    np.testing.assert_allclose(other.log_prob(x), np.logaddexp(*each) - np.log(2), rtol=1e-5)
    counted = np.array([True, False, True, True])
    each = [other.log_prob(x, member=r, counted=counted).numpy() for r in range(2)]
    mixture = other.log_prob(x, counted=counted)
    np.testing.assert_allclose(mixture, np.logaddexp(*each) - np.log(2), rtol=1e-5)


@pytest.mark.parametrize(
    "arguments, message",
    [
        ({"hidden": ()}, "hidden to be a sequence of integers of at least 1, got"),
        ({"hidden": 500}, "hidden to be a sequence of integers of at least 1, got"),
        ({"num_orders": 2}, "does not stand for num_orders=2"),
        ({"order": [[0, 1, 2, 3]], "num_orders": 2}, "does not stand for num_orders=2"),
        ({"order": "random", "num_orders": 0}, "num_orders to be an integer of at least 1, got 0"),
        ({"order": [[0, 1, 2, 2]]}, "order to be a permutation of 0 ... 3 or one of"),
    ],
)
def test_bad_arguments(arguments, message):
    with pytest.raises(ValueError, match=message):
        models.OrderlessNADE([4], **{"hidden": (3,), **arguments})


# Planted bugs -----------------------------------------------------------------------------------


class SeesItself(layers.OrderlessHidden):
    def call(self, x, condition=None, member=None, training=None):
        return self.given(x, tf.ones(tf.shape(x)[:2], tf.bool))


@pytest.mark.parametrize(
    "layer, message",
    [(SeesItself, "Leak: output 0 changes with inputs")],
)
def test_the_contract_fails_on_a_planted_bug(layer, message):
    with pytest.raises(AssertionError, match=message):
        testing.verify_layer(layer((5, 4), 2, activation="tanh"), 4, 2)


def test_a_loss_without_its_weights_is_another(model, monkeypatch):
    def score(self, inputs, conditionals, counted=None):
        if hasattr(conditionals, "validity_mask"):
            counted, conditionals = conditionals.validity_mask, conditionals.distribution
        return NADE._score(self, inputs, conditionals, counted)

    monkeypatch.setattr(OrderlessNADE, "_score", score)
    other = model.of_order(range(4))
    mean, exact = losses_of_all_sets(other, np.array([[1, 0, 2, 1]]))
    assert abs(mean - exact) > 0.1


class Opaque(Categorical):
    """A user's own head, of a distribution that is no composite tensor."""

    def distribution(self, params, temperature=None):
        class Own(tfp.distributions.Distribution):
            def __init__(self, p):
                self.p = p
                super().__init__(p.dtype, p.reparameterization_type, False, True)

            def _batch_shape(self):
                return self.p.batch_shape

            def _event_shape(self):
                return self.p.event_shape

            def _log_prob(self, x):
                return self.p.log_prob(x)

        return Own(super().distribution(params, temperature))


def test_the_loss_of_a_head_whose_distribution_is_no_composite_tensor():
    model = testing.randomise(OrderlessNADE([3], (7, 6), head=Opaque(3), activation="tanh"), seed=5)
    assert not isinstance(
        model(np.zeros([1, 3]), training=True), tfp.distributions.Masked
    )  # but a twin of it
    mean, exact = losses_of_all_sets(model, np.array([[1, 0, 2]]))
    np.testing.assert_allclose(mean, exact, rtol=1e-5)


def test_training_fits_every_order():
    """Two sites that are equal: whichever comes first, the other follows."""
    keras.utils.set_random_seed(0)
    model = OrderlessNADE([2], (16,), activation="tanh", seed=1)
    model.compile(keras.optimizers.Adam(0.03))
    x = np.array([[0, 0], [1, 1]] * 64)
    model.fit(x, batch_size=32, epochs=60, verbose=0)
    for order in ([0, 1], [1, 0]):
        assert abs(-model.of_order(order).log_prob(x[:2]).numpy().mean() - np.log(2)) < 0.05
