"""Norms of vectors and matrices."""

from __future__ import annotations

import math
from typing import Any

from descend.errors import UsageError
from descend.graph.elementwise import call, cast
from descend.graph.linear import reduce_sum, transpose
from descend.graph.node import Node
from descend.graph.selection import reduce_max, reduce_min
from descend.trace.context import where
from descend.trace.operands import deliver, float_node
from descend.trace.table import covers
from descend.trace.tables.linalg import singular_values
from descend.trace.tables.reductions import kept, safe_sqrt
from descend.trace.typing_rules import normal_axes, normal_axis

__all__: list[str] = []

Labels = tuple[int, ...]


@covers("norm", module="numpy.linalg")
def _norm(x: Any, ord: Any = None, axis: Any = None, keepdims: bool = False) -> Any:
    """Vector norms and matrix norms; the derivative at the origin is 0."""
    node = float_node(x)
    shape = node.shape
    if axis is None and (ord is None or node.ndim == 1):
        axes = tuple(range(node.ndim))
    elif axis is None:
        axes = (0, 1)
    else:
        axes = normal_axes(axis, node.ndim)
    if len(axes) == 2 and ord is not None:
        given = axes if axis is None else tuple(normal_axis(i, node.ndim) for i in axis)
        result = _matrix_norm(node, ord, given)
    else:
        result = _vector_norm(node, 2 if ord is None else ord, axes)
    return deliver(kept(result, shape, axes, keepdims))


def _vector_norm(x: Node, order: Any, axes: Labels) -> Node:
    if order == 2:
        return safe_sqrt(reduce_sum(call("mul", x, x), axes))
    size = call("abs", x)
    if order == math.inf:
        return reduce_max(size, axes)
    if order == -math.inf:
        return reduce_min(size, axes)
    if order == 1:
        return reduce_sum(size, axes)
    if order == 0:
        return reduce_sum(cast(call("ne", x, 0), x.dtype), axes)
    if isinstance(order, str):
        raise UsageError(f"norm order {order!r} is not for vectors", where=where())
    total = reduce_sum(call("pow", size, float(order)), axes)
    return call("pow", total, 1.0 / float(order))


def _matrix_norm(x: Node, order: Any, axes: Labels) -> Node:
    row, column = axes
    size = call("abs", x)
    if order == "fro":
        return safe_sqrt(reduce_sum(call("mul", x, x), axes))
    if order in (1, -1, math.inf, -math.inf):
        summed = row if abs(order) == 1 else column
        other = column if abs(order) == 1 else row
        other -= other > summed
        pick = reduce_max if order > 0 else reduce_min
        return pick(reduce_sum(size, (summed,)), (other,))
    if order in (2, -2, "nuc"):
        values = singular_values(_last_axes(x, row, column))
        last = (values.ndim - 1,)
        if order == "nuc":
            return reduce_sum(values, last)
        return (reduce_max if order > 0 else reduce_min)(values, last)
    raise UsageError(f"np.linalg.norm: there is no order {order!r} of a matrix", where=where())


def _last_axes(x: Node, row: int, column: int) -> Node:
    rest = (i for i in range(x.ndim) if i not in (row, column))
    return transpose(x, (*rest, row, column))


@covers("vector_norm", module="numpy.linalg")
def _vector_norm_of(x: Any, /, *, axis: Any = None, keepdims: bool = False, ord: Any = 2) -> Any:
    node = float_node(x)
    axes = normal_axes(axis, node.ndim)
    return deliver(kept(_vector_norm(node, ord, axes), node.shape, axes, keepdims))


@covers("matrix_norm", module="numpy.linalg")
def _matrix_norm_of(x: Any, /, *, keepdims: bool = False, ord: Any = "fro") -> Any:
    return _norm(x, ord, (-2, -1), keepdims)
