"""The private names of Keras, TensorFlow and TensorFlow Probability that tfar uses.

They are all here: functions for those that are read or set, and a table of those that our classes
override. `tests/test_private.py` checks that each does what we assume, and `setup.cfg` limits the
versions to those for which that was tried.
"""

from collections.abc import Callable, Mapping
from typing import Any

import keras
import tensorflow as tf
from tensorflow.python.framework import op_def_registry
from tensorflow_probability import distributions as tfd

# Methods that our classes override, by the class that defines them, which must call them.
OVERRIDDEN = {
    "keras.Model": ("_maybe_symbolic_build",),
    "keras.optimizers.Muon": (
        "_should_use_adamw",
        "_muon_update_step",
        "_adamw_update_step",
    ),
    "tfp.distributions.Distribution": (
        "_call_log_prob",
        "_call_prob",
        "_call_sample_n",
        "_call_sample_and_log_prob",
        "_set_sample_static_shape",
    ),
}


def takes_training(layer: keras.layers.Layer) -> bool:
    """Whether the ``call`` of a Keras layer has an argument ``training``."""
    return layer._call_has_training_arg


def all_layers(model: keras.layers.Layer) -> list[keras.layers.Layer]:
    """All the layers inside of a Keras model or layer, at any depth."""
    return list(model._flatten_layers(include_self=False))


def has_loss(model: keras.Model) -> bool:
    """Whether a Keras model was compiled with a loss."""
    return model._compile_loss is not None


def has_metrics(model: keras.Model) -> bool:
    """Whether a Keras model was compiled with metrics."""
    return model._compile_metrics is not None


def forget_epoch(model: keras.Model) -> None:
    """Undoes what ``BackupAndRestore`` leaves in a model: a later ``fit`` would stop early."""
    model._initial_epoch = None


def is_validation(arguments: Mapping[str, Any]) -> bool:
    """Whether these keyword arguments of ``evaluate`` are those that ``fit`` passes."""
    return bool(arguments.get("_use_cached_eval_dataset"))


def sum_first(optimizer: keras.optimizers.Optimizer, check: Callable[..., Any]) -> None:
    """Makes a Keras optimizer clip and check gradients after they are summed over replicas.

    Keras clips the gradients of each replica separately and, if the loss is scaled, checks only on
    the first replica that they are finite: ``check`` turns that into a condition on all replicas.
    """
    inner = getattr(optimizer, "inner_optimizer", optimizer)
    if getattr(inner, "sums_first", False):
        return
    add, clip = inner._all_reduce_sum_gradients, inner._clip_gradients
    inner._clip_gradients = lambda grads: clip([g for g, _ in add([(g, g) for g in grads])])
    inner._all_reduce_sum_gradients = lambda grads_and_variables: grads_and_variables
    inner.sums_first = True
    if inner is not optimizer:
        finite = optimizer.check_finite
        optimizer.check_finite = lambda grads: check(finite(grads))


def average_briefly(optimizer: keras.optimizers.Optimizer) -> None:
    """Makes the averages of a Keras optimizer with ``use_ema`` a smaller part of a graph.

    The averages are the same. Keras computes the momentum, 0 in the first step, for every weight.
    """

    def update(variables):
        momentum = tf.cast(optimizer.iterations != 0, tf.float32) * optimizer.ema_momentum
        rest = 1 - momentum
        for variable, average in zip(variables, optimizer._model_variables_moving_average):
            if average is not None:
                average.assign(momentum * average + rest * variable)

    optimizer._update_model_variables_moving_average = update


def is_multi_worker(strategy: tf.distribute.Strategy) -> bool:
    """Whether Keras treats a ``tf.distribute`` strategy as one of several workers."""
    return (
        isinstance(strategy, tf.distribute.MultiWorkerMirroredStrategy)
        and strategy.extended._in_multi_worker_mode()
    )


def operation(name: str) -> Any:
    """The ``OpDef`` of an operation of TensorFlow, or None if there is no such operation."""
    return op_def_registry.get(name)


def set_parameters(distribution: tfd.Distribution, parameters: dict[str, Any]) -> None:
    """Sets the ``parameters`` of a ``tfd.Distribution`` whose base class has set its own."""
    distribution._parameters = distribution._no_dependency(parameters)
