"""numpy.linalg: systems of equations, factorisations, determinants, least squares.

What NumPy answers with LinAlgError is NaN here, as a compiled program has no exceptions: the
inverse of an exactly singular matrix, the Cholesky factor of one that is not positive definite.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from descend.errors import NotCoveredError, TraceError, UsageError
from descend.graph.determinant import DET, SLOGDET
from descend.graph.elementwise import add, call, cast, mul, neg, sub
from descend.graph.linear import reduce_sum, reshape, zeros
from descend.graph.linear_algebra import cholesky, inverse, solve
from descend.graph.matrices import (
    columns,
    eye_like,
    masked,
    matmul,
    mt,
    number_of,
    order_of,
    row_of,
    rows,
)
from descend.graph.node import Node, Shape
from descend.graph.spectral import EIGH, PINV, QR, SVD
from descend.trace.context import note, where
from descend.trace.operands import deliver, float_node, joined_nodes
from descend.trace.operators import elementwise
from descend.trace.table import covers, implementation
from descend.trace.tables.shape import tensor_of
from descend.trace.tensor import is_traced, without_stand_ins, wrap
from descend.trace.typing_rules import broadcast_shapes, shape_text, to_shape
from descend.trace.ufunc_rules import RULES

__all__ = ["matrices", "singular_values"]

LINALG = "numpy.linalg"
_AS_POLYNOMIAL = 3
_SINGULAR = "NaN where a matrix is singular"


# --- arguments and results ----------------------------------------------------------------------


def _floats(name: str, node: Node) -> Node:
    if node.dtype == np.float16:
        raise TraceError(
            f"np.linalg.{name}: array type float16 is unsupported in linalg",
            where=where(),
            remedy="compute in float32 or float64",
        )
    return float_node(wrap(node))


def matrices(name: str, value: Any, square: bool = False) -> Node:
    """An argument as matrices of floats; raises NumPy's errors with the user's line."""
    x = _floats(name, tensor_of(value).node)
    if x.ndim < 2:
        raise UsageError(
            f"np.linalg.{name}: {x.ndim}-dimensional array given. Array must be at least "
            "two-dimensional",
            where=where(),
        )
    m, n = order_of(x)
    if square and m != n:
        raise UsageError(
            f"np.linalg.{name}: last 2 dimensions of the array must be square, not "
            f"{shape_text(x.shape[-2:])}",
            where=where(),
        )
    return x


@functools.cache
def _result_type(name: str, *arguments: Any) -> Any:
    """The named tuple in which NumPy gives several results."""
    return type(getattr(np.linalg, name)(np.eye(1), *arguments))


def _named(kind: Any, *nodes: Node) -> Any:
    return kind(*(wrap(note(n)) for n in nodes))


def _symmetric(x: Node, upper: bool) -> Node:
    """The symmetric matrices of which one triangle is given: NumPy reads no more."""
    x = mt(x) if upper else x
    n = order_of(x)[0]
    low, below = masked(x, np.tri(n, dtype=bool)), masked(x, np.tri(n, k=-1, dtype=bool))
    return add(low, mt(below))


def _leading_alike(a: Node, b: Node) -> tuple[Node, Node]:
    """Two stacks of matrices with their leading axes broadcast together."""
    lead = broadcast_shapes([a.shape[:-2], b.shape[:-2]])
    return tuple(to_shape(n, (*lead, *n.shape[-2:])) for n in (a, b))  # type: ignore[return-value]


# --- systems of equations -----------------------------------------------------------------------


@covers("solve", module=LINALG, remark=_SINGULAR)
def _solve(a: Any, b: Any) -> Any:
    x, y = joined_nodes((a, b))
    x, y = matrices("solve", wrap(x), square=True), _floats("solve", y)
    vector = y.ndim == 1
    y = reshape(y, (*y.shape, 1)) if vector else y
    if y.ndim < 2 or y.shape[-2] != x.shape[-1]:
        raise UsageError(
            f"np.linalg.solve: the right-hand side has the shape {shape_text(y.shape)}, the "
            f"matrix {shape_text(x.shape)}",
            where=where(),
        )
    found = solve(*_leading_alike(x, y))
    return deliver(reshape(found, found.shape[:-1]) if vector else found)


@covers("inv", module=LINALG, remark=_SINGULAR)
def _inv(a: Any) -> Any:
    return deliver(inverse(matrices("inv", a, square=True)))


@covers("tensorinv", module=LINALG, remark=_SINGULAR)
def _tensorinv(a: Any, ind: int = 2) -> Any:
    x = tensor_of(a)
    if ind <= 0:
        raise UsageError("np.linalg.tensorinv: Invalid ind argument.", where=where())
    shape = (*x.shape[ind:], *x.shape[:ind])
    return _inv(x.reshape(math.prod(x.shape[:ind]), -1)).reshape(shape)


@covers("tensorsolve", module=LINALG, remark=_SINGULAR)
def _tensorsolve(a: Any, b: Any, axes: Any = None) -> Any:
    x, y = tensor_of(a), tensor_of(b)
    if axes is not None:
        moved = [i % x.ndim for i in axes]
        x = x.transpose(*(i for i in range(x.ndim) if i not in moved), *moved)
    shape = x.shape[y.ndim - x.ndim :] if y.ndim < x.ndim else ()
    return _solve(x.reshape(math.prod(shape), -1), y.reshape(-1)).reshape(shape)


@covers("pinv", module=LINALG, remark="rcond of known value; the rank is taken to stay the same")
def _pinv(a: Any, rcond: Any = None, hermitian: bool = False, *, rtol: Any = False) -> Any:
    x = matrices("pinv", a, square=hermitian)
    x = _symmetric(x, False) if hermitian else x
    if rcond is None:
        m, n = order_of(x)
        own = max(m, n) * np.finfo(x.dtype).eps
        rcond = 1e-15 if rtol is False else own if rtol is None else rtol
    return deliver(PINV.apply(x, rcond=_known_number("pinv", rcond)))


def _known_number(name: str, value: Any) -> float:
    if is_traced(value) or np.ndim(value):
        raise NotCoveredError(
            f"np.linalg.{name}: the cutoff must be one known number", where=where()
        )
    return float(without_stand_ins(value))


@covers("lstsq", module=LINALG, remark="residuals as if the columns were independent")
def _lstsq(a: Any, b: Any, rcond: Any = None) -> Any:
    x, y = joined_nodes((a, b))
    x, y = matrices("lstsq", wrap(x)), _floats("lstsq", y)
    m, n = order_of(x)
    vector = y.ndim == 1
    y = reshape(y, (*y.shape, 1)) if vector else y
    if x.ndim != 2 or y.ndim != 2 or y.shape[0] != m:
        raise UsageError(
            f"np.linalg.lstsq: shapes {shape_text(x.shape)} and {shape_text(y.shape)}",
            where=where(),
        )
    eps = float(np.finfo(x.dtype).eps)
    cutoff = max(m, n) * eps if rcond is None else _known_number("lstsq", rcond)
    cutoff = eps if cutoff < 0 else cutoff
    found = matmul(PINV.apply(x, rcond=cutoff), y)
    off = sub(y, matmul(x, found))
    rest = reduce_sum(mul(off, off), (0,)) if m > n else zeros((0,), x.dtype)
    values = singular_values(x)
    rank = cast(_rank(values, cutoff), np.int32)
    result = reshape(found, (n,)) if vector else found
    return tuple(wrap(note(v)) for v in (result, rest, rank, values))


def _rank(values: Node, cutoff: float) -> Node:
    """How many singular values are not negligible beside the largest."""
    largest = implementation("numpy.max")(wrap(values), axis=-1, keepdims=True)
    counted = wrap(values) > largest * cutoff
    count: Node = implementation("numpy.sum")(counted, axis=-1).node
    return count


# --- factorisations -----------------------------------------------------------------------------


@covers("cholesky", module=LINALG, remark="NaN where a matrix is not positive definite")
def _cholesky(a: Any, /, *, upper: bool = False) -> Any:
    x = matrices("cholesky", a, square=True)
    lower = cholesky(_symmetric(x, upper))
    return deliver(mt(lower) if upper else lower)


@covers("qr", module=LINALG, remark="modes reduced and r; complete where it is the same")
def _qr(a: Any, mode: str = "reduced") -> Any:
    x = matrices("qr", a)
    m, n = order_of(x)
    if mode not in ("reduced", "r", "complete") or (mode == "complete" and m > n):
        raise NotCoveredError(
            f"np.linalg.qr with mode={mode!r} is not covered for {m} rows and {n} columns",
            where=where(),
            remedy="use mode='reduced'",
        )
    k = min(m, n)
    packed = QR.apply(columns(x, 0, k))
    q, r = rows(packed, 0, m), rows(packed, m, m + k)
    if m < n:
        right = matmul(mt(q), columns(x, k, n))
        r = implementation("numpy.concatenate")([wrap(r), wrap(right)], -1).node
    return deliver(r) if mode == "r" else _named(_result_type("qr"), q, r)


@covers("eigh", module=LINALG, remark="float32 by the interpreter, for NumPy's signs")
def _eigh(a: Any, UPLO: str = "L") -> Any:
    return _named(_result_type("eigh"), *_eigen("eigh", a, UPLO, vectors=True))


@covers("eigvalsh", module=LINALG)
def _eigvalsh(a: Any, UPLO: str = "L") -> Any:
    return deliver(_eigen("eigvalsh", a, UPLO)[0])


def _signed(x: Node, vectors: bool) -> bool:
    """Whether the vectors' signs must be NumPy's own: in float32 no other LAPACK has them."""
    return vectors and x.dtype == np.float32


def _eigen(name: str, a: Any, half: str, vectors: bool = False) -> tuple[Node, Node]:
    if half.upper() not in ("L", "U"):
        raise UsageError(f"np.linalg.{name}: UPLO argument must be 'L' or 'U'", where=where())
    x = matrices(name, a, square=True)
    upper = half.upper() == "U"
    packed = EIGH.apply(_symmetric(x, upper), upper=upper, signed=_signed(x, vectors))
    return row_of(packed, 0), rows(packed, 1, order_of(x)[0] + 1)


def _singular(x: Node, vectors: bool = False) -> tuple[Node, Node, Node]:
    """U, singular values and Vᵀ, without what full_matrices adds."""
    m, n = order_of(x)
    signed = _signed(x, vectors)
    if m < n:
        v, s, ut = _singular_parts(SVD.apply(mt(x), turned=True, signed=signed), n, m)
        return mt(ut), s, mt(v)
    return _singular_parts(SVD.apply(x, turned=False, signed=signed), m, n)


def _singular_parts(packed: Node, m: int, n: int) -> tuple[Node, Node, Node]:
    return rows(packed, 0, m), row_of(packed, m), rows(packed, m + 1, m + 1 + n)


def _hermitian(x: Node) -> tuple[Any, Any, Any]:
    """The same of symmetric matrices by their eigenvectors, as NumPy does it."""
    take = implementation("numpy.take_along_axis")
    w, v = (wrap(part) for part in _eigen("svd", wrap(x), "L", vectors=True))
    order = implementation("numpy.argsort")(abs(w), -1)[..., ::-1]
    w, v = take(w, order, -1), take(v, order[..., None, :], -1)
    sign = elementwise(RULES["sign"], (w,))
    return v, abs(w), (v * sign[..., None, :]).swapaxes(-1, -2)


def singular_values(x: Node) -> Node:
    """The singular values of matrices, the largest first."""
    return _singular(x)[1]


@covers("svd", module=LINALG, remark="not square: with full_matrices=False; float32 as eigh")
def _svd(
    a: Any, full_matrices: bool = True, compute_uv: bool = True, hermitian: bool = False
) -> Any:
    x = matrices("svd", a, square=hermitian)
    x = _symmetric(x, False) if hermitian else x
    m, n = order_of(x)
    if not compute_uv:
        return deliver(singular_values(x))
    if full_matrices and m != n:
        raise NotCoveredError(
            "np.linalg.svd: the further columns of full_matrices=True are arbitrary, and have no "
            "derivative",
            where=where(),
            remedy="use full_matrices=False",
        )
    parts = [p.node for p in _hermitian(x)] if hermitian else _singular(x, vectors=True)
    return _named(_result_type("svd"), *parts)


@covers("svdvals", module=LINALG)
def _svdvals(x: Any, /) -> Any:
    return deliver(singular_values(matrices("svdvals", x)))


# --- numbers of a matrix ------------------------------------------------------------------------


def _minor(cells: Sequence[Sequence[Node]]) -> Node:
    """A determinant of up to 3 rows as the polynomial that it is."""
    if len(cells) == 1:
        return cells[0][0]
    total: Node | None = None
    for j, head in enumerate(cells[0]):
        rest = [[*line[:j], *line[j + 1 :]] for line in cells[1:]]
        term = mul(head, _minor(rest))
        term = neg(term) if j % 2 else term
        total = term if total is None else add(total, term)
    assert total is not None
    return total


@covers("det", module=LINALG)
def _det(a: Any) -> Any:
    x = matrices("det", a, square=True)
    n = order_of(x)[0]
    if not 0 < n <= _AS_POLYNOMIAL:
        return deliver(DET.apply(x))
    lines = [row_of(x, i) for i in range(n)]
    return deliver(_minor([[number_of(line, j) for j in range(n)] for line in lines]))


@covers("slogdet", module=LINALG)
def _slogdet(a: Any) -> Any:
    packed = SLOGDET.apply(matrices("slogdet", a, square=True))
    sign = call("stop_gradient", number_of(packed, 0))
    return _named(_result_type("slogdet"), sign, number_of(packed, 1))


@covers("cond", module=LINALG)
def _cond(x: Any, p: Any = None) -> Any:
    a = matrices("cond", x)
    if p is None or p in (2, -2):
        s = singular_values(a)
        n = int(s.shape[-1])  # type: ignore[arg-type]
        first, last = number_of(s, 0), number_of(s, n - 1)
        return deliver(call("div", last, first) if p == -2 else call("div", first, last))
    norm = implementation("numpy.linalg.norm")
    size = norm(wrap(a), p, (-2, -1))
    return size * norm(_inv(wrap(a)), p, (-2, -1))


@covers("matrix_rank", module=LINALG, remark="a number of data's own: it has no derivative")
def _matrix_rank(A: Any, tol: Any = None, hermitian: bool = False, *, rtol: Any = None) -> Any:
    if tensor_of(A).ndim < 2:
        return implementation("numpy.any")(tensor_of(A) != 0).astype(np.int64)
    x = matrices("matrix_rank", A, square=hermitian)
    x = _symmetric(x, False) if hermitian else x
    m, n = order_of(x)
    values = singular_values(x)
    if tol is not None:
        bound = tensor_of(tol)
        bound = bound.reshape(*bound.shape, 1)
        return implementation("numpy.sum")(wrap(values) > bound, axis=-1)
    own = max(m, n) * float(np.finfo(x.dtype).eps)
    cutoff = own if rtol is None else _known_number("matrix_rank", rtol)
    return deliver(_rank(values, cutoff))


# --- products -----------------------------------------------------------------------------------


@covers("multi_dot", module=LINALG)
def _multi_dot(arrays: Any, *, out: Any = None) -> Any:
    """In the order of fewest multiplications (Cormen et al., Introduction to Algorithms)."""
    parts = [tensor_of(a) for a in arrays]
    if len(parts) < 2:
        raise UsageError("np.linalg.multi_dot expects at least two arrays", where=where())
    first, last = parts[0].ndim == 1, parts[-1].ndim == 1
    parts[0] = parts[0].reshape(1, -1) if first else parts[0]
    parts[-1] = parts[-1].reshape(-1, 1) if last else parts[-1]
    sizes: Shape = (parts[0].extents[0], *(p.extents[1] for p in parts))
    product = _chained(parts, _splits(sizes), 0, len(parts) - 1)
    shape = (*(() if first else sizes[:1]), *(() if last else sizes[-1:]))
    return deliver(reshape(product.node, shape), out)


def _splits(sizes: Shape) -> dict[tuple[int, int], int]:
    """Where to cut each stretch of the chain; the number of rows counts as many."""
    extent = [n if isinstance(n, int) else 10**6 for n in sizes]
    count = len(extent) - 1
    cost: dict[tuple[int, int], int] = {(i, i): 0 for i in range(count)}
    cuts: dict[tuple[int, int], int] = {}
    for length in range(1, count):
        for i in range(count - length):
            j = i + length
            prices = {
                k: cost[i, k] + cost[k + 1, j] + extent[i] * extent[k + 1] * extent[j + 1]
                for k in range(i, j)
            }
            cuts[i, j] = min(prices, key=prices.__getitem__)
            cost[i, j] = prices[cuts[i, j]]
    return cuts


def _chained(parts: list[Any], cuts: dict[tuple[int, int], int], i: int, j: int) -> Any:
    if i == j:
        return parts[i]
    k = cuts[i, j]
    left, right = _chained(parts, cuts, i, k), _chained(parts, cuts, k + 1, j)
    return implementation("numpy.matmul")(left, right)


@covers("matrix_power", module=LINALG)
def _matrix_power(a: Any, n: Any) -> Any:
    x, times = tensor_of(a), int(n.__index__())
    if times < 0:
        x, times = _inv(x), -times
    if times == 0:
        return wrap(note(cast(eye_like(x.node), x.dtype)))
    result = None
    while times:
        if times % 2:
            result = x if result is None else implementation("numpy.matmul")(result, x)
        times //= 2
        x = implementation("numpy.matmul")(x, x) if times else x
    return result


for _name in ("matmul", "tensordot"):

    @covers(_name, module="numpy.linalg")
    def _same_name(*args: Any, _name: str = _name, **kwargs: Any) -> Any:
        return implementation(f"numpy.{_name}")(*args, **kwargs)


@covers("vecdot", module=LINALG)
def _vecdot(x1: Any, x2: Any, /, *, axis: int = -1) -> Any:
    return implementation("numpy.vecdot")(x1, x2, axis=axis)


@covers("cross", module=LINALG)
def _cross(x1: Any, x2: Any, /, *, axis: int = -1) -> Any:
    return implementation("numpy.cross")(x1, x2, axis=axis)


@covers("outer", module=LINALG)
def _outer(x1: Any, x2: Any, /) -> Any:
    first, second = tensor_of(x1), tensor_of(x2)
    if first.ndim != 1 or second.ndim != 1:
        raise UsageError(
            "np.linalg.outer: input arrays must be one-dimensional, but they are "
            f"{first.ndim}-dimensional and {second.ndim}-dimensional",
            where=where(),
            remedy="np.outer flattens them",
        )
    return implementation("numpy.outer")(first, second)


@covers("trace", module=LINALG)
def _trace(x: Any, /, *, offset: int = 0, dtype: Any = None) -> Any:
    """Of the last two axes; np.trace takes the first two."""
    return implementation("numpy.trace")(x, offset, -2, -1, dtype)


@covers("diagonal", module=LINALG)
def _diagonal(x: Any, /, *, offset: int = 0) -> Any:
    """Of the last two axes; np.diagonal takes the first two."""
    return implementation("numpy.diagonal")(x, offset, -2, -1)


@covers("matrix_transpose", module="numpy.linalg", views=True)
def _linalg_transpose(x: Any, /) -> Any:
    return implementation("numpy.matrix_transpose")(x)
