"""Everything that a Keras user expects of a model, and what this one refuses."""

import subprocess
import sys

import keras
import numpy as np
import pytest
import tensorflow as tf
from support.cases import events, shared
from support.thorough import beyond

import tfar
from tfar.heads import Bernoulli, Categorical
from tfar.models import FVSBN, MADE, NADE
from tfar.testing import randomise


@pytest.fixture
def model():
    model = randomise(MADE([4], (6,)))
    model.compile(keras.optimizers.Adam(0.01))
    return model


@pytest.fixture
def x(model):
    return events(model, 12)


def nats(model, x):
    return -np.mean(model.joint().log_prob(x))


@pytest.mark.parametrize("optimizer", ["adam", "sgd", keras.optimizers.Adam(0.1)])
def test_compile_needs_no_loss(optimizer):
    model = FVSBN([4])
    model.compile(optimizer)
    history = model.fit(events(model, 8), epochs=2, batch_size=4, verbose=0)
    assert set(history.history) == {"loss", "nats", "bits_per_dim"}
    assert len(history.history["loss"]) == 2


@pytest.mark.parametrize("policy", ["float32", "mixed_float16"])
def test_the_first_step_is_traced_once(x, policy):
    class Counting(MADE):
        traces = 0

        def train_step(self, data):
            self.traces += 1
            return super().train_step(data)

    model = Counting([4], (6,), dtype=policy)
    model.compile("adam")
    model.fit(x, batch_size=4, verbose=0)
    assert model.traces == 1


def test_a_loss_is_refused(x):
    model = FVSBN([4])
    model.compile("adam", loss="mse")
    with pytest.raises(ValueError, match="negative log-likelihood: compile without a loss"):
        model.fit(x, verbose=0)


def test_metrics_are_refused(x):
    model = FVSBN([4])
    model.compile("adam", metrics=["mae"])
    with pytest.raises(ValueError, match="no targets to compare with: compile without metrics"):
        model.fit(x, verbose=0)


def test_arguments_by_position_as_in_keras(model, x):
    model.fit(x, None, 4, 1, 0)
    model.evaluate(x, None, 4, 0)
    assert model.predict(x, 4, 0).shape == (12,)
    weight = np.arange(12)
    by_name = model.evaluate(x, sample_weight=weight, verbose=0)
    assert model.evaluate(x, None, None, 0, weight) == by_name
    assert model.metrics_names == ["loss", "nats", "bits_per_dim"]
    np.testing.assert_allclose(by_name[1], np.average(-model.log_prob(x), weights=weight), 1e-5)


@pytest.mark.parametrize("method", ["fit", "evaluate"])
def test_targets_are_refused(model, x, method):
    with pytest.raises(ValueError, match="no targets: pass x alone, got a y too"):
        getattr(model, method)(x, x, verbose=0)


@pytest.mark.parametrize(
    "wrap",
    [
        lambda x: x,
        lambda x: tf.constant(x),
        lambda x: {"x": x},
        lambda x: tf.data.Dataset.from_tensor_slices(x).batch(5),
        lambda x: tf.data.Dataset.from_tensor_slices({"x": x}).batch(5),
    ],
    ids=["array", "tensor", "dict", "tf.data", "tf.data of dicts"],
)
def test_inputs(model, x, wrap):
    expected = nats(model, x)
    logs = model.evaluate(wrap(x), verbose=0, return_dict=True)
    np.testing.assert_allclose(logs["loss"], expected, rtol=1e-4)
    np.testing.assert_allclose(logs["nats"], expected, rtol=1e-5)
    np.testing.assert_allclose(logs["bits_per_dim"], expected / np.log(2) / 4, rtol=1e-5)
    np.testing.assert_allclose(
        model.predict(wrap(x), verbose=0), model.joint().log_prob(x), rtol=1e-5
    )
    model.fit(wrap(x), epochs=2, verbose=0)
    assert nats(model, x) < expected


def test_sample_weight(model, x):
    weight = np.arange(12, dtype=np.float32) / 5.5  # mean 1
    logs = model.evaluate(x, sample_weight=weight, verbose=0, return_dict=True)
    expected = -np.average(model.joint().log_prob(x), weights=weight)
    np.testing.assert_allclose([logs["loss"], logs["nats"]], expected, rtol=1e-5)
    history = model.fit(x, sample_weight=weight, batch_size=12, verbose=0)
    np.testing.assert_allclose(history.history["loss"][0], expected, rtol=1e-5)


@pytest.mark.parametrize(
    ("monitor", "mode"), [("val_nats", "auto"), ("val_nats", "min"), ("bits_per_dim", "auto")]
)
def test_validation_and_early_stopping(model, x, monitor, mode):
    stop = keras.callbacks.EarlyStopping(monitor, mode=mode, patience=1, min_delta=100)
    history = model.fit(x, validation_data=x, epochs=9, verbose=0, callbacks=[stop])
    assert len(history.history["val_nats"]) == 2


def test_callbacks_know_that_less_is_better(model, x, tmp_path):
    model.optimizer.learning_rate = 0.05
    stop = keras.callbacks.EarlyStopping("nats", patience=2)
    best = keras.callbacks.ModelCheckpoint(tmp_path / "m.keras", "nats", save_best_only=True)
    plateau = keras.callbacks.ReduceLROnPlateau("bits_per_dim", patience=1)
    history = model.fit(x, epochs=5, verbose=0, callbacks=[stop, best, plateau])
    falling = history.history["nats"]
    assert falling == sorted(falling, reverse=True) and len(falling) == 5
    np.testing.assert_allclose(best.best, falling[-1])
    np.testing.assert_allclose(model.optimizer.learning_rate, 0.05)


def test_validation_split(model, x):
    assert len(model.fit(x, validation_split=0.5, epochs=1, verbose=0).history["val_loss"]) == 1


def test_model_checkpoint(model, x, tmp_path):
    path = tmp_path / "best.keras"
    best = keras.callbacks.ModelCheckpoint(path, "nats", save_best_only=True, mode="min")
    model.fit(x, epochs=2, verbose=0, callbacks=[best])
    loaded = keras.saving.load_model(path)
    assert loaded.optimizer.iterations.numpy() > 0
    loaded.fit(x, epochs=1, verbose=0)


class Interrupted(Exception):
    pass


class Interrupt(keras.callbacks.Callback):
    def on_epoch_end(self, epoch, logs=None):
        if epoch == 1:
            raise Interrupted


def test_backup_and_restore(x, tmp_path):
    def run(epochs, *callbacks):
        model = randomise(MADE([4], (6,)))
        model.compile(keras.optimizers.Adam(0.01))
        backup = keras.callbacks.BackupAndRestore(tmp_path / "backup")
        history = model.fit(
            x, epochs=epochs, shuffle=False, verbose=0, callbacks=[*callbacks, backup]
        )
        return model, history

    with pytest.raises(Interrupted):
        run(4, Interrupt())
    resumed, history = run(4)
    assert len(history.epoch) < 4
    # A later fit of the same model is a whole one.
    assert len(resumed.fit(x, epochs=3, verbose=0).epoch) == 3


def test_moving_average_of_weights(x):
    weights = []
    for options in ({"use_ema": True, "ema_momentum": 0.9}, {}):
        model = randomise(FVSBN([4]))
        model.compile(keras.optimizers.SGD(0.1, **options))
        model.fit(x, epochs=3, verbose=0)
        weights.append(model.get_weights()[0])
        logs = model.evaluate(x, verbose=0, return_dict=True)
        np.testing.assert_allclose(logs["loss"], nats(model, x), rtol=1e-5)
    assert not np.allclose(*weights)  # Keras puts the averages in place when fit ends


@pytest.mark.parametrize("options", [{"run_eagerly": True}, {"jit_compile": True}])
@pytest.mark.parametrize("factory", [lambda: NADE([4], 5), lambda: MADE([4], (6,), direct=True)])
def test_every_way_to_run_trains_alike(factory, options):
    weights = []
    for chosen in (options, {}):
        model = randomise(factory())
        model.compile(keras.optimizers.SGD(0.1), **chosen)
        x = events(model, 8)
        model.fit(x, batch_size=8, epochs=2, verbose=0)
        weights.append(model.get_weights())
    for one, other in zip(*weights):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("globally", [False, True])
@pytest.mark.parametrize("name", beyond({"made"}, ["fvsbn", "nade", "made"]))
def test_mixed_precision(name, globally, tmp_path):
    arguments = {} if globally else {"dtype": "mixed_bfloat16"}
    if globally:
        keras.config.set_dtype_policy("mixed_bfloat16")
    model = {
        "fvsbn": lambda: FVSBN([4], head=Categorical(3), **arguments),
        "nade": lambda: NADE([4], 5, head=Categorical(3), **arguments),
        "made": lambda: MADE([4], (6,), head=Categorical(3), direct=True, dropout=0.1, **arguments),
    }[name]()
    full = {
        "fvsbn": lambda: FVSBN([4], head=Categorical(3), dtype="float32"),
        "nade": lambda: NADE([4], 5, head=Categorical(3), dtype="float32"),
        "made": lambda: MADE([4], (6,), head=Categorical(3), direct=True, dtype="float32"),
    }[name]()
    randomise(model, scale=0.5)
    weights = [w for w in model.weights if w.dtype == "float32"]
    assert len(weights) == len(model.trainable_weights)
    for one, other in zip(full.trainable_weights, model.trainable_weights):
        one.assign(other)
    assert model.compute_dtype == "bfloat16" and model.network.compute_dtype == "bfloat16"
    x = events(model, 16)
    log_prob = model.joint().log_prob(x)
    assert log_prob.dtype == tf.float32
    np.testing.assert_allclose(log_prob, full.joint().log_prob(x), atol=0.1)
    assert model(x).logits_parameter().dtype == tf.float32
    sample = model.joint().sample(8, seed=1)
    assert sample.dtype == tf.int32 and model.head.in_support(sample).numpy().all()
    before = nats(model, x)
    model.compile(keras.optimizers.Adam(0.05))
    model.fit(x, epochs=20, verbose=0)
    assert nats(model, x) < before - 0.1
    model.save(tmp_path / "model.keras")
    keras.config.set_dtype_policy("float32")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    assert loaded.compute_dtype == "bfloat16"
    np.testing.assert_array_equal(loaded.joint().log_prob(x), model.joint().log_prob(x))


@pytest.mark.parametrize("dtype", [np.uint8, np.int8, np.int64, bool, np.float16, np.float64])
@pytest.mark.parametrize(
    "name", ["nade_relu", "made_orders", "nade_categorical", "pixel_cnn_mixture", "char_rnn"]
)
def test_every_dtype_means_the_same(name, dtype):
    model = shared(name)
    x = np.minimum(events(model, 6), 1)
    expected = model.joint().log_prob(x)
    np.testing.assert_array_equal(model.joint().log_prob(x.astype(dtype)), expected)
    np.testing.assert_array_equal(model.log_prob({"x": x.astype(dtype)}), expected)


@pytest.mark.parametrize("dtype", [np.uint8, bool, np.int64, np.float64])
def test_fit_takes_every_dtype(dtype):
    x = np.arange(24).reshape(8, 3) % 2
    losses = []
    for given in (x.astype(np.int32), x.astype(dtype)):
        model = randomise(NADE([3], 4, head=Categorical(4)))
        model.compile(keras.optimizers.SGD(0.1))
        losses.append(model.fit(given, epochs=2, shuffle=False, verbose=0).history["loss"])
    np.testing.assert_allclose(losses[0], losses[1], rtol=1e-6)


def test_functional_and_sequential_models_end_in_a_distribution(x):
    model = shared("made_direct")
    inputs = keras.Input([4], dtype="int32")
    expected = model(x).log_prob(x)
    for wrapper in (
        keras.Model(inputs, model(inputs)),
        keras.Sequential([inputs, model]),
    ):
        p = wrapper(x)
        assert p.batch_shape == [12, 4]
        np.testing.assert_allclose(p.log_prob(x), expected, rtol=1e-5)


def test_summary_counts_the_parameters(capsys):
    NADE([4], 3).summary()
    assert "31" in capsys.readouterr().out


@pytest.mark.parametrize("n", [1, 2, 7])
def test_fvsbn_has_exactly_so_many_parameters(n):
    assert FVSBN([n]).count_params() == n * (n + 1) // 2
    assert len(FVSBN([n]).trainable_weights) == 2


def test_keras_export_says_what_to_do_instead(model, tmp_path):
    with pytest.raises(NotImplementedError, match=r"save\(\) and keras.saving.load_model"):
        model.export(tmp_path / "1")


@pytest.mark.parametrize(
    "imports",
    ["import keras, tfar", pytest.param("import tfar.models, keras", marks=pytest.mark.thorough)],
)
def test_a_fresh_process_loads_a_model(model, x, tmp_path, imports):
    model.save(tmp_path / "model.keras")
    np.save(tmp_path / "x.npy", x)
    program = (
        f"{imports}, numpy as np; m = keras.saving.load_model('model.keras'); "
        "print(repr(m.predict(np.load('x.npy'), verbose=0).tolist()))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[-2000:]
    np.testing.assert_allclose(eval(done.stdout), model.joint().log_prob(x), rtol=1e-5)


def test_a_trained_model_trains_on_where_it_stopped(model, x, tmp_path):
    model.fit(x, epochs=2, shuffle=False, verbose=0)
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    for one in (model, loaded):
        one.fit(x, epochs=1, shuffle=False, verbose=0)
    for one, other in zip(model.get_weights(), loaded.get_weights()):
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-6)


def test_regularisation_and_frozen_layers_count():
    dense = keras.layers.Dense(1, kernel_regularizer=keras.regularizers.L2(0.1))
    network = tfar.layers.Causal([tfar.layers.Shift(), dense])
    model = randomise(tfar.models.AutoregressiveModel(network, [4], Bernoulli()))
    model.compile("sgd")
    x = events(model, 4)
    penalty = 0.1 * float(np.sum(dense.kernel.numpy() ** 2))
    logs = model.evaluate(x, verbose=0, return_dict=True)
    np.testing.assert_allclose(logs["loss"], logs["nats"] + penalty, rtol=1e-4)
    network.trainable = False
    assert model.trainable_weights == []


def test_a_model_says_what_it_is_and_draws(capsys):
    model = shared("gated_pixel_cnn_labels")
    said = repr(model)
    assert said.startswith("GatedPixelCNN(event_shape=[2, 3, 1], head=Bernoulli(centered=False), ")
    assert f"condition=labels from 0 to 2, parameters={model.count_params():,})" in said
    model.summary()
    assert said in capsys.readouterr().out
    lines = []
    model.summary(print_fn=lambda line, **_: lines.append(line))
    assert lines[0] == said and len(lines) > 1
    x = model.sample(3, seed=1, condition=[2, 0])
    np.testing.assert_array_equal(x, model.joint(condition=[2, 0]).sample(3, seed=1))
    one = shared("made_orders")
    assert "members=2" in repr(one)
    np.testing.assert_array_equal(
        one.sample(4, seed=2, member=1), one.joint(member=1).sample(4, seed=2)
    )


def test_hyperparameters_are_attributes_and_in_the_config():
    model = tfar.models.PixelCNN([4, 4, 1], filters=6, blocks=1, activation="tanh")
    assert (model.filters, model.blocks, model.activation) == (6, 1, "tanh")
    assert model.hyperparameters.items() <= model.get_config().items()
    deep = tfar.models.Transformer([4], width=4, layers=2, num_heads=2)
    assert deep.hyperparameters["layers"] == deep.get_config()["layers"] == 2
    assert deep.layers[0] is deep.network  # those of Keras
    assert "order" not in tfar.models.CharRNN([4], units=(3,)).get_config()
