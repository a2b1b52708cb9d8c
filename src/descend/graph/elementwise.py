"""Elementwise primitives: one entry each, with all that is known of the operation.

Operands have equal shapes and dtypes; casts and broadcasts are nodes of their own. A partial says
beside its formula where it may be infinite or 0: from that `differentiate.chain` decides what 0
times infinity is in a product of partials, by one of three products. `mul` is the plain one;
`mul0` is 0 where its first factor is, whatever the second (a branch not taken); `mul_sat` is 0
where one factor is 0 and the other infinite (what has overflowed and is saturated above).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from descend.errors import InternalError
from descend.graph.large import chosen
from descend.graph.linear import broadcast, broadcast_like
from descend.graph.node import PRIMITIVES, Array, Node, Partial, Primitive, Typed, apart, register
from descend.graph.ranges import away_from_zero, constant, not_negative, positive
from descend.graph.source import const

__all__ = [
    "ScipyUfunc", "call", "cast", "declare", "full_like", "select", "settling", "smooth",
    "zeros_like",
]  # fmt: skip

BOOL = np.dtype(bool)


def _same(args: tuple[Node, ...], _attrs: Mapping[str, Any]) -> Typed:
    first = args[0]
    for other in args[1:]:
        if other.shape != first.shape or other.dtype != first.dtype:
            raise InternalError(f"elementwise operands differ: {args}")
    return first.shape, first.dtype


def _truth(args: tuple[Node, ...], attrs: Mapping[str, Any]) -> Typed:
    return _same(args, attrs)[0], BOOL


def _select_type(args: tuple[Node, ...], attrs: Mapping[str, Any]) -> Typed:
    condition, yes, no = args
    if condition.dtype != BOOL or condition.shape != yes.shape:
        raise InternalError(f"select needs a bool of the same shape: {args}")
    return _same((yes, no), attrs)


def _cast_type(args: tuple[Node, ...], attrs: Mapping[str, Any]) -> Typed:
    return args[0].shape, np.dtype(attrs["dtype"])


def full_like(x: Node, value: Any) -> Node:
    """A constant with the shape and dtype of x."""
    return broadcast_like(const(value, x.dtype), x)


def zeros_like(x: Node) -> Node:
    return full_like(x, 0)


def call(name: str, *args: Node | float, **attrs: Any) -> Node:
    """Apply a primitive by name; Python numbers take the shape and dtype of the first node."""
    nodes: Any = args
    for a in args:
        if type(a) is not Node:
            model = next(a for a in args if isinstance(a, Node))
            nodes = [a if isinstance(a, Node) else full_like(model, a) for a in args]
            break
    return PRIMITIVES[name].apply(*nodes, **attrs)


def _is_float(node: Node) -> bool:
    return node.dtype.kind == "f"


def _by_partials(*_args: Any) -> Any:
    raise InternalError("elementwise primitives are differentiated by their partials")


def batch_elementwise(args: list[Node], flags: list[bool], node: Node, extent: Any) -> Node:
    """Give every operand the new axis, then apply as before."""
    full = [
        a if f else broadcast(a, (extent, *a.shape), tuple(range(1, a.ndim + 1)))
        for a, f in zip(args, flags, strict=True)
    ]
    return node.op.apply(*full, **node.attrs)


def declare(
    name: str,
    native: str,
    cost: int,
    finite: bool | str,
    meaning: Callable[..., Array],
    *partials: Partial | Callable[..., Node] | None,
    infer: Callable[..., Typed] = _same,
    latency: int = Primitive.latency,
    word: str = "",
    breaks: str = "",
    units: str | float | None = None,
) -> Primitive:
    """Register an elementwise primitive, with the partial for each argument (None: it is 0).

    Args:
        finite: whether it stays so; or why it does not, in a reader's words.
        units: by default, one of one argument takes and gives numbers without a unit.
    """
    if units is None:
        units = "number" if len(partials) == 1 and native != "library" else ""
    fails = finite if isinstance(finite, str) else ""
    entries = tuple(p if p is None or isinstance(p, Partial) else Partial(p) for p in partials)
    return register(
        Primitive(
            name, "elementwise", native, finite is True, infer, meaning,
            _by_partials, _by_partials, batch_elementwise, entries,
            cost=cost, latency=latency, word=word, fails=fails, mixes=apart, breaks=breaks,
            units=units,
        )
    )  # fmt: skip


def _mul0_meaning(g: Array, p: Array) -> Array:
    with np.errstate(invalid="ignore", over="ignore"):
        return np.where(g == 0, np.zeros((), g.dtype), g * p)


def _mul_sat_meaning(z: Array, b: Array, *, both: bool = False) -> Array:
    with np.errstate(invalid="ignore", over="ignore", under="ignore"):
        product = z * b
        lost = np.isnan(product) if both else z == 0
        return np.where(lost & ~np.isnan(z) & ~np.isnan(b), np.zeros((), z.dtype), product)


def _if_finite_meaning(d: Array, value: Array, *, infinite: bool) -> Array:
    lost = np.isfinite(d) & (~np.isfinite(value) if infinite else np.isnan(value))
    return np.where(lost, np.asarray(np.nan, d.dtype), d)


class ScipyUfunc:
    """The meaning of a primitive that is SciPy's ufunc of this name; SciPy is imported when asked.

    Args:
        wide: computed in float64 and rounded to the argument's dtype, as native code has it.
    """

    def __init__(self, name: str, wide: bool = False) -> None:
        self.name = name
        self.wide = wide

    def __call__(self, *args: Array) -> Array:
        from scipy import special

        given = [a.astype(np.float64) for a in args] if self.wide else args
        with np.errstate(all="ignore"):
            return np.asarray(getattr(special, self.name)(*given), dtype=args[0].dtype)


def _polygamma_meaning(x: Array, *, order: int) -> Array:
    from scipy import special

    return np.asarray(special.polygamma(order, x), dtype=x.dtype)


def _cast_meaning(x: Array, *, dtype: str) -> Array:
    """NumPy's `astype`; what it leaves open (it differs between machines) becomes an index that
    no array has: NaN the lowest integer, of unsigned ones the highest, and large numbers the
    nearest one."""
    with np.errstate(invalid="ignore", over="ignore"):
        result = x.astype(dtype)
        if x.dtype.kind != "f" or result.dtype.kind not in "iu":
            return result
        limits = np.iinfo(result.dtype)
        if limits.min:
            low = ~(x > limits.min - 1.0) & ~(x == limits.min)
            result = np.where(low, limits.min, np.where(x >= limits.max + 1.0, limits.max, result))
        else:
            result = np.where((x > -1.0) & (x < limits.max + 1.0), result, limits.max)
        return result.astype(dtype)


def add(x: Node, y: Node | float) -> Node:
    return call("add", x, y)


def sub(x: Node, y: Node | float) -> Node:
    return call("sub", x, y)


def mul(x: Node, y: Node | float) -> Node:
    return call("mul", x, y)


def div(x: Node, y: Node) -> Node:
    return call("div", x, y)


def neg(x: Node) -> Node:
    return call("neg", x)


def cast(x: Node, dtype: Any) -> Node:
    """The same numbers in another dtype (identity where it is the same)."""
    dtype = np.dtype(dtype)
    return x if x.dtype == dtype else PRIMITIVES["cast"].apply(x, dtype=dtype.str)


def select(condition: Node, yes: Node | float, no: Node | float) -> Node:
    """`yes` where the condition holds, else `no`."""
    model = yes if isinstance(yes, Node) else no
    assert isinstance(model, Node)
    yes = yes if isinstance(yes, Node) else full_like(model, yes)
    no = no if isinstance(no, Node) else full_like(model, no)
    return PRIMITIVES["select"].apply(condition, yes, no)


def _larger(x: Node, y: Node, _out: Node) -> Node:
    """1 where x > y, ½ at a tie, 0 elsewhere: the symmetric subgradient."""
    tie = select(call("eq", x, y), full_like(x, 0.5), 0.0)
    return select(call("lt", y, x), 1.0, tie)


def _over_radius(x: Node, out: Node) -> Node:
    """x / out with 0 where out is 0 (the gradient of a norm at the origin is taken as 0)."""
    at_zero = call("eq", out, 0.0)
    return select(at_zero, full_like(x, 0.0), div(x, select(at_zero, 1.0, out)))


def _angle_y(y: Node, x: Node, _out: Node) -> Node:
    radius = call("hypot", x, y)
    return div(div(x, radius), radius)


def _angle_x(y: Node, x: Node, _out: Node) -> Node:
    radius = call("hypot", x, y)
    return neg(div(div(y, radius), radius))


def _power_base(x: Node, y: Node, _out: Node) -> Node:
    less = sub(y, 1.0) if math.isnan(constant(y)) else full_like(y, constant(y) - 1.0)
    return call("mul0", y, call("pow", x, less))


def _power_exponent(x: Node, _y: Node, out: Node) -> Node:
    return call("mul0", out, call("log", x))


def _same_signs(x: Node, y: Node, _out: Node) -> Node:
    """1 where x and y have the same sign, else −1."""
    unit = full_like(x, 1.0)
    return call("copysign", unit, mul(call("sign", x), call("copysign", unit, y)))


def _next_polygamma(x: Node, out: Node) -> Node:
    return call("polygamma", x, order=out.attrs["order"] + 1)


def _inverse(x: Node) -> Node:
    return call("div", 1.0, x)


def _square(x: Node) -> Node:
    return mul(x, x)


def _gauss(x: Node, factor: float) -> Node:
    return mul(call("exp", neg(_square(x))), factor)


def smooth(local: Callable[..., Node], isolated: bool = True) -> Partial:
    """A partial that is finite at finite arguments, short of overflow."""
    return Partial(local, pole=False, isolated=isolated)


def settling(
    local: Callable[..., Node], pole: bool | Callable[..., bool] = False, isolated: bool = False
) -> Partial:
    """A partial that tends to 0 where an argument or the result grows beyond all numbers."""
    return Partial(local, pole=pole, settles=True, isolated=isolated)


def _zero(place: int) -> Callable[..., bool]:
    """Whether an argument may be 0, and not only by underflow."""
    return lambda node, _moving: not positive(node.args[place])


def _near_zero(place: int) -> Callable[..., bool]:
    """Whether an argument may come near 0."""
    return lambda node, _moving: not away_from_zero(node.args[place])


def _power_pole(node: Node, _moving: Sequence[bool]) -> bool:
    base, exponent = node.args
    return not constant(exponent) >= 1.0 and not away_from_zero(base)


def _power_isolated(node: Node, _moving: Sequence[bool]) -> bool:
    base, exponent = node.args
    return not constant(exponent) <= 1.0 and not away_from_zero(base)


def _moving_base(node: Node, moving: Sequence[bool]) -> bool:
    return moving[0] and not away_from_zero(node.args[0])


_ONE = Partial(lambda x, *_: full_like(x, 1.0), "one")
_MINUS = Partial(lambda x, *_: full_like(x, -1.0), "minus")
_FACTOR = Partial(lambda x, y, o: y, pole=False, apart=True)
_FACTORED = Partial(lambda x, y, o: x, pole=False, apart=True)
_OVER = Partial(
    lambda x, y, o: _inverse(y), pole=_zero(1), settles=True, isolated=False, apart=True
)
_UNDER = Partial(
    lambda x, y, o: neg(div(o, y)), pole=_zero(1), settles=True,
    isolated=lambda _node, moving: moving[0],
    still=lambda node, moving: not moving[0] and math.isnan(constant(node.args[0])),
)  # fmt: skip
_NOT_POSITIVE = "the logarithm of a number that is not positive"
_POLE = "a pole of the gamma function"
_LN2, _LN10, _ERF = math.log(2.0), math.log(10.0), 2.0 / math.sqrt(math.pi)

# fmt: off
# Name, native code, cost, whether it stays finite (or why not), meaning, partials.
declare("add", "arithmetic", 1, True, np.add, _ONE, _ONE, word="+", latency=3, units="same")
declare("sub", "arithmetic", 1, True, np.subtract, _ONE, _MINUS, word="-", latency=3, units="same")
declare("mul", "arithmetic", 1, True, np.multiply, _FACTOR, _FACTORED, word="·", latency=3,
        units="product")
declare("div", "arithmetic", 4, "a division by zero", np.divide, _OVER, _UNDER, word="/",
        latency=13, units="quotient")
declare("mul0", "arithmetic", 1, True, _mul0_meaning,
        Partial(lambda g, p, o: p, "mul0"), Partial(lambda g, p, o: g, "0mul", pole=False),
        word="·", units="product")
declare("mul_sat", "arithmetic", 1, True, _mul_sat_meaning,
        Partial(lambda z, b, o: b, "mul_sat", pole=False),
        Partial(lambda z, b, o: z, "mul_sat", pole=False), word="·", units="product")
declare("neg", "arithmetic", 1, True, np.negative, _MINUS, word="-", latency=1, units="kept")
declare("abs", "arithmetic", 1, True, np.abs, smooth(lambda x, o: call("sign", x)),
        breaks="kink", units="kept")
declare("sign", "arithmetic", 1, False, np.sign, None, breaks="step", units="plain")
for _step in (np.floor, np.ceil, np.rint, np.trunc):
    declare(_step.__name__, "arithmetic", 1, True, _step, None, breaks="step", units="kept")
declare("floordiv", "division", 6, "a division by zero", np.floor_divide, None, None, word="//",
        breaks="step", units="quotient")
declare("mod", "division", 6, "a division by zero", np.mod,
        _ONE, lambda x, y, o: neg(call("floordiv", x, y)), word="%", breaks="kink", units="same")
declare("fmod", "division", 6, "a division by zero", np.fmod,
        _ONE, lambda x, y, o: neg(call("trunc", div(x, y))), breaks="kink", units="same")
declare("copysign", "arithmetic", 1, True, np.copysign, smooth(_same_signs), None,
        breaks="kink", units="kept")
declare("max", "arithmetic", 1, True, np.maximum,
        Partial(_larger, "mask", pole=False),
        Partial(lambda x, y, o: _larger(y, x, o), "mask", pole=False),
        word="maximum", breaks="kink", units="same")
declare("min", "arithmetic", 1, True, np.minimum,
        Partial(lambda x, y, o: _larger(y, x, o), "mask", pole=False),
        Partial(_larger, "mask", pole=False),
        word="minimum", breaks="kink", units="same")
declare("sqrt", "arithmetic", 5, "the root of a negative number", np.sqrt,
        settling(lambda x, o: div(full_like(x, 0.5), o), _near_zero(0)), latency=15, units=1 / 2)
declare("cbrt", "roots", 20, True, np.cbrt,
        settling(lambda x, o: div(full_like(x, 1.0 / 3.0), _square(o)), _near_zero(0)),
        units=1 / 3)
declare("exp", "exponential", 20, "exp of a number above 709", np.exp, settling(lambda x, o: o))
declare("exp2", "exponential", 20, "exp2 of a number of 1024 or more", np.exp2,
        settling(lambda x, o: mul(o, _LN2)))
declare("expm1", "exponential", 40, "expm1 of a number above 709", np.expm1,
        settling(lambda x, o: call("exp", x)))
declare("log", "logarithm", 20, _NOT_POSITIVE, np.log,
        settling(lambda x, o: _inverse(x), _near_zero(0)), units="plain")
for _name, _log, _of_base in (("log2", np.log2, _LN2), ("log10", np.log10, _LN10)):
    declare(_name, "logarithm", 20, _NOT_POSITIVE, _log, settling(
        lambda x, o, c=1.0 / _of_base: div(full_like(x, c), x), _near_zero(0)), units="plain")
declare("log1p", "logarithm", 40, _NOT_POSITIVE, np.log1p,
        settling(lambda x, o: _inverse(add(x, 1.0)),
                  lambda node, _moving: not not_negative(node.args[0])))
declare("pow", "power", 40, "a power that is not finite", np.power,
        Partial(_power_base, pole=_power_pole, settles=True, isolated=_power_isolated),
        Partial(_power_exponent, pole=_moving_base, settles=True, isolated=_moving_base,
                still=True),
        word="**")
declare("hypot", "roots", 20, True, np.hypot,
        smooth(lambda x, y, o: _over_radius(x, o)), smooth(lambda x, y, o: _over_radius(y, o)),
        breaks="kink", units="same")
declare("sin", "trigonometric", 20, True, np.sin, smooth(lambda x, o: call("cos", x)),
        units="wave")
declare("cos", "trigonometric", 20, True, np.cos, smooth(lambda x, o: neg(call("sin", x))),
        units="wave")
declare("tan", "trigonometric", 40, "a pole of tan", np.tan,
        smooth(lambda x, o: add(_square(o), 1.0), isolated=False), units="wave")
declare("arcsin", "inverse", 40, "arcsin beyond ±1", np.arcsin,
        lambda x, o: _inverse(call("sqrt", call("one_less_square", x))))
declare("arccos", "inverse", 40, "arccos beyond ±1", np.arccos,
        lambda x, o: neg(_inverse(call("sqrt", call("one_less_square", x)))))
declare("arctan", "inverse", 40, True, np.arctan,
        settling(lambda x, o: call("over_one_and_square", x)))
declare("arctan2", "inverse", 40, True, np.arctan2,
        Partial(_angle_y, settles=True), Partial(_angle_x, settles=True), units="same")
declare("sinh", "exponential", 40, "sinh beyond ±710", np.sinh,
        smooth(lambda x, o: call("cosh", x), isolated=False))
declare("cosh", "exponential", 40, "cosh beyond ±710", np.cosh,
        smooth(lambda x, o: call("sinh", x)))
declare("tanh", "exponential", 40, True, np.tanh,
        settling(lambda x, o: call("sech_square", x), isolated=True))
declare("sech_square", "exponential", 40, True, lambda x: np.square(1 / np.cosh(x)),
        settling(lambda x, o: mul(mul(o, call("tanh", x)), -2.0), isolated=True), word="sech²")
declare("arcsinh", "logarithm", 40, True, np.arcsinh,
        settling(lambda x, o: _inverse(call("hypot", x, 1.0))))
declare("arccosh", "logarithm", 40, "arccosh of a number below 1", np.arccosh,
        settling(lambda x, o: _inverse(call("root_square_less_one", x)), pole=True))
declare("arctanh", "logarithm", 40, "arctanh of ±1 or beyond", np.arctanh,
        lambda x, o: _inverse(call("one_less_square", x)))
declare("one_less_square", "arithmetic", 3, True, lambda x: (1 - x) * (x + 1),
        smooth(lambda x, o: mul(x, -2.0)), word="1 - x²", latency=7)
declare("over_one_and_square", "arithmetic", 6, True, lambda x: 1 / (1 + x * x),
        settling(lambda x, o: mul(call("mul_sat", x, o, both=True), mul(o, -2.0)), isolated=True),
        word="1/(1 + x²)", latency=20)
declare("root_square_less_one", "arithmetic", 13, "a number below 1",
        lambda x: np.sqrt(x - 1) * np.sqrt(x + 1),
        Partial(lambda x, o: div(x, o), isolated=False), word="√(x² - 1)")
declare("expit", "exponential", 20, True, ScipyUfunc("expit"),
        settling(lambda x, o: mul(o, call("expit", neg(x)))), word="sigmoid")
declare("erf", "gaussian", 40, True, ScipyUfunc("erf"), settling(lambda x, o: _gauss(x, _ERF)))
declare("erfc", "gaussian", 40, True, ScipyUfunc("erfc"),
        settling(lambda x, o: _gauss(x, -_ERF)))
declare("gammaln", "gamma", 40, _POLE, ScipyUfunc("gammaln"), lambda x, o: call("digamma", x))
declare("digamma", "gamma", 40, _POLE, ScipyUfunc("digamma"),
        settling(lambda x, o: call("polygamma", x, order=1), pole=True))
declare("polygamma", "gamma", 1, _POLE, _polygamma_meaning,
        settling(_next_polygamma, pole=True))
declare("if_finite", "arithmetic", 4, "a value that is not finite", _if_finite_meaning, _ONE, None,
        units="kept")
declare("stop_gradient", "rewritten", 1, True, np.array, None, units="kept")
declare("lt", "arithmetic", 1, True, np.less, None, None, infer=_truth, word="<",
        breaks="comparison", units="same")
declare("le", "arithmetic", 1, True, np.less_equal, None, None, infer=_truth, word="<=",
        breaks="comparison", units="same")
declare("eq", "arithmetic", 1, True, np.equal, None, None, infer=_truth, word="==",
        breaks="comparison", units="same")
declare("ne", "arithmetic", 1, True, np.not_equal, None, None, infer=_truth, word="!=",
        breaks="comparison", units="same")
declare("and", "arithmetic", 1, True, np.bitwise_and, None, None, word="&", units="plain")
declare("or", "arithmetic", 1, True, np.bitwise_or, None, None, word="|", units="plain")
declare("xor", "arithmetic", 1, True, np.bitwise_xor, None, None, word="^", units="plain")
declare("not", "arithmetic", 1, True, np.invert, None, units="plain")
declare("shift_left", "arithmetic", 1, True, np.left_shift, None, None)
declare("shift_right", "arithmetic", 1, True, np.right_shift, None, None)
# fmt: on


def _cast_vjp(g: Node, node: Node, wanted: Sequence[bool]) -> list[Node | None]:
    x = node.args[0]
    return [cast(g, x.dtype) if wanted[0] and _is_float(x) and _is_float(node) else None]


def _cast_jvp(tangents: list[Node | None], node: Node) -> Node | None:
    t = tangents[0]
    return cast(t, node.dtype) if t is not None and _is_float(node) else None


def _select_vjp(g: Node, node: Node, wanted: Sequence[bool]) -> list[Node | None]:
    condition = node.args[0]
    zero = zeros_like(g)
    return [
        None,
        select(condition, g, zero) if wanted[1] else None,
        select(condition, zero, g) if wanted[2] else None,
    ]


def _select_jvp(tangents: list[Node | None], node: Node) -> Node | None:
    _, yes, no = tangents
    if yes is None and no is None:
        return None
    return select(node.args[0], 0.0 if yes is None else yes, 0.0 if no is None else no)


register(
    Primitive(
        "cast", "elementwise", "arithmetic", True, _cast_type, _cast_meaning,
        _cast_vjp, _cast_jvp, batch_elementwise, latency=4, mixes=apart,
        breaks="step", units="kept",
    )
)  # fmt: skip
register(
    Primitive(
        "select", "elementwise", "arithmetic", True, _select_type, chosen,
        _select_vjp, _select_jvp, batch_elementwise,
        masks=True, word="where", back="where it was chosen, zeros elsewhere", mixes=apart,
        breaks="kink",
    )
)  # fmt: skip
