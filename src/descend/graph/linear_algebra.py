"""Systems of equations and the Cholesky factor as primitives.

Matrices are the last two axes, and whatever stands before them counts many. What has no answer is
NaN in the whole matrix: the solution for an exactly singular matrix, the Cholesky factor of one
that is not positive definite, anything of a matrix with NaN. Derivatives follow Giles (2008),
"Collected matrix derivative results for forward and reverse mode algorithmic differentiation".
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from descend.errors import InternalError
from descend.graph.elementwise import add, mul, neg
from descend.graph.matrices import (
    by_matrix,
    declare_matrices,
    eye_like,
    masked,
    matmul,
    mt,
    order_of,
    order_of_square,
    spread,
    total_of,
    triangle,
)
from descend.graph.node import Array, Node, Typed

__all__ = ["cholesky", "inverse", "solve", "triangular_solve"]


# --- systems of equations -----------------------------------------------------------------------


def solve(a: Node, b: Node, transposed: bool = False) -> Node:
    """X with A X = B (Aᵀ X = B if `transposed`), for square A and several right-hand sides."""
    return SOLVE.apply(a, b, transposed=transposed)


def inverse(a: Node) -> Node:
    """The inverse matrices."""
    return solve(a, eye_like(a))


def _solve_type(args: tuple[Node, ...], _attrs: Mapping[str, Any]) -> Typed:
    a, b = args
    n = order_of_square(args)
    if b.shape[:-2] != a.shape[:-2] or b.shape[-2] != n or a.dtype != b.dtype:
        raise InternalError(f"solve of {args}")
    return b.shape, b.dtype


def _solve_meaning(a: Array, b: Array, *, transposed: bool) -> Array:
    matrix = np.swapaxes(a, -1, -2) if transposed else a
    return by_matrix(np.linalg.solve, b.shape, matrix, b)


def _outer(gb: Node, x: Node, transposed: bool) -> Node:
    """-gb xᵀ, the cotangent of A in A x = b; transposed, of A in Aᵀ x = b."""
    return neg(matmul(x, mt(gb)) if transposed else matmul(gb, mt(x)))


def _solve_vjp(g: Node, node: Node) -> list[Node | None]:
    a, transposed = node.args[0], node.attrs["transposed"]
    back = solve(a, g, not transposed)
    return [_outer(back, node, transposed), back]


def _solve_jvp(tangents: list[Node | None], node: Node) -> Node:
    a, transposed = node.args[0], node.attrs["transposed"]
    da, db = tangents
    moved = None if da is None else neg(matmul(mt(da) if transposed else da, node))
    return solve(a, total_of([db, moved]), transposed)


SOLVE = declare_matrices(
    "solve", _solve_type, _solve_meaning, _solve_vjp, _solve_jvp, "a singular matrix"
)


def triangular_solve(t: Node, b: Node, lower: bool, transposed: bool = False) -> Node:
    """X with T X = B (Tᵀ X = B if `transposed`); only T's lower (upper) triangle is read."""
    return TRIANGULAR.apply(t, b, lower=lower, transposed=transposed)


def _triangular_meaning(t: Array, b: Array, *, lower: bool, transposed: bool) -> Array:
    return _solve_meaning(np.tril(t) if lower else np.triu(t), b, transposed=transposed)


def _triangular_vjp(g: Node, node: Node) -> list[Node | None]:
    t, lower, transposed = node.args[0], node.attrs["lower"], node.attrs["transposed"]
    back = triangular_solve(t, g, lower, not transposed)
    outer = _outer(back, node, transposed)
    return [masked(outer, triangle(order_of(t)[0], lower)), back]


def _triangular_jvp(tangents: list[Node | None], node: Node) -> Node:
    t, lower, transposed = node.args[0], node.attrs["lower"], node.attrs["transposed"]
    dt, db = tangents
    moved = None
    if dt is not None:
        half = masked(dt, triangle(order_of(t)[0], lower))
        moved = neg(matmul(mt(half) if transposed else half, node))
    return triangular_solve(t, total_of([db, moved]), lower, transposed)


TRIANGULAR = declare_matrices(
    "triangular_solve", _solve_type, _triangular_meaning, _triangular_vjp, _triangular_jvp,
    "a triangular matrix with 0 on its diagonal",
)  # fmt: skip


# --- Cholesky -----------------------------------------------------------------------------------


def cholesky(a: Node) -> Node:
    """Lower L with L Lᵀ = A for symmetric positive definite A, of which the lower half is read."""
    return CHOLESKY.apply(a)


def _like_matrix(args: tuple[Node, ...], _attrs: Mapping[str, Any]) -> Typed:
    order_of_square(args)
    return args[0].shape, args[0].dtype


def _halved(x: Node) -> Node:
    """The lower triangle with half of the diagonal."""
    n = order_of(x)[0]
    weights = np.tril(np.ones((n, n))) - 0.5 * np.eye(n)
    return mul(masked(x, triangle(n, True)), spread(weights.astype(x.dtype), x))


def _cholesky_vjp(g: Node, node: Node) -> list[Node | None]:
    inner = _halved(matmul(mt(node), masked(g, triangle(order_of(g)[0], True))))
    left = triangular_solve(node, inner, lower=True, transposed=True)
    both = mt(triangular_solve(node, mt(left), lower=True, transposed=True))
    return [mul(add(both, mt(both)), 0.5)]


def _cholesky_jvp(tangents: list[Node | None], node: Node) -> Node:
    (da,) = tangents
    assert da is not None
    whole = mul(add(da, mt(da)), 0.5)
    left = triangular_solve(node, whole, lower=True)
    both = triangular_solve(node, mt(left), lower=True)
    return matmul(node, _halved(mt(both)))


def _cholesky_meaning(a: Array) -> Array:
    lower = by_matrix(np.linalg.cholesky, a.shape, a)
    lost = np.isnan(lower).any((-2, -1), keepdims=True)
    return np.where(lost, np.nan, lower) if lost.any() else lower


CHOLESKY = declare_matrices(
    "cholesky", _like_matrix, _cholesky_meaning, _cholesky_vjp, _cholesky_jvp,
    "a matrix that is not positive definite",
)  # fmt: skip
