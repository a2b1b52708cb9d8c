"""Sums of blocks of rows, formed in another process than the run that asks for them.

A run describes once what a pass needs: `PassOrder`. Before each pass it says what is known by then
(`values_of`), and afterwards takes what blocks have come to (`take`). `PassMemory` has the memory
in which the other process forms them. Neither a graph nor the user's function is needed for it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from descend.compile.entry import CONTROL, STAGES, SUMS
from descend.compile.function import pointer_table
from descend.compile.held_sums import HeldSums
from descend.compile.memory import AT, ProgramMemory
from descend.compile.native import Loaded
from descend.compile.places import PATIENCE, TEAM, aligned, named_words
from descend.graph.blocks import BLOCK, subtrees
from descend.graph.node import Node, postorder, sizes
from descend.graph.source import INPUT

__all__ = ["PassMemory", "PassOrder", "order_of", "take", "values_of"]

Array = np.ndarray[Any, np.dtype[Any]]
Key = tuple[Any, ...]
POINTED = ("data", "part")


class PassOrder(NamedTuple):
    """What one pass over the rows needs, whatever the numbers are.

    Attributes:
        stage: of the program. n_rows: of all of them.
        slots: of the table of addresses, symbolic extents by their numbers.
        numbers: those slots that are numbers. rooms: the shapes and dtypes of arrays to work in.
        wanted: the arrays that are known before the pass, in the order in which they are given.
        parts: what it comes to: the shape and dtype of one block's, and how two are combined.
    """

    stage: int
    n_rows: int
    slots: Sequence[Key]
    numbers: Mapping[Key, int]
    rooms: Mapping[Key, tuple[tuple[int, ...], str]]
    wanted: Sequence[Key]
    parts: Sequence[tuple[Key, tuple[int, ...], str, str]]


def order_of(memory: ProgramMemory, stage: int) -> PassOrder:
    """What a pass of a run needs."""
    program, text = memory.code.program, memory.code.text
    split = program.split
    assert split is not None and stage % STAGES == SUMS
    number = stage // STAGES
    before = sum(len(s.sums) for s in split.sweeps[:number])
    own = split.sweeps[number].sums
    places = text.parts[before : before + len(own)]
    known: dict[Node, Key] = {n: ("state", i) for i, n in enumerate(program.state)}
    known |= {n: ("fixed", i) for i, n in enumerate(program.fixed)}
    forms = [form for s in split.sweeps for form, _ in s.wires]
    known |= {form: place.key for form, place in zip(forms, text.wires, strict=True)}
    sums = [s.form for sweep in split.sweeps for s in sweep.sums]
    known |= {form: place.key for form, place in zip(sums[:before], text.parts, strict=False)}
    inputs = [n for n in postorder([s.partial for s in own]) if n.op is INPUT and n in known]
    wanted = [known[n] for n in inputs]
    parts = [
        (p.key, sizes(p.shape), p.dtype.str, s.op) for p, s in zip(places, own, strict=True)
    ]
    given = {*wanted, *(key for key, *_ in parts)}
    slots, numbers, rooms = [], {}, {}
    for key in text.slots:
        name = _plain(key, [*memory.extents])
        slots.append(name)
        word = key[0] in CONTROL and key[1:] == (-1,)
        if word or key in given or key[0] in ("library", "control", "data"):
            continue
        value = memory.where[key]
        if isinstance(value, int) or key[0] in ("shared", "shared table"):
            numbers[name] = 0 if key[0].startswith("shared") else int(value)
        else:
            small = value[:1] if key[0] in ("part", "record") else value
            rooms[name] = small.shape, small.dtype.str
    return PassOrder(stage, memory.bound.n_rows, slots, numbers, rooms, wanted, parts)


def _plain(key: Key, extents: Sequence[Any]) -> Key:
    """A slot without the objects of one process."""
    return ("extent", extents.index(key[1])) if key[0] == "extent" else key


def values_of(memory: ProgramMemory, order: PassOrder) -> list[Array]:
    """What is known before a pass; sums of earlier passes are in the first block's place."""
    return [
        memory.where[key][:1] if key[0] == "part" else memory.where[key] for key in order.wanted
    ]


def take(
    memory: ProgramMemory, order: PassOrder, blocks: tuple[int, int],
    found: Sequence[Sequence[Array]],
) -> None:  # fmt: skip
    """Put down what the next blocks have come to, as `PassMemory.sums` gives it."""
    sums = memory.sums(order.stage // STAGES)
    for (_, length), nodes in zip(_trees(order, blocks), found, strict=True):
        sums.put(nodes, length)


def _trees(order: PassOrder, blocks: tuple[int, int]) -> list[tuple[int, int]]:
    return subtrees(*blocks, -(-order.n_rows // BLOCK))


class PassMemory:
    """The memory of one thread that forms sums of blocks, for one pass of a program."""

    def __init__(self, loaded: Loaded, order: PassOrder) -> None:
        self.loaded, self.order = loaded, order
        self.control = np.zeros(len(CONTROL), np.int64)
        for name, value in {"n_rows": order.n_rows, "max_epochs": 1, "capacity": 1}.items():
            self.control[AT[name]] = value
        where: dict[Any, Any] = {("control",): self.control, ("order", 0): np.zeros(1, np.int32)}
        where |= named_words(CONTROL, self.control) | dict(order.numbers)
        for key, (shape, dtype) in order.rooms.items():
            where[key] = aligned(shape, np.dtype(dtype))
        where |= {("barrier", i): np.zeros(8, np.int64) for i in range(3)}
        where |= {(TEAM[0],): 0, (TEAM[1],): 1, ("patience",): np.full(8, PATIENCE)}
        where |= {key: 0 for key in order.slots if key[0] in POINTED and key not in where}
        where |= dict.fromkeys(order.wanted, 0)
        self.table = pointer_table(order.slots, where)
        self._where = where
        self._at = {key: i for i, key in enumerate(order.slots)}

    def sums(
        self, values: Sequence[Array], blocks: tuple[int, int],
        pieces: Iterable[tuple[int, Sequence[Array]]],
    ) -> list[list[Array]]:  # fmt: skip
        """What some blocks come to: for each subtree of them, in order, the combined parts.

        Args:
            values: what is known, in the order's order.
            pieces: the rows of these blocks, block by block, with the first's number.
        """
        order, trees = self.order, _trees(self.order, blocks)
        known = [np.require(v, requirements=["C", "A"]) for v in values]
        for key, value in zip(order.wanted, known, strict=True):
            self._point(key, value.ctypes.data)
        room = max(length for _, length in trees).bit_length()
        made = [aligned((room, *s), np.dtype(d)) for _, s, d, _ in order.parts]
        slots = [self._at[key] for key, *_ in order.parts]
        held = HeldSums(slots, made, [op for *_, op in order.parts])
        held.begin(self.table)
        found: list[list[Array]] = []
        ends = [begin + length for begin, length in trees]
        for row, columns in pieces:
            held.aim(self.table, row // BLOCK)
            self._go(row, columns)
            held.add()
            if row // BLOCK + 1 == ends[len(found)]:
                held.end(self.table)
                found.append([part[0].copy() for part in made])
        return found

    def _go(self, row: int, columns: Sequence[Array]) -> None:
        words, end = self.control, row + len(columns[0])
        for number, column in enumerate(columns):
            self._point(("data", number), column.ctypes.data - row * column.strides[0])
        words[AT["status"]] = words[AT["epoch"]] = words[AT["records"]] = 0
        words[AT["stage"]], words[AT["budget"]] = self.order.stage, 1
        words[AT["first_block"]], words[AT["end_block"]] = row // BLOCK, -(-end // BLOCK)
        self.loaded.function(self.table.ctypes.data, 0, 1)

    def _point(self, key: Key, address: int) -> None:
        at = self._at.get(key)
        if at is not None:
            self.table[at] = address
