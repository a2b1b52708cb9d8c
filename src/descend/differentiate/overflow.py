"""Where values overflow, have a pole or a kink, as far as the operations tell before they run."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

from descend.differentiate.radius import at_origins
from descend.graph.elementwise import call, cast, full_like, select
from descend.graph.linear import broadcast
from descend.graph.node import Node, postorder, substitute
from descend.graph.ranges import constant, positive

__all__ = ["Overflow", "doubted", "is_parameter"]

_GROW = frozenset(("exp", "exp2", "expm1", "sinh", "cosh", "erfcx", "erfi", "gamma", "iv"))
_SLOW = frozenset(
    ("log", "log1p", "log2", "log10", "sqrt", "cbrt", "pow", "arcsinh", "arccosh", "gammaln")
)
_BOUNDED = frozenset(
    ("sin", "cos", "tanh", "sech_square", "arctan", "arctan2", "erf", "erfc", "expit", "sign")
)
_GROWING = _GROW | {"pow", "div"}
_BOUNDLESS = frozenset(
    ("const", "sqrt", "arcsin", "arccos", "arccosh", "root_square_less_one", "sign", "if_finite")
)
_BENT = {"abs": "sign", "max": "select", "min": "select"}
"""Operations with a kink, and what their partials are."""


class Overflow:
    """Which nodes may overflow, stand above one that does, or be infinite at a pole."""

    def __init__(self, order: Sequence[Node], wrt: Iterable[Node]) -> None:
        self.moving = moving = set(wrt)
        self.large: set[Node] = set()
        self.above: set[Node] = set()
        self.singular: set[Node] = set()
        self.order = order
        self.bent: list[Node] = []
        large, above, singular = self.large, self.above, self.singular
        for node in order:
            args, op = node.args, node.op
            moves = big = up = pole = False
            for a in args:
                moves = moves or a in moving
                big = big or a in large
                up = up or a in above
                pole = pole or a in singular
            name = op.name
            if moves:
                moving.add(node)
                if name in _BENT:
                    self.bent.append(node)
            grows = self._grows(node) if name in _GROWING else False
            if grows or (big and name not in _BOUNDED):
                large.add(node)
                above.add(node)
            elif up:
                above.add(node)
            if pole or not (op.finite or grows or _has_no_pole(node)):
                singular.add(node)

    def _grows(self, node: Node) -> bool:
        """Whether it may overflow where its arguments do not."""
        name, args = node.op.name, node.args
        if name == "div":
            return self._by_rows(args[1])
        return name != "pow" or math.isnan(constant(args[1]))

    def one_sided(self, derivatives: list[Node]) -> list[Node]:
        """The same, with slopes at kinks that are differentiated again taken from one side.

        The slope of |x| is 0 at 0, between those of both sides. But what depends on |x| smoothly,
        as cosh |x|, has a second derivative there, in which two slopes are multiplied to 1.
        """
        derivatives = at_origins(derivatives, self.order, self.moving)
        if not self.bent:
            return derivatives
        known = set(self.order)
        names = {node.op.name for node in self.order}
        bent = [n for n in self.bent if _BENT[n.op.name] in names]
        sides = {p: side for n in bent for p, side in _sides(n) if p in known}
        return substitute(derivatives, sides) if sides else derivatives

    def _by_rows(self, node: Node) -> bool:
        """Whether something is divided by what does not move, and may be 0 in some rows."""
        return not (node in self.moving or positive(node) or is_parameter(node))


def _has_no_pole(node: Node) -> bool:
    """Whether it is infinite only by overflow, though it may be undefined."""
    name = node.op.name
    if name == "div":
        divisor = node.args[1]
        return abs(constant(divisor)) > 0 or positive(divisor)
    if name == "pow":
        return constant(node.args[1]) >= 0
    return name in _BOUNDLESS


def _sides(node: Node) -> list[tuple[Node, Node]]:
    """The partials of a node with a kink, and the same from one side of it."""
    op, (x, *others) = node.op, node.args
    assert op.partials is not None
    partials = [p.local(*node.args, node) for p in op.partials if p is not None]
    if not others:
        return [(partials[0], call("copysign", full_like(x, 1.0), x))]
    first = call("le", *((others[0], x) if op.name == "max" else (x, others[0])))
    one, zero = full_like(x, 1.0), full_like(x, 0.0)
    return list(zip(partials, (select(first, one, zero), select(first, zero, one)), strict=True))


def is_parameter(node: Node) -> bool:
    """Whether a node repeats one unknown number: 0 there is no matter of single rows."""
    return node.op.name == "broadcast" and not node.args[0].shape and math.isnan(constant(node))


def doubted(derivatives: Sequence[Node], value: Node, outputs: Sequence[Node]) -> list[Node]:
    """Derivatives with NaN in place of what is finite where the value is not a number.

    Where the value is infinite, too, if something may have overflowed on the way to the outputs:
    that is taken as saturated, and below an end that has overflowed itself, as that of
    log(1 + exp(800)), this says nothing of the derivative.
    """
    order = postorder(outputs)
    grown = any(
        n.op.name in _GROW or (n.op.name in _SLOW and n.args[0].op.kind not in ("source", "linear"))
        for n in order
    )
    if not grown and all(n.op.finite or n.op.kind != "elementwise" for n in order):
        return list(derivatives)
    made = []
    for d in derivatives:
        over = value if value.shape == d.shape else broadcast(value, d.shape, ())
        made.append(call("if_finite", d, cast(over, d.dtype), infinite=grown))
    return made
