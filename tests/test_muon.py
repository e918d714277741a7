"""Muon against the singular value decomposition that it stands for, and against AdamW."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from tfar.layers import CausalConv2D
from tfar.training.muon import Muon, orthogonal


def _layer(name="hidden"):
    layer = CausalConv2D(6, 3, (4, 4), name=name)  # 5 taps, 4 channels: a matrix of 20 rows
    layer.build([None, 16, 4])
    return layer


def _gradients(layer, steps):
    rng = np.random.default_rng(0)
    return [
        [rng.normal(size=v.shape).astype("float32") for v in layer.weights] for _ in range(steps)
    ]


def _train(layer, optimizer, gradients):
    before = [v.numpy() for v in layer.trainable_variables]
    for step in gradients:
        optimizer.apply([tf.constant(g) for g in step], layer.trainable_variables)
    return [v.numpy() - b for v, b in zip(layer.trainable_variables, before)]


def test_step_is_the_nearly_orthogonal_matrix_of_the_momentum():
    first, second = _gradients(_layer(), 2)
    rate, mu = 0.01, 0.95
    one, _ = _train(_layer(), Muon(rate), [first])
    layer = _layer()
    optimizer = Muon(rate)
    _train(layer, optimizer, [first])
    two, _ = _train(layer, optimizer, [second])
    momentum = mu * first[0] + second[0]
    for step, ahead in ((one, (1 + mu) * first[0]), (two, second[0] + mu * momentum)):
        u, _, vt = np.linalg.svd(ahead.reshape([20, 6]), full_matrices=False)
        scale = 0.2 * rate * np.sqrt(20)
        inside = -u.T @ step.reshape([20, 6]) @ vt.T / scale
        # Newton-Schulz keeps the singular vectors, and takes the values to about 0.7 ... 1.2.
        np.testing.assert_allclose(inside, np.diag(np.diag(inside)), atol=1e-4)
        assert (np.diag(inside) > 0.6).all() and (np.diag(inside) < 1.3).all()
        outside = step.reshape([20, 6]) / scale
        np.testing.assert_allclose(u @ (u.T @ outside), outside, atol=1e-4)


@pytest.mark.parametrize("shape", [(20, 6), (6, 20), (5, 5)])
def test_the_orthogonal_matrix_is_that_of_keras(shape):
    matrix = np.random.default_rng(1).normal(size=shape).astype("float32")
    optimizer = keras.optimizers.Muon()
    factors = optimizer.muon_a, optimizer.muon_b, optimizer.muon_c
    expected = optimizer.zeropower_via_newtonschulz5(tf.constant(matrix), 5)
    np.testing.assert_allclose(orthogonal(matrix, factors, 5), expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name, same", [("hidden", [False, True]), ("output", [True, True])])
def test_biases_and_the_output_are_updated_as_by_adamw(name, same):
    gradients = _gradients(_layer(), 3)
    changes = []
    for make in (Muon, keras.optimizers.AdamW):
        keras.utils.set_random_seed(3)
        optimizer = make(0.01, weight_decay=0.1)
        optimizer.exclude_from_weight_decay(var_names=["bias"])
        changes.append(_train(_layer(name), optimizer, gradients))
    for ours, theirs, expected in zip(*changes, same):
        assert np.allclose(ours, theirs, atol=1e-6) == expected


def test_excluded_layers_are_updated_as_by_adamw():
    gradients = _gradients(_layer(), 2)
    changes = []
    for optimizer in (Muon(0.01, exclude_layers=["hid"]), keras.optimizers.AdamW(0.01)):
        optimizer.weight_decay = None
        changes.append(_train(_layer(), optimizer, gradients))
    for ours, theirs in zip(*changes):
        np.testing.assert_allclose(ours, theirs, atol=1e-6)


@pytest.mark.parametrize("decay", [{}, {"adam_weight_decay": 0.2}])
def test_config_is_kept(decay):
    optimizer = Muon(0.01, weight_decay=0.1, ns_steps=4, use_ema=True, **decay)
    again = keras.optimizers.deserialize(keras.optimizers.serialize(optimizer))
    assert type(again) is Muon and again.ns_steps == 4 and again.use_ema
    assert again.weight_decay == 0.1
    assert again.adam_weight_decay == decay.get("adam_weight_decay", 0.1)


@pytest.mark.parametrize(
    "arguments", [{"learning_rate": -1}, {"learning_rate": "1"}, {"weight_decay": -1}]
)
def test_rates_and_decays_are_no_less_than_0(arguments):
    (name,) = arguments
    with pytest.raises(
        ValueError, match=f"Expected {name} to be a finite number of at least 0, got"
    ):
        Muon(**arguments)
