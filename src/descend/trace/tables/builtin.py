"""Python's builtins on stand-ins: len, sum, max, min, round, sorted, isinstance and others."""

from __future__ import annotations

import builtins
from collections.abc import Callable
from typing import Any

from descend.errors import TraceError
from descend.graph.node import Dim
from descend.trace.context import where
from descend.trace.dispatch import NONE, TRACED, scan
from descend.trace.operators import binary, elementwise
from descend.trace.rows import Rows
from descend.trace.table import covers, implementation
from descend.trace.tensor import Tensor, as_node, is_traced, wrap
from descend.trace.ufunc_rules import RULES

__all__: list[str] = []


def _builtin(name: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    return covers(name, module="builtins")


@_builtin("len")
def _len(x: Any, /) -> Any:
    if x.__class__ is Tensor and x.extents and isinstance(x.extents[0], Dim):
        return Rows(x.extents[0])
    return builtins.len(x)


@_builtin("sum")
def _sum(iterable: Any, /, start: Any = 0) -> Any:
    if iterable.__class__ is Tensor and iterable.ndim:
        total = implementation("numpy.sum")(iterable, 0)
        return (
            total if start.__class__ is int and start == 0 else binary(RULES["add"], start, total)
        )
    return builtins.sum(iterable, start)


def _extremum(name: str, pair: str) -> None:
    plain = getattr(builtins, name)

    @_builtin(name)
    def extremum(*args: Any, **kwargs: Any) -> Any:
        if scan(args) != TRACED or (len(args) == 1 and _opaque(args[0])):
            return plain(*args, **kwargs)
        if kwargs.get("key") is not None:
            raise TraceError(
                f"{name}(…, key=…) of values that are not known before the data is",
                where=where(),
                remedy="use np.where, np.argmax or np.take_along_axis",
            )
        if len(args) == 1:
            if isinstance(args[0], Tensor):
                return implementation(f"numpy.{name}")(args[0])
            args = tuple(args[0])
        result = args[0]
        for other in args[1:]:
            result = (
                elementwise(RULES[pair], (result, other), weak=True)
                if scan((result, other)) == TRACED
                else plain(result, other)
            )
        return result


def _opaque(value: Any) -> bool:
    return not isinstance(value, (list, tuple, Tensor))


_extremum("max", "maximum")
_extremum("min", "minimum")


@_builtin("abs")
def _abs(x: Any, /) -> Any:
    return builtins.abs(x)


@_builtin("round")
def _round(number: Any, ndigits: Any = None) -> Any:
    if number.__class__ is Tensor:
        return implementation("numpy.round")(number, ndigits or 0)
    return builtins.round(number, ndigits)


@_builtin("pow")
def _pow(base: Any, exp: Any, mod: Any = None) -> Any:
    if scan((base, exp)) == NONE:
        return builtins.pow(base, exp, mod)
    result = base**exp
    return result if mod is None else result % mod


@_builtin("sorted")
def _sorted(iterable: Any, /, *, key: Any = None, reverse: bool = False) -> Any:
    values = iterable if isinstance(iterable, Tensor) else list(iterable)
    if key is not None or not is_traced(values):
        return builtins.sorted(values, key=key, reverse=reverse)
    array = values if isinstance(values, Tensor) else wrap(as_node(values))
    ordered = list(implementation("numpy.sort")(array))
    return ordered[::-1] if reverse else ordered


def _quantifier(name: str) -> None:
    plain = getattr(builtins, name)

    @_builtin(name)
    def quantifier(iterable: Any, /) -> Any:
        if iterable.__class__ is Tensor:
            return implementation(f"numpy.{name}")(iterable)
        if isinstance(iterable, (list, tuple)) and is_traced(iterable):
            return implementation(f"numpy.{name}")(implementation("numpy.array")(iterable))
        return plain(iterable)


_quantifier("any")
_quantifier("all")


@_builtin("divmod")
def _divmod(a: Any, b: Any, /) -> Any:
    if scan((a, b)) == TRACED:
        return elementwise(RULES["divmod"], (a, b))
    return builtins.divmod(a, b)
