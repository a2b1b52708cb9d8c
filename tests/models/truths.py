"""Simulated data for every ready model: true parameters drawn at random, in handy units."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

import descend.models as m

Draw = Callable[[np.random.Generator], list[float]]


class Case(NamedTuple):
    model: m.Model
    draw: Draw
    low: float = 0.0


def between(*ranges: tuple[float, float]) -> Draw:
    """Uniform numbers; a range given as (-a, b) with the mark None before it has either sign."""
    return lambda rng: [float(rng.uniform(*r)) for r in ranges]


def turned(draw: Draw, *places: int) -> Draw:
    """The same, with random signs at some places."""

    def drawn(rng: np.random.Generator) -> list[float]:
        values = draw(rng)
        for place in places:
            values[place] *= float(rng.choice([-1.0, 1.0]))
        return values

    return drawn


AREA, PLACE, WIDTH = (1, 5), (1, 9), (0.2, 1.5)
PEAK = turned(between(AREA, PLACE, WIDTH), 0)
STEP = turned(between(AREA, (2, 8), (0.1, 1)), 0, 2)
EDGES = turned(between(AREA, (1, 4), (0.1, 0.6), (6, 9), (0.1, 0.6)), 0)

CASES = {
    "constant": Case(m.constant(), between((-5, 5))),
    "linear": Case(m.linear(), between((-5, 5), (-5, 5))),
    "quadratic": Case(m.quadratic(), between((-5, 5), (-5, 5), (-5, 5))),
    "polynomial4": Case(m.polynomial(4), between(*[(-3, 3)] * 5)),
    "exponential": Case(m.exponential(), turned(between(AREA, (1, 8)), 0, 1)),
    "double_exponential": Case(
        m.double_exponential(), turned(between(AREA, (0.3, 1), AREA, (4, 8)), 0, 2)
    ),
    "power_law": Case(m.power_law(), turned(between(AREA, (-2, 3)), 0), 0.5),
    "michaelis_menten": Case(m.michaelis_menten(), turned(between(AREA, (0.3, 8)), 0)),
    "hill": Case(m.hill(), turned(between(AREA, (2, 7), (1, 6)), 0, 2)),
    "logistic3": Case(m.logistic(3), turned(between(AREA, PLACE, WIDTH), 0, 2)),
    "logistic4": Case(m.logistic(4), between((-5, 5), (6, 9), (2, 8), (0.2, 1))),
    "logistic5": Case(
        m.logistic(5), turned(between((-5, 5), (6, 9), (3, 7), (0.2, 0.6), (0.4, 2.5)), 3)
    ),
    "gaussian": Case(m.gaussian(), PEAK),
    "lorentzian": Case(m.lorentzian(), PEAK),
    "voigt": Case(m.voigt(), turned(between(AREA, PLACE, (0.2, 1), (0.2, 1)), 0)),
    "pseudo_voigt": Case(m.pseudo_voigt(), turned(between(AREA, PLACE, (0.2, 1), (0.2, 0.8)), 0)),
    "lognormal": Case(m.lognormal(), turned(between(AREA, (0.2, 1.8), (0.1, 0.8)), 0), 0.01),
    "weibull": Case(m.weibull(), turned(between(AREA, (2, 7), (1.2, 5)), 0)),
    "weibull_cumulative": Case(m.weibull("cumulative"), turned(between(AREA, (2, 7), (0.8, 5)), 0)),
    "step": Case(m.step(), STEP),
    "step_atan": Case(m.step("atan"), STEP),
    "step_logistic": Case(m.step("logistic"), STEP),
    "rectangle": Case(m.rectangle(), EDGES),
    "rectangle_atan": Case(m.rectangle("atan"), EDGES),
    "rectangle_logistic": Case(m.rectangle("logistic"), EDGES),
    "sine": Case(m.sine(), between(AREA, (0.6, 25), (-3, 3))),
    "damped_oscillator": Case(m.damped_oscillator(), between(AREA, (1.5, 8), (2, 25), (-3, 3))),
    "arrhenius": Case(
        m.arrhenius(), lambda rng: [rng.uniform(1e6, 1e9), rng.uniform(3e4, 6e4)], 280
    ),
}

SUMS = {
    "peak on a line": Case(
        m.gaussian() + m.linear(), turned(between((2, 6), (2, 8), (0.2, 0.8), (-1, 1), (-5, 5)), 0)
    ),
    "peak on a level": Case(
        m.lorentzian() + m.constant(), turned(between((2, 6), (2, 8), (0.2, 0.8), (-10, 10)), 0)
    ),
    "two peaks on a line": Case(
        m.gaussian() + m.gaussian() + m.linear(),
        between(
            (2, 6), (2, 4), (0.3, 0.6), (2, 6), (5.5, 8), (0.3, 0.8), (-1, 1), (-5, 5)
        ),
    ),
    "peak on a decay": Case(
        m.gaussian() + m.exponential(), between((2, 6), (3, 8), (0.2, 0.8), (5, 10), (1, 5))
    ),
    "decay to a level": Case(
        m.exponential() + m.constant(), turned(between(AREA, (0.5, 5), (-10, 10)), 0)
    ),
    "wave on a line": Case(
        m.sine() + m.linear(), between(AREA, (1.5, 25), (-3, 3), (-1, 1), (-10, 10))
    ),
    "wave in a packet": Case(
        m.gaussian() * m.sine(), between((2, 3), (4, 6), (1, 2), (1, 1), (4, 12), (-3, 3))
    ),
    "step and peak on a line": Case(
        m.step() + m.gaussian() + m.linear(),
        between((2, 4), (3, 4), (0.2, 0.5), (1, 2), (6, 8), (0.2, 0.4), (-0.3, 0.3), (-5, 5)),
    ),
}  # fmt: skip
