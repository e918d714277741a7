"""Interrupted runs, which resume bit for bit: checkpoints, signals, diverged losses."""

import contextlib
import io
import pathlib
import signal
import threading
import warnings
from typing import Any, Self

import keras
import numpy as np
import tensorflow as tf

from tfar import files
from tfar.distribute import strategies
from tfar.models.fitting import NotFinite

__all__ = ["Checkpoint", "Damaged", "read"]


class Damaged(ValueError):
    """A file is not what was written."""


def read(path: pathlib.Path) -> tuple[int, int, list[np.ndarray]] | None:
    """``(epoch, step, values)`` of a saved state, see `Checkpoint`; None if there is no file.

    Raises:
      Damaged: if the archive is not intact.
      OSError: if the file cannot be read, with a message that names it: it may be intact.
    """
    try:
        content = files.read(path)  # any failure after this means damage
    except FileNotFoundError:
        return None
    try:
        with np.load(io.BytesIO(content)) as saved:  # verifies checksums
            epoch, step, *count = (int(number) for number in saved["place"])
            values = [saved[f"arr_{i}"] for i in range(len(saved.files) - 1)]
        if not values or count not in ([], [len(values)]):  # [] in older versions
            raise ValueError("arrays are missing")
        return epoch, step, values
    except OSError as error:  # not from the archive, which is in memory
        raise OSError(f"{path} could not be read: {error}") from error
    except MemoryError:
        raise
    except Exception as error:  # from five modules, from KeyError to zlib.error
        raise Damaged(f"{path} is damaged ({error})") from error


class Checkpoint(keras.callbacks.Callback):
    """Saves the whole state of training, and restores it when training begins.

    The state is the position in the data (epochs done, steps done of the next one), the weights and
    their averages, the optimizer, the metrics of the epoch so far and the random generators. If
    batches depend only on their position, a run that was killed at any moment ends with bit-for-bit
    the same weights as an uninterrupted run, on the same machine.

    ``keras.callbacks.BackupAndRestore`` begins an epoch again from weights that have seen half of
    it, and forgets the generators.

    The state is saved to ``path``; the state before it is kept as ``path`` with the ending
    ".previous". A damaged file is renamed, to the ending ".damaged", with a warning, and training
    resumes from the other, or from the beginning. Files are written atomically.

    If the process gets a SIGTERM while this is entered as a context manager, in the main thread,
    the state is saved after the current step and the process exits with status 143. Any of several
    workers may get the signal, and all exit at the next save. A second SIGTERM ends the process.

    Args:
      path: an .npz file; its folder is made if needed.
      steps: steps of a whole epoch.
      every: steps from one save to the next; the end of an epoch is saved too, including what
        callbacks before this one have done there.
      strategy: the ``tf.distribute.Strategy`` of the model.
      first: epoch at which a new run begins.
      kept: the folder as the user knows it, for messages; None for a temporary one.

    Attributes:
      epoch, step: the position.

    Raises:
      OSError: if a saved state cannot be read for a reason other than damage; or, from ``fit``, if
        the state cannot be written. What was saved before is kept.
      ValueError: from ``fit``, if the loss or a weight is not finite (that state is not saved), or
        if the saved state is of another model.
      KeyboardInterrupt: on Ctrl-C, with a message that says what was kept.
      SystemExit: with status 143, from ``fit``, after a SIGTERM.
    """

    def __init__(
        self,
        path: pathlib.Path,
        *,
        steps: int,
        every: int,
        strategy: tf.distribute.Strategy,
        first: int = 0,
        kept: Any = None,
    ) -> None:
        super().__init__()
        self.path, self.previous = path, path.with_name(f"{path.name}.previous")
        self.steps, self.every, self.strategy, self.kept = steps, every, strategy, kept
        self.asked = False
        self.epoch, self.step, self.saved = self._read() or (first, 0, [])

    def __enter__(self) -> Self:
        self.listens = threading.current_thread() is threading.main_thread()
        if self.listens:
            self.before = signal.signal(signal.SIGTERM, self._ask)
        return self

    def __exit__(self, kind: Any, error: BaseException | None, trace: Any) -> None:
        if self.listens:
            signal.signal(signal.SIGTERM, self.before)
        if isinstance(error, OSError):
            raise OSError(f"{error}. {self._keeps(resume=True)}") from error
        if isinstance(error, NotFinite):
            where = f"That was in epoch {self.epoch + 1}."
            raise ValueError(f"{error} {where} {self._keeps()}") from None
        if isinstance(error, KeyboardInterrupt):
            raise KeyboardInterrupt(self._keeps(resume=True)) from None

    def _ask(self, *_):
        self.asked = True
        signal.signal(signal.SIGTERM, self.before)

    def on_train_begin(self, logs: Any = None) -> None:
        if not self.saved:
            return
        variables = self._variables()
        shapes = [tuple(variable.shape) for variable in variables]
        if shapes != [value.shape for value in self.saved] or self.step >= self.steps:
            raise ValueError(
                f"{self.path} holds the state of another training run, with another model, batch "
                "size or version of Keras: train in another folder."
            )
        for variable, value in zip(variables, self.saved):
            variable.assign(value)

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        self.before_epoch = self.step  # steps that an earlier process has done
        if self.step:  # Keras has reset the metrics
            metrics = self.model.metrics_variables
            for variable, value in zip(metrics, self.saved[-len(metrics) :]):
                variable.assign(value)

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        step = self.before_epoch + batch + 1
        if not np.isfinite(logs["loss"]):
            raise self._diverged(f"The loss is {float(logs['loss'])} after step {step}")
        alone = strategies.num_workers(self.strategy) == 1
        if step < self.steps and (step % self.every == 0 or (alone and self.asked)):
            self._save(self.epoch, step)

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        self._save(epoch + 1, 0)

    def _variables(self):
        model = self.model
        return [*model.variables, *model.optimizer.variables, *model.metrics_variables]

    def _save(self, epoch, step):
        values = [variable.numpy() for variable in self._variables()]
        if not all(np.isfinite(v).all() for v in values if v.dtype.kind == "f"):
            raise self._diverged(f"Weights are not finite at step {step or self.steps}")
        with files.replacing(self.path) as partial:
            np.savez(partial, *values, place=[epoch, step, len(values)])
            with contextlib.suppress(FileNotFoundError):
                self.path.replace(self.previous)
        self.epoch, self.step, self.saved = epoch, step, values
        if strategies.any_worker(self.strategy, self.asked):
            raise SystemExit(128 + signal.SIGTERM)

    def _diverged(self, what):
        return ValueError(f"{what} of epoch {self.epoch + 1}: lower learning_rate. {self._keeps()}")

    def _keeps(self, resume=False):
        if self.kept is None:
            return "Nothing is kept: no folder was given."
        if not self.saved:
            return f"Nothing was saved yet in {self.kept}."
        return (
            f"The best weights and the state after {self.epoch} epochs and {self.step} steps are "
            f"kept in {self.kept}.{' Train again to resume.' if resume else ''}"
        )

    def _read(self):
        """``(epoch, step, values)`` of the newest intact file; None if there is none."""
        for path in (self.path, self.previous):
            try:
                if found := read(path):  # the first is missing after a kill between two renames
                    return found
            except Damaged as error:
                aside = path.replace(path.with_name(f"{path.name}.damaged"))
                after = "the one before" if self.previous.exists() else "the beginning"
                warnings.warn(
                    f"{error}, and is kept as {aside.name}: resuming from {after}.", stacklevel=3
                )
        return None
