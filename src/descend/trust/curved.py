"""What is worked out after a run whose loss is no sum of squares: errors, deviance, criteria."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from descend.differentiate.gauss_newton import half_hessian, jacobian_columns
from descend.graph.node import Node
from descend.lean import dataclass
from descend.parameters.flat import flat
from descend.program.arrival import near
from descend.program.objective import Curvature
from descend.program.pipeline import MOST_EXACT
from descend.run.build import Built
from descend.run.job import Job
from descend.simplify.driver import simplify
from descend.trust.covariance import (
    NO_SLOPE,
    NOT_ARRIVED,
    Errors,
    Split,
    lost_errors,
    split,
    weights_of,
)

__all__ = ["FISHER", "SANDWICH", "Curved", "curved_errors", "errors_of_curved", "judge_counts"]

Array = np.ndarray[Any, np.dtype[Any]]
MOST_WITH_ERRORS = 200
FISHER = "errors from the likelihood's curvature (Fisher's information)"
SANDWICH = "errors from the scatter of the rows (the sandwich of Huber and White)"


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
    length = np.sqrt(np.sum(at.jacobian**2, axis=0))
    if not length.all():
        idle = ", ".join(name for name, own in zip(names, length, strict=True) if not own)
        found = _free(at, params, names, length > 0)
        note = f"at this place the prediction {NO_SLOPE} {idle}"
        return replace(found, note="; ".join(filter(None, (note, found.note))))
    parts = split(at.jacobian / length, at.slope, n)
    if not parts.known.all():
        return _determined(at, params, names, length, parts)
    information = at.jacobian.T @ (at.bend[:, None] * at.jacobian)
    curvature = information if at.exact is None or at.is_likelihood else at.exact
    scale = np.sqrt(np.diag(curvature))
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
    step = inverse @ (at.jacobian.T @ at.slope)
    if not np.all(near(step, np.sqrt(np.diag(covariance)), params)):
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
    return replace(found, covariance=covariance)


def _determined(
    at: Curved, params: Array, names: list[str], length: Array, parts: Split
) -> Errors:
    """The errors of what the data determine, where J has columns that depend on each other."""
    known, turned = parts.vt[parts.known], parts.vt[~parts.known].T
    basis = known.T / length[:, None]
    exact = None if at.exact is None else basis.T @ at.exact @ basis
    own = Curved(at.jacobian @ basis, at.slope, at.bend, exact, at.is_likelihood)
    found = curved_errors(own, known @ (length * params), [""] * len(known))
    if found.covariance is None:
        return found
    covariance = basis @ found.covariance @ basis.T
    return lost_errors(covariance, turned, length, params, names, None)


def _flat(p: int) -> tuple[Array, Array]:
    return np.zeros(p), np.eye(p)


def errors_of_curved(
    job: Job, built: Built, leaves: Mapping[str, Array], names: list[str],
    evaluate: Callable[[list[Node]], list[Array]], held: Array | None = None,
) -> Errors:  # fmt: skip
    """The covariance at the parameters, if the loss has two derivatives.

    Args:
        held: which numbers a bound keeps from going on.
        evaluate: gives the values of nodes on the rows of the fit.
    """
    curved, loss = built.descent.curvature, job.settings.loss
    if curved is None or loss is None or len(names) > MOST_WITH_ERRORS:
        return Errors(None, "the loss is not a plain sum of squares")
    graphs = _graphs(built, curved)
    bend, slope, *rest = evaluate(graphs)
    exact = None
    if len(names) <= MOST_EXACT:
        exact, *rest = rest
        exact = np.asarray(exact, np.float64) * slope.size
    shape = slope.shape
    columns = [np.broadcast_to(c, shape).reshape(-1) for c in rest]
    counts = _counting(job, slope.size)
    at = Curved(
        np.stack(columns, 1).astype(np.float64)[counts],
        np.asarray(slope, np.float64).reshape(-1)[counts],
        np.asarray(np.broadcast_to(bend, shape), np.float64).reshape(-1)[counts], exact,
        loss.is_likelihood,
    )  # fmt: skip
    return curved_errors(at, flat(leaves), names, held)


def _counting(job: Job, size: int) -> Any:
    """Which entries belong to rows whose weight is not zero."""
    weight = None if job.rows is None else job.rows.extra.get("sample_weight")
    if weight is None or weight.all():
        return slice(None)
    return np.repeat(weight > 0, size // weight.size)


def _graphs(built: Built, curved: Curvature) -> list[Node]:
    """Bend and slope, the exact second derivatives of few parameters, and the Jacobian."""
    if "curved" not in built.extras:
        own = list(built.model.leaves.values())
        exact = []
        if sum(leaf.size for leaf in own) <= MOST_EXACT:
            exact = [half_hessian(built.descent.objective, own)]
        nodes = [curved.expected, curved.slope, *exact, *jacobian_columns(curved.prediction, own)]
        built.extras["curved"] = simplify(nodes, final=True)
    return list(built.extras["curved"])


def judge_counts(
    target: Array, rate: Array, weight: Array | None, p: int, n: int
) -> dict[str, Any]:
    """Deviance, Pearson's chi², AIC and BIC of p parameters and n counts.

    McCullagh and Nelder, "Generalized Linear Models" (1989), chapter 2.
    """
    from scipy.special import gammaln, xlogy

    w = weights_of(weight, target)
    lost = xlogy(target, target) - xlogy(target, rate) - target + rate
    log_likelihood = float(np.sum(w * (xlogy(target, rate) - rate - gammaln(target + 1))))
    deviance, dof = 2 * float(np.sum(w * lost)), n - p
    chi2 = float(np.sum(w * (target - rate) ** 2 / rate))
    aic = 2 * p - 2 * log_likelihood
    return {
        "deviance": deviance, "chi2": chi2, "dof": dof,
        "reduced_chi2": chi2 / dof if dof > 0 else math.nan,
        "aic": aic, "bic": p * math.log(n) - 2 * log_likelihood,
        "aicc": aic + 2 * p * (p + 1) / (n - p - 1) if n - p > 1 else math.nan,
    }  # fmt: skip
