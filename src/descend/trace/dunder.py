"""The methods of stand-ins that only pass on: operators, reductions, shapes.

What they mean stands in the families of the table, which are above the stand-ins.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from descend.trace.handlers import asked_of_number
from descend.trace.table import implementation
from descend.trace.ufunc_rules import RULES

__all__ = ["comparison", "delegated", "operator", "unary"]

Method = Callable[..., Any]


def _refused(other: Any) -> bool:
    return other is None or other.__class__ is str


def operator(ufunc: str) -> tuple[Method, Method, Method]:
    """`a + b`, `b + a` (reflected) and `a += b`."""
    rule = RULES[ufunc]

    def forward(self: Any, other: Any) -> Any:
        if _refused(other):
            return NotImplemented
        return implementation("operator.binary")(rule, self, other)

    def backward(self: Any, other: Any) -> Any:
        if _refused(other):
            return NotImplemented
        return implementation("operator.binary")(rule, other, self)

    def in_place(self: Any, other: Any) -> Any:
        return implementation("operator.in_place")(rule, self, other)

    return forward, backward, in_place


def comparison(ufunc: str) -> Method:
    """`a < b` and its kin, elementwise."""
    return operator(ufunc)[0]


def unary(ufunc: str) -> Method:
    """`-a`, `abs(a)`, `~a`."""
    rule = RULES[ufunc]

    def method(self: Any, *_args: Any) -> Any:
        return implementation("operator.unary")(rule, self)

    return method


def delegated(name: str) -> Method:
    """A method that is an entry of the table: `x.sum()` is `method.sum`."""
    key = f"method.{name}"

    def method(self: Any, *args: Any, **kwargs: Any) -> Any:
        if not self.extents:
            asked_of_number(name)
        return implementation(key)(self, *args, **kwargs)

    method.__name__ = name
    return method
