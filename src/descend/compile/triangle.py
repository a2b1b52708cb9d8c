"""The triangle R of a QR factorisation of many rows, in native code that wakes no other thread.

A LAPACK with threads of its own wakes them at every column: where other processes keep the cores
busy, each time waits for a slice of theirs, forty times as long as the work.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any

import numpy as np

from descend.compile.cache import cached_code, digest
from descend.compile.function import pointer_table
from descend.compile.native import Aim, Loaded, aimed_at, emit_object
from descend.compile.places import aligned
from descend.errors import InternalError

__all__ = ["triangle"]

Array = np.ndarray[Any, np.dtype[Any]]
FLOAT = np.dtype(np.float64)
TILE = 64  # rows that are reflected at a time


def triangle(columns: Sequence[Array]) -> Array:
    """The upper triangle R, (w, w), of a matrix given by its w columns, each of n numbers.

    Golub and Van Loan, "Matrix Computations" (2013), section 5.2: by Householder's reflections, of
    some rows after the others against the R of those before (Demmel, Grigori, Hoemmen and Langou,
    2012). Signs of its rows are as they come; numbers that are not finite make others so.

    >>> x = np.linspace(0, 1, 500)
    >>> r = triangle([np.ones(500), x])
    >>> r.shape, bool(np.isclose(r[:, 0] @ r[:, 1], x.sum())), float(r[1, 0])
    ((2, 2), True, 0.0)
    """
    width, rows = len(columns), len(columns[0])
    if any(len(column) != rows for column in columns):
        raise InternalError(f"columns of unequal lengths: {[len(c) for c in columns]}")
    slots, loaded = _code(aimed_at())
    held = [np.ascontiguousarray(column, FLOAT) for column in columns]
    found, tile = np.zeros((width, width)), aligned((width, TILE), FLOAT)
    where = {
        ("columns",): np.array([a.__array_interface__["data"][0] for a in held]),
        ("triangle",): found, ("tile",): tile, ("scale",): np.empty(width),
        ("rows",): rows, ("width",): width,
    }  # fmt: skip
    table = pointer_table(slots, where)
    loaded.function(table.ctypes.data, 0, 1)
    return found


@cache
def _code(_aimed: Aim | None) -> tuple[list[Any], Loaded]:
    def make() -> tuple[Any, bytes]:
        from descend.compile.triangle_text import write_triangle

        text, slots = write_triangle(TILE)
        return slots, emit_object(text)

    slots, loaded = cached_code(digest("triangle"), make)
    return [tuple(key) for key in slots], loaded
