"""Purification: every kind of head, schedule and order, and the bugs that its contract catches."""

import numpy as np
import pytest
import tensorflow as tf
from support.cases import ONE_A_SCHEDULE, SCHEDULES, randomised, shared
from support.thorough import beyond

from tfar import testing
from tfar.heads import Bernoulli
from tfar.models import MADE
from tfar.sampling import loop, prefix, purification


@pytest.mark.parametrize("name", beyond(ONE_A_SCHEDULE, SCHEDULES))
def test_contract(name):
    testing.verify_purification(shared(name))


def of_the_given_prefix(model, member, sampler, x, *, eps, condition=None):
    """As adversarial-robustness-toolbox does: all conditionals of one pass over what was given."""
    sites = tf.reshape(x, [-1, model.num_sites, *model.head.site_shape])
    params = model.parameters(sites, condition=condition, member=member or 0)
    return tf.reshape(model.head.most_likely_near(params, sites, eps), x.shape)


def one_too_far(model, member, sampler, x, *, eps, condition=None):
    return PURIFIED(model, member, sampler, x, eps=eps + 1, condition=condition)


def one_too_near(model, member, sampler, x, *, eps, condition=None):
    return PURIFIED(model, member, sampler, x, eps=max(eps - 1, 0), condition=condition)


def in_the_layout(model, value, known, *, batch, member):
    _, *others = IN_ORDER(model, value, known, batch=batch, member=member)
    return tf.reshape(value, [*batch, model.num_sites, *model.head.site_shape]), *others


def around_the_purified(self, head, params, uniforms, given=None):
    """Its range lies round a greedy value, not round the given one."""
    greedy = head.most_likely_near(params, given, 2**8)
    return tf.clip_by_value(greedy, tf.reduce_min(given), tf.reduce_max(given))


PURIFIED, IN_ORDER = purification.purified, prefix.in_order
BUGS = [
    (purification, "purified", of_the_given_prefix, "one in reach of it"),
    (purification, "purified", one_too_far, "farther than eps"),
    (purification, "purified", one_too_near, "one in reach of it"),
    (prefix, "in_order", in_the_layout, "farther than eps|one in reach"),
    (purification.Nearby, "draw", around_the_purified, "farther than eps"),
]


@pytest.mark.parametrize("owner, name, planted, message", BUGS, ids=[b[2].__name__ for b in BUGS])
def test_planted(owner, name, planted, message, monkeypatch):
    monkeypatch.setattr(owner, name, planted)
    model = randomised("pixel_rnn_reversed" if planted is in_the_layout else "made_categorical")
    with pytest.raises(AssertionError, match=message):
        testing.verify_purification(model)


def test_channels_follow_each_other():
    """A value of the second channel is the best given that which the first one got."""
    model = randomised("pixel_cnn_pp_labels")
    log_bins = type(model.head.distribution(tf.zeros([1, model.head.num_params])))._log_bins

    def of_zeros(self, x, c):
        return log_bins(self, tf.concat([0 * x[..., :c], x[..., c:]], axis=-1), c)

    with pytest.MonkeyPatch.context() as context, pytest.raises(AssertionError, match="channel 1"):
        family = type(model.head.distribution(tf.zeros([1, model.head.num_params])))
        near = family.most_likely_near

        def planted(self, x, eps):
            with pytest.MonkeyPatch.context() as inner:
                inner.setattr(family, "_log_bins", of_zeros)
                return near(self, x, eps)

        context.setattr(family, "most_likely_near", planted)
        testing.verify_purification(model)


def test_shapes_conditions_and_graphs():
    model = shared("gated_pixel_cnn_labels")
    rng = np.random.RandomState(0)
    x = rng.randint(0, 2, [4, 1, *model.event_shape])
    joint = model.joint(condition=[0, 1])
    near = joint.purify(x, 1)
    assert near.shape == [4, 2, *model.event_shape] and near.dtype == tf.int32
    for label in (0, 1):
        own = model.joint(condition=label).purify(x[:, 0], 1)
        np.testing.assert_array_equal(near[:, label], own)
    inside = tf.function(lambda x: joint.purify(x, 1))(tf.constant(x))
    np.testing.assert_array_equal(inside, near)
    by_xla = model.joint(condition=1, jit_compile=True).purify(x[:, 0], 1)
    np.testing.assert_array_equal(by_xla, near[:, 1])
    assert joint.purify(x[:0], 1).shape == [0, 2, *model.event_shape]


@pytest.mark.parametrize(
    "purify, message",
    [
        (lambda: shared("made_real_orders").joint(member=0).purify(np.zeros([1, 2]), 1), "scale"),
        (lambda: shared("made_orders").joint().purify(np.zeros([1, 4]), 1), "member=r"),
        (lambda: shared("char_rnn_lstm").joint().purify(np.zeros([1, 3]), 1), "Characters"),
        (lambda: BITS.joint().purify(np.zeros([1, 3]), -1), "eps .* at least 0, got -1"),
        (lambda: BITS.joint().purify(np.zeros([1, 3]), 0.5), "eps to be an integer"),
        (lambda: BITS.joint().purify(np.full([1, 3], 0.5), 1), "takes 0 or 1, got 0.5"),
        (lambda: BITS.joint().purify(np.zeros([1, 4]), 1), "Expected .*3.* got the shape"),
        (lambda: BITS.joint().purify(np.zeros([1, 3]), 1, threshold=np.nan), "threshold .* finite"),
        (
            lambda: BITS.joint(observed=np.array([True, False, False])).purify(np.zeros([1, 3]), 1),
            "observed",
        ),
    ],
)
def test_bad_input(purify, message):
    with pytest.raises(ValueError, match=message):
        purify()


BITS = MADE([3], (4,), head=Bernoulli())


def test_a_sampler_of_passes_takes_what_steps_take():
    """`loop.plain` and `loop.compiled` give the same, cached or not."""
    model = shared("made_categorical")
    x = tf.constant(np.random.RandomState(1).randint(0, 3, [6, *model.event_shape]))
    found = [
        purification.purified(model, None, kind(model, cached), x, eps=1).numpy()
        for kind in (loop.plain, loop.compiled)
        for cached in (True, False)
    ]
    for other in found[1:]:
        np.testing.assert_array_equal(other, found[0])
