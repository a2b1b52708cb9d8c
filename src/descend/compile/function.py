"""A plain function of arrays, compiled: graph in, callable out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from descend.compile.legalise import legalise
from descend.compile.calls import CALLS
from descend.compile.llvm import BlockWriter
from descend.compile.loops import Address, Index, Place
from descend.compile.lower import lower
from descend.compile.module import FunctionText
from descend.compile.native import Loaded, emit_object, load_object
from descend.compile.schedule import is_small
from descend.graph.evaluate import bind_extents, concrete
from descend.graph.node import Dim, Node
from descend.graph.primitive import Array

__all__ = ["NativeFunction", "compile_graph", "pointer_table"]


def pointer_table(slots: Sequence[Any], arrays: dict[Any, Any]) -> Array:
    """The table of addresses and integers that a compiled function is called with."""
    entries = [
        value if isinstance(value := arrays[key], int) else value.ctypes.data for key in slots
    ]
    return np.array(entries, np.int64)


class NativeFunction:
    """A compiled graph: call it with one array per input, get one array per output."""

    def __init__(self, outputs: Sequence[Node], inputs: Sequence[Node]) -> None:
        self.inputs = list(inputs)
        self.outputs = list(outputs)
        self.lowered_from = legalise(outputs)
        self.text = self._write()
        self._loaded: Loaded = load_object(emit_object(self.text))

    def _write(self) -> str:
        leaves = {n: Place("fixed", i, n.shape, n.dtype) for i, n in enumerate(self.inputs)}
        lowering = lower(self.lowered_from, leaves)
        function = FunctionText()
        function.constants(lowering.block)
        writer = BlockWriter(function.frame(), CALLS)
        writer.write(lowering.block)
        self._results: list[Place] = []
        for number, node in enumerate(self.lowered_from):
            if is_small(node):
                place = Place("result", number, node.shape, node.dtype)
                for at in np.ndindex(*node.shape):  # type: ignore[arg-type]
                    address = Address(place, tuple(Index(i) for i in at))
                    writer.store(address, writer.values[lowering.cells[node][at]], {}, None)
            else:
                place = lowering.places[node]
            self._results.append(place)
        function.e.line("ret i64 0")
        self._scratch = lowering.block.scratch
        self._constants = dict(
            ((p.role, p.number), v) for p, v in lowering.block.constants
        )
        self._slots = list(function.slots)
        self._spill = len(writer.spilled)
        return function.text()

    def __call__(self, values: Sequence[Array]) -> list[Array]:
        arrays = [
            np.asarray(v, n.dtype, order="C") for v, n in zip(values, self.inputs, strict=True)
        ]
        extents = bind_extents(dict(zip(self.inputs, arrays, strict=True)))
        where: dict[Any, Any] = {("fixed", i): a for i, a in enumerate(arrays)}
        where |= {("extent", d): n for d, n in extents.items()}
        where[("spill",)] = np.empty(self._spill)
        for place in self._scratch:
            where[place.role, place.number] = np.empty(concrete(place.shape, extents), place.dtype)
        for place in self._results:
            if place.role == "result":
                shape = concrete(place.shape, extents)
                where[place.role, place.number] = np.empty(shape, place.dtype)
        table = pointer_table(self._slots, where)
        self._loaded.function(table.ctypes.data)
        return [self._result(place, where, extents) for place in self._results]

    def _result(self, place: Place, where: dict[Any, Any], extents: dict[Dim, int]) -> Array:
        shape = concrete(place.shape, extents)
        if place.role == "constant":
            return np.array(self._constants[place.role, place.number]).reshape(shape)
        made: Array = where[place.role, place.number].reshape(shape)
        return made.copy() if place.role == "fixed" else made


def compile_graph(outputs: Sequence[Node], inputs: Sequence[Node]) -> NativeFunction:
    """Compile a graph to a function from arrays (one per input) to arrays (one per output)."""
    return NativeFunction(outputs, inputs)
