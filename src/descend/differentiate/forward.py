"""Forward mode: tangents travel with the values, from the inputs to the outputs."""

from __future__ import annotations

from collections.abc import Sequence

from descend.differentiate.chain import ahead
from descend.differentiate.flow import Flow, opened, seed
from descend.differentiate.overflow import Overflow
from descend.differentiate.reverse import reverse
from descend.errors import InternalError
from descend.graph.linear import zeros
from descend.graph.node import Node, postorder

__all__ = ["forward"]


def forward(outputs: Sequence[Node], wrt: Sequence[Node], tangents: Sequence[Node]) -> list[Node]:
    """The tangents of the outputs: (d output / d wrt) · tangent, summed over `wrt`.

    >>> from descend.graph.elementwise import call
    >>> from descend.graph.evaluate import evaluate
    >>> from descend.graph.source import const, input_node
    >>> import numpy as np
    >>> x = input_node("x")
    >>> (t,) = forward([call("mul", x, x)], [x], [const(1.0)])
    >>> evaluate([t], {x: np.array(3.0)})
    [array(6.)]
    """
    moving: dict[Node, Flow] = {}
    for node, tangent in zip(wrt, tangents, strict=True):
        if tangent.shape != node.shape or tangent.dtype != node.dtype:
            raise InternalError(f"tangent {tangent} for {node}")
        moving[node] = seed(tangent)
    order = postorder(outputs, stop=set(wrt).__contains__)
    known = Overflow(order, wrt)
    for node in order:
        if node not in known.moving or node in moving or node.dtype.kind != "f":
            continue
        arriving = [moving.get(a) for a in node.args]
        if any(t is not None for t in arriving):
            several = node.op.several
            made: Flow | None
            if several is None:
                made = ahead(arriving, node, known)
            else:
                given = [None if t is None else t.node for t in arriving]
                loop = several.jvp(forward, reverse, given, node)
                made = None if loop is None else opened(loop)
            if made is not None:
                moving[node] = made
    return known.one_sided(
        [moving[o].node if o in moving else zeros(o.shape, o.dtype) for o in outputs]
    )
