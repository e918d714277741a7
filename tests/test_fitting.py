"""What `fit`, `evaluate` and `predict` are given: weights of every shape, data of every kind."""

import keras
import numpy as np
import pandas as pd
import pytest
import tensorflow as tf
from support.cases import events, shared

from tfar.heads import Categorical, GaussianMixture
from tfar.models import FVSBN, MADE, RNADE, CharRNN, GatedPixelCNN, fitting
from tfar.testing import randomise


@pytest.fixture
def model():
    model = randomise(MADE([4], (6,)))  # a fresh one gives every x the same log p
    model.compile(keras.optimizers.SGD(0.05))
    return model


@pytest.fixture
def x(model):
    return events(model, 12)


def test_a_first_step_that_takes_long_is_announced(model, x, capsys, monkeypatch):
    monkeypatch.setattr(fitting, "PATIENCE", 0.0)
    for verbose, said in ((0, ""), (2, "Compiling the training step ...\n"), (2, "")):
        model.fit(x, verbose=verbose)
        assert capsys.readouterr().err == said
        if not verbose:
            model.compile(keras.optimizers.SGD(0.05))
    monkeypatch.setattr(fitting, "PATIENCE", 100.0)
    model.compile(keras.optimizers.SGD(0.05))
    model.fit(x, verbose=2)
    assert not capsys.readouterr().err


# Weights ----------------------------------------------------------------------------------------

WEIGHT = np.arange(12, dtype=np.float32) % 5
WEIGHTS = {
    "[N]": lambda w: w,
    "[N, 1]": lambda w: w[:, None],
    "ints": lambda w: w.astype(int),
    "list": lambda w: w.tolist(),
    "series": lambda w: pd.Series(w, index=range(100, 112)),
    "frame": lambda w: pd.DataFrame({"w": w}),
    "tensor": lambda w: tf.constant(w),
}


def trained(model, x, **arguments):
    """The loss, the nats, and the weights that training leads to."""
    copy = type(model).from_config(model.get_config())
    copy.set_weights(model.get_weights())
    copy.compile(keras.optimizers.SGD(0.05))
    logs = copy.fit(x, shuffle=False, verbose=0, **arguments).history
    return logs["loss"][0], logs["nats"][0], copy.get_weights()


@pytest.mark.parametrize("shape", WEIGHTS)
def test_weights_of_every_shape_are_the_same_weights(model, x, shape):
    weight = WEIGHTS[shape](WEIGHT)
    each = -model.log_prob(x).numpy()
    expected = np.mean(WEIGHT * each), np.average(each, weights=WEIGHT)
    found = model.evaluate(x, sample_weight=weight, verbose=0)[:2]
    np.testing.assert_allclose(found, expected, rtol=1e-5)
    if shape not in ("[N]", "[N, 1]", "series"):  # the others are arrays like these by now
        return
    *found, weights = trained(model, x, sample_weight=weight, batch_size=12)
    np.testing.assert_allclose(found, expected, rtol=1e-5)
    *_, right = trained(model, np.repeat(x, WEIGHT.astype(int), axis=0), batch_size=99)
    # As many examples as weigh 1: the mean is over 12, and not over the sum.
    step, other = (
        [w - v for w, v in zip(after, model.get_weights())] for after in (weights, right)
    )
    for one, two in zip(step, other):
        np.testing.assert_allclose(one * 12 / WEIGHT.sum(), two, rtol=1e-3, atol=1e-6)


@pytest.mark.parametrize("rank", [1, 2])
def test_weights_in_datasets_and_generators(model, x, rank):
    weight = WEIGHT if rank == 1 else WEIGHT[:, None]
    each = -model.log_prob(x).numpy()
    expected = np.mean(WEIGHT * each), np.average(each, weights=WEIGHT)
    none = np.zeros([12, 0], np.float32)
    dataset = tf.data.Dataset.from_tensor_slices((x, none, weight)).batch(6)
    np.testing.assert_allclose(model.evaluate(dataset, verbose=0)[:2], expected, rtol=1e-5)

    def batches():
        for start in (0, 6):
            yield x[start : start + 6], None, weight[start : start + 6]

    model.compile("sgd")  # Keras itself fails where the rank of weights changes
    np.testing.assert_allclose(model.evaluate(batches(), verbose=0)[:2], expected, rtol=1e-5)


@pytest.mark.parametrize("wrap", [tuple, list])
def test_weights_in_validation_data(model, x, wrap):
    model.optimizer.learning_rate = 0.0
    each = -model.log_prob(x).numpy()
    weighted = wrap((x, None, WEIGHT[:, None]))
    logs = model.fit(x, validation_data=weighted, verbose=0).history
    expected = np.mean(WEIGHT * each), np.average(each, weights=WEIGHT)
    found = logs["val_loss"][0], logs["val_nats"][0]
    np.testing.assert_allclose(found, expected, rtol=1e-5)
    for bare in ((x,), (x, None), x, {"x": x}):
        logs = model.fit(x, validation_data=bare, verbose=0).history
        np.testing.assert_allclose(logs["val_loss"][0], np.mean(each), rtol=1e-5)


@pytest.mark.parametrize(
    ("weight", "message"),
    [
        (np.ones(5), r"numbers of shape \[12\], one for each example, got float64 of shape \[5\]"),
        (np.ones([12, 2]), r"one for each example, got float64 of shape \[12, 2\]"),
        (np.ones([1, 12]), r"one for each example, got float64 of shape \[1, 12\]"),
        (2.0, r"one for each example, got float64 of shape \[\]"),
        ("abc", "one for each example, got <U3"),
        (np.full(12, np.nan), "finite numbers, got NaN or infinity"),
    ],
)
def test_bad_weights(model, x, weight, message):
    for call in (
        lambda: model.fit(x, sample_weight=weight, verbose=0),
        lambda: model.evaluate(x, sample_weight=weight, verbose=0),
        lambda: model.fit(x, validation_data=(x, None, weight), verbose=0),
    ):
        with pytest.raises(ValueError, match=message):
            call()


def test_class_weight_is_refused(model, x):
    message = "class_weight needs classes, and a density model has no"
    with pytest.raises(ValueError, match=message):
        model.fit(x, class_weight={0: 1.0, 1: 2.0}, verbose=0)
    with pytest.raises(ValueError, match=message):
        model.train_on_batch(x, class_weight={0: 1.0, 1: 2.0})


def test_a_step_on_a_batch_takes_weights(model, x):
    weighted = model.train_on_batch(x[:2], sample_weight=np.ones(2), return_dict=True)
    assert np.isfinite(weighted["nats"])


# Kinds of data ----------------------------------------------------------------------------------

KINDS = {
    "frame": pd.DataFrame,
    "list": lambda x: x.tolist(),
    "dict of a list": lambda x: {"x": x.tolist()},
    "generator": lambda x: ((x[i : i + 4],) for i in (0, 4, 8)),
    "datasets of pairs with nothing": lambda x: tf.data.Dataset.from_tensor_slices((x,)).batch(4),
}


@pytest.mark.parametrize("kind", KINDS)
def test_kinds_of_data(model, x, kind):
    expected = model.log_prob(x)
    np.testing.assert_allclose(model.predict(KINDS[kind](x), verbose=0), expected, rtol=1e-5)
    nats = model.evaluate(KINDS[kind](x), verbose=0)[1]
    np.testing.assert_allclose(nats, -np.mean(expected), rtol=1e-5)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (None, "Expected x to be an array, a dict of arrays, .*, got None"),
        (5, "got int"),
        ({1, 2}, "got set"),
        (FVSBN, "got type"),
        ((1, 2), "got tuple"),
        ("to be, or not to be", r"got a string of 19 characters: for a text model"),
        ([[0, 1, 0, 1], [0, 1]], "Expected x to be an array, got a list"),
        ([["a", "b", "c", "d"]], "of an integer, bool or float dtype, got <U1 of shape"),
        (pd.DataFrame({c: ["u", "v"] for c in "abcd"}), "integer, bool or float dtype, got object"),
        (pd.DataFrame(np.full([2, 4], 0.5)), r"takes 0 or 1, got 0.5 at index \[0, 0\]"),
        (np.zeros([2, 4], complex), "of an integer, bool or float dtype, got complex128"),
        (np.ma.masked_array(np.zeros([2, 4]), np.eye(2, 4)), "to have all values, got a masked"),
        (tf.ragged.constant([[0, 1], [1]]), "got RaggedTensor"),
        ({"x": None}, r"Expected x\['x'\] to be an array, .* got None"),
    ],
)
@pytest.mark.parametrize("method", ["fit", "evaluate", "predict"])
def test_bad_data(model, method, data, message):
    with pytest.raises(ValueError, match=message) as caught:
        getattr(model, method)(data, verbose=0)
    assert len(str(caught.value)) < 400


def test_bad_validation_data(model, x):
    for data, message in (
        (x + 0.5, r"takes 0 or 1, got .*5 at index"),
        ((x, x), "no targets: pass x alone, got a y too"),
        ((x, None, None, None), r"Expected validation_data to be x, \(x,\) or"),
        ((), r"Expected validation_data to be x, \(x,\) or"),
        (7, "Expected validation_data to be an array"),
    ):
        with pytest.raises(ValueError, match=message):
            model.fit(x, validation_data=data, verbose=0)


@pytest.mark.parametrize("arguments", [{"epochs": 2.5}, {"epochs": 0}, {"batch_size": -1}])
def test_bad_arguments(model, x, arguments):
    (name,) = arguments
    with pytest.raises(ValueError, match=f"Expected {name} to be an integer of at least 1, got"):
        model.fit(x, verbose=0, **arguments)


def test_labels_as_targets_say_how_to_map_them():
    model = GatedPixelCNN([2, 2, 1], 4, 2, first_kernel_size=3, num_classes=3)
    model.compile("sgd")
    x, labels = np.zeros([4, 2, 2, 1]), np.zeros(4, int)
    pairs = tf.data.Dataset.from_tensor_slices((x, labels)).batch(2)
    for data in ((x, labels), (pairs,)):
        with pytest.raises(ValueError, match=r"dataset.map\(lambda x, y: {'x': x, 'condition': y}"):
            model.fit(*data, verbose=0)
    model.fit(pairs.map(lambda x, y: {"x": x, "condition": y}), verbose=0)


def test_a_text_is_not_printed():
    model = CharRNN([4], (3,), head=Categorical(3))
    model.compile("sgd")
    with pytest.raises(ValueError) as caught:
        model.fit("abc" * 10_000)
    assert len(str(caught.value)) < 300 and "30000 characters" in str(caught.value)


# Losses that are not finite ---------------------------------------------------------------------


def datasets(x):
    """The same examples by ways of which values are not at hand."""
    return {
        "tf.data": tf.data.Dataset.from_tensor_slices(x).batch(4),
        "generator": ((x[i : i + 4],) for i in range(0, len(x), 4)),
    }


@pytest.mark.parametrize(
    ("source", "eagerly"), [("tf.data", False), ("generator", False), ("tf.data", True)]
)
@pytest.mark.parametrize(
    ("bad", "message"),
    [
        (0.5, r"takes 0 or 1, got 0.5 at index \[2, 1\] of a batch \(1 such values\)"),
        (np.nan, r"takes 0 or 1, got nan at index \[2, 1\] of a batch"),
        (255, r"takes 0 or 1, got 255(\.0)? at index \[2, 1\] of a batch"),
    ],
)
def test_values_outside_the_support_end_a_fit(model, x, bad, message, source, eagerly):
    model.compile(keras.optimizers.SGD(0.05), run_eagerly=eagerly)
    x = x.astype(np.float32)
    x[2, 1] = bad  # of the first batch: no weight has moved
    before = model.get_weights()
    for method in (model.fit, model.evaluate):
        with pytest.raises(ValueError, match=message):
            method(datasets(x)[source], verbose=0)
    for one, other in zip(before, model.get_weights()):
        np.testing.assert_array_equal(one, other)
    good = datasets(np.delete(x, 2, axis=0))[source]
    assert np.isfinite(model.fit(good, verbose=0).history["loss"]).all()


def test_pixels_scaled_to_1_say_what_came():
    model = FVSBN([2, 2, 1], head=Categorical(256))
    model.compile("sgd")
    x = np.arange(16, dtype=np.float32).reshape([4, 2, 2, 1]) / 255
    message = r"takes an integer from 0 to 255, got 0.003.* at index \[0, 0, 1, 0\] .*\(15 such"
    with pytest.raises(ValueError, match=message):
        model.fit(tf.data.Dataset.from_tensor_slices(x).batch(4), verbose=0)


def test_labels_outside_the_classes_end_a_fit():
    model = GatedPixelCNN([2, 2, 1], 4, 2, first_kernel_size=3, num_classes=3)
    model.compile("sgd")
    data = {"x": np.zeros([4, 2, 2, 1]), "condition": np.array([0, 3, 1, -1])}
    with pytest.raises(
        ValueError, match="labels from 0 to 2 as condition, got 2 others in a batch"
    ):
        model.fit(tf.data.Dataset.from_tensor_slices(data).batch(4), verbose=0)


@pytest.mark.parametrize("jit_compile", [False, True])
def test_a_diverged_fit_ends(jit_compile):
    model = RNADE([2], 4, head=GaussianMixture(1))
    model.compile(keras.optimizers.SGD(1e30), jit_compile=jit_compile)
    x = np.random.RandomState(0).normal(size=[40, 2]).astype(np.float32)
    with pytest.raises(ValueError, match=r"loss.* is (-?inf|nan).*Lower the learning rate"):
        model.fit(x, batch_size=4, epochs=20, verbose=0)


NO_LOOK = keras.callbacks.Callback.on_train_batch_end


@pytest.mark.parametrize("jit_compile", [False, True])
def test_only_under_xla_a_fit_waits_for_its_batches(jit_compile):
    """Keras waits for each where a callback looks at batches: it was a tenth of a step."""
    model = MADE([4], (6,))
    model.compile("sgd", jit_compile=jit_compile)
    looking = [c for c in model._callbacks(None) if type(c).on_train_batch_end is not NO_LOOK]
    assert len(looking) == jit_compile


def test_values_outside_the_support_end_a_fit_under_xla(model, x):
    model.compile(keras.optimizers.SGD(0.05), jit_compile=True)
    with pytest.raises(ValueError, match=r"The loss is inf: a value that is not 0 or 1, or"):
        model.fit(datasets(x + 0.5)["tf.data"], verbose=0)


def test_an_infinite_nll_of_a_test_is_no_error():
    model = RNADE([2], 4, head=GaussianMixture(1))
    model.compile("sgd")
    assert model.evaluate(np.full([4, 2], 1e25, np.float32), verbose=0)[0] == np.inf


def test_replicas_explain_bad_values(x):
    strategy = tf.distribute.MirroredStrategy(["CPU:0"])
    with strategy.scope():
        model = MADE([4], (6,))
        model.compile("sgd")
    with pytest.raises(ValueError, match=r"takes 0 or 1, got 0.5"):
        model.fit(datasets(np.full([8, 4], 0.5))["tf.data"], verbose=0)


# Files ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["m.h5", "m.hdf5"])
def test_hdf5_is_refused(tmp_path, name):
    with pytest.raises(ValueError, match=r"a path that ends in .keras, got .*m\.h"):
        shared("fvsbn").save(tmp_path / name)
    assert not list(tmp_path.iterdir())
