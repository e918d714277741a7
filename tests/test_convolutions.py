"""What convolutions see, and the bugs of convolutions that the verifiers catch."""

import numpy as np
import pytest
import tensorflow as tf
import tensorflow_probability as tfp
from support.cases import events, shared

from tfar import testing
from tfar.heads import Categorical, DiscretizedLogisticMixture
from tfar.layers import CausalConv2D, GatedStacks, MultiscaleStreams, RowConv2D
from tfar.layers.corner import CornerConv2D
from tfar.models import GatedPixelCNN, PixelCNN, PixelCNNpp

tfd = tfp.distributions

# Receptive fields -------------------------------------------------------------------------------


def receptive_field(model, pixel):
    """bool [H, W]: what the conditional of a pixel sees."""
    height, width = model.event_shape[:2]
    depends = model.network.depends(np.eye(height * width))
    return depends[pixel[0] * width + pixel[1]].reshape([height, width])


def test_pixel_cnn_has_a_blind_spot_however_deep():
    field = receptive_field(PixelCNN([7, 9, 1], 2, 12, first_kernel_size=3), (5, 3))
    before = np.arange(63).reshape([7, 9]) < 5 * 9 + 3
    assert not field[~before].any()
    row, column = np.indices([7, 9])
    blind = before & (column - 3 > 5 - row)  # it is reached at one column a row
    np.testing.assert_array_equal(field, before & ~blind)
    assert blind.sum() == 4 + 3 + 2 + 1


def test_gated_pixel_cnn_and_pixel_cnn_pp_have_none():
    for model in (
        GatedPixelCNN([8, 8, 1], 2, 7, first_kernel_size=3),
        PixelCNNpp([8, 8, 1], 2, 2, levels=3),
    ):
        depends = model.network.depends(np.eye(64))
        np.testing.assert_array_equal(depends, np.tri(64, k=-1, dtype=bool))


def test_a_kernel_has_the_weights_that_may_be_seen_and_no_others():
    for exclusive, taps in ((True, 24), (False, 25)):
        layer = CausalConv2D(2, 7, (9, 9), exclusive=exclusive)
        layer.build((None, 81, 3))
        assert layer.kernel.shape == (taps, 3, 2)


def test_scoring_is_the_same_in_bfloat16_up_to_its_precision():
    model = testing.randomise(PixelCNN([8, 8, 1], 16, 2), scale=0.2)
    low = PixelCNN([8, 8, 1], 16, 2, dtype="mixed_bfloat16")
    low.set_weights(model.get_weights())
    x = events(model, 8)
    np.testing.assert_allclose(low.log_prob(x), model.log_prob(x), rtol=0.05)
    assert low.joint().sample(2, seed=1).shape == [2, 8, 8, 1]


@pytest.mark.parametrize(
    "make",
    [
        lambda **options: PixelCNN([4, 4, 1], 8, 1, first_kernel_size=3, **options),
        lambda **options: GatedPixelCNN([4, 4, 1], 8, 2, first_kernel_size=3, **options),
        lambda **options: PixelCNNpp([4, 4, 1], 8, 1, levels=2, **options),
    ],
    ids=["pixel_cnn", "gated_pixel_cnn", "pixel_cnn_pp"],
)
def test_parameters_of_the_head_are_float32_in_mixed_precision(make):
    head = DiscretizedLogisticMixture(4)
    model = testing.randomise(make(head=head, dtype="mixed_bfloat16"), scale=0.2)
    x = events_of_grey(8)
    # Rounded to 8 bits, a location would be off by half a level in 256. (What the network puts out
    # is the logits as they are; locations have been added to.)
    logits = model(x).logits
    rounded = tf.cast(tf.cast(logits, tf.bfloat16), tf.float32)
    assert np.mean(logits != rounded) > 0.5
    cached, oracle = model.joint(), model.joint(cached=False)
    log_prob = cached.experimental_sample_and_log_prob(4, seed=1)[1]
    # bfloat16 in between: the two ways add up in different orders.
    np.testing.assert_allclose(
        log_prob, oracle.experimental_sample_and_log_prob(4, seed=1)[1], rtol=0.1
    )


def events_of_grey(count):
    return np.random.RandomState(0).randint(0, 256, [count, 4, 4, 1])


# Conditional models -----------------------------------------------------------------------------


def test_a_batch_of_labels_is_the_batch_shape():
    model = shared("gated_pixel_cnn_labels")
    joint = model.joint(condition=[[0, 1, 2]])
    assert joint.batch_shape == [1, 3] and joint.event_shape == [2, 3, 1]
    x = joint.sample(5, seed=1)
    assert x.shape == [5, 1, 3, 2, 3, 1]
    log_prob = joint.log_prob(x)
    assert log_prob.shape == [5, 1, 3]
    for label in range(3):
        own = model.joint(condition=label).log_prob(x[:, 0, label])
        np.testing.assert_allclose(log_prob[:, 0, label], own, rtol=1e-4)
    one = x[0, 0, 0]  # the same image under each label
    np.testing.assert_allclose(
        joint.log_prob(one)[0],
        [model.joint(condition=y).log_prob(one) for y in range(3)],
        rtol=1e-4,
    )
    again = tf.function(lambda y: model.joint(condition=y).sample(5, seed=1))
    np.testing.assert_array_equal(again(tf.constant([[0, 1, 2]])), x)


def test_a_label_that_is_none_is_impossible_in_a_graph():
    model = shared("gated_pixel_cnn_labels")
    x = tf.zeros([4, 2, 3, 1])
    score = tf.function(lambda y: model.log_prob({"x": x, "condition": y}))
    assert np.isneginf(score(tf.constant([0, 3, -1, 2]))).tolist() == [False, True, True, False]


def test_a_conditional_joint_is_sliced_and_mixed():
    model = shared("gated_pixel_cnn_labels")
    joint = model.joint(condition=[0, 1, 2])
    x = events(model, 5)
    each = np.stack([model.joint(condition=y).log_prob(x) for y in range(3)], axis=1)
    last = joint[1:]
    assert last.batch_shape == [2]
    np.testing.assert_allclose(last.log_prob(x[:, None]), each[:, 1:], rtol=1e-4)
    weights = np.array([0.2, 0.5, 0.3], np.float32)
    mixture = tfd.MixtureSameFamily(tfd.Categorical(probs=weights), joint)
    expected = np.log(np.sum(weights * np.exp(each), axis=1))
    np.testing.assert_allclose(mixture.log_prob(x), expected, rtol=1e-4)
    together = tfd.Independent(joint, 1)
    np.testing.assert_allclose(together.log_prob(x[:3]), np.trace(each[:3]), rtol=1e-4)


def test_a_value_is_clamped_for_each_label():
    model = shared("pixel_cnn_pp_labels")
    top = np.array([[[[1, 0], [2, 2]]], [[[0, 2], [1, 1]]]])  # a row for each of two labels
    x = model.joint(condition=[1, 0]).sample(4, seed=2, value=top)
    assert x.shape == [4, 2, 2, 2, 2]
    assert np.all(x[:, :, :1] == top)
    x = model.joint(condition=[0, 1, 1]).sample(4, seed=2, value=top[0])
    assert x.shape == [4, 3, 2, 2, 2] and np.all(x[:, :, :1] == top[0])


@pytest.mark.parametrize(
    "use, message",
    [
        (lambda m, x: m(x), "expected {'x': x, 'condition': c}, with labels from 0 to 2"),
        (lambda m, x: m.fit(x), "got x alone"),
        (lambda m, x: m({"x": x}), r"Expected the keys \['condition', 'x'\], got \['x'\]"),
        (lambda m, x: m({"x": x, "condition": np.zeros(4)}), "integer labels .* got float64"),
        (lambda m, x: m({"x": x, "condition": np.zeros(3, int)}), "each of 4 examples"),
        (
            lambda m, x: m.predict({"x": x, "condition": np.array([0, 1, 2, 3])}),
            "as condition, got 3",
        ),
        (lambda m, x: m({"x": x, "condition": np.array([0, 1, 2, -1])}), "as condition, got -1"),
        (lambda m, x: m.log_prob({"x": x, "condition": [0, 1, 2, 3]}), "as condition, got 3"),
        (lambda m, x: m.joint(), "give condition=, labels from 0 to 2"),
        (lambda m, x: m.joint(condition=3), "Expected labels from 0 to 2 as condition, got 3"),
        (lambda m, x: m.joint(condition=-1), "Expected labels from 0 to 2 as condition, got -1"),
        (lambda m, x: m.joint(condition=0.5), "Expected integer labels"),
        (lambda m, x: shared("pixel_cnn").joint(condition=1), "takes no condition"),
        (
            lambda m, x: shared("pixel_cnn")({"x": x, "condition": np.zeros(4, int)}),
            "Expected the keys",
        ),
    ],
)
def test_mistakes_with_conditions(use, message):
    model = shared("gated_pixel_cnn_labels")
    with pytest.raises(ValueError, match=message):
        use(model, np.zeros([4, *model.event_shape]))


# Bad input --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "make, message",
    [
        (lambda: PixelCNN([28, 28]), r"Expected event_shape \(H, W, C\)"),
        (lambda: PixelCNN([8, 8, 1], filters=7), "filters to be an even integer, got 7"),
        (lambda: PixelCNN([8, 8, 1], kernel_size=4), "kernel_size to be an odd integer .* got 4"),
        (lambda: PixelCNN([8, 8, 1], first_kernel_size=1), "sees nothing"),
        (
            lambda: GatedPixelCNN([8, 8, 1], num_classes=0),
            "num_classes to be an integer of at least 1, got 0",
        ),
        (lambda: PixelCNNpp([6, 6, 1]), r"one of \[6, 6\] can be halved 1 times"),
        (lambda: PixelCNNpp([4, 4, 3], head=Categorical(256)), "one site per pixel, .* has 3 here"),
        (
            lambda: PixelCNN([4, 4, 3], head=DiscretizedLogisticMixture(2)),
            r"vectors of shape \[1\] along the last axis, got event_shape=\[4, 4, 3\]",
        ),
        (lambda: GatedPixelCNN([4, 4, 1], layers=0), "layers to be an integer of at least 1"),
        (lambda: GatedPixelCNN([4, 4, 3], first_kernel_size=1), "above .* of at least 1, got 0"),
        (lambda: PixelCNNpp([4, 4, 1], levels=0), "levels to be an integer of at least 1, got 0"),
        (lambda: RowConv2D(1, above=1, width=2), "width to be an odd integer .* got 2"),
        (lambda: CausalConv2D(1, 3, (2, 2)).build((None, 5, 1)), r"Expected 4 sites, .* \(None, 5"),
        (
            lambda: MultiscaleStreams(1, 1, levels=1, image_shape=(2, 2)).build((None, 4, 4, 1)),
            r"takes .*\[B, n, c\]",
        ),
    ],
)
def test_impossible_models(make, message):
    with pytest.raises(ValueError, match=message):
        make()


@pytest.mark.parametrize("above, width", [(0, 1), (1, 1), (2, 1), (0, 3), (2, 3)])
def test_rows_one_at_a_time_are_those_of_all_at_once(above, width):
    """The layer itself, whatever its kernel: models use some kernels only."""
    for exclusive in (False, True)[: 1 + above]:
        layer = RowConv2D(3, above=above, width=width, exclusive=exclusive)
        x = np.random.default_rng(0).normal(size=[2, 4, 5, 2]).astype(np.float32)
        layer.build(x.shape)
        state = layer.initial_state(2)
        layer.bias.assign([1.0, -1.0, 2.0])
        whole = layer(x)
        assert whole.shape == (2, 4, 5, 3)
        for row in range(4):
            given = x[:, row - exclusive, None] if row >= exclusive else np.zeros_like(x[:, :1])
            y, state = layer.step(given, state)
            np.testing.assert_allclose(y[:, 0], whole[:, row], atol=1e-5)


def test_images_of_another_size_are_refused():
    layer = CausalConv2D(2, 3, (3, 3))
    layer(np.zeros([1, 9, 2]))
    for shape in ([2, 18, 2], [2, 9, 1], [9, 2]):
        with pytest.raises(ValueError, match=r"takes .* with \[9, 2\] after the batch"):
            layer(np.zeros(shape))


def test_a_pixel_is_clamped_as_a_whole():
    joint = shared("pixel_cnn_mixture").joint()
    value = np.full([1, 3, 2], np.nan)
    value[0, 0, 0] = 1
    with pytest.raises(ValueError, match="all the entries along the last axis of a site, or none"):
        joint.sample(2, value=value)


# Planted bugs -----------------------------------------------------------------------------------


class ShiftedTheWrongWay(CausalConv2D):
    """Pads on the right what belongs on the left."""

    def _convolve(self, x, kernel):
        return super()._convolve(tf.reverse(x, [2]), kernel)[:, :, ::-1]


class WrapsAround(CausalConv2D):
    """Takes the last pixels of a row for the left neighbours of the next one's first."""

    def _inside(self, dy, dx):
        return np.ones_like(super()._inside(dy, dx))


class ForgetsTheFirst(CausalConv2D):
    """Its window is a site too short."""

    def _tables(self, schedule):
        length, places, seen = super()._tables(schedule)
        return length - 1, np.maximum(places - 1, 0), seen


class UnmaskedColours(CausalConv2D):
    def _masked_kernel(self):
        return tf.cast(self.kernel, self.compute_dtype)


class ForgetsTheRowsAbove(GatedStacks):
    """In `extend` the horizontal stack does without the vertical one."""

    def _next_row(self, row, conditions, rows):
        after, added = super()._next_row(row, conditions, rows)
        return after, [0 * part for part in added]


@pytest.mark.parametrize(
    "layer, sites, message",
    [
        (lambda: ShiftedTheWrongWay(2, 3, (3, 4)), 12, "Leak: output"),
        (lambda: WrapsAround(2, 3, (3, 4)), 12, "`step` differs from `call`"),
        (lambda: ForgetsTheFirst(2, 3, (3, 4)), 12, "`step` differs from `call`"),
        (lambda: UnmaskedColours(2, 3, (2, 2), subpixels=3), 12, "Leak: output 0"),
        (
            lambda: ForgetsTheRowsAbove(
                2, 2, kernel_size=3, first_kernel_size=3, image_shape=(3, 3)
            ),
            9,
            r"`extend` in WholeRows\(rows=3, columns=3\), by \[3, 3, 3\], differs from `call`",
        ),
    ],
)
def test_planted_in_a_layer(layer, sites, message):
    with pytest.raises(AssertionError, match=message):
        testing.verify_layer(layer(), sites, 1)


def sees_its_own_row(self, x):
    return self._convolve(x, self.above)[:, -x.shape[1] :]


def keeps_its_rows(self, x, state):
    return self._convolve(tf.concat([state, tf.cast(x, state.dtype)], axis=1)), state


def without_the_left(self, x, left, above):
    return STEP(self, x, 0 * left, above)


def one_column_too_far(self, x):
    return tf.roll(ABOVE(self, x), 1, axis=0)


STEP, ABOVE = CornerConv2D.step, CornerConv2D.above


def transposed_corners(x, size):
    _, height, width, channels = x.shape
    x = tf.reshape(x, [-1, height, width, size, size, channels // size**2])
    x = tf.transpose(x, [0, 1, 4, 2, 3, 5])
    return tf.reshape(x, [-1, height * size, width * size, channels // size**2])


@pytest.mark.parametrize(
    "owner, name, planted, message",
    [
        (RowConv2D, "call", sees_its_own_row, "Leak"),
        (RowConv2D, "step", keeps_its_rows, "`step` differs from `call`"),
        (CornerConv2D, "step", without_the_left, "`step` differs from `call`"),
        (CornerConv2D, "above", one_column_too_far, "`step` differs from `call`"),
        (tf.nn, "depth_to_space", transposed_corners, "`step` differs from `call`"),
    ],
    ids=["own_row", "stale_rows", "left", "above", "corners"],
)
def test_planted_in_multiscale_streams(monkeypatch, owner, name, planted, message):
    monkeypatch.setattr(owner, name, planted)
    with pytest.raises(AssertionError, match=message):
        testing.verify_layer(
            MultiscaleStreams(2, 1, levels=2, image_shape=(4, 4)), 16, 1, scale=0.5
        )


def ignores_the_label(self, x, condition=None, member=None, training=None):
    return CALL(self, x, 0 * condition, member, training)


CALL = GatedStacks.call


def test_planted_in_a_conditional_model(monkeypatch):
    monkeypatch.setattr(GatedStacks, "call", ignores_the_label)
    model = GatedPixelCNN([2, 2, 1], 4, 2, first_kernel_size=3, num_classes=2)
    with pytest.raises(AssertionError, match="Conditional 0 is the same for all conditions"):
        testing.verify_causality(testing.randomise(model))
    with pytest.raises(AssertionError, match=r"draws|frequencies|log_prob"):
        testing.verify_sampling(testing.randomise(model))


def test_components_of_a_mixture_differ_after_training_without_adapt():
    """Where all of them started alike, all their gradients would be alike."""
    model = PixelCNNpp(
        [2, 2, 1], 4, 1, levels=2, head=DiscretizedLogisticMixture(3), positions=False
    )
    model.compile("adam")
    x = np.random.RandomState(0).randint(0, 256, [64, 2, 2, 1])
    model.fit(x, epochs=2, verbose=0)
    p = model(x)
    assert np.ptp(p.logits, axis=-1).min() > 0 and np.ptp(p.log_scale, axis=-2).min() > 0
