"""What the families share: common dtypes, results, `out=`."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from descend.errors import TraceError
from descend.graph.elementwise import cast
from descend.graph.node import Node
from descend.trace.context import note, where
from descend.trace.known import Known
from descend.trace.operators import in_place_value
from descend.trace.rows import Rows
from descend.trace.tensor import Tensor, as_node, check_data, wrap

__all__ = ["common_dtype", "deliver", "float_node", "joined_nodes"]

_WEAK_VALUES = {"f": 1.0, "i": 1, "b": True}


def _typed(value: Any) -> Any:
    """What `np.result_type` shall see of a value: a dtype, or a Python number for a weak one."""
    if isinstance(value, Tensor):
        if value.__class__ is Tensor and value._weak:
            return _WEAK_VALUES[value.dtype.kind]
        return value.dtype
    if isinstance(value, Node):
        return value.dtype
    if isinstance(value, Rows):
        return 1
    if value.__class__ in (int, float, bool):
        return value
    if isinstance(value, (list, tuple)):
        return as_node(value).dtype
    array = np.asarray(value)
    check_data(array)
    return array.dtype


def common_dtype(values: Iterable[Any]) -> np.dtype[Any]:
    """The dtype that NumPy computes values together in; Python numbers are weak."""
    return np.result_type(*(_typed(v) for v in values))


def joined_nodes(values: Iterable[Any], dtype: Any = None) -> list[Node]:
    """Values as nodes of one dtype, where each counts as an array (no weak numbers)."""
    nodes = [as_node(v) for v in values]
    wanted = np.result_type(*(n.dtype for n in nodes)) if dtype is None else np.dtype(dtype)
    return [cast(n, wanted) for n in nodes]


def float_node(value: Any) -> Node:
    """A value as a node of floats; integers become float64."""
    node = as_node(value)
    return node if node.dtype.kind == "f" else cast(node, np.float64)


def deliver(node: Node, out: Any = None) -> Any:
    """The result as a stand-in, written into `out` if there is one."""
    note(node)
    if isinstance(out, tuple):
        (out,) = out
    if out is None:
        return wrap(node)
    if not isinstance(out, Tensor):
        raise TraceError(
            "out=: a plain array cannot hold traced values",
            where=where(),
            remedy="make the array in the model (np.empty, np.zeros), or drop out=",
        )
    if out.__class__ is Known:
        out.become_traced()
    out._put(None, in_place_value("out", node, out))
    return out
