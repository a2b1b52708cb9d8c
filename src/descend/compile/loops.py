"""The loop language: what the native program does, before it is LLVM.

A block is a list of statements in order. A `Let` names a scalar (at the top) or a lane-wise value
(in a nest); a `Nest` is a loop nest over named axes whose body is lets, stores and reductions; a
`Copy` moves a whole array; a `Call` runs one of the few algorithms that are no nest (`calls.py`).
Every let has a depth: how many of the nest's loops it stands inside of. So what doesn't depend on
the innermost axis is computed outside of it, by construction.

What surrounds the blocks of a descent is statements as well: a `Loop` while a condition holds, a
`Branch`, a `Batch` (a block on some of the rows), `InLanes` (a block for several fits at once), a
`Routine` (a block that is run at several places). Every thread runs all of it, apart from `Blocks`
(a loop whose passes may be taken in any order: each thread takes its share), `Serial` (for one
thread alone) and nests of which each thread does its part; at a `Barrier` they wait for each other.
What must outlive a pass of a loop lies in memory.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from dataclasses import field, replace
from typing import Any, Union

import numpy as np

from descend.compile.places import Place
from descend.graph.node import PRIMITIVES, Dim, Primitive
from descend.lean import dataclass

__all__ = [
    "Address",
    "Axis",
    "Barrier",
    "Batch",
    "Block",
    "Blocks",
    "Branch",
    "Call",
    "Copy",
    "InLanes",
    "Index",
    "Let",
    "Loop",
    "Nest",
    "Place",
    "Product",
    "Reduction",
    "Routine",
    "Scan",
    "Serial",
    "Statement",
    "Store",
    "block_text",
    "cost_of",
    "latency_of",
]


class Axis:
    """One loop of a nest: a counter from 0 to the extent.

    Attributes:
        most: what an extent that is no number is at most, and often, where that is known.
    """

    __slots__ = ("extent", "most", "name")

    def __init__(self, name: str, extent: int | Dim, most: int | None = None) -> None:
        self.name = name
        self.extent = extent
        self.most = most

    def __repr__(self) -> str:
        return self.name


@dataclasses.dataclass(frozen=True)
class Index:
    """An affine position along one axis of an array: const + Σ coefficient · axis (+ Σ Dims).

    Outside of nests a position may be a let as well.
    """

    const: int = 0
    terms: tuple[tuple[Axis, int], ...] = ()
    dims: tuple[tuple[Dim, int], ...] = ()
    lets: tuple[tuple[Let, int], ...] = ()

    def scaled(self, factor: int) -> Index:
        return Index(
            self.const * factor,
            tuple((a, c * factor) for a, c in self.terms),
            tuple((d, c * factor) for d, c in self.dims),
            tuple((x, c * factor) for x, c in self.lets),
        )

    def shifted(self, offset: int) -> Index:
        return Index(self.const + offset, self.terms, self.dims, self.lets)

    @property
    def is_const(self) -> bool:
        return not self.terms and not self.dims and not self.lets

    def __str__(self) -> str:
        parts = [f"{c}*{a}" if c != 1 else str(a) for a, c in (*self.terms, *self.dims)]
        parts += [f"{c}*{x}" if c != 1 else str(x) for x, c in self.lets]
        return "+".join([*parts, *([str(self.const)] if self.const or not parts else [])])


@dataclasses.dataclass(frozen=True)
class Address:
    """A position in a stored array: one index per axis."""

    place: Place
    index: tuple[Index, ...]

    def __str__(self) -> str:
        return f"{self.place}[{','.join(map(str, self.index))}]"


class Let:
    """A named value.

    `op` is an elementwise primitive, or load, const, index, rows, reduced, at, fma (x·y + z).
    """

    __slots__ = ("args", "attr", "depth", "dtype", "op")

    def __init__(
        self, op: str, args: tuple[Let, ...], attr: Any, dtype: np.dtype[Any], depth: int = 0
    ) -> None:
        self.op = op
        self.args = args
        self.attr = attr
        self.dtype = dtype
        self.depth = depth


def cost_of(op: str) -> int:
    """What a let costs, in additions: as an ordinary primitive, if its operation is none."""
    return PRIMITIVES.get(op, Primitive).cost


def latency_of(op: str) -> int:
    """After how many cycles a let is ready: as an ordinary primitive, if its operation is none."""
    return PRIMITIVES.get(op, Primitive).latency


@dataclass(eq=False)
class Store:
    """Write a value; at the top (`depth` 0) or inside a nest."""

    target: Address
    value: Let
    depth: int = 0


@dataclass(eq=False)
class Reduction:
    """Combine a value over the axes of the nest from `kept` on.

    `result` receives it: a top-level let (kept = 0), or an address of the kept axes. `fused` is
    whether the value is a product that is rounded only when it has been added.
    """

    op: str
    value: Let
    result: Let | Address
    fused: bool = False


@dataclass(eq=False)
class Nest:
    """A loop nest: `axes` from the outside in; the first `kept` of them are not reduced.

    `vector` is the position of the axis that is spread over SIMD lanes, or None. `divided` is the
    axis, one of those kept, of which each thread takes a part; None where a thread does all of it.
    `like` is the nest that this one is taken from, whose lanes and order of sums it keeps.
    """

    axes: tuple[Axis, ...]
    kept: int
    lets: list[Let] = field(default_factory=list)
    stores: list[Store] = field(default_factory=list)
    reductions: list[Reduction] = field(default_factory=list)
    vector: int | None = None
    divided: Axis | None = None
    like: Nest | None = None

    @property
    def in_place(self) -> bool:
        """Whether it writes over what it is made of, element by element."""
        read = {x.attr.place.key for x in self.lets if x.op == "load"}
        written = [store.target for store in self.stores]
        written += [r.result for r in self.reductions if isinstance(r.result, Address)]
        return any(target.place.key in read for target in written)


@dataclass(eq=False, kw_only=True)
class Product(Nest):
    """A matrix product and what follows from it, over the axes (row, column) of its result.

    `result`, one of the lets, stands for the sum of left · right along `inner`, which one
    accumulator an element adds up in order; the other lets and the stores see it.
    """

    inner: Axis
    left: Address
    right: Address
    result: Let

    @property
    def by_rows(self) -> bool:
        """Whether rows of the result are made of rows of the left operand, beside them."""
        return self.left.index[0] == Index(0, ((self.axes[0], 1),)) and not self.in_place


@dataclass(eq=False)
class Copy:
    """Copy a whole array."""

    target: Place
    source: Place


@dataclass(eq=False)
class Call:
    """Run a named algorithm on whole arrays."""

    name: str
    target: Place
    sources: tuple[Place, ...]
    attrs: dict[str, Any]


@dataclass(eq=False)
class Scan:
    """A loop that stays a loop: the block is run for every value of the axis, in order.

    Attributes:
        count: how many values there are, where that is none of the program's extents.
        apart: whether the values know nothing of one another.
        divided: whether each thread takes a part of them.
    """

    axis: Axis
    block: Block
    count: Let | None = None
    apart: bool = False
    divided: bool = False


@dataclass(eq=False)
class Loop:
    """Run `test`; while what it comes to holds, run the body and begin again."""

    test: Block
    holds: Let
    body: Block


@dataclass(eq=False)
class Branch:
    """Run one of two blocks."""

    condition: Let
    yes: Block
    no: Block


@dataclass(eq=False)
class Batch:
    """Run a block on `rows` rows, which is what `dim` stands for; its outputs are known after it.

    Attributes:
        first: where they begin in the columns; None for the beginning.
        ordered: whether the rows are fetched through their order in this epoch.
    """

    block: Block
    dim: Dim
    first: Let | None
    rows: Let
    ordered: bool = False


@dataclass(eq=False)
class Blocks:
    """A loop whose passes may be taken in any order: what one leaves, no other reads or writes.

    Attributes:
        first, end: the numbers of the passes, the last one not included.
    """

    axis: Axis
    block: Block
    first: Let
    end: Let


@dataclass(eq=False)
class Serial:
    """Run a block on one thread alone: the one of this number, counted round and round."""

    block: Block
    thread: int = 0


@dataclass(eq=False)
class Barrier:
    """Wait until all threads have come here; what they wrote before is then seen by all."""


@dataclass(eq=False)
class InLanes:
    """Run a block for several fits at once: those at work, or those that have ended and wait.

    Attributes:
        role: `lane` or `final`: whose numbers of rows count.
        rows: of the longest of these fits.
        first: the row of the columns that the batch begins with; None for the first of all.
        ordered: whether the rows are fetched through their order in this epoch.
        packet: which of many packets of trainings this is; None where the lanes are all there are.
    """

    block: Block
    role: str
    rows: Let
    first: Let | None = None
    ordered: bool = False
    packet: Let | None = None


@dataclass(eq=False)
class Routine:
    """Run a block that is run at other places, too; it shares memory with them, and no lets."""

    name: str
    block: Block


Statement = Union[
    "Let", Store, Nest, Product, Copy, Call, Scan, Loop, Branch, Batch, Blocks, Serial, Barrier,
    InLanes, Routine,
]  # fmt: skip


Control = Scan | Loop | Branch | Batch | Blocks | Serial | Barrier | InLanes | Routine


@dataclass(eq=False)
class Block:
    """A straight sequence of statements, the scalars asked of it, and the arrays it needs."""

    statements: list[Statement] = field(default_factory=list)
    outputs: list[Let] = field(default_factory=list)
    scratch: list[Place] = field(default_factory=list)
    constants: list[tuple[Place, Any]] = field(default_factory=list)


def _address_text(address: Address, names: dict[Let, str]) -> str:
    """The address with the names of the lets in it."""
    where = [replace(i, lets=tuple((names[x], c) for x, c in i.lets)) for i in address.index]  # type: ignore[misc]
    return f"{address.place}[{','.join(map(str, where))}]"


def _right_side(let: Let, names: dict[Let, str]) -> str:
    attr = "" if let.attr is None else f" {let.attr}"
    if let.op == "load":
        attr = f" {_address_text(let.attr, names)}"
    args = " ".join(names.get(a, "?") for a in let.args)
    return f"{let.op}{attr}{' ' + args if args else ''}"


def _nest_text(nest: Nest, names: dict[Let, str]) -> Iterator[str]:
    def number(let: Let) -> str:
        return names.setdefault(let, f"v{len(names)}")

    for depth in range(len(nest.axes) + 1):
        indent = "  " * depth
        for let in nest.lets:
            if let.depth == depth and let.op != "product":
                yield f"{indent}{number(let)} = {_right_side(let, names)}"
        if depth < len(nest.axes):
            axis = nest.axes[depth]
            how = " in lanes" if nest.vector == depth else ""
            how += " by all threads" if nest.divided is axis else ""
            yield f"{indent}for {axis} < {axis.extent}{how}:"
    indent = "  " * len(nest.axes)
    for store in nest.stores:
        yield f"{indent}{store.target} = {names[store.value]}"
    for reduction in nest.reductions:
        result = reduction.result
        target = number(result) if isinstance(result, Let) else str(result)
        over = ",".join(str(a) for a in nest.axes[nest.kept :])
        yield f"{indent}{target} = {reduction.op} over {over} of {names[reduction.value]}"


def block_text(block: Block) -> str:
    """The block as indented text, the same for the same graph."""
    return "\n".join(_block_lines(block, {}))


def _inside(block: Block, names: dict[Let, str]) -> Iterator[str]:
    return ("  " + line for line in _block_lines(block, names))


def _block_lines(block: Block, names: dict[Let, str]) -> Iterator[str]:
    for statement in block.statements:
        yield from _lines_of(statement, names)


def _lines_of(s: Statement, names: dict[Let, str]) -> Iterator[str]:
    if isinstance(s, Let):
        names.setdefault(s, f"s{len(names)}")
        if s.op != "reduced":
            yield f"{names[s]} = {_right_side(s, names)}"
    elif isinstance(s, Store):
        yield f"{_address_text(s.target, names)} = {names[s.value]}"
    elif isinstance(s, Product):
        k = s.inner
        names.setdefault(s.result, f"v{len(names)}")
        yield f"{names[s.result]} = sum over {k} < {k.extent} of {s.left} {s.right}, at"
        yield from ("  " + line for line in _nest_text(s, names))
    elif isinstance(s, Nest):
        yield from _nest_text(s, names)
    elif isinstance(s, Copy):
        yield f"copy {s.source} to {s.target}"
    elif isinstance(s, Call):
        yield f"{s.target} = {s.name} {' '.join(map(str, s.sources))}"
    else:
        yield from _control_lines(s, names)


def _thread(number: int) -> str:
    return f"thread {number}" if number else "the first thread"


def _control_lines(s: Control, names: dict[Let, str]) -> Iterator[str]:
    if isinstance(s, Loop):
        yield "loop:"
        yield from _inside(s.test, names)
        yield f"  while {names[s.holds]}:"
        yield from ("  " + line for line in _inside(s.body, names))
        return
    if isinstance(s, Branch):
        yield f"if {names[s.condition]}:"
        yield from _inside(s.yes, names)
        if s.no.statements:
            yield "else:"
            yield from _inside(s.no, names)
        return
    if isinstance(s, Scan):
        until = s.axis.extent if s.count is None else names[s.count]
        how = "by all threads" if s.divided else "in any order" if s.apart else "in order"
        yield f"for {s.axis} < {until} {how}:"
    elif isinstance(s, Batch):
        how = " in the epoch's order" if s.ordered else ""
        start = "" if s.first is None else f" from {names[s.first]}"
        yield f"on {names[s.rows]} rows{start}{how}:"
    elif isinstance(s, Blocks):
        yield f"for {s.axis} from {names[s.first]} < {names[s.end]} in any order:"
    elif isinstance(s, InLanes):
        yield f"for every {s.role} fit at once, of {names[s.rows]} rows at most:"
    elif isinstance(s, Barrier):
        yield "wait for all threads"
        return
    else:
        yield f"on {_thread(s.thread)}:" if isinstance(s, Serial) else f"{s.name}:"
    yield from _inside(s.block, names)
