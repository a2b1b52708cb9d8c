"""Whether a model's rows know of one another: then a batch is another model than all rows."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from descend.graph.node import Dim, Node, mixing, postorder
from descend.trace.context import Origin
from descend.trace.model import Model

__all__ = ["coupling", "mixed_at"]


def coupling(model: Model) -> str:
    """Return the place at which a model's rows are mixed, or an empty string.

    The place is the user's line where it is known, else the operation in words.
    """
    return mixed_at(model.nodes, model.rows, model.origin)


def mixed_at(
    outputs: Sequence[Node], rows: Dim | int, origin: Callable[[Node], Origin | None],
    known: frozenset[Node] = frozenset(),
) -> str:  # fmt: skip
    """The place at which rows are mixed: the line of what mixes them, or of what is made of it.

    Args:
        known: nodes that are not looked at, nor what they are made of.
    """
    node, words = mixing(outputs, rows, known)
    if node is None:
        return ""
    made = {node}
    for above in postorder(outputs):
        if above in made or not made.isdisjoint(above.args):
            made.add(above)
            place = origin(above)
            if place is not None:
                return str(place)
    return words
