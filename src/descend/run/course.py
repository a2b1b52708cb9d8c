"""What the epochs of a run leave, in bounded memory: long runs keep every 2nd, 4th, … epoch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from descend.graph.program import Control

__all__ = ["MOST_KEPT", "Course"]

MOST_KEPT, LEAST_KEPT = 1 << 16, 1 << 10
MOST_NUMBERS = 1 << 17

Array = np.ndarray[Any, np.dtype[Any]]


class Course:
    """The recorded values of a run, column by column.

    Epochs 1, 1 + every, 1 + 2·every, … are kept, and the last one. `every` is 1, and doubles
    whenever more than `MOST_KEPT` entries (fewer, where they are large) would be kept: it follows
    from the number of epochs alone, not from how the run was divided into entries. So many can
    be written as JSON in a tenth of a second, and no picture could show more.

    >>> course = Course(["loss"])
    >>> course.take(Control(9, records=[(np.array([4.0, 2.0]),), (np.array([1.0]),)]))
    >>> course.column("loss"), course.epochs(), course.every, course.last
    (array([4., 2., 1.]), array([1, 2, 3]), 1, 1.0)
    """

    def __init__(self, names: Sequence[str]) -> None:
        self.names = tuple(names)
        self.count = 0
        self.every = 1
        self.last = float("nan")
        self._used = 0
        self._limit = 0
        self._kept: list[Array] = []
        self._tail: Sequence[Array] = ()

    def resume(self, columns: Mapping[str, Array], count: int, every: int) -> None:
        """Go on from the columns of an earlier run of `count` epochs, as `column` gives them.

        What it did not record is NaN there.
        """
        self.count, self.every = count, every
        self._used = -(-count // every)
        own = next((columns[name] for name in self.names if name in columns), None)
        if own is None or len(own) < self._used:
            self._used = 0
            self._kept = []
            return
        none = np.full(self._used, np.nan)
        self._kept = [np.asarray(columns.get(name, none))[: self._used] for name in self.names]
        self._tail = [np.asarray(columns.get(name, none))[-1:] for name in self.names]
        if self.names[0] in columns and count:
            self.last = float(self._tail[0][-1])

    def take(self, control: Control) -> None:
        """Move the records of an entry here."""
        for block in control.records:
            if block:
                self._add(block)
        control.records.clear()

    def _add(self, block: Sequence[Array]) -> None:
        count, first = len(block[0]), -self.count % self.every
        if not self._limit:
            row = sum(values[:1].size for values in block)
            self._limit = max(LEAST_KEPT, min(MOST_KEPT, MOST_NUMBERS // max(row, 1)))
            self._kept = [_shaped(k, b) for k, b in zip(self._kept, block, strict=False)]
        self.count += count
        self._tail = block
        self.last = float(block[0][-1])
        if first >= count:
            return
        used = self._used
        rows = [values[first :: self.every] for values in block]
        self._used = used + len(rows[0])
        if used:
            self._kept = [_joined(k, used, r) for k, r in zip(self._kept, rows, strict=True)]
        else:
            self._kept = rows if self.every == 1 else [r.copy() for r in rows]
        while self._used > self._limit:
            self._kept = [kept[: self._used : 2].copy() for kept in self._kept]
            self._used = len(self._kept[0])
            self.every *= 2

    def column(self, name: str) -> Array:
        """The values of one record at the epochs that are kept."""
        if not self._kept:
            return np.zeros(0)
        at = self.names.index(name)
        kept = self._kept[at]
        if (self.count - 1) % self.every:
            return np.concatenate([kept[: self._used], self._tail[at][-1:]])
        return kept if len(kept) == self._used else kept[: self._used].copy()

    def latest(self, name: str) -> Array:
        """The value of one record at the last epoch."""
        found: Array = self._tail[self.names.index(name)][-1]
        return found

    def epochs(self) -> Array:
        """The numbers of the epochs that are kept, from 1."""
        if not self._kept:
            return np.zeros(0, np.int64)
        numbers = np.arange(1, self.count + 1, self.every)
        return numbers if numbers[-1] == self.count else np.append(numbers, self.count)


def _shaped(kept: Array, block: Array) -> Array:
    """Earlier entries in the shape of later ones: NaN where there were none."""
    if kept.shape[1:] == block.shape[1:]:
        return kept
    return np.full((len(kept), *block.shape[1:]), np.nan, block.dtype)


def _joined(kept: Array, used: int, rows: Array) -> Array:
    """Entries with more behind; room is made for as many again."""
    total = used + len(rows)
    if total > len(kept):
        larger = np.empty((max(total, 2 * used), *kept.shape[1:]), kept.dtype)
        larger[:used] = kept[:used]
        kept = larger
    kept[used:total] = rows
    return kept
