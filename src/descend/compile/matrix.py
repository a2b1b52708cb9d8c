"""A matrix product → LLVM text: register tiles of explicit vectors, and the epilogue upon them.

A tile is a few rows by a few vectors of the result. Its sums are held in registers while one loop
walks along what is summed, in order, with one accumulator an element: so neither the tile nor who
works on it changes a bit. Operands are read where they are; a number of the left one meets a vector
of the right one. The nest's lets and stores see the sums while they are still in registers.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from descend.compile.access import Access, Counters
from descend.compile.kinds import Value
from descend.compile.loops import Address, Axis, Let, Product
from descend.compile.native import vector_registers
from descend.compile.nests import NestWriter
from descend.compile.operations import kind_of, memory_type
from descend.compile.vectors import lane_stride

__all__ = ["ProductWriter", "columns_of", "rows_of"]

WRITTEN_OUT = 23  # terms of a sum that need no loop
TERMS = 4  # at a time, where there are more
ZERO = Value("0", "i64", 1)

Widths = tuple[int, ...]


def rows_of(extent: int, most: int) -> list[tuple[int, int]]:
    """(rows of a tile, how many of these tiles): nearly equal ones, the larger ones first."""
    tiles = -(-extent // most)
    low, larger = divmod(extent, tiles)
    return [(rows, n) for rows, n in ((low + 1, larger), (low, tiles - larger)) if n and rows]


def columns_of(extent: int, lanes: int, vectors: int) -> list[tuple[Widths, int]]:
    """(vectors of a tile, how many of these tiles): whole vectors, then halves for the rest."""
    whole, rest = divmod(extent, lanes)
    widths = [lanes] * whole
    while rest:
        lanes //= 2
        if lanes <= rest:
            widths.append(lanes)
            rest -= lanes
    tiles: dict[Widths, int] = {}
    for first in range(0, len(widths), vectors):
        one = tuple(widths[first : first + vectors])
        tiles[one] = tiles.get(one, 0) + 1
    return list(tiles.items())


def tile_limits(rows: int | None, registers: int) -> tuple[int, int]:
    """The most rows and vectors of a tile: sums, a row of the right operand and one number."""
    if rows is not None and rows < 4:
        return rows, (registers - 2) // (rows + 1)
    vectors = 2
    return (registers - vectors - 1) // vectors, vectors


class ProductWriter(NestWriter):
    """Writes one product."""

    nest: Product

    def __init__(self, writer: Access, nest: Product) -> None:
        super().__init__(writer, nest)
        self.kind = kind_of(nest.result.dtype)
        self.varying |= self._following(nest.result)
        extent = nest.axes[0].extent
        rows = extent if isinstance(extent, int) else None
        self.most, self.vectors = tile_limits(rows, vector_registers())

    def choose_vector(self) -> tuple[int | None, int]:
        """Along the columns of the result, always."""
        return 1, self.w.frame.lanes(kind_of(self.nest.result.dtype))

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
        columns = self.nest.axes[1].extent
        assert isinstance(columns, int)
        at = 0
        for widths, count in columns_of(columns, self.width, self.vectors):
            wide, first = sum(widths), at

            def panel(j: Value, widths: Widths = widths) -> None:
                self.down(outer, j, widths)

            if count == 1:
                panel(Value(str(first), "i64", 1))
            else:
                end = Value(str(first + count * wide), "i64", 1)
                self.w.loop(end, panel, Value(str(first), "i64", 1), wide)
            at += count * wide
        return []

    def down(self, outer: dict[Let, Value], j: Value, widths: Widths) -> None:
        """All tiles of a panel."""
        extent = self.nest.axes[0].extent
        if isinstance(extent, int):
            first = 0
            for rows, count in rows_of(extent, self.most):
                last = first + rows * count
                self.span(outer, j, widths, rows, str(first), Value(str(last), "i64", 1))
                first = last
            return
        end = self.w.extent(extent)
        after = self.span(outer, j, widths, self.most, "0", end)
        self.w.loop(end, lambda i: self.tile(outer, i, j, 1, widths), after)

    def span(self, outer: dict[Let, Value], j: Value, widths: Widths, rows: int, first: str,
             end: Value) -> Value:  # fmt: skip
        start = Value(first, "i64", 1)
        if end.name.isdigit() and int(end.name) == int(first) + rows:
            self.tile(outer, start, j, rows, widths)
            return end
        one = lambda i: self.tile(outer, i, j, rows, widths)  # noqa: E731
        return self.w.loop(end, one, start, rows)

    # A tile

    def tile(self, outer: dict[Let, Value], i: Value, j: Value, rows: int, widths: Widths) -> None:
        nest = self.nest
        row, column = nest.axes
        heres = [{**self.w.counters, row: self.shifted(i, r)} for r in range(rows)]
        wheres = [{**self.w.counters, column: self.shifted(j, at)} for at in _starts(widths)]
        left = self.operand(nest.left, row, heres, range(rows))
        right = self.operand(nest.right, column, wheres, list(_starts(widths)))
        sums = [[self.zeroed(width) for width in widths] for _ in range(rows)]

        def term(k: Value) -> None:
            vectors = [
                self.w.load_from(at, self.kind, width)
                for at, width in zip(right(k), widths, strict=True)
            ]
            for at, cells in zip(left(k), sums, strict=True):
                number = self.w.load_from(at, self.kind, 1)
                for vector, cell in zip(vectors, cells, strict=True):
                    before = self.e.op(f"load {vector.type}, ptr {cell}", self.kind, vector.width)
                    wide = self.e.splat(number, vector.width)
                    after = self.e.fma(wide, vector, before)
                    self.e.line(f"store {after.typed}, ptr {cell}")

        self.summed(term)
        for here, cells in zip(heres, sums, strict=True):
            values = self.with_lets(outer, self.by_depth[1], here, 1)
            for where, cell, width in zip(wheres, cells, widths, strict=True):
                plain = Value("", self.kind, width)
                total = self.e.op(f"load {plain.type}, ptr {cell}", self.kind, width)
                both = {**here, **where}
                known = {**values, nest.result: total}
                made = self.with_lets(known, self.by_depth[2], both, width)
                self.finish_row(made, both, width, [], 0)

    def with_lets(self, values: dict[Let, Value], lets: Sequence[Let], counters: Counters,
                  width: int) -> dict[Let, Value]:  # fmt: skip
        inner = dict(values)
        for let in lets:
            if let is not self.nest.result:
                inner[let] = self.lane_let(let, inner, counters, width)
        return inner

    def zeroed(self, width: int) -> str:
        start = self.e.const(0.0, self.kind, width)
        name = self.w.frame.alloca(start.type)
        self.e.line(f"store {start.typed}, ptr {name}")
        return name

    def summed(self, term: Callable[[Value], None]) -> None:
        """Every term of the sums, in order, some of them at a time."""
        extent = self.nest.inner.extent
        if isinstance(extent, int) and extent <= WRITTEN_OUT:
            for k in range(extent):
                term(Value(str(k), "i64", 1))
            return

        def several(k: Value) -> None:
            for ahead in range(TERMS):
                term(self.shifted(k, ahead))

        after = self.w.loop(self.w.extent(extent), several, None, TERMS)
        if isinstance(extent, int):
            for k in range(extent - extent % TERMS, extent):
                term(Value(str(k), "i64", 1))
        else:
            self.w.loop(self.w.extent(extent), term, after)

    # Operands

    def operand(
        self, address: Address, axis: Axis, places: Sequence[Counters], ahead: Sequence[int]
    ) -> Callable[[Value], list[str]]:
        """What gives pointers to the elements of a term, for each of the places along an axis.

        Args:
            ahead: how far the places are from the first one.
        """
        inner = self.nest.inner
        stride = lane_stride(address, inner, self.shuffled)
        if stride is not None:
            first = [self.w.pointer_to(address, {**here, inner: ZERO}) for here in places]
            return lambda k: [self.moved(at, self.w.times(k, stride)) for at in first]
        beside = lane_stride(address, axis, self.shuffled)

        def by_order(k: Value) -> list[str]:
            if beside is None:
                return [self.w.pointer_to(address, {**here, inner: k}) for here in places]
            at = self.w.pointer_to(address, {**places[0], inner: k})
            return [self.moved(at, Value(str(n * beside), "i64", 1)) for n in ahead]

        return by_order

    def moved(self, pointer: str, step: Value) -> str:
        if step.name == "0":
            return pointer
        name, kind = self.e.fresh("p"), memory_type(self.kind)
        self.e.line(f"{name} = getelementptr {kind}, ptr {pointer}, i64 {step.name}")
        return name


def _starts(widths: Widths) -> Iterator[int]:
    at = 0
    for width in widths:
        yield at
        at += width

