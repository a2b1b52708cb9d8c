"""The first look at the end of a run, at the price of a few microseconds: most are plainly well.

What is not plain here is not wrong yet: last steps (`judge/polish.py`), doubts (`judge/doubts.py`)
and the verdict (`judge/verdict.py`) look closer. Whatever is clear here is a minimum to them too:
each condition here implies the one there, with a margin for rounding.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from descend.graph.program import EPOCHS_SPENT
from descend.judge.doubts import CORRELATED, FAR
from descend.judge.ending import QUIET
from descend.judge.polish import EPS, WORSE
from descend.program.arrival import ARRIVED
from descend.run.look import Facts, Look
from descend.run.plan import Run
from descend.trust.normal_errors import MOST_PARAMETERS, Factor, factored

__all__ = ["Clear", "first_look"]

PLAIN = 1e-12  # a share of the largest effect that is certainly more than rounding
MARGIN = 2.0  # between a condition here and that of a closer look
LEAST = 1e-6  # of the target's squares: a spread that is certainly more than rounding


class Clear(NamedTuple):
    """What is known of a clear end: its status, and JᵀJ taken apart where that was needed."""

    status: str
    factor: Factor | None = None


def first_look(run: Run) -> Clear | None:
    """What is to be said of a run whose end leaves no doubt; None of any other."""
    status, look = QUIET.get(run.code), run.plan.look
    if status is None or look is Look.NOTHING or run.slip > CORRELATED:
        return None
    if look is Look.EPOCHS:
        return Clear(status) if run.fell() else None
    facts = None if run.code == EPOCHS_SPENT else run.facts()
    if facts is None:
        return None
    begin, end, jtj, _, loss, n, spread, level = facts
    p = len(end)
    # No parameter has gone far, and each has an effect.
    least, most, terms = math.inf, 0.0, 0.0
    for a, b, d in zip(begin, end, jtj[:: p + 1], strict=True):
        start, stop = abs(a), abs(b)
        if not stop < FAR * (start if start > 1.0 else 1.0):
            return None
        effect = d * (stop if stop > start else start) ** 2
        least = effect if effect < least else least
        most = effect if effect > most else most
        terms += effect
    if not least > PLAIN * PLAIN * most:
        return None
    squares = look is Look.SQUARES
    if squares:
        # It explains more than a constant, which the closer look would not doubt.
        rest = 1.0 - min(MARGIN * 2.0 * p / max(n, 1), 0.1)
        if not (n > p and spread > LEAST * level and loss < rest * spread):
            return None
    exact = MARGIN * loss <= (10.0 * EPS) ** 2 * terms
    if p > MOST_PARAMETERS:
        return Clear(status) if _is_minimum(facts, squares, exact) else None
    factor = factored(jtj, p)
    if factor is None or not _is_minimum_by(factor, facts, squares, exact):
        return None
    return Clear(status, factor)


def _is_minimum_by(factor: Factor, facts: Facts, squares: bool, exact: bool) -> bool:
    """Whether J has full rank; of a sum of squares also whether it has arrived for certain.

    Then the predicted step is short, and each parameter is determined to its size.
    """
    scale, inverse = factor
    p = len(scale)
    side = [g * s for g, s in zip(facts.jtr, scale, strict=True)]
    lengths, step = [0.0] * p, 0.0
    for row in inverse:
        total = 0.0
        for i, a in enumerate(row):
            lengths[i] += a * a
            total += a * side[i]
        step += total * total
    # Eigenvalues of the scaled JᵀJ are at most p, and at least the reciprocal of this sum.
    if not MARGIN * p * sum(lengths) * WORSE < 1.0:
        return False
    if not squares:
        return True
    spread = facts.loss / (facts.n - p)
    for x, s, a in zip(facts.end, scale, lengths, strict=True):
        if not MARGIN * a * s * s * spread < x * x:
            return False
    # The step in the metric of JᵀJ is the longest that any parameter's is in its standard errors.
    return exact or MARGIN * step < ARRIVED * ARRIVED * spread


def _is_minimum(facts: Facts, squares: bool, exact: bool) -> bool:
    """The same for many parameters."""
    p = len(facts.end)
    jtj = np.array(facts.jtj).reshape(p, p)
    length = np.sqrt(np.diagonal(jtj))
    if not (np.isfinite(jtj).all() and length.all()):
        return False
    scaled = jtj / length[:, None] / length[None, :]
    if not np.linalg.eigvalsh(scaled)[0] > MARGIN * WORSE * p:
        return False
    if not squares:
        return True
    inverse = np.linalg.inv(scaled)
    side = np.array(facts.jtr) / length
    spread = facts.loss / (facts.n - p)
    errors = np.sqrt(MARGIN * np.diagonal(inverse) * spread) / length
    short = exact or MARGIN * float(side @ inverse @ side) < ARRIVED**2 * spread
    return short and bool(np.all(errors < np.abs(facts.end)))
