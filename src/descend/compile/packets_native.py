"""Many trainings on the same rows, compiled: the function, and what each thread works with."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from descend.compile.cache import cached_code, digest, graph_key
from descend.compile.description import as_json, from_json
from descend.compile.entry import swaps_rows
from descend.compile.function import pointer_table
from descend.compile.many_program import LanesText
from descend.compile.native import emit_object
from descend.compile.packet_program import CONTROL, PacketProgram
from descend.compile.places import aligned, named_words
from descend.graph.evaluate import bind_extents, concrete
from descend.graph.node import Array, Dim, Node, sizes
from descend.graph.program import _mix
from descend.lean import dataclass

__all__ = ["NativePackets", "Packets", "PacketWorker"]

AT = {name: i for i, name in enumerate(CONTROL)}


@dataclass
class Packets:
    """The numbers of many trainings, packet by packet.

    Attributes:
        own, state: for every such input an array (packets, numbers, width).
        data, fixed: the arrays that all trainings read.
        n_rows: of the data.
    """

    own: Sequence[Array]
    state: Sequence[Array]
    data: Sequence[Array]
    fixed: Sequence[Array]
    n_rows: int


class NativePackets:
    """The compiled function of many trainings; `width` of them are a packet."""

    def __init__(self, program: PacketProgram) -> None:
        self.program = program
        fixed = [n for node in program.fixed for n in node.shape if isinstance(n, Dim)]
        dims = list(dict.fromkeys([program.rows, *fixed]))
        self.was_compiled = False

        def make() -> tuple[Any, bytes]:
            from descend.compile.packets import write_packets

            self.was_compiled = True
            written = write_packets(program)
            return as_json(written.about(), dims), emit_object(written.text)

        about, self.loaded = cached_code(digest("packets", _key(program)), make)
        self.text = LanesText(text="", **from_json(about, dims))

    @property
    def width(self) -> int:
        """How many trainings a packet is."""
        return self.text.width

    def arrays(
        self, own: Sequence[Array], data: Sequence[Array], fixed: Sequence[Array], n_rows: int,
        of_lane: Array,
    ) -> Packets:  # fmt: skip
        """The numbers of the trainings before they begin.

        Args:
            own: of every own input the arrays of all trainings, (trainings, …).
            of_lane: (packets · width,) which training a lane is.
        """
        p, packets = self.program, len(of_lane) // self.width

        def room(node: Node) -> Array:
            return aligned((packets, math.prod(sizes(node.shape)), self.width), node.dtype)

        mine = [room(node) for node in p.own]
        for target, given in zip(mine, own, strict=True):
            rows = given.reshape(len(given), -1)[of_lane]
            target[...] = rows.reshape(packets, self.width, -1).transpose(0, 2, 1)
        return Packets(mine, [room(node) for node in p.state], data, fixed, n_rows)


class PacketWorker:
    """What one thread works with; `run` does some epochs of some packets, without the GIL."""

    def __init__(self, native: NativePackets, arrays: Packets) -> None:
        p, text, width = native.program, native.text, native.width
        self.loaded, self.arrays = native.loaded, arrays
        self.control = np.zeros(len(CONTROL), np.int64)
        extents = bind_extents(dict(zip(p.fixed, arrays.fixed, strict=True)))
        extents[p.rows] = arrays.n_rows
        swaps = p.plan.shuffle and swaps_rows(p.data)
        where: dict[Any, Any] = {
            **named_words(CONTROL, self.control),
            ("epoch", 0): np.zeros(1),
            ("spill",): np.zeros(text.spill * width + 1),
            ("order",): np.empty(arrays.n_rows if p.plan.shuffle and not swaps else 0, np.int32),
        }
        for role, given in (("state", arrays.state), ("own", arrays.own), ("data", arrays.data),
                            ("fixed", arrays.fixed)):  # fmt: skip
            where |= {(role, i): a for i, a in enumerate(given)}
        where |= {("shuffled", i): np.empty_like(a) for i, a in enumerate(arrays.data) if swaps}
        for place in text.scratch:
            numbers = math.prod(concrete(place.shape, extents))
            where[place.key] = aligned((numbers, width), np.dtype(place.dtype))
        where |= {("extent", dim): n for dim, n in extents.items()}
        self.where = where
        self.table = pointer_table(text.slots, where)

    def run(
        self, first: int, count: int, epochs: tuple[int, int], seed: int, batch_size: int = 0
    ) -> None:
        """Do the epochs from the first up to the second one, of so many packets.

        Before epoch 0 their trainings begin.
        """
        begin, until = epochs
        words = self.control
        values = {
            "n_rows": self.arrays.n_rows, "epoch": begin, "until": until, "first": first,
            "count": count, "batch_size": batch_size, "begins": begin == 0,
        }  # fmt: skip
        for name, value in values.items():
            words[AT[name]] = value
        words.view(np.uint64)[AT["shuffle_key"]] = _mix(seed & ((1 << 64) - 1))
        self.loaded.function(self.table.ctypes.data, 0, 1)


def _key(p: PacketProgram) -> str:
    """Equal for programs that compile to the same code."""
    inputs = (*p.state, *p.own, *p.data, *p.fixed, p.index)
    counts = [len(x) for x in (p.state, p.own, p.data, p.fixed)]
    outputs = [*p.begin, *p.step, *p.end]
    return f"{counts} {p.code} {p.plan}\n{graph_key(outputs, inputs, {p.rows: 0})}"
