"""All parameters as one vector, and back."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from descend.graph.elementwise import cast
from descend.graph.linear import broadcast, concatenate, reshape, slice_
from descend.graph.node import Node

__all__ = ["fitted", "joined", "pieces"]


def pieces(vector: Node, leaves: Sequence[Node]) -> list[Node]:
    """The leaves that stand one after the other in a vector."""
    found, at = [], 0
    for leaf in leaves:
        part = slice_(vector, (at,), (at + leaf.size,), (1,))
        found.append(cast(reshape(part, leaf.shape), leaf.dtype))
        at += leaf.size
    return found


def joined(leaves: Sequence[Node], dtype: Any) -> Node:
    """One vector of all leaves."""
    return concatenate([cast(reshape(n, (n.size,)), dtype) for n in leaves], 0)


def fitted(node: Node, shape: Any, dtype: Any) -> Node:
    """The node in another shape of as many elements (one number for all of them) and dtype."""
    if node.shape != tuple(shape):
        node = broadcast(node, tuple(shape), ()) if not node.ndim else reshape(node, tuple(shape))
    return cast(node, dtype)
