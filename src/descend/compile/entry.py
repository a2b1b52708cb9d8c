"""What a compiled descent and its caller agree on: control words, buffers, the order of rows."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import field
from typing import TYPE_CHECKING, Any, Literal

from descend.compile.places import Place
from descend.graph.node import Node, sizes
from descend.lean import dataclass

if TYPE_CHECKING:
    from descend.compile.loops import Block

__all__ = [
    "CONTROL", "STAGES", "SUMS", "WHOLE", "DescentText", "Variant", "row_bytes", "swaps_rows",
]  # fmt: skip

CONTROL = (
    "n_rows", "max_epochs", "shuffle_key", "epoch", "batch", "budget", "steps", "status",
    "records", "capacity", "loss_sum", "reorder", "batch_size", "stage", "first_block",
    "end_block",
)  # fmt: skip
STAGES, SUMS = 3, 1
"""A pass over the rows has so many: what comes before, the sums of blocks, their combination."""
WHOLE = -1
"""The stage that stands for all of a step's, one after the other."""
WIDEST_SWAP = 64
Variant = Literal["whole", "remainder", "blocks"]
"""Whether all batches are equal, some may be smaller, or all rows are taken in blocks."""


@dataclass
class DescentText:
    """The text of a descent and what its caller must provide.

    `shared` are the calls of what is compiled by itself, in the order of their numbers: which of
    the program's bodies, the places of its arguments, those of its results. `parts` are what each
    block of rows comes to, `wires` the scratch that all threads have in common; `threads` is
    whether there may be several. `flow` is all of it in the loop language, `blocks` are what it
    runs on rows and at the end of an epoch.
    """

    text: str
    slots: Sequence[Any]
    scratch: Sequence[Place]
    records: Sequence[Place]
    spill: int
    shared: Sequence[tuple[int, Sequence[Place], Sequence[Place]]] = ()
    parts: Sequence[Place] = ()
    wires: Sequence[Place] = ()
    threads: bool = False
    blocks: dict[str, Block] = field(default_factory=dict)
    flow: Block | None = None

    def about(self) -> dict[str, Any]:
        """Everything but the text and the intermediate forms."""
        return {
            "slots": self.slots, "scratch": self.scratch, "records": self.records,
            "spill": self.spill, "shared": self.shared, "parts": self.parts,
            "wires": self.wires, "threads": self.threads,
        }  # fmt: skip


def row_bytes(node: Node) -> int:
    """The bytes of one row of a column."""
    return node.dtype.itemsize * math.prod(sizes(node.shape[1:]))


def swaps_rows(data: Sequence[Node]) -> bool:
    """Whether a shuffle moves rows (narrow ones) or only their numbers."""
    return sum(map(row_bytes, data)) <= WIDEST_SWAP
