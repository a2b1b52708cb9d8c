"""Intervals of all parameters together, read like a dict."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np

from descend.lean import dataclass
from descend.records.record import flat_parameters
from descend.show.layout import Section
from descend.show.numbers import DIGITS, NAME_WIDTH, end_of, full, shortened
from descend.show.shown import Uncertain
from descend.trust.delta import covariance_of, dof_of
from descend.trust.quantiles import student_factor

__all__ = ["Interval", "Intervals", "by_profile", "by_student"]


class Interval(NamedTuple):
    """From where to where; infinite on a side that is open."""

    low: float
    high: float


@dataclass(eq=False)
class Intervals(Uncertain, Mapping[str, Interval]):
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

    __repr__ = Uncertain.__repr__

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
        table.fill(cells, range(1, len(table.header)))
        table.remarks = list(self.notes)
        return f"Intervals of {self.level:.4g} by {self.kind}", [table]


def by_student(fit: Any, level: float) -> Intervals:
    """value ± t·error, with t of the degrees of freedom; normal where the scale is known."""
    covariance, dof = covariance_of(fit), dof_of(fit)
    best = dict(flat_parameters(fit.params))
    reach = student_factor(level, dof) * np.sqrt(np.diag(covariance))
    pairs = list(zip(fit.covariance_names, map(float, reach), strict=True))
    notes = list(fit.findings)
    if not fit.errors_note:
        notes += [f'{name} lies on its bound: ask for its interval with kind="profile".'
                  for name, r in pairs if math.isnan(r)]  # fmt: skip
    word = "Student's t" if math.isfinite(dof) else "the normal distribution"
    entries = {name: Interval(best[name] - r, best[name] + r) for name, r in pairs}
    return Intervals(word, level, best, entries, tuple(notes))


def by_profile(fit: Any, level: float) -> Intervals:
    """The ends of the profiles."""
    found = fit.profile(level=level)
    best = dict(flat_parameters(fit.params))
    entries = {name: Interval(p.low, p.high) for name, p in found.items()}
    notes = tuple(note for p in found.values() for note in p.remarks())
    return Intervals("profile likelihood", level, best, entries, notes)
