"""Bad calls of the Python API: every one ends in a sentence of ours, and none in silence.

A table: functions, arguments that are fine, and wrong values for each argument in turn. What a call
raises has to be a ValueError of this library's own that says what was expected, or Python's own
TypeError about an argument that is unknown. Bad calls of commands are in `test_cli.py`.
"""

import linecache
import os
import re
import traceback

import keras
import numpy as np
import pytest
import tensorflow as tf
import tensorflow_probability as tfp
from support.cases import shared

import tfar
from tfar import (
    conditions,
    datasets,
    distributions,
    heads,
    layers,
    models,
    orders,
    plots,
    sampling,
    testing,
    text,
)
from tfar.training import muon

tfd = tfp.distributions
nan, inf = np.nan, np.inf
THING, DENSE = object(), keras.layers.Dense(2)
OURS = os.path.dirname(tfar.__file__)
# About arguments that are unknown or there twice: as Python says it, and Keras.
PYTHON = r"unexpected keyword|takes no arguments|multiple values for keyword"
KERAS = r"Unrecognized keyword arguments|Argument\(s\) not recognized"

# Wrong values, by what an argument is.
NO_COUNT = ("3", 2.5, -1, 0, nan, inf, True, [], {}, [3], 1j, THING, int, DENSE)
COUNT = (None, *NO_COUNT)  # of at least 1
FROM_0 = tuple(v for v in COUNT if v is not NO_COUNT[3])
SEED = (None, "3", 2.5, -1, nan, True, [], 1j, THING)
NUMBER = (None, "3", nan, -inf, True, [], [1.0, 2.0], {}, 1j, THING, int)
RATE = (*NUMBER, -0.1, 1, 1.5)
POSITIVE = (*NUMBER, 0, -1.0)
FLAG = (None, "yes", 2, 0.5, [], [True], {}, 1j, THING, DENSE)
SHAPE = (None, 4, "4", [], [2.5], [-1], [0], [True], [[4]], [None], {4: 4}, nan, THING, int)
IMAGE = (*SHAPE, [3, 3], [3, 3, 1, 1], [3, 0, 1], [3, 3, 2.0])
SIZE = (None, 3, "33", [3], [3, 3, 3], [0, 3], [3, 2.5], {}, THING)
HEAD = ("gaussian", heads.Bernoulli, 3, True, [], {}, 1j, THING, DENSE, np.zeros(2))
ORDER = (None, "diagonal", 3, nan, [0, 0, 1, 2], [0, 1], [], {}, [0.5, 1, 2, 3], 1j, THING, str)
ACTIVATION = ("sigmiod", 3, True, [], {}, 1j, THING)
OUTSIDE = np.full([2, 4], 2), np.full([2, 4], 0.5), np.full([2, 4], nan)
EVENTS = (
    None, "0101", "", 3, nan, 1j, THING, int, DENSE, [], {}, [[]], [[0, 1], [0]], [None] * 4,
    np.zeros([4]), np.zeros([2, 5]), np.zeros([2, 4, 1]), np.zeros([0, 4]),
    *OUTSIDE, np.zeros([2, 4], complex),
    np.full([2, 4], "0"), np.full([2, 4], None), {"y": np.zeros([2, 4])},
    {"x": np.zeros([2, 4]), "condition": [0, 0]},
)  # fmt: skip
LABELS = ("a", 3, -1, 1.5, nan, True, 1j, THING, {}, [[0, 5]], [None], [0, "a"], DENSE)
TEMPERATURE = ("1", nan, inf, 0, -1, True, [1.0, 2.0], [], {}, 1j, THING)
TOP_K = ("1", nan, 0, -1, 1.5, True, [1, 2], {}, 1j, THING)
TOP_P = ("1", nan, 0, -1, 1.5, True, [0.5, 0.6], {}, 1j, THING)
RANDOM = ("7", 1.5, nan, True, [1, 2, 3], [], {}, 1j, THING, [None, 1])
MEMBER = ("0", 0.5, -1, 7, nan, [], [0], {}, 1j, THING)
MODEL = (None, "made_mnist", 3, [], {}, THING, DENSE, models.FVSBN, keras.Sequential([DENSE]))


def vary(function, fine=(), **wrong):
    """(words, call) for each wrong value of each argument, with the others ``fine``."""
    name = getattr(function, "__qualname__", type(function).__name__)
    for argument, values in wrong.items():
        for value in values:
            words = f"{name}({argument}={value!r:.60})".replace("\n", " ")
            yield words, lambda v=value, a=argument: function(**{**dict(fine), a: v})


def first(function, values, *rest, **options):
    """(words, call) for each wrong value of the first argument of a function."""
    name = getattr(function, "__qualname__", type(function).__name__)
    for value in values:
        words = f"{name}({value!r:.60})".replace("\n", " ")
        yield words, lambda v=value: function(v, *rest, **options)


def of_heads():
    mixture = {"num_components": COUNT, "equal_weights": FLAG, "mean": NUMBER, "std": POSITIVE}
    yield from vary(heads.Bernoulli, centered=FLAG, centred=[True])
    yield from vary(heads.Categorical, num_categories=(*COUNT, 1), categories=[3])
    strings = (None, 3, "", "a", "aa", ["a", "b"], b"ab", {}, THING, DENSE)
    yield from vary(heads.Characters, characters=strings)
    yield from vary(heads.Characters.of, text=strings)
    for head in (heads.GaussianMixture, heads.LogisticMixture):
        yield from vary(head, {"num_components": 2}, **mixture)
    yield from vary(
        heads.DiscretizedLogisticMixture,
        {"num_components": 2},
        num_components=COUNT,
        channels=COUNT,
        levels=(*COUNT, 1),
    )
    for head in (heads.Poisson, heads.NegativeBinomial):
        yield from vary(head, rate=[1.0])
    vectors = heads.DiscretizedLogisticMixture(2)
    yield from vary(
        heads.Columns,
        heads=(None, 3, [], {}, "ab", [3], [None], heads.Bernoulli(), [heads.Bernoulli], [vectors]),
    )
    column = {"name": "x", "mean": 0.0, "std": 1.0}
    named = {"name": "x"}
    columns = (
        None, 3, [], "ab", [3], ["ab"], [{}], [named], column, THING, [[("a", 1)]],
        [{**named, "categories": []}],
        [{**named, "categories": 3}], [{**named, "categories": "ab"}],
        [{**named, "mean": 0.0}], [{**column, "mean": "a"}], [{**column, "std": 0}],
        [{**column, "std": nan}], [{"mean": 0.0, "std": 1.0}],
    )  # fmt: skip
    yield from vary(heads.Table, columns=columns)
    yield from vary(heads.Table, {"columns": [column]}, num_components=COUNT)


def of_conditions():
    yield from vary(conditions.Labels, num_classes=COUNT, classes=[3])
    yield from vary(conditions.Labels, {"num_classes": 3}, shape=(None, 3, "4", [0], [2.5], {}))
    yield from vary(conditions.Vector, shape=(None, "3", 2.5, 0, -1, [0], True, {}, nan, THING))
    parts = {"word": conditions.Labels(2), "place": conditions.Vector(2)}
    wrong = (None, 3, {}, [parts], {"a": 3}, {"a b": parts["word"]}, {1: parts["word"]}, THING)
    flat = keras.layers.Flatten()
    fine = {"parts": conditions.Vector(2), "layer": flat}
    nested = conditions.Embedded(conditions.Vector(2), flat)
    yield from vary(
        conditions.Embedded, fine, parts=(*wrong, conditions.Labels, nested),
        layer=(None, "x", 3, THING, keras.layers.Flatten, np.tanh, keras.layers.RepeatVector(3),
               keras.layers.Reshape([1, 2])),
    )  # fmt: skip
    vector, several = conditions.Vector([2]), conditions.Labels(3, shape=[2])
    numbers = (None, "a", 3, {}, [1.0], [1.0, nan], [1.0, inf], [[1.0, 2.0], [1.0]], [1j, 1], THING)
    yield from first(vector.tensors, numbers)
    yield from first(several.tensors, [*numbers, [0, 3], [-1, 0], [2**32, 0], [True, False]])
    model = models.FVSBN([4], condition=vector)
    x, rows = np.zeros([3, 4]), (*numbers, [1.0, 2.0], np.zeros([2, 2]), np.zeros([3, 3]))
    for method in (model, model.log_prob, model.check):
        yield from first(lambda c, m=method: m({"x": x, "condition": c}), rows)
    yield from vary(model.joint, {"condition": [1.0, 2.0]}, member=[1])  # is no condition
    yield from vary(model.joint, condition=(*numbers, {"a": [1.0, 2.0]}))
    yield from vary(models.FVSBN, {"event_shape": [4]}, condition=(3, "x", {}, THING, [vector]))
    both = {"event_shape": [4], "num_classes": 3}
    for family in (models.FVSBN, models.NADE, models.MADE, models.OrderlessNADE):
        yield from vary(family, both, condition=[vector])
    plain = {"network": keras.layers.Dense(1), "event_shape": [4], "head": heads.Bernoulli()}
    yield from vary(models.AutoregressiveModel, plain, condition=[vector])
    given = layers.Causal([layers.Shift(), layers.ConditionBias(3)])
    plain = {"network": given, "event_shape": [4], "head": heads.Bernoulli()}
    yield from vary(models.AutoregressiveModel, plain, condition=[None, vector])
    yield from vary(layers.ConditionBias, condition_size=COUNT)


def of_models():
    base = {"head": HEAD, "order": ORDER}
    yield from vary(models.FVSBN, {"event_shape": [4]}, event_shape=SHAPE, **base, hidden=[3])
    units = {"hidden": COUNT, "activation": ACTIVATION, "dropout": RATE}
    for model in (models.NADE, models.RNADE):
        yield from vary(
            model, {"event_shape": [4], "hidden": 2}, event_shape=SHAPE, **base, **units
        )
    hidden = (None, 3, "44", [0], [2.5], {4: 4}, [None], [[4, 4]], nan, THING)
    deep = {**units, "hidden": hidden, "seed": SEED}
    several = [[[0, 1, 2, 3], [0, 1, 2]], [[0, 1, 2, 3], [0, 0, 1, 2]], [[[0, 1, 2, 3]]]]
    orders_of = (*ORDER, *several)
    yield from vary(
        models.MADE,
        {"event_shape": [4], "hidden": (4,)},
        **{**base, **deep, "event_shape": SHAPE, "order": orders_of},
        num_masks=(*NO_COUNT, 3),
        degrees=(None, "odd", 3, [1], [-1, 1, 1, 1], [0] * 4, [nan] * 4, ["a"] * 4, {}, THING),
        direct=FLAG,
        residual=FLAG,
    )
    yield from vary(
        models.OrderlessNADE,
        {"event_shape": [4], "hidden": (4,)},
        **{**base, **deep, "event_shape": SHAPE, "order": orders_of},
        num_orders=(*NO_COUNT, 3),
        network=(3, "x", DENSE, layers.Shift(), THING, layers.Shift),
    )
    image = {"event_shape": [4, 4, 1]}
    odd = (*COUNT, 2)
    yield from vary(
        models.PixelCNN,
        {**image, "filters": 2, "blocks": 1},
        event_shape=IMAGE,
        filters=(*COUNT, 3),
        blocks=FROM_0,
        kernel_size=odd,
        first_kernel_size=odd,
        **base,
        positions=FLAG,
        activation=ACTIVATION,
        dropout=RATE,
    )
    yield from vary(
        models.GatedPixelCNN,
        {**image, "filters": 2, "layers": 1},
        event_shape=IMAGE,
        filters=COUNT,
        layers=COUNT,
        kernel_size=odd,
        first_kernel_size=odd,
        **base,
        num_classes=NO_COUNT,
        positions=FLAG,
        activation=ACTIVATION,
        dropout=RATE,
    )
    yield from vary(
        models.PixelCNNpp,
        {**image, "filters": 2, "resnets": 1, "levels": 1},
        event_shape=IMAGE,
        filters=COUNT,
        resnets=COUNT,
        levels=(*COUNT, 9),
        head=(
            *HEAD,
            heads.Categorical(3).__class__,
            heads.DiscretizedLogisticMixture(2, channels=3),
        ),
        order=ORDER,
        num_classes=NO_COUNT,
        positions=FLAG,
        dropout=RATE,
    )
    yield from vary(
        models.PixelRNN,
        {**image, "units": 2, "layers": 1},
        event_shape=IMAGE,
        units=COUNT,
        layers=COUNT,
        recurrence=(None, "rows", 3, [], {}, THING),
        kernel_size=odd,
        first_kernel_size=odd,
        **base,
        positions=FLAG,
        activation=ACTIVATION,
        dropout=RATE,
    )
    yield from vary(
        models.CharRNN,
        {"event_shape": [4], "units": (2,)},
        event_shape=(*SHAPE, [2, 2]),
        units=(*hidden, []),
        cell=(None, "lstn", 3, [], {}, THING, keras.layers.LSTM),
        head=HEAD,
        embedding=NO_COUNT,
        dropout=RATE,
        order=["reversed"],
    )
    yield from vary(
        models.Transformer,
        {"event_shape": [4], "width": 4, "layers": 1, "num_heads": 2},
        event_shape=SHAPE,
        width=(*COUNT, 3),
        layers=FROM_0,
        num_heads=(*COUNT, 3),
        window=NO_COUNT,
        positions=(None, "none", 3, [], {}, THING),
        stem=(*NO_COUNT, 3),
        patch=(*NO_COUNT, 2),
        mlp=POSITIVE,
        activation=ACTIVATION,
        tied=(*FLAG, True),
        dropout=RATE,
        **base,
    )
    of_images = {"event_shape": [2, 4, 1], "width": 4, "layers": 1, "num_heads": 2, "stem": 3}
    yield from vary(
        models.Transformer, of_images, stem=[*NO_COUNT, 2], patch=[*NO_COUNT, 3, 4], tied=[True]
    )
    network = layers.Causal([layers.Shift(), keras.layers.Dense(1)])
    yield from vary(
        models.AutoregressiveModel,
        {"network": network, "event_shape": [4], "head": heads.Bernoulli()},
        network=(
            None, 3, "x", [], {}, THING, np.tanh, layers.Shift, keras.layers.Dense(1),
            layers.Pointwise("relu"), keras.layers.Conv1D(1, 3, padding="same"),
            keras.layers.LSTM(1), keras.layers.Flatten(),
        ),
        event_shape=(*SHAPE, [4, 0]),
        head=(*HEAD, heads.Categorical(3), heads.DiscretizedLogisticMixture(2, channels=3)),
        order=ORDER,
        num_classes=(*NO_COUNT, 3),
        network_=[network],
    )  # fmt: skip


def of_layers():
    conv = {"filters": 2, "kernel_size": 3, "image_shape": (2, 4)}
    initializer = ("he_norml", 3, True, [], {}, THING)
    yield from vary(
        layers.CausalConv2D,
        conv,
        filters=COUNT,
        kernel_size=(*COUNT, 2, (3,), (3, 3, 3), (3, 2), (0, 3), ("3", 3)),
        image_shape=SIZE,
        subpixels=COUNT,
        exclusive=FLAG,
        use_bias=FLAG,
        activation=ACTIVATION,
        kernel_initializer=initializer,
        padding=["same"],
    )
    yield from vary(layers.CausalConv2D, {**conv, "exclusive": True}, kernel_size=(1,))
    front = {"rows": 2, "columns": 4, "lag": 2}
    yield from vary(layers.Schedule, front, rows=COUNT, columns=COUNT, lag=(*COUNT, 5))
    yield from vary(layers.Schedule(**front).slower, {}, lag=COUNT)
    yield from vary(layers.one_by_one, {}, num_sites=COUNT)
    yield from vary(
        layers.RowConv2D,
        {"filters": 2, "above": 1, "width": 3},
        filters=COUNT,
        above=FROM_0,
        width=(*COUNT, 2),
        exclusive=FLAG,
        stride=COUNT,
    )
    yield from vary(
        layers.GatedStacks,
        {"layers": 1, "first_kernel_size": 3, **conv},
        filters=COUNT,
        layers=COUNT,
        kernel_size=(*COUNT, 2),
        first_kernel_size=(*COUNT, 2),
        image_shape=SIZE,
        subpixels=COUNT,
        condition_size=FROM_0,
        dropout=RATE,
    )
    lstm = {"units": COUNT, "image_shape": SIZE, "subpixels": COUNT}
    fine = {"units": 2, "image_shape": (2, 4)}
    yield from vary(layers.RowLSTM, {**fine, "kernel_size": 3}, **lstm, kernel_size=(*COUNT, 2))
    yield from vary(layers.DiagonalBiLSTM, fine, **lstm)
    yield from vary(
        layers.CausalSelfAttention,
        {"num_heads": 1},
        num_heads=COUNT,
        window=NO_COUNT,
        rotary=FLAG,
        heads=[2],
    )
    sites = (None, 3, "012", [], [0, 4], [-1], [0.5, 1], [nan], ["a"], {}, THING, [[[0]]], [True])
    yield from vary(
        layers.MaskedDense,
        {"in_sites": range(4), "out_sites": range(4), "num_sites": 4},
        in_sites=(*sites, [[0, 1], [1, 0]]),
        out_sites=(*sites, [[0, 1], [1, 0]]),
        num_sites=COUNT,
        channels=COUNT,
        exclusive=FLAG,
        use_bias=FLAG,
        kernel_initializer=initializer,
    )
    several = (None, 3, "x", [], {}, [3], [None], [["relu"]], DENSE, [keras.layers.Dense], ["rleu"])
    yield from vary(layers.Causal, layers=(*several, [layers.Shift(), layers.Shift()]))
    yield from vary(layers.Sum, layers=(*several, ["relu", layers.Shift()]))
    yield from vary(layers.Pointwise, layer=(None, 3, "rleu", [], {}, THING, True))
    no_layer = (None, 3, "x", [], {}, THING, DENSE, layers.Shift, np.tanh)
    yield from vary(
        layers.Patches,
        {"layer": layers.Shift(), "size": 2, "filters": 2},
        layer=(*no_layer, layers.Pointwise("relu")),
        size=COUNT,
        filters=COUNT,
    )
    yield from vary(layers.Tied, {"layer": layers.Shift(), "width": 2}, layer=no_layer, width=COUNT)
    rnn = keras.layers.LSTM(2)
    yield from vary(
        layers.Recurrent,
        {"layer": rnn},
        layer=(*no_layer, keras.layers.LSTM(2, go_backwards=True), keras.layers.LSTM,
               keras.layers.Bidirectional(rnn), keras.layers.ConvLSTM2D(2, 3)),
        embedding=NO_COUNT,
        exclusive=FLAG,
    )  # fmt: skip
    yield from vary(layers.Shift, size=[2])
    yield from vary(layers.SiteBias, size=[2])


BUILT = {
    "CausalConv2D": lambda: layers.CausalConv2D(2, 3, (2, 4)),
    "RowConv2D": lambda: layers.RowConv2D(2, above=1, width=3),
    "GatedStacks": lambda: layers.GatedStacks(
        2, 1, kernel_size=3, first_kernel_size=3, image_shape=(2, 4)
    ),
    "GatedStacks_conditional": lambda: layers.GatedStacks(
        2, 1, kernel_size=3, first_kernel_size=3, image_shape=(2, 4), condition_size=3
    ),
    "RowLSTM": lambda: layers.RowLSTM(2, 3, (2, 4)),
    "DiagonalBiLSTM": lambda: layers.DiagonalBiLSTM(2, (2, 4)),
    "CausalSelfAttention": lambda: layers.CausalSelfAttention(1),
    "CausalSelfAttention_window": lambda: layers.CausalSelfAttention(1, window=2),
    "MaskedDense": lambda: layers.MaskedDense(range(8), range(8), 8),
    "Causal": lambda: layers.Causal([layers.Shift(), keras.layers.Dense(2)]),
    "Sum": lambda: layers.Sum(["relu", layers.SiteBias()]),
    "Pointwise": lambda: layers.Pointwise("relu"),
    "Patches": lambda: layers.Patches(layers.Shift(), 2, 2),
    "Tied": lambda: layers.Tied(layers.Shift(), 2),
    "Recurrent": lambda: layers.Recurrent(keras.layers.GRU(2)),
    "Shift": lambda: layers.Shift(),
    "SiteBias": lambda: layers.SiteBias(),
    "ConditionBias": lambda: layers.ConditionBias(3),
    "TriangularDense": lambda: layers.TriangularDense(2),
    "TiedHidden": lambda: layers.TiedHidden(3, 2),
    "OrderlessHidden": lambda: layers.OrderlessHidden((3,), 2),
    "MultiscaleStreams": lambda: layers.MultiscaleStreams(2, 1, levels=1, image_shape=(2, 4)),
}


# Layers that take sequences of any length.
STATIONARY = {"CausalSelfAttention_window", "Causal", "Pointwise", "Tied", "Recurrent", "Shift"}
STATIONARY |= {"ConditionBias"}


def of_inputs(name):
    """Inputs of a layer, [2, 8, 2] where they are right: of a fresh one, and of a built one."""
    rows = name == "RowConv2D"  # [2, 2, 4, 2]
    right = (2, 2, 4, 2) if rows else (2, 8, 2)
    inputs = [np.zeros([2] * rank, np.float32) for rank in range(6) if rank != len(right)]
    inputs += [None, "x", 3.0, THING, np.full(right, "a"), np.zeros(right, complex)]
    yield from labelled(f"fresh {name}", first(lambda x: BUILT[name]()(x), inputs))
    shapes = [None, 3, "ab", (), (None,), (None, 8), THING]
    shapes += [(None, *right[1:-1], c) for c in ("2", None, 0, -2, 2.5)]
    shapes += [(None, *[None] * len(right[1:])), (None, 8, *right[1:])]
    shapes += [] if rows or name in STATIONARY else [(None, None, 2)]
    yield from labelled(f"{name}.build", first(lambda shape: BUILT[name]().build(shape), shapes))
    layer = BUILT[name]()
    layer.build((None, *right[1:]))
    inputs.append(np.zeros([*right[:-1], 3], np.float32))
    if not rows and name not in STATIONARY:
        inputs.append(np.zeros([2, 7, 2], np.float32))
    given = {"condition": np.zeros([2, 3], np.float32)} if layer.condition_size else {}
    yield from labelled(f"built {name}", first(lambda x: layer(x, **given), inputs))
    if given:
        wrong = (None, "a", 3, THING, np.zeros([2, 4]), np.zeros([3]), np.zeros([5, 3]))
        x = np.zeros(right, np.float32)
        yield from vary(layer.__call__, {"x": x}, condition=wrong)


def labelled(label, calls):
    return ((f"{label}: {words}", call) for words, call in calls)


def of_data(kind):
    """Data of the wrong kind, to all that takes data."""
    if kind == "joint":
        joint = shared("fvsbn").joint()
        scalars = ([], {}, 3.0)
        values = (*EVENTS, *scalars)
        values = [v for v in values if not isinstance(v, np.ndarray) or v.shape != (4,)]
        for method in (joint.log_prob, joint.prob):
            yield from first(method, values)
        return
    if kind == "keras":
        model = models.FVSBN([4])
        model.compile("sgd")
        for method in (model.predict, model.evaluate, model.fit):
            yield from first(method, EVENTS, verbose=0)
        x = np.zeros([2, 4])
        wrong = {
            "epochs": COUNT[1:],
            "batch_size": NO_COUNT,
            "sample_weight": ("a", 3, [1], [nan, 1], np.zeros([2, 2]), THING, {}, ["a", "b"]),
            "y": ([0, 1], "ab", np.zeros([2, 1])),
            "validation_data": (3, "x", (), (x,) * 4, [None], ("a",), np.zeros([2, 5]), THING),
            "validation_split": ("a", -1, 1.5, nan, THING),
            "class_weight": [{0: 1.0}],
            "callbacks": ("a", 3, [3], THING, [keras.callbacks.Callback]),
            "shuffle": ("a", THING, 3),
            "initial_epoch": ("a", -1, 2.5, THING),
            "steps_per_epoch": NO_COUNT,
            "unknown": [1],
        }
        yield from vary(model.fit, {"x": x, "verbose": 0}, **wrong)
        yield from vary(
            model.evaluate, {"x": x, "verbose": 0},
            batch_size=NO_COUNT, sample_weight=wrong["sample_weight"], y=wrong["y"], steps=NO_COUNT,
        )  # fmt: skip
        yield from vary(model.predict, {"x": x, "verbose": 0}, batch_size=NO_COUNT, steps=NO_COUNT)
        yield from vary(model.save, filepath=(None, 3, "x.h5", "x", THING, []))
        with_loss = models.FVSBN([4])
        with_loss.compile("sgd", loss="mse")
        yield "fit with a loss", lambda: with_loss.fit(x, verbose=0)
        return
    model = shared("fvsbn")
    for method in (model.adapt, model.check, model.check_events):
        yield from first(method, EVENTS)
    for method in (model, model.log_prob):  # to these, what cannot occur has the density 0
        yield from first(method, [e for e in EVENTS if not any(e is o for o in OUTSIDE)])
    x = np.zeros([2, 4], np.int32)
    yield from vary(model.log_prob, {"inputs": x}, member=MEMBER, counted=("a", 3, [True], THING))
    yield from vary(model.__call__, {"inputs": x}, member=MEMBER)
    labels = shared("gated_pixel_cnn_labels")
    x = np.zeros([2, 2, 3, 1], np.int32)
    conditions = (None, *LABELS, [0], [0, 1, 2], [0, -1], [[0, 1]], [0.0, 1.0])
    for method in (labels, labels.log_prob, labels.check):
        yield from first(lambda c, m=method: m({"x": x, "condition": c}), conditions)
        yield from first(method, [x, {"x": x}, {"condition": [0, 1]}])


def of_sampling():
    model, ensemble = shared("fvsbn"), shared("made_orders")
    labels, symbols = shared("gated_pixel_cnn_labels"), shared("nade_categorical")
    observed = ("a", 3, [True], [0, 1, 0, 1], [[True] * 4], THING, {}, [None] * 4, [True, "a"])
    options = {"cached": FLAG, "jit_compile": FLAG, "validate_args": FLAG}
    yield from vary(
        model.joint,
        **options,
        member=MEMBER,
        condition=(1, "a"),
        observed=observed,
        temperature=[1],
    )
    gap = [False, True, False, False]
    yield from vary(model.joint, observed=[gap])
    yield from vary(ensemble.joint, member=(*MEMBER, 2), observed=[np.zeros([2, 2, 1], bool)])
    yield from vary(ensemble.joint, jit_compile=[True])
    yield from vary(labels.joint, condition=(None, *LABELS))
    yield from vary(sampling.Autoregressive, model=MODEL)
    yield from vary(sampling.Autoregressive, {"model": model}, **options, member=MEMBER)
    values = ("a", 3, [0.5, nan, nan, nan], [nan, 1, 0, 1], np.zeros(5), THING, {}, [2] * 4,
              [[0], [0, 1]], np.zeros([4], complex), ["a"] * 4)  # fmt: skip
    joint = model.joint()
    for method in (joint.sample, joint.experimental_sample_and_log_prob):
        yield from first(method, (None, "2", 2.5, -1, nan, True, [2.5], {}, 1j, THING, 2**40))
        yield from vary(
            method, {"sample_shape": 2}, seed=RANDOM, value=values, temperature=TEMPERATURE,
            top_k=[2], top_p=[0.5], temprature=[1.0],
        )  # fmt: skip
        yield from vary(
            getattr(symbols.joint(), method.__name__), {"sample_shape": 2}, top_k=TOP_K, top_p=TOP_P
        )
    seen = model.joint(observed=[True, False, False, False])
    yield from vary(
        seen.sample, {"sample_shape": 2, "seed": 1}, value=[None, *values[:3], [nan] * 4]
    )
    yield from vary(sampling.Policy, temperature=TEMPERATURE, top_k=TOP_K, top_p=TOP_P, k=[1])
    sizes = (None, "2", 2.5, -1, THING, [], {}, True)
    yield from vary(
        model.initial_state, {"batch_size": 2}, batch_size=sizes, member=MEMBER, cached=FLAG
    )
    state, x = model.initial_state(2), np.zeros([2, 1, 1], np.float32)
    steps = (None, "a", 3, np.zeros([2]), np.zeros([2, 1]), np.zeros([2, 1, 2]), THING)
    fine = {"x": x, "state": state, "sites": layers.one_by_one(model.num_sites).at(0)}
    yield from vary(model.step, fine, x=steps, sites=(None, 0, "a", THING))


def of_sequences():
    model = shared("char_rnn_lstm")
    texts = (None, 3, ["a"], b"ab", "xyz", THING, {}, True, nan)
    options = {"temperature": TEMPERATURE, "top_k": TOP_K, "top_p": TOP_P, "seed": RANDOM}
    yield from vary(model.generate, {"length": 2}, prompt=texts, length=COUNT, **options, n=[3])
    no_text = (*MODEL, shared("fvsbn"))
    fine = {"model": model, "length": 2}
    for function in (text.generate, text.stream):
        yield from vary(function, fine, model=no_text, prompt=texts, length=COUNT, **options)
    yield from vary(text.stream, fine, piece=COUNT)
    yield from vary(
        text.log_prob,
        {"model": model, "text": "abc"},
        model=no_text,
        text=(*texts, ""),
        block=COUNT,
        progress=(3, "x", True),
    )
    yield from vary(model.of_length, length=COUNT)
    yield from vary(shared("transformer").of_length, length=(3, 5))
    yield from vary(model.check_length, length=COUNT)
    yield from vary(heads.Vocabulary, characters=(None, 3, "", "a", "aa", ["a", "b"], b"ab", {}))
    vocabulary = heads.Vocabulary("abc")
    yield from vary(vocabulary.encode, text=texts)
    yield from vary(
        vocabulary.decode,
        numbers=(None, 3, "ab", [0.5], [nan], [3], [-1], [[0]], {}, THING, [None], [True]),
    )
    orderless = shared("orderless_nade")
    yield from vary(orderless.of_order, order=ORDER)
    observed = (None, "a", 3, [True], [0, 1, 0, 1], THING, np.zeros([2, 2], bool), {})
    for one in (orderless, shared("fvsbn")):
        fine = {"observed": np.array([True, False, False, False])}
        yield from vary(one.ordered_for, fine, observed=observed, member=MEMBER)


def of_orders():
    for function in (orders.raster, orders.reversed, orders.random):
        yield from vary(function, num_sites=COUNT)
    yield from vary(orders.random, {"num_sites": 4}, seed=(*SEED, 2**32))
    yield from vary(orders.get, {"order": "raster", "num_sites": 4}, order=ORDER, num_sites=COUNT)


def of_distributions():
    numbers = (None, "a", THING, {}, 1j, [], ["a"], [[0.0], [0.0, 1.0]], [nan + 1j])
    for family in (distributions.GaussianMixture, distributions.LogisticMixture):
        fine = {name: tf.zeros([2]) for name in ("logits", "loc", "log_scale")}
        wrong = {name: (*numbers, 1.0, tf.zeros([3])) for name in fine}
        yield from vary(family, fine, **wrong, scale=[1.0])
    fine = {"logits": tf.zeros([2]), "loc": tf.zeros([2, 3]), "log_scale": tf.zeros([2, 3])}
    fine["coupling"] = tf.zeros([2, 3])
    wrong = {name: (*numbers, 1.0, tf.zeros([2, 5])) for name in fine}
    yield from vary(
        distributions.DiscretizedLogisticMixture, fine, **wrong,
        levels=(*COUNT, 1),
    )  # fmt: skip
    normal = tfd.Normal([0.0, 0.0], 1.0)
    columns = (None, 3, [], {}, "ab", [3], normal, [tfd.Normal], [tfd.Normal(0.0, 1.0), normal],
               [tfd.MultivariateNormalDiag([0.0, 0.0])])  # fmt: skip
    yield from vary(distributions.Columns, columns=columns)
    p = distributions.Columns([normal, normal])
    yield from first(p.__getitem__, [(..., 7), (0, 0, 0), (..., None), (..., 2.5), (..., "a")])
    yield from first(p.log_prob, [np.zeros([2, 3]), np.zeros([3])])
    yield from vary(
        distributions.log_prob, {"p": normal, "x": [0.0, 0.0]},
        p=(None, 3, "x", THING, tfd.Normal), x=(None, "a", THING, 1j),
    )  # fmt: skip


def of_plots(path):
    images = np.zeros([2, 2, 2, 1])
    wrong = {
        "x": (None, 3, "a", [], {}, THING, images[0], images[:0], images - 1, images + 300,
              images + nan, images + 1j, np.zeros([2, 2, 2, 2]), [[0], [0, 1]]),
        "columns": NO_COUNT, "scale": COUNT, "margin": FROM_0,
    }  # fmt: skip
    yield from vary(plots.grid, {"x": images}, **wrong, rows=[2])
    paths = (None, 3, THING, [], {}, "", path)
    yield from vary(plots.save_grid, {"x": images, "path": path + "/x.png"}, path=paths, scale=[0])
    yield from vary(
        plots.drawable, {"event_shape": [4], "dtype": np.int32},
        event_shape=(None, 3, "ab", {}, THING),
    )  # fmt: skip


def of_muon():
    rate = (None, "a", nan, inf, -1.0, True, [], {}, 1j, THING)
    yield from vary(
        muon.Muon, learning_rate=rate, weight_decay=("a", nan, -1.0, True, [], 1j, THING),
        momentum=("a", nan, -1.0, 2.0, None, THING), ns_steps=("a", 0, 2.5, None, THING),
        exclude_layers=("a", 3, [3], THING), unknown=[1],
    )  # fmt: skip


def of_testing():
    for function in (
        testing.verify_normalisation, testing.verify_causality, testing.verify_sampling,
        testing.verify_training, testing.verify_precision, testing.enumerate_events,
        testing.randomise,
    ):  # fmt: skip
        wrong = [m for m in MODEL if function is not testing.randomise or m is not MODEL[-1]]
        wrong = [m for m in wrong if function is not testing.randomise or m is not DENSE]
        yield from first(function, wrong)
    yield from first(testing.verify_persistence, MODEL, "/tmp")
    yield from first(testing.verify_export, MODEL, "/tmp")
    head = heads.Categorical(3)
    no_heads = (None, "x", 3, heads.Categorical, THING, DENSE)
    yield from first(testing.symbols, [*no_heads, heads.DiscretizedLogisticMixture(1, channels=3)])
    for function, count in ((testing.verify_head, 1), (testing.verify_real_head, 2)):
        yield from first(function, no_heads, *[lambda x, params: x] * count)
    yield from vary(testing.verify_head, {"head": head}, reference=(None, 3, "x"))
    yield from first(testing.verify_layer, (None, "x", 3, layers.Shift, THING, DENSE), 3, 2)
    fine = {"layer": layers.Shift(), "num_sites": 3, "channels": 2}
    yield from vary(testing.verify_layer, fine, num_sites=COUNT, channels=COUNT)
    yield from vary(testing.enumerate_events, model=[models.FVSBN([17])])
    model = shared("fvsbn")
    yield from vary(testing.randomise, {"target": model}, seed=("a", -1, 2.5), scale=("a", nan, -1))


def of_datasets():
    yield from vary(
        datasets.load, {"name": "dna", "split": "train", "download": False},
        name=(None, 3, "mnits", "", [], {}, THING, True),
        split=(None, 3, "trian", "", [], {}, THING, True),
        download=FLAG,
    )  # fmt: skip
    for name in datasets.list():
        yield from first(getattr(datasets, name), ["trian", None, 3], download=False)


GROUPS = {
    "heads": of_heads,
    "conditions": of_conditions,
    "models": of_models,
    "layers": of_layers,
    **{f"inputs of {name}": lambda name=name: of_inputs(name) for name in BUILT},
    **{f"data of {kind}": lambda kind=kind: of_data(kind) for kind in ("model", "joint", "keras")},
    "sampling": of_sampling,
    "sequences": of_sequences,
    "orders": of_orders,
    "distributions": of_distributions,
    "plots": of_plots,
    "muon": of_muon,
    "testing": of_testing,
    "datasets": of_datasets,
}


def outcome(call):
    """What is wrong about how a bad call ended, or None."""
    try:
        result = call()
    except Exception as error:
        frames = traceback.extract_tb(error.__traceback__)
        if isinstance(error, TypeError) and re.search(PYTHON, str(error)):
            return None
        if isinstance(error, ValueError) and re.search(KERAS, str(error)):
            return None
        ours = os.path.abspath(frames[-1].filename).startswith(OURS)
        line = linecache.getline(frames[-1].filename, frames[-1].lineno).strip()
        if (
            isinstance(error, ValueError | IndexError | OSError)
            and ours
            and line.startswith("raise")
        ):
            return None
        where = f"{os.path.basename(frames[-1].filename)}:{frames[-1].lineno}"
        return f"{type(error).__name__} at {where}: {str(error)[:150]!r}"
    return f"silence, {result!r:.60}"


@pytest.mark.parametrize("group", GROUPS)
def test_bad_calls(group, tmp_path):
    arguments = [str(tmp_path)] if group == "plots" else []
    bad = [(words, outcome(call)) for words, call in GROUPS[group](*arguments)]
    bad = [f"{words}: {what}" for words, what in bad if what is not None]
    assert not bad, "\n".join([f"{len(bad)} calls end badly:", *bad])
