"""Threads that go through a part of the rows each: the bits of one thread, and an end in order."""

import threading
import time
from collections.abc import Callable
from typing import Any

import duckdb
import numpy as np
import pytest

import descend
from descend import DataError
from descend.compile.team import Team
from descend.data.streams.divided import FILE
from descend.graph.blocks import BLOCK
from descend.graph.program import RUNNING, RowParts
from descend.train.fit import read_call

N = 9 * BLOCK + 321
START = {"a": 1.0, "b": 1.0, "c": 0.0}
FORMULA = "y = a*exp(-b*x) + c"
OWN = "descend-rows"


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> str:
    path = str(tmp_path_factory.mktemp("teams") / "rows.parquet")
    rng = np.random.default_rng(11)
    x, s = rng.uniform(0, 4, N), rng.uniform(0.05, 0.2, N)
    y = 3 * np.exp(-0.7 * x) + 0.5 + s * rng.normal(size=N)
    with duckdb.connect() as link:
        link.register("t", {"x": x, "y": y, "s": s})
        link.execute(f"COPY (SELECT * FROM t) TO '{path}' (FORMAT parquet, ROW_GROUP_SIZE 90000)")
    return path


@pytest.fixture(autouse=True)
def parts_of_few_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    """As of tables with many more."""
    own = FILE._replace(blocks=1, length=2)
    monkeypatch.setattr("descend.data.streams.stream.FILE", own)


def counted(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Of each pass by a team, how many threads it has."""
    found: list[int] = []
    sums = Team.sums

    def counting(team: Any, memory: Any, parts: Any, leaves: Any) -> bool:
        found.append(parts.threads)
        return sums(team, memory, parts, leaves)

    monkeypatch.setattr(Team, "sums", counting)
    return found


@pytest.mark.parametrize("kept", [False, True], ids=["parquet", "scratch"])
@pytest.mark.parametrize("options", [{"sigma": "s"}, {"optimizer": "lbfgs"}], ids=str)
def test_no_number_of_threads_changes_a_bit(
    file: str, tmp_path: Any, monkeypatch: pytest.MonkeyPatch, kept: bool, options: dict[str, Any]
) -> None:
    scratch = tmp_path if kept else None
    passes = counted(monkeypatch)
    fits = {}
    for threads in (1, 2, 3, 4, 7):
        passes.clear()
        fits[threads] = descend.fit(
            FORMULA, file, start=START, stream=True, scratch=scratch, threads=threads, **options
        )
        most = threads if kept else min(threads, 4)
        assert set(passes) == ({most} if threads > 1 else set())
    one = fits.pop(1)
    for other in fits.values():
        assert (one.params, one.stderr) == (other.params, other.stderr)
        np.testing.assert_array_equal(one.history["loss"], other.history["loss"])


def test_a_thread_that_cannot_be_had_is_done_without(
    file: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = descend.fit(FORMULA, file, start=START, stream=True, threads=1)
    start = threading.Thread.start

    def refused(thread: threading.Thread) -> None:
        if thread.name == OWN:
            raise RuntimeError("can't start new thread")
        start(thread)

    monkeypatch.setattr(threading.Thread, "start", refused)
    passes = counted(monkeypatch)
    other = descend.fit(FORMULA, file, start=START, stream=True, threads=3)
    assert passes and set(passes) == {3}
    assert one.params == other.params


class Step:
    """A fit before its first step, whose rows come as a test has them come.

    Args:
        change: the parts of the rows by three threads → what they become.
    """

    def __init__(
        self, file: str, change: Callable[[RowParts], RowParts] = lambda own: own
    ) -> None:
        options = {"start": START, "stream": True, "threads": 3}
        descents, _ = read_call(FORMULA, file, None, options)
        self.runner = descents.built.runner
        self.run = descents.begun(descents.job.find_start(descents.built, False, 0))
        self.bound = self.run.bound
        own = self.bound.stream.parts(3)
        assert own.threads == 3 and len(own.blocks) > 1
        self.bound.stream = self
        self.parts = lambda most: change(own)

    def go(self) -> bool:
        """Whether the step was made."""
        self.runner.run(self.bound, self.run.control, 1)
        return self.run.control.steps == 1


def none_left() -> bool:
    return not any(t.name == OWN for t in threading.enumerate())


class Faulty(Exception):
    pass


@pytest.mark.parametrize("faulty", [0, 1, 2])
def test_what_a_part_raises_is_raised_and_ends_the_others(file: str, faulty: int) -> None:
    """Others, which wait for rows, are told to give up; the calling thread cannot be told."""
    told, failed = threading.Event(), threading.Event()
    caller = threading.get_ident()

    def change(own: RowParts) -> RowParts:
        bad = own.blocks[faulty]

        def rows(blocks: tuple[int, int]) -> Any:
            coming = own.rows(blocks)
            yield next(coming)
            if blocks == bad:
                failed.set()
                raise Faulty("no more")
            if threading.get_ident() != caller:
                assert told.wait(60)
                raise Faulty("given up")
            yield from coming
            assert failed.wait(60)

        return own._replace(rows=rows, cancel=lambda _: told.set())

    step = Step(file, change)
    with pytest.raises(Faulty, match="no more"):
        step.go()
    assert none_left()
    assert step.run.control.steps == 0


def test_a_pass_is_left_and_made_again(file: str) -> None:
    """What was left is as if it had not begun: the next entry makes the same step."""
    step, whole = Step(file), Step(file)
    seen: list[int] = []
    step.run.control.leaves = lambda rows: seen.append(rows) or len(seen) > 1
    assert not step.go()
    assert none_left() and 0 < seen[0] <= seen[-1] < N
    step.run.control.leaves = None
    assert step.go() and whole.go()
    assert step.run.control.status == RUNNING
    for one, other in zip(step.bound.state, whole.bound.state, strict=True):
        np.testing.assert_array_equal(one, other)


def test_what_ends_a_pass_is_looked_at_while_others_are_waited_for(file: str) -> None:
    """A source may end quietly where it is cancelled: then rows are absent, and no sum is taken."""
    told, caller = threading.Event(), threading.get_ident()

    def change(own: RowParts) -> RowParts:
        def rows(blocks: tuple[int, int]) -> Any:
            if threading.get_ident() == caller:
                yield from own.rows(blocks)
            else:
                assert told.wait(60)

        return own._replace(rows=rows, cancel=lambda _: told.set())

    step = Step(file, change)
    end = time.perf_counter() + 0.5
    step.run.control.leaves = lambda rows: time.perf_counter() > end
    assert not step.go()
    assert told.is_set() and none_left()


def test_rows_that_have_changed_are_told_by_whoever_reads_them(file: str) -> None:
    step = Step(file)
    marks: Any = step.run.job.beyond.source.marks
    marks[5] = b"another"
    with pytest.raises(DataError, match=f"while it was read: among the rows {5 * BLOCK} to"):
        step.go()
    assert none_left()
