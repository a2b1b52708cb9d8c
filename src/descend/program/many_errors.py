"""Standard errors of one fit among many, in traced NumPy: from JᵀJ, by a scaled Cholesky."""

from __future__ import annotations

from typing import Any

import numpy as np

from descend.methods.linear_algebra import cholesky
from descend.program.arrival import ARRIVED, ROUNDING

__all__ = ["half_inverse", "judged", "judged_by_triangle", "judged_curved"]

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
        fit: with `x` (n,) the parameters, `loss` the mean square, `entries` its number, and
            `counted` how many of these have a weight.
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
    >>> fit = SimpleNamespace(x=np.array([1.0, 2.0]), loss=r @ r / 4, entries=4.0, counted=4.0)
    >>> found = judged(fit, J.T @ J / 4, J.T @ r / 4, False)
    >>> found["stderr"].round(6), bool(found["arrived"])
    (array([0.118322, 0.063246]), True)
    """
    chi2, dof = fit.loss * fit.entries, fit.counted - _varied(fit.x, box)
    jtj, jtr, free = _unbound(fit.x, jtj, jtr, box)
    half, pivot = half_inverse(jtj)
    spread = 1.0 + 0.0 * chi2 if absolute else chi2 / np.where(dof > 0, dof, np.nan)
    covariance = np.sum(half[:, :, None] * half[:, None, :], axis=0) * spread / fit.entries
    left = np.sum(half * np.sum(half * jtr[None, :], axis=1)[:, None], axis=0)
    return {"chi2": chi2, "pivot": pivot, **_told(fit.x, covariance, left, free, slopes)}


def judged_by_triangle(
    fit: Any, inverse: Array, side: Array, pivot: Array, absolute: bool,
    slopes: Array | None = None,
) -> dict[str, Array]:  # fmt: skip
    """Return the same as `judged`, from J = Q·R of the mean square.

    Args:
        inverse, side: (n, n) R⁻¹ and (n,) Qᵀr.
        pivot: the smallest entry on R's diagonal, for columns of length one: the errors keep about
            16 + log₁₀(pivot) digits.
    """
    chi2, dof = fit.loss * fit.entries, fit.counted - _varied(fit.x, None)
    spread = 1.0 + 0.0 * chi2 if absolute else chi2 / np.where(dof > 0, dof, np.nan)
    product = np.sum(inverse[:, None, :] * inverse[None, :, :], axis=2)
    left = np.sum(inverse * side[None, :], axis=1)
    told = _told(fit.x, product * spread / fit.entries, left, None, slopes)
    return {"chi2": chi2, "pivot": pivot, **told}


def judged_curved(
    fit: Any, curvature: Array, side: Array, scatter: Array | None, slopes: Array | None = None,
    box: tuple[Array, Array] | None = None,
) -> dict[str, Array]:  # fmt: skip
    """Return the same for a loss that is no square, without chi².

    Args:
        fit: with `x` (n,) the parameters and `counted` the number of predictions.
        curvature, side: (n, n) and (n,) half of the second and first derivatives of the summed
            loss.
        scatter: (n, n) the sum of the squared slopes of the rows; None for a likelihood.

    The formulas are those of `trust.curved.curved_errors`.
    """
    curvature, side, free = _unbound(fit.x, curvature, side, box)
    half, pivot = half_inverse(curvature)
    inverse = np.sum(half[:, :, None] * half[:, None, :], axis=0)
    if scatter is None:
        covariance = 0.5 * inverse
    else:
        dof = fit.counted - _varied(fit.x, box)
        first = np.sum(inverse[:, :, None] * scatter[None, :, :], axis=1)
        covariance = np.sum(first[:, :, None] * inverse[None, :, :], axis=1)
        covariance = covariance * fit.counted / np.where(dof > 0, dof, np.nan)
    left = np.sum(inverse * side[None, :], axis=1)
    return {"pivot": pivot, **_told(fit.x, covariance, left, free, slopes)}


def _varied(x: Array, box: tuple[Array, Array] | None) -> Any:
    """How many numbers can move: those that two equal bounds hold fast cannot."""
    return x.shape[0] if box is None else np.sum(np.where(box[0] < box[1], 1.0, 0.0))


def _unbound(
    x: Array, matrix: Array, side: Array, box: tuple[Array, Array] | None
) -> tuple[Array, Array, Array | None]:
    """Return the equations where what lies on a bound is held, and 1 or NaN for what is free."""
    if box is None:
        return matrix, side, None
    inside = (x > box[0]) & (x < box[1])
    both = inside[:, None] & inside[None, :]
    matrix = np.where(both | np.eye(x.shape[0], dtype=bool), matrix, 0.0)
    return matrix, np.where(inside, side, 0.0), np.where(inside, 1.0, np.nan)


def half_inverse(matrix: Array) -> tuple[Array, Array]:
    """Return B with matrix⁻¹ = BᵀB, and the smallest pivot of the scaled matrix."""
    diagonal = np.diagonal(matrix)
    safe = np.where(diagonal > 0, np.sqrt(np.where(diagonal > 0, diagonal, 1.0)), 1.0)
    columns, reciprocals = cholesky(matrix / safe[:, None] / safe[None, :], 0.0 * diagonal[0])
    pivots = np.stack([column[k] for k, column in enumerate(columns)]) ** 2
    pivot = np.where(np.all(diagonal > 0), np.min(pivots), 0.0 * diagonal[0])
    return _inverse(columns, reciprocals) / safe[None, :], pivot


def _told(
    x: Array, covariance: Array, left: Array, free: Array | None, slopes: Array | None
) -> dict[str, Array]:
    """Return covariance and errors of all parameters, and whether the fit had arrived."""
    stderr = np.sqrt(np.diagonal(covariance))
    near = np.abs(left) <= np.maximum(ARRIVED * stderr, ROUNDING * np.abs(x))
    if free is not None:
        covariance = covariance * free[:, None] * free[None, :]
    if slopes is not None:
        covariance = _through(slopes, covariance)
    stderr = np.sqrt(np.diagonal(covariance))
    return {"stderr": stderr, "covariance": covariance, "arrived": np.all(near)}


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
    unit = np.eye(n, dtype=reciprocals[0].dtype)
    for i in range(n):
        row = unit[i] + 0.0 * reciprocals[i]
        for k in range(i):
            row = row - columns[k][i] * rows[k]
        rows.append(row * reciprocals[i])
    return np.stack(rows)
