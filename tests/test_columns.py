"""Columns as they are: kinds, codes and their units, masses and densities, missing entries."""

import datetime
import decimal
import json

import numpy as np
import pandas as pd
import pytest
import scipy.stats
import tensorflow as tf
from scipy.special import logsumexp

from tfar import heads, tables, testing
from tfar.models import GMM, OrderlessNADE
from tfar.tables import codec, gaussians, numeric

RNG = np.random.default_rng(0)
N = 300
AMOUNTS = np.where(RNG.random(N) < 0.3, 0.0, np.exp(RNG.normal(size=N)))
EVERYTHING = pd.DataFrame(
    {
        "id": np.arange(N) + 123_456_789,
        "name": [f"person {i}" for i in range(N)],
        "flag": RNG.random(N) < 0.3,
        "size": pd.Categorical(RNG.choice(["s", "m", "l"], N), ["s", "m", "l"], ordered=True),
        "few": RNG.integers(0, 4, N),
        "count": RNG.poisson(30, N),
        "far": 10**9 + RNG.integers(0, 10**9, N),
        "x": RNG.normal(size=N),
        "amount": AMOUNTS,
        "price": np.exp(3 * RNG.normal(size=N)),
        "when": pd.Timestamp("2026-01-01") + pd.to_timedelta(RNG.integers(0, 400, N), unit="D"),
        "stamp": pd.Timestamp("2026-01-01", tz="UTC") + pd.to_timedelta(RNG.random(N), unit="h"),
        "took": pd.to_timedelta(RNG.integers(1, 9999, N), unit="s"),
        "day": pd.Series(pd.date_range("2020-02-02", periods=N)).dt.strftime("%Y-%m-%d"),
        "same": np.full(N, 0.1),
        "word": ["only"] * N,
        "empty": [None] * N,
    }
)
KINDS = {
    **{"id": "left out", "name": "left out", "flag": "categorical", "size": "categorical"},
    **{"few": "categorical", "count": "integer", "far": "integer", "x": "real"},
    **{"amount": "real", "price": "real", "when": "time", "stamp": "time", "took": "time"},
    **{"day": "time", "same": "real", "word": "categorical", "empty": "left out"},
}


def test_kinds_of_all_sorts():
    assert tables.kinds(EVERYTHING) == KINDS
    shown = tables.table(EVERYTHING, tables.describe(EVERYTHING))
    lines = "id      left out: no two", "price   real (log)", "day     time in steps of 1 day"
    for line in lines:
        assert line in shown
    assert "1 of its values with a mass" in shown


def test_codes_and_back():
    """Every entry comes back as it was, in its dtype, and the description is JSON."""
    columns = json.loads(json.dumps(tables.describe(EVERYTHING)))
    x = tables.to_array(columns, EVERYTHING.drop(columns=["id", "name", "empty"]))
    again = tables.to_frame(columns, x)
    for column in columns:
        name = column["name"]
        if column["kind"] == "real":
            np.testing.assert_allclose(again[name], EVERYTHING[name], rtol=1e-5, atol=1e-6)
        elif name == "stamp":  # nanoseconds of an hour have more digits than a code
            assert (again[name] - EVERYTHING[name]).abs().max() < pd.Timedelta("1ms")
        elif name == "far":
            assert (again[name] - EVERYTHING[name]).abs().max() <= 200
        else:
            assert (again[name] == EVERYTHING[name]).all(), name
        assert again[name].dtype == EVERYTHING[name].dtype or name == "day", name


def test_missing_entries_are_missing_codes():
    frame = EVERYTHING.mask(np.random.default_rng(1).random(EVERYTHING.shape) < 0.2)
    columns = tables.describe(EVERYTHING)
    columns[0]["left_out"] = ["id", "name", "empty"]
    x = tables.to_array(columns, frame)
    missing = frame[[column["name"] for column in columns]].isna()
    assert np.array_equal(np.isnan(x), missing)
    assert np.array_equal(tables.to_frame(columns, x).isna(), missing)


def test_an_offset_costs_no_precision():
    """The density of numbers far from 0 is that of the same numbers near 0."""
    x, nats = np.random.default_rng(3).normal(size=400), []
    for offset in (0.0, 1e8):
        frame = pd.DataFrame({"x": x + offset, "y": x**2})
        nats.append(tables.log_prob(tables.fit_table(frame), frame).mean())
    np.testing.assert_allclose(nats[1:], nats[0], atol=0.05)


@pytest.mark.parametrize("transform", ["linear", "log", "asinh"])
def test_units_are_the_derivative_of_codes(transform):
    column = {"transform": transform, "centre": 2.0, "scale": 0.5, "mean": 0.3, "std": 1.7}
    x, step = np.array([0.5, 2.0, 30.0]), 1e-6
    high, low = (numeric._codes(column, x + s) for s in (step, -step))
    expected = np.log((high - low) / (2 * step))
    codes = numeric._codes(column, x)
    np.testing.assert_allclose(numeric.log_units(column, codes), expected, atol=1e-5)
    np.testing.assert_allclose(numeric.decode(column, codes), x, rtol=1e-9)


def test_long_tails_are_transformed_and_others_are_not():
    rng = np.random.default_rng(0)
    normal, long = rng.normal(size=1000), np.exp(2 * rng.normal(size=1000))
    for plain in (normal, rng.random(1000)):
        assert numeric.real(plain)["transform"] == "linear"
    assert numeric.real(long)["transform"] == "log"
    assert numeric.real(rng.standard_cauchy(1000))["transform"] == "asinh"
    one_absurd = np.append(normal, 1e9)
    codes = numeric.encode(numeric.real(one_absurd), one_absurd)
    assert codes[:-1].std() > 0.5 and np.abs(codes).max() < 40


def test_what_was_positive_and_is_not_is_as_good_as_impossible():
    x = np.exp(2 * np.random.default_rng(0).normal(size=300))
    model = tables.fit_table(pd.DataFrame({"x": x}))
    assert model.head.columns[0]["transform"] == "log"
    nats = tables.log_prob(model, pd.DataFrame({"x": [1.0, 0.0, -5.0]}))
    assert np.isfinite(nats).all() and (nats[1:] < nats[0] - 100).all()
    assert (tables.sample(model, 500, seed=1).x > 0).all()


def test_integers_out_of_the_range_are_named():
    columns = tables.describe(EVERYTHING[["count"]])
    with pytest.raises(ValueError, match=r"integers from \d+ to \d+ .*, got 999 in row 0"):
        tables.to_array(columns, pd.DataFrame({"count": [999]}))
    with pytest.raises(ValueError, match=r"integers from .* got 30.5 in row 0"):
        tables.to_array(columns, pd.DataFrame({"count": [30.5]}))


def test_atoms_are_values_that_stand_out():
    rng = np.random.default_rng(0)
    x = rng.normal(size=600)
    assert numeric.real(np.append(x, [999_999.0] * 6))["frequent"] == [999_999.0]
    assert numeric.real(np.where(rng.random(600) < 0.3, 0.0, x))["frequent"] == [0.0]
    assert "frequent" not in numeric.real(np.round(x, 1)) and "frequent" not in numeric.real(x)
    assert "frequent" not in numeric.real(np.where(x > 0, 0.044, -0.051))  # two values, half each
    assert numeric.real(np.full(9, 0.1))["frequent"] == [0.1]


def test_values_far_from_all_others_have_masses_however_often_the_others_repeat():
    """Planted: with 999 in the range of a mixture, most levels are of values that do not occur."""
    rng = np.random.default_rng(0)
    age = np.where(rng.random(2000) < 0.01, 999, rng.integers(18, 80, 2000))
    columns, x = _there_and_back(pd.Series(age))
    assert columns[0]["frequent"] == [999] and columns[0]["levels"] == 63 and x.max() == 62
    head = heads.Table(columns, 3).heads[0]
    assert head.digits == (63,)
    params = tf.constant(head.marginal(x), tf.float32)
    masses = np.exp(head.log_prob(params, tf.range(63.0))).astype(np.float64)
    assert masses.sum() == pytest.approx(1, abs=1e-5) and 0.005 < masses[62] < 0.02
    uniforms = tf.constant(rng.uniform(size=[2000, head.num_uniforms]), tf.float32)
    codes = head.draw(tf.tile(params, [2000, 1]), uniforms).numpy()
    drawn = tables.to_frame(columns, np.float32(codes[:, None]))["x"]
    assert drawn.dtype == age.dtype and 8 < (drawn == 999).sum() < 40
    assert drawn[drawn != 999].between(18, 79).all()
    with pytest.raises(ValueError, match=r"integers from 18 to 79, or 999 in .* got 500 in row 1"):
        tables.to_array(columns, pd.DataFrame({"x": [20, 500]}))


def test_codes_of_missing_values_that_are_near_each_other_or_very_far():
    rng = np.random.default_rng(0)
    age, kind = rng.integers(18, 80, 2000), rng.integers(0, 100, 2000)
    several = np.where(kind < 3, 997 + kind, age)
    assert numeric.whole(several)["frequent"] == [997, 998, 999]
    lowest = numeric.whole(np.where(kind < 2, -(2**31), age))  # too far for masses between
    assert lowest["frequent"] == [-(2**31)] and lowest["levels"] == 63
    zeros = np.where(kind < 30, 0, rng.poisson(30, 2000))
    found = numeric.whole(zeros)
    assert found["frequent"] == [0] and found["levels"] == found["span"] == zeros.max() + 1
    assert "frequent" not in numeric.whole(age) and "frequent" not in numeric.whole(age**2)


def test_real_codes_of_missing_values_that_float32_does_not_hold():
    x = np.append(np.random.default_rng(0).normal(size=600), [1e300] * 6)
    columns = tables.describe(pd.DataFrame({"x": x}))
    model = OrderlessNADE([1], (4,), head=heads.Table(columns, 2))
    assert np.isfinite(tables.log_prob(model, pd.DataFrame({"x": x}))).all()
    codes = tables.to_array(columns, pd.DataFrame({"x": x}))
    again = tables.to_frame(columns, codes)["x"]
    assert (again[600:] == 1e300).all() and again[:600].abs().max() < 10
    assert np.isfinite(numeric.real(np.append(x[:600], 1e300))["std"])


@pytest.mark.parametrize(
    "values",
    [
        np.array([1_700_000_000_000_000_000 + 11 * i for i in range(378)], np.int64),
        np.array([2**64 - 1 - 7 * i for i in range(378)], np.uint64),
        pd.array([2**63 - 1 - 3 * i for i in range(378)] + [None], "Int64"),
        np.array([-(2**63) + 5 * i for i in range(378)], np.int64),
    ],
    ids=["ns", "uint64", "nullable", "negative"],
)
def test_integers_that_float64_does_not_hold(values):
    _, x = _there_and_back(pd.Series(values))
    assert len(np.unique(x[~np.isnan(x)])) == 378


def test_large_integers_of_a_large_range():
    """They are rounded, but relative to the lowest, and stay within their dtype."""
    values = 2**64 - 1 - np.arange(0, 10**11, 10**8, dtype=np.uint64)[::-1]
    frame = pd.DataFrame({"x": values})
    columns = json.loads(json.dumps(tables.describe(frame)))
    again = tables.to_frame(columns, tables.to_array(columns, frame))["x"]
    assert again.dtype == np.uint64
    assert max(abs(int(a) - int(b)) for a, b in zip(again, values)) < 10**5
    beyond = tables.to_frame(columns, np.float32([[9.0], [0.0]]))["x"]
    assert beyond[0] == 2**64 - 1 and beyond[1] > 2**64 - 10**11
    small = pd.DataFrame({"x": np.arange(2000, dtype=np.uint32) ** 2 * 1000})
    columns = tables.describe(small)
    assert tables.to_frame(columns, np.float32([[-50.0]]))["x"].tolist() == [0]


# Times, periods, decimal numbers ------------------------------------------------------------------


def _there_and_back(values):
    """``(columns, codes)`` of one column "x", which must come back as it is."""
    frame = pd.DataFrame({"x": values})
    columns = json.loads(json.dumps(tables.describe(frame)))
    x = tables.to_array(columns, frame)
    again = tables.to_frame(columns, x)["x"]
    assert again.isna().equals(frame["x"].isna())
    there = frame["x"].notna()
    for given, found in zip(frame["x"][there], again[there]):
        assert given == found and type(given) is type(found)
    return columns, x


DAYS = [datetime.date(2020, 1, 1) + datetime.timedelta(days=i) for i in range(40)]
END = datetime.date(9999, 12, 31)


@pytest.mark.parametrize("first", [datetime.date(1, 1, 1), END])
def test_dates_of_all_years(first):
    """Planted: nanoseconds since 1970 wrap outside of 1677 to 2262."""
    days = [*DAYS, *[first] * 6]
    for values in (
        pd.Series(days, dtype=object),
        pd.Series([day.isoformat() for day in days]),
        pd.Series(np.array(days, "datetime64[us]")),
        pd.Series(np.array(days, "datetime64[s]")),
        pd.Series(np.array(days, "datetime64[s]")).dt.tz_localize("UTC"),
        pd.Series([*days, None], dtype=object),
    ):
        columns, x = _there_and_back(values)
        assert columns[0]["step"] == "1 day" and len(columns[0]["frequent"]) == 1
        assert columns[0]["levels"] == 41 and np.nanmax(x) == 40
    hours = pd.Series([*(f"{day} 10:00:00" for day in DAYS), *[f"{first} 11:00:00"] * 6])
    assert _there_and_back(hours)[0][0]["step"] == "1 hour"


def test_draws_of_dates_stay_within_the_years_that_there_are():
    times = pd.Series([f"{day} 10:00:00.123" for day in DAYS] + ["9999-12-31 23:59:59.999"])
    columns = tables.describe(pd.DataFrame({"x": times}))
    assert "rounded" in columns[0]
    drawn = tables.to_frame(columns, np.float32([[-9.0], [9.0], [1e30]]))["x"]
    assert drawn[0].startswith("0001") and drawn[1].startswith("9999")
    nanoseconds = pd.DataFrame({"x": pd.to_datetime(RNG.integers(0, 2**60, 40))})
    drawn = tables.to_frame(tables.describe(nanoseconds), np.float32([[-1e30], [1e30]]))["x"]
    assert drawn.dtype == "datetime64[ns]" and [t.year for t in drawn] == [1677, 2262]


def test_nanoseconds_keep_their_resolution():
    times = pd.Series(pd.to_datetime(1_700_000_000_000_000_000 + RNG.integers(0, 4000, 300)))
    columns, x = _there_and_back(times.astype("datetime64[ns]"))
    assert columns[0]["step"] == "1 nanosecond" and len(np.unique(x)) == times.nunique()


def test_texts_and_dates_that_are_none_are_named():
    days = [day.isoformat() for day in DAYS]
    frame = pd.DataFrame({"x": [*days, "0000-00-00", "0000-00-00"]})
    message = r"The column 'x' holds dates, and '0000-00-00' in row 40, .* \(2 such rows\): if it "
    with pytest.raises(ValueError, match=message + r"stands for .* pass missing=\['0000-00-00'\]"):
        tables.describe(frame)
    columns = tables.describe(frame[:40])
    with pytest.raises(ValueError, match=message):
        tables.to_array(columns, frame)
    far = pd.DataFrame({"x": np.array(["20000-01-01", "2020-01-01"], "datetime64[s]")})
    with pytest.raises(ValueError, match=r"years 1 to 9999 in the column 'x', got 20000-01-01"):
        tables.describe(far)
    mixed = pd.DataFrame({"x": [DAYS[0], datetime.timedelta(days=1)]}, dtype=object)
    with pytest.raises(ValueError, match=r"The times in the column 'x' are not alike"):
        tables.describe(mixed)


def test_times_between_two_steps_are_named():
    """Planted: hours of a column of days are cut off."""
    days = pd.DataFrame({"x": pd.to_datetime(pd.Series(DAYS))})
    columns = tables.describe(days)
    days.loc[3, "x"] += pd.Timedelta("5h")
    message = r"steps of 1 day, in the column 'x', got .*2020-01-04 05:00:00.* in row 3 \(1 such"
    with pytest.raises(ValueError, match=message):
        tables.to_array(columns, days)
    with pytest.warns(UserWarning, match=message):  # the other rows are scored
        codes = tables.to_array(columns, days, outside=True)[:, 0]
    assert codes[3] == -1 and np.array_equal(np.delete(codes, 3), [0, 1, 2, *range(4, len(days))])
    with pytest.raises(ValueError, match="Expected a time in the column 'x', got "):
        tables.to_array(columns, pd.DataFrame({"x": [pd.Timedelta("1D")]}))


@pytest.mark.parametrize(
    "values",
    [
        DAYS,
        [datetime.datetime(2020, 1, 1, hour) for hour in range(24)],
        [datetime.timedelta(hours=hour) for hour in range(24)],
        [decimal.Decimal(cents) / 100 for cents in range(1, 130, 3)],
        [decimal.Decimal(n * n) for n in range(50)],
        list(pd.period_range("2020-01", periods=40, freq="M")),
    ],
    ids=lambda values: type(values[0]).__name__,
)
def test_objects_come_back_and_are_completed_in_their_type(values):
    entries = [*values, None]
    columns, _ = _there_and_back(pd.Series(entries, dtype=object))
    model = OrderlessNADE([1], (4,), head=heads.Table(columns, 2))
    frame = pd.DataFrame({"x": pd.Series(entries, dtype=object)})
    completed = tables.complete(model, frame, seed=1)["x"]
    assert {type(entry) for entry in completed} == {type(values[0])}
    assert completed[:-1].tolist() == values


def test_periods_are_times_and_decimals_are_numbers():
    months = pd.Series(pd.period_range("2020-01", periods=80, freq="M"))
    columns, x = _there_and_back(months)
    assert columns[0]["kind"] == "time" and x[:, 0].tolist() == list(range(80))
    assert "time in steps of 1 M, 2020-01 to 2026-08" in tables.table(months.to_frame("x"), columns)
    assert _there_and_back(pd.Series(pd.period_range("2020-01-05", periods=9, freq="W")))
    with pytest.raises(ValueError, match="Expected periods of M in 'x', got D"):
        tables.to_array(columns, pd.DataFrame({"x": pd.period_range("2020", periods=3, freq="D")}))
    cents = [decimal.Decimal(n * n) / 100 for n in range(80)]
    money = pd.DataFrame({"x": cents, "id": [decimal.Decimal(n) for n in range(80)]})
    assert tables.kinds(money) == {"x": "real", "id": "left out"}
    (column,) = tables.describe(money)
    assert column["decimals"] == 2
    drawn = tables.to_frame([column], np.float32([[0.12345]]))["x"][0]
    assert isinstance(drawn, decimal.Decimal) and drawn.as_tuple().exponent == -2
    with pytest.raises(ValueError, match=r"real numbers in the column 'x', got Decimal\('Inf"):
        tables.describe(pd.DataFrame({"x": [*cents, decimal.Decimal("Infinity")]}))


def test_reals_are_drawn_with_the_decimals_of_the_column():
    rng = np.random.default_rng(0)
    normal = 70 + 9 * rng.normal(size=300)
    price = np.exp(2 * rng.normal(size=300)).round(2) + 0.01
    single = np.round(normal, 1).astype(np.float32)
    frame = pd.DataFrame({"a": normal.round(1), "b": price.round(2), "c": single, "d": normal})
    columns = tables.describe(frame)
    assert [column.get("decimals") for column in columns] == [1, 2, 1, None]
    assert columns[1]["transform"] == "log"
    x = np.float32(rng.normal(size=[400, 4]))
    x[0] = -9.0
    drawn = tables.to_frame(columns, x)
    assert (drawn["a"] == drawn["a"].round(1)).all() and (drawn["b"] == drawn["b"].round(2)).all()
    assert drawn["b"].min() == 0.01  # as all were positive
    assert drawn["c"].dtype == np.float32 and (drawn["c"] == drawn["c"].round(1)).all()
    assert (drawn["d"] != drawn["d"].round(6)).all()
    pd.testing.assert_frame_equal(
        tables.to_frame(columns, tables.to_array(columns, frame)).drop(columns="d"),
        frame.drop(columns="d"),
    )
    plain = [{k: v for k, v in one.items() if k != "decimals"} for one in columns]
    np.testing.assert_array_equal(codec.log_units(columns, x), codec.log_units(plain, x))


def test_columns_of_older_versions():
    """Which lack "span", "origin", "decimals" and "object"."""
    held = {"time": "time", "zone": None, "text": False, "step": "1 day", "dtype": "object"}
    numbers = {"mean": 10.0, "std": 5.0}
    columns = [
        {"name": "a", "kind": "integer", "dtype": "int64", "low": 5, "levels": 30, **numbers},
        {"name": "b", "kind": "time", "low": 18262, "levels": 40, **held, **numbers},
        {"name": "c", "kind": "integer", "dtype": "int64", "rounded": True, **numbers},
        {"name": "d", "kind": "real", "dtype": "float64", "frequent": [0.0], "atoms": [-2.0]},
    ]
    columns[3].update(numbers)
    frame = pd.DataFrame({"a": [5, 34], "b": DAYS[:2], "c": [10, 20], "d": [0.0, 12.5]})
    x = tables.to_array(columns, frame)
    assert x.tolist() == [[0, 0, 0, -2], [29, 1, 2, 0.5]]
    again = tables.to_frame(columns, x)
    assert again["b"].tolist() == [pd.Timestamp(day) for day in DAYS[:2]]
    pd.testing.assert_frame_equal(again.drop(columns="b"), frame.drop(columns="b"))
    model = OrderlessNADE([4], (4,), head=heads.Table(columns, 2))
    assert np.isfinite(tables.log_prob(model, frame)).all()


# Heads --------------------------------------------------------------------------------------------


def integers(x, params, levels=5, mean=1.5, std=0.8):
    """Differences of distribution functions, the first and the last reaching to infinity."""
    logits, loc, log_scale = np.split(params, 3, axis=1)
    places = scipy.stats.norm.ppf((np.arange(2) + 0.5) / 2)
    loc, scale = mean + std * (loc + places), std * np.exp(log_scale)
    low = np.where(x == 0, -np.inf, x - 0.5)[:, None]
    high = np.where(x == levels - 1, np.inf, x + 0.5)[:, None]
    low, high = (low - loc) / scale, (high - loc) / scale
    mirrored = low > 0  # where differences of the distribution function would be of ones
    low, high = np.where(mirrored, -high, low), np.where(mirrored, -low, high)
    log_cdf = scipy.stats.logistic.logcdf
    with np.errstate(divide="ignore", invalid="ignore"):
        mass = log_cdf(high) + np.log(-np.expm1(log_cdf(low) - log_cdf(high)))
    return logsumexp(mass + logits - logsumexp(logits, axis=1, keepdims=True), axis=1)


def test_integers():
    def tempered(params, t):
        logits, loc, log_scale = np.split(params, 3, axis=1)
        return np.concatenate([logits / t, loc, np.clip(log_scale, -7, 7) + np.log(t)], axis=1)

    head = heads.Integers(2, 5, mean=1.5, std=0.8)
    testing.verify_head(head, integers, tempered=tempered)
    with pytest.raises(ValueError, match="levels"):
        heads.Integers(2, 2**25)


@pytest.mark.parametrize("atoms", [[5, 6], [2], [0, 3, 7]], ids=["beyond", "within", "both"])
def test_atoms_of_integers(atoms):
    """Sum over a of pi_a [x = a], and pi_0 times the masses of the integers from 0 to L - 1."""
    count = len(atoms) + 1

    def reference(x, params):
        logits = params[:, :count] - logsumexp(params[:, :count], axis=1, keepdims=True)
        others = np.where(x < 5, integers(np.minimum(x, 4), params[:, count:]), -np.inf)
        at = np.where(x[:, None] == atoms, logits[:, 1:], -np.inf)
        return logsumexp(np.column_stack([logits[:, 0] + others, at]), axis=1)

    def tempered(params, t):
        logits, mixed, loc, log_scale = np.split(params, [count, count + 2, count + 4], axis=1)
        log_scale = np.clip(log_scale, -7, 7) + np.log(t)
        return np.concatenate([logits / t, mixed / t, loc, log_scale], axis=1)

    head = heads.Atoms(heads.Integers(2, 5, mean=1.5, std=0.8), atoms)
    testing.verify_head(head, reference, tempered=tempered)
    params = tf.constant(np.random.RandomState(0).normal(size=[7, head.num_params]), tf.float32)
    with tf.GradientTape() as tape:
        tape.watch(params)
        log_p = head.log_prob(params, [0, 5, 7, 8, 2, 99, -3])
    assert not np.isnan(log_p).any() and np.isfinite(tape.gradient(log_p, params)).all()
    x = np.float32([[atoms[0]], [atoms[0]], [1]])
    assert np.isfinite(head.marginal(x)).all() and head.marginal(x).shape == (1, head.num_params)


def test_atoms_of_integers_that_are_refused():
    others = heads.Integers(2, 5)
    for wrong in (0.5, -1, 2**25):
        with pytest.raises(ValueError, match=r"Expected atoms from 0 to 16777216, integers"):
            heads.Atoms(others, [wrong])
    large = heads.Atoms(heads.Integers(2, 2**20), [2**20])
    assert large.digits is None and bool(large.in_support(tf.constant(2**20)))
    assert not bool(large.in_support(tf.constant(2**20 + 1)))


def test_atoms_and_densities_sum_to_1():
    head = heads.Atoms(heads.GaussianMixture(2, std=2.0), [0.0, 3.0])
    params = tf.constant(np.random.RandomState(0).normal(size=[4, head.num_params]), tf.float32)
    p = head.distribution(params)
    grid = np.linspace(-60, 60, 120_001, dtype=np.float32)[:, None]
    density = np.exp(p.log_prob(np.where(np.isin(grid, [0, 3]), grid + 1e-4, grid)))
    masses = np.exp(p.log_prob(np.float32([[0.0], [3.0]])))
    np.testing.assert_allclose(density.sum(axis=0) * 1e-3 + masses.sum(axis=0), 1, atol=2e-3)
    uniforms = tf.constant(np.random.RandomState(1).random_sample([4000, 4, 3]), tf.float32)
    drawn = head.draw(tf.broadcast_to(params, [4000, *params.shape]), uniforms).numpy()
    for atom, mass in zip((0.0, 3.0), masses):
        error = 5 * np.sqrt(mass * (1 - mass) / 4000)
        assert (np.abs((drawn == atom).mean(axis=0) - mass) < error).all()
    sampled = p.sample(4000, seed=1).numpy()
    assert np.abs((sampled == 3.0).mean(axis=0) - masses[1]).max() < 0.05
    marginal = head.marginal(np.float32([[0.0], [0.0], [3.0], [1.0]]))
    np.testing.assert_allclose(marginal[0, :3], np.log([2, 3, 2]), rtol=1e-6)
    code = head.encode(tf.constant([0.0, 3.0, 1.0])).numpy()
    assert code.tolist() == [[1, 0, 0], [0, 1, 0], [0, 0, 0.5]]
    with pytest.raises(ValueError, match="differ in float32"):
        heads.Atoms(heads.GaussianMixture(1), [1.0, 1.0 + 1e-12])


# Models of tables with missing entries ------------------------------------------------------------

MIXED = [
    {"name": "a", "mean": 0.0, "std": 2.0},
    {"name": "b", "categories": ["u", "v", "w"]},
    {"name": "c", "mean": 1.0, "std": 1.0},
    {"name": "d", "categories": [0, 1]},
]


def models():
    gmm = GMM([4], 3, head=heads.Table(MIXED, 3, family="gaussian"))
    diagonal = GMM([4], 3, head=heads.Table(MIXED, 3, family="gaussian"), covariance="diag")
    tied = GMM([4], 3, head=heads.Table(MIXED, 3, family="gaussian"), covariance="tied")
    orderless = OrderlessNADE([4], (8, 8), head=heads.Table(MIXED, 3), activation="tanh")
    return {"gmm": gmm, "diagonal": diagonal, "tied": tied, "orderless": orderless}


@pytest.mark.parametrize("name", ["gmm", "diagonal", "tied", "orderless"])
def test_rows_with_missing_entries_have_marginal_probabilities(name):
    """By the joint distribution given nothing, of the order that begins with what is there."""
    model = testing.randomise(models()[name], seed=1, scale=0.6)
    rng = np.random.RandomState(2)
    x = np.stack(
        [
            rng.normal(size=40),
            rng.randint(3, size=40),
            rng.normal(size=40),
            rng.randint(2, size=40),
        ],
        axis=1,
    ).astype(np.float32)
    x[rng.random_sample(x.shape) < 0.4] = np.nan
    x[0] = np.nan
    found = model.log_prob(x).numpy()
    assert found[0] == pytest.approx(0, abs=1e-5)
    for row in range(1, 40, 3):
        there = ~np.isnan(x[row])
        ordered = model.ordered_for(there)
        whole = np.where(there, x[row], 0)[None].astype(np.float32)
        expected = ordered.log_prob(whole, counted=there)
        np.testing.assert_allclose(found[row], expected[0], rtol=1e-3, atol=1e-4)
    _, evidence = model.joint().sample_and_score(1, 1, x, "known")
    np.testing.assert_allclose(found, evidence[0], rtol=1e-3, atol=1e-3)


def test_missing_entries_count_neither_as_known_nor_in_the_loss():
    model = testing.randomise(models()["orderless"])
    x = np.float32([[np.nan, 1, 0.5, np.nan]] * 2000)
    conditionals = model(x, training=True)
    valid = conditionals.validity_mask.numpy()
    assert not valid[:, [0, 3]].any() and valid[:, [1, 2]].any(axis=1).all()
    losses = -model._score(x, conditionals).numpy()
    orders = [model.of_order(order) for order in ([1, 2, 0, 3], [2, 1, 0, 3])]
    expected = -np.mean([ordered.log_prob(x[:1]).numpy()[0] for ordered in orders])
    np.testing.assert_allclose(losses.mean(), expected, rtol=0.05)


def test_a_table_with_everything_is_fitted_sampled_scored_and_completed():
    frame = EVERYTHING.mask(np.random.default_rng(1).random(EVERYTHING.shape) < 0.1)
    for name in ("count", "few"):
        assert frame[name].dtype == np.float64  # pandas has no missing integers
    found = tables.fit(frame, epochs=2, hidden=(16,), num_orders=2, verbose=0)
    assert found.family == "orderless" and np.isfinite(found.held_out).all()
    model = found.model
    assert np.isfinite(tables.log_prob(model, frame)).all()
    drawn = tables.sample(model, 50, seed=1)
    assert drawn["count"].dtype == np.int64 and (drawn.price > 0).all()
    assert set(drawn.word) == {"only"} and drawn.when.dt.hour.eq(0).all()
    completed = tables.complete(model, frame, seed=2)
    assert completed.columns.tolist() == frame.columns.tolist()
    for column in model.head.columns:
        name = column["name"]
        given = frame[name].notna()
        assert completed[name].notna().all(), name
        assert (completed.loc[given, name] == frame.loc[given, name]).all(), name
    assert completed["id"].isna().equals(frame["id"].isna())  # left out, and left alone
    pd.testing.assert_frame_equal(completed, tables.complete(model, frame, seed=2))


# Mixtures of Gaussians ----------------------------------------------------------------------------


def test_gaussians_are_found_and_their_model_is_the_mixture():
    """Two clusters of other covariances and categories: close to what made them."""
    rng = np.random.default_rng(0)
    right = rng.random(600) < 0.4
    x = np.where(right, 4.0, 0.0) + rng.normal(size=600)
    y = np.where(right, -x, x) + 0.3 * rng.normal(size=600)
    kind = np.where(rng.random(600) < np.where(right, 0.9, 0.2), "u", "v")
    frame = pd.DataFrame({"x": x, "y": y, "kind": kind})
    found = tables.fit(frame.head(500), seed=1)
    assert found.family == "gaussians" and len(found.held_out) == 500
    nats = tables.log_prob(found.model, frame.tail(100))
    assert nats.mean() == pytest.approx(found.held_out.mean(), abs=0.3)
    one = scipy.stats.multivariate_normal([0, 0], [[1, 1], [1, 1.09]])
    two = scipy.stats.multivariate_normal([4, -4], [[1, -1], [-1, 1.09]])
    xy, u = frame[["x", "y"]].to_numpy(), (kind == "u")
    true = np.logaddexp(
        np.log(0.6) + one.logpdf(xy) + np.log(np.where(u, 0.2, 0.8)),
        np.log(0.4) + two.logpdf(xy) + np.log(np.where(u, 0.9, 0.1)),
    )[500:]
    assert nats.mean() > true.mean() - 0.15
    x = tables.to_array(found.model.head.columns, frame)
    mixture = gaussians.stacked(gaussians.rows_of(found.model.head.columns, x), 1, np.inf)[0]
    again = gaussians.model_of(mixture, found.model.head.columns)
    rows = gaussians.rows_of(found.model.head.columns, x)
    np.testing.assert_allclose(again.log_prob(x), mixture.log_prob(rows), rtol=1e-3, atol=2e-3)


def test_the_model_is_the_mixture_where_a_column_is_constant_in_a_component():
    """In every order, since no component is narrower than what the head clips at."""
    rng = np.random.default_rng(2)
    x = rng.normal(size=300)
    frame = pd.DataFrame({"x": x + 3 * (x > 0), "y": np.where(x > 0, 0.5, -0.5)})
    columns = tables.describe(frame, given=dict.fromkeys("xy", "real"))
    codes = tables.to_array(columns, frame)
    rows = gaussians.rows_of(columns, codes)
    mixture = gaussians.stacked(rows, 0, np.inf)[0]
    model, expected = gaussians.model_of(mixture, columns), mixture.log_prob(rows)
    np.testing.assert_allclose(model.log_prob(codes), expected, rtol=0.01, atol=0.05)
    for order in ([0, 1], [1, 0]):
        slow = model.of_order(order).log_prob(codes, counted=np.ones(2, bool))
        np.testing.assert_allclose(slow, expected, rtol=0.01, atol=0.05)


def test_stacking_finds_the_weights_of_a_mixture():
    rng = np.random.default_rng(0)
    x = np.where(rng.random(4000) < 0.3, rng.normal(3, 1, 4000), rng.normal(0, 1, 4000))
    each = np.stack([scipy.stats.norm.logpdf(x, m) for m in (0, 3, 50)], axis=1)
    np.testing.assert_allclose(gaussians.stacking(each), [0.7, 0.3, 0], atol=0.03)


def test_a_row_that_is_left_out_is_unseen():
    """Planted: scores of the rows that the mixtures were fitted to are too good."""
    rng = np.random.default_rng(1)
    rows = gaussians.Rows(rng.normal(size=[250, 6]), np.zeros([250, 0], int), [])
    mixture, left_out, _ = gaussians.stacked(rows, 0, np.inf)
    assert mixture.log_prob(rows).mean() > left_out.mean() + 0.05
    fresh = gaussians.Rows(rng.normal(size=[4000, 6]), np.zeros([4000, 0], int), [])
    assert left_out.mean() == pytest.approx(mixture.log_prob(fresh).mean(), abs=0.5)


def test_log_units_add_up():
    columns = tables.describe(EVERYTHING[["x", "price", "few"]])
    x = tables.to_array(columns, EVERYTHING[["x", "price", "few"]])
    each = [numeric.log_units(column, x[:, i]) for i, column in enumerate(columns)]
    np.testing.assert_allclose(codec.log_units(columns, x), np.sum(each, axis=0))
    assert (each[2] == 0).all() and (each[0] == -np.log(columns[0]["std"])).all()


def test_categories_that_are_floats_for_want_of_entries_are_integers():
    frame = pd.DataFrame({"few": [1.0, 2.0, np.nan, 3.0] * 20, "x": np.linspace(0, 1, 80) ** 2})
    columns = tables.describe(frame)
    assert columns[0]["categories"] == [1, 2, 3] and columns[0]["dtype"] == "int64"
    x = tables.to_array(columns, frame)
    assert np.isnan(x[2, 0]) and x[3, 0] == 2
    assert tables.to_frame(columns, x[:2])["few"].tolist() == [1, 2]
    assert tables.kinds(pd.DataFrame({"a": [0.5, np.nan, 1.0] * 9}))["a"] == "real"
