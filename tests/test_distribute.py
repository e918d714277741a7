"""Several replicas give what one device gives, in processes of their own (`distribute_run.py`)."""

import functools
import json
import os
import pathlib
import socket
import subprocess
import sys
import tempfile

import distribute_run
import numpy as np
import pytest
import tensorflow as tf

FAMILIES = [  # with "*": sample weights, and clipped gradients
    "fvsbn",
    "nade_categorical",
    "made*",
    "gated_pixel_cnn_labels",
    "char_rnn*",
    "transformer",
    "train",  # the trainer
]


@functools.cache
def one_device(name):
    with tempfile.TemporaryDirectory() as folder:
        return distribute_run.every(tf.distribute.get_strategy(), [name], pathlib.Path(folder))


def start(out, kind, plant, names, **environment):
    """A process that runs `names`, quietly, with `tests/` and this checkout on its path."""
    tests = pathlib.Path(__file__).parent
    paths = os.pathsep.join([str(tests), str(tests.parent)])
    return subprocess.Popen(
        [sys.executable, tests / "distribute_run.py", kind, out, plant, *names],
        env={**os.environ, "PYTHONPATH": paths, **environment},
        stderr=subprocess.PIPE,
        text=True,
    )


def finished(process, out):
    """What a process found."""
    _, errors = process.communicate(timeout=300)
    assert process.returncode == 0, errors[-3000:]
    return dict(np.load(out))


def mirrored(folder, plant, names):
    return finished(start(folder / "out.npz", "mirrored", plant, names), folder / "out.npz")


def workers(folder, plant, names):
    """What each of two workers found, on the loopback address."""
    with socket.socket() as one, socket.socket() as other:
        for end in (one, other):
            end.bind(("localhost", 0))
        hosts = [f"localhost:{end.getsockname()[1]}" for end in (one, other)]
    outs = [folder / f"{index}.npz" for index in range(2)]
    config = {"cluster": {"worker": hosts}}
    processes = [
        start(
            out,
            "multiworker",
            plant,
            names,
            TF_CONFIG=json.dumps({**config, "task": {"type": "worker", "index": index}}),
        )
        for index, out in enumerate(outs)
    ]
    try:
        return [finished(process, out) for process, out in zip(processes, outs)]
    finally:
        for process in processes:
            process.kill()


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
def test_two_replicas_give_what_one_device_gives(tmp_path):
    verify(mirrored(tmp_path, "none", FAMILIES), FAMILIES)


def test_two_workers_give_what_one_device_gives(tmp_path):
    names = ["made*", "gated_pixel_cnn_labels", "train"]
    for found in workers(tmp_path, "none", names):
        verify(found, names)


@pytest.mark.parametrize("plant", ["mean", "equal shares"])
def test_a_loss_that_is_no_share_is_caught(tmp_path, plant):
    found = mirrored(tmp_path, plant, ["fvsbn"])
    assert largest_difference(found, "fvsbn/weights 1") > 1e-3
    assert not largest_difference(found, "fvsbn/fit loss") < 1e-3  # NaN of the empty part
