"""Each name of `tfar.private` is what we take it for; and there are no others."""

import ast
import pathlib

import keras
import numpy as np
import pytest
import tensorflow as tf
import tensorflow_probability as tfp

import tfar
from tfar import private, training

NAMES = {"keras": keras, "tfp": tfp}
OF_NAMED_TUPLES = {
    "_asdict",
    "_replace",
}  # documented, with an underscore lest they clash with fields


@pytest.mark.parametrize(
    ("owner", "name"), [(o, n) for o, names in private.OVERRIDDEN.items() for n in names]
)
def test_what_is_overridden_is_there(owner, name):
    package, *path = owner.split(".")
    found = NAMES[package]
    for part in path:
        found = getattr(found, part)
    assert callable(getattr(found, name))


def test_takes_training():
    assert private.takes_training(keras.layers.Dropout(0.5))
    assert not private.takes_training(keras.layers.ReLU())


def test_all_layers():
    inside = keras.layers.Dense(2)
    outside = keras.Sequential([keras.Sequential([inside])])
    assert inside in private.all_layers(outside) and outside not in private.all_layers(outside)


def test_has_loss_and_metrics():
    model = keras.Sequential([keras.layers.Dense(1)])
    model.compile("sgd")
    assert not private.has_loss(model) and not private.has_metrics(model)
    model.compile("sgd", loss="mse", metrics=["mae"])
    assert private.has_loss(model) and private.has_metrics(model)


def test_forget_epoch(tmp_path):
    model = keras.Sequential([keras.Input([1]), keras.layers.Dense(1)])
    model.compile("sgd", "mse")
    x = np.ones([4, 1])
    model.fit(x, x, epochs=1, verbose=0)
    model._initial_epoch = 2  # as `BackupAndRestore` does
    assert not model.fit(x, x, epochs=2, verbose=0).epoch
    private.forget_epoch(model)
    assert len(model.fit(x, x, epochs=2, verbose=0).epoch) == 2


def test_is_validation():
    given = []

    class Model(keras.Sequential):
        def evaluate(self, **arguments):
            given.append(arguments)
            return super().evaluate(**arguments)

    model = Model([keras.Input([1]), keras.layers.Dense(1)])
    model.compile("sgd", "mse")
    x = np.ones([4, 1])
    model.fit(x, x, validation_data=(x, x), verbose=0)
    model.evaluate(x=x, y=x, verbose=0)
    assert [private.is_validation(arguments) for arguments in given] == [True, False]


def test_sum_first():
    """The gradient is clipped when it is added up: here by two replicas of one."""
    weight = keras.Variable([0.0])
    optimizer = keras.optimizers.SGD(1.0, clipnorm=1.0)
    optimizer.build([weight])
    optimizer._all_reduce_sum_gradients = lambda pairs: [(2 * g, v) for g, v in pairs]
    private.sum_first(optimizer, lambda finite: finite)
    private.sum_first(optimizer, lambda finite: finite)  # only once
    optimizer.apply([tf.constant([0.75])], [weight])
    np.testing.assert_allclose(weight, [-1.0])  # clipped before, 2 * 0.75 would be -1.5


def test_sum_first_asks_all_replicas_whether_a_scaled_gradient_is_finite():
    weight = keras.Variable([0.0])
    optimizer = keras.optimizers.LossScaleOptimizer(keras.optimizers.SGD(1.0), initial_scale=1.0)
    optimizer.build([weight])
    private.sum_first(optimizer, lambda finite: tf.constant(False))
    optimizer.apply([tf.constant([1.0])], [weight])
    np.testing.assert_array_equal(weight, [0.0])


@pytest.mark.parametrize("make", [keras.optimizers.AdamW, training.Muon])
def test_average_briefly(make):
    """The averages are those of Keras, from the first step on."""
    found = []
    for brief in (False, True):
        weight = keras.Variable([[1.0, 2.0]])
        optimizer = make(0.1, use_ema=True, ema_momentum=0.9)
        if brief:
            private.average_briefly(optimizer)
        optimizer.build([weight])
        for gradient in (0.5, -2.0, 1.0):
            optimizer.apply([tf.constant([[gradient, 1.0]])], [weight])
            found.append(optimizer._model_variables_moving_average[0].numpy())
    np.testing.assert_array_equal(found[:3], found[3:])
    assert (found[0] != found[2]).all()


def test_is_multi_worker():
    assert not private.is_multi_worker(tf.distribute.get_strategy())
    assert not private.is_multi_worker(tf.distribute.MirroredStrategy(["CPU:0"]))


def test_operation():
    assert [output.type_attr for output in private.operation("AddV2").output_arg] == ["T"]
    assert private.operation("NoSuchOperation") is None


def test_set_parameters():
    p = tfp.distributions.Normal(0.0, 1.0)
    private.set_parameters(p, {"loc": 3.0})
    assert p.parameters == {"loc": 3.0}


def test_every_private_name_is_in_one_place():
    """An attribute with a leading underscore is one of self, or of what our own modules define."""
    root = pathlib.Path(tfar.__file__).parent
    trees = {path: ast.parse(path.read_text()) for path in root.rglob("*.py")}
    ours = {name for names in private.OVERRIDDEN.values() for name in names} | OF_NAMED_TUPLES
    for tree in trees.values():
        for node in ast.walk(tree):
            if isinstance(node, ast.FunctionDef | ast.ClassDef):
                ours.add(node.name)
            elif isinstance(node, ast.Attribute | ast.Name) and isinstance(node.ctx, ast.Store):
                ours.add(node.attr if isinstance(node, ast.Attribute) else node.id)
            elif isinstance(node, ast.Constant):  # object.__setattr__(self, "_name", ...)
                ours.add(node.value)
    used = {
        f"{path.relative_to(root)}: {node.attr}"
        for path, tree in trees.items()
        if path.name != "private.py"
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute)
        and node.attr.startswith("_")
        and not node.attr.startswith("__")
        and node.attr not in ours
    }
    assert not used, used


def test_modules_of_tensorflow_that_are_not_public_are_imported_in_one_place():
    root = pathlib.Path(tfar.__file__).parent
    for path in root.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ImportFrom) and path.name != "private.py":
                assert not (node.module or "").startswith(("tensorflow.python", "keras.src")), path
