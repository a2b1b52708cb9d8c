"""What of the arguments of a call decides the graph: forms, shapes, dtypes, and small values."""

from __future__ import annotations

from collections.abc import Callable, Collection, Hashable, Mapping, Sequence
from typing import Any

import numpy as np

from descend.differentiate.arguments import Key
from descend.trace.tree import flatten
from descend.trace.typing_rules import LONG

__all__ = ["Unkeyed", "signature"]

COMPARED_BYTES = 1024
_FIXED = frozenset((int, bool, str, bytes, complex, type(None), type(...), slice, np.ufunc, type))
_HELD = frozenset("biuf")

Describe = Callable[[Any, list[Any]], Hashable]


class Unkeyed(Exception):
    """An argument whose changes could not be seen from a key, such as an object of the user's."""


def signature(
    args: Sequence[Any],
    kwargs: Mapping[str, Any],
    chosen: Collection[Key],
    vectors: Sequence[Any] = (),
    by_value: bool = False,
) -> tuple[Hashable, list[Any]]:
    """A key of the structure of a call, and the leaves that get inputs, in the order of the call.

    Args:
        chosen: the places of the differentiated arguments, in which integers count as floats.
        vectors: further trees of numbers: tangents.
        by_value: whether the values of all other arguments belong to the key.

    Raises:
        Unkeyed: the key would have to hold what may change, or a large array.

    >>> signature([np.ones(3), 2], {"rate": 0.5}, {0})
    (((((3,), dtype('float64')), (<class 'int'>, 2)), ('rate',), <class 'float'>), [..., 0.5])
    """
    leaves: list[Any] = []
    rest = _by_value if by_value else _other
    parts = [(_chosen if i in chosen else rest)(value, leaves) for i, value in enumerate(args)]
    if not kwargs and not vectors:
        return tuple(parts), leaves
    named = [(_chosen if k in chosen else rest)(value, leaves) for k, value in kwargs.items()]
    further = [_chosen(value, leaves) for value in vectors]
    return (tuple(parts), tuple(kwargs), *named, *further), leaves


def _chosen(value: Any, leaves: list[Any]) -> Hashable:
    """An argument that is differentiated: every leaf gets an input."""
    kind = type(value)
    if kind is np.ndarray:
        leaves.append(value if value.dtype is not LONG else value.astype(np.float64))
        return value.shape, value.dtype
    if kind is float or kind is int:
        leaves.append(value)
        return float
    return _parts(value, leaves, _chosen)


def _other(value: Any, leaves: list[Any]) -> Hashable:
    """Another argument: arrays and floats get inputs, integers and the like count as they are."""
    kind = type(value)
    if kind is np.ndarray and value.dtype.kind in _HELD:
        leaves.append(value if value.dtype is not LONG else value.astype(np.float64))
        return value.shape, value.dtype
    if kind is float:
        leaves.append(value)
        return float
    return (kind, value) if kind in _FIXED else _parts(value, leaves, _other)


def _by_value(value: Any, leaves: list[Any]) -> Hashable:
    """Another argument whose values matter: all of them belong to the key."""
    kind = type(value)
    if kind is np.ndarray or isinstance(value, np.generic):
        if value.dtype.hasobject or value.nbytes > COMPARED_BYTES:
            raise Unkeyed
        return kind, value.shape, value.dtype, value.tobytes()
    if kind is float:
        return float, value.hex()
    return (kind, value) if kind in _FIXED else _parts(value, leaves, _by_value)


def _parts(value: Any, leaves: list[Any], describe: Describe) -> Hashable:
    """A NumPy scalar, or a tree by its form and its leaves."""
    kind = type(value)
    if kind is dict:
        return (kind, tuple(value), *[describe(v, leaves) for v in value.values()])
    if kind is list or kind is tuple:
        return (kind, *[describe(v, leaves) for v in value])
    if isinstance(value, np.generic) and value.dtype.kind in _HELD:
        leaves.append(value if value.dtype is not LONG else np.float64(value))
        return (), value.dtype
    within, tree = flatten(value)
    if tree.is_leaf:
        raise Unkeyed
    return (tree, *[describe(leaf, leaves) for leaf in within])
