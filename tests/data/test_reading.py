"""Tables of all kinds: what is seen in them, what is said of it, and what is refused."""

import gzip
import io
import os
import subprocess
import sys
import tempfile
import warnings
from pathlib import Path

import duckdb
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import descend
from descend.data import read as reading
from descend.data.asked import asked
from descend.data.queried import QueriedTable
from descend.data.read import open_table
from descend.errors import DataError, DescendError, DescendWarning, UsageError
from whole import WHOLE, whole_alone

PLAIN = {"t": [0.0, 1.0, 2.0], "v": [3.5, 1.9, 1.1]}
CSV = "t,v\n0,3.5\n1,1.9\n2,1.1\n"


def written(folder: Path, name: str, content: str | bytes, encoding: str = "utf-8") -> str:
    path = folder / name
    path.write_bytes(content.encode(encoding) if isinstance(content, str) else content)
    return str(path)


def same(found: dict[str, np.ndarray], expected: dict[str, list[float]] = PLAIN) -> None:
    assert list(found) == list(expected)
    for name, values in expected.items():
        np.testing.assert_array_equal(found[name], values)


# --- descend.read


def test_read_gives_what_fit_takes(tmp_path: Path) -> None:
    path = written(tmp_path, "a.csv", "x;y\ns;V\n0;1,5\n1;3,5\n2;5,5\n")
    with pytest.warns(DescendWarning) as told:
        table = descend.read(path)
    said = [str(each.message) for each in told]
    assert any("holds units and no numbers, and is left out: s, V" in text for text in said)
    assert any('"1,5" is read as 1.5' in text for text in said)
    found = descend.fit("y = a*x + b", table).params
    np.testing.assert_allclose([found["a"], found["b"]], [2, 1.5])


def test_read_takes_a_path_and_gives_texts_dates_and_numbers(tmp_path: Path) -> None:
    path = written(
        tmp_path, "a.csv", 'who,day,v,ok\n"a, b",2020-01-02,1.5,true\nc,2020-01-03,,false\n'
    )
    found = descend.read(Path(path))
    assert found["who"].tolist() == ["a, b", "c"]
    assert found["day"].dtype == "datetime64[us]"
    assert str(found["day"][1]) == "2020-01-03T00:00:00.000000"
    np.testing.assert_array_equal(found["v"], [1.5, np.nan])
    np.testing.assert_array_equal(found["ok"], [1, 0])


def test_read_of_a_large_file_gives_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = written(
        tmp_path, "a.csv", 'who,day,v,ok\n"a, b",2020-01-02,1.5,true\nc,2020-01-03,,false\n'
    )
    small = descend.read(path)
    monkeypatch.setattr(reading, "SMALL", 0)
    large = descend.read(path)
    assert list(small) == list(large)
    for name, column in small.items():
        assert column.dtype.kind == large[name].dtype.kind
        np.testing.assert_array_equal(column, large[name])


@pytest.mark.parametrize(
    ("content", "options", "expected"),
    [
        ("0 3.5\n1 1.9\n2 1.1\n", {"names": ["t", "v"]}, PLAIN),
        ("0,3.5\n1,1.9\n2,1.1\n", {"names": "t,v", "header": 0}, PLAIN),
        ("a,b\n0,3.5\n1,1.9\n2,1.1\n", {"names": ["t", "v"]}, PLAIN),
        ("junk\nmore junk\n" + CSV, {"skip": 2}, PLAIN),
        ("t!v\n0!3.5\n1!1.9\n2!1.1\n", {"sep": "!"}, PLAIN),
        ("t\tv\n0\t3.5\n1\t1.9\n2\t1.1\n", {"sep": "tab"}, PLAIN),
        ("t,v\n1,2\n0,3.5\n1,1.9\n2,1.1\n", {"header": 2}, PLAIN),
        ("0,3.5\n1,1.9\n", {"header": False}, {"column0": [0, 1], "column1": [3.5, 1.9]}),
        ('t,v\n0,"1,234"\n1,"2,345"\n', {"thousands": ","}, {"t": [0, 1], "v": [1234, 2345]}),
        ('t,v\n0,"1,234"\n1,"2,345"\n', {"decimal": ","}, {"t": [0, 1], "v": [1.234, 2.345]}),
        ("t;v\n0;1.234\n1;2.345\n", {"decimal": "."}, {"t": [0, 1], "v": [1.234, 2.345]}),
        ("t;v\n0;1.234\n1;2.345\n", {"thousands": "."}, {"t": [0, 1], "v": [1234, 2345]}),
        ("t;v\n0;1'234\n1;2'345\n", {"thousands": "'"}, {"t": [0, 1], "v": [1234, 2345]}),
        ("t;v\n0;1 234,5\n1;2 345\n", {"thousands": " ", "decimal": ","},
         {"t": [0, 1], "v": [1234.5, 2345]}),
    ],
)  # fmt: skip
@pytest.mark.parametrize("small", [None, 0])
def test_what_the_user_says_counts(
    tmp_path: Path, content: str, options: dict, expected: dict, small: int | None,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    if small is not None:
        monkeypatch.setattr(reading, "SMALL", small)
    same(descend.read(written(tmp_path, "a.csv", content), **options), expected)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"decimal": ":"}, "decimal=':' is none of"),
        ({"thousands": "_"}, "thousands='_' is none of"),
        ({"decimal": ",", "thousands": ","}, "is the decimal sign as well"),
        ({"sep": "ab"}, "sep='ab' is no single sign"),
        ({"encoding": "utf-9"}, "encoding='utf-9' is not known"),
        ({"skip": -1}, "skip=-1 is no whole number of at least 0"),
        ({"sheet": 0}, "sheet=0 is no whole number of at least 1"),
        ({"header": "yes"}, "header='yes' is no whole number"),
        ({"names": "a,a"}, "names a twice"),
        ({"names": "a,b,c"}, "there are 3 names for the 2 columns"),
    ],
)
def test_options_that_cannot_be_meant(tmp_path: Path, options: dict, words: str) -> None:
    with pytest.raises(UsageError) as caught:
        descend.read(written(tmp_path, "a.csv", CSV), **options)
    assert words in str(caught.value)


def test_a_remedy_of_read_is_in_the_words_of_python(tmp_path: Path) -> None:
    path = written(tmp_path, "a.csv", 't,v\n0,"1,234"\n1,"2,345"\n')
    with pytest.raises(DataError, match=r'decimal="," \(1.234\), or thousands="," \(1234\)'):
        descend.read(path)


# --- encodings


UNICODE = (
    "utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-32-le", "utf-32-be",
)  # fmt: skip


@pytest.mark.parametrize("encoding", UNICODE)
def test_encodings_that_are_seen(tmp_path: Path, encoding: str) -> None:
    path = written(tmp_path, "a.csv", "Größe,一\n0,3.5\n1,1.9\n2,1.1\n", encoding)
    same(descend.read(path), {"Größe": [0, 1, 2], "一": [3.5, 1.9, 1.1]})


@pytest.mark.parametrize(
    ("name", "encoding"),
    [("Größe", "cp1252"), ("时间", "gb18030"), ("時間", "shift_jis"), ("время", "cp1251")],
)
def test_the_names_of_the_formula_decide_an_encoding(
    tmp_path: Path, name: str, encoding: str
) -> None:
    path = written(tmp_path, "a.csv", f"{name},v\n0,3.5\n1,1.9\n", encoding)
    table = open_table(path, how=asked()._replace(wanted=frozenset((name, "v"))))
    assert table.read([name])[name].tolist() == [0, 1]
    assert f"read as {encoding}: its columns are {name}, v; with encoding=" in table.notes[0]


def test_an_encoding_that_was_taken_is_told(tmp_path: Path) -> None:
    path = written(tmp_path, "a.csv", "t,Größe\n0,3.5\n1,1.9\n", "latin-1")
    with pytest.warns(DescendWarning, match="is neither UTF-8 nor UTF-16, and is read as cp1252"):
        found = descend.read(path)
    assert [column.tolist() for column in found.values()] == [[0, 1], [3.5, 1.9]]
    assert list(descend.read(path, encoding="latin-1")) == ["t", "Größe"]


def test_a_wrong_encoding_is_refused(tmp_path: Path) -> None:
    path = written(tmp_path, "a.csv", "t,Größe\n0,3.5\n", "latin-1")
    with pytest.raises(DataError, match="is not written in utf-8"):
        descend.read(path, encoding="utf-8")


def test_bytes_far_from_the_beginning_decide_too(tmp_path: Path) -> None:
    rows = "".join(f"{k},{k}\n" for k in range(50_000))
    path = written(tmp_path, "a.csv", f"t,v\n{rows}".encode() + "1,2 ö\n".encode("latin-1"))
    how = asked(shell=True)
    table = open_table(path, how=how)
    assert isinstance(table, QueriedTable) and "is read as" in table.notes[0]
    with pytest.raises(DataError, match="in row 50000, counting from 0"):
        table.read(["v"])


# --- places


def test_packed_files(tmp_path: Path) -> None:
    same(descend.read(written(tmp_path, "a.csv.gz", gzip.compress(CSV.encode()))))
    same(descend.read(written(tmp_path, "plain.csv", gzip.compress(CSV.encode()))))
    path = str(tmp_path / "a.csv.zst")
    duckdb.sql(
        f"COPY (SELECT * FROM (VALUES (0, 3.5), (1, 1.9), (2, 1.1)) AS x(t, v)) TO '{path}' "
        "(FORMAT csv, HEADER, COMPRESSION zstd)"
    )
    same(descend.read(path))


def test_a_pattern_names_several_files(tmp_path: Path) -> None:
    for k in range(3):
        written(tmp_path, f"run{k}.csv", f"t;v\n{k};{k},5\n")
    written(tmp_path, "other.csv", "t,w\n0,1\n")
    with pytest.warns(DescendWarning, match="is read as 0.5"):
        found = descend.read(tmp_path / "run*.csv")
    same(found, {"t": [0, 1, 2], "v": [0.5, 1.5, 2.5]})
    table = open_table(str(tmp_path / "run?.csv"), "SELECT max(v) AS v FROM data")
    assert table.read(["v"])["v"].tolist() == [2.5]
    with pytest.raises(DataError, match=r'has the columns t, v, and ".*other.csv" has t, w'):
        descend.read(tmp_path / "*.csv")
    with pytest.raises(DataError, match="no file is called as in"):
        descend.read(tmp_path / "none*.csv")


def test_a_pipe_is_read_once_whatever_its_name(tmp_path: Path) -> None:
    pipe = str(tmp_path / "pipe")
    os.mkfifo(pipe)
    with subprocess.Popen(
        [sys.executable, "-c", f"open({pipe!r}, 'w').write('t;v\\n0;3,5\\n1;1,9\\n2;1,1\\n')"]
    ):
        table = open_table(pipe)
        same(table.read("tv"))


def test_standard_input_without_anything(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(b"")))
    with pytest.raises(DataError, match="there is nothing on standard input"):
        open_table("-")


def test_standard_input_that_is_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", None)
    with pytest.raises(DataError, match="standard input is closed"):
        open_table("-")


def test_temporary_files_go_with_their_table(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = written(tmp_path, "a.csv", "t\tv\n0\t3.5\n1\t1.9\n2\t1.1\n", "utf-16")
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    table = open_table(path, "SELECT * FROM data")
    assert len(list(tmp_path.iterdir())) == 2
    same(table.read("tv"))
    del table
    assert [p.name for p in tmp_path.iterdir()] == ["a.csv"]


def test_content_counts_before_the_name(tmp_path: Path) -> None:
    path = str(tmp_path / "a.data")
    duckdb.sql(f"COPY (SELECT 1.5 AS t, 2 AS v) TO '{path}' (FORMAT parquet)")
    same(descend.read(path), {"t": [1.5], "v": [2]})
    same(descend.read(written(tmp_path, "b", '[{"t": 1, "v": 2}]')), {"t": [1], "v": [2]})
    with pytest.raises(DataError, match="is no table that can be read"):
        descend.read(written(tmp_path, "picture.csv", b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0"))


# --- rows that are not as the others


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (CSV + "3\n", "line 5 of"),
        (CSV + "3,4,5\n", "has 3 fields, and the header has 2"),
        ("t v\n0 3.5\n1\n2 1.1\n", "line 3 of"),
        ("0 3.5\n1\n2 1.1\n", "has 1 field, and the others have 2"),
        ("t,v\n0,5,3,5\n1,5,1,9\n", "decimal commas and commas between columns cannot be told"),
        ("# nothing but this\n", "holds no table"),
    ],
)
def test_rows_of_unequal_lengths(tmp_path: Path, content: str, words: str) -> None:
    with pytest.raises(DataError) as caught:
        descend.read(written(tmp_path, "a.csv", content))
    assert words in str(caught.value)


def test_a_row_of_unequal_length_far_down(tmp_path: Path) -> None:
    rows = "0,1\n" * 200_000
    path = written(tmp_path, "a.csv", f"t,v\n{rows}1,2,3\n{rows}")
    with pytest.raises(DataError, match=r"line 200002 of .* has 3 fields, and the others have 2"):
        open_table(path).read("tv")


def test_numbers_far_down_that_are_written_otherwise(tmp_path: Path) -> None:
    rows = "".join(f"{k};{k}\n" for k in range(30_000))
    path = written(tmp_path, "a.csv", f"t;v\n{rows}1.234.567;2,5\n{rows}")
    found = open_table(path, how=asked(decimal=",")).read("tv")
    assert found["t"][30_000] == 1234567 and found["v"][30_000] == 2.5
    assert len(found["t"]) == 60_001


def test_no_decimal_far_down_becomes_a_whole_number(tmp_path: Path) -> None:
    rows = "".join(f"{k},{k}\n" for k in range(30_000))
    path = written(tmp_path, "a.csv", f"t,v\n{rows}1.5,2\n{rows}")
    assert open_table(path).read("tv")["t"][30_000] == 1.5
    asked_for = open_table(path, "SELECT t + 1 AS t, v FROM data").read("tv")
    assert asked_for["t"][30_000] == 2.5


NIST = (
    "NIST StRD\nDataset Name:  Thurber  (Thurber.dat)\n\nFormat:   ASCII\n"
    "   Starting Values   (lines 41 to 47)\nData:   y     x\n"
    "      80.574E0      -3.067E0\n      84.248E0      -2.981E0\n      87.264E0      -2.921E0\n"
)
LOGGED = "Program\t\nVersion\t2\n*** End ***\t\n\nt\tv\tComment\n0\t3.5\n1\t1.9\n2\t1.1\n"


@pytest.mark.parametrize(
    ("content", "wanted", "remedy"),
    [
        (NIST, "x y a b", '--skip 6 --names "y,x"'),
        (LOGGED, "t v a b", '--skip 5 --names "t,v"'),
        ("Instrument 7\n\n" + CSV, "time volts", "--skip 2"),
    ],
)
def test_lines_above_a_table(tmp_path: Path, content: str, wanted: str, remedy: str) -> None:
    path = written(tmp_path, "a.dat", content)
    with pytest.raises(DataError) as caught:
        open_table(path, how=asked(shell=True)._replace(wanted=frozenset(wanted.split())))
    assert str(caught.value.remedy).endswith(remedy)


@pytest.mark.parametrize("small", [None, 0])
@pytest.mark.parametrize(
    "content",
    [
        "# t v\n# s V\n0 3.5\n1 1.9\n2 1.1\n",
        "% by an instrument\n% t, v\n0,3.5\n1,1.9\n2,1.1\n",
        CSV + ",\n,\n",
        CSV.replace("\n1", "\n\n,\n1"),
        CSV + "\x1a",
        "t;v\n0;3,5\n# between\n1;1,9\n2;1,1\n",
    ],
)
def test_what_is_no_row_is_left_out(
    tmp_path: Path, content: str, small: int | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    if small is not None and "\x1a" not in content:
        monkeypatch.setattr(reading, "SMALL", small)
    path = written(tmp_path, "a.csv", content)
    same(open_table(path, how=asked()._replace(wanted=frozenset("tv"))).read("tv"))


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("a.xls", "<html><table><tr><td>1</td></tr></table>", "is a page of HTML or XML"),
        ("a.zip", b"PK\x03\x04", "is a zip archive"),
        ("a.xlsx", b"PK\x03\x04junk", "is no workbook of Excel or LibreOffice"),
    ],
)
def test_files_that_are_something_else(
    tmp_path: Path, name: str, content: str | bytes, words: str
) -> None:
    with pytest.raises(DataError, match=words):
        descend.read(written(tmp_path, name, content))


CELLS = [
    "1", "-7", "2,5", "0.5", "1.234", "1,234", "1.234,5", "1,234.5", "1.234.567", "", "NA", " 3 ",
    '"4"', '"2,5"', "1e3", "0,1D2", "x", "inf", "1'234", "\u22125", "true", "2020-01-01", "12,",
    ".5", "00012", "12345678901234567890", "1,23,456",
]  # fmt: skip
SIGNS = st.sampled_from(
    [*"0123456789.,;\t |'\"#%-+eE\n\r", "\n", "\n", "x", "é", "\u00a0", "NA", "1,234"]
)


@pytest.mark.fuzz
@given(st.one_of(st.lists(SIGNS, max_size=60).map("".join).map(str.encode), st.binary(max_size=80)))
@settings(max_examples=2000 if WHOLE else 100)
def test_any_file_is_read_or_refused(content: bytes) -> None:
    """Every kind of file may be met; no other error, and no warning, comes of it."""
    with tempfile.TemporaryDirectory() as folder:
        path = written(Path(folder), "any", content)
        try:
            table = open_table(path, how=asked(shell=True))
            table.everything()
            table.read(table.columns)
        except DescendError as error:
            assert str(error)


@pytest.mark.fuzz
@given(
    st.lists(st.sampled_from(CELLS), min_size=1, max_size=4, unique=True).flatmap(
        lambda cells: st.lists(st.tuples(*[st.sampled_from(cells)] * 2), min_size=1, max_size=8)
    ),
    st.sampled_from([";", "\t", " ", "|"]),
)
@settings(max_examples=500 if WHOLE else 15)
def test_both_roads_lead_to_the_same_numbers(rows: list[tuple[str, str]], sep: str) -> None:
    """What both ways of reading read, they read alike."""
    found = []
    for small in (400_000, 0):
        with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
            lines = [("t", "v"), ("1", "2"), *rows, ("3", "4")]
            text = "\n".join(sep.join(cells) for cells in lines)
            path = written(Path(folder), "any.csv", text)
            patch.setattr(reading, "SMALL", small)
            try:
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore", DescendWarning)
                    table = open_table(path, how=asked(shell=True))
                    found.append(table.read(table.columns))
            except DescendError:
                return
    small_road, large_road = found
    assert list(small_road) == list(large_road)
    for name, column in small_road.items():
        np.testing.assert_array_equal(column, large_road[name])


def test_names_that_differ_by_case(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = written(tmp_path, "a.csv", "t,T\n0,3.5\n1,1.9\n")
    assert open_table(path).read(["T"])["T"].tolist() == [3.5, 1.9]


@whole_alone
def test_a_large_table_takes_little_more_memory_than_its_numbers(tmp_path: Path) -> None:
    path = tmp_path / "large.csv"
    duckdb.sql(f"COPY (SELECT random() AS t, random() AS v FROM range(25000000)) TO '{path}'")
    script = (
        "import resource, sys, descend, duckdb, descend.data.queried, descend.data.sources\n"
        "def peak(): return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024\n"
        "before = peak(); table = descend.read(sys.argv[1])\n"
        "print((peak() - before) / sum(column.nbytes for column in table.values()))"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, str(path)], capture_output=True, text=True, check=True
    )
    assert done.stdout.count("\n") == 1 and float(done.stdout) <= 1.2
