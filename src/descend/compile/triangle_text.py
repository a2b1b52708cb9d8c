"""The function behind `compile.triangle`, as LLVM text: Householder's reflections, tile by tile.

A tile is some rows of all columns, each column contiguous. The reflection of column k makes zeros
of its part of the tile, against the diagonal of R, and is applied to the columns after it, four at
a time. Vectors have the same lanes on every processor, and every sum its order, so that the bits
are the same wherever it runs.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from descend.compile.kinds import Value
from descend.compile.llvm import BlockWriter
from descend.compile.module import FunctionText
from descend.compile.writing import get, put, variable, when

__all__ = ["write_triangle"]

LANES = 8
TOGETHER = 4  # columns
NOTHING = 1e-290  # a sum of squares so far below those of columns near one changes nothing
MANTISSA, LEAST, MOST = 52, 1, 2045  # of float64: bits, and the exponents whose inverse is normal
WHOLE, UNBOUNDED, ONE = (1 << 63) - 1, 2047, 1023
ZERO = Value("0", "i64", 1)


def write_triangle(rows: int) -> tuple[str, list[Any]]:
    """The text, of tiles of so many rows, and what stands in its table."""
    function = FunctionText()
    _Writer(function, rows).write()
    function.e.line("ret i64 0")
    return function.text(), list(function.slots)


class _Writer:
    """Writes the function: pointers to `columns`, R by rows, room for a tile and for scales."""

    def __init__(self, f: FunctionText, of_tile: int) -> None:
        self.of_tile = of_tile
        self.e, self.w = f.e, BlockWriter(f.frame(), {})
        names = "columns", "triangle", "tile", "scale"
        self.columns, self.triangle, self.tile, self.scale = (f.slot((n,)) for n in names)
        self.rows, self.width = (
            Value(f.slot((n,), as_pointer=False), "i64", 1) for n in ("rows", "width")
        )

    def write(self) -> None:
        tiles = self.e.add(self.rows, self.of_tile - 1)
        tiles = self.e.op(f"udiv i64 {tiles.name}, {self.of_tile}", "i64", 1)
        self.w.loop(self.width, self.measure)
        self.w.loop(tiles, self.one_tile)
        self.w.loop(self.width, self.unscale)

    # Numbers in memory

    def load(self, base: str, at: Value | int, kind: str = "f64", lanes: int = 1) -> Value:
        item = "double" if kind == "f64" else "i64"
        return self.w.load_from(self.e.element(base, item, at), kind, lanes)

    def store(self, base: str, at: Value | int, value: Value) -> None:
        self.e.line(f"store {value.typed}, ptr {self.e.element(base, 'double', at)}, align 8")

    def column(self, j: Value) -> str:
        return self.e.op(f"load ptr, ptr {self.e.element(self.columns, 'ptr', j)}", "i64", 1).name

    def in_tile(self, j: Value) -> str:
        return self.e.element(self.tile, "double", self.e.mul(j, self.of_tile))

    # Columns of any size are brought near one by a power of two, which costs no digit

    def measure(self, j: Value) -> None:
        e, column = self.e, self.column(j)
        wide = self.w.frame.alloca(Value("", "u64", LANES).type)
        e.line(f"store {e.const(0, 'u64', LANES).typed}, ptr {wide}")

        def larger(lanes: int, so_far: Callable[[], Value]) -> Callable[[Value], Value]:
            def of(at: Value) -> Value:
                bits = e.and_(self.load(column, at, "u64", lanes), WHOLE)
                before = so_far()
                return e.select(e.gt(bits, before), bits, before)

            return of

        def before() -> Value:
            return self.w.load_from(wide, "u64", LANES)

        def some(at: Value) -> None:
            e.line(f"store {larger(LANES, before)(at).typed}, ptr {wide}")

        done = self.w.loop(self.rows, some, step=LANES)
        most = variable(self.w, "u64", e.const(0, "u64", 1))
        vector = before()
        for lane in range(LANES):
            bits, found = e.extract(vector, lane), get(self.w, most, "u64")
            put(self.w, most, e.select(e.gt(bits, found), bits, found))
        one = larger(1, lambda: get(self.w, most, "u64"))
        self.w.loop(self.rows, lambda at: put(self.w, most, one(at)), done)
        exponent = e.lshr(get(self.w, most, "u64"), MANTISSA)
        exponent = e.select(e.eq(exponent, UNBOUNDED), e.const(ONE, "u64", 1), exponent)
        exponent = e.max(e.min(exponent, MOST), LEAST)
        bits = e.shl(e.sub(e.const(LEAST + MOST, "u64", 1), exponent), MANTISSA)
        self.store(self.scale, j, e.bitcast(bits, "f64"))

    def unscale(self, j: Value) -> None:
        back = self.e.div(1.0, self.load(self.scale, j))

        def one(k: Value) -> None:
            at = self.e.add(self.e.mul(k, self.width), j)
            self.store(self.triangle, at, self.e.mul(self.load(self.triangle, at), back))

        self.w.loop(self.width, one)

    # Tiles

    def one_tile(self, number: Value) -> None:
        e, first = self.e, self.e.mul(number, self.of_tile)
        left = e.min(e.sub(self.rows, first), self.of_tile)

        def copied(j: Value) -> None:
            source = e.element(self.column(j), "double", first)
            target, scale = self.in_tile(j), self.load(self.scale, j)

            def some(lanes: int) -> Callable[[Value], None]:
                def move(at: Value) -> None:
                    by = e.splat(scale, lanes)
                    self.store(target, at, e.mul(self.load(source, at, lanes=lanes), by))

                return move

            done = self.w.loop(left, some(LANES), step=LANES)
            self.w.loop(left, some(1), done)
            rest = Value(str(self.of_tile), "i64", 1)
            self.w.loop(rest, lambda at: self.store(target, at, e.const(0.0, "f64", 1)), left)

        self.w.loop(self.width, copied)
        self.w.loop(self.width, self.reflect)

    def reflect(self, k: Value) -> None:
        e, v = self.e, self.in_tile(k)
        (square,) = self.products(v, [v])

        def made() -> None:
            row = e.element(self.triangle, "double", e.mul(k, self.width))
            diagonal = self.load(row, k)
            norm = e.sqrt(e.fma(diagonal, diagonal, square))
            end = e.neg(e.copysign(norm, diagonal))
            head = e.sub(diagonal, end)
            self.store(row, k, end)
            factor = e.div(2.0, e.fma(head, head, square))

            def applied(count: int) -> Callable[[Value], None]:
                def apply(j: Value) -> None:
                    columns = [self.in_tile(e.add(j, i)) for i in range(count)]
                    shares = []
                    for i, product in enumerate(self.products(v, columns)):
                        at = e.add(j, i)
                        above = self.load(row, at)
                        share = e.mul(e.fma(head, above, product), factor)
                        self.store(row, at, e.fma(e.neg(share), head, above))
                        shares.append(e.splat(e.neg(share), LANES))
                    for lane in range(0, self.of_tile, LANES):
                        part = self.load(v, lane, lanes=LANES)
                        for column, share in zip(columns, shares, strict=True):
                            before = self.load(column, lane, lanes=LANES)
                            self.store(column, lane, e.fma(share, part, before))

                return apply

            done = self.w.loop(self.width, applied(TOGETHER), e.add(k, 1), TOGETHER)
            self.w.loop(self.width, applied(1), done)

        when(self.w, e.lt(square, NOTHING), lambda: None, made)

    def products(self, v: str, columns: Sequence[str]) -> list[Value]:
        """The scalar products of a tile's columns with one of them."""
        e, sums = self.e, [self.e.const(0.0, "f64", LANES) for _ in columns]
        for at in range(0, self.of_tile, LANES):
            part = self.load(v, at, lanes=LANES)
            others = [self.load(column, at, lanes=LANES) for column in columns]
            sums = [e.fma(part, x, s) for x, s in zip(others, sums, strict=True)]
        return [self.summed(s) for s in sums]

    def summed(self, vector: Value) -> Value:
        while vector.width > 1:
            half = vector.width // 2
            low, high = range(half), range(half, vector.width)
            parts = [self.e.shuffle(vector, None, [*lanes]) for lanes in (low, high)]
            vector = self.e.add(*parts)
        return vector
