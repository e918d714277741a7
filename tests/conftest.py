"""Threads are limited and absl's flags marked as parsed (TFP's own tests need that) at import."""

import gc
import os
import pathlib
import random

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "-1")

import keras
import numpy as np
import pytest
import tensorflow as tf
from absl import flags
from tensorflow.python.util import tf_stack

SEED = 1

flags.FLAGS.mark_as_parsed()
tf.config.threading.set_intra_op_parallelism_threads(1)
tf.config.threading.set_inter_op_parallelism_threads(1)
# Where an operation was made is noted in it; with the stack of pytest that takes 5 % of the time.
nowhere = tf_stack.extract_stack()
tf_stack.extract_stack = lambda stacklevel=1: nowhere


SLOW = set((pathlib.Path(__file__).parent / "support" / "slow.txt").read_text().split())
# Models and layers of which no contract is slow.
QUICK = {"nade", "made_categorical", "own_plain", "dense_exclusive", "conv_exclusive", "recurrent"}


def pytest_collection_modifyitems(items):
    for item in items:
        parameters = item.callspec.params if hasattr(item, "callspec") else {}
        case = parameters.get("name", parameters.get("layer"))
        slow = item.nodeid.split("[")[0] in SLOW and case not in QUICK
        if slow or item.get_closest_marker("thorough"):
            item.add_marker("slow")


def pytest_collection_finish():
    """Graphs are millions of objects that live on: to walk through all of them takes a while."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 100)


def untuned(dataset):
    """A data set without the thread that tunes an iterator.

    To free an iterator waits for that thread, at times for a minute or two: where the iterator
    was garbage, of a fit that had raised, and was collected much later.
    """
    options = tf.data.Options()
    options.autotune.enabled = False
    return dataset.with_options(options)


tf.data.Dataset._apply_debug_options = untuned  # what every iterator is made by
held = None  # the module of the last test, and its model


@pytest.fixture(autouse=True)
def _same_start(request):
    """Seeds what draws its own seed (initialisers, shuffling), and restores the global policy."""
    global held
    parameters = request.node.callspec.params if hasattr(request.node, "callspec") else {}
    model = parameters.get("name")
    # To seed TensorFlow drops all functions that it has optimised, which tests of a model share.
    if (request.path, model) != held or tf.compat.v1.get_seed(0)[0] != SEED:
        held = request.path, model
        keras.utils.set_random_seed(SEED)
    random.seed(SEED)
    np.random.seed(SEED)  # noqa: NPY002 (for what draws from it)
    policy = keras.config.dtype_policy()
    yield
    keras.config.set_dtype_policy(policy)
