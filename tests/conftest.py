"""Threads are limited and absl's flags marked as parsed (TFP's own tests need that) at import."""

import os
import random

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "-1")

import keras
import numpy as np
import pytest
import tensorflow as tf
from absl import flags

SEED = 1

flags.FLAGS.mark_as_parsed()
tf.config.threading.set_intra_op_parallelism_threads(1)
tf.config.threading.set_inter_op_parallelism_threads(1)


@pytest.fixture(autouse=True)
def _same_start():
    """Seeds what draws its own seed (initialisers, shuffling), and restores the global policy."""
    # To seed TensorFlow drops all functions that it has optimised: only after a test that did.
    if tf.compat.v1.get_seed(0)[0] != SEED:
        keras.utils.set_random_seed(SEED)
    random.seed(SEED)
    np.random.seed(SEED)  # noqa: NPY002 (for what draws from it)
    policy = keras.config.dtype_policy()
    yield
    keras.config.set_dtype_policy(policy)
