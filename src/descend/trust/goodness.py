"""How well a fit describes its data: chi², R², deviance, and the criteria that follow."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

__all__ = [
    "goodness", "goodness_of_count_sums", "goodness_of_counts", "goodness_of_sums", "spread_of",
    "sums_of_counts", "weights_of",
]  # fmt: skip

Array = np.ndarray[Any, np.dtype[Any]]


@np.errstate(all="ignore")
def goodness(
    residual: Array, y: Array, weight: Array | None, p: int, count: int | None = None
) -> dict[str, Any]:
    """Judge a fit of p numbers by its scaled residuals (any shape); chi² has their weights in it.

    aic and bic follow from n·ln(chi²/n), as in lmfit; r2 = 1 - chi² / Σ w·(y - mean)², the mean
    weighted alike.

    Args:
        weight: what multiplies the squares, shaped like y or (rows,); None for ones.
        count: n, where some residuals do not count.

    >>> g = goodness(np.array([1.0, -1.0, 0.0]), np.array([1.0, 2.0, 3.0]), None, 1)
    >>> g["chi2"], g["reduced_chi2"], g["dof"], g["r2"]
    (2.0, 1.0, 2, 0.0)
    """
    n = residual.size if count is None else count
    chi2 = float(np.sum(np.square(residual, dtype=np.float64)))
    return goodness_of_sums(chi2, spread_of(y, weights_of(weight, y)), p, n)


def goodness_of_sums(chi2: float, spread: float, p: int, n: int) -> dict[str, Any]:
    """The same by the squares of n residuals and those about the mean.

    >>> goodness_of_sums(2.0, 8.0, 1, 3)["r2"]
    0.75
    """
    level = chi2 / n  # of the smallest numbers this is zero
    log = n * math.log(level) if level > 0 else math.nan if math.isnan(level) else -math.inf
    return _criteria(chi2, log, p, n) | {"r2": 1 - chi2 / spread if spread > 0 else math.nan}


def goodness_of_counts(
    target: Array, rate: Array, weight: Array | None, p: int, n: int
) -> dict[str, Any]:
    """Deviance, Pearson's chi², and the criteria of p parameters and n counts.

    McCullagh and Nelder, "Generalized Linear Models" (1989), chapter 2.
    """
    return goodness_of_count_sums(sums_of_counts(target, rate, weight), p, n)


def goodness_of_count_sums(sums: Array, p: int, n: int) -> dict[str, Any]:
    """The same by what `sums_of_counts` gives, of all rows together."""
    lost, log_likelihood, chi2 = map(float, sums)
    return {"deviance": 2 * lost} | _criteria(chi2, -2 * log_likelihood, p, n)


def sums_of_counts(target: Array, rate: Array, weight: Array | None) -> Array:
    """(3,) half the deviance, the logarithm of the likelihood, and Pearson's chi² of some rows."""
    from scipy.special import gammaln, xlogy

    w = weights_of(weight, target)
    lost = xlogy(target, target) - xlogy(target, rate) - target + rate
    likely = xlogy(target, rate) - rate - gammaln(target + 1)
    return np.array([np.sum(w * part) for part in (lost, likely, (target - rate) ** 2 / rate)])


def _criteria(chi2: float, lost: float, p: int, n: int) -> dict[str, Any]:
    """What follows from chi² and from -2·ln(likelihood), up to a constant.

    aic = lost + 2p and bic = lost + p·ln(n) (Akaike 1974, Schwarz 1978);
    aicc = aic + 2p(p + 1)/(n - p - 1) (Hurvich and Tsai 1989).
    """
    dof = n - p
    return {
        "chi2": chi2, "reduced_chi2": chi2 / dof if dof > 0 else math.nan, "dof": dof,
        "aic": lost + 2 * p, "bic": lost + p * math.log(n),
        "aicc": lost + 2 * p + (2 * p * (p + 1) / (dof - 1) if dof > 1 else math.nan),
    }  # fmt: skip


def weights_of(weight: Array | None, y: Array) -> Array:
    """What multiplies the square of each number of y, of one weight a row; ones where None."""
    if weight is None:
        return np.ones(y.shape)
    return np.broadcast_to(weight.reshape(weight.shape + (1,) * (y.ndim - weight.ndim)), y.shape)


def spread_of(y: Array, w: Array) -> float:
    """The weighted squares about the mean: what a constant leaves."""
    total = np.sum(w)
    mean = np.sum(w * y) / total if total > 0 else math.nan
    return float(np.sum(w * (y - mean) ** 2))
