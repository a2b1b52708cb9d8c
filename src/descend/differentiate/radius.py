"""Even functions of a norm at its origin, where the norm itself has no slope.

The slope x/r of a norm r is held at 0 at the origin, and so is what follows from it. What depends
on r smoothly is an even function of it, as cosh r, and has a second derivative there, of which
f'(r)/r is a part: 0/0, with the limit f''(0). Which functions are even is read off the operations.
A derivative that is even in r, taken as a number of its own, has a limit at the origin; so it is
worked out at a radius so small that nothing else of it remains. One that is not, as that of a
cone, is left as it is.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from descend.graph.elementwise import call, full_like, select
from descend.graph.node import Node, postorder, substitute
from descend.graph.ranges import constant

__all__ = ["at_origins"]

_MANY = 16  # norms, each of which is a walk over the graph
_SMALL = {"f8": 1e-150, "f4": 1e-18}
_ODD = frozenset(
    ("neg", "sin", "tan", "sinh", "tanh", "arcsin", "arctan", "arcsinh", "arctanh", "erf", "erfi",
     "erfinv", "dawsn", "cbrt", "sign", "trunc", "rint", "cast", "stop_gradient")
)  # fmt: skip
_EVEN = frozenset(("abs", "cos", "cosh", "sech_square", "one_less_square", "over_one_and_square"))
_PRODUCTS = frozenset(("mul", "mul0", "mul_sat", "div", "contract"))
_BY_ORDER = frozenset(("jv", "iv"))

Radius = dict[Node, Node]
"""What is to stand for the nodes of a norm beside its origin."""


def at_origins(derivatives: list[Node], order: Sequence[Node], moving: set[Node]) -> list[Node]:
    """The derivatives, those that are even in a norm whose slope moves with their limits."""
    found = list(_radii(order, moving))
    if not found or len(found) > _MANY:
        return derivatives
    made = list(derivatives)
    for radius in found:
        for i, d in enumerate(made):
            if _is_even(d, radius):
                (made[i],) = substitute([d], radius)
    return made


def _radii(order: Sequence[Node], moving: set[Node]) -> Iterable[Radius]:
    """Norms by which something is divided that is differentiated."""
    divisors = {n.args[1] for n in order if n.op.name == "div" and n.args[1] in moving}
    for node in divisors:
        if node.op.name == "select" and node.args[2].op.name == "hypot":
            radius = node.args[2]
            beside = _beside(call("eq", radius, 0.0), radius)
            yield {radius: beside, node: beside}
        elif node.op.name == "sqrt" and node.args[0].op.name == "select":
            at_zero, _, square = node.args[0].args
            if at_zero is call("eq", square, 0.0):
                inside = _beside(at_zero, node)
                whole = select(at_zero, full_like(node, 0.0), node)
                yield {node: inside, whole: inside, at_zero: full_like(at_zero, False)}


def _beside(at_zero: Node, radius: Node) -> Node:
    return select(at_zero, full_like(radius, _SMALL[radius.dtype.str[1:]]), radius)


def _is_even(derivative: Node, radius: Radius) -> bool:
    """Whether it is an even function of the radius, and one at all."""
    parity = {node: 1 if node.dtype.kind == "b" else -1 for node in radius}
    for node in postorder([derivative], stop=parity.__contains__):
        if node not in parity and any(a in parity for a in node.args):
            parity[node] = _parity(node, [parity.get(a) for a in node.args])
    return parity.get(derivative) == 1


def _parity(node: Node, args: Sequence[int | None]) -> int:
    """1 of an even function, -1 of an odd one, 0 of another; None in args: it does not depend."""
    name = node.op.name
    known = [p for p in args if p is not None]
    if 0 in known:
        return 0
    if -1 not in known:
        return 1
    if name in _PRODUCTS:
        sign = 1
        for p in known:
            sign *= p
        return sign
    if name in _EVEN:
        return 1
    if name in _BY_ORDER:
        return {0.0: 1, 1.0: -1}.get(node.attrs["order"] % 2, 0)
    if name == "pow":
        return {0.0: 1, 1.0: -1}.get(constant(node.args[1]) % 2, 0) if args[1] is None else 0
    if name in ("eq", "ne"):
        return int(all(map(_is_odd, args, node.args)))
    if name == "select":
        return -1 if all(map(_is_odd, args[1:], node.args[1:])) else 0
    if name == "if_finite":
        return args[0] or 0
    odd = name in _ODD or name in ("add", "sub") or node.op.kind == "linear"
    return -1 if odd and all(map(_is_odd, args, node.args)) else 0


def _is_odd(parity: int | None, node: Node) -> bool:
    return parity == -1 or (parity is None and constant(node) == 0.0)
