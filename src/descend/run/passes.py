"""Rows that come block by block, as a program sees them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from descend.lean import dataclass
from descend.task.beyond import Beyond

__all__ = ["Coming"]

Array = np.ndarray[Any, np.dtype[Any]]


@dataclass(frozen=True)
class Coming:
    """The columns of a program's data out of a source; see `graph.program.RowStream`.

    Attributes:
        seed: by which the rows of each window are shuffled; None where they keep their order.
    """

    beyond: Beyond
    columns: Sequence[str]
    seed: int | None = None

    def blocks(self) -> Iterator[tuple[int, Sequence[Array]]]:
        """The first row of each block, and the columns from there on."""
        return self.beyond.blocks(self.columns)

    def windows(self, rows: int, epoch: int) -> Iterator[tuple[int, Sequence[Array]]]:
        """So many rows at a time, shuffled among themselves."""
        drawn = None if self.seed is None else [self.seed % (1 << 64), epoch]
        return self.beyond.windows(self.columns, rows, drawn)
