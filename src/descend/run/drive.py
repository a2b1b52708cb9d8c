"""The driver of a run: the native program is entered again and again for about 30 ms.

Between entries there is room for what native code never does: progress, Ctrl-C, the clock, the
user's callback, checkpoints. The state is whole at every such moment.
"""

from __future__ import annotations

import contextlib
import math
import signal
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple, Protocol

import numpy as np

from descend.graph.program import (
    DIVERGED,
    EPOCHS_SPENT,
    RUNNING,
    Bindings,
    Control,
    Program,
    interpret,
)
from descend.lean import dataclass
from descend.run.course import Course
from descend.show.progress import Progress

__all__ = [
    "Ending", "Interpreted", "Runner", "Watch", "drive", "listening", "stopped_by_termination",
]  # fmt: skip

ENTRY_SECONDS = 0.03
FASTEST_GROWTH = 16
MOST_STEPS = 1 << 40

Array = np.ndarray[Any, np.dtype[Any]]


class Runner(Protocol):
    """What advances a run: the compiled program, or the interpreter."""

    def run(self, bound: Bindings, control: Control, budget: int) -> None:
        """Advance by at most `budget` steps; state, control and records are brought up to date."""


@dataclass
class Interpreted:
    """The reference interpreter with the face of a compiled program."""

    program: Program

    def run(self, bound: Bindings, control: Control, budget: int) -> None:
        """As `graph.program.interpret`."""
        interpret(self.program, bound, control, budget)


@dataclass
class Watch:
    """What is looked at between entries.

    Attributes:
        meter: told of progress, which it counts in `unit`; closed by whoever made it.
        callback: told of every epoch; the run stops where it returns True.
        checkpoint: told every `checkpoint_seconds`, and at the end.
        loss_factor: what a loss of the program is multiplied by before it is told.
    """

    meter: Progress | None = None
    max_seconds: float | None = None
    callback: Callable[[int, float], Any] | None = None
    checkpoint: Callable[[], None] | None = None
    checkpoint_seconds: float = 10.0
    unit: str = "epoch"
    loss_factor: float = 1.0

    @property
    def each_epoch(self) -> bool:
        return self.callback is not None or (self.meter is not None and self.meter.each_epoch)


class Ending(NamedTuple):
    """How a run ended: `code` of the program, or a word for what stopped it from outside."""

    code: int
    outside: str
    seconds: float


@dataclass
class _Signals:
    """How often Ctrl-C was pressed since."""

    count: int = 0

    @property
    def hit(self) -> bool:
        return self.count > 0


STOPPING = (signal.SIGINT, signal.SIGTERM)
MOST_IGNORED = 2  # signals, while what was reached is being kept; the next one gives it up
_NEVER = _Signals()
_program: list[_Signals] = []
"""What the command line has heard since its first descent began; empty in other programs."""


@contextlib.contextmanager
def listening() -> Iterator[_Signals]:
    """Ctrl-C sets a flag instead of raising wherever Python happens to be.

    So does what else raises `KeyboardInterrupt` by Python's own handler, as SIGTERM does on the
    command line; only in the main thread. On the command line the flag stays set, and nothing is
    raised, until the program ends: what was reached is still to be judged and written.
    """
    if threading.current_thread() is not threading.main_thread():
        yield _NEVER
        return
    heard = _program[0] if _program else _Signals()
    ours = [number for number in STOPPING if signal.getsignal(number) is signal.default_int_handler]

    def note(_number: int, _frame: Any) -> None:
        heard.count += 1
        if _program and heard.count > MOST_IGNORED:
            raise KeyboardInterrupt

    try:
        for number in ours:
            signal.signal(number, note)
        yield heard
    finally:
        if not _program:
            _end_at(ours)


def _end_at(numbers: Iterable[int]) -> None:
    for number in numbers:
        signal.signal(number, signal.default_int_handler)


@contextlib.contextmanager
def stopped_by_termination() -> Iterator[None]:
    """SIGTERM is as Ctrl-C: batch systems and containers end a run by it, and it is to be kept."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = [(number, signal.getsignal(number)) for number in STOPPING]
    if signal.getsignal(signal.SIGTERM) is signal.SIG_DFL:
        _end_at([signal.SIGTERM])
    _program.append(_Signals())
    try:
        yield
    finally:
        _program.clear()
        for number, handler in before:
            if handler is not None:  # else it was not Python that set it
                signal.signal(number, handler)


def drive(
    runner: Runner, bound: Bindings, control: Control, course: Course, steps_per_epoch: int,
    watch: Watch, first_budget: int, most: int = MOST_STEPS,
) -> Ending:  # fmt: skip
    """Run until a stopping rule holds, or something from outside does, or `most` steps are made."""
    begin = time.perf_counter()
    budget, last = first_budget, control.steps + most
    saved = -math.inf  # the first checkpoint is written at once
    outside = ""
    if watch.meter is not None:
        watch.meter.start(control.max_epochs, watch.unit)
    with listening() as heard:
        if bound.stream is not None:
            control.leaves = _between_blocks(control, course, watch, begin, bound.n_rows, heard)
        while control.status == RUNNING and not outside and control.steps < last:
            left = steps_per_epoch - control.batch
            entry = min(budget, left) if watch.each_epoch else budget
            entry = min(entry, last - control.steps)
            entered, before = time.perf_counter(), control.steps
            runner.run(bound, control, entry)
            now = time.perf_counter()
            budget = _next_budget(budget, control.steps - before, now - entered)
            outside = _between(control, course, watch, now - begin, bound.n_rows, steps_per_epoch)
            if heard.hit:
                outside = "interrupted"
            if watch.checkpoint is not None and now - saved >= watch.checkpoint_seconds:
                watch.checkpoint()
                saved = now
    control.leaves = None
    course.take(control)
    if watch.checkpoint is not None:
        watch.checkpoint()
    return Ending(control.status, outside, time.perf_counter() - begin)


def _between_blocks(
    control: Control, course: Course, watch: Watch, begin: float, n_rows: int, heard: _Signals
) -> Callable[[int], bool]:  # fmt: skip
    """What reports the progress of a pass, and has it left where something stops the run."""

    def leaves(rows: int) -> bool:
        if watch.meter is not None:
            loss = course.last * watch.loss_factor
            watch.meter.update(control.epoch, loss, control.epoch * n_rows + rows)
        over = watch.max_seconds is not None and time.perf_counter() - begin >= watch.max_seconds
        return heard.hit or over

    return leaves


def _next_budget(budget: int, done: int, seconds: float) -> int:
    """As many steps as take about 30 ms, by the speed of the last entry."""
    if done <= 0 or seconds <= 0:
        return budget
    fitting = int(done * ENTRY_SECONDS / seconds)
    return max(1, min(fitting, budget * FASTEST_GROWTH, MOST_STEPS))


def _between(
    control: Control, course: Course, watch: Watch, elapsed: float, n_rows: int, steps: int
) -> str:
    """Report progress; return what stops the run from outside, or an empty string."""
    finished = bool(control.records)
    course.take(control)
    loss = course.last * watch.loss_factor
    if watch.meter is not None and finished:
        rows = control.epoch * n_rows + control.batch * n_rows // max(steps, 1)
        watch.meter.update(control.epoch, loss, rows)
    stop = finished and watch.callback is not None and watch.callback(control.epoch, loss)
    if control.status in (EPOCHS_SPENT, DIVERGED) or control.status > 0:
        return ""
    if stop is True or (isinstance(stop, np.bool_) and bool(stop)):
        return "callback"
    if watch.max_seconds is not None and elapsed >= watch.max_seconds:
        return "time_spent"
    return ""
