"""One native function as text: its pointer table, its frame, the module around it.

The function takes a pointer to a table of 8-byte entries: pointers to arrays and integers. No
address stands in the text, so that a compiled object can be kept on disk.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from descend.compile.access import Frame
from descend.compile.kinds import Value
from descend.compile.lanes import Emitter
from descend.compile.loops import Block, Place
from descend.compile.native import cpu_lanes
from descend.compile.operations import kind_of, memory_type
from descend.compile.places import TEAM
from descend.errors import InternalError
from descend.graph.node import Dim, sizes

__all__ = ["FunctionText"]

ROOM = "%room"
WIDEST = 64  # of all vectors


def _room_text(size: int) -> str:
    return f"  {ROOM} = alloca [{size} x i8], align 64"


class FunctionText:
    """Collects the body of a function and everything that must stand before it.

    The first one is `i64 run(ptr table, i64 thread, i64 threads)`, which every thread calls with a
    table of its own and its number; long blocks are cut into functions of their own (`segment`),
    which share its table and receive the batch (first row, number of rows) as arguments.
    """

    def __init__(
        self, parent: FunctionText | None = None, contracts: bool = True, outline: int = 0
    ) -> None:
        self.body: list[str] = []
        preamble: dict[str, str] = {} if parent is None else parent.e.preamble
        contracts = contracts if parent is None else parent.e.contracts
        self.e: Emitter = Emitter(
            self.body, 1, preamble, "start", outline if parent is None else WIDEST, contracts
        )
        self.e.library = lambda library, name: self.slot(("library", library, name))
        self.entry: list[str] = []
        self.parent = parent
        self.globals: list[str] = [] if parent is None else parent.globals
        self.slots: dict[Any, int] = {} if parent is None else parent.slots
        self.segments: list[str] = [] if parent is None else parent.segments
        self._room = 0
        self._loaded: dict[Any, str] = {}
        self._cells: dict[tuple[str, int], list[str]] = {}
        self._constants: dict[int, str] = {} if parent is None else parent._constants

    # The table

    def slot(self, key: Any, as_pointer: bool = True) -> str:
        """The table entry for a key, loaded once in the entry block."""
        name = self._loaded.get(key)
        if name is None:
            number = self.slots.setdefault(key, len(self.slots))
            name = f"%t{number}"
            kind = "ptr" if as_pointer else "i64"
            self.entry.append(f"  %q{number} = getelementptr i64, ptr %table, i64 {number}")
            self.entry.append(f"  {name} = load {kind}, ptr %q{number}, align 8")
            self._loaded[key] = name
        return name

    def extent(self, dim: Dim) -> Value:
        return Value(self.slot(("extent", dim), as_pointer=False), "i64", 1)

    def pointer(self, place: Place) -> str:
        if place.role == "constant":
            return self._constants[place.number]
        return self.slot(place.key)

    def constants(self, block: Block) -> None:
        """Arrays of known value become data of the module."""
        for place, value in block.constants:
            name = f"@c{place.number}"
            data = np.ascontiguousarray(value).tobytes()
            text = "".join(f"\\{byte:02X}" for byte in data)
            self.globals.append(
                f'{name} = private unnamed_addr constant [{len(data)} x i8] c"{text}", align 64'
            )
            self._constants[place.number] = name

    # Registers

    def alloca(self, value_type: str) -> str:
        name = self.e.fresh("r")
        self.entry.append(f"  {name} = alloca {value_type}")
        return name

    def room(self, size: int) -> str:
        """So many bytes on the stack, which pieces of code use one after the other."""
        if size > self._room:
            if self._room:
                self.entry.remove(_room_text(self._room))
            self.entry.insert(0, _room_text(size))
            self._room = size
        return ROOM

    def registers(self, place: Place) -> list[str]:
        """Keep every element of a small place in a variable of its own."""
        known = self._cells.get(place.key)
        if known is not None:
            return known
        count = math.prod(sizes(place.shape))
        kind = memory_type(kind_of(place.dtype))
        names = [self.alloca(kind) for _ in range(count)]
        self._cells[place.key] = names
        return names

    def cell(self, place: Place, flat: int) -> str | None:
        names = self._cells.get(place.key)
        if names is None:
            return None
        if flat >= len(names):
            raise InternalError(f"{place} has no element {flat}")
        return names[flat]

    def frame(self, first_row: Value | None = None, order: str | None = None,
              rows: tuple[Dim, Value] | None = None) -> Frame:  # fmt: skip
        """What a block written into this function needs to know."""

        def extent(dim: Dim) -> Value:
            return rows[1] if rows is not None and dim is rows[0] else self.extent(dim)

        def segment() -> Frame:
            child = FunctionText(self)
            inner_rows = rows
            if rows is not None and rows[1].name[0] == "%":
                inner_rows = (rows[0], Value("%rows", "i64", 1))
            inner_first = None if first_row is None else Value("%first", "i64", 1)
            inner_order = None if order is None else child.slot(("order",))
            return child.frame(inner_first, inner_order, inner_rows)

        def call_segment(number: int, more: Sequence[str] = ()) -> None:
            first = "0" if first_row is None else first_row.name
            count = "0" if rows is None else rows[1].name
            given = ", ".join(["ptr %table", f"i64 {first}", f"i64 {count}", *more])
            self.e.line(f"call void @segment{number}({given})")

        return Frame(
            self.e, self.pointer, self.cell, extent,
            lambda kind: max(2, cpu_lanes() * 8 // (8 if kind == "i1" else int(kind[1:]))),
            first_row, order, self.entry, segment, self.finish_segment, call_segment,
            lambda: self.slot(("spill",)), self.room, self.slot, self.team,
        )  # fmt: skip

    def team(self) -> tuple[Value, Value]:
        """The number of this thread, and how many there are: pieces read them in the table."""
        if self.parent is None:
            return Value("%thread", "i64", 1), Value("%threads", "i64", 1)
        thread, threads = (self.slot((name,), as_pointer=False) for name in TEAM)
        return Value(thread, "i64", 1), Value(threads, "i64", 1)

    # Segments

    def finish_segment(self, more: Sequence[str] = ()) -> int:
        """Close this function, which is a segment, and hand its text to the module."""
        number = len(self.segments)
        parameters = ", ".join(["ptr noalias %table", "i64 %first", "i64 %rows", *more])
        head = f"define internal void @segment{number}({parameters}) {{"
        lines = [head, "entry:", *self.entry, "  br label %start", "start:", *self.body,
                 "  ret void", "}"]  # fmt: skip
        self.segments.append("\n".join(lines))
        return number

    # Text

    def text(self) -> str:
        parts: Sequence[Sequence[str]] = (
            self.globals,
            list(self.e.preamble.values()),
            self.segments,
            ["define i64 @run(ptr noalias %table, i64 %thread, i64 %threads) {", "entry:"],
            self.entry,
            ["  br label %start", "start:"],
            self.body,
            ["}", ""],
        )
        return "\n".join(line for part in parts for line in part)
