"""Mixtures of whole models."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from support.cases import MODELS

import tfar
from tfar.heads import Categorical
from tfar.models import FVSBN, MADE, NADE, CharRNN, Mixture, OrderlessNADE, logit_average
from tfar.testing import enumerate_events, randomise

ORDERS = "raster", "reversed", [1, 2, 0]


def members(count=3):
    """Models of three sites, each in another order."""
    models = [NADE([3], 4, order=order) for order in ORDERS[:count]]
    return [randomise(model, seed=i, scale=2.0) for i, model in enumerate(models)]


def test_p_is_the_weighted_mean():
    models, x = members(), enumerate_events(NADE([3], 1))
    mixture = Mixture(models, weights=[2, 1, 5])
    each = [model.joint().prob(x) for model in models]
    assert np.allclose(mixture.joint().prob(x), np.tensordot([0.25, 0.125, 0.625], each, 1))
    assert np.allclose(mixture.predict(x, verbose=0), np.log(mixture.joint().prob(x)), atol=1e-5)


def test_a_model_of_its_own_is_a_mixture_of_one():
    (model,) = members(1)
    mixture, x = Mixture([model]), enumerate_events(model)
    assert np.allclose(mixture.log_prob(x), model.log_prob(x), atol=1e-6)
    drawn = [of.joint().sample(20, seed=3).numpy() for of in (mixture, model)]
    assert np.array_equal(*drawn)


def test_samples_come_from_the_models_as_often_as_their_weights():
    zeros, ones = (NADE([3], 1) for _ in range(2))
    for model, logit in (zeros, -30.0), (ones, 30.0):
        model.set_weights([np.zeros(w.shape) for w in model.get_weights()])
        model.network.output_bias.assign(np.full(model.network.output_bias.shape, logit))
    mixture = Mixture([zeros, ones], weights=[0.9, 0.1])
    drawn = mixture.joint().sample(4000, seed=1).numpy()
    assert set(drawn.sum(axis=1)) == {0, 3}
    assert abs((drawn[:, 0] == 1).mean() - 0.1) < 4 * np.sqrt(0.09 / 4000)


def test_weights_are_those_of_the_highest_likelihood():
    models = members(2)
    x = Mixture(models, weights=[0.8, 0.2]).joint().sample(3000, seed=1).numpy()
    mixture = Mixture(models)
    found = mixture.fit_weights(x)
    each = [model.joint().prob(x).numpy() for model in models]
    share = np.linspace(0.001, 0.999, 999)[:, None]
    likelihood = np.log(share * each[0] + (1 - share) * each[1]).mean(axis=1)
    assert abs(found[0] - share[likelihood.argmax(), 0]) < 0.002
    assert abs(found[0] - 0.8) < 0.1
    assert np.allclose(mixture.proportions, found)


def test_weights_of_examples_far_from_all_models():
    models = members(2)
    for model in models:
        model.network.output_bias.assign(np.full(model.network.output_bias.shape, -60.0))
    assert np.isfinite(Mixture(models).fit_weights(np.ones([4, 3]))).all()


def test_fit_trains_all_models_on_the_log_of_the_sum():
    rng = np.random.default_rng(0)
    x = np.concatenate([np.tile(rng.integers(0, 2, [100, 1]), 3), np.eye(3)[[0] * 100]])
    models = [NADE([3], 6, order=order) for order in ORDERS[:2]]
    mixture = Mixture(models, weights=[0.7, 0.3])
    with tf.GradientTape() as tape:
        loss = mixture.compute_loss(x, None, mixture(x, training=True), training=True)
    found = tape.gradient(loss, mixture.trainable_variables)
    with tf.GradientTape() as tape:
        each = [model.joint().log_prob(x) for model in models]
        expected = -tf.reduce_mean(tf.math.log(0.7 * tf.exp(each[0]) + 0.3 * tf.exp(each[1])))
    assert np.allclose(loss, expected, atol=1e-5)
    for mine, theirs in zip(found, tape.gradient(expected, mixture.trainable_variables)):
        assert np.allclose(mine, theirs, atol=1e-5)
    mixture.compile(keras.optimizers.Adam(0.05))
    mixture.fit(x, epochs=20, verbose=0)
    assert mixture.evaluate(x, verbose=0, return_dict=True)["nats"] < 1.6
    assert np.allclose(mixture.proportions, [0.7, 0.3])


def test_a_member_completes_purifies_and_compresses_as_its_model_does():
    model = randomise(MODELS["mixture_of_orders"](), seed=1)
    own = model.models[0]
    value = np.array([[1, np.nan, np.nan], [0, 2, np.nan]])
    both = [
        joint.sample(3, seed=2, value=value)
        for joint in (model.joint(member=0), own.joint(), model.joint(member=0, jit_compile=True))
    ]
    assert np.array_equal(both[0], both[1]) and np.array_equal(both[0], both[2])
    found = [joint.complete(value, 2, seed=1) for joint in (model.joint(member=0), own.joint())]
    assert np.array_equal(found[0].samples, found[1].samples)
    x = model.joint().sample(9, seed=1).numpy()
    for member in range(model.members):
        content = tfar.compression.compress(model, x, member=member)
        assert np.array_equal(tfar.compression.decompress(model, content), x)
    with pytest.raises(ValueError, match="one order"):
        model.joint().sample(3, value=value)


@pytest.mark.parametrize(
    "others, weights, said",
    [
        ([NADE([4], 3)], None, "event shape"),
        ([NADE([3], 3, head=Categorical(2))], None, "head"),
        ([NADE([3], 3, num_classes=2)], None, "condition"),
        ([CharRNN([3], (2,))], None, "none of a text"),
        ([keras.Sequential()], None, "list of at least one"),
        ([FVSBN([3])], [1.0], "2 finite numbers above 0"),
        ([FVSBN([3])], [1.0, -1.0], "2 finite numbers above 0"),
        ([FVSBN([3])], [1.0, np.nan], "2 finite numbers above 0"),
        ([FVSBN([3])], "ab", "2 finite numbers above 0"),
    ],
)
def test_what_cannot_be_mixed_is_refused(others, weights, said):
    with pytest.raises(ValueError, match=said):
        Mixture([MADE([3], (4,)), *others], weights)


def test_models_that_share_weights_are_refused():
    """A file would hold them once, and a model that is loaded need them twice."""
    one, other = (NADE([3], 2) for _ in range(2))
    orderless = OrderlessNADE([3], (4,))
    shared = [one, one], [logit_average([one, other]), other]
    for models in (*shared, [orderless, orderless.of_order([2, 1, 0])]):
        with pytest.raises(ValueError, match=r"weights of their own, got .* after another"):
            Mixture(models)
    with pytest.raises(ValueError, match="weights of their own"):
        logit_average([one, one])


def test_no_models_are_refused():
    with pytest.raises(ValueError, match="list of at least one"):
        Mixture([])
