"""The sums of blocks of rows, held where compiled code writes them, and joined as they come."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from descend.graph.blocks import JOINED, Tree

__all__ = ["HeldSums"]

Array = np.ndarray[Any, np.dtype[Any]]


class HeldSums:
    """What the blocks of a pass come to, in the tree of their numbers; see `graph.blocks.Tree`.

    Args:
        slots: the place of each sum in a table of addresses.
        held: of each sum, as many as there may be subtrees at a time, the first axis.
        ops: how two of each are joined.
    """

    def __init__(self, slots: Sequence[int], held: Sequence[Array], ops: Sequence[str]) -> None:
        self.held = held
        self._slots = np.array(slots, np.intp)
        self._first = np.array([a.ctypes.data for a in held], np.int64)
        self._stride = np.array([a.strides[0] for a in held], np.int64)
        rows = [[a[i : i + 1] for i in range(len(a))] for a in held]
        self._joins = [(JOINED[op], own) for op, own in zip(ops, rows, strict=True)]
        self._tree = Tree(self._join)

    def begin(self, table: Array) -> None:
        """Hold nothing yet."""
        self._tree = Tree(self._join)
        table[self._slots] = self._first

    def aim(self, table: Array, block: int) -> None:
        """Have code that sums a block write to the next place."""
        table[self._slots] = self._first + (len(self._tree) - block) * self._stride

    def add(self) -> None:
        """Take what the next block has come to, where code was aimed at."""
        self._tree.add(len(self._tree))

    def put(self, found: Sequence[Array], blocks: int) -> None:
        """Take what the next subtree of so many blocks has come to elsewhere."""
        at = len(self._tree)
        for own, value in zip(self.held, found, strict=True):
            own[at] = value
        self._tree.add(at, blocks)

    def end(self, table: Array) -> None:
        """Join what is held: the sums of all lie in the first place, where code finds them."""
        self._tree.root()
        self.begin(table)

    def _join(self, at: int, _next: int) -> int:
        for join, own in self._joins:
            join(own[at], own[at + 1], out=own[at])
        return at
