"""Where a graph is not smooth in its parameters, by steps or kinks, and whether at the data."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from descend.graph.node import Node, postorder

__all__ = ["FEW", "SIDES", "STEPS", "breaking", "compares"]

FEW = 4  # numbers that places are looked for
STEPS = ("step", "comparison")
SIDES = {"abs": 1, "max": 2, "min": 2}
"""Operations with a kink at 0, or where their two arguments meet."""


def breaking(outputs: Sequence[Node]) -> Iterator[Node]:
    """The operations that make steps, or kinks at a known place."""
    for node in postorder(outputs):
        if node.op.breaks in STEPS or (node.op.breaks == "kink" and node.op.name in SIDES):
            yield node


def compares(outputs: Sequence[Node], data: Iterable[Node], leaves: Iterable[Node]) -> bool:
    """Whether a leaf of few numbers is compared with the data, by steps or at kinks."""
    known, own = {*data}, {leaf for leaf in leaves if leaf.size <= FEW}
    below = (set(postorder([node])) for node in breaking(outputs))
    return any(known & nodes and own & nodes for nodes in below)
