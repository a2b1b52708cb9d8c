"""Bounds within a descent: gradients that press against one, steps that would cross one.

A bound is no change of variables: a parameter may come to lie on it exactly, and may leave it
again. The gradient of what lies on its bound and would leave the box is 0, and a step is projected
onto the box (Bertsekas, "Projected Newton methods for optimization problems with simple
constraints", 1982).
"""

from __future__ import annotations

import numpy as np

from descend.graph.elementwise import call, select, zeros_like
from descend.graph.linear import broadcast
from descend.graph.node import Node
from descend.graph.source import const, input_node
from descend.parameters.space import LOWER, UPPER, Entered, edge_name

__all__ = ["Bounds", "held_equations", "kept", "pulling"]

Nodes = dict[str, Node]
Box = tuple[Node, Node]


class Bounds:
    """The bounds of what a descent varies, as inputs of its program.

    Args:
        entered: the space that is varied, if it is not the parameters as they are.
        inputs: where inputs are entered as they are asked for.
        up: whether the method goes up the gradient.
    """

    def __init__(self, entered: Entered | None, inputs: Nodes, up: bool = False) -> None:
        self.entered, self.inputs, self.up = entered, inputs, up
        self.keys = frozenset() if entered is None else entered.bounded

    def of(self, key: str, leaf: Node) -> Box | None:
        """The bounds of one leaf, if it has any."""
        if key not in self.keys:
            return None
        return self._inputs(edge_name(LOWER, key), edge_name(UPPER, key), leaf)

    def of_all(self, vector: Node) -> Box | None:
        """The bounds of all numbers as one vector, if there are any."""
        return self._inputs(LOWER, UPPER, vector) if self.keys else None

    def _inputs(self, lower: str, upper: str, like: Node) -> Box:
        for name in (lower, upper):
            if name not in self.inputs:
                self.inputs[name] = input_node(name, like.shape, like.dtype)
        return self.inputs[lower], self.inputs[upper]

    def pulls(self, gradients: Nodes, leaves: Nodes) -> Nodes:
        """The gradients, 0 where they press against a bound."""
        found = dict(gradients)
        for key in self.keys & gradients.keys():
            box = self.of(key, leaves[key])
            assert box is not None
            if self.up:
                down = call("neg", gradients[key])
                found[key] = call("neg", pulling(leaves[key], down, *box))
            else:
                found[key] = pulling(leaves[key], gradients[key], *box)
        return found


def kept(x: Node, lower: Node, upper: Node) -> Node:
    """The point of the box that is nearest to x; NaN stays NaN."""
    return call("min", call("max", x, lower), upper)


def pressing(x: Node, gradient: Node, lower: Node, upper: Node) -> Node:
    """Where −gradient would take x out of the box."""
    zero = zeros_like(gradient)
    low = call("and", call("le", x, lower), call("lt", zero, gradient))
    high = call("and", call("le", upper, x), call("lt", gradient, zero))
    return call("or", low, high)


def pulling(x: Node, gradient: Node, lower: Node, upper: Node) -> Node:
    """The gradient, 0 where it would take x out of the box."""
    return select(pressing(x, gradient, lower, upper), zeros_like(gradient), gradient)


def held_equations(
    x: Node, jtj: Node, jtr: Node, lower: Node, upper: Node
) -> tuple[Node, Node]:
    """JᵀJ (p, p) and Jᵀr (p,) where nothing moves what presses against its bound."""
    held = pressing(x, jtr, lower, upper)
    row, column = (broadcast(held, jtj.shape, (axis,)) for axis in (0, 1))
    aside = const(np.equal(np.eye(x.size), 0))
    off = call("and", call("or", row, column), aside)
    return select(off, zeros_like(jtj), jtj), select(held, zeros_like(jtr), jtr)
