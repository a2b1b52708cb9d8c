"""What is measured: two models, two sizes, four batch sizes, in order and shuffled."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from itertools import product

import numpy as np
from numpy.typing import NDArray

Column = NDArray[np.float64]

START = {"parabola": (1.0, 0.0, 1.0), "exponential": (1.0, 1.0, 0.0)}
NAMES = {"parabola": ("w1", "w2", "w3"), "exponential": ("a", "k", "c")}
FORMULA = {"parabola": "y = w1*x**2 + w2*x + w3", "exponential": "y = a*exp(-k*x) + c"}
LEARNING_RATE = 0.001

# Rows visited in one call: about 0.1-0.5 s for the compiled contestants at the measured speeds.
VISITS = {"parabola": {1: 2e7, 10: 5e7, 64: 1e8, 0: 1e8}, "exponential": {1: 1e7, 0: 3e7}}
VISITS_LARGE = {"parabola": {0: 3e8}, "exponential": {0: 1e8}}
PART_VISITS = 20_000_000


@dataclass(frozen=True)
class Case:
    """One line of the table. `batch` is a number of rows, `all` of them if equal to `rows`."""

    model: str
    rows: int
    batch: int
    shuffle: bool
    epochs: int

    @property
    def updates(self) -> int:
        """Updates in one epoch; the last one may have fewer rows."""
        return -(-self.rows // self.batch)

    @property
    def key(self) -> str:
        batch = "all" if self.batch == self.rows else str(self.batch)
        return f"{self.model}/{self.rows}/{batch}/{'shuffled' if self.shuffle else 'in order'}"

    def part(self, updates: int) -> Case:
        """The same case cut to about so many updates in all, for contestants that are slow."""
        if self.updates <= updates:
            most = min(updates // self.updates, PART_VISITS // self.rows)
            return dataclasses.replace(self, epochs=min(self.epochs, max(1, most)))
        rows = self.rows if self.batch == self.rows else updates * self.batch
        return dataclasses.replace(self, rows=rows, epochs=1)

    def small(self) -> Case:
        """A few epochs over a few hundred rows in order: enough to see a wrong answer."""
        rows = min(self.rows, 5 * self.batch, 640)
        return dataclasses.replace(
            self, rows=rows, batch=min(rows, self.batch), epochs=3, shuffle=False
        )


def all_cases() -> list[Case]:
    """Every case; shuffling does nothing to a full batch, so that pair is left out."""
    cases = []
    for model, rows, batch, shuffle in product(START, (100, 1_000_000), (1, 10, 64, 0), (0, 1)):
        if batch == 0 and shuffle:
            continue
        visits = VISITS[model].get(batch, VISITS[model][0])
        if rows > 100:
            visits = VISITS_LARGE[model].get(batch, visits)
        slower = 4 if rows == 100 else 10
        epochs = max(5, round(visits / rows / (slower if shuffle else 1)))
        cases.append(Case(model, rows, batch or rows, bool(shuffle), epochs))
    return cases


def data(case: Case) -> tuple[Column, Column]:
    """The lesson's points for the parabola; a noisy decay for the exponential."""
    x = np.arange(case.rows) / case.rows
    if case.model == "parabola":
        return x, 4 * x**2 + 5 * x + 6
    noise = np.random.default_rng(0).normal(scale=0.01, size=case.rows)
    return x, 2.5 * np.exp(-1.3 * x) + 0.5 + noise
