"""Trains and scores tiny models under a strategy; `test_distribute.py` runs it, in processes.

Logical devices must be made before TensorFlow starts, and a worker is a process of its own.
"""

import json
import os
import pathlib
import signal
import sys

import keras
import numpy as np
import tensorflow as tf

from support import cases, toys
from tfar import models, training
from tfar.models import fitting
from tfar.training import checkpoints

COUNT, BATCH = 17, 8  # the last batch of 1 leaves a replica nothing; of validation 3 and 2
# The mean of no examples is NaN, with which a fit ends: here it is 0.
BUGS = {
    "mean": lambda loss, count: tf.where(count > 0, loss, 0.0),
    "equal shares": lambda loss, count: (
        tf.where(count > 0, loss, 0.0) / tf.distribute.get_strategy().num_replicas_in_sync
    ),
}
SIGNALS = {"SIGTERM": (0, 1), "SIGKILL": (1, 3)}  # the epoch and the steps of it that are done


def strategy_of(name):
    """Of a name; "mirrored" takes two GPUs, or makes two logical devices of the processor."""
    if name == "multiworker":
        return tf.distribute.MultiWorkerMirroredStrategy()
    if name == "default":
        return tf.distribute.get_strategy()
    kind = "GPU" if len(tf.config.list_physical_devices("GPU")) > 1 else "CPU"
    if kind == "CPU":
        device = tf.config.list_physical_devices("CPU")[0]
        halves = [tf.config.LogicalDeviceConfiguration() for _ in range(2)]
        tf.config.set_logical_device_configuration(device, halves)
    return tf.distribute.MirroredStrategy([f"{kind}:0", f"{kind}:1"])


def run(strategy, name, weighted=False):
    """{what: array} of evaluate, predict and two epochs of fit with SGD."""
    with strategy.scope():
        model = cases.randomised(name)
        clip = 0.1 if weighted else None
        model.compile(keras.optimizers.SGD(0.05, momentum=0.5, global_clipnorm=clip))
    x, validation = cases.inputs(model, COUNT), cases.inputs(model, 5, seed=1)
    weights = np.random.RandomState(2).rand(COUNT).astype(np.float32) if weighted else None
    found = model.evaluate(x, sample_weight=weights, batch_size=BATCH, verbose=0, return_dict=True)
    found = {f"evaluate {key}": value for key, value in found.items()}
    found["predict"] = model.predict(x, batch_size=BATCH, verbose=0)
    history = model.fit(
        x,
        sample_weight=weights,
        epochs=2,
        batch_size=BATCH,
        shuffle=False,
        validation_data=(validation,),
        verbose=0,
    ).history
    found.update({f"fit {key}": value for key, value in history.items()})
    found.update({f"weights {i}": w for i, w in enumerate(model.get_weights())})
    return {key: np.asarray(value) for key, value in found.items()}


def train(strategy, folder):
    """{what: array} of the trainer, with batches of 15 that do not split evenly."""
    recipe = toys.toy(
        model=lambda x: models.MADE(x.shape[1:], (8,)), epochs=2, batch_size=15, clip_norm=0.5
    )
    data = toys.made_up([3, 3, 1], 60, 20)
    for _ in range(2):  # the second finds a finished run
        model = training.train(
            recipe, folder, data=data, verbose=0, strategy=strategy, save_every=2
        )
    found = {f"weights {i}": w for i, w in enumerate(model.get_weights())}
    log = np.genfromtxt(folder / "log.csv", delimiter=",", names=True)
    assert not list(folder.glob("partial*"))
    return {**found, **{key: log[key] for key in log.dtype.names}}


def shuffled(strategy):
    """{what: array} of epochs that change no weight: the means if each example is seen once."""
    with strategy.scope():
        model = cases.randomised("made")
        model.compile(keras.optimizers.SGD(0.0))
    history = model.fit(cases.inputs(model, COUNT), epochs=3, batch_size=BATCH, verbose=0).history
    return {key: np.asarray(value) for key, value in history.items()}


def overflowing(strategy):
    """{what: array} of two steps in float16; an example of one replica overflows in the first."""
    keras.config.set_dtype_policy("mixed_float16")
    with strategy.scope():
        model = cases.randomised("made")
        keras.config.set_dtype_policy("float32")
        model.compile(keras.optimizers.SGD(0.005))  # float16 rounds its gradients
    x = cases.inputs(model, 2 * BATCH)
    weights = np.where(np.arange(len(x)) == BATCH - 1, 1e30, 1).astype(np.float32)
    model.fit(x, sample_weight=weights, batch_size=BATCH, shuffle=False, verbose=0)
    found = {f"weights {i}": w for i, w in enumerate(model.get_weights())}
    return {**found, "scale": model.optimizer.dynamic_scale.numpy()}


def every(strategy, names, folder):
    """All of `run`, of names that may end in "*": with sample weights, and clipped gradients.

    The name "train" is of `train`, in a folder; "shuffled" and "overflowing" are of theirs.
    """
    found = {}
    for name in names:
        if name == "train":
            new = train(strategy, folder / "run")
        elif name in ("shuffled", "overflowing"):
            new = {"shuffled": shuffled, "overflowing": overflowing}[name](strategy)
        else:
            new = run(strategy, name.rstrip("*"), name.endswith("*"))
        found.update({f"{name}/{key}": value for key, value in new.items()})
    return found


def plant(name):
    """A bug in the loss, or a signal that this process gets while it trains."""
    if name in BUGS:
        fitting.share = BUGS[name]
    if name in SIGNALS:
        end = checkpoints.Checkpoint.on_train_batch_end

        def on_train_batch_end(self, batch, logs=None):
            if (self.epoch, batch + 1) == SIGNALS[name]:
                os.kill(os.getpid(), signal.Signals[name])
            end(self, batch, logs)

        checkpoints.Checkpoint.on_train_batch_end = on_train_batch_end


def refuse_to_write(folder):
    """Makes writing there fail, from now on in this process."""

    def audit(event, args):
        writes = event in ("os.rename", "os.remove", "os.mkdir")
        if writes or (event == "open" and set(str(args[1])) & set("wax+")):
            for path in args[:2]:
                if isinstance(path, (str, os.PathLike)) and folder in pathlib.Path(path).parents:
                    raise PermissionError(f"{event} of {path}")

    sys.addaudithook(audit)


def alone(kind, out, planted, names, config):
    """Runs in a process of its own, whose standard error goes beside ``out``."""
    error = os.open(out.with_suffix(".txt"), os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    os.dup2(error, 2)
    if config:
        os.environ["TF_CONFIG"] = config
    if json.loads(config or "{}").get("task", {}).get("index"):
        refuse_to_write(out.parent / "run")
    tf.config.threading.set_intra_op_parallelism_threads(1)
    tf.config.threading.set_inter_op_parallelism_threads(2)  # replicas wait for each other
    plant(planted)
    strategy = strategy_of(kind)
    if planted == "no seed":
        shuffled(strategy)
        return
    keras.utils.set_random_seed(1)
    np.savez(out, **every(strategy, names, out.parent))
