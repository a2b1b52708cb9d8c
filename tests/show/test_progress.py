"""Progress: quick runs are silent, long ones speak seldom, a broken stream never stops a run."""

import io
import os
import re
import subprocess
import sys

import pytest

from descend.show.progress import Bar, Lines, Silent, Verbose, for_stream


class Clock:
    def __init__(self):
        self.now = 0.0

    def __call__(self):
        return self.now


class Terminal(io.StringIO):
    def isatty(self):
        return True


def run(kind, seconds, epochs, steps, stream=None, total=True):
    """Let a meter of a kind watch a run of evenly spaced updates; return what it wrote."""
    clock, out = Clock(), stream or io.StringIO()
    meter = kind(out, clock)
    meter.start(epochs if total else None)
    for step in range(1, steps + 1):
        clock.now = seconds * step / steps
        epoch = epochs * step // steps
        meter.update(epoch, 1.0 / max(epoch, 1), 100 * epoch)
    meter.close("stopped: all epochs were spent")
    return out.getvalue()


@pytest.mark.parametrize("kind", [Lines, Bar])
def test_quick_runs_are_silent(kind):
    assert run(kind, 0.29, 1000, 10) == ""


def test_lines_come_about_each_tenth():
    lines = run(Lines, 20.0, 1000, 2000).splitlines()
    assert 10 <= len(lines) <= 13
    assert re.fullmatch(r"epoch +\d+/1000  loss [\d.e-]+  5000 rows/s  0:\d\d left", lines[0])
    assert lines[-1] == "stopped: all epochs were spent"


def test_lines_of_long_runs_thin_out():
    lines = run(Lines, 7200.0, 10**6, 72_000).splitlines()
    assert 100 < len(lines) < 200


def test_the_first_line_comes_early():
    clock, out = Clock(), io.StringIO()
    meter = Lines(out, clock)
    meter.start(1000)
    for now in (0.1, 0.2, 0.31):
        clock.now = now
        meter.update(1, 0.5, 100)
    assert out.getvalue().count("\n") == 1


def test_lines_without_a_known_end_promise_no_time():
    text = run(Lines, 20.0, 1000, 200, total=False)
    assert "left" not in text
    assert "epoch 1000" not in text.splitlines()[0]
    assert text.startswith("epoch ")


def test_verbose_prints_every_epoch_even_of_quick_runs():
    lines = run(Verbose, 0.01, 5, 5).splitlines()
    assert lines[0] == "epoch 1/5  loss 1"
    assert lines[2] == "epoch 3/5  loss 0.333333333"
    assert len(lines) == 6
    assert Verbose.each_epoch and not Lines.each_epoch


def test_the_bar_shows_epoch_loss_speed_and_time_left(monkeypatch):
    monkeypatch.setenv("COLUMNS", "110")
    monkeypatch.setenv("TERM", "xterm-256color")
    text = run(Bar, 20.0, 1000, 200, Terminal())
    plain = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", text)
    assert re.search(r"epoch +500/1000 .*loss 0\.002 .*5000 rows/s.*0:10 left", plain)
    assert plain.rstrip().endswith("stopped: all epochs were spent")
    assert text.count("\x1b[?25l") == text.count("\x1b[?25h") == 1


def test_the_meter_suits_the_stream(monkeypatch):
    monkeypatch.setenv("TERM", "xterm")
    assert type(for_stream(Terminal())) is Bar
    assert type(for_stream(io.StringIO())) is Lines
    assert type(for_stream(Terminal(), verbose=True)) is Verbose
    assert type(for_stream(Terminal(), quiet=True, verbose=True)) is Silent
    monkeypatch.setenv("TERM", "dumb")
    assert type(for_stream(Terminal())) is Lines


class Broken(Terminal):
    def write(self, text):
        raise BrokenPipeError(32, "Broken pipe")


@pytest.mark.parametrize("kind", [Lines, Verbose, Bar])
def test_a_broken_stream_silences_the_meter(kind):
    assert run(kind, 20.0, 100, 50, Broken()) == ""


def test_a_closed_stream_silences_the_meter():
    out = io.StringIO()
    meter = Verbose(out)
    meter.start(3)
    out.close()
    meter.update(1, 0.5, 10)
    meter.close("done")
    assert meter.broken


def test_nothing_heavy_is_imported_before_it_is_needed():
    code = (
        "import sys, descend.show.progress, descend.show.report, descend.show.plots\n"
        "heavy = {'rich', 'matplotlib', 'scipy', 'pandas', 'duckdb'} & set(sys.modules)\n"
        "assert not heavy, heavy"
    )
    path = os.pathsep.join(entry for entry in sys.path if entry)
    environment = os.environ | {"PYTHONPATH": path}
    subprocess.run([sys.executable, "-c", code], check=True, env=environment)
