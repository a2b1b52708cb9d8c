"""What cannot be printed loses nothing: files are there, and the exit code is the run's own."""

import itertools
import json
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

import descend
from descend.cli import streams
from whole import sampled

POINTS = "x,y\n0,1\n1,3\n2,5\n3,7.1\n"
SLOW = ["--start", "a=1,b=0", "--optimizer", "sgd", "--lr", "1e-9", "--batch-size", "1"]
SLOW += ["--epochs", "1000000000"]
ENCODINGS = ["ascii", "latin-1", "cp437", "shift_jis", "gbk", "utf-8", "utf-16"]


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "p.csv").write_text(POINTS, encoding="utf-8")
    return tmp_path


def run(folder, *words, shell="", **environment):
    """The command in a process of its own, with the shell's redirections."""
    command = [sys.executable, "-m", "descend", *words]
    if shell:
        command = ["sh", "-c", 'exec "$@" ' + shell, "sh", *command]
    return subprocess.run(
        command, cwd=folder, capture_output=True, env={**os.environ, **environment}, timeout=120
    )


FIT = ("fit", "p.csv", "y = a*x + b", "--save", "f.descend", "--history", "h.csv")
SHELLS = [">&-", ">/dev/full", "2>&-", ">&- 2>&-", "| true"]


OPTIONS = [("--json",), ("--plot", "p.png")]


@pytest.mark.skipif(sys.platform == "win32", reason="redirections of a POSIX shell")
@sampled("more, shell", itertools.product(OPTIONS, SHELLS), 2)
def test_output_that_fails_loses_no_file(folder, shell, more):
    done = run(folder, *FIT, *more, shell=shell)
    assert done.returncode == 0
    assert b"internal error" not in done.stderr
    assert (b"takes no more" in done.stderr) == (shell == ">/dev/full")
    assert {"f.descend", "h.csv", *more[1:]} <= {path.name for path in folder.iterdir()}


COMMANDS = [
    ("fit", "p.csv", "y = a*x**2 + b", "--verbose"), ("--help",), ("fit", "--help"),
    ("explain", "p.csv", "y = a*x + b", "--row", "1", "--start", "a=1,b=0"),
    ("minimize", "(x-1)**2 + y**2", "--start", "x=3,y=1"), ("fit", "p.csv", "y = a*q²"),
    ("fit", "q.csv", "y = a*`größe 𝑥` + b", "--json"),
]  # fmt: skip
ONE_BY_ONE = """
import ast, sys
from descend.cli.app import main

for words in ast.literal_eval(sys.argv[1]):
    code = main(words)
    for stream in (sys.stdout, sys.stderr):
        print("\\0", code, file=stream, flush=True)
"""
"""Every command in one process, with its exit code behind what it printed."""


@sampled("encoding", ENCODINGS, 2)
def test_any_encoding_shows_it(folder, encoding):
    (folder / "q.csv").write_text("größe 𝑥,y\n0,1\n1,3\n2,5\n", encoding="utf-8")
    command = [sys.executable, "-c", ONE_BY_ONE, ascii([list(words) for words in COMMANDS])]
    environment = {**os.environ, "PYTHONIOENCODING": encoding}
    done = subprocess.run(command, cwd=folder, capture_output=True, env=environment, timeout=120)
    assert done.returncode == 0, done.stderr
    printed, told = (text.decode(encoding).split("\0") for text in (done.stdout, done.stderr))
    codes = [int(after.split("\n")[0]) for after in printed[1:]]
    assert codes == [2 if "q²" in words[-1] else 0 for words in COMMANDS]
    for out, error in zip(printed[:-1], told[:-1], strict=True):
        assert "a mistake of descend" not in out + error and len(out + error) > 40
    assert json.loads(printed[-2].partition("\n")[2])["inputs"] == ["größe 𝑥"]


def test_the_command_itself_shows_it_in_ascii(folder):
    done = run(folder, *COMMANDS[0], PYTHONIOENCODING="ascii")
    assert done.returncode == 0 and done.stdout.isascii() and b"R^2" in done.stdout


def test_signs_are_spelled_where_an_encoding_lacks_them():
    streams.prepare()
    assert "R² = 1 ± 2 中".encode("ascii", streams.HANDLER) == rb"R^2 = 1 +/- 2 \u4e2d"
    for sign, spelled in streams.SPELLED.items():
        assert sign.encode("ascii", streams.HANDLER).decode() == spelled


@pytest.mark.skipif(sys.platform == "win32", reason="signals of a POSIX system")
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_keeps_what_was_reached(folder, number):
    words = ["fit", "p.csv", "y = a*x + b", *SLOW, "--save", "f.descend", "--checkpoint", "c"]
    command = [sys.executable, "-m", "descend", *words]
    process = subprocess.Popen(command, cwd=folder, stdout=-1, stderr=-1)
    until = time.monotonic() + 60
    while not (folder / "c").exists() and time.monotonic() < until:
        time.sleep(0.02)
    assert process.poll() is None and descend.load(folder / "c").epochs >= 0  # a checkpoint at once
    process.send_signal(number)
    text, _ = process.communicate(timeout=60)
    assert process.returncode == 130 and b"interrupted" in text
    found = descend.load(folder / "f.descend")
    assert found.status == "interrupted" and np.isfinite(found.params["a"])


@pytest.mark.skipif(sys.platform == "win32", reason="signals of a POSIX system")
def test_a_program_that_uses_descend_keeps_its_own_way_to_end(folder):
    script = (
        "import descend, numpy as np, os, signal, threading\n"
        "threading.Timer(2.0, lambda: os.kill(os.getpid(), signal.SIGTERM)).start()\n"
        "x = np.arange(4.0)\n"
        "descend.fit(lambda x, a: a * x, x, x, start={'a': 1.5}, epochs=10**9, batch_size=1,\n"
        "            optimizer=descend.SGD(lr=1e-12))\n"
        "print('went on')\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, timeout=120)
    assert done.returncode == -signal.SIGTERM and done.stdout == b""
