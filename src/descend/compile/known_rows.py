"""The graph of a step for a known number of rows: small batches then need no loop."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from descend.graph.node import Dim, Node, postorder
from descend.graph.source import const

__all__ = ["static_data", "with_rows"]


def static_data(data: Sequence[Node], dim: Dim, rows: int) -> list[Node]:
    """The columns of a batch, with the number of rows in the place of the symbolic extent."""
    return [
        node.op.apply(
            **{**node.attrs, "shape": tuple(rows if n is dim else n for n in node.shape)}
        )
        for node in data
    ]


def with_rows(outputs: Sequence[Node], data: Sequence[Node], dim: Dim, rows: int) -> list[Node]:
    """The outputs, of such columns."""
    image = dict(zip(data, static_data(data, dim, rows), strict=True))

    def known(value: Any) -> Any:
        if value is dim:
            return rows
        return tuple(known(v) for v in value) if isinstance(value, tuple) else value

    for node in postorder(outputs):
        if node in image:
            continue
        attrs = {k: known(v) for k, v in node.attrs.items()}
        args = tuple(image[a] for a in node.args)
        if node.op.name == "row_count" and isinstance(attrs["dim"], int):
            image[node] = const(attrs["dim"], node.dtype)
        else:
            image[node] = node.op.apply(*args, **attrs)
    return [image[o] for o in outputs]
