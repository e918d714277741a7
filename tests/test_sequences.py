"""Recurrent and attention layers beyond their contract: formulas, oracles, planted bugs."""

import dataclasses

import h5py
import keras
import numpy as np
import pytest
import tensorflow as tf

from tfar import testing
from tfar.heads import Bernoulli, Categorical
from tfar.layers import Causal, CausalSelfAttention, Patches, Recurrent, Shift, Tied, attention
from tfar.layers.attention import rotate
from tfar.models import CharRNN, Transformer
from tfar.testing import randomise


def softmax(x):
    e = np.exp(x - x.max(-1, keepdims=True))
    return e / e.sum(-1, keepdims=True)


def test_the_plain_recurrence_is_that_of_the_slides():
    """h_{t+1} = tanh(W_hh h_t + W_xh x_{t+1} + b), o = W_hy h, h_0 learned."""
    model = randomise(CharRNN([6], (5,), cell="rnn", head=Categorical(4)), seed=1)
    start, w_xh, w_hh, b = None, None, None, None
    for weight in model.weights:
        name = weight.path.split("/")[-1]
        if name == "start_bias_0":
            start = weight.numpy()
        elif name == "recurrent_kernel":
            w_hh = weight.numpy()
        elif "simple_rnn_cell" in weight.path:
            w_xh, b = (weight.numpy(), b) if name == "kernel" else (w_xh, weight.numpy())
    output = model.network.parts[-1].layer
    x = np.random.RandomState(2).randint(4, size=[3, 6])
    for row in x:
        h, log_prob = start, 0.0
        for value in row:
            log_prob += np.log(softmax(h @ output.kernel.numpy() + output.bias.numpy())[value])
            h = np.tanh(h @ w_hh + np.eye(4)[value] @ w_xh + b)
        np.testing.assert_allclose(model.log_prob(row[None])[0], log_prob, rtol=1e-5)


@pytest.mark.parametrize("window", [None, 1, 3])
@pytest.mark.parametrize("rotary", [True, False])
def test_attention_by_loops(window, rotary):
    layer = CausalSelfAttention(2, window=window, rotary=rotary)
    layer.build((None, 5, 8))
    randomise(layer, seed=3)
    x = np.random.RandomState(4).normal(size=[2, 5, 8]).astype(np.float32)
    qkv = (x @ layer.qkv.kernel.numpy()).reshape([2, 5, 3, 2, 4])

    def turned(v, position):
        z = (v[:2] + 1j * v[2:]) * np.exp(1j * position * 10_000.0 ** (-np.arange(2) / 2))
        return np.concatenate([z.real, z.imag]) if rotary else v

    expected = np.zeros([2, 5, 2, 4])
    for b, i, h in np.ndindex(2, 5, 2):
        seen = [j for j in range(5) if j <= i and (window is None or i - j < window)]
        q = turned(qkv[b, i, 0, h], i)
        logits = [q @ turned(qkv[b, j, 1, h], j) / 2 for j in seen]
        expected[b, i, h] = softmax(np.array(logits)) @ qkv[b, seen, 2, h]
    expected = expected.reshape([2, 5, 8]) @ layer.projection.kernel.numpy() + layer.projection.bias
    np.testing.assert_allclose(layer(x), expected, rtol=1e-4, atol=1e-5)


def test_files_of_weights_keep_the_names_that_they_had(tmp_path):
    """Those of the first attributes, in alphabetical order, that lead to the layers."""
    model = Transformer([2, 4, 1], 4, 1, 2, positions="learned", stem=3, patch=2)
    model.save_weights(tmp_path / "x.weights.h5")
    names = []
    with h5py.File(tmp_path / "x.weights.h5") as file:
        file.visit(lambda path: names.append(path.rpartition("/")[-1]))
    assert {"inside", "outside", "hand_out"} <= set(names)
    assert not {"qkv", "projection"} & set(names)


def test_turned_queries_and_keys_know_their_distance_only():
    q, k = np.random.RandomState(5).normal(size=[2, 1, 1, 1, 8]).astype(np.float32)
    products = [
        float(tf.reduce_sum(rotate(q, [i]) * rotate(k, [j]))) for i, j in ((5, 3), (102, 100))
    ]
    np.testing.assert_allclose(*products, rtol=1e-4)


def test_the_keys_and_values_of_a_window_are_all_that_is_kept():
    """Memory of generation: as much after a thousand sites as at the first."""
    layer = CausalSelfAttention(2, window=4)
    layer.build((None, 16, 8))
    state = layer.initial_state(3)
    assert [tuple(t.shape) for t in tf.nest.flatten(state)] == [(2, 3, 2, 4, 4)] * 2
    layer.reach = 40
    shapes = [tuple(t.shape) for t in tf.nest.flatten(layer.initial_state(3))]
    assert shapes == [(2, 3, 2, 48, 4), (2, 3, 2, 16, 4)]


@pytest.mark.parametrize("make", [lambda: keras.layers.Dense(3), lambda: None])
def test_no_recurrent_layer(make):
    with pytest.raises(ValueError, match="Expected a forward recurrent layer of Keras, got"):
        Recurrent(make())


def test_layers_that_run_backwards_are_refused():
    with pytest.raises(ValueError, match="Expected a forward recurrent layer"):
        Recurrent(keras.layers.GRU(3, go_backwards=True))


@pytest.mark.parametrize(
    "make, message",
    [
        (lambda: CausalSelfAttention(0), "num_heads to be an integer of at least 1, got 0"),
        (lambda: CausalSelfAttention(1, window=0), "window to be an integer of at least 1, got 0"),
        (lambda: CausalSelfAttention(3).build((None, 4, 8)), "3 heads .* do not fit into 8"),
        (lambda: CausalSelfAttention(2).build((None, 4, 6)), "even size do not fit into 6"),
        (lambda: CharRNN([2, 2], (3,)), r"event_shape \(n,\) to be a sequence of 1"),
        (lambda: CharRNN([4], (3,), cell="elman"), "cell to be one of 'rnn'.*got 'elman'"),
        (lambda: CharRNN([4], ()), r"units to be a sequence .*, got \(\)"),
        (lambda: CharRNN([4], 5), "units to be a sequence .*, got 5"),
        (lambda: Transformer([4], positions="sine"), "'rotary', 'learned', got 'sine'"),
        (lambda: Transformer([4], stem=3), r"event_shape \(H, W, C\)"),
        (
            lambda: Transformer([2, 2, 1], stem=3, tied=True, head=Categorical(3)),
            "takes the place of the embedding",
        ),
        (lambda: Transformer([2, 2, 1], patch=2), "Patches need a stem"),
        (lambda: Transformer([2, 3, 1], stem=3, patch=2), "divide a row of 3 sites.*got 2"),
        (lambda: Transformer([2, 8, 1], stem=5, patch=4), "at most the 3 that a stem of 5.*got 4"),
        (lambda: Patches(Shift(), 4, 3).build((None, 6, 1)), "of 4 sites do not divide 6 sites"),
        (lambda: Patches(CausalSelfAttention(1), 2, 3), "is inclusive: a patch would see itself"),
        (lambda: Transformer([4], tied=True), "head of categories with tied=True, got Bernoulli"),
    ],
)
def test_bad_arguments(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_dropout_is_for_training_only():
    for model in (
        CharRNN([6], (8, 8), cell="rnn", head=Bernoulli(), dropout=0.5),
        Transformer([6], 8, 1, 2, dropout=0.5),
    ):
        randomise(model, seed=6, scale=0.5)
        x = np.array([[0, 1, 1, 0, 1, 1]])
        scores = [float(model(x).log_prob(x).numpy().sum()) for _ in range(2)]
        assert scores[0] == scores[1]
        trained = {float(model(x, training=True).log_prob(x).numpy().sum()) for _ in range(4)}
        assert len(trained) == 4


# Planted bugs -----------------------------------------------------------------------------------


class StartsAtZero(Recurrent):
    def initial_state(self, batch_size, condition=None, member=None, schedule=None):
        states, *others = super().initial_state(batch_size)
        return ([tf.zeros_like(state) for state in states], *others)


class SeesTheZerosBeforeTheFirstSite(Recurrent):
    def step(self, x, state, sites):
        return super().step(x, state, dataclasses.replace(sites, number=sites.number + 1))


class ForgetsTheCell(Recurrent):
    def step(self, x, state, sites):
        y, ((h, c), *others) = super().step(x, state, sites)
        return y, ([h, tf.zeros_like(c)], *others)


class SeesTheNextSite(CausalSelfAttention):
    def _within(self, offset):
        return offset >= -1

    def depends(self, sources):
        return np.tri(len(sources), dtype=bool) @ np.asarray(sources, bool)


class StandsStill(CausalSelfAttention):
    def step(self, x, state, sites):
        return super().step(x, state, dataclasses.replace(sites, number=0 * sites.number))


class StaleKeys(CausalSelfAttention):
    def step(self, x, state, sites):
        y, (older, latest) = super().step(x, state, sites)
        return y, (older, tf.stack([state[1][0], latest[1]]))


class ForgetsTheOlder(CausalSelfAttention):
    def step(self, x, state, sites):
        y, (_, latest) = super().step(x, state, sites)
        return y, (state[0], latest)


class AttendsToOneSiteMore(CausalSelfAttention):
    def _within(self, offset):
        return (offset >= 0) & (offset <= self.reach)

    def depends(self, sources):
        offset = np.subtract.outer(*[np.arange(len(sources))] * 2)
        return ((offset >= 0) & (offset < self.reach)) @ np.asarray(sources, bool)


class ForgetsWhatCameBeforeTheBlock(Recurrent):
    def extend(self, x, state, first):
        fresh = self.initial_state(x.shape[0])
        return super().extend(x, (fresh[0], *state[1:]), first)


class BeginsLate(Patches):
    def step(self, x, state, sites):
        return super().step(x, state, dataclasses.replace(sites, number=sites.number + 1))


class UntiedInSteps(Tied):
    def step(self, x, state, sites):
        y, state = self.layer.step(self._in(x), state, sites)
        return self._out(y) - self.bias, state


def lstm(kind):
    return lambda: kind(keras.layers.LSTM(3), exclusive=True)


@pytest.mark.parametrize(
    "make, message",
    [
        (lstm(StartsAtZero), "`step` differs from `call`"),
        (lstm(SeesTheZerosBeforeTheFirstSite), "`step` differs from `call`"),
        (lstm(ForgetsTheCell), "`step` differs from `call`"),
        (lstm(ForgetsWhatCameBeforeTheBlock), "`extend` in .* differs from `call`"),
        (lambda: SeesTheNextSite(2), "Leak: output 0 changes with inputs"),
        (lambda: StandsStill(2), "`step` differs from `call`"),
        (lambda: StaleKeys(2), "`step` differs from `call`"),
        (lambda: ForgetsTheOlder(2), "`step` differs from `call`"),
        (lambda: AttendsToOneSiteMore(2, window=2), "Leak: output 2 changes with inputs"),
        (
            lambda: BeginsLate(Causal([Shift(), CausalSelfAttention(2)]), 2, 3),
            "`step` differs from `call`",
        ),
        (
            lambda: UntiedInSteps(Causal([Shift(), CausalSelfAttention(2)]), 4),
            "`step` differs from `call`",
        ),
    ],
)
def test_the_contract_fails_on_a_planted_bug(make, message, monkeypatch):
    monkeypatch.setattr(attention, "LATEST", 2)
    with pytest.raises(AssertionError, match=message):
        testing.verify_layer(make(), 6, 4)


OTHER_SIZES = [(None, 16), (1, 1), (2, 3), (5, 1), (6, 16)]


@pytest.mark.parametrize(
    "window, latest",
    [
        *[(None, 2), (3, 2), (5, 3)],
        *(pytest.param(*sizes, marks=pytest.mark.thorough) for sizes in OTHER_SIZES),
    ],
)
def test_the_parts_of_a_cache_make_no_difference(window, latest, monkeypatch):
    monkeypatch.setattr(attention, "LATEST", latest)
    testing.verify_layer(CausalSelfAttention(2, window=window), 7, 4)
