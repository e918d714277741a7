"""`tfar complete` of files: rows with missing entries, texts, and lines of them."""

import warnings

import keras
import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner

from tfar import cli, heads, kinds, randomness, tables, testing
from tfar.models import CharRNN, OrderlessNADE, Transformer

FRAME = pd.DataFrame(
    {
        "name": [f"{i:03}" for i in range(20)],  # left out
        "side": ["left", "right"] * 10,
        "count": [*range(1, 21)],
        "x": np.linspace(0, 1, 20),
    }
)
DATED = FRAME.assign(day=pd.date_range("2026-01-01", periods=20).strftime("%Y-%m-%d"))


def run(*arguments):
    return CliRunner().invoke(cli.main, [str(a) for a in arguments])


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    path = tmp_path_factory.mktemp("table") / "table.keras"
    columns = tables.describe(FRAME, given={"name": "left out", "count": "integer"})
    columns[0]["left_out"] = ["name"]
    model = OrderlessNADE([len(columns)], (4,), head=heads.Table(columns, 2))
    testing.randomise(model, seed=1).save(path)
    return path


@pytest.fixture(scope="module")
def text(tmp_path_factory):
    path = tmp_path_factory.mktemp("text") / "text.keras"
    model = CharRNN([4], (5,), cell="rnn", head=heads.Characters("ab\n"))
    testing.randomise(model, seed=1).save(path)
    return path


ROWS = """name,side,count,x
007,left,,0.25
008,,20,
009,right,3,0.125
"""


def test_missing_entries_are_drawn_and_the_others_kept(table, tmp_path):
    (tmp_path / "rows.csv").write_text(ROWS)
    printed = run("complete", table, tmp_path / "rows.csv", "--seed", 3)
    assert printed.exit_code == 0, printed.output
    lines = printed.stdout.splitlines()
    assert lines[0] == "name,side,count,x" and lines[3] == "009,right,3,0.125"
    first, second = lines[1].split(","), lines[2].split(",")
    assert first[:2] == ["007", "left"] and first[3] == "0.25" and 1 <= int(first[2]) <= 20
    assert second[0] == "008" and second[1] in ("left", "right") and second[2] == "20"
    assert np.isfinite(float(second[3]))
    frame = pd.read_csv(tmp_path / "rows.csv", dtype={"name": str})
    expected = tables.complete(keras.saving.load_model(table), frame, seed=3)
    assert printed.stdout == expected.to_csv(index=False)
    other = run("complete", table, tmp_path / "rows.csv", "--seed", 4)
    assert other.exit_code == 0 and other.stdout != printed.stdout
    out = tmp_path / "new" / "whole.csv"
    written = run("complete", table, tmp_path / "rows.csv", "--seed", 3, "--out", out)
    assert written.exit_code == 0 and written.stdout == f"{out}\n"
    assert out.read_text() == printed.stdout


def test_rows_that_lack_nothing_are_as_they_were(table, tmp_path):
    FRAME.to_csv(tmp_path / "rows.csv", index=False)
    printed = run("complete", table, tmp_path / "rows.csv")
    assert printed.stdout == (tmp_path / "rows.csv").read_text()


def test_dates_are_read_as_the_model_has_them(tmp_path):
    """They were warned of, as words, by the line of the source."""
    columns = tables.describe(DATED[["day", "x"]])
    kind = kinds.of(OrderlessNADE([2], (4,), head=heads.Table(columns, 2)))
    path = tmp_path / "rows.csv"
    DATED[["day", "x"]].to_csv(path, index=False)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = kind.completed(path, seed=1)
    assert found.to_csv(index=False) == path.read_text()
    path.write_text("day,x\n2026-01-01,5%\n2026-01-02,6%\n")
    with pytest.warns(UserWarning, match=r"rows\.csv: The column 'x'"):
        kind.completed(path, seed=1)


def test_a_text_is_continued_and_so_is_each_of_its_lines(text, tmp_path):
    model = keras.saving.load_model(text)
    path = tmp_path / "prompts.txt"
    path.write_text("abba\n\nba\n")
    options = ("--length", 30, "--seed", 4)
    whole = run("complete", text, path, *options)
    assert whole.exit_code == 0, whole.output
    assert whole.stdout == model.generate("abba\n\nba\n", 30, seed=4) + "\n"
    each = run("complete", text, path, "--each-line", *options)
    second = randomness.derived(randomness.stateless_seed(4), 1)
    texts = [model.generate("abba", 30, seed=4), model.generate("ba", 30, seed=second)]
    assert each.stdout == "\n---\n".join(texts) + "\n"
    out = tmp_path / "out.txt"
    assert run("complete", text, path, "--each-line", *options, "--out", out).exit_code == 0
    assert out.read_text() == each.stdout


def test_all_lines_are_checked_before_one_is_drawn(text, tmp_path):
    path = tmp_path / "prompts.txt"
    for content, message in (
        ("ab\nba\nabcb\n", "prompts.txt has 'c' in line 3, column 3, a character that the model"),
        ("\n\n", "Expected lines to continue in"),
    ):
        path.write_text(content)
        refused = run("complete", text, path, "--each-line", "--out", tmp_path / "out.txt")
        assert refused.exit_code == 1 and message in refused.stderr and not refused.stdout
    assert [file.name for file in tmp_path.iterdir()] == ["prompts.txt"]
    head = heads.Characters("ab\n")
    short = kinds.of(Transformer([8], 8, 1, 1, head=head))
    path.write_text("ab\nabab\n")
    with pytest.raises(ValueError, match="at most 8 sites, got 9"):
        short.completed(path, each_line=True, length=5)


@pytest.mark.parametrize(
    ("content", "place"),
    [
        ("c", "'c' in line 1, column 1,"),
        ("ab\nab d c", "' ' in line 2, column 3,"),
        ("\n\n\nabé", "'é' in line 4, column 3,"),
        ("ab\x00", "'\\x00' in line 1, column 3,"),
        ("\u200bab", "'\\u200b' in line 1, column 1,"),
    ],
)
def test_an_unknown_character_has_its_place(text, content, place):
    kind = kinds.of(keras.saving.load_model(text))
    with pytest.raises(ValueError, match="knows 3, does not: replace it") as error:
        kind.read(content.encode(), "a.txt")
    assert str(error.value).startswith(f"a.txt has {place}")
    with pytest.raises(ValueError, match=r"a\.txt has"):
        kind.from_bytes(content.encode(), "a.txt")
