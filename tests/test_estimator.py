"""The face of scikit-learn for tables: its own checks, pipelines, searches and pickles."""

import importlib
import pickle
import sys

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import parametrize_with_checks

from tfar import tables
from tfar.tables.estimator import TableDensity

QUICK = {"family": "gaussians", "budget": 0.05, "random_state": 0}
WHOLE = {**QUICK, "budget": None}  # the same however fast the machine is
NETWORK = {"family": "orderless", "epochs": 1, "hidden": (4,), "num_orders": 1, "random_state": 0}


@parametrize_with_checks([TableDensity(**QUICK)])
def test_the_checks_of_scikit_learn(estimator, check):
    check(estimator)


def array(count=80, seed=0):
    x = np.random.default_rng(seed).normal(size=[count, 3])
    x[:, 1] += 5 * x[:, 0]
    return x * [1.0, 20.0, 0.1] + [5.0, 0.0, 1.0]


def framed(count=60, seed=0):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=count)
    side = np.where(rng.random(count) < 1 / (1 + np.exp(-3 * x)), "r", "l")
    return pd.DataFrame({"x": x, "side": side, "y": 3 * x + rng.normal(size=count)})


def test_scores_are_log_densities_in_the_units_of_the_data():
    x = array()
    density = TableDensity(**WHOLE).fit(x)
    own = tables.log_prob(density.model_, pd.DataFrame(x, columns=["x0", "x1", "x2"]))
    np.testing.assert_array_equal(density.score_samples(x), own)
    assert density.score(x) == own.mean() and own.dtype == np.float64
    assert density.family_ == "gaussians" and len(density.held_out_) == 80
    # In units ten times as small densities are as many times as low.
    scaled = clone(density).fit(10 * x)
    np.testing.assert_allclose(scaled.score(10 * x), own.mean() - 3 * np.log(10), atol=0.05)


def test_arrays_give_arrays_and_frames_frames():
    x, frame = array(), framed()
    density = TableDensity(**QUICK).fit(x)
    drawn = density.sample(500, random_state=1)
    assert drawn.shape == (500, 3) and drawn.dtype == np.float64
    np.testing.assert_allclose(drawn.std(axis=0), x.std(axis=0), rtol=0.3)
    np.testing.assert_array_equal(drawn, density.sample(500, random_state=1))
    assert density.sample().shape == (1, 3) and not hasattr(density, "feature_names_in_")
    whole = np.arange(40.0).reshape(20, 2) % 7  # whole numbers are real too
    whole[3, 0] = np.nan
    kinds = [column["kind"] for column in TableDensity(**NETWORK).fit(whole).model_.head.columns]
    assert kinds == ["real", "real"]
    of_frame = TableDensity(**QUICK).fit(frame)
    assert of_frame.feature_names_in_.tolist() == ["x", "side", "y"]
    assert of_frame.sample(5, random_state=0).dtypes.equals(frame.dtypes)
    with pytest.raises(ValueError, match="feature names"):
        of_frame.score_samples(frame.rename(columns={"y": "z"}))


def test_missing_entries_and_columns_given_others():
    frame = framed()
    density = TableDensity(**WHOLE).fit(frame)
    lacking = frame.head(4).copy()
    lacking.loc[1, "y"] = np.nan
    found = density.impute(lacking, random_state=1)
    expected = tables.impute(density.model_, lacking, seed=1)
    pd.testing.assert_frame_equal(found, expected)
    p = density.column_proba(frame, "side")
    assert p.r[frame.x.idxmax()] > 0.8 and p.l[frame.x.idxmin()] > 0.8
    x = array()
    x[:, 2] = x[:, 0] > 5
    x[:40, 1] = np.nan
    of_array = TableDensity(categorical=["x2"], **NETWORK).fit(x)  # fitted with missing entries
    assert np.isfinite(of_array.score_samples(x)).all()
    filled = of_array.impute(x, draws=2, random_state=0)
    np.testing.assert_array_equal(filled[:, [0, 2]], x[:, [0, 2]])
    assert np.isfinite(filled).all() and filled.shape == x.shape
    assert of_array.column_proba(x, 2).columns.tolist() == [0.0, 1.0]


def test_pipelines_and_searches():
    x = array(50)
    pipeline = make_pipeline(StandardScaler(), TableDensity(**WHOLE)).fit(x)
    direct = TableDensity(**WHOLE).fit(x)
    units = np.log(x.std(axis=0)).sum()
    np.testing.assert_allclose(pipeline.score(x) - units, direct.score(x), atol=0.05)
    grid = {"family": ["gaussians", "orderless"]}
    density = TableDensity(**NETWORK, budget=0.05)
    search = GridSearchCV(density, grid, cv=2, error_score="raise").fit(x)
    scores = search.cv_results_["mean_test_score"]
    assert search.best_params_ == {"family": "gaussians"} and scores[0] > scores[1] + 0.5
    assert search.best_estimator_.family_ == "gaussians"


def test_a_fitted_estimator_is_pickled():
    frame = framed()
    density = TableDensity(**QUICK).fit(frame)
    again = pickle.loads(pickle.dumps(density))
    np.testing.assert_allclose(again.score_samples(frame), density.score_samples(frame), rtol=1e-6)
    assert again.get_params() == density.get_params()
    pd.testing.assert_frame_equal(
        again.sample(3, random_state=1), density.sample(3, random_state=1)
    )


def test_what_is_refused():
    with pytest.raises(NotFittedError):
        TableDensity().sample()
    with pytest.raises(ValueError, match="minimum of 10"):
        TableDensity().fit(array(9))
    with pytest.raises(ValueError, match="at least ten rows"):
        TableDensity().fit(framed(9))
    with pytest.raises(ValueError, match="family to be one of"):
        TableDensity(family="forest").fit(array())
    with pytest.raises(ValueError, match="contains NaN"):
        TableDensity(**QUICK).fit(np.where(array() > 6, np.nan, array()))


def test_random_states():
    x = array(30)
    one, same = (TableDensity(**WHOLE).fit(x).score_samples(x) for _ in range(2))
    np.testing.assert_array_equal(one, same)
    generator = np.random.RandomState(0)
    density = TableDensity(**WHOLE).fit(x)
    first, second = (density.sample(2, random_state=generator) for _ in range(2))
    assert not np.allclose(first, second)


def test_without_scikit_learn_the_error_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "sklearn.base", None)
    monkeypatch.delitem(sys.modules, "tfar.tables.estimator")
    with pytest.raises(ImportError, match=r"pip install 'tfar\[sklearn\]'"):
        importlib.import_module("tfar.tables.estimator")
    importlib.reload(tables)  # which does without
