"""A prediction graph as JSON, and back: one entry a node, in the order of evaluation."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from descend.errors import UsageError
from descend.graph.node import PRIMITIVES, Dim, Node, postorder
from descend.graph.source import CONST, INPUT, const, input_node, value_of
from descend.graph.subgraph import Body
from descend.run.predictor import Predictor

__all__ = ["GraphReader", "GraphWriter", "graph_from_json", "graph_to_json", "model_parts"]

Array = np.ndarray[Any, np.dtype[Any]]
LARGEST = 1 << 31  # numbers in one array of a graph


def graph_to_json(predictor: Predictor, arrays: list[Array]) -> dict[str, Any]:
    """Describe the graph; its constants and captured arrays are appended to `arrays`.

    The graphs inside nodes (bodies of loops, functions with a rule) stand in `bodies`, inner ones
    before those that use them.

    Raises:
        UsageError: the model uses an operation that cannot be written down.
    """
    outputs = predictor.outputs
    order = postorder([*outputs, *predictor.data.values(), *predictor.leaves.values()])
    writer = GraphWriter(arrays)
    number = {node: i for i, node in enumerate(order)}
    nodes = writer.nodes(order)
    kept = []
    for node, array in predictor.captured:
        if node in number:
            kept.append([number[node], len(arrays)])
            arrays.append(array)
    return {
        "nodes": nodes,
        "bodies": writer.bodies,
        "outputs": [number[o] for o in outputs],
        "data": [[name, number[node]] for name, node in predictor.data.items()],
        "leaves": [[name, number[node]] for name, node in predictor.leaves.items()],
        "captured": kept,
        "rows": predictor.rows if isinstance(predictor.rows, int) else None,
    }


def model_parts(predictor: Predictor) -> tuple[dict[str, Any], bool, list[Array]]:
    """A model as plain values and arrays, for a pickle; `graph_from_json` takes them."""
    arrays: list[Array] = []
    return graph_to_json(predictor, arrays), predictor.by_name, arrays


class GraphWriter:
    """Writes nodes down; every body is written once, so that the results of a loop share it."""

    def __init__(self, arrays: list[Array]) -> None:
        self.arrays = arrays
        self.bodies: list[dict[str, Any]] = []
        self._places: dict[Body, int] = {}

    def nodes(self, order: Sequence[Node]) -> list[dict[str, Any]]:
        """One entry a node; arguments are numbers of earlier ones."""
        number = {node: i for i, node in enumerate(order)}
        return [self._entry(node, [number[a] for a in node.args]) for node in order]

    def _entry(self, node: Node, args: list[int]) -> dict[str, Any]:
        entry: dict[str, Any] = {"op": node.op.name, "args": args}
        if node.op is CONST:
            entry["value"] = len(self.arrays)
            self.arrays.append(value_of(node))
        elif node.op is INPUT:
            entry |= {"name": node.attrs["name"], "dtype": node.dtype.str}
            entry["shape"] = ["rows" if isinstance(n, Dim) else n for n in node.shape]
        else:
            entry["attrs"] = {k: self._attribute(v, node) for k, v in node.attrs.items()}
        return entry

    def _attribute(self, value: Any, node: Node) -> Any:
        if isinstance(value, tuple):
            return [self._attribute(v, node) for v in value]
        if isinstance(value, Dim):
            return "$rows"
        if isinstance(value, Body):
            return {"body": self._body(value)}
        if value is None or isinstance(value, bool | int | float | str):
            return value
        raise UsageError(
            f"a model with {node.op.name} in it cannot be saved yet",
            remedy="keep the model's source, and save fit.params",
        )

    def _body(self, body: Body) -> int:
        """The place of a body among all; bodies lie in one another as deep as loops do."""
        if body not in self._places:
            order = postorder([*body.outputs, *body.inputs])
            number = {node: i for i, node in enumerate(order)}
            written = {
                "nodes": self.nodes(order),
                "inputs": [number[n] for n in body.inputs],
                "outputs": [number[n] for n in body.outputs],
            }
            self._places[body] = len(self.bodies)
            self.bodies.append(written)
        return self._places[body]


def graph_from_json(text: dict[str, Any], by_name: bool, arrays: Any) -> Predictor:
    """Build the graph anew; every operation must stand in the table of primitives.

    Raises:
        KeyError, ValueError: the description is damaged.
    """
    rows: Dim | int = Dim("rows") if text["rows"] is None else int(text["rows"])
    reader = GraphReader(arrays, rows)
    for entry in text.get("bodies", []):
        reader.add_body(entry)
    nodes = reader.nodes(text["nodes"])
    return Predictor(
        tuple(nodes[i] for i in text["outputs"]),
        {name: nodes[i] for name, i in text["data"]},
        {name: nodes[i] for name, i in text["leaves"]},
        [(nodes[i], arrays[k]) for i, k in text["captured"]],
        rows,
        by_name,
    )


class GraphReader:
    """Builds nodes from what `GraphWriter` wrote."""

    def __init__(self, arrays: Any, rows: Dim | int) -> None:
        self.arrays = arrays
        self.rows = rows
        self.bodies: list[Body] = []

    def add_body(self, entry: Mapping[str, Any]) -> None:
        """Build a graph inside nodes, which may use those before it."""
        inner = self.nodes(entry["nodes"])
        inputs, outputs = ([inner[i] for i in entry[key]] for key in ("inputs", "outputs"))
        self.bodies.append(Body(tuple(inputs), tuple(outputs)))

    def nodes(self, entries: Sequence[Mapping[str, Any]]) -> list[Node]:
        """The nodes, in the order of their entries."""
        nodes: list[Node] = []
        for entry in entries:
            nodes.append(self._node(entry, nodes))
            if math.prod(n for n in nodes[-1].shape if isinstance(n, int)) > LARGEST:
                raise ValueError(f"an array of {nodes[-1].shape} is too large")
        return nodes

    def _node(self, entry: Mapping[str, Any], nodes: Sequence[Node]) -> Node:
        if entry["op"] == "const":
            return const(self.arrays[entry["value"]])
        if entry["op"] == "input":
            shape = tuple(self.rows if n == "rows" else int(n) for n in entry["shape"])
            return input_node(entry["name"], shape, np.dtype(entry["dtype"]))
        attrs = {k: self._attribute(v) for k, v in entry["attrs"].items()}
        return PRIMITIVES[entry["op"]].apply(*(nodes[i] for i in entry["args"]), **attrs)

    def _attribute(self, value: Any) -> Any:
        if isinstance(value, list):
            return tuple(self._attribute(v) for v in value)
        if isinstance(value, dict):
            return self.bodies[value["body"]]
        return self.rows if value == "$rows" else value
