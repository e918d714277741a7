"""Heads against formulas in NumPy."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from tfar import heads
from tfar.testing import verify_head


def bernoulli(x, params):
    """log p = x a - log(1 + e^a)."""
    return x * params[:, 0] - np.logaddexp(0, params[:, 0])


def categorical(x, params):
    """log p = a_x - log sum_k e^(a_k)."""
    largest = params.max(1, keepdims=True)
    normaliser = largest[:, 0] + np.log(np.exp(params - largest).sum(1))
    return params[np.arange(len(x)), x.astype(int)] - normaliser


HEADS = {
    "bernoulli": (heads.Bernoulli(), bernoulli),
    "bernoulli_centered": (heads.Bernoulli(centered=True), bernoulli),
    "categorical_2": (heads.Categorical(2), categorical),
    "categorical_3": (heads.Categorical(3), categorical),
    "categorical_9": (heads.Categorical(9), categorical),
}


@pytest.mark.parametrize("name", HEADS)
def test_head(name):
    verify_head(*HEADS[name])


@pytest.mark.parametrize("name", HEADS)
def test_config_round_trip(name):
    head, _ = HEADS[name]
    copy = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(head))
    assert type(copy) is type(head) and copy.get_config() == head.get_config()
    assert repr(copy) == repr(head) == eval(f"heads.{head!r}").__repr__()


def test_encoding():
    x = tf.constant([[0, 1]])
    assert heads.Bernoulli().encode(x).numpy().tolist() == [[[0.0], [1.0]]]
    assert heads.Bernoulli(centered=True).encode(x).numpy().tolist() == [[[-1.0], [1.0]]]
    assert heads.Bernoulli().encode(x == 1).numpy().tolist() == [[[0.0], [1.0]]]
    one_hot = [[[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]]]
    assert heads.Categorical(3).encode(x).numpy().tolist() == one_hot


@pytest.mark.parametrize("dtype", [tf.uint8, tf.int8, tf.int64, tf.float16, tf.float64])
def test_support_in_every_dtype(dtype):
    x = tf.cast([0, 1, 2, 3], dtype)
    assert heads.Bernoulli().in_support(x).numpy().tolist() == [True, True, False, False]
    assert heads.Categorical(3).in_support(x).numpy().tolist() == [True, True, True, False]


def test_bool_is_in_the_support():
    for head in (heads.Bernoulli(), heads.Categorical(2)):
        inside = head.in_support(tf.constant([True, False]))
        assert inside.dtype == tf.bool and inside.numpy().all()


@pytest.mark.parametrize("too_few", [1, 0, -3])
def test_too_few_categories(too_few):
    with pytest.raises(ValueError, match=f"at least 2 categories, got {too_few}"):
        heads.Categorical(too_few)
