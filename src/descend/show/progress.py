"""Progress of a run: a bar on a terminal, a few plain lines elsewhere, nothing for quick runs.

A meter is told `start(total)`, then `update(epoch, loss, rows)` after each stretch of work, and
`close(message)` at the end, in a `finally`. What is written goes to one stream; a stream that
breaks (a closed pipe) silences the meter and never the run.
"""

from __future__ import annotations

import errno
import math
import os
import time
from collections.abc import Callable
from typing import IO, Any, Protocol

from descend.show.numbers import count, rate, time_left

__all__ = ["Bar", "Clock", "Lines", "Meter", "Progress", "Silent", "Verbose", "for_stream"]

QUICK = 0.3  # seconds under which a run needs no meter
BETWEEN_DRAWINGS = 0.1
FIRST_INTERVAL, LONGEST_INTERVAL, GROWTH = 2.0, 60.0, 1.25

Clock = Callable[[], float]


class Progress(Protocol):
    """What a run reports to.

    `each_epoch` asks the run to call `update` for every single epoch instead of once a stretch.
    """

    each_epoch: bool

    def start(self, total: int | None, unit: str = "epoch") -> None:
        """Begin a run of at most `total` epochs (None where that is not known)."""

    def update(self, epoch: int, loss: float, rows: int) -> None:
        """Say that `epoch` epochs are complete, the last one's loss, and all rows seen so far."""

    def close(self, message: str = "") -> None:
        """End: clear the bar; say how the run stopped where something was shown before."""


class Silent:
    """A meter that shows nothing."""

    each_epoch = False

    def start(self, total: int | None, unit: str = "epoch") -> None:
        """Show nothing."""

    def update(self, epoch: int, loss: float, rows: int) -> None:
        """Show nothing."""

    def close(self, message: str = "") -> None:
        """Show nothing."""


class Meter:
    """What all showing meters share: the clock, the state of the run, a stream that may break.

    `says_ending` is false where a report follows, which says how the run stopped.
    """

    each_epoch = False
    says_ending = True

    def __init__(self, stream: IO[str], clock: Clock = time.monotonic) -> None:
        self.stream = stream
        self.clock = clock
        self.total: int | None = None
        self.unit = "epoch"
        self.began = clock()
        self.epoch = 0
        self.loss = math.nan
        self.rows = 0
        self.broken = False

    def start(self, total: int | None, unit: str = "epoch") -> None:
        self.total, self.unit = total, unit
        self.began = self.clock()
        self.epoch, self.loss, self.rows = 0, math.nan, 0

    def update(self, epoch: int, loss: float, rows: int) -> None:
        self.epoch, self.loss, self.rows = epoch, loss, rows
        if not self.broken:
            self._guarded(self._show)

    def close(self, message: str = "") -> None:
        if not self.broken:
            self._guarded(lambda: self._end(message if self.says_ending else ""))

    def _guarded(self, action: Callable[[], None]) -> None:
        try:
            action()
        except (OSError, ValueError):
            self.broken = True

    def _show(self) -> None:
        raise NotImplementedError

    def _end(self, message: str) -> None:
        raise NotImplementedError

    def _write(self, line: str) -> None:
        self.stream.write(line + "\n")
        self.stream.flush()

    @property
    def elapsed(self) -> float:
        return self.clock() - self.began

    @property
    def remaining(self) -> float:
        if self.total is None or self.epoch == 0:
            return math.nan
        return self.elapsed * max(self.total - self.epoch, 0) / self.epoch

    def _position(self) -> str:
        if self.total is None:
            return f"{self.unit} {count(self.epoch)}"
        total = count(self.total)
        return f"{self.unit} {count(self.epoch):>{len(total)}}/{total}"

    def _speed(self) -> str:
        noun = "fits" if self.unit == "fit" else "rows"
        return rate(self.rows / self.elapsed if self.elapsed > 0 else math.inf, noun)

    def _loss(self) -> str:
        """The last loss; nothing where many fits have one each."""
        return "" if self.unit == "fit" else f"loss {self.loss:.6g}"

    def _line(self) -> str:
        parts = [part for part in (self._position(), self._loss(), self._speed()) if part]
        if math.isfinite(self.remaining):
            parts.append(f"{time_left(self.remaining)} left")
        return "  ".join(parts)


class Lines(Meter):
    """Plain lines: the first after 0.3 s, then at each tenth, or after 2 s and ever more rarely.

    >>> import io
    >>> seconds = iter([0.0, 0.0] + [float(s) for s in range(1, 100)])
    >>> out = io.StringIO()
    >>> meter = Lines(out, clock=lambda: next(seconds))
    >>> meter.start(10); meter.update(5, 0.25, 500); meter.close()
    >>> out.getvalue()[:25]
    'epoch  5/10  loss 0.25  1'
    """

    def __init__(self, stream: IO[str], clock: Clock = time.monotonic) -> None:
        super().__init__(stream, clock)
        self.last_time: float | None = None
        self.last_epoch = 0
        self.interval = FIRST_INTERVAL

    def _due(self, now: float) -> bool:
        if self.last_time is None:
            return now >= QUICK
        if now - self.last_time >= self.interval:
            self.interval = min(self.interval * GROWTH, LONGEST_INTERVAL)
            return True
        tenth = self.total is not None and (self.epoch - self.last_epoch) * 10 >= self.total
        return tenth and now - self.last_time >= QUICK

    def _show(self) -> None:
        now = self.elapsed
        if self._due(now):
            self.last_time, self.last_epoch = now, self.epoch
            self._write(self._line())

    def _end(self, message: str) -> None:
        if self.last_time is not None and message:
            self._write(message)


class Verbose(Meter):
    """One line for each epoch with its loss, as the lesson prints it."""

    each_epoch = True
    written = 0

    def start(self, total: int | None, unit: str = "epoch") -> None:
        super().start(total, unit)
        self.written = 0

    def _show(self) -> None:
        if self.epoch != self.written:  # a pass over many rows tells of its parts as well
            self.stream.write(f"{self._position()}  loss {self.loss:.9g}\n")
            self.written = self.epoch

    def _end(self, message: str) -> None:
        if message:
            self.stream.write(message + "\n")
        self.stream.flush()


class Bar(Meter):
    """A bar of rich's on a terminal, drawn from 0.3 s on and cleared at the end."""

    def __init__(self, stream: IO[str], clock: Clock = time.monotonic) -> None:
        super().__init__(stream, clock)
        self.drawing: Any = None
        self.task: Any = None
        self.last_drawn = 0.0

    def _show(self) -> None:
        now = self.elapsed
        if now < QUICK or (self.drawing and now - self.last_drawn < BETWEEN_DRAWINGS):
            return
        if self.drawing is None:
            self._open()
        self.last_drawn = now
        left = self.remaining
        self.drawing.update(
            self.task,
            completed=self.epoch,
            position=self._position(),
            loss=f"{self._loss():<16}",
            speed=self._speed(),
            left=f"{time_left(left)} left" if math.isfinite(left) else "",
        )
        self.drawing.refresh()

    def _open(self) -> None:
        """Build the bar. It is redrawn by `update` alone: no thread competes with the run."""
        from rich.console import Console
        from rich.progress import BarColumn, TextColumn
        from rich.progress import Progress as RichProgress

        class Terminal(Console):
            """A console that hands a broken pipe on, where rich would end the process."""

            def on_broken_pipe(self) -> None:
                raise BrokenPipeError(errno.EPIPE, "the terminal is gone")

        self.drawing = RichProgress(
            TextColumn("{task.fields[position]}", markup=False),
            BarColumn(bar_width=None, complete_style="blue", finished_style="blue"),
            TextColumn("{task.fields[loss]}", style="bold", markup=False),
            TextColumn("{task.fields[speed]}", style="dim", markup=False),
            TextColumn("{task.fields[left]}", markup=False),
            console=Terminal(file=self.stream),
            auto_refresh=False,
            transient=True,
            redirect_stdout=False,
            redirect_stderr=False,
            expand=True,
        )
        self.task = self.drawing.add_task(
            "", total=self.total, position="", loss="", speed="", left=""
        )
        self.drawing.start()

    def _end(self, message: str) -> None:
        if self.drawing is not None:
            self.drawing.stop()
            self.drawing = None
            if message:
                self._write(message)


def for_stream(
    stream: IO[str], quiet: bool = False, verbose: bool = False, says_ending: bool = True
) -> Progress:
    """Choose the meter that suits a stream.

    `quiet` wins over everything, `verbose` asks for every epoch's loss; otherwise a terminal gets
    a bar and anything else (a file, a pipe, a notebook) plain lines.

    >>> import io
    >>> type(for_stream(io.StringIO())).__name__, type(for_stream(io.StringIO(), True)).__name__
    ('Lines', 'Silent')
    """
    if quiet:
        return Silent()
    terminal = getattr(stream, "isatty", lambda: False)() and os.environ.get("TERM") != "dumb"
    meter: Meter = Verbose(stream) if verbose else Bar(stream) if terminal else Lines(stream)
    meter.says_ending = says_ending
    return meter
