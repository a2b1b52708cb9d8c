"""Sums of blocks, held where code writes them: the tree of their numbers, whoever forms them."""

import ctypes
import itertools
from typing import Any

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from descend.compile.held_sums import HeldSums
from descend.graph.blocks import combined, subtrees

OPS = ("add", "max", "min", "add")


@given(count=st.integers(1, 40), cuts=st.sets(st.integers(1, 39)), seed=st.integers(0, 2**32 - 1))
def test_they_are_joined_as_all_at_once(count: int, cuts: set[int], seed: int) -> None:
    """Block by block, as code writes where it is told, and as subtrees that come from others."""
    rng = np.random.default_rng(seed)
    shapes = ((), (3,), (2, 2), (1,))
    parts = [rng.normal(size=(count, *shape)) * 10.0 ** rng.integers(-9, 9) for shape in shapes]
    room = count.bit_length()
    held = [np.full((room, *shape), np.nan) for shape in shapes]
    table = np.zeros(9, np.int64)
    slots = [7, 1, 4, 2]
    sums = HeldSums(slots, held, OPS)
    wanted = [combined([*p], op) for p, op in zip(parts, OPS, strict=True)]

    def written() -> list[Any]:
        """What lies where code finds the sums of the first block."""
        sums.end(table)
        return [
            np.ctypeslib.as_array(ctypes.cast(int(table[slot]), ctypes.POINTER(ctypes.c_double)),
                                  (max(1, int(np.prod(shape))),)).reshape(shape).copy()
            for slot, shape in zip(slots, shapes, strict=True)
        ]  # fmt: skip

    sums.begin(table)
    for block in range(count):
        sums.aim(table, block)
        for slot, part in zip(slots, parts, strict=True):
            place = int(table[slot]) + block * part[0].nbytes
            ctypes.memmove(place, np.ascontiguousarray(part[block]).ctypes.data, part[0].nbytes)
        sums.add()
    for one, other in zip(written(), wanted, strict=True):
        np.testing.assert_array_equal(one, other)

    ends = sorted({0, count, *(c for c in cuts if c < count)})
    sums.begin(table)
    for first, end in itertools.pairwise(ends):
        for begin, length in subtrees(first, end, count):
            own = [
                combined([*p[begin : begin + length]], op) for p, op in zip(parts, OPS, strict=True)
            ]
            sums.put(own, length)
    for one, other in zip(written(), wanted, strict=True):
        np.testing.assert_array_equal(one, other)
