"""What is printed and logged while a recipe is trained."""

import importlib.util
import itertools
import re

import numpy as np
import pytest
import tensorflow as tf
from support import toys

import tfar
from tfar import datasets, plots, training
from tfar.models import fitting
from tfar.training import progress


def trained(folder, data=None, **changes):
    options = {key: changes.pop(key) for key in ("verbose", "tensorboard") if key in changes}
    recipe = toys.toy(**{"epochs": 2, **changes})
    return training.train(recipe, folder, data=data or toys.made_up([3, 3, 1]), **options)


def test_a_line_an_epoch_where_there_is_no_terminal(tmp_path, capsys):
    trained(tmp_path, verbose="auto")
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 2
    log = np.genfromtxt(tmp_path / "log.csv", delimiter=",", names=True)
    for number, line in enumerate(lines, 1):
        assert line.startswith(f"epoch {number}/2  ")
        figures = dict(re.findall(r"(\w+) ([\d.e+]+)  ", line))
        assert float(figures["examples_per_s"]) > 0
        for key in ("nats", "bits_per_dim", "val_nats", "val_bits_per_dim"):
            assert float(figures[key]) == pytest.approx(log[key][number - 1], rel=1e-3)


@pytest.mark.parametrize(
    "steps, left", [(3, ("0:06:40", "0:03:20", "0:00:00")), (9, ("0:16:40", "0:08:20", "0:00:00"))]
)
def test_the_time_left_is_that_of_the_epochs_left(steps, left, capsys, monkeypatch):
    clock = itertools.count(0, 50)
    monkeypatch.setattr(progress.time, "perf_counter", lambda: next(clock))
    shown = progress.Progress(epochs=3, steps=steps, batch_size=8, lines=True)
    shown.set_params({"steps": 3})  # of an epoch that was interrupted these are left
    for epoch in range(3):
        shown.on_epoch_begin(epoch)
        for batch in range(3):
            shown.on_train_batch_end(batch, {})
        shown.on_epoch_end(epoch, {"nats": 1.0})
    ends = [line.split("  ", 2)[2] for line in capsys.readouterr().out.splitlines()]
    assert ends == [f"examples_per_s 0.16  {time} left" for time in left]


@pytest.mark.parametrize("verbose", [0, 1, 2])
def test_what_comes_before_the_first_step_is_said_once(verbose, tmp_path, capsys, monkeypatch):
    data = toys.made_up([3, 3, 1])
    monkeypatch.setattr(datasets, "load", lambda name, split: data[split])
    monkeypatch.setattr(fitting, "PATIENCE", 0.0)
    training.train(toys.toy(epochs=2, dataset="made up"), tmp_path, verbose=verbose)
    said = capsys.readouterr().err
    lines = [
        r"Reading made up \.\.\.",
        r"Compiling the training step \.\.\.",
        r"Compiled in \d+\.\d s\.",
    ]
    # Beside a bar, `fit` says the second, and the bar the third.
    shown = {0: [], 1: lines[:2], 2: lines}[verbose]
    assert re.fullmatch("".join(f"{line}\n" for line in shown), said)


def test_a_bar_has_the_rate(tmp_path, capsys):
    trained(tmp_path, verbose=1)
    assert "examples_per_s: " in capsys.readouterr().out


def events(folder):
    """{tag: [(step, tensor)]} of a TensorBoard log."""
    found = {}
    for path in sorted(folder.glob("events*")):
        for record in tf.data.TFRecordDataset(str(path)):
            event = tf.compat.v1.Event.FromString(record.numpy())
            for value in event.summary.value:
                tensor = tf.make_ndarray(value.tensor)
                found.setdefault(value.tag, []).append((event.step, tensor))
    return found


def images(folder):
    found = events(folder / "tensorboard" / "train")["samples"]
    assert [step for step, _ in found] == list(range(len(found)))
    return [tf.io.decode_png(tensor[2]).numpy() for _, tensor in found]


def test_tensorboard_shows_scalars_and_samples(tmp_path):
    trained(tmp_path, tensorboard=True, verbose=0, learning_rate=0.3)
    log = np.genfromtxt(tmp_path / "log.csv", delimiter=",", names=True)
    for part, key in (("train", "nats"), ("validation", "val_nats")):
        scalars = events(tmp_path / "tensorboard" / part)["epoch_nats"]
        assert [step for step, _ in scalars] == [0, 1]
        np.testing.assert_allclose([value for _, value in scalars], log[key], rtol=1e-5)
    first, last = images(tmp_path)
    assert first.shape == last.shape and first.std() > 0
    assert (first != last).any()  # the weights have changed, and the seed has not


@pytest.mark.parametrize("conditional", [False, True])
def test_the_samples_are_of_the_averaged_weights_and_of_the_first_conditions(conditional, tmp_path):
    data, options, given, n = toys.made_up([3, 3, 1], validation=20), {}, None, 16
    if conditional:
        rng = np.random.default_rng(2)
        data = {
            split: {"x": x, "condition": rng.normal(size=[len(x), 2])} for split, x in data.items()
        }
        given, n = data["validation"]["condition"][:16], ()
        options["model"] = lambda x: tfar.models.MADE(
            x.shape[1:], (8,), condition=tfar.conditions.Vector(2)
        )
    options.update(conditional=conditional, epochs=1, learning_rate=0.3)
    model = trained(tmp_path, data, tensorboard=True, verbose=0, **options)
    (drawn,) = images(tmp_path)
    expected = model.joint(condition=given).sample(n, seed=1).numpy()
    np.testing.assert_array_equal(drawn, plots.grid(expected))


def test_tensorboard_shows_samples_of_every_class(tmp_path):
    def model(x):
        head = tfar.heads.DiscretizedLogisticMixture(2)
        return tfar.models.GatedPixelCNN(
            x.shape[1:], filters=4, layers=1, head=head, num_classes=10
        )

    data = toys.made_up_of_8_bits([4, 4, 1])
    trained(tmp_path, data, model=model, conditional=True, tensorboard=True, verbose=0)
    assert len(images(tmp_path)) == 2


def test_tensorboard_shows_samples_of_text(tmp_path):
    def model(x):
        return tfar.models.CharRNN([16], (8,), cell="rnn", head=tfar.heads.Characters.of(x))

    data = {"train": "to be, or not to be " * 40, "validation": "to be, or not to be " * 8}
    trained(tmp_path, data, model=model, shift=0.0, tensorboard=True, verbose=0)
    samples = events(tmp_path / "tensorboard" / "train")["samples"]
    for _, drawn in samples:
        assert set(drawn.item().decode().strip("`\n")) <= set("to be, or not to be \n")
    assert len(samples) == 2


def test_drawing_samples_leaves_training_as_it_is(tmp_path):
    for shown in (False, True):
        trained(tmp_path / str(shown), tensorboard=shown, verbose=0)
    with (
        np.load(tmp_path / "False/checkpoint.npz") as a,
        np.load(tmp_path / "True/checkpoint.npz") as b,
    ):
        for name in a.files:
            np.testing.assert_array_equal(a[name], b[name])


def test_tensorboard_is_asked_for_where_it_is_missing(tmp_path, monkeypatch):
    find = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name: None if name == "tensorboard" else find(name)
    )
    with pytest.raises(ImportError, match=r"pip install 'tfar\[tensorboard\]'"):
        trained(tmp_path, tensorboard=True)
