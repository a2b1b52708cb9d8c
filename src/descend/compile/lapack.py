"""What native code makes of linear algebra: elements written out if few, else calls of LAPACK.

Matrices of up to 4 rows are eliminated element by element, over all leading axes at once: this
fuses with what stands around it. Larger ones go to LAPACK, whose matrices are stored by columns:
what lies in memory row by row is the transposed matrix to it. The nodes made here are native only:
they have no derivative, as they come after differentiation.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from descend.compile.native import NotNative
from descend.compile.unrolled import (
    cholesky_elements,
    elements,
    eliminated,
    solved,
    stacked,
    triangular_elements,
)
from descend.errors import InternalError
from descend.graph.elementwise import add, call, full_like, mul, select, sub
from descend.graph.linear import broadcast, concatenate, reduce_sum, reshape, zeros
from descend.graph.matrices import (
    diagonal,
    from_diagonal,
    masked,
    matmul,
    mt,
    number_of,
    order_of,
    row_of,
    rows,
    scale_columns,
    scale_rows,
    spread,
)
from descend.graph.node import Node, Primitive, Typed, apart, sizes
from descend.graph.selection import reduce_max
from descend.graph.source import iota

__all__ = ["LAPACK_RULES", "UNROLLED", "workspace"]

UNROLLED = 4
INT = np.dtype(np.int32)


# --- native nodes -------------------------------------------------------------------------------


def _native(name: str, infer: Callable[..., Typed]) -> Primitive:
    def unused(*_args: Any, **_attrs: Any) -> Any:
        raise InternalError(f"{name} is native only")

    rules = (infer, unused, unused, unused, unused)
    return Primitive(name, "opaque", "lapack", False, *rules, mixes=apart)


def _like(which: int) -> Callable[..., Typed]:
    return lambda args, attrs: (args[which].shape, args[which].dtype)


def _higher(more: Callable[[int, int], int]) -> Callable[..., Typed]:
    """Matrices with more rows, of as many columns as the smaller side of the argument has."""

    def infer(args: tuple[Node, ...], _attrs: Mapping[str, Any]) -> Typed:
        x = args[0]
        m, n = order_of(x)
        return (*x.shape[:-2], more(m, n), min(m, n)), x.dtype

    return infer


GETRF = _native("getrf", _higher(lambda m, n: n + 1))
GETRS = _native("getrs", _like(1))
TRTRS = _native("trtrs", _like(1))
POTRF = _native("potrf", _like(0))
SYEVD = _native("syevd", _higher(lambda m, n: n + 1))
GESDD = _native("gesdd", _higher(lambda m, n: m + 1 + n))
GEQRF = _native("geqrf", _higher(lambda m, n: m + n))


def workspace(node: Node) -> list[tuple[tuple[int, ...], np.dtype[Any]]]:
    """The arrays that a native node needs beside its arguments and its result."""
    name, dtype = node.op.name, node.dtype
    m, n = sizes(node.args[0].shape[-2:])
    if name == "getrf":
        return [((n,), INT)]
    if name == "getrs":
        return [((n,), INT)]
    if name == "trtrs":
        return [((n, n), dtype)]
    if name == "syevd":
        return [((1 + 6 * n + 2 * n * n,), dtype), ((3 + 5 * n,), INT)]
    if name == "gesdd":
        k = min(m, n)
        size = 4 * k * k + 7 * k + 64 * (m + n)
        sides = [((m, n), dtype), ((k, k), dtype)]
        sides = sides[::-1] if node.attrs["turned"] else sides
        return [((m, n), dtype), *sides, ((size,), dtype), ((8 * k,), INT)]
    if name == "geqrf":  # its argument has the columns of the matrix as rows
        return [((m, n), dtype), ((m,), dtype), ((64 * m,), dtype)]
    return []


# --- primitives in native terms -----------------------------------------------------------------


def _of_numpys_signs(node: Node) -> None:
    """In float32 NumPy's LAPACK and SciPy's, which native code calls, give different signs."""
    if node.attrs.get("signed"):
        raise NotNative("the signs of eigenvectors and singular vectors in float32")


def _in_memory(*nodes: Node) -> None:
    if nodes[0].dtype not in (np.float64, np.float32):
        raise NotNative(f"linear algebra in {nodes[0].dtype}")


def _solve(node: Node) -> Node:
    a, b = node.args
    transposed = node.attrs["transposed"]
    if order_of(a)[0] <= UNROLLED:
        found = solved(*eliminated(elements(a)), elements(b), transposed)
        return stacked(found, b.shape)
    _in_memory(a)
    return mt(GETRS.apply(GETRF.apply(a), mt(b), transposed=transposed))


def _triangular(node: Node) -> Node:
    t, b = node.args
    lower, transposed = node.attrs["lower"], node.attrs["transposed"]
    if order_of(t)[0] <= UNROLLED:
        found = triangular_elements(elements(t), elements(b), lower, transposed)
        return stacked(found, b.shape)
    _in_memory(t)
    return mt(TRTRS.apply(t, mt(b), lower=lower, transposed=transposed))


def _cholesky(node: Node) -> Node:
    (a,) = node.args
    n = order_of(a)[0]
    if n <= UNROLLED:
        return stacked(cholesky_elements(elements(a)), a.shape)
    _in_memory(a)
    lower = masked(POTRF.apply(a), np.tri(n, dtype=bool))
    total = reduce_sum(mul(lower, 0.0), (a.ndim - 2, a.ndim - 1))  # NaN if there is one
    lost = broadcast(call("ne", total, total), a.shape, tuple(range(a.ndim - 2)))
    return select(lost, full_like(a, math.nan), lower)


def _pivots(a: Node) -> tuple[Node, Node]:
    """The diagonal of U in P A = L U, and 1 or -1 for each exchange of rows."""
    n = order_of(a)[0]
    if n <= UNROLLED:
        table, swaps = eliminated(elements(a))
        one = full_like(table[0][0], 1.0)
        signs = [select(s, -1.0, one) for _, _, s in swaps] or [one]
        return _vector([table[i][i] for i in range(n)]), _vector(signs)
    _in_memory(a)
    factored = GETRF.apply(a)
    pivots = row_of(factored, n)
    place = iota(pivots.shape, pivots.ndim - 1, pivots.dtype)
    one = full_like(pivots, 1.0)
    return diagonal(rows(factored, 0, n)), select(call("eq", pivots, place), one, -1.0)


def _vector(parts: Sequence[Node]) -> Node:
    wide = [reshape(p, (*p.shape, 1)) for p in parts]
    return concatenate(wide, wide[0].ndim - 1)


def _product(x: Node) -> Node:
    """The product along the last axis, by halves."""
    k = x.ndim - 1
    while int(x.shape[k]) > 1:  # type: ignore[arg-type]
        n = int(x.shape[k])  # type: ignore[arg-type]
        wide = reshape(x, (*x.shape[:k], n, 1))
        low, high = rows(wide, 0, n // 2), rows(wide, n // 2, 2 * (n // 2))
        halves = [mul(low, high), *([rows(wide, n - 1, n)] if n % 2 else [])]
        joined = concatenate(halves, k)
        x = reshape(joined, joined.shape[:-1])
    return reshape(x, x.shape[:k])


def _det(node: Node) -> Node:
    values, signs = _pivots(node.args[0])
    return mul(_product(values), _product(signs))


def _slogdet(node: Node) -> Node:
    values, signs = _pivots(node.args[0])
    logarithm = reduce_sum(call("log", call("abs", values)), (values.ndim - 1,))
    sign = mul(_product(call("sign", values)), _product(signs))
    return _vector([sign, logarithm])


def _eigh(node: Node) -> Node:
    (a,) = node.args
    n = order_of(a)[0]
    _in_memory(a)
    _of_numpys_signs(node)
    packed = SYEVD.apply(a, upper=node.attrs.get("upper", False))
    return concatenate([rows(packed, 0, 1), mt(rows(packed, 1, n + 1))], a.ndim - 2)


def _svd(node: Node) -> Node:
    _in_memory(*node.args)
    _of_numpys_signs(node)
    (a,) = node.args
    turned = node.attrs.get("turned", False)
    return GESDD.apply(a if turned else mt(a), turned=turned)


def _square_parts(a: Node) -> tuple[Node, Node, Node, Node]:
    """U, the singular values and Vᵀ of a square matrix, and det(U·Vᵀ)."""
    n = order_of(a)[0]
    _in_memory(a)
    packed = GESDD.apply(mt(a), turned=False)
    u, s, vt = rows(packed, 0, n), row_of(packed, n), rows(packed, n + 1, 2 * n + 1)
    values, signs = _pivots(matmul(u, vt))
    sign = mul(_product(values), _product(signs))
    return u, s, vt, broadcast(sign, u.shape, tuple(range(sign.ndim)))


def _without(s: Node, pairs: bool) -> Node:
    """The products of all singular values but the i-th, or but the i-th and j-th, as a matrix."""
    n = int(s.shape[-1])  # type: ignore[arg-type]
    shape = (*s.shape, n)
    product = full_like(broadcast(s, shape, tuple(range(s.ndim))), 1.0)
    for k in range(n):
        left = np.zeros((n, n), bool)
        left[k] = True
        left[:, k] |= pairs
        factor = broadcast(number_of(s, k), shape, tuple(range(s.ndim - 1)))
        product = mul(product, select(spread(left, product), 1.0, factor))
    return product


def _cofactors(node: Node) -> Node:
    u, s, vt, sign = _square_parts(node.args[0])
    return mul(sign, matmul(u, scale_rows(diagonal(_without(s, pairs=False)), vt)))


def _cofactors_along(node: Node) -> Node:
    a, k = node.args
    u, s, vt, sign = _square_parts(a)
    turned = matmul(matmul(mt(u), k), mt(vt))
    weights = masked(_without(s, pairs=True), ~np.eye(order_of(a)[0], dtype=bool))
    own = broadcast(diagonal(turned), weights.shape, (*range(s.ndim - 1), s.ndim))
    shares = reduce_sum(mul(weights, own), (s.ndim,))
    inside = call("sub", from_diagonal(shares), mul(weights, mt(turned)))
    return mul(sign, matmul(matmul(u, inside), vt))


def _pinv(node: Node) -> Node:
    (a,) = node.args
    m, n = order_of(a)
    _in_memory(a)
    if m < n:
        return mt(_pinv(node.op.apply(mt(a), **node.attrs)))
    packed = GESDD.apply(mt(a), turned=False)
    u, s, vt = rows(packed, 0, m), row_of(packed, m), rows(packed, m + 1, m + 1 + n)
    k = s.ndim - 1
    limit = mul(reduce_max(s, (k,)), node.attrs["rcond"])
    large = call("lt", broadcast(limit, s.shape, tuple(range(k))), s)
    shrunk = call("div", full_like(s, 1.0), select(large, s, 1.0))
    weights = add(select(large, shrunk, 0.0), sub(s, s))  # NaN stays NaN
    return matmul(scale_columns(mt(vt), weights), mt(u))


def _qr(node: Node) -> Node:
    _in_memory(*node.args)
    return GEQRF.apply(mt(node.args[0]))


def _unless_empty(rule: Callable[[Node], Node]) -> Callable[[Node], Node]:
    """The rule for matrices that have elements; of those without, the determinant is 1."""

    def whole(node: Node) -> Node:
        if 0 in node.shape:
            return zeros(node.shape, node.dtype)
        if 0 not in order_of(node.args[0]):
            return rule(node)
        if node.op.name == "slogdet":
            one = zeros((*node.shape[:-1], 1), node.dtype)
            return concatenate([full_like(one, 1.0), one], node.ndim - 1)
        return full_like(zeros(node.shape, node.dtype), 1.0)

    return whole


LAPACK_RULES: dict[str, Callable[[Node], Node]] = {
    name: _unless_empty(rule)
    for name, rule in {
        "solve": _solve,
        "triangular_solve": _triangular,
        "cholesky": _cholesky,
        "det": _det,
        "cofactors": _cofactors,
        "cofactors_along": _cofactors_along,
        "slogdet": _slogdet,
        "eigh": _eigh,
        "svd": _svd,
        "pinv": _pinv,
        "qr": _qr,
    }.items()
}
