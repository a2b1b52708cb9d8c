"""A new leading axis: the graph of one case becomes the graph of many, with no loop."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from descend.errors import InternalError
from descend.graph.linear import leading
from descend.graph.node import Dim, Node, postorder

__all__ = ["batch"]


def batch(outputs: Sequence[Node], batched: Mapping[Node, Node], extent: int | Dim) -> list[Node]:
    """The outputs for `extent` cases at once; each has the new axis first.

    `batched` maps nodes of one case to nodes of shape (extent, *shape) that stand for all cases.
    What does not depend on them is computed once, and an output that does not is repeated.
    An unknown number of rows as `extent` raises `RowsAsked` where a primitive needs the number.

    >>> from descend.graph.elementwise import call
    >>> from descend.graph.source import input_node
    >>> x, many = input_node("x"), input_node("x", (3,))
    >>> batch([call("exp", x)], {x: many}, 3)[0].shape
    (3,)
    """
    image: dict[Node, Node] = {}
    for node, many in batched.items():
        if many.shape != (extent, *node.shape) or many.dtype != node.dtype:
            raise InternalError(f"{many} does not hold {extent} cases of {node}")
        image[node] = many
    for node in postorder(outputs, stop=batched.__contains__):
        if node in image or not any(a in image for a in node.args):
            continue
        flags = [a in image for a in node.args]
        args = [image.get(a, a) for a in node.args]
        if node.op.several is None:
            image[node] = node.op.batch(args, flags, node, extent)
        else:
            image[node] = node.op.several.batch(batch, args, flags, node, extent)
    flags = [o in image for o in outputs]
    return leading([image.get(o, o) for o in outputs], flags, extent)
