"""The normal equations of a sum of squares: JᵀJ and Jᵀr, summed over the rows as they are met."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from descend.differentiate.batch import batch
from descend.differentiate.forward import forward
from descend.graph.elementwise import call
from descend.graph.linear import concatenate, reduce_sum, reshape
from descend.graph.multilinear import contract
from descend.graph.node import Node, sizes
from descend.graph.source import const, input_node

__all__ = ["jacobian_columns", "normal_equations"]

UNROLLED = 32


def jacobian_columns(outputs: Node, leaves: Sequence[Node]) -> list[Node]:
    """d outputs / d p for every single number p of the leaves, each shaped like the outputs.

    One tangent a number, in forward mode: what every row needs of its neighbours is nothing.
    """
    columns = []
    for leaf in leaves:
        for k in range(leaf.size):
            one = np.zeros(sizes(leaf.shape), leaf.dtype)
            one.flat[k] = 1
            columns += forward([outputs], [leaf], [const(one)])
    return columns


def normal_equations(residual: Node, leaves: Sequence[Node]) -> tuple[Node, Node]:
    """JᵀJ of shape (p, p) and Jᵀr of shape (p,), for the p numbers of the leaves in order.

    Up to 32 numbers have a column each, which one loop over the rows computes and sums up; beyond
    that the columns are an axis of their own.

    >>> from descend.graph.evaluate import evaluate
    >>> x, a = input_node("x", (2,)), input_node("a")
    >>> from descend.graph.linear import broadcast
    >>> r = call("mul", x, broadcast(a, (2,), ()))
    >>> evaluate(normal_equations(r, [a]), {x: np.array([1.0, 2.0]), a: np.array(3.0)})
    [array([[5.]]), array([15.])]
    """
    if sum(leaf.size for leaf in leaves) > UNROLLED:
        return _batched(residual, leaves)
    columns = jacobian_columns(residual, leaves)
    axes = tuple(range(residual.ndim))
    sums: dict[tuple[int, int], Node] = {}
    for i, a in enumerate(columns):
        for j, b in enumerate(columns[: i + 1]):
            sums[i, j] = sums[j, i] = reduce_sum(call("mul", a, b), axes)
    p = len(columns)
    matrix = _vector([sums[i, j] for i in range(p) for j in range(p)])
    side = _vector([reduce_sum(call("mul", a, residual), axes) for a in columns])
    return reshape(matrix, (p, p)), side


def _vector(scalars: Sequence[Node]) -> Node:
    return concatenate([reshape(s, (1,)) for s in scalars], 0)


def _batched(residual: Node, leaves: Sequence[Node]) -> tuple[Node, Node]:
    """The same with one leading axis for all p tangents together."""
    p = sum(leaf.size for leaf in leaves)
    eye = np.eye(p, dtype=residual.dtype)
    tangents, many, at = [], {}, 0
    for leaf in leaves:
        tangent = input_node("tangent", leaf.shape, leaf.dtype)
        block = eye[:, at : at + leaf.size].reshape(p, *leaf.shape).astype(leaf.dtype)
        many[tangent] = const(block)
        tangents.append(tangent)
        at += leaf.size
    column = forward([residual], leaves, tangents)
    (jacobian,) = batch(column, many, p)
    rows = tuple(range(2, 2 + residual.ndim))
    return (
        contract(jacobian, jacobian, (0, *rows), (1, *rows), (0, 1)),
        contract(jacobian, residual, (0, *rows), rows, (0,)),
    )
