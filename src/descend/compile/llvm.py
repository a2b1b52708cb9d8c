"""The loop language → LLVM text: one block inside a function that is being written."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from descend.compile.kinds import Value, literal
from descend.compile.lanes import Emitter
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
    Reduction,
    Scan,
    Statement,
    Store,
)
from descend.compile.operations import emit_operation, kind_of, memory_type
from descend.compile.vectors import choose_vector, unroll_factor
from descend.errors import InternalError
from descend.graph.node import Dim

__all__ = ["Algorithm", "BlockWriter", "Counters", "Frame", "cut"]

BLOCK_ROWS = 4096
UNROLL_LIMIT = 640
WHOLE, SEGMENT = 900, 400
NEUTRAL = {"add": 0.0, "max": -math.inf, "min": math.inf}


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
    finish_segment: Callable[[], None]
    call_segment: Callable[[], None]
    spill: Callable[[], str]

    def alloca(self, value_type: str) -> str:
        name = self.e.fresh("a")
        self.allocas.append(f"  {name} = alloca {value_type}")
        return name


Counters = dict[Axis, Value]
Accumulators = list[dict[tuple[int, int], str]]
Algorithm = Callable[["BlockWriter", Call], Any]


class TopValues(dict[Let, Value]):
    """Top-level lets of this function; those of other functions are fetched when asked for."""

    def __init__(self, writer: BlockWriter) -> None:
        super().__init__()
        self.writer = writer

    def __missing__(self, let: Let) -> Value:
        value = self[let] = self.writer.fetch(let)
        return value


def weight(statement: Statement) -> int:
    """Roughly how many instructions a statement becomes."""
    if isinstance(statement, Nest):
        return 6 * (len(statement.lets) + 4 * len(statement.reductions)) + 20
    if isinstance(statement, Scan):
        return 20 + sum(map(weight, statement.block.statements))
    return 100 if isinstance(statement, Call) else 1


def cut(statements: Sequence[Statement]) -> list[Sequence[Statement]]:
    """Pieces of at most about `SEGMENT` instructions; one piece if the whole is short."""
    if sum(map(weight, statements)) <= WHOLE:
        return [statements]
    pieces: list[Sequence[Statement]] = []
    start, total = 0, 0
    for i, statement in enumerate(statements):
        here = weight(statement)
        tied = isinstance(statement, Let) and statement.op == "reduced"
        if total + here > SEGMENT and i > start and not tied:
            pieces.append(statements[start:i])
            start, total = i, 0
        total += here
    pieces.append(statements[start:])
    return pieces


def operands(statement: Statement) -> Iterator[Let]:
    """The lets that a statement reads."""
    if isinstance(statement, Let):
        yield from statement.args
    elif isinstance(statement, Store):
        yield statement.value
    elif isinstance(statement, Nest):
        for let in statement.lets:
            yield from let.args
        for store in statement.stores:
            yield store.value
        for reduction in statement.reductions:
            yield reduction.value
    elif isinstance(statement, Scan):
        own = {x for x in statement.block.statements if isinstance(x, Let)}
        for inner in statement.block.statements:
            own.update(inner.lets if isinstance(inner, Nest) else ())
            yield from (x for x in operands(inner) if x not in own)


def spill_slots(
    pieces: Sequence[Sequence[Statement]], homes: Mapping[Let, int], outputs: Sequence[Let]
) -> dict[Let, int]:
    """A memory slot for every let that is read outside of its piece."""
    slots: dict[Let, int] = {}
    for i, piece in enumerate(pieces):
        for statement in piece:
            for let in operands(statement):
                if homes.get(let, i) != i and let.op != "const":
                    slots.setdefault(let, len(slots))
    for let in outputs:
        if let.op != "const":
            slots.setdefault(let, len(slots))
    return slots


class BlockWriter:
    """Writes the statements of a block; `values` knows every top-level let afterwards."""

    def __init__(self, frame: Frame, algorithms: Mapping[str, Algorithm]) -> None:
        self.frame = frame
        self.algorithms = algorithms
        self.e = frame.e
        self.values: dict[Let, Value] = TopValues(self)
        self.spilled: dict[Let, int] = {}
        self.counters: Counters = {}

    def write(self, block: Block) -> None:
        """Write the block here, or, if it is long, as a sequence of functions called from here."""
        pieces = cut(block.statements)
        if len(pieces) == 1:
            self.write_statements(block.statements)
            return
        homes = {x: i for i, piece in enumerate(pieces) for x in piece if isinstance(x, Let)}
        self.spilled = spill_slots(pieces, homes, block.outputs)
        for i, piece in enumerate(pieces):
            frame = self.frame.segment()
            inner = BlockWriter(frame, self.algorithms)
            inner.spilled = self.spilled
            inner.write_statements(piece)
            for let in piece:
                if isinstance(let, Let) and let in self.spilled and homes[let] == i:
                    inner.put_spilled(let)
            frame.finish_segment()
            self.frame.call_segment()

    # Values that cross from one function to another, through memory

    def spill_pointer(self, let: Let) -> str:
        name = self.e.fresh("p")
        number = self.spilled[let]
        self.e.line(f"{name} = getelementptr i64, ptr {self.frame.spill()}, i64 {number}")
        return name

    def put_spilled(self, let: Let) -> None:
        value = self.values[let]
        value = self.e.convert(value, "u8") if value.kind == "i1" else value
        self.e.line(f"store {value.typed}, ptr {self.spill_pointer(let)}, align 8")

    def fetch(self, let: Let) -> Value:
        """A value made elsewhere: a constant anew, anything else from where it was put."""
        if let.op == "const":
            kind = kind_of(let.dtype)
            return Value(literal(let.attr.item(), kind), kind, 1)
        return self.load_from(self.spill_pointer(let), kind_of(let.dtype), 1)

    def write_statements(self, statements: Sequence[Statement]) -> None:
        for statement in statements:
            if isinstance(statement, Let):
                if statement.op != "reduced":
                    self.values[statement] = self.let(statement, self.values, self.counters, 1)
            elif isinstance(statement, Store):
                self.store(statement.target, self.values[statement.value], self.counters, None)
            elif isinstance(statement, Nest):
                NestWriter(self, statement).write()
            elif isinstance(statement, Copy):
                self.copy(statement)
            elif isinstance(statement, Scan):
                self.scan(statement)
            else:
                self.call(statement)

    def scan(self, statement: Scan) -> None:
        for let in operands(statement):
            self.values[let]

        def body(i: Value) -> None:
            self.counters[statement.axis] = i
            self.write_statements(statement.block.statements)

        self.loop(self.extent(statement.axis.extent), body)

    # Extents and addresses

    def extent(self, n: int | Dim) -> Value:
        return self.frame.extent(n) if isinstance(n, Dim) else Value(str(n), "i64", 1)

    def index(self, index: Index, counters: Counters) -> Value:
        """The value of an affine index at the current counters."""
        total: Value | None = None
        pairs = [(counters[a], c) for a, c in index.terms]
        pairs += [(self.extent(d), c) for d, c in index.dims]
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
            at = self.e.op(f"getelementptr i32, ptr {self.frame.order}, i64 {row.name}", "i64", 1)
            word = self.e.op(f"load i32, ptr {at.name}", "u32", 1)
            row = self.e.convert(word, "i64")
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

    def pointer_to(self, address: Address, counters: Counters) -> str:
        kind = kind_of(address.place.dtype)
        at = self.offset(address, counters)
        base = self.frame.pointer(address.place)
        if at.name == "0":
            return base
        name = self.e.fresh("p")
        self.e.line(f"{name} = getelementptr {memory_type(kind)}, ptr {base}, i64 {at.name}")
        return name

    def register(self, address: Address) -> str | None:
        """The alloca of an element that lives in a register."""
        if not all(i.is_const for i in address.index):
            return None
        flat = 0
        for index, n in zip(address.index, address.place.shape, strict=True):
            flat = flat * int(n) + index.const if not isinstance(n, Dim) else index.const
        return self.frame.cell(address.place, flat)

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
            return self.index(let.attr, counters)
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
        place = address.place
        if axis == 0 and place.batched:
            raise InternalError("a gather along the rows of a batch")
        rest = self.offset(address, counters)
        for extent in place.shape[axis + 1 :]:
            at = self.times(at, extent) if extent != 1 else at
        total = self.add(rest, at)
        kind = kind_of(place.dtype)
        name = self.e.fresh("p")
        base = self.frame.pointer(place)
        self.e.line(f"{name} = getelementptr {memory_type(kind)}, ptr {base}, i64 {total.name}")
        return self.load_from(name, kind, 1)

    # Whole arrays

    def count(self, shape: Sequence[int | Dim]) -> Value:
        total = Value(str(math.prod(n for n in shape if not isinstance(n, Dim))), "i64", 1)
        for n in shape:
            if isinstance(n, Dim):
                total = self.e.mul(self.frame.extent(n), total)
        return total

    def copy(self, statement: Copy) -> None:
        target, source = statement.target, statement.source
        size = 1 if source.dtype.kind == "b" else source.dtype.itemsize
        n = self.count(target.shape)
        total = Value(str(int(n.name) * size), "i64", 1) if n.name.isdigit() else (
            self.e.mul(n, size)
        )  # fmt: skip
        self.e.preamble["llvm.memcpy"] = (
            "declare void @llvm.memcpy.p0.p0.i64(ptr, ptr, i64, i1)"
        )
        self.e.line(
            f"call void @llvm.memcpy.p0.p0.i64(ptr {self.frame.pointer(target)}, "
            f"ptr {self.frame.pointer(source)}, i64 {total.name}, i1 false)"
        )

    def call(self, statement: Call) -> None:
        self.algorithms[statement.name](self, statement)

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


class NestWriter:
    """Writes one nest: loops from the outside in, one axis of them spread over lanes."""

    def __init__(self, writer: BlockWriter, nest: Nest) -> None:
        self.w = writer
        self.e = writer.e
        self.nest = nest
        kinds = [kind_of(x.dtype) for x in nest.lets] or ["f64"]
        widest = max((k for k in kinds if k != "i1"), key=lambda k: int(k[1:]), default="f64")
        self.lanes = writer.frame.lanes(widest)
        self.shuffled = writer.frame.order is not None
        nest.vector, self.width = choose_vector(nest, self.lanes, self.shuffled)
        self.by_depth: list[list[Let]] = [[] for _ in range(len(nest.axes) + 1)]
        for let in nest.lets:
            self.by_depth[let.depth].append(let)
        self.lane_axis = nest.axes[nest.vector] if nest.vector is not None else None
        self.varying = self._varying()

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
        top = {x: self.w.values[x] for x in outside}
        if self.nest.kept or not self.nest.reductions:
            self.level(0, top, self.w.counters, 1, [])
            return
        sets = [self.open_accumulators(1)]
        self.level(0, top, self.w.counters, 1, sets)
        for number, reduction in enumerate(self.nest.reductions):
            assert isinstance(reduction.result, Let)
            self.w.values[reduction.result] = self.total(sets, number)

    # Accumulators: per reduction, one alloca per width

    def open_accumulators(self, width: int) -> Accumulators:
        """For every reduction an accumulator per (width, slot), set to neutral here."""
        tables: Accumulators = [{} for _ in self.nest.reductions]
        for table, r in zip(tables, self.nest.reductions, strict=True):
            kind = kind_of(r.value.dtype)
            for shape in self.accumulator_shapes(width):
                name = self.w.frame.alloca(Value("", kind, shape[0]).type)
                table[shape] = name
                start = self.e.const(neutral(r.op, kind), kind, shape[0])
                self.e.line(f"store {start.typed}, ptr {name}")
        return tables

    def accumulator_shapes(self, width: int) -> list[tuple[int, int]]:
        """The (width, slot) pairs that the loops below the kept axes will add to."""
        position = self.nest.vector
        if position is None or self.width == 1 or position < self.nest.kept:
            return [(width, 0)]
        innermost = position == len(self.nest.axes) - 1
        axis = self.nest.axes[position]
        if innermost and self.written_out(axis):
            return sorted({(w, s) for _, w, s in self.chunk_plan(int(axis.extent))})  # type: ignore[arg-type]
        slots = unroll_factor(self.nest) if innermost else 1
        return [*((self.width, s) for s in range(slots)), (1, 0)]

    def written_out(self, axis: Axis) -> bool:
        """Whether the lane axis is so short that its vectors need no loop."""
        n = axis.extent
        return isinstance(n, int) and n * (len(self.nest.lets) + 1) <= UNROLL_LIMIT * self.width

    def chunk_plan(self, extent: int) -> list[tuple[int, int, int]]:
        """(start, width, slot): whole vectors, then halves, down to single rows."""
        at, width, plan = 0, self.width, []
        slots: dict[int, int] = {}
        limit = unroll_factor(self.nest)
        while at < extent:
            while width > extent - at:
                width //= 2
            slot = slots.get(width, 0)
            plan.append((at, width, slot % limit))
            slots[width] = slot + 1
            at += width
        return plan

    def accumulate(self, sets: Accumulators, values: dict[Let, Value], width: int, slot: int
                   ) -> None:  # fmt: skip
        for table, r in zip(sets, self.nest.reductions, strict=True):
            name = table[width, slot]
            value = self.widened(values[r.value], width)
            before = self.e.op(f"load {value.type}, ptr {name}", value.kind, width)
            after = emit_operation(self.e, r.op, (before, value), r.value.dtype, None)
            self.e.line(f"store {after.typed}, ptr {name}")

    def total(self, sets: list[Accumulators], number: int) -> Value:
        """Combine slots, then lanes, in a fixed tree."""
        r = self.nest.reductions[number]
        kind = kind_of(r.value.dtype)
        scalars: list[Value] = []
        for table_set in sets:
            table = table_set[number]
            for width in sorted({w for w, _ in table}, reverse=True):
                parts = [
                    self.e.op(f"load {Value('', kind, width).type}, ptr {name}", kind, width)
                    for (w, _), name in sorted(table.items()) if w == width
                ]  # fmt: skip
                vector = self.paired(parts, r)
                while vector.width > 1:
                    half = vector.width // 2
                    low = self.e.shuffle(vector, None, list(range(half)))
                    high = self.e.shuffle(vector, None, list(range(half, vector.width)))
                    vector = self.join(r, low, high)
                scalars.append(vector)
        return self.paired(scalars, r)

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
        opened = depth == self.nest.kept and depth > 0 and bool(self.nest.reductions)
        here = [self.open_accumulators(width)] if opened else sets
        self.axis(depth, inner, counters, width, here)
        if opened:
            for i, r in enumerate(self.nest.reductions):
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
        elif innermost and self.written_out(axis):
            for at, w, slot in self.chunk_plan(int(axis.extent)):  # type: ignore[arg-type]
                one(Value(str(at), "i64", 1), w, slot)
        else:
            self.long_axis(axis, one, sets if depth == self.nest.kept else [], innermost)

    def plain_axis(self, axis: Axis, one: Callable[..., None], width: int) -> None:
        if axis.extent == 1:
            one(Value("0", "i64", 1), width)
        else:
            self.w.loop(self.w.extent(axis.extent), lambda i: one(i, width))

    def long_axis(self, axis: Axis, one: Callable[..., None], sets: list[Accumulators],
                  innermost: bool) -> None:  # fmt: skip
        """Blocks of rows; in each a loop of several vectors, one of single vectors, one of rows.

        The blocks depend on the extent alone, and their sums are added in order.
        """
        extent = self.w.extent(axis.extent)
        slots = unroll_factor(self.nest) if innermost else 1
        if not sets or (isinstance(axis.extent, int) and axis.extent <= BLOCK_ROWS):
            self.stripe(Value("0", "i64", 1), extent, one, slots)
            return
        e, whole = self.e, sets[0]

        def block(number: Value) -> None:
            start = e.mul(number, BLOCK_ROWS)
            stop = e.min(e.add(start, BLOCK_ROWS), extent)
            sets[0] = self.open_accumulators(1)
            self.stripe(start, stop, one, slots)
            for i, r in enumerate(self.nest.reductions):
                part, name = self.total(sets, i), whole[i][1, 0]
                before = e.op(f"load {part.type}, ptr {name}", part.kind, 1)
                e.line(f"store {self.join(r, before, part).typed}, ptr {name}")

        rounded = self.w.add(extent, Value(str(BLOCK_ROWS - 1), "i64", 1))
        count = e.op(f"udiv i64 {rounded.name}, {BLOCK_ROWS}", "i64", 1)
        self.w.loop(count, block)
        sets[0] = whole

    def stripe(self, start: Value, stop: Value, one: Callable[..., None], slots: int) -> None:
        at, w = start, self.width
        if slots > 1:

            def several(i: Value) -> None:
                for s in range(slots):
                    one(self.e.add(i, s * w) if s else i, w, s)

            at = self.w.loop(stop, several, at, slots * w)
        at = self.w.loop(stop, lambda i: one(i, w, 0), at, w)
        self.w.loop(stop, lambda i: one(i, 1, 0), at, 1)

    # The innermost work

    def finish_row(self, values: dict[Let, Value], counters: Counters, width: int,
                   sets: list[Accumulators], slot: int) -> None:  # fmt: skip
        for store in self.nest.stores:
            value = self.widened(values[store.value], width)
            if width == 1:
                self.w.store(store.target, value, counters, None)
            else:
                self.scatter(store.target, value, counters)
        if sets:
            self.accumulate(sets[0], values, width, slot)

    def widened(self, value: Value, width: int) -> Value:
        return value if value.width == width else self.e.splat(value, width)

    def lane_let(self, let: Let, values: dict[Let, Value], counters: Counters, width: int
                 ) -> Value:  # fmt: skip
        if width == 1 or let not in self.varying:
            return self.w.let(let, values, counters, 1)
        if let.op == "load":
            return self.lane_load(let.attr, counters, width)
        if let.op == "index":
            return self.lane_index(let.attr, counters, width)
        if let.op == "gather":
            return self.lane_gather(let, values, counters, width)
        args = tuple([self.widened(values[a], width) for a in let.args])
        return emit_operation(self.e, let.op, args, let.dtype, let.attr)

    def lane_stride(self, address: Address) -> int | None:
        """Elements between the lanes of an address; None if it is not one known number."""
        total = 0
        for axis, index in enumerate(address.index):
            factor = sum(c for a, c in index.terms if a is self.lane_axis)
            if not factor:
                continue
            if axis == 0 and address.place.batched and self.shuffled:
                return None
            for n in address.place.shape[axis + 1 :]:
                if isinstance(n, Dim):
                    return None
                factor *= n
            total += factor
        return total

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
        stride = self.lane_stride(address)
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

    def lane_index(self, index: Index, counters: Counters, width: int) -> Value:
        factor = sum(c for a, c in index.terms if a is self.lane_axis)
        base = self.e.splat(self.w.index(index, counters), width)
        steps = ", ".join(f"i64 {k * factor}" for k in range(width))
        return self.e.add(base, Value(f"<{steps}>", "i64", width))

    def lane_gather(self, let: Let, values: dict[Let, Value], counters: Counters, width: int
                    ) -> Value:  # fmt: skip
        chosen = self.widened(values[let.args[0]], width)
        scalars = [
            self.w.gather(let, self.e.extract(chosen, k), c)
            for k, c in enumerate(self.each_lane(counters, width))
        ]
        return self.gathered(scalars)

    def scatter(self, address: Address, value: Value, counters: Counters) -> None:
        if self.lane_stride(address) == 1:
            self.w.store(address, value, counters, self.w.pointer_to(address, counters))
            return
        for k, c in enumerate(self.each_lane(counters, value.width)):
            self.w.store(address, self.e.extract(value, k), c, None)

