"""A closed part of a graph that is compiled by itself, once for all programs that have it.

`shared` has the arguments and the results of its body. It belongs to methods, whose step is the
same for every model of as many parameters, and comes after differentiation.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from descend.errors import InternalError
from descend.graph.evaluate import Prepared
from descend.graph.node import Array, Node, Several, Typed, declare_several, postorder
from descend.graph.subgraph import Body

__all__ = ["SHARED", "shared_bodies"]


def shared_bodies(outputs: Iterable[Node]) -> list[Body]:
    """The different bodies of a graph, in an order fixed by its outputs."""
    order = postorder(outputs)
    return list(dict.fromkeys(n.attrs["body"] for n in order if n.op is SHARED))


def _infer(args: tuple[Node, ...], attrs: Mapping[str, Any]) -> Typed:
    body: Body = attrs["body"]
    for arg, inner in zip(args, body.inputs, strict=True):
        if arg.shape != inner.shape or arg.dtype != inner.dtype:
            raise InternalError(f"shared: argument {arg} for {inner}")
    result = body.outputs[attrs["index"]]
    return result.shape, result.dtype


def _meaning(*arrays: Array, body: Body, **_attrs: Any) -> tuple[Array, ...]:
    prepared = body.once("prepared", lambda: Prepared(body.outputs, body.inputs))
    return tuple(prepared(arrays, body.extents or {}))


def _unused(*_args: Any) -> Any:
    raise InternalError("a shared graph belongs to methods: nothing is differentiated through it")


SHARED = declare_several("shared", "loop", _infer, Several(_meaning, _unused, _unused, _unused))
