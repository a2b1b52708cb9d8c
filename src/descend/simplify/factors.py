"""≈ Factors that do not vary along the axes of a sum leave it: Σ c · v → c · Σ v.

So loops over rows have less to do, and sums that differ in such a factor alone become one. The
gradient of a mean is the case in point: its 2/n is multiplied with sums, not with rows. Products
that are guarded against a branch not taken stay guarded. The result may differ in the last place;
where Σ v overflows although Σ c · v does not, more is lost.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from typing import NamedTuple

from descend.graph.elementwise import call
from descend.graph.linear import broadcast, reduce_sum
from descend.graph.multilinear import contract
from descend.graph.node import Dim, Node, Shape
from descend.simplify.arithmetic import ordinary_scalar
from descend.simplify.triggers import Rule, on

__all__ = ["FACTOR_RULES"]


DEPTH = 7
SMALL_RESULT = 64


class _Factor(NamedTuple):
    """A factor outside of the sum: the primitive, its place among the arguments, the factor."""

    op: str
    place: int
    node: Node


def _invariant(node: Node, summed: Collection[int]) -> bool:
    return node.op.name == "broadcast" and not any(a in summed for a in node.attrs["axes"])


def _parted(x: Node, summed: Collection[int], depth: int = DEPTH) -> tuple[Node, list[_Factor]]:
    """A product without its invariant factors, and those factors."""
    name = x.op.name
    if name not in ("mul", "mul0", "mul_sat", "div") or not depth:
        return x, []
    a, b = x.args
    if name == "mul_sat":
        left, factors = _parted(a, summed, depth - 1)
        return call(name, left, b, **x.attrs), [_guarded(f) for f in factors]
    if _invariant(b, summed) and not _invariant(a, summed):
        rest, factors = _parted(a, summed, depth - 1)
        return rest, [*factors, _Factor(name, 1, b)]
    if name != "div" and _invariant(a, summed) and not _invariant(b, summed):
        rest, factors = _parted(b, summed, depth - 1)
        return rest, [*factors, _Factor(name, 0, a)]
    left, factors = _parted(a, summed, depth - 1)
    right, more = _parted(b, summed, depth - 1) if name == "mul" else (b, [])
    if not factors and not more:
        return x, []
    if name == "mul0":
        factors = [_guarded(f) for f in factors]
    return call(name, left, right), [*factors, *more]


def _guarded(factor: _Factor) -> _Factor:
    """The factor c of mul0(c · a, p), which is 0 where c is, even if p is infinite."""
    if factor.op != "mul" or ordinary_scalar(factor.node) is not None:
        return factor
    return _Factor("mul0", 0, factor.node)


def _multiplied(whole: Node, factors: Sequence[_Factor], places: Sequence[int | None]) -> Node:
    """The sum times its factors; `places` tells where each axis of the summands has gone."""
    for op, place, node in factors:
        axes = []
        for a in node.attrs["axes"]:
            to = places[a]
            assert to is not None
            axes.append(to)
        factor = broadcast(node.args[0], whole.shape, tuple(axes))
        whole = call(op, whole, factor) if place else call(op, factor, whole)
    return whole


@on("mul", "mul0", "mul_sat", "div")
def _sum_of_multiples(node: Node) -> Node | None:
    """Σ c · v → c · Σ v."""
    (x,), axes = node.args, node.attrs["axes"]
    if x.dtype.kind != "f":
        return None
    rest, factors = _parted(x, axes)
    if not factors:
        return None
    kept = [i for i in range(x.ndim) if i not in axes]
    places = [kept.index(i) if i in kept else None for i in range(x.ndim)]
    return _multiplied(reduce_sum(rest, axes), factors, places)


def _is_smaller(shape: Shape, than: Shape) -> bool:
    """Whether a result has few elements, and an operand more of them (or unknown rows)."""
    sizes = [n for n in shape if isinstance(n, int)]
    if len(sizes) < len(shape) or math.prod(sizes) > SMALL_RESULT:
        return False
    known = [n for n in than if isinstance(n, int)]
    return any(isinstance(n, Dim) for n in than) or math.prod(known) > math.prod(sizes)


@on("mul", "mul0", "mul_sat", "div")
def _contraction_of_multiple(node: Node) -> Node | None:
    """(c · a) · b → c · (a · b), where the product is the smaller array."""
    lo = node.attrs["lo"]
    operands = list(node.args)
    for i, labels in enumerate((node.attrs["la"], node.attrs["lb"])):
        x = operands[i]
        summed = [axis for axis, label in enumerate(labels) if label not in lo]
        if x.dtype.kind != "f" or not _is_smaller(node.shape, x.shape):
            continue
        rest, factors = _parted(x, summed)
        if factors:
            operands[i] = rest
            whole = contract(operands[0], operands[1], node.attrs["la"], node.attrs["lb"], lo)
            places = [lo.index(label) if label in lo else None for label in labels]
            return _multiplied(whole, factors, places)
    return None


FACTOR_RULES: dict[str, tuple[Rule, ...]] = {
    "sum": (_sum_of_multiples,),
    "contract": (_contraction_of_multiple,),
}
