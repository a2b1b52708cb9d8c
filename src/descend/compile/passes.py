"""Passes over rows: what each block of them comes to, by code that a thread runs alone.

A step on many rows is split into sums of blocks and what follows from them (`graph.blocks`). The
sums of one pass and their combination stand here; the step that they are part of, in `descent`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from descend.compile.entry import WHOLE, swaps_rows
from descend.compile.flow import INT, GraphFlow, at
from descend.compile.legalise import legalise
from descend.compile.loops import (
    Axis,
    Barrier,
    Batch,
    Blocks,
    Call,
    Index,
    Let,
    Place,
    Serial,
)
from descend.compile.lower import Lowering, lower
from descend.graph.blocks import BLOCK, Split, Sweep, neutral
from descend.graph.elementwise import call as combine
from descend.graph.evaluate import concrete
from descend.graph.node import Dim, Node
from descend.graph.program import Program
from descend.graph.shared import shared_bodies

__all__ = ["PassFlow", "places_of"]

CACHE = 1 << 18  # bytes of arrays that lie between the loops over some rows
LEAST_ROWS = 128


def places_of(role: str, nodes: Sequence[Node], batched: bool = False) -> list[Place]:
    return [Place(role, i, n.shape, n.dtype, batched) for i, n in enumerate(nodes)]


class PassFlow(GraphFlow):
    """A flow with passes over the rows of a program, block by block.

    Attributes:
        parts, wires: what each block of rows comes to; what is worked out before a pass over them.
        shared: the calls of what is compiled by itself, in the order of their numbers.
        swaps: whether the rows of a batch are swapped to lie together.
    """

    def __init__(self, words: Sequence[str], program: Program) -> None:
        super().__init__(words)
        self.program = program
        self.parts: list[Place] = []
        self.wires: list[Place] = []
        self.swaps = program.plan.shuffle and swaps_rows(program.data)
        self.bodies = shared_bodies(program.heads)
        self.shared: list[tuple[int, Sequence[Place], Sequence[Place]]] = []

    def graph(
        self, name: str, outputs: Sequence[Node], data: Sequence[Node] = (),
        known: Mapping[Dim, int] | None = None, more: Mapping[Node, Place] | None = None,
    ) -> Lowering:  # fmt: skip
        """A graph as a block; `data` are its columns, `more` its further inputs."""
        columns = places_of("shuffled" if self.swaps else "data", data, batched=True)
        leaves = dict(zip(data, columns, strict=True)) | dict(more or {})
        lowering = self.lower(name, outputs, leaves, known)
        for call in lowering.block.statements:
            if isinstance(call, Call) and call.name == "shared":
                call.attrs["number"] = len(self.shared)
                body = self.bodies.index(call.attrs["body"])
                self.shared.append((body, call.sources, call.attrs["results"]))
        return lowering

    def stage(self, number: int, write: Callable[[], None]) -> None:
        """A part of a step, which all threads leave together."""
        asked = self.get("stage")
        on = self.of("or", self.of("eq", asked, WHOLE), self.of("eq", asked, number))

        def own() -> None:
            write()
            self.add(Barrier())

        self.branch(on, own)

    def serial(self, write: Callable[[], None]) -> None:
        self.add(Serial(self.part(write)[0]))

    def sweep(self, split: Split, number: int, known: dict[Node, Place]) -> Any:
        """One pass over the rows; `known` gets the places of what it needs and comes to."""
        p, sweep = self.program, split.sweeps[number]
        wires = [self.fresh(form) for form, _ in sweep.wires]
        values = legalise([value for _, value in sweep.wires], apart=True)
        before = self.graph(f"before {number}", values, more=known)
        ready = self.after(before, wires, values)
        known |= dict(zip([form for form, _ in sweep.wires], wires, strict=True))
        axis = Axis("block", 0)
        forms = [s.form for s in sweep.sums]
        own = [Place("part", len(self.parts) + i, f.shape, f.dtype) for i, f in enumerate(forms)]
        self.parts += own
        rows_of = [Place(x.role, x.number, (1, *x.shape), x.dtype) for x in own]
        summed = self.summed(number, sweep, known, rows_of, at((axis, 1)))
        known |= dict(zip(forms, own, strict=True))

        def first(rows: Let) -> None:
            self.add(Batch(before.block, p.rows, None, rows), *ready)

        def sums(rows: Let, count: Let) -> None:
            def one() -> None:
                begin = self.of("mul", self.let("index", attr=at((axis, 1)), dtype=INT), BLOCK)
                summed(begin, self.of("min", self.let("sub", rows, begin), BLOCK))

            end = self.let("min", self.get("end_block"), count)
            self.add(Blocks(axis, self.part(one)[0], self.get("first_block"), end))

        def combined(count: Let) -> None:
            for s, place in zip(sweep.sums, own, strict=True):
                self.add(Call("combine", place, (place,), {"op": s.op, "count": count}))

        return first, sums, combined

    def summed(
        self, number: int, sweep: Sweep, known: Mapping[Node, Place], places: Sequence[Place],
        which: Index,
    ) -> Callable[[Let, Let], None]:  # fmt: skip
        """What puts the sums of a block of rows into memory, from its first row and their number.

        Arrays that have rows are worked out for few rows at a time, so that they stay in a cache
        from where they are written to where they are read; the sums of these are added in order.
        """
        p = self.program
        each = legalise([s.partial for s in sweep.sums], apart=True)
        few = self.few_rows(each, known)
        if few is None:
            block = self.graph(f"partial {number}", each, p.data, more=known)
            kept = self.after(block, places, each, which)
            return lambda begin, length: self.add(Batch(block.block, p.rows, begin, length), *kept)
        forms = [s.form for s in sweep.sums]
        so_far = dict(zip(forms, [self.spare(f.shape, f.dtype) for f in forms], strict=True))
        nothing = [neutral(s) for s in sweep.sums]
        empty = self.graph(f"empty {number}", nothing)
        cleared = self.after(empty, [*so_far.values()], nothing)
        more = [combine(s.op, s.form, e) for s, e in zip(sweep.sums, each, strict=True)]
        block = self.graph(f"partial {number}", more, p.data, more={**known, **so_far})
        added = self.after(block, [*so_far.values()], more)
        whole = self.graph(f"whole {number}", forms, more=so_far)
        kept = self.after(whole, places, forms, which)
        at_row = self.spare((), INT)

        def write(begin: Let, length: Let) -> None:
            def some() -> None:
                done = self.load(at_row)
                rows = self.of("min", self.let("sub", length, done), few)
                self.add(Batch(block.block, p.rows, self.let("add", begin, done), rows), *added)
                self.store(at_row, self.of("add", self.load(at_row), few))

            self.add(Batch(empty.block, p.rows, begin, length), *cleared)
            self.store(at_row, 0)
            self.loop(lambda: self.let("lt", self.load(at_row), length), some)
            self.add(Batch(whole.block, p.rows, begin, length), *kept)

        return write

    def few_rows(self, outputs: Sequence[Node], known: Mapping[Node, Place]) -> int | None:
        """For how many rows at a time a graph's arrays fit a cache; None where it has none."""
        p = self.program
        data = dict(zip(p.data, places_of("data", p.data, batched=True), strict=True))
        block = lower(outputs, self.leaves | data | dict(known), rows=self.rows).block
        wide = [x for x in block.scratch if p.rows in x.shape]
        if not wide:
            return None
        each = sum(x.dtype.itemsize * math.prod(concrete(x.shape, {p.rows: 1})) for x in wide)
        fitting: int = 1 << max(CACHE // each, 1).bit_length() - 1
        return min(BLOCK, max(LEAST_ROWS, fitting))

    def fresh(self, form: Node) -> Place:
        place = self.spare(form.shape, form.dtype)
        self.wires.append(place)
        return place
