"""erf and erfc.

Near 0 a polynomial in x². Further out erf is 1 - exp(-x² - q(x)) with a polynomial q, which needs
few digits there; erfc is exp(-x²)·P(t)/(1 + 2x) with t = (x - 3)/(x + 3), one polynomial for the
whole half-line (Shepherd and Laframboise, Math. Comp. 1981), x² taken in two parts.
"""

from __future__ import annotations

from typing import NamedTuple

import descend.compile.elementary.coefficients as c
from descend.compile.elementary.exponential import scaled_exp
from descend.compile.elementary.formats import (
    estrin,
    fast_two_sum,
    through_double,
    two_product,
    two_sum,
)
from descend.compile.lanes import Emitter, Value

__all__ = ["erf", "erfc"]


class _Erf(NamedTuple):
    """The two polynomials of erf, and from where on it is 1."""

    near: tuple[float, ...]
    exponent: tuple[float, ...]
    end: float


_ERF = {"f64": _Erf(c.ERF, c.ERF_TAIL, 6.0), "f32": _Erf(c.ERF_F32, c.ERF_TAIL_F32, 4.2)}
_JOINT = 1.1


def _near_zero(e: Emitter, x: Value) -> Value:
    """erf(x)/x - 1 for |x| ≤ 1.1."""
    return estrin(e, e.mul(x, x), _ERF[x.kind].near)


def _at_most(e: Emitter, x: Value, high: float) -> Value:
    return e.select(e.gt(x, high), high, x)


def erf(e: Emitter, x: Value) -> Value:
    """The error function 2/√π ∫ e^-t² dt from 0 to x."""
    tables, size = _ERF[x.kind], e.abs(x)
    small = e.fma(size, _near_zero(e, _at_most(e, size, _JOINT)), size)
    bounded = _at_most(e, size, tables.end)
    offset = e.sub(bounded, c.ERF_MIDDLE[0])
    exponent = e.fma(bounded, bounded, estrin(e, offset, tables.exponent))
    large = e.sub(1.0, scaled_exp(e, e.neg(exponent), e.like(x, 0.0)))
    return e.copysign(e.select(e.gt(size, _JOINT), large, small), x)


@through_double
def erfc(e: Emitter, x: Value) -> Value:
    """1 - erf(x), right where it is small."""
    size = _at_most(e, e.abs(x), 27.5)
    t = e.div(e.sub(size, c.ERFC_POLE[0]), e.add(size, c.ERFC_POLE[0]))
    top, top_low = fast_two_sum(e, e.like(x, c.ERFC[0]), e.mul(t, estrin(e, t, c.ERFC[1:])))
    below, below_low = two_sum(e, e.add(size, size), e.like(x, 1.0))
    inverse = e.div(e.like(x, 1.0), below)
    first = e.mul(top, inverse)
    rest = e.add(e.fma(e.neg(first), below, top), top_low)
    rest = e.mul(e.fma(e.neg(first), below_low, rest), inverse)
    square, square_low = two_product(e, size, size)
    gauss = scaled_exp(e, e.neg(square), e.neg(square_low))
    tail = e.fma(gauss, first, e.mul(gauss, rest))
    tail = e.select(e.lt(x, 0.0), e.sub(2.0, tail), tail)
    small = e.sub(1.0, e.fma(x, _near_zero(e, _at_most(e, size, _JOINT)), x))
    return e.select(e.lt(e.abs(x), 0.47), small, tail)
