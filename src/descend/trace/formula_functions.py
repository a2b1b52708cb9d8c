"""What a formula may call: operators, NumPy's functions and SciPy's, constants, as tables."""

from __future__ import annotations

import ast
import functools
import math
import operator
from collections.abc import Callable, Collection, Sequence
from typing import Any, NamedTuple, Protocol

import numpy as np

import descend.graph.special  # noqa: F401  (its primitives are entered)
from descend.graph.elementwise import ScipyUfunc
from descend.graph.node import PRIMITIVES

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
# Functions only where a bracket follows: else y0, gamma and their like are names.
_CALLED = {
    1: "log_expit ndtr exprel entr j0 j1 y0 y1 i0 i1 i0e i1e k0 k1 k0e k1e",
    2: "xlog1py rel_entr jv yv iv kv boxcox stdtr chdtr",
    3: "voigt_profile fdtr",
}
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
    """Functions where a bracket follows: the above, and all smooth primitives that are ufuncs."""
    table = {
        name: Function(name, n, n, special=True)
        for n, names in _CALLED.items() for name in names.split()
    }  # fmt: skip
    for p in PRIMITIVES.values():
        n, meaning = len(p.partials or ()), p.meaning
        if any(p.partials or ()) and (not p.word or p.word.isidentifier()):
            if isinstance(meaning, np.ufunc):
                table[meaning.__name__] = Function(meaning.__name__, n, n)
            elif isinstance(meaning, ScipyUfunc):
                table[meaning.name] = Function(meaning.name, n, n, special=True)
    return table


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
