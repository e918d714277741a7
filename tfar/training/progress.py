"""What a training run shows: lines for a log, and what TensorBoard displays."""

import datetime
import importlib.util
import itertools
import pathlib
import statistics
import time
from typing import Any

import click
import keras
import tensorflow as tf

from tfar import kinds
from tfar.typing import Nest


class Progress(keras.callbacks.Callback):
    """Adds ``examples_per_s`` to the logs and, on request, prints a line per epoch.

    The line has what is in the logs, including nats and bits/dim, and the time that the remaining
    epochs will take. Time for validation counts in that, not in ``examples_per_s``.

    Args:
      epochs: the number of all epochs.
      steps: steps of a whole epoch; the first epoch after training resumes may have fewer.
      batch_size: examples per step.
      lines: whether to print.
    """

    def __init__(self, epochs: int, *, steps: int, batch_size: int, lines: bool) -> None:
        super().__init__()
        self.epochs, self.steps, self.batch_size, self.lines = epochs, steps, batch_size, lines

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        self.begin, self.rate = time.perf_counter(), {}
        self.first: tuple[int, float] | None = None

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        self.now = time.perf_counter()
        if self.first is None:  # the first step may be traced and compiled
            self.first = batch, self.now
        else:
            step, moment = self.first
            count = (batch - step) * self.batch_size
            self.rate = {"examples_per_s": count / (self.now - moment)}
        logs.update(self.rate)

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        logs.update(self.rate)
        if not self.lines:
            return
        training, validation = self.now - self.begin, time.perf_counter() - self.now
        training *= self.steps / self.params["steps"]
        seconds = (training + validation) * (self.epochs - epoch - 1)
        figures = [f"{key} {value:.4g}" for key, value in logs.items() if "loss" not in key]
        left = f"{datetime.timedelta(seconds=round(seconds))} left"
        click.echo("  ".join([f"epoch {epoch + 1}/{self.epochs}", *figures, left]))


class FirstStep(keras.callbacks.Callback):
    """Says on standard error that the first step is compiled, and then how long that took."""

    def __init__(self) -> None:
        super().__init__()
        self.begin: float | None = None
        self.done = False

    def on_train_batch_begin(self, batch: int, logs: Any = None) -> None:
        if self.begin is None:
            click.echo("Compiling the training step ...", err=True)
            self.begin = time.perf_counter()

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        if self.begin is not None and not self.done:
            click.echo(f"Compiled in {time.perf_counter() - self.begin:.1f} s.", err=True)
            self.done = True


class Samples(keras.callbacks.Callback):
    """Writes samples of the averaged model, of images or of text, to TensorBoard after each epoch.

    The seed is the same each time.

    Args:
      folder: of the log.
      averages: the ``keras.callbacks.SwapEMAWeights`` that puts the averages into the model.
      condition: what samples are conditioned on, see `tfar.kinds.Kind.conditions`.
    """

    def __init__(
        self,
        folder: pathlib.Path,
        averages: keras.callbacks.SwapEMAWeights,
        condition: Nest = None,
    ) -> None:
        super().__init__()
        self.folder, self.averages, self.condition = folder, averages, condition

    def on_train_begin(self, logs: Any = None) -> None:
        self.writer = tf.summary.create_file_writer(str(self.folder))

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        self.averages.on_test_begin()
        with self.writer.as_default(step=epoch):
            kinds.of(self.model).show(self.condition)
        self.averages.on_test_end()


class SampleFiles(keras.callbacks.Callback):
    """Writes samples of the averaged model to a file of its own after each epoch, by the same seed.

    Args:
      folder: in which the files are made.
      averages, condition: see `Samples`.
      epochs: the number of all epochs; samples are drawn after at most a hundred of them.
    """

    def __init__(
        self,
        folder: pathlib.Path,
        averages: keras.callbacks.SwapEMAWeights,
        condition: Nest = None,
        *,
        epochs: int,
    ) -> None:
        super().__init__()
        self.folder, self.averages, self.condition = folder, averages, condition
        self.epochs, self.every = epochs, -(-epochs // 100)

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        done = epoch + 1
        if done % self.every and done != self.epochs:
            return
        kind = kinds.of(self.model)
        self.averages.on_test_begin()
        path = self.folder / f"epoch_{done:0{len(str(self.epochs))}}{kind.endings[0]}"
        kind.write(kind.preview(self.condition), path)
        self.averages.on_test_end()


class Clock(keras.callbacks.Callback):
    """The median time from one step (or execution of several) to the next, in ``seconds``."""

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        float(logs["loss"])  # which waits for the step
        self.ends = [*getattr(self, "ends", ()), time.perf_counter()]

    @property
    def seconds(self) -> float:
        return statistics.median(b - a for a, b in itertools.pairwise(self.ends))


def tensorboard(
    folder: pathlib.Path, averages: keras.callbacks.SwapEMAWeights, condition: Nest = None
) -> list[keras.callbacks.Callback]:
    """The callbacks that write the scalars and the samples of each epoch to a log.

    Args:
      folder: of the log, the argument ``--logdir`` of TensorBoard.
      averages, condition: see `Samples`.

    Raises:
      ImportError: if TensorBoard is not installed.
    """
    if importlib.util.find_spec("tensorboard") is None:
        raise ImportError("TensorBoard is not installed: pip install 'tfar[tensorboard]'")
    scalars = keras.callbacks.TensorBoard(folder, write_graph=False)
    return [scalars, Samples(folder / "train", averages, condition)]
