"""What is worked out after a run whose loss is no sum of squares: errors, deviance, criteria."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from descend.differentiate.gauss_newton import half_hessian, jacobian_columns
from descend.graph.node import Node
from descend.program.objective import Curvature
from descend.program.pipeline import MOST_EXACT
from descend.run.build import Built
from descend.run.job import Job
from descend.simplify.driver import simplify
from descend.trust.covariance import Errors
from descend.trust.information import Curved, curved_errors

__all__ = ["FISHER", "SANDWICH", "errors_of_curved", "judge_counts"]

Array = np.ndarray[Any, np.dtype[Any]]
MOST_WITH_ERRORS = 200
FISHER = "errors from the likelihood's curvature (Fisher's information)"
SANDWICH = "errors from the scatter of the rows (the sandwich of Huber and White)"


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
    return curved_errors(at, np.concatenate([a.reshape(-1) for a in leaves.values()]), names, held)


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

    w = np.ones(target.shape) if weight is None else np.broadcast_to(
        weight.reshape(weight.shape + (1,) * (target.ndim - weight.ndim)), target.shape
    )  # fmt: skip
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
