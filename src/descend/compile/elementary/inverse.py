"""arctan, arctan2, arcsin, arccos."""

from __future__ import annotations

import math

import descend.compile.elementary.coefficients as c
from descend.compile.elementary.formats import (
    estrin,
    fast_two_sum,
    through_double,
    two_product,
    two_sum,
)
from descend.compile.lanes import Emitter, Value

__all__ = ["arccos", "arcsin", "arctan", "arctan2"]

_TAN_EIGHTH = math.sqrt(2.0) - 1.0


def _angle(e: Emitter, low: Value, high: Value, octants: Value, turned: Value) -> Value:
    """octants·π/4 ± arctan(low / high) for 0 ≤ low ≤ high; minus where `turned`.

    Above tan(π/8) it is π/4 + arctan((low - high) / (low + high)). One division; the rounding
    errors of numerator, denominator and quotient are carried along.
    """
    wide = e.gt(low, e.mul(high, _TAN_EIGHTH))
    difference, difference_low = two_sum(e, low, e.neg(high))
    total, total_low = fast_two_sum(e, high, low)
    top, below = e.select(wide, difference, low), e.select(wide, total, high)
    top_low = e.select(wide, difference_low, 0.0)
    below_low = e.select(wide, total_low, 0.0)
    inverse = e.div(e.like(low, 1.0), below)
    t = e.mul(top, inverse)
    rest = e.fma(e.neg(t), below_low, e.add(e.fma(e.neg(t), below, top), top_low))
    z = e.mul(t, t)
    slight = e.fma(e.mul(z, t), estrin(e, z, c.ATAN), e.mul(rest, inverse))
    sign = e.select(turned, e.like(low, -1.0), 1.0)
    eighths = e.fma(e.select(wide, e.like(low, 1.0), 0.0), sign, octants)
    base, base_low = two_product(e, eighths, e.like(low, c.QUARTER_PI[0]))
    base_low = e.fma(eighths, c.QUARTER_PI[1], base_low)
    angle, lost = fast_two_sum(e, base, e.mul(t, sign))
    return e.add(angle, e.fma(slight, sign, e.add(lost, base_low)))


@through_double
def arctan(e: Emitter, x: Value) -> Value:
    """Inverse tangent."""
    size = e.abs(x)
    bounded = e.select(e.gt(size, 2.0**60), 2.0**60, size)
    steep = e.gt(bounded, 1.0)
    low, high = e.select(steep, 1.0, bounded), e.select(steep, bounded, 1.0)
    angle = _angle(e, low, high, e.select(steep, e.like(x, 2.0), 0.0), steep)
    return e.copysign(e.select(e.lt(size, 1e-17), size, angle), x)


@through_double
def arctan2(e: Emitter, y: Value, x: Value) -> Value:
    """The angle of the point (x, y), in [-π, π]; signed zeros and infinities as in C99."""
    a, b = e.abs(y), e.abs(x)
    steep = e.gt(a, b)
    low, high = e.select(steep, b, a), e.select(steep, a, b)
    unbounded, origin = e.eq(high, math.inf), e.eq(high, 0.0)
    low = e.select(unbounded, e.select(e.eq(low, math.inf), e.like(x, 1.0), 0.0), low)
    high = e.select(e.or_(unbounded, origin), 1.0, high)
    small = e.select(e.lt(high, 2.0**-500), e.like(x, 2.0**500), 1.0)
    factor = e.select(e.gt(high, 2.0**960), 2.0**-60, small)
    behind = e.lt(e.copysign(e.like(x, 1.0), x), 0.0)
    octants = e.select(behind, e.like(x, 4.0), 0.0)
    octants = e.select(steep, 2.0, octants)
    angle = _angle(e, e.mul(low, factor), e.mul(high, factor), octants, e.xor(steep, behind))
    unordered = e.op(f"fcmp uno {x.type} {x.name}, {y.name}", "i1", x.width)
    return e.select(unordered, e.add(x, y), e.copysign(angle, y))


def _half_angle(e: Emitter, size: Value) -> tuple[Value, Value, Value]:
    """Whether size > ½; then arcsin(√((1 - size)/2)), else arcsin(size), as s + rest.

    The first is half of arccos(size).
    """
    wide = e.gt(size, 0.5)
    half = e.fma(size, -0.5, 0.5)
    z = e.select(wide, half, e.mul(size, size))
    root = e.sqrt(z)
    s = e.select(wide, root, size)
    error = e.div(e.fma(e.neg(root), root, z), e.select(e.gt(root, 0.0), e.add(root, root), 1.0))
    rest = e.fma(e.mul(z, s), estrin(e, z, c.ASIN), e.select(wide, error, 0.0))
    return wide, s, rest


@through_double
def arcsin(e: Emitter, x: Value) -> Value:
    """Inverse sine; NaN outside [-1, 1]."""
    size = e.abs(x)
    wide, s, rest = _half_angle(e, size)
    base, lost = fast_two_sum(e, e.like(x, c.HALF_PI[0]), e.mul(s, -2.0))
    complement = e.add(base, e.fma(rest, -2.0, e.add(lost, c.HALF_PI[1])))
    result = e.copysign(e.select(wide, complement, e.add(s, rest)), x)
    return e.select(e.lt(size, 1e-17), x, result)


@through_double
def arccos(e: Emitter, x: Value) -> Value:
    """Inverse cosine; NaN outside [-1, 1]."""
    wide, s, rest = _half_angle(e, e.abs(x))
    positive = e.gt(x, 0.0)
    # π/2 ∓ arcsin in the middle, 2·s at the right, π - 2·s at the left.
    factor = e.select(wide, e.like(x, 2.0), 1.0)
    factor = e.select(e.ne(wide, positive), e.neg(factor), factor)
    quarters = e.select(wide, e.select(positive, e.like(x, 0.0), 2.0), 1.0)
    base = e.mul(quarters, c.HALF_PI[0])
    angle, lost = fast_two_sum(e, base, e.mul(s, factor))
    return e.add(angle, e.fma(rest, factor, e.fma(quarters, c.HALF_PI[1], lost)))
