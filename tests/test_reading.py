"""Tables of people's files: separators, spellings of numbers, missing entries, and doubts."""

import bz2
import gzip
import io
import lzma
import re
import warnings

import numpy as np
import pandas as pd
import pytest

from tfar import tables

nan = np.nan
ROWS = range(60)


def file(content, name="t.csv"):
    held = io.BytesIO(content.encode() if isinstance(content, str) else content)
    held.name = name
    return held


def read(content, **options):
    return tables.read(file(content), **options)


def lines(*parts):
    """A header, and one line for each of `ROWS`, which a function or a sequence gives."""
    header, row = parts
    return "\n".join([header, *map(row, ROWS)]) + "\n"


PLAIN = [
    # separators
    ("a,b\n1,x\n2,y\n", {"a": [1, 2], "b": ["x", "y"]}),
    ("a;b\n1;x,y\n2;z\n", {"a": [1, 2], "b": ["x,y", "z"]}),
    ("a\tb c\n1\tx, y\n2\tz\n", {"a": [1, 2], "b c": ["x, y", "z"]}),
    ("a|b\n1|x;y\n2|z\n", {"a": [1, 2], "b": ["x;y", "z"]}),
    ("sep=;\na;b\n1;2\n", {"a": [1], "b": [2]}),
    ("a, b\n1, x\n2, y\n", {"a": [1, 2], "b": ["x", "y"]}),
    # one column
    (lines("height", lambda i: f"1.{50 + i}"), {"height": [float(f"1.{50 + i}") for i in ROWS]}),
    (lines("count", str), {"count": list(ROWS)}),
    ("fruit\napple\npear\napple\n", {"fruit": ["apple", "pear", "apple"]}),
    ("city\nAustin, TX\nParis, FR\n", {"city": ["Austin, TX", "Paris, FR"]}),
    ('x\n1.5\n""\n2.5\n', {"x": [1.5, nan, 2.5]}),
    # quotes and ends of lines
    ('a,b\n1,"x, 1\ny"\n2,"z; ""u"""\n', {"a": [1, 2], "b": ["x, 1\ny", 'z; "u"']}),
    ('a,b\n5" pipe,1\nrod,2\n', {"a": ['5" pipe', "rod"], "b": [1, 2]}),
    ("a,b\r\n1,x\r\n2,y\r\n", {"a": [1, 2], "b": ["x", "y"]}),
    ("a,b\r1,x\r2,y\r", {"a": [1, 2], "b": ["x", "y"]}),
    ("a,b\n1,2\n\n   \n3,4", {"a": [1, 3], "b": [2, 4]}),
    ("a,b,\n1,2,\n3,4,\n", {"a": [1, 3], "b": [2, 4]}),
    ("a,b\n1,2,\n3,4,\n", {"a": [1, 3], "b": [2, 4]}),
    ("a,b,\n1,2\n3,4\n", {"a": [1, 3], "b": [2, 4]}),
    ("# by me, 2026\n#\na,b\n1,2\n", {"a": [1], "b": [2]}),
    ("# of rooms,b\n1,2\n", {"# of rooms": [1], "b": [2]}),
    # names
    (
        "country,2019,2020\nfr,1,2\nde,3,4\n",
        {"country": ["fr", "de"], "2019": [1, 3], "2020": [2, 4]},
    ),
    ("0,1\n0.5,1.5\n2.5,1\n", {"0": [0.5, 2.5], "1": [1.5, 1.0]}),
    ("a,,b\n1,,2\n3,,4\n", {"a": [1, 3], "b": [2, 4]}),
    ("a,b\n", {"a": [], "b": []}),
    # values
    ("a,b\ntrue,yes\nFalse,no\n", {"a": [True, False], "b": ["yes", "no"]}),
    ("a,b\n1e3,inf\n-2.5E-1,.5\n", {"a": [1000.0, -0.25], "b": [np.inf, 0.5]}),
    ("a,b\n1,\n,y\n", {"a": [1.0, nan], "b": [nan, "y"]}),
    ("0,1,2\n5,6,7\n", {"0": [5], "1": [6], "2": [7]}),
    ('\ufeff"a, b",c\n1,2\n', {"a, b": [1], "c": [2]}),
    ("a, b\n1,x\n2,y\n", {"a": [1, 2], "b": ["x", "y"]}),
    ("a; b, c\n1; x\n2; y\n", {"a": [1, 2], "b, c": ["x", "y"]}),
    ('x\n"u;""v"""\n"w"\n', {"x": ['u;"v"', "w"]}),
    ("a,b\n1 , l\n 2,r \n", {"a": [1, 2], "b": [" l", "r "]}),
]


@pytest.mark.parametrize("text, columns", PLAIN)
def test_what_needs_no_warning(text, columns):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        frame = tables.read_csv(file(text))
    pd.testing.assert_frame_equal(frame, pd.DataFrame(columns), check_dtype=bool(len(frame)))


WARNED = [
    # numbers
    ("a;s\n1,5;l\n10,25;r\n", {"a": [1.5, 10.25], "s": ["l", "r"]}, "'a' .* a decimal comma"),
    ("x\n1,5\n2,5\n", {"x": [1.5, 2.5]}, "'x' .* a decimal comma"),
    (
        "size|weight, kg|n\nl|up|-166,0\n|w|48,5\n",
        {"size": ["l", nan], "weight, kg": ["up", "w"], "n": [-166.0, 48.5]},
        "'n' .* a decimal comma",
    ),
    (
        "Weight, kg;Height, cm\n70,5;180,25\n80,5;175,5\n",
        {"Weight, kg": [70.5, 80.5], "Height, cm": [180.25, 175.5]},
        "'Weight, kg' .* a decimal comma",
    ),
    ('a,s\n"1,234.50",l\n7,r\n', {"a": [1234.5, 7.0], "s": ["l", "r"]}, "',' between thousands"),
    ('a,s\n"1,234",l\n"9,083",r\n', {"a": [1234, 9083], "s": ["l", "r"]}, "',' between thousands"),
    ("a;s\n1,234,567;l\n1;r\n", {"a": [1234567, 1], "s": ["l", "r"]}, "',' between thousands"),
    ("a;s\n1.234,50;l\n7;r\n", {"a": [1234.5, 7.0], "s": ["l", "r"]}, "decimal comma, '.' between"),
    ("a;b\n1.234;1,5\n2.345;2,5\n", {"a": [1234, 2345], "b": [1.5, 2.5]}, "'a' .*'.' between"),
    ("a;b\n1,234;1,5\n2,345;2,5\n", {"a": [1.234, 2.345], "b": [1.5, 2.5]}, "'a' .*decimal comma"),
    ("a;b\n1,234;1.5\n2,345;2.5\n", {"a": [1234, 2345], "b": [1.5, 2.5]}, "'a' .*',' between"),
    ("a;b\n1.234;x\n2.345;y\n", {"a": [1.234, 2.345], "b": ["x", "y"]}, "pass thousands='.'"),
    ("a;b\n12 345,6;x\n1,5;y\n", {"a": [12345.6, 1.5], "b": ["x", "y"]}, "' ' between thousands"),
    (
        "a;b\n12\xa0345,6;x\n1\u202f000;y\n",
        {"a": [12345.6, 1000.0], "b": ["x", "y"]},
        "' ' between",
    ),
    ("a;b\n1'234;x\n12;y\n", {"a": [1234, 12], "b": ["x", "y"]}, "between thousands"),
    ("a,b\n1.5%,x\n-20 %,y\n", {"a": [1.5, -20.0], "b": ["x", "y"]}, "%, which is left out"),
    ('a,b\n"$1,234",x\n-$5,y\n', {"a": [1234, -5], "b": ["x", "y"]}, r"\$, which is left out"),
    ("a,b\n€ 12,3 €\n€ 1.5,4 €\n", {"a": [12.0, 1.5], "b": [3, 4]}, "€, which is left out"),
    ('a,b\n"(1,200)",x\n30,y\n', {"a": [-1200, 30], "b": ["x", "y"]}, "negative ones in brackets"),
    (
        "k,b\n12345678901234567891,x\n1,y\n",
        {"k": [12345678901234567891.0, 1.0], "b": ["x", "y"]},
        "all digits of '12345678901234567891'",
    ),
    (
        "k,b\n9007199254740993,x\n,y\n",
        {"k": [9007199254740992.0, nan], "b": ["x", "y"]},
        "all digits of '9007199254740993'",
    ),
    ("zip,b\n01234,x\n99999,y\n", {"zip": [1234, 99999], "b": ["x", "y"]}, "all digits of '01234'"),
    # missing entries
    (
        "a,b\n?,x\n1.5,y\n?,z\n",
        {"a": [nan, 1.5, nan], "b": ["x", "y", "z"]},
        r"'\?' .* 2 in all, first in line 2",
    ),
    ("a,b\n1,x\nNA,y\n", {"a": [1.0, nan], "b": ["x", "y"]}, "'NA' .* 1 in all, first in line 3"),
    ("a,b\ntrue,x\nnull,y\n", {"a": [True, nan], "b": ["x", "y"]}, "'null' read as missing"),
    ("a,b\nNA,x\nZA,y\n", {"a": ["NA", "ZA"], "b": ["x", "y"]}, r"'NA' kept .*missing=\['NA'\]"),
    ("a,b\nNone,x\n,y\nBad,z\n", {"a": ["None", nan, "Bad"], "b": ["x", "y", "z"]}, "'None' kept"),
    ("a,b\nnan,x\nNA,y\n", {"a": [nan, nan], "b": ["x", "y"]}, "'nan', 'NA' read as missing"),
    (
        "a,b\n1,2\n,\n3,4\n",
        {"a": [1.0, nan, 3.0], "b": [2.0, nan, 4.0]},
        "Rows without any entry: 1",
    ),
    ("x\n1\n\n3\n", {"x": [1, 3]}, "Blank lines, 1 in all"),
    # what is no variable
    (",x,s\n0,1.5,l\n1,2.5,r\n", {"x": [1.5, 2.5], "s": ["l", "r"]}, "holds row numbers: left out"),
    ("Unnamed: 0,x\n5,1.5\n3,2.5\n", {"x": [1.5, 2.5]}, "holds row numbers: left out"),
    (",x\nMazda,1.5\nFiat,2.5\n", {"x": [1.5, 2.5]}, "holds labels of the rows: left out"),
    ("x,y\nMazda,1,2\nFiat,3,4\n", {"x": [1, 3], "y": [2, 4]}, "first field of every line"),
    (",x\nl,1\nl,2\n", {"Unnamed: 0": ["l", "l"], "x": [1, 2]}, "named 'Unnamed: 0'"),
    (
        "a,,b\n1,5,2\n3,6,4\n",
        {"a": [1, 3], "Unnamed: 1": [5, 6], "b": [2, 4]},
        "Column 2 has no name",
    ),
    # words that might be something else
    (
        "d,x\n2026-01-01,1\n2026-01-02,2\n",
        {"d": ["2026-01-01", "2026-01-02"], "x": [1, 2]},
        "'d' holds dates.*parse_dates",
    ),
    (
        "d,x\n01/02/2026,1\n03/02/2026,2\n",
        {"d": ["01/02/2026", "03/02/2026"], "x": [1, 2]},
        "dayfirst",
    ),
    ("w,x\n12 kg,1\n13 kg,2\n", {"w": ["12 kg", "13 kg"], "x": [1, 2]}, "'w' is read as words"),
    ("w,x\nUSD 12,1\nUSD 13,2\n", {"w": ["USD 12", "USD 13"], "x": [1, 2]}, "'w' is read as words"),
    ("p,x\n$5,1\n€3,2\n", {"p": ["$5", "€3"], "x": [1, 2]}, "'p' is read as words"),
    ("p,x\n(1),1\n(2),2\n", {"p": ["(1)", "(2)"], "x": [1, 2]}, "'p' is read as words"),
    (
        lines("m,x", lambda i: f"{'ab'[i % 2]},1" if i % 3 == 0 else f"{i},2"),
        None,
        "'m' is read as words",
    ),
]


@pytest.mark.parametrize("text, columns, said", WARNED)
def test_what_is_warned_of(text, columns, said):
    found = read(text)
    assert set(found.warned) <= set(found.notes)
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        frame = tables.read_csv(file(text))
    assert [str(warning.message) for warning in seen] == [f"t.csv: {each}" for each in found.warned]
    assert any(re.search(said, sentence) for sentence in found.warned), found.warned
    pd.testing.assert_frame_equal(frame, found.frame)
    if columns is not None:
        pd.testing.assert_frame_equal(frame, pd.DataFrame(columns))


DOUBTS = [
    (b"", "no line tells the delimiter"),
    (b"\n \n", "no line tells the delimiter"),
    (b"\x89PNG\r\n\x1a\n\0\0", "line 3 has a zero byte"),
    (b"PK\x03\x04", "a zip archive, as workbooks of Excel"),
    ("a,b\n1,2\n3,ü\n".encode("latin-1"), "line 3 has the byte 0xfc.*encoding='cp1252'"),
    ("a,b\n1,2\n3,4,5\n", "expected 2 fields, as in the header, got 3 in line 3"),
    ('a,b\n"x\ny",2\n\n3,4,5\n', "got 3 in line 5"),
    ("#\n# x\na,b\n1,2,3\n1,4,3\n", "expected 2 fields, as in the header, got 3 in line 4"),
    ("a,b\n1,2\n3\n", "got 1 in line 3"),
    ("a,b\n1;2\n3;4\n", "got 1 in line 2"),
    ('a,b\n1,2\n3,"x\n5,6\n', "the field that begins in line 3"),
    ('a,b\n1,"x"y\n', "the field that begins in line 2"),
    ("a;b,c;d\nx;y,z;u\n", "separated by ',' or ';': pass one"),
    ("size, cm\n1,5\n2,5\n", "may be two names, or one .* sep=',' or sep=';'"),
    ("a;b,c;d\n1;2,3;4\n5;6,7;8\n", "separated by ',' or ';': pass one"),
    ("a;b,c\nx;y,z\nu;v,w\n", "separated by ',' or ';': pass one"),
    ("a b c\n1 2 3\n4 5 6\n", r"into 3 words: pass sep=r'\\s\+'"),
    ("x\n1;2\n3;4\n", "the header has one name, and ';' splits every other line into 2"),
    ("x\n0,1.5\n1,2.5\n", "the header has one name, and ',' splits"),
    ('x\n"a";"b"\n"c";"d"\n', "expected after"),
    ("a,a\n1,2\n", "2 columns named 'a'"),
    ("1,2\n3,4\n", "its first line holds numbers, .*header=None"),
    ("0,1\n1,1\n", "its first line holds numbers"),
    ("5.1,3.5,setosa\n4.9,3.5,setosa\n5.1,3.0,virginica\n", "entries of their columns"),
    ("5.12,3.55,setosa\n4.9,3.5,setosa\n", "entries of their columns"),
    ("a,b\n1,2\na,b\n3,4\n", "entries of their columns"),
    (
        lines("a;s", lambda i: f"{1000 + 137 * i:,};l"),
        r"'1,000' in the column 'a', line 2, .*decimal=','",
    ),
    ("a\ts\n1,234\tl\n2,345\tr\n", "pass decimal=',' or thousands=','"),
    (
        lines("a,s", lambda i: f"{i}.5,l" if i != 40 else "4.5.6,l"),
        "'a' holds numbers, but '4.5.6' in line 42 .1 in all",
    ),
    (
        lines("a;s", lambda i: f"{i},5;l" if i % 30 else "n.v.;l"),
        r"'n.v.' in line 2 .2 in all.*missing=\['n.v.'\]",
    ),
    (lines("a,s", lambda i: f"${i},l" if i != 3 else "€3,l"), "'€3' in line 5"),
]


@pytest.mark.parametrize("content, said", DOUBTS)
def test_a_doubtful_guess_is_an_error(content, said):
    with pytest.raises(ValueError, match=rf"(?s)^t.csv.*{said}"):
        read(content)


DECIDED = [
    ("a;s\n1,234;l\n2,345;r\n", {"thousands": ","}, {"a": [1234, 2345], "s": ["l", "r"]}),
    ("a;s\n1,234;l\n2,345;r\n", {"decimal": ","}, {"a": [1.234, 2.345], "s": ["l", "r"]}),
    ("a;s\n1_234;l\n2;r\n", {"thousands": "_"}, None),
    ("a;b,c\nx;y,z\n", {"sep": ";"}, {"a": ["x"], "b,c": ["y,z"]}),
    ("size, cm\n1,5\n", {"sep": ";"}, {"size, cm": [1.5]}),
    ("size, cm\n1,5\n", {"sep": ","}, {"size": [1], "cm": [5]}),
    ("a b\n1 2\n3 4\n", {"sep": r"\s+"}, {"a": [1, 3], "b": [2, 4]}),
    ("1,2\n3,4\n", {"header": None}, {0: [1, 3], 1: [2, 4]}),
    ("1,2\n3,4\n", {"names": ["a", "b"]}, {"a": [1, 3], "b": [2, 4]}),
    ("1,2\n3,4\n", {"header": 0}, {"1": [3], "2": [4]}),
    ("x,x\n1,2\n", {"header": 0, "names": ["x", "y"]}, {"x": [1], "y": [2]}),
    ("a,b\nNA,x\nZA,?\n", {"missing": ("NA",)}, {"a": [nan, "ZA"], "b": ["x", "?"]}),
    ("a,b\n1,?\n2,3\n", {"missing": []}, {"a": [1, 2], "b": ["?", "3"]}),
    ("a,b\n-999,x\n2,y\n", {"missing": [-999]}, {"a": [nan, 2.0], "b": ["x", "y"]}),
    ("a,b\n1,?\n2,3\n", {"na_values": "?"}, {"a": [1, 2], "b": [nan, 3.0]}),
    ("zip,b\n01234,1\n", {"dtype": {"zip": str}}, {"zip": ["01234"], "b": [1]}),
    ("a,b\n1,2\n", {"dtype": float}, {"a": [1.0], "b": [2.0]}),
    (",x\n0,1.5\n", {"index_col": False}, {"Unnamed: 0": [0], "x": [1.5]}),
    ("a,b\n1,2\n", {"usecols": ["b"]}, {"b": [2]}),
    ("no\na,b\n1,2\n", {"skiprows": 1}, None),
    ("a,b\n1,2\n!x\n3,4\n", {"comment": "!"}, {"a": [1, 3], "b": [2, 4]}),
    ("a,b\n'1,5',2\n", {"quotechar": "'"}, {"a": [1.5], "b": [2]}),
]


@pytest.mark.parametrize("text, options, columns", DECIDED)
def test_options_take_the_place_of_guesses(text, options, columns):
    frame = read(text, **options).frame
    if columns is None:
        assert len(frame)
    else:
        pd.testing.assert_frame_equal(frame, pd.DataFrame(columns))


def test_dates_are_read_where_it_is_said():
    text = "d,x\n01/02/2026,1\n03/02/2026,2\n"
    found = read(text, parse_dates=["d"], dayfirst=True)
    assert found.frame.d.dt.month.tolist() == [2, 2] and not found.warned


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-be"])
def test_encodings(encoding):
    text = "ü\tb\n1\tß\n2\tx\n"
    content = text.encode(encoding)
    if encoding == "utf-16-be":
        content = b"\xfe\xff" + content
    pd.testing.assert_frame_equal(read(content).frame, pd.DataFrame({"ü": [1, 2], "b": ["ß", "x"]}))
    latin = text.encode("latin-1")
    assert read(latin, encoding="latin-1").frame.b.tolist() == ["ß", "x"]


def test_what_is_written_plainly_is_read_back_exactly(tmp_path):
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(
        {
            "x": rng.normal(size=300) * 10.0 ** rng.integers(-20, 20, 300),
            "n": rng.integers(-(2**62), 2**62, 300),
            "b": rng.random(300) < 0.5,
            "s": rng.choice(["left", "right, up", 'so "called"', "two\nlines", "ü"], 300),
            "y": np.where(rng.random(300) < 0.1, nan, rng.normal(size=300)),
        }
    )
    for sep in ",;\t|":
        for index in (True, False):
            frame.to_csv(tmp_path / "t.csv", sep=sep, index=index)
            found = tables.read(tmp_path / "t.csv")
            pd.testing.assert_frame_equal(found.frame, frame, check_exact=True)
            assert len(found.warned) == index
    frame[["x", "s"]].to_csv(tmp_path / "c.csv", sep=";", decimal=",", index=False)
    pd.testing.assert_frame_equal(tables.read(tmp_path / "c.csv").frame, frame[["x", "s"]])


def test_compressed_parquet_and_arrow(tmp_path):
    frame = pd.DataFrame({"x": [1.5, 2.5], "s": ["l", "r"]})
    for packer in (gzip, bz2, lzma):
        packed = packer.compress(frame.to_csv(index=False).encode())
        pd.testing.assert_frame_equal(read(packed).frame, frame)
        with pytest.raises(ValueError, match=r"t.csv is damaged: .* Get it again"):
            read(packed[:-9])
    pyarrow = pytest.importorskip("pyarrow")
    frame.to_parquet(tmp_path / "t.parquet")
    frame.to_feather(tmp_path / "t.feather")
    table = pyarrow.Table.from_pandas(frame)
    with pyarrow.ipc.new_stream(tmp_path / "t.arrow", table.schema) as stream:
        stream.write_table(table)
    for name in ("t.parquet", "t.feather", "t.arrow"):
        pd.testing.assert_frame_equal(tables.read_csv(tmp_path / name), frame)
        content = (tmp_path / name).read_bytes()
        with pytest.raises(ValueError, match=f"{name} is not a Parquet or Arrow file"):
            tables.read(file(content[: len(content) // 2], name))


def test_wrong_arguments(tmp_path):
    with pytest.raises(FileNotFoundError):
        tables.read(tmp_path / "none.csv")
    with pytest.raises(ValueError, match="Expected the path of a table or an open file, got 5"):
        tables.read(5)
    with pytest.raises(ValueError, match="missing to be a sequence of strings, got 'NA'"):
        read("a,b\n1,2\n", missing="NA")
    with pytest.raises(ValueError, match="encoding to be one of Python's, got 'none'"):
        read("a,b\n1,2\n", encoding="none")
    with pytest.raises(ValueError, match="pass neither chunksize"):
        read("a,b\n1,2\n", chunksize=5)
    with pytest.raises(TypeError, match="no_option"):
        read("a,b\n1,2\n", no_option=1)


def test_without_pyarrow_it_is_said_what_to_install(monkeypatch):
    def lacking(*_, **__):
        raise ImportError("none")

    monkeypatch.setattr(pd, "read_parquet", lacking)
    with pytest.raises(ImportError, match=r"t.csv needs pyarrow: pip install pyarrow"):
        read(b"PAR1")
