"""Questions to table models: probabilities, guesses, intervals, odd cells, ranks, pictures."""

import functools

import numpy as np
import pandas as pd
import pytest
import scipy.stats

from tfar import anomaly, heads, tables, testing
from tfar.models import GMM, OrderlessNADE

NETWORK = {"family": "orderless", "hidden": (16,), "num_orders": 2, "verbose": 0}
MEAN, COVARIANCE = np.array([1.0, -2.0, 30.0]), np.array([[1, 0.6, 3], [0.6, 2, 4], [3, 4, 25.0]])


def categories(count=200, seed=0):
    """Three dependent columns: a side, a grade and a flag."""
    rng = np.random.default_rng(seed)
    side, grade = rng.integers(0, 2, count), rng.integers(0, 3, count)
    flag = rng.random(count) < (side + grade) / 4
    return pd.DataFrame({"side": np.array(["l", "r"])[side], "grade": grade + 3, "flag": flag})


def normals(count, seed):
    x = np.random.default_rng(seed).multivariate_normal(MEAN, COVARIANCE, count)
    return pd.DataFrame(x, columns=list("abc"))


@functools.cache
def of_categories(family):
    frame, columns = categories(), tables.describe(categories())
    if family == "orderless":
        return tables.fit_table(frame, epochs=20, **NETWORK)
    return testing.randomise(GMM([3], 4, head=heads.Table(columns, 4, family="gaussian")), seed=2)


@functools.cache
def gaussian():
    """One Gaussian with the mean and covariance above, of a table of them."""
    columns = tables.describe(normals(300, 0))
    model = GMM([3], 1, head=heads.Table(columns, 1, family="gaussian"))
    stds = np.array([column["std"] for column in columns])
    means = np.array([column["mean"] for column in columns])
    factor = np.linalg.cholesky(COVARIANCE / np.outer(stds, stds))
    network = model.network
    network.loc.assign(((MEAN - means) / stds)[:, None])
    network.log_scale.assign(np.log(np.diag(factor))[:, None])
    network.below.assign(np.tril(factor, -1)[None])
    exact = scipy.stats.multivariate_normal(MEAN, COVARIANCE).logpdf(normals(9, 1))
    np.testing.assert_allclose(tables.log_prob(model, normals(9, 1)), exact, rtol=1e-4)
    return model


@functools.cache
def mixed():
    """A network of reals with an atom, integers, times and categories, some of them missing."""
    rng = np.random.default_rng(0)
    frame = categories(300)
    frame["x"] = np.where(frame.flag, rng.gamma(2.0, size=300), 0.0)
    frame["count"] = rng.poisson(40 * frame.grade)
    frame["day"] = pd.Timestamp("2024-01-01") + pd.to_timedelta(rng.integers(0, 60, 300), unit="D")
    frame.loc[:20, "x"] = np.nan
    return frame, tables.fit_table(frame, epochs=15, **NETWORK)


@pytest.mark.parametrize("family", ["gaussians", "orderless"])
def test_probabilities_of_categories_are_those_of_the_enumerated_joint(family):
    model = of_categories(family)
    every = pd.MultiIndex.from_product([["l", "r"], [3, 4, 5], [False, True]]).to_frame(index=False)
    every.columns = ["side", "grade", "flag"]
    joint = np.exp(tables.log_prob(model, every)).reshape(2, 3, 2)
    np.testing.assert_allclose(joint.sum(), 1, rtol=1e-4)
    found = tables.predict_proba(model, every, "grade")
    assert found.columns.tolist() == [3, 4, 5] and found.columns.name == "grade"
    expected = (joint / joint.sum(axis=1, keepdims=True)).transpose(0, 2, 1)  # side, flag, grade
    own = found.to_numpy().reshape(2, 3, 2, 3)
    np.testing.assert_allclose(own, np.repeat(expected[:, None], 3, axis=1), rtol=1e-3)
    # What the column holds is not looked at; it may be absent, and the index is kept.
    asked = every.drop(columns="grade").iloc[[5, 0]]
    pd.testing.assert_frame_equal(tables.predict_proba(model, asked, "grade"), found.iloc[[5, 0]])
    odd = asked.assign(grade="none")
    pd.testing.assert_frame_equal(tables.predict_proba(model, odd, "grade"), found.iloc[[5, 0]])


def test_other_missing_entries_are_integrated_out(monkeypatch):
    model = of_categories("gaussians")
    every = pd.MultiIndex.from_product([["l", "r"], [3, 4, 5], [False, True]]).to_frame(index=False)
    every.columns = ["side", "grade", "flag"]
    joint = np.exp(tables.log_prob(model, every)).reshape(2, 3, 2).sum(axis=1)  # side, flag
    monkeypatch.setattr(tables.questions, "AT_ONCE", 1)  # a row at once
    lacking = pd.DataFrame({"flag": [False, True], "grade": [None, None]})
    found = tables.predict_proba(model, lacking, "side").to_numpy()
    np.testing.assert_allclose(found, (joint / joint.sum(axis=0)).T, rtol=1e-3)


def test_probabilities_of_rows_of_any_density():
    frame = pd.DataFrame({"side": list("lr") * 50, "x": np.linspace(0, 1, 100)})
    head = heads.Table(tables.describe(frame), 2, family="gaussian")
    model = testing.randomise(GMM([2], 2, head=head), seed=1)
    found = tables.predict_proba(model, pd.DataFrame({"x": [0.5, 300.0, np.nan]}), "side")
    np.testing.assert_allclose(found.sum(axis=1), 1)


def test_probabilities_of_integers_and_days_and_of_what_has_none():
    frame, model = mixed()
    found = tables.predict_proba(model, frame.head(3), "count")
    assert found.columns.tolist() == list(range(frame["count"].min(), frame["count"].max() + 1))
    np.testing.assert_allclose(found.sum(axis=1), 1)
    days = tables.predict_proba(model, frame.head(3), "day")
    assert days.columns[0] == frame.day.min() and days.columns[-1] == frame.day.max()
    ratio = tables.log_prob(model, frame.head(3)) - tables.log_prob(
        model, frame.head(3).assign(day=days.columns[5])
    )
    own = np.log([days.loc[i, frame.day[i]] / days.loc[i, days.columns[5]] for i in range(3)])
    np.testing.assert_allclose(own, ratio, atol=1e-3)
    with pytest.raises(ValueError, match=r"'x' is real: .* a density and no .*tables\.quantiles"):
        tables.predict_proba(model, frame, "x")
    with pytest.raises(ValueError, match="no column 'y', only"):
        tables.predict_proba(model, frame, "y")
    wide = frame.assign(count=np.arange(300) ** 2)
    many = OrderlessNADE([6], (4,), head=heads.Table(tables.describe(wide)))
    with pytest.raises(ValueError, match="at most 1,000 values, and 'count' has 89,402"):
        tables.predict_proba(many, wide, "count")


def conditional(x, given, asked):
    """``(mean, variance)`` of a column given others, by the formulas of a Gaussian."""
    gain = COVARIANCE[asked, given] @ np.linalg.inv(COVARIANCE[np.ix_(given, given)])
    mean = MEAN[asked] + (x[:, given] - MEAN[given]) @ gain
    return mean, COVARIANCE[asked, asked] - gain @ COVARIANCE[given, asked]


def test_guesses_are_conditional_means():
    frame = normals(20, 3)
    frame.index = pd.Index(range(100, 120), name="id")
    lacking = frame.copy()
    lacking.loc[:109, "c"], lacking.loc[110:, ["a", "c"]] = np.nan, np.nan
    found = tables.impute(gaussian(), lacking, draws=2000, seed=1)
    assert found.index.equals(frame.index) and found.dtypes.tolist() == [float] * 3
    pd.testing.assert_series_equal(found.b, frame.b)
    pd.testing.assert_series_equal(found.a[:10], frame.a[:10])
    x = frame.to_numpy()
    for rows, given in ((slice(0, 10), [0, 1]), (slice(10, 20), [1])):
        mean, variance = conditional(x[rows], given, 2)
        error = 4 * np.sqrt(variance / 2000)
        np.testing.assert_allclose(found.c.to_numpy()[rows], mean, atol=error)
    assert tables.impute(gaussian(), lacking, draws=3, seed=5).equals(
        tables.impute(gaussian(), lacking, draws=3, seed=5)
    )


def test_guesses_of_all_kinds(monkeypatch):
    frame, model = mixed()
    lacking = frame.head(6).copy()
    for i, name in enumerate(frame.columns):
        lacking[name] = lacking[name].where(np.arange(6) != i)
    found = tables.impute(model, lacking, draws=64, seed=2)
    drawn = tables.draws(model, lacking, 64, seed=2)
    assert not found.isna().any().any() and found.day.dtype == frame.day.dtype
    assert found["count"].dtype == float and found["count"][4] % 1  # a mean of integers
    assert {*found.side} <= {"l", "r"} and {*found.grade} <= {3, 4, 5}
    for name in frame.columns:
        known = lacking[name].notna()
        assert (found[name][known] == lacking[name][known]).all()
    p = tables.predict_proba(model, lacking.iloc[[0]], "side").iloc[0]
    assert abs((drawn.side.xs(0, level=1) == "l").mean() - p["l"]) < 0.3
    # In smaller parts other numbers are drawn, and each row still gets its own.
    monkeypatch.setattr(tables.imputation, "AT_ONCE", 1)
    again = tables.impute(model, lacking, draws=64, seed=2)
    assert abs(again["count"][4] - found["count"][4]) < 4 * drawn["count"].xs(4, level=1).std() / 8


def test_the_most_frequent_category_and_of_several_the_first():
    column = {"name": "a", "categories": ["x", "y", "z"]}
    codes = np.float32([[2, 2, 0, 1], [2, 1, 1, 2], [0, 0, 0, 0]])
    assert tables.imputation._guess(column, codes).tolist() == [2, 1, 0]


def test_draws_are_completions_one_below_the_other():
    lacking = normals(4, 3)
    lacking.loc[2, "c"] = np.nan
    found = tables.draws(gaussian(), lacking, 500, seed=1)
    assert found.index.names == ["draw", None] and len(found) == 2000
    assert found.index.tolist() == [(draw, row) for draw in range(500) for row in range(4)]
    pd.testing.assert_frame_equal(found.loc[7].drop(2), lacking.drop(2))
    c = found.c.xs(2, level=1)
    mean, variance = conditional(lacking.to_numpy(), [0, 1], 2)
    assert c.nunique() == 500
    assert abs(c.mean() - mean[2]) < 4 * np.sqrt(variance / 500)
    assert abs(c.std() / np.sqrt(variance) - 1) < 0.15


def test_intervals_of_few_draws_cover_as_often_as_they_say():
    frame = normals(3000, 4)
    found = tables.quantiles(gaussian(), frame.assign(c=np.nan), [0.1, 0.9], draws=19, seed=1)
    inside = (found.loc[0.1].c <= frame.c) & (frame.c <= found.loc[0.9].c)
    assert abs(inside.mean() - 0.8) < 4 * np.sqrt(0.8 * 0.2 / 3000)  # numpy's default: 0.72
    pd.testing.assert_frame_equal(found.loc[0.1][["a", "b"]], frame[["a", "b"]])


def test_quantiles_of_times_and_integers():
    frame, model = mixed()
    lacking = frame.head(5).assign(day=pd.NaT, count=np.nan)
    found = tables.quantiles(model, lacking, [0.2, 0.5, 0.8], seed=1)
    assert found.columns.tolist() == ["x", "count", "day"] and found.index.names[0] == "quantile"
    for name in ("count", "day"):
        assert (found.loc[0.2][name] <= found.loc[0.5][name]).all()
        assert (found.loc[0.5][name] < found.loc[0.8][name]).all()
    assert found.day.between(frame.day.min(), frame.day.max()).all()
    assert (found.day == found.day.dt.normalize()).all()


@pytest.mark.parametrize("q, message", [(0.0, "q to be"), ([0.5, 1.5], "q to be"), (0.01, "99")])
def test_quantiles_that_are_refused(q, message):
    with pytest.raises(ValueError, match=message):
        tables.quantiles(gaussian(), normals(2, 0), q, draws=50)


def test_what_needs_a_table_model():
    frame = normals(2, 0)
    for ask in (tables.impute, tables.surprise, tables.calibration):
        with pytest.raises(ValueError, match="Expected a model of a table"):
            ask(OrderlessNADE([3]), frame)
        with pytest.raises(ValueError, match=r"missing: \['c'\]"):
            ask(gaussian(), frame[["a", "b"]])
    with pytest.raises(ValueError, match=r"tables\.predict_proba"):
        tables.quantiles(of_categories("gaussians"), categories(3), 0.5)
    with pytest.raises(ValueError, match="draws to be an integer of at least 1"):
        tables.impute(gaussian(), frame, draws=0)


def test_surprise_is_in_the_units_of_the_data_and_passes_over_what_is_missing():
    frame = normals(12, 5)
    frame.loc[4:, "a"] = np.nan
    frame.loc[8:, "b"] = np.nan
    found = tables.surprise(gaussian(), frame)
    assert found.isna().equals(frame.isna())
    x = frame.to_numpy()
    for rows, given in ((slice(0, 4), [0, 1]), (slice(4, 8), [1]), (slice(8, 12), [])):
        mean, variance = conditional(x[rows], given, 2)
        exact = -scipy.stats.norm(mean, np.sqrt(variance)).logpdf(x[rows, 2])
        np.testing.assert_allclose(found.c.to_numpy()[rows], exact, rtol=1e-3, atol=1e-3)


def test_a_missing_cell_has_no_surprise_and_is_no_other():
    frame, model = mixed()
    x = tables.to_array(model.head.columns, frame)[[0, 5, 30]]
    found = anomaly.cells(model, x)
    assert np.isfinite(found).all() and (found[:2, 3] == 0).all() and found[2, 3] != 0
    shown = tables.surprise(model, frame.iloc[[0, 5, 30]])
    assert shown.x.isna().tolist() == [True, True, False] and shown.index.tolist() == [0, 5, 30]


def test_ranks_are_uniform_on_own_draws_only():
    own = tables.sample(gaussian(), 400, seed=3)
    found = tables.calibration(gaussian(), own, seed=1)
    assert (found.columns.p_value > 0.01).all() and (found.columns["count"] == 400).all()
    assert (abs(found.columns.within_80 - 0.8) < 0.08).all()
    shifted = tables.calibration(gaussian(), own.assign(b=own.b + 0.5), seed=1).columns
    assert shifted.p_value["b"] < 1e-4 and shifted["mean"]["b"] > 0.55
    lacking = own.head(50).assign(c=np.nan)
    few = tables.calibration(gaussian(), lacking, seed=1)
    assert few.ranks.c.isna().all() and few.columns["count"].tolist() == [50, 50, 0]


def test_ranks_are_uniform_for_masses_atoms_and_times():
    """Of conditionals: entry by entry drawn from the model, which a network's draws are not."""
    frame, model = mixed()
    rows = tables.complete(model, frame.tail(200), seed=7)
    for name in ("count", "x", "day", "side"):
        own = tables.complete(model, rows.assign(**{name: None}), seed=8)
        found = tables.calibration(model, own, draws=9, seed=1).columns.loc[name]
        assert found.p_value > 0.01 and abs(found["mean"] - 0.5) < 0.08


def test_figures_of_ranks_are_those_of_scipy():
    for u in (np.random.default_rng(0).random(30), np.random.default_rng(1).random(200) ** 1.3):
        found, exact = tables.ranks._figures(u), scipy.stats.kstest(u, "uniform")
        np.testing.assert_allclose(found["statistic"], exact.statistic, rtol=1e-12)
        np.testing.assert_allclose(found["p_value"], exact.pvalue, rtol=0.05)


def test_a_picture_of_pairs(tmp_path):
    frame = normals(50, 0).assign(side="l", flag=True, const=3.0)
    drawn = tables.sample(gaussian(), 80, seed=1).assign(const=3.0)
    figure = tables.pairs(frame, drawn, tmp_path / "pairs.png")
    assert (tmp_path / "pairs.png").read_bytes()[:4] == b"\x89PNG"
    assert len(figure.axes) == 16  # of four columns
    below, above = figure.axes[4].collections[0], figure.axes[1].collections[0]
    np.testing.assert_allclose(below.get_offsets(), frame[["a", "b"]])
    np.testing.assert_allclose(above.get_offsets(), drawn[["b", "a"]])
    few = tables.pairs(frame, drawn, tmp_path / "pairs.svg", columns=["c", "a"])
    assert len(few.axes) == 4 and few.axes[2].get_xlabel() == "c"
    for columns in (["side"], ["none"], "ab", []):
        with pytest.raises(ValueError, match="Expected columns"):
            tables.pairs(frame, drawn, columns=columns)
