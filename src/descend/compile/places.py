"""Where arrays are stored: what a program and its caller agree on."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from descend.graph.node import Shape
from descend.lean import dataclass

__all__ = ["FLOATS", "PATIENCE", "TEAM", "Place", "aligned", "named_words"]

Array = np.ndarray[Any, np.dtype[Any]]

TEAM = ("thread", "threads")  # what the table tells a thread: its number, and how many there are
PATIENCE = 10_000  # how often a thread looks at a barrier before it goes to sleep
LINE = 64
FLOATS = frozenset({"loss_sum"})
"""Which of the numbers by which a program finds its way are float64; the others are int64."""


@dataclass(frozen=True, eq=False)
class Place:
    """A stored array: where it lives, and whether its first axis is read through the batch.

    Attributes:
        role: `state`, `data`, `fixed`, `scratch`, `constant`, `epoch`.
        number: which one of its role; -1 where there is but one.
        shape, dtype: of the array, row-major and contiguous.
        batched: the first axis counts the rows of the current batch of a longer column.
    """

    role: str
    number: int
    shape: Shape
    dtype: np.dtype[Any]
    batched: bool = False

    @property
    def key(self) -> tuple[str, int]:
        """Which array it is, whatever shape it is seen in."""
        return self.role, self.number

    def __str__(self) -> str:
        return self.role if self.number < 0 else f"{self.role}{self.number}"


def named_words(names: Sequence[str], control: Array) -> dict[tuple[str, int], Array]:
    """Each of the numbers by which a program finds its way as an array of its own."""
    floats = control.view(np.float64)
    parts = ((floats if name in FLOATS else control) for name in names)
    rows = enumerate(zip(names, parts, strict=True))
    return {(name, -1): part[i : i + 1] for i, (name, part) in rows}


def aligned(shape: tuple[int, ...], dtype: np.dtype[Any]) -> np.ndarray[Any, np.dtype[Any]]:
    """Zeros that begin with a cache line, so that no vector lies across two of them."""
    size = math.prod(shape) * dtype.itemsize
    raw = np.zeros(size + LINE, np.uint8)
    first = -raw.ctypes.data % LINE
    return raw[first : first + size].view(dtype).reshape(shape)
