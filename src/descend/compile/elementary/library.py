"""Functions that a library computes: one call for each lane, through a pointer of the table."""

from __future__ import annotations

import math
import platform
from collections.abc import Callable

from descend.compile.elementary.formats import through_double
from descend.compile.elementary.gamma import polygamma
from descend.compile.lanes import Emitter, Value
from descend.compile.library import special_name
from descend.compile.native import NotNative
from descend.graph.special import library_function

__all__ = ["called", "mills", "wofz_imag", "wofz_real", "zeta"]

Function = Callable[..., Value]

def _called(e: Emitter, name: str, function: str, args: tuple[Value, ...]) -> Value:
    """The function on every lane of float64 arguments."""
    exported = special_name(function, len(args))
    if exported is None:
        raise NotNative(name)
    pointer = e.library("special", exported)

    def text(row: tuple[Value, ...]) -> str:
        return f"call double {pointer}({', '.join(v.typed for v in row)}, i32 0)"

    width = args[0].width
    if width == 1:
        return e.op(text(args), "f64", 1)
    result = e.like(args[0], 0.0)
    for lane in range(width):
        row = tuple(e.extract(a, lane) for a in args)
        result = e.insert(result, e.op(text(row), "f64", 1), lane)
    return result


def called(name: str) -> Function:
    """SciPy's function behind a primitive of this name."""

    @through_double
    def emit(e: Emitter, *args: Value, order: float | None = None) -> Value:
        function, before = library_function(name, order)
        numbers = tuple(e.const(n, "f64", args[0].width) for n in before)
        return _called(e, name, function, (*numbers, *args))

    return emit


@through_double
def zeta(e: Emitter, q: Value, *, order: float) -> Value:
    """Hurwitz' zeta function of a whole exponent s: (-1)^s/(s-1)! times polygamma."""
    if order != int(order) or order < 2:
        raise NotNative("zeta of an exponent that is not whole")
    s = int(order)
    return e.mul(polygamma(e, q, order=s - 1), (-1.0) ** s / math.factorial(s - 1))


def _faddeeva(e: Emitter, x: Value, y: Value) -> tuple[Value, Value]:
    """Both parts of w(x + iy), by one call where both are asked for in one block.

    Complex numbers go in and come out as two registers, but not on Windows.
    """
    if platform.system() == "Windows":
        raise NotNative("wofz")
    key = ("wofz", e.block, x, y)
    found: tuple[Value, Value] | None = e.shared.get(key)
    if found is None:
        pointer = e.library("special", "wofz")
        re = im = e.like(x, 0.0)
        for lane in range(x.width):
            row = [e.extract(v, lane) if x.width > 1 else v for v in (x, y)]
            pair, typed = e.fresh("z"), ", ".join(v.typed for v in row)
            e.line(f"{pair} = call {{ double, double }} {pointer}({typed}, i32 0)")
            cut = f"extractvalue {{ double, double }} {pair}"
            parts = [e.op(f"{cut}, {k}", "f64", 1) for k in (0, 1)]
            if x.width == 1:
                re, im = parts
            else:
                re, im = e.insert(re, parts[0], lane), e.insert(im, parts[1], lane)
        found = e.shared[key] = re, im
    return found


@through_double
def mills(e: Emitter, x: Value) -> Value:
    """φ(x)/Φ(x): the slope of log_ndtr."""
    scaled = _called(e, "mills", "erfcx", (e.mul(x, -math.sqrt(0.5)),))
    return e.div(e.like(x, math.sqrt(2.0 / math.pi)), scaled)


@through_double
def wofz_real(e: Emitter, x: Value, y: Value) -> Value:
    """Re w(x + iy)."""
    return _faddeeva(e, x, y)[0]


@through_double
def wofz_imag(e: Emitter, x: Value, y: Value) -> Value:
    """Im w(x + iy)."""
    return _faddeeva(e, x, y)[1]
