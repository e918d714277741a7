"""Completions of any sites, against enumeration, and the bugs that their contract catches."""

import numpy as np
import pytest
import tensorflow as tf
from click.testing import CliRunner
from support.cases import inputs, randomised, shared

from tfar import cli, conditions, testing, zoo
from tfar.heads import GaussianMixture
from tfar.models import MADE
from tfar.sampling import particle_filter

NAMES = [  # one by one, a wavefront, whole rows, levels, a window, a reversed order
    "made_given_orders",
    "pixel_cnn_colours",
    "gated_pixel_cnn_labels",
    "pixel_cnn_pp_labels",
    "transformer_image",
    "pixel_rnn_reversed",
]


@pytest.mark.parametrize("name", NAMES)
def test_contract(name):
    assert testing.verify_completion(shared(name))["approximate"] > 0


ANY_ORDER = ["orderless_nade", "orderless_nade_orders", "gmm_binary", "gmm_categorical"]


@pytest.mark.parametrize("name", ANY_ORDER)
def test_a_model_of_all_orders_is_exact(name):
    assert testing.verify_completion(shared(name))["approximate"] == 0


MIXED = [*ANY_ORDER, "gmm_real", "gmm_tied_real", "gmm_columns_real", "orderless_columns_real"]


def own_patterns(name):
    """A model and rows [60, n] in each of which other entries are missing."""
    model, rng = shared(name), np.random.RandomState(0)
    x = inputs(model, 60)
    events = np.asarray(x["x"] if isinstance(x, dict) else x, np.float32)
    value = np.where(rng.random_sample(events.shape) < 0.5, events, np.nan)
    condition = {"condition": x["condition"]} if isinstance(x, dict) else {}
    member = {"member": 0} if model.members > 1 else {}
    return model, value, {**condition, **member}


@pytest.mark.parametrize("name", MIXED)
def test_each_row_has_an_order_of_its_own(name):
    """One run of the loop gives the log-probabilities that one run for each pattern gives."""
    model, value, given = own_patterns(name)
    found = model.joint(**given).complete(value, draws=2, seed=1)
    known = ~np.isnan(value)
    assert np.array_equal(found.samples[0][known], value[known])
    for row in range(0, 60, 7):
        own = {key: part[row] if key == "condition" else part for key, part in given.items()}
        observed = model.joint(observed=known[row], **own)
        expected = observed.log_prob(found.samples[:, row])
        np.testing.assert_allclose(found.log_prob[:, row], expected, rtol=1e-3, atol=2e-3)
        whole = observed.model.log_prob(
            conditions.joined(
                found.samples[:1, row],
                None if "condition" not in own else np.asarray(own["condition"])[None],
            ),
            member=0 if model.members > 1 else None,
        )
        total = found.evidence[row] + found.log_prob[0, row]
        np.testing.assert_allclose(total, whole[0], rtol=1e-3, atol=2e-3)


def test_rows_in_orders_of_their_own_are_drawn_right():
    """Frequencies of the missing entries of two rows, of which other entries are given."""
    model = shared("orderless_columns_real")
    value = np.array([[np.nan, 0.3, 1.0], [2.0, -0.4, np.nan]] * 4000, np.float32)
    x = model.joint(member=0).sample(seed=2, value=value).numpy()
    for row, site, count in ((0, 0, 3), (1, 2, 3)):
        known = model.joint(member=0, observed=~np.isnan(value[row]))
        every = np.tile(value[row], [count, 1])
        every[:, site] = range(count)
        p = np.exp(known.log_prob(every))
        found = np.bincount(x[row::2, site].astype(int), minlength=count) / 4000
        np.testing.assert_allclose(found, p, atol=5 * np.sqrt(0.25 / 4000))


@pytest.mark.parametrize("name", ["orderless_nade_orders", "gmm_columns_real"])
def test_planted_order_of_the_first_row_for_all(name, monkeypatch):
    model, value, given = own_patterns(name)
    right = type(model).orders_for

    def of_the_first(self, known, member=None):
        orders = right(self, known, member)
        return tf.broadcast_to(orders[:1], tf.shape(orders))

    monkeypatch.setattr(type(model), "orders_for", of_the_first)
    with pytest.raises(ValueError, match="a prefix of the order"):
        model.joint(**given).complete(value)


def test_without_caches_completions_are_those_of_each_pattern():
    """The slow way, a joint distribution for each pattern, draws the same from one seed."""
    model = shared("orderless_nade")
    value = np.tile([[np.nan, 1.0, np.nan, 0.0]], [50, 1])
    slow = model.joint(cached=False).complete(value, draws=3, seed=4)
    fast = model.joint().complete(value, draws=3, seed=4)
    for a, b in zip(slow, fast):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5)


# Planted bugs -------------------------------------------------------------------------------------


def unweighted(log_weights):
    """All particles count alike: given sites that come later make no difference."""
    return np.full(log_weights.shape, 1 / log_weights.shape[1])


def of_another(carry, axes, chosen):
    """Replaces the drawn values and not the state that goes with them."""
    return carry


def with_weights_kept(stages, shape, seed):
    x, log_weights, evidence, effective = FILTERED(stages, shape, seed)
    return x, log_weights + 1.0, evidence + 1.0, effective


FILTERED = particle_filter.filtered
BUGS = [
    ("normalised", unweighted, "has the frequency"),
    ("_selected", of_another, r"has the frequency|log p\(x_o\)"),
    ("filtered", with_weights_kept, r"log p\(x_o\)"),
]


@pytest.mark.parametrize("name, planted, message", BUGS, ids=[bug[1].__name__ for bug in BUGS])
def test_planted(name, planted, message, monkeypatch):
    monkeypatch.setattr(particle_filter, name, planted)
    with pytest.raises(AssertionError, match=message):
        testing.verify_completion(randomised("made_given_orders"))


# Behaviour ----------------------------------------------------------------------------------------


def test_patterns_differ_between_examples():
    model = shared("pixel_cnn_pp_labels")
    rng = np.random.RandomState(0)
    x = rng.randint(0, 2, [5, *model.event_shape])
    value = np.where(rng.rand(5, *model.grid_shape, 1) < 0.5, x, np.nan)
    value[0] = x[0]
    value[1] = np.nan
    joint = model.joint(condition=[0, 1, 0, 1, 0])
    found = joint.complete(value, draws=3, seed=2, particles=50)
    given = ~np.isnan(value)
    assert found.samples.dtype == np.int32 and found.samples.shape == (3, *x.shape)
    np.testing.assert_array_equal(
        found.samples[:, given], np.broadcast_to(x[given], (3, given.sum()))
    )
    assert np.isinf(found.effective[:2]).all() and found.effective.min() <= 50
    np.testing.assert_allclose(found.log_prob[:, 0], 0, atol=1e-4)
    np.testing.assert_allclose(found.evidence[1], 0, atol=1e-4)
    again = joint.complete(value, draws=3, seed=2, particles=50)
    for one, other in zip(found, again):
        np.testing.assert_array_equal(one, other)
    other = joint.complete(value, draws=3, seed=3, particles=50)
    assert np.any(other.samples != found.samples)


BITS = MADE([4], (8,))
HALF = [[np.nan, 1, np.nan, 0]]


@pytest.mark.parametrize(
    "complete, message",
    [
        (lambda: BITS.joint().complete([[np.nan, 2, 0, 0]]), "takes 0 or 1, got 2"),
        (lambda: BITS.joint().complete([0, 1, 0, 1]), r"shape \[B, 4\], got \[4\]"),
        (lambda: BITS.joint().complete(HALF, 0), "draws to be an integer of at least 1"),
        (lambda: BITS.joint().complete(HALF, particles=0), "particles to be an integer"),
        (lambda: shared("made_orders").joint().complete(np.zeros([1, 2, 2, 1])), "member=r"),
        (lambda: shared("own_plain").joint().complete([[[np.nan, 1], [0, 1]]]), "no steps"),
        (
            lambda: shared("pixel_cnn_pp_labels").joint(condition=0).complete(PARTLY),
            "All entries along the last axis",
        ),
        (
            lambda: BITS.joint(observed=np.array([True, False, False, False])).complete(HALF),
            "leave observed out",
        ),
    ],
)
def test_bad_input(complete, message):
    with pytest.raises(ValueError, match=message):
        complete()


PARTLY = np.full([1, 2, 2, 2], np.nan)
PARTLY[..., 1] = 0


def test_real_values():
    """p(x_0 | x_1) of two correlated normals, whose order begins with x_0."""
    model = testing.randomise(MADE([2], (8,), head=GaussianMixture(1)), scale=0.5)
    found = model.joint().complete([[np.nan, 0.3]], draws=500, seed=1, particles=4000)
    x = np.linspace(-8, 8, 2001, dtype=np.float32)
    p = np.exp(model.log_prob(np.stack([x, np.full_like(x, 0.3)], axis=1)).numpy())
    mean = (x * p).sum() / p.sum()
    std = np.sqrt((x**2 * p).sum() / p.sum() - mean**2)
    assert found.samples[:, 0, 0].mean() == pytest.approx(mean, abs=5 * std / np.sqrt(500))
    assert found.evidence[0] == pytest.approx(np.log(p.sum() * 0.008), abs=0.1)


# The shell ----------------------------------------------------------------------------------------


def test_in_the_shell(tmp_path):
    x, _ = zoo.examples("fvsbn_mnist")
    mask = np.zeros([28, 28, 1], bool)
    mask[:, 14:] = True
    np.save(tmp_path / "mask.npy", mask)

    def tfar(*arguments):
        return CliRunner().invoke(cli.main, ["complete", "fvsbn_mnist", *map(str, arguments)])

    options = "-n", 2, "--draws", 3, "--out", tmp_path / "out.npy"
    done = tfar("--mask", tmp_path / "mask.npy", "--particles", 20, *options)
    assert done.exit_code == 0, done.output
    assert "approximate" in done.stderr and "log p" in done.stderr
    found = np.load(tmp_path / "out.npy")
    assert found.shape == (2, 4, 28, 28, 1)
    np.testing.assert_array_equal(found[:, 0], x[:2])
    np.testing.assert_array_equal(found[:, 1:, mask], np.repeat(x[:2, None][:, :, mask], 3, axis=1))
    exact = tfar("--rows", 14, *options)
    assert exact.exit_code == 0 and "approximate" not in exact.stderr
    for wrong in ((), ("--rows", 3, "--mask", tmp_path / "mask.npy")):
        assert tfar(*wrong, *options).exit_code == 2
    np.save(tmp_path / "mask.npy", mask[:5])
    assert "Expected bools" in tfar("--mask", tmp_path / "mask.npy", *options).output
    with (tmp_path / "mask.npy").open("wb") as file:
        np.savez(file, mask=mask)
    assert "an archive" in tfar("--mask", tmp_path / "mask.npy", *options).output
