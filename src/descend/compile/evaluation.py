"""A node at an index: the expression behind one element of an array.

Views (broadcast, transpose, slice, flip) cost nothing here: they only change the index at which
their argument is evaluated. A value is computed once per nest and index, and loads happen where
the index needs them.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from typing import Any, Protocol

import numpy as np

from descend.compile.cells import Cells
from descend.compile.folding import combine
from descend.compile.loops import Address, Axis, Index, Let, Place
from descend.compile.native import NotNative
from descend.compile.schedule import is_small, is_trivial_reshape
from descend.errors import InternalError
from descend.graph.node import Dim, Node, sizes
from descend.graph.source import CONST

__all__ = ["COMBINE", "RULES", "At", "Evaluator", "operand"]

At = tuple[Index, ...]
COMBINE = {"sum": "add", "contract": "add", "reduce_max": "max", "reduce_min": "min"}
INT = np.dtype(np.int64)


class Arrays(Protocol):
    """What an evaluator asks of the lowering it works for: where things are."""

    places: dict[Node, Place]
    prefix: dict[Node, At]
    cells: dict[Node, Cells]

    def constant(self, node: Node) -> Place: ...

    def spilled(self, node: Node) -> Place: ...

    def place_of(self, node: Node) -> Place: ...


class Evaluator:
    """Evaluates nodes at indices inside one nest (or at the top, where indices are constant)."""

    def __init__(self, lowering: Arrays, axes: Sequence[Axis], roots: set[Node]) -> None:
        self.lowering = lowering
        self.position = {axis: i for i, axis in enumerate(axes)}
        self.roots = roots
        self.lets: list[Let] = []
        self.memo: dict[tuple[Node, At], Let] = {}

    def let(self, op: str, args: tuple[Let, ...], attr: Any, dtype: Any, depth: int = 0) -> Let:
        made = Let(op, args, attr, dtype, max([depth, *(a.depth for a in args)]))
        self.lets.append(made)
        return made

    def depth_of(self, at: Sequence[Index]) -> int:
        axes = [a for index in at for a, _ in index.terms]
        return 1 + max((self.position.get(a, -1) for a in axes), default=-1)

    def load(self, place: Place, at: At) -> Let:
        return self.let("load", (), Address(place, at), place.dtype, self.depth_of(at))

    def __call__(self, node: Node, at: At) -> Let:
        key = (node, at)
        found = self.memo.get(key)
        if found is None:
            found = self.memo[key] = self.compute(node, at)
        return found

    def compute(self, node: Node, at: At) -> Let:
        if is_small(node) and node not in self.roots:
            return self.small(node, at)
        place = self.lowering.places.get(node)
        if place is not None and node not in self.roots:
            return self.load(place, (*self.lowering.prefix.get(node, ()), *at))
        if node.op.kind == "elementwise":
            args = tuple([self(a, at) for a in node.args])
            return self.let(node.op.name, args, dict(node.attrs) or None, node.dtype)
        if node.op is CONST:
            return self.load(self.lowering.constant(node), at)
        rule = RULES.get(node.op.name)
        if rule is None:
            raise NotNative(node.op.name)
        return rule(self, node, at)

    def small(self, node: Node, at: At) -> Let:
        cells = self.lowering.cells[node]
        if all(i.is_const for i in at):
            found: Let = cells[tuple(i.const for i in at)]
            return found
        first: Let = cells.flat[0]
        if all(c is first for c in cells.flat):
            return first
        return self.load(self.lowering.spilled(node), at)


def _through_broadcast(e: Evaluator, node: Node, at: At) -> Let:
    return e(node.args[0], tuple(at[a] for a in node.attrs["axes"]))


def _through_transpose(e: Evaluator, node: Node, at: At) -> Let:
    order = node.attrs["order"]
    back = [at[0]] * len(order)
    for i, axis in enumerate(order):
        back[axis] = at[i]
    return e(node.args[0], tuple(back))


def _through_slice(e: Evaluator, node: Node, at: At) -> Let:
    rows = zip(at, node.attrs["starts"], node.attrs["steps"], strict=True)
    return e(node.args[0], tuple(i.scaled(step).shifted(start) for i, start, step in rows))


def _through_flip(e: Evaluator, node: Node, at: At) -> Let:
    moved = list(at)
    for axis in node.attrs["axes"]:
        extent, back = node.shape[axis], at[axis].scaled(-1)
        if isinstance(extent, Dim):
            moved[axis] = Index(back.const - 1, back.terms, (*back.dims, (extent, 1)))
        else:
            moved[axis] = back.shifted(extent - 1)
    return e(node.args[0], tuple(moved))


def _through_reshape(e: Evaluator, node: Node, at: At) -> Let:
    """Only for reshapes that add or drop axes of extent 1."""
    if not is_trivial_reshape(node):
        raise InternalError(f"{node} should have a place")
    long = iter([i for i, n in zip(at, node.shape, strict=True) if n != 1])
    return e(node.args[0], tuple(Index() if n == 1 else next(long) for n in node.args[0].shape))


def _counting(e: Evaluator, node: Node, at: At) -> Let:
    index = at[node.attrs["axis"]]
    whole = node.dtype if node.dtype.kind in "iu" else INT  # a wider one would cost lanes
    let = e.let("index", (), index, whole, e.depth_of((index,)))
    return let if node.dtype == whole else e.let("cast", (let,), None, node.dtype)


def _gather(e: Evaluator, node: Node, at: At) -> Let:
    x, index = node.args
    axis = node.attrs["axis"]
    chosen = e(index, at[axis : axis + index.ndim])
    place = e.lowering.place_of(x)
    rest = (*at[:axis], Index(), *at[axis + index.ndim :])
    if x.shape[axis] == 0:
        raise NotNative("take from an empty axis")
    return e.let("gather", (chosen,), (Address(place, rest), axis), x.dtype, e.depth_of(rest))


def _unrolled(e: Evaluator, node: Node, at: At) -> Let:
    """A reduction over a few elements, written out and combined pairwise."""
    op = COMBINE[node.op.name]
    _, gone = reduced_positions(node)
    terms = []
    for corner in itertools.product(*(range(n) for n in gone)):
        terms.append(operand(e, node, at, tuple(Index(c) for c in corner)))
    return combine(lambda a, b: e.let(op, (a, b), None, node.dtype), terms)


def reduced_positions(node: Node) -> tuple[int, list[int]]:
    """How many axes are kept, and the extents of the reduced ones (known numbers)."""
    from_labels = node.op.name == "contract"
    if from_labels:
        la, lo = node.attrs["la"], node.attrs["lo"]
        extents = [n for x, n in zip(la, node.args[0].shape, strict=True) if x not in lo]
    else:
        extents = [node.args[0].shape[i] for i in sorted(node.attrs["axes"])]
    return node.ndim, list(sizes(tuple(extents)))


def operand(e: Evaluator, node: Node, kept: At, gone: At) -> Let:
    """The summand of a reduction at kept and reduced indices."""
    if node.op.name == "contract":
        la, lb, lo = node.attrs["la"], node.attrs["lb"], node.attrs["lo"]
        where = dict(zip(lo, kept, strict=True))
        where |= dict(zip([x for x in la if x not in lo], gone, strict=True))
        a = e(node.args[0], tuple(where[x] for x in la))
        b = e(node.args[1], tuple(where[x] for x in lb))
        return e.let("mul", (a, b), None, node.dtype)
    (x,), axes = node.args, node.attrs["axes"]
    inner, outer = iter(gone), iter(kept)
    return e(x, tuple(next(inner) if i in axes else next(outer) for i in range(x.ndim)))


RULES: dict[str, Callable[[Evaluator, Node, At], Let]] = {
    "broadcast": _through_broadcast,
    "transpose": _through_transpose,
    "slice": _through_slice,
    "flip": _through_flip,
    "reshape": _through_reshape,
    "iota": _counting,
    "take": _gather,
    **dict.fromkeys(COMBINE, _unrolled),
}
