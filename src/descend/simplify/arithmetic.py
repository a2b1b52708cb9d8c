"""Algebra of elementwise nodes: what may be replaced by what, and on which condition.

Unless its line says otherwise, a rule keeps every bit, NaN, infinities and the sign of zero
included. So 0 · x and x − x stay (x may be infinite), and so does 0 + x (for x = −0). Rules marked
≈ may differ in the last place, because they round once where the original rounds twice.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from descend.graph.elementwise import call, select
from descend.graph.linear import broadcast, broadcast_like
from descend.graph.node import Node
from descend.graph.source import is_const
from descend.simplify.constants import full, uniform
from descend.simplify.triggers import KNOWN, Rule, on

__all__ = ["ELEMENTWISE_RULES", "FINAL_RULES", "below_broadcast", "ordinary_scalar"]

LARGEST_POWER = 32
_ORDINARY = frozenset(("const", "mul", "div", "row_count"))
_NUMBERS = ("mul", "div", "row_count")


def _is_float(node: Node) -> bool:
    return node.dtype.kind == "f"


def _ordinary(value: float) -> bool:
    """Finite, not zero and far from the ends of the range, so that products stay exact there."""
    return value != 0 and math.isfinite(value) and 1e-30 < abs(value) < 1e30


def _is_negative_zero(value: Any) -> bool:
    return bool(value == 0) and math.copysign(1.0, value) < 0


@on("broadcast")
def below_broadcast(node: Node) -> Node | None:
    """f(repeat a, repeat b) → repeat f(a, b): the same numbers are computed once."""
    source: Node | None = None
    for a in node.args:
        if a.op.name != "broadcast":
            return None
        if a.args[0].shape and source is None:
            source = a
    if source is None:
        source = node.args[0]
    inner_shape, axes = source.args[0].shape, source.attrs["axes"]
    inner = []
    for a in node.args:
        scalar = a.args[0]
        if scalar.shape == ():
            inner.append(broadcast(scalar, inner_shape, ()))
        elif scalar.shape == inner_shape and a.attrs["axes"] == axes:
            inner.append(scalar)
        else:
            return None
    return broadcast(node.op.apply(*inner, **node.attrs), node.shape, axes)


def ordinary_scalar(node: Node, depth: int = 3) -> Node | None:
    """The scalar that is repeated in a node, if it is made of ordinary numbers and row counts."""
    scalar = node.args[0] if node.op.name == "broadcast" else node
    if scalar.shape or not depth or scalar.op.name not in _ORDINARY:
        return None
    name = scalar.op.name
    if name == "const":
        return scalar if _is_float(scalar) and _ordinary(uniform(scalar)) else None
    if name != "row_count":
        for a in scalar.args:
            if ordinary_scalar(a, depth - 1) is None:
                return None
    return scalar


@on(*KNOWN, *_NUMBERS)
def _constant_last(node: Node) -> Node | None:
    """c + x → x + c, c · x → x · c: later rules need to look on one side only."""
    x, y = node.args
    if uniform(x) is not None and uniform(y) is None:
        return node.op.apply(y, x)
    loose = uniform(y) is None and ordinary_scalar(y) is None
    if node.op.name == "mul" and loose and ordinary_scalar(x) is not None:
        return node.op.apply(y, x)
    return None


@on(*KNOWN)
def _add_neutral(node: Node) -> Node | None:
    """x + (−0.0) → x; x + 0 → x for integers."""
    x, c = node.args[0], uniform(node.args[1])
    if c is None or c != 0:
        return None
    return x if not _is_float(x) or _is_negative_zero(c) else None


@on("neg")
def _add_negated(node: Node) -> Node | None:
    """x + (−y) → x − y; (−x) + y → y − x."""
    x, y = node.args
    if y.op.name == "neg":
        return call("sub", x, y.args[0])
    if x.op.name == "neg":
        return call("sub", y, x.args[0])
    return None


def _add_twice(node: Node) -> Node | None:
    """x + x → x · 2, for floats."""
    x, y = node.args
    return call("mul", x, 2.0) if x is y and _is_float(x) else None


@on(*KNOWN)
def _sub_neutral(node: Node) -> Node | None:
    """x − 0 → x; (−0.0) − x → −x; 0 − x → −x for integers."""
    x, y = node.args
    c = uniform(y)
    if c is not None and c == 0 and not (_is_float(x) and _is_negative_zero(c)):
        return x
    c = uniform(x)
    if c is not None and c == 0 and (_is_negative_zero(c) or y.dtype.kind == "i"):
        return call("neg", y)
    return None


@on("neg")
def _sub_negated(node: Node) -> Node | None:
    """x − (−y) → x + y; −x − x → x · (−2) (floats)."""
    x, y = node.args
    if y.op.name == "neg":
        return call("add", x, y.args[0])
    twice = x.op.name == "neg" and x.args[0] is y and _is_float(y)
    return call("mul", y, -2.0) if twice else None


@on(*KNOWN)
def _mul_constant(node: Node) -> Node | None:
    """x · 1 → x; x · (−1) → −x (floats, signed integers); (−x) · c → x · (−c)."""
    x, c = node.args[0], uniform(node.args[1])
    if c is None or x.dtype.kind == "b":
        return None
    if c == 1:
        return x
    if x.dtype.kind in "fi":
        if c == -1:
            return call("neg", x)
        if x.op.name == "neg" and _is_float(x):
            return call("mul", x.args[0], -c)
    return None


@on("neg")
def _mul_negated(node: Node) -> Node | None:
    """(−x) · (−y) → x · y; (−x) · y → −(x · y), so that signs meet further up."""
    x, y = node.args
    if not _is_float(x):
        return None
    if x.op.name == "neg" and y.op.name == "neg":
        return call("mul", x.args[0], y.args[0])
    if x.op.name == "neg":
        return call("neg", call("mul", x.args[0], y))
    if y.op.name == "neg":
        return call("neg", call("mul", x, y.args[0]))
    return None


@on("mul", "div")
def _mul_merge(node: Node) -> Node | None:
    """≈ (x · s) · t → x · (s · t); (s / x) · t → (s · t) / x, for ordinary scalars s and t."""
    x, t = node.args[0], ordinary_scalar(node.args[1])
    if t is None or not _is_float(x) or x.op.name not in ("mul", "div"):
        return None
    left, right = x.args
    s = ordinary_scalar(right if x.op.name == "mul" else left)
    if s is None:
        return None
    if is_const(s) and is_const(t):
        c = uniform(s) * uniform(t)
        if not _ordinary(c):
            return None
        merged = full(x, c)
    else:
        merged = broadcast_like(call("mul", s, t), x)
    return call("mul", left, merged) if x.op.name == "mul" else call("div", merged, right)


@on("neg", "mul", "div")
def _neg_inward(node: Node) -> Node | None:
    """−(−x) → x; −(x · c) → x · (−c); −(c / x) → (−c) / x; floats and signed integers."""
    (x,) = node.args
    if x.op.name == "neg":
        return x.args[0]
    if not _is_float(x):
        return None
    if x.op.name == "mul":
        c = uniform(x.args[1])
        return None if c is None else call("mul", x.args[0], -c)
    if x.op.name == "div":
        c = uniform(x.args[0])
        return None if c is None else call("div", -c, x.args[1])
    return None


@on(*KNOWN)
def _div_constant(node: Node) -> Node | None:
    """x / 1 → x; x / (−1) → −x; x / c → x · (1/c) where c is a power of two (then exact)."""
    x, c = node.args[0], uniform(node.args[1])
    if c is None:
        return None
    if c == 1:
        return x
    if c == -1:
        return call("neg", x)
    if _ordinary(c) and abs(math.frexp(c)[0]) == 0.5:
        return call("mul", x, 1.0 / c)
    return None


@on("mul", "div")
def _div_merge(node: Node) -> Node | None:
    """≈ (x · c) / d → x · (c / d); (x / c) / d → x / (c · d), if all are ordinary numbers."""
    x, d = node.args[0], uniform(node.args[1])
    if d is None or x.op.name not in ("mul", "div") or not _ordinary(d):
        return None
    c = uniform(x.args[1])
    if c is None or not _ordinary(c):
        return None
    merged = c / d if x.op.name == "mul" else c * d
    return call(x.op.name, x.args[0], merged) if _ordinary(merged) else None


@on("neg")
def _div_negated(node: Node) -> Node | None:
    """(−x) / (−y) → x / y; (−x) / y → −(x / y); x / (−y) → −(x / y)."""
    x, y = node.args
    if x.op.name == "neg" and y.op.name == "neg":
        return call("div", x.args[0], y.args[0])
    if x.op.name == "neg" and uniform(y) is None:
        return call("neg", call("div", x.args[0], y))
    if y.op.name == "neg" and uniform(x) is None:
        return call("neg", call("div", x, y.args[0]))
    return None


def _integer_power(x: Node, n: int) -> Node:
    """xⁿ for n ≥ 1 by repeated squaring."""
    result: Node | None = None
    square = x
    while True:
        if n & 1:
            result = square if result is None else call("mul", result, square)
        n >>= 1
        if not n:
            assert result is not None
            return result
        square = call("mul", square, square)


@on(*KNOWN)
def _power_constant(node: Node) -> Node | None:
    """x⁰ → 1, x¹ → x, ≈ xⁿ by squaring and x⁻ⁿ → 1/xⁿ, |n| ≤ 32; ≈ with √x for n + ½.

    As NumPy's `**`, x^0.5 is the square root: for −0 and −∞ it gives −0 and NaN.
    """
    x, p = node.args[0], uniform(node.args[1])
    if p is None or not _is_float(x) or not abs(p) <= LARGEST_POWER:
        return None
    whole = math.floor(abs(p))
    if abs(p) != whole + 0.5 and abs(p) != whole:
        return None
    result: Node | None = _integer_power(x, whole) if whole else None
    if abs(p) != whole:
        root = call("sqrt", x)
        result = root if result is None else call("mul", result, root)
    if result is None:
        return full(x, 1.0)
    return call("div", 1.0, result) if p < 0 else result


@on(*KNOWN, *_NUMBERS)
def _mul0_constant(node: Node) -> Node | None:
    """mul0(g, p): 0 for g = 0; g · p for other known numbers g, and for finite constants p."""
    g, p = node.args
    c = uniform(g)
    if c is not None:
        return full(node, 0) if c == 0 else call("mul", g, p)
    if ordinary_scalar(g) is not None:
        return call("mul", g, p)
    c = uniform(p)
    return call("mul", g, p) if c is not None and math.isfinite(c) else None


def _select_known(node: Node) -> Node | None:
    """Equal branches, or a condition that is known."""
    condition, yes, no = node.args
    if yes is no:
        return yes
    known = uniform(condition)
    return None if known is None else (yes if known else no)


@on("not", "select")
def _select_condition(node: Node) -> Node | None:
    """select(not c, a, b) → select(c, b, a); a branch that asks c again has its answer."""
    condition, yes, no = node.args
    if condition.op.name == "not":
        return select(condition.args[0], no, yes)
    if yes.op.name == "select" and yes.args[0] is condition:
        return select(condition, yes.args[1], no)
    if no.op.name == "select" and no.args[0] is condition:
        return select(condition, yes, no.args[2])
    return None


def _keeps_value(small: np.dtype[Any], large: np.dtype[Any]) -> bool:
    """Whether every value of one dtype has an equal one in another."""
    if small.kind == large.kind or small.kind == "b":
        return large.itemsize >= small.itemsize
    return small.kind in "iu" and large.kind == "f" and small.itemsize * 2 <= large.itemsize


@on("cast")
def _cast_twice(node: Node) -> Node | None:
    """A cast of a cast that lost nothing is one cast, or none."""
    (x,) = node.args
    if x.op.name != "cast":
        return None
    source = x.args[0]
    if not _keeps_value(source.dtype, x.dtype):
        return None
    return source if source.dtype == node.dtype else call("cast", source, **node.attrs)


def _same_twice(node: Node) -> Node | None:
    """max(x, x), min(x, x), and(x, x), or(x, x) → x."""
    x, y = node.args
    return x if x is y else None


@on(*KNOWN)
def _logic_constant(node: Node) -> Node | None:
    """Conjunction and disjunction with a known truth value."""
    x, c = node.args[0], uniform(node.args[1])
    if c is None or x.dtype.kind != "b":
        return None
    keeps = bool(c) == (node.op.name == "and")
    return x if keeps else node.args[1]


@on("not")
def _twice_nothing(node: Node) -> Node | None:
    """not(not x) → x."""
    (x,) = node.args
    return x.args[0] if x.op.name == "not" else None


@on("neg", "abs")
def _absolute(node: Node) -> Node | None:
    """|−x| → |x|; ||x|| → |x|."""
    (x,) = node.args
    if x.op.name == "neg" and _is_float(x):
        return call("abs", x.args[0])
    return x if x.op.name == "abs" else None


@on("neg")
def _even(node: Node) -> Node | None:
    """cos(−x) → cos x and cosh(−x) → cosh x."""
    (x,) = node.args
    return call(node.op.name, x.args[0]) if x.op.name == "neg" else None


def _without_stop(node: Node) -> Node | None:
    """Once everything is differentiated, a stopped gradient is the value itself."""
    return node.args[0]


ELEMENTWISE_RULES: dict[str, tuple[Rule, ...]] = {
    "add": (_constant_last, _add_neutral, _add_negated, _add_twice),
    "sub": (_sub_neutral, _sub_negated),
    "mul": (_constant_last, _mul_constant, _mul_merge, _mul_negated),
    "neg": (_neg_inward,),
    "div": (_div_constant, _div_merge, _div_negated),
    "pow": (_power_constant,),
    "mul0": (_mul0_constant,),
    "select": (_select_known, _select_condition),
    "cast": (_cast_twice,),
    "max": (_same_twice,),
    "min": (_same_twice,),
    "and": (_constant_last, _same_twice, _logic_constant),
    "or": (_constant_last, _same_twice, _logic_constant),
    "not": (_twice_nothing,),
    "abs": (_absolute,),
    "cos": (_even,),
    "cosh": (_even,),
}

FINAL_RULES: dict[str, tuple[Rule, ...]] = {"stop_gradient": (_without_stop,)}
