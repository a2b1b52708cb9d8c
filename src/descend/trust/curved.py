"""How a loss that is no sum of squares lies about its minimum, entry by entry."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from descend.differentiate.gauss_newton import half_hessian, jacobian_columns
from descend.graph.node import Node
from descend.program.pipeline import MOST_EXACT
from descend.run.build import Built
from descend.run.job import Job
from descend.simplify.driver import simplify
from descend.trust.covariance import MOST_WITH_ERRORS, Bend, Errors, errors_of

__all__ = ["curved_errors"]

Array = np.ndarray[Any, np.dtype[Any]]


def curved_errors(
    job: Job, built: Built, params: Array, names: list[str], held: Array,
    evaluate: Callable[[list[Node]], list[Array]], same: Callable[[Array], bool] | None = None,
) -> Errors:  # fmt: skip
    """The covariance at the parameters, if the loss has two derivatives.

    Of a likelihood it is the inverse of Fisher's information Jᵀdiag(2b)J. Of another loss it is
    H⁻¹·(Σ gᵢ²JᵢJᵢᵀ)·H⁻¹·n/(n − p) with H = Jᵀdiag(b)J, or the exact H of few parameters: the
    sandwich of Huber, "The behavior of maximum likelihood estimates under nonstandard conditions"
    (1967), which takes the scatter from the rows themselves and supposes no distribution.
    J belongs to the prediction; g and b are half of the derivatives of each entry's loss.

    Args:
        held: (p,) which numbers a bound keeps from going on.
        evaluate: gives the values of nodes on the rows of the fit.
        same: whether other parameters (p,) predict the same.
    """
    loss = job.settings.loss
    if built.descent.curvature is None or loss is None or len(names) > MOST_WITH_ERRORS:
        return Errors(None, "the loss is not a plain sum of squares")
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
