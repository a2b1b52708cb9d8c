"""Indices that are not known before the program runs, and may lie outside of their array.

Compiled code reads and writes nothing out of bounds, but it cannot raise. So the smallest and the
largest index of each access are computed beside the result, and judged after the run.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from descend.graph.node import Dim, Node, postorder
from descend.graph.selection import reduce_max, reduce_min
from descend.graph.source import CONST
from descend.lean import dataclass
from descend.trace.context import Origin
from descend.trace.indexing import IN_BOUNDS, OUTSIDE, TraceIndexError

__all__ = ["Check", "index_checks"]

@dataclass(frozen=True)
class Check:
    """Judges one access by the smallest and the largest index, which follow the results proper.

    Attributes:
        place: where among the results the two are found.
        extent: how many elements the indexed axis has.
        where: the user's line.
    """

    place: int
    extent: int
    where: str | None

    def __call__(self, results: Sequence[Any]) -> None:
        low, high = results[self.place], results[self.place + 1]
        if low < 0 or high >= self.extent:
            bad = int(low) - self.extent if low < 0 else int(high)
            what = "an index" if bad == OUTSIDE else f"index {bad}"
            axis = "its axis" if bad == OUTSIDE else f"an axis of {self.extent} elements"
            raise TraceIndexError(f"{what} is out of bounds for {axis}", where=self.where)


def index_checks(
    outputs: Sequence[Node], origin: Callable[[Node], Origin | None], first: int
) -> tuple[list[Node], list[Check]]:
    """What must be computed to judge the accesses of a graph; and the judges, for results in
    which the first of these outputs has the given place."""
    more: list[Node] = []
    checks: list[Check] = []
    for node in postorder(outputs):
        if node.op.name != "take":
            continue
        x, index = node.args
        extent = x.shape[node.attrs["axis"]]
        if index.op is CONST or index.op.name in IN_BOUNDS or isinstance(extent, Dim):
            continue
        if 0 in index.shape:
            continue
        axes = tuple(range(index.ndim))
        line = origin(node)
        where = None if line is None else str(line)
        checks.append(Check(first + len(more), extent, where))
        more += [reduce_min(index, axes), reduce_max(index, axes)]
    return more, checks
