"""The covariance from what Levenberg–Marquardt leaves: JᵀJ, Jᵀr and the loss at its last point.

For a few parameters this is so little arithmetic that plain Python numbers are faster than arrays.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from descend.run.finished import Normal

__all__ = ["covariance_of_fit"]

MOST_PARAMETERS = 8
MOST_CONDITION = 1e6  # of the scaled JᵀJ: up to here ten digits of the covariance are left
ARRIVED = 0.005  # the predicted step may be this share of each standard error

Rows = list[list[float]]


def covariance_of_fit(normal: Normal, count: int, absolute: bool) -> Rows | None:
    """The covariance (JᵀJ)⁻¹·s², row by row, or None where this is not the way to find it.

    JᵀJ has the square of J's condition, so it serves only where J is good-natured; elsewhere, and
    where anything else is unusual (no minimum, no degree of freedom, numbers that are not finite),
    the residuals and J itself must be looked at. The columns of J are scaled to length one; the
    inverse is that of Cholesky's factor L, JᵀJ = L·Lᵀ.

    Args:
        normal: of `count` residuals, whose mean square is the loss.
        absolute: whether the residuals are in units of known sigmas: s² is 1 then.

    >>> covariance_of_fit(Normal([3.0, 3.0, 3.0, 5.0], [0.0, 0.0], 6.0), 3, False)
    [[5.0, -3.0], [-3.0, 3.0]]
    >>> covariance_of_fit(Normal([2.0, 0.0, 0.0, 8.0], [0.0, 0.0], 3.0), 2, True)
    [[0.25, 0.0], [0.0, 0.0625]]
    """
    jtj, jtr, loss = normal
    p = len(jtr)
    dof, loss = (count, 1.0) if absolute else (count - p, loss)
    if p > MOST_PARAMETERS or dof <= 0 or not loss < math.inf:
        return None
    scale = []
    for d in jtj[:: p + 1]:
        if not 0.0 < d < math.inf:
            return None
        scale.append(1.0 / math.sqrt(d))
    inverse = _inverse_factor(jtj, scale, p)
    if inverse is None:
        return None
    middle, trace = [], 0.0
    for row in inverse:
        total = 0.0
        for a, g, s in zip(row, jtr, scale, strict=False):
            total += a * g * s
            trace += a * a
        middle.append(total)
    # The trace of the inverse and the number of rows bound the condition.
    if not p * trace < MOST_CONDITION:
        return None
    spread = loss / dof
    covariance: Rows = []
    for i in range(p):
        covariance.append([])
        step = 0.0
        for k in range(i, p):
            step += inverse[k][i] * middle[k]
        for j in range(i + 1):
            entry = 0.0
            for k in range(i, p):
                entry += inverse[k][i] * inverse[k][j]
            entry *= scale[i] * scale[j] * spread
            covariance[i].append(entry)
            if j < i:
                covariance[j].append(entry)
        if not abs(step * scale[i]) <= ARRIVED * math.sqrt(entry):
            return None
    return covariance


def _inverse_factor(jtj: Sequence[float], scale: Sequence[float], p: int) -> Rows | None:
    """The rows of L⁻¹ up to the diagonal, for the scaled matrix; None if it is not definite."""
    lower: Rows = []
    inverse: Rows = []
    for i in range(p):
        row: list[float] = []
        pivot = 1.0
        for j in range(i):
            own = lower[j]
            entry = jtj[i * p + j] * scale[i] * scale[j]
            for k in range(j):
                entry -= row[k] * own[k]
            entry /= own[j]
            row.append(entry)
            pivot -= entry * entry
        if not pivot > 0.0:
            return None
        root = math.sqrt(pivot)
        lower.append([*row, root])
        solved = []
        for j in range(i):
            total = 0.0
            for k in range(j, i):
                total += row[k] * inverse[k][j]
            solved.append(-total / root)
        inverse.append([*solved, 1.0 / root])
    return inverse
