"""A loop nest → LLVM text: loops from the outside in, one axis spread over lanes, reductions.

Lanes, partial sums and their combination are formed here, in an order that depends on sizes alone;
LLVM is not allowed to reassociate.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable

from descend.compile.access import Access, Counters
from descend.compile.kinds import Value, literal
from descend.compile.loops import Address, Axis, Let, Nest, Reduction, cost_of
from descend.compile.operations import emit_operation, kind_of
from descend.compile.products import Products, products_of
from descend.compile.segments import operands
from descend.compile.vectors import choose_vector, lane_stride, unroll_factor

__all__ = ["NestWriter"]

BLOCK_ROWS = 4096
UNROLL_LIMIT = 200
BESIDE = 4  # vectors of sums that go along together
NEUTRAL = {"add": 0.0, "max": -math.inf, "min": math.inf}
Accumulators = list[dict[tuple[int, int], str]]


def neutral(op: str, kind: str) -> float:
    """What leaves a combination unchanged."""
    if op == "add":
        return 0
    if kind[0] == "f":
        return NEUTRAL[op]
    bits = 1 if kind == "i1" else int(kind[1:])
    if kind[0] == "u" or kind == "i1":
        return 0 if op == "max" else (1 << bits) - 1
    return -(1 << (bits - 1)) if op == "max" else (1 << (bits - 1)) - 1


class NestWriter:
    """Writes one nest: loops from the outside in, one axis of them spread over lanes.

    A width counts elements of that axis; what stands at each of them is as wide as the block (one
    number, or one for every fit).
    """

    def __init__(self, writer: Access, nest: Nest) -> None:
        self.w = writer
        self.e = writer.e
        self.nest = nest
        kinds = [kind_of(x.dtype) for x in nest.lets] or ["f64"]
        widest = max((k for k in kinds if k != "i1"), key=lambda k: int(k[1:]), default="f64")
        self.lanes = writer.frame.lanes(widest)
        self.shuffled = writer.frame.order is not None
        nest.vector, self.width = self.choose_vector()
        self.by_depth: list[list[Let]] = [[] for _ in range(len(nest.axes) + 1)]
        for let in nest.lets:
            self.by_depth[let.depth].append(let)
        self.in_flight = unroll_factor(nest.like or nest)
        self.lane_axis = nest.axes[nest.vector] if nest.vector is not None else None
        self.varying = self._varying()
        self.reductions = nest.reductions
        self.products = self._products()

    def choose_vector(self) -> tuple[int | None, int]:
        """Which axis is spread over lanes, and how many elements of it there are in a vector."""
        return choose_vector(self.nest.like or self.nest, self.lanes, self.shuffled)

    def _products(self) -> Products | None:
        """The sums that are formed together; the others remain in `reductions`."""
        plan = products_of(self.nest) if self.width > 1 else None
        if plan is None:
            return None
        self.reductions = [r for r in self.nest.reductions if r not in plan.where]
        self.by_depth = [[x for x in lets if x not in plan.unused] for lets in self.by_depth]
        return Products(self.w, plan, self.width)

    def _varying(self) -> set[Let]:
        """Lets that differ between lanes."""
        varying: set[Let] = set()
        for let in self.nest.lets:
            if any(a in varying for a in let.args):
                varying.add(let)
            elif let.op in ("load", "gather", "index"):
                places = [let.attr] if let.op == "index" else []
                if let.op == "load":
                    places = list(let.attr.index)
                elif let.op == "gather":
                    places = list(let.attr[0].index)
                if any(a is self.lane_axis for i in places for a, _ in i.terms):
                    varying.add(let)
        return varying

    def write(self) -> None:
        inside = set(self.nest.lets)
        outside = [x for x in dict.fromkeys(operands(self.nest)) if x not in inside]
        totals = self.loops({x: self.w.values[x] for x in outside})
        for reduction, total in zip(self.reductions, totals, strict=False):
            assert isinstance(reduction.result, Let)
            self.w.values[reduction.result] = total
        if self.products is not None and not self.nest.kept:
            self.products.close()

    def loops(self, top: dict[Let, Value]) -> list[Value]:
        """Write the loops; return the sums over all axes, in the order of the reductions."""
        if self.nest.kept or not self.nest.reductions:
            self.level(0, top, self.w.counters, 1, [])
            return []
        sets = [self.open_accumulators(1)]
        if self.products is not None:
            self.products.open()
        self.level(0, top, self.w.counters, 1, sets)
        return [self.total(sets, number) for number in range(len(self.reductions))]

    # Accumulators: per reduction, one alloca per width

    def open_accumulators(self, width: int) -> Accumulators:
        """For every reduction an accumulator per (width, slot), set to neutral here."""
        tables: Accumulators = [{} for _ in self.reductions]
        for table, r in zip(tables, self.reductions, strict=True):
            kind = kind_of(r.value.dtype)
            for shape in self.accumulator_shapes(width):
                start = self.e.const(neutral(r.op, kind), kind, shape[0] * self.w.width)
                table[shape] = name = self.w.frame.alloca(start.type)
                self.e.line(f"store {start.typed}, ptr {name}")
        return tables

    def accumulator_shapes(self, width: int) -> list[tuple[int, int]]:
        """The (width, slot) pairs that the loops below the kept axes will add to."""
        position = self.nest.vector
        if position is None or self.width == 1 or position < self.nest.kept:
            return [(width, 0)]
        innermost = position == len(self.nest.axes) - 1
        axis = self.nest.axes[position]
        if innermost and self.products is None and self.written_out(axis):
            assert isinstance(axis.extent, int)
            return sorted({(w, s) for _, w, s in self.chunk_plan(axis.extent)})
        slots = self.in_flight if innermost else 1
        return [*((self.width, s) for s in range(slots)), (1, 0)]

    def written_out(self, axis: Axis) -> bool:
        """Whether the lane axis is so short that its vectors need no loop."""
        n = axis.extent
        if axis is self.nest.divided or not isinstance(n, int):
            return False
        each = len(self.nest.lets) + 1
        if axis in self.nest.axes[: self.nest.kept]:  # else the order of sums would depend on it
            each = 1 + sum(cost_of(let.op) for let in self.nest.lets)
        return n * each <= UNROLL_LIMIT * self.width

    def chunk_plan(self, extent: int) -> list[tuple[int, int, int]]:
        """(start, width, slot): whole vectors, then halves, down to single rows."""
        at, width, plan = 0, self.width, []
        slots: dict[int, int] = {}
        limit = self.in_flight
        while at < extent:
            while width > extent - at:
                width //= 2
            slot = slots.get(width, 0)
            plan.append((at, width, slot % limit))
            slots[width] = slot + 1
            at += width
        return plan

    def accumulate(
        self, sets: Accumulators, values: dict[Let, Value], counters: Counters, width: int,
        slot: int, group: Iterable[int] | None = None,
    ) -> None:  # fmt: skip
        """Add what stands at one place of the loops to all sums, or to some of them."""
        mask = self.mask(counters)
        for number in range(len(self.reductions)) if group is None else group:
            r, name = self.reductions[number], sets[number][width, slot]
            value = self.widened(values[r.value], width)
            before = self.e.op(f"load {value.type}, ptr {name}", value.kind, value.width)
            if r.fused:
                a, b = (self.widened(values[x], width) for x in r.value.args)
                after = self.e.fma(a, b, before)
            else:
                after = emit_operation(self.e, r.op, (before, value), r.value.dtype, None)
            # The sum itself is chosen, not the summand: so it is fused as it is without a mask.
            chosen = after if mask is None else self.e.select(mask, after, before)
            self.e.line(f"store {chosen.typed}, ptr {name}")

    def mask(self, _counters: Counters) -> Value | None:
        """Where there is something to add; None for everywhere."""
        return None

    def total(self, sets: list[Accumulators], number: int) -> Value:
        """Combine slots, then lanes, from the widest to single ones: a fixed tree."""
        r = self.reductions[number]
        kind = kind_of(r.value.dtype)
        (table,) = (tables[number] for tables in sets)
        whole: Value | None = None
        for width in sorted({w for w, _ in table}, reverse=True):
            own = width * self.w.width
            parts = [
                self.e.op(f"load {Value('', kind, own).type}, ptr {name}", kind, own)
                for (w, _), name in sorted(table.items()) if w == width
            ]  # fmt: skip
            part = self.paired(parts, r)
            while whole is not None and whole.width > own:
                whole = self.halved(r, whole)
            whole = part if whole is None else self.join(r, whole, part)
        assert whole is not None
        while whole.width > self.w.width:
            whole = self.halved(r, whole)
        return whole

    def halved(self, r: Reduction, vector: Value) -> Value:
        half = vector.width // 2
        low = self.e.shuffle(vector, None, list(range(half)))
        high = self.e.shuffle(vector, None, list(range(half, vector.width)))
        return self.join(r, low, high)

    def join(self, r: Reduction, a: Value, b: Value) -> Value:
        return emit_operation(self.e, r.op, (a, b), r.value.dtype, None)

    def paired(self, parts: list[Value], r: Reduction) -> Value:
        while len(parts) > 1:
            joined = [self.join(r, parts[i], parts[i + 1]) for i in range(0, len(parts) - 1, 2)]
            parts = joined + parts[len(parts) - len(parts) % 2 :]
        return parts[0]

    # Loops

    def level(self, depth: int, values: dict[Let, Value], counters: Counters, width: int,
              sets: list[Accumulators]) -> None:  # fmt: skip
        """Everything inside `depth` loops: its lets, then the next loop or the innermost work."""
        inner = dict(values)
        for let in self.by_depth[depth]:
            inner[let] = self.lane_let(let, inner, counters, width)
        if depth == len(self.nest.axes):
            self.finish_row(inner, counters, width, sets, 0)
            return
        opened = depth == self.nest.kept and depth > 0 and bool(self.reductions)
        here = [self.open_accumulators(width)] if opened else sets
        self.axis(depth, inner, counters, width, here)
        if opened:
            for i, r in enumerate(self.reductions):
                self.put_reduced(r, here, i, counters, width)

    def put_reduced(self, r: Reduction, sets: list[Accumulators], number: int,
                    counters: Counters, width: int) -> None:  # fmt: skip
        assert isinstance(r.result, Address)
        if width > 1:
            name = sets[0][number][width, 0]
            kind = kind_of(r.value.dtype)
            value = self.e.op(f"load {Value('', kind, width).type}, ptr {name}", kind, width)
            self.scatter(r.result, value, counters)
        else:
            self.w.store(r.result, self.total(sets, number), counters, None)

    def axis(self, depth: int, values: dict[Let, Value], counters: Counters, width: int,
             sets: list[Accumulators]) -> None:  # fmt: skip
        axis = self.nest.axes[depth]
        innermost = depth == len(self.nest.axes) - 1

        def one(counter: Value, w: int, slot: int = 0) -> None:
            inside = {**counters, axis: counter}
            if innermost:
                inner = dict(values)
                for let in self.by_depth[depth + 1]:
                    inner[let] = self.lane_let(let, inner, inside, w)
                self.finish_row(inner, inside, w, sets, slot)
            else:
                self.level(depth + 1, values, inside, w, sets)

        if self.nest.vector != depth or self.width == 1:
            self.plain_axis(axis, one, width)
        elif innermost and self.products is None and self.written_out(axis):
            assert isinstance(axis.extent, int)
            for at, w, slot in self.chunk_plan(axis.extent):
                one(Value(str(at), "i64", 1), w, slot)
        else:
            self.long_axis(axis, one, sets if depth == self.nest.kept else [], innermost)

    def bounds(self, axis: Axis) -> tuple[Value, Value]:
        """Where the counter begins and ends: at this thread's part, where the axis is divided."""
        extent = self.w.extent(axis.extent)
        if axis is self.nest.divided:
            return self.w.own_part(extent)
        return Value("0", "i64", 1), extent

    def plain_axis(self, axis: Axis, one: Callable[..., None], width: int) -> None:
        if axis.extent == 1:
            one(Value("0", "i64", 1), width)
        else:
            first, end = self.bounds(axis)
            self.w.loop(end, lambda i: one(i, width), first)

    def long_axis(self, axis: Axis, one: Callable[..., None], sets: list[Accumulators],
                  innermost: bool) -> None:  # fmt: skip
        """Blocks of rows; in each a loop of several vectors, one of single vectors, one of rows.

        The blocks depend on the extent alone, and their sums are added in order.
        """
        first, extent = self.bounds(axis)
        slots = self.in_flight if innermost else 1
        if not sets or (isinstance(axis.extent, int) and axis.extent <= BLOCK_ROWS):
            self.stripe(first, extent, one, slots)
            if self.products is not None:
                self.products.fold()
            return
        e, whole = self.e, sets[0]

        def block(number: Value) -> None:
            start = e.mul(number, BLOCK_ROWS)
            stop = e.min(e.add(start, BLOCK_ROWS), extent)
            sets[0] = self.open_accumulators(1)
            self.stripe(start, stop, one, slots)
            if self.products is not None:
                self.products.fold()
            for i, r in enumerate(self.reductions):
                part, name = self.total(sets, i), whole[i][1, 0]
                before = e.op(f"load {part.type}, ptr {name}", part.kind, 1)
                e.line(f"store {self.join(r, before, part).typed}, ptr {name}")

        rounded = self.w.add(extent, Value(str(BLOCK_ROWS - 1), "i64", 1))
        count = e.op(f"udiv i64 {rounded.name}, {BLOCK_ROWS}", "i64", 1)
        self.w.loop(count, block)
        sets[0] = whole

    def stripe(self, start: Value, stop: Value, one: Callable[..., None], slots: int) -> None:
        at, w = start, self.width
        if self.products is not None:
            self.products.stripe(start, stop, one)
            return
        if slots > 1:

            def several(i: Value) -> None:
                for s in range(slots):
                    one(self.e.add(i, s * w) if s else i, w, s)

            at = self.w.loop(stop, several, at, slots * w)
        elif self.sums_side_by_side():
            at = self.w.loop(stop, lambda i: one(i, BESIDE * w, 0), at, BESIDE * w)
        at = self.w.loop(stop, lambda i: one(i, w, 0), at, w)
        self.w.loop(stop, lambda i: one(i, 1, 0), at, 1)

    def sums_side_by_side(self) -> bool:
        """Whether lanes are sums of their own, and so short that some vectors go along together."""
        position, axes = self.nest.vector, self.nest.axes
        if position is None or not self.nest.reductions or not self.nest.kept > position:
            return False
        extent, last = axes[position].extent, position == len(axes) - 1
        long = not isinstance(extent, int) or extent >= BESIDE * self.width
        return long and not last and len(self.nest.lets) <= BESIDE

    # The innermost work

    def finish_row(self, values: dict[Let, Value], counters: Counters, width: int,
                   sets: list[Accumulators], slot: int) -> None:  # fmt: skip
        for store in self.nest.stores:
            value = self.widened(values[store.value], width)
            if width == 1:
                self.w.store(store.target, value, counters, None)
            else:
                self.scatter(store.target, value, counters)
        if self.products is not None:
            row = counters[self.nest.axes[0]]
            self.products.put(row, lambda let: self.widened(values[let], width))
        if sets:
            self.accumulate(sets[0], values, counters, width, slot)

    def widened(self, value: Value, width: int) -> Value:
        own = width * self.w.width
        return value if value.width == own else self.e.splat(value, own)

    def lane_let(self, let: Let, values: dict[Let, Value], counters: Counters, width: int
                 ) -> Value:  # fmt: skip
        if width == 1 or let not in self.varying:
            return self.w.let(let, values, counters, 1)
        if let.op == "load":
            return self.lane_load(let.attr, counters, width)
        if let.op == "index":
            return self.lane_index(let, counters, width)
        if let.op == "gather":
            return self.lane_gather(let, values, counters, width)
        args = tuple([self.widened(values[a], width) for a in let.args])
        return emit_operation(self.e, let.op, args, let.dtype, let.attr)

    def stride(self, address: Address) -> int | None:
        assert self.lane_axis is not None
        return lane_stride(address, self.lane_axis, self.shuffled)

    def each_lane(self, counters: Counters, width: int) -> list[Counters]:
        axis = self.lane_axis
        assert axis is not None
        base = counters[axis]
        return [
            counters if k == 0 else {**counters, axis: self.shifted(base, k)} for k in range(width)
        ]

    def shifted(self, base: Value, k: int) -> Value:
        if base.name.isdigit():
            return Value(str(int(base.name) + k), "i64", 1)
        return self.e.add(base, k)

    def lane_load(self, address: Address, counters: Counters, width: int) -> Value:
        stride = self.stride(address)
        kind = kind_of(address.place.dtype)
        if stride == 1:
            return self.w.load_from(self.w.pointer_to(address, counters), kind, width)
        scalars = [self.w.load(address, c, 1) for c in self.each_lane(counters, width)]
        return self.gathered(scalars)

    def gathered(self, scalars: list[Value]) -> Value:
        first = scalars[0]
        vector = Value("poison", first.kind, len(scalars))
        for k, scalar in enumerate(scalars):
            vector = self.e.insert(vector, scalar, k)
        return vector

    def lane_index(self, let: Let, counters: Counters, width: int) -> Value:
        index, kind = let.attr, kind_of(let.dtype)
        factor = sum(c for a, c in index.terms if a is self.lane_axis)
        base = self.e.splat(self.e.convert(self.w.index(index, counters), kind), width)
        lanes = [Value(literal(k * factor, kind), kind, 1) for k in range(width)]
        return self.e.add(base, Value(f"<{', '.join(k.typed for k in lanes)}>", kind, width))

    def lane_gather(self, let: Let, values: dict[Let, Value], counters: Counters, width: int
                    ) -> Value:  # fmt: skip
        chosen = self.widened(values[let.args[0]], width)
        scalars = [
            self.w.gather(let, self.e.extract(chosen, k), c)
            for k, c in enumerate(self.each_lane(counters, width))
        ]
        return self.gathered(scalars)

    def scatter(self, address: Address, value: Value, counters: Counters) -> None:
        if self.stride(address) == 1:
            self.w.store(address, value, counters, self.w.pointer_to(address, counters))
            return
        for k, c in enumerate(self.each_lane(counters, value.width)):
            self.w.store(address, self.e.extract(value, k), c, None)

