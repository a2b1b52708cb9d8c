"""A plain function of arrays, compiled: graph in, callable out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from descend.compile.cache import cached_code, digest, graph_key, image_of
from descend.compile.description import as_json, from_json
from descend.compile.library import address_of
from descend.compile.native import Loaded, emit_object
from descend.compile.places import Place
from descend.graph.evaluate import bind_extents, concrete
from descend.graph.node import Array, Dim, Node

__all__ = [
    "BoundFunction", "NativeFunction", "compile_graph", "image_of_graph", "pointer_table",
]  # fmt: skip


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


class BoundFunction:
    """A compiled graph with its arrays: what it computes of them stands in `results` then."""

    def __init__(
        self, loaded: Any, table: Array, where: dict[Any, Any], results: list[Array]
    ) -> None:
        self.results = results
        self._alive = loaded, table, where
        self._function, self._address = loaded.function, table.ctypes.data

    def run(self) -> None:
        """Compute the results anew."""
        self._function(self._address, 0, 1)


class NativeFunction:
    """A compiled graph: call it with one array per input, get one array per output.

    Args:
        soon: whether the code is to be had soon rather than to be fast.
    """

    def __init__(
        self, outputs: Sequence[Node], inputs: Sequence[Node], soon: bool = False
    ) -> None:
        key, make = _making(outputs, inputs, soon)
        self._have(inputs, *cached_code(key, make))

    def _have(self, inputs: Sequence[Node], about: Any, loaded: Loaded) -> None:
        self.inputs, self.loaded = list(inputs), loaded
        self.about: dict[str, Any] = from_json(about, _dims(self.inputs))

    @classmethod
    def of(cls, inputs: Sequence[Node], about: Any, loaded: Loaded) -> NativeFunction:
        """The function of an image that was made elsewhere: see `image_of_graph`."""
        made = cls.__new__(cls)
        made._have(inputs, about, loaded)
        return made

    def __call__(self, values: Sequence[Array]) -> list[Array]:
        arrays = [
            np.asarray(v, n.dtype, order="C") for v, n in zip(values, self.inputs, strict=True)
        ]
        bound = self.bind(arrays)
        bound.run()
        places = self.about["results"]
        results = [
            r.copy() if place.role == "fixed" else r
            for r, place in zip(bound.results, places, strict=True)
        ]
        owned = {id(r if r.base is None else r.base): i for i, r in enumerate(results)}
        return [
            r if owned[id(r if r.base is None else r.base)] == i else r.copy()
            for i, r in enumerate(results)
        ]

    def bind(self, arrays: Sequence[Array]) -> BoundFunction:
        """The function with its inputs, contiguous arrays of its dtypes, and memory of its own."""
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
        results = [self._result(place, where, extents) for place in about["results"]]
        return BoundFunction(self.loaded, pointer_table(about["slots"], where), where, results)

    def _result(self, place: Place, where: dict[Any, Any], extents: dict[Dim, int]) -> Array:
        shape = concrete(place.shape, extents)
        if place.role == "constant":
            return np.array(self.about["constants"][str(place.number)]).reshape(shape)
        made: Array = where[place.role, place.number].reshape(shape)
        return made


def _making(
    outputs: Sequence[Node], inputs: Sequence[Node], soon: bool = False
) -> tuple[str, Callable[[], tuple[Any, bytes]]]:
    """The key of a graph's code, and what makes it."""

    def make() -> tuple[Any, bytes]:
        from descend.compile.function_text import write_function

        text, about = write_function(outputs, inputs)
        told = as_json(about, _dims(inputs))
        return told, emit_object(text, soon=True) if soon else emit_object(text)

    return digest("function, soon" if soon else "function", graph_key(outputs, inputs)), make


def image_of_graph(outputs: Sequence[Node], inputs: Sequence[Node]) -> tuple[Any, bytes]:
    """What the caller of a graph's code must know, in JSON's types, and the object code."""
    return image_of(*_making(outputs, inputs))


def compile_graph(
    outputs: Sequence[Node], inputs: Sequence[Node], soon: bool = False
) -> NativeFunction:
    """Compile a graph to a function from arrays (one per input) to arrays (one per output)."""
    return NativeFunction(outputs, inputs, soon)
