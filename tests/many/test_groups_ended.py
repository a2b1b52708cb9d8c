"""Runs over groups that end early: killed, interrupted, out of room; and what goes on after."""

import errno
import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

import descend
from descend.data.groups import keys
from descend.data.groups.store import Parts
from descend.errors import DataError, UsageError
from many.groups_made import FORMULA, START, read, shuffled, table, written

WORDS = ["--start", "a=1,b=1,c=0", "--by", "k", "--stream", "--save", "out.parquet"]
FITS = 200
SCRIPT = """
import sys
from descend.cli.app import main
from descend.data.groups import keys
from descend.train import groups

keys.TOGETHER, keys.PER_FILE, groups.PART_SECONDS = 64, 300, 0.0
sys.exit(main(sys.argv[1:]))
"""


@pytest.fixture(params=["together", "mixed"])
def place(request, tmp_path, monkeypatch):
    columns = table(FITS)
    columns = columns if request.param == "together" else shuffled(columns)
    written(columns, tmp_path / "rows.parquet")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(keys, "TOGETHER", 64)
    monkeypatch.setattr(keys, "PER_FILE", 300)
    return tmp_path


IN_ORDER = pytest.mark.parametrize("place", ["together"], indirect=True)
"""What is refused is so before any row is read, and what is written is written alike."""


def begun(*more: str) -> subprocess.Popen:
    words = ["fit", "rows.parquet", FORMULA, *WORDS, *more]
    return subprocess.Popen(
        [sys.executable, "-c", SCRIPT, *words], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        text=True, env={**os.environ, "PYTHONWARNINGS": "ignore"},
    )  # fmt: skip


def parts(count: int, process: subprocess.Popen) -> int:
    """Wait until there are so many parts more, or the end; how many there are then."""
    folder = Path("out.parquet.parts")

    def now() -> int:
        return len([*folder.glob("part-*.parquet")])

    first = now()
    while process.poll() is None and now() < first + count:
        time.sleep(0.005)
    return now()


def alone(**more):
    return descend.fit_many(FORMULA, "rows.parquet", by="k", start=START, **more)


@pytest.mark.slow
def test_killed_at_any_moment_nothing_is_lost(place):
    """Nor is anything left of it where rows were brought together."""
    rng = random.Random(len(str(place)))
    alone(to="whole.parquet")
    scratch = place / "scratch"
    scratch.mkdir()
    kills = 0
    while kills < 2:
        process = begun("--scratch", str(scratch))
        parts(rng.randint(1, 8), process)
        time.sleep(rng.uniform(0, 0.05))
        process.kill()
        process.communicate()
        kills += 1
        assert not os.listdir(scratch)
        if Path("out.parquet").exists():
            break
    process = begun("--json", "--scratch", str(scratch))
    out, errors = process.communicate()
    assert process.returncode == 0, errors
    told = json.loads(out)
    assert told["n_fits"] == FITS and not Path("out.parquet.parts").exists()
    assert told["n_before"] > 0 or kills < 2
    assert Path("out.parquet").read_bytes() == Path("whole.parquet").read_bytes()
    assert told["counts"] == dict(descend.fit_many(FORMULA, "rows.parquet", by="k", start=START)
                                  .counts())  # fmt: skip


@pytest.mark.slow
def test_interrupted_it_says_so_and_goes_on(place):
    process = begun()
    parts(3, process)
    process.send_signal(signal.SIGINT)
    out, errors = process.communicate()
    assert process.returncode == 130, errors
    assert "interrupted: what is done is kept in" in out and not Path("out.parquet").exists()
    done = json.loads(Path("out.parquet.parts/list.json").read_text())["parts"]
    fits = alone(to="out.parquet")
    assert fits.n_before == sum(part["tally"]["groups"] for part in done) > 0
    assert f"{fits.n_before:,} groups were done by an earlier run" in fits.report()
    alone(to="whole.parquet")
    assert Path("out.parquet").read_bytes() == Path("whole.parquet").read_bytes()


def ended(monkeypatch, after: int = 3) -> None:
    """An earlier run that has left some parts."""
    add, made = Parts.add, [0]

    def some(self, columns, entry):
        if made[0] == after:
            raise KeyboardInterrupt
        made[0] += 1
        add(self, columns, entry)

    monkeypatch.setattr("descend.train.groups.PART_SECONDS", 0.0)
    with monkeypatch.context() as own, pytest.raises(KeyboardInterrupt):
        own.setattr(Parts, "add", some)
        alone(to="out.parquet")


OTHER = {
    "model": ({"model": "y = a*exp(-b*x) + 2*c"}, "the model was"),
    "start": ({"start": {"a": 2.0, "b": 1.0, "c": 0.0}}, "start was"),
    "loss": ({"loss": "mae"}, 'loss was "mse", and is "mae"'),
    "missing": ({"missing": "drop"}, 'missing was "skip", and is "drop"'),
    "sigma": ({"sigma": "s"}, 'sigma was not there, and is "s"'),
    "bounds": ({"bounds": {"b": (0, 9)}}, "bounds was not there"),
    "by": ({"by": ["k", "s"]}, r'by was \["k"\], and is \["k", "s"\]'),
}


@IN_ORDER
@pytest.mark.parametrize("case", OTHER)
def test_another_call_does_not_go_on(case, place, monkeypatch):
    ended(monkeypatch)
    options, words = OTHER[case]
    given = {"model": FORMULA, "by": "k", "start": START, "to": "out.parquet"} | options
    with pytest.raises(UsageError, match=words) as told:
        descend.fit_many(given.pop("model"), "rows.parquet", **given)
    assert "restart=True" in told.value.remedy
    assert alone(to="out.parquet").n_before > 0


@IN_ORDER
def test_a_function_that_captures_something_else_does_not_go_on(place, monkeypatch):
    def model(scale):
        return lambda x, a, b: a * np.exp(-b * x) * scale

    monkeypatch.setattr("descend.train.groups.PART_SECONDS", 0.0)
    options = {"by": "k", "start": {"a": 1.0, "b": 1.0}, "to": "out.parquet"}
    add = Parts.add

    def one(self, columns, entry):
        add(self, columns, entry)
        raise OSError(errno.EIO, "gone")

    with monkeypatch.context() as own, pytest.raises(OSError, match="gone"):
        own.setattr(Parts, "add", one)
        descend.fit_many(model(np.array(2.0)), "rows.parquet", "y", **options)
    with pytest.raises(UsageError, match="the model's program was"):
        descend.fit_many(model(np.array(3.0)), "rows.parquet", "y", **options)


@IN_ORDER
def test_a_source_that_is_another_one_does_not_go_on(place, monkeypatch):
    ended(monkeypatch)
    written(table(20), place / "rows.parquet")
    with pytest.raises(UsageError, match=r'the file ".*rows.parquet" was .* bytes of .*, and is'):
        alone(to="out.parquet")


def test_rows_without_a_file_are_known_by_what_they_are(place, monkeypatch):
    columns = read("rows.parquet")

    def rows(scale):
        return lambda: iter([{**columns, "y": scale * columns["y"]}])

    monkeypatch.setattr("descend.train.groups.PART_SECONDS", 0.0)
    options = {"by": "k", "start": START, "to": "out.parquet"}
    add = Parts.add

    def one(self, given, entry):
        if self.entries:
            raise OSError(errno.EIO, "gone")
        add(self, given, entry)

    with monkeypatch.context() as own, pytest.raises(OSError, match="gone"):
        own.setattr(Parts, "add", one)
        descend.fit_many(FORMULA, rows(1.0), **options)
    with pytest.raises(UsageError, match="the hash of the rows was"):
        descend.fit_many(FORMULA, rows(2.0), **options)
    assert descend.fit_many(FORMULA, rows(1.0), **options).n_before > 0


@IN_ORDER
def test_restart_begins_anew(place, monkeypatch):
    ended(monkeypatch)
    fits = descend.fit_many(FORMULA, "rows.parquet", by="k", start=START, loss="huber(1)",
                            to="out.parquet", restart=True)  # fmt: skip
    assert fits.n_before == 0 and len(fits) == FITS


@IN_ORDER
def test_two_at_work_on_one_file_are_one_too_many(place):
    parts_of_other = Parts(place / "out.parquet", False)
    try:
        with pytest.raises(UsageError, match=r'another process is at work on ".*out.parquet"'):
            alone(to="out.parquet")
    finally:
        parts_of_other.leave()
    assert len(alone(to="out.parquet")) == FITS


@IN_ORDER
def test_what_is_no_list_of_parts(place):
    folder = place / "out.parquet.parts"
    folder.mkdir()
    (folder / "list.json").write_text("{}")
    with pytest.raises(UsageError, match="is no list of parts that this version has written"):
        alone(to="out.parquet")
    assert len(alone(to="out.parquet", restart=True)) == FITS


def test_a_disk_that_fills_loses_nothing(place, monkeypatch):
    """The third part finds no room: those before stay, the file that was there too."""
    Path("out.parquet").write_bytes(b"as it was")
    monkeypatch.setattr("descend.train.groups.PART_SECONDS", 0.0)
    copy = Parts._copy

    def full(self, columns, path):
        if len(self.entries) == 2:
            raise OSError(errno.ENOSPC, "No space left on device")
        copy(self, columns, path)

    with monkeypatch.context() as own:
        own.setattr(Parts, "_copy", full)
        with pytest.raises(DataError, match="is full; those that it holds are not lost") as told:
            alone(to="out.parquet")
    assert "it goes on from there" in told.value.remedy
    assert Path("out.parquet").read_bytes() == b"as it was"
    fits = alone(to="out.parquet")
    assert 0 < fits.n_before < FITS and len(fits) == FITS


@IN_ORDER
def test_a_disk_that_is_full_at_the_end(place, monkeypatch):
    import duckdb

    from descend.data.groups.rows import GroupedRows

    def full(self, query, path, form):
        raise duckdb.IOException('IO Error: Could not write file: No space left on device')

    with monkeypatch.context() as own:
        own.setattr(GroupedRows, "write", full)
        with pytest.raises(UsageError, match="could not be written: No space left on device"):
            alone(to="out.parquet")
    assert not Path("out.parquet").exists()
    assert alone(to="out.parquet").n_before == FITS


def test_a_file_that_vanishes_is_named(place, request, monkeypatch):
    """Rows that were mixed have all been taken from it by then, and are fitted."""
    fitted = [0]
    add = Parts.add

    def vanish(self, columns, entry):
        add(self, columns, entry)
        fitted[0] += 1
        if fitted[0] == 1:
            os.rename("rows.parquet", "elsewhere.parquet")

    monkeypatch.setattr("descend.train.groups.PART_SECONDS", 0.0)
    with monkeypatch.context() as own:
        own.setattr(Parts, "add", vanish)
        if "mixed" in request.node.name:
            assert len(alone(to="out.parquet")) == FITS
            return
        with pytest.raises(DataError, match=r'rows\.parquet" is no longer there, and was'):
            alone(to="out.parquet")
    os.rename("elsewhere.parquet", "rows.parquet")
    assert not Path("out.parquet").exists() and alone(to="out.parquet").n_before > 0
