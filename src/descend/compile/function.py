"""A plain function of arrays, compiled: graph in, callable out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from descend.compile.cache import cached_code, digest, graph_key
from descend.compile.calls import CALLS
from descend.compile.description import as_json, from_json
from descend.compile.legalise import legalise
from descend.compile.library import address_of
from descend.compile.llvm import BlockWriter
from descend.compile.loops import Address, Index, Place
from descend.compile.lower import lower
from descend.compile.module import FunctionText
from descend.compile.native import emit_object
from descend.compile.schedule import is_small
from descend.graph.evaluate import bind_extents, concrete
from descend.graph.node import Dim, Node, sizes
from descend.graph.primitive import Array

__all__ = ["NativeFunction", "compile_graph", "pointer_table"]


def pointer_table(slots: Sequence[Any], arrays: dict[Any, Any]) -> Array:
    """The table of addresses and integers that a compiled function is called with.

    Slots are names of arrays and extents, which stand in `arrays`, and of functions of libraries.
    """
    return np.array([_entry(key, arrays) for key in slots], np.int64)


def _entry(key: Any, arrays: dict[Any, Any]) -> int:
    if key[0] == "library":
        return address_of(key[1], key[2])
    value = arrays[key]
    where: int = value if isinstance(value, int) else value.ctypes.data
    return where


def _dims(inputs: Sequence[Node]) -> list[Dim]:
    return list(dict.fromkeys(n for node in inputs for n in node.shape if isinstance(n, Dim)))


def write_function(outputs: Sequence[Node], inputs: Sequence[Node]) -> tuple[str, dict[str, Any]]:
    """The text of a graph as a function, and what its caller must provide."""
    native = legalise(outputs)
    leaves = {n: Place("fixed", i, n.shape, n.dtype) for i, n in enumerate(inputs)}
    lowering = lower(native, leaves)
    function = FunctionText()
    function.constants(lowering.block)
    writer = BlockWriter(function.frame(), CALLS)
    writer.write(lowering.block)
    results: list[Place] = []
    for number, node in enumerate(native):
        if is_small(node):
            place = Place("result", number, node.shape, node.dtype)
            for at in np.ndindex(*sizes(node.shape)):
                address = Address(place, tuple(Index(i) for i in at))
                writer.store(address, writer.values[lowering.cells[node][at]], {}, None)
        else:
            place = lowering.places[node]
        results.append(place)
    function.e.line("ret i64 0")
    used = {p.number for p in results if p.role == "constant"}
    about = {
        "slots": list(function.slots),
        "scratch": lowering.block.scratch,
        "results": results,
        "spill": len(writer.spilled),
        "constants": {str(p.number): v for p, v in lowering.block.constants if p.number in used},
    }
    return function.text(), about


class NativeFunction:
    """A compiled graph: call it with one array per input, get one array per output."""

    def __init__(self, outputs: Sequence[Node], inputs: Sequence[Node]) -> None:
        self.inputs = list(inputs)
        dims = _dims(self.inputs)

        def make() -> tuple[Any, bytes]:
            text, about = write_function(outputs, self.inputs)
            return as_json(about, dims), emit_object(text)

        key = digest("function", graph_key(outputs, self.inputs))
        about, self.loaded = cached_code(key, make)
        self.about: dict[str, Any] = from_json(about, dims)

    def __call__(self, values: Sequence[Array]) -> list[Array]:
        arrays = [
            np.asarray(v, n.dtype, order="C") for v, n in zip(values, self.inputs, strict=True)
        ]
        extents = bind_extents(dict(zip(self.inputs, arrays, strict=True)))
        about = self.about
        where: dict[Any, Any] = {("fixed", i): a for i, a in enumerate(arrays)}
        where |= {("extent", d): n for d, n in extents.items()}
        where[("spill",)] = np.empty(about["spill"])
        for place in (*about["scratch"], *about["results"]):
            if place.role in ("scratch", "result"):
                shape = concrete(place.shape, extents)
                key = place.role, place.number
                where.setdefault(key, np.empty(shape, place.dtype))
        table = pointer_table(about["slots"], where)
        self.loaded.function(table.ctypes.data)
        results = [self._result(place, where, extents) for place in about["results"]]
        owned = {id(r if r.base is None else r.base): i for i, r in enumerate(results)}
        return [
            r if owned[id(r if r.base is None else r.base)] == i else r.copy()
            for i, r in enumerate(results)
        ]

    def _result(self, place: Place, where: dict[Any, Any], extents: dict[Dim, int]) -> Array:
        shape = concrete(place.shape, extents)
        if place.role == "constant":
            return np.array(self.about["constants"][str(place.number)]).reshape(shape)
        made: Array = where[place.role, place.number].reshape(shape)
        return made.copy() if place.role == "fixed" else made


def compile_graph(outputs: Sequence[Node], inputs: Sequence[Node]) -> NativeFunction:
    """Compile a graph to a function from arrays (one per input) to arrays (one per output)."""
    return NativeFunction(outputs, inputs)
