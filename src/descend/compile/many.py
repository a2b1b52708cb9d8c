"""Many fits of one model as one function: steps over lanes, and a finished lane takes the next fit.

The graphs are those of a single fit. The function is given a range of fits. It fills the lanes,
steps all of them together, writes out the results of those that have finished and gives their
lanes the next fits of the range, until none is left. Every thread has lanes of its own.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from descend.compile.calls import CALLS
from descend.compile.kinds import Value
from descend.compile.legalise import legalise
from descend.compile.llvm import BlockWriter
from descend.compile.loops import Block, Call, Place, Scan, Statement
from descend.compile.lower import Lowering, lower
from descend.compile.many_lanes import FitWriter, Lanes
from descend.compile.module import FunctionText
from descend.compile.native import cpu_lanes
from descend.compile.operations import kind_of, memory_type
from descend.graph.elementwise import select
from descend.graph.linear import broadcast_like
from descend.graph.node import Dim, Node, sizes
from descend.graph.source import input_node
from descend.lean import dataclass

__all__ = ["CONTROL", "ManyProgram", "ManyText", "lanes_of", "write_many"]

CONTROL = ("next", "last", "most_steps", "rows")
"""The next fit to begin, the end of the range, the most steps a fit, the rows of the longest."""

I64 = "i64"
INT = np.dtype(np.int64)
BYTE = np.dtype(np.bool_)


@dataclass(frozen=True)
class ManyProgram:
    """What is done for every fit, as graphs of a single one.

    Attributes:
        state: inputs: what a fit carries from step to step.
        own: inputs: small arrays of the fit, such as its start.
        data: inputs: columns with the rows first.
        shared: whether all fits have the same column, for every column.
        fixed: inputs: the same for all fits.
        rows: the extent of the rows.
        begin: the state before the first step, of `own` and `fixed`.
        step: the state after a step, of all inputs.
        code: of the same: 0 to go on, else how the fit ended.
        results: of all inputs, once a fit has ended, after its last step.
    """

    state: tuple[Node, ...]
    own: tuple[Node, ...]
    data: tuple[Node, ...]
    shared: tuple[bool, ...]
    fixed: tuple[Node, ...]
    rows: Dim
    begin: tuple[Node, ...]
    step: tuple[Node, ...]
    code: Node
    results: tuple[Node, ...]


@dataclass
class ManyText:
    """The text of the function and what its caller must provide."""

    text: str
    slots: Sequence[Any]
    scratch: Sequence[Place]
    spill: int
    width: int

    def about(self) -> dict[str, Any]:
        return {
            "slots": self.slots, "scratch": self.scratch, "spill": self.spill, "width": self.width,
        }  # fmt: skip


def lanes_of(program: ManyProgram) -> int:
    """How many fits stand beside each other: as many numbers as a vector register holds.

    One where the program needs an algorithm that is no loop nest.
    """
    return max(2, cpu_lanes() // 8)


def _has_calls(statements: Sequence[Statement]) -> bool:
    return any(
        isinstance(s, Call) or (isinstance(s, Scan) and _has_calls(s.block.statements))
        for s in statements
    )


class ManyWriter:
    """Writes the function for a number of lanes."""

    def __init__(self, program: ManyProgram, width: int, ragged: bool) -> None:
        self.program, self.ragged = program, ragged
        self.f = FunctionText()
        self.e = self.f.e
        self.scratch: list[Place] = []
        self.numbers = 0
        self.spill = 0
        p = program
        self.state = _places("state", p.state)
        self.result = _places("result", p.results)
        self.code = Place("code", 0, (), INT)
        self.leaves = dict(zip(p.state, self.state, strict=True))
        self.leaves |= dict(zip(p.own, _places("own", p.own), strict=True))
        self.leaves |= dict(zip(p.data, _places("data", p.data), strict=True))
        self.leaves |= dict(zip(p.fixed, _places("fixed", p.fixed), strict=True))
        fresh = Place("fresh", 0, (), BYTE)
        blocks = {
            "begin": self.lower_block(self.state, _blended(p, self.leaves, fresh)),
            "step": self.lower_block([*self.state, self.code], [*p.step, p.code]),
            "results": self.lower_block(self.result, p.results),
        }
        self.blocks: dict[str, Block] = blocks
        self.width = 1 if any(_has_calls(b.statements) for b in blocks.values()) else width
        unequal = program.rows if ragged and self.width > 1 else None
        self.lanes = Lanes(self.width, self.is_shared, self.counts, unequal)

    def lower_block(self, places: Sequence[Place], nodes: Sequence[Node]) -> Block:
        """The block that puts the nodes into the places; what stays where it is is left out."""
        pairs = list(zip(places, legalise(nodes), strict=True))
        moved = [(place, node) for place, node in pairs if self.leaves.get(node) is not place]
        lowering: Lowering = lower([node for _, node in moved], self.leaves, self.numbers)
        lowering.update([place for place, _ in moved], [node for _, node in moved])
        block = lowering.block
        self.numbers += max(len(block.scratch), len(block.constants))
        self.scratch += block.scratch
        self.f.constants(block)
        return block

    def is_shared(self, place: Place) -> bool:
        if place.role == "data":
            return self.program.shared[place.number]
        return place.role in ("fixed", "constant")

    # Words of memory: control, and numbers of the lanes

    def word(self, name: str) -> str:
        return self.element(("control",), I64, str(CONTROL.index(name)))

    def element(self, slot: Any, kind: str, at: str) -> str:
        name = self.e.fresh("p")
        self.e.line(f"{name} = getelementptr {kind}, ptr {self.f.slot(slot)}, i64 {at}")
        return name

    def get(self, pointer: str, width: int = 1) -> Value:
        plain = Value("", I64, width)
        return self.e.op(f"load {plain.type}, ptr {pointer}, align 8", I64, width)

    def put(self, pointer: str, value: Value | int) -> None:
        text = f"i64 {value}" if isinstance(value, int) else value.typed
        self.e.line(f"store {text}, ptr {pointer}, align 8")

    def counts(self) -> Value:
        return self.get(self.f.slot(("counts",)), self.width)

    def longest(self) -> Value:
        return self.get(self.word("rows"))

    # Text

    def write(self) -> ManyText:
        e = self.e
        w = self.helper()
        w.loop(Value(str(self.width), I64, 1), lambda k: self.put_hit(k))
        self.jump("assign")
        self.label("step")
        self.block("step")
        self.judge()
        self.label("finish")
        self.block("results")
        w = self.helper()
        w.loop(Value(str(self.width), I64, 1), lambda k: self.when_hit(k, self.write_out))
        self.jump("assign")
        self.label("assign")
        self.put(self.word("rows"), 0)
        w.loop(Value(str(self.width), I64, 1), lambda k: self.when_hit(k, self.take_next))
        w.loop(Value(str(self.width), I64, 1), self.measure)
        at_work = e.gt(self.longest(), 0)
        e.line(f"br i1 {at_work.name}, label %begin, label %leave")
        self.label("begin")
        self.block("begin")
        self.jump("step")
        self.label("leave")
        e.line("ret i64 0")
        return ManyText(self.f.text(), list(self.f.slots), self.scratch, self.spill, self.width)

    def jump(self, label: str) -> None:
        self.e.line(f"br label %{label}")

    def label(self, name: str) -> None:
        self.e.start_block(name)

    def helper(self) -> BlockWriter:
        return BlockWriter(self.f.frame(), CALLS)

    def block(self, name: str) -> None:
        """A block over the lanes; with a single lane it is a block like any other."""
        frame = self.f.frame(None, None, (self.program.rows, self.longest()))
        writer = FitWriter(frame, self.lanes) if self.width > 1 else BlockWriter(frame, CALLS)
        writer.write(self.blocks[name])
        self.spill = max(self.spill, len(writer.spilled) * self.width)

    def judge(self) -> None:
        """Count the step; go on unless a lane at work has ended or spent its steps."""
        e, width = self.e, self.width
        steps = e.add(self.get(self.f.slot(("steps",)), width), 1)
        self.put(self.f.slot(("steps",)), steps)
        code = self.get(self.f.slot(("code", 0)), width)
        most = e.splat(self.get(self.word("most_steps")), width)
        ended = e.or_(e.ne(code, 0), e.ge(steps, most))
        fit = self.get(self.f.slot(("fit",)), width)
        hit = e.and_(ended, e.ge(fit, 0))
        stored = e.convert(hit, "u8")
        e.line(f"store {stored.typed}, ptr {self.f.slot(('fresh', 0))}, align 1")
        e.line(f"br i1 {e.any(hit).name}, label %finish, label %step")

    # One lane (scalars): results out, the next fit in

    def put_hit(self, k: Value) -> None:
        self.e.line(f"store i8 1, ptr {self.element(('fresh', 0), 'i8', k.name)}, align 1")

    def when_hit(self, k: Value, body: Any) -> None:
        e = self.e
        pointer = self.element(("fresh", 0), "i8", k.name)
        byte = e.op(f"load i8, ptr {pointer}, align 1", "u8", 1)
        number = e.fresh("H")[2:]
        hit = e.ne(byte, 0)
        e.line(f"br i1 {hit.name}, label %hit{number}, label %next{number}")
        self.label(f"hit{number}")
        body(k)
        self.jump(f"next{number}")
        self.label(f"next{number}")

    def lane_word(self, slot: str, k: Value) -> str:
        return self.element((slot,), I64, k.name)

    def write_out(self, k: Value) -> None:
        """Results of the lane's fit into the arrays over all fits."""
        e = self.e
        fit = self.get(self.lane_word("fit", k))
        code = self.get(self.element(("code", 0), I64, k.name))
        self.put(self.element(("codes",), I64, fit.name), code)
        self.put(
            self.element(("iterations",), I64, fit.name), self.get(self.lane_word("steps", k))
        )
        for place in self.result:
            cells = math.prod(sizes(place.shape))
            kind = memory_type(kind_of(place.dtype))
            source = self.element((place.role, place.number), kind, k.name)
            target = self.element(("out", place.number), kind, e.mul(fit, cells).name)
            self.strided(Value(str(cells), I64, 1), kind, source, self.width, target, 1)

    def take_next(self, k: Value) -> None:
        """Give the lane the next fit of the range, or nothing to do."""
        e = self.e
        following = self.get(self.word("next"))
        number = e.fresh("T")[2:]
        more = e.lt(following, self.get(self.word("last")))
        e.line(f"br i1 {more.name}, label %take{number}, label %idle{number}")
        self.label(f"idle{number}")
        self.put(self.lane_word("fit", k), -1)
        self.jump(f"taken{number}")
        self.label(f"take{number}")
        self.put(self.word("next"), e.add(following, 1))
        self.put(self.lane_word("fit", k), following)
        self.put(self.lane_word("steps", k), 0)
        self.fill(k, following)
        self.jump(f"taken{number}")
        self.label(f"taken{number}")

    def fill(self, k: Value, fit: Value) -> None:
        """Copy a fit's own numbers and columns into the lane."""
        e, p = self.e, self.program
        first = self.get(self.element(("offsets",), I64, fit.name))
        stop = self.get(self.element(("offsets",), I64, e.add(fit, 1).name))
        count = e.sub(stop, first)
        self.put(self.lane_word("counts", k), count)
        for number, node in enumerate(p.own):
            cells = math.prod(sizes(node.shape))
            kind = memory_type(kind_of(node.dtype))
            stride = Value(self.f.slot(("stride", number), as_pointer=False), I64, 1)
            source = self.element(("given", number), kind, e.mul(fit, stride).name)
            target = self.element(("own", number), kind, k.name)
            self.strided(Value(str(cells), I64, 1), kind, source, 1, target, self.width)
        for number, node in enumerate(p.data):
            if p.shared[number]:
                continue
            each = math.prod(sizes(node.shape[1:]))
            kind = memory_type(kind_of(node.dtype))
            source = self.element(("column", number), kind, e.mul(first, each).name)
            target = self.element(("data", number), kind, k.name)
            self.strided(e.mul(count, each), kind, source, 1, target, self.width)

    def strided(
        self, count: Value, kind: str, source: str, step: int, target: str, pace: int
    ) -> None:
        """Copy numbers that stand `step` apart to where they stand `pace` apart."""
        e, w = self.e, self.helper()

        def one(i: Value) -> None:
            here, there = e.fresh("p"), e.fresh("p")
            e.line(f"{here} = getelementptr [{step} x {kind}], ptr {source}, i64 {i.name}")
            e.line(f"{there} = getelementptr [{pace} x {kind}], ptr {target}, i64 {i.name}")
            value = e.fresh("v")
            e.line(f"{value} = load {kind}, ptr {here}")
            e.line(f"store {kind} {value}, ptr {there}")

        w.loop(count, one)

    def measure(self, k: Value) -> None:
        """The rows of the longest fit at work; one row at least, as long as there is any."""
        e = self.e
        busy = e.ge(self.get(self.lane_word("fit", k)), 0)
        count = e.max(self.get(self.lane_word("counts", k)), 1)
        longest = e.max(self.longest(), e.select(busy, count, 0))
        self.put(self.word("rows"), longest)


def _places(role: str, nodes: Sequence[Node]) -> list[Place]:
    return [Place(role, i, n.shape, n.dtype) for i, n in enumerate(nodes)]


def write_many(program: ManyProgram, width: int, ragged: bool) -> ManyText:
    """The text for so many lanes; `ragged` if the fits have unequal numbers of rows."""
    return ManyWriter(program, width, ragged).write()


def _blended(p: ManyProgram, leaves: dict[Node, Place], place: Place) -> list[Node]:
    """The state where the fits that are new have begun, and the others are where they were."""
    fresh = input_node("fresh", (), BYTE)
    leaves[fresh] = place
    pairs = zip(p.begin, p.state, strict=True)
    return [select(broadcast_like(fresh, s), begin, s) for begin, s in pairs]
