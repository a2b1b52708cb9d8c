"""cbrt and hypot."""

from __future__ import annotations

import math

import descend.compile.elementary.coefficients as c
from descend.compile.elementary.formats import FORMATS, estrin, through_double, two_product
from descend.compile.elementary.logarithm import split
from descend.compile.lanes import Emitter, Value

__all__ = ["cbrt", "hypot"]


@through_double
def cbrt(e: Emitter, x: Value) -> Value:
    """The cube root: a polynomial for m^(-1/3), one step of fourth order, one correction."""
    size = e.abs(x)
    exponent, m = split(e, size)
    magic = FORMATS["f64"].magic
    thirds = e.sub(e.fma(exponent, c.THIRD[0], magic), magic)
    left = e.fma(thirds, -3.0, exponent)
    up, down = e.gt(left, 0.5), e.lt(left, -0.5)
    v = e.mul(m, e.select(up, e.like(x, 2.0), e.select(down, e.like(x, 0.5), 1.0)))
    root_2 = c.CBRT_2[0]
    shrink = e.select(up, e.like(x, 1.0 / root_2), e.select(down, e.like(x, root_2), 1.0))
    z = e.mul(estrin(e, m, c.INVERSE_CBRT), shrink)
    error = e.fma(e.neg(e.mul(v, e.mul(z, z))), z, 1.0)
    step = e.fma(error, e.fma(error, 14.0 / 81.0, 2.0 / 9.0), c.THIRD[0])
    z = e.fma(e.mul(z, error), step, z)
    square = e.mul(z, z)
    y = e.mul(v, square)
    y2, y2_low = two_product(e, y, y)
    rest = e.fma(e.neg(y2_low), y, e.fma(e.neg(y2), y, v))
    y = e.fma(e.mul(rest, square), c.THIRD[0], y)
    field = e.shl(e.bitcast(e.add(thirds, magic + 1023.0), "i64"), 52)
    result = e.copysign(e.mul(y, e.bitcast(field, "f64")), x)
    usual = e.and_(e.gt(size, 0.0), e.lt(size, math.inf))
    return e.select(usual, result, e.add(x, x))


@through_double
def hypot(e: Emitter, x: Value, y: Value) -> Value:
    """√(x² + y²) without overflow; ∞ if either is infinite, even beside NaN."""
    a, b = e.abs(x), e.abs(y)
    larger, smaller = e.select(e.gt(a, b), a, b), e.select(e.gt(a, b), b, a)
    large, small = e.gt(larger, 2.0**500), e.lt(larger, 2.0**-400)
    factor = e.select(large, e.like(x, 2.0**-600), e.select(small, e.like(x, 2.0**600), 1.0))
    back = e.select(large, e.like(x, 2.0**600), e.select(small, e.like(x, 2.0**-600), 1.0))
    larger, smaller = e.mul(larger, factor), e.mul(smaller, factor)
    result = e.mul(e.sqrt(e.fma(larger, larger, e.mul(smaller, smaller))), back)
    unbounded = e.or_(e.eq(a, math.inf), e.eq(b, math.inf))
    return e.select(unbounded, e.like(x, math.inf), result)
