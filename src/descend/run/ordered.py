"""What is made of blocks that come in their order: by several threads, and in that order."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from queue import SimpleQueue
from typing import Any, TypeVar

import numpy as np

__all__ = ["in_order"]

Array = np.ndarray[Any, np.dtype[Any]]
Block = Sequence[Array]
T = TypeVar("T")
AWAKE = 0.5
"""Seconds after which a wait begins anew: Ctrl-C that came just before it is seen only then."""


def in_order(blocks: Iterable[Block], calls: Sequence[Callable[[Block], T]]) -> Iterator[T]:
    """What calls make of blocks, in the order of the blocks.

    Args:
        blocks: each is copied, since it may be valid only until the next.
        calls: for each thread one, which no other thread uses; one alone is used by this thread.

    >>> blocks = ([np.arange(float(n))] for n in range(4))
    >>> [float(total) for total in in_order(blocks, [lambda block: block[0].sum()] * 3)]
    [0.0, 0.0, 1.0, 3.0]
    """
    made = _Made()
    asked = given = 0
    try:
        made.begin(calls if len(calls) > 1 else [])
        if not made.threads:  # there is one, or the system grants no more
            yield from map(calls[0], blocks)
            return
        for block in blocks:
            made.waiting.put((asked, [np.array(column) for column in block]))
            asked += 1
            if asked - given > len(made.threads) + 1:
                yield made.take(given)
                given += 1
        for number in range(given, asked):
            yield made.take(number)
    finally:
        made.end()


class _Made:
    """What threads have made, until it is asked for."""

    def __init__(self) -> None:
        self.waiting: SimpleQueue[tuple[int, Block] | None] = SimpleQueue()
        self.threads: list[threading.Thread] = []
        self._found: dict[int, tuple[Any, BaseException | None]] = {}
        self._there, self._over = threading.Condition(), False

    def begin(self, calls: Sequence[Callable[[Block], Any]]) -> None:
        """Begin a thread for each call, if the system grants it."""
        for call in calls:
            thread = threading.Thread(
                target=self._work, args=(call,), daemon=True, name="descend-fold"
            )
            self.threads.append(thread)  # before it begins: a signal may come in between
            try:
                thread.start()
            except RuntimeError:
                self.threads.pop()

    def _work(self, call: Callable[[Block], Any]) -> None:
        while (item := self.waiting.get()) is not None:
            if self._over:
                continue
            number, block = item
            try:
                found: tuple[Any, BaseException | None] = call(block), None
            except BaseException as error:  # whatever it is, it is for whoever asks
                found = None, error
            with self._there:
                self._found[number] = found
                self._there.notify()

    def take(self, number: int) -> Any:
        """What was made of a block; what was raised is raised here."""
        with self._there:
            while number not in self._found:
                self._there.wait(AWAKE)
            found, error = self._found.pop(number)
        if error is not None:
            raise error
        return found

    def end(self) -> None:
        """End the threads: what nobody has begun is not made."""
        self._over = True
        for _ in self.threads:
            self.waiting.put(None)
        for thread in self.threads:
            if thread.is_alive():  # else it is only beginning, and finds what ends it
                thread.join()
