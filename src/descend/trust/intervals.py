"""Intervals of all parameters together, read like a dict."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np

from descend.lean import dataclass
from descend.show.layout import Section
from descend.show.numbers import full, shortened
from descend.trust.quantiles import student_factor
from descend.trust.shown import DIGITS, NAME_WIDTH, Shown, end_of, entered

__all__ = ["Interval", "Intervals", "student_intervals"]

Array = np.ndarray[Any, np.dtype[Any]]


class Interval(NamedTuple):
    """From where to where; infinite on a side that is open."""

    low: float
    high: float


@dataclass(eq=False)
class Intervals(Shown, Mapping[str, Interval]):
    """The interval of every free number, read like a dict: `low, high = intervals["a"]`.

    Attributes:
        kind: how they were made, in words.
        best: name → the fitted value.
        entries: name → its interval.
        notes: what is to be said of single intervals.
    """

    kind: str
    level: float
    best: Mapping[str, float]
    entries: Mapping[str, Interval]
    notes: tuple[str, ...] = ()

    __repr__ = Shown.__repr__

    def __getitem__(self, name: str) -> Interval:
        if name not in self.entries:
            raise KeyError(f"there is no interval of {name}, only of {', '.join(self.entries)}")
        return self.entries[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self.entries)

    def __len__(self) -> int:
        return len(self.entries)

    def _told(self) -> tuple[str, list[Section]]:
        """A table of the intervals, with how far they reach below and above."""
        table = Section("", ("name", "value", "low", "high", "below", "above"))
        cells = []
        for name, (low, high) in self.entries.items():
            best = self.best[name]
            cells.append(
                (shortened(name, NAME_WIDTH), full(best, DIGITS + 2), end_of(low), end_of(high),
                 end_of(low - best), end_of(high - best))
            )  # fmt: skip
        entered(table, cells)
        table.remarks = list(self.notes)
        return f"Intervals of {self.level:.4g} by {self.kind}", [table]


def student_intervals(
    names: tuple[str, ...], best: Array, error: Array, dof: float, level: float
) -> dict[str, Interval]:
    """value ± t·error, with t of ν degrees of freedom.

    >>> student_intervals(("a",), np.array([1.0]), np.array([0.5]), float("inf"), 0.6827)["a"]
    Interval(low=0.5000, high=1.5000)
    """
    reach = student_factor(level, dof) * error
    return {
        name: Interval(float(b - r), float(b + r))
        for name, b, r in zip(names, best, reach, strict=True)
    }
