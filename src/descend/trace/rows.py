"""The number of rows as the model sees it while no data is there: it can be divided by."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from descend.graph.linear import broadcast, reduce_sum
from descend.graph.node import Dim, Node, RowsAsked
from descend.graph.source import const
from descend.trace.table import implementation
from descend.trace.ufunc_rules import RULES

__all__ = ["Rows", "count_of"]


def count_of(extents: tuple[Any, ...], dtype: Any) -> Node:
    """The number of elements of an array of this shape, as a scalar node."""
    total = 1
    rows: list[Dim] = []
    for extent in extents:
        if isinstance(extent, Dim):
            rows.append(extent)
        else:
            total *= extent
    if not rows:
        return const(total, dtype)
    wide = broadcast(const(total, dtype), tuple(rows), ())
    return reduce_sum(wide, tuple(range(len(rows))))


def _arithmetic(ufunc: str) -> tuple[Callable[..., Any], Callable[..., Any]]:
    rule = RULES[ufunc]

    def forward(self: Rows, other: Any) -> Any:
        return implementation("operator.binary")(rule, self, other)

    def backward(self: Rows, other: Any) -> Any:
        return implementation("operator.binary")(rule, other, self)

    return forward, backward


class Rows:
    """`len(x)` or `x.shape[0]` of data whose number of rows is symbolic.

    It can be computed with, and arrays can be made of its length; where a number itself is needed,
    `RowsAsked` makes the caller trace again with it.
    """

    __slots__ = ("dim",)

    def __init__(self, dim: Dim) -> None:
        self.dim = dim

    def count(self) -> Node:
        return count_of((self.dim,), "int64")

    def _asked(self, *_args: Any) -> Any:
        raise RowsAsked(self.dim, "a number")

    def __eq__(self, other: object) -> bool:
        if isinstance(other, Rows) and other.dim is self.dim:
            return True
        raise RowsAsked(self.dim, "comparing")

    def __hash__(self) -> int:
        return hash(self.dim)

    def __repr__(self) -> str:
        return f"<number of {self.dim}>"

    __index__ = __int__ = __float__ = __bool__ = _asked
    __lt__ = __le__ = __gt__ = __ge__ = _asked
    __neg__ = __abs__ = __round__ = __floordiv__ = __mod__ = __rfloordiv__ = __rmod__ = _asked
    __add__, __radd__ = _arithmetic("add")
    __sub__, __rsub__ = _arithmetic("subtract")
    __mul__, __rmul__ = _arithmetic("multiply")
    __truediv__, __rtruediv__ = _arithmetic("divide")
    __pow__, __rpow__ = _arithmetic("power")
