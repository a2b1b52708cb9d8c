"""What is known of a node's values before it runs: their sign, and whether they can come near 0.

Both are read off the operations that make the node, a few steps down; what cannot be seen so is
not known.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from descend.graph.node import Node
from descend.graph.source import CONST, INPUT, value_of

__all__ = ["away_from_zero", "constant", "not_negative", "positive"]

DEPTH = 8
_THROUGH = ("broadcast", "reshape", "cast", "transpose", "slice", "flip", "stop_gradient")
_NEVER_NEGATIVE = frozenset(
    ("exp", "exp2", "cosh", "sqrt", "abs", "hypot", "expit", "erfc", "erfcx", "row_count")
)
_POSITIVE = frozenset(("exp", "exp2", "expit", "erfc", "erfcx"))
_KEEP = frozenset(("mul", "mul0", "div", "add", "min", "reduce_min", "reduce_max", "sum"))


def not_negative(node: Node, depth: int = DEPTH) -> bool:
    """Whether every value is 0 or more, or NaN.

    >>> from descend.graph.elementwise import call
    >>> from descend.graph.source import input_node
    >>> x = input_node("x")
    >>> not_negative(call("mul", x, x)), not_negative(x)
    (True, False)
    """
    name = node.op.name
    if name in _NEVER_NEGATIVE:
        return True
    if node.op is CONST:
        return _number(node) >= 0 if not node.shape else bool((value_of(node) >= 0).all())
    if node.op is INPUT:
        return "positive" in node.attrs
    if not depth:
        return False
    args = node.args
    if name in ("mul", "mul0") and args[0] is args[1]:
        return True
    if name in _THROUGH or name in _KEEP:
        return all(not_negative(a, depth - 1) for a in args)
    if name == "max":
        return any(not_negative(a, depth - 1) for a in args)
    if name == "pow":
        return _even(args[1]) or not_negative(args[0], depth - 1)
    return False


def away_from_zero(node: Node, depth: int = DEPTH) -> bool:
    """Whether every value is at least some positive number, or infinite, or NaN.

    >>> from descend.graph.elementwise import call
    >>> from descend.graph.source import input_node
    >>> x = input_node("x")
    >>> away_from_zero(call("add", call("exp", x), 1.0)), away_from_zero(call("exp", x))
    (True, False)
    """
    name = node.op.name
    if name in ("cosh", "row_count"):
        return True
    if node.op is CONST:
        if not node.shape:
            return _number(node) > 1e-100
        value = value_of(node)
        return value.dtype.kind in "fiu" and bool((value > 1e-100).all())
    if node.op is INPUT:
        return "positive" in node.attrs
    if not depth:
        return False
    args, below = node.args, depth - 1
    if name in ("sqrt", "cbrt", "abs") or name in _THROUGH:
        return away_from_zero(args[0], below)
    if name == "add":
        x, y = args
        return (away_from_zero(y, below) and not_negative(x, below)) or (
            away_from_zero(x, below) and not_negative(y, below)
        )
    if name == "mul":
        return all(away_from_zero(a, below) for a in args)
    if name in ("max", "hypot"):
        return any(away_from_zero(a, below) for a in args)
    if name == "pow":
        return away_from_zero(args[0], below) and constant(args[1]) > 0
    return False


def positive(node: Node, depth: int = DEPTH) -> bool:
    """Whether no value is 0 or less, but for one that is too small to be told from 0.

    >>> from descend.graph.elementwise import call
    >>> from descend.graph.source import input_node
    >>> positive(call("exp", input_node("x")))
    True
    """
    name, args, below = node.op.name, node.args, depth - 1
    if name in _POSITIVE or away_from_zero(node, depth):
        return True
    if not depth:
        return False
    if name == "add":
        x, y = args
        return (positive(x, below) and not_negative(y, below)) or (
            positive(y, below) and not_negative(x, below)
        )
    if name == "pow":
        return positive(args[0], below)
    return (name in ("mul", "div", "sqrt") or name in _THROUGH) and all(
        positive(a, below) for a in args
    )


def constant(node: Node) -> float:
    """The number that a node repeats, or NaN."""
    if node.op.name == "broadcast":
        node = node.args[0]
    return _number(node) if node.op is CONST and not node.shape else np.nan


def _number(node: Node) -> float:
    return _read(node.attrs["data"], node.attrs["dtype"])


@lru_cache(1024)
def _read(data: bytes, dtype: str) -> float:
    return float(np.frombuffer(data, dtype)[0])


def _even(node: Node) -> bool:
    return constant(node) % 2 == 0
