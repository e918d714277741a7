"""Layers beyond their contract (test_contracts.py): composition, masks, errors, configuration."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from support.cases import LAYERS

from tfar.heads import GaussianMixture
from tfar.layers import Causal, CausalLayer, MaskedDense, Pointwise, Shift, Sum, one_by_one
from tfar.layers.dense import units_by_site
from tfar.layers.tied_hidden import TiedHidden, recurrence
from tfar.models import RNADE
from tfar.testing import randomise


def test_a_layer_before_the_exclusive_one_is_refused():
    # Its step would turn the zeros that stand for "nothing yet" into a bias.
    with pytest.raises(ValueError, match="put the exclusive layer first"):
        Causal([keras.layers.Dense(3), Shift()])


def test_two_exclusive_layers_are_refused():
    with pytest.raises(
        ValueError, match=r"one exclusive layer, got.*make the later ones inclusive"
    ):
        Causal([Shift(), Shift()])


def test_a_sum_of_exclusive_and_inclusive_layers_is_refused():
    with pytest.raises(ValueError, match="all exclusive or all inclusive, got exclusive="):
        Sum([Shift(), Pointwise("relu")])


@pytest.mark.parametrize("composite", [Causal, Sum])
def test_a_composite_of_nothing_is_refused(composite):
    with pytest.raises(
        ValueError, match="Expected layers to be a list of layers, at least one, got"
    ):
        composite([])


def test_masked_dense_names_what_is_wrong():
    with pytest.raises(ValueError, match=r"Expected in_sites in 0 \.\.\. 2, got 0 \.\.\. 3"):
        MaskedDense([0, 3], [0, 1], num_sites=3)
    with pytest.raises(ValueError, match="in_sites describe 2 masks, out_sites 1"):
        MaskedDense([[0, 1], [1, 0]], [0, 1], num_sites=2)
    with pytest.raises(ValueError, match=r"Expected 2 input units, got the shape \(None, 3, 1\)"):
        MaskedDense([0, 1], [0, 1], num_sites=2).build((None, 3, 1))


def test_a_layer_without_a_step_says_so():
    with pytest.raises(NotImplementedError, match="CausalLayer has no step"):
        CausalLayer().step(tf.zeros([1, 1, 1]), (), one_by_one(1).at(0))


@pytest.mark.parametrize("exclusive", [False, True])
def test_masked_dense_is_the_dense_layer_with_a_masked_kernel(exclusive):
    in_sites, out_sites = np.array([2, 0, 1, 1]), np.array([1, 2, 0])
    layer = MaskedDense(in_sites, out_sites, 3, channels=2, exclusive=exclusive)
    layer.build((None, 4, 3))
    randomise(layer)
    x = np.random.RandomState(0).normal(size=[5, 4, 3]).astype(np.float32)
    expected = np.zeros([5, 3, 2])
    kernel = layer.kernel.numpy().reshape([4, 3, 3, 2])
    for u, v in np.ndindex(4, 3):
        if in_sites[u] < out_sites[v] or (in_sites[u] == out_sites[v] and not exclusive):
            expected[:, v] += x[:, u] @ kernel[u, :, v]
    expected += layer.bias.numpy().reshape([3, 2])
    np.testing.assert_allclose(layer(x), expected, rtol=1e-5, atol=1e-5)


def test_member_picks_the_mask():
    sites = np.array([[0, 1, 2], [2, 0, 1]])
    both = MaskedDense(sites, sites, 3, exclusive=True)
    both.build((None, 3, 1))
    randomise(both)
    x = tf.random.stateless_normal([4, 3, 1], [1, 2])
    for member in (0, 1):
        one = MaskedDense(sites[member], sites[member], 3, exclusive=True)
        one.build((None, 3, 1))
        one.set_weights(both.get_weights())
        np.testing.assert_array_equal(both(x, member=tf.constant(member)), one(x))
        state, outputs = both.initial_state(4, member=tf.constant(member)), []
        order = np.argsort(sites[member])
        for t in range(3):
            before = x[:, order[t - 1], None] if t else tf.zeros([4, 1, 1])
            y, state = both.step(before, state, one_by_one(3).at(t))
            outputs.append(y)
        expected = tf.gather(one(x), order, axis=1)
        np.testing.assert_allclose(tf.concat(outputs, 1), expected, rtol=1e-5, atol=1e-5)


def test_units_by_site_covers_every_unit_once():
    sites = np.random.RandomState(0).randint(0, 5, size=17)
    table, valid = units_by_site(sites, 6)
    assert sorted(table[valid].tolist()) == list(range(17))
    assert all(np.all(sites[table[t, valid[t]]] == t) for t in range(6))


@pytest.mark.parametrize("name", LAYERS)
def test_config_round_trip(name):
    factory, num_sites, channels, *_ = LAYERS[name]
    layer = factory()
    layer.build((None, num_sites, channels))
    randomise(layer)
    copy = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(layer))
    assert type(copy) is type(layer) and copy.exclusive == layer.exclusive
    if not copy.built:
        copy.build((None, num_sites, channels))
    copy.set_weights(layer.get_weights())
    x = tf.random.stateless_normal([2, num_sites, channels], [3, 4])
    given = {"condition": tf.ones([2, layer.condition_size])} if layer.condition_size else {}
    np.testing.assert_array_equal(copy(x, **given), layer(x, **given))
    assert layer(x, **given).shape[1:] == layer.compute_output_shape(x.shape)[1:]


def test_dropout_is_for_training_alone_and_alike_at_all_sites():
    layer = TiedHidden(200, 1, dropout=0.5)
    layer.build((None, 3, 1))
    randomise(layer)
    layer.out_kernel.assign(np.ones([3, 200, 1]))
    layer.kernel.assign(np.zeros([3, 1, 200]))
    x = tf.ones([4, 3, 1])
    np.testing.assert_array_equal(layer(x), layer(x, training=False))
    dropped = layer(x, training=True).numpy() - layer.bias.numpy()
    assert not np.allclose(dropped, layer(x) - layer.bias.numpy())
    np.testing.assert_allclose(dropped, np.repeat(dropped[:, :1], 3, 1), rtol=1e-4)
    assert len(np.unique(dropped[:, 0])) == 4  # each example has its own


@pytest.mark.parametrize("activation", [tf.sigmoid, tf.nn.relu, tf.tanh])
def test_the_backward_recurrence_of_nade_is_its_gradient(activation):
    n, batch, channels, hidden, outputs = 4, 3, 2, 5, 2
    rng = np.random.RandomState(0)
    shapes = [n, batch, channels], [n, channels, hidden], [batch, hidden], [n, hidden, outputs]
    arguments = [tf.constant(rng.normal(size=s), tf.float32) for s in shapes]
    probe = rng.normal(size=[n, batch, outputs])

    def output(sums, out_kernel):
        return activation(sums) @ out_kernel

    def naive(x, kernel, sums, out_kernel):
        y = []
        for i in range(n):
            y.append(output(sums, out_kernel[i]))
            sums += x[i] @ kernel[i]
        return tf.stack(y)

    def gradients(function):
        with tf.GradientTape() as tape:
            tape.watch(arguments)
            y = function(*arguments)
            loss = tf.reduce_sum(y * probe)
        return [y, *tape.gradient(loss, arguments)]

    expected = gradients(naive)
    recurrent = lambda *a: recurrence(output, outputs, *a)  # noqa: E731
    for run in (gradients, tf.function(gradients), tf.function(gradients, jit_compile=True)):
        for a, e in zip(run(recurrent), expected):
            np.testing.assert_allclose(a, e, rtol=1e-4, atol=1e-4)


def test_a_sum_of_different_shapes_is_refused():
    layers = [MaskedDense(range(3), range(3), 3, channels=channels) for channels in (3, 1)]
    with pytest.raises(ValueError, match="outputs of one shape"):
        Sum(layers).build((None, 3, 1))


def test_rnade_by_loops():
    """The formula of the docstring, in NumPy, the scales of activations included."""
    model = randomise(
        RNADE([3], 5, head=GaussianMixture(2), order="reversed", activation="tanh"), seed=3
    )
    layer, x = model.network, np.float32([[0.3, -1.2, 2.0], [1.0, 0.0, -0.5]])
    (scales,) = layer.scales
    kernel, out, bias = (w.numpy() for w in (layer.kernel, layer.out_kernel, layer.bias))
    params = np.zeros([2, 3, 6], np.float32)
    for i, site in enumerate([2, 1, 0]):
        a = layer.hidden_bias.numpy() + x[:, ::-1][:, :i] @ kernel[:i, 0]
        params[:, site] = np.tanh(scales.numpy()[i] * a) @ out[i] + bias[i]
    expected = model.head.distribution(params).log_prob(x)
    np.testing.assert_allclose(model(x).log_prob(x), expected, rtol=1e-4, atol=1e-5)
