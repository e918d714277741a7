"""Every verifier fails on a planted bug; here those of layers and heads.

A check that cannot fail is a defect.
"""

import dataclasses

import numpy as np
import pytest
import tensorflow as tf
import tensorflow_probability as tfp
from scipy.special import gammaln
from scipy.stats import norm

from tfar import testing
from tfar.heads import Bernoulli, GaussianMixture, Poisson
from tfar.layers import (
    CausalConv2D,
    CausalLayer,
    CausalSelfAttention,
    ConditionBias,
    Shift,
    SiteBias,
    TiedHidden,
    one_by_one,
)

# Layers -----------------------------------------------------------------------------------------


class Dense(CausalLayer):
    """An exclusive masked layer in its plainest form; its state is what has come in."""

    mask = np.tri(4, 4, -1)  # entry (i, j): output i sees input j

    def __init__(self):
        super().__init__(exclusive=True)

    def build(self, input_shape):
        self.kernel = self.add_weight(shape=(4, 4))

    def call(self, x):
        return tf.einsum("ij,bjc->bic", self.kernel * tf.constant(self.mask, tf.float32), x)

    def initial_state(self, batch_size, condition=None, member=None, schedule=None):
        return tf.zeros([batch_size, 5, 1])

    def step(self, x, state, sites):
        seen = state + tf.one_hot(sites.one, 5)[:, None] * x  # x_{t-1} comes in at site t
        return self.call(seen[:, 1:])[:, sites.one, None], seen


class LeakyMask(Dense):
    mask = np.tri(4, 4)


class StrictMask(Dense):
    mask = np.tri(4, 4, -2)


class Constant(Dense):
    mask = np.zeros([4, 4])


class Wrapped(CausalLayer):
    """TiedHidden with one thing wrong."""

    def __init__(self):
        super().__init__(exclusive=True)
        self.layer = TiedHidden(3, 1)

    def build(self, input_shape):
        self.layer.build(input_shape)

    def call(self, x):
        return self.layer(x)

    def initial_state(self, batch_size, condition=None, member=None, schedule=None):
        return self.layer.initial_state(batch_size)

    def step(self, x, state, sites):
        return self.layer.step(x, state, sites)


class StaleCache(Wrapped):
    def step(self, x, state, sites):
        y, _ = super().step(x, state, sites)
        return y, state


class WeightsOfTheSiteBefore(Wrapped):
    def step(self, x, state, sites):
        return super().step(x, state, one_by_one(4).at(tf.maximum(sites.one - 1, 0)))


class SkippedUpdate(Wrapped):
    def step(self, x, state, sites):
        return super().step(tf.where(sites.one == 2, tf.zeros_like(x), x), state, sites)


class StateChangesDtype(Wrapped):
    def step(self, x, state, sites):
        y, sums = super().step(x, tf.cast(state, tf.float32), sites)
        return y, tf.cast(sums, tf.float64)


class StateGrows(Wrapped):
    def step(self, x, state, sites):
        y, sums = super().step(x, state[:, :3], sites)
        return y, tf.concat([sums, sums], 1)


class StateChangesStructure(Wrapped):
    def step(self, x, state, sites):
        y, after = super().step(x, state[0] if isinstance(state, tuple) else state, sites)
        return y, (after, y)


class StateIsAVariable(Wrapped):
    def initial_state(self, batch_size, condition=None, member=None, schedule=None):
        return tf.Variable(super().initial_state(batch_size))

    def step(self, x, state, sites):
        return super().step(x, tf.convert_to_tensor(state), sites)


class StepWithoutGradient(Wrapped):
    def step(self, x, state, sites):
        y, state = super().step(x, state, sites)
        return tf.stop_gradient(y), state


class StepOfAnotherShape(Wrapped):
    def step(self, x, state, sites):
        y, state = super().step(x, state, sites)
        return tf.concat([y, y], 1), state


class Deaf(ConditionBias):
    @staticmethod
    def of_condition(condition, kernel, dtype):
        return 0 * ConditionBias.of_condition(condition, kernel, dtype)


class MixesExamples(ConditionBias):
    @staticmethod
    def of_condition(condition, kernel, dtype):
        mean = tf.reduce_mean(condition, axis=0, keepdims=True) + 0 * condition
        return ConditionBias.of_condition(mean, kernel, dtype)


class ConditionOfTheFirstSite(ConditionBias):
    def step(self, x, state, sites):
        y, _ = super().step(x, state, sites)
        return y, 0 * state


@pytest.mark.parametrize(
    "layer, message",
    [
        (lambda: Deaf(2), "Output 0 does not depend on the condition"),
        (lambda: MixesExamples(2), "An example's condition changes another's output"),
        (lambda: ConditionOfTheFirstSite(2), "`step` differs from `call`"),
        (LeakyMask, "Leak: output 0 changes with inputs that it must not see"),
        (StrictMask, "Dead input: output 1 does not depend on input 0"),
        (Constant, "Dead input: output 1 does not depend on input 0"),
        (StaleCache, "`step` differs from `call`"),
        (WeightsOfTheSiteBefore, "`step` differs from `call`"),
        (SkippedUpdate, "`step` differs from `call`"),
        (StateChangesDtype, "The state changes its dtype at site 0"),
        (StateGrows, "The state changes its shape at site 0"),
        (StateChangesStructure, "The state changes its structure at site 0"),
        (StateIsAVariable, "The state holds a ResourceVariable"),
        (StepWithoutGradient, "The gradient of .* through `step` differs"),
        (StepOfAnotherShape, "`step` gives outputs of shape"),
    ],
)
def test_layer(layer, message):
    with pytest.raises(AssertionError, match=message):
        testing.verify_layer(layer(), 4, 1)


# Of schedules -----------------------------------------------------------------------------------


class RowsTooClose(CausalConv2D):
    def schedule(self, fastest):
        schedule = super().schedule(fastest)
        return dataclasses.replace(schedule, lag=schedule.lag - (schedule.slots > 1))


class InSeveralRows(CausalConv2D):
    """Sound, but for its places in the window when several rows are under way."""

    def _tables(self, schedule):
        length, places, seen = super()._tables(schedule)
        if schedule.slots == 1:
            return length, places, seen
        slot = np.arange(schedule.slots)[:, None]
        return length, self.moved(places, slot, length).astype(np.int32), seen


class ReadsItsOwnSlot(InSeveralRows):
    def moved(self, places, slot, length):
        return places % length + slot * length


class ReadsTheTimeBefore(InSeveralRows):
    def moved(self, places, slot, length):
        return places - 1


class AnySchedule(TiedHidden):
    """Steps from one site to the next, and does not say so."""

    def schedule(self, fastest):
        return fastest


@pytest.mark.parametrize("exclusive", [True, False])
@pytest.mark.parametrize("kind", [RowsTooClose, ReadsItsOwnSlot, ReadsTheTimeBefore])
def test_schedule(kind, exclusive):
    size = 3 if exclusive else 5  # an inclusive layer of 3x3 may be as fast as there is
    with pytest.raises(AssertionError, match=r"`step` in Schedule\(rows=4.* differs from `call`"):
        testing.verify_layer(kind(2, size, (4, 6), exclusive=exclusive), 24, 1)


def test_a_layer_that_takes_one_site_only_must_say_so():
    with pytest.raises(AssertionError, match=r"`step` gives outputs of shape .*, not \[4, 2, 1\]"):
        testing.verify_layer(AnySchedule(3, 1), 4, 1)


# Of several sites at once -----------------------------------------------------------------------


class ForgetsTheLast(Shift):
    def extend(self, x, state, first):
        return super().extend(x, state, first)[0], state


class DoesNotShift(Shift):
    def extend(self, x, state, first):
        return x, x[:, -1:]


class BiasesOfTheFirstBlock(SiteBias):
    def extend(self, x, state, first):
        return super().extend(x, state, 0 * first)


class SelectsTheFirst(CausalSelfAttention):
    def select(self, state, examples):
        return super().select(state, tf.range(tf.size(examples)))


class CachesOneSiteEarly(CausalSelfAttention):
    def extend(self, x, state, first):
        y, state = super().extend(x, state, first)
        return y, tuple(tf.roll(part, -1, axis=3) for part in state)


class AttendsToTheBlock(CausalSelfAttention):
    def _within(self, offset):
        return tf.abs(offset) < self.reach if self.blind else super()._within(offset)

    def extend(self, x, state, first):
        self.blind = True
        y = super().extend(x, state, first)
        self.blind = False
        return y

    blind = False


class NoView(Shift):
    step = CausalLayer.step

    def extends(self, schedule):
        return False


@pytest.mark.parametrize(
    "layer, message",
    [
        (ForgetsTheLast, "`extend` in .* differs from `call`"),
        (DoesNotShift, "Leak: `extend` at site 0 changes"),
        (BiasesOfTheFirstBlock, "`extend` in .* differs from `call`"),
        (lambda: SelectsTheFirst(1), "`extend` of selected examples differs"),
        (lambda: CachesOneSiteEarly(1), "`extend` in .* differs from `call`"),
        (lambda: AttendsToTheBlock(1), "Leak: `extend` at site"),
        (NoView, "neither `step` nor `extend`"),
    ],
)
def test_extend(layer, message):
    with pytest.raises(AssertionError, match=message):
        testing.verify_layer(layer(), 6, 2)


def test_the_layers_are_sound_but_for_their_bugs():
    testing.verify_layer(Dense(), 4, 1)
    testing.verify_layer(Wrapped(), 4, 1)


# Heads ------------------------------------------------------------------------------------------


class Unnormalised(tfp.distributions.Bernoulli):
    def _log_prob(self, x):
        return tf.cast(x, tf.float32) * self.logits_parameter()


def planted_head(**methods):
    return type("Planted", (Bernoulli,), methods)()


def of(distribution):
    return lambda self, params, temperature=None: distribution(logits=params[..., 0])


def step(logits, uniforms, how="<"):
    on = tf.sigmoid(logits[..., 0])
    # A rounded random number may be 0, and 0 <= 0.
    hit = uniforms[..., 0] < on if how == "<" else tf.round(uniforms[..., 0] * 1e4) / 1e4 <= on
    return tf.cast(hit, tf.int32)


@pytest.mark.parametrize(
    "methods, message",
    [
        ({"distribution": of(Unnormalised)}, r"log_prob\(0\) at temperature None is not"),
        ({"distribution": of(tfp.distributions.Bernoulli)}, "at temperature 0.5 is not"),
        ({"encode": lambda self, x, dtype: tf.cast(x, dtype)}, "encode gives"),
        ({"encode": lambda self, x, dtype: tf.zeros([2, 1], dtype)}, "two values to one code"),
        ({"encode": lambda self, x, dtype: tf.cast(x, tf.float32)[:, None]}, "asked for float64"),
        ({"in_support": lambda self, x: (x >= 0) & (x <= 1)}, "in_support holds for 0.5"),
        ({"draw": lambda self, a, u, t=None: u[..., 0] < tf.sigmoid(a[..., 0])}, "Samples are"),
        ({"draw": lambda self, a, u, t=None: step(a, u) + 1}, "A sample is outside"),
        ({"draw": lambda self, a, u, t=None: step(-a, u)}, "The frequencies of samples"),
        ({"draw": lambda self, a, u, t=None: step(a, u)}, "The frequencies .* temperature 0.5"),
        ({"draw": lambda self, a, u, t=None: step(a / (t or 1.0), u, "<=")}, "is drawn, of"),
    ],
)
def test_head(methods, message):
    with pytest.raises(AssertionError, match=message):
        testing.verify_head(
            planted_head(**methods), lambda x, a: x * a[:, 0] - np.logaddexp(0, a[:, 0])
        )


@pytest.mark.parametrize(
    "methods, message",
    [
        ({}, None),
        ({"draw": lambda self, a, u, t=None: Poisson.draw(self, a, u) + 1}, "The frequencies of"),
        ({"draw": lambda self, a, u, t=None: Poisson.draw(self, a, 1 - u) - 1}, "outside the supp"),
        ({"encode": lambda self, x, dtype: tf.cast(x > 0, dtype)[..., None]}, "two values to one"),
        ({"in_support": lambda self, x: tf.cast(x, tf.float32) >= 0}, "in_support holds for 0.5"),
        (
            {"_family": lambda self, a: tfp.distributions.Poisson(log_rate=a[..., 0] + 1e-3)},
            "is not the reference",
        ),
        (
            {"_family": lambda self, a: tfp.distributions.Poisson(rate=tf.exp(a[..., 0]))},
            "is not the reference",  # of a mean of 0 in float64
        ),
    ],
)
def test_head_of_counts(methods, message):
    head = type("Planted", (Poisson,), methods)()

    def reference(x, params):
        a = np.minimum(params[:, 0], np.log(1e6))
        return a * x - np.exp(a) - gammaln(x + 1)

    options = {"tempered": None, "values": np.arange(400)}
    if message is None:
        testing.verify_head(head, reference, **options)
        return
    with pytest.raises(AssertionError, match=message):
        testing.verify_head(head, reference, **options)


MEAN, STD = 3.0, 2.0


def in_units(params, temperature=None, std=STD, clip=7.0):
    """The distribution of one Gaussian, with mistakes."""
    scale = std * tf.exp(tf.clip_by_value(params[..., 2], -clip, clip)) * (temperature or 1.0)
    return tfp.distributions.Normal(MEAN + STD * params[..., 1], scale)


def rounded(uniforms):
    """Which may be 0 and 1."""
    return tf.round(uniforms * 1e6) / 1e6


@pytest.mark.parametrize(
    "methods, message",
    [
        ({}, None),
        ({"distribution": lambda self, a, t=None: in_units(a)}, "at temperature 0.5 is not"),
        ({"distribution": lambda self, a, t=None: in_units(a, t, std=1)}, "temperature None is"),
        ({"distribution": lambda self, a, t=None: in_units(a, t, clip=99)}, "is not finite"),
        ({"encode": lambda self, x, dtype: tf.cast(x, dtype)[:, None]}, "encode differs"),
        ({"encode": lambda self, x, dtype: tf.cast(x, tf.float32)[:, None]}, "asked for float64"),
        ({"in_support": lambda self, x: x < np.inf}, "in_support gives"),
        (
            {"draw": lambda self, a, u, t=None: in_units(a, t).quantile(u[..., 0] ** 2)},
            "The frequencies of samples",
        ),
        ({"draw": lambda self, a, u, t=None: in_units(a).quantile(u[..., 0])}, "temperature 0.5"),
        ({"draw": lambda self, a, u, t=None: tf.cast(u[..., 0], tf.float64)}, "Samples are"),
        (
            {"draw": lambda self, a, u, t=None: in_units(a, t).quantile(rounded(u[..., 0]))},
            "not finite",
        ),
    ],
)
def test_real_head(methods, message):
    """One Gaussian, whose weight has no meaning."""
    draw = {"draw": lambda self, a, u, t=None: in_units(a, t).quantile(u[..., 0])}
    head = type("Planted", (GaussianMixture,), {**draw, **methods})(1, mean=MEAN, std=STD)

    def arguments(params, temperature):
        scale = STD * np.exp(np.clip(params[:, 2], -7, 7)) * temperature
        return MEAN + STD * params[:, 1], scale

    def verify():
        testing.verify_real_head(
            head,
            lambda x, params, t: norm.logpdf(x, *arguments(params, t)),
            lambda x, params, t: norm.cdf(x, *arguments(params, t)),
        )

    if message is None:
        verify()
        return
    with pytest.raises(AssertionError, match=message):
        verify()
