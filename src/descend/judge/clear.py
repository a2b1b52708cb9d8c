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
from descend.judge.doubts import CORRELATED
from descend.judge.ending import QUIET
from descend.judge.explained import LITTLE
from descend.judge.polish import WORSE
from descend.program.arrival import ARRIVED, EXACT
from descend.run.look import Facts, Look
from descend.run.plan import Run
from descend.trust.normal_errors import MOST_PARAMETERS, Factor, factored

__all__ = ["Clear", "clear_minimum", "first_look"]

PLAIN = 1e-12  # a share of the largest effect that is certainly more than rounding
STANDS = 1e-3  # of a number: a next step that leads nowhere
MARGIN = 2.0  # between a condition here and that of a closer look
ENOUGH = LITTLE * (1.0 + 1e-6)
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
        # A mean over the batches of an epoch is no loss of the start.
        whole = run.plan.job.settings.batch_size is None
        return Clear(status) if whole and run.fell() else None
    facts = None if run.code == EPOCHS_SPENT else run.facts()
    if facts is None:
        return None
    p, squares = len(facts.end), look is Look.SQUARES
    if squares and not _explains(facts, p):
        return None
    if p > MOST_PARAMETERS:
        return Clear(status) if _is_minimum(facts, squares) else None
    factor = factored(facts.jtj, p)
    return Clear(status, factor) if factor and _is_minimum_by(factor, facts, squares) else None


def clear_minimum(run: Run) -> str | None:
    """The status of a minimisation whose end leaves no doubt; None of any other.

    Numbers that have not moved, or that were alike all the way, may have kept to the ridge of a
    saddle.
    """
    status = QUIET.get(run.code)
    if status is None or run.touches():
        return None
    if run.plan.job.settings.optimizer.scope != "vector":
        return status if run.begun() != run.flat() and run.fell() else None
    if run.code == EPOCHS_SPENT or not run.ends_in_bowl():
        return None
    begun, p = run.begun(), run.plan.count
    if p > 1 and len({*map(abs, begun)}) < p:
        seen = zip(map(abs, begun), map(abs, run.flat()), run.widest(), strict=True)
        return status if len({*seen}) == p else None
    return status


def _explains(facts: Facts, p: int) -> bool:
    """Whether a fit explains more than a constant, which the closer look would not doubt."""
    rest = 1.0 - ENOUGH
    spread = facts.spread
    return facts.n > p and spread > LEAST * facts.level and facts.loss < rest * spread


def _is_minimum_by(factor: Factor, facts: Facts, squares: bool) -> bool:
    """Whether J has full rank and the predicted step is short; of squares also whether it arrived.

    Then each parameter is determined to its size, so that none has run away.
    """
    scale, inverse = factor
    p, trace = len(scale), 0.0
    for row in inverse:
        for entry in row:
            trace += entry * entry
    # Eigenvalues of the scaled JᵀJ are at most p, and at least the reciprocal of this trace: no
    # number on its diagonal is larger, nor is the square of J's inverse.
    if not MARGIN * p * trace * WORSE < 1.0:
        return False
    spread = facts.loss / (facts.n - p) if squares else 0.0
    most = MARGIN * trace * spread
    least, terms, vague = math.inf, 0.0, False
    for a, b, s in zip(facts.begin, facts.end, scale, strict=True):
        start, stop = abs(a), abs(b)
        far = (stop if stop > start else start) / s
        effect = far * far
        least = effect if effect < least else least
        terms += effect
        vague = vague or not most * s * s < b * b
    if not least > PLAIN * PLAIN * terms:
        return False
    side = 0.0
    for g, s in zip(facts.jtr, scale, strict=True):
        side += (g * s) ** 2
    if not squares:
        # What runs away goes on and on: its next step is no small share of it.
        return trace * trace * side <= STANDS * STANDS * least
    if vague and not _is_determined(factor, facts, spread):
        return False
    # The step in the metric of JᵀJ is the longest that any parameter's is in its standard errors.
    short = MARGIN * side * trace < ARRIVED * ARRIVED * spread
    return short or MARGIN * facts.loss <= EXACT * terms


def _is_determined(factor: Factor, facts: Facts, spread: float) -> bool:
    """Whether each parameter's standard error is smaller than itself."""
    scale, inverse = factor
    lengths = [0.0] * len(scale)
    for row in inverse:
        for i, entry in enumerate(row):
            lengths[i] += entry * entry
    return all(
        MARGIN * length * s * s * spread < x * x
        for x, s, length in zip(facts.end, scale, lengths, strict=True)
    )


def _is_minimum(facts: Facts, squares: bool) -> bool:
    """The same for many parameters."""
    p = len(facts.end)
    jtj = np.array(facts.jtj).reshape(p, p)
    length = np.sqrt(np.diagonal(jtj))
    if not (np.isfinite(jtj).all() and length.all()):
        return False
    scaled = jtj / length[:, None] / length[None, :]
    if not np.linalg.eigvalsh(scaled)[0] > MARGIN * WORSE * p:
        return False
    begin, end = np.abs(facts.begin), np.abs(facts.end)
    effects = (np.maximum(begin, end) * length) ** 2
    if not effects.min() > PLAIN * PLAIN * effects.max():
        return False
    inverse = np.linalg.inv(scaled)
    side = np.array(facts.jtr) / length
    if not squares:
        step = np.abs(inverse @ side) / length
        return bool(np.all(step <= STANDS * np.maximum(begin, end)))
    spread = facts.loss / (facts.n - p)
    errors = np.sqrt(MARGIN * np.diagonal(inverse) * spread) / length
    short = MARGIN * float(side @ inverse @ side) < ARRIVED**2 * spread
    exact = MARGIN * facts.loss <= EXACT * float(effects.sum())
    return (short or exact) and bool(np.all(errors < end))
