"""Mixtures of Gaussians and categories of rows with missing entries."""

import numpy as np
import pandas as pd
import pytest

import tfar
from tfar import tables
from tfar.tables import gaussians, incomplete
from tfar.tables.gaussians import Candidate, Mixture, Rows


@pytest.fixture(scope="module")
def mixture():
    factors = np.array([[[1.0, 0.0], [0.8, 0.5]], [[0.7, 0.0], [-0.3, 1.2]]])
    means, table = np.array([[0.0, 1.0], [2.0, -1.0]]), np.array([[0.2, 0.5, 0.3], [0.6, 0.1, 0.3]])
    return Mixture(np.array([0.3, 0.7]), means, factors, [table])


def rows(real, codes):
    return Rows(np.array(real, float), np.array(codes)[:, None], [3])


GRID = np.linspace(-12, 12, 2401)


@pytest.mark.parametrize("code", [-1, 2])
def test_the_density_of_what_is_given_is_the_marginal(mixture, code):
    codes = [0, 1, 2] if code < 0 else [code]
    every = [rows([[0.4, y] for y in GRID], np.full(len(GRID), c)) for c in codes]
    total = sum(np.exp(mixture.log_prob(each)).sum() for each in every) * (GRID[1] - GRID[0])
    found = mixture.log_prob(rows([[0.4, np.nan], [0.4, 1.0]], [code, code]))
    assert found[0] == pytest.approx(np.log(total), abs=1e-6)
    alone = rows([[0.4, 1.0]] * len(codes), codes)
    assert found[1] == pytest.approx(np.log(np.exp(mixture.log_prob(alone)).sum()), abs=1e-9)


def test_of_nothing_it_is_1(mixture):
    nothing = rows([[np.nan, np.nan]] * 2, [-1, -1])
    assert np.allclose(mixture.log_prob(nothing), 0, atol=1e-12)


def test_draws_are_those_of_the_conditional(mixture):
    lacking = rows([[0.9, np.nan]] * 40_000, [-1] * 40_000)
    drawn = incomplete.drawn(mixture, lacking, np.random.RandomState(0))
    assert np.all(drawn.real[:, 0] == 0.9)
    assert incomplete.is_complete(drawn) and not incomplete.is_complete(lacking)
    for code in range(3):
        each = np.exp(mixture.log_prob(rows([[0.9, y] for y in GRID], np.full(len(GRID), code))))
        p = each.sum() * (GRID[1] - GRID[0])
        p /= np.exp(mixture.log_prob(rows([[0.9, np.nan]], [-1])))[0]
        here = drawn.codes[:, 0] == code
        assert here.mean() == pytest.approx(p, abs=0.01)
        mean = (each * GRID).sum() / each.sum()
        std = np.sqrt((each * (GRID - mean) ** 2).sum() / each.sum())
        assert drawn.real[here, 1].mean() == pytest.approx(mean, abs=0.05)
        assert drawn.real[here, 1].std() == pytest.approx(std, abs=0.05)


def made_up(count, seed):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=count)
    word = np.where(rng.random(count) < 1 / (1 + np.exp(-3 * x)), "right", "left")
    y = 2 * x + 0.3 * rng.normal(size=count)
    return pd.DataFrame({"x": x, "y": y, "word": word})


def test_a_fit_to_rows_with_missing_entries_is_nearly_one_to_all():
    frame, test = made_up(300, 0), made_up(1000, 1)
    lacking = frame.mask(np.random.default_rng(2).random(frame.shape) < 0.25)
    whole, some, rest = (tables.fit(each, budget=20) for each in (frame, lacking, lacking.dropna()))
    assert some.family == "gaussians"
    best, found, dropped = (
        tables.log_prob(each.model, test).mean() for each in (whole, some, rest)
    )
    assert found > best - 0.06
    assert found > dropped  # 4 in 10 rows have all entries
    assert len(some.held_out) == len(lacking)
    again = tables.log_prob(some.model, lacking)
    assert np.isfinite(again).all()
    assert some.held_out.mean() == pytest.approx(again.mean(), abs=0.1)
    done = tables.complete(some.model, lacking, seed=1)
    assert np.array_equal(done[lacking.notna()].isna(), lacking.isna())
    correlations = [each["x"].corr(each["y"]) for each in (frame, done)]
    assert correlations[1] == pytest.approx(correlations[0], abs=0.02)


def test_no_draw_has_seen_the_rows_that_are_left_out(monkeypatch):
    data = made_up(50, 0)[["x", "y"]].to_numpy().copy()
    data[::2, 1] = np.nan  # in every fold
    seen, fill = [], incomplete.filled

    def filled(part, fit, seed):
        seen.append({*part.real[:, 0]})
        return fill(part, fit, seed)

    scored, score = [], Mixture.log_prob
    monkeypatch.setattr(incomplete, "filled", filled)
    monkeypatch.setattr(gaussians, "candidates", lambda *_: [[Candidate(1, 2.0)]])
    monkeypatch.setattr(
        Mixture, "log_prob", lambda self, rows: scored.append(rows) or score(self, rows)
    )
    gaussians.stacked(Rows(data, np.zeros([50, 0], int), []), 0, np.inf)
    left_out = [each for each in scored if np.isnan(each.real).any()]
    assert len(left_out) == gaussians.FOLDS and len(seen) == gaussians.FOLDS + 1
    for part, held in zip(seen, left_out):
        assert not part & {*held.real[:, 0]}
        assert len(part) + len(held) == 50


def test_a_column_that_lacks_all_entries_in_a_fold_or_a_row_all():
    frame = made_up(40, 0)[["x", "y"]]
    frame.loc[0] = np.nan
    frame.loc[3:, "y"] = np.nan
    model = tfar.fit_table(frame, kinds={"x": "real", "y": "real"}, budget=10)
    assert np.isfinite(tables.log_prob(model, frame)).all()
    assert tables.log_prob(model, frame)[0] == pytest.approx(0, abs=1e-6)
