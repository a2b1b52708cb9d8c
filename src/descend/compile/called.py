"""A compiled function that is called again and again with arrays of the same shapes.

Its memory is laid out once, with a table of addresses that does not change: small arrays are
copied in and out of it, so that a call costs a few microseconds; large ones are read and written
where they are. Each thread that is inside at the same time has memory of its own.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from descend.compile.function import NativeFunction, pointer_table
from descend.compile.places import Place
from descend.graph.node import Array, sizes

__all__ = ["CalledFunction"]

COPIED_BYTES = 1 << 14
KEPT_BYTES = 1 << 26


class CalledFunction:
    """A compiled graph without symbolic extents, ready to be called often.

    Call it with one array (or number) per input, of the shape of that input; it returns one fresh
    array per output, a NumPy scalar for the shape ().
    """

    def __init__(self, native: NativeFunction) -> None:
        self._native = native
        self._free: list[_Memory] = []

    def __call__(self, values: Sequence[Any]) -> list[Any]:
        try:
            memory = self._free.pop()
        except IndexError:
            memory = _Memory(self._native)
        results = memory.run(values)
        if memory.size <= KEPT_BYTES:
            self._free.append(memory)
        return results


class _Memory:
    """The arrays of one call under way, and the table of their addresses."""

    def __init__(self, native: NativeFunction) -> None:
        about, inputs = native.about, native.inputs
        self.function = native.loaded.function
        arrays: dict[Any, Any] = {("spill",): np.empty(about["spill"])}
        small = [math.prod(sizes(n.shape)) * n.dtype.itemsize <= COPIED_BYTES for n in inputs]
        for i, node in enumerate(inputs):
            arrays["fixed", i] = np.empty(sizes(node.shape) if small[i] else 0, node.dtype)
        for place in (*about["scratch"], *about["results"]):
            if place.role in ("scratch", "result") and place.key not in arrays:
                arrays[place.key] = np.empty(sizes(place.shape), place.dtype)
        for number, value in about["constants"].items():
            arrays["constant", int(number)] = np.asarray(value)
        slots = {key: i for i, key in enumerate(about["slots"])}
        self.arrays = arrays
        self.size = sum(a.nbytes for a in arrays.values())
        self.table = pointer_table(about["slots"], arrays)
        self.address = self.table.ctypes.data
        self.copied = [(i, arrays["fixed", i]) for i, is_small in enumerate(small) if is_small]
        self.lent = [
            (i, slots["fixed", i], node.dtype)
            for i, node in enumerate(inputs)
            if not small[i] and ("fixed", i) in slots
        ]
        self.results = [_Result(place, arrays) for place in about["results"]]
        firsts = {r.key: r for r in reversed(self.results)}
        self.made = [
            (r, slots[r.key])
            for r in firsts.values()
            if r.array.nbytes > COPIED_BYTES and r.key[0] in ("scratch", "result")
        ]
        self.is_small = all(small) and not self.made

    def run(self, values: Sequence[Any]) -> list[Any]:
        for i, array in self.copied:
            array[...] = values[i]
        if self.is_small:
            self.function(self.address, 0, 1)
            return [r.array.copy() if r.shape else r.array[()] for r in self.results]
        return self._run_large(values)

    def _run_large(self, values: Sequence[Any]) -> list[Any]:
        """The same where the large arrays are not copied; each is handed out once."""
        held = {i: np.require(values[i], dtype, ["C", "A"]) for i, _, dtype in self.lent}
        for i, slot, _ in self.lent:
            self.table[slot] = held[i].ctypes.data
        fresh: dict[Any, Array] = {}
        for result, slot in self.made:
            array = fresh[result.key] = np.empty_like(result.array)
            self.table[slot] = array.ctypes.data
        self.function(self.address, 0, 1)
        taken: list[Any] = []
        for result in self.results:
            array = fresh.get(result.key, result.array)
            if result.key[0] == "fixed":
                array = np.asarray(values[result.key[1]], result.array.dtype)
            shaped = array.reshape(result.shape)
            handed = any(result.key == r.key for r in self.results[: len(taken)])
            taken.append(shaped if result.key in fresh and not handed else shaped.copy()[()])
        return taken


class _Result:
    """Where one result is found after a call."""

    __slots__ = ("array", "key", "shape")

    def __init__(self, place: Place, arrays: dict[Any, Any]) -> None:
        self.key = place.role, place.number
        self.shape = sizes(place.shape)
        held = arrays[self.key]
        self.array: Array = held.reshape(self.shape) if held.size == math.prod(self.shape) else held
