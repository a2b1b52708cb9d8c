"""What all code being written needs: where arrays are, addresses, loads, stores, loops."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

from descend.compile.kinds import Value, literal
from descend.compile.lanes import Emitter
from descend.compile.loops import Address, Axis, Index, Let, Place
from descend.compile.operations import emit_operation, kind_of, memory_type
from descend.graph.node import Dim
from descend.lean import dataclass

__all__ = ["Access", "Counters", "Frame", "TopValues", "number_of"]

Counters = dict[Axis, Value]


@dataclass
class Frame:
    """What surrounds a block in its function: where arrays are and how many rows there are.

    Attributes:
        pointer: the base pointer of a place, as an SSA name.
        cell: the alloca that holds one element of a place kept in registers, or None.
        extent: the number behind a symbolic extent.
        first_row: offset of the batch in the columns; None where columns are read from 0.
        order: pointer to the permutation (i32), or None when rows are read in order.
        allocas: lines for the entry block.
        segment: the frame of a new function that shares the table and the batch.
        finish_segment: closes that function, with these further parameters; returns its number.
        call_segment: calls the function of a number, with these further arguments.
        room: so many bytes on the stack, for one after the other.
        slot: what stands in the table under a key, as a pointer or as a number.
        team: the number of this thread, and how many there are.
    """

    e: Emitter
    pointer: Callable[[Place], str]
    cell: Callable[[Place, int], str | None]
    extent: Callable[[Dim], Value]
    lanes: Callable[[str], int]
    first_row: Value | None
    order: str | None
    allocas: list[str]
    segment: Callable[[], Frame]
    finish_segment: Callable[[Sequence[str]], int]
    call_segment: Callable[[int, Sequence[str]], None]
    spill: Callable[[], str]
    room: Callable[[int], str]
    slot: Callable[[Any], str]
    team: Callable[[], tuple[Value, Value]]

    def alloca(self, value_type: str) -> str:
        name = self.e.fresh("a")
        self.allocas.append(f"  {name} = alloca {value_type}")
        return name


class TopValues(dict[Let, Value]):
    """Top-level lets of this function; those of other functions are fetched when asked for."""

    def __init__(self, fetch: Callable[[Let], Value]) -> None:
        super().__init__()
        self.fetch = fetch

    def __missing__(self, let: Let) -> Value:
        value = self[let] = self.fetch(let)
        return value


def number_of(address: Address) -> int:
    """Which of the array's elements it is, of one that no counter stands in."""
    flat = 0
    for index, n in zip(address.index, address.place.shape, strict=True):
        flat = flat * int(n) + index.const if not isinstance(n, Dim) else index.const
    return flat


class Access:
    """Reads and writes arrays from inside a function.

    Attributes:
        values: top-level lets and what they are in this function.
        spilled: slots of the lets that cross between functions.
        put: those of them that are in their slots already.
        counters: the loops that stand around the whole block.
        width: how many numbers a scalar is: one for every fit that is worked on.
    """

    width = 1

    def __init__(self, frame: Frame) -> None:
        self.frame = frame
        self.e = frame.e
        self.values: dict[Let, Value] = TopValues(self.fetch)
        self.spilled: dict[Let, int] = {}
        self.put: set[Let] = set()
        self.counters: Counters = {}

    # Values that cross from one function to another, through memory

    def spill_pointer(self, let: Let) -> str:
        return self.e.element(self.frame.spill(), "i64", self.spilled[let])

    def put_spilled(self, let: Let) -> None:
        if let in self.put:
            return
        self.put.add(let)
        value = self.values[let]
        value = self.e.convert(value, "u8") if value.kind == "i1" else value
        self.e.line(f"store {value.typed}, ptr {self.spill_pointer(let)}, align 8")

    def fetch(self, let: Let) -> Value:
        """A value made elsewhere: what can be had again anew, all else from where it was put."""
        if let.op == "const":
            kind = kind_of(let.dtype)
            return Value(literal(let.attr.item(), kind), kind, 1)
        if let.op == "load" and let not in self.spilled:
            return self.load(let.attr, {}, 1)
        return self.load_from(self.spill_pointer(let), kind_of(let.dtype), 1)

    def copy_words(self, source: str, target: str, pairs: Sequence[tuple[int, int]]) -> None:
        """Copy words of eight bytes from places to places, by a loop over a table.

        LLVM's time grows with the square of the number of such copies that are written out.
        """
        words = [f"i64 {word}" for pair in pairs for word in pair]
        text = f"private unnamed_addr constant [{len(words)} x i64] [{', '.join(words)}]"
        name = f"@words{len(self.e.preamble)}"
        self.e.preamble[name] = f"{name} = {text}"

        def word(base: str, at: Value) -> Value:
            return self.load_from(self.e.element(base, "i64", at), "i64", 1)

        def one(i: Value) -> None:
            at = self.e.mul(i, 2)
            moved = word(source, word(name, at))
            there = word(name, self.e.add(at, 1))
            self.e.line(f"store {moved.typed}, ptr {self.e.element(target, 'i64', there)}, align 8")

        self.loop(Value(str(len(pairs)), "i64", 1), one)

    # Extents and addresses

    def own_part(self, count: Value) -> tuple[Value, Value]:
        """Where this thread's part of so many begins and ends."""
        thread, threads = self.frame.team()
        ends = (self.e.mul(count, thread), self.e.mul(count, self.e.add(thread, 1)))
        first, last = [self.e.op(f"udiv i64 {end.name}, {threads.name}", "i64", 1) for end in ends]
        return first, last

    def extent(self, n: int | Dim) -> Value:
        return self.frame.extent(n) if isinstance(n, Dim) else Value(str(n), "i64", 1)

    def index(self, index: Index, counters: Counters) -> Value:
        """The value of an affine index at the current counters."""
        total: Value | None = None
        pairs = [(counters[a], c) for a, c in index.terms]
        pairs += [(self.extent(d), c) for d, c in index.dims]
        pairs += [(self.values[x], c) for x, c in index.lets]
        for value, factor in pairs:
            term = value if factor == 1 else self.e.mul(value, factor)
            total = term if total is None else self.e.add(total, term)
        if total is None:
            return Value(str(index.const), "i64", 1)
        return self.e.add(total, index.const) if index.const else total

    def row(self, index: Index, counters: Counters) -> Value:
        """The position in the whole column of a row of the batch."""
        row = self.index(index, counters)
        if self.frame.first_row is not None:
            row = self.add(row, self.frame.first_row)
        if self.frame.order is not None:
            at = self.e.element(self.frame.order, "i32", row)
            row = self.e.convert(self.e.op(f"load i32, ptr {at}", "u32", 1), "i64")
        return row

    def add(self, a: Value, b: Value) -> Value:
        if a.name == "0":
            return b
        return a if b.name == "0" else self.e.add(a, b)

    def offset(self, address: Address, counters: Counters) -> Value:
        """The element offset of an address in its array (row-major)."""
        place = address.place
        total = Value("0", "i64", 1)
        for axis, index in enumerate(address.index):
            if axis == 0 and place.batched:
                step = self.row(index, counters)
            else:
                step = self.index(index, counters)
            for n in place.shape[axis + 1 :]:
                if step.name != "0" and n != 1:
                    step = self.times(step, n)
            total = self.add(total, step)
        return total

    def times(self, value: Value, n: int | Dim) -> Value:
        if isinstance(n, Dim):
            return self.e.mul(value, self.frame.extent(n))
        if value.name.lstrip("-").isdigit():
            return Value(str(int(value.name) * n), "i64", 1)
        return self.e.mul(value, n)

    def base(self, place: Place) -> str:
        """Where an array begins."""
        return self.frame.pointer(place)

    def pointer_to(self, address: Address, counters: Counters) -> str:
        kind = kind_of(address.place.dtype)
        at = self.offset(address, counters)
        return self.e.element(self.base(address.place), memory_type(kind), at)

    def register(self, address: Address) -> str | None:
        """The alloca of an element that lives in a register."""
        if not all(i.is_const for i in address.index):
            return None
        return self.frame.cell(address.place, number_of(address))

    # Lets, loads and stores

    def let(self, let: Let, values: dict[Let, Value], counters: Counters, width: int) -> Value:
        kind = kind_of(let.dtype)
        if let.op == "load":
            return self.load(let.attr, counters, 1)
        if let.op == "const":
            return Value(literal(let.attr.item(), kind), kind, 1)
        if let.op == "rows":
            return self.e.convert(self.extent(let.attr), kind)
        if let.op == "index":
            return self.e.convert(self.index(let.attr, counters), kind)
        if let.op == "gather":
            return self.gather(let, values[let.args[0]], counters)
        args = tuple([values[a] for a in let.args])
        return emit_operation(self.e, let.op, args, let.dtype, let.attr)

    def load(self, address: Address, counters: Counters, width: int) -> Value:
        kind = kind_of(address.place.dtype)
        cell = self.register(address)
        source = cell or self.pointer_to(address, counters)
        return self.load_from(source, kind, width)

    def load_from(self, source: str, kind: str, width: int) -> Value:
        size = 1 if kind == "i1" else int(kind[1:]) // 8
        align = f", align {size}"
        stored = "u8" if kind == "i1" else kind
        plain = Value("", stored, width)
        got = self.e.op(f"load {plain.type}, ptr {source}{align}", stored, width)
        return self.e.ne(got, 0) if kind == "i1" else got

    def store(
        self, address: Address, value: Value, counters: Counters, pointer: str | None
    ) -> None:
        cell = self.register(address)
        target = pointer or cell or self.pointer_to(address, counters)
        if value.kind == "i1":
            value = self.e.convert(value, "u8")
        size = 1 if value.kind == "i1" else int(value.kind[1:]) // 8
        self.e.line(f"store {value.typed}, ptr {target}, align {size}")

    def gather(self, let: Let, chosen: Value, counters: Counters) -> Value:
        """A load at a position that is itself data, kept inside the array."""
        address, axis = let.attr
        n = self.extent(address.place.shape[axis])
        at = self.e.convert(chosen, "i64")
        last = self.e.sub(n, 1) if n.name[0] == "%" else Value(str(int(n.name) - 1), "i64", 1)
        at = self.e.min(self.e.max(at, 0), last)
        hole = Axis("hole", address.place.shape[axis])
        index = (*address.index[:axis], Index(0, ((hole, 1),)), *address.index[axis + 1 :])
        source = self.pointer_to(Address(address.place, index), {**counters, hole: at})
        return self.load_from(source, kind_of(address.place.dtype), 1)

    # Loops and counts

    def count(self, shape: Sequence[int | Dim]) -> Value:
        total = Value(str(math.prod(n for n in shape if not isinstance(n, Dim))), "i64", 1)
        for n in shape:
            if isinstance(n, Dim):
                total = self.e.mul(self.frame.extent(n), total)
        return total

    def loop(self, extent: Value, body: Callable[[Value], None], start: Value | None = None,
             step: int = 1) -> Value:  # fmt: skip
        """A counted loop; returns the counter after it (the first value not done)."""
        e = self.e
        number = e.fresh("L")[2:]
        head, inside, after = f"head{number}", f"body{number}", f"after{number}"
        first = start or Value("0", "i64", 1)
        before = e.block
        e.line(f"br label %{head}")
        e.start_block(head)
        counter = Value(e.fresh("i"), "i64", 1)
        slot = len(e.lines)
        e.lines.append("")
        ahead = self.add(counter, Value(str(step), "i64", 1)) if step != 1 else counter
        more = e.le(ahead, extent) if step != 1 else e.lt(counter, extent)
        e.line(f"br i1 {more.name}, label %{inside}, label %{after}")
        e.start_block(inside)
        body(counter)
        following = e.op(f"add nuw nsw i64 {counter.name}, {step}", "i64", 1)
        e.line(f"br label %{head}")
        e.lines[slot] = (
            f"  {counter.name} = phi i64 [ {first.name}, %{before} ], "
            f"[ {following.name}, %{e.block} ]"
        )
        e.start_block(after)
        return counter
