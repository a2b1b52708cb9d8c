"""A compiled descent that is run again and again on arrays of the same shapes.

Control words, states, data and records lie in one block of memory, whose addresses never change. A
run is: one copy that resets the block, data and start copied in, one call. What it leaves is one
copy of the block, from which everything can be read later. Runs at the same time have blocks of
their own.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from descend.compile.entry import CONTROL
from descend.compile.program import NativeProgram, control_words
from descend.graph.evaluate import concrete
from descend.graph.node import Array
from descend.graph.program import Bindings, Control, _mix

__all__ = ["Image", "Part", "ProgramMemory"]

ALIGNED = 64
RECORD_BYTES = 1 << 14
ROLES = ("control", "state", "data", "record")
STATUS, RECORDS = CONTROL.index("status"), CONTROL.index("records")
MAX_EPOCHS, KEY = CONTROL.index("max_epochs"), CONTROL.index("shuffle_key")


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
        return np.frombuffer(memory, self.dtype, math.prod(shape), self.begin).reshape(shape)


class ProgramMemory:
    """The memory of a program for arrays of given shapes, and its compiled code.

    `data` are the places for the columns, `flat` all of them as one vector; `state` those for the
    states. What is written there after `reset` is what the run begins with. `fixed` are the fixed
    inputs themselves, which no run changes. One run at a time may use it.

    Args:
        bound, control: a run before its first step; states and data are copied.
        budget: how many steps a run may take.
    """

    def __init__(
        self, native: NativeProgram, bound: Bindings, control: Control, budget: int
    ) -> None:
        text, loaded = native.variant(bound.n_rows)
        extents = native.extents(bound)
        row = sum(
            math.prod(concrete(p.shape, extents)) * np.dtype(p.dtype).itemsize
            for p in text.records
        )
        room = max(1, RECORD_BYTES // max(row, 1))
        where = native.buffers(bound, text, extents, room)
        self.parts: dict[Any, Part] = {}
        size, begins = 0, {}
        for role in ROLES:
            begins[role] = size
            for key in [key for key in where if key[0] == role]:
                self.parts[key] = part = Part(size, where[key].shape, where[key].dtype)
                size = -(-part.end // ALIGNED) * ALIGNED
        raw = np.zeros(size + ALIGNED, np.uint8)
        shift = -raw.ctypes.data % ALIGNED
        self._block = raw[shift : shift + size]
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
        where[("control",)][:] = control_words(bound, control, budget, room, True)
        self._head = self._block[: begins["data"]]
        self._template = self._head.copy()
        self._memory = memoryview(self._block)  # type: ignore[arg-type]
        self._words = self._memory[: 8 * len(CONTROL)].cast("q")
        self._table = native.table(text, where)
        self._address = self._table.ctypes.data
        self._alive = where, loaded
        self._function = loaded.function

    @property
    def size(self) -> int:
        """Bytes of the block."""
        return int(self._block.nbytes)

    def reset(self) -> None:
        """Control words and states as before the first step."""
        self._head[:] = self._template

    def ask(self, max_epochs: int, seed: int) -> None:
        """Run for at most so many epochs, with the draws of this seed; after `reset`."""
        self._words[MAX_EPOCHS] = max_epochs
        self._head.view(np.uint64)[KEY] = _mix(seed)

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

    def array(self, role: str, number: int) -> Array:
        """A state or a column as it was at the end, or a record with an entry an epoch."""
        part = self.parts[role, number]
        return part.of(self.content, self._word("records") if role == "record" else -1)

    def _word(self, name: str) -> int:
        return int(np.frombuffer(self.content, np.int64, len(CONTROL))[CONTROL.index(name)])

    def control(self, before: Control) -> Control:
        """Where the run stood at the end, with its records."""
        numbers = [n for role, *n in self.parts if role == "record"]
        records = tuple(self.array("record", *n).copy() for n in numbers)
        floats = np.frombuffer(self.content, np.float64, len(CONTROL))
        return Control(
            before.max_epochs, before.seed, self._word("epoch"), self._word("batch"),
            float(floats[CONTROL.index("loss_sum")]), self._word("steps"), self._word("status"),
            [records] if self._word("records") else [],
        )  # fmt: skip
