"""A matrix product → LLVM text: register tiles of explicit vectors, and the epilogue upon them.

A tile is a few rows by a few vectors of the result. Its sums are held in registers while one loop
walks along what is summed, in order, with one accumulator an element; long sums are made of parts
of fixed length, which are added up in order. So neither the tile nor who works on it changes a bit.
A number of the left operand, which is read where it is, meets a vector of the right one, whose
panels are packed where enough tiles use them. The nest's lets and stores see the sums while they
are still in registers.

There is one kernel, whatever is left over: the last vector of a row ends with the row, so that it
overlaps the one before it, and the last tile of a column of tiles ends with the column. What is
worked out twice comes out the same. Where a result is written over what it is made of, the epilogue
leaves out the rows that it has seen, and vectors that overlap are in one tile, which reads a row
before it writes it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from descend.compile.access import Access, Counters
from descend.compile.kinds import Value
from descend.compile.loops import Address, Let, Product
from descend.compile.native import vector_registers
from descend.compile.nests import NestWriter
from descend.compile.operations import kind_of, memory_type
from descend.compile.vectors import lane_stride
from descend.compile.writing import when
from descend.graph.node import Dim

__all__ = ["TOGETHER", "ProductWriter", "starts_of", "tile_of", "width_of"]

TYPICAL = 512  # rows, and terms of a sum, where nobody knows how many there will be
WRITTEN_OUT = 120  # instructions of an epilogue that needs no loop over the rows of its tile
TOGETHER = 512  # terms of a sum that are added up in order; even
AT_ONCE = 2  # of them without a loop
PACKED_BYTES = 1 << 15  # of a panel that is packed
LEAST_ROWS, LEAST_APART, APART = 128, 24, 1024  # for which it is; where rows lie so far apart
PER_CYCLE, LATENCY = 2, 4  # multiply-adds and loads a cycle; cycles until a sum is ready
EXTRA = 0.08  # of a row may be worked out twice
LANE_BYTES = 16  # of a register's lanes, across which x86 moves numbers in whole lanes only
AROUND = 25  # cycles before and after the loop of a tile
ZERO = Value("0", "i64", 1)

Term = Callable[[Value, list[Value]], list[Value]]
Pointers = Callable[[Value], list[str]]
"""What a term makes of sums; where the elements of an operand lie that a term needs."""


def width_of(columns: int, lanes: int) -> int:
    """Elements of a vector: a full one, or the widest that does not go beyond the row."""
    while lanes > columns:
        lanes //= 2
    return lanes


def starts_of(columns: int, width: int) -> list[int]:
    """Where the vectors of a row begin: side by side, the last one as far right as it can."""
    starts = list(range(0, columns - width + 1, width))
    return starts if columns % width == 0 else [*starts, columns - width]


def tile_of(
    rows: int, vectors: int, terms: int, registers: int, least: int = 1
) -> tuple[int, int]:
    """(rows, vectors) of the tile that covers a result of so many in the fewest cycles.

    It is held in registers, together with a row of the right operand and one number of the left.

    Args:
        terms: of each sum.
        least: vectors that a tile must have.
    """
    best, fewest = (1, least), math.inf
    for wide in range(least, min(vectors, registers // 3) + 1):
        panels = [wide] * (vectors // wide) + [vectors % wide] * (vectors % wide > 0)
        for high in range(1, min(rows, (registers - 1 - wide) // wide) + 1):
            each = sum(max(high * w, high + w, PER_CYCLE * LATENCY) / PER_CYCLE for w in panels)
            cycles = -(-rows // high) * (terms * each + AROUND * len(panels))
            if cycles < fewest:
                best, fewest = (high, wide), cycles
    return best


class ProductWriter(NestWriter):
    """Writes one product."""

    nest: Product

    def __init__(self, writer: Access, nest: Product) -> None:
        super().__init__(writer, nest)
        self.kind = kind_of(nest.result.dtype)
        self.varying |= self._following(nest.result)
        row, column = nest.axes
        assert isinstance(column.extent, int)
        self.columns = column.extent
        rows = row.extent if isinstance(row.extent, int) else row.most or TYPICAL
        count = len(starts_of(self.columns, self.width))
        self.in_place = nest.in_place
        together = 2 if self.in_place and self.columns % self.width else 1
        inner = nest.inner.extent if isinstance(nest.inner.extent, int) else nest.inner.most
        registers = vector_registers()
        self.high, self.wide = tile_of(rows, count, inner or TYPICAL, registers, together)
        panel = (inner or PACKED_BYTES) * self.wide * self.width * nest.result.dtype.itemsize
        self.across = self._across()
        step = lane_stride(nest.right, nest.inner, self.shuffled)
        apart = step is not None and step * nest.result.dtype.itemsize % APART == 0
        least = LEAST_APART if apart else LEAST_ROWS  # such rows throw each other out of the cache
        packs = self.across is not None or (rows >= least and panel <= PACKED_BYTES)
        self.packs = inner if packs else None

    def _across(self) -> int | None:
        """Elements between columns of the right operand whose terms lie side by side."""
        right, column, inner = self.nest.right, self.nest.axes[1], self.nest.inner
        stride = lane_stride(right, column, self.shuffled)
        return None if stride == 1 or lane_stride(right, inner, self.shuffled) != 1 else stride

    def choose_vector(self) -> tuple[int | None, int]:
        """Along the columns of the result, always."""
        columns = self.nest.axes[1].extent
        assert isinstance(columns, int)
        return 1, width_of(columns, self.w.frame.lanes(kind_of(self.nest.result.dtype)))

    def _following(self, result: Let) -> set[Let]:
        """What is made of the sums."""
        made = {result}
        for let in self.nest.lets:
            if any(a in made for a in let.args):
                made.add(let)
        return made

    def loops(self, top: dict[Let, Value]) -> list[Value]:
        """Write the loops: panels of columns, and down each of them tile by tile."""
        outer = dict(top)
        for let in self.by_depth[0]:
            outer[let] = self.w.let(let, outer, self.w.counters, 1)
        count = len(starts_of(self.columns, self.width))
        rest = count % self.wide
        if rest and not self.in_place and self.wide - rest <= EXTRA * count:
            count, rest = count + self.wide - rest, 0  # the last panel overlaps the one before it
        divided = self.nest.divided is self.nest.axes[1]
        thread, _ = self.w.frame.team() if divided else (ZERO, ZERO)

        def short() -> None:
            self.down(outer, [self.number(n * self.width) for n in range(rest)])

        if rest and divided:
            when(self.w, self.e.eq(thread, 0), short, lambda: None)
        elif rest:
            short()
        step, first = self.wide * self.width, rest * self.width
        panels = count // self.wide

        def panel(j: Value) -> None:
            starts = [self.shifted(j, n * self.width) for n in range(self.wide)]
            if first + panels * step > self.columns:
                starts = [self.at_most(at, self.columns - self.width) for at in starts]
            self.down(outer, starts)

        if divided:
            own = self.w.own_part(self.number(panels))
            begin, end = [self.e.add(self.e.mul(n, step), first) for n in own]
            self.w.loop(end, panel, begin, step)
        elif panels == 1:
            panel(self.number(first))
        elif panels:
            end = self.number(first + panels * step)
            self.w.loop(end, panel, self.number(first), step)
        return []

    def number(self, n: int) -> Value:
        return Value(str(n), "i64", 1)

    def at_most(self, value: Value, most: int | Value) -> Value:
        if value.name.isdigit() and isinstance(most, int):
            return self.number(min(int(value.name), most))
        return self.e.min(value, most)

    def down(self, outer: dict[Let, Value], starts: list[Value]) -> None:
        """All tiles of a panel, whose vectors begin at these columns."""
        (row, column), high = self.nest.axes, self.high
        wheres = [{**self.w.counters, column: j} for j in starts]
        right = self.operand(self.nest.right, wheres)
        if self.packs is not None:
            right = self.packed(right, len(starts), self.packs)
        divided, known = row is self.nest.divided, row.extent
        if isinstance(known, Dim) or (divided and self.nest.by_rows):
            begin, end = self.bounds(row)
            last = self.e.sub(end, 1)

            def clamped(i: Value) -> None:
                own = [self.at_most(self.shifted(i, r), last) for r in range(high)]
                self.tile(outer, own, wheres, right)

            self.w.loop(self.e.add(end, high - 1), clamped, begin, high)
            return

        def one(i: Value) -> None:
            if known % high:
                first = self.at_most(i, known - high)
                own = [self.shifted(first, r) for r in range(high)]
                seen = self.e.sub(i, first) if self.in_place else ZERO
                self.tile(outer, own, wheres, right, seen)
            else:
                self.tile(outer, [self.shifted(i, r) for r in range(high)], wheres, right)

        tiles = self.number(-(-known // high))
        if known == high and not divided:
            one(ZERO)
            return
        ends = self.w.own_part(tiles) if divided else (ZERO, tiles)
        begin, end = [self.w.times(n, high) for n in ends]
        self.w.loop(end, one, begin, high)

    def packed(self, right: Pointers, vectors: int, terms: int) -> Pointers:
        """A panel of the right operand, copied to the stack: its rows then lie side by side."""
        size = terms * vectors * self.width * self.nest.result.dtype.itemsize
        base = self.w.frame.room(size)

        def where(k: Value) -> list[str]:
            first = self.moved(base, self.w.times(k, vectors * self.width))
            return [self.moved(first, self.number(n * self.width)) for n in range(vectors)]

        def one(k: Value) -> None:
            for source, target in zip(right(k), where(k), strict=True):
                value = self.w.load_from(source, self.kind, self.width)
                self.e.line(f"store {value.typed}, ptr {target}")

        if self.across is None:
            self.w.loop(self.w.extent(self.nest.inner.extent), one)
            return where
        side = width_of(terms, self.width)

        def block(k: Value) -> None:
            k = self.at_most(k, terms - side)
            targets = [where(self.shifted(k, n)) for n in range(side)]
            for number, first in enumerate(right(k)):
                lines = [
                    self.w.load_from(
                        self.moved(first, self.number(n * (self.across or 0))), self.kind, side
                    )
                    for n in range(self.width)
                ]
                for target, value in zip(targets, self.turned(lines), strict=True):
                    self.e.line(f"store {value.typed}, ptr {target[number]}")

        self.w.loop(self.number(terms + side - 1), block, ZERO, side)
        return where

    def turned(self, lines: list[Value]) -> list[Value]:
        """The columns of these lines: those of small squares first, which processors are quick at.

        LLVM takes long for shuffles across the lanes of a register, and finds bad ones.
        """
        side = lines[0].width
        if len(lines) > side:
            groups = [self.turned(lines[n : n + side]) for n in range(0, len(lines), side)]
            return [self.beside(list(column)) for column in zip(*groups, strict=True)]
        lane = min(side, LANE_BYTES // self.nest.result.dtype.itemsize)
        inside = [
            at + n + m * side
            for at in range(0, side, lane) for n in range(lane // 2) for m in (0, 1)
        ]  # fmt: skip
        groups = [
            self.woven(lines[n : n + lane], inside, lane // 2) for n in range(0, side, lane)
        ]
        half = side // lane // 2
        whole = [
            (n + 2 * m * half) * lane + i for n in range(half) for m in (0, 1) for i in range(lane)
        ]
        blocks = [self.woven(list(own), whole, half * lane) for own in zip(*groups, strict=True)]
        return [blocks[n % lane][n // lane] for n in range(side)]

    def woven(self, lines: list[Value], low: list[int], half: int) -> list[Value]:
        """The first half of the lines interleaved with the second, until lines are columns."""
        orders, middle = (low, [n + half for n in low]), len(lines) // 2
        for _ in range(len(lines).bit_length() - 1):
            pairs = zip(lines[:middle], lines[middle:], strict=True)
            lines = [self.e.shuffle(a, b, order) for a, b in pairs for order in orders]
        return lines

    def beside(self, parts: list[Value]) -> Value:
        while len(parts) > 1:
            both = range(2 * parts[0].width)
            pairs = zip(parts[::2], parts[1::2], strict=True)
            parts = [self.e.shuffle(a, b, both) for a, b in pairs]
        return parts[0]

    # A tile

    def tile(self, outer: dict[Let, Value], rows: list[Value], wheres: list[Counters],
             right: Pointers, seen: Value = ZERO) -> None:  # fmt: skip
        """
        Args:
            seen: rows that the tile before this one has come to as well.
        """
        nest, vectors = self.nest, len(wheres)
        heres = [{**self.w.counters, nest.axes[0]: i} for i in rows]
        left = self.operand(nest.left, heres)

        def term(k: Value, sums: list[Value]) -> list[Value]:
            loaded = [self.w.load_from(at, self.kind, self.width) for at in right(k)]
            after, following = [], iter(sums)
            for at in left(k):
                wide = self.e.splat(self.w.load_from(at, self.kind, 1), self.width)
                after += [self.e.fma(wide, vector, next(following)) for vector in loaded]
            return after

        start = self.e.const(0.0, self.kind, self.width)
        sums = self.summed(term, [start] * (len(rows) * vectors))
        body = len(self.by_depth[2]) + len(nest.stores)
        if seen is ZERO and (len(rows) == 1 or body * len(sums) <= WRITTEN_OUT):
            for n, here in enumerate(heres):
                own = sums[n * vectors : (n + 1) * vectors]
                self.finish_tile(outer, own, here, wheres)
            return
        self.by_rows(outer, sums, rows, wheres, seen)

    def by_rows(self, outer: dict[Let, Value], sums: list[Value], rows: list[Value],
                wheres: list[Counters], seen: Value) -> None:  # fmt: skip
        """The epilogue as a loop over the rows of a tile, whose sums lie on the stack."""
        vectors, row = len(wheres), self.nest.axes[0]
        held, of_row = self.on_stack(sums), self.on_stack(rows)

        def one(r: Value) -> None:
            first = self.e.mul(r, vectors)
            own = [self.taken(held, sums[0], self.shifted(first, n)) for n in range(vectors)]
            here = {**self.w.counters, row: self.taken(of_row, rows[0], r)}
            self.finish_tile(outer, own, here, wheres)

        self.w.loop(self.number(len(rows)), one, seen)

    def on_stack(self, values: Sequence[Value]) -> str:
        """The values side by side in memory."""
        base = self.w.frame.alloca(f"[{len(values)} x {values[0].type}]")
        for n, value in enumerate(values):
            self.e.line(f"store {value.typed}, ptr {self.e.element(base, value.type, n)}")
        return base

    def taken(self, base: str, like: Value, number: Value) -> Value:
        """One of the values that lie side by side."""
        at = self.e.element(base, like.type, number)
        return self.e.op(f"load {like.type}, ptr {at}", *like[1:])

    def finish_tile(self, outer: dict[Let, Value], sums: Sequence[Value], here: Counters,
                    wheres: Sequence[Counters]) -> None:  # fmt: skip
        """What follows from the sums of one row of a tile: all is read before any is written."""
        values = self.with_lets(outer, self.by_depth[1], here, 1)
        made = []
        for where, total in zip(wheres, sums, strict=True):
            known = {**values, self.nest.result: total}
            made.append(self.with_lets(known, self.by_depth[2], {**here, **where}, self.width))
        for where, known in zip(wheres, made, strict=True):
            self.finish_row(known, {**here, **where}, self.width, [], 0)

    def with_lets(self, values: dict[Let, Value], lets: Sequence[Let], counters: Counters,
                  width: int) -> dict[Let, Value]:  # fmt: skip
        inner = dict(values)
        for let in lets:
            if let is not self.nest.result:
                inner[let] = self.lane_let(let, inner, counters, width)
        return inner

    def summed(self, term: Term, start: list[Value]) -> list[Value]:
        """Every term of the sums, in order; those of long sums in parts, which are added up."""
        inner = self.nest.inner
        end = self.w.extent(inner.extent)
        most = inner.extent if isinstance(inner.extent, int) else inner.most
        if most is not None and most <= TOGETHER:
            return self.part(term, start, ZERO, end)

        def one(k: Value, totals: list[Value]) -> list[Value]:
            stop = self.e.min(self.e.add(k, TOGETHER), end)
            parts = self.part(term, start, k, stop)
            return [self.e.add(t, p) for t, p in zip(totals, parts, strict=True)]

        return self.carried((ZERO, end), start, one, TOGETHER)

    def part(self, term: Term, start: list[Value], first: Value, end: Value) -> list[Value]:
        """The sums of some of the terms; if their number is known, there is at least one."""
        extent = self.nest.inner.extent
        several = AT_ONCE if isinstance(extent, int) else 1

        def some(k: Value, sums: list[Value], count: int = several) -> list[Value]:
            for ahead in range(count):
                sums = term(self.shifted(k, ahead), sums)
            return sums

        if not isinstance(extent, int):
            return self.carried((first, end), start, some, 1)
        if extent % several == 0:  # and so is each part
            return self.carried((first, end), start, some, several)
        if not end.name.isdigit():
            return self.carried((first, end), start, lambda k, sums: term(k, sums), 1)
        whole = self.number(extent - extent % several)
        sums = self.carried((first, whole), start, some, several)
        return some(whole, sums, extent % several)

    def carried(self, ends: tuple[Value, Value], start: list[Value], some: Term, step: int
                ) -> list[Value]:  # fmt: skip
        """A loop that hands values on from pass to pass; one of unknown length may be empty."""
        e, (begin, end) = self.e, ends
        known = isinstance(self.nest.inner.extent, int)
        number = e.fresh("K")[2:]
        inside, after, before = f"sum{number}", f"summed{number}", e.block
        if known:
            e.line(f"br label %{inside}")
        else:
            e.line(f"br i1 {e.lt(begin, end).name}, label %{inside}, label %{after}")
        e.start_block(inside)
        k = Value(e.fresh("k"), "i64", 1)
        held = [Value(e.fresh("s"), *value[1:]) for value in start]
        slot = len(e.lines)
        made = some(k, held)
        following = e.op(f"add nuw nsw i64 {k.name}, {step}", "i64", 1)
        more = e.lt(following, end)
        latch = e.block
        e.line(f"br i1 {more.name}, label %{inside}, label %{after}")
        rows = zip([k, *held], [begin, *start], [following, *made], strict=True)
        e.lines[slot:slot] = [
            f"  {name.name} = phi {name.type} [ {first.name}, %{before} ], "
            f"[ {then.name}, %{latch} ]"
            for name, first, then in rows
        ]
        e.start_block(after)
        if known:
            return made
        return [
            e.op(f"phi {a.type} [ {a.name}, %{before} ], [ {b.name}, %{latch} ]", *a[1:])
            for a, b in zip(start, made, strict=True)
        ]

    # Operands

    def operand(self, address: Address, places: Sequence[Counters]) -> Pointers:
        """What gives pointers to the elements of a term, for each of the places along an axis."""
        inner = self.nest.inner
        stride = lane_stride(address, inner, self.shuffled)
        if stride is not None:
            first = [self.w.pointer_to(address, {**here, inner: ZERO}) for here in places]
            return lambda k: [self.moved(at, self.w.times(k, stride)) for at in first]
        return lambda k: [self.w.pointer_to(address, {**here, inner: k}) for here in places]

    def moved(self, pointer: str, step: Value) -> str:
        return self.e.element(pointer, memory_type(self.kind), step)

