"""PixelRNN beyond the contracts: oracles by loops, receptive fields, planted bugs."""

import numpy as np
import pytest
import tensorflow as tf

from tfar import testing
from tfar.layers import DiagonalBiLSTM, RowLSTM
from tfar.models import PixelCNN, PixelRNN
from tfar.testing import randomise


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def lstm(gates, c):
    i, f, g, o = np.split(gates, 4)
    c = sigmoid(f + 1) * c + sigmoid(i) * np.tanh(g)
    return sigmoid(o) * np.tanh(c), c


def built(layer, channels, seed=0):
    layer.build((None, int(np.prod(layer.image_shape)), channels))
    return randomise(layer, seed=seed)


def test_a_row_lstm_by_loops():
    height, width, units, channels = 4, 5, 2, 3
    layer = built(RowLSTM(units, 3, (height, width)), channels)
    to_gates, bias = layer.to_gates.kernel.numpy(), layer.to_gates.bias.numpy()
    left, own = to_gates  # the taps of a 1x3 kernel that may be seen
    above = layer.kernel.numpy().reshape([3, units, 4 * units])
    x = np.random.RandomState(1).normal(size=[1, height, width, channels]).astype(np.float32)
    h, c = np.zeros([2, height + 1, width + 2, units])  # a frame of zeros: above, left and right
    for r in range(height):
        for k in range(width):
            gates = bias + x[0, r, k] @ own + (x[0, r, k - 1] @ left if k else 0)
            for d in range(3):
                gates = gates + h[r, k + d] @ above[d]
            h[r + 1, k + 1], c[r + 1, k + 1] = lstm(gates, c[r, k + 1])
    expected = h[1:, 1:-1].reshape([1, -1, units])
    found = layer(x.reshape([1, -1, channels]))
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("shape", [(3, 5), (5, 3), (1, 4), (4, 1)])
def test_a_diagonal_bilstm_by_loops(shape):
    (height, width), units, channels = shape, 2, 3
    layer = built(DiagonalBiLSTM(units, shape), channels)
    x = np.random.RandomState(1).normal(size=[1, height, width, channels]).astype(np.float32)
    gates = x[0] @ layer.to_gates.kernel.numpy()[0] + layer.to_gates.bias.numpy()
    expected = np.zeros([height, width, units])
    for d in (0, 1):
        beside, above = np.split(layer.kernels[d].numpy(), 2)
        own = np.split(gates, 2, axis=-1)[d]
        own = own[:, ::-1] if d else own  # the mirror image
        h, c = np.zeros([2, height + 1, width + 1, units])
        for r in range(height):
            for k in range(width):
                before = h[r + 1, k] @ beside + h[r, k + 1] @ above
                h[r + 1, k + 1], c[r + 1, k + 1] = lstm(own[r, k] + before, c[r + 1, k])
        if d:
            expected[1:] += h[1:-1, 1:][:, ::-1]  # moved down by a row
        else:
            expected += h[1:, 1:]
    found = layer(x.reshape([1, -1, channels]))
    np.testing.assert_allclose(found[0], expected.reshape([-1, units]), rtol=1e-4, atol=1e-5)


def receptive_field(model, site):
    """bool [H, W]: which pixels the parameters of a site change with, by the Jacobian."""
    n = model.num_sites
    seen = np.zeros(n, bool)
    for seed in range(3):
        randomise(model, seed=seed, scale=0.5)
        x = tf.constant(np.random.RandomState(seed).normal(size=[1, n, 1]), tf.float32)
        with tf.GradientTape() as tape:
            tape.watch(x)
            y = tf.reduce_sum(model.network(x)[:, site])
        seen |= tape.gradient(y, x).numpy().ravel() != 0
    return seen.reshape(model.event_shape[:2])


def test_the_context_of_a_diagonal_bilstm_is_everything_before():
    """One layer is enough, where a PixelCNN of two blocks has a blind spot."""
    model = PixelRNN([7, 7, 1], 4, 1, recurrence="diagonal", first_kernel_size=3)
    for site in (21, 24, 27, 48):  # where a row begins, in the middle, where it ends, at the end
        before = np.arange(49).reshape([7, 7]) < site
        np.testing.assert_array_equal(receptive_field(model, site), before)
    blind = receptive_field(PixelCNN([7, 7, 1], 8, 2, first_kernel_size=3), 24)
    assert not blind[3, 3:].any() and not blind[2, 5:].any()


def test_the_context_of_a_row_lstm_is_a_triangle():
    model = PixelRNN([7, 7, 1], 4, 1, recurrence="row", first_kernel_size=3)
    expected = [
        [1, 1, 1, 1, 1, 1, 1],
        [1, 1, 1, 1, 1, 1, 0],
        [1, 1, 1, 1, 1, 0, 0],
        [0, 1, 1, 0, 0, 0, 0],
        *[[0] * 7] * 3,
    ]
    np.testing.assert_array_equal(receptive_field(model, 24), expected)
    np.testing.assert_array_equal(model.network.depends(np.eye(49))[24], np.ravel(expected))


@pytest.mark.parametrize(
    "make, message",
    [
        (
            lambda: PixelRNN([4, 4, 1], recurrence="column"),
            "one of 'row', 'diagonal', got 'column'",
        ),
        (lambda: PixelRNN([16], 4, 1), r"event_shape \(H, W, C\) to be a sequence of 3 integers"),
        (lambda: RowLSTM(0, 3, (2, 2)), "units to be an integer of at least 1, got 0"),
        (lambda: RowLSTM(2, 2, (2, 2)), "kernel_size to be an odd integer of at least 1, got 2"),
    ],
)
def test_bad_arguments(make, message):
    with pytest.raises(ValueError, match=message):
        make()


# Planted bugs -----------------------------------------------------------------------------------


class NotMovedDown(DiagonalBiLSTM):
    """The LSTM from the right is added in its own row, where it has seen what is to come."""

    def _down_a_row(self):
        return [[0, 1], [0, 0], [0, 0], [0, 0]]


class StaleRowAbove(RowLSTM):
    def step(self, x, state, sites):
        y, (inner, _, *rest) = super().step(x, state, sites)
        return y, (inner, state[1], *rest)


class NeverRunFromRight(DiagonalBiLSTM):
    def _run_from_right(self, inputs, above):
        return above


class TallerTriangle(RowLSTM):
    def depends(self, sources):
        return np.tri(len(sources), dtype=bool) @ np.asarray(sources, bool)


@pytest.mark.parametrize(
    "make, message",
    [
        (lambda: StaleRowAbove(2, 3, (3, 3)), "`step` differs from `call`"),
        (lambda: NotMovedDown(2, (3, 3)), "Leak: output 0 changes with inputs"),
        (lambda: NeverRunFromRight(2, (3, 3)), "`step` differs from `call`"),
        (lambda: TallerTriangle(2, 1, (3, 3)), "Dead input: output 1 does not depend on input 0"),
    ],
)
def test_the_contract_fails_on_a_planted_bug(make, message):
    with pytest.raises(AssertionError, match=message):
        testing.verify_layer(make(), 9, 2)
