"""The first look at the end of a run, at the price of a few microseconds: most are plainly well.

What is not plain here is not wrong yet: doubts (`judge/doubts.py`) and last steps
(`judge/polish.py`) look closer, and a clear end is one that neither of them would touch.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from descend.graph.program import EPOCHS_SPENT
from descend.judge.doubts import CORRELATED, FAR, nullity
from descend.judge.ending import QUIET
from descend.judge.polish import EPS, WORSE, has_arrived
from descend.judge.walk import sizes
from descend.run.plan import Facts
from descend.trust.normal_errors import MOST_PARAMETERS, Factor, covariance_of, factored

__all__ = ["Clear", "first_look"]

Array = np.ndarray[Any, np.dtype[Any]]

PLAIN = 1e-12  # a share of the largest effect that is certainly more than rounding
MARGIN = 2.0  # between the bound of a condition and where last steps begin


class Clear(NamedTuple):
    """What is known of a clear end: its word, and JᵀJ taken apart where that was needed."""

    status: str
    factor: Factor | None = None


def first_look(facts: Facts) -> Clear | None:
    """What is to be said of an end that leaves no doubt; None where it must be looked at closer."""
    code, begin, x, jtj, *_ = facts
    status = QUIET.get(code)
    if status is None or facts.pressed or facts.slip > CORRELATED:
        return None
    if x is None or jtj is None:
        return Clear(status) if facts.fell else None
    if code == EPOCHS_SPENT:
        return None
    p = len(begin)
    least = most = 0.0
    for a, b, d in zip(begin, x, jtj[:: p + 1], strict=True):
        start, stop = abs(a), abs(b)
        if facts.normal is None and stop >= FAR * (start if start > 1.0 else 1.0):
            return None
        effect = d * (stop if stop > start else start or 1.0) ** 2
        least = effect if effect < least or not least else least
        most = effect if effect > most else most
    if not least > PLAIN * PLAIN * most:
        return None
    if p > MOST_PARAMETERS:
        matrix = np.array(jtj).reshape(p, p)
        if not np.isfinite(matrix).all() or nullity(matrix, sizes(np.array(begin), np.array(x))):
            return None
        return Clear(status) if _many_are_settled(facts, matrix, np.array(x)) else None
    factor = factored(jtj, p)
    if factor is None:
        return None
    trace = 0.0
    for row in factor.inverse:
        for entry in row:
            trace += entry * entry
    # Eigenvalues of the scaled JᵀJ are at most p, and at least the reciprocal of this trace.
    if not MARGIN * p * trace * WORSE < 1.0 or not _is_settled(facts, x, factor):
        return None
    return Clear(status, factor)


def _many_are_settled(facts: Facts, jtj: Array, x: Array) -> bool:
    """The same for more parameters than plain numbers are good for."""
    normal, p = facts.normal, len(x)
    if normal is None or not _explains(facts, p):
        return normal is None
    jtr, dof = np.array(normal.jtr), facts.entries - p
    return has_arrived(jtj, jtr, np.array(facts.begin), x, normal.loss, dof, np.ones(p, bool))


def _explains(facts: Facts, p: int) -> bool:
    """Whether the fit explains more than a constant would, and more than by chance."""
    assert facts.normal is not None
    by_chance = min(2.0 * p / max(facts.entries, 1), 0.05)
    return facts.normal.loss < (1.0 - by_chance) * facts.spread


def _is_settled(facts: Facts, x: list[float], factor: Factor) -> bool:
    """Whether least squares have arrived where all is known to its size, and something explained.

    Of another loss that is not asked here.
    """
    normal, p = facts.normal, len(x)
    if normal is None:
        return True
    if not _explains(facts, p):
        return False
    terms = sum(d * b * b for d, b in zip(normal.jtj[:: p + 1], x, strict=True))
    if normal.loss <= (10.0 * EPS) ** 2 * terms:
        return True
    rows = covariance_of(normal, facts.entries - p, factor)
    return rows is not None and all(rows[i][i] < b * b for i, b in enumerate(x))
