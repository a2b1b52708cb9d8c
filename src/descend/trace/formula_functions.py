"""What a formula may call: operators, NumPy's functions and SciPy's, constants, as tables."""

from __future__ import annotations

import ast
import functools
import math
import operator
from collections.abc import Callable, Collection, Sequence
from inspect import CO_VARARGS
from typing import Any, NamedTuple, Protocol

import numpy as np

from descend.graph.node import PRIMITIVES
from descend.trace.special_rules import SPECIAL_EMIT
from descend.trace.ufunc_rules import RULES

__all__ = [
    "BINARY",
    "COMPARE",
    "CONSTANTS",
    "FUNCTIONS",
    "RESERVED",
    "UNARY",
    "Function",
    "Ready",
    "ReadyModels",
    "apply",
    "foldable",
]

BINARY: dict[type[ast.AST], Callable[[Any, Any], Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.Pow: operator.pow,
}
COMPARE: dict[type[ast.AST], Callable[[Any, Any], Any]] = {
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
}
UNARY: dict[type[ast.AST], Callable[[Any], Any]] = {
    ast.USub: operator.neg,
    ast.UAdd: operator.pos,
}

_NUMPY_ONE = (
    "exp exp2 expm1 log log2 log10 log1p sqrt cbrt square abs sign sin cos tan arcsin arccos "
    "arctan sinh cosh tanh arcsinh arccosh arctanh floor ceil rint trunc reciprocal deg2rad rad2deg"
)
_NUMPY_TWO = "arctan2 hypot power logaddexp"
_SPECIAL = {"erf": 1, "erfc": 1, "expit": 1, "logit": 1, "gammaln": 1, "digamma": 1, "xlogy": 2}
_OF_ORDER = "jv yv iv kv"
_ALIASES = {
    "ln": "log",
    "asin": "arcsin",
    "acos": "arccos",
    "atan": "arctan",
    "atan2": "arctan2",
    "asinh": "arcsinh",
    "acosh": "arccosh",
    "atanh": "arctanh",
    "pow": "power",
    "round": "rint",
    "absolute": "abs",
    "fabs": "abs",
    "min": "minimum",
    "max": "maximum",
    "lgamma": "gammaln",
    "sigmoid": "expit",
    "degrees": "rad2deg",
    "radians": "deg2rad",
}


class Function(NamedTuple):
    """A function by its name in NumPy or SciPy, and how many arguments it takes."""

    name: str
    least: int
    most: int | None
    special: bool = False

    @property
    def arguments(self) -> str:
        if self.most is None:
            return f"{self.least} arguments or more"
        return "one argument" if self.most == 1 else f"{self.most} arguments"

    def resolve(self) -> Callable[..., Any]:
        """The callable behind the name; SciPy is imported only for those that need it."""
        if self.special:
            import scipy.special

            found: Callable[..., Any] = getattr(scipy.special, self.name)
            return found
        found = getattr(np, self.name)
        return found


class Ready(NamedTuple):
    """A ready model by its name: it takes data, and brings parameters of its own.

    Args:
        call: the function, of the data and then of the parameters.
        data: how many arguments stand in the formula.
        parameters: the names of the others.
    """

    name: str
    call: Callable[..., Any]
    data: int
    parameters: tuple[str, ...]

    @property
    def least(self) -> int:
        return self.data

    @property
    def most(self) -> int:
        return self.data

    @property
    def arguments(self) -> str:
        return "one argument" if self.data == 1 else f"{self.data} arguments"

    def __call__(self, *values: Any) -> Any:
        return self.call(*values)


class ReadyModels(Protocol):
    """The ready models that a formula may call."""

    def names(self) -> Collection[str]:
        """What they are called."""

    def calls(self, names: Sequence[str], taken: Collection[str]) -> list[Ready]:
        """A ready model for each call, their parameters named apart from each other and others."""


def _called() -> dict[str, Function]:
    """Functions only where a bracket follows: else y0, gamma and their like are names.

    They are all that a model may call elementwise, on floats, with arguments of a fixed number.
    """
    table = {
        name: Function(name, rule.ufunc.nin, rule.ufunc.nin)
        for name, rule in RULES.items() if "d" * rule.ufunc.nin + "->d" in rule.ufunc.types
    }  # fmt: skip
    for name, emit in SPECIAL_EMIT.items():
        own, code = PRIMITIVES.get(name), emit.__code__  # a signature takes long
        n = code.co_argcount if own is None else len(own.partials or ())
        if name not in table and (own is not None or not code.co_flags & CO_VARARGS):
            table[name] = Function(name, n, n, special=True)
    return table | {name: Function(name, 2, 2, special=True) for name in _OF_ORDER.split()}


def _reserved() -> dict[str, Function]:
    """Functions whose names are no parameter's."""
    table = {name: Function(name, 1, 1) for name in _NUMPY_ONE.split()}
    table |= {name: Function(name, 2, 2) for name in _NUMPY_TWO.split()}
    table |= {name: Function(name, n, n, special=True) for name, n in _SPECIAL.items()}
    table |= {name: Function(name, 2, None) for name in ("minimum", "maximum")}
    table |= {"where": Function("where", 3, 3), "clip": Function("clip", 3, 3)}
    return table | {alias: table[name] for alias, name in _ALIASES.items()}


_RESERVED = _reserved()
FUNCTIONS = _called() | _RESERVED
RESERVED = _RESERVED.keys()
CONSTANTS = {"pi": math.pi}


def apply(function: Any, arguments: list[Any]) -> Any:
    """Apply one step; among plain numbers NumPy's rules hold (no complex roots, no exceptions).

    >>> apply(operator.pow, [-8.0, 1 / 3]), apply(FUNCTIONS["max"], [1.0, 3.0, 2.0])
    (nan, 3.0)
    """
    call = function.resolve() if isinstance(function, Function) else function
    plain = all(type(value) in (int, float) for value in arguments)
    if plain:
        arguments = [np.float64(value) for value in arguments]
    with np.errstate(all="ignore"):
        result = functools.reduce(call, arguments) if _any_number(function) else call(*arguments)
    return float(result) if plain and not isinstance(result, np.bool) else result


def _any_number(function: Any) -> bool:
    return isinstance(function, Function) and function.most is None


def foldable(function: Any) -> bool:
    """Whether a step on numbers alone may be evaluated while reading."""
    if isinstance(function, Function):
        return not function.special and function.name != "where"
    return function not in COMPARE.values()
