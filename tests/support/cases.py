"""The one table of tiny models, and the one of tiny layers, that every contract runs over.

A model has an order, head, condition or way of sampling that no other of its family has. What is an
option of a layer only is in the table of layers, which takes a tenth of the time.
"""

import functools

import keras
import numpy as np
import tensorflow as tf

import tfar
from tfar import conditions, orders
from tfar.conditions import Embedded, Labels, Vector
from tfar.heads import (
    Bernoulli,
    Categorical,
    Characters,
    Columns,
    DiscretizedLogisticMixture,
    GaussianMixture,
    LogisticMixture,
    NegativeBinomial,
    Poisson,
)
from tfar.layers import (
    Causal,
    CausalConv2D,
    CausalSelfAttention,
    Components,
    ConditionBias,
    DiagonalBiLSTM,
    GatedStacks,
    MaskedDense,
    MultiscaleStreams,
    OwnSizes,
    Patches,
    Pointwise,
    Recurrent,
    RowLSTM,
    Shift,
    SiteBias,
    Sum,
    Tied,
    TiedHidden,
    TriangularDense,
    WeightedSum,
)
from tfar.layers.orderless_hidden import BLOCK, OrderlessHidden
from tfar.models import (
    FVSBN,
    GMM,
    MADE,
    NADE,
    RNADE,
    AutoregressiveModel,
    CharRNN,
    GatedPixelCNN,
    KernelDensity,
    Mixture,
    OrderlessNADE,
    PixelCNN,
    PixelCNNpp,
    PixelRNN,
    Transformer,
    logit_average,
)
from tfar.testing import randomise
from tfar.testing.checks import stacked


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


def _causal(condition_size=0):
    given = [ConditionBias(condition_size)] if condition_size else []
    return Causal([Shift(), *given, keras.layers.Dense(6, "tanh"), keras.layers.Dense(1)])


@keras.saving.register_keras_serializable(package="tests")
class Mood(keras.layers.Layer):
    """A user's own embedding of a structure, {"word": [B], "place": [B, 2]} to [B, 3]."""

    def build(self, input_shape):
        self.table = self.add_weight(shape=(2, 3), initializer="normal", name="table")
        self.kernel = self.add_weight(shape=(2, 3), initializer="glorot_uniform", name="kernel")

    def call(self, given):
        return tf.gather(self.table, given["word"]) + tf.tanh(given["place"] @ self.kernel)


def mood():
    return Embedded({"word": Labels(2), "place": Vector(2)}, Mood())


MODELS = {
    "fvsbn": lambda: FVSBN([4]),
    "fvsbn_image": lambda: FVSBN([2, 3, 1], head=Bernoulli(centered=True), order="random"),
    "fvsbn_categorical": lambda: FVSBN(
        [3], head=Categorical(3), order="reversed", condition=Vector(2)
    ),
    "nade": lambda: NADE([4], 5),
    "nade_relu": lambda: NADE(
        [2, 3, 1], 8, head=Bernoulli(centered=True), order="reversed", activation="relu"
    ),
    "nade_categorical": lambda: NADE([3], 5, head=Categorical(3), order=np.array([2, 0, 1])),
    "made": lambda: MADE([4], (12,)),
    "made_deep": lambda: MADE([2, 3, 1], (16, 18, 16), order="random", degrees="random"),
    "made_direct": lambda: MADE(
        [4], (6,), head=Bernoulli(centered=True), order="reversed", direct=True
    ),
    "made_no_hidden": lambda: MADE([4], (), order=[1, 3, 0, 2]),
    "made_categorical": lambda: MADE(
        [3], (8, 8), head=Categorical(3), order=[1, 2, 0], degrees=[1, 2, 0]
    ),
    "made_residual": lambda: MADE([4], (9, 9, 9), residual=True, activation="tanh", num_classes=2),
    "made_one_site": lambda: MADE([1], (3,)),
    "made_masks": lambda: MADE([4], (12,), num_masks=3, degrees="random", activation="tanh"),
    "made_orders": lambda: MADE(
        [2, 2, 1], (12, 10), num_masks=2, order="random", activation="tanh", seed=1
    ),
    "made_given_orders": lambda: MADE(
        [3],
        (8,),
        head=Categorical(3),
        order=[[0, 1, 2], [2, 0, 1]],
        num_masks=2,
        direct=True,
        condition=Vector(2),
    ),
    "pixel_cnn": lambda: PixelCNN([3, 3, 1], 8, 2, first_kernel_size=3),
    "pixel_cnn_wide_kernels": lambda: PixelCNN(
        [2, 4, 1],
        8,
        1,
        kernel_size=5,
        first_kernel_size=5,
        head=Bernoulli(centered=True),
        order="reversed",
        positions=False,
        num_classes=2,
    ),
    "pixel_cnn_colours": lambda: PixelCNN(
        [1, 2, 3], 8, 1, kernel_size=3, first_kernel_size=3, head=Categorical(3)
    ),
    "gated_pixel_cnn": lambda: GatedPixelCNN([3, 3, 1], 4, 2, first_kernel_size=3),
    "gated_pixel_cnn_wide_kernels": lambda: GatedPixelCNN(
        [2, 4, 1],
        4,
        2,
        kernel_size=5,
        first_kernel_size=5,
        head=Bernoulli(centered=True),
        order="reversed",
        positions=False,
    ),
    "gated_pixel_cnn_colours": lambda: GatedPixelCNN(
        [2, 1, 3], 4, 2, first_kernel_size=3, head=Categorical(3, scaled=True)
    ),
    "gated_pixel_cnn_labels": lambda: GatedPixelCNN(
        [2, 3, 1], 4, 2, first_kernel_size=3, num_classes=3
    ),
    "pixel_cnn_mixture": lambda: PixelCNN(
        [1, 3, 2],
        8,
        1,
        kernel_size=3,
        first_kernel_size=3,
        head=DiscretizedLogisticMixture(2, channels=2, levels=3),
    ),
    "pixel_cnn_pp": lambda: PixelCNNpp([2, 4, 1], 4, 1, levels=2, head=Bernoulli(centered=True)),
    "pixel_cnn_pp_labels": lambda: PixelCNNpp(
        [2, 2, 2],
        4,
        1,
        levels=1,
        head=DiscretizedLogisticMixture(2, channels=2, levels=3),
        num_classes=2,
    ),
    "char_rnn": lambda: CharRNN([4], (5,), cell="rnn", head=Categorical(3)),
    "char_rnn_lstm": lambda: CharRNN([3], (4, 3), head=Characters("abc"), embedding=2),
    "char_rnn_gru": lambda: CharRNN(
        [4], (4,), cell="gru", head=Bernoulli(), dropout=0.5, condition=Vector(2)
    ),
    "transformer": lambda: Transformer([4], 6, 2, 3, head=Categorical(3)),
    "transformer_window": lambda: Transformer(
        [5], 4, 1, 2, window=2, mlp=2, tied=True, dropout=0.1, head=Characters("abc")
    ),
    "transformer_image": lambda: Transformer(
        [2, 3, 1],
        4,
        1,
        1,
        positions="learned",
        head=Bernoulli(centered=True),
        order="reversed",
        condition=mood(),
    ),
    "transformer_stem": lambda: Transformer(
        [2, 2, 2], 4, 1, 2, window=3, positions="learned", stem=3, head=Categorical(3)
    ),
    "transformer_patches": lambda: Transformer(
        [2, 4, 1], 4, 1, 2, positions="learned", stem=3, patch=2, mlp=2, order="reversed"
    ),
    "pixel_rnn_row": lambda: PixelRNN([3, 3, 1], 3, 2, first_kernel_size=3),
    "pixel_rnn_diagonal": lambda: PixelRNN(
        [3, 3, 1], 5, 1, recurrence="diagonal", first_kernel_size=3
    ),
    "pixel_rnn_diagonal_colours": lambda: PixelRNN(
        [2, 1, 3],
        2,
        1,
        recurrence="diagonal",
        first_kernel_size=3,
        head=Categorical(3),
        positions=False,
    ),
    "pixel_rnn_reversed": lambda: PixelRNN(
        [2, 4, 1],
        3,
        1,
        recurrence="diagonal",
        head=Bernoulli(centered=True),
        order="reversed",
        condition=Vector(2),
    ),
    "pixel_rnn_mixture": lambda: PixelRNN(
        [1, 3, 2], 3, 1, kernel_size=1, head=DiscretizedLogisticMixture(2, channels=2, levels=3)
    ),
    "nade_real": lambda: NADE(
        [2], 4, head=GaussianMixture(2, mean=5.0, std=3.0), activation="tanh", num_classes=2
    ),
    "rnade_real": lambda: RNADE([2], 5, head=GaussianMixture(3), activation="tanh"),
    "rnade_real_logistic": lambda: RNADE(
        [2, 1], 9, head=LogisticMixture(2, equal_weights=True), order="reversed", dropout=0.1
    ),
    "rnade_categorical": lambda: RNADE([3], 9, head=Categorical(3), num_classes=2),
    "orderless_nade": lambda: OrderlessNADE([4], (7, 6), activation="tanh"),
    "orderless_nade_orders": lambda: OrderlessNADE(
        [3],
        (8, 8, 8),
        head=Categorical(3),
        order="random",
        num_orders=3,
        activation="tanh",
        seed=2,
        condition=Vector(2),
    ),
    "orderless_nade_real": lambda: OrderlessNADE(
        [2], (9, 9), head=GaussianMixture(2), order=[[1, 0], [0, 1]], activation="tanh", dropout=0.1
    ),
    "made_real_orders": lambda: MADE(
        [2],
        (12,),
        head=LogisticMixture(2, equal_weights=True, mean=3.0, std=0.5),
        order=[[0, 1], [1, 0]],
        activation="tanh",
    ),
    "made_columns_real": lambda: MADE(
        [3],
        (16,),
        head=Columns([Bernoulli(centered=True), LogisticMixture(2), Bernoulli(centered=True)]),
        order=[1, 2, 0],
        direct=True,
        activation="tanh",
    ),
    "nade_columns_real": lambda: NADE(
        [2],
        6,
        head=Columns([GaussianMixture(2, mean=9.0), Categorical(4)]),
        order="reversed",
        activation="tanh",
    ),
    "orderless_columns_real": lambda: OrderlessNADE(
        [3],
        (9, 8),
        head=Columns([Categorical(3), GaussianMixture(3, equal_weights=True), Categorical(3)]),
        order=[[2, 0, 1], [1, 2, 0]],
        activation="tanh",
    ),
    "gmm_real": lambda: GMM([2], 3, order="reversed"),
    "gmm_tied_real": lambda: GMM([2], 4, covariance="tied", condition=Vector(2)),
    "gmm_binary": lambda: GMM([2, 2, 1], 3, covariance="diag", head=Bernoulli(), order="random"),
    "gmm_categorical": lambda: GMM([3], 4, head=Categorical(3), order=[1, 2, 0], num_classes=2),
    "gmm_columns_real": lambda: GMM(
        [3],
        3,
        head=Columns([Categorical(3), GaussianMixture(3, std=2.0), Bernoulli()]),
        order=[2, 0, 1],
    ),
    "kernel_density_real": lambda: KernelDensity([2], 5),
    "made_counts": lambda: MADE([2], (9,), head=Poisson(), activation="tanh"),
    "nade_counts": lambda: NADE(
        [3], 5, head=NegativeBinomial(), order="reversed", activation="tanh"
    ),
    "orderless_counts": lambda: OrderlessNADE(
        [2], (8,), head=Poisson(), order="random", num_orders=2
    ),
    "made_columns_counts_real": lambda: MADE(
        [3], (12,), head=Columns([NegativeBinomial(), LogisticMixture(2), Bernoulli()])
    ),
    "logit_average_categorical": lambda: logit_average(
        [
            NADE([3], 5, head=Categorical(3), activation="tanh"),
            MADE([3], (6,), head=Categorical(3), activation="tanh"),
        ],
        weights=[0.4, 0.9],
    ),
    "logit_average_images": lambda: logit_average(
        [
            GatedPixelCNN([2, 3, 1], 4, 2, first_kernel_size=3, num_classes=2, activation="tanh"),
            PixelCNN([2, 3, 1], filters=2, blocks=1, num_classes=2),
        ]
    ),
    "mixture_of_orders": lambda: Mixture(
        [
            NADE([3], 5, head=Categorical(3), activation="tanh"),
            MADE([3], (9,), head=Categorical(3), order=[[2, 0, 1], [1, 2, 0]], activation="tanh"),
        ],
        weights=[1, 3],
    ),
    "mixture_of_orders_of_images": lambda: Mixture(
        [
            GatedPixelCNN(
                [2, 2, 1],
                filters=6,
                layers=2,
                first_kernel_size=3,
                head=Bernoulli(centered=True),
                order=orders.scan([2, 2, 1], columns=True, upwards=True),
                num_classes=2,
                activation="tanh",
            ),
            PixelCNN([2, 2, 1], filters=2, blocks=1, num_classes=2),
        ]
    ),
    "own_causal": lambda: AutoregressiveModel(
        _causal(4), [4], Bernoulli(), order="random", condition=Labels(2, shape=[2])
    ),
    "own_plain": lambda: AutoregressiveModel(
        Smoothing(3), [2, 2], Categorical(3), order=[3, 1, 0, 2]
    ),
}

SCHEDULES = [  # of discrete values: site by site, a wavefront, whole rows, whole passes
    "fvsbn_categorical",
    "nade_counts",
    "made_given_orders",
    "pixel_cnn_colours",
    "gated_pixel_cnn_labels",
    "pixel_cnn_pp_labels",
    "transformer_image",
    "char_rnn_gru",
    "own_plain",
]

ONE_A_SCHEDULE = {
    "nade_counts",
    "pixel_cnn_colours",
    "gated_pixel_cnn_labels",
    "char_rnn_gru",
    "own_plain",
}

ENSEMBLES = [name for name in MODELS if "orders" in name or "masks" in name]
ENSEMBLES += ["orderless_nade_real", "orderless_columns_real", "orderless_counts"]

# A case of every model, layer, head, condition and schedule, for what traces graphs for seconds.
EACH = [
    "fvsbn_image",
    "nade_counts",
    "nade_columns_real",
    "rnade_real_logistic",
    "made_columns_counts_real",
    "orderless_nade",
    "orderless_counts",
    "gmm_real",
    "kernel_density_real",
    "pixel_cnn_mixture",
    "gated_pixel_cnn",
    "pixel_cnn_pp_labels",
    "pixel_rnn_diagonal",
    "pixel_rnn_mixture",
    "char_rnn",
    "char_rnn_lstm",
    "char_rnn_gru",
    "transformer_window",
    "transformer_image",
    "transformer_patches",
    "logit_average_categorical",
    "mixture_of_orders",
    "own_plain",
]


# A case of every model, for what is traced in every run.
ONE_A_MODEL = {
    "fvsbn_image",
    "nade_counts",
    "rnade_real_logistic",
    "made_columns_counts_real",
    "orderless_nade",
    "gmm_real",
    "kernel_density_real",
    "pixel_cnn_mixture",
    "gated_pixel_cnn",
    "pixel_cnn_pp_labels",
    "pixel_rnn_diagonal",
    "char_rnn_gru",
    "transformer_patches",
    "logit_average_categorical",
    "mixture_of_orders",
    "own_plain",
}


def parts(name):
    """The types that a model is made of."""
    model = MODELS[name]()
    found = {type(model), type(model.head), type(model.condition), type(model.schedule)}
    found |= {type(head) for head in getattr(model.head, "heads", [])}
    for one in getattr(model, "models", [model]):
        found |= {type(layer) for layer in one.network._flatten_layers()}
    return found | {("several", model.members > 1, model.all_orders)}


# name: (factory, sites, channels[, scale of the random weights])
LAYERS = {
    "shift": (Shift, 4, 2),
    "shift_one_site": (Shift, 1, 2),
    "dense_exclusive": (
        lambda: MaskedDense(range(4), range(4), 4, channels=3, exclusive=True, condition_size=2),
        4,
        2,
    ),
    "dense_inclusive": (lambda: MaskedDense(range(4), range(4), 4, channels=3), 4, 2),
    "dense_no_bias": (lambda: MaskedDense(range(3), range(3), 3, use_bias=False), 3, 1),
    "pointwise": (lambda: Pointwise(keras.layers.Dense(3, "tanh")), 4, 2),
    "pointwise_dropout": (lambda: Pointwise(keras.layers.Dropout(0.5)), 3, 2),
    "pointwise_name": (lambda: Pointwise("softplus"), 3, 2),
    "causal": (_causal, 4, 2),
    "causal_inclusive": (lambda: Causal(["tanh", MaskedDense(range(3), range(3), 3)]), 3, 2),
    "weighted_sum": (lambda: WeightedSum([_causal(), TriangularDense(1)]), 4, 2),
    "sum": (lambda: Sum([_causal(), TriangularDense(1)]), 4, 2),
    "conv_inclusive": (lambda: CausalConv2D(3, 3, (3, 4)), 12, 2),
    "conv_exclusive": (lambda: CausalConv2D(3, 3, (3, 4), exclusive=True), 12, 2),
    "conv_larger_than_the_image": (lambda: CausalConv2D(2, 7, (4, 3), exclusive=True), 12, 1),
    "conv_row": (lambda: CausalConv2D(2, (1, 3), (2, 4)), 8, 2),
    "conv_row_exclusive": (lambda: CausalConv2D(2, (1, 5), (2, 4), exclusive=True), 8, 2),
    "conv_one_tap_exclusive": (lambda: CausalConv2D(2, (1, 3), (2, 3), exclusive=True), 6, 2),
    "conv_column": (lambda: CausalConv2D(2, (3, 1), (3, 2), exclusive=True), 6, 2),
    "conv_pointwise": (lambda: CausalConv2D(2, 1, (3, 2), use_bias=False), 6, 2),
    "conv_colours": (lambda: CausalConv2D(2, 3, (2, 3), subpixels=3), 18, 2),
    "conv_colours_activated": (
        lambda: CausalConv2D(2, 3, (2, 3), subpixels=3, activation="tanh"),
        18,
        2,
    ),
    "conv_colours_of_a_site": (
        lambda: CausalConv2D(2, 3, (2, 2), subpixels=3, activation="softmax"),
        12,
        2,
    ),
    "conv_pointwise_activated": (lambda: CausalConv2D(2, 1, (3, 2), activation="elu"), 6, 2),
    "conv_colours_exclusive": (
        lambda: CausalConv2D(2, 3, (2, 3), subpixels=3, exclusive=True),
        18,
        2,
    ),
    "conv_colours_pointwise": (lambda: CausalConv2D(2, 1, (2, 2), subpixels=3), 12, 2),
    "conv_colours_of_one_pixel": (
        lambda: CausalConv2D(2, 1, (2, 2), subpixels=3, exclusive=True),
        12,
        2,
    ),
    "site_bias": (SiteBias, 4, 2),
    "condition_bias": (lambda: ConditionBias(3), 4, 2),
    "gated_stacks": (
        lambda: GatedStacks(3, 2, kernel_size=3, first_kernel_size=3, image_shape=(3, 4)),
        12,
        2,
    ),
    "gated_stacks_deep": (
        lambda: GatedStacks(2, 3, kernel_size=3, first_kernel_size=5, image_shape=(4, 4)),
        16,
        1,
    ),
    "gated_stacks_one_layer": (
        lambda: GatedStacks(
            2, 1, kernel_size=3, first_kernel_size=3, image_shape=(2, 3), dropout=0.5
        ),
        6,
        2,
    ),
    "gated_stacks_colours": (
        lambda: GatedStacks(
            2, 2, kernel_size=3, first_kernel_size=3, image_shape=(2, 3), subpixels=2
        ),
        12,
        2,
    ),
    "gated_stacks_condition": (
        lambda: GatedStacks(
            2, 2, kernel_size=3, first_kernel_size=3, image_shape=(2, 3), condition_size=3
        ),
        6,
        2,
    ),
    "multiscale_condition": (
        lambda: MultiscaleStreams(2, 1, levels=2, image_shape=(2, 4), condition_size=2),
        8,
        1,
        0.5,
    ),
    "multiscale_one_level": (
        lambda: MultiscaleStreams(2, 1, levels=1, image_shape=(3, 3)),
        9,
        2,
        0.5,
    ),
    "multiscale": (lambda: MultiscaleStreams(2, 2, levels=2, image_shape=(4, 6)), 24, 1, 0.3),
    "multiscale_three_levels": (
        lambda: MultiscaleStreams(2, 1, levels=3, image_shape=(4, 4), dropout=0.5),
        16,
        1,
        0.5,
    ),
    "pixel_cnn": (lambda: PixelCNN([3, 3, 1], 4, 2, first_kernel_size=3).network, 9, 1),
    "recurrent": (lambda: Recurrent(keras.layers.SimpleRNN(3)), 4, 2),
    "recurrent_exclusive": (lambda: Recurrent(keras.layers.LSTM(3), exclusive=True), 4, 2),
    "recurrent_embedding": (
        lambda: Recurrent(keras.layers.GRU(3), embedding=2, condition_size=2, exclusive=True),
        4,
        3,
    ),
    "recurrent_cells": (
        lambda: Recurrent(keras.layers.RNN(keras.layers.GRUCell(3)), exclusive=True),
        3,
        2,
    ),
    "recurrent_one_site": (lambda: Recurrent(keras.layers.GRU(2)), 1, 2),
    "char_rnn": (lambda: CharRNN([4], (3, 3), cell="gru", dropout=0.5).network, 4, 1),
    "attention": (lambda: CausalSelfAttention(2), 5, 4),
    "attention_window": (lambda: CausalSelfAttention(1, window=3), 7, 2),
    "attention_of_itself": (lambda: CausalSelfAttention(1, window=1), 3, 2),
    "attention_without_positions": (lambda: CausalSelfAttention(3, rotary=False), 4, 3),
    "attention_one_site": (lambda: CausalSelfAttention(1, window=4), 1, 2),
    "patches": (
        lambda: Patches(Causal([Shift(), ConditionBias(2), CausalSelfAttention(2)]), 2, 3),
        6,
        2,
    ),
    "patches_of_one": (lambda: Patches(_causal(), 1, 2), 3, 2),
    "patches_all_in_one": (lambda: Patches(Causal([Shift(), keras.layers.Dense(2)]), 3, 2), 3, 1),
    "row_lstm": (lambda: RowLSTM(2, 3, (4, 3)), 12, 2),
    "row_lstm_wide": (lambda: RowLSTM(2, 5, (3, 4)), 12, 1),
    "row_lstm_narrow": (lambda: RowLSTM(2, 1, (3, 3)), 9, 1),
    "row_lstm_one_row": (lambda: RowLSTM(2, 3, (1, 4)), 4, 2),
    "row_lstm_one_column": (lambda: RowLSTM(2, 3, (4, 1)), 4, 1),
    "row_lstm_colours": (lambda: RowLSTM(2, 3, (3, 2), subpixels=2), 12, 1),
    "diagonal_lstm": (lambda: DiagonalBiLSTM(2, (3, 4)), 12, 2),
    "diagonal_lstm_high": (lambda: DiagonalBiLSTM(2, (4, 2)), 8, 1),
    "diagonal_lstm_one_row": (lambda: DiagonalBiLSTM(2, (1, 4)), 4, 1),
    "diagonal_lstm_one_column": (lambda: DiagonalBiLSTM(2, (4, 1)), 4, 1),
    "diagonal_lstm_colours": (lambda: DiagonalBiLSTM(2, (3, 2), subpixels=2), 12, 1),
    "tied_embedding": (lambda: Tied(Causal([Shift(), CausalSelfAttention(2)]), 4), 4, 3),
    "transformer": (lambda: Transformer([5], 4, 2, 2, window=3).network, 5, 1),
    "tied_sigmoid": (lambda: TiedHidden(5, 2), 4, 2),
    "tied_relu": (lambda: TiedHidden(6, 1, activation="relu", dropout=0.5, condition_size=2), 5, 1),
    "tied_rescaled": (lambda: TiedHidden(5, 2, activation="tanh", rescaled=True), 4, 2),
    "orderless": (lambda: OrderlessHidden((5, 4), 2, activation="tanh"), 4, 2),
    "orderless_blocks": (lambda: OrderlessHidden((5, 4), 1, activation="tanh"), 2 * BLOCK + 3, 1),
    "orderless_one_layer": (lambda: OrderlessHidden((6,), 1, dropout=0.5, condition_size=2), 3, 1),
    "orderless_one_site": (lambda: OrderlessHidden((3,), 1), 1, 1),
    "orderless_own_sizes": (
        lambda: OrderlessHidden((5, 4), 3, condition_size=2, sizes=([1, 2, 1, 2], [3, 1, 2, 2])),
        4,
        2,
    ),
    "own_sizes": (
        lambda: OwnSizes(
            Causal(
                [
                    MaskedDense([0, 0, 1, 2, 2], [1, 0, 1, 2], 3, exclusive=True),
                    keras.layers.Activation("tanh"),
                    MaskedDense([1, 0, 1, 2], [0, 0, 1, 2, 2, 2], 3),
                ]
            ),
            [2, 1, 2],
            [2, 1, 3],
        ),
        3,
        2,
    ),
    "components": (lambda: Components(3, [0, 0, 0, 0], condition_size=2), 4, 1),
    "components_tied": (lambda: Components(4, [0, 0, 0], covariance="tied"), 3, 1),
    "components_mixed": (lambda: Components(3, [0, 3, 0, 1]), 4, 3),
    "components_categories": (lambda: Components(3, [1, 2, 3], covariance="diag"), 3, 3),
    "components_one_site": (lambda: Components(2, [0], covariance="diag"), 1, 1),
    "tied_one_site": (lambda: TiedHidden(3, 2), 1, 2),
    "triangular": (lambda: TriangularDense(2, condition_size=2), 4, 3),
    "triangular_one_site": (lambda: TriangularDense(2), 1, 1),
    "made": (lambda: MADE([4], (9,)).network, 4, 1),
    "made_deep": (lambda: MADE([5], (12, 10, 12), degrees="random").network, 5, 1),
    "made_few_units": (lambda: MADE([6], (3, 2), activation="tanh").network, 6, 1),
    "made_direct": (lambda: MADE([4], (3,), head=Categorical(3), direct=True).network, 4, 3),
    "made_residual": (lambda: MADE([4], (6, 6), residual=True).network, 4, 1),
    "made_one_site": (lambda: MADE([1], (3,), direct=True).network, 1, 1),
}


def randomised(name, seed=0):
    """The model of that name with random weights, smaller ones where conditionals saturate."""
    if "pixel_cnn_pp" in name or "counts" in name:
        scale = 0.3
    else:
        scale = 0.5 if "pixel" in name or "real" in name else 1.0
    return randomise(MODELS[name](), seed=seed, scale=scale)


def rate(name):
    """The learning rate at which a model is trained; a higher one overshoots in deep networks."""
    return 0.02 if "pixel_cnn_pp" in name else 0.05


@functools.lru_cache(maxsize=8)  # what they have compiled takes memory, and time to walk through
def shared(name):
    """As `randomised`, once, for tests that do not change it."""
    return randomised(name, seed=3)


def events(model, count, seed=0):
    """Random events of a model, [count, *event_shape] of `tfar.testing.symbols`."""
    values = [tfar.testing.symbols(model.head.at(i)) for i in range(model.num_sites)]
    rng = np.random.RandomState(seed)
    columns = [column[rng.randint(len(column), size=count)] for column in values]
    return np.stack(columns, axis=1).reshape([count, *model.event_shape])


def inputs(model, count, seed=0):
    """Random events as a model takes them, with conditions if it takes them."""
    return conditions.joined(events(model, count, seed), given(model, count))


def given(model, count):
    """A batch of the conditions that a model is tested with, in turn; of others None."""
    return stacked(tfar.testing.checks.conditions(model), count)
