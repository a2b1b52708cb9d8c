"""Rows of numbers as they come, every second one forgotten where they become too many."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

__all__ = ["Trail", "last", "thinned"]

Array = np.ndarray[Any, np.dtype[Any]]


class Trail:
    """Rows of numbers, at most so many.

    Args:
        most: rows. width: numbers a row.

    >>> trail = Trail(4, 1)
    >>> for i in range(6):
    ...     trail.add([i])
    >>> trail.rows[:, 0]
    array([0., 2., 4., 5.])
    """

    def __init__(self, most: int, width: int) -> None:
        self._rows = np.empty((most, width))
        self._count = 0

    def add(self, row: Any) -> None:
        """Add a row at the end."""
        if self._count == len(self._rows):
            kept = self._rows[::2].copy()
            self._count = len(kept)
            self._rows[: self._count] = kept
        self._rows[self._count] = row
        self._count += 1

    def clear(self) -> None:
        """Forget all rows."""
        self._count = 0

    @property
    def rows(self) -> Array:
        """(rows, width) those that are kept, in their order."""
        return self._rows[: self._count]


def thinned(values: Array, most: int) -> Array:
    """Every 2nd, 4th, … value, and the last one: at most so many, and one.

    >>> thinned(np.arange(10.0), 4)
    array([0., 4., 8., 9.])
    """
    every = 1
    while len(values) > most * every:
        every *= 2
    if every == 1:
        return values
    kept = values[::every]
    return kept if (len(values) - 1) % every == 0 else np.append(kept, values[-1])


def last(values: Any) -> float:
    """The last of some values; no number where there is none."""
    return float(values[-1]) if len(values) else math.nan
