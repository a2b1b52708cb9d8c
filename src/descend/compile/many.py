"""Many fits of one model in the loop language: a finished lane takes the next fit.

The graphs are those of a single fit. The function is given a range of fits. It fills the lanes,
steps all of them together, writes out the results of those that have finished and gives their
lanes the next fits of the range, until none is left. Every thread has lanes of its own.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from descend.compile.control import FlowWriter
from descend.compile.flow import INT, GraphFlow, at
from descend.compile.legalise import legalise
from descend.compile.loops import (
    Axis,
    Block,
    Index,
    InLanes,
    Let,
    Nest,
    Place,
    Reduction,
    Routine,
)
from descend.compile.many_lanes import Lanes, has_calls
from descend.compile.many_program import CONTROL, LanesText, ManyProgram
from descend.compile.module import FunctionText
from descend.compile.native import cpu_lanes
from descend.compile.schedule import Rows
from descend.graph.elementwise import select
from descend.graph.linear import broadcast_like
from descend.graph.node import Node, postorder, sizes
from descend.graph.source import input_node

__all__ = ["ManyFlow", "write_many"]

UNROLLED_COPY = 16
BYTE = np.dtype(np.bool_)
OFFSETS, STRIDES, CODES, ITERATIONS = (
    Place(role, -1, (1,), INT) for role in ("offsets", "strides", "codes", "iterations")
)


def _places(role: str, nodes: Sequence[Node]) -> list[Place]:
    return [Place(role, i, n.shape, n.dtype) for i, n in enumerate(nodes)]


class ManyFlow(GraphFlow):
    """The loops over many fits for a number of lanes; `block` is all of them.

    Attributes:
        width: how many fits stand beside each other.
        waiting: the states that results need, where these can wait until there are as many
            finished fits as lanes.
    """

    rows = Rows(by_tiles=False)  # a lane is a fit

    def __init__(self, program: ManyProgram, width: int) -> None:
        super().__init__(CONTROL)
        self.program = p = program
        self.state, self.result = _places("state", p.state), _places("result", p.results)
        code, fresh = Place("code", -1, (), INT), Place("fresh", -1, (), BYTE)
        self.leaves |= dict(zip(p.state, self.state, strict=True))
        for role, nodes in (("own", p.own), ("data", p.data), ("fixed", p.fixed)):
            self.leaves |= dict(zip(nodes, _places(role, nodes), strict=True))
        self.waiting = _waiting(p)
        self.graph("begin", self.state, _blended(p, self.leaves, fresh))
        self.graph("step", [*self.state, code], [*p.step, p.code])
        if self.waiting:
            finals = dict(zip(p.state, _places("final", p.state), strict=True))
            self.leaves |= {node: finals[node] for node in self.waiting}
        self.graph("results", self.result, p.results)
        alone = any(has_calls(b.statements) for b in self.blocks.values())
        self.width = width = 1 if alone else width
        self.lane = Axis("lane", width)
        self.here = at((self.lane, 1))
        self.fresh = Place("fresh", -1, (width,), BYTE)
        self.work_out = Routine("results of those that wait", Block())

    def graph(self, name: str, places: Sequence[Place], nodes: Sequence[Node]) -> None:
        """The block that puts the nodes into the places; what stays where it is is left out."""
        pairs = zip(places, legalise(nodes), strict=True)
        moved = [(place, node) for place, node in pairs if self.leaves.get(node) is not place]
        new = [node for _, node in moved]
        lowering = self.lower(name, new)
        lowering.block.outputs = []
        lowering.block.statements += self.after(lowering, [place for place, _ in moved], new)

    def numbers_of(self, role: str, name: str) -> Place:
        """A number of each lane: its `fit`, its `steps`, its rows (`counts`), its `code`."""
        own = (role, name) == ("lane", "code")
        return Place("code" if own else f"{role} {name}", -1, (self.width,), INT)

    def number(self, role: str, name: str) -> Let:
        return self.load(self.numbers_of(role, name), self.here)

    # The flow

    def write(self) -> None:
        """Write the loops."""
        if self.waiting:
            self.work_out.block = self.part(self.results_of_waiting)[0]
        self.each(self.lane, lambda: self.store(self.fresh, True, self.here))
        self.assign()
        self.loop(lambda: self.of("gt", self.get("rows"), 0), self.until_one_ends)
        if self.waiting:
            some = self.of("gt", self.get("kept"), 0)
            self.branch(some, lambda: self.add(self.work_out))

    def until_one_ends(self) -> None:
        """Let new fits begin, step until some have ended, and give their lanes others."""
        self.add(InLanes(self.blocks["begin"], "lane", self.get("rows")))
        self.loop(self.step, lambda: None)
        if not self.waiting:
            self.add(InLanes(self.blocks["results"], "lane", self.get("rows")))
        finish = self.keep if self.waiting else lambda: self.write_out("lane")
        self.each(self.lane, lambda: self.branch(self.load(self.fresh, self.here), finish))
        self.assign()

    def step(self) -> Let:
        """Step all lanes; return whether all go on: none has ended or spent its steps."""
        self.add(InLanes(self.blocks["step"], "lane", self.get("rows")))
        most = self.get("most_steps")
        nest = Nest((self.lane,), 0)
        outer, self.block = self.block, Block()
        steps = self.of("add", self.number("lane", "steps"), 1)
        ended = self.of("ne", self.number("lane", "code"), 0)
        spent = self.let("ge", steps, most)
        busy = self.of("ge", self.number("lane", "fit"), 0)
        hit = self.let("and", self.let("or", ended, spent), busy)
        whether = self.cast(hit, INT)
        self.store(self.numbers_of("lane", "steps"), steps, self.here)
        self.store(self.fresh, hit, self.here)
        inside, self.block = self.block, outer
        for statement in inside.statements:
            if isinstance(statement, Let):
                statement.depth = 1
                nest.lets.append(statement)
            else:
                statement.depth = 1  # type: ignore[union-attr]
                nest.stores.append(statement)  # type: ignore[arg-type]
        any_hit = Let("reduced", (), None, INT)
        nest.reductions.append(Reduction("max", whether, any_hit))
        self.add(nest, any_hit)
        return self.of("eq", any_hit, 0)

    def assign(self) -> None:
        """Give the lanes of finished fits the next ones, and see how many rows are at work."""
        self.put("rows", 0)
        self.each(
            self.lane, lambda: self.branch(self.load(self.fresh, self.here), self.take_next)
        )
        self.each(self.lane, self.measure)

    def measure(self) -> None:
        """The rows of the longest fit at work; one row at least, as long as there is any."""
        busy = self.of("ge", self.number("lane", "fit"), 0)
        count = self.of("max", self.number("lane", "counts"), 1)
        rows = self.let("select", busy, count, self.const(0), dtype=INT)
        self.put("rows", self.let("max", self.get("rows"), rows))

    # One lane: the next fit in, results out

    def take_next(self) -> None:
        """Give the lane the next fit of the range, or nothing to do."""
        following = self.get("next")

        def take() -> None:
            self.put("next", self.of("add", following, 1))
            self.store(self.numbers_of("lane", "fit"), following, self.here)
            self.store(self.numbers_of("lane", "steps"), 0, self.here)
            self.fill(following)

        def idle() -> None:
            self.store(self.numbers_of("lane", "fit"), -1, self.here)

        self.branch(self.let("lt", following, self.get("last")), take, idle)

    def fill(self, fit: Let) -> None:
        """Copy a fit's own numbers and columns into the lane."""
        p = self.program
        first = self.load(OFFSETS, fit)
        count = self.let("sub", self.load(OFFSETS, at((fit, 1), const=1)), first)
        self.store(self.numbers_of("lane", "counts"), count, self.here)
        for number, node in enumerate(p.own):
            begin = self.let("mul", fit, self.load(STRIDES, number))
            source = Place("given", number, (1,), node.dtype)
            target = Place("own", number, (1,), node.dtype)
            cells = math.prod(sizes(node.shape))
            self.copy(cells, source, at((begin, 1)), 1, target, self.here, self.width)
        for number, node in enumerate(p.data):
            if p.shared[number]:
                continue
            each = math.prod(sizes(node.shape[1:]))
            source = Place("column", number, (1,), node.dtype)
            target = Place("data", number, (1,), node.dtype)
            begin, cells_of = self.of("mul", first, each), self.of("mul", count, each)
            self.copy(cells_of, source, at((begin, 1)), 1, target, self.here, self.width)

    def copy(
        self, count: Let | int, source: Place, begin: Index, step: int, target: Place,
        there: Index, pace: int,
    ) -> None:  # fmt: skip
        """Copy numbers that stand `step` apart to where they stand `pace` apart."""
        if isinstance(count, int) and count <= UNROLLED_COPY:
            for i in range(count):
                value = self.load(source, begin.shifted(i * step))
                self.store(target, value, there.shifted(i * pace))
            return
        axis = Axis("i", count if isinstance(count, int) else 0)
        self.each(axis, lambda: self.store(
            target, self.load(source, _along(begin, axis, step)), _along(there, axis, pace)
        ), None if isinstance(count, int) else count)  # fmt: skip

    def write_out(self, role: str) -> None:
        """Results of a finished fit into the arrays over all fits."""
        fit = self.number(role, "fit")
        self.store(CODES, self.number(role, "code"), fit)
        self.store(ITERATIONS, self.number(role, "steps"), fit)
        for place in self.result:
            cells = math.prod(sizes(place.shape))
            source = Place(place.role, place.number, (1,), place.dtype)
            target = Place("out", place.number, (1,), place.dtype)
            begin = self.of("mul", fit, cells)
            self.copy(cells, source, self.here, self.width, target, at((begin, 1)), 1)

    # Results that wait: worked out for as many at once as there are lanes

    def keep(self) -> None:
        """Put a finished fit aside; work out the results once there are as many as lanes."""
        kept = self.get("kept")
        for node in self.waiting:
            place = self.leaves[node]
            source = Place("state", place.number, (1,), place.dtype)
            target = Place("final", place.number, (1,), place.dtype)
            self.copy(node.size, source, self.here, self.width, target, at((kept, 1)), self.width)
        for name in ("fit", "steps", "counts", "code"):
            self.store(self.numbers_of("final", name), self.number("lane", name), kept)
        after = self.of("add", kept, 1)
        self.put("kept", after)
        self.branch(self.of("ge", after, self.width), lambda: self.add(self.work_out))

    def results_of_waiting(self) -> None:
        rows = self.load(self.numbers_of("final", "counts"), 0)
        self.add(InLanes(self.blocks["results"], "final", rows))
        self.each(self.lane, lambda: self.write_out("final"), self.get("kept"))
        self.put("kept", 0)


def _along(begin: Index, axis: Axis, step: int) -> Index:
    return Index(begin.const, (*begin.terms, (axis, step)), begin.dims, begin.lets)


def _waiting(p: ManyProgram) -> tuple[Node, ...]:
    """The states that the results need; none if they need more than states.

    Without data, results can wait until there are as many finished fits as lanes.
    """
    leaves = {*p.state, *p.own, *p.data}
    used = [n for n in postorder(p.results, stop=lambda n: n in leaves) if n in leaves]
    return tuple(used) if set(used) <= set(p.state) else ()


def _blended(p: ManyProgram, leaves: dict[Node, Place], place: Place) -> list[Node]:
    """The state where the fits that are new have begun, and the others are where they were."""
    fresh = input_node("fresh", (), BYTE)
    leaves[fresh] = place
    pairs = zip(p.begin, p.state, strict=True)
    return [select(broadcast_like(fresh, s), begin, s) for begin, s in pairs]


def write_many(program: ManyProgram, width: int, ragged: bool) -> LanesText:
    """The text for so many lanes; `ragged` if the fits have unequal numbers of rows."""
    flow = ManyFlow(program, width)
    flow.write()
    f = FunctionText()
    for block in flow.blocks.values():
        f.constants(block)

    def is_shared(place: Place) -> bool:
        if place.role == "data":
            return program.shared[place.number]
        return place.role in ("fixed", "constant")

    unequal = program.rows if ragged and flow.width > 1 else None
    native = max(2, cpu_lanes() // 8)

    def lanes(role: str) -> Lanes:
        return Lanes(flow.width, native, is_shared, Place(f"{role} counts", -1, (), INT), unequal)

    writer = FlowWriter(f, (program.rows, lanes))
    writer.write(flow.block)
    f.e.line("ret i64 0")
    return LanesText(f.text(), list(f.slots), list(flow.scratch.values()), writer.spill, flow.width)
