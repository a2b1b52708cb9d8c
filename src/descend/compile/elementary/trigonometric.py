"""sin, cos and tan: reduction modulo π/2, then both polynomials, of which a lane takes one."""

from __future__ import annotations

import descend.compile.elementary.coefficients as c
from descend.compile.elementary.formats import (
    FORMATS,
    estrin,
    fast_two_sum,
    quotient,
    through_double,
    two_product,
)
from descend.compile.elementary.reduction import reduce_angle
from descend.compile.lanes import Emitter, Value

__all__ = ["cos", "sin", "sin_cos_pi", "tan"]

_SIGN = -(1 << 63)


def _sine_parts(e: Emitter, r: Value, low: Value, z: Value) -> tuple[Value, Value]:
    """sin(r + low) = r + this."""
    cube = e.mul(z, r)
    return r, e.fma(cube, estrin(e, z, c.SIN), e.fma(e.mul(z, -0.5), low, low))


def _cosine_parts(e: Emitter, r: Value, low: Value, z: Value) -> tuple[Value, Value]:
    """cos(r + low) as the rounded 1 - r²/2 and the rest."""
    half = e.mul(z, 0.5)
    head = e.sub(1.0, half)
    lost = e.sub(e.sub(1.0, head), half)
    square_low = e.fma(r, r, e.neg(z))
    slight = e.sub(lost, e.fma(r, low, e.mul(square_low, 0.5)))
    return head, e.fma(e.mul(z, z), estrin(e, z, c.COS), slight)


def _bit(e: Emitter, bits: Value, number: int) -> Value:
    return e.ne(e.and_(bits, 1 << number), 0)


def _signed(e: Emitter, value: Value, bits: Value) -> Value:
    """The value, its sign turned where the top bit is set."""
    turn = e.and_(bits, _SIGN)
    return e.bitcast(e.xor(e.bitcast(value, "i64"), turn), "f64")


def sin(e: Emitter, x: Value) -> Value:
    """Sine; NaN for infinities."""
    return _circular(e, x, 0)


def cos(e: Emitter, x: Value) -> Value:
    """Cosine; NaN for infinities."""
    return _circular(e, x, 1)


def _circular(e: Emitter, x: Value, quarter: int) -> Value:
    """sin(x + quarter·π/2)."""
    if x.kind == "f32":
        return e.convert(_circular_short(e, e.convert(x, "f64"), quarter), "f32")
    r, low, n = reduce_angle(e, e.abs(x))
    n = e.add(n, quarter) if quarter else n
    z = e.mul(r, r)
    sine = e.add(*_sine_parts(e, r, low, z))
    cosine = e.add(*_cosine_parts(e, r, low, z))
    return _oriented(e, x, n, sine, cosine, quarter)


def _circular_short(e: Emitter, x: Value, quarter: int) -> Value:
    """The same for what will be rounded to float32."""
    r, low, n = reduce_angle(e, e.abs(x))
    n = e.add(n, quarter) if quarter else n
    r = e.add(r, low)
    z = e.mul(r, r)
    sine = e.fma(e.mul(z, r), estrin(e, z, c.SIN_F32), r)
    cosine = e.fma(z, e.fma(z, estrin(e, z, c.COS_F32), -0.5), 1.0)
    return _oriented(e, x, n, sine, cosine, quarter)


def _oriented(e: Emitter, x: Value, n: Value, sine: Value, cosine: Value, quarter: int) -> Value:
    turn = e.shl(n, 62)
    turn = turn if quarter else e.xor(turn, e.bitcast(x, "i64"))
    return _signed(e, e.select(_bit(e, n, 0), cosine, sine), turn)


def sin_cos_pi(e: Emitter, fraction: Value) -> tuple[Value, Value]:
    """sin(π·f) and cos(π·f) for float64 |f| ≤ ½."""
    size = e.abs(fraction)
    steep = e.gt(size, 0.25)
    size = e.select(steep, e.sub(0.5, size), size)
    r, low = two_product(e, size, e.like(size, c.PI[0]))
    low = e.fma(size, c.PI[1], low)
    z = e.mul(r, r)
    sine = e.add(*_sine_parts(e, r, low, z))
    cosine = e.add(*_cosine_parts(e, r, low, z))
    first = e.copysign(e.select(steep, cosine, sine), fraction)
    return first, e.select(steep, sine, cosine)


@through_double
def tan(e: Emitter, x: Value) -> Value:
    """Tangent: the quotient of sine and cosine, both in two parts."""
    r, low, n = reduce_angle(e, e.abs(x))
    z = e.mul(r, r)
    sine, sine_low = fast_two_sum(e, *_sine_parts(e, r, low, z))
    cosine, cosine_low = fast_two_sum(e, *_cosine_parts(e, r, low, z))
    odd = _bit(e, n, 0)
    top, top_low = e.select(odd, cosine, sine), e.select(odd, cosine_low, sine_low)
    below, below_low = e.select(odd, sine, cosine), e.select(odd, sine_low, cosine_low)
    size = quotient(e, top, top_low, below, below_low)
    # -cos/sin in odd quadrants: the sign of n's last bit.
    return _signed(e, size, e.xor(e.shl(n, FORMATS["f64"].mantissa + 11), e.bitcast(x, "i64")))
