"""Eigenvalues, singular values, pseudo-inverse and QR as primitives.

Each has one array as its result; factors that belong together stand one below the other in it, and
are cut out by slices. Derivatives follow Giles (2008), "Collected matrix derivative results for
forward and reverse mode algorithmic differentiation", and for the pseudo-inverse Golub and
Pereyra (1973).

Eigenvectors of equal eigenvalues, and singular vectors of equal singular values, are defined only
up to a rotation among themselves. Their derivative is taken as 0 along such rotations; so it is
finite, and right for whatever does not depend on the choice. A singular value of 0 is treated so,
too.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from descend.errors import InternalError
from descend.graph.elementwise import add, call, full_like, mul, neg, select, sub
from descend.graph.linear import broadcast, concatenate, reshape
from descend.graph.linear_algebra import triangular_solve
from descend.graph.matrices import (
    by_matrix,
    declare_matrices,
    diagonal,
    from_diagonal,
    masked,
    matmul,
    mt,
    order_of,
    order_of_square,
    row_of,
    rows,
    scale_columns,
    scale_rows,
    spread,
    triangle,
)
from descend.graph.node import Array, Node, Typed
from descend.graph.selection import reduce_max

__all__ = ["EIGH", "PINV", "QR", "SVD"]


# --- eigenvalues --------------------------------------------------------------------------------


def _eigh_type(args: tuple[Node, ...], _attrs: Mapping[str, Any]) -> Typed:
    n = order_of_square(args)
    return (*args[0].shape[:-2], n + 1, n), args[0].dtype


def _eigh_meaning(a: Array, *, upper: bool = False, signed: bool = False) -> Array:
    """Of both triangles alike; which of them LAPACK reads settles the signs of the vectors.

    If `signed`, they must be NumPy's, and its own LAPACK is the only one that has them.
    """

    def packed(x: Array) -> Array:
        w, v = np.linalg.eigh(x, "U" if upper else "L")
        return np.concatenate([w[..., None, :], v], -2)

    return by_matrix(packed, (*a.shape[:-2], a.shape[-1] + 1, a.shape[-1]), a)


def _inverse_or_zero(x: Node) -> Node:
    at_zero = call("eq", x, 0.0)
    return select(at_zero, 0.0, call("div", full_like(x, 1.0), select(at_zero, 1.0, x)))


def _gaps(w: Node, square: bool = False) -> Node:
    """1/(wⱼ - wᵢ), or of the squares; 0 where they are equal."""
    n = w.shape[-1]
    shape = (*w.shape, n)
    wi = broadcast(w, shape, tuple(range(w.ndim)))
    wj = broadcast(w, shape, (*range(w.ndim - 1), w.ndim))
    gap = sub(wj, wi)
    return _inverse_or_zero(mul(gap, add(wj, wi)) if square else gap)


def _eigh_parts(x: Node) -> tuple[Node, Node]:
    n = int(x.shape[-1])  # type: ignore[arg-type]
    return row_of(x, 0), rows(x, 1, n + 1)


def _eigh_vjp(g: Node, node: Node) -> list[Node | None]:
    (w, v), (gw, gv) = _eigh_parts(node), _eigh_parts(g)
    inner = add(from_diagonal(gw), mul(_gaps(w), matmul(mt(v), gv)))
    back = matmul(matmul(v, inner), mt(v))
    return [mul(add(back, mt(back)), 0.5)]


def _eigh_jvp(tangents: list[Node | None], node: Node) -> Node:
    w, v = _eigh_parts(node)
    (da,) = tangents
    assert da is not None
    inner = matmul(matmul(mt(v), mul(add(da, mt(da)), 0.5)), v)
    dw = diagonal(inner)
    dv = matmul(v, mul(_gaps(w), inner))
    return concatenate([reshape(dw, (*dw.shape[:-1], 1, dw.shape[-1])), dv], node.ndim - 2)


EIGH = declare_matrices("eigh", _eigh_type, _eigh_meaning, _eigh_vjp, _eigh_jvp)


# --- singular values, pseudo-inverse ------------------------------------------------------------


def _svd_type(args: tuple[Node, ...], _attrs: Mapping[str, Any]) -> Typed:
    m, n = order_of(args[0])
    if m < n:
        raise InternalError("svd needs at least as many rows as columns")
    return (*args[0].shape[:-2], m + 1 + n, n), args[0].dtype


def _svd_meaning(a: Array, *, turned: bool = False, signed: bool = False) -> Array:
    """If `turned`, with the signs that the transposed matrices are decomposed with."""

    def packed(x: Array) -> Array:
        u, s, vt = np.linalg.svd(np.swapaxes(x, -1, -2) if turned else x, full_matrices=False)
        if turned:
            u, vt = np.swapaxes(vt, -1, -2), np.swapaxes(u, -1, -2)
        return np.concatenate([u, s[..., None, :], vt], -2)

    m, n = a.shape[-2:]
    return by_matrix(packed, (*a.shape[:-2], m + 1 + n, n), a)


def _svd_parts(x: Node, m: int) -> tuple[Node, Node, Node]:
    """U, the singular values, Vᵀ."""
    n = int(x.shape[-1])  # type: ignore[arg-type]
    return rows(x, 0, m), row_of(x, m), rows(x, m + 1, m + 1 + n)


def _svd_vjp(g: Node, node: Node) -> list[Node | None]:
    m, n = order_of(node.args[0])
    u, s, vt = _svd_parts(node, m)
    gu, gs, gvt = _svd_parts(g, m)
    gaps = _gaps(s, square=True)
    left = mul(gaps, matmul(mt(u), gu))
    right = mul(gaps, matmul(vt, mt(gvt)))
    inner = add(
        from_diagonal(gs),
        add(scale_columns(add(left, mt(left)), s), scale_rows(s, add(right, mt(right)))),
    )
    back = matmul(u, inner)
    if m > n:
        scaled = scale_columns(gu, _inverse_or_zero(s))
        back = add(back, sub(scaled, matmul(u, matmul(mt(u), scaled))))
    return [matmul(back, vt)]


def _svd_jvp(tangents: list[Node | None], node: Node) -> Node:
    m, n = order_of(node.args[0])
    u, s, vt = _svd_parts(node, m)
    (da,) = tangents
    assert da is not None
    turned = matmul(da, mt(vt))
    inner = matmul(mt(u), turned)
    gaps = _gaps(s, square=True)
    ds = diagonal(inner)
    du = matmul(u, mul(gaps, add(scale_columns(inner, s), scale_rows(s, mt(inner)))))
    if m > n:
        outside = sub(turned, matmul(u, inner))
        du = add(du, scale_columns(outside, _inverse_or_zero(s)))
    dv = matmul(mt(vt), mul(gaps, add(scale_rows(s, inner), scale_columns(mt(inner), s))))
    middle = reshape(ds, (*ds.shape[:-1], 1, ds.shape[-1]))
    return concatenate([du, middle, mt(dv)], node.ndim - 2)


SVD = declare_matrices("svd", _svd_type, _svd_meaning, _svd_vjp, _svd_jvp)


def _pinv_type(args: tuple[Node, ...], _attrs: Mapping[str, Any]) -> Typed:
    m, n = order_of(args[0])
    return (*args[0].shape[:-2], n, m), args[0].dtype


def _pinv_meaning(a: Array, *, rcond: float) -> Array:
    shape = (*a.shape[:-2], a.shape[-1], a.shape[-2])
    return by_matrix(lambda x: np.linalg.pinv(x, rcond), shape, a)


def _pinv_vjp(g: Node, node: Node) -> list[Node | None]:
    a, p = node.args[0], node
    m, n = order_of(a)
    back = neg(matmul(matmul(mt(p), g), mt(p)))
    if m > n:  # what lies outside of the columns' span
        inner = matmul(mt(g), matmul(p, mt(p)))
        back = add(back, sub(inner, matmul(a, matmul(p, inner))))
    if m < n:
        inner = matmul(matmul(mt(p), p), mt(g))
        back = add(back, sub(inner, matmul(matmul(inner, p), a)))
    return [back]


def _pinv_jvp(tangents: list[Node | None], node: Node) -> Node:
    a, p = node.args[0], node
    m, n = order_of(a)
    (da,) = tangents
    assert da is not None
    moved = neg(matmul(matmul(p, da), p))
    if m > n:
        inner = matmul(matmul(p, mt(p)), mt(da))
        moved = add(moved, sub(inner, matmul(matmul(inner, a), p)))
    if m < n:
        inner = matmul(mt(da), matmul(mt(p), p))
        moved = add(moved, sub(inner, matmul(p, matmul(a, inner))))
    return moved


PINV = declare_matrices("pinv", _pinv_type, _pinv_meaning, _pinv_vjp, _pinv_jvp)


# --- QR -----------------------------------------------------------------------------------------


def _qr_type(args: tuple[Node, ...], _attrs: Mapping[str, Any]) -> Typed:
    m, n = order_of(args[0])
    if m < n:
        raise InternalError("qr needs at least as many rows as columns")
    return (*args[0].shape[:-2], m + n, n), args[0].dtype


def _qr_meaning(a: Array) -> Array:
    q, r = np.linalg.qr(a)
    return np.concatenate([q, r], -2)


def _qr_parts(x: Node, m: int) -> tuple[Node, Node]:
    n = int(x.shape[-1])  # type: ignore[arg-type]
    return rows(x, 0, m), rows(x, m, m + n)


def _full_rank(r: Node, m: int) -> Node:
    """R, with 0 for what stands on its diagonal by rounding alone: nothing is divided by that."""
    size, n, last = call("abs", r), order_of(r)[0], r.ndim - 2
    across = tuple(i for i in range(r.ndim) if i != last)
    largest = broadcast(reduce_max(size, (last,)), r.shape, across)
    lost = call("le", size, mul(largest, m * float(np.finfo(r.dtype).eps)))
    return select(call("and", lost, spread(np.eye(n, dtype=bool), r)), 0.0, r)


def _lower_copied(x: Node) -> Node:
    """The lower triangle, and the same mirrored above it."""
    n = order_of(x)[0]
    below = masked(x, np.tri(n, k=-1, dtype=bool))
    return add(masked(x, triangle(n, True)), mt(below))


def _over_r(x: Node, r: Node, transposed: bool = False) -> Node:
    """x R⁻¹, or x R⁻ᵀ."""
    return mt(triangular_solve(r, mt(x), lower=False, transposed=not transposed))


def _qr_vjp(g: Node, node: Node) -> list[Node | None]:
    m, n = order_of(node.args[0])
    (q, r), (gq, gr) = _qr_parts(node, m), _qr_parts(g, m)
    gr = masked(gr, triangle(n, False))
    inner = sub(matmul(r, mt(gr)), matmul(mt(gq), q))
    moved = add(gq, matmul(q, _lower_copied(inner)))
    return [_over_r(moved, _full_rank(r, m), transposed=True)]


def _qr_jvp(tangents: list[Node | None], node: Node) -> Node:
    m, n = order_of(node.args[0])
    q, r = _qr_parts(node, m)
    (da,) = tangents
    assert da is not None
    moved = _over_r(da, _full_rank(r, m))
    inner = matmul(mt(q), moved)
    below = masked(inner, np.tri(n, k=-1, dtype=bool))
    turned = sub(below, mt(below))
    dq = add(matmul(q, turned), sub(moved, matmul(q, inner)))
    dr = matmul(masked(sub(inner, turned), triangle(n, False)), r)
    return concatenate([dq, dr], node.ndim - 2)


QR = declare_matrices("qr", _qr_type, _qr_meaning, _qr_vjp, _qr_jvp)
