"""For all tests and doctests: quiet TensorFlow on the CPU, and the names that doctests use."""

import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "-1")

import pytest


@pytest.fixture(autouse=True)
def _doctest_names(request, doctest_namespace):
    """Names that doctests use; TensorFlow is imported for doctests only."""
    if not isinstance(request.node, pytest.DoctestItem):
        return
    import keras
    import numpy as np
    import tensorflow as tf
    import tensorflow_probability as tfp

    import tfar

    doctest_namespace.update(np=np, tf=tf, keras=keras, tfar=tfar, tfd=tfp.distributions)
