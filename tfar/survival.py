"""Runs that end before their time: signals, losses that are no numbers, damaged checkpoints."""

import json
import shutil
import signal
import threading
import warnings

import h5py
import keras
import numpy as np

METADATA, WEIGHTS = "training_metadata.json", "latest.weights.h5"  # Keras' names


class StopOnNaN(keras.callbacks.Callback):
    """Ends training at the first step whose loss is not finite, before anything is saved of it.

    Unlike ``keras.callbacks.TerminateOnNaN``, which ends the epoch as any other, so that the
    checkpoint of the epoch before is overwritten.

    Raises:
      ValueError: that names the step and the epoch, from ``fit``.
    """

    def on_epoch_begin(self, epoch, logs=None):
        self.epoch = epoch

    def on_train_batch_end(self, batch, logs=None):
        loss = float(logs["loss"])
        if not np.isfinite(loss):
            raise ValueError(
                f"The loss is {loss} after step {batch + 1} of epoch {self.epoch + 1}: lower "
                f"learning_rate. The state after epoch {self.epoch} and the best weights are kept."
            )


class StopOnSignal(keras.callbacks.Callback):
    """Ends training after the running epoch, which is saved, when the process gets a SIGTERM.

    A second SIGTERM ends it at once, and the epoch is run again when training goes on. Listens
    as a context manager, around ``fit``, in the main thread; ``asked`` says whether one came.
    Several workers have to get the signal in the same epoch, or all will wait for one.
    """

    asked = False

    def __enter__(self):
        self.listens = threading.current_thread() is threading.main_thread()
        if self.listens:
            self.before = signal.signal(signal.SIGTERM, self._ask)
        return self

    def __exit__(self, *_):
        if self.listens:
            signal.signal(signal.SIGTERM, self.before)

    def _ask(self, *_):
        self.asked = True
        signal.signal(signal.SIGTERM, self.before)
        print("SIGTERM: stops after this epoch, or at once at a second one.", flush=True)

    def on_epoch_end(self, epoch, logs=None):
        self.model.stop_training |= self.asked


def first_epoch(backup):
    """The epoch at which a run goes on, 0 if nothing is saved.

    A checkpoint that is cut short or cannot be read is replaced by the one before it, with a
    warning; if that is no better, training starts again.

    Args:
      backup: the folder of ``keras.callbacks.BackupAndRestore``, with ``double_checkpoint=True``.
    """
    if not backup.exists():
        return 0
    epoch = _epoch_of(backup)
    if epoch is None:
        epoch = _epoch_of(backup, ".bkp")
        said = "training starts again" if epoch is None else f"going on after epoch {epoch}"
        warnings.warn(f"The checkpoint in {backup} is damaged: {said}.", stacklevel=2)
        if epoch is None:
            shutil.rmtree(backup)
            return 0
        for name in (METADATA, WEIGHTS):
            shutil.copyfile(backup / f"{name}.bkp", backup / name)
    return epoch


def _read(_, item):
    if isinstance(item, h5py.Dataset):
        item[()]


def _epoch_of(backup, suffix=""):
    """The epoch of a checkpoint all of which can be read, or None."""
    try:
        with h5py.File(backup / f"{WEIGHTS}{suffix}") as weights:
            weights.visititems(_read)
        return json.loads((backup / f"{METADATA}{suffix}").read_text())["epoch"]
    except (OSError, ValueError, KeyError, RuntimeError):
        return None
