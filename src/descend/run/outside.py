"""Indices in new rows that lie outside of their array: in the words of a fit, not of NumPy."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from descend.differentiate.indices import index_checks
from descend.errors import DataError
from descend.graph.evaluate import evaluate
from descend.graph.node import Dim, Node, postorder
from descend.trace.context import Origin
from descend.trace.indexing import MOVING

__all__ = ["check_whole", "refuse_outside"]

Array = np.ndarray[Any, np.dtype[Any]]


def check_whole(name: str, column: Array) -> None:
    """Refuse a column that a model uses as an index and that holds other numbers than whole ones.

    Raises:
        DataError: with the first such number.
    """
    broken = np.flatnonzero(np.floor(column) != column)
    if broken.size:
        raise DataError(
            f"the model uses {name} as an index, and it holds {column.flat[broken[0]]:g}",
            remedy="an index is a whole number: round the column, or index with .astype(int)",
        )


def refuse_outside(
    outputs: Sequence[Node],
    bound: Mapping[Node, Array],
    extents: Mapping[Dim, int],
    names: Mapping[Node, str],
    origin: Callable[[Node], Origin | None],
) -> None:
    """Judge every index of a graph that NumPy could not evaluate.

    Args:
        bound: the arrays of all inputs; those of columns have names.

    Raises:
        DataError: a column that is used as an index holds something else than whole numbers.
        TraceIndexError: an index lies outside of its array, with the user's line.
    """
    for column in _used_as_whole(outputs):
        if column in names:
            check_whole(names[column], np.asarray(bound[column]))
    nodes, checks = index_checks(outputs, origin, 0)
    results = evaluate(nodes, dict(bound), dict(extents))
    for check in checks:
        check(results)


def _used_as_whole(outputs: Sequence[Node]) -> Iterator[Node]:
    """Inputs of floats that are indices (see `trace.indexing`)."""
    indices = [node.args[1] for node in postorder(outputs) if node.op.name == "take"]
    for node in postorder(indices):
        if node.op.name == "eq" and node.args[0].op.name == "floor":
            part = node.args[0].args[0]
            while part.op.name in MOVING:
                part = part.args[0]
            yield part
