"""Every verifier of models fails on a planted bug: a check that cannot fail is a defect."""

import functools

import keras
import pytest
import tensorflow as tf
import tensorflow_probability as tfp
from support.cases import Smoothing

from tfar import conditions, randomness, testing
from tfar.heads import Bernoulli, Categorical, GaussianMixture
from tfar.layers import Causal, CausalLayer, Shift
from tfar.models import FVSBN, MADE, NADE, AutoregressiveModel, GatedPixelCNN
from tfar.sampling import fixed_point, joint, loop, prefix

register = keras.saving.register_keras_serializable(package="planted")


class ForgottenInverse(FVSBN):
    def _parameters(self, x, condition, member, training=None):
        return self.network(tf.gather(x, self.permutations[0], axis=1))


class AveragedLogits(MADE):
    def log_prob(self, inputs, member=None):
        if member is not None:
            return super().log_prob(inputs, member=member)
        x, _ = self._pick(inputs)
        logits = [self(x, member=r).logits_parameter() for r in range(self.members)]
        p = tfp.distributions.Bernoulli(logits=tf.reduce_mean(logits, 0))
        return tf.reduce_sum(p.log_prob(x), 1)


class RawFeedback(FVSBN):
    """Hands samples back as 0 and 1 where training saw -1 and 1."""

    def step(self, x, state, sites, member=0):
        return super().step((x + 1) / 2, state, sites, member=member)


class StaleSampler(NADE):
    """Cached steps never see what was drawn; the oracle does."""

    def step(self, x, state, sites, member=0):
        return super().step(0 * x, state, sites, member=member)


class LossOverDimensions(FVSBN):
    def compute_loss(self, *args, **kwargs):
        return super().compute_loss(*args, **kwargs) / self.num_sites


class WrongBits(FVSBN):
    def compute_loss(self, *args, **kwargs):
        loss = super().compute_loss(*args, **kwargs)
        self.bits_per_dim.update_state(loss)
        return loss


class LearnsNothing(FVSBN):
    def train_step(self, data):
        return self.test_step(data)


@register
class LosesActivation(NADE):
    def get_config(self):
        return {k: v for k, v in super().get_config().items() if k != "activation"}


@register
class LosesOrder(FVSBN):
    @classmethod
    def from_config(cls, config):
        return super().from_config({**config, "order": "raster"})


@register
class UntrackedWeight(FVSBN):
    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        object.__setattr__(self, "offset", tf.Variable(keras.random.normal([])))

    def _parameters(self, x, condition, member, training=None):
        return super()._parameters(x, condition, member) + self.offset


class LowPrecision(AutoregressiveModel):
    """The gradients of the biases that Keras adds are summed in bfloat16."""

    def __init__(self, event_shape=(4,), dtype=None, **kwargs):
        layers = [keras.layers.Dense(size, dtype=dtype) for size in (6, 1)]
        network = Causal([Shift(dtype=dtype), *layers], dtype=dtype)
        super().__init__(network, event_shape, Bernoulli(), dtype=dtype)


class BroadcastWeights(FVSBN):
    """Multiplies [N] by weights [N, 1]."""

    def compute_loss(self, x, y, y_pred, sample_weight=None, training=True):
        loss = super().compute_loss(x, y, y_pred, sample_weight, training)
        if sample_weight is None or sample_weight.shape.rank == 1:
            return loss
        return tf.reduce_mean(-self._score(x, y_pred) * sample_weight)


class DeafSite(FVSBN):
    """Site 1 ignores the condition."""

    def _parameters(self, x, condition, member, training=None):
        y, deaf = (
            super(DeafSite, self)._parameters(x, c, member) for c in (condition, 0 * condition)
        )
        return tf.concat([y[:, :1], deaf[:, 1:2], y[:, 2:]], axis=1)


class SwapsMembers(MADE):
    """Takes the label for the member, and the member for the label."""

    def _given(self, condition, member):
        label = tf.argmax(condition[0], output_type=tf.int32)
        return {"condition": tf.one_hot(tf.fill([len(condition)], member), 2), "member": label}


class Itself(CausalLayer):
    """A Keras layer that is said to be exclusive and is not."""

    def __init__(self, layer):
        super().__init__(exclusive=True)
        self.layer = layer

    def build(self, input_shape):
        self.layer.build(input_shape)

    def compute_output_shape(self, input_shape):
        return self.layer.compute_output_shape(input_shape)

    def call(self, x, condition=None, member=None, training=None):
        return self.layer(x)


def dense_model():
    """Conditional i sees x_i."""
    return AutoregressiveModel(Itself(keras.layers.Dense(1)), [3], Bernoulli())


def constant_model():
    """Conditionals that see nothing."""
    return AutoregressiveModel(keras.layers.Rescaling(0.0, offset=0.3), [3], Bernoulli())


def dense_real_model():
    """Conditional i sees x_i."""
    layers = [keras.layers.Flatten(), keras.layers.Dense(6), keras.layers.Reshape([2, 3])]
    return AutoregressiveModel(Itself(keras.Sequential(layers)), [2], GaussianMixture(1))


ORDER = [2, 0, 3, 1]  # not its own inverse


@pytest.mark.parametrize(
    "factory, verify, message",
    [
        (dense_model, "causality", "Leak: conditional 0 depends on x_0"),
        (dense_model, "normalisation", "do not sum to 1"),
        (constant_model, "causality", "Conditional 1 is the same for all prefixes"),
        (lambda: ForgottenInverse([4], order=ORDER), "causality", "Leak: conditional"),
        (lambda: ForgottenInverse([4], order=ORDER), "normalisation", "do not sum to 1"),
        (
            lambda: AveragedLogits([4], (12,), num_masks=2, order="random"),
            "normalisation",
            r"Probabilities \(member None, condition None\) do not sum to 1",
        ),
        (lambda: RawFeedback([3], head=Bernoulli(centered=True)), "sampling", "The frequencies of"),
        (lambda: StaleSampler([3], 4), "sampling", "The frequencies of samples"),
        (dense_real_model, "causality", "Leak: conditional 0 depends on x_0"),
        (dense_real_model, "normalisation", "do not sum to 1"),
        (
            lambda: StaleSampler([2], 4, head=GaussianMixture(2)),
            "sampling",
            "The frequencies of samples",
        ),
        (
            lambda: DeafSite([3], condition=conditions.Vector(2)),
            "causality",
            "Conditional 1 is the same for all conditions",
        ),
        (
            lambda: SwapsMembers([3], (9,), order=[[0, 1, 2], [2, 1, 0]], num_classes=2),
            "causality",
            "Leak: conditional",
        ),
        (lambda: LossOverDimensions([3]), "training", "The loss is not -mean"),
        (lambda: BroadcastWeights([3]), "training", r"The loss is not .*, weights \[8, 1\]"),
        (lambda: WrongBits([3]), "training", "bits_per_dim is not nats"),
        (lambda: LearnsNothing([3]), "training", "fit takes the loss from"),
        (LowPrecision, "precision", "In bfloat16 the gradient by .*bias is off by"),
        (lambda: LosesActivation([3], 4, activation="relu"), "persistence", "another log_prob"),
        (lambda: LosesOrder([4], order=ORDER), "persistence", "gives order = "),
        (lambda: UntrackedWeight([3]), "persistence", "another log_prob"),
    ],
)
def test_model(factory, verify, message, tmp_path):
    arguments = [tmp_path] if verify == "persistence" else []
    with pytest.raises(AssertionError, match=message):
        getattr(testing, f"verify_{verify}")(testing.randomise(factory(), seed=2), *arguments)


# The sampling loop ------------------------------------------------------------------------------


class WrongLogProb(joint.Autoregressive):
    def _sample_and_log_prob(self, sample_shape, **kwargs):
        x, log_prob = super()._sample_and_log_prob(sample_shape, **kwargs)
        return x, log_prob + 0.01


def ignores_value(model, value, member, *, own=True):
    found = CLAMPED(model, value, member, own=own)
    return found._replace(known=found.known & False)


def reorders_prefix(model, value, member, *, own=True):
    """Takes the prefix for one of the raster order."""
    value = tf.reshape(tf.cast(value, tf.float32), [-1, model.num_sites])
    values = tf.cast(tf.where(value == 1, 1, 0), tf.int32)
    return prefix.Clamped(values, ~tf.math.is_nan(value), None, ())


CLAMPED = prefix.clamped


@pytest.mark.parametrize(
    "planted, message",
    [
        (WrongLogProb, "sample_and_log_prob gives another log_prob"),
        (ignores_value, "A clamped prefix changes"),
        (reorders_prefix, "Clamping what a seed drew changes the rest"),
    ],
)
def test_joint(planted, message, monkeypatch):
    model = testing.randomise(FVSBN([4], order=ORDER))
    if isinstance(planted, type):
        model.joint = lambda member=None, cached=True: planted(model, member=member, cached=cached)
    else:
        monkeypatch.setattr(prefix, "clamped", planted)
    with pytest.raises(AssertionError, match=message):
        testing.verify_sampling(model)


def one_stream(seed, streams, shape, uniforms=randomness.uniforms_of_each):
    return uniforms(seed, 0 * streams, shape)


def one_example(seed, streams, shape, uniforms=randomness.uniforms_of_each):
    return uniforms(seed, streams, [1, *shape[1:]]) + tf.zeros([streams.shape[0], *shape])


@pytest.mark.parametrize(
    "owner, name, planted, message",
    [
        (randomness, "uniforms_of_each", one_stream, "The frequencies"),
        (randomness, "uniforms_of_each", one_example, r"The frequencies|different examples"),
        (tf.math, "invert_permutation", lambda order: order, "The frequencies of samples"),
        (randomness, "stateless_seed", lambda seed: tf.constant([1, 2]), "different calls agree"),
        (
            randomness,
            "stateless_seed",
            lambda seed: tf.random.uniform([2], maxval=9999, dtype=tf.int32),
            "The same seed draws other samples",
        ),
    ],
    ids=[
        "one_seed_for_all_sites",
        "one_for_all_examples",
        "forgotten_inverse",
        "seed_ignored",
        "not_reproducible",
    ],
)
def test_sampling_loop(monkeypatch, owner, name, planted, message):
    monkeypatch.setattr(owner, name, planted)
    model = testing.randomise(FVSBN([4], order=ORDER), seed=4, scale=0.5)
    with pytest.raises(AssertionError, match=message):
        testing.verify_sampling(model)


def one_pass(redraw, x, selects):
    return redraw(x, None), tf.constant(1)


def of_others(examples, rows, of=fixed_point._of):
    return of(None if examples is None else tf.reverse(examples, [0]), rows)


def of_other_sites(model, seed, streams, n, noise=fixed_point._noise):
    return noise(model, seed, streams + 1, n)


def unclamped(model, policy, parameters, noise, values, known, redraw=fixed_point._redraw):
    return redraw(model, policy, parameters, noise, None, None)


FIXED_POINTS = {
    "by_passes": lambda: FVSBN([4], order=ORDER),
    "by_passes_only": lambda: AutoregressiveModel(
        Smoothing(3), [2, 2], Categorical(3), order=[3, 1, 0, 2]
    ),
    "by_rows": lambda: GatedPixelCNN([2, 2, 1], 4, 2, first_kernel_size=3),
}


@functools.cache
def sound(name):
    """A model that the contract passes, as long as nothing is planted."""
    model = testing.randomise(FIXED_POINTS[name](), seed=4, scale=0.5)
    testing.verify_sampling(model, num_samples=400)
    return model


@pytest.mark.parametrize("name", FIXED_POINTS)
@pytest.mark.parametrize(
    "part, planted",
    [("settled", one_pass), ("of", of_others), ("noise", of_other_sites), ("redraw", unclamped)],
)
def test_fixed_points(monkeypatch, name, part, planted):
    if (name, part) == ("by_passes", "redraw"):
        pytest.skip("the contract clamps values in the default sampler only")
    model = sound(name)
    monkeypatch.setattr(fixed_point, f"_{part}", planted)
    model._made.clear()  # its samplers, those of another planted bug too
    message = r"draws? what the oracle draws|The frequencies|clamped prefix changes|Clamping"
    with pytest.raises(AssertionError, match=message):
        testing.verify_sampling(model, num_samples=400)


@pytest.mark.parametrize(
    "plant", [lambda c: tf.reverse(c, [0]), lambda c: tf.repeat(c[::2], 2, axis=0)]
)
def test_conditions_of_other_rows(monkeypatch, plant):
    """In a batch of conditions some examples are drawn given those of others."""

    def begin(model, n, member=0, condition=None, schedule=None, begin=loop.begin):
        return begin(model, n, member, plant(condition), schedule)

    monkeypatch.setattr(loop, "begin", begin)
    model = testing.randomise(FVSBN([3], condition=conditions.Vector(2)), scale=0.5)
    with pytest.raises(AssertionError, match="sample_and_log_prob of a batch of conditions"):
        testing.verify_sampling(model)


class Unnormalised(tfp.distributions.Bernoulli):
    def _log_prob(self, x):
        return tf.cast(x, tf.float32) * self.logits_parameter()


def test_head_in_a_model():
    class Planted(Bernoulli):
        def distribution(self, params, temperature=None):
            return Unnormalised(logits=params[..., 0])

    model = testing.randomise(FVSBN([3], head=Planted()))
    with pytest.raises(AssertionError, match="do not sum to 1"):
        testing.verify_normalisation(model)
