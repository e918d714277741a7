"""Plain Keras layers that mix sites are refused, and those that do not are sampled right."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from tfar.heads import Bernoulli
from tfar.layers import Causal, Shift
from tfar.models import AutoregressiveModel
from tfar.testing import randomise, verify_causality

kl = keras.layers


def model_of(layer):
    network = Causal([Shift(), kl.Dense(4), layer, kl.Dense(1)])
    return AutoregressiveModel(network, [5], Bernoulli())


MIXING = {
    "conv": lambda: kl.Conv1D(4, 3, padding="same"),
    "conv of zeros": lambda: kl.Conv1D(4, 3, padding="same", kernel_initializer="zeros"),
    "causal conv": lambda: kl.Conv1D(4, 3, padding="causal"),
    "norm over sites": lambda: kl.LayerNormalization(axis=1),
    "norm over both": lambda: kl.LayerNormalization(axis=[1, 2]),
    "norm over the batch": lambda: kl.BatchNormalization(),
    "groups": lambda: kl.GroupNormalization(2),
    "softmax over sites": lambda: kl.Softmax(axis=1),
    "activation over sites": lambda: kl.Activation(lambda x: tf.nn.softmax(x, axis=1)),
    "dense with such an activation": lambda: kl.Dense(4, lambda x: tf.nn.softmax(x, axis=1)),
    "mean": lambda: kl.Lambda(lambda x: x - tf.reduce_mean(x, axis=1, keepdims=True)),
    "sum": lambda: kl.Lambda(lambda x: tf.cumsum(x, axis=1)),
    "maximum": lambda: kl.MaxPooling1D(2, 1, padding="same"),
    "reversed": lambda: kl.Lambda(lambda x: tf.reverse(x, [1])),
    "recurrent": lambda: kl.GRU(4, return_sequences=True),
    "sites apart, but not alike": lambda: kl.PReLU(alpha_initializer="ones"),
    "flattened": lambda: kl.Flatten(),
    "transposed": lambda: kl.Permute([2, 1]),
    "pooled": lambda: kl.GlobalMaxPooling1D(),
    "inside of a Sequential": lambda: keras.Sequential([kl.Dense(4), kl.Softmax(axis=1)]),
}


@pytest.mark.parametrize("name", MIXING)
def test_layers_that_mix_sites_are_refused(name):
    with pytest.raises(ValueError, match=r"must be a tfar.layers.CausalLayer: write one"):
        model_of(MIXING[name]())


POINTWISE = {
    "conv of one": lambda: kl.Conv1D(4, 1, activation="tanh"),
    "norm": lambda: kl.LayerNormalization(),
    "rms": lambda: kl.RMSNormalization(),
    "softmax": lambda: kl.Softmax(),
    "shared slopes": lambda: kl.PReLU(shared_axes=[1]),
    "function": lambda: kl.Activation(lambda x: tf.sin(3 * x)),
    "dropout": lambda: kl.Dropout(0.5),
    "spatial dropout": lambda: kl.SpatialDropout1D(0.5),
    "noise": lambda: kl.GaussianNoise(1.0),
    "several": lambda: keras.Sequential([kl.Dense(3), kl.LayerNormalization(), kl.Dense(4)]),
}


@pytest.mark.parametrize("name", POINTWISE)
def test_layers_that_act_on_every_site(name):
    model = randomise(model_of(POINTWISE[name]()), seed=2)
    verify_causality(model)
    # One site at a time they give what they give at all sites.
    drawn = (model.joint(cached=cached).sample(100, seed=1).numpy() for cached in (True, False))
    np.testing.assert_array_equal(*drawn)


def test_a_probe_leaves_a_layer_as_it_was():
    layers = [kl.Conv1D(4, 1), kl.GaussianNoise(1.0), kl.RMSNormalization()]
    for layer in layers:
        layer.build((None, 5, 4))
    before = [[v.numpy() for v in layer.variables] for layer in layers]
    model_of(keras.Sequential(layers))
    for layer, values in zip(layers, before):
        for variable, value in zip(layer.variables, values):
            np.testing.assert_array_equal(variable, value)


LEAKING = {
    "itself": lambda: keras.Sequential([kl.Dense(1)]),
    "itself, by zeros": lambda: kl.Dense(1, kernel_initializer="zeros"),
    "inclusive": lambda: kl.Conv1D(1, 3, padding="causal"),
    "all": lambda: kl.Conv1D(1, 3, padding="same"),
    "other examples": lambda: keras.Sequential(
        [
            kl.ZeroPadding1D((1, 0)),
            kl.Cropping1D((0, 1)),
            kl.Conv1D(2, 3, padding="causal"),
            kl.BatchNormalization(),
            kl.Conv1D(1, 1),
        ]
    ),
}


@pytest.mark.parametrize("name", LEAKING)
def test_plain_networks_that_leak_are_refused(name):
    with pytest.raises(ValueError, match=r"Output i may depend on inputs j < i only"):
        AutoregressiveModel(LEAKING[name](), [5], Bernoulli())


def test_a_plain_network_that_does_not():
    network = keras.Sequential(
        [kl.ZeroPadding1D((1, 0)), kl.Cropping1D((0, 1)), kl.Conv1D(1, 3, padding="causal")]
    )
    model = randomise(AutoregressiveModel(network, [5], Bernoulli()))
    verify_causality(model)
