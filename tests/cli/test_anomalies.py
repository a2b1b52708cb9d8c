"""Every single access to a file may fail: what was finished is there, and nothing half of it."""

import builtins
import csv
import errno
import io
import itertools
import json
import os

import numpy as np
import pytest

import descend
from descend.cli.app import main
from descend.compile import cache
from whole import sampled, whole_alone

ROWS = np.linspace(0.0, 1.0, 40)
WORDS = ["--start", "a=1,b=0", "--optimizer", "sgd", "--lr", "0.1", "--batch-size", "8"]
WORDS += ["--epochs", "30", "--json"]
FILES = {"save": "f.descend", "history": "h.csv", "plot": "p.png", "checkpoint": "c.descend"}
ACTIONS = ("open", "write", "flush", "close", "replace")
FORMULA = "y = a*x + b"


class Failing:
    """Counts accesses to files of some folders that write, and lets one of them fail."""

    def __init__(self, folders, action, number, code=errno.ENOSPC):
        self.folders, self.action, self.number, self.code = folders, action, number, code
        self.counts = dict.fromkeys(ACTIONS, 0)

    def is_watched(self, path):
        return isinstance(path, str | os.PathLike) and any(
            os.fspath(path).startswith(folder) for folder in self.folders
        )

    def count(self, action):
        self.counts[action] += 1
        if action == self.action and self.counts[action] == self.number:
            raise OSError(self.code, os.strerror(self.code))

    def install(self, monkeypatch):
        opened, replaced, lower, from_handle = io.open, os.replace, os.open, os.fdopen

        def opening(path, mode="r", *more, **named):
            watched = self.is_watched(path) and set(mode) & set("wax+")
            if watched:
                self.count("open")
            file = opened(path, mode, *more, **named)
            return Watched(file, self) if watched else file

        def low(path, flags, *more, **named):
            if self.is_watched(path) and flags & os.O_CREAT:
                self.count("open")
            return lower(path, flags, *more, **named)

        def wrapped(handle, mode="r", *more, **named):
            file = from_handle(handle, mode, *more, **named)
            return Watched(file, self) if "w" in mode else file

        def replacing(source, target, **named):
            if self.is_watched(target):
                self.count("replace")
            return replaced(source, target, **named)

        monkeypatch.setattr(builtins, "open", opening)
        monkeypatch.setattr(io, "open", opening)
        monkeypatch.setattr(os, "open", low)
        monkeypatch.setattr(os, "fdopen", wrapped)
        monkeypatch.setattr(os, "replace", replacing)


class Watched:
    """A file whose writes are counted."""

    def __init__(self, file, failing):
        self.file, self.failing = file, failing

    def __getattr__(self, name):
        return getattr(self.file, name)

    def __enter__(self):
        return self

    def __exit__(self, *_about):
        self.close()

    def __iter__(self):
        return iter(self.file)

    def write(self, data):
        self.failing.count("write")
        return self.file.write(data)

    def flush(self):
        self.failing.count("flush")
        return self.file.flush()

    def close(self):
        if not self.file.closed:
            try:
                self.failing.count("close")
            finally:
                self.file.close()


@pytest.fixture
def run(tmp_path, monkeypatch, capsys):
    """A fit that writes everything, of which one access fails."""
    table = tmp_path / "p.csv"
    rows = "".join(f"{x},{2 * x + 1 + 0.01 * np.sin(30 * x)}\n" for x in ROWS)
    table.write_text("x,y\n" + rows, encoding="utf-8")

    def once(action, number, code=errno.ENOSPC):
        out, own = tmp_path / f"{action}{number}", tmp_path / f"cache{action}{number}"
        out.mkdir()
        own.mkdir(mode=0o700)
        monkeypatch.setenv("DESCEND_CACHE_DIR", str(own))
        monkeypatch.delenv("DESCEND_CACHE", raising=False)
        monkeypatch.setattr(cache, "_loaded", type(cache._loaded)())
        words = [f"--{option}={out / name}" for option, name in FILES.items()]
        failing = Failing((str(out), str(own)), action, number, code)
        with monkeypatch.context() as patched:
            failing.install(patched)
            exit_code = main(["fit", str(table), FORMULA, *WORDS, *words])
        return exit_code, failing.counts, out, own, capsys.readouterr()

    return once


def check(exit_code, out, own, told):
    """Whole files, or none; the result in any case; a word where one is missing.

    A place that refuses a trial is told before the run.
    """
    from PIL import Image

    if "cannot be written to" in told.out:
        assert exit_code == 2 and not [*out.iterdir()]
        return
    json.loads(told.out)
    there = {path.name for path in out.iterdir()}
    assert there <= set(FILES.values()), f"left behind: {there}"
    for name in there & {"f.descend", "c.descend"}:
        assert np.isfinite(descend.load(out / name).params["a"])
    if "h.csv" in there:
        with open(out / "h.csv", encoding="utf-8") as file:
            assert len(list(csv.reader(file))) == 31
    if "p.png" in there:
        with Image.open(out / "p.png") as picture:
            picture.load()
    assert not [path for path in own.iterdir() if path.suffix != ".o"]
    missing = set(FILES.values()) - there
    assert exit_code == (2 if missing - {"c.descend"} else 0)
    assert '"params"' in told.out
    assert "internal error" not in told.out + told.err
    for name in missing:
        assert name in told.out + told.err


def test_nothing_fails(run):
    exit_code, counts, out, own, told = run("none", 0)
    check(exit_code, out, own, told)
    assert {path.name for path in out.iterdir()} == set(FILES.values())
    assert min(counts[action] for action in ("open", "write", "close", "replace")) >= 4


@whole_alone
@pytest.mark.parametrize("action", ACTIONS)
def test_every_access_may_fail(run, action):
    _, counts, *_ = run("none", 0)
    for number in range(1, counts[action] + 1):
        exit_code, _, out, own, told = run(action, number)
        check(exit_code, out, own, told)


@sampled("number, action", itertools.product([1, 2, 3, 5], ["open", "write", "replace"]), 2)
def test_some_accesses_may_fail(run, action, number):
    exit_code, _, out, own, told = run(action, number)
    check(exit_code, out, own, told)
