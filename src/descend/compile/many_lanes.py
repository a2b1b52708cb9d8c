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
    Statement,
)
from descend.compile.native import NotNative
from descend.compile.nests import neutral
from descend.compile.operations import emit_operation, is_outlined, kind_of, memory_type
from descend.compile.segments import cut, operands, weight
from descend.graph.node import Dim, sizes
from descend.lean import dataclass

__all__ = ["IN_LANES", "FitWriter", "Lanes"]

ZERO = Value("0", "i64", 1)
WHOLE = 20_000  # instructions: a longer function would take LLVM minutes
CHUNK = 32
IN_FLIGHT = 16
SUMS_AT_ONCE = 10
IN_LANES = frozenset({"sound_solve"})  # algorithms that work on several fits at once
ELEMENTS = frozenset({"load", "index", "rows", "const"})


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
        frame.e.outline = False
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
        base = self.frame.pointer(place)
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
        base, at = self.frame.pointer(self.lanes.counts), self.e.fresh("p")
        self.e.line(f"{at} = getelementptr i64, ptr {base}, i64 {self.first.name}")
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
        name = self.e.fresh("p")
        at = self.spilled[let] * self.lanes.width
        self.e.line(f"{name} = getelementptr i64, ptr {self.frame.spill()}, i64 {at}")
        return name

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
            return self.e.splat(self.index(let.attr, counters), self.width)
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
                moved = self.e.fresh("p")
                self.e.line(f"{moved} = getelementptr {memory_type(kind)}, ptr {source}, i64 {k}")
                source = moved
            vector = self.e.insert(vector, self.load_from(source, kind, 1), k)
        return vector


class FitNest:
    """Writes one nest: plain loops, accumulators with one lane a fit."""

    def __init__(self, writer: FitWriter, nest: Nest) -> None:
        self.w, self.e, self.nest = writer, writer.e, nest
        self.by_depth: list[list[Let]] = [[] for _ in range(len(nest.axes) + 1)]
        for let in nest.lets:
            self.by_depth[let.depth].append(let)
        self.sums: list[str] = []
        self.totals: list[Value] = []
        self.early: list[Let] = []
        self.products: set[Let] = set()
        self.kept: list[Let] = []
        self.outside_early: set[Let] = set()
        self.plan_stages()

    def write(self) -> None:
        w = self.w
        inside = set(self.nest.lets)
        outside = [x for x in dict.fromkeys(operands(self.nest)) if x not in inside]
        values = {x: w.values[x] for x in outside}
        if w.width > w.lanes.native and self.nest.axes:
            totals = self.in_parts(values)
        else:
            self.level(0, values, w.counters)
            totals = self.totals
        for reduction, total in zip(self.nest.reductions, totals, strict=True):
            if isinstance(reduction.result, Let):
                w.values[reduction.result] = total

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
            self.level(0, here, w.counters)
            for name, total in zip(sums, self.totals, strict=False):
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
        at, kind = self.e.fresh("p"), memory_type(value.kind)
        self.e.line(f"{at} = getelementptr {kind}, ptr {name}, i64 {self.w.first.name}")
        return at

    def level(self, depth: int, values: dict[Let, Value], counters: Counters) -> None:
        """Everything inside `depth` loops: its lets, then the next loop or the innermost work."""
        inner = dict(values)
        for let in self.by_depth[depth]:
            inner[let] = self.w.let(let, inner, counters, self.w.width)
        opened = depth == self.nest.kept and bool(self.nest.reductions)
        if opened:
            self.open_sums()
        if depth == len(self.nest.axes):
            self.innermost(inner, counters)
        else:
            axis = self.nest.axes[depth]

            def body(i: Value) -> None:
                self.level(depth + 1, inner, {**counters, axis: i})

            if axis.extent == 1:
                body(Value("0", "i64", 1))
            elif depth == len(self.nest.axes) - 1 and self.early:
                self.staged(axis, inner, counters)
            else:
                self.w.loop(self.w.extent(axis.extent), body)
        if opened:
            self.close_sums(counters)

    # Two stages: what is long and depends on nothing before it, then what it is used for

    def staged(self, axis: Axis, values: dict[Let, Value], counters: Counters) -> None:
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
                    if product in self.products and product not in inner:
                        inner[product] = w.let(product, inner, here, w.width)
                self.accumulate(group, inner, here)

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
        name = self.e.fresh("p")
        kind = f"[{self.w.width} x {memory(let)}]"
        self.e.line(f"{name} = getelementptr {kind}, ptr {buffer}, i64 {row.name}")
        return name

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
        self.products = {
            r.value for r in nest.reductions
            if r.op == "add" and r.value.op == "mul" and r.value not in read
        } & set(inner)  # fmt: skip
        self.early = [x for x in inner if x not in self.products]
        own = set(self.early)
        wanted = {x for n in range(len(nest.reductions)) for x in self.operands_of(n)}
        self.kept = [x for x in self.early if x in wanted]
        self.outside_early = {a for x in self.early for a in x.args if a not in own}

    def operands_of(self, number: int) -> tuple[Let, ...]:
        """What a sum needs of the early stage."""
        value = self.nest.reductions[number].value
        return value.args if value in self.products else (value,)

    def open_sums(self) -> None:
        self.sums = []
        for reduction in self.nest.reductions:
            kind = kind_of(reduction.value.dtype)
            start = self.e.const(neutral(reduction.op, kind), kind, self.w.width)
            name = self.w.frame.alloca(start.type)
            self.e.line(f"store {start.typed}, ptr {name}")
            self.sums.append(name)

    def sum(self, number: int) -> Value:
        kind = kind_of(self.nest.reductions[number].value.dtype)
        plain = Value("", kind, self.w.width)
        return self.e.op(f"load {plain.type}, ptr {self.sums[number]}", kind, self.w.width)

    def close_sums(self, counters: Counters) -> None:
        self.totals = [self.sum(number) for number in range(len(self.nest.reductions))]
        for reduction, total in zip(self.nest.reductions, self.totals, strict=True):
            if isinstance(reduction.result, Address):
                self.w.store(reduction.result, total, counters, None)

    def innermost(self, values: dict[Let, Value], counters: Counters) -> None:
        for store in self.nest.stores:
            self.w.store(store.target, values[store.value], counters, None)
        self.accumulate(range(len(self.nest.reductions)), values, counters)

    def accumulate(self, group: range, values: dict[Let, Value], counters: Counters) -> None:
        """Add the values of one row to some of the sums."""
        mask = self.mask(counters) if group else None
        for number in group:
            reduction = self.nest.reductions[number]
            before, value = self.sum(number), values[reduction.value]
            after = emit_operation(
                self.e, reduction.op, (before, value), reduction.value.dtype, None
            )
            # The sum itself is chosen, not the summand: so it is fused as it is without a mask.
            chosen = after if mask is None else self.e.select(mask, after, before)
            self.e.line(f"store {chosen.typed}, ptr {self.sums[number]}")

    def mask(self, counters: Counters) -> Value | None:
        """Which fits have a row at the counter of the rows; None where all have."""
        rows = self.w.lanes.rows
        if rows is None:
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
