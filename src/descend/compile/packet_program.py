"""What is done for every one of many trainings on the same rows."""

from __future__ import annotations

from descend.graph.node import Dim, Node
from descend.graph.program import Plan
from descend.lean import dataclass

__all__ = ["CONTROL", "PacketProgram"]

CONTROL = (
    "n_rows", "epoch", "until", "shuffle_key", "batch_size", "batch", "first", "count", "begins",
)  # fmt: skip
"""All rows, the epoch, the one before which to stop, what orders the rows, the rows of a batch, the
batch, the first packet, how many packets there are, and whether their trainings begin."""


@dataclass(frozen=True)
class PacketProgram:
    """The graphs of a single training; those of a packet differ in `own` inputs alone.

    Attributes:
        state: inputs: what a training carries from step to step.
        own: inputs: small arrays of the training.
        data: inputs: columns with the rows first, read by all.
        fixed: inputs: the same for all.
        index: input: the number of the epoch (float64).
        rows: the extent of a batch.
        plan: how rows become batches.
        begin: the state before the first step, of `own` and `fixed`.
        step: the state after a batch.
        end: the state after an epoch.
        code: which of the states is 0 while the training goes on.
    """

    state: tuple[Node, ...]
    own: tuple[Node, ...]
    data: tuple[Node, ...]
    fixed: tuple[Node, ...]
    index: Node
    rows: Dim
    plan: Plan
    begin: tuple[Node, ...]
    step: tuple[Node, ...]
    end: tuple[Node, ...]
    code: int
