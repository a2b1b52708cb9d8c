"""Trees of parameters: nested dicts, lists, tuples and dataclasses with arrays at the leaves.

Dicts, lists and tuples need no library; named tuples, ordered dicts and classes registered with
optree are optree's, which is imported when the first such tree is met.
"""

from __future__ import annotations

import sys
from collections import deque
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

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
    kind = type(tree)
    if kind is dict and all(isinstance(k, str) for k in tree):
        if all(isinstance(v, _LEAVES) for v in tree.values()):
            return list(tree.values()), Tree(tuple(tree))
        return _flatten_own(dict, tuple(tree), tree.values())
    if kind is list or kind is tuple:
        return _flatten_own(kind, tuple(range(len(tree))), tree)
    if not _is_optrees(tree):
        return [tree], LEAF
    import optree

    with optree.dict_insertion_ordered(True, namespace="descend"):
        leaves, spec = optree.tree_flatten(tree, namespace="descend")
    return leaves, LEAF if spec.is_leaf() else Tree(None, spec)


class _Own(NamedTuple):
    """A dict, list or tuple with trees in it."""

    kind: type
    keys: tuple[Any, ...]
    children: tuple[Tree, ...]
    sizes: tuple[int, ...]

    def paths(self) -> list[tuple[Any, ...]]:
        """The keys that lead to every leaf."""
        return [
            (key, *rest)
            for key, child in zip(self.keys, self.children, strict=True)
            for rest in _paths(child)
        ]


def _paths(tree: Tree) -> list[tuple[Any, ...]]:
    if tree.keys is not None:
        return [(key,) for key in tree.keys]
    return [()] if tree.spec is None else list(tree.spec.paths())


def _flatten_own(
    kind: type, keys: tuple[Any, ...], values: Iterable[Any]
) -> tuple[list[Any], Tree]:
    leaves: list[Any] = []
    children, sizes = [], []
    for value in values:
        own, tree = flatten(value)
        leaves += own
        children.append(tree)
        sizes.append(len(own))
    return leaves, Tree(None, _Own(kind, keys, tuple(children), tuple(sizes)))


def _is_optrees(value: Any) -> bool:
    """Whether optree may know the value as a tree: a container, or registered with optree."""
    known = value is None or isinstance(value, dict | list | tuple | deque)
    return known or "optree" in sys.modules


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
    if isinstance(tree.spec, _Own):
        spec, at, values = tree.spec, 0, []
        for child, size in zip(spec.children, spec.sizes, strict=True):
            values.append(unflatten(child, leaves[at : at + size]))
            at += size
        return dict(zip(spec.keys, values, strict=True)) if spec.kind is dict else spec.kind(values)
    import optree

    return optree.tree_unflatten(tree.spec, leaves)


def leaf_names(tree: Tree) -> list[str]:
    """A name for each leaf: `w`, `layers[0].bias`, … ('' for a tree that is one leaf).

    >>> leaf_names(flatten({"w": 1.0, "layers": [{"bias": 0.0}, 2.0]})[1])
    ['w', 'layers[0].bias', 'layers[1]']
    """
    return ["".join(_step(s) for s in path).removeprefix(".") for path in _paths(tree)]


def _step(key: Any) -> str:
    return f"[{key}]" if isinstance(key, int) else f".{key}"
