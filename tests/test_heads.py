"""Heads against formulas in NumPy."""

import functools

import keras
import numpy as np
import pytest
import tensorflow as tf
from scipy.special import gammaln, logsumexp
from scipy.stats import logistic, nbinom, norm, poisson

from tfar import distributions, heads, randomness, testing
from tfar.distributions import discretized_logistic
from tfar.models import NADE
from tfar.testing import verify_head, verify_real_head


def bernoulli(x, params):
    """log p = x a - log(1 + e^a)."""
    return x * params[:, 0] - np.logaddexp(0, params[:, 0])


def categorical(x, params):
    """log p = a_x - log sum_k e^(a_k)."""
    largest = params.max(1, keepdims=True)
    normaliser = largest[:, 0] + np.log(np.exp(params - largest).sum(1))
    return params[np.arange(len(x)), x.astype(int)] - normaliser


def discretized_logistic_mixture(num_components, channels, levels):
    """The formula of the docstring by distribution functions, and what a temperature does."""
    k, c = num_components, channels

    def split(params):
        sizes = np.cumsum([k, k * c, k * c])
        logits, loc, log_scale, coupling = np.split(params, sizes, axis=1)
        return logits, loc.reshape([-1, k, c]), log_scale.reshape([-1, k, c]), coupling

    places = (2 * np.arange(1, k + 1) / (k + 1) - 1)[:, None]

    @np.errstate(divide="ignore", over="ignore")
    def log_difference(low, high):
        """log F(high) - F(low), on the side where neither is close to 1."""
        below = logistic.logcdf(high) + np.log1p(
            -np.exp(logistic.logcdf(low) - logistic.logcdf(high))
        )
        above = logistic.logsf(low) + np.log1p(-np.exp(logistic.logsf(high) - logistic.logsf(low)))
        return np.where(high < 0, below, above)

    def reference(x, params):
        logits, loc, log_scale, coupling = split(params)
        coupling = np.tanh(coupling.reshape([len(x), k, c * (c - 1) // 2]))
        z = 2 * x / (levels - 1) - 1
        log_p = logits - logsumexp(logits, axis=1, keepdims=True)
        for channel in range(c):
            mean = (loc + places)[:, :, channel]
            for before in range(channel):
                weight = coupling[:, :, channel * (channel - 1) // 2 + before]
                mean = mean + weight * z[:, before, None]
            edge = z[:, channel, None] + np.array([-1, 1]) / (levels - 1)
            edge[x[:, channel] == 0, 0] = -np.inf
            edge[x[:, channel] == levels - 1, 1] = np.inf
            scaled = (edge[:, None] - mean[..., None]) * np.exp(-log_scale[:, :, channel, None])
            log_p = log_p + log_difference(scaled[..., 0], scaled[..., 1])
        return logsumexp(log_p, axis=1)

    def tempered(params, temperature):
        logits, loc, log_scale, coupling = split(params)
        log_scale = np.clip(log_scale, -7, 7) + np.log(temperature)
        flat = [part.reshape([len(params), -1]) for part in (loc, log_scale)]
        return np.concatenate([logits / temperature, *flat, coupling], axis=1)

    head = heads.DiscretizedLogisticMixture(num_components, channels=channels, levels=levels)
    return head, reference, {"tempered": tempered}


HEADS = {
    "bernoulli": (heads.Bernoulli(), bernoulli),
    "bernoulli_centered": (heads.Bernoulli(centered=True), bernoulli),
    "categorical_2": (heads.Categorical(2), categorical),
    "categorical_3": (heads.Categorical(3), categorical),
    "categorical_9": (heads.Categorical(9), categorical),
    "categorical_9_scaled": (heads.Categorical(9, scaled=True), categorical),
    "logistic_binary": discretized_logistic_mixture(2, 1, 2),
    "logistic_grey": discretized_logistic_mixture(3, 1, 256),
    "logistic_one_component": discretized_logistic_mixture(1, 2, 5),
    "logistic_colours": discretized_logistic_mixture(2, 3, 4),
}


@pytest.mark.parametrize("name", HEADS)
def test_head(name):
    head, reference, *options = HEADS[name]
    verify_head(head, reference, **dict(*options))


def poisson_family(params):
    return poisson(np.exp(np.minimum(params[:, 0], np.log(1e6))))


def negative_binomial_family(params):
    mean = np.exp(np.minimum(params[:, 0], np.log(1e6)))
    concentration = np.exp(np.clip(params[:, 1], -7, np.log(1e6)))
    return nbinom(concentration, concentration / (concentration + mean))


def poisson_log_p(x, params):
    """log p = a x - e^a - log x!"""
    a = np.minimum(params[:, 0], np.log(1e6))
    return a * x - np.exp(a) - gammaln(x + 1)


def negative_binomial_log_p(x, params):
    """The formula of the docstring, with m / r = e^(a - b)."""
    a, b = np.minimum(params[:, 0], np.log(1e6)), np.clip(params[:, 1], -7, np.log(1e6))
    r = np.exp(b)
    log_p = gammaln(x + r) - gammaln(r) - gammaln(x + 1)
    return log_p - r * np.logaddexp(0, a - b) - x * np.logaddexp(0, b - a)


COUNTS = {
    "poisson": (heads.Poisson(), poisson_family, poisson_log_p),
    "negative_binomial": (
        heads.NegativeBinomial(),
        negative_binomial_family,
        negative_binomial_log_p,
    ),
}


@pytest.mark.parametrize("name", COUNTS)
def test_head_of_counts(name):
    head, _, log_p = COUNTS[name]
    verify_head(head, log_p, tempered=None, values=np.arange(400))


@functools.cache
def drawn_by_xla(name):
    return tf.function(COUNTS[name][0].draw, jit_compile=True)


@pytest.mark.parametrize("name", COUNTS)
@pytest.mark.parametrize("mean", [0.5, 40.0, 2e4, 4e5])
def test_counts_are_exact_up_to_hundreds_of_thousands(name, mean):
    head, family, _ = COUNTS[name]
    rng = np.random.RandomState(0)
    params = np.float32(np.log([[mean, 50.0]]))[:, : head.num_params].repeat(500, axis=0)
    uniforms = rng.uniform(size=[500, 1]).astype(np.float32)
    drawn = head.draw(tf.constant(params), tf.constant(uniforms)).numpy()
    exact = family(params.astype(np.float64))
    np.testing.assert_array_equal(drawn, exact.ppf(uniforms[:, 0].astype(np.float64)))
    np.testing.assert_allclose(head.log_prob(params, drawn), exact.logpmf(drawn), rtol=1e-6)
    compiled = drawn_by_xla(name)(tf.constant(params), tf.constant(uniforms))
    np.testing.assert_array_equal(compiled, drawn)
    # At a temperature of 0 it is the median; the quantiles spread as it rises.
    cold, hot = (head.draw(params, uniforms, t).numpy() for t in (1e-6, 2.0))
    assert (np.abs(cold - exact.median()) <= 1).all()
    above = uniforms[:, 0] > 0.5
    assert (hot[above] >= drawn[above]).all() and (hot[~above] <= drawn[~above]).all()
    assert np.std(hot) > np.std(drawn)
    np.testing.assert_array_equal(head.draw(params, uniforms, 1.0), drawn)


@pytest.mark.parametrize("name", COUNTS)
def test_the_marginals_of_counts(name):
    head, family, _ = COUNTS[name]
    x = np.random.RandomState(0).negative_binomial(3, 0.2, size=[5000, 2])
    exact = family(head.marginal(x))
    np.testing.assert_allclose(exact.mean(), x.mean(axis=0), rtol=1e-2)
    if head.num_params == 2:
        np.testing.assert_allclose(exact.var(), x.var(axis=0), rtol=1e-2)


@pytest.mark.parametrize("name", COUNTS)
def test_gradients_of_counts_are_finite(name):
    head, *_ = COUNTS[name]
    params = np.random.RandomState(0).choice([0, -100.0, 14.0, 100.0], [64, head.num_params])
    for x in (0, 3, 2**24 - 1):
        with tf.GradientTape() as tape:
            params = tf.constant(params, tf.float32)
            tape.watch(params)
            log_prob = head.log_prob(params, tf.constant(x))
        assert np.isfinite(log_prob).all() and np.isfinite(tape.gradient(log_prob, params)).all()


def test_a_distribution_of_counts_at_a_temperature_is_refused():
    with pytest.raises(ValueError, match=r"Poisson\(\) has no distribution at a temperature"):
        heads.Poisson().distribution(tf.zeros([1]), 0.5)


def real_mixture(head, family):
    """``(head, log_density, distribution_function)`` by the formula of the docstring."""
    k = head.num_components
    places = norm.ppf((np.arange(k) + 0.5) / k)

    def parts(x, params, temperature):
        logits = np.zeros([len(x), k]) if head.equal_weights else params[:, :k] / temperature
        weights = np.exp(logits - logsumexp(logits, axis=1, keepdims=True))
        loc, log_scale = params[:, -2 * k : -k] + places, params[:, -k:]
        scale = np.exp(np.clip(log_scale, -7, 7)) * temperature
        return weights, (x[:, None] - head.mean) / head.std, loc, scale

    def log_density(*arguments):
        weights, z, loc, scale = parts(*arguments)
        log_p = np.log(weights) + family.logpdf(z, loc, scale)
        return logsumexp(log_p, axis=1) - np.log(head.std)

    def distribution_function(*arguments):
        weights, z, loc, scale = parts(*arguments)
        return np.sum(weights * family.cdf(z, loc, scale), axis=1)

    return head, log_density, distribution_function


REAL_HEADS = {
    "gaussian": real_mixture(heads.GaussianMixture(1), norm),
    "gaussians": real_mixture(heads.GaussianMixture(4), norm),
    "gaussians_of_equal_weight": real_mixture(heads.GaussianMixture(3, equal_weights=True), norm),
    "gaussians_in_units": real_mixture(heads.GaussianMixture(2, mean=50.0, std=20.0), norm),
    "logistics": real_mixture(heads.LogisticMixture(3), logistic),
    "logistics_in_units": real_mixture(
        heads.LogisticMixture(2, equal_weights=True, mean=-3.0, std=0.01), logistic
    ),
}


@pytest.mark.parametrize("name", REAL_HEADS)
def test_real_head(name):
    verify_real_head(*REAL_HEADS[name])


@pytest.mark.parametrize(
    "arguments, message",
    [
        ({"num_components": 0}, "num_components to be an integer of at least 1, got 0"),
        ({"num_components": 2, "std": 0.0}, "std to be a finite number above 0, got 0.0"),
        ({"num_components": 2, "mean": np.nan}, "mean to be a finite number, got nan"),
    ],
)
def test_bad_mixtures(arguments, message):
    for head in (heads.GaussianMixture, heads.LogisticMixture):
        with pytest.raises(ValueError, match=message):
            head(**arguments)


@pytest.mark.parametrize("name", REAL_HEADS)
def test_constant_columns_and_outliers_have_finite_densities_and_gradients(name):
    head, *_ = REAL_HEADS[name]
    x = head.mean + head.std * np.random.default_rng(0).normal(size=[200, 3]).astype(np.float32)
    x[:, 1], x[7, 2] = head.mean + 2 * head.std, head.mean + 1e5 * head.std
    params = tf.constant(head.marginal(x), tf.float32)
    assert params.shape == [3, head.num_params] and np.isfinite(params).all()
    with tf.GradientTape() as tape:
        tape.watch(params)
        log_prob = head.distribution(params).log_prob(x)
    assert np.isfinite(log_prob).all() and np.isfinite(tape.gradient(log_prob, params)).all()
    normal = log_prob.numpy()[:, 0].mean() + np.log(head.std)
    assert -1.8 < normal < -1.3  # a standard normal has -1.42
    # No better than the widths of the components allow, and much better than a unit normal.
    constant = log_prob.numpy()[:, 1].mean() + np.log(head.std)
    assert 1 < constant < 7


@pytest.mark.parametrize("name", {**HEADS, **REAL_HEADS})
def test_config_round_trip(name):
    head, *_ = {**HEADS, **REAL_HEADS}[name]
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
    scaled = heads.Categorical(3, scaled=True)
    assert scaled.encode(x).numpy().tolist() == [[[-1.0], [0.0]]]
    assert repr(scaled) == "Categorical(num_categories=3, scaled=True)"


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
    with pytest.raises(
        ValueError, match=f"num_categories to be an integer of at least 2, got {too_few}"
    ):
        heads.Categorical(too_few)


@pytest.mark.parametrize("arguments", [{"num_components": 0}, {"channels": 0}, {"levels": 1}])
def test_too_few_components_channels_or_levels(arguments):
    with pytest.raises(
        ValueError,
        match=r"(num_components|channels|levels) to be an integer of at least [12], got [01]",
    ):
        heads.DiscretizedLogisticMixture(**{"num_components": 2, **arguments})


def test_a_bin_far_from_every_component_has_a_finite_gradient():
    """Where sigmoid(u) - sigmoid(l) is 0 in float32."""
    params = tf.constant([[0.0, 0.9, -6.0]])
    head = heads.DiscretizedLogisticMixture(1)
    with tf.GradientTape() as tape:
        tape.watch(params)
        log_prob = head.distribution(params).log_prob([[3]])
    assert np.isfinite(log_prob).all() and log_prob[0] < -500
    assert np.isfinite(tape.gradient(log_prob, params)).all()


def test_samples_of_the_mixture_itself():
    """As a ``tfd.Distribution``, without a model around it."""
    head = heads.DiscretizedLogisticMixture(2, channels=2, levels=3)
    p = head.distribution(tf.constant([[0.3, -1, 0.5, 0.2, -0.4, 0.9, -1, 0, 0.3, -0.5, 2, -3]]))
    x = p.sample(5000, seed=[1, 2])
    assert x.shape == [5000, 1, 2] and x.dtype == tf.int32
    values = testing.symbols(head)
    counts = np.bincount(x.numpy()[:, 0] @ [3, 1], minlength=9)
    expected = 5000 * p.prob(values[:, None]).numpy()[:, 0]
    assert np.all(np.abs(counts - expected) < 5 * np.sqrt(expected) + 2)


@pytest.mark.parametrize("temperature", [1e-6, 1e-30, 2e-38])
def test_the_lowest_temperatures_draw_what_is_likeliest(temperature):
    rng = np.random.default_rng(0)
    head = heads.Categorical(3)
    logits = 50 * rng.normal(size=[50, 3]).astype(np.float32)
    drawn = head.draw(logits, rng.random([50, 1], np.float32), temperature).numpy()
    np.testing.assert_array_equal(drawn, logits.argmax(-1))
    head = heads.DiscretizedLogisticMixture(2, levels=9)
    params = np.float32([[50, 10, 0.5, 0.1, -2, -2]])
    drawn = head.draw(np.tile(params, [50, 1]), rng.random([50, 2], np.float32), temperature)
    place = 0.5 + np.linspace(-1, 1, 4)[1]  # the location of the first component
    assert set(drawn.numpy().ravel()) == {round((place + 1) * 4)}


# Columns ----------------------------------------------------------------------------------------


DIFFERENT = [heads.Categorical(3), heads.GaussianMixture(2, mean=5.0), heads.Bernoulli()]
ALIKE = [heads.Bernoulli(), *DIFFERENT, heads.GaussianMixture(2, mean=5.0), heads.Categorical(3)]


@pytest.mark.parametrize("parts", [DIFFERENT, ALIKE, ALIKE[1:2] * 4], ids=len)
def test_columns_are_their_heads_side_by_side(parts):
    head, count = heads.Columns(parts), len(parts)
    assert head.num_params == max(part.num_params for part in parts)
    rng = np.random.default_rng(0)
    params = tf.constant(rng.normal(size=[50, count, 6]), tf.float32)
    uniforms = tf.constant(rng.uniform(size=[50, count, 2]), tf.float32)
    own_site = head.at(tf.constant(np.arange(50) % count))
    for temperature in (None, 0.5):
        x = head.draw(params, uniforms, temperature)
        assert x.dtype == tf.float32 and head.in_support(x).numpy().all()
        p = head.distribution(params, temperature)
        assert p.batch_shape == [50, count] and p.sample(2, seed=1).shape == [2, 50, count]
        mean = p.sample(2000, seed=1).numpy().mean(axis=(0, 1))
        for i, part in enumerate(parts):
            own, noise = params[:, i, : part.num_params], uniforms[:, i, : part.num_uniforms]
            np.testing.assert_array_equal(
                x[:, i], tf.cast(part.draw(own, noise, temperature), tf.float32)
            )
            column = part.distribution(own, temperature)
            here = tf.cast(x[:, i], column.dtype)
            np.testing.assert_allclose(p.log_prob(x)[:, i], column.log_prob(here), rtol=1e-6)
            np.testing.assert_allclose(p.cdf(x)[:, i], column.cdf(here), rtol=1e-6)
            np.testing.assert_allclose(p[:, i].log_prob(here), column.log_prob(here), rtol=1e-6)
            expected = tf.reduce_mean(tf.cast(column.sample(2000, seed=2), tf.float32))
            np.testing.assert_allclose(mean[i], expected, atol=0.05)
            # As the sampling loop has it: the number of the column is a tensor.
            one = head.at(tf.constant(i))
            drawn = one.draw(params[:, i], uniforms[:, i], temperature)
            np.testing.assert_array_equal(drawn, x[:, i])
            np.testing.assert_array_equal(one.encode(drawn), head.encode(x)[:, i])
            if temperature is None:
                score = one.log_prob(params[:, i], drawn)
                np.testing.assert_allclose(score, p.log_prob(x)[:, i], rtol=1e-6)
            assert head.at(i) is part
        rows = np.arange(50), np.arange(50) % count
        taken, noise = (
            tf.gather_nd(params, np.stack(rows, 1)),
            tf.gather_nd(uniforms, np.stack(rows, 1)),
        )
        np.testing.assert_array_equal(own_site.draw(taken, noise, temperature), x.numpy()[rows])
        np.testing.assert_array_equal(
            own_site.encode(x.numpy()[rows]), head.encode(x).numpy()[rows]
        )
    for code in (head.encode(x, tf.float64), head.at(tf.constant(1)).encode(x[:, 1], tf.float64)):
        assert code.dtype == tf.float64
    copy = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(head))
    assert repr(copy) == repr(head)


def test_the_support_of_columns():
    bad = tf.constant([[3.0, 1.0, 1.0], [0.0, np.nan, 1.0], [0.0, 1.0, 0.5], [2.0, -7.0, 0.0]])
    inside = [[False, True, True], [True, False, True], [True, True, False], [True] * 3]
    assert heads.Columns(DIFFERENT).in_support(bad).numpy().tolist() == inside
    bad, inside = tf.gather(bad, [0, 1, 0], axis=1), np.array(inside)[:, [0, 1, 0]]
    head = heads.Columns([DIFFERENT[0], DIFFERENT[1], DIFFERENT[0]])
    np.testing.assert_array_equal(head.in_support(bad), inside)


def test_samples_of_columns_are_independent():
    head = heads.Columns([heads.GaussianMixture(1)] * 2)
    x = head.distribution(tf.zeros([2, 3])).sample(2000, seed=1).numpy()
    assert abs(np.corrcoef(x.T)[0, 1]) < 0.1
    assert np.abs(x.std(axis=0) - 1).max() < 0.1


@pytest.mark.parametrize("parts", [[], [heads.Bernoulli], [heads.DiscretizedLogisticMixture(2)]])
def test_columns_of_what_is_no_head_of_scalars(parts):
    with pytest.raises(ValueError, match=r"Expected heads to be .* at least one head, of scalars"):
        heads.Columns(parts)


def test_planted_in_the_mixture(monkeypatch):
    """Feedback that is not quantised, and a bin that is as wide at the edge as inside."""
    head, reference, options = discretized_logistic_mixture(1, 3, 2)
    testing.verify_head(head, reference, **options)

    class UnquantisedFeedback(discretized_logistic.DiscretizedLogisticMixture):
        """What a later channel sees of an earlier one is what it was before it was rounded."""

        def invert(self, uniforms):
            unrounded = []

            def rounded(x, rounded=tf.round):
                unrounded.append(x)
                return rounded(x)

            with monkeypatch.context() as patch:
                patch.setattr(discretized_logistic.tf, "round", rounded)
                patch.setattr(self, "_centred", lambda x: mixture._centred(self, unrounded[-1]))
                return super().invert(uniforms)

    mixture = discretized_logistic.DiscretizedLogisticMixture
    with monkeypatch.context() as patch:
        patch.setattr(distributions, "DiscretizedLogisticMixture", UnquantisedFeedback)
        with pytest.raises(AssertionError, match="The frequencies of samples"):
            testing.verify_head(head, reference, **options)
    monkeypatch.setattr(discretized_logistic.tf, "where", lambda condition, one, other: other)
    with pytest.raises(AssertionError, match="is not the reference"):
        testing.verify_head(head, reference, **options)


# What heads share -------------------------------------------------------------------------------


def test_a_category_is_the_inverse_of_the_distribution_function():
    rng = np.random.RandomState(0)
    logits = np.float32(rng.normal(size=[500, 5], scale=4))
    logits[::7, 1:3] = -np.inf  # such a category is never drawn
    uniforms = np.float32(rng.uniform(size=[500]))
    p = np.exp(logits.astype(np.float64) - logits.max(1, keepdims=True))
    below = p.cumsum(1) / p.sum(1, keepdims=True)
    assert np.abs(below - uniforms[:, None]).min() > 1e-6
    expected = (below <= uniforms[:, None]).sum(1)
    np.testing.assert_array_equal(randomness.category(logits, uniforms), expected)
    assert int(randomness.category(tf.zeros([3]), tf.constant(1.0))) == 2


def test_heads_by_name():
    assert repr(heads.get("bernoulli")) == repr(heads.get(None)) == repr(heads.Bernoulli())
    assert isinstance(NADE([3], 4, head="poisson").head, heads.Poisson)
    for wrong in ("categorical", "", 3):
        with pytest.raises(ValueError, match=r"or one of bernoulli, poisson, negative_binomial, "):
            heads.get(wrong)
