"""Standard errors where the loss is no sum of squares: of a likelihood, or of a robust loss."""

from __future__ import annotations

from typing import Any

import numpy as np

from descend.lean import dataclass
from descend.program.arrival import ARRIVED, ROUNDING
from descend.trust.covariance import NOT_ARRIVED, Errors

__all__ = ["Curved", "curved_errors"]

Array = np.ndarray[Any, np.dtype[Any]]


@dataclass(frozen=True)
class Curved:
    """The loss at its minimum, entry by entry.

    Attributes:
        jacobian: (n, p) derivatives of the prediction.
        slope: (n,) g, half of the derivative of each entry's loss in the prediction.
        bend: (n,) half of the second derivative: of a likelihood the expected one.
        exact: (p, p) half of the second derivatives of the summed loss; None where not known.
        is_likelihood: whether the losses are negative logarithms of probabilities.
    """

    jacobian: Array
    slope: Array
    bend: Array
    exact: Array | None
    is_likelihood: bool


@np.errstate(all="ignore")
def curved_errors(
    at: Curved, params: Array, names: list[str], held: Array | None = None
) -> Errors:
    """The covariance of the parameters; those that a bound holds (`held`) have NaN.

    Of a likelihood it is the inverse of Fisher's information Jᵀdiag(2b)J. Of another loss it is
    H⁻¹·(Σ gᵢ²JᵢJᵢᵀ)·H⁻¹·n/(n − p) with H = Jᵀdiag(b)J, or the exact H where it is known: the
    sandwich of Huber, "The behavior of maximum likelihood estimates under nonstandard conditions"
    (1967), which takes the scatter from the rows themselves and supposes no distribution.

    It is given only at a minimum, where Newton's step is below 1 % of every standard error.

    >>> x = np.arange(4.0)
    >>> at = Curved(np.ones((4, 1)), np.zeros(4), np.full(4, 0.5 / 9.0), None, True)
    >>> float(curved_errors(at, np.array([9.0]), ["rate"]).covariance[0, 0])
    2.25
    """
    n, p = at.jacobian.shape
    if held is not None and held.any():
        return _free(at, params, names, ~held)
    if not (np.isfinite(at.jacobian).all() and np.isfinite(at.slope).all()):
        return Errors(None, "the losses or their derivatives are not finite")
    if not at.is_likelihood and n <= p:
        return Errors(None, f"{n} values leave no degree of freedom for {p} parameters")
    information = at.jacobian.T @ (at.bend[:, None] * at.jacobian)
    curvature = information if at.exact is None or at.is_likelihood else at.exact
    scale = np.sqrt(np.diag(curvature))
    idle = [name for name, column in zip(names, at.jacobian.T, strict=True) if not column.any()]
    if idle:
        return Errors(None, f"the prediction does not depend on {', '.join(idle)}")
    upwards = bool(np.all(scale > 0))
    values, vectors = np.linalg.eigh(curvature / np.outer(scale, scale)) if upwards else _flat(p)
    if not values[0] > np.finfo(np.float64).eps * p * values[-1]:
        return Errors(None, "the loss is not curved upwards in every direction")
    inverse = (vectors / values) @ vectors.T / np.outer(scale, scale)
    if at.is_likelihood:
        covariance = 0.5 * inverse
    else:
        scatter = at.jacobian.T @ (at.slope[:, None] ** 2 * at.jacobian)
        covariance = inverse @ scatter @ inverse * (n / (n - p))
    step = np.abs(inverse @ (at.jacobian.T @ at.slope))
    error = np.sqrt(np.diag(covariance))
    if not np.all((step <= ARRIVED * error) | (step <= ROUNDING * np.abs(params))):
        return Errors(None, NOT_ARRIVED)
    return Errors((covariance + covariance.T) / 2)


def _free(at: Curved, params: Array, names: list[str], free: Array) -> Errors:
    """The errors of those that no bound holds."""
    if not free.any():
        return Errors(None, "every parameter lies on a bound")
    exact = None if at.exact is None else at.exact[np.ix_(free, free)]
    own = Curved(at.jacobian[:, free], at.slope, at.bend, exact, at.is_likelihood)
    listed = [name for name, is_free in zip(names, free, strict=True) if is_free]
    found = curved_errors(own, params[free], listed)
    if found.covariance is None:
        return found
    covariance = np.full((free.size, free.size), np.nan)
    covariance[np.ix_(free, free)] = found.covariance
    return Errors(covariance, found.note, found.findings)


def _flat(p: int) -> tuple[Array, Array]:
    return np.zeros(p), np.eye(p)
