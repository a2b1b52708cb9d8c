"""The first look at the end of a run, at the price of a few microseconds: most are plainly well.

What is not plain here is not wrong yet: doubts (`judge/doubts.py`) and last steps
(`judge/polish.py`) look closer, and a clear end is one that neither of them would touch.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from descend.graph.program import EPOCHS_SPENT
from descend.judge.doubts import nullity
from descend.judge.ending import QUIET
from descend.judge.polish import EPS, WORSE, has_arrived
from descend.judge.walk import sizes
from descend.run.finished import Normal
from descend.run.plan import Facts
from descend.trust.normal_errors import MOST_PARAMETERS, Factor, covariance_of, factored

__all__ = ["Clear", "first_look"]

Array = np.ndarray[Any, np.dtype[Any]]

MARGIN = 2.0  # between the bound of a condition and where last steps begin


class Clear(NamedTuple):
    """What is known of a clear end: its word, and JᵀJ taken apart where that was needed."""

    status: str
    factor: Factor | None = None


def first_look(facts: Facts) -> Clear | None:
    """What is to be said of an end that leaves no doubt; None where it must be looked at closer."""
    code, begin, x, jtj, normal, *_ = facts
    status = QUIET.get(code)
    if status is None or facts.pressed:
        return None
    if facts.fell is not None:
        return Clear(status) if facts.fell else None
    if code == EPOCHS_SPENT or x is None or jtj is None or normal is None:
        return None
    p = len(begin)
    if p > MOST_PARAMETERS:
        matrix = np.array(jtj).reshape(p, p)
        return Clear(status) if _many_are_settled(facts, normal, matrix, np.array(x)) else None
    factor = factored(jtj, p)
    if factor is None:
        return None
    trace = 0.0
    for row in factor.inverse:
        for entry in row:
            trace += entry * entry
    # Eigenvalues of the scaled JᵀJ are at most p, and at least the reciprocal of this trace.
    well = MARGIN * p * trace * WORSE < 1.0
    return Clear(status, factor) if well and _is_settled(facts, normal, x, factor) else None


def _many_are_settled(facts: Facts, normal: Normal, jtj: Array, x: Array) -> bool:
    """The same as for few parameters, for more than plain numbers are good for."""
    p, begin = len(x), np.array(facts.begin)
    if not np.isfinite(jtj).all() or nullity(jtj, sizes(begin, x)) or not _explains(facts, normal):
        return False
    dof, free = facts.entries - p, np.ones(p, bool)
    return has_arrived(jtj, np.array(normal.jtr), begin, x, normal.loss, dof, free)


def _explains(facts: Facts, normal: Normal) -> bool:
    """Whether the fit explains more than a constant would, and more than by chance."""
    by_chance = min(2.0 * len(facts.begin) / max(facts.entries, 1), 0.05)
    return normal.loss < (1.0 - by_chance) * facts.spread


def _is_settled(facts: Facts, normal: Normal, x: list[float], factor: Factor) -> bool:
    """Whether least squares have arrived, know all to its size, and explain something."""
    p = len(x)
    if not _explains(facts, normal):
        return False
    terms = sum(d * b * b for d, b in zip(normal.jtj[:: p + 1], x, strict=True))
    if normal.loss <= (10.0 * EPS) ** 2 * terms:
        return True
    rows = covariance_of(normal, facts.entries - p, factor)
    return rows is not None and all(rows[i][i] < b * b for i, b in enumerate(x))
