"""The one table of tiny models, and the one of tiny layers, that every contract runs over."""

import functools

import keras
import numpy as np
import tensorflow as tf

import tfar
from tfar.heads import Bernoulli, Categorical
from tfar.layers import Causal, MaskedDense, Pointwise, Shift, Sum
from tfar.models import FVSBN, MADE, NADE, AutoregressiveModel
from tfar.models.fvsbn import TriangularDense
from tfar.models.nade import TiedHidden
from tfar.testing import randomise


@keras.saving.register_keras_serializable(package="tests")
class Smoothing(keras.layers.Layer):
    """A user's own network that knows nothing of tfar: a causal convolution of the past."""

    def __init__(self, channels, **kwargs):
        super().__init__(**kwargs)
        self.channels = channels

    def build(self, input_shape):
        self.convolution = keras.layers.Conv1D(self.channels, 3, padding="causal")
        self.convolution.build(input_shape)

    def call(self, x):
        return self.convolution(tf.pad(x, [[0, 0], [1, 0], [0, 0]])[:, :-1])

    def compute_output_shape(self, input_shape):
        return (*input_shape[:2], self.channels)

    def get_config(self):
        return {**super().get_config(), "channels": self.channels}


def _causal():
    return Causal([Shift(), keras.layers.Dense(6, "tanh"), keras.layers.Dense(1)])


MODELS = {
    "fvsbn": lambda: FVSBN([4]),
    "fvsbn_image": lambda: FVSBN([2, 3, 1], Bernoulli(centered=True), "random"),
    "fvsbn_categorical": lambda: FVSBN([3], Categorical(3), "reversed"),
    "fvsbn_one_site": lambda: FVSBN([1]),
    "nade": lambda: NADE([4], 5),
    "nade_relu": lambda: NADE([2, 3, 1], 8, Bernoulli(centered=True), "reversed", "relu"),
    "nade_categorical": lambda: NADE([3], 5, Categorical(3), np.array([2, 0, 1])),
    "nade_one_site": lambda: NADE([1], 3),
    "made": lambda: MADE([4], (12,)),
    "made_deep": lambda: MADE([2, 3, 1], (16, 18, 16), order="random", degrees="random"),
    "made_direct": lambda: MADE([4], (6,), Bernoulli(centered=True), "reversed", direct=True),
    "made_few_units": lambda: MADE([5], (3,), activation="tanh"),
    "made_no_hidden": lambda: MADE([4], (), order=[1, 3, 0, 2]),
    "made_categorical": lambda: MADE([3], (8, 8), Categorical(3), [1, 2, 0]),
    "made_residual": lambda: MADE([4], (9, 9, 9), residual=True, activation="tanh"),
    "made_weighted_degrees": lambda: MADE([4], (9,), degrees=[0, 1, 2, 1], activation="tanh"),
    "made_one_site": lambda: MADE([1], (3,)),
    "made_masks": lambda: MADE([4], (12,), num_masks=3, degrees="random", activation="tanh"),
    "made_orders": lambda: MADE(
        [2, 2, 1], (12, 10), num_masks=2, order="random", activation="tanh", seed=1
    ),
    "made_given_orders": lambda: MADE(
        [3], (8,), Categorical(3), [[0, 1, 2], [2, 0, 1]], num_masks=2, direct=True
    ),
    "own_causal": lambda: AutoregressiveModel(_causal(), [4], Bernoulli(), "random"),
    "own_plain": lambda: AutoregressiveModel(Smoothing(3), [2, 2], Categorical(3), [3, 1, 0, 2]),
}

# name: (factory, sites, channels)
LAYERS = {
    "shift": (Shift, 4, 2),
    "shift_one_site": (Shift, 1, 2),
    "dense_exclusive": (lambda: MaskedDense(range(4), range(4), 4, 3, exclusive=True), 4, 2),
    "dense_inclusive": (lambda: MaskedDense(range(4), range(4), 4, 3), 4, 2),
    "dense_no_bias": (lambda: MaskedDense(range(3), range(3), 3, use_bias=False), 3, 1),
    "pointwise": (lambda: Pointwise(keras.layers.Dense(3, "tanh")), 4, 2),
    "pointwise_dropout": (lambda: Pointwise(keras.layers.Dropout(0.5)), 3, 2),
    "pointwise_name": (lambda: Pointwise("softplus"), 3, 2),
    "causal": (_causal, 4, 2),
    "causal_inclusive": (lambda: Causal(["tanh", MaskedDense(range(3), range(3), 3)]), 3, 2),
    "sum": (lambda: Sum([_causal(), TriangularDense(1)]), 4, 2),
    "tied_sigmoid": (lambda: TiedHidden(5, 2), 4, 2),
    "tied_relu": (lambda: TiedHidden(6, 1, "relu", dropout=0.5), 5, 1),
    "tied_one_site": (lambda: TiedHidden(3, 2), 1, 2),
    "triangular": (lambda: TriangularDense(2), 4, 3),
    "triangular_one_site": (lambda: TriangularDense(2), 1, 1),
    "made": (lambda: MADE([4], (9,)).network, 4, 1),
    "made_deep": (lambda: MADE([5], (12, 10, 12), degrees="random").network, 5, 1),
    "made_few_units": (lambda: MADE([6], (3, 2), activation="tanh").network, 6, 1),
    "made_direct": (lambda: MADE([4], (3,), Categorical(3), direct=True).network, 4, 3),
    "made_residual": (lambda: MADE([4], (6, 6), residual=True).network, 4, 1),
    "made_one_site": (lambda: MADE([1], (3,), direct=True).network, 1, 1),
}


@functools.cache
def shared(name):
    """The model of that name with random weights, for tests that do not change it."""
    return randomise(MODELS[name](), seed=3)


def events(model, count, seed=0):
    """Random events of a model, int32 [count, *event_shape]."""
    values = tfar.testing.symbols(model.head)
    return np.random.RandomState(seed).choice(values, [count, *model.event_shape])
