"""The Keras methods that train and score a model, and their loss."""

import contextlib
import inspect
import re
import sys
import threading
import time
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import ArrayLike

from tfar import private
from tfar.arguments import flag, instance, integer, rate
from tfar.distribute.replicas import share
from tfar.typing import Nest, OfModel

# The start of the message of the assertion below, which the methods turn into a sentence.
NOT_FINITE = "tfar: not finite"
DIVERGED = (
    "training diverged, or a value is too far from all that the model has seen. Lower the learning "
    "rate, give the optimizer a clipnorm, or standardise the data."
)

PATIENCE = 2.0  # seconds that a first step may take without a word

# Arguments of Keras' methods that are integers of at least 1, or None.
COUNTS = {"epochs", "batch_size", "steps_per_epoch", "steps", "validation_steps"}
COUNTS |= {"validation_batch_size"}


class NotFinite(ValueError):
    """The loss of a batch is not finite, for a reason that the message gives."""


class Fitting(OfModel):
    """``fit``, ``evaluate`` and ``predict`` of a density model, whose loss is -log p(x).

    For a `keras.Model` with the attributes of `tfar.models.AutoregressiveModel`. Arrays are checked
    before anything runs. With other data (``tf.data``, generators), the first batch whose loss is
    not finite ends ``fit`` with the message that an array would get, before any weight is updated;
    under XLA, which drops assertions, soon after.
    """

    def compute_loss(
        self,
        x: Nest = None,
        y: Any = None,
        y_pred: Any = None,
        sample_weight: tf.Tensor | None = None,
        training: bool = True,
    ) -> tf.Tensor:
        """-log p(x), the mean over the batch in nats; with weights w, the mean of -w log p(x).

        ``sample_weight`` is [B] or [B, 1].
        """
        if private.has_loss(self):
            raise ValueError("The loss is the negative log-likelihood: compile without a loss.")
        if private.has_metrics(self):
            raise ValueError("There are no targets to compare with: compile without metrics.")
        if y is not None and y.shape[-1:] != (0,):
            raise ValueError(self._no_targets())
        nats = -self._scored(x, y_pred, training)
        weights = _weights(sample_weight, nats)
        self.nats.update_state(nats, weights)
        self.bits_per_dim.update_state(nats / (np.log(2) * self.num_dimensions), weights)
        if weights is not None:
            nats *= weights
        loss = tf.reduce_mean(nats) + sum(tf.cast(loss, nats.dtype) for loss in self.losses)
        return share(self._finite(loss, x, training), tf.shape(nats)[0])

    def _scored(self, x, conditionals, training):
        """log p(x); an ensemble trains one member per batch, and is scored as a whole."""
        single = training or self.members == 1
        return self._score(x, conditionals) if single else self.log_prob(x)

    def _finite(self, loss, x, training):
        """``loss``; if it is not finite, an error is raised before any gradient is applied.

        In evaluation it may be infinite, unless a value outside the support is the cause.
        """
        if self.jit_compile:
            return loss
        events, condition = self._pick(x)

        def assertion():
            outside = tf.cast(tf.reshape(~self.head.in_support(events), [-1]), tf.int32)
            first = tf.argmax(outside)  # the first of the largest
            values = tf.reshape(events, [-1])
            values = tf.cast(values, tf.float32) if values.dtype == tf.bool else values
            invalid = tf.constant(0)
            if condition is not None:
                invalid = tf.reduce_sum(tf.cast(~self.condition.valid(condition), tf.int32))
            found = tf.reduce_sum(outside), values[first], first, invalid, loss
            fine = tf.equal(found[0] + invalid, 0) & (not training)
            if not tf.executing_eagerly():
                tf.debugging.Assert(fine, [NOT_FINITE, *found])
            elif not fine:
                raise NotFinite(self._sentence(*(part.numpy() for part in found)))
            return 1.0

        nothing = tf.equal(tf.size(events), 0)  # on a replica without examples
        return loss * tf.cond(tf.math.is_finite(loss) | nothing, lambda: 1.0, assertion)

    def predict_step(self, data: Any) -> tf.Tensor:
        x, _, _ = keras.utils.unpack_x_y_sample_weight(data)
        return self.log_prob(x)

    def fit(self, *args: Any, **kwargs: Any) -> keras.callbacks.History:
        """As in Keras; arrays are checked first, see `check`.

        The first step of a deep network takes long, since it is compiled: unless ``verbose`` is 0,
        a line on standard error says so.

        Raises:
          ValueError: on bad data or arguments, and if the loss of a batch is not finite.
        """
        arguments = self._arguments_of(keras.Model.fit, args, kwargs)
        validation = arguments.get("validation_data")
        if isinstance(validation, tuple | list) and len(validation) not in (1, 2, 3):
            raise ValueError("Expected validation_data to be x, (x,) or (x, None, weights).")
        if isinstance(validation, tuple | list):
            x, y, weights = (*validation, None, None)[:3]
            x = self.check(x, "x of validation_data")
            arguments["validation_data"] = (x, *self._targets(x, y, weights))
        elif validation is not None:
            arguments["validation_data"] = self.check(validation, "validation_data")
        self.check_shuffling(arguments["x"], arguments.get("shuffle", True))
        arguments["callbacks"] = self._callbacks(arguments.get("callbacks"))
        try:
            with self._announced(arguments.get("verbose", "auto")):
                return self._run(super().fit, arguments)
        finally:
            private.forget_epoch(self)

    @contextlib.contextmanager
    def _announced(self, verbose):
        """Says that the training step is compiled, if it is and takes longer than `PATIENCE`.

        A callback would make Keras wait for each batch.
        """
        if not verbose or self.train_function is not None or not self.compiled:
            yield
            return
        before = int(self.optimizer.iterations)

        def say():
            if int(self.optimizer.iterations) == before:
                print("Compiling the training step ...", file=sys.stderr, flush=True)

        timer = threading.Timer(PATIENCE, say)
        timer.daemon = True
        timer.start()
        try:
            yield
        finally:
            timer.cancel()

    def evaluate(self, *args: Any, **kwargs: Any) -> Any:
        """As in Keras: ``[loss, nats, bits_per_dim]``, or a dict with ``return_dict=True``.

        ``loss`` is the mean of -w log p(x), ``nats`` their sum divided by the sum of the weights.

        Raises:
          ValueError: on bad data.
        """
        return self._run(super().evaluate, self._arguments_of(keras.Model.evaluate, args, kwargs))

    def predict(self, *args: Any, **kwargs: Any) -> np.ndarray:
        """As in Keras: log p(x), [N] float32 nats.

        Raises:
          ValueError: on bad data.
        """
        return super().predict(**self._arguments_of(keras.Model.predict, args, kwargs))

    def train_on_batch(
        self,
        x: Nest,
        y: Any = None,
        sample_weight: ArrayLike | None = None,
        class_weight: Any = None,
        **kwargs: Any,
    ) -> Any:
        """As in Keras, without classes.

        Raises:
          ValueError: if ``class_weight`` is given.
        """
        _no_classes(class_weight)
        return super().train_on_batch(x, y, sample_weight, **kwargs)

    def _arguments_of(self, method, args, kwargs):
        """The checked arguments of a Keras method by name, however they were given."""
        bound = inspect.signature(inspect.unwrap(method)).bind(self, *args, **kwargs)
        arguments = dict(bound.arguments)
        del arguments["self"]
        for name in COUNTS & set(arguments):
            if arguments[name] is not None:
                arguments[name] = integer(name, arguments[name], least=1)
        if "initial_epoch" in arguments:
            integer("initial_epoch", arguments["initial_epoch"], least=0)
        if arguments.get("validation_split"):
            rate("validation_split", arguments["validation_split"])
        if arguments.get("shuffle", True) != "batch":
            flag("shuffle", arguments.get("shuffle", True))
        arguments.update(arguments.pop("kwargs", {}))
        _no_classes(arguments.get("class_weight"))
        if private.is_validation(arguments):  # ``fit`` has checked its data
            return arguments
        x = arguments["x"] = self.check(arguments.get("x"))
        targets = arguments.get("y"), arguments.get("sample_weight")
        if any(one is not None for one in targets):
            arguments["y"], arguments["sample_weight"] = self._targets(x, *targets)
        return arguments

    def _targets(self, x, y, weights):
        """``(y, weights)`` for Keras, which drops weights without a y."""
        if y is not None and np.shape(y)[-1:] != (0,):
            raise ValueError(self._no_targets())
        if weights is None or not isinstance(x, dict | np.ndarray | tf.Tensor):
            return y, weights  # Keras reports that a dataset must contain its weights
        count = len(x["x"] if isinstance(x, dict) else x)
        weights = np.asarray(weights)
        if weights.shape not in ((count,), (count, 1)) or weights.dtype.kind not in "biuf":
            raise ValueError(
                f"Expected sample_weight to be numbers of shape [{count}], one for each example, "
                f"got {weights.dtype} of shape {list(weights.shape)}."
            )
        if not np.isfinite(weights).all():
            raise ValueError("Expected sample_weight to be finite numbers, got NaN or infinity.")
        return np.zeros([count, 0], np.float32), weights.reshape([count]).astype(np.float32)

    def _no_targets(self):
        message = "A density model has no targets: pass x alone, got a y too."
        if self.condition is None:
            return message
        return (
            f"{message} Conditions are part of x, {{'x': x, 'condition': c}}, as in "
            "dataset.map(lambda x, y: {'x': x, 'condition': y})."
        )

    def _callbacks(self, callbacks):
        """The callbacks of a fit, told what Keras does not know about these metrics."""
        held = getattr(callbacks, "callbacks", callbacks)  # of a `CallbackList`
        held = held if isinstance(held, list | tuple) else [] if held is None else [held]
        for callback in held:
            instance("each of callbacks", callback, keras.callbacks.Callback, "a Keras callback")
            name = str(getattr(callback, "monitor", "")).removeprefix("val_")
            if name in ("nats", "bits_per_dim") and getattr(callback, "mode", None) == "auto":
                callback.mode = "min"
        # If a callback looks at batches, Keras waits for each: it costs a tenth of a step.
        looking = [LossIsFinite()] if self.jit_compile else []
        if isinstance(callbacks, keras.callbacks.CallbackList):
            for callback in looking:
                callbacks.append(callback)
            return callbacks
        return [*held, *looking]

    def _run(self, method, arguments):
        try:
            return method(**arguments)
        except tf.errors.InvalidArgumentError as error:
            explained = self._explained(str(error))
            if explained is None:
                raise
            raise NotFinite(explained) from None

    def _explained(self, message):
        """The sentence about a batch whose loss is not finite, from an assertion's message."""
        found = re.search(rf"\[{NOT_FINITE}\]" + r" \[(.*?)\]" * 5, message)
        return None if found is None else self._sentence(*found.groups())

    def _sentence(self, count, value, first, invalid, loss):
        if int(count):
            index = [int(i) for i in np.unravel_index(int(first), (2**31, *self.event_shape))]
            return (
                f"{self.head} takes {self.head.support}, got {value} at index {index} of a batch "
                f"({count} such values)."
            )
        if int(invalid):
            support = self.condition.support
            return f"Expected {support} as condition, got {invalid} others in a batch."
        return f"The loss of a batch is {loss}: {DIVERGED}"


class LossIsFinite(keras.callbacks.Callback):
    """Ends a fit whose loss is not finite under XLA, which drops assertions.

    It looks at the first batch of an epoch and then ten times a second, since each look waits for
    the accelerator.
    """

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        self.next = 0.0

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        now = time.monotonic()
        if now < self.next:
            return
        self.next = now + 0.1
        self.on_epoch_end(batch, logs)

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        loss = np.asarray((logs or {}).get("loss", 0.0))
        if not np.isfinite(loss).all():
            head = self.model.head
            raise NotFinite(
                f"The loss is {loss.ravel()[0]}: a value that is not {head.support}, or {DIVERGED}"
            )


def _no_classes(class_weight):
    if class_weight is not None:
        raise ValueError(
            "class_weight needs classes, and a density model has no targets: give sample_weight, "
            "a weight for each example."
        )


def _weights(weights, nats):
    """Weights of the examples, [B] float32, or None."""
    if weights is None:
        return None
    weights = tf.cast(weights, nats.dtype)
    if weights.shape.rank == 2 and weights.shape[1] == 1:
        weights = weights[:, 0]
    if not weights.shape.is_compatible_with(nats.shape) or weights.shape.rank is None:
        raise ValueError(
            f"Expected sample_weight of shape {nats.shape}, one for each example, got "
            f"{weights.shape}."
        )
    return weights
