"""A Program, compiled: the same `run(bound, control, budget)` that the interpreter has."""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from descend.compile.cache import cached_code, digest, graph_key
from descend.compile.description import as_json, from_json
from descend.compile.entry import CONTROL, DescentText, Variant, swaps_rows
from descend.compile.function import compile_graph, pointer_table
from descend.compile.native import Loaded, emit_object
from descend.compile.places import aligned, named_words
from descend.compile.shared import called, linked, shared_function
from descend.graph.blocks import BLOCK
from descend.graph.evaluate import bind_extents, concrete
from descend.graph.node import Array, Dim
from descend.graph.program import RUNNING, Bindings, Control, Program, _mix
from descend.graph.shared import shared_bodies
from descend.lean import dataclass

__all__ = ["NativeProgram", "compile_graph", "compile_program", "control_words"]

RECORD_BYTES = 1 << 19
MOST_RECORDED_EPOCHS = 1 << 14


def _recorded_epochs(text: DescentText, extents: dict[Dim, int]) -> int:
    """How many epochs' records an entry has room for: few where they are large."""
    each: int = sum(
        math.prod(concrete(place.shape, extents)) * np.dtype(place.dtype).itemsize
        for place in text.records
    )
    return max(1, min(MOST_RECORDED_EPOCHS, RECORD_BYTES // max(each, 1)))


def _program_key(p: Program) -> str:
    """Equal for programs that compile to the same code."""
    inputs = (*p.state, *p.data, *p.fixed, p.epoch.index, p.epoch.loss)
    counts = [len(x) for x in (p.state, p.data, p.fixed, p.step_heads, p.epoch.record)]
    return f"{counts} {p.plan}\n{graph_key(p.heads, inputs, {p.rows: 0})}"


@dataclass
class _Session:
    """The buffers of one run between its entries.

    Attributes:
        key: the arrays of the run, by identity (`where` keeps them alive).
        where: every buffer by name.
        tables: their addresses for the native function, for each thread.
        more: makes the table of a further thread.
        room: how many epochs' records fit.
        ordered: the (seed, epoch) whose order of rows the buffers hold.
    """

    key: tuple[int, ...]
    where: dict[Any, Any]
    tables: list[Array]
    more: Callable[[], Array]
    room: int
    ordered: tuple[int, int] | None = None

    def call(self, loaded: Loaded, threads: int) -> None:
        """Run the function on so many threads; a thread that cannot be had is done without."""
        while len(self.tables) < threads:
            self.tables.append(self.more())
        addresses = [table.ctypes.data for table in self.tables[:threads]]
        on_threads(loaded.function, addresses)


def control_words(
    bound: Bindings, control: Control, budget: int, room: int, reorder: bool
) -> Array:
    """The control words that a run is entered with, in the order of `CONTROL`."""
    words = np.array(
        (
            bound.n_rows, control.max_epochs, 0, control.epoch, control.batch, budget,
            control.steps, RUNNING, 0, room, 0, reorder,
        ),
        np.int64,
    )  # fmt: skip
    words.view(np.uint64)[2] = _mix(control.seed & ((1 << 64) - 1))
    words.view(np.float64)[10] = control.loss_sum
    return words


class NativeProgram:
    """Compiled variants of one program, made when first needed (see `entry.Variant`).

    Buffers that a run needs between its
    entries (the order of rows, records) are kept, for each thread, for the arrays used last; the
    order is made anew where a run is taken up in the middle of an epoch with other arrays.
    """

    def __init__(self, program: Program) -> None:
        self.program = program
        p = self.program
        fixed = [n for node in p.fixed for n in node.shape if isinstance(n, Dim)]
        self._dims = list(dict.fromkeys([p.rows, *fixed]))
        self._key = _program_key(p)
        self._variants: dict[Variant, tuple[DescentText, Loaded]] = {}
        self.was_compiled = False  # now, rather than found in the cache
        self._bodies = shared_bodies(program.heads)
        self._own = threading.local()

    def variant(self, n_rows: int) -> tuple[DescentText, Loaded]:
        """The description and the loaded code for a number of rows."""
        program = self.program
        variant = self._variant(n_rows)
        found = self._variants.get(variant)
        if found is None:

            def make() -> tuple[Any, bytes]:
                from descend.compile.descent import write_descent
                from descend.compile.legalise import legal_program

                self.was_compiled = True
                written = write_descent(legal_program(program), variant)
                return as_json(written.about(), self._dims), emit_object(written.text)

            about, loaded = cached_code(digest("program", self._key, variant, str(BLOCK)), make)
            found = DescentText(text="", **from_json(about, self._dims)), loaded
            for body in self._bodies:
                shared_function(body)
            self._variants[variant] = found
        return found

    def _variant(self, n_rows: int) -> Variant:
        size = self.program.plan.batch_size
        if size is not None and n_rows % size:
            return "remainder"
        return "blocks" if self.program.in_blocks(n_rows) else "whole"

    def run(self, bound: Bindings, control: Control, budget: int) -> None:
        """Advance a run by at most `budget` steps, or until it stops. Call again to go on."""
        text, loaded = self.variant(bound.n_rows)
        session = self._session(bound, text)
        words = session.where[("control",)]
        floats = words.view(np.float64)
        while control.status == RUNNING:
            reorder = session.ordered != (control.seed, control.epoch)
            words[:] = control_words(bound, control, budget, session.room, reorder)
            session.call(loaded, control.threads if text.parts else 1)
            self._after(bound, control, session.where, text, words, floats)
            session.ordered = control.seed, control.epoch
            budget = int(words[5])
            if budget <= 0:
                return

    def _after(self, bound: Bindings, control: Control, where: dict[Any, Any],
               text: DescentText, words: Array, floats: Array) -> None:  # fmt: skip
        control.epoch, control.batch = int(words[3]), int(words[4])
        control.steps, control.status = int(words[6]), int(words[7])
        control.loss_sum = float(floats[10])
        count = int(words[8])
        if count:
            columns = (where["record", i] for i in range(len(text.records)))
            control.records.append(tuple(c[:count].copy() for c in columns))

    def _session(self, bound: Bindings, text: DescentText) -> _Session:
        held: _Session | None = getattr(self._own, "session", None)
        if held is not None and held.key == _identity(bound):
            return held
        p = self.program
        bound.state[:] = [
            np.array(a, n.dtype, order="C") for a, n in zip(bound.state, p.state, strict=True)
        ]
        bound.data[:] = [
            np.asarray(a, n.dtype, order="C") for a, n in zip(bound.data, p.data, strict=True)
        ]
        bound.fixed[:] = [
            np.asarray(a, n.dtype, order="C") for a, n in zip(bound.fixed, p.fixed, strict=True)
        ]
        extents = self.extents(bound)
        room = _recorded_epochs(text, extents)
        where = self.buffers(bound, text, extents, room)
        tables = [self.table(text, where)]

        def more() -> Array:
            """The table of a thread: it has what it works with for itself, all else in common."""
            own: dict[Any, Any] = {("spill",): np.empty(text.spill)}
            for place in text.scratch:
                if (place.role, place.number) not in shared:
                    array = aligned(concrete(place.shape, extents), place.dtype)
                    own[place.role, place.number] = array
            alive.append(own)
            return pointer_table(text.slots, where | own)

        shared = {(p.role, p.number) for p in text.wires}
        alive = where[("threads",)] = list[dict[Any, Any]]()
        made = self._own.session = _Session(_identity(bound), where, tables, more, room)
        return made

    def extents(self, bound: Bindings) -> dict[Dim, int]:
        """The symbolic sizes of a run; of the rows those of a batch."""
        p = self.program
        extents: dict[Dim, int] = bind_extents(dict(zip(p.fixed, bound.fixed, strict=True)))
        longest = BLOCK if p.in_blocks(bound.n_rows) else bound.n_rows
        extents[p.rows] = min(bound.n_rows, p.plan.batch_size or longest)
        return extents

    def buffers(
        self, bound: Bindings, text: DescentText, extents: dict[Dim, int], room: int
    ) -> dict[Any, Any]:
        """Every buffer of a run by name: the arrays themselves, and what it works with."""
        p = self.program
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
            where |= called(number, shared_function(self._bodies[body]), results)
        for place in text.parts:
            shape = (-(-bound.n_rows // BLOCK), *concrete(place.shape, extents))
            where[place.role, place.number] = aligned(shape, place.dtype)
        for place in text.records:
            shape = (room, *concrete(place.shape, extents))
            where["record", place.number] = np.empty(shape, place.dtype)
        where |= {("extent", d): n for d, n in extents.items()}
        where["extent", p.rows] = bound.n_rows
        return where

    def table(self, text: DescentText, where: dict[Any, Any]) -> Array:
        """The table of addresses for the function, and those of the functions that it calls.

        `where` gets what must live as long as the table.
        """
        where |= {("barrier", i): np.zeros(8, np.int64) for i in range(2)}
        where |= named_words(CONTROL, where[("control",)])
        where["order", 0] = where[("order",)]
        for number, (body, sources, _) in enumerate(text.shared):
            where |= linked(number, shared_function(self._bodies[body]), sources, where)
        return pointer_table(text.slots, where)


def on_threads(function: Callable[[int, int, int], int], addresses: Sequence[int]) -> None:
    """Call a function on several threads, each with its table, and wait for all of them.

    They wait for one another at barriers: so it is called when all threads are there, with fewer
    where the system grants no more.
    """
    gate = threading.Event()
    threads: list[threading.Thread] = []
    count = 0

    def work(number: int) -> None:
        gate.wait()
        if count:
            function(addresses[number], number, count)

    try:
        for number in range(1, len(addresses)):
            thread = threading.Thread(target=work, args=(number,))
            thread.start()
            threads.append(thread)
    except RuntimeError:  # the system grants no more
        pass
    except BaseException:
        gate.set()
        raise
    count = len(threads) + 1
    gate.set()
    function(addresses[0], 0, count)
    for thread in threads:
        thread.join()


def _identity(bound: Bindings) -> tuple[int, ...]:
    return bound.n_rows, *map(id, (*bound.state, *bound.data, *bound.fixed))


def compile_program(program: Program) -> NativeProgram:
    """Compile a descent; variants are made when a run first needs them."""
    return NativeProgram(program)
