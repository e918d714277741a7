"""Rows as words, in exports of tables: what `tfar.tables` does with pandas."""

import contextlib
import json

import numpy as np
import pandas as pd
import pytest
import requests
import tensorflow as tf
from support.server import Model, serve_rest

import tfar
from tfar import heads, kinds, tables, testing
from tfar.models import MADE, OrderlessNADE
from tfar.serving import costs
from tfar.serving.client import Rest
from tfar.serving.rows import Rows
from tfar.serving.signatures import Functions
from tfar.tables import codec, iso, numeric, times, words


def everything(n=300):
    """A table with a column of every sort, whose integers may be beyond float64 and int64."""
    rng = np.random.default_rng(0)
    start = pd.Timestamp("2024-01-30 10:00:00")

    def after(most, unit):
        return start + pd.to_timedelta(rng.integers(0, most, n), unit)

    columns = {
        "word": rng.choice(["a", "b b", "ü, x"], n),
        "flag": rng.random(n) < 0.3,
        "number": rng.choice([1, 2, 30], n),
        "level": pd.Categorical(rng.choice([0.5, 2.5], n)),
        "count": rng.integers(-50, 1000, n),
        "age": np.where(rng.random(n) < 0.2, 99999, rng.integers(18, 90, n)),
        "id": rng.integers(2**62, 2**62 + 10**6, n),
        "unsigned": rng.integers(2**63, 2**63 + 10**9, n, dtype=np.uint64),
        "large": rng.integers(-(10**17), 10**17, n),
        "real": rng.normal(size=n),
        "single": rng.normal(size=n).astype(np.float32),
        "price": rng.normal(size=n).round(2),
        "long": np.exp(3 * rng.normal(size=n)),
        "zero": np.where(rng.random(n) < 0.5, 0, rng.gamma(2, size=n)),
        "heavy": 100 * rng.standard_cauchy(n),
        "constant": np.full(n, 0.1),
        "day": pd.to_datetime("1960-02-28") + pd.to_timedelta(rng.integers(0, 40_000, n), "D"),
        "minute": after(10**4, "min"),
        "second": after(10**7, "s"),
        "millisecond": after(10**12, "ms"),
        "microsecond": after(10**15, "us"),
        "nanosecond": after(10**18, "ns"),
        "zone": after(10**7, "s").tz_localize("UTC").tz_convert("Asia/Kolkata"),
        "duration": pd.to_timedelta(rng.integers(0, 10**4, n), "min"),
        "period": pd.period_range("1999-01", periods=n, freq="M"),
        "text": [f"20{i % 90 + 10}-02-{i % 28 + 1:02d}" for i in range(n)],
    }
    return pd.DataFrame(columns)


@pytest.fixture(scope="module")
def frame():
    return everything()


@pytest.fixture(scope="module")
def columns(frame):
    return tables.describe(frame)


def read(columns, rows):
    """The codes of words, all of which are valid."""
    found, valid = words.codes(columns, tf.constant(rows, tf.string))
    assert np.all(valid), np.array(rows)[~valid.numpy()]
    return found.numpy()


def spelt(columns, frame):
    """Entries as words: durations and periods as their numbers of steps, others as pandas does."""
    rows = frame.astype(str)
    for column in columns:
        if column.get("time") in ("duration", "period"):
            steps = times.encode(column, column["name"], frame[column["name"]])
            rows[column["name"]] = [str(step) for step in steps]
    return rows.to_numpy().astype(object)


def test_words_have_the_codes_of_their_entries(columns, frame):
    x, found = codec.to_array(columns, frame), read(columns, spelt(columns, frame))
    for i, column in enumerate(columns):
        np.testing.assert_array_equal(found[:, i], x[:, i], err_msg=column["name"])


def test_codes_are_written_as_the_entries_that_they_are_of(columns, frame):
    x = codec.to_array(columns, frame)
    x[np.random.default_rng(1).random(x.shape) < 0.1] = np.nan
    rows = words.written(columns, tf.constant(x)).numpy()
    np.testing.assert_array_equal(read(columns, rows), x)  # NaN for NaN, and no digit is lost
    entries = codec.to_frame(columns, x)
    for i, column in enumerate(columns):
        name, there = column["name"], ~np.isnan(x[:, i])
        assert set(rows[~there, i]) == {b""}
        found = [word.decode() for word in rows[there, i]]
        assert max(map(len, found)) <= len("2024-01-30 10:00:00.123456789")
        own = entries[name][there]
        if column.get("time") in ("duration", "period"):
            assert [int(word) for word in found] == times.encode(column, name, own).tolist()
        elif column.get("kind") == "time":
            moments = pd.to_datetime(pd.Series(found), format="ISO8601", utc=True)
            assert moments.tolist() == pd.to_datetime(own, utc=True).tolist()
        elif column.get("kind") == "integer":
            assert [int(word) for word in found] == [int(entry) for entry in own]
        elif "categories" in column:
            assert found == [str(entry) for entry in own]
        else:  # the last digit of a logarithm differs
            found = np.array(found).astype(np.float64)
            single = column["dtype"] == "float32"
            expected = np.float32(own) if single else own
            np.testing.assert_allclose(found, expected, rtol=0 if single else 1e-14)


def test_units_are_those_of_the_codec(columns, frame):
    x = codec.to_array(columns, frame)
    x[np.random.default_rng(1).random(x.shape) < 0.1] = np.nan
    expected = codec.log_units(columns, x)
    np.testing.assert_allclose(words.log_units(columns, tf.constant(x)), expected, rtol=1e-12)


def test_days_of_all_years_and_offsets():
    days = np.arange(np.datetime64("0001-01-01"), np.datetime64("9999-12-31"), 97)
    found, valid = iso.steps(tf.constant(days.astype(str)), "1 day", 0)
    assert np.all(valid)
    np.testing.assert_array_equal(found, days.astype(int))
    column = {"step": "1 day", "zone": None}
    for base in (0, -719_000, 2_000_000):
        again = iso.words(tf.constant(days.astype(float) - base), column, base)
        np.testing.assert_array_equal(again.numpy().astype(str), days.astype(str))
    given = ["2024-02-29T23:30:15+05:30", "2024-02-29 18:00:15Z", "2024-02-29 12:30:15.250-0530"]
    moments = pd.to_datetime(pd.Series(given), format="ISO8601", utc=True)
    found, valid = iso.steps(tf.constant(given), "1 second", 1_700_000_000)
    assert np.all(valid)
    seconds = (moments - pd.Timestamp("1970-01-01", tz="UTC")).dt.total_seconds()
    np.testing.assert_array_equal(found, seconds - 1_700_000_000)
    wrong = "2023-02-29 0000-01-01 2023-13-01 2023-04-31 1900-02-29 2023-1-01 23-01-01 2023-01-01T"
    wrong = [*wrong.split(), "2023-01-01 24:00", "2023-01-01 10:00:00.", "2023-01-01 10:00+24:00"]
    assert not np.any(iso.steps(tf.constant([*wrong, "", "now"]), "1 day", 0)[1])


def test_numbers_as_people_write_them():
    columns = tables.describe(pd.DataFrame({"x": [0.5, 2.5, -1.0], "n": [10, 40, 400]}))
    columns[1] = {"name": "n", "kind": "integer", "dtype": "int64", **numeric.whole(np.arange(99))}
    rows = [["+.5", "7"], ["5.", "07"], [" -1e-3 ", "7.0"], ["1E2", "+7"], ["", ""], ["3", "2e1"]]
    x = [0.5, 5.0, -1e-3, 100.0, np.nan, 3.0]
    expected = codec.to_array(columns, pd.DataFrame({"x": x, "n": [7, 7, 7, 7, None, 20]}))
    np.testing.assert_array_equal(read(columns, rows), expected)
    outside = [["1", "99"], ["1", "7.5"], ["1", "-1"], ["1", "9" * 27]]
    np.testing.assert_array_equal(read(columns, outside)[:, 1], -1)


# Exports ------------------------------------------------------------------------------------------


def mixed(n=120):
    rng = np.random.default_rng(2)
    x = rng.normal(size=n)
    return pd.DataFrame(
        {
            "side": np.where(x + rng.normal(size=n) > 0, "right", "left"),
            "x": 1e6 + 10 * x,
            "born": pd.to_datetime("2000-01-01") + pd.to_timedelta(rng.integers(0, 9000, n), "D"),
            "id": rng.integers(2**60, 2**60 + 5000, n),
        }
    )


def model_of(kind, columns):
    head = heads.Table(columns, 2)
    made = {"one order": MADE, "all orders": OrderlessNADE}[kind]([4], (6,), head=head)
    return testing.randomise(made, seed=3, scale=0.3)


@pytest.fixture(
    scope="module", params=[pytest.param("one order", marks=pytest.mark.thorough), "all orders"]
)
def exported(request, tmp_path_factory):
    model = model_of(request.param, tables.describe(mixed()))
    folder = tfar.export(model, tmp_path_factory.mktemp("rows") / "table" / "1")
    return model, folder


def test_an_export_answers_as_tables_do(exported):
    model, folder = exported
    testing.verify_graph(folder)
    served = Model(folder)
    kinds.of(model).verify_signatures(served.loaded.signatures)
    frame = mixed().head(9)
    frame.loc[[6, 7, 8], "id"] = None
    frame["id"] = frame["id"].astype("Int64")
    rows = frame.astype(str).where(frame.notna(), "").to_numpy()
    with serve_rest({"table": served}) as url:
        rest = Rest(url)
        found = rest.predict("table", "log_prob_of_rows", rows=rows)["log_prob"]
        np.testing.assert_allclose(found, tables.log_prob(model, frame), rtol=1e-5)
        rows[0, 0] = "up"
        found = rest.predict("table", "log_prob_of_rows", rows=rows)["log_prob"]
        assert found[0] == -np.inf and np.all(np.isfinite(found[1:]))
        drawn = {"num_samples": 5, "seed": [1, 2], "temperature": 1.0}
        whole = rest.predict("table", "sample_rows", **drawn)
        expected = tables.to_frame(model.head.columns, model.joint().sample(5, seed=[1, 2]).numpy())
        assert whole["columns"].tolist() == list(frame)
        assert whole["rows"][:, 3].tolist() == expected["id"].astype(str).tolist()
        asked = {"rows": rows[6:], "num_samples": 2, "seed": [3, 4], "temperature": 1.0}
        body = {"signature_name": "complete_rows", "inputs": {**asked, "rows": rows[6:].tolist()}}
        plain = requests.post(f"{url}/v1/models/table:predict", json.dumps(body), timeout=60).json()
        answer = rest.predict("table", "complete_rows", **asked)
        assert plain["outputs"]["rows"] == answer["rows"].tolist()
        assert np.all(answer["rows"][:, :, :3] == rows[6:, :3]) and "" not in answer["rows"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"x": "ten"}, "Expected a finite number in the column x, or nothing .*ten"),
        ({"x": "1e999"}, "Expected a finite number in the column x, or nothing .*1e999"),
        ({"born": "2023-02-29"}, "Expected a date or time of ISO 8601 in the column born.*02-29"),
        ({"id": "0x1f"}, "Expected a number in the column id.*0x1f"),
    ],
)
def test_what_is_no_entry_is_named(exported, change, message):
    model, _ = exported
    signatures = Rows(model, costs.limits(model)).signatures
    frame = pd.DataFrame([{"side": "left", "x": "1", "born": "2001-01-01", "id": "", **change}])
    rows = tf.constant(frame.to_numpy().tolist())
    for name in ("log_prob_of_rows", "complete_rows"):
        draws = {"num_samples": tf.constant(1), "seed": tf.constant([1, 2])}
        given = {**draws, "temperature": tf.constant(1.0)} if name == "complete_rows" else {}
        with pytest.raises(tf.errors.InvalidArgumentError, match=f"(?s){message}"):
            tf.function(signatures[name][0], autograph=False)(rows=rows, **given)


def test_what_a_column_does_not_take_is_not_completed(exported):
    model, _ = exported
    complete, _ = Rows(model, costs.limits(model)).signatures["complete_rows"]
    rows = tf.constant([["up", "1", "2001-01-01", ""]])
    draws = {"num_samples": tf.constant(1), "seed": tf.constant([1, 2])}
    with pytest.raises(tf.errors.InvalidArgumentError, match=r"(?s)column side takes, .*up"):
        complete(rows=rows, temperature=tf.constant(1.0), **draws)


def test_a_request_has_at_most_so_many_rows(exported):
    model, _ = exported
    log_prob, _ = Rows(model, costs.limits(model, max_rows=2)).signatures["log_prob_of_rows"]
    rows = tf.constant([["left", "1", "2001-01-01", ""]] * 3)
    assert log_prob(rows=rows[:2])["log_prob"].shape == 2
    with pytest.raises(tf.errors.InvalidArgumentError, match="at most 2 rows"):
        log_prob(rows=rows)


WRITTEN, CODES = words.written, words.codes


def without_missing(*given):
    found, valid = CODES(*given)
    return tf.where(tf.math.is_nan(found), tf.zeros_like(found), found), valid


BUGS = {
    "units": ("log_units", lambda columns, x: tf.zeros(tf.shape(x)[0], tf.float64)),
    "order": ("written", lambda columns, x: WRITTEN(columns, x)[:, ::-1]),
    "spelling": ("written", lambda columns, x: tf.strings.substr(WRITTEN(columns, x), 0, 4)),
    "missing": ("codes", without_missing),
    "rows": ("codes", lambda columns, rows: CODES(columns, rows[::-1])),
}


@pytest.mark.parametrize("bug", [None, *BUGS])
def test_planted(exported, bug, monkeypatch):
    model, _ = exported
    if bug:
        monkeypatch.setattr(words, *BUGS[bug])
    limits = costs.limits(model)
    own = {name: function for name, (function, _) in Rows(model, limits).signatures.items()}
    verified = {"sample": Functions(model, limits).sample, **own}
    with pytest.raises(AssertionError) if bug else contextlib.nullcontext():
        kinds.of(model).verify_signatures(verified)


def test_models_of_codes_have_no_such_signatures():
    assert not kinds.of(MADE([4], (4,))).signatures(None)
