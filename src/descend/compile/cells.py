"""Small arrays as scalars: an object array of lets per node, one per element.

Moving elements about (transpose, slice, concatenate, …) is NumPy's own work on these object
arrays and costs the program nothing.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from descend.compile.folding import MakeLet, combine, folding
from descend.compile.loops import Let
from descend.compile.native import NotNative
from descend.graph.node import Node, Shape, sizes
from descend.graph.source import value_of

__all__ = ["Cells", "cells_of", "object_array"]

Cells = Any  # an object array of lets, which NumPy's annotations can't name


def object_array(lets: Sequence[Let], shape: Shape) -> Cells:
    """The lets in the given shape."""
    cells = np.empty(len(lets), object)
    cells[:] = lets
    return cells.reshape(sizes(shape))


def _const(value: Any, dtype: np.dtype[Any], let: MakeLet) -> Let:
    return let("const", (), np.asarray(value, dtype), dtype)


def _elementwise(node: Node, args: Sequence[Cells], let: MakeLet) -> Cells:
    attr = dict(node.attrs) or None
    name, dtype = node.op.name, node.dtype
    rows = zip(*(a.flat for a in args), strict=True)
    return object_array([let(name, tuple(row), attr, dtype) for row in rows], node.shape)


def _moved(node: Node, args: Sequence[Cells], _let: MakeLet) -> Cells:
    return np.asarray(node.op.meaning(*args, **node.attrs), object)


def _padded(node: Node, args: Sequence[Cells], let: MakeLet) -> Cells:
    out = np.full(sizes(node.shape), _const(0, node.dtype, let), object)
    low, inner = node.attrs["low"], node.attrs["inner"]
    for at in np.ndindex(*args[0].shape):
        out[tuple(i * (n + 1) + s for i, n, s in zip(at, inner, low, strict=True))] = args[0][at]
    return out


def _constants(node: Node, _args: Sequence[Cells], let: MakeLet) -> Cells:
    value = value_of(node)
    return object_array([_const(v, node.dtype, let) for v in value.flat], node.shape)


def _counting(node: Node, _args: Sequence[Cells], let: MakeLet) -> Cells:
    value = node.op.meaning(**node.attrs)
    return object_array([_const(v, node.dtype, let) for v in value.flat], node.shape)


def _reduced(node: Node, args: Sequence[Cells], let: MakeLet) -> Cells:
    op = {"sum": "add", "reduce_max": "max", "reduce_min": "min"}[node.op.name]
    axes = node.attrs["axes"]
    kept = [i for i in range(args[0].ndim) if i not in axes]
    if args[0].size == 0:
        return np.full(sizes(node.shape), _const(0, node.dtype, let), object)
    count = math.prod(args[0].shape[i] for i in axes)
    rows: Cells = np.transpose(args[0], [*kept, *axes]).reshape(-1, count)
    join = lambda a, b: let(op, (a, b), None, node.dtype)  # noqa: E731
    return object_array([combine(join, row) for row in rows], node.shape)


def _contracted(node: Node, args: Sequence[Cells], let: MakeLet) -> Cells:
    la, lb, lo = node.attrs["la"], node.attrs["lb"], node.attrs["lo"]
    extents = dict(zip(la, args[0].shape, strict=True)) | dict(zip(lb, args[1].shape, strict=True))
    gone = [x for x in la if x not in lo]
    join = lambda a, b: let("add", (a, b), None, node.dtype)  # noqa: E731
    out = []
    for kept in np.ndindex(*(extents[x] for x in lo)):
        terms = []
        for inner in np.ndindex(*(extents[x] for x in gone)):
            at = dict(zip(lo, kept, strict=True)) | dict(zip(gone, inner, strict=True))
            pair = (args[0][tuple(at[x] for x in la)], args[1][tuple(at[x] for x in lb)])
            terms.append(let("mul", pair, None, node.dtype))
        out.append(combine(join, terms) if terms else _const(0, node.dtype, let))
    return object_array(out, node.shape)


def _accumulated(node: Node, args: Sequence[Cells], let: MakeLet) -> Cells:
    axis, reverse = node.attrs["axis"], node.attrs["reverse"]
    out = args[0].copy()
    line = np.moveaxis(out, axis, 0)
    line = line[::-1] if reverse else line
    for i in range(1, len(line)):
        for at in np.ndindex(*line.shape[1:]):
            line[(i, *at)] = let("add", (line[(i - 1, *at)], line[(i, *at)]), None, node.dtype)
    return out


def _match(let: MakeLet, index: Let, number: int) -> Let:
    return let("eq", (index, _const(number, index.dtype, let)), None, np.dtype(bool))


def _picked(node: Node, args: Sequence[Cells], let: MakeLet) -> Cells:
    """A gather from a few elements: compare and select."""
    x, index = args
    axis = node.attrs["axis"]
    table = np.moveaxis(x, axis, 0)
    out = np.empty((*index.shape, *table.shape[1:]), object)
    for at in np.ndindex(*sizes(index.shape)):
        for rest in np.ndindex(*table.shape[1:]):
            value = table[(0, *rest)]
            for i in range(1, len(table)):
                hit = _match(let, index[at], i)
                value = let("select", (hit, table[(i, *rest)], value), None, node.dtype)
            out[(*at, *rest)] = value
    k = index.ndim
    order = [*range(k, k + axis), *range(k), *range(k + axis, out.ndim)]
    return np.transpose(out, order)


def _scattered(node: Node, args: Sequence[Cells], let: MakeLet) -> Cells:
    g, index = args
    axis, k = node.attrs["axis"], args[1].ndim
    source = np.moveaxis(g, range(axis, axis + k), range(k))
    out = np.full(sizes(node.shape), _const(0, node.dtype, let), object)
    target = np.moveaxis(out, axis, 0)
    zero = _const(0, node.dtype, let)
    for at in np.ndindex(*sizes(index.shape)):
        for rest in np.ndindex(*target.shape[1:]):
            for i in range(len(target)):
                hit = _match(let, index[at], i)
                term = let("select", (hit, source[(*at, *rest)], zero), None, node.dtype)
                where = (i, *rest)
                target[where] = let("add", (target[where], term), None, node.dtype)
    return out


def _ranked(node: Node, args: Sequence[Cells], let: MakeLet) -> Cells:
    """Stable order by counting, for every element, how many stand before it; NaN goes last."""
    axis = node.attrs["axis"]
    lines = np.moveaxis(args[0], axis, -1)
    out = np.empty(lines.shape, object)
    truth, whole = np.dtype(bool), node.dtype
    zero = _const(0, whole, let)
    for at in np.ndindex(*lines.shape[:-1]):
        line = lines[at]
        ranks = []
        for i, x in enumerate(line):
            rank = zero
            for j, y in enumerate(line):
                if i != j:
                    op, pair = ("lt", (y, x)) if j > i else ("le", (y, x))
                    first = let(op, pair, None, truth)
                    y_is_number = let("eq", (y, y), None, truth)
                    x_is_nan = let("ne", (x, x), None, truth)
                    late = x_is_nan if j < i else let("and", (x_is_nan, y_is_number), None, truth)
                    before = let("or", (first, late), None, truth)
                    step = let("cast", (before,), {"dtype": whole.str}, whole)
                    rank = let("add", (rank, step), None, whole)
            ranks.append(rank)
        for r in range(len(line)):
            position = zero
            for i, rank in enumerate(ranks):
                hit = _match(let, rank, r)
                position = let("select", (hit, _const(i, whole, let), position), None, whole)
            out[(*at, r)] = position
    return np.moveaxis(out, -1, axis)


CELL_RULES: dict[str, Callable[[Node, Sequence[Cells], MakeLet], Cells]] = {
    "const": _constants,
    "iota": _counting,
    **dict.fromkeys(
        ("broadcast", "transpose", "slice", "flip", "reshape", "concatenate", "set_slice"), _moved
    ),
    "pad": _padded,
    **dict.fromkeys(("sum", "reduce_max", "reduce_min"), _reduced),
    "contract": _contracted,
    "cumsum": _accumulated,
    "take": _picked,
    "put_add": _scattered,
    "argsort": _ranked,
}


def cells_of(node: Node, args: Sequence[Cells], let: MakeLet) -> Cells:
    """The elements of a small node from those of its arguments."""
    rule = _elementwise if node.op.kind == "elementwise" else CELL_RULES.get(node.op.name)
    if rule is None:
        raise NotNative(f"{node.op.name} of a few elements")
    return rule(node, args, folding(let))


