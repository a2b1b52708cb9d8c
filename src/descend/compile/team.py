"""The sums of one pass over rows that come, by threads that go through a part of the rows each.

A thread reads a block and sums it while the block lies in its core's cache. Sums are joined in the
tree of the blocks' numbers, so that it makes no difference to a single bit how many threads there
are.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, suppress
from functools import partial
from typing import Any

import numpy as np

from descend.compile.memory import ProgramMemory
from descend.compile.pieces import PassMemory, order_of, take, values_of
from descend.graph.program import RowParts

__all__ = ["Team"]

Array = np.ndarray[Any, np.dtype[Any]]
Call = Callable[[tuple[int, int], Iterator[tuple[int, Sequence[Array]]]], Any]
ROOM = 1 << 29  # bytes that all threads work in
LOOKS = 0.1
"""Seconds between two looks at what should end a pass, while other threads are waited for."""
PAUSES = (0.01, 0.05, 0.2, 0.5, 1.0)
"""Seconds between attempts to end a thread: a query that has not begun yet is not ended by one."""


class _Left(Exception):
    """The pass is not wanted any more."""


class Team:
    """What threads need for one of a program's passes."""

    def __init__(self, memory: ProgramMemory, stage: int) -> None:
        self._loaded, self._order = memory.code.loaded, order_of(memory, stage)
        self._own: list[PassMemory] = []
        rooms = [math.prod(s) * np.dtype(d).itemsize for s, d in self._order.rooms.values()]
        self._n_bytes = max(1, sum(rooms))

    def sums(
        self, memory: ProgramMemory, parts: RowParts, leaves: Callable[[int], bool] | None
    ) -> bool:
        """Form the sums of all rows, in this thread and others.

        Args:
            leaves: is told how many rows are done, and whether it is true ends the pass.

        Returns:
            whether the pass came to its end.

        Raises:
            what is raised by the rows of a part, which ends the others.
        """
        threads = max(1, min(parts.threads, ROOM // self._n_bytes))
        own, self._own = self._own, []  # not used again where a thread has not ended
        while len(own) < threads:
            own.append(PassMemory(self._loaded, self._order))
        known = [np.array(value) for value in values_of(memory, self._order)]
        work = _Work(parts, leaves)
        if not work.done([partial(each.sums, known) for each in own[:threads]]):
            return False
        self._own = own
        for blocks, found in zip(parts.blocks, work.found, strict=True):
            take(memory, self._order, blocks, found)
        return True


class _Work:
    """The parts of a pass, as threads go through them: each takes the next that nobody has."""

    def __init__(self, parts: RowParts, leaves: Callable[[int], bool] | None) -> None:
        count = len(parts.blocks)
        self.parts, self.leaves = parts, leaves
        self.found: list[Any] = [None] * count
        self.rows, self.over = [0] * count, threading.Event()
        self.error: BaseException | None = None  # the first; others may follow from being ended
        self._lock, self._waiting = threading.Lock(), iter(range(count))

    def done(self, calls: Sequence[Call]) -> bool:
        """Have each part's rows given to one of the calls; whether all came to their end."""
        threads = [
            threading.Thread(target=self._go, args=(call,), daemon=True, name="descend-rows")
            for call in calls[1:]
        ]
        try:
            for thread in threads:
                with suppress(RuntimeError):  # the system grants no more
                    thread.start()
            self._go(calls[0], self.leaves)
            for thread in threads:
                while thread.is_alive() and not self.over.is_set():
                    thread.join(LOOKS)
                    self._look(self.leaves)
        except BaseException:
            self.over.set()  # also for a thread that is only beginning
            raise
        finally:
            self._end([thread for thread in threads if thread.is_alive()])
        if self.error is not None:
            raise self.error
        return not self.over.is_set()

    def _go(self, call: Call, leaves: Callable[[int], bool] | None = None) -> None:
        try:
            while (i := self._next()) is not None:
                with closing(self._rows(i, leaves)) as rows:  # type: ignore[type-var]
                    self.found[i] = call(self.parts.blocks[i], rows)
        except BaseException as error:  # whatever it is, it is for whoever waits
            with self._lock:
                if not self.over.is_set():
                    self.error = error
                    self.over.set()

    def _next(self) -> int | None:
        with self._lock:
            return None if self.over.is_set() else next(self._waiting, None)

    def _rows(
        self, i: int, leaves: Callable[[int], bool] | None
    ) -> Iterator[tuple[int, Sequence[Array]]]:
        with closing(self.parts.rows(self.parts.blocks[i])) as rows:  # type: ignore[type-var]
            for first, columns in rows:
                yield first, columns
                self.rows[i] += len(columns[0])
                self._look(leaves)
                if self.over.is_set():
                    raise _Left

    def _look(self, leaves: Callable[[int], bool] | None) -> None:
        if leaves is not None and not self.over.is_set() and leaves(sum(self.rows)):
            with self._lock:
                self.over.set()

    def _end(self, alive: Sequence[threading.Thread]) -> None:
        """See that no thread goes on, however this one came to its end."""
        if alive:
            self.over.set()
        for thread in alive:
            for pause in PAUSES:
                if thread.is_alive() and thread.ident is not None:
                    self.parts.cancel(thread.ident)
                    thread.join(pause)
