"""A block of the loop language for several fits at once: every scalar becomes a vector of fits.

The block is that of one fit. Here each of its values has one lane a fit, arrays that belong to a
fit lie in memory with the lanes innermost, and loops run over elements only. Nothing is ever
combined across lanes, so that a fit's bits depend neither on its lane nor on its neighbours.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import partial

from descend.compile.access import Counters, Frame
from descend.compile.calls import CALLS
from descend.compile.kinds import Value
from descend.compile.lanes import Emitter
from descend.compile.llvm import BlockWriter
from descend.compile.loops import (
    Address,
    Axis,
    Block,
    Call,
    Copy,
    Index,
    Let,
    Nest,
    Place,
    Scan,
    Statement,
)
from descend.compile.native import NotNative
from descend.compile.nests import Accumulators, NestWriter
from descend.compile.operations import emit_operation, is_outlined, kind_of, memory_type
from descend.compile.segments import cut, weight
from descend.graph.node import Dim, sizes
from descend.lean import dataclass

__all__ = ["IN_LANES", "FitWriter", "Lanes", "has_calls"]

ZERO = Value("0", "i64", 1)
WHOLE = 20_000  # instructions: a longer function would take LLVM minutes
CHUNK = 32
IN_FLIGHT = 16
SUMS_AT_ONCE = 10
IN_LANES = frozenset({"sound_solve"})  # algorithms that work on several fits at once
ELEMENTS = frozenset({"load", "index", "rows", "const"})


def has_calls(statements: Sequence[Statement]) -> bool:
    """Whether there are algorithms among them that work on one fit at a time."""
    return any(
        (isinstance(s, Call) and s.name not in IN_LANES)
        or (isinstance(s, Scan) and has_calls(s.block.statements))
        for s in statements
    )


@dataclass
class Lanes:
    """What a block of several fits must know of them.

    Attributes:
        width: how many fits stand beside each other.
        native: how many of them one vector register holds.
        shared: whether all fits read the same array.
        counts: where the number of rows of each fit lies (i64).
        rows: the extent of the rows, where the fits have unequal numbers of them; else None.
    """

    width: int
    native: int
    shared: Callable[[Place], bool]
    counts: Place
    rows: Dim | None = None


class FitWriter(BlockWriter):
    """Writes a block with one lane a fit."""

    def __init__(self, frame: Frame, lanes: Lanes) -> None:
        super().__init__(frame, CALLS)
        self.lanes = lanes
        self.width, self.first = lanes.width, ZERO

    def write(self, block: Block) -> None:
        """Write the block here; if it is very long, as functions called from here."""
        if sum(map(weight, block.statements)) <= WHOLE:
            self.write_statements(block.statements)
            return
        self.write_pieces(cut(block.statements), block.outputs)

    def of_piece(self, frame: Frame) -> FitWriter:
        frame.e.outline = 0
        return FitWriter(frame, self.lanes)

    def free(self, let: Let) -> bool:
        """Constants alone: a block changes the states before it ends."""
        return let.op == "const"

    def nest(self, statement: Nest) -> None:
        FitNest(self, statement).write()

    def neighbours(self, kind: str) -> int:
        """One at a time: every number is a vector of fits."""
        return 1

    def moved_to(self, statement: Statement, made: set[Let]) -> None:
        """Nothing: the lanes stand innermost."""

    def call(self, statement: Call) -> None:
        if statement.name not in IN_LANES:
            raise NotNative(f"{statement.name} over several fits")
        super().call(statement)

    # Memory: arrays of the fits have the lanes innermost

    def pointer_to(self, address: Address, counters: Counters) -> str:
        place = address.place
        if self.lanes.shared(place):
            return super().pointer_to(address, counters)
        at = self.offset(address, counters)
        base = self.base(place)
        if at.name == "0" and self.first is ZERO:
            return base
        kind = memory_type(kind_of(place.dtype))
        name = self.e.fresh("p")
        lanes = f"[{self.lanes.width} x {kind}]"
        where = f"i64 {at.name}, i64 {self.first.name}"
        self.e.line(f"{name} = getelementptr {lanes}, ptr {base}, {where}")
        return name

    def counts(self) -> Value:
        """The number of rows of the fits that are being written now."""
        at = self.e.element(self.frame.pointer(self.lanes.counts), "i64", self.first)
        return self.load_from(at, "i64", self.width)

    def index(self, index: Index, counters: Counters) -> Value:
        if self.lanes.rows is not None and any(dim is self.lanes.rows for dim, _ in index.dims):
            raise NotNative("rows counted from the end, over fits of unequal lengths")
        return super().index(index, counters)

    def load(self, address: Address, counters: Counters, width: int) -> Value:
        kind = kind_of(address.place.dtype)
        pointer = self.pointer_to(address, counters)
        if self.lanes.shared(address.place):
            return self.e.splat(self.load_from(pointer, kind, 1), self.width)
        return self.load_from(pointer, kind, self.width)

    def count(self, shape: Sequence[int | Dim]) -> Value:
        return super().count((self.lanes.width, *shape))

    def spill_pointer(self, let: Let) -> str:
        return self.e.element(self.frame.spill(), "i64", self.spilled[let] * self.lanes.width)

    def fetch(self, let: Let) -> Value:
        kind = kind_of(let.dtype)
        if let.op == "const":
            return self.e.const(let.attr.item(), kind, self.width)
        return self.load_from(self.spill_pointer(let), kind, self.width)

    def copy(self, statement: Copy) -> None:
        source, target = statement.source, statement.target
        if not self.lanes.shared(source):
            super().copy(statement)
            return
        kind = kind_of(source.dtype)
        flat = Place(source.role, source.number, (math.prod(sizes(source.shape)),), source.dtype)
        wide = Place(target.role, target.number, flat.shape, target.dtype)
        axis = Axis("i", flat.shape[0])
        at = (Index(0, ((axis, 1),)),)

        def one(i: Value) -> None:
            here = {axis: i}
            pointer = BlockWriter.pointer_to(self, Address(flat, at), here)
            scalar = self.load_from(pointer, kind, 1)
            self.store(Address(wide, at), self.e.splat(scalar, self.width), here, None)

        self.loop(self.extent(axis.extent), one)

    # Values

    def let(self, let: Let, values: dict[Let, Value], counters: Counters, width: int) -> Value:
        kind = kind_of(let.dtype)
        if let.op == "load":
            return self.load(let.attr, counters, width)
        if let.op == "const":
            return self.e.const(let.attr.item(), kind, self.width)
        if let.op == "rows":
            return self.e.convert(self.number_of_rows(let.attr), kind)
        if let.op == "index":
            return self.e.splat(self.e.convert(self.index(let.attr, counters), kind), self.width)
        if let.op == "gather":
            return self.gather(let, values[let.args[0]], counters)
        args = tuple([values[a] for a in let.args])
        return emit_operation(self.e, let.op, args, let.dtype, let.attr)

    def number_of_rows(self, dim: Dim) -> Value:
        if self.lanes.rows is dim:
            return self.counts()
        return self.e.splat(self.extent(dim), self.width)

    def gather(self, let: Let, chosen: Value, counters: Counters) -> Value:
        """Each lane reads at its own position."""
        address, axis = let.attr
        place: Place = address.place
        shared, kind = self.lanes.shared(place), kind_of(place.dtype)
        extent = place.shape[axis]
        counts = None
        if extent is self.lanes.rows and self.lanes.rows is not None:
            counts = self.counts()
        vector = Value("poison", kind, self.width)
        for k in range(self.width):
            n = self.extent(extent) if counts is None else self.e.extract(counts, k)
            at = self.e.convert(self.e.extract(chosen, k), "i64")
            at = self.e.min(self.e.max(at, 0), self.e.sub(n, self.e.const(1, "i64", 1)))
            hole = Axis("hole", extent)
            index = (*address.index[:axis], Index(0, ((hole, 1),)), *address.index[axis + 1 :])
            source = self.pointer_to(Address(place, index), {**counters, hole: at})
            if not shared and k:
                source = self.e.element(source, memory_type(kind), k)
            vector = self.e.insert(vector, self.load_from(source, kind, 1), k)
        return vector


class FitNest(NestWriter):
    """Writes one nest of several fits: plain loops, accumulators with one lane a fit."""

    w: FitWriter

    def __init__(self, writer: FitWriter, nest: Nest) -> None:
        super().__init__(writer, nest)
        self.early: list[Let] = []
        self.late: set[Let] = set()
        self.kept: list[Let] = []
        self.outside_early: set[Let] = set()
        self.plan_stages()

    def choose_vector(self) -> tuple[int | None, int]:
        """None: the lanes are the fits."""
        return None, 1

    def loops(self, top: dict[Let, Value]) -> list[Value]:
        if self.w.width > self.w.lanes.native and self.nest.axes:
            return self.in_parts(top)
        return super().loops(top)

    def in_parts(self, values: dict[Let, Value]) -> list[Value]:
        """The nest for one register of fits after the other: the sums need all the registers."""
        e, w = self.e, self.w
        whole, native = w.width, w.lanes.native
        stored = {x: self.parked(v) for x, v in values.items() if v.name[0] == "%"}
        tops = [r for r in self.nest.reductions if isinstance(r.result, Let)]
        sums = [w.frame.alloca(f"[{whole} x {memory(r.value)}], align 64") for r in tops]

        def one(part: Value) -> None:
            w.width, w.first = native, e.mul(part, native)
            here = {x: self.here(stored[x], v) if x in stored else narrowed(e, v, native)
                    for x, v in values.items()}  # fmt: skip
            for name, total in zip(sums, super(FitNest, self).loops(here), strict=True):
                at = self.lane_pointer(name, total)
                e.line(f"store {total.typed}, ptr {at}, align 8")
            w.width, w.first = whole, ZERO

        w.loop(Value(str(whole // native), "i64", 1), one)
        kinds = [kind_of(r.value.dtype) for r in tops]
        return [w.load_from(n, k, whole) for n, k in zip(sums, kinds, strict=True)]

    def parked(self, value: Value) -> str:
        name = self.w.frame.alloca(f"{self.plain(value).type}, align 64")
        value = self.e.convert(value, "u8") if value.kind == "i1" else value
        self.e.line(f"store {value.typed}, ptr {name}, align 8")
        return name

    def here(self, name: str, value: Value) -> Value:
        return self.w.load_from(self.lane_pointer(name, value), value.kind, self.w.width)

    def plain(self, value: Value) -> Value:
        return Value("", "u8", value.width) if value.kind == "i1" else value

    def lane_pointer(self, name: str, value: Value) -> str:
        return self.e.element(name, memory_type(value.kind), self.w.first)

    def axis(self, depth: int, values: dict[Let, Value], counters: Counters, width: int,
             sets: list[Accumulators]) -> None:  # fmt: skip
        if depth == len(self.nest.axes) - 1 and self.early:
            self.staged(self.nest.axes[depth], values, counters, sets[0])
        else:
            super().axis(depth, values, counters, width, sets)

    # Two stages: what is long and depends on nothing before it, then what it is used for

    def staged(self, axis: Axis, values: dict[Let, Value], counters: Counters,
               sums: Accumulators) -> None:  # fmt: skip
        """Rows in chunks: first their elementary functions, several rows in flight, then the rest.

        In a single loop the sums would leave no registers to hide the time that a function takes.
        """
        e, w = self.e, self.w
        extent = w.extent(axis.extent)
        rounded = w.add(extent, Value(str(CHUNK - 1), "i64", 1))
        count = e.op(f"udiv i64 {rounded.name}, {CHUNK}", "i64", 1)
        buffers = {let: self.buffer(let, CHUNK) for let in self.kept}
        several = max(1, IN_FLIGHT // w.width)
        wide = {x: self.joined([values[x]] * several) for x in self.outside_early}

        def chunk(number: Value) -> None:
            start = e.mul(number, CHUNK)
            stop = e.min(e.add(start, CHUNK), extent)

            def early(i: Value, n: int, known: dict[Let, Value]) -> None:
                made = self.rows_at_once(axis, i, n, known, counters)
                for let, buffer in buffers.items():
                    at = self.place_in(buffer, let, e.sub(i, start))
                    e.line(f"store {made[let].typed}, ptr {at}, align 8")

            def late(i: Value, group: range) -> None:
                inner, here = dict(values), {**counters, axis: i}
                used = {x for n in group for x in self.operands_of(n)}
                for let, buffer in buffers.items():
                    if let in used:
                        source = self.place_in(buffer, let, e.sub(i, start))
                        inner[let] = w.load_from(source, kind_of(let.dtype), w.width)
                for n in group:
                    product = self.nest.reductions[n].value
                    if product in self.late and product not in inner:
                        inner[product] = w.let(product, inner, here, w.width)
                self.accumulate(sums, inner, here, 1, 0, group)

            at = w.loop(stop, lambda i: early(i, several, wide), start, several)
            w.loop(stop, lambda i: early(i, 1, values), at, 1)
            count = len(self.nest.reductions)
            for first in range(0, count, SUMS_AT_ONCE):
                group = range(first, min(first + SUMS_AT_ONCE, count))
                w.loop(stop, partial(late, group=group), start, 1)

        w.loop(count, chunk)

    def buffer(self, let: Let, rows: int) -> str:
        """Room for a value of so many rows."""
        return self.w.frame.alloca(f"[{rows * self.w.width} x {memory(let)}], align 64")

    def place_in(self, buffer: str, let: Let, row: Value) -> str:
        return self.e.element(buffer, f"[{self.w.width} x {memory(let)}]", row)

    def joined(self, parts: list[Value]) -> Value:
        """Vectors one after the other; their number is a power of two."""
        while len(parts) > 1:
            lanes = list(range(2 * parts[0].width))
            pairs = zip(parts[::2], parts[1::2], strict=True)
            parts = [self.e.shuffle(a, b, lanes) for a, b in pairs]
        return parts[0]

    def rows_at_once(
        self, axis: Axis, i: Value, n: int, known: dict[Let, Value], counters: Counters
    ) -> dict[Let, Value]:
        """The early lets of n rows, as vectors of n times as many lanes."""
        made = dict(known)
        for let in self.early:
            if let.op in ELEMENTS:
                parts = [
                    self.w.let(let, made, {**counters, axis: self.e.add(i, k) if k else i}, 0)
                    for k in range(n)
                ]
                made[let] = self.joined(parts)
            else:
                args = tuple([made[a] for a in let.args])
                made[let] = emit_operation(self.e, let.op, args, let.dtype, let.attr)
        return made

    def plan_stages(self) -> None:
        """Divide the innermost lets: products that only sums need come late, all others early."""
        nest, inner = self.nest, self.by_depth[-1]
        heavy = any(is_outlined(x.op) and x.dtype.kind == "f" for x in inner)
        if not heavy or not nest.reductions or nest.stores or not nest.axes:
            return
        if any(x.op == "gather" for x in inner) or nest.kept == len(nest.axes):
            return
        read = {a for x in inner for a in x.args}
        self.late = {
            r.value for r in nest.reductions
            if r.op == "add" and r.value.op == "mul" and r.value not in read
        } & set(inner)  # fmt: skip
        self.early = [x for x in inner if x not in self.late]
        own = set(self.early)
        wanted = {x for n in range(len(nest.reductions)) for x in self.operands_of(n)}
        self.kept = [x for x in self.early if x in wanted]
        self.outside_early = {a for x in self.early for a in x.args if a not in own}

    def operands_of(self, number: int) -> tuple[Let, ...]:
        """What a sum needs of the early stage."""
        value = self.nest.reductions[number].value
        return value.args if value in self.late else (value,)

    def mask(self, counters: Counters) -> Value | None:
        """Which fits have a row at the counter of the rows; None where all have."""
        rows = self.w.lanes.rows
        if rows is None or not self.nest.reductions:
            return None
        mask: Value | None = None
        for axis in self.nest.axes[self.nest.kept :]:
            if axis.extent is rows:
                counts = self.w.counts()
                here = self.e.lt(self.e.splat(counters[axis], self.w.width), counts)
                mask = here if mask is None else self.e.and_(mask, here)
        return mask


def memory(let: Let) -> str:
    return memory_type(kind_of(let.dtype))


def narrowed(e: Emitter, value: Value, width: int) -> Value:
    """A constant, which is the same in all lanes, in fewer of them."""
    return e.shuffle(value, None, list(range(width)))
