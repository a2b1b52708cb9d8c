"""Graphs that travel: written down by the client, and built anew by the workers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from descend.graph.evaluate import OverBlocks
from descend.graph.node import Dim, Node, postorder
from descend.result.graph_json import GraphReader, GraphWriter

__all__ = ["Graph", "prepared", "written"]

Array = np.ndarray[Any, np.dtype[Any]]


class Graph(NamedTuple):
    """A graph of which some inputs are columns.

    Attributes:
        nodes, bodies: as `result.graph_json` writes them. arrays: its constants.
        outputs, inputs: the numbers of nodes.
    """

    nodes: list[Any]
    bodies: list[Any]
    arrays: list[Array]
    outputs: list[int]
    inputs: list[int]


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


def prepared(graph: Graph) -> OverBlocks:
    """What evaluates it."""
    rows = Dim("rows")
    reader = GraphReader(graph.arrays, rows)
    for entry in graph.bodies:
        reader.add_body(entry)
    nodes = reader.nodes(graph.nodes)
    outputs, inputs = ([nodes[i] for i in ends] for ends in (graph.outputs, graph.inputs))
    return OverBlocks(outputs, inputs, rows)
