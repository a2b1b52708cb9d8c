"""Which values are finite wherever the inputs are, short of overflow.

`mul0(g, p)` guards against an infinite or undefined p behind a branch not taken. Where p is tame
the guard has nothing to do, and the product is a plain one.
"""

from __future__ import annotations

import math
from collections.abc import Set

import numpy as np

from descend.graph.node import Node
from descend.graph.source import CONST, value_of
from descend.simplify.constants import uniform

__all__ = ["is_tame"]

_ALWAYS = frozenset(["input", "iota", "row_count", "sign", "argmax", "argmin", "argsort"])
_FROM_TAME = frozenset([
    "add", "sub", "mul", "mul0", "neg", "abs", "max", "min", "sin", "cos", "tanh", "arctan",
    "arctan2", "arcsinh", "expit", "erf", "erfc", "floor", "ceil", "rint", "trunc", "copysign",
    "cast", "select", "stop_gradient", "lt", "le", "eq", "ne", "and", "or", "xor", "not", "cbrt",
    "hypot", "broadcast", "sum", "reshape", "transpose", "slice", "pad", "concatenate",
    "set_slice", "flip", "cumsum", "contract", "take", "put_add", "reduce_max", "reduce_min",
])  # fmt: skip


def is_tame(node: Node, tame: Set[Node]) -> bool:
    """Whether a node is tame, given the tame ones among its arguments."""
    name = node.op.name
    if name in _FROM_TAME:
        return all(a in tame for a in node.args)
    if name in _ALWAYS or node.dtype.kind in "biu":
        return True
    if node.op is CONST:
        return bool(np.isfinite(value_of(node)).all())
    if not all(a in tame for a in node.args):
        return False
    if name == "div":
        return _at_least_one(node.args[1]) or _known_nonzero(node.args[1])
    if name == "sqrt":
        return _at_least_one(node.args[0]) or _square(node.args[0])
    if name == "exp":
        return node.args[0].op.name == "neg" and _square(node.args[0].args[0])
    return False


def _known_nonzero(node: Node) -> bool:
    if node.op.name == "broadcast":
        node = node.args[0]
    value = uniform(node)
    return node.op.name == "row_count" or (
        value is not None and value != 0 and math.isfinite(value)
    )


def _square(node: Node) -> bool:
    return node.op.name == "mul" and node.args[0] is node.args[1]


def _at_least_one(node: Node) -> bool:
    """u · u + c or √(u · u + c) with c ≥ 1."""
    if node.op.name == "sqrt":
        node = node.args[0]
    if node.op.name != "add" or not _square(node.args[0]):
        return False
    value = uniform(node.args[1])
    return value is not None and 1.0 <= value < math.inf
