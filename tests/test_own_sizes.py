"""Networks with own sizes for each column compute what padded ones do, with fewer weights."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from tfar.heads import Bernoulli, Categorical, Columns, LogisticMixture
from tfar.layers.packing import Packing
from tfar.models import MADE, OrderlessNADE
from tfar.testing import randomise

HEADS = Bernoulli(), LogisticMixture(2), Categorical(5), Categorical(3)
X = np.array([[1, 0.5, 4, 2], [0, -1.5, 0, 0], [1, 2.0, 3, 1]], np.float32)
MAKE = {
    "orderless": lambda head: OrderlessNADE([4], (6, 5), head=head, order=[2, 0, 3, 1]),
    "made": lambda head: MADE([4], (9,), head=head, order=[2, 0, 3, 1], direct=True),
    "made_orders": lambda head: MADE([4], (9, 9), head=head, order="random", num_masks=3),
}


@pytest.fixture(params=MAKE)
def pair(request):
    """A model whose columns are all as wide as the widest, and one of own sizes, alike."""
    wide, narrow = (
        MAKE[request.param](Columns(HEADS, own_sizes=own_sizes)) for own_sizes in (False, True)
    )
    randomise(wide, seed=1)
    inputs, outputs = (Packing(sizes).used for sizes in narrow.head.sizes)
    for own, padded in zip(narrow.weights, wide.weights):
        own.assign(picked(padded.numpy(), own.shape, inputs, outputs))
    return wide, narrow


def picked(value, shape, inputs, outputs):
    """Of a padded weight what the narrow network has."""
    if value.shape == tuple(shape):
        return value
    if value.ndim == 3 and value.shape[:2] == (4, inputs.shape[1] + 1):  # with U, a 1 for each site
        return value[np.pad(inputs, ((0, 0), (0, 1)), constant_values=True)]
    if value.ndim == 3:  # [n, H, p]
        return value.transpose(0, 2, 1)[outputs]
    if value.shape == outputs.shape:
        return value[outputs]
    for axis, used in enumerate([inputs, outputs][-value.ndim :]):
        if value.shape[axis] == used.size:
            value = np.compress(used.ravel(), value, axis)
    return value.reshape(shape)


def test_they_compute_the_same(pair):
    wide, narrow = pair
    assert np.allclose(narrow.log_prob(X), wide.log_prob(X), rtol=1e-5, atol=1e-5)
    drawn = [model.joint().sample(50, seed=3).numpy() for model in pair]
    assert np.allclose(*drawn, rtol=1e-4, atol=1e-4)
    assert narrow.count_params() < 0.75 * wide.count_params()


def test_gradients_are_the_same(pair):
    losses, gradients = [], []
    for model in pair:
        keras.utils.set_random_seed(1)
        with tf.GradientTape() as tape:
            loss = model.compute_loss(X, None, model(X, training=True), training=True)
        losses.append(loss.numpy())
        gradients.append(tape.gradient(loss, model.trainable_variables))
    assert np.allclose(*losses, rtol=1e-5)
    inputs, outputs = (Packing(sizes).used for sizes in pair[1].head.sizes)
    for padded, own in zip(*gradients):
        expected = picked(tf.convert_to_tensor(padded).numpy(), own.shape, inputs, outputs)
        least = 1e-6 * np.abs(expected).max()  # sums of float32s
        assert np.allclose(own, expected, rtol=1e-4, atol=least)


def test_they_start_at_the_same_marginals(pair):
    for model in pair:
        model.adapt(X)
    wide, narrow = (model.network.output_bias.numpy() for model in pair)
    used = Packing(pair[1].head.sizes[1]).used
    assert np.array_equal(narrow, wide.reshape(used.shape)[used])


def test_models_of_older_versions_have_columns_of_one_width():
    config = Columns(HEADS).get_config()
    assert Columns.from_config(config).sizes == ([1, 1, 5, 3], [1, 6, 5, 3])
    del config["own_sizes"]
    assert Columns.from_config(config).sizes is None


def test_columns_of_one_size_need_none():
    assert Columns([Categorical(4)] * 3).sizes is None


def test_channels_that_a_site_has_not_make_no_difference_and_are_zero():
    packing = Packing([1, 3], always=1)
    x = np.arange(8.0).reshape(1, 2, 4)
    assert packing.pack(tf.constant(x)).numpy().tolist() == [[0, 3, 4, 5, 6, 7]]
    back = packing.unpack(packing.pack(tf.constant(x))).numpy()
    assert back.tolist() == [[[0, 0, 0, 3], [4, 5, 6, 7]]]
    rows = tf.reshape(tf.range(12.0), [6, 2])
    of_sites = packing.of_sites(rows, tf.constant([1, 0])).numpy()
    assert of_sites[0].tolist() == rows[2:].numpy().tolist()
    assert of_sites[1, [0, 3]].tolist() == rows[:2].numpy().tolist()
    assert not of_sites[1, 1:3].any()
