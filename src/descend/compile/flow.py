"""What surrounds the blocks of a program, as statements: control words, loops and branches."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from descend.compile.cells import object_array
from descend.compile.latency import regroup
from descend.compile.loops import (
    Address,
    Axis,
    Block,
    Branch,
    Index,
    Let,
    Loop,
    Scan,
    Statement,
    Store,
)
from descend.compile.lower import Lowering, lower
from descend.compile.places import FLOATS, Place
from descend.compile.schedule import Rows, is_small
from descend.compile.segments import cut
from descend.graph.node import Dim, Node, Shape

__all__ = ["FLOAT", "INT", "Flow", "GraphFlow", "at"]

INT, FLOAT, TRUTH = (np.dtype(t) for t in (np.int64, np.float64, np.bool_))
COMPARES = frozenset({"lt", "le", "eq", "ne"})
SWAPPED = {"gt": "lt", "ge": "le"}
Position = int | Let | Index
Number = int | Let


def at(*terms: tuple[Axis | Let, int], const: int = 0) -> Index:
    """A position as a sum of counters and lets, each times a number."""
    axes = tuple((x, c) for x, c in terms if isinstance(x, Axis))
    lets = tuple((x, c) for x, c in terms if isinstance(x, Let))
    return Index(const, axes, lets=lets)


class Flow:
    """A block that is being written, one statement after the other.

    Attributes:
        words: where the numbers lie by which the program finds its way, by name.
    """

    def __init__(self, words: Sequence[str]) -> None:
        self.block = Block()
        self.words = {name: Place(name, -1, (), FLOAT if name in FLOATS else INT) for name in words}

    # Values

    def let(self, op: str, *args: Let, attr: Any = None, dtype: Any = None) -> Let:
        if op in SWAPPED:
            op, args = SWAPPED[op], args[::-1]
        if dtype is None:
            dtype = TRUTH if op in COMPARES else args[0].dtype
        made = Let(op, args, attr, dtype)
        self.block.statements.append(made)
        return made

    def const(self, value: float, dtype: Any = INT) -> Let:
        return self.let("const", attr=np.asarray(value, dtype), dtype=np.dtype(dtype))

    def of(self, op: str, first: Let, second: Number, *rest: Number) -> Let:
        """An operation on integers, of which all but the first may be plain numbers."""
        made = first
        for other in (second, *rest):
            let = other if isinstance(other, Let) else self.const(other, made.dtype)
            made = self.let(op, made, let)
        return made

    def cast(self, value: Let, dtype: Any) -> Let:
        return self.let("cast", value, dtype=np.dtype(dtype))

    # Memory

    def load(self, place: Place, *where: Position) -> Let:
        return self.let("load", attr=_address(place, where), dtype=place.dtype)

    def store(self, place: Place, value: Number, *where: Position) -> None:
        let = value if isinstance(value, Let) else self.const(value, place.dtype)
        self.block.statements.append(Store(_address(place, where), let))

    def get(self, name: str) -> Let:
        """The value of a control word."""
        return self.load(self.words[name])

    def put(self, name: str, value: Number) -> None:
        self.store(self.words[name], value)

    def count(self, name: str, change: Number) -> None:
        self.put(name, self.of("add", self.get(name), change))

    # Control

    def part(self, write: Callable[[], Any]) -> tuple[Block, Any]:
        """What `write` writes, as a block of its own, and what it returns."""
        outer, self.block = self.block, Block()
        try:
            result = write()
            return self.block, result
        finally:
            self.block = outer

    def add(self, *statements: Any) -> None:
        self.block.statements.extend(statements)

    def once(self, *statements: Any) -> None:
        """Statements that no two threads may do at a time."""
        self.add(*statements)

    def loop(self, test: Callable[[], Let], body: Callable[[], None]) -> None:
        head, holds = self.part(test)
        self.add(Loop(head, holds, self.part(body)[0]))

    def branch(
        self, condition: Let, yes: Callable[[], None], no: Callable[[], None] | None = None
    ) -> None:
        self.add(Branch(condition, self.part(yes)[0], self.part(no)[0] if no else Block()))

    def each(self, axis: Axis, body: Callable[[], None], count: Let | None = None) -> None:
        """For every value of the axis, in order."""
        self.add(Scan(axis, self.part(body)[0], count))


def _address(place: Place, where: tuple[Position, ...]) -> Address:
    return Address(place, tuple(_index(x) for x in where))


def _index(position: Position) -> Index:
    if isinstance(position, Index):
        return position
    return Index(position) if isinstance(position, int) else Index(lets=((position, 1),))


class GraphFlow(Flow):
    """A flow with graphs in it.

    Attributes:
        leaves: where the inputs of the graphs lie.
        blocks: the graphs as blocks, by name.
        scratch: the arrays that they work with, by number; `numbers` counts them, and constants.
        rows: how the rows of a batch come, and how products are worked out.
    """

    rows = Rows()

    def __init__(self, words: Sequence[str]) -> None:
        super().__init__(words)
        self.leaves: dict[Node, Place] = {}
        self.blocks: dict[str, Block] = {}
        self.scratch: dict[int, Place] = {}
        self.numbers = 0

    def lower(
        self, name: str, outputs: Sequence[Node], leaves: Mapping[Node, Place] | None = None,
        known: Mapping[Dim, int] | None = None,
    ) -> Lowering:  # fmt: skip
        """A graph as a block; `leaves` are its further inputs."""
        here = self.leaves | dict(leaves or {})
        lowering = lower(outputs, here, self.numbers, known, self.rows)
        self.take_in(lowering)
        self.blocks[name] = lowering.block
        return lowering

    def shorten(self, lowering: Lowering, outputs: Sequence[Node]) -> None:
        """Regroup the scalars of a step by when they are ready, where it is one function."""
        if len(cut(lowering.block.statements)) > 1:
            return
        cells = {n: lowering.cells[n] for n in outputs if is_small(n)}
        lets = regroup(lowering.block, [let for c in cells.values() for let in c.flat])
        lowering.block.outputs = lets
        following = iter(lets)
        for node, c in cells.items():
            lowering.cells[node] = object_array([next(following) for _ in c.flat], node.shape)

    def take_in(self, lowering: Lowering) -> None:
        """The places that a lowering has asked for are the program's."""
        block = lowering.block
        self.scratch |= {place.number: place for place in block.scratch}
        most = max(len(block.scratch), len(block.constants))
        self.numbers = max(self.numbers, lowering.scratch_from + most)

    def spare(self, shape: Shape, dtype: np.dtype[Any]) -> Place:
        """Memory that no graph works with."""
        place = self.scratch[self.numbers] = Place("scratch", self.numbers, shape, dtype)
        self.numbers += 1
        return place

    def after(self, lowering: Lowering, places: Sequence[Place], nodes: Sequence[Node],
              which: Index | None = None) -> list[Statement]:  # fmt: skip
        """What puts results of a block into memory, once it has been run.

        Args:
            which: of a row of arrays, the one that a result belongs to.
        """
        block, known = lowering.block, len(lowering.block.statements)
        if which is None:
            lowering.update(places, nodes)
        else:
            for place, node in zip(places, nodes, strict=True):
                lowering.write_slice(place, which, node)
        added = block.statements[known:]
        del block.statements[known:]
        self.take_in(lowering)
        return added
