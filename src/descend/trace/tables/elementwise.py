"""Elementwise functions: the ufuncs, where, clip, round, select, and compositions of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from descend.errors import NotCoveredError, TraceError, UsageError
from descend.graph.elementwise import call, cast, full_like, select
from descend.graph.node import Node
from descend.trace.context import note, where
from descend.trace.known import Known, known
from descend.trace.operands import common_dtype, deliver
from descend.trace.operators import elementwise, in_place_value, power
from descend.trace.table import covers, implementation
from descend.trace.tensor import Tensor, as_node, without_stand_ins, wrap
from descend.trace.typing_rules import broadcast_shapes, to_shape
from descend.trace.ufunc_rules import RULES, Rule, rule_for, truth

__all__ = ["apply_ufunc"]


def apply_ufunc(rule: Rule, args: Sequence[Any], kwargs: dict[str, Any]) -> Any:
    """A ufunc called with keywords: out, where, dtype, casting."""
    options = dict(kwargs)
    out = options.pop("out", None)
    mask = options.pop("where", True)
    dtype = options.pop("dtype", None)
    options.pop("casting", None)
    options.pop("order", None)
    options.pop("subok", None)
    if options:
        raise TraceError(
            f"np.{rule.name} got an unexpected keyword argument {next(iter(options))!r}",
            where=where(),
        )
    least, most = rule.ufunc.nin, rule.ufunc.nargs
    if not least <= len(args) <= most:
        raise TraceError(
            f"np.{rule.name} takes from {least} to {most} positional arguments but {len(args)} "
            f"{'was' if len(args) == 1 else 'were'} given",
            where=where(),
        )
    if len(args) > rule.ufunc.nin:
        out, args = args[rule.ufunc.nin :], args[: rule.ufunc.nin]
    dtypes = None
    if dtype is not None:
        loop = rule.ufunc.resolve_dtypes(
            (np.dtype(dtype),) * rule.ufunc.nin + (None,) * rule.ufunc.nout
        )
        dtypes = loop[: rule.ufunc.nin]
    if rule is RULES["power"] and dtypes is None:
        result = power(*args)
    else:
        result = elementwise(rule, args, dtypes=dtypes)
    if isinstance(result, Known):
        return result
    if out is not None:
        return _written(rule, result, out, mask)
    if mask is not True:
        raise TraceError(f"np.{rule.name}(…, where=…) needs out=", where=where())
    return result


def _written(rule: Rule, result: Any, out: Any, mask: Any) -> Any:
    targets = out if isinstance(out, tuple) else (out,)
    results = result if isinstance(result, tuple) else (result,)
    for target, value in zip(targets, results, strict=True):
        if target is None:
            continue
        if not isinstance(target, Tensor):
            raise TraceError(
                f"np.{rule.name}(…, out=…): a plain array cannot hold traced values",
                where=where(),
                remedy="make the array in the model (np.empty, np.zeros), or drop out=",
            )
        if target.__class__ is Known:
            target.become_traced()
        new = in_place_value(rule.name, value.node, target)
        if mask is not True:
            condition = to_shape(truth(as_node(mask)), new.shape)
            new = select(condition, new, target.node)
        target._put(None, note(new))
    return out[0] if isinstance(out, tuple) and len(out) == 1 else out


def _ufunc_entry(rule: Rule) -> Callable[..., Any]:
    nin = rule.ufunc.nin

    def entry(*args: Any, **kwargs: Any) -> Any:
        if kwargs or len(args) != nin or rule is RULES["power"]:
            return apply_ufunc(rule, args, kwargs)
        return elementwise(rule, args)

    return entry


for _name, _rule in RULES.items():
    covers(_name)(_ufunc_entry(_rule))
for _name, _same in {
    "abs": "absolute", "acos": "arccos", "acosh": "arccosh", "asin": "arcsin",
    "asinh": "arcsinh", "atan": "arctan", "atan2": "arctan2", "atanh": "arctanh",
    "conj": "conjugate", "mod": "remainder", "pow": "power", "true_divide": "divide",
    "bitwise_not": "invert", "bitwise_invert": "invert", "bitwise_left_shift": "left_shift",
    "bitwise_right_shift": "right_shift",
}.items():  # fmt: skip
    covers(_name)(implementation(f"numpy.{_same}"))


# --- ufuncs through the protocol ----------------------------------------------------------------


@covers("ufunc", module="protocol")
def _array_ufunc(ufunc: np.ufunc, method: str, inputs: Any, kwargs: dict[str, Any]) -> Any:
    """A ufunc met a stand-in: called, reduced, accumulated, or as an outer product."""
    traced = any(_is_unknown(i) for i in (*inputs, *_outs(kwargs)))
    if not traced:
        plain = without_stand_ins(list(inputs))
        outs = {k: without_stand_ins(v) for k, v in kwargs.items()}
        result = getattr(ufunc, method)(*plain, **outs)
        return tuple(map(known, result)) if isinstance(result, tuple) else known(result)
    if method == "__call__" and ufunc is np.matmul:
        return implementation("numpy.matmul")(*inputs, **kwargs)
    rule = rule_for(ufunc)
    if rule is None:
        raise NotCoveredError(f"np.{ufunc.__name__} is not covered yet", where=where())
    if method == "__call__":
        return apply_ufunc(rule, inputs, kwargs)
    return ufunc_method(rule, method, inputs, kwargs)


def _outs(kwargs: dict[str, Any]) -> tuple[Any, ...]:
    out = kwargs.get("out") or ()
    return out if isinstance(out, tuple) else (out,)


def _is_unknown(value: Any) -> bool:
    return value.__class__ is not Known and not isinstance(value, (np.ndarray, np.generic, float))


_REDUCE = {
    "add": "sum", "multiply": "prod", "maximum": "max", "minimum": "min",
    "logical_and": "all", "logical_or": "any", "logaddexp": "_logaddexp_reduce",
}  # fmt: skip
_ACCUMULATE = {
    "add": "cumsum", "multiply": "cumprod", "maximum": "_maximum_accumulate",
    "minimum": "_minimum_accumulate",
}  # fmt: skip


def ufunc_method(rule: Rule, method: str, inputs: Sequence[Any], kwargs: dict[str, Any]) -> Any:
    """`np.add.reduce(x)`, `np.maximum.accumulate(x)`, `np.multiply.outer(a, b)`."""
    table = {"reduce": _REDUCE, "accumulate": _ACCUMULATE}.get(method, {})
    if rule.name in table:
        options = dict(kwargs)
        if len(inputs) == 1:
            options.setdefault("axis", 0)
        if isinstance(options.get("out"), tuple):
            (options["out"],) = options["out"]
        return implementation(f"numpy.{table[rule.name]}")(*inputs, **options)
    if method == "outer":
        a, b = (wrap(as_node(i)) for i in inputs)
        index = (slice(None),) * a.ndim + (None,) * b.ndim
        return apply_ufunc(rule, (a[index], b), kwargs)
    raise NotCoveredError(
        f"np.{rule.name}.{method} is not covered yet",
        where=where(),
        remedy="use np.sum, np.cumsum, np.max and their kin, or indexing",
    )


# --- choice -------------------------------------------------------------------------------------


@covers("where")
def _where(condition: Any, x: Any = None, y: Any = None) -> Any:
    if x is None or y is None:
        raise TraceError(
            "np.where with one argument: how many places there are is not known before the data",
            where=where(),
            remedy="give both values: np.where(condition, a, b)",
        )
    dtype = common_dtype((x, y))
    x, y = (np.array(v).astype(dtype) if type(v) is int else v for v in (x, y))  # -1 wraps
    test, yes, no = truth(as_node(condition)), as_node(x, dtype), as_node(y, dtype)
    shape = broadcast_shapes([test.shape, yes.shape, no.shape])
    return wrap(note(select(*(to_shape(n, shape) for n in (test, yes, no)))))


@covers("select")
def _select(condlist: Any, choicelist: Any, default: Any = 0) -> Any:
    if len(condlist) != len(choicelist):
        raise UsageError("list of cases must be same length as list of conditions", where=where())
    dtype = common_dtype([*choicelist, default])
    result = wrap(as_node(default, dtype))
    for condition, choice in zip(reversed(condlist), reversed(choicelist), strict=True):
        result = _where(condition, wrap(as_node(choice, dtype)), result)
    shapes = [as_node(v).shape for v in (*condlist, *choicelist)]
    return wrap(to_shape(result.node, broadcast_shapes([result.extents, *shapes])))


@covers("piecewise")
def _piecewise(x: Any, condlist: Any, funclist: Any, *args: Any, **kw: Any) -> Any:
    """Each function is applied to all of x; what its condition does not choose is discarded."""
    conditions = _conditions(condlist)
    array = wrap(as_node(x))
    if len(funclist) == len(conditions) + 1:
        anywhere = conditions[0]
        for c in conditions[1:]:
            anywhere = elementwise(RULES["logical_or"], (anywhere, c))
        conditions = [*conditions, elementwise(RULES["logical_not"], (anywhere,))]
    if len(funclist) != len(conditions):
        raise UsageError(
            f"with {len(condlist)} condition(s), either {len(condlist)} or {len(condlist) + 1} "
            "functions are expected",
            where=where(),
        )
    result = wrap(full_like(array.node, 0))
    for condition, function in zip(conditions, funclist, strict=True):
        value = function(array, *args, **kw) if callable(function) else function
        result = _where(condition, wrap(as_node(value, array.dtype)), result)
    return result


def _conditions(condlist: Any) -> list[Any]:
    if isinstance(condlist, Tensor):
        return [condlist]
    return list(condlist)


@covers("clip")
def _clip(a: Any, a_min: Any = None, a_max: Any = None, out: Any = None, **kwargs: Any) -> Any:
    low = kwargs.pop("min", a_min)
    high = kwargs.pop("max", a_max)
    low, high = _within(as_node(a).dtype, low, high)
    dtype = common_dtype([v for v in (a, low, high) if v is not None])
    result = wrap(as_node(a, dtype))
    if low is not None:
        result = elementwise(RULES["maximum"], (result, wrap(as_node(low, dtype))))
    if high is not None:
        result = elementwise(RULES["minimum"], (result, wrap(as_node(high, dtype))))
    return deliver(result.node, out)


def _within(dtype: np.dtype[Any], low: Any, high: Any) -> tuple[Any, Any]:
    """The bounds of a clip without plain integers that no value of the dtype can pass."""
    if dtype.kind in "iu":
        ends = np.iinfo(dtype)
        low = None if type(low) is int and low <= ends.min else low
        high = None if type(high) is int and high >= ends.max else high
    return low, high


@covers("round", "around")
def _round(a: Any, decimals: int = 0, out: Any = None) -> Any:
    x = as_node(a)
    if x.dtype.kind != "f":
        if decimals >= 0:
            return deliver(x, out)
        factor = full_like(x, 10**-decimals)
        scaled = call("rint", call("div", cast(x, np.float64), cast(factor, np.float64)))
        return deliver(call("mul", cast(scaled, x.dtype), factor), out)
    if decimals == 0:
        return deliver(call("rint", x), out)
    ten = full_like(x, 10.0 ** abs(decimals))
    forth, back = ("mul", "div") if decimals > 0 else ("div", "mul")
    return deliver(call(back, call("rint", call(forth, x, ten)), ten), out)


@covers("fix")
def _fix(x: Any, out: Any = None) -> Any:
    return apply_ufunc(RULES["trunc"], (x,), {} if out is None else {"out": out})


@covers("nan_to_num")
def _nan_to_num(
    x: Any, copy: bool = True, nan: Any = 0.0, posinf: Any = None, neginf: Any = None
) -> Any:
    a = as_node(x)
    if a.dtype.kind != "f":
        return wrap(a)
    limits = np.finfo(a.dtype)
    top = limits.max if posinf is None else posinf
    bottom = limits.min if neginf is None else neginf
    a = select(call("ne", a, a), full_like(a, nan), a)
    a = select(call("eq", a, np.inf), full_like(a, top), a)
    return wrap(note(select(call("eq", a, -np.inf), full_like(a, bottom), a)))


@covers("isclose")
def _isclose(a: Any, b: Any, rtol: Any = 1e-5, atol: Any = 1e-8, equal_nan: bool = False) -> Any:
    x, y = wrap(as_node(a)), wrap(as_node(b))
    near = (abs(x - y) <= (atol + rtol * abs(y))) & _finite(y) | (x == y)
    return near | ((x != x) & (y != y)) if equal_nan else near


def _finite(x: Tensor) -> Any:
    return elementwise(RULES["isfinite"], (x,))


@covers("isposinf")
def _isposinf(x: Any, out: Any = None) -> Any:
    return deliver((wrap(as_node(x)) == np.inf).node, out)


@covers("isneginf")
def _isneginf(x: Any, out: Any = None) -> Any:
    return deliver((wrap(as_node(x)) == -np.inf).node, out)


@covers("real")
def _real(x: Any) -> Any:
    return x


@covers("imag")
def _imag(x: Any) -> Any:
    return wrap(full_like(as_node(x), 0))


@covers("isreal")
def _isreal(x: Any) -> Any:
    return wrap(cast(full_like(as_node(x), 1), bool))


@covers("iscomplex")
def _iscomplex(x: Any) -> Any:
    return wrap(cast(full_like(as_node(x), 0), bool))


@covers("isrealobj")
def _isrealobj(_x: Any) -> bool:
    return True


@covers("iscomplexobj")
def _iscomplexobj(_x: Any) -> bool:
    return False


@covers("sinc")
def _sinc(x: Any) -> Any:
    """sin(πx) / (πx), by its series near 0, where the quotient's derivatives would be lost."""
    a = as_node(x)
    a = a if a.dtype.kind == "f" else cast(a, np.float64)
    y = call("mul", a, np.pi)
    square = call("mul", y, y)
    near = call("lt", square, full_like(y, 0.06))
    safe = select(near, full_like(y, 1.0), y)
    far = call("div", call("sin", safe), safe)
    return wrap(note(select(near, _sinc_series(select(near, square, 0.0)), far)))


def _sinc_series(square: Node) -> Node:
    """1 - s/3! + s²/5! - …, good to the last bit for s < 0.06."""
    total = full_like(square, 1.0)
    for k in range(8, 0, -1):
        term = call("mul", call("mul", total, square), -1.0 / (2 * k * (2 * k + 1)))
        total = call("add", term, 1.0)
    return total


@covers("angle")
def _angle(z: Any, deg: bool = False) -> Any:
    x = wrap(as_node(z))
    return _where(x < 0, 180.0 if deg else np.pi, 0.0)
