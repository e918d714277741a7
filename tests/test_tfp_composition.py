"""The joint as a distribution among TFP's own: seeds, shapes, gradients, and what composes it."""

import keras
import numpy as np
import pytest
import tensorflow as tf
import tensorflow_probability as tfp
from support.cases import events, shared

from tfar.models import FVSBN, MADE, NADE
from tfar.testing import enumerate_events, randomise
from tfar.testing.checks import same_draws

tfb, tfd = tfp.bijectors, tfp.distributions

JOINTS = ["fvsbn_image", "nade_relu", "made_deep", "made_orders", "own_plain"]


# Shapes -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", JOINTS)
def test_static_shapes(name):
    model = shared(name)
    joint, shape = model.joint(), list(model.event_shape)
    assert joint.event_shape == shape and joint.batch_shape == []
    assert joint.event_shape_tensor().numpy().tolist() == shape
    assert joint.batch_shape_tensor().numpy().tolist() == []
    shapes = {}

    @tf.function
    def draw():
        for sample_shape in ([], 5, [2, 3]):
            x = joint.sample(sample_shape, seed=1)
            lead = np.atleast_1d(np.array(sample_shape, int)).tolist()
            shapes[str(sample_shape)] = (x.shape, lead + shape, joint.log_prob(x).shape, lead)
        return x

    assert draw().dtype == joint.dtype == tf.int32
    for sampled, expected, scored, lead in shapes.values():
        assert sampled == expected and scored == lead


@pytest.mark.parametrize("sample_shape", [[], 5, [2, 3], (1,), [0]])
def test_sample_shapes(sample_shape):
    joint = shared("made_direct").joint()
    lead = np.atleast_1d(np.array(sample_shape, int)).tolist()
    x = joint.sample(sample_shape, seed=1)
    assert x.shape == [*lead, 4]
    if 0 not in lead:
        assert joint.log_prob(x).shape == joint.prob(x).shape == lead
        np.testing.assert_allclose(joint.prob(x), np.exp(joint.log_prob(x)), rtol=1e-5)
    both, log_prob = joint.experimental_sample_and_log_prob(sample_shape, seed=1)
    np.testing.assert_array_equal(both, x)
    assert log_prob.shape == lead


def test_a_number_of_samples_known_only_in_the_graph():
    joint = shared("nade").joint()

    @tf.function(input_signature=[tf.TensorSpec([], tf.int32)])
    def draw(n):
        return joint.sample(n, seed=3)

    for n in (2, 5):
        np.testing.assert_array_equal(draw(n), joint.sample(n, seed=3))


def test_log_prob_of_several_batch_axes_and_of_an_unknown_batch():
    model = shared("made_orders")
    joint, x = model.joint(), events(model, 6)
    expected = joint.log_prob(x)
    nested = joint.log_prob(x.reshape([2, 3, 1, 2, 2, 1]))
    np.testing.assert_allclose(nested, tf.reshape(expected, [2, 3, 1]), rtol=1e-5)
    one = joint.log_prob(x[0])
    assert one.shape == []
    np.testing.assert_allclose(one, expected[0], rtol=1e-5)
    graph = tf.function(
        joint.log_prob, input_signature=[tf.TensorSpec([None, None, 2, 2, 1], tf.int32)]
    )
    np.testing.assert_allclose(
        graph(x.reshape([3, 2, 2, 2, 1])), tf.reshape(expected, [3, 2]), rtol=1e-5
    )


# Seeds ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", JOINTS)
def test_seeds(name):
    joint = shared(name).joint()
    seven = joint.sample(20, seed=7)
    pair = tf.constant([0, 7])
    for seed in (7, np.int64(7), tf.constant(7), tf.constant(7, tf.int64), (0, 7), [0, 7], pair):
        np.testing.assert_array_equal(joint.sample(20, seed=seed), seven)
    np.testing.assert_array_equal(tf.function(joint.sample)(20, seed=pair), seven)
    other = [joint.sample(20, seed=s) for s in (8, -7, 7 + 2**32, 2**40, (7, 7), None, None)]
    for i, x in enumerate([seven, *other]):
        for y in other[i:]:
            assert not np.array_equal(x, y)


def test_none_follows_the_global_seed():
    joint = shared("nade").joint()
    drawn = []
    for _ in range(2):
        tf.random.set_seed(5)
        drawn.append(joint.sample(20).numpy())
    np.testing.assert_array_equal(*drawn)


@pytest.mark.parametrize("name", [*JOINTS, "nade_counts", "rnade_real"])
def test_samples_do_not_depend_on_jit(name):
    model = shared(name)
    joint = model.joint(member=0)
    compiled = tf.function(lambda: joint.sample(50, seed=[1, 2]), jit_compile=True)
    assert same_draws(compiled().numpy(), joint.sample(50, seed=[1, 2]).numpy())
    assert not same_draws(compiled().numpy(), joint.sample(50, seed=[1, 3]).numpy())


# Gradients and variables ------------------------------------------------------------------------


@pytest.mark.parametrize("graph", [False, True])
@pytest.mark.parametrize("name", JOINTS)
def test_gradients_reach_every_variable(name, graph):
    model = shared(name)
    x = events(model, 16)

    def gradients():
        with tf.GradientTape() as tape:
            loss = -tf.reduce_mean(model.joint().log_prob(x))
        return tape.gradient(loss, [v.value for v in model.trainable_weights])

    for gradient in tf.function(gradients)() if graph else gradients():
        assert np.any(gradient.numpy() != 0) and np.all(np.isfinite(gradient))


def test_trainable_variables_are_those_of_the_model():
    model = shared("made_deep")
    variables = model.joint().trainable_variables
    assert {id(v) for v in variables} == {id(w.value) for w in model.trainable_weights}


def test_tfp_style_training():
    model = randomise(NADE([4], 5))
    joint, x = model.joint(), events(model, 8)
    optimizer = keras.optimizers.Adam(0.1)
    before = np.mean(joint.log_prob(x))
    for _ in range(20):
        with tf.GradientTape() as tape:
            loss = -tf.reduce_mean(joint.log_prob(x))
        optimizer.apply(tape.gradient(loss, joint.trainable_variables), model.trainable_variables)
    assert np.mean(joint.log_prob(x)) > before + 0.1


def test_samples_follow_the_weights():
    model = FVSBN([3])
    joint = model.joint()
    assert 0 < np.mean(joint.sample(50, seed=1)) < 1
    model.network.bias.assign(np.full([3, 1], 50.0))
    assert np.all(joint.sample(50, seed=1) == 1)


def test_copy():
    joint = shared("nade").joint()
    copy = joint.copy(validate_args=True, name="other")
    assert copy.validate_args and copy.name == "other" and copy.model is joint.model
    np.testing.assert_array_equal(copy.sample(9, seed=2), joint.sample(9, seed=2))


# Composition ------------------------------------------------------------------------------------


def check(distribution, log_prob, batch=(), draws=5):
    """Samples of a composite score as the formula says, eagerly and in a graph."""
    x = distribution.sample(draws, seed=tf.constant([1, 2]))
    expected = log_prob(x)
    assert expected.shape == [draws, *batch]
    np.testing.assert_allclose(distribution.log_prob(x), expected, rtol=1e-4, atol=1e-5)
    graph = tf.function(
        lambda: distribution.log_prob(distribution.sample(draws, seed=tf.constant([1, 2])))
    )
    np.testing.assert_allclose(graph(), expected, rtol=1e-4, atol=1e-5)
    return x


@pytest.fixture(params=["made_orders", "nade_relu"])
def joint(request):
    return shared(request.param).joint()


def test_independent(joint):
    check(tfd.Independent(joint, 0), joint.log_prob)


def test_sample(joint):
    check(tfd.Sample(joint, [3]), lambda x: tf.reduce_sum(joint.log_prob(x), -1))


def test_batch_broadcast_and_independent(joint):
    batch = tfd.BatchBroadcast(joint, [2])
    assert batch.batch_shape == [2]
    check(batch, joint.log_prob, [2])
    check(tfd.Independent(batch, 1), lambda x: tf.reduce_sum(joint.log_prob(x), -1))


@pytest.mark.parametrize(
    "bijector",
    [
        tfb.Reshape(event_shape_in=[2, 2, 1], event_shape_out=[4]),
        tfb.Transpose(perm=[1, 0, 2]),
    ],
    ids=["reshape", "transpose"],
)
def test_transformed(bijector):
    joint = shared("made_orders").joint()
    transformed = tfd.TransformedDistribution(joint, bijector)
    check(transformed, lambda x: joint.log_prob(bijector.inverse(x)))


def test_joint_distribution_sequential(joint):
    both = tfd.JointDistributionSequential(
        [joint, lambda x: tfd.Normal(tf.cast(tf.reduce_sum(x, [-3, -2, -1]), tf.float32), 1.0)]
    )
    x, z = both.sample(4, seed=[3, 4])
    total = tf.cast(tf.reduce_sum(x, [1, 2, 3]), tf.float32)
    expected = joint.log_prob(x) + tfd.Normal(total, 1.0).log_prob(z)
    np.testing.assert_allclose(both.log_prob([x, z]), expected, rtol=1e-4)


def test_mixture_same_family(joint):
    mixture = tfd.MixtureSameFamily(
        tfd.Categorical(probs=[0.3, 0.7]), tfd.BatchBroadcast(joint, [2])
    )
    check(mixture, joint.log_prob)


def test_mixture():
    joints = [randomise(f, seed=5).joint() for f in (NADE([3], 4), MADE([3], (5,)))]
    mixture = tfd.Mixture(tfd.Categorical(probs=[0.25, 0.75]), joints)

    def log_prob(x):
        return tf.math.log(0.25 * joints[0].prob(x) + 0.75 * joints[1].prob(x))

    check(mixture, log_prob)
    total = tf.reduce_sum(mixture.prob(enumerate_events(joints[0].model)))
    np.testing.assert_allclose(total, 1, rtol=1e-5)


def test_masked(joint):
    masked = tfd.Masked(tfd.BatchBroadcast(joint, [2]), [True, False])
    x = masked.sample(seed=[1, 2])
    np.testing.assert_allclose(masked.log_prob(x), [joint.log_prob(x[0]), 0], rtol=1e-5)


@pytest.mark.parametrize("name", JOINTS)
def test_conditionals_have_one_entry_per_site(name):
    model = shared(name)
    x = events(model, 5)
    p = model(x)
    assert isinstance(p, tfd.Distribution)
    assert p.batch_shape == x.shape and p.event_shape == []
    whole = tfd.Independent(p, len(model.event_shape)).log_prob(x)
    np.testing.assert_allclose(whole, model.joint(member=0).log_prob(x), rtol=1e-5, atol=1e-6)


def test_tfp_mean_log_prob_estimates_the_entropy():
    model = shared("fvsbn")
    joint = model.joint()
    log_prob = joint.log_prob(enumerate_events(model)).numpy()
    entropy = -np.sum(np.exp(log_prob) * log_prob)
    estimate = -np.mean(joint.log_prob(joint.sample(2000, seed=1)))
    noise = np.sqrt(np.sum(np.exp(log_prob) * (log_prob + entropy) ** 2) / 2000)
    assert abs(estimate - entropy) < 5 * noise
