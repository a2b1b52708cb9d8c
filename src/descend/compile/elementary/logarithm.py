"""log, log2, log10, log1p, inverse hyperbolic functions; a logarithm of twice the digits.

x = 2^n·m with m in [√½, √2), f = m - 1, s = f/(2 + f): log m = 2·artanh s, a polynomial in s².
"""

from __future__ import annotations

import math
import struct

import descend.compile.elementary.coefficients as c
from descend.compile.elementary.formats import (
    FORMATS,
    estrin,
    fast_two_sum,
    through_double,
    two_product,
    two_sum,
)
from descend.compile.lanes import Emitter, Value

__all__ = [
    "arccosh",
    "arcsinh",
    "arctanh",
    "log",
    "log1p",
    "log2",
    "log10",
    "log_pair",
    "split",
]

_SQRT_HALF = {
    "f64": struct.unpack("<q", struct.pack("<d", math.sqrt(0.5)))[0],
    "f32": struct.unpack("<i", struct.pack("<f", math.sqrt(0.5)))[0],
}
_TAIL = {"f64": c.LOG, "f32": c.LOG_F32}
_TINY = 1e-17  # log1p, arcsinh and arctanh are the identity below
_VAST = 2.0**30  # arcsinh and arccosh are log(2x) above
_LN2 = {"f64": c.LN2, "f32": c.LN2_F32}


def _split_normal(e: Emitter, x: Value) -> tuple[Value, Value]:
    """n and m of a positive normal x = 2^n·m."""
    form = FORMATS[x.kind]
    half, one = _SQRT_HALF[x.kind], form.bias << form.mantissa
    bits = e.sub(e.bitcast(x, form.bits), half - one)
    # The biased exponent becomes a float by being or-ed into 2^mantissa's low bits.
    field = e.lshr(bits, form.mantissa)
    offset = 2.0**form.mantissa
    carrier = (form.bias + form.mantissa) << form.mantissa
    n = e.sub(e.bitcast(e.or_(field, carrier), x.kind), offset + form.bias)
    kept = e.and_(bits, (1 << form.mantissa) - 1)
    return n, e.bitcast(e.add(kept, half), x.kind)


def split(e: Emitter, x: Value) -> tuple[Value, Value]:
    """n and m of a positive finite x = 2^n·m with m in [√½, √2)."""
    form = FORMATS[x.kind]
    shift = form.mantissa + 2
    small = e.lt(x, form.least)
    n, m = _split_normal(e, e.select(small, e.mul(x, 2.0**shift), x))
    return e.add(n, e.select(small, e.like(x, -float(shift)), 0.0)), m


def _edges(e: Emitter, x: Value, result: Value) -> Value:
    """-∞ at 0, NaN below, ∞ at ∞."""
    result = e.select(e.lt(x, math.inf), result, x)
    edge = e.select(e.eq(x, 0.0), e.like(x, -math.inf), math.nan)
    return e.select(e.gt(x, 0.0), result, edge)


def _log_of_one_plus(e: Emitter, n: Value, f: Value) -> Value:
    """n·ln 2 + log(1 + f), as (n·ln 2 + f - f²/2) + s·(f²/2 + tail).

    The first bracket is summed in two parts while the division for s runs.
    """
    ln2 = _LN2[f.kind]
    s = e.div(f, e.add(f, 2.0))
    half_square = e.mul(e.mul(f, 0.5), f)
    first = e.fma(n, ln2[0], f)
    lost = e.sub(f, e.fma(n, -ln2[0], first))
    high, other = fast_two_sum(e, first, e.neg(half_square))
    low = e.fma(n, ln2[1], e.add(lost, other))
    z = e.mul(s, s)
    rest = e.fma(z, estrin(e, z, _TAIL[f.kind]), half_square)
    return e.add(high, e.fma(s, rest, low))


def log(e: Emitter, x: Value) -> Value:
    """Natural logarithm."""
    n, m = split(e, x)
    return _edges(e, x, _log_of_one_plus(e, n, e.sub(m, 1.0)))


def log1p(e: Emitter, x: Value) -> Value:
    """log(1 + x), right near 0: what 1 + x loses is added to m - 1."""
    u, lost = two_sum(e, e.like(x, 1.0), x)
    result = _edges(e, u, _log_of_sum(e, u, lost))
    return e.select(e.lt(e.abs(x), _TINY), x, result)


def _log_of_sum(e: Emitter, u: Value, lost: Value, doublings: Value | None = None) -> Value:
    """log(2^doublings·(u + lost)) for normal u and a lost part far below u."""
    n, m = _split_normal(e, u)
    form = FORMATS[u.kind]
    # 2^-n by the bits of -n; where it would be subnormal nothing was lost.
    bounded = e.select(e.lt(n, form.bias - 1.0), n, form.bias - 1.0)
    field = e.bitcast(e.sub(e.like(u, form.magic + form.bias), bounded), form.bits)
    inverse = e.bitcast(e.shl(field, form.mantissa), u.kind)
    f = e.fma(lost, inverse, e.sub(m, 1.0))
    return _log_of_one_plus(e, n if doublings is None else e.add(n, doublings), f)


def _log_of_more(e: Emitter, a: Value, s: Value, s_low: Value, large: Value, x: Value) -> Value:
    """log(1 + a + s + s_low) for a, s ≥ 0; log(2·x) in lanes where x is large."""
    total, lost = two_sum(e, a, s)
    u, u_lost = two_sum(e, e.like(a, 1.0), total)
    lost = e.add(u_lost, e.add(lost, s_low))
    u, lost = e.select(large, x, u), e.select(large, 0.0, lost)
    return _log_of_sum(e, u, lost, e.select(large, e.like(x, 1.0), 0.0))


def _root_of_sum(e: Emitter, a: Value, b: Value, b_low: Value) -> tuple[Value, Value]:
    """√(a + b + b_low) in two parts; 0 where the sum is 0."""
    w, lost = two_sum(e, a, b)
    root = e.sqrt(w)
    rest = e.add(e.fma(e.neg(root), root, w), e.add(lost, b_low))
    return root, e.div(rest, e.select(e.gt(root, 0.0), e.add(root, root), 1.0))


@through_double
def arcsinh(e: Emitter, x: Value) -> Value:
    """log(|x| + √(x² + 1)) with the sign of x."""
    size = e.abs(x)
    large = e.gt(size, _VAST)
    a = e.select(large, 1.0, size)
    root, root_low = _root_of_sum(e, e.like(x, 1.0), *two_product(e, a, a))
    result = _log_of_more(e, a, e.sub(root, 1.0), root_low, large, size)
    result = e.select(e.lt(size, math.inf), result, size)
    return e.copysign(e.select(e.lt(size, _TINY), size, result), x)


@through_double
def arccosh(e: Emitter, x: Value) -> Value:
    """log(x + √(x² - 1)); NaN below 1."""
    large = e.gt(x, _VAST)
    t = e.select(large, 1.0, e.sub(x, 1.0))
    root, root_low = _root_of_sum(e, e.add(t, t), *two_product(e, t, t))
    result = _log_of_more(e, t, root, root_low, large, x)
    result = e.select(e.lt(x, math.inf), result, x)
    return e.select(e.ge(x, 1.0), result, math.nan)


@through_double
def arctanh(e: Emitter, x: Value) -> Value:
    """log(1 + 2|x| / (1 - |x|)) / 2 with the sign of x; NaN outside [-1, 1]."""
    size = e.abs(x)
    below, below_low = fast_two_sum(e, e.like(x, 1.0), e.neg(size))
    top = e.add(size, size)
    ratio = e.div(top, below)
    rest = e.fma(e.neg(ratio), below_low, e.fma(e.neg(ratio), below, top))
    u, lost = two_sum(e, e.like(x, 1.0), ratio)
    half = e.mul(_log_of_sum(e, u, e.add(lost, e.div(rest, below))), 0.5)
    half = e.select(e.eq(size, 1.0), math.inf, e.select(e.lt(size, 1.0), half, math.nan))
    return e.select(e.lt(size, _TINY), x, e.copysign(half, x))


def log_pair(e: Emitter, x: Value) -> tuple[Value, Value]:
    """log x as high + low for finite x > 0, with a relative error under 2^-66 (float64)."""
    n, m = split(e, x)
    high, low = _log_m_pair(e, m)
    base, base_low = two_product(e, n, e.like(x, c.LN2[0]))
    base_low = e.fma(n, c.LN2[1], base_low)
    total, lost = two_sum(e, base, high)
    return fast_two_sum(e, total, e.add(lost, e.add(low, base_low)))


def _log_m_pair(e: Emitter, m: Value) -> tuple[Value, Value]:
    """log m = 2s + 2s³·(1/3 + s²·tail), products and s in two parts."""
    f = e.sub(m, 1.0)
    below, below_low = fast_two_sum(e, e.like(m, 2.0), f)
    inverse = e.div(e.like(m, 1.0), below)
    s = e.mul(f, inverse)
    s_low = e.mul(e.fma(e.neg(s), below_low, e.fma(e.neg(s), below, f)), inverse)
    z, z_low = two_product(e, s, s)
    z_low = e.fma(e.add(s, s), s_low, z_low)
    t, t_low = fast_two_sum(e, e.like(m, c.THIRD[0]), e.mul(z, estrin(e, z, c.LOG_TAIL)))
    t_low = e.add(t_low, c.THIRD[1])
    u, u_low = two_product(e, z, t)
    u_low = e.fma(z, t_low, e.fma(z_low, t, u_low))
    w, w_low = e.add(s, s), e.add(s_low, s_low)
    v, v_low = two_product(e, w, u)
    v_low = e.fma(w, u_low, e.fma(w_low, u, v_low))
    high, lost = fast_two_sum(e, w, v)
    return high, e.add(lost, e.add(w_low, v_low))


def _log_short_pair(e: Emitter, m: Value) -> tuple[Value, Value]:
    """log m as high + low, with a relative error of about 2^-60 (float64)."""
    f = e.sub(m, 1.0)
    s = e.div(f, e.add(f, 2.0))
    half = e.mul(f, 0.5)
    half_square = e.mul(half, f)
    lost_square = e.fma(half, f, e.neg(half_square))
    z = e.mul(s, s)
    rest = e.fma(z, estrin(e, z, _TAIL[f.kind]), half_square)
    high, lost = fast_two_sum(e, f, e.neg(half_square))
    return high, e.add(e.fma(s, rest, e.neg(lost_square)), lost)


def log2(e: Emitter, x: Value) -> Value:
    """Logarithm to base 2, exact at powers of 2."""
    n, m = split(e, x)
    high, low = _log_short_pair(e, m)
    scale, scale_low = c.LOG2E if x.kind == "f64" else c.LOG2E_F32
    fraction, lost = two_product(e, high, e.like(x, scale))
    lost = e.fma(low, scale, e.fma(high, scale_low, lost))
    total, error = two_sum(e, n, fraction)
    return _edges(e, x, e.add(total, e.add(error, lost)))


def log10(e: Emitter, x: Value) -> Value:
    """Logarithm to base 10."""
    n, m = split(e, x)
    high, low = _log_short_pair(e, m)
    double = x.kind == "f64"
    scale, scale_low = c.LOG10E if double else c.LOG10E_F32
    two, two_low = c.LOG10_2 if double else c.LOG10_2_F32
    fraction, lost = two_product(e, high, e.like(x, scale))
    lost = e.fma(low, scale, e.fma(high, scale_low, lost))
    whole, whole_lost = two_product(e, n, e.like(x, two))
    lost = e.add(lost, e.fma(n, two_low, whole_lost))
    total, error = two_sum(e, whole, fraction)
    return _edges(e, x, e.add(total, e.add(error, lost)))
