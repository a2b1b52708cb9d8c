"""The reference interpreter: what a graph means, in NumPy, one node at a time."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from typing import Any

import numpy as np

import descend.graph.elementwise
import descend.graph.multilinear
import descend.graph.selection  # noqa: F401  (the table must be whole)
from descend.errors import InternalError, UsageError
from descend.graph.node import Dim, Node, postorder
from descend.graph.primitive import Array
from descend.graph.source import INPUT
from descend.graph.subgraph import Body, group_key

__all__ = ["bind_extents", "concrete", "evaluate"]


def bind_extents(bindings: Mapping[Node, Array]) -> dict[Dim, int]:
    """Read the symbolic extents off the bound arrays; raises `UsageError` where they disagree."""
    extents: dict[Dim, int] = {}
    for node, value in bindings.items():
        if len(node.shape) != value.ndim:
            raise UsageError(f"{node.attrs['name']} has {value.ndim} axes, not {len(node.shape)}")
        for want, got in zip(node.shape, value.shape, strict=True):
            expected = extents.setdefault(want, got) if isinstance(want, Dim) else want
            if expected != got:
                raise UsageError(
                    f"{node.attrs['name']} has shape {value.shape}; expected {node.shape}"
                )
    return extents


def concrete(value: Any, extents: Mapping[Dim, int]) -> Any:
    """An attribute with its symbolic extents filled in."""
    if isinstance(value, Dim):
        return extents[value]
    if isinstance(value, tuple):
        return tuple(concrete(v, extents) for v in value)
    return value.bound_to(extents) if isinstance(value, Body) else value


def evaluate(
    outputs: Sequence[Node],
    bindings: Mapping[Node, Array],
    extents: Mapping[Dim, int] | None = None,
) -> list[Array]:
    """The values of the outputs, given the values of the inputs.

    Floating-point exceptions pass silently, as in the compiled program: infinities and NaN are
    values here, and judged where they matter.

    >>> from descend.graph.source import input_node
    >>> from descend.graph.elementwise import call
    >>> x = input_node("x")
    >>> evaluate([call("mul", x, x)], {x: np.array(3.0)})
    [array(9.)]
    """
    sizes = dict(extents or {}) | bind_extents(bindings)
    values: dict[Node, Array] = {n: np.asarray(v, n.dtype) for n, v in bindings.items()}
    order = postorder(outputs, stop=lambda n: n in values)
    last = {arg: i for i, node in enumerate(order) for arg in node.args}
    kept = set(outputs) | set(bindings)
    groups: dict[Hashable, tuple[Array, ...]] = {}
    with np.errstate(all="ignore"):
        for i, node in enumerate(order):
            if node in values:
                continue
            if node.op is INPUT:
                raise InternalError(f"input {node.attrs['name']} is not bound")
            attrs = {k: concrete(v, sizes) for k, v in node.attrs.items()}
            arrays = [values[a] for a in node.args]
            if node.op.several is None:
                result = node.op.meaning(*arrays, **attrs)
            else:
                key = group_key(node)
                if key not in groups:
                    groups[key] = node.op.several.meaning(*arrays, **attrs)
                result = groups[key][attrs["index"]]
            values[node] = np.asarray(result, node.dtype)
            for arg in set(node.args):
                if last[arg] == i and arg not in kept:
                    del values[arg]
    return [values[o] for o in outputs]
