"""Averages of the logits of several models: one exact model."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from tfar.heads import Bernoulli, Categorical, GaussianMixture
from tfar.models import FVSBN, MADE, NADE, logit_average
from tfar.testing import randomise

X = np.array([[0, 2, 1], [1, 1, 0], [2, 0, 2]])


@pytest.fixture(scope="module")
def models():
    head = Categorical(3)
    found = [NADE([3], 4, head=head), MADE([3], (5,), head=head), FVSBN([3], head=head)]
    return [randomise(model, seed=i) for i, model in enumerate(found)]


def test_conditionals_are_geometric_means(models):
    weights = [0.5, 0.8, -0.1]
    average = logit_average(models, weights)
    values = np.arange(3)[:, None, None]
    logs = np.stack([model(X).log_prob(np.broadcast_to(values, [3, 3, 3])) for model in models])
    expected = np.tensordot(weights, logs, 1)  # [value, example, site]
    expected -= np.log(np.exp(expected).sum(axis=0))
    found = average(X).log_prob(np.broadcast_to(values, [3, 3, 3]))
    assert np.allclose(found, expected, atol=1e-5)


def test_one_model_with_weight_1_is_itself(models):
    average = logit_average(models[:1])
    assert np.allclose(average.log_prob(X), models[0].log_prob(X), atol=1e-6)


def test_weights_are_trained_alone_or_with_the_models():
    rng = np.random.default_rng(0)
    x = (rng.random([200, 4]) < 0.5).astype(np.int64)
    x[:, 1:] = x[:, :1]  # what a model of no dependence cannot know
    good, bad = NADE([4], 6), FVSBN([4])
    good.compile(keras.optimizers.Adam(0.05))
    good.fit(x, epochs=15, verbose=0)
    bad.network.trainable = good.network.trainable = False
    average = logit_average([good, bad])
    kept = [w.numpy() for w in good.weights]
    average.compile(keras.optimizers.Adam(0.05))
    before = average.log_prob(x).numpy().mean()
    average.fit(x, epochs=10, verbose=0)
    assert average.log_prob(x).numpy().mean() > before + 0.1
    assert average.network.shares.numpy()[0] > 0.8
    assert all(np.array_equal(a, b.numpy()) for a, b in zip(kept, good.weights))
    assert len(average.trainable_variables) == 1


def test_the_networks_are_shared(models):
    average = logit_average(models)
    names = {id(variable) for model in models for variable in model.network.weights}
    assert names < {id(variable) for variable in average.network.weights}


def test_a_mixed_precision_model_may_be_one_of_them(models):
    policy = keras.DTypePolicy("mixed_bfloat16")
    coarse = randomise(NADE([3], 4, head=Categorical(3), dtype=policy), seed=3)
    average = logit_average([coarse, models[0]])
    each = [model(X).logits_parameter() for model in (coarse, models[0])]
    each = [tf.math.log_softmax(logits).numpy() for logits in each]
    expected = np.mean(each, axis=0)
    expected -= np.log(np.exp(expected).sum(axis=-1, keepdims=True))
    found = tf.math.log_softmax(average(X).logits_parameter())
    assert np.allclose(found, expected, atol=2e-2)


NADE_3 = NADE([3], 4)
REFUSED = [
    (([],), "at least one model"),
    (([NADE([3], 4, head=GaussianMixture(2))],), "zeros and ones or of categories"),
    (([MADE([3], (4,), order="random", num_masks=2)],), "not of an ensemble"),
    (([NADE_3, NADE([4], 4)],), r"same event shape, got \[3\] and \[4\]"),
    (([NADE_3, NADE([3], 4, order="reversed")],), r"same order, got \[0, 1, 2\] and \[2, 1, 0\]"),
    (([NADE_3, NADE([3], 4, head=Categorical(3))],), "same head, got Bernoulli"),
    (([NADE_3, NADE([3], 4, head=Bernoulli(centered=True))],), "same head"),
    (([NADE_3, NADE([3], 4, num_classes=2)],), "same condition, got None"),
    (([MADE([3], (4,), order="reversed")],), "the order 'raster' of a MADE"),
    (([NADE_3], [0.5, 0.5]), r"Expected 1 numbers as weights, got \[0.5, 0.5\]"),
    (([NADE_3], [np.nan]), "numbers as weights"),
]


@pytest.mark.parametrize("given, message", REFUSED)
def test_bad_arguments(given, message):
    with pytest.raises(ValueError, match=message):
        logit_average(*given)
