"""Rows come back in blocks as they were written, from every kind of source, pass after pass."""

import gc
import gzip
import itertools
import os
import weakref
from types import SimpleNamespace

import duckdb
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from data.streamed import BLOCK, joined, numbers, read_back, reading, same, write
from descend.data import allocator
from descend.data.asked import asked
from descend.data.read import open_table
from descend.data.streams import opened
from descend.data.streams.ahead import cut
from descend.data.streams.divided import FILE
from descend.data.streams.opened import judge, open_stream, should_stream
from descend.errors import DataError, UsageError

ROWS = 150_001
TABLE = numbers(ROWS)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    place = tmp_path_factory.mktemp("streams")
    write(place / "t.parquet", TABLE)
    write(place / "t.csv", TABLE, "FORMAT csv")
    write(place / "t.json", TABLE, "FORMAT json")
    halves = {n: c[:70_000] for n, c in TABLE.items()}, {n: c[70_000:] for n, c in TABLE.items()}
    for number, half in enumerate(halves):
        write(place / f"part{number}.parquet", half)
        write(place / f"part{number}.csv", half, "FORMAT csv")
    text = (place / "t.csv").read_text().replace(",", ";").replace(".", ",")
    (place / "comma.csv").write_text(text)
    with gzip.open(place / "t.csv.gz", "wt", compresslevel=1) as packed:
        packed.write((place / "t.csv").read_text())
    (place / "wide.csv").write_text((place / "t.csv").read_text(), encoding="utf-16")
    return place


NAMES = ("y", "x")
WANTED = {name: TABLE[name] for name in NAMES}


def check(source, kept, *, names=NAMES, wanted=WANTED, **options):
    """Two passes and one from the middle; whether there is a scratch file is said."""
    with open_stream(source, names, **options) as stream:
        survey = stream.survey()
        assert survey.n_rows == stream.n_rows == len(next(iter(wanted.values())))
        same(read_back(stream), wanted)
        same(read_back(stream), wanted)
        same(read_back(stream, 1), {name: column[BLOCK:] for name, column in wanted.items()})
        assert any("scratch file" in told for told in stream.said) == kept
    assert not reading()
    return survey


@pytest.mark.parametrize(
    ("name", "kept"),
    [
        ("t.parquet", False), ("part*.parquet", False), ("t.csv", True), ("part*.csv", True),
        ("t.json", True), ("comma.csv", True), ("t.csv.gz", True), ("wide.csv", True),
    ],
)  # fmt: skip
def test_files(folder, tmp_path, name, kept):
    check(folder / name, kept, scratch=str(tmp_path))
    assert not os.listdir(tmp_path)


def test_what_comes_before_is_not_read(tmp_path):
    """Of Parquet in several files; a column with the name that DuckDB numbers by prevents it."""
    columns = {"x": np.arange(500_000.0)}
    parts = (slice(0, 200_000), slice(200_000, 200_001), slice(200_001, 500_000))
    for name in ("x", "FILE_row_number"):
        for number, part in enumerate(parts):
            table = {"x": columns["x"][part], name: columns["x"][part]}
            write(tmp_path / f"{name}{number}.parquet", table)
        with open_stream(tmp_path / f"{name}?.parquet", ["x"], block=1000) as stream:
            assert stream.survey().n_rows == 500_000
            assert stream._source.seeks == (name == "x")
            for first in (1, 199, 200, 201, 400, 499, 500, 777):
                rest = {"x": columns["x"][1000 * first :]}
                if len(rest["x"]):
                    same(read_back(stream, first, 1000), rest)
                else:
                    assert not [*stream.blocks(first)]


def test_a_query_gives_the_rows_of_a_text_in_their_order(folder):
    for _ in range(3):
        found = open_table(str(folder / "comma.csv"), "SELECT y FROM data").read(["y"])
        same(found, {"y": TABLE["y"]})


def test_a_query(folder):
    query = "SELECT y, 2 * x AS x FROM data WHERE y < 10000 ORDER BY y DESC"
    inside = TABLE["y"] < 10_000
    wanted = {"y": TABLE["y"][inside][::-1], "x": 2 * TABLE["x"][inside][::-1]}
    check(folder / "t.parquet", True, sql=query, wanted=wanted)


def test_small_files_and_workbooks_stay_in_memory(tmp_path):
    openpyxl = pytest.importorskip("openpyxl")
    rows = [[1, 2.5], [3, 4.5], [5, 6.5]]
    book = openpyxl.Workbook()
    for row in [["a", "b"], *rows]:
        book.active.append(row)
    book.save(tmp_path / "t.xlsx")
    (tmp_path / "t.csv").write_text("a;b\n" + "".join(f"{a};{b}\n" for a, b in rows))
    for name in ("t.xlsx", "t.csv"):
        with open_stream(tmp_path / name, ["b", "a"], block=2) as stream:
            found = read_back(stream, block=2)
        same(found, {"b": np.array([2.5, 4.5, 6.5]), "a": np.array([1.0, 3.0, 5.0])})
        assert should_stream(tmp_path / name, ["a"]) == (False, "")


def test_what_the_user_says_of_a_text(tmp_path):
    (tmp_path / "t.txt").write_text("# made by hand\n1,5 2\n2,5 4\n")
    how = asked(sep=" ", decimal=",", header=0, names=["u", "v"])
    with open_stream(tmp_path / "t.txt", ["u"], how=how) as stream:
        same(read_back(stream), {"u": np.array([1.5, 2.5])})


def test_columns_in_memory():
    check(TABLE, False)


@pytest.mark.parametrize("library", ["pandas", "polars"])
def test_frames(library):
    check(pytest.importorskip(library).DataFrame(TABLE), False)


def test_a_lazy_frame():
    polars = pytest.importorskip("polars")
    check(polars.LazyFrame(TABLE).filter(polars.col("y") >= 0), True)


def test_a_relation():
    with duckdb.connect() as link:
        link.register("t", TABLE)
        check(link.sql("SELECT * FROM t"), True)


def test_streams_of_arrow_once_and_again():
    class Once:
        """As a reader of batches is."""

        def __init__(self, frame):
            self.frame = frame

        def __arrow_c_stream__(self, requested_schema=None):
            frame, self.frame = self.frame, None
            return frame.__arrow_c_stream__()

    frame = pytest.importorskip("polars").DataFrame(TABLE)
    check(Once(frame), True)
    check(frame.head(70_000).vstack(frame.tail(ROWS - 70_000)), False)


def test_every_number_of_arrow():
    polars = pytest.importorskip("polars")
    whole = np.array([-3, 0, 100, 7, 9, 11, 13, 15, 17])
    kinds = {
        kind: polars.Series(whole, dtype=getattr(polars, kind))
        for kind in ("Int8", "Int16", "Int32", "Int64", "Float32", "Float64")
    }
    kinds["UInt64"] = polars.Series(whole + 3, dtype=polars.UInt64)
    kinds["Boolean"] = polars.Series(whole > 5)
    kinds["Decimal"] = polars.Series(whole / 4).cast(polars.Decimal(20, 2))
    kinds["gaps"] = polars.Series([None if v == 7 else v for v in whole], dtype=polars.Int16)
    wanted = {
        **dict.fromkeys(kinds, whole), "UInt64": whole + 3, "Boolean": whole > 5,
        "Decimal": whole / 4, "gaps": np.where(whole == 7, np.nan, whole),
    }  # fmt: skip
    frame = polars.DataFrame(kinds)
    for part in (slice(0, 9), slice(3, 9), slice(4, 5)):
        with open_stream(frame[part], [*kinds]) as stream:
            batches = [*stream._source.batches()]
            found = dict(zip(kinds, map(np.concatenate, zip(*batches, strict=True)), strict=True))
        same(found, {name: column[part] for name, column in wanted.items()})


def test_readers_and_datasets_of_pyarrow(folder):
    pyarrow = pytest.importorskip("pyarrow")
    dataset = pytest.importorskip("pyarrow.dataset")
    table = pyarrow.table(TABLE)
    check(table, False)
    check(table.to_reader(1000), True)
    check(table.to_batches(7000), False)
    check(dataset.dataset(str(folder / "t.parquet")), False)
    check(dataset.dataset(str(folder / "t.csv"), format="csv"), True)


def test_dask():
    array = pytest.importorskip("dask.array")
    pairs = np.stack([TABLE["y"], TABLE["x"]], axis=1)
    check(array.from_array(pairs, chunks=(40_000, 1)), True)
    check(array.from_array(TABLE["y"], chunks=40_000), True, names=["y"], wanted={"y": TABLE["y"]})
    frame = pytest.importorskip("dask.dataframe").from_dict(TABLE, npartitions=7)
    check(frame, True)


def blocks(length=9_999):
    for first in range(0, ROWS, length):
        yield {name: column[first : first + length] for name, column in TABLE.items()}


def test_iterators():
    pandas = pytest.importorskip("pandas")
    check(blocks, False)
    check(lambda: map(pandas.DataFrame, blocks()), False)
    check([*blocks()], False)
    check([(block["y"], block["x"]) for block in blocks()], False)
    check([np.stack([block["y"], block["x"]], axis=1) for block in blocks()], False)
    check(blocks(), True)


def test_of_whole_numbers_and_gaps_come_floats():
    given = [{"a": [1, None, 3]}, {"a": np.ma.array([1, 2], mask=[True, False])}]
    with open_stream(given, ["a"]) as stream:
        assert stream.survey("drop").n_dropped == 2
        same(read_back(stream), {"a": np.array([1.0, 3.0, 2.0])})


@pytest.mark.parametrize("name", ["t.parquet", "t.csv", "t.json"])
def test_rows_are_given_once_as_they_are(folder, tmp_path, name):
    with open_stream(folder / name, NAMES, scratch=str(tmp_path)) as stream:
        same(joined(stream.once(), NAMES), WANTED)
        same(read_back(stream), WANTED)
    given = {"x": np.array([1.0, np.nan, np.inf])}
    with open_stream(iter([given]), ["x"], block=2) as stream:
        same(joined(stream.once(), ["x"], 2), given)
        with pytest.raises(UsageError, match="gives its rows once"):
            stream.survey()


def test_a_text_that_is_written_otherwise_further_on_is_given_once(tmp_path):
    rows = [f"{i}\n" for i in range(400_000)]
    rows[390_000] = "2,5\n"
    (tmp_path / "t.csv").write_text("x;y\n" + "".join(f"{i};{r}" for i, r in enumerate(rows)))
    wanted = np.arange(400_000.0)
    wanted[390_000] = 2.5
    with open_stream(tmp_path / "t.csv", ["y"], block=10_000) as stream:
        same(joined(stream.once(), ["y"], 10_000), {"y": wanted})


# --- cutting


@given(
    lengths=st.lists(st.integers(0, 23), max_size=9),
    block=st.integers(1, 12),
    first=st.integers(0, 3),
    bad=st.sets(st.integers(0, 60)),
    drop=st.booleans(),
    lent=st.booleans(),
)
def test_batches_of_any_lengths_are_cut(lengths, block, first, bad, drop, lent):
    rows = sum(lengths)
    u, v = np.arange(rows, dtype=float), np.arange(rows) * -1.0
    u[[i for i in bad if i < rows and i % 2]] = np.nan
    v[[i for i in bad if i < rows and not i % 2]] = np.inf
    ends = [*itertools.accumulate(lengths, initial=0)]
    batches = ([u[a:b], v[a:b]] for a, b in itertools.pairwise(ends))
    kept = np.isfinite(u) & np.isfinite(v) if drop else np.ones(rows, bool)
    wanted = np.array([u[kept], v[kept]])[:, first * block :]
    place, dropped = first * block, 0
    got = [np.empty((2, 0))]
    for piece in cut(batches, lambda: np.empty((2, block)), block, drop, first, lent=lent):
        assert piece.first == place and 0 < piece.rows <= block
        place, dropped = place + block, piece.dropped
        got.append(np.array([column[: piece.rows] for column in piece.buffer]))
    np.testing.assert_array_equal(np.concatenate(got, axis=1), wanted)
    assert all(piece.shape[1] == block for piece in got[1:-1])
    assert not dropped or dropped <= rows - kept.sum()


@pytest.mark.parametrize("name", ["gaps.parquet", "gaps.csv"])
def test_rows_with_gaps_are_dropped_in_every_pass(tmp_path, name):
    rng = np.random.default_rng(1)
    table = {name: column.copy() for name, column in numbers(80_000).items()}
    table["x"][rng.integers(0, 80_000, 500)] = np.nan
    table["y"][[0, 7, 79_999]] = np.inf
    how = "FORMAT parquet" if name.endswith("parquet") else "FORMAT csv"
    path = write(tmp_path / name, table, how)
    kept = np.isfinite(table["x"]) & np.isfinite(table["y"])
    wanted = {"x": table["x"][kept], "y": table["y"][kept]}
    with open_stream(path, ["x", "y"], block=1000) as stream:
        survey = stream.survey("drop")
        assert (survey.n_rows, survey.n_dropped) == (kept.sum(), 80_000 - kept.sum())
        same(read_back(stream, block=1000), wanted)
        same(read_back(stream, block=1000), wanted)


# --- what is held, and given up


def test_two_passes_at_once(folder):
    for name in ("t.parquet", "t.csv"):
        with open_stream(folder / name, ["y"]) as stream:
            outer = stream.blocks()
            next(outer)
            same(read_back(stream), {"y": TABLE["y"]})
            for piece in itertools.islice(stream.blocks(), 1):
                assert piece.first == 0
            assert [piece.first for piece in outer] == [BLOCK, 2 * BLOCK]


def test_who_stops_early_leaves_nothing_behind(folder, tmp_path):
    for name in ("t.parquet", "t.csv"):
        with open_stream(folder / name, ["y"], scratch=str(tmp_path), block=1000) as stream:
            passing = stream.blocks()
            next(passing)
            passing.close()
            assert not reading()
            with pytest.raises(ZeroDivisionError):
                for piece in stream.blocks():
                    1 // piece.first
    gc.collect()
    assert not reading() and not os.listdir(tmp_path)


def test_a_stream_that_is_forgotten_is_closed(folder, tmp_path):
    stream = open_stream(folder / "t.csv", ["y"], scratch=str(tmp_path), block=1000)
    passing = stream.blocks()
    next(passing)
    held, forgotten = stream._held, weakref.ref(stream)
    del stream, passing
    gc.collect()
    assert forgotten() is None and held.closed and held.scratch._file.closed
    assert not reading() and not os.listdir(tmp_path)


def test_a_closed_stream_says_so(folder):
    stream = open_stream(folder / "t.parquet", ["y"], block=1000)
    passing = stream.blocks()
    next(passing)
    stream.close()
    for ask in (lambda: next(passing), lambda: next(stream.blocks())):
        with pytest.raises(UsageError, match="the stream is closed"):
            ask()
    assert not reading()


def test_what_an_iterator_raises_is_raised_as_it_is():
    class Own(Exception):
        pass

    def broken():
        yield {"a": [1.0, 2.0]}
        raise Own("of mine")

    with open_stream(broken, ["a"], block=1) as stream, pytest.raises(Own, match="of mine"):
        stream.survey()
    assert not reading()


# --- whether a source should be a stream


def test_what_fills_half_of_the_memory_is_streamed(folder, monkeypatch):
    free = 2 * 8 * 2 * ROWS
    for name in ("t.parquet", "part*.parquet", "t.csv"):
        monkeypatch.setattr(opened, "memory_free", lambda: 4 * free)
        assert should_stream(folder / name, ["x", "y"]).stream is False
        monkeypatch.setattr(opened, "memory_free", lambda: free // 2)
        found = should_stream(folder / name, ["x", "y"])
        assert found.stream is True
    monkeypatch.setattr(opened, "memory_free", lambda: 4_000_000)
    assert should_stream(folder / "t.parquet", ["x", "y"]).said == (
        "about 1.5e+05 rows of 2 columns take 2.4 MB, more than half of the 4 MB of memory that "
        "are free: they are read in blocks"
    )
    query = "SELECT x FROM data WHERE x > 0"
    assert should_stream(folder / "t.parquet", ["x"], sql=query).stream is None
    with open_stream(blocks(), ["x"]) as stream:
        assert judge(stream).stream is None
        assert stream.survey().n_rows == ROWS


# --- what is no source


@pytest.mark.parametrize("path", ["s3://bucket/t.parquet", "https://x.org/*.csv", "gs://b/t.csv"])
def test_what_is_elsewhere_is_not_fetched(path):
    with pytest.raises(UsageError) as caught:
        open_stream(path, ["x"])
    scheme = path.split(":")[0]
    assert str(caught.value) == (
        f'"{path}" is not on this machine: nothing is fetched by {scheme}\n'
        "  do: copy it to this machine, or pass an Arrow stream: any object with "
        "__arrow_c_stream__"
    )


def test_what_cannot_be_read_is_told():
    with pytest.raises(UsageError, match="cannot be read from an object of type int"):
        open_stream(3, ["x"])
    with pytest.raises(UsageError, match="sql= reads files, and the source is of type dict"):
        open_stream({"x": [1.0]}, ["x"], sql="SELECT 1")
    with pytest.raises(UsageError, match="no column is wanted"):
        open_stream({"x": [1.0]}, [])
    with pytest.raises(DataError, match=r'the table has no column "z"'):
        open_stream({"x": [1.0]}, ["z"])
    with pytest.raises(DataError, match="the columns have unequal numbers of rows: x 1, y 2"):
        open_stream({"x": [1.0], "y": [1.0, 2.0]}, ["x", "y"])
    with pytest.raises(UsageError, match='"/no/such", where scratch files go, is no folder'):
        open_stream({"x": [1.0]}, ["x"], scratch="/no/such")


def test_memory_of_blocks_is_kept_until_the_last_stream_is_closed(monkeypatch):
    gc.collect()  # streams that other tests have left open
    monkeypatch.setattr(allocator, "_at_work", 0)
    calls = []
    library = SimpleNamespace(
        mallopt=lambda *what: calls.append(what), malloc_trim=lambda _: calls.append("trim")
    )
    monkeypatch.setattr(allocator, "_library", lambda told: None if told else library)
    columns = {"x": np.arange(10.0)}
    with open_stream(columns, ["x"], block=4) as one:
        assert calls == []
        with open_stream(columns, ["x"], block=4) as other:
            for _ in range(2):
                assert [p.rows for p in one.blocks()] == [p.rows for p in other.blocks()]
        assert calls == [(allocator.TRIM, allocator.LEARNT), (allocator.MAP, allocator.MAPPED)]
    assert calls[2:] == ["trim"]


def test_a_share_is_read_by_whoever_asks_and_lies_where_it_was_read(tmp_path):
    """Blocks that lie in one batch are not copied."""
    n = 5 * BLOCK + 99
    column = np.arange(n) * 0.5
    with duckdb.connect() as link:
        link.register("t", {"y": column})
        link.execute(f"COPY (SELECT * FROM t) TO '{tmp_path}/t.parquet'")
    with open_stream(tmp_path / "t.parquet", ["y"]) as stream:
        stream.survey()
        for blocks in [(0, 2), (1, 4), (3, 6)]:
            rows, lent = [], 0
            for piece in stream.share(blocks):
                assert not reading()
                (values,) = piece.columns
                lent += values.base.base is not None
                rows.append(values.copy())
            assert lent
            first, end = blocks
            wanted = column[first * BLOCK : end * BLOCK]
            np.testing.assert_array_equal(np.concatenate(rows), wanted)
        marks = stream.marks
        marks[4] = b""
        with pytest.raises(DataError, match=f"among the rows {4 * BLOCK} to {5 * BLOCK - 1}"):
            [*stream.share((3, 6))]
        del marks[4:]
        with pytest.raises(DataError, match=f"among the rows {4 * BLOCK} to {5 * BLOCK - 1}"):
            [*stream.share((3, 6))]


def test_many_files_are_gone_through_by_one_thread(tmp_path, monkeypatch):
    """Each range of blocks would be a query over all of them."""
    rows = {"y": np.arange(40 * BLOCK * 1.0)}
    with duckdb.connect() as link:
        link.register("t", rows)
        for name in ("a", "b"):
            link.execute(f"COPY (SELECT * FROM t) TO '{tmp_path}/{name}.parquet'")
    with open_stream(tmp_path / "*.parquet", ["y"]) as stream:
        assert stream.divided(2)[0] == 2
        monkeypatch.setattr("descend.data.streams.stream.FILE", FILE._replace(files=1))
        assert stream.divided(2) == (1, [(0, 80)])
