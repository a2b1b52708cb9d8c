"""Graphs inside nodes: the body of a loop, or a function with a derivative of its own."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import field
from typing import Any

from descend.graph.node import Dim, Node, postorder, substitute
from descend.graph.source import CONST, IOTA, ROW_COUNT, input_node
from descend.graph.text import graph_text
from descend.lean import dataclass

__all__ = ["Body", "close_over", "fresh_like", "group_key"]


@dataclass(frozen=True)
class Body:
    """A closed graph: outputs that depend on nothing but the inputs.

    Attributes:
        inputs: input nodes, told apart by their names.
        outputs: what is computed from them.
        derived: bodies made from this one (its derivatives), so that siblings share them.
        extents: the row counts that are known while the interpreter runs.
    """

    inputs: tuple[Node, ...]
    outputs: tuple[Node, ...]
    derived: dict[Hashable, Any] = field(default_factory=dict, compare=False, repr=False)
    extents: Mapping[Dim, int] | None = field(default=None, compare=False, repr=False)

    def __hash__(self) -> int:
        return hash((self.inputs, self.outputs))

    def __str__(self) -> str:
        names = [f"arg{i}" for i in range(len(self.inputs))]
        shown = [input_node(m, n.shape, n.dtype) for m, n in zip(names, self.inputs, strict=True)]
        text = graph_text(self.applied(shown)).replace("\n", "\n    ")
        return f"({', '.join(names)}) {{\n    {text}\n}}"

    def bound_to(self, extents: Mapping[Dim, int]) -> Body:
        """The same body for the interpreter, with the numbers of rows filled in."""
        return Body(self.inputs, self.outputs, self.derived, extents)

    def once(self, key: Hashable, make: Callable[[], Any]) -> Any:
        """What `make` returns, made on the first call with this key."""
        if key not in self.derived:
            self.derived[key] = make()
        return self.derived[key]

    def applied(self, args: Sequence[Node]) -> list[Node]:
        """The outputs with the inputs replaced by other nodes."""
        return substitute(self.outputs, dict(zip(self.inputs, args, strict=True)))


def group_key(node: Node) -> Hashable:
    """Equal for the results of one application of a primitive with several results."""
    return node.op.name, node.args, tuple((k, v) for k, v in node.attrs.items() if k != "index")


def fresh_like(nodes: Sequence[Node], prefix: str) -> list[Node]:
    """New input nodes of the same shapes and dtypes: prefix0, prefix1, …"""
    return [input_node(f"{prefix}{i}", n.shape, n.dtype) for i, n in enumerate(nodes)]


_FREE = frozenset([CONST, IOTA, ROW_COUNT])


def close_over(
    inputs: Sequence[Node], outputs: Sequence[Node], prefix: str = "fixed"
) -> tuple[Body, list[Node]]:
    """Make a graph closed: the outer nodes that it uses become further inputs.

    Returns the body, its inputs followed by one per outer node, and those outer nodes. What does
    not depend on the inputs stays outside, save constants and their repetitions: so invariants
    of a loop are computed once.
    """
    inside = set(inputs)
    order = postorder(outputs)
    for node in order:
        if any(a in inside for a in node.args):
            inside.add(node)
    outer: dict[Node, None] = {}

    def reach(node: Node) -> None:
        while node not in inside and node.op.name == "broadcast":
            node = node.args[0]
        if node not in inside and node.op not in _FREE:
            outer[node] = None

    for node in order:
        if node in inside:
            for arg in node.args:
                reach(arg)
    for output in outputs:
        reach(output)
    captured = list(outer)
    fixed = fresh_like(captured, prefix)
    closed = substitute(outputs, dict(zip(captured, fixed, strict=True)))
    return Body((*inputs, *fixed), tuple(closed)), captured
