"""Runs that are killed, terminated, out of disk or of numbers go on bit for bit."""

import errno
import hashlib
import json
import multiprocessing
import os
import pathlib
import random
import re
import resource
import shutil
import signal
import time
import warnings

import h5py
import numpy as np
import pytest
from support import toys

import tfar
from tfar import files, training
from tfar.training import checkpoints, loop, progress, runs

STEPS = 4  # of an epoch of the toy


def run(folder, save_every=1, verbose=0, start=None, **changes):
    """At a rate at which the first, the second and the last epoch are the best so far."""
    return training.train(
        toys.toy(**{"learning_rate": 3.0, **changes}),
        folder,
        data=toys.made_up([3, 3, 1]),
        verbose=verbose,
        save_every=save_every,
        start=start,
    )


def arrays(path):
    """{name: array} of an .npz or an .h5 file."""
    found = {}
    if path.suffix == ".npz":
        with np.load(path) as saved:
            return dict(saved)
    with h5py.File(path) as saved:
        saved.visititems(
            lambda name, part: found.update({name: part[()]} if hasattr(part, "shape") else {})
        )
    return found


def verify_same(one, other):
    """The same whole states, logs and best weights, to the last bit.

    Keras numbers the names of models in a process, and ``best.weights.h5`` has them: its checksum
    is the same only for runs in processes of their own.
    """
    for name in ("checkpoint.npz", "best.weights.h5"):
        a, b = arrays(one / name), arrays(other / name)
        assert a.keys() == b.keys() and len(a) > 3
        for key in a:
            np.testing.assert_array_equal(a[key], b[key])
    for name in ("log.csv", "recipe.json"):
        assert (one / name).read_text() == (other / name).read_text()
    best = [runs.best(folder) for folder in (one, other)]
    for folder, known in zip((one, other), best):
        content = (folder / "best.weights.h5").read_bytes()
        assert known.pop("sha256") == hashlib.sha256(content).hexdigest()
    assert best[0] == best[1]
    names = [sorted(path.name for path in folder.iterdir()) for folder in (one, other)]
    assert names[0] == [name for name in names[1] if not name.endswith(".damaged")]


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
        (checkpoints.Checkpoint, "_save", 0, 2),
        (runs.BestWeights, "on_epoch_end", 0),
        (runs.Log, "on_epoch_end", 1),
        (checkpoints.Checkpoint, "_save", 2, 0),  # the log has a line that is written again
        (checkpoints.Checkpoint, "on_train_batch_end", 3),
    ):
        if optimizer == "muon" and owner is not checkpoints.Checkpoint:
            continue  # what saves other files knows nothing of optimizers
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
            changed = stop_at(moment, checkpoints.Checkpoint._save)
            context.setattr(checkpoints.Checkpoint, "_save", changed)
            run(tmp_path / "parts", **options)
    pathlib.Path(start).unlink()
    run(tmp_path / "parts", **options)
    verify_same(tmp_path / "whole", tmp_path / "parts")


@pytest.mark.parametrize("kills", [4, pytest.param(20, marks=pytest.mark.thorough)])
def test_a_run_killed_at_random_moments_ends_as_an_uninterrupted_one(kills, tmp_path):
    """Processes, of a server that has imported TensorFlow, so that they start soon."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["tfar.testing", "tfar.training"])
    changes = {"epochs": 100, "batch_size": 8}  # a step with its save takes some 15 ms

    def start(folder):
        process = context.Process(target=run, args=(folder,), kwargs=changes, daemon=True)
        process.start()
        return process

    uninterrupted = start(tmp_path / "whole")
    uninterrupted.join(120)
    assert uninterrupted.exitcode == 0
    state = tmp_path / "parts" / "checkpoint.npz"

    def saved():
        try:
            return state.stat().st_mtime_ns
        except FileNotFoundError:  # not yet, or between two renames
            return None

    rng, seen = random.Random(1), set()
    for _ in range(kills):
        process = start(tmp_path / "parts")
        before = saved()
        deadline = time.monotonic() + 120
        while process.is_alive() and saved() in (before, None):
            assert time.monotonic() < deadline
            time.sleep(0.002)
        time.sleep(rng.uniform(0, 0.1))
        process.kill()
        process.join()
        assert process.exitcode == -signal.SIGKILL
        with warnings.catch_warnings(action="error"):  # nothing is ever damaged
            place = checkpoints.Checkpoint(state, steps=8, every=1, strategy=None)
        seen.add((place.epoch, place.step))
    assert len(seen) == kills and any(step for _, step in seen)
    last = start(tmp_path / "parts")
    last.join(120)
    assert last.exitcode == 0
    for leftover in (tmp_path / "parts").glob("partial-*"):
        leftover.unlink()
    verify_same(tmp_path / "whole", tmp_path / "parts")
    weights = [(tmp_path / name / "best.weights.h5").read_bytes() for name in ("whole", "parts")]
    assert weights[0] == weights[1]


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
        damaged = (folder / "checkpoint.npz").read_bytes()
        with pytest.warns(UserWarning, match=r"checkpoint.npz is damaged .* from the one before"):
            place = checkpoints.Checkpoint(
                folder / "checkpoint.npz", steps=STEPS, every=1, strategy=None
            )
        assert (place.epoch, place.step) == (3, STEPS - 1)
        assert (folder / "checkpoint.npz.damaged").read_bytes() == damaged
        run(folder, save_every=100)
        verify_same(whole, folder)
    for name in ("checkpoint.npz", "checkpoint.npz.previous"):
        cut(folder / name)
    with pytest.warns(UserWarning) as said:
        place = checkpoints.Checkpoint(
            folder / "checkpoint.npz", steps=STEPS, every=1, strategy=None
        )
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
    place = checkpoints.Checkpoint(tmp_path / "checkpoint.npz", steps=STEPS, every=1, strategy=None)
    assert (place.epoch, place.step) == saved
    run(tmp_path, save_every=100)
    assert signal.getsignal(signal.SIGTERM) is before
    verify_same(whole, tmp_path)


def break_weights(model):
    variable = model.trainable_variables[0]
    variable.assign(variable.numpy() * np.nan)


@pytest.mark.parametrize(
    "step, said", [(1, "loss of a batch is nan: .* in"), (STEPS, "at step 4 of")]
)
def test_what_is_not_finite_ends_training_and_keeps_the_last_good_state(
    whole, step, said, tmp_path, monkeypatch
):
    expected = f"{said} epoch 3.* the state after 2 epochs and 0 steps are kept"
    with monkeypatch.context() as context, pytest.raises(ValueError, match=expected):
        when(context, 2, step, break_weights)
        run(tmp_path, save_every=100)
    run(tmp_path, save_every=100)
    verify_same(whole, tmp_path)


def contents(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}


def test_every_flipped_bit_of_a_checkpoint_is_noticed(tmp_path):
    values = [np.arange(5.0), np.ones([3, 2], np.float32)]
    np.savez(tmp_path / "a.npz", *values, place=[7, 1, 2])
    content = (tmp_path / "a.npz").read_bytes()
    noticed = 0
    for bit in range(0, 8 * len(content), 7):
        changed = bytearray(content)
        changed[bit // 8] ^= 1 << bit % 8
        (tmp_path / "b.npz").write_bytes(changed)
        try:
            *place, found = checkpoints.read(tmp_path / "b.npz")
        except checkpoints.Damaged:
            noticed += 1
        else:  # it is one of a date, for instance
            assert place == [7, 1] and len(found) == 2
            assert all(np.array_equal(a, b) for a, b in zip(found, values))
    assert noticed > 600


@pytest.mark.parametrize("code", [errno.EIO, errno.EACCES])
def test_a_checkpoint_that_cannot_be_read_is_kept_and_training_stops(
    code, whole, tmp_path, monkeypatch
):
    folder = shutil.copytree(whole, tmp_path / "run")
    read = pathlib.Path.read_bytes

    def read_bytes(path):
        if path.name == "checkpoint.npz":
            raise OSError(code, os.strerror(code))
        return read(path)

    before = contents(folder)
    with monkeypatch.context() as context:
        context.setattr(pathlib.Path, "read_bytes", read_bytes)
        with pytest.raises(OSError, match=f"checkpoint.npz could not be read: {os.strerror(code)}"):
            run(folder)
    assert contents(folder) == before
    run(folder)
    verify_same(whole, folder)


@pytest.mark.parametrize(
    "name, content, said",
    [
        ("recipe.json", b"", "it is not JSON"),
        ("recipe.json", b"[1, 2]", "expected an object, got"),
        ("recipe.json", b"{}", "it has no name"),
        ("recipe.json", b'{"name": 5}', "expected a string as name, got 5"),
        ("recipe.json", b'{"name": "toy", "data": "x"}', "expected an object as data"),
        ("recipe.json", b"\xff", "it is not JSON"),
        ("best.json", b'{"epoch": 3, "val_na', "it is not JSON"),
        ("best.json", b'{"epoch": "3", "val_nats": 2.0}', "expected an integer as epoch"),
        ("best.json", b'{"epoch": 3}', "it has no val_nats"),
        ("log.csv", b"epoch,loss\nmany,1.5\n", "in line 2"),
        ("log.csv", b"epoch,loss\n0,1.5\n1,2,3\n2,1.1\n", "in line 3"),
        ("log.csv", b"\x00\xff\n\n", "in line 1"),
    ],
)
def test_damaged_records_stop_a_run_and_are_left_as_they_are(name, content, said, whole, tmp_path):
    folder = shutil.copytree(whole, tmp_path / "run")
    (folder / name).write_bytes(content)
    before = contents(folder)
    with pytest.raises(
        ValueError, match=f"{name} is damaged.*{said}.*[Rr]estore it from a copy, or"
    ):
        run(folder)
    assert contents(folder) == before


def test_a_last_line_of_the_log_that_was_cut_is_written_again(whole, tmp_path):
    lines = (whole / "log.csv").read_text().splitlines(keepends=True)
    header = lines[0].strip().split(",")
    last = dict(zip(header, lines[-1].strip().split(",")))
    for kept in (0, 1, 3, 60, len(lines[-1]) - 1):  # characters
        path = tmp_path / f"{kept}.csv"
        path.write_text("".join(lines[:-1]) + lines[-1][:kept])
        runs.Log(path).on_epoch_end(3, {key: last[key] for key in header[1:]})
        assert path.read_text() == "".join(lines)
    (tmp_path / "header.csv").write_text("epoch,lo")
    runs.Log(tmp_path / "header.csv").on_epoch_end(0, {"nats": 1.5, "loss": 2.5})
    found = (tmp_path / "header.csv").read_text()
    assert found == "epoch,loss,nats,val_loss,val_nats\n0,2.5,1.5,NA,NA\n"


def test_a_checkpoint_of_another_model_is_refused(whole, tmp_path):
    folder = shutil.copytree(whole, tmp_path / "run")
    (folder / "recipe.json").unlink()  # which would have told it
    before = contents(folder)
    with pytest.raises(ValueError, match=r"checkpoint.npz holds the state of another training run"):
        run(folder, epochs=9, model=lambda x: tfar.models.MADE(x.shape[1:], (9,)))
    assert contents(folder) == before | {"recipe.json": (folder / "recipe.json").read_bytes()}


def test_other_data_are_refused_by_name_before_a_model_is_built(whole, tmp_path):
    folder = shutil.copytree(whole, tmp_path / "run")
    before = contents(folder)

    def refused(said, **parts):
        def build(x):
            raise AssertionError("a model is built")

        with pytest.raises(ValueError, match=rf"run of other data \({said} differ\)"):
            recipe = toys.toy(model=build, learning_rate=3.0)
            training.train(recipe, folder, data={**toys.made_up([3, 3, 1]), **parts}, verbose=0)
        assert contents(folder) == before

    data = toys.made_up([3, 3, 1])
    other = data["train"].copy()
    other[-1, -1, -1] ^= 1
    refused("the training data", train=other)
    refused("the training data", train=data["train"].astype(np.int32))
    refused("the validation data", validation=data["validation"][:-1])
    refused("the training data, the validation data", train=other, validation=other)
    record = json.loads((folder / "recipe.json").read_text())
    for key in ("data", "source"):  # as it was recorded formerly
        del record[key]
    (folder / "recipe.json").write_text(json.dumps(record))
    run(folder)
    verify_same(whole, folder)


def test_the_digest_is_of_values_shapes_names_and_texts():
    x = np.arange(6, dtype=np.uint8)
    parts = [x, x[::-1], x.reshape(2, 3), x.astype(np.int8), {"x": x, "condition": x}]
    parts += [{"x": x, "condition": x + 1}, "text", "texts", "\ud800", x[:0], np.ones(3), x > 2]
    digests = [runs.digest(part) for part in parts]
    assert len(set(digests)) == len(parts)
    assert runs.digest(np.asfortranarray(x.reshape(2, 3))) == digests[2]
    assert runs.digest({"condition": x, "x": x}) == digests[4]


def test_best_weights_with_a_flipped_bit_are_refused(whole, tmp_path):
    folder = shutil.copytree(whole, tmp_path / "run")
    content = (folder / "best.weights.h5").read_bytes()
    for place in (0, len(content) // 2, len(content) - 1):
        changed = bytearray(content)
        changed[place] ^= 1
        (folder / "best.weights.h5").write_bytes(changed)
        with pytest.raises(ValueError, match=r"best.weights.h5 is damaged: its SHA-256 is "):
            runs.load_best(None, folder)
    with pytest.raises(ValueError, match=r"best.weights.h5 is damaged: its SHA-256 is "):
        run(folder)
    (folder / "best.weights.h5").write_bytes(content)
    known = runs.best(folder)
    del known["sha256"]  # as it was recorded formerly
    (folder / "best.json").write_text(json.dumps(known))
    x = toys.made_up([3, 3, 1])["validation"]
    np.testing.assert_allclose(-run(folder).log_prob(x).numpy().mean(), known["val_nats"], 1e-5)
    (folder / "best.weights.h5").write_bytes(content[:1000])
    with pytest.raises(ValueError, match=r"best.weights.h5 is damaged \("):
        run(folder)


def test_a_run_killed_between_best_weights_and_their_record_ends_as_others(
    whole, tmp_path, monkeypatch
):
    replacing = files.replacing
    for before in (False, True):  # the first weights, and the second, are without a record

        def stop(path, before=before):
            if path.name == "best.json" and path.exists() == before:
                raise Stop
            return replacing(path)

        with monkeypatch.context() as context, pytest.raises(Stop):
            context.setattr(files, "replacing", stop)
            run(tmp_path / "run")
        with pytest.raises((ValueError, FileNotFoundError), match=r"damaged|has no best.json"):
            runs.load_best(None, tmp_path / "run")
    run(tmp_path / "run", save_every=100)
    verify_same(whole, tmp_path / "run")


def test_one_run_at_a_time_writes_to_a_folder(whole, tmp_path):
    folder = shutil.copytree(whole, tmp_path / "run")
    before = contents(folder)
    holder = rf"Another run writes to .*: process {os.getpid()} on .+ since \d{{4}}-\d\d-\d\d "
    with runs.locked(folder), pytest.raises(BlockingIOError, match=holder):
        run(folder)
    assert contents(folder) == before
    (folder / "lock").write_text("process 1 on a machine that was switched off")
    run(folder)
    verify_same(whole, folder)
    with pytest.raises(Stop), runs.locked(tmp_path / "new"):
        raise Stop
    assert not (tmp_path / "new").exists()
    (tmp_path / "file").touch()
    with pytest.raises(NotADirectoryError, match="file is a file, and a run needs a folder"):
        run(tmp_path / "file")


def test_ctrl_c_says_what_is_kept(whole, tmp_path, monkeypatch):
    def press(_):
        raise KeyboardInterrupt

    for folder, said in (
        (tmp_path, f"after 1 epochs and 2 steps are kept in {tmp_path}. Train again to resume"),
        (None, "Nothing is kept: no folder was given"),
    ):
        with monkeypatch.context() as context, pytest.raises(KeyboardInterrupt, match=said):
            when(context, 1, 3, press)
            run(folder)
    run(tmp_path, save_every=100)
    verify_same(whole, tmp_path)


def test_patience_ends_a_resumed_run_where_it_ends_others(tmp_path, monkeypatch):
    """Validated are the epochs 3, 6 and 9; the third is the best."""
    changes = {"learning_rate": 0.2, "warmup": 0.3, "epochs": 12, "patience": 4}
    changes["validate_every"] = 3
    run(tmp_path / "whole", **changes)
    assert runs.best(tmp_path / "whole")["epoch"] == 3
    assert (tmp_path / "whole" / "log.csv").read_text().count("\n") == 1 + 9
    with monkeypatch.context() as context, pytest.raises(Stop):
        stop = stop_at((8, 0), checkpoints.Checkpoint._save)
        context.setattr(checkpoints.Checkpoint, "_save", stop)
        run(tmp_path / "parts", save_every=100, **changes)
    run(tmp_path / "parts", **changes)
    verify_same(tmp_path / "whole", tmp_path / "parts")


@pytest.mark.parametrize(
    "owner, method, name",
    [
        (loop, "_record", "recipe.json"),
        (runs.BestWeights, "on_epoch_end", "best.weights.h5"),
        (runs.Log, "on_epoch_end", "log.csv"),
        (checkpoints.Checkpoint, "_save", "checkpoint.npz"),
    ],
)
def test_a_full_disk_ends_training_and_keeps_the_last_good_state(
    owner, method, name, whole, tmp_path, monkeypatch
):
    limits, original, calls = resource.getrlimit(resource.RLIMIT_FSIZE), getattr(owner, method), []

    def fill(*args, **kwargs):
        calls.append(None)
        if name == "recipe.json" or len(calls) == 2:  # of a step, or of an epoch
            resource.setrlimit(resource.RLIMIT_FSIZE, (50, limits[1]))
        return original(*args, **kwargs)

    with monkeypatch.context() as context:
        context.setattr(owner, method, fill)
        try:
            with pytest.raises(OSError, match=f"/{name} could not be written: ") as failed:
                run(tmp_path / "run")
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    if name != "recipe.json":
        assert re.search(
            r"after [01] epochs and [13] steps are kept in .*/run. Train", str(failed.value)
        )
    assert not list(tmp_path.glob("*/partial-*")) and not list(tmp_path.glob("*/lock"))
    run(tmp_path / "run", save_every=100)
    verify_same(whole, tmp_path / "run")
