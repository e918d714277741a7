"""Several replicas give what one device gives, in processes of their own (`distribute_run.py`).

They are started by a server that has imported TensorFlow, and not started it.
"""

import contextlib
import functools
import json
import multiprocessing
import pathlib
import signal
import socket
import tempfile

import numpy as np
import pytest
import tensorflow as tf
from support import distribute_run

from tfar.training import checkpoints

FAMILIES = [  # with "*": sample weights, and clipped gradients
    "fvsbn",
    "made*",
    "train",  # the trainer
    "overflowing",  # in float16
]
MORE = ["nade_categorical", "char_rnn*"]


@functools.cache
def one_device(name):
    with tempfile.TemporaryDirectory() as folder:
        return distribute_run.every(tf.distribute.get_strategy(), [name], pathlib.Path(folder))


def start(out, kind, plant, names, config=""):
    """A process that runs `names`; what it prints goes beside ``out``."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["tfar.testing", "tfar.training"])
    arguments = kind, out, plant, names, config
    process = context.Process(target=distribute_run.alone, args=arguments)
    process.start()
    return process


def ended(process, out, code=0):
    """What a process printed before it ended."""
    process.join(300)
    errors = out.with_suffix(".txt").read_text()
    assert process.exitcode == code, errors[-3000:]
    return errors


def finished(process, out):
    """What a process found."""
    ended(process, out)
    return dict(np.load(out))


def mirrored(folder, plant, names):
    return finished(start(folder / "out.npz", "mirrored", plant, names), folder / "out.npz")


@contextlib.contextmanager
def workers(folder, plants, names):
    """Two processes on the loopback address, and where each writes what it finds."""
    with socket.socket() as one, socket.socket() as other:
        for end in (one, other):
            end.bind(("localhost", 0))
        hosts = [f"localhost:{end.getsockname()[1]}" for end in (one, other)]
    started = []
    for index, plant in enumerate(plants):
        config = {"cluster": {"worker": hosts}, "task": {"type": "worker", "index": index}}
        out = folder / f"{index}.npz"
        process = start(out, "multiworker", plant, names, json.dumps(config))
        started.append((process, out))
    try:
        yield started
    finally:
        for process, _ in started:
            process.kill()
            process.join()


def largest_difference(found, key):
    expected = one_device(key.partition("/")[0])[key]
    assert found[key].shape == expected.shape
    return np.abs(found[key] - expected).max()


def verify(found, names):
    for name in names:
        assert {key for key in found if key.startswith(f"{name}/")} == set(one_device(name))
    for key in found:
        assert largest_difference(found, key) < 1e-5, key


@pytest.mark.gpu
@pytest.mark.parametrize("names", [FAMILIES, pytest.param(MORE, marks=pytest.mark.thorough)])
def test_two_replicas_give_what_one_device_gives(names, tmp_path):
    verify(mirrored(tmp_path, "none", names), names)


def test_two_workers_give_what_one_device_gives(tmp_path):
    names = ["gated_pixel_cnn_labels", "shuffled", "train"]
    with workers(tmp_path, ["none", "none"], names) as started:
        for process, out in started:
            verify(finished(process, out), names)


def test_workers_that_would_shuffle_otherwise_are_told_so(tmp_path):
    with workers(tmp_path, ["no seed", "no seed"], []) as started:
        for process, out in started:
            assert "Several workers must shuffle alike" in ended(process, out, code=1)


def test_workers_that_were_ended_go_on_from_what_the_chief_wrote(tmp_path):
    """Worker 1, which `distribute_run.py` keeps from writing, gets a signal."""

    def place():
        found = checkpoints.Checkpoint(
            tmp_path / "run" / "checkpoint.npz", steps=4, every=2, strategy=None
        )
        return found.epoch, found.step

    with workers(tmp_path, ["none", "SIGTERM"], ["train"]) as started:
        for process, out in started:
            ended(process, out, code=143)
    assert place() == (0, 2)
    with workers(tmp_path, ["none", "SIGKILL"], ["train"]) as started:
        ended(*started[1], code=-signal.SIGKILL)
    assert place() == (1, 2)
    with workers(tmp_path, ["none", "none"], ["train"]) as started:
        for process, out in started:
            verify(finished(process, out), ["train"])


@pytest.mark.parametrize("plant", ["mean", "equal shares"])
def test_a_loss_that_is_no_share_is_caught(tmp_path, plant):
    found = mirrored(tmp_path, plant, ["fvsbn"])
    assert largest_difference(found, "fvsbn/weights 1") > 1e-3
    assert not largest_difference(found, "fvsbn/fit loss") < 1e-3  # NaN of the empty part
