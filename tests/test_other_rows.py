"""Rows that a model was not fitted to: unseen values, and files that are spelt likewise."""

import gzip
import io

import keras
import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner

import tfar
from tfar import anomaly, tables
from tfar.cli import main
from tfar.kinds import Tables

NETWORK = {"family": "orderless", "hidden": (8,), "epochs": 2, "budget": None, "verbose": 0}


@pytest.fixture(scope="module")
def frame():
    rng = np.random.default_rng(0)
    days = pd.Timestamp("2021-03-01") + pd.to_timedelta(rng.integers(0, 90, 200), "D")
    return pd.DataFrame(
        {
            "side": rng.choice(["left", "right", "back", None], 200, p=[0.4, 0.3, 0.2, 0.1]),
            "age": rng.integers(20, 60, 200),
            "day": days,
            "x": rng.normal(size=200),
        }
    )


@pytest.fixture(scope="module")
def model(frame):
    return tfar.fit_table(frame, num_orders=2, **NETWORK)


UNSEEN = [("side", "up"), ("age", 19), ("day", pd.Timestamp("2022-01-01"))]


@pytest.fixture(params=UNSEEN, ids=[name for name, _ in UNSEEN])
def unseen(request, frame):
    """``(name, rows)``: in row 1 a value that was not in the training data."""
    name, value = request.param
    rows = frame.dropna().head(4).reset_index(drop=True).astype({"side": object})
    rows.loc[1, name] = value
    return name, rows


def test_a_row_with_an_unseen_value_has_no_probability(model, unseen):
    name, rows = unseen
    with pytest.warns(UserWarning, match=rf"in the column '{name}', got .* in row 1 \(1 such"):
        found = tables.log_prob(model, rows)
    assert found[1] == -np.inf
    others = rows.drop(index=1)
    assert np.allclose(np.delete(found, 1), tables.log_prob(model, others), rtol=1e-5)


def test_an_unseen_value_is_the_odd_one_and_tells_nothing_about_the_others(model, unseen):
    name, rows = unseen
    with pytest.warns(UserWarning, match="no probability"):
        found = tables.surprise(model, rows)
    assert found.loc[1, name] == np.inf
    without = rows.astype({name: object})
    without.loc[1, name] = None
    expected = tables.surprise(model, without)
    assert np.isnan(expected.loc[1, name])
    assert np.allclose(found.drop(columns=name), expected.drop(columns=name), rtol=1e-5)
    detector = anomaly.Detector(model, level=0.3).fit(rows.drop(index=1))
    with pytest.warns(UserWarning, match="no probability"):
        assert detector.score_samples(rows)[1] == -np.inf


def test_completion_keeps_unseen_values(model, unseen):
    name, rows = unseen
    rows["x"] = np.nan
    with pytest.warns(UserWarning, match="no probability"):
        found = tables.complete(model, rows, seed=1)
    assert found[name].tolist() == rows[name].tolist()
    assert np.isfinite(found["x"]).all()


def test_surprise_of_rows_without_a_category(model, frame):
    found = tables.surprise(model, frame)
    assert np.array_equal(found["side"].isna(), frame["side"].isna())
    assert np.isfinite(found.drop(columns="side")).all(axis=None)


def test_rare_categories_are_one_to_which_unseen_ones_belong():
    words = ["common"] * 30 + ["often"] * 8 + ["once", "twice", "twice", None]
    frame = pd.DataFrame({"word": words, "number": [1, 2] * 21})
    model = tfar.fit_table(frame, rare=5, **NETWORK)
    assert model.head.columns[0]["categories"] == ["common", "often", "(other)"]
    assert model.head.columns[1]["categories"] == [1, 2]
    x = tables.to_array(model.head.columns, frame)
    assert x[[0, 30, 38, 39], 0].tolist() == [0, 1, 2, 2]
    assert np.isnan(x[41, 0])
    rows = pd.DataFrame({"word": ["once", "never"], "number": 1})
    found = tables.log_prob(model, rows)
    assert found[0] == found[1] > -20
    drawn = tables.sample(model, 100, seed=1)
    assert set(drawn["word"]) <= {"common", "often", "(other)"}
    with pytest.raises(ValueError, match=r"'word' has a category '\(other\)' already: rename"):
        tables.describe(drawn.assign(word="(other)"), rare=2)
    shown = tables.table(frame, tables.describe(frame, rare=5))
    assert "categorical, 3: common, often, (other)" in shown


SPELT = """when;amount;zip;note
2021-01-30;1.037,50;01200;a
2021-02-01;12,25;99999;b
NA;unk;01200;unk
2021-02-03;8,00;04109;a
"""


@pytest.fixture(scope="module")
def spelt(tmp_path_factory):
    """``(model, text)`` of a file that has to be read as it is said."""
    rows = SPELT.splitlines()
    text = "\n".join([rows[0], *rows[1:] * 10]) + "\n"
    said = {"missing": ["unk", "NA"], "words": ["zip"], "decimal": ",", "thousands": "."}
    frame = tables.read(io.StringIO(text), **said).frame
    return tfar.fit_table(frame, **NETWORK), text


def test_a_model_reads_other_files_as_the_first_one(spelt):
    model, text = spelt
    kind = Tables(model)
    x = kind.read(text.encode(), "t.csv")
    assert x.shape == (40, 4)
    assert np.isnan(x[2]).tolist() == [True, True, False, True]
    assert np.isfinite(kind.log_prob(x)).all()
    for content in (gzip.compress(text.encode()), text.encode("utf-16")):
        assert np.array_equal(kind.read(content, "t.csv"), x, equal_nan=True)


def test_what_was_said_of_a_file_is_saved(spelt, tmp_path):
    model, text = spelt
    model.save(tmp_path / "m.keras")
    loaded = Tables(keras.saving.load_model(tmp_path / "m.keras"))
    x = loaded.read(text.encode(), "t.csv")
    assert np.array_equal(x, Tables(model).read(text.encode(), "t.csv"), equal_nan=True)


def test_completion_of_a_file_keeps_the_spelling(spelt, tmp_path):
    model, text = spelt
    (tmp_path / "t.csv").write_text(text)
    found = Tables(model).completed(tmp_path / "t.csv", seed=1)
    given = [line.split(";") for line in text.splitlines()[1:]]
    for own, row in zip(given, found.itertuples(index=False)):
        for word, entry in zip(own, row):
            if word in ("NA", "unk"):
                assert entry not in ("NA", "unk")
                assert not pd.isna(entry)
            else:
                assert entry == word


def test_dates_by_r_have_markers_of_missing_ones():
    text = "d,word\n" + "2021-01-30,a\nNA,NA\n2021-02-01,b\n" * 10
    reading = tables.read(io.StringIO(text))
    assert reading.frame["d"].isna().sum() == 10
    assert not reading.frame["word"].isna().any()
    assert "'NA' read as missing, 10 in all" in reading.notes[1]
    assert tables.kinds(reading.frame)["d"] == "time"


def test_in_the_shell(tmp_path):
    rng = np.random.default_rng(1)
    rows = [f"{rng.choice(['Köln', 'Ulm'])};{rng.normal():.3f};0{i % 7}" for i in range(60)]
    train, new = tmp_path / "train.csv", tmp_path / "new.csv"
    train.write_bytes("\n".join(["city;x;code", *rows]).encode("cp1252"))
    new.write_bytes("\n".join(["city;x;code", *rows[:5], "Zug;0.100;01"]).encode("cp1252"))
    out, runner = str(tmp_path / "m.keras"), CliRunner()
    said = [
        "--read",
        "encoding=cp1252",
        "--words",
        "code",
        "--family",
        "orderless",
        "--epochs",
        "1",
    ]
    done = runner.invoke(main, ["train-table", str(train), "--out", out, "-q", *said])
    assert done.exit_code == 0, done.output
    done = runner.invoke(main, ["score", out, str(new)])
    assert "-inf nats a row: 1 of 6 have no probability; the others " in done.output
    assert "got 'Zug' in row 5" in done.output
    assert "codec.py" not in done.output
    done = runner.invoke(main, ["evaluate", out, "--data", str(new)])
    assert done.exit_code == 1
    assert "gives 1 of 6 rows no probability, first row 5" in done.output
    done = runner.invoke(main, ["complete", out, str(new)])
    assert "Zug,0.100,01" in done.output


@pytest.mark.parametrize("said", ["encoding", "no_option=1", "=1"])
def test_an_option_that_pandas_has_not(said, tmp_path):
    (tmp_path / "t.csv").write_text("x\n1\n")
    arguments = ["train-table", str(tmp_path / "t.csv"), "--out", str(tmp_path / "m.keras")]
    done = CliRunner().invoke(main, [*arguments, "--read", said])
    assert done.exit_code == 2
    assert f"'{said}' is not NAME=VALUE with an option of pandas.read_csv" in done.output
