"""The loop language → LLVM text: one block inside a function that is being written."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import groupby
from typing import Any

import numpy as np

from descend.compile.access import Access, Frame
from descend.compile.kinds import Value
from descend.compile.loops import (
    Barrier,
    Batch,
    Block,
    Blocks,
    Branch,
    Call,
    Copy,
    InLanes,
    Let,
    Loop,
    Nest,
    Place,
    Product,
    Routine,
    Scan,
    Serial,
    Statement,
    Store,
)
from descend.compile.matrix import ProductWriter
from descend.compile.nests import NestWriter
from descend.compile.repeats import Repeats
from descend.compile.segments import cut, operands, read_again, spill_slots
from descend.compile.writing import when, write_barrier
from descend.graph.node import sizes

__all__ = ["Algorithm", "BlockWriter"]

Algorithm = Callable[["BlockWriter", Call], Any]


MOVES = 16  # stores from which on they are a loop
METHODS: Mapping[type, str] = {
    Let: "name", Store: "keep", Nest: "nest", Product: "product", Copy: "copy", Call: "call",
    Scan: "scan", Loop: "while_", Branch: "branch", Batch: "batch", Blocks: "blocks",
    InLanes: "in_lanes", Routine: "routine", Serial: "serial", Barrier: "barrier",
}  # fmt: skip
"""What writes a statement; control flow around blocks is written by `control.FlowWriter`."""


class BlockWriter(Access):
    """Writes the statements of a block; `values` knows every top-level let afterwards."""

    def __init__(self, frame: Frame, algorithms: Mapping[str, Algorithm]) -> None:
        super().__init__(frame)
        self.algorithms = algorithms
        self.repeats: Repeats | None = None

    def write(self, block: Block) -> None:
        """Write the block here, or, if it is long, as a sequence of functions called from here."""
        if len(cut(block.statements)) == 1:
            self.write_statements(block.statements)
            return
        self.repeats = Repeats(block.statements)
        self.write_pieces(cut(block.statements, self.repeats.weight), block.outputs)

    def write_pieces(self, pieces: Sequence[Sequence[Statement]], outputs: Sequence[Let]) -> None:
        """Write each piece as a function of its own, and call them here in order."""
        homes = {x: i for i, piece in enumerate(pieces) for x in piece if isinstance(x, Let)}
        self.spilled = spill_slots(pieces, homes, outputs, self.free)
        for i, piece in enumerate(pieces):
            inner = self.of_piece(self.frame.segment())
            inner.spilled = self.spilled
            inner.write_statements(piece)
            for let in piece:
                if isinstance(let, Let) and let in self.spilled and homes[let] == i:
                    inner.put_spilled(let)
            self.frame.call_segment(inner.frame.finish_segment(()), ())

    def free(self, let: Let) -> bool:
        """Whether another function has a value without being told."""
        return read_again(let)

    def of_piece(self, frame: Frame) -> BlockWriter:
        """The writer of a piece, in the frame of its function."""
        inner = BlockWriter(frame, self.algorithms)
        inner.repeats = self.repeats
        return inner

    def write_statements(self, statements: Sequence[Statement]) -> None:
        for statement in self.without_moves(statements):
            getattr(self, METHODS[type(statement)])(statement)

    def name(self, let: Let) -> None:
        if let.op != "reduced":
            self.values[let] = self.let(let, self.values, self.counters, self.width)

    def keep(self, statement: Store) -> None:
        self.store(statement.target, self.values[statement.value], self.counters, None)

    def without_moves(self, statements: Sequence[Statement]) -> Iterator[Statement]:
        """The statements; long runs of stores of what other functions made are written here."""
        made = {s for s in statements if isinstance(s, Let)}
        for place, run in groupby(statements, lambda s: self.moved_to(s, made)):
            stores = list(run)
            if place is None or len(stores) < MOVES:
                yield from stores
                continue
            pairs, shape = [], sizes(place.shape)
            for store in stores:
                assert isinstance(store, Store)
                at = np.ravel_multi_index([i.const for i in store.target.index], shape)
                pairs.append((self.spilled[store.value], int(at)))
            self.copy_words(self.frame.spill(), self.frame.pointer(place), pairs)

    def moved_to(self, statement: Statement, made: set[Let]) -> Place | None:
        """The array to which a statement brings a number that lies in memory, if it does just that.

        Args:
            made: what stands in a register, or will.
        """
        if not isinstance(statement, Store) or statement.value.dtype.itemsize != 8:
            return None
        value, target = statement.value, statement.target
        known = value in made or value in self.values or value not in self.spilled
        fixed = all(i.is_const for i in target.index) and target.place.role == "scratch"
        return target.place if fixed and not known else None

    def neighbours(self, kind: str) -> int:
        """How many numbers that lie side by side are worked on at once."""
        return self.frame.lanes(kind)

    def nest(self, statement: Nest) -> None:
        if self.repeats is None or not self.repeats.call(self, statement):
            NestWriter(self, statement).write()

    def product(self, statement: Product) -> None:
        ProductWriter(self, statement).write()

    def scan(self, statement: Scan) -> None:
        for let in operands(statement):
            self.values[let]

        def body(i: Value) -> None:
            self.counters[statement.axis] = i
            self.write_statements(statement.block.statements)

        count = statement.count
        end = self.extent(statement.axis.extent) if count is None else self.values[count]
        first, end = self.own_part(end) if statement.divided else (None, end)
        self.loop(end, body, first)

    # Threads: every one runs the whole function

    def serial(self, statement: Serial) -> None:
        for let in operands(statement) if self.spilled else ():
            self.values[let]  # what a branch has fetched is not known after it
        thread, threads = self.frame.team()
        which = Value(str(statement.thread), "i64", 1)
        if statement.thread:
            which = self.e.op(f"urem i64 {which.name}, {threads.name}", "i64", 1)
        inside = statement.block.statements
        when(self, self.e.eq(thread, which), lambda: self.write_statements(inside), lambda: None)

    def barrier(self, _statement: Barrier) -> None:
        write_barrier(self)

    def copy(self, statement: Copy) -> None:
        target, source = statement.target, statement.source
        size = 1 if source.dtype.kind == "b" else source.dtype.itemsize
        n = self.count(target.shape)
        total = Value(str(int(n.name) * size), "i64", 1) if n.name.isdigit() else (
            self.e.mul(n, size)
        )  # fmt: skip
        self.copy_bytes(self.base(target), self.base(source), total.name)

    def copy_bytes(self, target: str, source: str, count: int | str) -> None:
        self.e.preamble["llvm.memcpy"] = (
            "declare void @llvm.memcpy.p0.p0.i64(ptr, ptr, i64, i1)"
        )
        self.e.line(
            f"call void @llvm.memcpy.p0.p0.i64(ptr {target}, ptr {source}, i64 {count}, i1 false)"
        )

    def call(self, statement: Call) -> None:
        self.algorithms[statement.name](self, statement)
