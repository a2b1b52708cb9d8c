"""Selection primitives: reductions by comparison, orders, gathers and scatters.

Their derivatives route through the index: the maximum sends its cotangent to the elements that
attain it (in equal shares at ties), gather and scatter-add are each other's transpose.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from descend.graph.elementwise import call, cast
from descend.graph.linear import broadcast, leading, reduce_sum, reshape, transpose
from descend.graph.node import (
    PRIMITIVES,
    Array,
    Dim,
    Node,
    Primitive,
    Shape,
    Typed,
    along,
    apart,
    register,
)
from descend.graph.source import iota

__all__ = ["argmax", "argmin", "argsort", "put_add", "reduce_max", "reduce_min", "take"]

Ints = tuple[int, ...]


def reduce_max(x: Node, axes: Ints) -> Node:
    return PRIMITIVES["reduce_max"].apply(x, axes=tuple(axes)) if axes else x


def reduce_min(x: Node, axes: Ints) -> Node:
    return PRIMITIVES["reduce_min"].apply(x, axes=tuple(axes)) if axes else x


def argmax(x: Node, axis: int) -> Node:
    return PRIMITIVES["argmax"].apply(x, axis=axis)


def argmin(x: Node, axis: int) -> Node:
    return PRIMITIVES["argmin"].apply(x, axis=axis)


def argsort(x: Node, axis: int) -> Node:
    """The stable order of an axis, NaN last."""
    return PRIMITIVES["argsort"].apply(x, axis=axis)


def take(x: Node, index: Node, axis: int) -> Node:
    """Rows of one axis by integer index (0 ≤ index < extent); its place takes index' shape."""
    return PRIMITIVES["take"].apply(x, index, axis=axis)


def put_add(g: Node, index: Node, axis: int, extent: Any) -> Node:
    """Zeros with g added at the index: the transpose of `take`."""
    return PRIMITIVES["put_add"].apply(g, index, axis=axis, extent=extent)


def _reduced(args: tuple[Node, ...], attrs: Mapping[str, Any]) -> Typed:
    (x,) = args
    return tuple(n for i, n in enumerate(x.shape) if i not in attrs["axes"]), x.dtype


def _share(node: Node) -> Node:
    """Each element's share in the extremum: 1 at a unique one, equal parts at ties."""
    (x,), axes = node.args, node.attrs["axes"]
    kept = tuple(i for i in range(x.ndim) if i not in axes)
    attains = cast(call("eq", x, broadcast(node, x.shape, kept)), x.dtype)
    return call("div", attains, broadcast(reduce_sum(attains, axes), x.shape, kept))


def _extremum_vjp(g: Node, node: Node, wanted: Sequence[bool]) -> list[Node | None]:
    (x,), axes = node.args, node.attrs["axes"]
    kept = tuple(i for i in range(x.ndim) if i not in axes)
    return [call("mul", broadcast(g, x.shape, kept), _share(node)) if wanted[0] else None]


def _extremum_jvp(tangents: list[Node | None], node: Node) -> Node | None:
    (t,) = tangents
    return None if t is None else reduce_sum(call("mul", t, _share(node)), node.attrs["axes"])


def _extremum_batch(args: list[Node], _f: list[bool], node: Node, _e: Any) -> Node:
    return node.op.apply(args[0], axes=tuple(a + 1 for a in node.attrs["axes"]))


for _word, _end, _reduce in (("max", "largest", np.max), ("min", "smallest", np.min)):
    register(
        Primitive(
            f"reduce_{_word}", "selection", "reduction", True, _reduced,
            lambda x, *, axes, _r=_reduce: np.asarray(_r(x, axis=axes)),
            _extremum_vjp, _extremum_jvp, _extremum_batch,
            word=_word, back=f"to the {_end} entry only", mixes=apart, breaks="kink", units="kept",
        )
    )  # fmt: skip


def _nothing_vjp(_g: Node, node: Node, _wanted: Sequence[bool]) -> list[Node | None]:
    return [None] * len(node.args)


def _nothing_jvp(_tangents: list[Node | None], _node: Node) -> Node | None:
    return None


def _index_type(args: tuple[Node, ...], attrs: Mapping[str, Any]) -> Typed:
    (x,), axis = args, attrs["axis"]
    return (*x.shape[:axis], *x.shape[axis + 1 :]), np.dtype(np.int64)


def _order_type(args: tuple[Node, ...], _attrs: Mapping[str, Any]) -> Typed:
    return args[0].shape, np.dtype(np.int64)


def _axis_batch(args: list[Node], _f: list[bool], node: Node, _e: Any) -> Node:
    return node.op.apply(args[0], axis=node.attrs["axis"] + 1)


for _name, _find in (("argmax", np.argmax), ("argmin", np.argmin)):
    register(
        Primitive(
            _name, "selection", "rewritten", True, _index_type,
            lambda x, *, axis, _f=_find: np.asarray(_f(x, axis=axis)),
            _nothing_vjp, _nothing_jvp, _axis_batch, mixes=apart, breaks="step",
        )
    )  # fmt: skip
register(
    Primitive(
        "argsort", "selection", "call", True, _order_type,
        lambda x, *, axis: np.argsort(x, axis=axis, kind="stable"),
        _nothing_vjp, _nothing_jvp, _axis_batch, mixes=along("axis"), breaks="step",
    )
)  # fmt: skip


def _take_type(args: tuple[Node, ...], attrs: Mapping[str, Any]) -> Typed:
    x, index = args
    axis = attrs["axis"]
    return (*x.shape[:axis], *index.shape, *x.shape[axis + 1 :]), x.dtype


def _take_meaning(x: Array, index: Array, *, axis: int) -> Array:
    if index.size and (index.min() < 0 or index.max() >= x.shape[axis]):
        bad = int(index.min()) - x.shape[axis] if index.min() < 0 else int(index.max())
        raise IndexError(f"index {bad} is out of bounds for axis {axis} with size {x.shape[axis]}")
    return np.take(x, index, axis=axis)


def _take_vjp(g: Node, node: Node, wanted: Sequence[bool]) -> list[Node | None]:
    x, index = node.args
    axis = node.attrs["axis"]
    return [put_add(g, index, axis, x.shape[axis]) if wanted[0] else None, None]


def _take_jvp(tangents: list[Node | None], node: Node) -> Node | None:
    t = tangents[0]
    return None if t is None else take(t, node.args[1], node.attrs["axis"])


def _offset_index(index: Node, extent: Any, stride: Any) -> Node:
    """Index into `extent` stacked tables of `stride` rows each: index + i · stride."""
    return call("add", index, call("mul", iota(index.shape, 0, index.dtype), stride))



def _take_batch(args: list[Node], flags: list[bool], node: Node, extent: Any) -> Node:
    x, index = args
    axis = node.attrs["axis"]
    if not flags[1]:
        return take(x, index, axis + 1)
    if not flags[0]:
        picked = take(x, index, axis)
        order = (axis, *(i for i in range(picked.ndim) if i != axis))
        return transpose(picked, order) if axis else picked
    rows = x.shape[axis + 1]
    order = (0, axis + 1, *(i for i in range(1, x.ndim) if i != axis + 1))
    table = transpose(x, order) if axis else x
    rest = table.shape[2:]
    flat = reshape(table, (extent * rows, *rest))
    picked = take(flat, _offset_index(index, extent, rows), 0)
    k = index.ndim
    back = (0, *range(k, k + axis), *range(1, k), *range(k + axis, picked.ndim))
    return transpose(picked, back) if axis else picked


def _picked(node: Node, rows: Dim) -> str:
    """Rows are picked by an index; a table without rows may be indexed."""
    shape = node.args[0].shape
    return node.op.name if rows in shape and shape.index(rows) == node.attrs["axis"] else ""


register(
    Primitive(
        "take", "selection", "gather", True, _take_type, _take_meaning,
        _take_vjp, _take_jvp, _take_batch,
        cost=3, back="back to its place, zeros elsewhere", mixes=_picked,
        breaks="step", units="kept",
    )
)  # fmt: skip


def _put_type(args: tuple[Node, ...], attrs: Mapping[str, Any]) -> Typed:
    g, index = args
    axis = attrs["axis"]
    shape: Shape = (*g.shape[:axis], attrs["extent"], *g.shape[axis + index.ndim :])
    return shape, g.dtype


def _put_meaning(g: Array, index: Array, *, axis: int, extent: int) -> Array:
    shape = (*g.shape[:axis], extent, *g.shape[axis + index.ndim :])
    out = np.zeros(shape, g.dtype)
    place: Any = (*(slice(None),) * axis, index)
    np.add.at(out, place, g)
    return out


def _put_vjp(g: Node, node: Node, wanted: Sequence[bool]) -> list[Node | None]:
    return [take(g, node.args[1], node.attrs["axis"]) if wanted[0] else None, None]


def _put_jvp(tangents: list[Node | None], node: Node) -> Node | None:
    t, a = tangents[0], node.attrs
    return None if t is None else put_add(t, node.args[1], a["axis"], a["extent"])


def _put_batch(args: list[Node], flags: list[bool], node: Node, extent: Any) -> Node:
    a = node.attrs
    axis, rows = a["axis"], a["extent"]
    if not flags[1]:
        return put_add(args[0], args[1], axis + 1, rows)
    g, index = leading(args, flags, extent)
    k = index.ndim - 1
    order = (0, *range(axis + 1, axis + 1 + k), *range(1, axis + 1), *range(axis + 1 + k, g.ndim))
    moved = transpose(g, order) if axis else g
    flat = put_add(moved, _offset_index(index, extent, rows), 0, extent * rows)
    table = reshape(flat, (extent, rows, *flat.shape[1:]))
    back = (0, *range(2, 2 + axis), 1, *range(2 + axis, table.ndim))
    return transpose(table, back) if axis else table


register(
    Primitive(
        "put_add", "selection", "call", True, _put_type, _put_meaning,
        _put_vjp, _put_jvp, _put_batch,
        masks=True, back="what came in where it was added",
        mixes=lambda node, rows: node.op.name if rows in node.args[0].shape else "",
    )
)  # fmt: skip
