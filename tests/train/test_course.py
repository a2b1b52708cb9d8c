"""The history of long runs: bounded, however the run was divided, and whole after Ctrl-C."""

import json
import os
import subprocess
import sys
import time

import numpy as np
import pytest

import descend
from descend.graph.program import Control
from descend.run import course as course_module
from descend.run.course import Course
from descend.show.output import write_history


def taken(values, cuts, resume_at=None):
    """A course of these values, taken in pieces; and resumed somewhere."""
    course = Course(["loss", "lr"])
    for begin, end in zip([0, *cuts], [*cuts, len(values)], strict=True):
        if begin == resume_at:
            columns = {name: course.column(name) for name in course.names}
            count, every = course.count, course.every
            course = Course(["loss", "lr"])
            course.resume(columns, count, every)
        if end > begin:
            part = values[begin:end]
            course.take(Control(len(values), records=[(part.copy(), -part)]))
    return course


@pytest.mark.parametrize("n", [1, 7, 8, 9, 16, 17, 100, 1000, 1023, 1025])
def test_long_courses_keep_every_second_fourth_and_so_on(n, monkeypatch):
    monkeypatch.setattr(course_module, "MOST_KEPT", 8)
    monkeypatch.setattr(course_module, "LEAST_KEPT", 8)
    values = np.arange(1.0, n + 1)
    whole = taken(values, [])
    every = 1
    while -(-n // every) > 8:
        every *= 2
    expected = sorted({*range(1, n + 1, every), n})
    assert whole.every == every and whole.last == n
    assert whole.epochs().tolist() == expected == whole.column("loss").tolist()
    assert whole.column("lr").tolist() == [-float(e) for e in expected]
    rng = np.random.default_rng(n)
    for _ in range(20):
        cuts = sorted(rng.integers(0, n + 1, 5).tolist())
        parts = taken(values, cuts, resume_at=cuts[2])
        assert np.array_equal(parts.column("loss"), whole.column("loss")), cuts
        assert parts.every == every and parts.count == n and parts.last == n


def test_large_rows_are_kept_more_rarely(monkeypatch):
    monkeypatch.setattr(course_module, "LEAST_KEPT", 4)
    monkeypatch.setattr(course_module, "MOST_NUMBERS", 10 * 101)
    course = Course(["loss", "params.w"])
    for epoch in range(100):
        course.take(Control(100, records=[(np.array([float(epoch)]), np.full((1, 100), epoch))]))
    assert course.every == 16 and course.column("params.w").shape == (8, 100)
    assert course.column("params.w")[:, 3].tolist() == [0, 16, 32, 48, 64, 80, 96, 99]


def test_what_an_earlier_run_did_not_record_is_nan():
    x = np.linspace(0.0, 1.0, 9)
    options = {"optimizer": descend.SGD(lr=0.1), "start": {"a": 0.0}}
    first = descend.fit(lambda x, a: a * x, x, 2 * x, epochs=3, **options)
    options["start"] = None
    more = descend.fit(
        lambda x, a: a * x, x, 2 * x, epochs=5, resume=first, record="params", **options
    )
    assert np.isnan(more.history["params"]["a"]).tolist() == [True, True, True, False, False]
    assert np.array_equal(more.history["loss"][:3], first.history["loss"])


def test_a_thinned_history_says_so(tmp_path):
    x = np.array([0.0, 1.0])
    fit = descend.fit(
        lambda x, a: a * x, x, x, start={"a": 0}, optimizer=descend.SGD(lr=1e-9), epochs=250_001
    )
    history = fit.history
    assert history.every == 4 and history.epochs == 250_001
    assert history["epoch"][:3].tolist() == [1, 5, 9] and history["epoch"][-1] == 250_001
    assert len(history["loss"]) == 62_501 and fit.running_loss == history["loss"][-1]
    assert repr(history) == "<History of 250001 epochs (one in 4 kept): epoch, loss>"
    kept = "history     62,501 of 250,001 epochs are kept: one in 4, and the last"
    assert kept in fit.report()
    assert fit.to_json_dict()["history"]["every"] == 4
    write_history(history, tmp_path / "h.csv")
    lines = (tmp_path / "h.csv").read_text().splitlines()
    assert lines[0] == "epoch,loss" and lines[2].startswith("5,") and len(lines) == 62_502
    fit.save(tmp_path / "f.descend")
    assert descend.load(tmp_path / "f.descend").history.every == 4


def wait_until_busy(pid, seconds=1.5):
    """Wait until a process has computed for so long, however busy the machine is."""
    for _ in range(600):
        try:
            with open(f"/proc/{pid}/stat") as file:
                used = sum(map(int, file.read().rpartition(")")[2].split()[11:13]))
        except OSError:
            time.sleep(2.0)
            return
        if used >= seconds * os.sysconf("SC_CLK_TCK"):
            return
        time.sleep(0.05)


def interrupted(words, folder, seconds):
    """What the command line tells when it gets Ctrl-C after so many seconds."""
    process = subprocess.Popen(
        [sys.executable, "-m", "descend", *words], cwd=folder, stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )  # fmt: skip
    time.sleep(seconds)
    process.send_signal(2)
    out, _ = process.communicate(timeout=60)
    assert process.returncode == 130
    return json.loads(out)


@pytest.mark.parametrize("command", ["fit", "minimize"])
def test_ctrl_c_of_a_long_run_leaves_all_outputs_whole(command, tmp_path):
    (tmp_path / "t.csv").write_text("x,y\n0,0\n1,1\n")
    tail = ["--optimizer", "sgd", "--lr", "1e-12", "--json", "--history", "h.json"]
    words = {
        "fit": ["fit", "t.csv", "y = a*x", "--start", "a=0", "--epochs", "10000000000", *tail],
        "minimize": ["minimize", "a**2", "--start", "a=1", "--max-iter", "10000000000", *tail],
    }[command]
    words += ["--save", "f.descend"] if command == "fit" else ["--xtol", "0"]
    process = subprocess.Popen(
        [sys.executable, "-m", "descend", *words], cwd=tmp_path, stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )  # fmt: skip
    wait_until_busy(process.pid)
    process.send_signal(2)
    out, _ = process.communicate(timeout=60)
    assert process.returncode == 130
    told = json.loads(out)
    history, epochs = told["history"], told["epochs" if command == "fit" else "iterations"]
    assert told["status"] == "interrupted" and history["epoch"][-1] == epochs > 100_000
    every = history["every"]
    assert len(history["loss"]) in (-(-epochs // every), -(-epochs // every) + 1)
    assert 32_768 <= len(history["loss"]) <= 65_537
    written = json.loads((tmp_path / "h.json").read_text())
    assert written["epoch"] == history["epoch"] and written["loss"] == history["loss"]
    if command == "fit":
        assert descend.load(tmp_path / "f.descend").epochs == epochs
