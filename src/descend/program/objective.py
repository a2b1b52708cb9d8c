"""What is minimised, as a graph: the mean loss over the rows, its residuals, its curvature."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np

from descend.differentiate.reverse import reverse
from descend.errors import UsageError
from descend.graph.elementwise import call, cast, full_like, select
from descend.graph.linear import broadcast, reduce_sum
from descend.graph.multilinear import contract
from descend.graph.node import Dim, Node, substitute
from descend.graph.program import Plan
from descend.graph.source import const, input_node, row_count
from descend.lean import dataclass
from descend.task.columns import SIGMA, TARGET, WEIGHT, WHITENING
from descend.task.coupling import mixed_at
from descend.trace.context import Origin, tracing
from descend.trace.model import Model
from descend.trace.tensor import as_node, wrap

__all__ = [
    "Curvature", "curvature_graph",
    "entries", "loss_function", "loss_graph", "refuse_coupling",
]  # fmt: skip

@dataclass(frozen=True)
class Curvature:
    """The second-order view of a loss that is no square, for Gauss–Newton methods and errors.

    Near the parameters the loss is that of the residuals g/√b with the derivatives √b·J, where J
    is the prediction's.

    Attributes:
        prediction: what the rows' losses are functions of.
        slope: g, half of the derivative of each entry's loss, weight included.
        bend: b, half of the second derivative, weight included, never below ε, which is that of a
            residual that hardly counts (of a small one it is 1 in any unit); for losses of the
            residual r it is g/r, which is larger.
        lowest: the mean of the losses at the best predictions, below which no loss can fall.
        expected: half of the second derivative as it is; of a likelihood the expected one.
    """

    prediction: Node
    slope: Node
    bend: Node
    lowest: Node | None
    expected: Node


def loss_graph(
    model: Model, sign: int, columns: Mapping[str, Node], loss: Any, run: Any
) -> tuple[Node, Node | None]:
    """The mean loss over the rows, and the residuals where the loss is their square.

    Each row's loss is the mean over its own entries, times its sample weight.

    Args:
        columns: `target`, and where there are such `sample_weight` and `sigma`, or `whitening`:
            a matrix W that takes the place of 1/sigma.
        loss: with its run-time numbers bound.
        run: applies traced NumPy to stand-ins.
    """
    target, weight = columns.get("target"), columns.get("sample_weight")
    if loss is None or target is None:
        (value,) = model.nodes
        return (call("neg", value) if sign < 0 else value), None
    nodes = [n if n.ndim else broadcast(n, target.shape, ()) for n in model.nodes]
    if target.dtype.kind == "f":
        target = cast(target, nodes[0].dtype)
    prediction: Any = tuple(nodes) if len(nodes) > 1 else nodes[0]
    if isinstance(prediction, Node):
        with tracing():
            residual = loss.residual(wrap(prediction), wrap(target))
        if residual is not None:
            return _mean_square(_scaled(as_node(residual), columns), model, weight)
        prediction, target = _scaled(prediction, columns), _scaled(target, columns)
    return _mean(run(loss_function(loss), prediction, target), model.rows, weight), None


def loss_function(loss: Any) -> Any:
    """What gives the loss of each row."""
    return getattr(loss, "function", loss.per_row)


def _scaled(values: Node, columns: Mapping[str, Node]) -> Node:
    """Values in units of sigma, or multiplied by the matrix that takes its place."""
    sigma, matrix = columns.get(SIGMA), columns.get(WHITENING)
    if matrix is not None:
        return contract(cast(matrix, values.dtype), values, (0, 1), (1,), (0,))
    if sigma is None:
        return values
    inverse = call("div", 1.0, cast(sigma, values.dtype))  # the derivatives' as well
    return call("mul", values, _each(inverse, values))


def _each(column: Node, like: Node) -> Node:
    """One number a row, repeated for all its entries."""
    return broadcast(cast(column, like.dtype), like.shape, tuple(range(column.ndim)))


def curvature_graph(
    model: Model, columns: Mapping[str, Node], loss: Any, run: Any
) -> Curvature | None:
    """The derivatives of each entry's loss in the prediction; None where it has not two of them.

    Args: as those of `loss_graph`.
    """
    target, weight = columns.get(TARGET), columns.get(WEIGHT)
    if loss is None or target is None or len(model.nodes) != 1:
        return None
    (found,) = model.nodes
    prediction = found if found.ndim else broadcast(found, target.shape, ())
    if target.shape != prediction.shape or target.dtype.kind != "f":
        return None
    target = cast(target, prediction.dtype)
    prediction, target = _scaled(prediction, columns), _scaled(target, columns)
    at = input_node("prediction", prediction.shape, prediction.dtype)
    losses = run(loss_function(loss), at, target)
    if losses.shape != at.shape:
        return None
    one = full_like(at, 1.0)
    (slope,) = reverse([losses], [one], [at])
    (bend,) = reverse([slope], [one], [at])
    tiny = float(np.finfo(at.dtype).eps)
    likely = loss.is_likelihood and loss.curved
    known = run(loss.information, at) if likely else bend
    halves = [call("mul", n, 0.5) for n in (slope, bend, known)]
    if loss.of_residual:
        r = call("sub", at, target)
        near = call("eq", r, 0.0)
        ratio = call("div", halves[0], select(near, full_like(r, 1.0), r))
        halves[1] = select(near, halves[1], ratio)
    halves[1] = select(call("lt", halves[1], tiny), tiny, halves[1])
    if weight is not None:
        halves = [call("mul", n, _each(weight, n)) for n in halves]
    slope, bend, expected = substitute(halves, {at: prediction})
    lowest = None
    if likely:
        lowest = _mean(run(loss.lowest, target), model.rows, weight)
    return Curvature(prediction, slope, bend, lowest, expected)


def _mean(losses: Node, rows: Dim | int, weight: Node | None) -> Node:
    if losses.ndim == 0 or losses.shape[0] != rows:
        raise UsageError(
            f"the loss gives the shape {losses.shape}, and must give one number for each row",
            remedy="leave out np.mean or np.sum over the rows: descend averages over them",
        )
    if weight is not None:
        axes = tuple(range(weight.ndim))
        losses = call("mul", losses, broadcast(cast(weight, losses.dtype), losses.shape, axes))
    total = reduce_sum(losses, tuple(range(losses.ndim)))
    return call("div", total, entries(losses, rows))


def entries(per_row: Node, rows: Dim | int) -> Node:
    """The number of entries of all rows together, as a scalar of the same dtype."""
    count = row_count(rows, per_row.dtype)
    inner = math.prod(n for n in per_row.shape[1:] if isinstance(n, int))
    return count if inner == 1 else call("mul", count, const(inner, per_row.dtype))


def _mean_square(residual: Node, model: Model, weight: Node | None) -> tuple[Node, Node]:
    """The mean of r²·w, and r·√w, the residual whose square it is."""
    loss = _mean(call("mul", residual, residual), model.rows, weight)
    if weight is not None:
        root = call("sqrt", cast(weight, residual.dtype))
        residual = call("mul", residual, _each(root, residual))
    return loss, residual


def refuse_coupling(
    losses: Node, given: Iterable[Any], rows: Dim | int,
    origin: Callable[[Node], Origin | None], plan: Plan,
) -> None:  # fmt: skip
    """Refuse a loss whose rows know of one another: that of a batch is another one.

    Args:
        given: the prediction and the target, whose own rows are the model's affair.
        origin: the place in the user's code that made a node.
    """
    if losses.shape[:1] != (rows,):
        return
    why = mixed_at([losses], rows, origin, frozenset(n for n in given if isinstance(n, Node)))
    if why:
        raise UsageError(
            f"the loss couples the rows with one another ({why}), so a batch of "
            f"{plan.batch_size} rows has another loss than all of them",
            remedy="leave out batch_size, or give the loss of each row by itself",
        )
