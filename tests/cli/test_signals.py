"""Signals at random moments of a fit that writes everything: no torn file, nothing lost."""

import csv
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter

import numpy as np
import pytest

import descend
from whole import WHOLE

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="signals of a POSIX system")

MOMENTS = 100 if WHOLE else 1
FILES = {"save": "f.descend", "history": "h.csv", "plot": "p.png", "checkpoint": "c.descend"}
# A file tells that Python is up: what comes before that is no matter of ours.
PROGRAM = "open('up', 'w').close(); from descend.__main__ import main; main()"
WORDS = ["fit", "t.csv", "y = a*exp(-k*x)", "--start", "a=1,k=1", "--optimizer", "adam", "--lr"]
WORDS += ["0.001", "--batch-size", "50", "--epochs", "40000" if WHOLE else "4000", "--json"]
WORDS += [f"--{option}={name}" for option, name in FILES.items()]
WRITING = 0.4  # seconds that the files take
EARLY = 0.1  # seconds in which Python may still be about to read the first line of ours


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    folder = tmp_path_factory.mktemp("signals")
    x = np.linspace(0.0, 2.0, 2000)
    y = 2 * np.exp(-1.3 * x) + 0.1 * np.sin(40 * x)
    rows = "".join(f"{a!r},{b!r}\n" for a, b in zip(x.tolist(), y.tolist(), strict=True))
    (folder / "t.csv").write_text("x,y\n" + rows, encoding="utf-8")
    return folder


def run(table, moment=None, number=None):
    """A run that gets a signal at a moment: exit code, output, how long it took.

    Args:
        moment: whether to wait for the first file to be written, and so many seconds from there or
            from the beginning.
    """
    environment = {**os.environ, "DESCEND_CACHE_DIR": str(table / "cache")}
    environment.pop("DESCEND_CACHE", None)
    command, up, before = [sys.executable, "-c", PROGRAM, *WORDS], table / "up", saved_at(table)
    up.unlink(missing_ok=True)
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        process = subprocess.Popen(command, cwd=table, stdout=out, stderr=err, env=environment)
        wait(process, up.exists)
        begin = time.perf_counter()
        if moment is not None:
            from_file, delay = moment
            if from_file:
                wait(process, lambda: being_written(table) or saved_at(table) != before)
            time.sleep(delay)
            process.send_signal(number)
        process.wait(timeout=120)
        seconds = time.perf_counter() - begin
        out.seek(0)
        err.seek(0)
        return process.returncode, out.read(), err.read().decode(), seconds


def wait(process, happened):
    while process.poll() is None and not happened():
        time.sleep(0.001)


def saved_at(folder):
    path = folder / FILES["save"]
    return path.stat().st_mtime_ns if path.exists() else 0


def being_written(folder):
    return any(name.startswith(".f.") for name in os.listdir(folder))


def moments(seed, length):
    """Moments of the whole run, and as many of the time in which files are written.

    If there is only one, that of an odd seed is of the latter kind.
    """
    draw = random.Random(seed)
    for number in range(seed, seed + MOMENTS):
        yield number % 2 == 1, draw.uniform(0.0, WRITING if number % 2 else 1.1 * length)


def check_whole(folder, expected=()):
    """Every file with a name of its own is whole; those that are expected are there."""
    from PIL import Image

    there = {path.name for path in folder.iterdir()} & {*FILES.values()}
    assert {*expected} <= there
    for name in there & {"f.descend", "c.descend"}:
        assert np.isfinite(descend.load(folder / name).params["a"])
    if "h.csv" in there:
        with open(folder / "h.csv", encoding="utf-8") as file:
            text = file.read()
        assert text.endswith("\n") and {len(row) for row in csv.reader(text.splitlines())} == {2}
    if "p.png" in there:
        with Image.open(folder / "p.png") as picture:
            picture.load()
    return there


def clear(folder):
    for path in folder.iterdir():
        if path.name != "t.csv" and path.is_file():
            path.unlink()


@pytest.fixture(scope="module")
def length(table):
    """How long a whole run takes, once all is compiled."""
    if WHOLE:  # else the length is that of a run that compiles, as the next ones need not
        run(table)
    code, _, err, seconds = run(table)
    assert code == 0, err
    check_whole(table, FILES.values())
    return seconds


@pytest.mark.fuzz
def test_a_run_that_is_killed_at_any_moment_leaves_whole_files(table, length):
    killed = Counter()
    if not {*FILES.values()} <= {path.name for path in table.iterdir()}:
        run(table)  # where it is the only one of these tests
    for moment in moments(9, length):
        # Files of the run before are there, and are replaced whole.
        code, _, err, _ = run(table, moment, signal.SIGKILL)
        assert code in (0, -signal.SIGKILL), (code, err)
        torn = [*table.glob(".*.part*")]
        killed[code, bool(torn)] += 1
        for path in torn:
            path.unlink()
        check_whole(table, FILES.values())
        assert {path.name for path in table.iterdir()} == {"t.csv", "up", "cache", *FILES.values()}
    print(killed)
    assert not WHOLE or {(-signal.SIGKILL, False), (-signal.SIGKILL, True)} <= {*killed}
    for path in (table / "cache").iterdir():
        assert path.suffix == ".o" or path.name.startswith("new-")


@pytest.mark.fuzz
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_what_stops_a_run_at_any_moment_loses_nothing(table, length, number):
    ends = Counter()
    for moment in moments(int(number), length):
        clear(table)
        code, out, err, _ = run(table, moment, number)
        told = (moment, code, out[-300:], err[-2000:])
        early = not moment[0] and moment[1] < EARLY
        assert "Traceback" not in err or early, told
        there = check_whole(table)
        left = [path.name for path in table.iterdir() if ".part" in path.name]
        assert not left, told
        if b'"params"' in out or "f.descend" in there:  # a result was reached: all of it is there
            assert there == {*FILES.values()}, told
            found = descend.load(table / "f.descend")
            assert code == found.exit_code and code in (0, 130), told
            assert (code == 130) == (found.status == "interrupted"), told
            ends[found.status] += 1
        else:
            assert code == 130 or (early and code in (-number, 1)), told
            assert not there, told
            ends["before"] += 1
    print(ends)
    assert not WHOLE or {"before", "interrupted", "epochs_spent"} <= {*ends}
