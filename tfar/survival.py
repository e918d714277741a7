"""Runs that end before their time and go on bit for bit: checkpoints, SIGTERM, diverged losses."""

import contextlib
import signal
import threading
import warnings
import zipfile
import zlib

import keras
import numpy as np

from tfar import files, strategies

__all__ = ["Checkpoint"]

UNREADABLE = (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile, zlib.error)


class Checkpoint(keras.callbacks.Callback):
    """Saves the whole state of training, and restores it when training begins.

    That is the place in the data (epochs done, steps done of the next one), the weights and their
    averages, the optimizer, the metrics of the epoch so far and the random generators. If batches
    depend on their place only, a run that was killed at any moment goes on to the very weights,
    bit for bit, of one that was not, on the same machine.

    ``keras.callbacks.BackupAndRestore`` begins an epoch again from weights that have seen half of
    it, and forgets the generators.

    Saved are ``path`` and, the state before it, ``path`` with the ending ".previous", which is
    gone on from, with a warning, if the first cannot be read. Files are written aside and renamed.

    When the process gets a SIGTERM while this is entered as a context manager, in the main thread,
    the state is saved after the running step and the process exits with status 143; of several
    workers any may get it, and all exit at the next save. A second SIGTERM ends the process.

    Args:
      path: an .npz file; its folder is made if need be.
      steps: steps of an epoch, all of them.
      every: steps from one save to the next; the end of an epoch is saved too, and so is what
        callbacks before this one have done there.
      strategy: the ``tf.distribute.Strategy`` of the model.
      first: epoch at which a new run begins.

    Attributes:
      epoch, step: the place.

    Raises:
      ValueError: from ``fit``, if the loss or a weight is not finite; nothing is saved of it.
      OSError: from ``fit``, if the state cannot be written; what was saved before is kept.
      SystemExit: of status 143, from ``fit``, after a SIGTERM.
    """

    def __init__(self, path, steps, every, strategy, first=0):
        super().__init__()
        self.path, self.previous = path, path.with_name(f"{path.name}.previous")
        self.steps, self.every, self.strategy = steps, every, strategy
        self.asked = False
        self.epoch, self.step, self.saved = self._read() or (first, 0, [])

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

    def on_train_begin(self, logs=None):
        if self.saved:
            for variable, value in zip(self._variables(), self.saved, strict=True):
                variable.assign(value)

    def on_epoch_begin(self, epoch, logs=None):
        self.before_epoch = self.step  # steps that an earlier process has done
        if self.step:  # Keras has reset the metrics
            metrics = self.model.metrics_variables
            for variable, value in zip(metrics, self.saved[-len(metrics) :]):
                variable.assign(value)

    def on_train_batch_end(self, batch, logs=None):
        step = self.before_epoch + batch + 1
        if not np.isfinite(logs["loss"]):
            raise self._diverged(f"The loss is {float(logs['loss'])} after step {step}")
        alone = strategies.num_workers(self.strategy) == 1
        if step < self.steps and (step % self.every == 0 or (alone and self.asked)):
            self._save(self.epoch, step)

    def on_epoch_end(self, epoch, logs=None):
        self._save(epoch + 1, 0)

    def _variables(self):
        model = self.model
        return [*model.variables, *model.optimizer.variables, *model.metrics_variables]

    def _save(self, epoch, step):
        values = [variable.numpy() for variable in self._variables()]
        if not all(np.isfinite(v).all() for v in values if v.dtype.kind == "f"):
            raise self._diverged(f"Weights are not finite at step {step or self.steps}")
        try:
            with files.replacing(self.path) as partial:
                np.savez(partial, *values, place=[epoch, step])
                with contextlib.suppress(FileNotFoundError):
                    self.path.replace(self.previous)
        except OSError as error:
            raise OSError(
                f"{error}: make room and train again to resume from {self._where()}, which is kept."
            ) from error
        self.epoch, self.step, self.saved = epoch, step, values
        if strategies.any_worker(self.strategy, self.asked):
            raise SystemExit(128 + signal.SIGTERM)

    def _diverged(self, what):
        return ValueError(
            f"{what} of epoch {self.epoch + 1}: lower learning_rate. The best weights and "
            f"{self._where()} are kept."
        )

    def _where(self):
        return f"the state after {self.epoch} epochs and {self.step} steps"

    def _read(self):
        """``(epoch, step, values)`` of the newest file that can be read; None without."""
        for path in (self.path, self.previous):
            if not path.exists():  # of the first: killed between two renames
                continue
            try:
                with path.open("rb") as file, np.load(file) as saved:  # which checks sums
                    epoch, step = (int(number) for number in saved["place"])
                    return epoch, step, [saved[f"arr_{i}"] for i in range(len(saved.files) - 1)]
            except UNREADABLE as error:
                path.unlink()  # lest it replaces the previous one
                after = "the one before" if self.previous.exists() else "the beginning"
                warnings.warn(f"{path} is damaged ({error}): going on from {after}.", stacklevel=3)
        return None
