"""Where a recipe is trained: one device, several, or several machines, by `tf.distribute`."""

import contextlib
import pathlib
import shutil
import tempfile
from collections.abc import Iterator

import tensorflow as tf

from tfar import arguments

__all__ = ["any_worker", "get", "is_chief", "num_workers", "own_folder"]


def _tpu():
    resolver = tf.distribute.cluster_resolver.TPUClusterResolver()
    tf.config.experimental_connect_to_cluster(resolver)
    tf.tpu.experimental.initialize_tpu_system(resolver)
    return tf.distribute.TPUStrategy(resolver)


STRATEGIES = {
    "default": tf.distribute.get_strategy,
    "mirrored": tf.distribute.MirroredStrategy,
    "multiworker": tf.distribute.MultiWorkerMirroredStrategy,
    "tpu": _tpu,
}


def get(strategy: str | tf.distribute.Strategy) -> tf.distribute.Strategy:
    """The ``tf.distribute.Strategy`` of a name.

    Args:
      strategy: "default", the strategy in whose scope this is called, otherwise one device;
        "mirrored", all GPUs of this machine; "multiworker", the workers that the environment
        variable TF_CONFIG names, each of which runs the same program and must call this before
        TensorFlow computes anything; "tpu", the TPU of this environment (not tried here); or a
        strategy, which is returned.

    Raises:
      ValueError: if there is no strategy of that name.

    >>> get("default").num_replicas_in_sync
    1
    """
    if isinstance(strategy, tf.distribute.Strategy):
        return strategy
    return STRATEGIES[arguments.choice("strategy", strategy, tuple(STRATEGIES))]()


def is_chief(strategy: tf.distribute.Strategy) -> bool:
    """Whether this process is the one that writes: the chief, or the first, of several workers.

    >>> is_chief(get("default"))
    True
    """
    if not isinstance(strategy, tf.distribute.MultiWorkerMirroredStrategy):
        return True
    resolver = strategy.cluster_resolver
    first = "chief" if "chief" in resolver.cluster_spec().jobs else "worker"
    return not resolver.task_type or (resolver.task_type == first and resolver.task_id == 0)


@contextlib.contextmanager
def own_folder(
    strategy: tf.distribute.Strategy, folder: pathlib.Path | None
) -> Iterator[pathlib.Path]:
    """A folder that this process may write to: ``folder`` for the chief, a copy for other workers.

    If ``folder`` is None, every worker has a temporary one.

    Saving needs all workers, because they sum their metrics, and so all of them save; what the
    others save is discarded. They read what the chief has written, so ``folder`` must be on a disk
    that all workers see.
    """
    with tempfile.TemporaryDirectory() as copy:
        own = pathlib.Path(copy) / "run"
        if folder is not None and is_chief(strategy):
            own = pathlib.Path(folder)
        elif folder is not None and pathlib.Path(folder).exists():
            shutil.copytree(folder, own)
        any_worker(strategy, True)  # all copies are made before the chief writes
        yield own
        any_worker(strategy, True)  # and the chief has written before a worker reads again


def num_workers(strategy: tf.distribute.Strategy) -> int:
    """The number of processes that train together.

    >>> num_workers(get("default"))
    1
    """
    if not isinstance(strategy, tf.distribute.MultiWorkerMirroredStrategy):
        return 1
    return max(1, len(tf.nest.flatten(strategy.cluster_resolver.cluster_spec().as_dict())))


def any_worker(strategy: tf.distribute.Strategy, condition: bool) -> bool:
    """Whether a bool is true on any of the workers. All of them must call this, and wait for it."""
    if num_workers(strategy) == 1:
        return condition
    true = strategy.run(lambda: tf.constant(float(condition)))
    return bool(strategy.reduce(tf.distribute.ReduceOp.SUM, true, axis=None) > 0)
