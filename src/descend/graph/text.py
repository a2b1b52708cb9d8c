"""Graphs as text: one line a node, in the order of evaluation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from descend.graph.node import Node, postorder
from descend.graph.source import CONST, INPUT, value_of

__all__ = ["graph_text"]


def _attribute(value: object) -> str:
    return str(value).replace(" ", "") if isinstance(value, tuple) else str(value)


def _right_side(node: Node, names: Mapping[Node, str]) -> str:
    if node.op is INPUT:
        return f"input {node.attrs['name']}"
    if node.op is CONST:
        with np.printoptions(threshold=6, precision=17):
            return f"const {np.array2string(value_of(node), separator=',')}"
    hidden = {"dtype"} if node.op.name != "cast" else set()
    attrs = [f"{k}={_attribute(v)}" for k, v in node.attrs.items() if k not in hidden]
    return " ".join([node.op.name, *(names[a] for a in node.args), *attrs])


def graph_text(roots: Sequence[Node], titles: Sequence[str] = ()) -> str:
    """The graph as numbered lines, equal for equal graphs.

    >>> from descend.graph.source import input_node
    >>> from descend.graph.elementwise import call
    >>> x = input_node("x")
    >>> print(graph_text([call("mul", x, x)], ["y"]))
    %0 = input x : float64[]
    %1 = mul %0 %0 : float64[]
    y = %1
    """
    names: dict[Node, str] = {}
    lines = []
    for node in postorder(roots):
        names[node] = f"%{len(names)}"
        shape = ",".join(map(str, node.shape))
        lines.append(f"{names[node]} = {_right_side(node, names)} : {node.dtype.name}[{shape}]")
    for i, root in enumerate(roots):
        lines.append(f"{titles[i] if titles else f'out{i}'} = {names[root]}")
    return "\n".join(lines)
