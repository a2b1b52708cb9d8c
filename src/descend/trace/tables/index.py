"""Picking and placing: take, sort, search, diagonals, triangles, padding, inserting."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from descend.errors import NotCoveredError, UsageError
from descend.graph.elementwise import call, cast, full_like, select
from descend.graph.linear import broadcast, concatenate, pad, reduce_sum, transpose
from descend.graph.node import Dim, Node, RowsAsked
from descend.graph.selection import argsort, take
from descend.graph.source import const, is_const, value_of
from descend.trace.context import note, where
from descend.trace.indexing import checked
from descend.trace.operands import common_dtype, deliver
from descend.trace.regions import reshaped
from descend.trace.table import covers, implementation
from descend.trace.tables.reductions import along
from descend.trace.tables.shape import tensor_of
from descend.trace.tensor import as_node, is_traced, without_stand_ins, wrap
from descend.trace.typing_rules import broadcast_shapes, known_extents, normal_axis, to_shape
from descend.trace.ufunc_rules import truth

__all__ = ["searched", "sorted_node", "take_along"]


def _known_extent(x: Node, axis: int, why: str) -> int:
    extent = x.shape[axis]
    if isinstance(extent, Dim):
        raise RowsAsked(extent, why)
    return extent


# --- gathers ------------------------------------------------------------------------------------


@covers("take")
def _take(a: Any, indices: Any, axis: Any = None, out: Any = None, mode: str = "raise") -> Any:
    x = tensor_of(a)
    if axis is None:
        x, axis = x.reshape(-1), 0
    at = normal_axis(axis, x.ndim)
    if mode != "raise":
        extent = _known_extent(x.node, at, f"np.take with mode={mode!r}")
        indices = _limited(indices, extent, mode)
    picked = x[(*(slice(None),) * at, tensor_or_array(indices))]
    return deliver(picked.node, out)


def _limited(indices: Any, extent: int, mode: str) -> Any:
    if mode == "wrap":
        return implementation("numpy.remainder")(tensor_of(indices), extent)
    return implementation("numpy.clip")(tensor_of(indices), 0, extent - 1)


def tensor_or_array(value: Any) -> Any:
    """An index as a stand-in if it is traced, else as an array of NumPy's."""
    if is_traced(value):
        return tensor_of(value)
    return np.asarray(without_stand_ins(value))


def take_along(x: Node, index: Node, axis: int) -> Node:
    """result[…, i, …] = x[…, index[…, i, …], …]; indices count from 0."""
    if x.ndim == 1:
        return take(x, index, 0)
    outer = tuple(n for i, n in enumerate(x.shape) if i != axis)
    order = (*(i for i in range(x.ndim) if i != axis), axis)
    back = tuple(sorted(range(x.ndim), key=lambda i: order[i]))
    table, places = transpose(x, order), transpose(index, order)
    extent = _known_extent(x, axis, "sorting or picking along the rows")
    if any(isinstance(n, Dim) for n in outer):
        return transpose(_by_comparison(table, places, extent), back)
    shape = known_extents(outer, "sorting or picking")
    count = math.prod(shape)
    begin = const(np.arange(count).reshape((*shape, 1)) * extent)
    flat = call("add", places, to_shape(begin, places.shape))
    return transpose(take(reshaped(table, (count * extent,)), flat, 0), back)


def _by_comparison(table: Node, places: Node, extent: int) -> Node:
    """Picks along the last axis by comparing every index with every place: any number of rows."""
    shape = (*places.shape, extent)
    lead = tuple(range(places.ndim - 1))
    counting = broadcast(const(np.arange(extent)), shape, (len(shape) - 1,))
    hit = call("eq", broadcast(places, shape, (*lead, places.ndim - 1)), counting)
    wide = broadcast(table, shape, (*lead, len(shape) - 1))
    return reduce_sum(select(hit, wide, full_like(wide, 0)), (len(shape) - 1,))


def _from_zero(index: Node, extent: int) -> Node:
    index = cast(index, np.int64)
    return select(call("lt", index, 0), call("add", index, extent), index)


@covers("take_along_axis")
def _take_along_axis(arr: Any, indices: Any, axis: Any = -1) -> Any:
    x, index = as_node(arr), as_node(indices)
    if axis is None:
        x, axis = reshaped(x, (x.size,)), 0
    at = normal_axis(axis, x.ndim)
    shape = broadcast_shapes(
        [tuple(1 if i == at else n for i, n in enumerate(s)) for s in (x.shape, index.shape)]
    )
    wide = tuple(x.shape[at] if i == at else n for i, n in enumerate(shape))
    places = tuple(index.shape[at] if i == at else n for i, n in enumerate(shape))
    extent = _known_extent(x, at, "np.take_along_axis over the rows")
    index = to_shape(_from_zero(index, extent), places)
    return wrap(note(take_along(to_shape(x, wide), index, at)))


@covers("compress", remark="for a condition of known value")
def _compress(condition: Any, a: Any, axis: Any = None, out: Any = None) -> Any:
    mask = np.asarray(without_stand_ins(condition) if not is_traced(condition) else None)
    if mask.dtype != bool:
        raise NotCoveredError(
            "np.compress with a condition that is not known before the data is",
            where=where(),
            remedy="use np.where(condition, a, b)",
        )
    return _take(a, np.flatnonzero(mask), axis, out)


@covers("extract", remark="for a condition of known value")
def _extract(condition: Any, arr: Any) -> Any:
    return _compress(np.ravel(condition) if not is_traced(condition) else condition, arr)


@covers("choose")
def _choose(a: Any, choices: Any, out: Any = None, mode: str = "raise") -> Any:
    index, count = as_node(a), len(choices)
    options = [as_node(c, common_dtype(choices)) for c in choices]
    if mode == "wrap":
        index = call("mod", index, count)
    elif mode == "raise" and not is_const(index):
        index = checked(index, count)
    elif mode == "raise" and not ((value_of(index) >= 0) & (value_of(index) < count)).all():
        raise UsageError("invalid entry in choice array", where=where(), plain=True)
    shape = broadcast_shapes([index.shape, *(o.shape for o in options)])
    index, result = to_shape(index, shape), to_shape(options[-1], shape)
    for i in reversed(range(count - 1)):
        here = call("eq" if i or mode != "clip" else "le", index, i)
        result = select(here, to_shape(options[i], shape), result)
    return deliver(result, out)


# --- order --------------------------------------------------------------------------------------


def sorted_node(x: Node, axis: int) -> Node:
    """The elements along an axis in ascending order, NaN last."""
    return take_along(x, argsort(x, axis), axis)


@covers("sort", views=False)
def _sort(
    a: Any, axis: Any = -1, kind: Any = None, order: Any = None, *, stable: Any = None
) -> Any:
    x, at = along(a, axis)
    return wrap(note(sorted_node(x, at)))


@covers("argsort")
def _argsort(
    a: Any, axis: Any = -1, kind: Any = None, order: Any = None, *, stable: Any = None
) -> Any:
    x, at = along(a, axis)
    return wrap(note(argsort(x, at)))


@covers("partition", remark="gives the whole order, which is one of the partitions")
def _partition(a: Any, kth: Any, axis: Any = -1, kind: Any = None, order: Any = None) -> Any:
    return _sort(a, axis)


@covers("argpartition", remark="gives the whole order, which is one of the partitions")
def _argpartition(a: Any, kth: Any, axis: Any = -1, kind: Any = None, order: Any = None) -> Any:
    return _argsort(a, axis)


def searched(table: Node, values: Node, right: bool) -> Node:
    """Where each value belongs in an ascending table: a binary search, in whole arrays."""
    n = _known_extent(table, 0, "searching the rows")
    place = cast(full_like(values, 0), np.int64)
    step = 1 << max(n.bit_length() - 1, 0)
    while step and n:
        further = call("add", place, step)
        inside = call("le", further, n)
        probe = take(table, call("sub", select(inside, further, 1), 1), 0)
        stop = call("lt", values, probe) if right else call("le", values, probe)
        place = select(call("and", inside, call("not", stop)), further, place)
        step >>= 1
    return place


@covers("searchsorted")
def _searchsorted(a: Any, v: Any, side: str = "left", sorter: Any = None) -> Any:
    dtype = common_dtype((a, v))
    table, values = as_node(a, dtype), as_node(v, dtype)
    if sorter is not None:
        table = take(table, as_node(sorter), 0)
    return wrap(note(searched(table, values, side == "right")))


@covers("digitize", remark="for bins of known value, or ascending ones")
def _digitize(x: Any, bins: Any, right: bool = False) -> Any:
    if not is_traced(bins):
        edges = np.asarray(without_stand_ins(bins))
        if len(edges) > 1 and edges[0] > edges[-1]:
            turned = _searchsorted(edges[::-1], x, "right" if right else "left")
            return len(edges) - turned
    return _searchsorted(bins, x, "left" if right else "right")


# --- diagonals and triangles --------------------------------------------------------------------


@covers("diagonal")
def _diagonal(a: Any, offset: int = 0, axis1: Any = 0, axis2: Any = 1) -> Any:
    x = tensor_of(a)
    i, j = normal_axis(axis1, x.ndim), normal_axis(axis2, x.ndim)
    if i == j:
        raise UsageError("axis1 and axis2 cannot be the same", where=where())
    n, m = (_known_extent(x.node, k, "the diagonal of rows") for k in (i, j))
    count = max(0, min(n, m - offset) if offset >= 0 else min(n + offset, m))
    rows = np.arange(count) + max(0, -offset)
    columns = np.arange(count) + max(0, offset)
    rest = [k for k in range(x.ndim) if k not in (i, j)]
    table = wrap(transpose(x.node, (*rest, i, j)))
    return table[..., rows, columns]


@covers("diag")
def _diag(v: Any, k: int = 0) -> Any:
    x = tensor_of(v)
    if x.ndim == 2:
        return _diagonal(x, k)
    if x.ndim != 1:
        raise UsageError("Input must be 1- or 2-d.", where=where())
    n = _known_extent(x.node, 0, "a diagonal matrix of rows")
    size = n + abs(k)
    rows = broadcast(x.node, (n, n), (0,))
    square = select(const(np.eye(n, dtype=bool)), rows, full_like(rows, 0))
    low = (max(0, -k), max(0, k))
    return wrap(note(pad(square, low, (size - n - low[0], size - n - low[1]), (0, 0))))


@covers("diagflat")
def _diagflat(v: Any, k: int = 0) -> Any:
    return _diag(tensor_of(v).reshape(-1), k)


def _triangle(name: str, keep: Any) -> None:
    @covers(name)
    def triangle(m: Any, k: int = 0) -> Any:
        x = as_node(m)
        if x.ndim == 1:
            x = broadcast(x, (x.shape[0], *x.shape), (1,))
        rows, columns = (_known_extent(x, i, f"np.{name}") for i in (-2, -1))
        mask = to_shape(const(keep(rows, columns, k)), x.shape)
        return wrap(note(select(mask, x, full_like(x, 0))))


_triangle("tril", lambda n, m, k: np.tri(n, m, k, dtype=bool))
_triangle("triu", lambda n, m, k: ~np.tri(n, m, k - 1, dtype=bool))


@covers("fill_diagonal")
def _fill_diagonal(a: Any, val: Any, wrap: bool = False) -> None:
    x = tensor_of(a)
    n = min(known_extents(x.extents, "the diagonal of rows"))
    index = (np.arange(n),) * x.ndim
    x[index] = (
        val
        if np.ndim(without_stand_ins(val) if not is_traced(val) else 0) == 0
        else (tensor_of(val)[:n])
    )


# --- padding and editing ------------------------------------------------------------------------


def _pad_widths(width: Any, ndim: int) -> list[tuple[int, int]]:
    pairs = np.broadcast_to(np.asarray(without_stand_ins(width)), (ndim, 2))
    return [(int(a), int(b)) for a, b in pairs]


_PAD_INDEX = {
    "edge": lambda i, n: np.clip(i, 0, n - 1),
    "wrap": lambda i, n: i % n,
    "reflect": lambda i, n: (n - 1) - np.abs((i % max(2 * n - 2, 1)) - (n - 1)),
    "symmetric": lambda i, n: np.minimum(i % (2 * n), 2 * n - 1 - i % (2 * n)),
}


@covers("pad", remark="modes constant, edge, reflect, symmetric, wrap, empty")
def _pad(array: Any, pad_width: Any, mode: Any = "constant", **kwargs: Any) -> Any:
    x = tensor_of(array)
    widths = _pad_widths(pad_width, x.ndim)
    if mode in ("constant", "empty"):
        return wrap(note(_pad_constant(x.node, widths, kwargs.get("constant_values", 0))))
    if mode not in _PAD_INDEX or kwargs.get("reflect_type", "even") != "even":
        raise NotCoveredError(
            f"np.pad with mode={mode!r} is not covered yet",
            where=where(),
            remedy="modes constant, edge, reflect, symmetric and wrap are there",
        )
    node = x.node
    for axis, (low, high) in enumerate(widths):
        if low or high:
            n = _known_extent(node, axis, "padding the rows")
            node = take(node, const(_PAD_INDEX[mode](np.arange(-low, n + high), n)), axis)
    return wrap(note(node))


def _pad_constant(x: Node, widths: Sequence[tuple[int, int]], values: Any) -> Node:
    if not is_traced(values) and not np.any(without_stand_ins(values)):
        low, high = tuple(w[0] for w in widths), tuple(w[1] for w in widths)
        return pad(x, low, high, (0,) * x.ndim)
    fills = tensor_of(values).astype(x.dtype)
    pairs = wrap(to_shape(fills.node, (x.ndim, 2)))
    for axis, width in enumerate(widths):
        parts = [x]
        for side in (0, 1):
            if width[side]:
                shape = tuple(width[side] if i == axis else n for i, n in enumerate(x.shape))
                part = to_shape(pairs[axis, side].node, shape)
                parts.insert(0 if side == 0 else len(parts), part)
        x = concatenate(parts, axis)
    return x


def _places(obj: Any, extent: int) -> Any:
    if isinstance(obj, slice):
        return np.arange(extent)[obj]
    return np.asarray(without_stand_ins(obj))


@covers("delete", remark="for places of known value")
def _delete(arr: Any, obj: Any, axis: Any = None) -> Any:
    x, at = along(arr, axis)
    n = _known_extent(x, at, "deleting rows")
    left = np.delete(np.arange(n), _places(obj, n))
    return wrap(note(take(x, const(left), at)))


@covers("insert", remark="for places of known value")
def _insert(arr: Any, obj: Any, values: Any, axis: Any = None) -> Any:
    x, at = along(arr, axis)
    n = _known_extent(x, at, "inserting rows")
    places = _places(obj, n)
    new = cast(as_node(values), x.dtype)
    count = places.size if places.ndim else 1
    if not places.ndim and new.ndim == x.ndim:
        count = _known_extent(new, at, "inserting rows")
    marks = np.insert(np.zeros(n, int), places, np.full(count, 1) if count != 1 else 1)
    if not places.ndim and count == 1 and new.ndim == x.ndim - 1 and x.ndim > 1:
        new = reshaped(new, (*new.shape[:at], 1, *new.shape[at:]))
    shape = tuple(count if i == at else m for i, m in enumerate(x.shape))
    order = np.empty(len(marks), int)
    order[marks == 0] = np.arange(n)
    rank = np.argsort(places.ravel() % (n + 1), kind="stable") if places.ndim else np.arange(count)
    order[marks == 1] = n + rank
    joined = concatenate([x, to_shape(new, shape)], at)
    return wrap(note(take(joined, const(order), at)))


@covers("put_along_axis", remark="for indices of known value")
def _put_along_axis(arr: Any, indices: Any, values: Any, axis: Any) -> None:
    x = tensor_of(arr)
    index = np.asarray(without_stand_ins(indices))
    at = normal_axis(axis, x.ndim)
    grid: list[Any] = list(np.indices(index.shape))
    grid[at] = index
    x[tuple(grid)] = values


@covers("ix_")
def _ix(*args: Any) -> Any:
    if is_traced(args):
        raise NotCoveredError(
            "np.ix_ of values that are not known before the data is", where=where()
        )
    return np.ix_(*(np.asarray(without_stand_ins(a)) for a in args))


@covers("isin")
def _isin(
    element: Any, test_elements: Any, assume_unique: bool = False, invert: bool = False,
    *, kind: Any = None,
) -> Any:  # fmt: skip
    dtype = common_dtype((element, test_elements))
    x, tests = as_node(element, dtype), as_node(test_elements, dtype)
    tests = reshaped(tests, (tests.size,))
    shape = (*x.shape, tests.shape[0])
    wide = broadcast(x, shape, tuple(range(x.ndim)))
    equal = call("eq", wide, broadcast(tests, shape, (x.ndim,)))
    found = truth(reduce_sum(cast(equal, np.int64), (x.ndim,)))
    return wrap(note(call("not", found) if invert else found))
