"""Trees of parameters: nested dicts, lists, tuples and dataclasses with arrays at the leaves.

Plain numbers, arrays and flat dicts of them need no library; everything else is optree's, which is
imported when the first such tree is met.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from descend.graph.node import Node
from descend.trace.tensor import Tensor

__all__ = ["Tree", "flatten", "leaf_names", "unflatten"]

_LEAVES = (Node, Tensor, np.ndarray, np.generic, int, float, complex, str)


class Tree:
    """The shape of a tree: what `unflatten` needs besides the leaves."""

    __slots__ = ("keys", "spec")

    def __init__(self, keys: tuple[str, ...] | None = None, spec: Any = None) -> None:
        self.keys = keys
        self.spec = spec

    @property
    def is_leaf(self) -> bool:
        return self.keys is None and self.spec is None

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Tree) and self.keys == other.keys and bool(self.spec == other.spec)

    def __hash__(self) -> int:
        return hash((self.keys, self.spec))

    def __repr__(self) -> str:
        return f"Tree({self.keys or self.spec or '*'})"


LEAF = Tree()


def flatten(tree: Any) -> tuple[list[Any], Tree]:
    """The leaves in a fixed order (dicts in the order of their keys' insertion), and the rest.

    >>> flatten({"w": 1.0, "b": 2.0})
    ([1.0, 2.0], Tree(('w', 'b')))
    """
    if isinstance(tree, _LEAVES):
        return [tree], LEAF
    if type(tree) is dict and all(
        isinstance(k, str) and isinstance(v, _LEAVES) for k, v in tree.items()
    ):
        return list(tree.values()), Tree(tuple(tree))
    import optree

    with optree.dict_insertion_ordered(True, namespace="descend"):
        leaves, spec = optree.tree_flatten(tree, namespace="descend")
    return leaves, LEAF if spec.is_leaf() else Tree(None, spec)


def unflatten(tree: Tree, leaves: Sequence[Any]) -> Any:
    """The tree again, with these leaves.

    >>> unflatten(flatten({"w": 1.0, "b": 2.0})[1], [3.0, 4.0])
    {'w': 3.0, 'b': 4.0}
    """
    if tree.keys is not None:
        return dict(zip(tree.keys, leaves, strict=True))
    if tree.spec is None:
        (leaf,) = leaves
        return leaf
    import optree

    return optree.tree_unflatten(tree.spec, leaves)


def leaf_names(tree: Tree) -> list[str]:
    """A name for each leaf: `w`, `layers[0].bias`, … ('' for a tree that is one leaf).

    >>> leaf_names(flatten({"w": 1.0, "layers": [{"bias": 0.0}, 2.0]})[1])
    ['w', 'layers[0].bias', 'layers[1]']
    """
    if tree.keys is not None:
        return list(tree.keys)
    if tree.spec is None:
        return [""]
    return ["".join(_step(s) for s in path).removeprefix(".") for path in tree.spec.paths()]


def _step(key: Any) -> str:
    return f"[{key}]" if isinstance(key, int) else f".{key}"
