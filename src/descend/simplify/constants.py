"""What is known before the program runs: constants, possibly repeated."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np

from descend.graph.linear import broadcast
from descend.graph.node import Dim, Node, RowsAsked
from descend.graph.source import CONST, const, value_of
from descend.simplify.triggers import on

__all__ = ["fold", "full", "same_kind", "uniform"]

FOLDED_ELEMENTS = 4096
REPEATED = 256  # elements that a repeated array may become
_SMALL = 64


def uniform(node: Node) -> Any:
    """The Python number that fills the whole node, if it is a repeated constant; else None."""
    if node.op.name == "broadcast":
        node = node.args[0]
    if node.op is CONST:
        attrs = node.attrs
        if not attrs["shape"]:
            return _number(attrs["data"], attrs["dtype"])
    return None


@lru_cache(maxsize=4096)
def _number(data: bytes, dtype: str) -> Any:
    return np.frombuffer(data, dtype)[0].item()


def full(model: Node, value: Any) -> Node:
    """A constant with the shape and dtype of a node."""
    return broadcast(const(value, model.dtype), model.shape, ())


def same_kind(node: Node) -> Node | None:
    """A small constant array of equal bits is one number repeated."""
    if not node.shape or not 0 < node.size <= _SMALL:
        return None
    value = value_of(node)
    first = value.flat[:1].tobytes()
    if value.tobytes() != first * value.size:
        return None
    return broadcast(const(value.flat[0], node.dtype), node.shape, ())


@on("const")
def fold(node: Node) -> Node | None:
    """Compute now what depends on constants alone, unless it would grow large."""
    for a in node.args:
        if a.op is not CONST:
            return None
    if any(isinstance(n, Dim) for n in node.shape) or node.size > FOLDED_ELEMENTS:
        return None
    if node.op.name == "broadcast" and (node.args[0].shape == () or node.size > REPEATED):
        return None
    if node.op.kind not in ("elementwise", "linear", "multilinear", "selection"):
        return None
    try:
        with np.errstate(all="ignore"):
            value = node.op.meaning(*map(value_of, node.args), **node.attrs)
    except (IndexError, RowsAsked, KeyError):
        return None
    return const(np.asarray(value, node.dtype))
