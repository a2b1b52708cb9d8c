"""The memory of a run: every buffer by name, and the addresses that compiled code is called with.

`ProgramMemory` works on the arrays of a run where they lie. `MemoryBlock` has them in one block,
for a descent that is run again and again on arrays of the same shapes: control words, states, data
and records, whose addresses never change. A run is then one copy that resets the block, data and
start copied in, and one call; what it leaves is one copy of the block, from which everything can be
read later. Runs at the same time have memory of their own.
"""

from __future__ import annotations

import itertools
import math
import os
import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from descend.compile.entry import CONTROL, WHOLE, DescentText, swaps_rows
from descend.compile.function import pointer_table
from descend.compile.held_sums import HeldSums
from descend.compile.native import Loaded
from descend.compile.places import PATIENCE, TEAM, aligned, named_words
from descend.compile.shared import called, linked, shared_function
from descend.graph.blocks import BLOCK
from descend.graph.evaluate import bind_extents, concrete
from descend.graph.node import Array, Dim
from descend.graph.program import RUNNING, Bindings, Control, Program, _mix
from descend.graph.subgraph import Body

__all__ = ["Code", "Image", "MemoryBlock", "Part", "ProgramMemory", "control_words"]

ALIGNED = 64
ALL = 1 << 40  # blocks
RECORD_BYTES, MOST_RECORDED = 1 << 19, 1 << 14  # of the records of an entry, and of its epochs
RECORD_BYTES_OF_BLOCK = 1 << 14
ROLES = ("control", "state", "data", "record")
AT = {name: i for i, name in enumerate(CONTROL)}
STATUS, RECORDS = AT["status"], AT["records"]


class Code(NamedTuple):
    """A compiled variant of a program, and what is compiled by itself and called from it.

    `image` gives its object code, for other processes to load.
    """

    program: Program
    text: DescentText
    loaded: Loaded
    bodies: Sequence[Body]
    image: Callable[[], bytes]


def control_words(
    bound: Bindings, control: Control, budget: int, room: int, reorder: bool
) -> Array:
    """The control words that a run is entered with, in the order of `CONTROL`."""
    words = np.array(
        (
            bound.n_rows, control.max_epochs, 0, control.epoch, control.batch, budget,
            control.steps, RUNNING, 0, room, 0, reorder, bound.batch_size or 0, WHOLE, 0, ALL,
        ),
        np.int64,
    )  # fmt: skip
    words.view(np.uint64)[AT["shuffle_key"]] = _mix(control.seed & ((1 << 64) - 1))
    words.view(np.float64)[AT["loss_sum"]] = control.loss_sum
    return words


def tell(words: Array, control: Control, records: Sequence[Array]) -> None:
    """Bring a control up to date by its words, with the records that were made."""
    control.epoch, control.batch = int(words[AT["epoch"]]), int(words[AT["batch"]])
    control.steps, control.status = int(words[AT["steps"]]), int(words[STATUS])
    control.loss_sum = float(words.view(np.float64)[AT["loss_sum"]])
    count = int(words[RECORDS])
    if count:
        control.records.append(tuple(column[:count].copy() for column in records))


class ProgramMemory:
    """The buffers of one run between its entries.

    Args:
        bound: the run's arrays, contiguous and of the program's dtypes.
        record_bytes: of the records of an entry, about.
        comes: whether the rows come from elsewhere, block by block. What the blocks of a pass come
            to is then joined as they come, and held for few of them.

    Attributes:
        where: every buffer by name.
        room: how many epochs' records fit.
        teams: what threads need for the sums of a stage: see `compile.team`.
    """

    def __init__(
        self, code: Code, bound: Bindings, record_bytes: int = RECORD_BYTES, comes: bool = False
    ) -> None:
        self.code, self.bound, self.comes = code, bound, comes
        self.extents = extents_of(code.program, bound)
        row: int = sum(
            math.prod(concrete(p.shape, self.extents)) * np.dtype(p.dtype).itemsize
            for p in code.text.records
        )
        self.room = max(1, min(MOST_RECORDED, record_bytes // max(row, 1)))
        self.where = self._buffers()
        self._tables: list[Array] = []
        self._data = [(i, key[1]) for i, key in enumerate(code.text.slots) if key[0] == "data"]
        self._parts = {key[1]: i for i, key in enumerate(code.text.slots) if key[0] == "part"}
        self.teams: dict[int, Any] = {}
        self._held: dict[int, HeldSums] = {}  # by the numbers of the passes
        self._counted = [i for i, key in enumerate(code.text.slots) if key == (TEAM[1],)]
        self._own: list[dict[Any, Any]] = []
        self._ordered: tuple[int, int] | None = None  # the (seed, epoch) of the order of rows

    def enter(self, control: Control, budget: int) -> None:
        """Write the control words of a run where it stands."""
        reorder = self._ordered != (control.seed, control.epoch)
        self.where[("control",)][:] = control_words(
            self.bound, control, budget, self.room, reorder
        )

    def ask_for(self, stage: int, blocks: tuple[int, int] = (0, 0)) -> None:
        """Have a single stage of the next step done, that of sums for some blocks of rows."""
        words = self.where[("control",)]
        words[AT["stage"]], words[AT["first_block"]], words[AT["end_block"]] = stage, *blocks
        words[AT["budget"]] = 1

    def point(self, columns: Sequence[Array], first: int, threads: int = 1) -> None:
        """Have the data begin so that the rows of these columns are the first-th and following."""
        self._have_tables(threads)
        for (at, number), table in itertools.product(self._data, self._tables):
            column = columns[number]
            table[at] = column.ctypes.data - first * column.strides[0]

    def begin_pass(self, number: int) -> None:
        """Hold nothing yet of what the blocks of a pass come to."""
        self._have_tables(1)
        self.sums(number).begin(self._tables[0])

    def sum_block(self, number: int, stage: int, block: int) -> None:
        """Have one block of the rows that are pointed to summed, in the pass of this number.

        Its sums are joined with those before, in the tree of all blocks.
        """
        sums = self.sums(number)
        sums.aim(self._tables[0], block)
        self.ask_for(stage, (block, block + 1))
        self.call(1)
        sums.add()

    def end_pass(self, number: int) -> None:
        """Join what is held: the sums of all rows lie where those of the first block lay."""
        self.sums(number).end(self._tables[0])

    def sums(self, number: int) -> HeldSums:
        """What the blocks of a pass have come to so far."""
        found = self._held.get(number)
        if found is None:
            split = self.code.program.split
            assert split is not None
            before = sum(len(sweep.sums) for sweep in split.sweeps[:number])
            own = split.sweeps[number].sums
            parts = range(before, before + len(own))
            found = self._held[number] = HeldSums(
                [self._parts[part] for part in parts],
                [self.where["part", part] for part in parts],
                [s.op for s in own],
            )
        return found

    def call(self, threads: int) -> None:
        """Run the function on so many threads; a thread that cannot be had is done without."""
        self._have_tables(threads)
        on_threads(self.code.loaded.function, self._tables[:threads], self._counted)

    def _have_tables(self, threads: int) -> None:
        while len(self._tables) < threads:
            self._tables.append(self._table())

    def leave(self, control: Control) -> int:
        """Bring the control up to date, with the epochs' records; return what the budget left."""
        words = self.where[("control",)]
        columns = [self.where["record", i] for i in range(len(self.code.text.records))]
        tell(words, control, columns)
        self._ordered = control.seed, control.epoch
        return int(words[AT["budget"]])

    def _buffers(self) -> dict[Any, Any]:
        """The arrays themselves, and what the code works with."""
        (p, text, _, bodies, _), bound, extents = self.code, self.bound, self.extents
        where: dict[Any, Any] = {("control",): np.zeros(len(CONTROL), np.int64)}
        where[("spill",)] = np.empty(text.spill)
        where |= {("epoch", i): np.empty(1) for i in range(2)}
        swaps = p.plan.shuffle and swaps_rows(p.data)
        where |= {("shuffled", i): np.empty_like(a) for i, a in enumerate(bound.data) if swaps}
        numbered = p.plan.shuffle and not swaps
        where[("order",)] = np.empty(bound.n_rows if numbered else 0, np.int32)
        for role, arrays in (("state", bound.state), ("data", bound.data), ("fixed", bound.fixed)):
            where |= {(role, i): a for i, a in enumerate(arrays)}
        for place in text.scratch:
            where[place.role, place.number] = aligned(concrete(place.shape, extents), place.dtype)
        for number, (body, _, results) in enumerate(text.shared):
            where |= called(number, shared_function(bodies[body]), results)
        for place in text.parts:
            blocks = -(-bound.n_rows // BLOCK)
            held = blocks.bit_length() if self.comes else blocks
            shape = (held, *concrete(place.shape, extents))
            where[place.role, place.number] = aligned(shape, place.dtype)
        for place in text.records:
            shape = (self.room, *concrete(place.shape, extents))
            where["record", place.number] = np.empty(shape, place.dtype)
        where |= {("extent", d): n for d, n in extents.items()}
        where["extent", p.rows] = bound.n_rows
        return where

    def _table(self) -> Array:
        """The addresses for one more thread: what it works with is its own, all else in common."""
        (_, text, _, bodies, _), where = self.code, self.where
        if self._tables:
            shared = {(p.role, p.number) for p in text.wires}
            own: dict[Any, Any] = {("spill",): np.empty(text.spill)}
            own |= {(TEAM[0],): len(self._tables), (TEAM[1],): 0}
            own["patience",] = np.full(8, PATIENCE)
            for place in text.scratch:
                if (place.role, place.number) not in shared:
                    array = aligned(concrete(place.shape, self.extents), place.dtype)
                    own[place.role, place.number] = array
            self._own.append(own)
            return pointer_table(text.slots, where | own)
        where |= {("barrier", i): np.zeros(8, np.int64) for i in range(3)}
        where |= {(TEAM[0],): 0, (TEAM[1],): 1, ("patience",): np.full(8, PATIENCE)}
        where |= named_words(CONTROL, where[("control",)])
        where["order", 0] = where[("order",)]
        for number, (body, sources, _) in enumerate(text.shared):
            where |= linked(number, shared_function(bodies[body]), sources, where)
        return pointer_table(text.slots, where)


def extents_of(program: Program, bound: Bindings) -> dict[Dim, int]:
    """The symbolic sizes of a run; of the rows those of a batch."""
    extents: dict[Dim, int] = bind_extents(dict(zip(program.fixed, bound.fixed, strict=True)))
    longest = BLOCK if program.in_blocks(bound.n_rows) else bound.n_rows
    extents[program.rows] = min(bound.n_rows, program.plan.batch_size or longest)
    return extents


_several = [threading.Lock()]  # held by the run that has several threads


def _forked() -> None:
    _several[0] = threading.Lock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forked)


def on_threads(
    function: Callable[[int, int, int], int], tables: Sequence[Array], counted: Sequence[int]
) -> None:
    """Call a function on several threads, each with its table, and wait for all of them.

    They wait for one another at barriers: so it is called when all threads are there, with fewer
    where the system grants no more, or where another run has several.

    Args:
        counted: where in a table the number of threads stands.
    """
    lock = _several[0]
    if len(tables) == 1 or not lock.acquire(blocking=False):
        (table,) = tables[:1]
        table[list(counted)] = 1
        function(table.ctypes.data, 0, 1)
        return
    try:
        _together(function, tables, counted)
    finally:
        lock.release()


def _together(
    function: Callable[[int, int, int], int], tables: Sequence[Array], counted: Sequence[int]
) -> None:
    """All threads or none: what a signal raises here must leave none waiting for the others."""
    gate = threading.Lock()
    gate.acquire()
    threads: list[threading.Thread] = []
    count = 0

    def work(number: int) -> None:
        with gate:
            pass
        if count:
            function(tables[number].ctypes.data, number, count)

    try:
        try:
            for number in range(1, len(tables)):
                thread = threading.Thread(target=work, args=(number,))
                thread.start()
                threads.append(thread)
        except RuntimeError:  # the system grants no more
            pass
        for table in tables:
            table[list(counted)] = len(threads) + 1
        first = tables[0].ctypes.data
        count = len(threads) + 1
    except BaseException:
        count = 0
        gate.release()
        raise
    try:
        gate.release()
    finally:
        try:
            function(first, 0, count)
        finally:
            for thread in threads:
                thread.join()


class Part(NamedTuple):
    """Where an array lies in the block."""

    begin: int
    shape: tuple[int, ...]
    dtype: np.dtype[Any]

    @property
    def end(self) -> int:
        return self.begin + math.prod(self.shape) * self.dtype.itemsize

    def of(self, memory: Any, first: int = -1) -> Array:
        """The array in a copy of the block, or the first few of its entries."""
        shape = self.shape if first < 0 else (first, *self.shape[1:])
        if not math.prod(shape):  # a copy without records ends before them
            return np.zeros(shape, self.dtype)
        return np.frombuffer(memory, self.dtype, math.prod(shape), self.begin).reshape(shape)


class MemoryBlock(ProgramMemory):
    """The memory of a descent that is run again and again.

    `data` are the places for the columns, `flat` all of them as one vector; `state` those for the
    states. What is written there after `reset` is what the run begins with. `fixed` are the fixed
    inputs themselves, which no run changes. One run at a time may use it.

    Args:
        bound, control: a run before its first step; states and data are copied.
        budget: how many steps a run may take.
    """

    def __init__(self, code: Code, bound: Bindings, control: Control, budget: int) -> None:
        super().__init__(code, bound, RECORD_BYTES_OF_BLOCK)
        where = self.where
        self.parts: dict[Any, Part] = {}
        size, begins = 0, {}
        for role in ROLES:
            begins[role] = size
            for key in [key for key in where if key[0] == role]:
                self.parts[key] = part = Part(size, where[key].shape, where[key].dtype)
                size = -(-part.end // ALIGNED) * ALIGNED
        self._block = aligned((size,), np.dtype(np.uint8))
        for key, part in self.parts.items():
            view = part.of(self._block)
            view[...] = where[key]
            where[key] = view
        self.state = [where["state", i] for i in range(len(bound.state))]
        self.data = [where["data", i] for i in range(len(bound.data))]
        self.fixed = [where["fixed", i] for i in range(len(bound.fixed))]
        self._kept = begins["record"]
        self._last = self.parts[next(reversed(self.parts))]
        self._row = (self._last.end - self._last.begin) // max(self._last.shape[0], 1)
        self.flat = self._block[begins["data"] : self._kept].view(np.float64)
        self.enter(control, budget)
        self._head = self._block[: begins["data"]]
        self._template = self._head.copy()
        self._memory = memoryview(self._block)  # type: ignore[arg-type]
        self._words = self._memory[: 8 * len(CONTROL)].cast("q")
        self._tables = [self._table()]
        self._address, self._function = self._tables[0].ctypes.data, code.loaded.function

    @property
    def size(self) -> int:
        """Bytes of the block."""
        return int(self._block.nbytes)

    def reset(self) -> None:
        """Control words and states as before the first step."""
        self._head[:] = self._template

    def ask(self, max_epochs: int, seed: int) -> None:
        """Run for at most so many epochs, with the draws of this seed; after `reset`."""
        self._words[AT["max_epochs"]] = max_epochs
        self._head.view(np.uint64)[AT["shuffle_key"]] = _mix(seed)

    def run(self) -> int:
        """Run, and return the status: RUNNING if budget or room for records did not suffice."""
        self._function(self._address, 0, 1)
        return self._words[STATUS]

    def image(self) -> bytes:
        """A copy of control words, states and data, and of the records that were made."""
        count = self._words[RECORDS]
        end = self._kept if not count else self._last.begin + count * self._row
        return bytes(self._memory[:end])


class Image(NamedTuple):
    """What a run left, and where in it each array lies."""

    parts: Mapping[Any, Part]
    content: bytes

    @property
    def words(self) -> Array:
        """The control words."""
        return np.frombuffer(self.content, np.int64, len(CONTROL))

    def array(self, role: str, number: int) -> Array:
        """A state or a column as it was at the end, or a record with an entry an epoch."""
        count = int(self.words[RECORDS]) if role == "record" else -1
        return self.parts[role, number].of(self.content, count)

    def control(self, before: Control) -> Control:
        """Where the run stood at the end, with its records."""
        control = Control(before.max_epochs, before.seed)
        numbers = [n for role, *n in self.parts if role == "record"]
        tell(self.words, control, [self.array("record", *n) for n in numbers])
        return control
