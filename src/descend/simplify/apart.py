"""Cut a part out of a graph, so that it is compiled once for all graphs that have it."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

from descend.graph.node import Dim, Node, Shape, postorder, substitute
from descend.graph.shared import SHARED
from descend.graph.source import CONST, INPUT, input_node
from descend.graph.subgraph import Body
from descend.simplify.driver import simplify

__all__ = ["set_apart"]


def set_apart(outputs: Sequence[Node], boundary: Sequence[Node]) -> list[Node]:
    """The outputs as results of a shared graph whose inputs are the nodes of the boundary.

    Nothing may be differentiated any more. The outputs come back as they are where something else
    than the boundary is needed, where an extent is symbolic, or where work within the part is
    needed for its boundary too: that would be done twice.

    >>> from descend.graph.elementwise import call
    >>> from descend.graph.source import input_node
    >>> x, y = input_node("x"), input_node("y")
    >>> inner = call("exp", x)
    >>> [made] = set_apart([call("mul", inner, y)], [inner, y])
    >>> made.op.name, made.args == (inner, y)
    ('shared', True)
    >>> set_apart([call("mul", inner, y)], [inner]) == [call("mul", inner, y)]
    True
    """
    edge = set(boundary)
    inside = postorder(outputs, stop=lambda n: n in edge)
    used = [n for n in inside if n in edge and n.op is not CONST]
    own: set[Node] = set()  # what depends on the boundary
    for node in inside:
        if node not in edge and any(a in edge or a in own for a in node.args):
            own.add(node)
    closed = all(n in edge for n in inside if n.op is INPUT)
    known = not any(isinstance(extent, Dim) for n in inside for extent in n.shape)
    if not closed or not known or any(n in own for n in postorder(used)):
        return list(outputs)
    inputs = _inputs(tuple([(n.shape, n.dtype) for n in used]))
    before = dict(zip(inputs, used, strict=True))
    there = dict(zip(used, inputs, strict=True))
    raw = _the_one(Body(inputs, tuple(substitute(outputs, there))))
    simple: list[Node] = raw.once("apart", lambda: simplify(raw.outputs, final=True))
    made = tuple(dict.fromkeys(o for o in simple if not _is_given(o)))
    body = raw.once("made", lambda: _the_one(Body(raw.inputs, made)))
    results = {o: SHARED.apply(*used, body=body, index=i) for i, o in enumerate(made)}
    return [results[o] if o in results else substitute([o], before)[0] for o in simple]


def _is_given(node: Node) -> bool:
    """Whether a result is an input or known, at most in another shape."""
    while node.op.name == "reshape":
        node = node.args[0]
    return node.op is INPUT or all(n.op is not INPUT for n in postorder([node]))


@lru_cache(maxsize=64)
def _inputs(kinds: tuple[tuple[Shape, Any], ...]) -> tuple[Node, ...]:
    """Inputs of these shapes and dtypes, the same for every part that asks for them."""
    return tuple([input_node(f"shared{i}", *kind) for i, kind in enumerate(kinds)])


@lru_cache(maxsize=64)
def _the_one(body: Body) -> Body:
    """The first body that was equal: what was made of it, such as its code, is kept with it."""
    return body
