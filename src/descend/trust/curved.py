"""How a loss that is no sum of squares lies about its minimum, entry by entry."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from descend.differentiate.gauss_newton import half_hessian, jacobian_columns
from descend.differentiate.reverse import reverse
from descend.graph.node import Node
from descend.graph.source import const
from descend.program.pipeline import MOST_EXACT
from descend.run.build import Built
from descend.run.job import Job
from descend.simplify.driver import simplify
from descend.trust.covariance import (
    MOST_WITH_ERRORS,
    Bend,
    Errors,
    errors_of,
    errors_of_information,
)

__all__ = ["curved_errors", "observed_errors"]

Array = np.ndarray[Any, np.dtype[Any]]


def curved_errors(
    job: Job, built: Built, params: Array, names: list[str], held: Array,
    evaluate: Callable[[list[Node]], list[Array]], entries: Callable[[], int],
    same: Callable[[Array], bool] | None = None,
) -> Errors:  # fmt: skip
    """The covariance at the parameters, if the loss has two derivatives.

    Of counts it is the inverse of Fisher's information Jᵀdiag(2b)J, of any other likelihood that of
    the observed one: of the second derivatives of its negative logarithm. Of another loss it is
    H⁻¹·(Σ gᵢ²JᵢJᵢᵀ)·H⁻¹·n/(n − p) with H = Jᵀdiag(b)J, or the exact H of few parameters: the
    sandwich of Huber, "The behavior of maximum likelihood estimates under nonstandard conditions"
    (1967), which takes the scatter from the rows themselves and supposes no distribution.
    J belongs to the prediction; g and b are half of the derivatives of each entry's loss.

    Args:
        held: (p,) which numbers a bound keeps from going on.
        evaluate: gives the values of nodes on the rows of the fit.
        entries: tells how many losses are averaged.
        same: whether other parameters (p,) predict the same.
    """
    loss = job.settings.loss
    why = _why_none(job, len(names))
    if why or loss is None:
        return Errors(None, why)
    if loss.is_likelihood and not loss.curved:
        return observed_errors(built, params, names, held, evaluate, entries, same)
    if built.descent.curvature is None:
        why = f"the loss {loss.spelling} has no second derivative for each prediction"
        return Errors(None, why)
    bend, slope, *rest = evaluate(_graphs(built))
    exact = rest.pop(0) if len(names) <= MOST_EXACT else None
    kept = _counting(job, slope.size)
    b, g, *columns = (
        np.broadcast_to(a, slope.shape).reshape(-1)[kept].astype(np.float64)
        for a in (bend, slope, *rest)
    )
    jacobian = np.stack(columns, 1)
    n, p = g.size, int(np.sum(~held))
    curvature = jacobian.T @ (b[:, None] * jacobian)
    if loss.is_likelihood:
        return errors_of(jacobian, g, params, names, 0.5, held, same, None, Bend(curvature, None))
    if exact is not None:
        curvature = np.asarray(exact, np.float64) * slope.size
    found = Bend(curvature, jacobian.T @ (g[:, None] ** 2 * jacobian))
    spread = 1.0 if n > p else None
    return errors_of(jacobian, g, params, names, spread, held, same, None, found)


def _why_none(job: Job, count: int) -> str:
    """Why no loss of this kind has standard errors; an empty string where it may."""
    loss = job.settings.loss
    if job.settings.penalty is not None:
        return "the penalty moves the parameters from where the data alone would put them"
    if count > MOST_WITH_ERRORS:
        return f"{count} numbers are varied, and more than {MOST_WITH_ERRORS} get none"
    if loss is not None and loss.kinked:
        return f"the loss {loss.spelling} has kinks, and so no second derivatives to tell them by"
    return ""


def observed_errors(
    built: Built, params: Array, names: list[str], held: Array,
    evaluate: Callable[[list[Node]], list[Array]], entries: Callable[[], int],
    same: Callable[[Array], bool] | None = None,
) -> Errors:  # fmt: skip
    """The inverse of the observed information, the second derivatives of −log L.

    Args: as those of `curved_errors`.

    Efron and Hinkley, "Assessing the accuracy of the maximum likelihood estimator: observed versus
    expected Fisher information" (1978).
    """
    if "observed" not in built.extras:
        leaves, objective = list(built.model.leaves.values()), built.descent.objective
        slopes = reverse([objective], [const(1, objective.dtype)], leaves)
        nodes = [half_hessian(objective, leaves), *slopes]
        built.extras["observed"] = simplify(nodes, final=True)
    half, *parts = evaluate(list(built.extras["observed"]))
    count = entries()
    gradient = np.concatenate([np.reshape(a, -1) for a in parts]) * count
    information = 2.0 * np.asarray(half, np.float64) * count
    return errors_of_information(information, gradient, params, names, held, same)


def _counting(job: Job, size: int) -> Any:
    """Which entries belong to rows whose weight is not zero."""
    weight = None if job.rows is None else job.rows.extra.get("sample_weight")
    if weight is None or weight.all():
        return slice(None)
    return np.repeat(weight > 0, size // weight.size)


def _graphs(built: Built) -> list[Node]:
    """Bend and slope, the exact second derivatives of few parameters, and the Jacobian."""
    curved = built.descent.curvature
    assert curved is not None
    if "curved" not in built.extras:
        own = list(built.model.leaves.values())
        exact = []
        if sum(leaf.size for leaf in own) <= MOST_EXACT:
            exact = [half_hessian(built.descent.objective, own)]
        nodes = [curved.expected, curved.slope, *exact, *jacobian_columns(curved.prediction, own)]
        built.extras["curved"] = simplify(nodes, final=True)
    return list(built.extras["curved"])
