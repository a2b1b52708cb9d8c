"""What is done for every one of many fits, and what its native text tells of itself."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from descend.compile.loops import Place
from descend.compile.native import cpu_lanes
from descend.graph.node import Dim, Node
from descend.lean import dataclass

__all__ = ["CONTROL", "ManyProgram", "LanesText", "lanes_of"]

CONTROL = ("next", "last", "most_steps", "rows", "kept")
"""The next fit to begin, the end of the range, the most steps a fit, the rows of the longest fit at
work, and how many finished fits wait for their results."""


@dataclass(frozen=True)
class ManyProgram:
    """What is done for every fit, as graphs of a single one.

    Attributes:
        state: inputs: what a fit carries from step to step.
        own: inputs: small arrays of the fit, such as its start.
        data: inputs: columns with the rows first.
        shared: whether all fits have the same column, for every column.
        fixed: inputs: the same for all fits.
        rows: the extent of the rows.
        begin: the state before the first step, of `own` and `fixed`.
        step: the state after a step, of all inputs.
        code: of the same: 0 to go on, else how the fit ended.
        results: of all inputs, once a fit has ended, after its last step.
    """

    state: tuple[Node, ...]
    own: tuple[Node, ...]
    data: tuple[Node, ...]
    shared: tuple[bool, ...]
    fixed: tuple[Node, ...]
    rows: Dim
    begin: tuple[Node, ...]
    step: tuple[Node, ...]
    code: Node
    results: tuple[Node, ...]


@dataclass
class LanesText:
    """The text of the function and what its caller must provide."""

    text: str
    slots: Sequence[Any]
    scratch: Sequence[Place]
    spill: int
    width: int

    def about(self) -> dict[str, Any]:
        return {
            "slots": self.slots, "scratch": self.scratch, "spill": self.spill, "width": self.width,
        }  # fmt: skip


def lanes_of(program: ManyProgram) -> int:
    """How many fits stand beside each other: as many numbers as a vector register holds.

    One where the program needs an algorithm that is no loop nest.
    """
    return max(2, cpu_lanes() // 8)
