"""Graphs that travel: written down by the client, and built anew by the workers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from descend.compile.function import NativeFunction, image_of_graph
from descend.compile.native import Loaded, NotNative
from descend.graph.evaluate import OverBlocks
from descend.graph.node import Dim, Node, postorder
from descend.result.graph_json import GraphReader, GraphWriter
from descend.run.passes import Native

__all__ = ["Graph", "prepared", "with_code", "written"]

Array = np.ndarray[Any, np.dtype[Any]]


class Graph(NamedTuple):
    """A graph of which some inputs are columns.

    Attributes:
        nodes, bodies: as `result.graph_json` writes them. arrays: its constants.
        outputs, inputs: the numbers of nodes.
        about: what the caller of its code must know, where it is sent with code.
    """

    nodes: list[Any]
    bodies: list[Any]
    arrays: list[Array]
    outputs: list[int]
    inputs: list[int]
    about: Any = None


def written(outputs: Sequence[Node], inputs: Sequence[Node]) -> Graph:
    """A graph of the rows of one block.

    Raises:
        UsageError: it calls a function of which nothing is known but its values.
    """
    arrays: list[Array] = []
    writer, order = GraphWriter(arrays), postorder([*outputs, *inputs])
    number = {node: i for i, node in enumerate(order)}
    nodes = writer.nodes(order)
    return Graph(
        nodes, writer.bodies, arrays, [number[n] for n in outputs], [number[n] for n in inputs]
    )


def with_code(
    graph: Graph, outputs: Sequence[Node], inputs: Sequence[Node]
) -> tuple[Graph, bytes]:
    """A written graph and its object code; none where there is no native code for it."""
    try:
        about, image = image_of_graph(outputs, inputs)
    except NotNative:
        return graph, b""
    return graph._replace(about=about), image


def prepared(graph: Graph, code: Loaded | None = None) -> OverBlocks:
    """What evaluates it, by the code that it was sent with."""
    rows = Dim("rows")
    reader = GraphReader(graph.arrays, rows)
    for entry in graph.bodies:
        reader.add_body(entry)
    nodes = reader.nodes(graph.nodes)
    outputs, inputs = ([nodes[i] for i in ends] for ends in (graph.outputs, graph.inputs))
    native = code and Native(NativeFunction.of(inputs, graph.about, code), rows)
    return OverBlocks(outputs, inputs, rows, native)
