"""Some of many fits, done in another process than the one that has asked for them.

`many_order` describes once what the compiled function needs; `some_of` cuts out what belongs to
some fits, and `run_some` does these where that is given. A fit has the same bits whatever its
neighbours are, so that it makes no difference how fits are cut apart.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from descend.compile.function import pointer_table
from descend.compile.many_native import ManyArrays, Worker
from descend.compile.many_program import CONTROL
from descend.compile.native import Loaded
from descend.compile.places import aligned, named_words

__all__ = ["ManyOrder", "Some", "many_order", "put_back", "run_some", "some_of"]

Array = np.ndarray[Any, np.dtype[Any]]
Key = tuple[Any, ...]
GIVEN = ("offsets", "codes", "iterations", "given", "column", "fixed", "out")


class ManyOrder(NamedTuple):
    """What the function of many fits needs, whatever the fits are.

    Attributes:
        slots: of the table of addresses, symbolic extents by their numbers.
        numbers: those slots that are numbers. rooms: the shapes and dtypes of arrays to work in.
        strides: from one fit's own numbers to the next one's.
        shared: which columns all fits have in common.
        results: the shape of one fit's, and the dtype.
    """

    slots: Sequence[Key]
    numbers: Mapping[Key, int]
    rooms: Mapping[Key, tuple[tuple[int, ...], str]]
    strides: Array
    shared: Sequence[bool]
    results: Sequence[tuple[tuple[int, ...], str]]


class Some(NamedTuple):
    """The numbers of some fits: see `ManyArrays`."""

    own: Sequence[Array]
    columns: Sequence[Array]
    offsets: Array
    fixed: Sequence[Array]
    most_steps: int

    @property
    def n_bytes(self) -> int:
        """How much travels."""
        return sum(a.nbytes for a in (*self.own, *self.columns, *self.fixed, self.offsets))


def many_order(worker: Worker) -> ManyOrder:
    """What a worker's function needs."""
    words = {(name, -1) for name in CONTROL}
    slots: list[Key] = []
    numbers: dict[Key, int] = {}
    rooms: dict[Key, tuple[tuple[int, ...], str]] = {}
    extents = [key for key in worker.where if key[0] == "extent"]
    shared = worker.program.shared
    for key in worker.text.slots:
        name = ("extent", extents.index(key)) if key[0] == "extent" else key
        slots.append(name)
        common = key[0] == "data" and shared[key[1]]
        if key[0] in ("library", "strides", *GIVEN) or key in words or common:
            continue
        value = worker.where[key]
        if isinstance(value, int):
            numbers[name] = value
        else:
            rooms[name] = value.shape, value.dtype.str
    results = [(a.shape[1:], a.dtype.str) for a in worker.arrays.results]
    return ManyOrder(slots, numbers, rooms, worker.where["strides", -1], shared, results)


def some_of(arrays: ManyArrays, shared: Sequence[bool], fits: Array) -> Some:
    """What belongs to some fits."""
    begins, ends = arrays.offsets[fits], arrays.offsets[fits + 1]
    offsets = np.append(0, np.cumsum(ends - begins))
    together = len(fits) and bool(np.all(fits[1:] == fits[:-1] + 1))
    rows: Any = slice(begins[0], ends[-1]) if together else np.repeat(
        begins - offsets[:-1], ends - begins
    ) + np.arange(offsets[-1])
    return Some(
        [a if len(a) == 1 else a[fits] for a in arrays.own],
        [a if common else a[rows] for a, common in zip(arrays.columns, shared, strict=True)],
        offsets, arrays.fixed, arrays.most_steps,
    )  # fmt: skip


def run_some(loaded: Loaded, order: ManyOrder, some: Some) -> list[Array]:
    """Do some fits: their results, then how they ended and after how many steps."""
    n = len(some.offsets) - 1
    control = np.zeros(len(CONTROL), np.int64)
    made = [np.zeros((n, *shape), dtype) for shape, dtype in order.results]
    ends = [np.zeros(n, np.int64), np.zeros(n, np.int64)]
    strides = order.strides.copy()
    own = [np.ascontiguousarray(a) for a in some.own]
    for i, array in enumerate(own):
        strides[i] = strides[i] if len(array) > 1 else 0
    where: dict[Any, Any] = {
        **named_words(CONTROL, control), ("offsets", -1): np.ascontiguousarray(some.offsets),
        ("codes", -1): ends[0], ("iterations", -1): ends[1], ("strides", -1): strides,
        **order.numbers,
    }  # fmt: skip
    for key, (shape, dtype) in order.rooms.items():
        where[key] = aligned(shape, np.dtype(dtype))
    where |= {("given", i): a for i, a in enumerate(own)}
    for i, column in enumerate(some.columns):
        where["column", i] = column = np.ascontiguousarray(column)
        if order.shared[i]:
            where["data", i] = column
    where |= {("fixed", i): np.ascontiguousarray(a) for i, a in enumerate(some.fixed)}
    where |= {("out", i): a for i, a in enumerate(made)}
    table = pointer_table(order.slots, where)
    control[:] = 0, n, some.most_steps, 0, 0
    loaded.function(table.ctypes.data, 0, 1)
    return [*made, *ends]


def put_back(arrays: ManyArrays, fits: Array, found: Sequence[Array]) -> None:
    """Put down what some fits have come to."""
    for array, part in zip((*arrays.results, arrays.codes, arrays.iterations), found, strict=True):
        array[fits] = part
