"""The grammar of graphs: every node is what its primitive says it is. Run after passes in tests."""

from __future__ import annotations

from collections.abc import Iterable

from descend.errors import InternalError
from descend.graph.node import PRIMITIVES, Node, postorder

__all__ = ["check_graph"]


def check_graph(roots: Iterable[Node]) -> int:
    """Infer every node anew and compare; returns the number of nodes, raises `InternalError`."""
    order = postorder(roots)
    for node in order:
        if PRIMITIVES.get(node.op.name) is not node.op:
            raise InternalError(f"{node} applies a primitive that is not in the table")
        shape, dtype = node.op.infer(node.args, node.attrs)
        if shape != node.shape or dtype != node.dtype:
            raise InternalError(f"{node} should be {dtype}{list(shape)}")
    return len(order)
