"""The statements that surround the blocks of a program → LLVM text."""

from __future__ import annotations

from collections.abc import Callable

from descend.compile.calls import CALLS
from descend.compile.kinds import Value
from descend.compile.llvm import BlockWriter
from descend.compile.loops import (
    Batch,
    Block,
    Blocks,
    Branch,
    Call,
    InLanes,
    Loop,
    Routine,
)
from descend.compile.many_lanes import FitWriter, Lanes
from descend.compile.module import FunctionText
from descend.compile.operations import kind_of
from descend.compile.places import Place
from descend.compile.shuffle import write_shuffle
from descend.compile.writing import repeat_while, when
from descend.graph.node import Dim

__all__ = ["FlowWriter"]

Fits = tuple[Dim, Callable[[str], Lanes]]  # the extent of the rows, and what is known of a role


class FlowWriter(BlockWriter):
    """Writes control flow into a function; the blocks in it are written as blocks are.

    Attributes:
        spill: how many numbers cross from function to function in the longest of the blocks.
    """

    def __init__(self, f: FunctionText, fits: Fits | None = None) -> None:
        super().__init__(f.frame(), CALLS)
        self.f, self.fits = f, fits
        self.spill = 0
        self.routines: dict[int, int] = {}

    def write(self, block: Block) -> None:
        """Write the statements here: they are never cut into functions."""
        self.write_statements(block.statements)

    # Numbers that live in registers from entry to exit

    def move(self, place: Place, into: bool) -> None:
        """Between the registers of a small place and its memory."""
        kind, base = kind_of(place.dtype), self.f.pointer(place)
        size = 1 if kind == "i1" else int(kind[1:]) // 8
        for i, name in enumerate(self.f.registers(place)):
            at = self.e.element(base, "i8", i * size)
            source, target = (at, name) if into else (name, at)
            value = self.load_from(source, kind, 1)
            value = self.e.convert(value, "u8") if kind == "i1" else value
            self.e.line(f"store {value.typed}, ptr {target}, align {size}")

    # Statements

    def while_(self, statement: Loop) -> None:
        def test() -> Value:
            self.write(statement.test)
            return self.values[statement.holds]

        repeat_while(self, test, lambda: self.write(statement.body))

    def branch(self, statement: Branch) -> None:
        condition = self.values[statement.condition]
        when(self, condition, lambda: self.write(statement.yes), lambda: self.write(statement.no))

    def batch(self, statement: Batch) -> None:
        """A block on some of the rows; what it hands on is read right after it."""
        rows = self.values[statement.rows]
        first = None if statement.first is None else self.values[statement.first]
        order = self.f.slot(("order",)) if statement.ordered else None
        frame = self.f.frame(first, order, (statement.dim, rows))
        self.hand_on(BlockWriter(frame, CALLS), statement.block)

    def hand_on(self, writer: BlockWriter, block: Block) -> None:
        writer.write(block)
        self.spill = max(self.spill, len(writer.spilled) * writer.width)
        self.values.update({let: writer.values[let] for let in block.outputs})

    def call(self, statement: Call) -> None:
        if statement.name != "shuffle":
            super().call(statement)
            return
        attrs = statement.attrs
        words = [self.values[word] for word in attrs["words"]]
        write_shuffle(self.f, attrs["data"], attrs["swaps"], *words)

    def blocks(self, statement: Blocks) -> None:
        """Every so many passes as there are threads, from the first or a later one on."""
        e, first = self.e, self.values[statement.first]
        count = e.sub(self.values[statement.end], first)
        thread, threads = self.frame.team()
        own = e.sub(e.add(count, e.sub(threads, 1)), thread)
        mine = e.op(f"udiv i64 {own.name}, {threads.name}", "i64", 1)

        def body(i: Value) -> None:
            self.counters[statement.axis] = e.add(first, e.add(e.mul(i, threads), thread))
            self.write(statement.block)

        self.loop(mine, body)

    def in_lanes(self, statement: InLanes) -> None:
        """A block for several fits; for a single one it is a block like any other."""
        assert self.fits is not None
        dim, lanes_of = self.fits
        lanes = lanes_of(statement.role)
        frame = self.f.frame(None, None, (dim, self.values[statement.rows]))
        writer = FitWriter(frame, lanes) if lanes.width > 1 else BlockWriter(frame, CALLS)
        self.hand_on(writer, statement.block)

    def routine(self, statement: Routine) -> None:
        """A function, which is written where it is first called."""
        number = self.routines.get(id(statement.block))
        if number is None:
            inner = FlowWriter(FunctionText(self.f), self.fits)
            inner.write(statement.block)
            self.spill = max(self.spill, inner.spill)
            number = self.routines[id(statement.block)] = inner.f.finish_segment()
        self.e.line(f"call void @segment{number}(ptr %table, i64 0, i64 0)")
