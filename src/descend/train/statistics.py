"""What the residuals at the end say: goodness of fit, covariance, standard errors."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from descend.lean import dataclass

__all__ = ["Errors", "Goodness", "errors_of", "goodness"]

ARRIVED = 0.01  # the predicted step may be this share of each standard error
ROUNDING = 1e-9  # or this share of the parameter itself

Array = np.ndarray[Any, np.dtype[Any]]


@dataclass(frozen=True)
class Goodness:
    """Numbers that judge a fit by its residuals; chi² has its sigmas and weights in it."""

    chi2: float
    reduced_chi2: float
    dof: int
    r2: float
    aic: float
    bic: float


@dataclass(frozen=True)
class Errors:
    """The covariance of the parameters, or in a few words why there is none."""

    covariance: Array | None
    note: str = ""


@np.errstate(all="ignore")
def goodness(residual: Array, y: Array, weight: Array | None, p: int) -> Goodness:
    """Judge a fit of p numbers by its scaled residuals (any shape).

    aic = n·ln(chi²/n) + 2p and bic = n·ln(chi²/n) + p·ln(n), as lmfit has them (Akaike 1974,
    Schwarz 1978); r2 = 1 − chi² / Σ w·(y − mean)², the mean weighted alike.

    Args:
        weight: what multiplies the squares, shaped like y or (rows,); None for ones.

    >>> g = goodness(np.array([1.0, -1.0, 0.0]), np.array([1.0, 2.0, 3.0]), None, 1)
    >>> g.chi2, g.reduced_chi2, g.dof, g.r2
    (2.0, 1.0, 2, 0.0)
    """
    n = residual.size
    chi2 = float(np.sum(np.square(residual, dtype=np.float64)))
    dof = n - p
    w = np.ones(y.shape) if weight is None else np.broadcast_to(_like(weight, y), y.shape)
    total = np.sum(w)
    mean = np.sum(w * y) / total if total > 0 else math.nan
    spread = float(np.sum(w * (y - mean) ** 2))
    log = n * math.log(chi2 / n) if chi2 > 0 else -math.inf if chi2 == 0 else math.nan
    return Goodness(
        chi2,
        chi2 / dof if dof > 0 else math.nan,
        dof,
        1 - chi2 / spread if spread > 0 else math.nan,
        log + 2 * p,
        log + p * math.log(n),
    )


def _like(weight: Array, y: Array) -> Array:
    return weight.reshape(weight.shape + (1,) * (y.ndim - weight.ndim))


def errors_of(
    jacobian: Array, residual: Array, params: Array, dof: int, absolute: bool, names: list[str]
) -> Errors:
    """The covariance (JᵀJ)⁻¹·s², with s² = chi²/dof, or 1 if the sigmas are absolute.

    It is given only at a minimum: where the predicted Gauss–Newton step is below 1 % of every
    standard error (or within rounding of the parameter).

    Args:
        jacobian: (n, p) derivatives of the scaled residuals.
        residual: (n,) scaled residuals.
        params: (p,) the parameters.

    Golub and Van Loan, "Matrix Computations" (2013), section 5.3: by QR and the SVD of R, with
    columns scaled to length one so that units do not matter.
    """
    if not (np.isfinite(jacobian).all() and np.isfinite(residual).all()):
        return Errors(None, "the residuals or their derivatives are not finite")
    n, p = jacobian.shape
    if dof <= 0 and not absolute:
        return Errors(None, f"{n} values leave no degree of freedom for {p} parameters")
    scale = np.sqrt(np.sum(jacobian**2, axis=0))
    idle = [name for name, s in zip(names, scale, strict=True) if s == 0]
    if idle:
        return Errors(None, f"the prediction does not depend on {', '.join(idle)}")
    stacked = np.column_stack([jacobian / scale, residual])
    triangle = np.asarray(np.linalg.qr(stacked, mode="r"))
    _, singular, vt = np.linalg.svd(triangle[:, :p])
    if len(singular) < p or singular[-1] <= singular[0] * np.finfo(np.float64).eps * max(n, p):
        free = np.abs(vt[-1]) > 0.1
        tied = ", ".join(name for name, f in zip(names, free, strict=True) if f)
        return Errors(None, f"the covariance is singular: the data do not determine {tied}")
    inverse = (vt.T / singular**2) @ vt
    covariance = inverse / np.outer(scale, scale)
    chi2 = float(residual @ residual)
    spread = 1.0 if absolute else chi2 / dof
    covariance = covariance * spread
    step = (vt.T / singular**2) @ (vt @ (triangle[:, :p].T @ triangle[:, p])) / scale
    error = np.sqrt(np.diag(covariance))
    near = np.abs(step) <= ARRIVED * error
    if not np.all(near | (np.abs(step) <= ROUNDING * np.abs(params))):
        return Errors(None, "the descent had not arrived")
    return Errors(covariance)
