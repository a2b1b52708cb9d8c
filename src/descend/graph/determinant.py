"""Determinants, and the matrix of cofactors that is their derivative, as primitives.

The derivative of a determinant is det(A)·A⁻ᵀ, which a singular matrix does not have; its matrix of
cofactors it has. From A = U·diag(s)·Vᵀ the cofactors are det(U·Vᵀ)·U·diag(p)·Vᵀ with pᵢ the
product of all singular values but sᵢ, and their derivative likewise has products of all but two:
nothing is divided (Golub and Van Loan, "Matrix Computations", 2013, section 2.1.2, for the
differential). Third derivatives are those of A⁻¹.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from descend.errors import InternalError
from descend.graph.elementwise import add, full_like, mul, sub
from descend.graph.linear import broadcast, concatenate, reshape
from descend.graph.linear_algebra import inverse
from descend.graph.matrices import (
    by_matrix,
    declare_matrices,
    matmul,
    mt,
    number_of,
    order_of_square,
    total_of,
)
from descend.graph.multilinear import contract
from descend.graph.node import Array, Node, Typed

__all__ = ["COFACTORS", "COFACTORS_ALONG", "DET", "SLOGDET"]


def _trace_product(a: Node, b: Node) -> Node:
    """Σ aᵢⱼ bᵢⱼ of each pair of matrices."""
    k = a.ndim - 2
    lead = tuple(range(k))
    return contract(a, b, (*lead, k, k + 1), (*lead, k, k + 1), lead)


def _scaled(g: Node, x: Node) -> Node:
    """Matrices times one number each."""
    return mul(broadcast(g, x.shape, tuple(range(g.ndim))), x)


def _det_type(args: tuple[Node, ...], _attrs: Mapping[str, Any]) -> Typed:
    order_of_square(args)
    return args[0].shape[:-2], args[0].dtype


def _det_vjp(g: Node, node: Node) -> list[Node | None]:
    return [_scaled(g, COFACTORS.apply(node.args[0]))]


def _det_jvp(tangents: list[Node | None], node: Node) -> Node:
    (da,) = tangents
    assert da is not None
    return _trace_product(COFACTORS.apply(node.args[0]), da)


DET = declare_matrices("det", _det_type, lambda a: np.asarray(np.linalg.det(a)), _det_vjp, _det_jvp)


# --- cofactors ----------------------------------------------------------------------------------


def _cofactors_type(args: tuple[Node, ...], _attrs: Mapping[str, Any]) -> Typed:
    order_of_square(args)
    if any(a.shape != args[0].shape or a.dtype != args[0].dtype for a in args):
        raise InternalError(f"cofactors of {args}")
    return args[0].shape, args[0].dtype


def _without(s: Array, pairs: bool) -> Array:
    """The products of all numbers but the i-th (and the j-th, of each pair)."""
    n = s.shape[-1]
    left = np.eye(n, dtype=bool)
    kept = left[:, :, None] | left[:, None, :] if pairs else left
    wide = s[..., :, None, None] if pairs else s[..., :, None]
    axis = -3 if pairs else -2
    return np.asarray(np.prod(np.where(kept, s.dtype.type(1), wide), axis=axis))


def _cofactors_meaning(a: Array) -> Array:
    def made(x: Array) -> Array:
        u, s, vt = np.linalg.svd(x)
        sign = np.linalg.det(u @ vt)[..., None, None]
        return np.asarray(sign * (u @ (_without(s, pairs=False)[..., :, None] * vt)))

    return by_matrix(made, a.shape, a)


def _along_meaning(a: Array, k: Array) -> Array:
    def made(x: Array, y: Array) -> Array:
        u, s, vt = np.linalg.svd(x)
        turned = np.swapaxes(u, -1, -2) @ y @ np.swapaxes(vt, -1, -2)
        weights = _without(s, pairs=True) * (1 - np.eye(s.shape[-1], dtype=s.dtype))
        inside = -weights * np.swapaxes(turned, -1, -2)
        shares = np.einsum("...ij,...jj->...i", weights, turned)
        inside = inside + shares[..., :, None] * np.eye(s.shape[-1], dtype=s.dtype)
        return np.asarray(np.linalg.det(u @ vt)[..., None, None] * (u @ inside @ vt))

    return by_matrix(made, a.shape, a, k)


def _cofactors_vjp(g: Node, node: Node) -> list[Node | None]:
    return [COFACTORS_ALONG.apply(node.args[0], g)]


def _cofactors_jvp(tangents: list[Node | None], node: Node) -> Node:
    (da,) = tangents
    assert da is not None
    return COFACTORS_ALONG.apply(node.args[0], da)


def _third(a: Node, k: Node, m: Node) -> Node:
    """The third derivative of det along two directions, as a matrix against the third."""
    p = inverse(a)
    pk, pm, pt = matmul(p, k), matmul(p, m), mt(p)
    along_k, along_m = (_trace_product(mt(p), x) for x in (k, m))
    both = sub(mul(along_k, along_m), _trace_product(mt(pk), pm))
    twice = add(mt(matmul(matmul(pk, pm), p)), mt(matmul(matmul(pm, pk), p)))
    once = add(
        _scaled(along_k, mt(matmul(pm, p))), _scaled(along_m, mt(matmul(pk, p)))
    )
    return _scaled(DET.apply(a), add(sub(_scaled(both, pt), once), twice))


def _along_vjp(g: Node, node: Node) -> list[Node | None]:
    a, k = node.args
    return [_third(a, k, g), node.op.apply(a, g)]


def _along_jvp(tangents: list[Node | None], node: Node) -> Node:
    (a, k), (da, dk) = node.args, tangents
    moved = None if da is None else _third(a, k, da)
    return total_of([moved, None if dk is None else node.op.apply(a, dk)])


COFACTORS = declare_matrices(
    "cofactors", _cofactors_type, _cofactors_meaning, _cofactors_vjp, _cofactors_jvp
)
COFACTORS_ALONG = declare_matrices(
    "cofactors_along", _cofactors_type, _along_meaning, _along_vjp, _along_jvp
)


# --- sign and logarithm -------------------------------------------------------------------------


def _slogdet_type(args: tuple[Node, ...], _attrs: Mapping[str, Any]) -> Typed:
    order_of_square(args)
    return (*args[0].shape[:-2], 2), args[0].dtype


def _slogdet_vjp(g: Node, node: Node) -> list[Node | None]:
    return [_scaled(number_of(g, 1), mt(inverse(node.args[0])))]


def _slogdet_jvp(tangents: list[Node | None], node: Node) -> Node:
    (da,) = tangents
    assert da is not None
    slope = _trace_product(mt(inverse(node.args[0])), da)
    parts = [reshape(v, (*v.shape, 1)) for v in (full_like(slope, 0.0), slope)]
    return concatenate(parts, slope.ndim)


SLOGDET = declare_matrices(
    "slogdet", _slogdet_type,
    lambda a: np.stack(np.linalg.slogdet(a), -1).astype(a.dtype), _slogdet_vjp, _slogdet_jvp,
    "a singular matrix",
)  # fmt: skip
