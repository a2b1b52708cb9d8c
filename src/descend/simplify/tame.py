"""Which values are finite wherever the inputs are, short of overflow.

`mul0(g, p)` guards against an infinite or undefined p behind a branch not taken. Where p is tame
the guard has nothing to do, and the product is a plain one; unless NaN among the data themselves
may stand behind the branch, as in `np.where(np.isnan(x), 0, w * x)`.
"""

from __future__ import annotations

import math

import numpy as np

from descend.graph.node import Node
from descend.graph.ranges import away_from_zero, not_negative
from descend.graph.source import CONST, INPUT, value_of
from descend.simplify.constants import uniform

__all__ = ["Facts"]

TAME, SOLID, MASKED = 1, 2, 4


class Facts:
    """What is known of the nodes of one graph, learnt from the arguments up.

    `TAME`: finite if the inputs are, short of overflow. `SOLID`: finite whatever the inputs are.
    `MASKED`: may hold exact zeros that arithmetic did not make (a branch not taken, padding).
    """

    def __init__(self) -> None:
        self._facts: dict[Node, int] = {}

    def learn(self, node: Node) -> None:
        """Note the facts of a node, after those of its arguments."""
        facts = self._facts
        args = node.args
        if not args:
            if node.op is INPUT:
                facts[node] = TAME
            else:
                facts[node] = TAME | SOLID if _stays_finite(node) else 0
            return
        below, mask = TAME | SOLID, 0
        for a in args:
            fact = facts[a]
            below &= fact
            mask |= fact
        mask &= MASKED
        if node.op.masks:
            mask = MASKED
        facts[node] = mask | below if below and _stays_finite(node) else mask

    def needs_no_guard(self, node: Node) -> bool:
        """Whether mul0(g, p) is g · p: p is finite, or where it is not, g is not 0.

        For mul_sat, too: what can only overflow where numbers are beyond 1e100 is not guarded.
        """
        g, p = (self._facts[a] for a in node.args)
        if node.op.name == "mul_sat":
            return bool(p & TAME and (g & TAME or not node.attrs["both"]))
        return bool(p & SOLID) or bool(p & TAME and not g & MASKED)


def _stays_finite(node: Node) -> bool:
    """Whether finite arguments give a finite result, short of overflow."""
    name = node.op.name
    if node.op.finite or node.dtype.kind != "f":
        return True
    if node.op is CONST:
        value = uniform(node)
        if value is None:
            return bool(np.isfinite(value_of(node)).all())
        return math.isfinite(value)
    if name == "div":
        return _known_nonzero(node.args[1]) or away_from_zero(node.args[1])
    if name == "sqrt":
        return not_negative(node.args[0])
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
