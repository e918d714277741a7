"""The sampling loop beyond verify_sampling: clamped values, temperature, the oracle, ensembles."""

import gc
import pathlib
import re
import weakref

import numpy as np
import pytest
import tensorflow as tf
from support.cases import EACH, ENSEMBLES, MODELS, events, given, shared
from support.thorough import beyond

from tfar import conditions, sampling, serving
from tfar.heads import Bernoulli, Categorical
from tfar.layers import one_by_one
from tfar.models import FVSBN, MADE
from tfar.sampling import protocol
from tfar.testing import enumerate_events, randomise
from tfar.testing.checks import eagerly, same_draws


@pytest.mark.parametrize("name", ["nade_categorical", "made_orders", "own_causal", "own_plain"])
def test_conditionals_by_step_are_those_of_one_pass(name):
    """The parameters that the sampler sees are those that score its sample."""
    model = shared(name)
    x, condition = events(model, 6), given(model, 6)
    for member in range(model.members):
        order = model.permutations[member]
        p = model(conditions.joined(x, condition), member=member)
        expected = p.log_prob(x).numpy().reshape([6, -1])[:, order]
        in_order = x.reshape([6, -1])[:, order]
        state = model.initial_state(6, member=member, condition=condition)
        encoded = tf.zeros([6, 1, model.head.num_inputs])
        for site in range(model.num_sites):
            sites, value = one_by_one(model.num_sites).at(site), in_order[:, site, None]
            params, state = model.step(encoded, state, sites, member=member)
            log_prob = model.head.distribution(params).log_prob(value)
            np.testing.assert_allclose(log_prob[:, 0], expected[:, site], rtol=1e-4, atol=1e-5)
            encoded = model.head.encode(tf.constant(value))


def test_both_samplers_agree_on_a_random_order_of_more_sites():
    model = randomise(MADE([5, 6, 1], (40, 40), order="random", degrees="random"), scale=0.3)
    cached = model.joint().sample(50, seed=4)
    np.testing.assert_array_equal(cached, model.joint(cached=False).sample(50, seed=4))
    assert len(np.unique(np.reshape(cached, [50, -1]), axis=0)) > 40


@pytest.mark.parametrize(
    "name", ["pixel_cnn", "gated_pixel_cnn_labels", "pixel_cnn_pp_labels", "own_plain", "nade"]
)
def test_no_samples(name):
    model = shared(name)
    condition = {} if model.condition is None else {"condition": [0, 1]}
    joint, batch = model.joint(**condition), [2] if condition else []
    x, log_prob = joint.experimental_sample_and_log_prob(0, seed=1)
    assert x.shape == [0, *batch, *model.event_shape] and log_prob.shape == [0, *batch]
    value = np.full([0, *batch, *model.event_shape], np.nan)
    assert joint.sample(3, seed=1, value=value).shape == [3, *value.shape]


BY_XLA = [name for name in EACH if name not in ENSEMBLES]  # which need one member
EVERY_RUN = {"nade_counts", "pixel_cnn_mixture", "pixel_rnn_diagonal", "transformer_image"}


@pytest.mark.parametrize(
    "name", beyond(EVERY_RUN | {"own_plain", "made_columns_counts_real"}, BY_XLA)
)
def test_xla_draws_the_same(name):
    model = shared(name)
    condition = given(model, 2)
    compiled = model.joint(condition=condition, jit_compile=True).sample(20, seed=5)
    with eagerly():
        expected = model.joint(condition=condition).sample(20, seed=5)
    assert same_draws(expected.numpy(), compiled.numpy())


def test_xla_draws_the_same_inside_a_graph_scored_clamped_and_tempered():
    model = shared("nade_categorical")
    options = {"value": [np.nan, np.nan, 2.0], "temperature": 0.7, "seed": 3}

    def draw(joint):
        return joint.experimental_sample_and_log_prob([2, 3], **options)

    x, log_prob = draw(model.joint())
    for joint in (model.joint(jit_compile=True), model.joint(cached=False, jit_compile=True)):
        for again in (draw, tf.function(draw)):
            y, log_prob_of_y = again(joint)
            np.testing.assert_array_equal(x, y)
            np.testing.assert_allclose(log_prob, log_prob_of_y, rtol=1e-5)


def test_xla_and_a_mixture():
    model = shared("made_orders")
    with pytest.raises(ValueError, match="XLA needs fixed shapes"):
        model.joint(jit_compile=True)
    one = model.joint(member=1, jit_compile=True).sample(9, seed=1)
    np.testing.assert_array_equal(one, model.joint(member=1).sample(9, seed=1))


def test_fewer_samples_are_the_first_of_more():
    joint = shared("made_categorical").joint()
    np.testing.assert_array_equal(joint.sample(7, seed=2), joint.sample(20, seed=2)[:7])


# Clamped values ---------------------------------------------------------------------------------


def test_a_value_shorter_along_the_first_axis_lacks_the_rest():
    model = randomise(FVSBN([2, 3, 1], head=Bernoulli(centered=True)))
    top = np.array([1, 0, 1]).reshape([1, 3, 1])
    x = model.joint().sample(7, seed=1, value=top)
    assert x.shape == [7, 2, 3, 1] and x.dtype == tf.int32
    assert np.all(x[:, :1] == top)
    padded = np.concatenate([top, np.full([1, 3, 1], np.nan)])
    np.testing.assert_array_equal(x, model.joint().sample(7, seed=1, value=padded))


@pytest.mark.parametrize("sample_shape, batch", [([], [2]), (3, [2]), ([2, 2], [3, 1]), (4, [])])
@pytest.mark.parametrize("graph", [False, True])
def test_shapes_with_a_batch_of_values(sample_shape, batch, graph):
    joint = shared("made").joint()
    value = np.full([*batch, 4], np.nan, np.float32)
    value[..., 0] = np.random.RandomState(0).randint(2, size=batch)
    draw = lambda: joint.sample(sample_shape, seed=[1, 2], value=value)  # noqa: E731
    x = tf.function(draw)() if graph else draw()
    assert x.shape == [*np.atleast_1d(np.array(sample_shape, int)), *batch, 4]
    assert np.all(x[..., 0] == value[..., 0])


def test_a_value_given_in_full_or_not_at_all():
    joint = shared("nade").joint()
    full = np.array([1, 0, 0, 1])
    assert np.all(joint.sample(5, seed=1, value=full) == full)
    nothing = joint.sample(5, seed=1, value=np.full([4], np.nan))
    np.testing.assert_array_equal(nothing, joint.sample(5, seed=1))
    np.testing.assert_array_equal(joint.sample(5, seed=1, value=np.zeros([0])), nothing)


def test_clamped_samples_come_with_the_log_prob_of_the_whole():
    joint = shared("nade").joint()
    value = [1.0, np.nan, np.nan, np.nan]
    x, log_prob = joint.experimental_sample_and_log_prob(6, seed=1, value=value)
    assert np.all(x[:, 0] == 1)
    np.testing.assert_allclose(log_prob, joint.log_prob(x), rtol=1e-5)


def test_the_prefix_is_one_of_the_order():
    joint = shared("nade_categorical").joint()  # order [2, 0, 1]
    x = joint.sample(9, seed=1, value=[np.nan, np.nan, 2.0])
    assert np.all(x[:, 2] == 2)
    with pytest.raises(ValueError, match="site 1 of the order is given, site 0 is missing"):
        joint.sample(9, seed=1, value=[0.0, np.nan, np.nan])


# Temperature ------------------------------------------------------------------------------------


def tempered(model, x, temperature):
    """log p(x) with every conditional's logits divided, from the enumerated conditionals."""
    logits = np.log([model(x).prob(np.full_like(x, k)) for k in (0, 1, 2)]) / temperature
    logits -= np.log(np.sum(np.exp(logits), 0))
    return np.take_along_axis(logits, x[None], 0)[0].sum(1)


@pytest.mark.parametrize("temperature", [0.5, 2.0, tf.constant(0.7), np.float64(1.0)])
def test_frequencies_at_a_temperature(temperature):
    model = randomise(FVSBN([3], head=Categorical(3), order=[2, 0, 1]), seed=2)
    x = enumerate_events(model)
    p = np.exp(tempered(model, x, float(temperature)))
    np.testing.assert_allclose(p.sum(), 1, rtol=1e-5)
    samples = model.joint().sample(4000, seed=6, temperature=temperature)
    counts = np.bincount(np.asarray(samples) @ [9, 3, 1], minlength=27)
    assert np.all(np.abs(counts - 4000 * p) < 5 * np.sqrt(4000 * p * (1 - p)) + 2)


def test_a_low_temperature_is_greedy_and_log_prob_stays_what_it_was():
    model = shared("nade_categorical")
    x, log_prob = model.joint().experimental_sample_and_log_prob(40, seed=1, temperature=1e-4)
    assert len(np.unique(x, axis=0)) == 1
    p = model(x)
    np.testing.assert_array_equal(x, p.mode())
    np.testing.assert_allclose(log_prob, model.joint().log_prob(x), rtol=1e-5)


# Ensembles --------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ENSEMBLES)
def test_an_ensemble_is_the_mean_of_the_probabilities_of_its_members(name):
    model = shared(name)
    x = enumerate_events(model)
    condition = given(model, len(x))
    members = [model.joint(member=r, condition=condition).prob(x) for r in range(model.members)]
    whole = model.joint(condition=condition).prob(x)
    shares = None
    if name.startswith("mixture"):  # the weight of a model, which may be an ensemble itself
        own = model.proportions.numpy()
        shares = [own[k] / model.models[k].members for k, _ in model.places]
    np.testing.assert_allclose(whole, np.average(members, axis=0, weights=shares), rtol=1e-4)
    assert not np.allclose(members[0], members[1])


def test_training_visits_every_member():
    model = MADE([4], (6,), num_masks=4, order="random")
    seen = {int(model._default_member(training=True)) for _ in range(60)}
    assert seen == {0, 1, 2, 3} and model._default_member(training=False) == 0


def test_orders_of_an_ensemble_differ_and_follow_the_seed():
    one, same, other = (
        MADE([5], (6,), num_masks=3, order="random", seed=seed).permutations for seed in (0, 0, 9)
    )
    np.testing.assert_array_equal(one, same)
    assert not np.array_equal(one, other) and len(np.unique(one, axis=0)) == 3


def test_seeds_of_64_bits_are_not_cut_to_32():
    from tfar.randomness import stateless_seed

    for number in (2**33 + 1, 5):
        whole = stateless_seed(number).numpy().tolist()
        assert stateless_seed(np.int64(number)).numpy().tolist() == whole
        assert stateless_seed(tf.constant(number, tf.int64)).numpy().tolist() == whole
    assert stateless_seed(2**33 + 1).numpy().tolist() != stateless_seed(1).numpy().tolist()


def test_sampling_asks_a_model_for_what_the_protocol_says():
    asked = set()
    for path in pathlib.Path(sampling.__file__).parent.glob("*.py"):
        asked |= set(re.findall(r"\bmodel\.(?!joint\()(\w+)", path.read_text()))
    declared = {name for name in vars(protocol.Conditionals) if not name.startswith("_")}
    declared |= set(protocol.Conditionals.__annotations__)
    assert {"step", "once"} <= asked <= declared
    assert isinstance(shared("fvsbn_image"), protocol.Conditionals)
    with pytest.raises(ValueError, match=r"Expected model to be a tfar\.models\.Autoregressive"):
        sampling.Autoregressive(FVSBN)


def test_joints_of_a_model_share_a_compiled_sampler_that_keeps_none_of_them():
    model = MODELS["gated_pixel_cnn_labels"]()
    joint = model.joint(condition=[0, 1])
    joint.sample(2, seed=1)
    dropped = weakref.ref(joint)
    del joint
    gc.collect()
    assert dropped() is None
    for labels, n in (([1, 2], 2), ([0, 1, 2], 1), (1, 5)):
        model.joint(condition=labels).sample(n, seed=1)
    (compiled,) = model._made.values()
    assert compiled.experimental_get_tracing_count() == 1


@pytest.mark.parametrize("name", ["fvsbn", "made_orders"])
def test_no_samples_are_none(name):
    model = shared(name)
    condition = (
        None
        if model.condition is None
        else tf.nest.map_structure(lambda part: part[0], given(model, 1))
    )
    x, log_prob = model.joint(condition=condition).experimental_sample_and_log_prob(0, seed=1)
    assert x.shape == [0, *model.event_shape] and log_prob.shape == [0]


def test_members_and_signatures_share_a_compiled_sampler(tmp_path):
    model = MODELS["made_given_orders"]()
    for member in (None, 0, 1):
        for n in (2, 3):
            model.joint(member=member, condition=[0.5, 1.0]).sample(n, seed=1)
    traced = [*model._made.values()]  # of the mixture, and of a member
    assert [function.experimental_get_tracing_count() for function in traced] == [1, 1]
    serving.export(model, tmp_path / "1")
    traced = [*model._made.values()][2:]  # of the signatures, where entries are clamped: "sample"
    # of the mixture draws from members by the sampler of "complete", which gives scores
    assert [function.experimental_get_tracing_count() for function in traced] == [1, 1]
