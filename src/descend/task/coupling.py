"""Whether a model's rows know of one another: then a batch is another model than all rows."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from descend.graph.matrices import LINEAR_ALGEBRA
from descend.graph.node import Dim, Node, postorder
from descend.graph.source import IOTA, ROW_COUNT
from descend.trace.model import Model

__all__ = ["coupling"]


def _axis(node: Node, rows: Dim) -> int:
    return node.shape.index(rows)


def _along(name: str) -> Callable[[Node, Dim], bool]:
    """Whether the operation's axis, or one of its axes, is that of the rows."""

    def test(node: Node, rows: Dim) -> bool:
        axes = node.attrs[name]
        own = [a for a in node.args if rows in a.shape]
        return bool(own) and _axis(own[0], rows) in (axes if isinstance(axes, tuple) else (axes,))

    return test


def _unpaired(node: Node, rows: Dim) -> bool:
    """Whether rows of one operand of a contraction meet all rows of the other."""
    labels = [
        label
        for key, arg in zip(("la", "lb"), node.args, strict=True)
        for label, extent in zip(node.attrs[key], arg.shape, strict=True)
        if extent is rows
    ]
    return len(set(labels)) > 1


def _picked(node: Node, rows: Dim) -> bool:
    """Whether rows are picked, or added up, by an index; a table without rows may be indexed."""
    values = node.args[0]
    if rows not in values.shape:
        return False
    return node.op.name == "put_add" or _axis(values, rows) == node.attrs["axis"]


MIXING: Mapping[str, Callable[[Node, Dim], bool]] = {
    "cumsum": _along("axis"),
    "flip": _along("axes"),
    "argsort": _along("axis"),
    "take": _picked,
    "put_add": _picked,
    "contract": _unpaired,
    "iota": _along("axis"),
    "black_box": lambda node, _: not node.attrs["opaque"].elementwise,
}
"""When operations that keep the axis of the rows mix them all the same."""

APART = frozenset(
    ("broadcast", "reshape", "transpose", "slice", "pad", "concatenate", "set_slice", "sum")
) | frozenset(LINEAR_ALGEBRA)
"""Operations that cannot mix rows without losing their axis (or asking for their number)."""

WORDS = {"iota": "it counts the rows", "row_count": "it uses the number of rows"}


def coupling(model: Model) -> str:
    """Return the place at which a model's rows are mixed, or an empty string.

    The place is the user's line where it is known, else the operation's name.
    """
    rows = model.rows
    if not isinstance(rows, Dim):
        return ""
    for node in postorder(model.nodes):
        if _mixes(node, rows):
            place: Any = model.origin(node)
            return str(place) if place is not None else WORDS.get(node.op.name, node.op.name)
    return ""


def _mixes(node: Node, rows: Dim) -> bool:
    if node.op is ROW_COUNT:
        return True
    if node.op is IOTA:
        return rows in node.shape and node.shape[node.attrs["axis"]] is rows
    if not any(rows in a.shape for a in node.args):
        return False
    if rows not in node.shape:
        return True
    if node.op.kind in ("elementwise", "selection") and node.op.name not in MIXING:
        return False
    test = MIXING.get(node.op.name)
    return node.op.name not in APART if test is None else test(node, rows)

