"""Regular blocks of arrays: what a basic index or a view selects, read and written on nodes.

Reading looks through what was just written, so that `out[i - 1]` after `out[i - 1] = v` is `v`
itself, not a slice of a copy.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Protocol

from descend.graph.linear import broadcast, concatenate, flip, reshape, set_slice, slice_, transpose
from descend.graph.node import Dim, Node, Shape
from descend.graph.source import CONST, const, value_of
from descend.lean import dataclass

__all__ = ["Block", "Region", "Reshaped", "Store", "Transposed", "reshaped", "stacked"]

Ints = tuple[int, ...]
_LOOK = 64


class Region(Protocol):
    """A part of an array, in a shape of its own, that can be read and replaced."""

    @property
    def shape(self) -> Shape: ...
    def read(self, node: Node) -> Node: ...
    def read_array(self, array: Any) -> Any: ...
    def write(self, node: Node, value: Node) -> Node: ...


def reshaped(node: Node, shape: Shape) -> Node:
    """A reshape that does not pile up on another reshape, a constant, or a repeated scalar."""
    if node.shape == shape:
        return node
    if node.op.name == "reshape" and not any(isinstance(n, Dim) for n in shape):
        node = node.args[0]
        if node.shape == shape:
            return node
    if node.op.name == "broadcast" and not node.args[0].shape:
        return broadcast(node.args[0], shape, ())
    if node.op is CONST:
        return const(value_of(node).reshape(shape))
    return reshape(node, shape)


def stacked(parts: Sequence[Node], axis: int = 0) -> Node:
    """Nodes of one shape along a new axis."""
    own = parts[0].shape
    unit = (*own[:axis], 1, *own[axis:])
    return concatenate([reshaped(p, unit) for p in parts], axis)


@dataclass(frozen=True)
class Block:
    """What a basic index selects: starts, stops, positive steps, axes to flip, the result's shape.

    `ints` are the axes that were indexed by an integer (and are not in the result).
    """

    starts: Ints
    stops: tuple[Any, ...]
    steps: Ints
    flips: Ints
    ints: Ints
    block: Shape
    shape: Shape

    def read(self, node: Node) -> Node:
        taken = _slice_through(node, self.starts, self.stops, self.steps)
        return reshaped(flip(taken, self.flips), self.shape)

    def read_array(self, array: Any) -> Any:
        """The same part of a NumPy array, as a view."""
        picked = []
        rows = zip(self.starts, self.stops, self.steps, strict=True)
        for axis, (start, stop, step) in enumerate(rows):
            if axis in self.flips:
                picked.append(slice(stop - 1, start - 1 if start else None, -step))
            else:
                picked.append(slice(start, stop, step))
        return array[tuple(picked)].reshape(self.shape)

    def write(self, node: Node, value: Node) -> Node:
        value = flip(reshaped(value, self.block), self.flips)
        if value.shape == node.shape:
            return value
        if 0 in value.shape:
            return node
        return set_slice(node, value, self.starts, self.steps)

    def only_ints(self, extents: Shape) -> bool:
        """Whether the index is whole along every axis that no integer indexes."""
        return (
            bool(self.ints)
            and not self.flips
            and all(
                i in self.ints
                or (self.starts[i] == 0 and self.block[i] == n and self.steps[i] == 1)
                for i, n in enumerate(extents)
            )
        )


@dataclass(frozen=True)
class Reshaped:
    """The same elements in the same order, in another shape."""

    before: Shape
    shape: Shape

    def read(self, node: Node) -> Node:
        return reshaped(node, self.shape)

    def read_array(self, array: Any) -> Any:
        return array.reshape(self.shape)

    def write(self, _node: Node, value: Node) -> Node:
        return reshaped(value, self.before)


@dataclass(frozen=True)
class Transposed:
    """The axes in another order."""

    order: Ints
    shape: Shape

    def read(self, node: Node) -> Node:
        return transpose(node, self.order)

    def read_array(self, array: Any) -> Any:
        return array.transpose(self.order)

    def write(self, _node: Node, value: Node) -> Node:
        return transpose(value, tuple(sorted(range(len(self.order)), key=lambda i: self.order[i])))


def _inside(
    starts: Ints, stops: tuple[Any, ...], at: Ints, steps: Ints, shape: Shape
) -> bool | None:
    """Whether a unit-step block lies in another: True, False for disjoint, None for unclear."""
    whole = True
    for a, b, s, step, n in zip(starts, stops, at, steps, shape, strict=True):
        if isinstance(n, Dim) or isinstance(b, Dim):
            continue
        if b <= s or a >= s + (n - 1) * step + 1:
            return False
        if step != 1 or a < s or b > s + n:
            whole = False
    return True if whole else None


def _slice_through(node: Node, starts: Ints, stops: tuple[Any, ...], steps: Ints) -> Node:
    """A slice of a node, looked up in the writes, joins and slices that made the node."""
    for _ in range(_LOOK):
        name = node.op.name
        if name == "set_slice":
            at, inner = node.attrs["starts"], node.attrs["steps"]
            value = node.args[1]
            inside = _inside(starts, stops, at, inner, value.shape)
            if inside is None:
                break
            if inside:
                starts, stops = _moved(starts, stops, at)
            node = value if inside else node.args[0]
        elif name == "concatenate":
            found = _part(node, starts, stops)
            if found is None:
                break
            node, offset = found
            starts, stops = _moved(starts, stops, offset)
        else:
            break
    if node.op.name == "broadcast":
        return _slice_broadcast(node, starts, stops, steps)
    if node.op is CONST:
        picked = tuple(slice(a, b, s) for a, b, s in zip(starts, stops, steps, strict=True))
        return const(value_of(node)[picked])
    return slice_(node, starts, stops, steps)


def _moved(starts: Ints, stops: tuple[Any, ...], at: Ints) -> tuple[Ints, tuple[Any, ...]]:
    return (
        tuple(a - s for a, s in zip(starts, at, strict=True)),
        tuple(b if isinstance(b, Dim) else b - s for b, s in zip(stops, at, strict=True)),
    )


def _part(node: Node, starts: Ints, stops: tuple[Any, ...]) -> tuple[Node, Ints] | None:
    """The operand of a concatenation that holds the whole block, and where it begins."""
    axis = node.attrs["axis"]
    begin = 0
    for arg in node.args:
        extent = arg.shape[axis]
        assert isinstance(extent, int), "the rows are not joined"
        end = begin + extent
        if begin <= starts[axis] and stops[axis] <= end:
            return arg, tuple(begin if i == axis else 0 for i in range(node.ndim))
        begin = end
    return None


def _slice_broadcast(node: Node, starts: Ints, stops: tuple[Any, ...], steps: Ints) -> Node:
    """A slice of a repeated array is a slice of the array, repeated."""
    source, axes = node.args[0], node.attrs["axes"]
    shape = tuple(
        n if isinstance(n, Dim) else max(0, -(-(b - a) // s))
        for a, b, s, n in zip(starts, stops, steps, node.shape, strict=True)
    )
    if source.ndim:
        source = slice_(
            source,
            tuple(starts[i] for i in axes),
            tuple(stops[i] for i in axes),
            tuple(steps[i] for i in axes),
        )
    return broadcast(source, shape, axes)


class Store:
    """The contents of an array that is being written to, element by element or row by row.

    Writes under integer indices of the same axes are kept apart until the whole is asked for,
    then joined at once: a loop of n writes makes n nodes, not n copies of the array.
    """

    __slots__ = ("axes", "node", "pieces", "version")

    def __init__(self, node: Node) -> None:
        self.node = node
        self.axes: Ints = ()
        self.pieces: dict[Ints, Node] = {}
        self.version = 0

    def write(self, region: Region, value: Node) -> None:
        """Replace the region by the value, which has the region's shape and the array's dtype."""
        self.version += 1
        if isinstance(region, Block) and region.only_ints(self.node.shape):
            if region.ints != self.axes:
                self.whole()
                self.axes = region.ints
            key = tuple(region.starts[i] for i in region.ints)
            self.pieces[key] = reshaped(value, region.block)
        else:
            self.node = region.write(self.whole(), value)

    def read(self, region: Region) -> Node:
        """The region's present contents."""
        if self.pieces and isinstance(region, Block):
            found = self._from_pieces(region)
            if found is not None:
                return found
        return region.read(self.whole())

    def _from_pieces(self, region: Block) -> Node | None:
        axes = self.axes
        if set(axes) <= set(region.ints):
            piece = self.pieces.get(tuple(region.starts[i] for i in axes))
            if piece is None:
                return region.read(self.node)
            taken = _slice_through(piece, *_whole_along(region, axes))
            return reshaped(flip(taken, region.flips), region.shape)
        if len(axes) == 1 and axes[0] not in region.ints:
            (axis,) = axes
            if region.stops[axis] - region.starts[axis] > 16 * region.steps[axis]:
                return None
            keys = range(region.starts[axis], region.stops[axis], region.steps[axis])
            parts = [self.pieces.get((k,)) for k in keys]
            if not parts or any(p is None for p in parts):
                return None
            joined = concatenate([p for p in parts if p is not None], axis)
            starts, stops, steps = _whole_along(region, axes)
            stops = tuple(len(parts) if i == axis else b for i, b in enumerate(stops))
            taken = _slice_through(joined, starts, stops, steps)
            return reshaped(flip(taken, region.flips), region.shape)
        return None

    def whole(self) -> Node:
        """The array as one node, with all writes in it."""
        if self.pieces:
            pieces, axes = self.pieces, self.axes
            self.pieces = {}
            leading = axes == tuple(range(len(axes)))
            extents = [n for n in (self.node.shape[i] for i in axes) if isinstance(n, int)]
            if leading and len(pieces) == math.prod(extents):
                rest = self.node.shape[len(axes) :]
                parts = [reshaped(pieces[key], (1, *rest)) for key in sorted(pieces)]
                self.node = reshaped(concatenate(parts, 0), self.node.shape)
            else:
                for key, run in _runs(pieces):
                    joined = concatenate(run, axes[-1])
                    at = dict(zip(axes, key, strict=True))
                    starts = tuple(at.get(i, 0) for i in range(self.node.ndim))
                    self.node = set_slice(self.node, joined, starts, (1,) * self.node.ndim)
        return self.node


def _whole_along(region: Block, axes: Ints) -> tuple[Ints, tuple[Any, ...], Ints]:
    """The region within one piece: nothing to skip along the axes that chose the piece."""
    return (
        tuple(0 if i in axes else a for i, a in enumerate(region.starts)),
        tuple(1 if i in axes else b for i, b in enumerate(region.stops)),
        tuple(1 if i in axes else s for i, s in enumerate(region.steps)),
    )


def _runs(pieces: dict[Ints, Node]) -> list[tuple[Ints, list[Node]]]:
    """Pieces grouped into runs that are neighbours along the last indexed axis."""
    runs: list[tuple[Ints, list[Node]]] = []
    expected: Ints | None = None
    for key in sorted(pieces):
        if key == expected:
            runs[-1][1].append(pieces[key])
        else:
            runs.append((key, [pieces[key]]))
        expected = (*key[:-1], key[-1] + 1)
    return runs
