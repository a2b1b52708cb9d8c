"""Joining arrays and splitting them; the parts of a split write through to the whole."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

import numpy as np

from descend.errors import UsageError
from descend.graph.linear import concatenate
from descend.graph.node import Dim, Node, RowsAsked
from descend.trace.context import where
from descend.trace.known import Known
from descend.trace.operands import deliver, joined_nodes
from descend.trace.regions import reshaped, stacked
from descend.trace.table import covers, implementation
from descend.trace.tables.shape import at_least, tensor_of
from descend.trace.typing_rules import normal_axis

__all__: list[str] = []


# --- joining ------------------------------------------------------------------------------------


@covers("concatenate", "concat")
def _concatenate(
    arrays: Any, /, axis: Any = 0, out: Any = None, *, dtype: Any = None, casting: Any = None
) -> Any:
    nodes = joined_nodes(list(arrays), dtype)
    if not nodes:
        raise UsageError("need at least one array to concatenate", where=where())
    if axis is None:
        nodes = [reshaped(n, (n.size,)) for n in nodes]
    at = 0 if axis is None else normal_axis(axis, nodes[0].ndim)
    return deliver(_joined(nodes, at), out)


def _joined(nodes: Sequence[Node], axis: int) -> Node:
    first = nodes[0]
    for i, node in enumerate(nodes):
        if node.ndim != first.ndim or node.ndim == 0:
            what = (
                "zero-dimensional arrays cannot be concatenated"
                if node.ndim == 0
                else (
                    "all the input array dimensions must match in number: "
                    f"array 0 has {first.ndim}, array {i} has {node.ndim}"
                )
            )
            raise UsageError(what, where=where())
        for j, (a, b) in enumerate(zip(first.shape, node.shape, strict=True)):
            if j != axis and a != b:
                for extent in (a, b):
                    if isinstance(extent, Dim):
                        raise RowsAsked(extent, "joining arrays")
                raise UsageError(
                    "all the input array dimensions except for the concatenation axis must "
                    f"match exactly, but along dimension {j}, the array at index 0 has size {a} "
                    f"and the array at index {i} has size {b}",
                    where=where(),
                )
    return concatenate(nodes, axis)


@covers("stack")
def _stack(
    arrays: Any, axis: Any = 0, out: Any = None, *, dtype: Any = None, casting: Any = None
) -> Any:
    nodes = joined_nodes(list(arrays), dtype)
    if not nodes:
        raise UsageError("need at least one array to stack", where=where())
    if len({n.shape for n in nodes}) > 1:
        for extent in (e for n in nodes for e in n.shape):
            if isinstance(extent, Dim):
                raise RowsAsked(extent, "stacking arrays")
        raise UsageError("all input arrays must have the same shape", where=where())
    at = normal_axis(axis, nodes[0].ndim + 1)
    return deliver(stacked(nodes, at), out)


@covers("vstack", "row_stack")
def _vstack(tup: Any, *, dtype: Any = None, casting: Any = None) -> Any:
    return _concatenate([at_least(2, a) for a in list(tup)], 0, dtype=dtype)


@covers("hstack")
def _hstack(tup: Any, *, dtype: Any = None, casting: Any = None) -> Any:
    arrays = [at_least(1, a) for a in list(tup)]
    return _concatenate(arrays, 0 if arrays[0].ndim == 1 else 1, dtype=dtype)


@covers("dstack")
def _dstack(tup: Any) -> Any:
    return _concatenate([at_least(3, a) for a in list(tup)], 2)


@covers("column_stack")
def _column_stack(tup: Any) -> Any:
    columns = []
    for a in list(tup):
        x = tensor_of(a)
        columns.append(x if x.ndim >= 2 else at_least(1, x)[:, None])
    return _concatenate(columns, 1)


@covers("append")
def _append(arr: Any, values: Any, axis: Any = None) -> Any:
    return _concatenate((arr, values), axis)


@covers("block")
def _block(arrays: Any) -> Any:
    depth = _depth(arrays)
    leaves = [tensor_of(a) for a in _leaves(arrays)]
    ndim = max(depth, *(x.ndim for x in leaves))
    return _blocked(arrays, ndim, ndim - depth)


def _depth(arrays: Any) -> int:
    return 1 + _depth(arrays[0]) if isinstance(arrays, list) else 0


def _leaves(arrays: Any) -> list[Any]:
    if isinstance(arrays, list):
        return [leaf for a in arrays for leaf in _leaves(a)]
    return [arrays]


def _blocked(arrays: Any, ndim: int, axis: int) -> Any:
    if not isinstance(arrays, list):
        x = tensor_of(arrays)  # new axes stand in front, unlike np.atleast_3d
        return x[(None,) * (ndim - x.ndim)] if x.ndim < ndim else x
    return _concatenate([_blocked(a, ndim, axis + 1) for a in arrays], axis)


# --- splitting ----------------------------------------------------------------------------------


def _cut_points(x: Any, sections: Any, axis: int, equal: bool) -> list[int]:
    extent = x.extents[axis]
    if isinstance(extent, Dim):
        raise RowsAsked(extent, "splitting the rows")
    if isinstance(sections, (list, tuple, np.ndarray, Known)):
        return [int(i) for i in sections]
    n = int(sections.__index__())
    if equal and extent % n:
        raise UsageError("array split does not result in an equal division", where=where())
    sizes = [extent // n + (i < extent % n) for i in range(n)]
    return [sum(sizes[: i + 1]) for i in range(n - 1)]


def _split_at(a: Any, sections: Any, axis: Any, equal: bool) -> list[Any]:
    x = tensor_of(a)
    at = normal_axis(axis, x.ndim)
    bounds = [0, *_cut_points(x, sections, at, equal), None]
    index = (slice(None),) * at
    return [x[(*index, slice(a, b))] for a, b in itertools.pairwise(bounds)]


@covers("split", views=True)
def _split(ary: Any, indices_or_sections: Any, axis: Any = 0) -> Any:
    return _split_at(ary, indices_or_sections, axis, True)


@covers("array_split", views=True)
def _array_split(ary: Any, indices_or_sections: Any, axis: Any = 0) -> Any:
    return _split_at(ary, indices_or_sections, axis, False)


@covers("hsplit", views=True)
def _hsplit(ary: Any, indices_or_sections: Any) -> Any:
    return _split_at(ary, indices_or_sections, 0 if tensor_of(ary).ndim == 1 else 1, True)


@covers("vsplit", views=True)
def _vsplit(ary: Any, indices_or_sections: Any) -> Any:
    return _split_at(ary, indices_or_sections, 0, True)


@covers("dsplit", views=True)
def _dsplit(ary: Any, indices_or_sections: Any) -> Any:
    return _split_at(ary, indices_or_sections, 2, True)


@covers("unstack", views=True)
def _unstack(x: Any, /, *, axis: Any = 0) -> Any:
    return tuple(implementation("numpy.moveaxis")(x, axis, 0))
