"""Files: every format gives the same numbers; every fault is told by its place."""

import gzip
import subprocess
import sys
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from descend.data import read as reading
from descend.data.asked import asked
from descend.data.queried import QueriedTable
from descend.data.read import open_table
from descend.errors import DataError, UsageError

ROWS = {"x": [1.0, 2.0, 3.0], "y": [0.5, -1.5, 2.5e-8]}
CSV = "x,y\n1,0.5\n2,-1.5\n3,2.5e-8\n"


def write(folder: Path, name: str, content: str | bytes) -> str:
    path = folder / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return str(path)


CONTENTS = {
    "a.csv": CSV,
    "crlf.csv": CSV.replace("\n", "\r\n"),
    "bom.csv": "\ufeff" + CSV,
    "spaces.csv": CSV.replace(",", " , "),
    "semicolon.csv": CSV.replace(",", ";"),
    "quoted.csv": CSV.replace("x,y", '"x","y"'),
    "a.tsv": CSV.replace(",", "\t"),
    "a.txt": CSV,
    "a.csv.gz": gzip.compress(CSV.encode()),
    "A.CSV": CSV,
    "odd [1]*'name.csv": CSV.replace("1,", '"1",'),
    "a.json": '[{"x":1,"y":0.5},{"x":2,"y":-1.5},{"x":3,"y":2.5e-8}]',
    "a.jsonl": '{"x":1,"y":0.5}\n{"x":2,"y":-1.5}\n{"x":3,"y":2.5e-8}\n',
}


@pytest.mark.parametrize("name", CONTENTS)
def test_formats_agree(tmp_path: Path, name: str) -> None:
    table = open_table(write(tmp_path, name, CONTENTS[name]))
    assert table.columns == ("x", "y")
    found = table.read(["y", "x"])
    assert list(found) == ["y", "x"]
    for column, expected in ROWS.items():
        assert found[column].dtype == np.float64
        np.testing.assert_array_equal(found[column], expected)


def test_parquet_of_every_number_type(tmp_path: Path) -> None:
    path = str(tmp_path / "a.parquet")
    frame = pl.DataFrame(ROWS | {"i": [1, None, 3], "b": [True, False, True]})
    types = [pl.Int8, pl.UInt64, pl.Float32, pl.Decimal(10, 2)]
    frame.with_columns(
        pl.col("i").cast(t).alias(f"i{k}") for k, t in enumerate(types)
    ).write_parquet(path)
    found = open_table(path).read(["x", "b", "i", "i0", "i1", "i2", "i3"])
    np.testing.assert_array_equal(found.pop("x"), ROWS["x"])
    np.testing.assert_array_equal(found.pop("b"), [1.0, 0.0, 1.0])
    for column in found.values():
        np.testing.assert_array_equal(column, [1.0, np.nan, 3.0])


def test_numpys_reader_and_duckdb_agree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(0)
    values = rng.standard_normal((500, 3)) * 10.0 ** rng.integers(-300, 300, (500, 3))
    lines = ["a,b,c"] + [",".join(map(repr, row)) for row in values.tolist()]
    path = write(tmp_path, "a.csv", "\n".join(lines))
    fast = open_table(path).read("abc")
    monkeypatch.setattr(reading, "SMALL", 0)
    table = open_table(path)
    assert type(table) is QueriedTable
    slow = table.read("abc")
    for index, name in enumerate("abc"):
        np.testing.assert_array_equal(fast[name], values[:, index])
        np.testing.assert_array_equal(slow[name], values[:, index])


def test_only_read_columns_must_be_numbers(tmp_path: Path) -> None:
    path = write(tmp_path, "a.csv", "x,name\n1,a\n2,b\n")
    assert open_table(path).read(["x"])["x"].tolist() == [1.0, 2.0]


def test_missing_fields_are_nan(tmp_path: Path) -> None:
    found = open_table(write(tmp_path, "a.csv", "x,y\n1,\n,2\nnan,inf\n")).read("xy")
    np.testing.assert_array_equal(found["x"], [1.0, np.nan, np.nan])
    np.testing.assert_array_equal(found["y"], [np.nan, 2.0, np.inf])


def test_a_table_without_rows_has_empty_columns(tmp_path: Path) -> None:
    assert open_table(write(tmp_path, "a.csv", "x,y\n")).read(["x"])["x"].shape == (0,)


def test_order_of_many_rows_is_kept(tmp_path: Path) -> None:
    path = str(tmp_path / "a.parquet")
    pl.DataFrame({"i": np.arange(500_000)}).write_parquet(path)
    assert (np.diff(open_table(path).read("i")["i"]) == 1).all()


def test_query(tmp_path: Path) -> None:
    path = write(tmp_path, "a.csv", CSV)
    table = open_table(path, "SELECT x * 2 AS z FROM data WHERE y > 0;")
    assert table.columns == ("z",)
    assert table.read("z")["z"].tolist() == [2.0, 6.0]


def test_text_after_the_sampled_rows_is_found(tmp_path: Path) -> None:
    path = write(tmp_path, "a.csv", "x,y\n" + "1,2\n" * 30_000 + "oops,3\n")
    with pytest.raises(DataError, match='the column "x" holds text: "oops" in row 30000'):
        open_table(path).read(["x"])
    assert len(open_table(path).read(["y"])["y"]) == 30_001


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("a.csv", "x,y\n1,2\n3,bad\n4,?\n", '"y" holds text: "bad" in row 1, "?" in row 2'),
        ("a.csv", "x,y\n" + "1,a\n" * 9, "(9 rows in all)"),
        ("a.csv", "x,y\n2020-01-01,2\n2020-01-02,3\n", "holds dates or times (such as 2020-01-01)"),
        ("a.csv", "x,y\n1,2\n3,4,5\n", "line 3 of"),
        ("a.csv", "x,y\n1,2\n3,4,5\n", "has 3 fields, and the header has 2"),
        ("a.csv", "", "is empty"),
        ("a.csv", b"x,y\n1,\xff\n", '"y" holds text: "\xff" in row 0'),
        ("a.json", '[{"x": [1, 2], "y": 1}]', "holds BIGINT[], no numbers"),
        ("a.json", '[{"x"', "cannot be read"),
        ("a.parquet", "nothing", "cannot be read"),
        ("a.xlsx", "\0\0\1x", "is no workbook of Excel or LibreOffice"),
    ],
)
def test_faults_are_told(tmp_path: Path, name: str, content: str | bytes, words: str) -> None:
    path = write(tmp_path, name, content)
    with pytest.raises(DataError) as caught:
        table = open_table(path)
        table.read(table.columns)
    assert words in str(caught.value)
    assert "Traceback" not in str(caught.value)


def test_no_such_file_or_column(tmp_path: Path) -> None:
    path = write(tmp_path, "points.csv", CSV)
    with pytest.raises(DataError, match=r'did you mean "points.csv"\?'):
        open_table(path.replace("points", "point"))
    with pytest.raises(DataError, match="is a directory"):
        open_table(str(tmp_path))
    with pytest.raises(DataError, match='has no column "z"'):
        open_table(path).read("z")


BAD_QUERIES = [
    "SELECT x FRO data", "SELECT q FROM data", "selec",
    "SELECT * FROM data); SELECT * FROM (SELECT * FROM data",
]  # fmt: skip


@pytest.mark.parametrize("sql", BAD_QUERIES)
def test_bad_queries(tmp_path: Path, sql: str) -> None:
    path = write(tmp_path, "a.csv", CSV)
    with pytest.raises(UsageError, match="the SQL query cannot be run") as caught:
        open_table(path, sql)
    assert "the file is called data in it" in str(caught.value)


@pytest.mark.parametrize(
    ("sql", "found"),
    [
        ("DROP VIEW data", "is DROP"),
        ("SELECT * FROM data; DROP VIEW data", r"holds 2 statements \(SELECT, DROP\)"),
        ("COPY data TO '{folder}/made.csv'", "is COPY"),
        ("ATTACH '{folder}/made.csv' AS q", "is ATTACH"),
        ("SET enable_external_access = true", "is SET"),
        ("INSTALL httpfs", "is LOAD"),
    ],
)
def test_a_query_is_one_select(tmp_path: Path, sql: str, found: str) -> None:
    path = write(tmp_path, "a.csv", CSV)
    with pytest.raises(UsageError, match=f"is to be one SELECT, and {found}"):
        open_table(path, sql.format(folder=tmp_path))
    assert [p.name for p in tmp_path.iterdir()] == ["a.csv"]


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT * FROM data, read_text('{folder}/secret.txt')",
        "SELECT * FROM read_csv('{folder}/secret.txt')",
        "SELECT * FROM glob('{folder}/*')",
        "SELECT * FROM read_csv('https://localhost/a.csv')",
    ],
)
def test_a_query_reads_only_the_file_that_was_named(tmp_path: Path, sql: str) -> None:
    write(tmp_path, "secret.txt", "hidden\n")
    path = write(tmp_path, "a.csv", CSV)
    with pytest.raises(UsageError, match="something else than the file that was named") as caught:
        open_table(path, sql.format(folder=tmp_path)).read(["x"])
    assert "hidden" not in str(caught.value)


def test_a_query_knows_nothing_of_this_program(tmp_path: Path) -> None:
    path = write(tmp_path, "a.csv", CSV)
    frame = {"x": np.arange(3.0)}
    with pytest.raises(UsageError, match="the SQL query cannot be run"):
        open_table(path, "SELECT * FROM frame")
    assert frame


@pytest.mark.parametrize("sql", ["SELECT * FROM data;", "SELECT * FROM data -- all", "FROM data"])
@pytest.mark.parametrize("name", ["a.csv", "a[1].csv", "what's.csv", "a*.csv"])
def test_an_honest_query_is_answered(tmp_path: Path, sql: str, name: str) -> None:
    table = open_table(write(tmp_path, name, "x,y\n1,2\n3,4\n"), sql)
    assert table.read(["y"])["y"].tolist() == [2.0, 4.0]


def test_an_empty_query_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="the SQL query is empty"):
        open_table(write(tmp_path, "a.csv", CSV), " ")


def test_a_name_that_two_columns_have_is_refused(tmp_path: Path) -> None:
    table = open_table(write(tmp_path, "a.csv", "x,x,y\n1,2,3\n2,3,4\n"))
    with pytest.raises(DataError, match='has more than one column "x"'):
        table.read(["x"])
    assert table.read(["y"])["y"].tolist() == [3, 4]


def test_booleans_are_zero_and_one(tmp_path: Path) -> None:
    table = open_table(write(tmp_path, "a.csv", "x,ok\n1,true\n2,false\n3,\n"))
    np.testing.assert_array_equal(table.read(["x", "ok"])["ok"], [1, 0, np.nan])


@pytest.mark.parametrize(
    ("content", "column", "values"),
    [
        ("x,y\n1,2\n2,2\nbad,3\n", "x", [1, 2, np.nan]),
        ("order,y\n1,2\n2,2\nbad,3\n", "order", [1, 2, np.nan]),
        ("a `b` $c,y\n1,2\n2,2\nbad,3\n", "a `b` $c", [1, 2, np.nan]),
        ("x;y\n1,5;2\n2.5;4\n", "x", [1.5, 2.5]),
    ],
)
def test_the_query_of_a_remedy_works_as_a_shell_reads_it(
    tmp_path: Path, content: str, column: str, values: list[float]
) -> None:
    path = write(tmp_path, "a.csv", content)
    with pytest.raises(DataError) as caught:
        open_table(path, how=asked(shell=True)).read([column])
    option = str(caught.value.remedy).partition("--sql ")[2].removesuffix(" --missing drop")
    query = subprocess.run(["sh", "-c", f"printf %s {option}"], capture_output=True, text=True)
    np.testing.assert_array_equal(open_table(path, query.stdout).read([column])[column], values)


def test_standard_input() -> None:
    code = "from descend.data.read import *; print(open_table('-').read('y')['y'].tolist())"
    run = subprocess.run(
        [sys.executable, "-c", code], input=CSV, capture_output=True, text=True, check=True
    )
    assert run.stdout.strip() == "[0.5, -1.5, 2.5e-08]"
