"""Runs that are killed, terminated, out of disk or of numbers go on bit for bit."""

import multiprocessing
import os
import pathlib
import random
import resource
import shutil
import signal
import time
import warnings

import keras
import numpy as np
import pytest
import toys

from tfar import progress, survival, training

FILES = ("checkpoint.npz", "log.csv", "best.json", "best.weights.h5")
STEPS = 4  # of an epoch of the toy


def run(folder, save_every=1, verbose=0, start=None, **changes):
    return training.train(
        toys.toy(**changes),
        folder,
        data=toys.made_up([3, 3, 1]),
        verbose=verbose,
        save_every=save_every,
        start=start,
    )


def verify_same(one, other):
    """The same whole states, logs and best weights, to the last bit."""
    with np.load(one / "checkpoint.npz") as a, np.load(other / "checkpoint.npz") as b:
        assert a.files == b.files
        for name in a.files:
            np.testing.assert_array_equal(a[name], b[name])
    for name in ("log.csv", "best.json"):
        assert (one / name).read_text() == (other / name).read_text()
    assert sorted(path.name for path in other.iterdir()) == sorted(p.name for p in one.iterdir())


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """The folder of a run that nothing happened to."""
    folder = tmp_path_factory.mktemp("whole")
    run(folder, save_every=100)
    return folder


class Stop(Exception):
    pass


def stop_at(moment, method):
    """Fails at a moment, (number, ...) of the arguments, and only once."""
    left = [moment]

    def stop(self, *args, **kwargs):
        if left and args[: len(moment)] == moment:
            left.clear()
            raise Stop
        return method(self, *args, **kwargs)

    return stop


@pytest.mark.parametrize("optimizer", ["adamw", "muon"])
def test_an_interrupted_run_ends_as_an_uninterrupted_one(optimizer, tmp_path, monkeypatch):
    run(tmp_path / "whole", optimizer=optimizer)
    for owner, method, *moment in (  # in the order in which they come in a run
        (survival.Checkpoint, "_save", 0, 2),
        (training.BestWeights, "on_epoch_end", 0),
        (keras.callbacks.CSVLogger, "on_epoch_end", 1),
        (survival.Checkpoint, "_save", 2, 0),  # the log has a line that is written again
        (survival.Checkpoint, "on_train_batch_end", 3),
    ):
        with monkeypatch.context() as context, pytest.raises(Stop):
            changed = stop_at(tuple(moment), getattr(owner, method))
            context.setattr(owner, method, changed)
            run(tmp_path / "parts", save_every=2, optimizer=optimizer)
    run(tmp_path / "parts", optimizer=optimizer)
    verify_same(tmp_path / "whole", tmp_path / "parts")


def test_a_run_that_began_with_a_model_goes_on_without_it(tmp_path, monkeypatch):
    start = str(tmp_path / "start.keras")
    run(tmp_path / "before", epochs=1).save(start)
    options = {"start": start, "cycles": (1, 2), "epochs": 3}
    run(tmp_path / "whole", **options)
    for moment in ((1, 1), (1, 3)):  # the first comes before anything is saved
        with monkeypatch.context() as context, pytest.raises(Stop):
            changed = stop_at(moment, survival.Checkpoint._save)
            context.setattr(survival.Checkpoint, "_save", changed)
            run(tmp_path / "parts", **options)
    pathlib.Path(start).unlink()
    run(tmp_path / "parts", **options)
    verify_same(tmp_path / "whole", tmp_path / "parts")


def test_a_run_killed_at_20_random_moments_ends_as_an_uninterrupted_one(tmp_path):
    """Processes, of a server that has imported TensorFlow, so that they start soon."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["tfar.training"])
    changes = {"epochs": 100, "batch_size": 4}

    def start(folder):
        process = context.Process(target=run, args=(folder,), kwargs=changes)
        process.start()
        return process

    uninterrupted = start(tmp_path / "whole")
    uninterrupted.join()
    assert uninterrupted.exitcode == 0
    state = tmp_path / "parts" / "checkpoint.npz"
    rng, seen = random.Random(1), set()
    for _ in range(20):
        process = start(tmp_path / "parts")
        before = state.stat().st_mtime_ns if state.exists() else None
        while process.is_alive() and (not state.exists() or state.stat().st_mtime_ns == before):
            time.sleep(0.002)
        time.sleep(rng.uniform(0, 0.2))
        process.kill()
        process.join()
        assert process.exitcode == -signal.SIGKILL
        with warnings.catch_warnings(action="error"):  # nothing is ever damaged
            place = survival.Checkpoint(state, 16, 1, None)
        seen.add((place.epoch, place.step))
    assert len(seen) == 20 and any(step for _, step in seen)
    last = start(tmp_path / "parts")
    last.join()
    assert last.exitcode == 0
    for leftover in (tmp_path / "parts").glob("partial-*"):
        leftover.unlink()
    verify_same(tmp_path / "whole", tmp_path / "parts")


def test_a_damaged_checkpoint_is_replaced_by_the_one_before(whole, tmp_path):
    def cut(path):
        path.write_bytes(path.read_bytes()[:-100])

    def flip(path):
        content = bytearray(path.read_bytes())
        content[len(content) // 2] ^= 1
        path.write_bytes(content)

    run(tmp_path / "run")
    for index, damage in enumerate((cut, flip, lambda path: path.write_bytes(b""))):
        folder = shutil.copytree(tmp_path / "run", tmp_path / str(index))
        damage(folder / "checkpoint.npz")
        with pytest.warns(UserWarning, match=r"checkpoint.npz is damaged .* from the one before"):
            place = survival.Checkpoint(folder / "checkpoint.npz", STEPS, 1, None)
        assert (place.epoch, place.step) == (3, STEPS - 1)
        run(folder, save_every=100)
        verify_same(whole, folder)
    for name in ("checkpoint.npz", "checkpoint.npz.previous"):
        cut(folder / name)
    with pytest.warns(UserWarning) as said:
        place = survival.Checkpoint(folder / "checkpoint.npz", STEPS, 1, None)
    assert (place.epoch, place.step) == (0, 0)
    assert "previous is damaged" in str(said[1].message) and "beginning" in str(said[1].message)


def when(monkeypatch, epoch, step, act):
    """Calls ``act(model)`` before a step of an epoch."""
    begin = progress.Progress.on_epoch_begin
    end = progress.Progress.on_train_batch_end

    def on_epoch_begin(self, number, logs=None):
        self.number = number
        begin(self, number, logs)

    def on_train_batch_end(self, batch, logs=None):
        end(self, batch, logs)
        if (self.number, batch + 1) == (epoch, step):
            act(self.model)

    monkeypatch.setattr(progress.Progress, "on_epoch_begin", on_epoch_begin)
    monkeypatch.setattr(progress.Progress, "on_train_batch_end", on_train_batch_end)


@pytest.mark.parametrize("step, saved", [(2, (1, 2)), (STEPS, (2, 0))])
def test_a_sigterm_ends_training_after_the_step_which_is_saved(
    whole, step, saved, tmp_path, monkeypatch
):
    before = signal.getsignal(signal.SIGTERM)
    with monkeypatch.context() as context, pytest.raises(SystemExit, match="143"):
        when(context, 1, step, lambda model: os.kill(os.getpid(), signal.SIGTERM))
        run(tmp_path, save_every=100)
    assert signal.getsignal(signal.SIGTERM) is before
    place = survival.Checkpoint(tmp_path / "checkpoint.npz", STEPS, 1, None)
    assert (place.epoch, place.step) == saved
    run(tmp_path, save_every=100)
    assert signal.getsignal(signal.SIGTERM) is before
    verify_same(whole, tmp_path)


def break_weights(model):
    variable = model.trainable_variables[0]
    variable.assign(variable.numpy() * np.nan)


@pytest.mark.parametrize("step, said", [(1, "loss is nan after step 2"), (STEPS, "at step 4")])
def test_what_is_not_finite_ends_training_and_keeps_the_last_good_state(
    whole, step, said, tmp_path, monkeypatch
):
    expected = f"{said} of epoch 3: .* the state after 2 epochs and 0 steps are kept"
    with monkeypatch.context() as context, pytest.raises(ValueError, match=expected):
        when(context, 2, step, break_weights)
        run(tmp_path, save_every=100)
    run(tmp_path, save_every=100)
    verify_same(whole, tmp_path)


def test_a_full_disk_ends_training_and_keeps_the_last_good_state(whole, tmp_path, monkeypatch):
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)

    def fill(_):
        resource.setrlimit(resource.RLIMIT_FSIZE, (1000, limits[1]))

    expected = r"checkpoint.npz could not be written: .* after 1 epochs and 2 steps, which is kept"
    try:
        with monkeypatch.context() as context, pytest.raises(OSError, match=expected):
            when(context, 1, 3, fill)
            run(tmp_path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert not list(tmp_path.glob("partial-*"))
    run(tmp_path, save_every=100)
    verify_same(whole, tmp_path)
