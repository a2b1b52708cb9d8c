"""Primitives without arguments: inputs, constants, counting."""

from __future__ import annotations

import itertools
import struct
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from descend.errors import InternalError
from descend.graph.node import (
    Array,
    Dim,
    Mixes,
    Node,
    Primitive,
    Shape,
    Typed,
    apart,
    intern,
    register,
)

__all__ = [
    "CONST",
    "INPUT",
    "IOTA",
    "ROW_COUNT",
    "const",
    "input_node",
    "iota",
    "is_const",
    "row_count",
    "value_of",
]

_tokens = itertools.count()
_FLOAT = np.dtype(np.float64)
_pack = struct.Struct("=d").pack


def _no_vjp(_g: Node, _node: Node, _wanted: Sequence[bool]) -> list[Node | None]:
    return []


def _no_jvp(_tangents: list[Node | None], _node: Node) -> Node | None:
    return None


def _no_batch(_args: list[Node], _flags: list[bool], node: Node, _extent: Any) -> Node:
    raise InternalError(f"{node.op.name} has no arguments to batch")


def _declared(_args: tuple[Node, ...], attrs: Mapping[str, Any]) -> Typed:
    return attrs["shape"], np.dtype(attrs["dtype"])


def _input_meaning(**_attrs: Any) -> Array:
    raise InternalError("an input has no value of its own; bind it before evaluating")


def _const_meaning(*, data: bytes, shape: Shape, dtype: str) -> Array:
    return np.frombuffer(data, dtype=dtype).reshape(shape)


def _iota_meaning(*, shape: Sequence[int], axis: int, dtype: str) -> Array:
    counting = np.arange(shape[axis], dtype=dtype)
    column = counting.reshape([-1 if i == axis else 1 for i in range(len(shape))])
    return np.broadcast_to(column, tuple(shape))


def _row_count_type(_args: tuple[Node, ...], attrs: Mapping[str, Any]) -> Typed:
    return (), np.dtype(attrs["dtype"])


def _row_count_meaning(*, dim: int, dtype: str) -> Array:
    return np.asarray(dim).astype(dtype)


def _declare(
    name: str, finite: bool, infer: Callable[..., Typed], meaning: Callable[..., Array],
    mixes: Mixes = apart,
) -> Primitive:  # fmt: skip
    rules = (infer, meaning, _no_vjp, _no_jvp, _no_batch)
    return register(Primitive(name, "source", "source", finite, *rules, mixes=mixes))


def _counting(node: Node, rows: Dim) -> str:
    return "it counts the rows" if node.shape[node.attrs["axis"]] is rows else ""


INPUT = _declare("input", True, _declared, _input_meaning)
CONST = _declare("const", False, _declared, _const_meaning)
IOTA = _declare("iota", True, _declared, _iota_meaning, _counting)
ROW_COUNT = _declare(
    "row_count", True, _row_count_type, _row_count_meaning,
    lambda _node, _rows: "it uses the number of rows",
)  # fmt: skip


def row_count(dim: int | Dim, dtype: Any = np.float64) -> Node:
    """The number of rows as a scalar of the program: known when it runs (integers wrap)."""
    if isinstance(dim, int):
        return const(np.asarray(dim).astype(dtype))
    return ROW_COUNT.apply(dim=dim, dtype=np.dtype(dtype).str)


def input_node(
    name: str, shape: Shape = (), dtype: Any = np.float64, positive: bool = False
) -> Node:
    """A fresh placeholder, different from every other one.

    Args:
        positive: whether all values are known to be above 0, for they have been checked.
    """
    known = {"positive": True} if positive else {}
    return INPUT.apply(
        name=name, shape=tuple(shape), dtype=np.dtype(dtype).str, token=next(_tokens), **known
    )


def const(value: Any, dtype: Any = None) -> Node:
    """A constant of known value; equal bits are the same node."""
    if type(value) is float and (dtype is None or dtype is _FLOAT):
        data = {"data": _pack(value), "shape": (), "dtype": _FLOAT.str}
        return intern(CONST, (), data, (), _FLOAT)
    array = np.asarray(value, dtype=dtype)
    return CONST.apply(data=array.tobytes(), shape=array.shape, dtype=array.dtype.str)


def iota(shape: Shape, axis: int = 0, dtype: Any = np.int64) -> Node:
    """Counting along one axis: 0, 1, 2, …"""
    return IOTA.apply(shape=tuple(shape), axis=axis, dtype=np.dtype(dtype).str)


def is_const(node: Node) -> bool:
    return node.op is CONST


def value_of(node: Node) -> Array:
    """The array behind a constant node."""
    return CONST.meaning(**node.attrs)
