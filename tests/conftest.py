"""Threads are limited and absl's flags marked as parsed (TFP's own tests need that) at import."""

import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "-1")

import keras
import pytest
import tensorflow as tf
from absl import flags

flags.FLAGS.mark_as_parsed()
tf.config.threading.set_intra_op_parallelism_threads(1)
tf.config.threading.set_inter_op_parallelism_threads(1)


@pytest.fixture(autouse=True)
def _same_start():
    """Seeds what draws its own seed (initialisers, shuffling), and restores the global policy."""
    keras.utils.set_random_seed(1)
    policy = keras.config.dtype_policy()
    yield
    keras.config.set_dtype_policy(policy)
