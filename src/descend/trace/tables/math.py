"""Functions of the math module on scalars: they give Python floats, so their results are weak."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from descend.errors import TraceError
from descend.graph.elementwise import call, cast
from descend.graph.node import Node
from descend.trace.context import note, where
from descend.trace.operators import elementwise
from descend.trace.table import covers, entry_of, implementation
from descend.trace.tensor import Tensor, as_node, wrap
from descend.trace.ufunc_rules import RULES

__all__: list[str] = []


def _scalar(name: str, value: Any) -> Node:
    """An argument as a float64 scalar: math works on single numbers only."""
    node = as_node(value, np.float64)
    if node.ndim == 0:
        return node
    if all(n == 1 for n in node.shape):
        return implementation("numpy.reshape")(wrap(node), ()).node  # type: ignore[no-any-return]
    other = f"np.{_NUMPY_NAME.get(name, name)}"
    known = entry_of(f"numpy.{_NUMPY_NAME.get(name, name)}") is not None
    raise TraceError(
        f"math.{name} takes a single number, not an array",
        where=where(),
        remedy=f"use {other}" if known else "use NumPy's function of arrays",
    )


def _enter(name: str, compute: Callable[..., Node]) -> None:
    @covers(name, module="math")
    def entry(*args: Any) -> Any:
        return wrap(note(compute(*(_scalar(name, a) for a in args))), weak=True)


_NUMPY_NAME = {
    "acos": "arccos", "acosh": "arccosh", "asin": "arcsin", "asinh": "arcsinh", "atan": "arctan",
    "atan2": "arctan2", "atanh": "arctanh", "pow": "power", "fabs": "fabs", "prod": "prod",
    "fsum": "sum", "dist": "linalg.norm", "erf": "erf", "lgamma": "gammaln",
}  # fmt: skip
for _name in (
    "acos", "acosh", "asin", "asinh", "atan", "atan2", "atanh", "cbrt", "copysign", "cos", "cosh",
    "degrees", "exp", "exp2", "expm1", "fabs", "fmod", "isfinite", "isinf", "isnan", "log10",
    "log1p", "log2", "pow", "radians", "sin", "sinh", "sqrt", "tan", "tanh",
):  # fmt: skip
    _enter(_name, RULES[_NUMPY_NAME.get(_name, _name)].emit)
_COMPOSED: dict[str, Callable[..., Node]] = {
    "erf": lambda x: call("erf", x),
    "erfc": lambda x: call("erfc", x),
    "lgamma": lambda x: call("gammaln", x),
    "floor": lambda x: cast(call("floor", x), np.int64),
    "ceil": lambda x: cast(call("ceil", x), np.int64),
    "trunc": lambda x: cast(call("trunc", x), np.int64),
    "log": lambda x, *base: (
        call("div", call("log", x), call("log", base[0])) if base else call("log", x)
    ),
    "fma": lambda x, y, z: call("add", call("mul", x, y), z),
}
for _name, _emit in _COMPOSED.items():
    _enter(_name, _emit)


@covers("gamma", module="math")
def _gamma(x: Any) -> Any:
    result = implementation("scipy.special.gamma")(wrap(_scalar("gamma", x)))
    return wrap(result.node, weak=True)


@covers("hypot", module="math")
def _hypot(*coordinates: Any) -> Any:
    norm = implementation("numpy.linalg.norm")
    return wrap(norm(implementation("numpy.array")(list(coordinates))).node, weak=True)


def _as_array(values: Any) -> Tensor:
    return wrap(as_node(list(values), np.float64))


@covers("fsum", module="math")
def _fsum(seq: Any, /) -> Any:
    return wrap(implementation("numpy.sum")(_as_array(seq)).node, weak=True)


@covers("prod", module="math")
def _prod(iterable: Any, /, *, start: Any = 1) -> Any:
    values = list(iterable)
    result = implementation("numpy.prod")(implementation("numpy.array")(values))
    return wrap((result * start).node, weak=True)


@covers("dist", module="math")
def _dist(p: Any, q: Any, /) -> Any:
    gap = _as_array(p) - _as_array(q)
    return wrap(implementation("numpy.linalg.norm")(gap).node, weak=True)


@covers("sumprod", module="math")
def _sumprod(p: Any, q: Any, /) -> Any:
    return wrap(implementation("numpy.dot")(_as_array(p), _as_array(q)).node, weak=True)


@covers("isclose", module="math")
def _isclose(a: Any, b: Any, *, rel_tol: float = 1e-09, abs_tol: float = 0.0) -> Any:
    x, y = wrap(_scalar("isclose", a)), wrap(_scalar("isclose", b))
    largest = elementwise(RULES["maximum"], (abs(x), abs(y)))
    return abs(x - y) <= elementwise(RULES["maximum"], (rel_tol * largest, abs_tol))
