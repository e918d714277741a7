"""Makes several replicas compute what one device computes, under `tf.distribute`."""

from collections.abc import Callable
from typing import Any

import tensorflow as tf

from tfar import private
from tfar.distribute import strategies
from tfar.typing import Nest, OfModel


class Distributed(OfModel):
    """The training and test steps of a Keras model under any ``tf.distribute`` strategy.

    A batch of N examples is split over R replicas, n_r for each. Keras sums the gradients of the
    replicas, and logs R times the mean of their losses weighted by n_r. So the loss must be
    `share`. Then ``fit``, ``evaluate`` and ``predict`` of a model that is made in the scope of
    ``MirroredStrategy`` or ``MultiWorkerMirroredStrategy`` give what one device gives on the same
    batches, up to rounding, even if the last batch is uneven or leaves a replica without examples.
    With one replica nothing changes.

    Two things differ from one device. Random draws in training (dropout, masks, sets of sites) are
    the same on every replica. Metrics in the logs of single batches are means over replicas of what
    each has seen (``loss`` is exact there too); those of an epoch are exact.

    With several workers, each shuffles the arrays that ``fit`` is given, and takes its part: they
    must shuffle alike, so ``fit`` requires a global seed. A ``tf.data.Dataset`` must also be the
    same for all workers, including its ``shuffle(seed=...)``.
    """

    def check_shuffling(self, x: Any, shuffle: bool | str) -> None:
        """Raises ValueError if several workers would shuffle arrays differently."""
        several = strategies.num_workers(self.distribute_strategy) > 1
        if not several or not shuffle or isinstance(x, tf.data.Dataset):
            return
        if tf.compat.v1.get_seed(None)[0] is None:
            raise ValueError(
                "Several workers must shuffle alike, or some examples are seen twice and others "
                "never: call keras.utils.set_random_seed with the same seed on all of them, or fit "
                "with shuffle=False."
            )

    def train_step(self, data: Any) -> dict[str, Any]:
        return _reducible(super().train_step(data), self.distribute_strategy)

    def test_step(self, data: Any) -> dict[str, Any]:
        return _reducible(super().test_step(data), self.distribute_strategy)

    def make_train_function(self, force: bool = False) -> Any:
        # Keras would build the optimizer while it traces the first step. A trace that makes
        # variables is discarded, and the step would be traced again.
        if not self.optimizer.built:
            with self.distribute_strategy.scope():
                self.optimizer.build(self.trainable_variables)
        return super().make_train_function(force)

    def _maybe_symbolic_build(self, iterator=None, data_batch=None):
        # Without the iterator: Keras would average its first batch over the replicas, which fails
        # if the batch is uneven, only to build what is built already.
        super()._maybe_symbolic_build(data_batch=data_batch)
        if self.optimizer is not None and self.distribute_strategy.num_replicas_in_sync > 1:
            private.sum_first(self.optimizer, _everywhere)


def share(loss: tf.Tensor, count: tf.Tensor) -> tf.Tensor:
    """A replica's share of the loss of a whole batch, L = sum_r n_r L_r / sum_r n_r.

    Its gradient is that of n_r L_r / N, so that the sum over replicas is the gradient of L. Its
    value is L / R on each of them, so that the value that Keras logs is L.

    Args:
      loss: L_r, the mean over the replica's part of the batch, a float scalar.
      count: n_r, the number of examples of that part, an int scalar; if it is 0, L_r is ignored.

    Returns:
      A scalar of the dtype of ``loss``; ``loss`` itself if there is one replica, or outside
      ``strategy.run``.

    >>> strategy = tf.distribute.OneDeviceStrategy("CPU:0")
    >>> float(strategy.run(lambda: share(tf.constant(3.0), 2)))
    3.0
    """
    if not _one_of_several():
        return loss
    replica = tf.distribute.get_replica_context()
    count = tf.cast(count, loss.dtype)
    part = tf.math.multiply_no_nan(loss, count)  # the mean of no examples is NaN
    sums = replica.all_reduce(tf.distribute.ReduceOp.SUM, tf.stop_gradient([part, count]))
    total, number = sums[0], sums[1]
    part /= number
    return part + tf.stop_gradient(total / number / replica.num_replicas_in_sync - part)


def never_empty(function: Callable[..., tf.Tensor], x: tf.Tensor, condition: Nest) -> tf.Tensor:
    """``function(x, condition)``, [B, ...], also on a replica that has no examples, B = 0.

    TensorFlow's convolutions give wrong shapes, or fail, on an empty batch: the function is then
    given one example of zeros, and its output for that example is removed.

    Args:
      function: a function of a tensor ``x`` [B, ...] and of ``condition``, a nest of these or None.

    >>> never_empty(lambda x, _: 2 * x, tf.ones([1]), None).numpy()
    array([2.], dtype=float32)
    """
    if not _one_of_several():
        return function(x, condition)
    count = tf.shape(x)[0]
    missing = tf.cast(tf.equal(count, 0), tf.int32)

    def filled(part):
        return tf.concat([part, tf.zeros([missing, *part.shape[1:]], part.dtype)], axis=0)

    filled_condition = None if condition is None else tf.nest.map_structure(filled, condition)
    return function(filled(x), filled_condition)[:count]


def _one_of_several():
    """Whether this is one of several replicas, in ``strategy.run``."""
    replica = tf.distribute.get_replica_context()
    return replica is not None and replica.num_replicas_in_sync > 1


def _everywhere(condition):
    """Whether a bool is true on all replicas."""
    replica = tf.distribute.get_replica_context()
    failed = tf.cast(tf.logical_not(condition), tf.float32)
    return tf.equal(replica.all_reduce(tf.distribute.ReduceOp.SUM, failed), 0.0)


def _reducible(logs, strategy):
    """Logs as Keras can reduce them: it fails on scalars with several workers.

    See github.com/tensorflow/tensorflow/issues/72388.
    """
    several = private.is_multi_worker(strategy)
    return tf.nest.map_structure(lambda log: tf.reshape(log, [1]), logs) if several else logs
