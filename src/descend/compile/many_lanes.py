"""A block of the loop language for several fits at once: every scalar becomes a vector of fits.

The block is that of one fit. Here each of its values has one lane a fit, arrays that belong to a
fit lie in memory with the lanes innermost, and loops run over elements only. Nothing is ever
combined across lanes, so that a fit's bits depend neither on its lane nor on its neighbours.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from descend.compile.access import Counters, Frame
from descend.compile.calls import CALLS
from descend.compile.evaluation import NotNative
from descend.compile.kinds import Value
from descend.compile.llvm import BlockWriter
from descend.compile.loops import (
    Address,
    Axis,
    Block,
    Copy,
    Index,
    Let,
    Nest,
    Place,
    Scan,
    Statement,
    Store,
)
from descend.compile.nests import neutral
from descend.compile.operations import OUTLINED, emit_operation, kind_of, memory_type
from descend.compile.segments import operands
from descend.graph.node import Dim, sizes
from descend.lean import dataclass

__all__ = ["FitWriter", "Lanes"]

CHUNK = 32
IN_FLIGHT = 16
ELEMENTS = frozenset({"load", "index", "rows", "const"})


@dataclass
class Lanes:
    """What a block of several fits must know of them.

    Attributes:
        width: how many fits stand beside each other.
        shared: whether all fits read the same array.
        counts: the number of rows of each fit, as a vector of i64.
        rows: the extent of the rows, where the fits have unequal numbers of them; else None.
    """

    width: int
    shared: Callable[[Place], bool]
    counts: Callable[[], Value]
    rows: Dim | None = None


class FitWriter(BlockWriter):
    """Writes a block with one lane a fit."""

    def __init__(self, frame: Frame, lanes: Lanes) -> None:
        super().__init__(frame, CALLS)
        self.lanes = lanes
        self.width = lanes.width

    def write(self, block: Block) -> None:
        self.write_statements(block.statements)

    def write_statements(self, statements: Sequence[Statement]) -> None:
        for statement in statements:
            if isinstance(statement, Let):
                if statement.op != "reduced":
                    value = self.let(statement, self.values, self.counters, self.width)
                    self.values[statement] = value
            elif isinstance(statement, Store):
                self.store(statement.target, self.values[statement.value], self.counters, None)
            elif isinstance(statement, Nest):
                FitNest(self, statement).write()
            elif isinstance(statement, Copy):
                self.copy(statement)
            elif isinstance(statement, Scan):
                self.scan(statement)
            else:
                raise NotNative(f"{statement.name} over several fits")

    # Memory: arrays of the fits have the lanes innermost

    def pointer_to(self, address: Address, counters: Counters) -> str:
        place = address.place
        if self.lanes.shared(place):
            return super().pointer_to(address, counters)
        at = self.offset(address, counters)
        base = self.frame.pointer(place)
        if at.name == "0":
            return base
        kind = memory_type(kind_of(place.dtype))
        name = self.e.fresh("p")
        lane_type = f"[{self.width} x {kind}]"
        self.e.line(f"{name} = getelementptr {lane_type}, ptr {base}, i64 {at.name}")
        return name

    def load(self, address: Address, counters: Counters, width: int) -> Value:
        kind = kind_of(address.place.dtype)
        pointer = self.pointer_to(address, counters)
        if self.lanes.shared(address.place):
            return self.e.splat(self.load_from(pointer, kind, 1), self.width)
        return self.load_from(pointer, kind, self.width)

    def count(self, shape: Sequence[int | Dim]) -> Value:
        return super().count((self.width, *shape))

    def spill_pointer(self, let: Let) -> str:
        name = self.e.fresh("p")
        at = self.spilled[let] * self.width
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
            pointer = super(FitWriter, self).pointer_to(Address(flat, at), here)
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
            if let.attr.dims and self.lanes.rows is not None:
                raise NotNative("rows counted from the end, over fits of unequal lengths")
            return self.e.splat(self.index(let.attr, counters), self.width)
        if let.op == "gather":
            return self.gather(let, values[let.args[0]], counters)
        args = tuple([values[a] for a in let.args])
        return emit_operation(self.e, let.op, args, let.dtype, let.attr)

    def number_of_rows(self, dim: Dim) -> Value:
        if self.lanes.rows is dim:
            return self.lanes.counts()
        return self.e.splat(self.extent(dim), self.width)

    def gather(self, let: Let, chosen: Value, counters: Counters) -> Value:
        """Each lane reads at its own position."""
        address, axis = let.attr
        place: Place = address.place
        shared, kind = self.lanes.shared(place), kind_of(place.dtype)
        extent = place.shape[axis]
        counts = None
        if extent is self.lanes.rows and self.lanes.rows is not None:
            counts = self.lanes.counts()
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
        self.early: list[Let] = []
        self.late: list[Let] = []
        self.kept: list[Let] = []
        self.outside_early: set[Let] = set()
        self.plan_stages()

    def write(self) -> None:
        inside = set(self.nest.lets)
        outside = [x for x in dict.fromkeys(operands(self.nest)) if x not in inside]
        self.level(0, {x: self.w.values[x] for x in outside}, self.w.counters)

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
            body = lambda i: self.level(depth + 1, inner, {**counters, axis: i})  # noqa: E731
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
        buffers = {let: w.frame.alloca(f"[{CHUNK * w.width} x {memory(let)}]") for let in self.kept}
        several = max(1, IN_FLIGHT // w.width)
        wide = {x: self.repeated(values[x], several) for x in self.outside_early if x in values}

        def chunk(number: Value) -> None:
            start = e.mul(number, CHUNK)
            stop = e.min(e.add(start, CHUNK), extent)

            def early(i: Value, n: int, known: dict[Let, Value]) -> None:
                made = self.rows_at_once(axis, i, n, known, counters)
                for let, buffer in buffers.items():
                    at = self.place_in(buffer, let, e.sub(i, start))
                    e.line(f"store {made[let].typed}, ptr {at}, align 8")

            def late(i: Value) -> None:
                inner, here = dict(values), {**counters, axis: i}
                for let, buffer in buffers.items():
                    source = self.place_in(buffer, let, e.sub(i, start))
                    inner[let] = w.load_from(source, kind_of(let.dtype), w.width)
                for let in self.late:
                    inner[let] = w.let(let, inner, here, w.width)
                self.innermost(inner, here)

            at = w.loop(stop, lambda i: early(i, several, wide), start, several)
            w.loop(stop, lambda i: early(i, 1, values), at, 1)
            w.loop(stop, late, start, 1)

        w.loop(count, chunk)

    def place_in(self, buffer: str, let: Let, row: Value) -> str:
        name = self.e.fresh("p")
        kind = f"[{self.w.width} x {memory(let)}]"
        self.e.line(f"{name} = getelementptr {kind}, ptr {buffer}, i64 {row.name}")
        return name

    def repeated(self, value: Value, times: int) -> Value:
        return self.joined([value] * times)

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
        """Divide the innermost lets: those that elementary functions need, and the others."""
        inner = self.by_depth[-1]
        heavy = {x for x in inner if x.op in OUTLINED and x.dtype.kind == "f"}
        own = set(inner)
        needed: set[Let] = set()
        for let in reversed(inner):
            if let in heavy or let in needed:
                needed |= {let, *(a for a in let.args if a in own)}
        if not heavy or any(x.op == "gather" for x in needed):
            return
        self.early = [x for x in inner if x in needed]
        wanted = {s.value for s in self.nest.stores} | {r.value for r in self.nest.reductions}
        late: set[Let] = set()
        for let in reversed(inner):
            if let not in heavy and (let in wanted or let not in needed):
                late.add(let)
                wanted |= set(let.args)
        self.late = [x for x in inner if x in late]
        self.kept = [x for x in inner if x in heavy and x in wanted]
        self.outside_early = {a for x in self.early for a in x.args if a not in own}

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
        for number, reduction in enumerate(self.nest.reductions):
            total = self.sum(number)
            if isinstance(reduction.result, Let):
                self.w.values[reduction.result] = total
            else:
                self.w.store(reduction.result, total, counters, None)

    def innermost(self, values: dict[Let, Value], counters: Counters) -> None:
        for store in self.nest.stores:
            self.w.store(store.target, values[store.value], counters, None)
        mask = self.mask(counters) if self.nest.reductions else None
        for number, reduction in enumerate(self.nest.reductions):
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
                here = self.e.lt(self.e.splat(counters[axis], self.w.width), self.w.lanes.counts())
                mask = here if mask is None else self.e.and_(mask, here)
        return mask


def memory(let: Let) -> str:
    return memory_type(kind_of(let.dtype))
