"""NumPy's index expressions: basic ones become a `Block`, advanced ones gathers and selects."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from descend.errors import TraceError, UsageError
from descend.graph.elementwise import call, cast, full_like, select
from descend.graph.linear import broadcast, reshape, transpose
from descend.graph.node import Dim, Node, RowsAsked, Shape
from descend.graph.selection import take
from descend.graph.source import INPUT, const, is_const, value_of
from descend.lean import dataclass
from descend.trace.context import current, note, where
from descend.trace.handlers import INDEX, value_may_raise
from descend.trace.regions import Block, reshaped
from descend.trace.rows import count_of
from descend.trace.typing_rules import broadcast_shapes, fits, known_extents, shape_text, to_shape

__all__ = [
    "IN_BOUNDS",
    "Gather",
    "OUTSIDE",
    "TraceIndexError",
    "WholeAsked",
    "basic",
    "checked",
    "fitted",
    "gather",
    "masked",
    "plan",
    "result_shape",
    "scatter",
]


class TraceIndexError(TraceError, IndexError):
    """An index that the array does not have."""


def _is_basic(part: Any) -> bool:
    if part is None or part is Ellipsis or isinstance(part, slice):
        return True
    return isinstance(part, (int, np.integer)) and not isinstance(part, (bool, np.bool_))


def _consumed(part: Any) -> int:
    """How many axes of the array an entry of the index uses up."""
    if part is None or part is Ellipsis:
        return 0
    if isinstance(part, Node):
        return 1
    if isinstance(part, (bool, np.bool_)):
        return 0
    if isinstance(part, np.ndarray) and part.dtype == bool:
        return part.ndim
    return 1


def expanded(index: Any, shape: Shape) -> list[Any]:
    """The index with its Ellipsis written out, one entry for every axis (and each newaxis)."""
    parts = list(index) if isinstance(index, tuple) else [index]
    used = sum(_consumed(p) for p in parts)
    if used > len(shape):
        raise TraceIndexError(
            f"too many indices for array: array is {len(shape)}-dimensional, "
            f"but {used} were indexed",
            where=where(),
            plain=True,
        )
    fill = [slice(None)] * (len(shape) - used)
    places = [i for i, p in enumerate(parts) if p is Ellipsis]
    if len(places) > 1:
        raise TraceIndexError("an index can only have a single ellipsis ('...')", where=where())
    at = places[0] if places else len(parts)
    return [*parts[:at], *fill, *parts[at + 1 :]]


def _int_index(part: Any, extent: int | Dim, axis: int) -> int:
    if isinstance(extent, Dim):
        raise RowsAsked(extent, "indexing a single row")
    i = int(part)
    if not -extent <= i < extent:
        raise TraceIndexError(
            f"index {i} is out of bounds for axis {axis} with size {extent}",
            where=where(),
            plain=True,
        )
    return i % extent


def _slice_index(part: slice, extent: int | Dim) -> tuple[int, Any, int, bool, Any]:
    """start, stop, positive step, flipped, and how many are taken."""
    if isinstance(extent, Dim):
        if part == slice(None) or (part.start in (None, 0) and part.stop is None):
            if part.step in (None, 1):
                return 0, extent, 1, False, extent
        elif part.start is None and part.stop is None and part.step == -1:
            return 0, extent, 1, True, extent
        if part.start is None and part.stop is None and part.step == -1:
            return 0, extent, 1, True, extent
        raise RowsAsked(extent, "a slice of the rows")
    chosen = range(*part.indices(extent))
    n = len(chosen)
    if not n:
        return 0, 0, 1, False, 0
    if chosen.step > 0:
        return chosen.start, chosen[-1] + 1, chosen.step, False, n
    return chosen[-1], chosen.start + 1, -chosen.step, True, n


def basic(index: Any, shape: Shape) -> Block | None:
    """The block that a basic index selects; None for an advanced index.

    >>> basic((slice(None, None, -1), 0), (3, 4)).shape
    (3,)
    """
    parts = index if isinstance(index, tuple) else (index,)
    if not all(_is_basic(p) for p in parts):
        return None
    starts, stops, steps, flips, ints = [], [], [], [], []
    block: list[Any] = []
    result: list[Any] = []
    axis = 0
    for part in expanded(parts, shape):
        if part is None:
            result.append(1)
            continue
        if isinstance(part, slice):
            start, stop, step, flipped, taken = _slice_index(part, shape[axis])
            result.append(taken)
            if flipped and taken != 1:
                flips.append(axis)
        else:
            start = _int_index(part, shape[axis], axis)
            stop, step, taken = start + 1, 1, 1
            ints.append(axis)
        starts.append(start)
        stops.append(stop)
        steps.append(step)
        block.append(taken)
        axis += 1
    return Block(
        tuple(starts), tuple(stops), tuple(steps), tuple(flips), tuple(ints),
        tuple(block), tuple(result),
    )  # fmt: skip


@dataclass(frozen=True)
class Gather:
    """An advanced index after its basic part: integer arrays for some axes, all of one shape.

    Attributes:
        basic: the basic part, with whole axes where arrays stand; newaxes included.
        axes: axes of the basic part's result that arrays index.
        indices: one node of integers per axis, broadcast to `shape`.
        shape: the common shape of the index arrays.
        first: where that shape goes in the result.
    """

    basic: Block
    axes: tuple[int, ...]
    indices: tuple[Node, ...]
    shape: Shape
    first: int


def _array_parts(part: Any) -> list[Any]:
    """An entry of an advanced index as integer arrays, one per axis that it uses."""
    if isinstance(part, Node):
        if part.dtype.kind == "b":
            if is_const(part):
                return list(value_of(part).nonzero())
            raise TraceError(
                "how many elements a mask selects is not known before the data is",
                where=where(),
                remedy="use np.where(mask, a, b), or multiply by the mask",
            )
        return [part if part.dtype.kind in "iu" else _whole(part)]
    array = np.asarray(part)
    if array.size == 0 and not isinstance(part, np.ndarray):
        array = array.astype(np.intp)
    if array.dtype == bool:
        return list(array.nonzero())
    if array.dtype.kind not in "iu":
        raise TraceIndexError(
            "arrays used as indices must be of integer (or boolean) type", where=where()
        )
    return [array]


class WholeAsked(TraceIndexError):
    """A column of floats indexes: if its numbers are whole, trace again and say so.

    Attributes:
        node: the input; column: the name of its column, if it is one.
    """

    column: str | None = None

    def __init__(self, node: Node) -> None:
        super().__init__(
            "arrays used as indices must be of integer (or boolean) type",
            where=where(),
            remedy="write .astype(int) where it indexes",
        )
        self.node = node


OUTSIDE = 2**62
"""An index that no array has."""
IN_BOUNDS = frozenset(("argmax", "argmin", "argsort", "iota"))
"""Operations whose results are indices of what they look at."""
MOVING = frozenset(("reshape", "transpose", "slice", "broadcast", "flip"))
"""Operations after which a column of whole numbers is one still."""


def _whole(part: Node) -> Node:
    """Floats as an index: integers, where they come from an input that is known to be whole.

    Numbers that are not whole after all become an index that no array has, and so an error of
    the run.
    """
    source = part
    while source.op.name in MOVING:
        source = source.args[0]
    trace = current()
    if source.op is not INPUT or trace is None or source not in trace.whole:
        raise WholeAsked(source)
    whole = call("eq", call("floor", part), part)
    return cast(select(whole, part, float(OUTSIDE)), np.int64)


def _wrapped(index: Any, extent: int | Dim, axis: int) -> Node:
    """An integer node with negative entries counted from the end; known ones are checked."""
    if isinstance(index, Node):
        trace = current()
        if trace is not None and trace.guarded:
            value_may_raise("indexing", INDEX)
        if index.dtype.kind == "u":
            return cast(index, np.int64)
        counted = cast(index, np.int64)
        total = to_shape(count_of((extent,), np.int64), counted.shape)
        return select(call("lt", counted, 0), call("add", counted, total), counted)
    if isinstance(extent, Dim):
        raise RowsAsked(extent, "indexing some of the rows")
    if index.size and (index.max() >= extent or index.min() < -extent):
        bad = int(index.max() if index.max() >= extent else index.min())
        raise TraceIndexError(
            f"index {bad} is out of bounds for axis {axis} with size {extent}",
            where=where(),
            plain=True,
        )
    return const(np.where(index < 0, index + extent, index), np.int64)


def plan(index: Any, shape: Shape) -> Gather:
    """Split an advanced index into its basic part and its integer arrays."""
    parts = expanded(index, shape)
    first_parts: list[Any] = []
    arrays: list[tuple[int, Any]] = []
    places: list[int] = []
    axis = out_axis = 0
    for at, part in enumerate(parts):
        if part is None or isinstance(part, slice):
            first_parts.append(part)
            out_axis += 1
            axis += part is not None
            continue
        if isinstance(part, (bool, np.bool_)):
            raise TraceIndexError(
                "a single truth value as an index", where=where(), remedy="use np.where"
            )
        places.append(at)
        _check_mask(part, shape, axis)
        for array in _array_parts(part):
            arrays.append((out_axis, _wrapped(array, shape[axis], axis)))
            first_parts.append(slice(None))
            out_axis += 1
            axis += 1
    block = basic(tuple(first_parts), shape)
    assert block is not None
    common = broadcast_shapes([node.shape for _, node in arrays])
    together = places == list(range(places[0], places[0] + len(places)))
    return Gather(
        block,
        tuple(a for a, _ in arrays),
        tuple(to_shape(node, common) for _, node in arrays),
        common,
        arrays[0][0] if together else 0,
    )


def _check_mask(part: Any, shape: Shape, axis: int) -> None:
    """A mask of known value must have the extents of the axes that it indexes."""
    array = part if isinstance(part, np.ndarray) else None
    if isinstance(part, list):
        array = np.asarray(part)
    if array is None or array.dtype != bool:
        return
    against = shape[axis : axis + array.ndim]
    for extent in against:
        if isinstance(extent, Dim):
            raise RowsAsked(extent, "a mask over the rows")
    if array.shape != against:
        raise TraceIndexError(
            f"boolean index of shape {shape_text(array.shape)} did not match an array of shape "
            f"{shape_text(against)}",
            where=where(),
        )


def _flat_index(g: Gather, extents: list[Any]) -> Node:
    """One integer per element for several indexed axes taken together; `OUTSIDE` where one of them
    is outside of its axis, since the row before or behind may have such an element."""
    flat = g.indices[0]
    for node, extent in zip(g.indices[1:], extents[1:], strict=True):
        flat = call("add", call("mul", flat, full_like(flat, extent)), node)
    if len(extents) > 1:
        for node, extent in zip(g.indices, extents, strict=True):
            if not is_const(_source(node)) and _source(node).op.name not in IN_BOUNDS:
                low, high = call("lt", node, 0), call("le", full_like(node, extent), node)
                flat = select(call("or", low, high), full_like(flat, OUTSIDE), flat)
    return flat


def _table(g: Gather, x: Node) -> tuple[Node, Node, list[int]]:
    """The indexed axes moved to the front and made one; the flat index; the other axes."""
    rest = [i for i in range(x.ndim) if i not in g.axes]
    extents = [x.shape[i] for i in g.axes]
    table = transpose(x, (*g.axes, *rest))
    if len(extents) > 1:
        numbers = known_extents(extents, "indexing rows together with another axis")
        table = reshape(table, (math.prod(numbers), *(x.shape[i] for i in rest)))
    return table, _flat_index(g, extents), rest


def gather(g: Gather, node: Node) -> Node:
    """x[index] for an advanced index."""
    x = g.basic.read(node)
    table, flat, rest = _table(g, x)
    picked = take(table, flat, 0)
    k, before = flat.ndim, sum(1 for i in rest if i < g.first)
    order = (*range(k, k + before), *range(k), *range(k + before, picked.ndim))
    return transpose(picked, order)


def result_shape(g: Gather) -> Shape:
    """The shape of x[index]."""
    rest = [n for i, n in enumerate(g.basic.shape) if i not in g.axes]
    before = sum(1 for i in range(len(g.basic.shape)) if i not in g.axes and i < g.first)
    return (*rest[:before], *g.shape, *rest[before:])


def scatter(g: Gather, node: Node, value: Node) -> Node:
    """x with x[index] replaced by the value, in its shape; of equal indices the last wins.

    Where every index is known, the result is a gather from the old and the new elements.
    """
    if not all(is_const(i) or is_const(_source(i)) for i in g.indices):
        return _scatter_unknown(g, node, value)
    x = g.basic.read(node)
    table, _, rest = _table(g, x)
    shape = known_extents(g.shape, "writing to rows")
    numbers = [np.broadcast_to(_known(i), shape).ravel() for i in g.indices]
    extents = known_extents((x.shape[i] for i in g.axes), "writing to some of the rows")
    flat: Any = np.ravel_multi_index(tuple(numbers), extents)
    rows = math.prod(extents)
    source = np.full(rows, -1)
    source[flat] = np.arange(flat.size)
    k, before = len(g.shape), sum(1 for i in rest if i < g.first)
    order = (*range(before, before + k), *range(before), *range(before + k, value.ndim))
    table_value = transpose(value, order)
    tail = table.shape[1:]
    table = reshape(table, (rows, *tail)) if table.shape[:1] != (rows,) else table
    if flat.size == 0:
        return node
    new = take(reshape(table_value, (flat.size, *tail)), const(np.maximum(source, 0)), 0)
    hit = to_shape(reshape(const(source >= 0), (rows, *(1,) * len(tail))), (rows, *tail))
    mixed = reshape(select(hit, new, table), (*extents, *tail))
    back = np.argsort([*g.axes, *rest])
    return g.basic.write(node, transpose(mixed, tuple(int(i) for i in back)))


def _source(node: Node) -> Node:
    return node.args[0] if node.op.name == "broadcast" else node


def _known(node: Node) -> Any:
    if is_const(node):
        return value_of(node)
    return node.op.meaning(value_of(node.args[0]), **node.attrs)


def _scatter_unknown(g: Gather, node: Node, value: Node) -> Node:
    """x with one element (or row) replaced at an index that only the data knows."""
    if g.shape != () or len(g.axes) != 1:
        raise TraceError(
            "assigning to several places whose indices are not known before the data is",
            where=where(),
            remedy="build the array with np.where, or sum one-hot rows",
        )
    x = g.basic.read(node)
    (axis,) = g.axes
    extent = x.shape[axis]
    if isinstance(extent, Dim):
        raise RowsAsked(extent, "writing to one of the rows")
    counting = const(np.arange(extent).reshape([-1 if i == axis else 1 for i in range(x.ndim)]))
    index = checked(g.indices[0], extent)
    here = call("eq", to_shape(counting, x.shape), to_shape(index, x.shape))
    unit = tuple(1 if i == axis else n for i, n in enumerate(x.shape))
    return g.basic.write(node, select(here, to_shape(reshape(value, unit), x.shape), x))


def checked(index: Node, extent: int) -> Node:
    """The same index, read from a table of its own: what is taken is judged with the run."""
    return note(take(const(np.arange(extent)), index, 0))


def fitted(value: Node, shape: Shape) -> Node:
    """A value broadcast to the place that it is written to."""
    while value.ndim > len(shape) and value.shape[0] == 1:
        value = reshaped(value, value.shape[1:])
    if value.shape == shape:
        return value
    if not fits(value.shape, shape):
        raise UsageError(
            f"could not broadcast input array from shape {shape_text(value.shape)} into shape "
            f"{shape_text(shape)}",
            where=where(),
        )
    return to_shape(value, shape)


def masked(x: Node, mask: Node, value: Node) -> Node:
    """x with the value where the mask holds; the value must be the same for every place."""
    n = mask.ndim
    if mask.shape != x.shape[:n]:
        raise TraceIndexError(
            f"boolean index of shape {shape_text(mask.shape)} did not match an array of shape "
            f"{shape_text(x.shape)}",
            where=where(),
        )
    if value.ndim > x.ndim - n:
        raise TraceError(
            "as many values as a mask selects cannot be written: their number is not known",
            where=where(),
            remedy="write x = np.where(mask, values_for_all, x)",
        )
    wide = broadcast(mask, x.shape, tuple(range(n)))
    return select(wide, to_shape(value, x.shape), x)
