"""A prediction graph as JSON, and back: one entry a node, in the order of evaluation."""

from __future__ import annotations

from typing import Any

import numpy as np

from descend.errors import UsageError
from descend.graph.node import Dim, Node, postorder
from descend.graph.primitive import PRIMITIVES
from descend.graph.source import CONST, INPUT, const, input_node, value_of
from descend.train.predictor import Predictor

__all__ = ["graph_from_json", "graph_to_json"]

Array = np.ndarray[Any, np.dtype[Any]]


def graph_to_json(predictor: Predictor, arrays: list[Array]) -> dict[str, Any]:
    """Describe the graph; its constants and captured arrays are appended to `arrays`.

    Raises:
        UsageError: the model uses an operation that cannot be written down.
    """
    outputs = predictor.outputs
    order = postorder([*outputs, *predictor.data.values(), *predictor.leaves.values()])
    number = {node: i for i, node in enumerate(order)}
    captured = {node: array for node, array in predictor.captured if node in number}
    nodes = []
    for node in order:
        entry: dict[str, Any] = {"op": node.op.name, "args": [number[a] for a in node.args]}
        if node.op is CONST:
            entry["value"] = len(arrays)
            arrays.append(value_of(node))
        elif node.op is INPUT:
            entry |= {"name": node.attrs["name"], "dtype": node.dtype.str}
            entry["shape"] = [_plain(n) for n in node.shape]
        else:
            entry["attrs"] = {k: _attribute(v, node) for k, v in node.attrs.items()}
        nodes.append(entry)
    kept = []
    for node, array in captured.items():
        kept.append([number[node], len(arrays)])
        arrays.append(array)
    return {
        "nodes": nodes,
        "outputs": [number[o] for o in outputs],
        "data": [[name, number[node]] for name, node in predictor.data.items()],
        "leaves": [[name, number[node]] for name, node in predictor.leaves.items()],
        "captured": kept,
        "rows": predictor.rows if isinstance(predictor.rows, int) else None,
    }


def _plain(extent: Any) -> Any:
    return "rows" if isinstance(extent, Dim) else extent


def _attribute(value: Any, node: Node) -> Any:
    if isinstance(value, tuple):
        return [_attribute(v, node) for v in value]
    if isinstance(value, Dim):
        return "$rows"
    if value is None or isinstance(value, bool | int | float | str):
        return value
    raise UsageError(
        f"a model with {node.op.name} in it cannot be saved yet",
        remedy="keep the model's source, and save fit.params",
    )


def graph_from_json(text: dict[str, Any], by_name: bool, arrays: Any) -> Predictor:
    """Build the graph anew; every operation must stand in the table of primitives.

    Raises:
        KeyError, ValueError: the description is damaged.
    """
    rows: Dim | int = Dim("rows") if text["rows"] is None else int(text["rows"])
    nodes: list[Node] = []
    for entry in text["nodes"]:
        if entry["op"] == "const":
            nodes.append(const(arrays[entry["value"]]))
        elif entry["op"] == "input":
            shape = tuple(rows if n == "rows" else int(n) for n in entry["shape"])
            nodes.append(input_node(entry["name"], shape, np.dtype(entry["dtype"])))
        else:
            attrs = {k: _restored(v, rows) for k, v in entry["attrs"].items()}
            args = [nodes[i] for i in entry["args"]]
            nodes.append(PRIMITIVES[entry["op"]].apply(*args, **attrs))
    return Predictor(
        tuple(nodes[i] for i in text["outputs"]),
        {name: nodes[i] for name, i in text["data"]},
        {name: nodes[i] for name, i in text["leaves"]},
        [(nodes[i], arrays[k]) for i, k in text["captured"]],
        rows,
        by_name,
    )


def _restored(value: Any, rows: Any) -> Any:
    if isinstance(value, list):
        return tuple(_restored(v, rows) for v in value)
    return rows if value == "$rows" else value
