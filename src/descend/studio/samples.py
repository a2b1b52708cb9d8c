"""Tables that the studio brings along: by name, with the numbers that each can be made with."""

from __future__ import annotations

import csv
import functools
from collections.abc import Callable, Mapping
from dataclasses import field
from importlib.resources import files
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np

from descend.lean import dataclass

__all__ = ["SAMPLES", "Number", "Sample", "Table"]

Array = np.ndarray[Any, np.dtype[Any]]
Table = Mapping[str, Array]
"""Columns by name, (rows,) each: numbers, or texts."""


class Number(NamedTuple):
    """A number that a sample is made with."""

    usual: float
    low: float
    high: float


NOISE = Number(0.0, 0.0, 0.5)
POINTS = 300


@dataclass(frozen=True)
class Sample:
    """A table to begin with.

    Attributes:
        made: the table, of its numbers.
        numbers: those by name, and within which limits they may be.
        origin: where it comes from: a formula, or a source.
    """

    made: Callable[..., Table]
    numbers: Mapping[str, Number] = field(default_factory=dict)
    origin: str = ""

    def table(self, given: Mapping[str, float] | None = None) -> Table:
        """The table, made with these numbers and the usual others.

        >>> SAMPLES["xor"].table({"noise": 0.1})["x1"].shape
        (300,)
        """
        usual = {name: number.usual for name, number in self.numbers.items()}
        return self.made(**{**usual, **(given or {})})


def _parabola() -> Table:
    x = np.arange(100) / 100
    return {"x": x, "y": 4 * x**2 + 5 * x + 6}


@functools.cache
def _kept(name: str) -> Table:
    """A table that lies beside this file."""
    text = files("descend.studio").joinpath("tables", f"{name}.csv").read_text("utf-8")
    header, *rows = csv.reader(text.splitlines())
    columns = zip(*rows, strict=True)
    found = {}
    for title, column in zip(header, columns, strict=True):
        cells = np.array(column)
        try:
            found[title] = cells.astype(float)
        except ValueError:
            found[title] = cells
    return MappingProxyType(found)


@functools.cache
def _digits() -> Table:
    """Handwritten digits, 8 × 8 pixels from 0 to 16 each, as `p00` … `p77` by row and column."""
    with files("descend.studio").joinpath("tables", "digits.npz").open("rb") as stream:
        kept = np.load(stream)
        pixels, digit = kept["pixels"].astype(float), kept["digit"].astype(float)
    names = [f"p{row}{column}" for row in range(8) for column in range(8)]
    columns = {name: pixels[:, i] for i, name in enumerate(names)}
    return MappingProxyType({**columns, "digit": digit})


def _plane(x1: Array, x2: Array, label: Array) -> Table:
    return {"x1": x1, "x2": x2, "label": label.astype(float)}


def _circle(noise: float) -> Table:
    """An inner disc, and a ring around it."""
    rng = np.random.default_rng(1)
    outside = np.arange(POINTS) % 2
    radius = np.where(outside, rng.uniform(3.5, 5.0, POINTS), 2.5 * np.sqrt(rng.random(POINTS)))
    angle = rng.uniform(0, 2 * np.pi, POINTS)
    shift = 5 * noise * rng.normal(size=(2, POINTS))
    return _plane(radius * np.cos(angle) + shift[0], radius * np.sin(angle) + shift[1], outside)


def _xor(noise: float) -> Table:
    """Quadrants: the diagonal ones are of one class."""
    rng = np.random.default_rng(2)
    place = rng.uniform(0.3, 5.0, (2, POINTS)) * rng.choice([-1.0, 1.0], (2, POINTS))
    label = place[0] * place[1] < 0
    place = place + 5 * noise * rng.normal(size=(2, POINTS))
    return _plane(place[0], place[1], label)


def _gauss(noise: float) -> Table:
    """Two clouds."""
    rng = np.random.default_rng(3)
    label = np.arange(POINTS) % 2
    place = np.where(label, 2.0, -2.0) + (0.8 + 4 * noise) * rng.normal(size=(2, POINTS))
    return _plane(place[0], place[1], label)


def _spiral(noise: float) -> Table:
    """Two arms, one and three quarters of a turn long."""
    rng = np.random.default_rng(4)
    label = np.arange(POINTS) % 2
    along = (np.arange(POINTS) // 2 + 0.5) / (POINTS // 2)
    angle = 1.75 * along * 2 * np.pi + label * np.pi
    place = 5 * along * np.array([np.sin(angle), np.cos(angle)])
    place = place + 2 * noise * rng.normal(size=(2, POINTS))
    return _plane(place[0], place[1], label)


SAMPLES: Mapping[str, Sample] = {
    "parabola": Sample(_parabola, origin="y = 4x² + 5x + 6"),
    "misra1a": Sample(functools.partial(_kept, "misra1a"), origin="Misra1a, NIST StRD"),
    "rat43": Sample(functools.partial(_kept, "rat43"), origin="Rat43, NIST StRD"),
    "eckerle4": Sample(functools.partial(_kept, "eckerle4"), origin="Eckerle4, NIST StRD"),
    "thurber": Sample(functools.partial(_kept, "thurber"), origin="Thurber, NIST StRD"),
    "iris": Sample(functools.partial(_kept, "iris"), origin="iris, R. A. Fisher 1936"),
    "digits": Sample(_digits, origin="optdigits, E. Alpaydin and C. Kaynak 1998"),
    "circle": Sample(_circle, {"noise": NOISE}),
    "xor": Sample(_xor, {"noise": NOISE}),
    "gauss": Sample(_gauss, {"noise": NOISE}),
    "spiral": Sample(_spiral, {"noise": NOISE}),
}
"""The lesson's parabola first. NIST's: https://www.itl.nist.gov/div898/strd/nls/nls_main.shtml.
The digits are the test set of https://doi.org/10.24432/C50P49 (CC BY 4.0)."""
