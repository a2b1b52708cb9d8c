"""Matrices over leading axes: products, parts, and how their primitives are declared."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from descend.errors import InternalError
from descend.graph.elementwise import add, mul, select
from descend.graph.linear import broadcast, leading, reduce_sum, reshape, slice_, transpose
from descend.graph.multilinear import contract
from descend.graph.node import Array, Node, Primitive, Shape, Typed, apart, register, sizes
from descend.graph.source import const

__all__ = [
    "LINEAR_ALGEBRA", "by_matrix", "columns", "declare_matrices", "diagonal", "eye_like",
    "from_diagonal", "masked", "matmul", "mt", "number_of", "order_of", "order_of_square",
    "row_of", "rows", "scale_columns", "scale_rows", "spread", "total_of", "triangle",
]  # fmt: skip


def mt(x: Node) -> Node:
    """The transposed matrices."""
    n = x.ndim
    return transpose(x, (*range(n - 2), n - 1, n - 2))


def matmul(a: Node, b: Node) -> Node:
    """Products of matrices with the same leading axes."""
    k = a.ndim - 2
    lead = tuple(range(k))
    return contract(a, b, (*lead, k, k + 1), (*lead, k + 1, k + 2), (*lead, k, k + 2))


def spread(matrix: Array, model: Node) -> Node:
    """A known matrix repeated along the leading axes of a node."""
    shape = (*model.shape[:-2], *matrix.shape)
    return broadcast(const(matrix), shape, (len(shape) - 2, len(shape) - 1))


def masked(x: Node, mask: Array) -> Node:
    """The entries where a known mask holds, 0 elsewhere."""
    return select(spread(mask, x), x, 0.0)


def eye_like(x: Node) -> Node:
    """Unit matrices with as many rows as x, and its leading axes and dtype."""
    n = order_of(x)[0]
    return spread(np.eye(n, dtype=x.dtype), x)


def rows(x: Node, start: int, stop: int) -> Node:
    """Some rows of the matrices."""
    k = x.ndim - 2
    lead = tuple(x.shape[:k])
    zeros = (0,) * k
    return slice_(x, (*zeros, start, 0), (*lead, stop, x.shape[-1]), (1,) * x.ndim)


def columns(x: Node, start: int, stop: int) -> Node:
    """Some columns of the matrices."""
    return mt(rows(mt(x), start, stop))


def row_of(x: Node, i: int) -> Node:
    """One row as vectors."""
    return reshape(rows(x, i, i + 1), (*x.shape[:-2], x.shape[-1]))


def diagonal(x: Node) -> Node:
    """The diagonals of square matrices."""
    n = order_of(x)[0]
    return reduce_sum(masked(x, np.eye(n, dtype=bool)), (x.ndim - 1,))


def from_diagonal(v: Node) -> Node:
    """Matrices with these diagonals."""
    n = v.shape[-1]
    wide = broadcast(v, (*v.shape, n), tuple(range(v.ndim)))
    return masked(wide, np.eye(int(n), dtype=bool))  # type: ignore[arg-type]


def scale_columns(x: Node, v: Node) -> Node:
    """x · diag(v)."""
    axes = (*range(v.ndim - 1), v.ndim)
    return mul(x, broadcast(v, x.shape, axes))


def scale_rows(v: Node, x: Node) -> Node:
    """diag(v) · x."""
    return mul(broadcast(v, x.shape, tuple(range(v.ndim))), x)


def order_of(x: Node) -> tuple[int, int]:
    """The extents of the matrices, as integers; raises `RowsAsked` for a number of rows."""
    m, n = sizes(x.shape[-2:])
    return m, n


def triangle(n: int, lower: bool) -> Array:
    return np.tri(n, dtype=bool) if lower else np.tri(n, dtype=bool).T


def number_of(x: Node, i: int) -> Node:
    """The i-th of the numbers along the last axis."""
    k = x.ndim - 1
    cut = slice_(x, (*(0,) * k, i), (*x.shape[:k], i + 1), (1,) * x.ndim)
    return reshape(cut, x.shape[:k])


def total_of(terms: Sequence[Node | None]) -> Node:
    known = [t for t in terms if t is not None]
    whole = known[0]
    for term in known[1:]:
        whole = add(whole, term)
    return whole


# --- the family ---------------------------------------------------------------------------------

LINEAR_ALGEBRA: list[str] = []


def _batch(args: list[Node], flags: list[bool], node: Node, extent: Any) -> Node:
    """A leading axis more."""
    return node.op.apply(*leading(args, flags, extent), **node.attrs)


def declare_matrices(
    name: str,
    infer: Callable[..., Typed],
    meaning: Callable[..., Array],
    vjp: Callable[[Node, Node], list[Node | None]],
    jvp: Callable[[list[Node | None], Node], Node],
    fails: str = "",
) -> Primitive:
    """Register a primitive; its rules are asked only where there is something to differentiate."""

    def wanted_vjp(g: Node, node: Node, wanted: Sequence[bool]) -> list[Node | None]:
        return [b if w else None for b, w in zip(vjp(g, node), wanted, strict=True)]

    def moving_jvp(tangents: list[Node | None], node: Node) -> Node | None:
        return None if all(t is None for t in tangents) else jvp(tangents, node)

    LINEAR_ALGEBRA.append(name)
    rules = (infer, meaning, wanted_vjp, moving_jvp, _batch)
    return register(
        Primitive(name, "opaque", "rewritten", False, *rules, fails=fails, mixes=apart)
    )


def order_of_square(args: tuple[Node, ...]) -> int:
    m, n = order_of(args[0])
    if m != n or args[0].dtype.kind != "f":
        raise InternalError(f"square matrices of floats are needed, not {args[0]}")
    return n


def by_matrix(function: Callable[..., Array], shape: Shape, *arrays: Array) -> Array:
    """What NumPy makes of the matrices, NaN for each of which it says that there is no answer."""
    try:
        return function(*arrays)
    except np.linalg.LinAlgError:
        out = np.full(sizes(shape), np.nan, arrays[0].dtype)
        if out.ndim <= 2 and arrays[0].ndim == 2:
            return out
        for at in np.ndindex(*arrays[0].shape[:-2]):
            try:
                out[at] = function(*(a[at] for a in arrays))
            except np.linalg.LinAlgError:
                continue
        return out
