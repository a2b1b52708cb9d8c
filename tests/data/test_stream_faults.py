"""What goes wrong while rows are read is told in words, and nothing is left behind."""

import errno
import gc
import os
import shutil
import signal
import subprocess
import sys
import threading
from collections import namedtuple
from pathlib import Path

import duckdb
import numpy as np
import pytest

from data.streamed import numbers, read_back, reading, same, write
from descend.data.streams.opened import open_stream
from descend.errors import DataError, DescendWarning, UsageError

SOURCE = Path(__file__).parents[2] / "src"


@pytest.fixture(autouse=True)
def nothing_is_left(tmp_path_factory, monkeypatch):
    """Scratch files and threads of each test."""
    place = tmp_path_factory.mktemp("scratch")
    monkeypatch.setattr("tempfile.tempdir", str(place))
    yield place
    gc.collect()
    assert not reading()
    assert not os.listdir(place)


def refusal(source, names=("x",), **options):
    def read():
        with open_stream(source, names, block=1000, **options) as stream:
            for _ in stream.blocks():
                pass

    with pytest.raises((DataError, UsageError)) as caught:
        read()
    return str(caught.value)


# --- columns


def test_a_text_after_many_numbers(tmp_path):
    rows = [f"{i},{i / 4}\n" for i in range(300_000)]
    rows[250_000] = "250000,late\n"
    (tmp_path / "t.csv").write_text("x,y\n" + "".join(rows))
    assert refusal(tmp_path / "t.csv", ["y"]).startswith(
        'the column "y" holds text: "late" in row 250000'
    )
    with open_stream(tmp_path / "t.csv", ["x"]) as stream:
        same(read_back(stream), {"x": np.arange(300_000.0)})


def test_a_column_that_changes_its_way_of_writing_is_read_anew(tmp_path):
    rows = [f"{i};{i}\n" for i in range(300_000)]
    rows[280_000] = "280000;2,5\n"
    (tmp_path / "t.csv").write_text("x;y\n" + "".join(rows))
    wanted = np.arange(300_000.0)
    wanted[280_000] = 2.5
    with open_stream(tmp_path / "t.csv", ["y"]) as stream:
        same(read_back(stream), {"y": wanted})


def test_a_column_that_is_text_in_a_later_file(tmp_path):
    write(tmp_path / "a.parquet", numbers(3000))
    write(tmp_path / "b.parquet", numbers(10), query="SELECT y, s, 'many' AS x FROM t")
    told = refusal(tmp_path / "*.parquet")
    assert told.startswith('the column "x" holds text: "many" in row 3000')


def test_a_column_that_is_absent_from_a_later_file(tmp_path):
    write(tmp_path / "a.parquet", numbers(10))
    write(tmp_path / "b.parquet", numbers(10), query="SELECT y, s FROM t")
    assert refusal(tmp_path / "*.parquet") == (
        f'"{tmp_path}/b.parquet" has no column "x", which other files have\n'
        "  do: name files that all have it"
    )
    with open_stream(tmp_path / "*.parquet", ["y", "s"]) as stream:
        assert stream.survey().n_rows == 20


def test_columns_that_hold_no_numbers():
    polars = pytest.importorskip("polars")
    frame = polars.DataFrame(
        {"t": ["a", "b"], "c": polars.Series(["a", "b"], dtype=polars.Categorical)}
    ).with_columns(d=polars.date(2024, 1, 2), e=polars.duration(days=1))
    told = [refusal(frame, [name]).split("\n")[0] for name in frame.columns]
    assert told == [
        'the column "t" holds text, no numbers',
        'the column "c" holds categories or other values, no numbers',
        'the column "d" holds dates, no numbers',
        'the column "e" holds time differences, no numbers',
    ]
    assert refusal(frame, ["u"]) == (
        'the DataFrame has no column "u"\n  do: its columns are t, c, d, e'
    )
    with duckdb.connect() as link:
        told = refusal(link.sql("SELECT 'a' AS x"))
        assert told == 'the column "x" holds VARCHAR, no numbers'
        told = refusal(link.sql("SELECT CASE WHEN i < 9 THEN i ELSE error('late') END::INT AS x "
            "FROM range(10) r(i)"))  # fmt: skip
        assert told.startswith("the relation cannot be read: ") and "late" in told


def test_whole_numbers_that_floats_round_are_told(tmp_path):
    whole = np.array([1, 2**53 + 1, 2])
    path = write(tmp_path / "t.parquet", {"x": whole})
    for source in (path, {"x": whole}, [{"x": whole}]):
        words = pytest.warns(DescendWarning, match=r"holds whole numbers beyond 2\*\*53")
        with words, open_stream(source, ["x"]) as stream:
            assert stream.n_rows == 3


# --- rows


@pytest.mark.parametrize("rows", [0, 1])
def test_too_few_rows(tmp_path, rows):
    path = write(tmp_path / "t.parquet", numbers(3), query=f"SELECT * FROM t LIMIT {rows}")
    none = "the table is empty: it has no rows; at least 2 rows are needed"
    one = "there is only one row; at least 2 rows are needed"
    for source in (path, lambda: iter([{"x": np.arange(rows)}])):
        assert refusal(source) == (one if rows else none)
    if not rows:
        assert refusal(iter([])) == none


def test_missing_and_infinite_values_are_named(tmp_path):
    table = numbers(5000)
    table["x"][[4, 3000]] = np.nan
    table["y"][np.arange(1, 5000, 2)] = np.nan
    table["y"][[0, 4998]] = -np.inf
    wanted = (
        "x is missing (NaN) in rows 4, 3000; y is missing (NaN) in rows 1, 3, 5, 7, 9, … (2500 in "
        "all); y is infinite in rows 0, 4998 (rows count from 0)\n"
        '  do: correct the data, or leave such rows out with missing="drop"'
    )
    csv = write(tmp_path / "t.csv", {**numbers(60_000), "s": np.ones(60_000)}, "FORMAT csv")
    assert os.path.getsize(csv) > 400_000
    for source in (write(tmp_path / "t.parquet", table), table, iter([table])):
        assert refusal(source, ["x", "y"]) == wanted
    with open_stream(table, ["x"]) as stream:
        stream.survey("drop")
        with pytest.raises(UsageError, match='the rows have been read with missing="drop"'):
            stream.survey("raise")
    with pytest.raises(UsageError, match='missing="dorp" is not known'):
        open_stream(table, ["x"]).survey("dorp")


def test_what_must_be_positive():
    table = numbers(5000)
    table["s"][[4, 2000, 3000]] = 0.0

    def told(positive, missing="raise"):
        stream = open_stream(table, ["s", "x"], block=999)
        with pytest.raises(DataError) as caught, stream:
            stream.survey(missing, positive=positive)
        return str(caught.value)

    remedy = "  do: correct the data, or leave these rows out before the fit"
    assert told({"s": False}) == (
        f"s must be positive, and is not in rows 4, 2000, 3000 (rows count from 0)\n{remedy}"
    )
    with open_stream(table, ["s"], block=999) as stream:
        assert stream.survey(positive={"s": True}).n_rows == 5000
    table["s"][7] = -1.0
    table["x"][0] = np.nan
    assert told({"s": True}, "drop") == (
        "s must not be negative, and is in row 6 (rows count from 0, without those that were "
        f"dropped)\n{remedy}"
    )
    table["s"][:] = 0.0
    assert told({"s": True}, "drop") == "s is zero in every row: nothing would be fitted"


# --- files that change


@pytest.fixture
def parquet(tmp_path):
    return write(tmp_path / "t.parquet", numbers(300_000))


def test_a_file_that_vanishes_between_passes(parquet):
    with open_stream(parquet, ["x"]) as stream:
        stream.survey()
        os.unlink(parquet)
        with pytest.raises(DataError) as caught:
            next(stream.blocks())
    assert str(caught.value) == (
        f'"{parquet}" is no longer there, and was being read\n  do: put it back'
    )


def test_a_file_that_changes_between_passes(parquet):
    with open_stream(parquet, ["x"]) as stream:
        stream.survey()
        write(parquet, numbers(300_000, seed=1))
        with pytest.raises(DataError) as caught:
            next(stream.blocks())
    assert str(caught.value) == (
        f'"{parquet}" has changed while it was read\n  do: begin anew when nothing writes to it'
    )


def test_a_file_that_changes_within_a_pass(parquet):
    for text in (b"", b"PAR1 and nothing else"):
        write(parquet, numbers(300_000))
        with open_stream(parquet, ["x"]) as stream:
            passing = stream.blocks()
            next(passing)
            Path(parquet).write_bytes(text)
            with pytest.raises(DataError, match="has changed while it was read"):
                for _ in passing:
                    pass


def test_a_text_that_changes_before_it_is_kept(tmp_path):
    path = write(tmp_path / "t.csv", numbers(50_000), "FORMAT csv")
    with open_stream(path, ["x"]) as stream:
        with open(path, "a") as text:
            text.write("1,2,3\n")
        with pytest.raises(DataError, match="has changed while it was read"):
            stream.survey()


def test_a_damaged_file(tmp_path):
    path = Path(write(tmp_path / "t.parquet", numbers(300_000)))
    data = bytearray(path.read_bytes())
    data[100_000:400_000] = bytes(300_000)
    path.write_bytes(bytes(data))
    assert f'"{path}" cannot be read' in refusal(path, ["x", "y", "s"])


# --- iterators that do not keep their word


def test_another_pass_that_gives_other_rows():
    for later, told in (
        ([5000.0] * 3000, "among the rows 0 to 999"),
        (np.arange(2500.0), "2500 rows, and 3000 before"),
        (np.arange(2000.0), "2000 rows, and 3000 before"),
        (np.arange(3001.0), "more than 3000 rows, which there were before"),
    ):
        passes = iter([np.arange(3000.0), later])

        def given(passes=passes):
            yield {"x": next(passes)}

        assert refusal(given) == (
            f"given() gave other rows than at the first pass: {told}\n"
            "  do: give the same rows in the same order each time, or pass a generator: its rows "
            "are read once and kept in a scratch file"
        )


def test_another_pass_that_gives_other_columns():
    passes = iter(["x", "u"])

    def given():
        yield {next(passes): np.arange(3000.0)}

    assert refusal(given) == ('block 0 of given() has no column "x"\n  do: its columns are u')


def test_blocks_that_are_none():
    for block, told in (
        ({"x": [1.0, 2.0], "y": [1.0]}, "block 0 of the list has columns with unequal numbers of "),
        (([1.0],), "block 0 of the list has 1 columns, and 2 are wanted: x, y"),
        (3.0, "block 0 of the list is of type float"),
        ({"x": ["a"], "y": [1]}, 'the column "x" holds text, such as "a"'),
        ({"x": np.ones((2, 2)), "y": [1, 2]}, 'the column "x" has the shape (2, 2): one number a '),
    ):
        assert refusal([block], ["x", "y"]).startswith(told)
    assert refusal(lambda: {"x": [1.0]}).startswith("the function returned dict, and an iterator")
    assert refusal(lambda: None).startswith("the function returned NoneType, and an iterator")


def test_a_generator_is_asked_once(tmp_path):
    def broken():
        yield {"x": [1.0, 2.0, 3.0]}
        raise ValueError("of mine")

    with open_stream(broken(), ["x"]) as stream:
        with pytest.raises(ValueError, match="of mine"):
            stream.survey()
        with pytest.raises(UsageError) as caught:
            stream.survey()
    assert str(caught.value) == (
        "the generator gives its rows once, and they have been asked for before\n"
        "  do: make a new one, or pass a function that returns one at each call"
    )


# --- disks that fill


def test_room_is_looked_for_first(tmp_path, monkeypatch, nothing_is_left):
    path = write(tmp_path / "t.csv", numbers(100_000), "FORMAT csv")
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda place: usage(9, 9, 400_000))
    told = refusal(path, ["x", "y"])
    assert told.startswith(f'what is read from "{path}" needs about 1.')
    assert told.endswith(
        f' MB in a scratch file, and "{nothing_is_left}" has 400 kB free\n'
        '  do: free some, or name a place that has more: scratch="DIR"'
    )


def test_a_disk_that_fills(monkeypatch, nothing_is_left):
    written, real = [0], os.write

    def write_some(handle, data):
        if written[0] >= 20_000:
            raise OSError(errno.ENOSPC, "No space left on device")
        done = real(handle, data[:3001])
        written[0] += done
        return done

    monkeypatch.setattr(os, "write", write_some)
    blocks = ({"x": np.arange(1000.0), "y": np.arange(1000.0)} for _ in range(9))
    assert refusal(blocks, ["x", "y"]) == (
        f'what is read from the generator does not fit into a scratch file: "{nothing_is_left}" '
        'is full after 16 kB\n  do: free some, or name a place that has more: scratch="DIR"'
    )


def test_writes_and_reads_of_pieces(monkeypatch):
    real_write = os.write
    monkeypatch.setattr(os, "write", lambda handle, data: real_write(handle, data[:777]))
    if hasattr(os, "preadv"):
        real_read = os.preadv
        monkeypatch.setattr(os, "preadv", lambda h, into, at: real_read(h, [into[0][:555]], at))
    with open_stream(iter([numbers(2500)]), ["x", "y"], block=1000) as stream:
        wanted = {name: numbers(2500)[name] for name in ("x", "y")}
        same(read_back(stream, block=1000), wanted)
        monkeypatch.delattr(os, "preadv", raising=False)  # as on Windows
        same(read_back(stream, block=1000), wanted)


def test_a_text_that_cannot_be_unpacked_for_want_of_room(tmp_path, monkeypatch, nothing_is_left):
    path = write(tmp_path / "t.csv.gz", numbers(100_000), "FORMAT csv, COMPRESSION gzip")

    def full(pieces, path, folder):
        from descend.data.room import room

        with room(str(nothing_is_left), f'"{path}", unpacked,'):
            raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("descend.data.sources.spooled_text", full)
    assert refusal(path).startswith(
        f'"{path}", unpacked, does not fit into a scratch file: "{nothing_is_left}" is full'
    )


# --- interruptions


def test_ctrl_c_ends_the_reader(nothing_is_left):
    stop = threading.Event()

    def slow():
        yield {"x": np.arange(2000.0)}
        os.kill(os.getpid(), signal.SIGINT)
        stop.wait(0.2)
        yield {"x": np.arange(2000.0)}

    with pytest.raises(KeyboardInterrupt), open_stream(slow, ["x"], block=1000) as stream:
        stream.survey()
        threading.Event().wait(5)


@pytest.mark.parametrize("delay", [0.0, 0.02, 0.5])
def test_a_query_that_takes_long_is_ended(parquet, delay):
    query = "SELECT a.x FROM data a, data b, data c WHERE sin(a.x * b.x * c.x) > 2"
    alarm = threading.Timer(delay, os.kill, (os.getpid(), signal.SIGINT))
    with pytest.raises(KeyboardInterrupt), open_stream(parquet, ["x"], sql=query) as stream:
        alarm.start()
        stream.survey()
        alarm.join()


@pytest.mark.skipif(os.name == "nt", reason="the file is removed when it is closed")
def test_what_is_killed_leaves_no_file(tmp_path):
    script = (
        "import numpy as np, sys, time\n"
        "from descend.data.streams.opened import open_stream\n"
        "stream = open_stream(iter([{'x': np.arange(1e5)}]), ['x'], scratch=sys.argv[1])\n"
        "next(stream.blocks())\n"
        "print('ready', flush=True)\n"
        "time.sleep(60)\n"
    )
    command = [sys.executable, "-c", script, str(tmp_path)]
    environment = {**os.environ, "PYTHONPATH": str(SOURCE)}
    with subprocess.Popen(command, stdout=subprocess.PIPE, env=environment) as process:
        assert process.stdout.readline() == b"ready\n"
        process.kill()
    assert not os.listdir(tmp_path)


def test_a_process_ends_while_a_pass_is_open(tmp_path):
    script = (
        "import numpy as np\n"
        "from descend.data.streams.opened import open_stream\n"
        "stream = open_stream(lambda: iter([{'x': np.arange(1e6)}]), ['x'])\n"
        "passing = stream.blocks()\n"
        "next(passing)\n"
    )
    environment = {**os.environ, "PYTHONPATH": str(SOURCE)}
    done = subprocess.run([sys.executable, "-c", script], env=environment, timeout=60)
    assert done.returncode == 0
