"""Where arrays are stored: what a program and its caller agree on."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from descend.graph.node import Shape
from descend.lean import dataclass

__all__ = ["Place", "aligned"]

LINE = 64


@dataclass(frozen=True, eq=False)
class Place:
    """A stored array: where it lives, and whether its first axis is read through the batch.

    Attributes:
        role: `state`, `data`, `fixed`, `scratch`, `constant`, `epoch`.
        number: which one of its role.
        shape, dtype: of the array, row-major and contiguous.
        batched: the first axis counts the rows of the current batch of a longer column.
    """

    role: str
    number: int
    shape: Shape
    dtype: np.dtype[Any]
    batched: bool = False

    def __str__(self) -> str:
        return f"{self.role}{self.number}"


def aligned(shape: tuple[int, ...], dtype: np.dtype[Any]) -> np.ndarray[Any, np.dtype[Any]]:
    """Zeros that begin with a cache line, so that no vector lies across two of them."""
    size = math.prod(shape) * dtype.itemsize
    raw = np.zeros(size + LINE, np.uint8)
    first = -raw.ctypes.data % LINE
    return raw[first : first + size].view(dtype).reshape(shape)
