"""How a loss that is no sum of squares lies about its minimum, entry by entry."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import Any, NamedTuple, Protocol

import numpy as np

from descend.differentiate.gauss_newton import half_hessian, jacobian_columns
from descend.differentiate.reverse import reverse
from descend.graph.blocks import in_tree
from descend.graph.node import Node
from descend.graph.source import const
from descend.program.pipeline import MOST_EXACT
from descend.run.build import Built
from descend.run.job import Job
from descend.run.passes import BySlices, Fold
from descend.simplify.driver import simplify
from descend.task.columns import WEIGHT
from descend.trust.covariance import (
    MOST_WITH_ERRORS,
    Bend,
    Errors,
    errors_of,
    errors_of_information,
    stacked,
    triangle_of,
)

__all__ = ["Entries", "curved_errors", "observed_errors"]

Array = np.ndarray[Any, np.dtype[Any]]
PRODUCTS = 1 << 17  # of numbers, for which OpenBLAS wakes no thread
LEAST = 16  # rows


class Entries(Protocol):
    """What a fit's graphs come to, on all its rows."""

    def folded(self, nodes: Sequence[Node], fold: Fold) -> Iterable[Any]:
        """What is made of the values of nodes at each block of rows, in order."""

    def in_one(self, nodes: Sequence[Node]) -> bool:
        """Whether all rows are one block."""

    def totals(self, nodes: Sequence[Node]) -> list[Array]:
        """The values of graphs that have no rows."""

    def n_entries(self) -> int:
        """How many losses are averaged."""


def curved_errors(
    job: Job, built: Built, params: Array, names: list[str], held: Array, entries: Entries,
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
        same: whether other parameters (p,) predict the same.
    """
    loss = job.settings.loss
    why = _why_none(job, len(names))
    if why or loss is None:
        return Errors(None, why)
    if loss.is_likelihood and not loss.curved:
        count = entries.n_entries()
        return observed_errors(built, params, names, held, entries.totals, count, same)
    if built.descent.curvature is None:
        why = f"the loss {loss.spelling} has no second derivative for each prediction"
        return Errors(None, why)
    graphs = _graphs(built)
    exact = graphs.pop(2) if len(names) <= MOST_EXACT else None
    seen = _seen(built, graphs, entries)
    n, p = seen.n, int(np.sum(~held))
    spread: float | None = 0.5
    bend = Bend(seen.curvature, None)
    if not loss.is_likelihood:
        curvature = seen.curvature
        if exact is not None:
            (half,) = entries.totals([exact])
            curvature = np.asarray(half, np.float64) * seen.size
        bend, spread = Bend(curvature, seen.scatter), 1.0 if n > p else None
    return errors_of(
        seen.jacobian, seen.slope, params, names, spread, held, same, None, bend, n
    )


class _Seen(NamedTuple):
    """What all entries come to: J and g, or what is left of them, and sums over the rows."""

    jacobian: Array
    slope: Array
    curvature: Array
    scatter: Array
    n: int
    size: int


def _seen(built: Built, graphs: list[Node], entries: Entries) -> _Seen:
    """Go through the entries, those left out whose rows have a weight of zero."""
    weight = built.descent.inputs.get(WEIGHT)
    asked = graphs + ([] if weight is None else [weight])
    piece = partial(_piece, weight is not None, entries.in_one(asked))
    fold = piece if entries.in_one(asked) else BySlices(piece, _joined)
    whole: _Seen = in_tree(entries.folded(asked, fold), _joined)
    return whole


def _joined(one: _Seen, other: _Seen) -> _Seen:
    """What two parts come to, each `_reduced`."""
    above, below = (np.column_stack([x.jacobian, x.slope]) for x in (one, other))
    whole = stacked(above, below)
    return _Seen(
        whole[:, :-1], whole[:, -1], one.curvature + other.curvature, one.scatter + other.scatter,
        one.n + other.n, one.size + other.size,
    )


def _reduced(piece: _Seen) -> _Seen:
    """The same with what a factorisation leaves of J and g, which would be as long as the data."""
    whole = triangle_of(piece.jacobian, piece.slope)
    return piece._replace(jacobian=whole[:, :-1], slope=whole[:, -1])


@np.errstate(all="ignore")
def _piece(weighted: bool, whole: bool, values: Sequence[Array]) -> _Seen:
    """The same of a block of rows; reduced, if it is not the whole of them.

    Args:
        weighted: whether the last values are weights.
    """
    bend, slope, *rest = values
    w = rest.pop() if weighted else None
    kept: Any = slice(None)
    if w is not None and not w.all():
        kept = np.repeat(w > 0, slope.size // w.size)
    b, g, *columns = (
        np.broadcast_to(a, slope.shape).reshape(-1)[kept].astype(np.float64)
        for a in (bend, slope, *rest)
    )
    j = np.stack(columns, 1)
    found = _Seen(j, g, _weighed(j, b), _weighed(j, g**2), g.size, slope.size)
    return found if whole else _reduced(found)


def _weighed(j: Array, weight: Array) -> Array:
    """(p, p) the products of columns with weights, of few rows at a time: OpenBLAS wakes no thread
    for as little, and a thread that is woken may wait for a core as long as the whole takes."""
    n, p = j.shape
    rows = max(LEAST, PRODUCTS // max(p * p, 1))
    found = np.zeros((p, p))
    for some in (slice(begin, begin + rows) for begin in range(0, n, rows)):
        found += j[some].T @ (weight[some, None] * j[some])
    return found


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
    totals: Callable[[Sequence[Node]], list[Array]], count: int,
    same: Callable[[Array], bool] | None = None,
) -> Errors:  # fmt: skip
    """The inverse of the observed information, the second derivatives of −log L.

    Args:
        totals: gives the values of graphs that have no rows.
        count: how many losses are averaged.
        params, names, held, same: as those of `curved_errors`.

    Efron and Hinkley, "Assessing the accuracy of the maximum likelihood estimator: observed versus
    expected Fisher information" (1978).
    """
    if "observed" not in built.extras:
        leaves, objective = list(built.model.leaves.values()), built.descent.objective
        slopes = reverse([objective], [const(1, objective.dtype)], leaves)
        nodes = [half_hessian(objective, leaves), *slopes]
        built.extras["observed"] = simplify(nodes, final=True)
    half, *parts = totals(list(built.extras["observed"]))
    gradient = np.concatenate([np.reshape(a, -1) for a in parts]) * count
    information = 2.0 * np.asarray(half, np.float64) * count
    return errors_of_information(information, gradient, params, names, held, same)


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
