"""`sound_solve` as loops whose text does not grow with the matrix.

Rows are padded to whole vectors, so that no loop has a tail. What a vector holds beyond the
elements that a turn is about is left as it was. Where every number already is a vector of fits,
one element is worked on after the other. No sum runs along a row: the bits do not depend on how
many elements a vector holds.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from descend.compile.access import Counters
from descend.compile.kinds import Value
from descend.compile.llvm import BlockWriter
from descend.compile.loops import Address, Axis, Call, Index, Place
from descend.compile.native import cpu_lanes
from descend.compile.operations import kind_of
from descend.compile.writing import when
from descend.graph.node import Node, sizes

__all__ = ["sound_solve", "sound_workspace"]

ZERO, ONE = Value("0", "i64", 1), Value("1", "i64", 1)
TOGETHER = 4  # rows that are eliminated beside each other
WRITTEN_OUT = 4  # vectors of a row that need no loop


def sound_workspace(node: Node) -> list[tuple[tuple[int, ...], np.dtype[Any]]]:
    """What is left of the matrix with its right-hand sides, L by rows, and the solutions."""
    m, n = sizes(node.args[1].shape)
    most = cpu_lanes() // node.dtype.itemsize
    wide, narrow = (-(-size // most) * most for size in (n + m, n))
    return [((n, wide), node.dtype), ((n, narrow), node.dtype), ((m + 1, narrow), node.dtype)]


class _Solver:
    """Writes one call."""

    def __init__(self, w: BlockWriter, call: Call) -> None:
        self.w, self.e = w, w.e
        self.a, self.sides, self.shift, self.held, self.settled, *work = call.sources
        self.rest, self.lower, self.x = work
        self.target = call.target
        self.kind = kind_of(self.target.dtype)
        self.m, self.n = sizes(self.sides.shape)
        self.order = Value(str(self.n), "i64", 1)
        self.width = w.neighbours(self.kind)

    # Elements and vectors

    def at(self, place: Place, *indices: Value | int) -> tuple[Address, Counters]:
        counters: Counters = {}
        index = []
        for i, n in zip(indices, place.shape, strict=True):
            if isinstance(i, int):
                index.append(Index(i))
            else:
                axis = Axis("x", n)
                counters[axis] = i
                index.append(Index(0, ((axis, 1),)))
        return Address(place, tuple(index)), counters

    def load(self, place: Place, *indices: Value | int) -> Value:
        return self.w.load(*self.at(place, *indices), 1)

    def vector(self, place: Place, *indices: Value | int) -> Value:
        if self.width == 1:
            return self.load(place, *indices)
        return self.w.load_from(self.w.pointer_to(*self.at(place, *indices)), self.kind, self.width)

    def store(self, place: Place, value: Value, *indices: Value | int) -> None:
        address, counters = self.at(place, *indices)
        self.w.store(address, value, counters, None)

    def number(self, value: float) -> Value:
        return self.e.const(value, self.kind, self.w.width)

    def spread(self, value: Value) -> Value:
        return value if self.width == 1 else self.e.splat(value, self.width)

    def row(self, place: Place, start: Value, stop: Value, body: Callable[[Value], None]) -> None:
        """Every vector of a row that holds something from `start` to before `stop`."""
        extent, width = int(place.shape[1]), self.width  # type: ignore[arg-type]
        if extent <= WRITTEN_OUT * width:
            for j in range(0, extent, width):
                body(Value(str(j), "i64", 1))
            return
        if width > 1:
            start = self.e.op(f"and i64 {start.name}, {-width}", "i64", 1)
            stop = self.e.add(stop, width - 1)
            stop = self.e.op(f"and i64 {stop.name}, {-width}", "i64", 1)
        self.w.loop(stop, body, start, width)

    def subtract(self, target: tuple[Place, int], by: Value, row: tuple[Place, Value],
                 start: Value, stop: Value) -> None:  # fmt: skip
        """Take a multiple of a row from another, from `start` to before `stop`."""
        wide = self.spread(by)
        first, last = (self.e.splat(v, self.width) for v in (start, stop))

        def one(j: Value) -> None:
            before = self.vector(*target, j)
            after = self.e.sub(before, self.e.mul(wide, self.vector(*row, j)))
            here = self.e.splat(j, self.width)
            here = self.e.add(here, self.e.lane_numbers("i64", self.width))
            inside = self.e.and_(self.e.ge(here, first), self.e.lt(here, last))
            self.store(target[0], self.e.select(inside, after, before), target[1], j)

        self.row(target[0], start, stop, one)

    # The stages

    def repeat(self) -> None:
        size = (self.m + 2) * self.n * self.target.dtype.itemsize * self.w.width
        self.w.copy_bytes(self.w.frame.pointer(self.target), self.w.frame.pointer(self.held), size)

    def solve(self) -> None:
        self.begin()
        self.eliminate()
        self.back()
        self.half()

    def begin(self) -> None:
        """[A | b …] row by row."""
        size = self.n * self.a.dtype.itemsize * self.w.width

        def one(i: Value) -> None:
            into, out = (self.w.pointer_to(*self.at(p, i, 0)) for p in (self.rest, self.a))
            self.w.copy_bytes(into, out, size)
            for s in range(self.m):
                self.store(self.rest, self.load(self.sides, s, i), i, self.n + s)

        self.w.loop(self.order, one)

    def eliminate(self) -> None:
        """L and D⁻¹, and D⁻¹L⁻¹b in the place of the solutions."""
        e = self.e
        least = self.number(self.n * float(np.finfo(self.target.dtype).eps))

        def one(k: Value) -> None:
            pivot = self.load(self.rest, k, k)
            sound = e.gt(pivot, e.mul(least, self.load(self.a, k, k)))
            divisor = e.select(sound, pivot, self.number(1.0))
            inverse = e.select(sound, e.div(self.number(1.0), divisor), self.number(0.0))
            self.store(self.target, inverse, 0, k)
            for s in range(self.m):
                self.store(self.x, e.mul(self.load(self.rest, k, self.n + s), inverse), s, k)

            after = self.w.loop(
                self.order, lambda i: self.below(k, i, inverse, TOGETHER), e.add(k, ONE), TOGETHER
            )
            self.w.loop(self.order, lambda i: self.below(k, i, inverse, 1), after)

        self.w.loop(self.order, one)

    def below(self, k: Value, first: Value, inverse: Value, count: int) -> None:
        """Take row k from some rows below it; left of the diagonal nobody reads them again."""
        rows = [self.e.add(first, r) if r else first for r in range(count)]
        shares = []
        for i in rows:
            share = self.e.mul(self.load(self.rest, k, i), inverse)
            self.store(self.lower, share, i, k)
            shares.append(self.spread(share))

        def across(j: Value) -> None:
            above = self.vector(self.rest, k, j)
            for i, share in zip(rows, shares, strict=True):
                before = self.vector(self.rest, i, j)
                self.store(self.rest, self.e.sub(before, self.e.mul(share, above)), i, j)

        self.row(self.rest, first, Value(str(self.n + self.m), "i64", 1), across)

    def back(self) -> None:
        """The solutions, from the last unknown to the first, all sides together."""

        def one(turn: Value) -> None:
            k = self.e.sub(self.e.sub(self.order, ONE), turn)
            known = [self.load(self.x, s, k) for s in range(self.m)]
            for s, value in enumerate(known):
                self.subtract((self.x, s), value, (self.lower, k), ZERO, k)

        self.w.loop(self.order, one)

        def out(k: Value) -> None:
            for s in range(self.m):
                self.store(self.target, self.load(self.x, s, k), s + 1, k)
            moved = self.e.add(self.load(self.shift, k), self.load(self.x, 0, k))
            self.store(self.x, moved, self.m, k)

        self.w.loop(self.order, out)

    def half(self) -> None:
        """L⁻¹ times the moved first solution; row k of D·Lᵀ is what is left of the matrix."""

        def one(k: Value) -> None:
            value = self.load(self.x, self.m, k)
            self.store(self.target, value, self.m + 1, k)
            share = self.e.mul(value, self.load(self.target, 0, k))
            self.subtract((self.x, self.m), share, (self.rest, k), self.e.add(k, ONE), self.order)

        self.w.loop(self.order, one)


def sound_solve(w: BlockWriter, call: Call) -> None:
    """Write one call of the primitive."""
    solver = _Solver(w, call)
    settled = w.load(Address(solver.settled, ()), {}, 1)
    when(w, w.e.all(settled), solver.repeat, solver.solve)
