"""Whether a model's rows know of one another: then a batch is another model than all rows."""

from __future__ import annotations

from descend.graph.node import Dim, Node, postorder
from descend.trace.model import Model

__all__ = ["coupling"]


def coupling(model: Model) -> str:
    """Return the place at which a model's rows are mixed, or an empty string.

    The place is the user's line where it is known, else the operation in words.
    """
    rows = model.rows
    if not isinstance(rows, Dim):
        return ""
    for node in postorder(model.nodes):
        words = _mixes(node, rows)
        if words:
            place = model.origin(node)
            return words if place is None else str(place)
    return ""


def _mixes(node: Node, rows: Dim) -> str:
    if node.args and not any(rows in a.shape for a in node.args):
        return ""
    if node.args and rows not in node.shape:
        return node.op.name
    return node.op.mixes(node, rows)
