"""Many fits of one model as one function: steps over lanes, and a finished lane takes the next fit.

The graphs are those of a single fit. The function is given a range of fits. It fills the lanes,
steps all of them together, writes out the results of those that have finished and gives their
lanes the next fits of the range, until none is left. Every thread has lanes of its own.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from descend.compile.access import Frame
from descend.compile.calls import CALLS
from descend.compile.kinds import Value
from descend.compile.legalise import legalise
from descend.compile.llvm import BlockWriter
from descend.compile.loops import Block, Call, Place, Scan, Statement
from descend.compile.lower import Lowering, lower
from descend.compile.many_lanes import IN_LANES, FitWriter, Lanes
from descend.compile.many_program import CONTROL, ManyProgram, ManyText
from descend.compile.module import FunctionText
from descend.compile.native import cpu_lanes
from descend.compile.operations import kind_of, memory_type
from descend.graph.elementwise import select
from descend.graph.linear import broadcast_like
from descend.graph.node import Node, postorder, sizes
from descend.graph.source import input_node

__all__ = ["write_many"]

UNROLLED_COPY = 16

I64 = "i64"
INT = np.dtype(np.int64)
BYTE = np.dtype(np.bool_)


def _has_calls(statements: Sequence[Statement]) -> bool:
    return any(
        (isinstance(s, Call) and s.name not in IN_LANES)
        or (isinstance(s, Scan) and _has_calls(s.block.statements))
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
        self.waiting = _waiting(p)
        blocks = {
            "begin": self.lower_block(self.state, _blended(p, self.leaves, fresh)),
            "step": self.lower_block([*self.state, self.code], [*p.step, p.code]),
        }
        if self.waiting:
            finals = dict(zip(p.state, _places("final", p.state), strict=True))
            self.leaves |= {node: finals[node] for node in self.waiting}
        blocks["results"] = self.lower_block(self.result, p.results)
        self.blocks: dict[str, Block] = blocks
        self.width = 1 if any(_has_calls(b.statements) for b in blocks.values()) else width
        unequal = program.rows if ragged and self.width > 1 else None
        native = max(2, cpu_lanes() // 8)
        self.unequal, self.native = unequal, native
        self.role = "lane"

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

    def lanes(self) -> Lanes:
        """What a block needs to know of the fits at work, or of those that wait."""
        counts = Place(f"{self.role} counts", 0, (), INT)
        return Lanes(self.width, self.native, self.is_shared, counts, self.unequal)

    def longest(self) -> Value:
        return self.get(self.word("rows"))

    # Text

    def write(self) -> ManyText:
        e = self.e
        w = self.helper()
        all_lanes = Value(str(self.width), I64, 1)
        results = self.results_function() if self.waiting else None
        w.loop(all_lanes, lambda k: self.put_hit(k))
        self.jump("assign")
        self.label("step")
        self.block("step")
        self.judge()
        self.label("finish")
        if results is None:
            self.block("results")
            w.loop(all_lanes, lambda k: self.when_hit(k, self.write_out))
        else:
            w.loop(all_lanes, lambda k: self.when_hit(k, lambda k: self.keep(k, results)))
        self.jump("assign")
        self.label("assign")
        self.put(self.word("rows"), 0)
        w.loop(all_lanes, lambda k: self.when_hit(k, self.take_next))
        w.loop(all_lanes, self.measure)
        at_work = e.gt(self.longest(), 0)
        e.line(f"br i1 {at_work.name}, label %begin, label %leave")
        self.label("begin")
        self.block("begin")
        self.jump("step")
        self.label("leave")
        if results is not None:
            self.when(e.gt(self.get(self.word("kept")), 0), lambda: self.work_out(results))
        e.line("ret i64 0")
        return ManyText(self.f.text(), list(self.f.slots), self.scratch, self.spill, self.width)

    # Results of finished fits: worked out for as many at once as there are lanes

    def results_function(self) -> int:
        """A function of its own: the results of the first so many fits that wait."""
        outer, self.f = self.f, FunctionText(self.f)
        self.e, self.role = self.f.e, "final"
        frame = self.f.frame(None, None, (self.program.rows, Value("%rows", I64, 1)))
        self.block_in(frame, "results")
        self.helper().loop(Value("%first", I64, 1), self.write_out)
        number = self.f.finish_segment(())
        self.f, self.e, self.role = outer, outer.e, "lane"
        return number

    def keep(self, k: Value, results: int) -> None:
        """Put a finished fit aside; work out the results once there are as many as lanes."""
        e = self.e
        at = self.get(self.word("kept"))
        for node in self.waiting:
            place = self.leaves[node]
            kind = memory_type(kind_of(node.dtype))
            source = self.element(("state", place.number), kind, k.name)
            target = self.element(("final", place.number), kind, at.name)
            self.strided(node.size, kind, source, self.width, target, self.width)
        for word in ("fit", "steps", "counts"):
            value = self.get(self.lane_word(word, k))
            self.put(self.element((f"final {word}", 0), I64, at.name), value)
        self.put(
            self.element(("final code", 0), I64, at.name),
            self.get(self.element(("code", 0), I64, k.name)),
        )
        after = e.add(at, 1)
        self.put(self.word("kept"), after)
        self.when(e.ge(after, self.width), lambda: self.work_out(results))

    def work_out(self, results: int) -> None:
        rows = self.get(self.f.slot(("final counts", 0)))
        waiting = self.get(self.word("kept"))
        self.e.line(
            f"call void @segment{results}(ptr %table, i64 {waiting.name}, i64 {rows.name})"
        )
        self.put(self.word("kept"), 0)

    def jump(self, label: str) -> None:
        self.e.line(f"br label %{label}")

    def label(self, name: str) -> None:
        self.e.start_block(name)

    def helper(self) -> BlockWriter:
        return BlockWriter(self.f.frame(), CALLS)

    def block(self, name: str) -> None:
        """A block over the lanes."""
        self.block_in(self.f.frame(None, None, (self.program.rows, self.longest())), name)

    def block_in(self, frame: Frame, name: str) -> None:
        """The same in a frame; with a single lane it is a block like any other."""
        writer = FitWriter(frame, self.lanes()) if self.width > 1 else BlockWriter(frame, CALLS)
        writer.write(self.blocks[name])
        self.spill = max(self.spill, len(writer.spilled) * self.width)

    def judge(self) -> None:
        """Count the step; go on unless a lane at work has ended or spent its steps."""
        e, width = self.e, self.width
        steps = e.add(self.get(self.f.slot(("lane steps", 0)), width), 1)
        self.put(self.f.slot(("lane steps", 0)), steps)
        code = self.get(self.f.slot(("code", 0)), width)
        most = e.splat(self.get(self.word("most_steps")), width)
        ended = e.or_(e.ne(code, 0), e.ge(steps, most))
        fit = self.get(self.f.slot(("lane fit", 0)), width)
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
        self.when(e.ne(byte, 0), lambda: body(k))

    def when(self, condition: Value, body: Callable[[], None]) -> None:
        number = self.e.fresh("H")[2:]
        self.e.line(f"br i1 {condition.name}, label %yes{number}, label %on{number}")
        self.label(f"yes{number}")
        body()
        self.jump(f"on{number}")
        self.label(f"on{number}")

    def lane_word(self, name: str, k: Value) -> str:
        return self.element((f"{self.role} {name}", 0), I64, k.name)

    def write_out(self, k: Value) -> None:
        """Results of a finished fit into the arrays over all fits."""
        e = self.e
        fit = self.get(self.lane_word("fit", k))
        code = ("final code", 0) if self.role == "final" else ("code", 0)
        self.put(
            self.element(("codes",), I64, fit.name), self.get(self.element(code, I64, k.name))
        )
        self.put(
            self.element(("iterations",), I64, fit.name), self.get(self.lane_word("steps", k))
        )
        for place in self.result:
            cells = math.prod(sizes(place.shape))
            kind = memory_type(kind_of(place.dtype))
            source = self.element((place.role, place.number), kind, k.name)
            target = self.element(("out", place.number), kind, e.mul(fit, cells).name)
            self.strided(cells, kind, source, self.width, target, 1)

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
            self.strided(cells, kind, source, 1, target, self.width)
        for number, node in enumerate(p.data):
            if p.shared[number]:
                continue
            each = math.prod(sizes(node.shape[1:]))
            kind = memory_type(kind_of(node.dtype))
            source = self.element(("column", number), kind, e.mul(first, each).name)
            target = self.element(("data", number), kind, k.name)
            self.strided(e.mul(count, each), kind, source, 1, target, self.width)

    def strided(
        self, count: Value | int, kind: str, source: str, step: int, target: str, pace: int
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

        if isinstance(count, int) and count <= UNROLLED_COPY:
            for i in range(count):
                one(Value(str(i), I64, 1))
        else:
            w.loop(Value(str(count), I64, 1) if isinstance(count, int) else count, one)

    def measure(self, k: Value) -> None:
        """The rows of the longest fit at work; one row at least, as long as there is any."""
        e = self.e
        busy = e.ge(self.get(self.lane_word("fit", k)), 0)
        count = e.max(self.get(self.lane_word("counts", k)), 1)
        longest = e.max(self.longest(), e.select(busy, count, 0))
        self.put(self.word("rows"), longest)


def _waiting(p: ManyProgram) -> tuple[Node, ...]:
    """The states that the results need; none if they need more than states.

    Without data, results can wait until there are as many finished fits as lanes.
    """
    leaves = {*p.state, *p.own, *p.data}
    used = [n for n in postorder(p.results, stop=lambda n: n in leaves) if n in leaves]
    return tuple(used) if set(used) <= set(p.state) else ()


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
