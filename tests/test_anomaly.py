"""Detectors: p-values that hold, the face of scikit-learn, scores, and figures."""

import keras
import numpy as np
import pandas as pd
import pytest
from support.cases import shared

import tfar
from tfar import anomaly
from tfar.anomaly import Detector, scores
from tfar.models import FVSBN, MADE
from tfar.testing import randomise

MODEL = randomise(MADE([2, 3, 1], (8,)), seed=1)


def drawn(count, seed):
    return MODEL.joint().sample(count, seed=seed).numpy()


def uniform(p):
    """The distance from the uniform distribution, in standard errors of its mean."""
    return (np.mean(p) - 0.5) * np.sqrt(12 * len(p))


# p-values ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("score", ["likelihood", "typicality"])
def test_false_alarms_are_as_rare_as_the_level(score):
    model, rates = randomise(MADE([4, 4, 1], (8,)), seed=2, scale=0.3), []
    for seed in range(20):
        x = model.joint().sample(500, seed=seed).numpy()
        detector = Detector(model, score=score, level=0.1).fit(x[:300])
        rates.append(np.mean(detector.predict(x[300:]) == -1))
    assert abs(np.mean(rates) - 0.1) < 0.03


def test_p_values_are_ranks():
    values = np.array([5.0, 1.0, 3.0, 4.0])
    detector = Detector(MODEL, score=lambda model, x: values[: len(x)], level=0.25)
    detector.fit(drawn(4, 0))
    assert detector.scores_.tolist() == [1.0, 3.0, 4.0, 5.0]
    detector._fitted = lambda model, x: np.array([0.0, 1.0, 3.5, 9.0])
    x = drawn(4, 1)
    assert detector.p_values(x).tolist() == [0.2, 0.4, 0.6, 1.0]
    # -1 exactly where the p-value is at most the level.
    assert detector.offset_ == 1.0
    assert detector.predict(x).tolist() == [-1, 1, 1, 1]


@pytest.mark.parametrize("level", [0.01, 0.05, 0.1, 1 / 3, 0.5, 0.95])
@pytest.mark.parametrize("count", [99, 100, 119])
def test_predictions_agree_with_p_values(level, count):
    rng = np.random.default_rng(count)
    detector = Detector(MODEL, score=lambda model, x: rng.permutation(len(x)), level=level)
    detector.fit(np.zeros([count, 2, 3, 1]))
    detector._fitted = lambda model, x: np.arange(-1.0, count + 1, 0.5)[: len(x)]
    x = np.zeros([2 * count, 2, 3, 1])
    expected = np.where(detector.p_values(x) <= level * (1 + 1e-12), -1, 1)
    assert np.array_equal(detector.predict(x), expected)


def train(x, epochs):
    model = FVSBN([3, 4, 1])
    model.compile(keras.optimizers.Adam(0.05))
    model.fit(x, epochs=epochs, verbose=0)
    return model


def test_training_examples_and_shuffled_pixels_fail_where_held_out_ones_pass():
    """The two-sample test of random halves, and what it must reject."""
    rng = np.random.default_rng(0)
    source = randomise(MADE([3, 4, 1], (8,)), seed=2)
    x = source.joint().sample(1040, seed=1).numpy()
    model = train(x[:40], epochs=200)  # few enough to be learned by heart
    held_out, new = x[40:540], x[540:]
    shuffled = rng.permuted(new.reshape([len(new), -1]), axis=1).reshape(new.shape)
    detector = Detector(model).fit(held_out)
    assert abs(uniform(detector.p_values(new))) < 3
    assert uniform(detector.p_values(x[:40])) > 3  # those it was trained on are too likely
    assert uniform(detector.p_values(shuffled)) < -3
    assert uniform(Detector(model, level=0.1).fit(x[:40]).p_values(new)) < -3


def test_selection_keeps_the_share_of_false_discoveries():
    shares = []
    for seed in range(30):
        rng = np.random.default_rng(seed)
        calibration, normal, odd = rng.normal(size=999), rng.normal(size=90), rng.normal(size=10)
        held = [calibration, np.concatenate([normal, odd - 4])]
        detector = Detector(MODEL, score=lambda model, x, held=held: held.pop(0))
        detector.fit(np.zeros([999, 2, 3, 1]))
        chosen = detector.select(np.zeros([100, 2, 3, 1]), 0.2)
        shares.append(np.sum(chosen[:90]) / max(chosen.sum(), 1))
        assert chosen[90:].sum() >= 5
    assert 0.02 < np.mean(shares) < 0.23


def test_nothing_is_selected_where_nothing_is_odd():
    detector = Detector(MODEL).fit(drawn(99, 1))
    detector._fitted = lambda model, x: np.full(len(x), np.inf)
    assert not detector.select(drawn(5, 1), 0.1).any()


# scikit-learn -----------------------------------------------------------------------------------


def test_it_works_in_scikit_learn():
    base = pytest.importorskip("sklearn.base")
    pipeline = pytest.importorskip("sklearn.pipeline")
    preprocessing = pytest.importorskip("sklearn.preprocessing")
    detector = Detector(MODEL, level=0.2)
    copy = base.clone(detector)
    assert copy is not detector and copy.model is MODEL and copy.level == 0.2
    assert base.is_outlier_detector(detector)
    reshape = preprocessing.FunctionTransformer(lambda x: x.reshape([-1, 2, 3, 1]))
    chain = pipeline.make_pipeline(reshape, copy)
    x = drawn(50, 1).reshape([50, 6])
    found = chain.fit(x).predict(x)
    assert set(found) <= {1, -1}
    assert np.array_equal(found, detector.fit(x.reshape([-1, 2, 3, 1])).predict(drawn(50, 1)))
    assert np.array_equal(chain.decision_function(x) < 0, found == -1)


def test_parameters():
    detector = Detector(MODEL)
    assert detector.set_params(level=0.3) is detector and detector.get_params()["level"] == 0.3
    with pytest.raises(ValueError, match=r"Expected one of \['level', 'model', 'score'\], got 'x'"):
        detector.set_params(x=1)


# Scores -----------------------------------------------------------------------------------------


def test_scores_are_what_they_say():
    x = drawn(20, 3)
    log_prob = MODEL.joint().log_prob(x).numpy()
    np.testing.assert_allclose(scores.likelihood(MODEL, x), log_prob, rtol=1e-5)
    background = randomise(MADE([2, 3, 1], (8,)), seed=5)
    found = anomaly.ratio(background)(MODEL, x)
    np.testing.assert_allclose(found, log_prob - background.joint().log_prob(x), rtol=1e-4)
    bits = [scores.png_bits(image) for image in x]
    found = scores.complexity(MODEL, x)
    np.testing.assert_allclose(found, log_prob + np.log(2) * np.array(bits), rtol=1e-5)
    fitted = scores.typicality.fitted(MODEL, x)
    np.testing.assert_allclose(fitted(MODEL, x), -np.abs(log_prob - log_prob.mean()), atol=1e-5)


def test_png_keeps_every_pixel():
    rng = np.random.default_rng(0)
    noise, blank = rng.integers(0, 256, [28, 28, 1]), np.zeros([28, 28, 1], int)
    assert scores.png_bits(noise) > 28 * 28 * 8 > scores.png_bits(blank)
    bits = rng.integers(0, 2, [28, 28, 1])
    assert 28 * 28 < scores.png_bits(bits) < 28 * 28 * 3
    colours = rng.integers(0, 256, [8, 8, 3])
    assert scores.png_bits(colours) > 8 * 8 * 3 * 8


def test_conditions_and_tables():
    model = shared("gated_pixel_cnn_labels")
    labels = np.arange(60) % model.num_classes
    x = {"x": model.joint(condition=labels).sample(seed=1).numpy(), "condition": labels}
    detector = Detector(model, level=0.1).fit(x)
    assert detector.scores_.shape == (60,) and detector.p_values(x).shape == (60,)
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({"side": rng.choice(["left", "right"], 80), "x": rng.normal(size=80)})
    table = tfar.fit_table(frame, epochs=1, verbose=0)
    detector = Detector(table, level=0.1).fit(frame)
    assert detector.p_values(frame.assign(x=100.0)).max() == 1 / 81


# Figures ----------------------------------------------------------------------------------------


def test_figures_are_those_of_scikit_learn():
    metrics = pytest.importorskip("sklearn.metrics")
    rng = np.random.default_rng(0)
    normal, odd = rng.normal(size=300).round(1), (rng.normal(size=70) - 1).round(1)
    found = anomaly.report(normal, odd, resamples=200)
    truth, oddness = np.repeat([0, 1], [300, 70]), -np.concatenate([normal, odd])
    assert np.isclose(found["auroc"]["value"], metrics.roc_auc_score(truth, oddness))
    assert np.isclose(found["aupr"]["value"], metrics.average_precision_score(truth, oddness))
    fall_out, recall, _ = metrics.roc_curve(truth, oddness, drop_intermediate=False)
    assert np.isclose(found["fpr95"]["value"], fall_out[np.argmax(recall >= 0.95)])
    for figure in found.values():
        assert figure["low"] < figure["value"] < figure["high"]


def test_figures_of_ties_and_of_the_perfect():
    found = anomaly.report(np.zeros(5), np.zeros(5), resamples=1)
    assert found["auroc"]["value"] == 0.5 and found["fpr95"]["value"] == 1.0
    found = anomaly.report(np.ones(5), np.zeros(7), resamples=10)
    assert found["auroc"] == {"value": 1.0, "low": 1.0, "high": 1.0}
    assert found["aupr"]["value"] == 1.0 and found["fpr95"]["value"] == 0.0


# Bad input --------------------------------------------------------------------------------------


def with_scores(*values):
    return Detector(MODEL, score=lambda model, x: np.array(values, float), level=0.5)


X = np.zeros([3, 2, 3, 1])


@pytest.mark.parametrize(
    "call, message",
    [
        (lambda: Detector("model").fit(X), "a tfar.models.AutoregressiveModel"),
        (lambda: Detector(MODEL, score="odd").fit(X), "score to be one of .*'complexity'"),
        (lambda: Detector(MODEL, level=0.0).fit(X), "level .* above 0"),
        (lambda: Detector(MODEL, level=0.05).fit(X), "3 examples cannot resolve .* at least 19"),
        (lambda: Detector(MODEL).score_samples(X), "not calibrated: call fit"),
        (lambda: Detector(MODEL).predict(X), "not calibrated: call fit"),
        (lambda: Detector(MODEL).fit(np.zeros([30, 2, 2, 1])), r"2, 3, 1"),
        (lambda: Detector(MODEL).fit(np.full([30, 2, 3, 1], np.nan)), "takes 0 or 1"),
        (lambda: with_scores(1, np.nan, 2).fit(X), "score of example 1 is NaN"),
        (lambda: with_scores(1, 2, -np.inf).fit(X), "index 2 whose score is -inf"),
        (lambda: with_scores(1, 2).fit(X), r"shape \[3\], got \[2\]"),
        (lambda: with_scores(1, 2, 3).fit(X).select(X, 1.5), "rate .* below 1"),
        (lambda: anomaly.report([], [1.0]), "normal to be scores"),
        (lambda: anomaly.report([1.0], [np.nan]), "odd to be scores .* with NaN"),
        (lambda: anomaly.ratio(FVSBN([4]))(MODEL, X), r"shape \[2, 3, 1\], got one of \[4\]"),
        (lambda: scores.png_bits(np.full([2, 2, 1], 0.5)), "integers from 0 to 255"),
        (lambda: scores.png_bits(np.zeros([4])), r"shape \[4\]"),
        (lambda: scores.typicality(MODEL, X), "fit the detector first"),
    ],
)
def test_bad_input(call, message):
    with pytest.raises(ValueError, match=message):
        call()
