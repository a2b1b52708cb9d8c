"""Whether a model's rows know of one another: then a batch is another model than all rows."""

from __future__ import annotations

from descend.graph.node import mixing
from descend.trace.model import Model

__all__ = ["coupling"]


def coupling(model: Model) -> str:
    """Return the place at which a model's rows are mixed, or an empty string.

    The place is the user's line where it is known, else the operation in words.
    """
    node, words = mixing(model.nodes, model.rows)
    place = None if node is None else model.origin(node)
    return words if place is None else str(place)
