"""The first look at the end of a run, at the price of a few microseconds: most are plainly well.

What is not plain here is not wrong yet: doubts (`judge/doubts.py`) and last steps
(`judge/polish.py`) look closer, and a clear end is one that neither of them would touch.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from descend.graph.program import EPOCHS_SPENT
from descend.judge.doubts import FAR, nullity
from descend.judge.ending import QUIET
from descend.judge.polish import WORSE, sizes
from descend.run.plan import Facts
from descend.trust.normal_errors import MOST_PARAMETERS, Factor, factored

__all__ = ["Clear", "first_look"]

PLAIN = 1e-12  # a share of the largest effect that is certainly more than rounding
MARGIN = 2.0  # between the bound of a condition and where last steps begin


class Clear(NamedTuple):
    """What is known of a clear end: its word, and JᵀJ taken apart where that was needed."""

    status: str
    factor: Factor | None = None


def first_look(facts: Facts, chosen: bool) -> Clear | None:
    """What is to be said of an end that leaves no doubt; None where it must be looked at closer.

    Args:
        chosen: whether the iterations were chosen, so that all of them may be spent.
    """
    code, begin, x, jtj = facts
    status = QUIET.get(code)
    if status is None:
        return None
    if x is None or jtj is None:
        return Clear(status)
    if code == EPOCHS_SPENT and not chosen:
        return None
    p = len(begin)
    least = most = 0.0
    for a, b, d in zip(begin, x, jtj[:: p + 1], strict=True):
        start, stop = abs(a), abs(b)
        if stop >= FAR * (start if start > 1.0 else 1.0):
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
        return Clear(status)
    factor = factored(jtj, p)
    if factor is None:
        return None
    trace = 0.0
    for row in factor.inverse:
        for entry in row:
            trace += entry * entry
    # Eigenvalues of the scaled JᵀJ are at most p, and at least the reciprocal of this trace.
    return Clear(status, factor) if MARGIN * p * trace * WORSE < 1.0 else None
