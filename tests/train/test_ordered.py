"""What several threads make of blocks comes in the order of the blocks, and ends in order."""

import itertools
import threading
import time
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import descend
from descend.graph.blocks import BLOCK
from descend.run import passes
from descend.run.ordered import in_order

OWN = "descend-fold"


def none_left() -> bool:
    return not any(t.name == OWN for t in threading.enumerate())


@given(
    waits=st.lists(st.sampled_from([0.0, 0.0, 1e-4, 1e-3]), max_size=12),
    threads=st.integers(1, 4),
)
def test_results_come_in_the_order_of_the_blocks(waits: list[float], threads: int) -> None:
    """Blocks lie where the next one will: they are copied before they are worked on."""
    buffer = np.zeros(1)

    def blocks() -> Any:
        for number in range(len(waits)):
            buffer[:] = number
            yield [buffer]
        buffer[:] = -1

    def call(block: Any) -> float:
        number = float(block[0][0])
        time.sleep(waits[int(number)])
        return number

    assert [*in_order(blocks(), [call] * threads)] == [*range(len(waits))]
    assert none_left()


def test_no_more_is_read_than_threads_wait_for() -> None:
    read = itertools.count()
    blocks = ([np.zeros(1)] for _ in iter(lambda: next(read), 1000))
    coming = in_order(blocks, [lambda block: 0.0] * 3)
    next(coming)
    assert next(read) <= 6
    coming.close()
    assert none_left()


@pytest.mark.parametrize("threads", [1, 3])
def test_what_is_raised_is_raised_at_its_place(threads: int) -> None:
    def call(block: Any) -> float:
        return 1 / float(block[0][0])

    blocks = ([np.array([float(n)])] for n in (2, 1, 0, 4))
    coming = in_order(blocks, [call] * threads)
    assert [next(coming), next(coming)] == [0.5, 1.0]
    with pytest.raises(ZeroDivisionError):
        next(coming)
    assert none_left()

    def broken() -> Any:
        yield [np.ones(1)]
        raise OSError("gone")

    with pytest.raises(OSError, match="gone"):
        [*in_order(broken(), [call] * threads)]
    assert none_left()


def test_threads_that_cannot_be_had_are_done_without(monkeypatch: pytest.MonkeyPatch) -> None:
    start, granted = threading.Thread.start, [1]

    def refused(thread: threading.Thread) -> None:
        if thread.name == OWN and not granted[0]:
            raise RuntimeError("can't start new thread")
        granted[0] -= thread.name == OWN
        start(thread)

    monkeypatch.setattr(threading.Thread, "start", refused)
    for granted[0] in (1, 0):
        blocks = ([np.array([n])] for n in range(5))
        found = [*in_order(blocks, [lambda block: int(block[0][0])] * 3)]
        assert found == [*range(5)]


def test_errors_of_many_rows_have_the_same_bits_for_any_number_of_threads(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The columns of J are compiled, and their triangles made, by as many threads."""
    monkeypatch.setattr("descend.trust.over_rows.MANY", 1)
    seen: list[int] = []
    original = passes.in_order

    def counting(blocks: Any, calls: Any) -> Any:
        seen.append(len(calls))
        return original(blocks, calls)

    monkeypatch.setattr(passes, "in_order", counting)
    rng = np.random.default_rng(3)
    x = rng.uniform(0, 4, 4 * BLOCK + 5)
    y = 3 * np.exp(-0.7 * x) + 0.5 + 0.1 * rng.normal(size=len(x))
    rows, start = {"x": x, "y": y}, {"a": 1.0, "b": 1.0, "c": 0.0}
    found = {}
    for threads in (1, 2, 5):
        seen.clear()
        fit = descend.fit("y = a*exp(-b*x) + c", rows, start=start, threads=threads)
        found[threads] = dict(fit.stderr)
        assert max(seen) == threads
    assert found[1] == found[2] == found[5]
