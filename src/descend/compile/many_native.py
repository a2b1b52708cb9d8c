"""Many fits, compiled: the function, its buffers, and the ranges of fits that it is given."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from descend.compile.cache import cached_code, digest, graph_key, image_of
from descend.compile.description import as_json, from_json
from descend.compile.function import pointer_table
from descend.compile.many_program import CONTROL, LanesText, ManyProgram, lanes_of
from descend.compile.native import Aim, Loaded, NotNative, aimed_at, emit_object
from descend.compile.places import aligned, named_words
from descend.graph.evaluate import bind_extents, concrete
from descend.graph.node import Array, Dim, sizes
from descend.lean import dataclass

__all__ = ["ManyArrays", "NativeMany", "Worker"]


@dataclass
class ManyArrays:
    """The numbers of many fits.

    Attributes:
        own: for every small input of the fits an array `(fits, …)`, or `(1, …)` for all.
        columns: for every column the rows of all fits one after the other, or the rows of one
            where the column is shared.
        offsets: `(fits + 1,)` where the rows of each fit begin.
        fixed: for every fixed input its array.
        results: `(fits, …)` for every result, to be filled.
        codes, iterations: `(fits,)` integers, to be filled.
        most_steps: after how many steps a fit that goes on is left.
    """

    own: Sequence[Array]
    columns: Sequence[Array]
    offsets: Array
    fixed: Sequence[Array]
    results: Sequence[Array]
    codes: Array
    iterations: Array
    most_steps: int

    @property
    def longest(self) -> int:
        """The rows of the longest fit."""
        return int(np.max(np.diff(self.offsets), initial=1))


class NativeMany:
    """The compiled function of many fits."""

    def __init__(self, program: ManyProgram, width: int | None = None) -> None:
        self.program = program
        self._width = width
        fixed = [n for node in program.fixed for n in node.shape if isinstance(n, Dim)]
        self._dims = list(dict.fromkeys([program.rows, *fixed]))
        self.key = _key(program)
        self._variants: dict[tuple[bool, Aim | None], tuple[LanesText, Loaded]] = {}

    @property
    def width(self) -> int:
        """How many fits stand beside each other, at most."""
        return lanes_of(self.program) if self._width is None else self._width

    def variant(self, ragged: bool) -> tuple[LanesText, Loaded]:
        """The description and the code for equal or unequal numbers of rows."""
        found = self._variants.get((ragged, aimed_at()))
        if found is None:
            about, loaded = cached_code(*self._made(ragged))
            found = LanesText(text="", **from_json(about, self._dims)), loaded
            self._variants[ragged, aimed_at()] = found
        return found

    def _made(self, ragged: bool) -> tuple[str, Callable[[], tuple[Any, bytes]]]:
        """The key of a variant, and what makes its description and its object code."""

        def make() -> tuple[Any, bytes]:
            from descend.compile.many import write_many

            try:
                written = write_many(self.program, self.width, ragged)
            except NotNative:  # what lanes cannot do, one fit at a time may
                written = write_many(self.program, 1, ragged)
            return as_json(written.about(), self._dims), emit_object(written.text)

        return digest("many", self.key, str(self.width), str(ragged)), make

    def _image(self, ragged: bool) -> bytes:
        return image_of(*self._made(ragged))[1]

    def worker(self, arrays: ManyArrays) -> Worker:
        """Lanes of one thread, for these fits."""
        counts = np.diff(arrays.offsets)
        ragged = bool(counts.size) and bool(np.any(counts != counts[0]))
        image = functools.partial(self._image, ragged)
        return Worker(self.program, *self.variant(ragged), arrays, image)


class Worker:
    """The lanes of one thread: `run(first, last)` does a range of fits, without the GIL.

    `image` gives the object code, for other processes to load.
    """

    def __init__(
        self, program: ManyProgram, text: LanesText, loaded: Loaded, arrays: ManyArrays,
        image: Callable[[], bytes],
    ) -> None:  # fmt: skip
        self.program, self.text, self.image = program, text, image
        self.loaded, self.arrays = loaded, arrays
        width = self.width = text.width
        extents = bind_extents(dict(zip(program.fixed, arrays.fixed, strict=True)))
        extents[program.rows] = arrays.longest

        def lanes(shape: Any, dtype: Any) -> Array:
            return aligned((math.prod(concrete(shape, extents)), width), np.dtype(dtype))

        self.control = np.zeros(len(CONTROL), np.int64)
        where: dict[Any, Any] = {
            **named_words(CONTROL, self.control),
            ("offsets", -1): arrays.offsets,
            ("codes", -1): arrays.codes,
            ("iterations", -1): arrays.iterations,
            ("fresh", -1): np.zeros(width, np.uint8),
            ("code", -1): np.zeros(width, np.int64),
            ("spill",): np.zeros(text.spill),
        }
        for role in ("lane", "final"):
            for name in ("fit", "steps", "counts", "code"):
                where[f"{role} {name}", -1] = np.zeros(width, np.int64)
        where |= {("state", i): lanes(n.shape, n.dtype) for i, n in enumerate(program.state)}
        where |= {("final", i): lanes(n.shape, n.dtype) for i, n in enumerate(program.state)}
        where |= {("result", i): lanes(n.shape, n.dtype) for i, n in enumerate(program.results)}
        strides = where["strides", -1] = np.zeros(len(arrays.own), np.int64)
        for i, (node, given) in enumerate(zip(program.own, arrays.own, strict=True)):
            where["own", i] = lanes(node.shape, node.dtype)
            where["given", i] = given
            strides[i] = math.prod(sizes(node.shape)) if len(given) > 1 else 0
        for i, (node, column) in enumerate(zip(program.data, arrays.columns, strict=True)):
            where["column", i] = column
            where["data", i] = column if program.shared[i] else lanes(node.shape, node.dtype)
        where |= {("fixed", i): a for i, a in enumerate(arrays.fixed)}
        where |= {("out", i): a for i, a in enumerate(arrays.results)}
        where |= {p.key: lanes(p.shape, p.dtype) for p in text.scratch}
        where |= {("extent", dim): n for dim, n in extents.items()}
        self.where = where
        self.table = pointer_table(text.slots, where)

    def run(self, first: int, last: int) -> None:
        """Do the fits from `first` up to `last`."""
        self.control[:] = first, last, self.arrays.most_steps, 0, 0
        self.loaded.function(self.table.ctypes.data, 0, 1)


def _key(p: ManyProgram) -> str:
    """Equal for programs that compile to the same code."""
    inputs = (*p.state, *p.own, *p.data, *p.fixed)
    outputs = [*p.begin, *p.step, p.code, *p.results]
    counts = [len(x) for x in (p.state, p.own, p.data, p.fixed, p.results)]
    return f"{counts} {p.shared}\n{graph_key(outputs, inputs, {p.rows: 0})}"


