"""Bad input: every message names what was expected and what came."""

import re

import keras
import numpy as np
import pytest
import tensorflow as tf
from support.cases import shared

from tfar.heads import Bernoulli, Categorical, GaussianMixture
from tfar.layers import MaskedDense, Pointwise
from tfar.models import (
    FVSBN,
    MADE,
    NADE,
    AutoregressiveModel,
    CharRNN,
    GatedPixelCNN,
    PixelCNN,
    PixelCNNpp,
    PixelRNN,
    Transformer,
)


def binary():
    return shared("fvsbn")  # event shape [4]


ZEROS = np.zeros([2, 4], np.float32)
HALF = np.array([[0, 1, 0, 1], [0, 0, 0.5, 1]], np.float32)
NAN = np.array([[0, 1, 0, np.nan]], np.float32)
TWO = np.array([[0, 1, 2, 0]])


# Values and shapes ------------------------------------------------------------------------------

VALUES = [
    (HALF, r"takes 0 or 1, got 0.5 at index \[1, 2\] \(1 such values\)"),
    (HALF.tolist(), r"takes 0 or 1, got 0.5 at index \[1, 2\]"),
    (tf.constant(HALF), r"takes 0 or 1, got 0.5 at index \[1, 2\]"),
    (NAN, r"takes 0 or 1, got nan at index \[0, 3\]"),
    (TWO, r"takes 0 or 1, got 2 at index \[0, 2\]"),
    (np.array([[0, 1, -2.0, 0]]), r"takes 0 or 1, got -2.0 at index \[0, 2\]"),
]


@pytest.mark.parametrize("x, message", VALUES)
def test_values_of_log_prob(x, message):
    for method in (binary().joint().log_prob, binary().joint().prob):
        with pytest.raises(ValueError, match=message):
            method(x)


@pytest.mark.parametrize("x, message", [v for v in VALUES if not isinstance(v[0], list)])
@pytest.mark.parametrize("method", ["fit", "evaluate", "predict"])
def test_values_of_keras_methods(method, x, message):
    model = FVSBN([4])
    model.compile("sgd")
    for wrapped in (x, {"x": x}):
        with pytest.raises(ValueError, match=message):
            getattr(model, method)(wrapped, verbose=0)


def test_the_index_is_that_of_the_whole_array():
    x = np.zeros([20_003, 4], np.uint8)
    x[20_001, 3] = 7
    with pytest.raises(ValueError, match=r"got 7 at index \[20001, 3\]"):
        binary().check(x)


@pytest.mark.parametrize("bad", [3, -1, 1.5, np.nan, np.inf])
def test_category_out_of_range(bad):
    x = np.array([0, bad, 1])
    message = rf"Categorical\(num_categories=3\) takes an integer from 0 to 2, got {bad}"
    with pytest.raises(ValueError, match=re.sub("inf|nan", "(inf|nan)", message)):
        shared("nade_categorical").joint().log_prob(x)


SHAPES = [
    (np.zeros([4]), r"Expected x of shape \[batch, 4\], got \[4\]"),
    (np.zeros([2, 4, 1]), r"Expected x of shape \[batch, 4\], got \[.*, 4, 1\]"),
    (np.zeros([2, 5]), r"Expected x of shape \[batch, 4\], got \[.*, 5\]"),
    (np.zeros([0, 4]), r"Expected at least one example, got .*\(0, 4\)"),
    (np.float32(0), r"Expected x of shape \[batch, 4\], got \[\]"),
]


@pytest.mark.parametrize("x, message", SHAPES)
def test_shapes_of_call(x, message):
    with pytest.raises(ValueError, match=message):
        binary()(x)
    with pytest.raises(ValueError, match=message):
        binary().log_prob(x)


@pytest.mark.parametrize("x, message", SHAPES[1:4])
@pytest.mark.parametrize("method", ["fit", "evaluate", "predict"])
def test_shapes_of_keras_methods(method, x, message):
    model = FVSBN([4])
    model.compile("sgd")
    with pytest.raises(ValueError, match=message):
        getattr(model, method)(x, verbose=0)


@pytest.mark.parametrize("x", [np.zeros([]), np.zeros([2, 5]), np.zeros([4, 1]), np.zeros([2, 0])])
def test_shapes_of_log_prob(x):
    shape = re.escape(str(tf.TensorShape(x.shape)))
    with pytest.raises(ValueError, match=rf"Expected \[\.\.\., \*\[4\]\], got the shape {shape}"):
        binary().joint().log_prob(x)


def test_an_empty_batch_has_no_log_prob():
    with pytest.raises(ValueError, match="at least one example, got an empty batch"):
        binary().joint().log_prob(np.zeros([0, 4]))


def test_unknown_rank():
    @tf.function(input_signature=[tf.TensorSpec(None, tf.int32)])
    def score(x):
        return binary().joint().log_prob(x)

    with pytest.raises(ValueError, match=r"Expected \[\.\.\., \*\[4\]\], got the shape <unknown>"):
        score(tf.zeros([2, 4], tf.int32))


@pytest.mark.parametrize("x", [{"y": ZEROS}, {"x": ZEROS, "label": ZEROS}, {}])
def test_wrong_keys(x):
    with pytest.raises(ValueError, match=r"Expected the keys \['x'\], got \["):
        binary()(x)


@pytest.mark.parametrize("x", [np.array([["0", "1", "1", "0"]]), ZEROS.astype(np.complex64)])
def test_wrong_dtype(x):
    with pytest.raises(ValueError, match=r"integer, bool or float dtype, got (<U1|complex64)"):
        binary()(x)


# Inside tf.function, where values are not known --------------------------------------------------


@pytest.mark.parametrize("bad", [3, -1, 1.5, np.nan])
def test_a_category_out_of_range_in_a_graph(bad):
    model = shared("nade_categorical")
    log_prob = tf.function(model.log_prob)(tf.constant([[0, bad, 1], [0, 1, 1]]))
    np.testing.assert_allclose(log_prob, [-np.inf, *model.log_prob(np.array([[0, 1, 1]]))])


@pytest.mark.parametrize("x", [HALF[1:], NAN, TWO.astype(np.float32)])
@pytest.mark.parametrize("name", ["fvsbn", "made"])
def test_outside_the_support_in_a_graph(name, x):
    model = shared(name)
    score = tf.function(lambda x: model.joint().log_prob(x))
    both = tf.concat([x, ZEROS[:1]], 0)
    log_prob = score(both)
    assert log_prob[0] == -np.inf
    np.testing.assert_allclose(log_prob[1], model.joint().log_prob(ZEROS[0]), rtol=1e-5)
    strict = tf.function(lambda x: model.joint(validate_args=True).log_prob(x))
    with pytest.raises(tf.errors.InvalidArgumentError, match="takes 0 or 1"):
        strict(both)
    np.testing.assert_allclose(strict(tf.constant(ZEROS))[0], log_prob[1], rtol=1e-5)


@pytest.mark.parametrize(
    "value, message",
    [
        ([0, np.nan, 0, np.nan], "Expected a clamped value to give a prefix"),
        ([0.5, np.nan, np.nan, np.nan], "takes 0 or 1"),
    ],
)
def test_values_to_clamp_in_a_graph(value, message):
    joint = binary().joint(validate_args=True)
    draw = tf.function(lambda value: joint.sample(3, seed=[1, 2], value=value))
    with pytest.raises(tf.errors.InvalidArgumentError, match=message):
        draw(tf.constant(value, tf.float32))
    assert np.all(draw(tf.constant([1, np.nan, np.nan, np.nan], tf.float32))[:, 0] == 1)


# Sampling ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "seed", [1.5, "7", True, [1, 2, 3], [[1, 2]], [1], [0.5, 2.0], tf.constant(1.0), [1, None]]
)
@pytest.mark.parametrize("method", ["sample", "experimental_sample_and_log_prob"])
def test_seeds_of_the_wrong_form(method, seed):
    with pytest.raises(ValueError, match=r"a seed that is None, an int, .* or a pair of ints, got"):
        getattr(binary().joint(), method)(2, seed=seed)


VALUES_TO_CLAMP = [
    (
        [0, np.nan, 1, np.nan],
        "prefix of the order of the model: site 2 of the order is given, site 1 is missing",
    ),
    (
        [np.nan, np.nan, np.nan, 1],
        "prefix of the order of the model: site 3 of the order is given, site 2",
    ),
    ([0.5, np.nan, np.nan, np.nan], "takes 0 or 1, got 0.5"),
    ([2.0, 1, 0, 1], "takes 0 or 1, got 2"),
    (np.zeros([5]), r"static shape \[\.\.\., \*\[4\]\], or shorter .*, got \(5,\)"),
    (0.0, r"static shape \[\.\.\., \*\[4\]\], or shorter .*, got \(\)"),
]


@pytest.mark.parametrize("value, message", VALUES_TO_CLAMP)
def test_values_to_clamp(value, message):
    with pytest.raises(ValueError, match=message):
        binary().joint().sample(2, seed=1, value=value)


def test_a_value_of_a_wrong_later_axis():
    message = r"static shape \[\.\.\., \*\[2, 3, 1\]\].*got \(1, 2, 1\)"
    with pytest.raises(ValueError, match=message):
        shared("fvsbn_image").joint().sample(value=np.zeros([1, 2, 1]))


@pytest.mark.parametrize("number", [-1, 2.5, 2**32 + 2, 10**12, "2", None, True, [2, -1], np.nan])
@pytest.mark.parametrize("method", ["sample", "experimental_sample_and_log_prob"])
def test_numbers_of_samples(method, number):
    message = "number of samples to be an integer of at least 0|samples take at least .* GiB"
    with pytest.raises(ValueError, match=message):
        getattr(binary().joint(), method)(number, seed=1)


@pytest.mark.parametrize("number", [0, np.int64(2), [2, 3], (), tf.constant(3), np.array([2])])
def test_numbers_of_samples_that_are_fine(number):
    shape = binary().joint().sample(number, seed=1).shape
    assert shape == [*np.atleast_1d(np.asarray(number, int)), 4]


def test_samples_that_no_memory_holds_are_refused_at_once():
    with pytest.raises(ValueError, match=r"1,000,000,000 samples take at least \d+ GiB"):
        shared("pixel_cnn").joint().sample(10**9, seed=1)


@pytest.mark.parametrize("temperature", [1e-30, 1e-10, 1e10, 1e30])
@pytest.mark.parametrize(
    "name", ["fvsbn", "nade_categorical", "rnade_real", "pixel_cnn_mixture", "made_counts"]
)
def test_extreme_temperatures_draw_values(name, temperature):
    model = shared(name)
    drawn = model.joint().sample(20, seed=1, temperature=temperature)
    assert model.head.in_support(drawn).numpy().all()
    if temperature <= 1e-10 and name != "rnade_real":  # the likeliest values, which all agree on
        assert (drawn.numpy() == drawn.numpy()[:1]).all()


@pytest.mark.parametrize("temperature", [0, 0.0, -1, np.nan, np.inf, 1e-38, 1e-45, 1e31, "1", True])
def test_temperature(temperature):
    with pytest.raises(
        ValueError,
        match=f"temperature to be a finite number .*, got {re.escape(repr(temperature))}",
    ):
        binary().joint().sample(2, seed=1, temperature=temperature)


def test_a_value_on_an_ensemble_names_the_remedy():
    model = shared("made_orders")
    value = np.full(model.event_shape, np.nan)
    with pytest.raises(ValueError, match=r"ensemble of 2: use model.joint\(member=r\)"):
        model.joint().sample(value=value)
    assert model.joint(member=1).sample(value=value).shape == model.event_shape


@pytest.mark.parametrize(
    "name, most, bad", [("made_orders", 1, 2), ("nade", 0, 1), ("nade", 0, -1)]
)
def test_wrong_member(name, most, bad):
    with pytest.raises(ValueError, match=f"a member from 0 to {most}, got {bad}"):
        shared(name).joint(member=bad)


def test_wrong_member_of_call():
    for name, most, bad in (("made_orders", 1, 2), ("nade", 0, 1)):
        model = shared(name)
        x = np.zeros([1, *model.event_shape], np.int32)
        for method in (model, model.log_prob):
            with pytest.raises(ValueError, match=f"a member from 0 to {most}, got {bad}"):
                method(x, member=bad)


def test_a_temperature_of_several():
    with pytest.raises(ValueError, match=r"temperature to be a finite number .* got \[1.0, 2.0\]"):
        binary().joint().sample(2, seed=1, temperature=[1.0, 2.0])


# Construction -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "build, message",
    [
        (
            lambda: AutoregressiveModel(MaskedDense(range(3), range(3), 3), [3], Bernoulli()),
            "is inclusive: site i would see itself",
        ),
        (lambda: AutoregressiveModel(Pointwise("relu"), [3], Bernoulli()), "is inclusive"),
        (
            lambda: AutoregressiveModel(keras.layers.Dense(2), [3], Bernoulli()),
            r"needs network outputs of shape \[None, 3, 1\], got \[None, 3, 2\]",
        ),
        (
            lambda: FVSBN([3], order="diagonal"),
            "order to be a permutation or one of .* got 'diagonal'",
        ),
        (lambda: NADE([3], 4, order=[0, 1, 1]), r"a permutation of 0 \.\.\. 2 or one of .*, got"),
        (lambda: NADE([3], 4, order=[1, 0]), r"got an array of shape \[2\]"),
        (lambda: FVSBN([]), r"event_shape to be a sequence of integers of at least 1, got \[\]"),
        (lambda: FVSBN(4), r"event_shape to be a sequence of integers of at least 1, got 4"),
        (lambda: FVSBN([4], head=Bernoulli), r"Expected a head, .* got <class '.*Bernoulli'>"),
        (lambda: NADE([3], 0), r"hidden to be an integer of at least 1, got 0"),
        (
            lambda: MADE([3], (4, 0)),
            r"hidden to be a sequence of integers of at least 1, got \(4, 0\)",
        ),
        (lambda: FVSBN([-2, -2]), r"event_shape .* integers of at least 1, got \[-2, -2\]"),
        (lambda: FVSBN([2.5]), r"event_shape to be a sequence of integers of at least 1, got"),
        (lambda: FVSBN("4"), r"event_shape to be a sequence of integers of at least 1, got '4'"),
        (lambda: NADE([3], 4, dropout=2.0), "dropout to be a finite number .* below 1, got 2.0"),
        (lambda: NADE([3], 2.5), "hidden to be an integer of at least 1, got 2.5"),
        (lambda: PixelCNN(28), r"event_shape \(H, W, C\) to be a sequence of 3 integers"),
        (lambda: PixelCNN([4, 4]), r"event_shape \(H, W, C\) to be a sequence of 3 integers"),
        (lambda: PixelCNN([4, 4, 1], blocks=-1), "blocks to be an integer of at least 0, got -1"),
        (lambda: PixelCNN([4, 4, 1], filters=3), "filters to be an even integer, got 3"),
        (lambda: PixelCNN([4, 4, 1], kernel_size=4), "kernel_size to be an odd integer"),
        (
            lambda: GatedPixelCNN([4, 4, 1], num_classes=2.5),
            "num_classes to be an integer of at least 1, got 2.5",
        ),
        (lambda: GatedPixelCNN([4, 4, 1], layers=0), "layers to be an integer of at least 1"),
        (lambda: PixelCNNpp(28), r"event_shape \(H, W, C\) to be a sequence of 3 integers"),
        (
            lambda: PixelCNNpp([7, 7, 1]),
            "levels=3 halves an image 2 times, .* give levels=1, or pad",
        ),
        (lambda: PixelCNNpp([28, 30, 1]), "can be halved 1 times: give levels=2 or fewer, or pad"),
        (lambda: PixelRNN([4, 4, 1], recurrence="rows"), "recurrence to be one of 'row', 'diag"),
        (lambda: CharRNN([4], cell="lstn"), "cell to be one of 'rnn', 'lstm', 'gru', got 'lstn'"),
        (lambda: CharRNN([4, 4]), r"event_shape \(n,\) to be a sequence of 1 integers"),
        (lambda: Transformer([4], positions="none"), "positions to be one of 'rotary', 'learned'"),
        (lambda: Transformer([4], num_heads=0), "num_heads to be an integer of at least 1, got 0"),
        (lambda: GaussianMixture(2.5), "num_components to be an integer of at least 1, got 2.5"),
        (lambda: Categorical(True), "num_categories to be an integer of at least 2, got True"),
        (lambda: MADE([3], 8), r"hidden to be a sequence of integers of at least 1, got 8"),
        (lambda: MADE([3], seed=-1), r"seed to be an integer of at least 0, got -1"),
        (lambda: FVSBN([3], order=None), r"order to be a permutation of .*, got an array"),
        (
            lambda: AutoregressiveModel(lambda x: x, [3], Bernoulli()),
            "network to be a tfar.layers.CausalLayer or another Keras layer",
        ),
        (lambda: CharRNN([4], (3,)).of_length(2.5), "length to be an integer .*, got 2.5"),
        (lambda: FVSBN([0]), r"event_shape to be a sequence of integers of at least 1, got \[0\]"),
        (lambda: Categorical(1), "num_categories to be an integer of at least 2, got 1"),
        (lambda: MADE([3], num_masks=0), "num_masks to be an integer of at least 1, got 0"),
        (lambda: MADE([3], num_masks=2), "2 masks of one order and .* are all the same"),
        (lambda: MADE([3], num_masks=3, order=[[0, 1, 2]] * 2), "Got 2 orders for 3 masks"),
        (lambda: MADE([3], (4,), degrees="odd"), "Expected degrees='even', 'random' or .*'odd'"),
        (lambda: MADE([3], (4,), degrees=[1, 2]), r"3 weights, none negative, got \[1, 2\]"),
        (lambda: MADE([3], (4, 5), residual=True), r"same width, got hidden=\[4, 5\]"),
    ],
)
def test_construction(build, message):
    with pytest.raises(ValueError, match=message):
        build()
