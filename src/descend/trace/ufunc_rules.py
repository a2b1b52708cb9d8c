"""What each elementwise function of NumPy is in primitives: one line where it is not one of them.

An entry receives nodes of the loop's dtypes and of one shape; dtypes and broadcasting are settled
before (`typing_rules`).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from descend.graph.elementwise import call, cast, full_like, select
from descend.graph.node import PRIMITIVES, Node
from descend.lean import dataclass
from descend.trace.special_rules import SPECIAL_EMIT

__all__ = ["RULES", "SPECIAL_NAMES", "Rule", "load_special", "rule_for", "truth"]

Emit = Callable[..., Any]
BOOL = np.dtype(bool)
LN2 = math.log(2.0)


@dataclass(frozen=True)
class Rule:
    """One elementwise function: its ufunc (for dtypes) and its composition of primitives."""

    name: str
    ufunc: np.ufunc
    emit: Emit


def _primitive(name: str) -> Emit:
    return PRIMITIVES[name].apply


def _swapped(name: str) -> Emit:
    apply = PRIMITIVES[name].apply
    return lambda a, b: apply(b, a)


def _or_logical(name: str, logical: str) -> Emit:
    """The primitive, or its meaning on truth values."""
    apply, on_bool = PRIMITIVES[name].apply, PRIMITIVES[logical].apply
    return lambda a, b: on_bool(a, b) if a.dtype == BOOL else apply(a, b)


def _float_only(name: str) -> Emit:
    """The primitive on floats; the identity on integers and truth values."""
    apply = PRIMITIVES[name].apply
    return lambda x: apply(x) if x.dtype.kind == "f" else x


def truth(x: Node) -> Node:
    """Whether each element counts as true."""
    return x if x.dtype == BOOL else call("ne", x, full_like(x, 0))


def _isnan(x: Node) -> Node:
    return call("ne", x, x)


def _isinf(x: Node) -> Node:
    if x.dtype.kind != "f":
        return cast(full_like(x, 0), BOOL)
    return call("eq", call("abs", x), math.inf)


def _isfinite(x: Node) -> Node:
    if x.dtype.kind != "f":
        return cast(full_like(x, 1), BOOL)
    return call("lt", call("abs", x), math.inf)


def _absolute(x: Node) -> Node:
    return x if x.dtype.kind in "bu" else call("abs", x)


def _square(x: Node) -> Node:
    """x², of sizes without their kink: |u|² is u², and the square of a norm the sum of squares."""
    if x.dtype == BOOL:
        return x
    name, args = x.op.name, x.args
    if name == "hypot":
        return call("add", *(call("mul", a, a) for a in args))
    if name == "select" and args[2].op.name == "sqrt" and args[0].op.name == "eq":
        inside, asked = args[2].args[0], args[0].args[0]
        if inside.op.name == "select" and inside.args[2] is asked:
            return asked
    if name == "abs" and x.dtype.kind == "f":
        x = args[0]
    return call("mul", x, x)


def _reciprocal(x: Node) -> Node:
    if x.dtype.kind == "f":
        return call("div", full_like(x, 1), x)
    return select(call("eq", _absolute(x), 1), x, 0)


def _heaviside(x: Node, at_zero: Node) -> Node:
    above = select(call("lt", full_like(x, 0), x), full_like(x, 1), 0)
    inside = select(call("eq", x, 0), at_zero, above)
    return select(_isnan(x), np.nan, inside)


def _ignoring_nan(name: str) -> Emit:
    def emit(a: Node, b: Node) -> Node:
        if a.dtype.kind != "f":
            return call(name, a, b)
        return select(_isnan(a), b, select(_isnan(b), a, call(name, a, b)))

    return emit


def _signbit(x: Node) -> Node:
    return call("lt", call("copysign", full_like(x, 1), x), 0)


def _divmod(a: Node, b: Node) -> tuple[Node, Node]:
    return call("floordiv", a, b), call("mod", a, b)


def _modf(x: Node) -> tuple[Node, Node]:
    whole = call("trunc", x)
    rest = select(_isinf(x), full_like(x, 0), call("sub", x, whole))
    return rest, whole


def _logaddexp(base: float) -> Emit:
    """hi + log(1 + exp(lo - hi)): each branch is the exact smooth function, also at a tie."""

    def emit(a: Node, b: Node) -> Node:
        larger = call("lt", b, a)
        hi, lo = select(larger, a, b), select(larger, b, a)
        gap = select(_isinf(hi), full_like(a, 0), call("sub", lo, hi))
        if base == math.e:
            return call("add", hi, call("log1p", call("exp", gap)))
        grown = call("log1p", call("exp2", gap))
        return call("add", hi, call("mul", grown, 1.0 / LN2))

    return emit


def _scaled(factor: float) -> Emit:
    return lambda x: call("mul", x, factor)


def _power(x: Node, y: Node) -> Node:
    return call("and", x, y) if x.dtype == BOOL else call("pow", x, y)


def _ldexp(x: Node, exponent: Node) -> Node:
    return call("mul", x, call("exp2", cast(exponent, x.dtype)))


def _logical(name: str) -> Emit:
    return lambda a, b: call(name, truth(a), truth(b))


# A primitive whose meaning is a ufunc is that ufunc, unless the ufunc does more: see below.
_EMIT: dict[str, Emit] = {
    **{p.meaning.__name__: p.apply for p in PRIMITIVES.values() if isinstance(p.meaning, np.ufunc)},
    "add": _or_logical("add", "or"),
    "multiply": _or_logical("mul", "and"),
    "divmod": _divmod,
    "modf": _modf,
    "positive": lambda x: x,
    "conjugate": lambda x: x,
    "absolute": _absolute,
    "fabs": _primitive("abs"),
    "signbit": _signbit,
    "heaviside": _heaviside,
    "floor": _float_only("floor"),
    "ceil": _float_only("ceil"),
    "rint": _float_only("rint"),
    "trunc": _float_only("trunc"),
    "maximum": _or_logical("max", "or"),
    "minimum": _or_logical("min", "and"),
    "fmax": _ignoring_nan("max"),
    "fmin": _ignoring_nan("min"),
    "square": _square,
    "reciprocal": _reciprocal,
    "logaddexp": _logaddexp(math.e),
    "logaddexp2": _logaddexp(2.0),
    "power": _power,
    "float_power": _primitive("pow"),
    "ldexp": _ldexp,
    "deg2rad": _scaled(math.pi / 180.0),
    "rad2deg": _scaled(180.0 / math.pi),
    "degrees": _scaled(180.0 / math.pi),
    "radians": _scaled(math.pi / 180.0),
    "greater": _swapped("lt"),
    "greater_equal": _swapped("le"),
    "isnan": _isnan,
    "isinf": _isinf,
    "isfinite": _isfinite,
    "logical_and": _logical("and"),
    "logical_or": _logical("or"),
    "logical_xor": _logical("xor"),
    "logical_not": lambda x: call("not", truth(x)),
}

RULES: dict[str, Rule] = {n: Rule(n, getattr(np, n), emit) for n, emit in _EMIT.items()}
_BY_UFUNC: dict[np.ufunc, Rule] = {rule.ufunc: rule for rule in RULES.values()}


SPECIAL_NAMES = tuple(SPECIAL_EMIT)
SPECIAL_RULES: dict[str, Rule] = {}


def load_special() -> dict[str, Rule]:
    """The elementwise functions of `scipy.special`, which is imported on first use."""
    if not SPECIAL_RULES:
        from scipy import special

        for name, emit in SPECIAL_EMIT.items():
            ufunc = getattr(special, name, None)
            if ufunc is not None:  # some came with later versions
                rule = SPECIAL_RULES[name] = Rule(name, ufunc, emit)
                _BY_UFUNC[ufunc] = rule
    return SPECIAL_RULES


def rule_for(ufunc: np.ufunc) -> Rule | None:
    """The entry of a ufunc, NumPy's or SciPy's."""
    found = _BY_UFUNC.get(ufunc)
    if found is None and not SPECIAL_RULES:
        load_special()
        found = _BY_UFUNC.get(ufunc)
    return found
