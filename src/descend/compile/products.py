"""Many sums of products of few factors in one nest, such as JᵀJ: a small matrix product.

Written out, p factors have p²/2 sums, each with its accumulators. Here the rows of a strip are
worked out first, every factor into a line of a buffer, and a loop over tiles of the matrix of sums
adds up their products: the text grows with the factors, and a tile is held in registers. A strip
that ends early is filled up with zeros, which add nothing. Other sums, where they are many, have
lines of their own, which another loop adds up.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

from descend.compile.access import Access
from descend.compile.kinds import Value
from descend.compile.loops import Let, Nest, Reduction
from descend.compile.operations import kind_of
from descend.lean import dataclass

__all__ = ["Products", "products_of"]

LEAST, DENSE = 40, 0.3  # sums, and their share of the tiles, from which on it pays
LEAST_PLAIN = 16  # other sums
MOST_LINES = 128  # and tiles: all of it lies on the stack
SIDE = 4  # rows and columns of a tile: with AVX-512 there are registers for their accumulators
STRIP = 8  # vectors
ZERO = Value("0", "i64", 1)


@dataclass(frozen=True)
class _Plan:
    """Which sums are formed together.

    Attributes:
        where: reduction → its place among the sums: those of the tiles, then the plain ones.
        factors: the lets that are multiplied, in the order of the buffer's first lines.
        plain: the lets that are added up as they are.
        tiles: the first lines of each tile's rows and columns.
        unused: lets that nothing but these sums needs.
    """

    where: dict[Reduction, int]
    factors: list[Let]
    plain: list[Let]
    tiles: list[tuple[int, int]]
    unused: set[Let]


def products_of(nest: Nest) -> _Plan | None:
    """The sums of a nest over rows that are formed together, if there are many."""
    sums = [r for r in nest.reductions if r.op == "add" and r.value.dtype.kind == "f"]
    if nest.kept or len(nest.axes) != 1 or len(sums) < LEAST_PLAIN:
        return None
    dtype = Counter(r.value.dtype for r in sums).most_common(1)[0][0]
    sums = [r for r in sums if r.value.dtype == dtype]
    products = [r for r in sums if r.value.op == "mul"]
    factors, tiles, where = _tiled(products)
    plain = [r for r in sums if r.value.op != "mul"]
    if not LEAST_PLAIN <= len(plain) <= MOST_LINES:
        plain = []
    first = len(tiles) * SIDE**2
    where |= {r: first + i for i, r in enumerate(plain)}
    if not where:
        return None
    needed = {a for let in nest.lets for a in let.args} | {r.value for r in plain}
    needed |= {s.value for s in nest.stores}
    needed |= {r.value for r in nest.reductions if r not in where}
    unused = {r.value for r in where} - needed
    return _Plan(where, factors, [r.value for r in plain], tiles, unused)


def _tiled(
    chosen: list[Reduction],
) -> tuple[list[Let], list[tuple[int, int]], dict[Reduction, int]]:
    """Factors, tiles and the place of each sum of products; nothing where tiles do not pay."""
    if len(chosen) < LEAST:
        return [], [], {}
    left = {r.value.args[0] for r in chosen}
    right = {r.value.args[1] for r in chosen}
    every = dict.fromkeys(x for r in chosen for x in r.value.args)
    factors = sorted(every, key=lambda x: (x in right, x not in left))
    line = {x: i for i, x in enumerate(factors)}
    side = SIDE
    tiles: dict[tuple[int, int], int] = {}
    where = {}
    for r in chosen:
        i, j = sorted((line[x] for x in r.value.args), reverse=True)
        tile = tiles.setdefault((i // side, j // side), len(tiles))
        where[r] = (tile * side + i % side) * side + j % side
    dense = len(chosen) >= DENSE * side * side * len(tiles)
    if not dense or len(factors) > MOST_LINES or len(tiles) > MOST_LINES:
        return [], [], {}
    return factors, [(i * side, j * side) for i, j in tiles], where


class Products:
    """Writes the sums of a plan into the loop over rows that a nest is."""

    def __init__(self, w: Access, plan: _Plan, width: int) -> None:
        self.w, self.e, self.plan, self.width = w, w.e, plan, width
        self.kind = kind_of(next(iter(plan.where)).value.dtype)
        self.rows = STRIP * width
        self.lines = -(-len(plan.factors) // SIDE) * SIDE  # of factors, in whole tiles
        self.count = len(plan.tiles) * SIDE**2 + len(plan.plain)
        self.scalar = Value("", self.kind, 1).type
        self.vector = Value("", self.kind, width).type
        self.first = ZERO  # row of the strip

    # Memory

    def open(self) -> None:
        """Buffer, accumulators and sums."""
        size = (self.lines + len(self.plan.plain)) * self.rows
        self.buffer = self.w.frame.alloca(f"[{size} x {self.scalar}], align 64")
        self.partial = self.w.frame.alloca(f"[{self.count} x {self.vector}], align 64")
        self.sums = self.w.frame.alloca(f"[{self.count} x {self.scalar}], align 64")
        zero, wide = self.e.const(0.0, self.kind, 1), self.e.const(0.0, self.kind, self.width)

        def clear(i: Value) -> None:
            self.store(self.sums, i, zero)
            self.store(self.partial, i, wide)

        self.w.loop(self.number(self.count), clear)
        # Lines that only fill up a tile.
        first = len(self.plan.factors) * self.rows
        ahead = self.number(self.lines * self.rows)
        self.w.loop(ahead, lambda i: self.store(self.buffer, i, zero), self.number(first))

    def number(self, n: int) -> Value:
        return Value(str(n), "i64", 1)

    def store(self, base: str, i: Value, value: Value, unit: str = "") -> None:
        at = self.e.element(base, unit or value.type, i)
        self.e.line(f"store {value.typed}, ptr {at}, align 8")

    def load(self, base: str, i: Value, width: int, unit: str = "") -> Value:
        plain = Value("", self.kind, width)
        at = self.e.element(base, unit or plain.type, i)
        return self.w.load_from(at, self.kind, width)

    # Rows

    def stripe(self, start: Value, stop: Value, one: Callable[[Value, int], None]) -> None:
        """Rows from `start` to `stop`, a strip at a time; `one` works out so many of them."""
        e, w = self.e, self.width

        def strip(number: Value) -> None:
            first = self.first = e.add(start, e.mul(number, self.rows))
            end = e.min(e.add(first, self.rows), stop)
            after = self.w.loop(end, lambda i: one(i, w), first, w)
            every = self.number(self.lines + len(self.plan.plain))
            some = e.select(e.lt(after, end), every, ZERO)
            zero, behind = e.const(0.0, self.kind, w), e.sub(after, first)

            def fill_up(line: Value) -> None:
                at = e.add(e.mul(line, self.rows), behind)
                self.store(self.buffer, at, zero, self.scalar)

            self.w.loop(some, fill_up)
            self.w.loop(end, lambda i: one(i, 1), after)
            whole = e.add(e.sub(end, first), w - 1)
            vectors = e.op(f"udiv i64 {whole.name}, {w}", "i64", 1)
            if self.plan.tiles:
                self.multiply(vectors)
            if self.plan.plain:
                self.add_up(vectors)

        length = e.add(e.sub(stop, start), self.rows - 1)
        self.w.loop(e.op(f"udiv i64 {length.name}, {self.rows}", "i64", 1), strip)

    def put(self, row: Value, value_of: Callable[[Let], Value]) -> None:
        """The lines' values of a row, or of as many as the values are wide."""
        at = self.e.sub(row, self.first)
        for first, lets in ((0, self.plan.factors), (self.lines, self.plan.plain)):
            for line, let in enumerate(lets, first):
                place = self.e.add(at, line * self.rows)
                self.store(self.buffer, place, value_of(let), self.scalar)

    def multiply(self, vectors: Value) -> None:
        """Add the products of a strip to the accumulators, tile by tile."""
        e, side, w = self.e, SIDE, self.width
        table = self.table()
        held = [self.w.frame.alloca(self.vector) for _ in range(side**2)]

        def tile(t: Value) -> None:
            i, j = (self.line(table, t, which) for which in range(2))
            base = e.mul(t, side**2)
            for k, name in enumerate(held):
                before = self.load(self.partial, e.add(base, k), w)
                e.line(f"store {before.typed}, ptr {name}")

            def vector(s: Value) -> None:
                at = e.mul(s, w)
                rows, columns = (
                    [
                        self.load(self.buffer, e.add(e.add(x, at), k * self.rows), w, self.scalar)
                        for k in range(side)
                    ]
                    for x in (i, j)
                )
                for k, name in enumerate(held):
                    before = e.op(f"load {self.vector}, ptr {name}", self.kind, w)
                    product = e.mul(rows[k // side], columns[k % side])
                    e.line(f"store {e.add(before, product).typed}, ptr {name}")

            self.w.loop(vectors, vector)
            for k, name in enumerate(held):
                after = e.op(f"load {self.vector}, ptr {name}", self.kind, w)
                self.store(self.partial, e.add(base, k), after)

        self.w.loop(self.number(len(self.plan.tiles)), tile)

    def add_up(self, vectors: Value) -> None:
        """Add the plain lines of a strip to their accumulators."""
        e, w, first = self.e, self.width, len(self.plan.tiles) * SIDE**2
        held = self.w.frame.alloca(self.vector)

        def line(t: Value) -> None:
            place, base = e.add(t, first), e.mul(e.add(t, self.lines), self.rows)
            before = self.load(self.partial, place, w)
            e.line(f"store {before.typed}, ptr {held}")

            def vector(s: Value) -> None:
                more = self.load(self.buffer, e.add(base, e.mul(s, w)), w, self.scalar)
                total = e.add(e.op(f"load {self.vector}, ptr {held}", self.kind, w), more)
                e.line(f"store {total.typed}, ptr {held}")

            self.w.loop(vectors, vector)
            after = e.op(f"load {self.vector}, ptr {held}", self.kind, w)
            self.store(self.partial, place, after)

        self.w.loop(self.number(len(self.plan.plain)), line)

    def table(self) -> str:
        """Where the lines of each tile's rows and columns begin, as data of the module."""
        words = [f"i64 {line * self.rows}" for tile in self.plan.tiles for line in tile]
        text = f"private unnamed_addr constant [{len(words)} x i64] [{', '.join(words)}]"
        name = f"@tiles{len(self.e.preamble)}"
        self.e.preamble[name] = f"{name} = {text}"
        return name

    def line(self, table: str, t: Value, which: int) -> Value:
        at = self.e.element(table, "i64", self.e.add(self.e.mul(t, 2), which))
        return self.w.load_from(at, "i64", 1)

    # Sums

    def fold(self) -> None:
        """Add the lanes of the accumulators to the sums, and clear them."""
        zero = self.e.const(0.0, self.kind, self.width)

        def one(i: Value) -> None:
            total = self.load(self.partial, i, self.width)
            while total.width > 1:
                half = total.width // 2
                low, high = (
                    self.e.shuffle(total, None, range(first, first + half)) for first in (0, half)
                )
                total = self.e.add(low, high)
            self.store(self.sums, i, self.e.add(self.load(self.sums, i, 1), total))
            self.store(self.partial, i, zero)

        self.w.loop(self.number(self.count), one)

    def close(self) -> None:
        """Hand the sums on: those that other functions ask for go straight to their slots."""
        pairs = []
        for reduction, at in self.plan.where.items():
            let = reduction.result
            assert isinstance(let, Let)
            if let in self.w.spilled and self.kind == "f64":
                pairs.append((at, self.w.spilled[let]))
                self.w.put.add(let)
            else:
                self.w.values[let] = self.load(self.sums, self.number(at), 1)
        if pairs:
            self.w.copy_words(self.sums, self.w.frame.spill(), pairs)
