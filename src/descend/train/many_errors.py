"""Standard errors of one fit among many, in traced NumPy: from JᵀJ, by a scaled Cholesky."""

from __future__ import annotations

from typing import Any

import numpy as np

from descend.methods.linear_algebra import cholesky
from descend.uncertainty.covariance import ARRIVED, ROUNDING

__all__ = ["judged"]

Array = Any


def judged(
    fit: Any, jtj: Array, jtr: Array, absolute: bool, slopes: Array | None = None,
    box: tuple[Array, Array] | None = None,
) -> dict[str, Array]:  # fmt: skip
    """Return chi², standard errors and covariance of a fit, and whether it had arrived.

    JᵀJ is scaled to a unit diagonal, so that units do not matter, and factored as L·Lᵀ. Forming it
    squares the condition of J: the errors keep about 16 + log₁₀(pivot) digits, where `pivot` is
    the smallest square on L's diagonal, between 0 (singular) and 1 (orthogonal).

    Args:
        fit: with `x` (n,) the parameters, `loss` the mean square and `entries` its number.
        jtj, jtr: (n, n) and (n,), of the mean square too.
        absolute: whether the sigmas are in the unit of y; else chi²/dof scales the errors.
        slopes: (q, n) derivatives of all parameters by those that are varied; None for (n, n) ones.
        box: (lower, upper) bounds (n,); what lies on one has no standard error.

    Returns:
        chi2, stderr (q,), covariance (q, q), pivot, and `arrived`: whether the Gauss–Newton step
        that is left is below 1 % of every standard error, or of the order of rounding.

    >>> from types import SimpleNamespace
    >>> x = np.arange(4.0)
    >>> J, r = np.stack([np.ones(4), x], axis=1), np.array([0.1, -0.1, -0.1, 0.1])
    >>> fit = SimpleNamespace(x=np.array([1.0, 2.0]), loss=r @ r / 4, entries=4.0)
    >>> found = judged(fit, J.T @ J / 4, J.T @ r / 4, False)
    >>> found["stderr"].round(6), bool(found["arrived"])
    (array([0.118322, 0.063246]), True)
    """
    n = fit.x.shape[0]
    chi2, dof = fit.loss * fit.entries, fit.entries - n
    scale = np.sqrt(np.diagonal(jtj))
    safe = np.where(scale > 0, scale, 1.0)
    unit = jtj / safe[:, None] / safe[None, :]
    columns, reciprocals = cholesky(unit, 0.0 * fit.loss)
    pivots = np.stack([column[k] for k, column in enumerate(columns)]) ** 2
    pivot = np.where(np.all(scale > 0), np.min(pivots), 0.0 * fit.loss)
    inverse = _inverse(columns, reciprocals)
    spread = 1.0 + 0.0 * chi2 if absolute else chi2 / np.where(dof > 0, dof, np.nan)
    half = inverse / safe[None, :]
    covariance = np.sum(half[:, :, None] * half[:, None, :], axis=0) * spread / fit.entries
    stderr = np.sqrt(np.diagonal(covariance))
    left = np.sum(half * np.sum(half * jtr[None, :], axis=1)[:, None], axis=0)
    near = np.abs(left) <= np.maximum(ARRIVED * stderr, ROUNDING * np.abs(fit.x))
    if slopes is not None:
        free = np.ones_like(stderr)
        if box is not None:
            free = np.where((fit.x > box[0]) & (fit.x < box[1]), 1.0, np.nan)
        covariance = covariance * free[:, None] * free[None, :]
        covariance = _through(slopes, covariance)
        stderr = np.sqrt(np.diagonal(covariance))
    return {
        "chi2": chi2, "stderr": stderr, "covariance": covariance, "pivot": pivot,
        "arrived": np.all(near),
    }  # fmt: skip


def _through(slopes: Array, covariance: Array) -> Array:
    """Return G·C·Gᵀ, where what does not depend on a parameter knows nothing of its NaN."""
    terms = slopes[:, :, None, None] * slopes[None, None, :, :]
    used = terms != 0
    known = np.where(used, terms * covariance[None, :, None, :], 0.0)
    return np.sum(known, axis=(1, 3))


def _inverse(columns: list[Array], reciprocals: list[Array]) -> Array:
    """Return L⁻¹ (n, n), a row at a time.

    Golub and Van Loan, "Matrix Computations" (2013), section 3.1.
    """
    n = len(columns)
    rows: list[Array] = []
    unit = np.eye(n)
    for i in range(n):
        row = unit[i] + 0.0 * reciprocals[i]
        for k in range(i):
            row = row - columns[k][i] * rows[k]
        rows.append(row * reciprocals[i])
    return np.stack(rows)
