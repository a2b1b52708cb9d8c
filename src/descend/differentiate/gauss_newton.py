"""The normal equations of a sum of squares: JᵀJ and Jᵀr, summed over the rows as they are met."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from descend.differentiate.batch import batch
from descend.differentiate.forward import forward
from descend.differentiate.reverse import reverse
from descend.graph.elementwise import call, cast
from descend.graph.linear import broadcast, concatenate, reduce_sum, reshape
from descend.graph.multilinear import contract
from descend.graph.node import Node, sizes
from descend.graph.source import const, input_node

__all__ = ["half_hessian", "jacobian_columns", "normal_equations"]

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


def normal_equations(
    residual: Node, leaves: Sequence[Node], slope: Node | None = None, bend: Node | None = None
) -> tuple[Node, Node]:
    """JᵀJ of shape (p, p) and Jᵀr of shape (p,), for the p numbers of the leaves in order.

    With a slope g and a bend b shaped like `residual`, whose derivative J is then any function's,
    they are Jᵀdiag(b)J and Jᵀg: those of a loss with these derivatives (Schraudolph, "Fast
    Curvature Matrix-Vector Products for Second-Order Gradient Descent", 2002).

    Up to 32 numbers have a column each, which one loop over the rows computes and sums up; beyond
    that the columns are an axis of their own.

    >>> from descend.graph.evaluate import evaluate
    >>> x, a = input_node("x", (2,)), input_node("a")
    >>> from descend.graph.linear import broadcast
    >>> r = call("mul", x, broadcast(a, (2,), ()))
    >>> evaluate(normal_equations(r, [a]), {x: np.array([1.0, 2.0]), a: np.array(3.0)})
    [array([[5.]]), array([15.])]
    """
    side_of = residual if slope is None else slope
    if sum(leaf.size for leaf in leaves) > UNROLLED:
        return _batched(residual, leaves, side_of, bend)
    columns = jacobian_columns(residual, leaves)
    axes = tuple(range(residual.ndim))
    sums: dict[tuple[int, int], Node] = {}
    for i, a in enumerate(columns):
        bent = a if bend is None else call("mul", a, bend)
        for j, b in enumerate(columns[: i + 1]):
            sums[i, j] = sums[j, i] = reduce_sum(call("mul", bent, b), axes)
    p = len(columns)
    matrix = _vector([sums[i, j] for i in range(p) for j in range(p)])
    side = _vector([reduce_sum(call("mul", a, side_of), axes) for a in columns])
    return reshape(matrix, (p, p)), side


def half_hessian(value: Node, leaves: Sequence[Node]) -> Node:
    """Half of the second derivatives of a scalar, (p, p): forward over reverse, a tangent a number.

    >>> from descend.graph.evaluate import evaluate
    >>> a = input_node("a", (2,))
    >>> square = reduce_sum(call("mul", call("mul", a, a), a), (0,))
    >>> evaluate([half_hessian(square, [a])], {a: np.array([1.0, 2.0])})[0]
    array([[3., 0.],
           [0., 6.]])
    """
    gradients = reverse([value], [const(1, value.dtype)], leaves)
    p = sum(leaf.size for leaf in leaves)
    if p > UNROLLED:
        moved = _along_all(gradients, leaves, value.dtype)
        parts = [reshape(cast(m, value.dtype), (p, m.size // p)) for m in moved]
        return call("mul", concatenate(parts, 1), 0.5)
    rows = []
    for leaf in leaves:
        for k in range(leaf.size):
            one = np.zeros(sizes(leaf.shape), leaf.dtype)
            one.flat[k] = 1
            moved = forward(gradients, [leaf], [const(one)])
            rows += [reshape(cast(m, value.dtype), (1, m.size)) for m in moved]
    return call("mul", reshape(concatenate(rows, 1), (p, p)), 0.5)


def _vector(scalars: Sequence[Node]) -> Node:
    return concatenate([reshape(s, (1,)) for s in scalars], 0)


def _batched(
    residual: Node, leaves: Sequence[Node], side: Node, bend: Node | None
) -> tuple[Node, Node]:
    """The same with one leading axis for all p tangents together."""
    (jacobian,) = _along_all([residual], leaves, residual.dtype)
    rows = tuple(range(2, 2 + residual.ndim))
    inner = tuple(range(1, jacobian.ndim))
    bent = jacobian
    if bend is not None:
        bent = call("mul", jacobian, broadcast(bend, jacobian.shape, inner))
    return (
        contract(bent, jacobian, (0, *rows), (1, *rows), (0, 1)),
        contract(jacobian, side, (0, *rows), rows, (0,)),
    )


def _along_all(outputs: Sequence[Node], leaves: Sequence[Node], dtype: Any) -> list[Node]:
    """d outputs / d p for all p numbers of the leaves, with one leading axis for them.

    Leaf by leaf, so that each number's tangent meets only what depends on its leaf.
    """
    found = []
    for leaf in leaves:
        if leaf.size == 1:
            moved = forward(list(outputs), [leaf], [const(np.ones(sizes(leaf.shape), leaf.dtype))])
            found.append([reshape(m, (1, *m.shape)) for m in moved])
            continue
        tangent = input_node("tangent", leaf.shape, leaf.dtype)
        unit = np.eye(leaf.size, dtype=leaf.dtype).reshape(leaf.size, *sizes(leaf.shape))
        moved = forward(list(outputs), [leaf], [tangent])
        found.append(batch(moved, {tangent: const(unit)}, leaf.size))
    return [concatenate(parts, 0) for parts in zip(*found, strict=True)]
