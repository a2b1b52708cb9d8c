"""Products of arrays: everything is a contraction of two operands."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from descend.errors import UsageError
from descend.graph.elementwise import call, select
from descend.graph.linear import broadcast, reduce_sum, transpose
from descend.graph.multilinear import contract
from descend.graph.node import Dim, Node, RowsAsked
from descend.graph.source import const
from descend.trace.context import where
from descend.trace.operands import deliver, joined_nodes
from descend.trace.regions import reshaped
from descend.trace.table import covers, implementation
from descend.trace.tables.shape import tensor_of
from descend.trace.tensor import wrap
from descend.trace.typing_rules import normal_axis, shape_text, to_shape

__all__ = ["einsum_nodes"]

Labels = tuple[int, ...]


# --- the general contraction --------------------------------------------------------------------


def _diagonal(x: Node, labels: Labels) -> tuple[Node, Labels]:
    """Labels that stand twice in one operand select a diagonal."""
    while len(set(labels)) < len(labels):
        label = next(i for i in labels if labels.count(i) > 1)
        i = labels.index(label)
        j = labels.index(label, i + 1)
        n, m = x.shape[i], x.shape[j]
        if n != m or isinstance(n, Dim):
            raise _sizes_differ(label, n, m)
        order = (i, j, *(k for k in range(x.ndim) if k not in (i, j)))
        x = transpose(x, order)
        mask = broadcast(const(np.eye(n, dtype=bool)), x.shape, (0, 1))
        x = reduce_sum(select(mask, x, 0), (1,))
        labels = (label, *(v for k, v in enumerate(labels) if k not in (i, j)))
    return x, labels


def _sizes_differ(label: int, n: Any, m: Any) -> Exception:
    for extent in (n, m):
        if isinstance(extent, Dim):
            return RowsAsked(extent, "a product over the rows")
    return UsageError(
        f"operands disagree on the size of index {chr(97 + label % 26)}: {n} and {m}",
        where=where(),
    )


def _without_units(x: Node, labels: Labels, extents: dict[int, Any]) -> tuple[Node, Labels]:
    """Axes of extent 1 that stand for a longer one elsewhere are dropped: they broadcast."""
    kept_axes = [i for i, v in enumerate(labels) if x.shape[i] == extents[v]]
    if len(kept_axes) == len(labels):
        return x, labels
    return (
        reshaped(x, tuple(x.shape[i] for i in kept_axes)),
        tuple(labels[i] for i in kept_axes),
    )


def _extents(nodes: Sequence[Node], labels: Sequence[Labels]) -> dict[int, Any]:
    extents: dict[int, Any] = {}
    for node, own in zip(nodes, labels, strict=True):
        for label, extent in zip(own, node.shape, strict=True):
            before = extents.get(label, 1)
            if before not in (1, extent) and extent != 1:
                raise _sizes_differ(label, before, extent)
            extents[label] = extent if before == 1 else before
    return extents


def _pair(a: Node, la: Labels, b: Node, lb: Labels, out: Labels) -> tuple[Node, Labels]:
    """Contract two operands; loose labels are summed first. Gives labels in `out`'s order."""
    alone_a = tuple(i for i, v in enumerate(la) if v not in lb and v not in out)
    alone_b = tuple(i for i, v in enumerate(lb) if v not in la and v not in out)
    a, la = reduce_sum(a, alone_a), tuple(v for i, v in enumerate(la) if i not in alone_a)
    b, lb = reduce_sum(b, alone_b), tuple(v for i, v in enumerate(lb) if i not in alone_b)
    lo = tuple(v for v in out if v in la or v in lb)
    if set(la) == set(lb) == set(lo):
        return call("mul", _ordered(a, la, lo), _ordered(b, lb, lo)), lo
    return contract(a, b, la, lb, lo), lo


def _ordered(x: Node, labels: Labels, wanted: Labels) -> Node:
    return transpose(x, tuple(labels.index(v) for v in wanted))


def einsum_nodes(nodes: Sequence[Node], labels: Sequence[Labels], out: Labels) -> Node:
    """The sum over all labels not in `out` of the product of the operands, left to right."""
    numbers = {v: i for i, v in enumerate(sorted({v for own in labels for v in own}))}
    labels = [tuple(numbers[v] for v in own) for own in labels]
    out = tuple(numbers[v] for v in out)
    extents = _extents(nodes, labels)
    operands = []
    for node, own in zip(nodes, labels, strict=True):
        x, own = _without_units(*_diagonal(node, own), extents)
        operands.append((x, own))
    result, held = operands[0]
    if len(operands) == 1:
        gone = tuple(i for i, v in enumerate(held) if v not in out)
        result = reduce_sum(result, gone)
        held = tuple(v for v in held if v in out)
    for i, (node, own) in enumerate(operands[1:], 1):
        later = {v for _, rest in operands[i + 1 :] for v in rest} | set(out)
        wanted = out if i == len(operands) - 1 else _unique((*held, *own), later)
        result, held = _pair(result, held, node, own, wanted)
    lacking = [v for v in out if v not in held]
    result = _ordered(result, held, tuple(v for v in out if v in held))
    if lacking:
        places = tuple(i for i, v in enumerate(out) if v in held)
        result = broadcast(result, tuple(extents[v] for v in out), places)
    return result


def _unique(labels: Labels, wanted: set[int]) -> Labels:
    return tuple(dict.fromkeys(v for v in labels if v in wanted))


# --- einsum -------------------------------------------------------------------------------------


@covers("einsum", remark="the operands are contracted from left to right")
def _einsum(*operands: Any, out: Any = None, dtype: Any = None, **_: Any) -> Any:
    if isinstance(operands[0], str):
        spec, arrays = operands[0].replace(" ", ""), operands[1:]
        nodes = joined_nodes(arrays, dtype)
        labels, result = _parsed(spec, [n.ndim for n in nodes])
    else:
        nodes = joined_nodes(operands[0 : len(operands) // 2 * 2 : 2], dtype)
        labels = [tuple(int(i) for i in v) for v in operands[1::2]]
        if len(operands) % 2:
            result = tuple(int(i) for i in operands[-1])
        else:
            result = _once([v for own in labels for v in own])
    for node, own in zip(nodes, labels, strict=True):
        if node.ndim != len(own):
            raise UsageError(
                f"einsum: an operand of shape {shape_text(node.shape)} has {len(own)} subscripts",
                where=where(),
            )
    return deliver(einsum_nodes(nodes, labels, result), out)


def _once(labels: Sequence[int]) -> Labels:
    return tuple(sorted(v for v in set(labels) if list(labels).count(v) == 1))


_ELLIPSIS = 1000


def _parsed(spec: str, ndims: Sequence[int]) -> tuple[list[Labels], Labels]:
    """`'...ij,jk->...ik'` as labels; the axes of an ellipsis are numbered from the right."""
    left, arrow, right = spec.partition("->")
    terms = left.split(",")
    if len(terms) != len(ndims):
        raise UsageError(
            f"einsum: {spec!r} has {len(terms)} operands, {len(ndims)} were given", where=where()
        )
    labels, most = [], 0
    for term, ndim in zip(terms, ndims, strict=True):
        count = max(0, ndim - len(term.replace("...", "")))
        most = max(most, count if "..." in term else 0)
        labels.append(_labels(term, count))
    if arrow:
        return labels, _labels(right, most)
    letters = _once([v for own in labels for v in own if v < _ELLIPSIS])
    return labels, (*_dots(most), *letters)


def _dots(count: int) -> Labels:
    return tuple(_ELLIPSIS + i for i in reversed(range(count)))


def _labels(term: str, count: int) -> Labels:
    before, dots, after = term.partition("...")
    middle = _dots(count) if dots else ()
    return (*(ord(c) for c in before), *middle, *(ord(c) for c in after))


# --- products by name ---------------------------------------------------------------------------


def _numbers(n: int, start: int = 0) -> Labels:
    return tuple(range(start, start + n))


def _no_scalar(name: str, *nodes: Node) -> None:
    if any(n.ndim == 0 for n in nodes):
        raise UsageError(
            f"{name}: an operand is a scalar", where=where(), remedy="use * for scalars"
        )


def _mismatch(name: str, a: Node, b: Node, i: int, j: int) -> None:
    n, m = a.shape[i], b.shape[j]
    if n == m:
        return
    for extent in (n, m):
        if isinstance(extent, Dim):
            raise RowsAsked(extent, f"{name} over the rows")
    raise UsageError(
        f"{name}: shapes {shape_text(a.shape)} and {shape_text(b.shape)} not aligned: "
        f"{n} (dim {i % a.ndim}) != {m} (dim {j % b.ndim})",
        where=where(),
        plain=True,
    )


@covers("matmul")
def _matmul(x1: Any, x2: Any, /, out: Any = None, **kwargs: Any) -> Any:
    a, b = joined_nodes((x1, x2), kwargs.get("dtype"))
    _no_scalar("matmul", a, b)
    _mismatch("matmul", a, b, -1, -2 if b.ndim > 1 else 0)
    batch = max(a.ndim, b.ndim, 2) - 2
    left, right, shared = 2000, 2001, 2002
    la = (*_dots(max(a.ndim - 2, 0)), *((left,) if a.ndim > 1 else ()), shared)
    lb = (*_dots(max(b.ndim - 2, 0)), shared, *((right,) if b.ndim > 1 else ()))
    lo = (
        *_dots(batch),
        *((left,) if a.ndim > 1 else ()),
        *((right,) if b.ndim > 1 else ()),
    )
    return deliver(einsum_nodes((a, b), (la, lb), lo), out)


@covers("dot")
def _dot(a: Any, b: Any, out: Any = None) -> Any:
    x, y = joined_nodes((a, b))
    if x.ndim == 0 or y.ndim == 0:
        shape = x.shape or y.shape
        return deliver(call("mul", to_shape(x, shape), to_shape(y, shape)), out)
    at = -2 if y.ndim > 1 else 0
    _mismatch("dot", x, y, -1, at)
    la = _numbers(x.ndim)
    lb = list(_numbers(y.ndim, x.ndim))
    lb[at] = la[-1]
    lo = (*la[:-1], *(v for v in lb if v != la[-1]))
    return deliver(einsum_nodes((x, y), (la, tuple(lb)), lo), out)


@covers("vdot")
def _vdot(a: Any, b: Any, /) -> Any:
    x, y = tensor_of(a), tensor_of(b)
    if x.ndim == y.ndim == 1:
        return _dot(x, y)
    return _dot(x.reshape(-1), y.reshape(-1))


@covers("inner")
def _inner(a: Any, b: Any, /) -> Any:
    x, y = joined_nodes((a, b))
    if x.ndim == 0 or y.ndim == 0:
        return _dot(wrap(x), wrap(y))
    _mismatch("inner", x, y, -1, -1)
    la = _numbers(x.ndim)
    lb = (*_numbers(y.ndim - 1, x.ndim), la[-1])
    return deliver(einsum_nodes((x, y), (la, lb), (*la[:-1], *lb[:-1])))


@covers("outer")
def _outer(a: Any, b: Any, out: Any = None) -> Any:
    x, y = (n if n.ndim == 1 else reshaped(n, (n.size,)) for n in joined_nodes((a, b)))
    return deliver(contract(x, y, (0,), (1,), (0, 1)), out)


@covers("tensordot")
def _tensordot(a: Any, b: Any, axes: Any = 2) -> Any:
    x, y = joined_nodes((a, b))
    if isinstance(axes, (int, np.integer)):
        n = int(axes)
        pairs = [(x.ndim - n + i, i) for i in range(n)]
    else:
        first, second = ([v] if isinstance(v, (int, np.integer)) else list(v) for v in axes)
        pairs = [
            (normal_axis(i, x.ndim), normal_axis(j, y.ndim))
            for i, j in zip(first, second, strict=True)
        ]
    la, lb = _numbers(x.ndim), list(_numbers(y.ndim, x.ndim))
    for i, j in pairs:
        _mismatch("tensordot", x, y, i, j)
        lb[j] = la[i]
    shared = {la[i] for i, _ in pairs}
    lo = (*(v for v in la if v not in shared), *(v for v in lb if v not in shared))
    return deliver(einsum_nodes((x, y), (la, tuple(lb)), lo))


@covers("vecdot")
def _vecdot(x1: Any, x2: Any, /, axis: Any = -1, **_: Any) -> Any:
    a, b = joined_nodes((x1, x2))
    moved = [implementation("numpy.moveaxis")(wrap(n), axis, -1).node for n in (a, b)]
    _mismatch("vecdot", moved[0], moved[1], -1, -1)
    labels = [(*_dots(n.ndim - 1), 2000) for n in moved]
    return deliver(einsum_nodes(moved, labels, _dots(max(n.ndim for n in moved) - 1)))


@covers("matvec")
def _matvec(x1: Any, x2: Any, /, **_: Any) -> Any:
    return _matmul(x1, tensor_of(x2)[..., None])[..., 0]


@covers("vecmat")
def _vecmat(x1: Any, x2: Any, /, **_: Any) -> Any:
    return _matmul(tensor_of(x1)[..., None, :], x2)[..., 0, :]


@covers("kron")
def _kron(a: Any, b: Any) -> Any:
    x, y = joined_nodes((a, b))
    n = max(x.ndim, y.ndim)
    x = reshaped(x, (1,) * (n - x.ndim) + x.shape)
    y = reshaped(y, (1,) * (n - y.ndim) + y.shape)
    la, lb = _numbers(n), _numbers(n, n)
    woven = tuple(v for pair in zip(la, lb, strict=True) for v in pair)
    shape = tuple(_times(i, j) for i, j in zip(x.shape, y.shape, strict=True))
    return deliver(reshaped(contract(x, y, la, lb, woven), shape))


def _times(a: Any, b: Any) -> Any:
    for extent, other in ((a, b), (b, a)):
        if isinstance(extent, Dim):
            if other == 1:
                return extent
            raise RowsAsked(extent, "np.kron over the rows")
    return a * b


@covers("cross")
def _cross(
    a: Any, b: Any, axisa: Any = -1, axisb: Any = -1, axisc: Any = -1, axis: Any = None
) -> Any:
    if axis is not None:
        axisa = axisb = axisc = axis
    move = implementation("numpy.moveaxis")
    x, y = move(tensor_of(a), axisa, -1), move(tensor_of(b), axisb, -1)
    if x.extents[-1] != 3 or y.extents[-1] != 3:
        raise UsageError("np.cross: both vectors need 3 components", where=where())
    (x0, x1, x2), (y0, y1, y2) = ([v[..., i] for i in range(3)] for v in (x, y))
    parts = [x1 * y2 - x2 * y1, x2 * y0 - x0 * y2, x0 * y1 - x1 * y0]
    return implementation("numpy.stack")(parts, axisc if axisc >= 0 else -1)


@covers("trace")
def _trace(
    a: Any, offset: int = 0, axis1: Any = 0, axis2: Any = 1, dtype: Any = None, out: Any = None
) -> Any:
    picked = implementation("numpy.diagonal")(a, offset, axis1, axis2)
    return implementation("numpy.sum")(picked, -1, dtype, out)
