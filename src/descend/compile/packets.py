"""Many trainings on the same rows in the loop language: a lane of the vectors is a training.

The trainings of a packet take the same batches in the same order and differ in numbers, such as
the learning rate. An epoch is done for one packet after the other, so that the rows are put in
order once for all of them. What a training carries lies in memory between its epochs and, where it
is small, in registers within one.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import partial

from descend.compile.access import Counters, Frame, number_of
from descend.compile.control import FlowWriter
from descend.compile.entry import swaps_rows
from descend.compile.flow import FLOAT, INT, GraphFlow, at
from descend.compile.in_place import addresses_of, places_of
from descend.compile.kinds import Value
from descend.compile.known_rows import static_data, with_rows
from descend.compile.legalise import legalise
from descend.compile.loops import (
    Address,
    Axis,
    Call,
    Copy,
    InLanes,
    Let,
    Nest,
    Place,
    Reduction,
    Scan,
)
from descend.compile.many_lanes import FitWriter, Lanes, has_calls
from descend.compile.many_program import LanesText
from descend.compile.module import FunctionText
from descend.compile.native import NotNative, cpu_lanes, vector_registers
from descend.compile.operations import kind_of, memory_type
from descend.compile.packet_program import CONTROL, PacketProgram
from descend.compile.schedule import Rows, is_small
from descend.compile.segments import cut
from descend.compile.underflow import flush_underflow
from descend.graph.node import Node, postorder, sizes
from descend.simplify.driver import simplify

__all__ = ["PacketFlow", "write_packets"]

OF_TRAININGS = frozenset({"state", "own"})
SHARED = frozenset({"data", "shuffled", "fixed", "constant", "epoch"})
MOST_REGISTERS = 4  # of a number of a packet: beside each other they hide what an operation takes


def _places(role: str, nodes: Sequence[Node], batched: bool = False) -> list[Place]:
    return [Place(role, i, n.shape, n.dtype, batched) for i, n in enumerate(nodes)]


def _cells(place: Place) -> int:
    return math.prod(sizes(place.shape))


class PacketFlow(GraphFlow):
    """The loops over epochs, packets and batches; `block` is all of them.

    Attributes:
        held: what stays in registers while an epoch lasts.
        width: the trainings of a packet.
    """

    def __init__(self, program: PacketProgram) -> None:
        super().__init__(CONTROL)
        self.program = p = program
        self.state, self.own = _places("state", p.state), _places("own", p.own)
        self.swaps = p.plan.shuffle and swaps_rows(p.data)
        self.ordered = p.plan.shuffle and not self.swaps
        self.index = Place("epoch", 0, (), FLOAT)
        self.leaves |= dict(zip(p.state, self.state, strict=True))
        self.leaves |= dict(zip(p.own, self.own, strict=True))
        self.leaves |= dict(zip(p.fixed, _places("fixed", p.fixed), strict=True))
        self.leaves |= {p.index: self.index}
        self.packet = Axis("packet", 0)
        self.rows = Rows(by_tiles=False)
        self.graph("begin", p.begin)
        self.graph("end", p.end)
        self.rows = Rows(by_tiles=False, ordered=self.ordered)
        heads, data = list(p.step), list(p.data)
        if p.plan.batch_size == 1 and not p.plan.varies:
            heads = simplify(with_rows(heads, data, p.rows, 1))
            data = static_data(data, p.rows, 1)
        self.graph("step", heads, data)
        self.held = self.small(heads)
        self.width = self.lanes()

    def graph(self, name: str, nodes: Sequence[Node], data: Sequence[Node] = ()) -> None:
        """The block that brings every state to these nodes."""
        columns = _places("shuffled" if self.swaps else "data", data, batched=True)
        pairs = zip(self.state, self.program.state, legalise(nodes), strict=True)
        moved = [(place, node) for place, before, node in pairs if node is not before]
        new = [node for _, node in moved]
        lowering = self.lower(name, new, dict(zip(data, columns, strict=True)))
        if name == "step":
            self.shorten(lowering, new)
        lowering.block.outputs = []
        lowering.block.statements += self.after(lowering, [place for place, _ in moved], new)
        if has_calls(lowering.block.statements):
            raise NotNative("an algorithm that is no loop over several trainings")

    def small(self, step: Sequence[Node]) -> list[Place]:
        """The places of few numbers that steps read or write, each by its name and no counter."""
        p, statements = self.program, self.blocks["step"].statements
        if len(cut(statements)) > 1 or any(isinstance(s, Scan) for s in statements):
            return []
        moving = {
            a.place.key
            for s in statements
            for a in addresses_of(s)
            if not all(i.is_const for i in a.index)
        }
        moving |= {x.key for s in statements if isinstance(s, Copy | Call) for x in places_of(s)}
        pairs = [(n, new) for n, new in zip(p.state, step, strict=True) if new is not n]
        used = {*postorder([new for _, new in pairs]), *(n for n, _ in pairs)}
        found = [self.leaves[n] for n in (*p.state, *p.own) if n in used and is_small(n)]
        return [place for place in found if place.key not in moving]

    def lanes(self) -> int:
        """As many trainings as leave room in the registers for what they carry."""
        native = max(2, cpu_lanes() // 8)
        if any(isinstance(s, Nest | Scan) for s in self.blocks["step"].statements):
            return native
        cells = sum(map(_cells, self.held))
        several = min(MOST_REGISTERS, max(1, vector_registers() // max(1, cells)))
        return native << (several.bit_length() - 1)

    # The flow

    def write(self) -> None:
        """Write the loops."""
        begins = self.of("gt", self.get("begins"), 0)
        one = self.const(1)
        self.branch(begins, lambda: self.each_packet(partial(self.put_in, "begin", one)))
        self.loop(lambda: self.let("lt", self.get("epoch"), self.get("until")), self.epoch)

    def each_packet(self, body: Callable[[], None]) -> None:
        self.each(self.packet, body, self.get("count"))

    def number(self) -> Let:
        """The packet that is being worked on."""
        here = self.let("index", attr=at((self.packet, 1)), dtype=INT)
        return self.let("add", here, self.get("first"))

    def put_in(self, name: str, rows: Let, first: Let | None = None) -> None:
        number = self.number()
        self.add(InLanes(self.blocks[name], "lane", rows, first, self.ordered, number))

    def epoch(self) -> None:
        p = self.program
        self.store(self.index, self.cast(self.get("epoch"), FLOAT))
        if p.plan.shuffle:
            words = [self.get(name) for name in ("n_rows", "shuffle_key", "epoch")]
            attrs = {"data": p.data, "swaps": self.swaps, "words": words}
            self.add(Call("shuffle", Place("order", 0, (), INT), (), attrs))
        self.each_packet(lambda: self.branch(self.at_work(), self.epoch_of_packet))
        self.count("epoch", 1)

    def at_work(self) -> Let:
        """Whether any training of the packet goes on."""
        lane = Axis("lane", self.width)
        codes = Place("state", self.program.code, (1, self.width), INT)
        number = self.number()
        block = self.part(
            lambda: self.cast(self.of("eq", self.load(codes, number, at((lane, 1))), 0), INT)
        )[0]
        nest = Nest((lane,), 0)
        for let in block.statements:
            assert isinstance(let, Let)
            let.depth = 1
            nest.lets.append(let)
        some = Let("reduced", (), None, INT)
        nest.reductions.append(Reduction("max", nest.lets[-1], some))
        self.add(nest, some)
        return self.of("gt", some, 0)

    def epoch_of_packet(self) -> None:
        n, plan = self.get("n_rows"), self.program.plan
        self.hold(True)
        if plan.batch_size is None:
            self.put_in("step", n)
        else:
            size = self.get("batch_size") if plan.varies else self.const(plan.batch_size)
            short = self.of("add", n, self.of("sub", size, 1))
            count = self.let("floordiv", short, size)
            self.put("batch", 0)
            more = partial(self.let, "lt")
            self.loop(lambda: more(self.get("batch"), count), partial(self.batch, size, n))
        self.hold(False)
        self.put_in("end", n)

    def hold(self, into: bool) -> None:
        self.add(Call("hold", self.index, (), {"packet": self.number(), "into": into}))

    def batch(self, size: Let, n: Let) -> None:
        first = self.let("mul", self.get("batch"), size)
        self.put_in("step", self.let("min", self.let("sub", n, first), size), first)
        self.count("batch", 1)


class PacketLanes(FitWriter):
    """Writes a block for the trainings of one packet.

    Attributes:
        packet: its number.
        cells: the registers of what is held, each for all trainings of the packet.
    """

    def __init__(
        self, frame: Frame, lanes: Lanes, packet: Value, cells: dict[tuple[str, int], list[str]]
    ) -> None:
        super().__init__(frame, lanes)
        self.packet, self.cells = packet, cells

    def of_piece(self, frame: Frame) -> FitWriter:
        raise NotNative("so long a step over several trainings")

    def pointer_to(self, address: Address, counters: Counters) -> str:
        held = self.cells.get(address.place.key)
        if held is None:
            return super().pointer_to(address, counters)
        kind = memory_type(kind_of(address.place.dtype))
        return self.e.element(held[number_of(address)], kind, self.first)

    def base(self, place: Place) -> str:
        base = super().base(place)
        if place.role not in OF_TRAININGS:
            return base
        kind = memory_type(kind_of(place.dtype))
        return self.e.element(base, f"[{_cells(place) * self.lanes.width} x {kind}]", self.packet)


class PacketWriter(FlowWriter):
    """Writes the loops over packets.

    Args:
        held: what is kept in registers while an epoch of a packet lasts.
    """

    def __init__(self, f: FunctionText, program: PacketProgram, held: Sequence[Place], width: int):
        counts = Place("state", program.code, (), INT)  # all rows are those of each training
        native = max(2, cpu_lanes() // 8)
        self.lanes = Lanes(width, native, lambda place: place.role in SHARED, counts)
        super().__init__(f, (program.rows, lambda _role: self.lanes))
        self.dim, self.holding = program.rows, list(held)
        self.cells: dict[tuple[str, int], list[str]] = {}
        for place in held:
            kind = memory_type(kind_of(place.dtype))
            names = [f.alloca(f"[{width} x {kind}], align 64") for _ in range(_cells(place))]
            self.cells[place.key] = names
        self.within = False

    def in_lanes(self, statement: InLanes) -> None:
        first = None if statement.first is None else self.values[statement.first]
        order = self.f.slot(("order",)) if statement.ordered else None
        frame = self.f.frame(first, order, (self.dim, self.values[statement.rows]))
        assert statement.packet is not None
        cells = self.cells if self.within else {}
        packet = self.values[statement.packet]
        self.hand_on(PacketLanes(frame, self.lanes, packet, cells), statement.block)

    def call(self, statement: Call) -> None:
        if statement.name != "hold":
            super().call(statement)
            return
        self.within = into = statement.attrs["into"]
        lanes = PacketLanes(self.f.frame(), self.lanes, self.values[statement.attrs["packet"]], {})
        for place in self.holding:
            base, kind = lanes.base(place), kind_of(place.dtype)
            stored = "u8" if kind == "i1" else kind
            width = self.lanes.width
            for i, name in enumerate(self.cells[place.key]):
                there = self.e.element(base, memory_type(kind), i * width)
                source, target = (there, name) if into else (name, there)
                value = self.load_from(source, stored, width)
                self.e.line(f"store {value.typed}, ptr {target}, align 8")


def write_packets(program: PacketProgram) -> LanesText:
    """The text of the trainings of a program."""
    flow = PacketFlow(program)
    flow.write()
    f = FunctionText()
    for block in flow.blocks.values():
        f.constants(block)
    writer = PacketWriter(f, program, flow.held, flow.width)
    words = list(flow.words.values())
    for place in words:
        writer.move(place, into=True)
    restore = flush_underflow(f)
    writer.write(flow.block)
    restore()
    f.e.line("ret i64 0")
    scratch = list(flow.scratch.values())
    return LanesText(f.text(), list(f.slots), scratch, writer.spill, flow.width)
