"""pow with all special cases of C99 and NumPy."""

from __future__ import annotations

import math

from descend.compile.elementary.exponential import exp, scaled_exp
from descend.compile.elementary.formats import fast_two_sum, two_product
from descend.compile.elementary.logarithm import log, log_pair
from descend.compile.kinds import is_float, type_text
from descend.compile.lanes import Emitter, Value

__all__ = ["pow"]


def pow(e: Emitter, x: Value, y: Value) -> Value:
    """x^y = exp(y·log|x|); integers wrap."""
    if not is_float(x.kind):
        return _integer_power(e, x, y)
    if x.kind == "f32":
        # float64's own logarithm has more than the digits that float32 needs.
        x, y = e.convert(x, "f64"), e.convert(y, "f64")
        size = e.abs(x)
        usual = exp(e, e.mul(y, log(e, size)))
        return e.convert(_special_powers(e, x, y, size, usual), "f32")
    size = e.abs(x)
    return _special_powers(e, x, y, size, _power_of_positive(e, size, y))


def _power_of_positive(e: Emitter, size: Value, y: Value) -> Value:
    """The same for finite size > 0, the logarithm and the product in two parts."""
    high, low = log_pair(e, size)
    product, lost = two_product(e, y, high)
    usual = scaled_exp(e, *fast_two_sum(e, product, e.fma(y, low, lost)))
    # Past exp's range the low part may be infinite or NaN; the sign of y·log|x| decides there.
    beyond = e.gt(e.abs(product), 800.0)
    vast = e.select(e.gt(product, 0.0), e.like(size, math.inf), 0.0)
    return e.select(beyond, vast, usual)


def _special_powers(e: Emitter, x: Value, y: Value, size: Value, result: Value) -> Value:
    y_size = e.abs(y)
    # |x| in {0, ∞}, or |y| = ∞: 0 or ∞ according to the signs of y and log|x|.
    grows = e.eq(e.gt(size, 1.0), e.gt(y, 0.0))
    extreme = e.select(grows, e.like(x, math.inf), 0.0)
    edge = e.or_(e.eq(y_size, math.inf), e.or_(e.eq(size, 0.0), e.eq(size, math.inf)))
    result = e.select(edge, extreme, result)
    # A negative base: the sign of an odd exponent, NaN for a fraction (but not for x = -∞).
    whole = e.eq(e.trunc(y), y)
    half = e.mul(y, 0.5)
    odd = e.and_(whole, e.ne(e.trunc(half), half))
    signed = e.select(odd, e.copysign(result, x), result)
    fraction = e.and_(e.not_(whole), e.and_(e.lt(x, 0.0), e.lt(size, math.inf)))
    signed = e.select(fraction, e.like(x, math.nan), signed)
    signed = e.select(e.or_(e.isnan(x), e.isnan(y)), e.like(x, math.nan), signed)
    # 1^y and x^0 are 1, even for NaN; so is (-1)^±∞.
    unit = e.and_(e.eq(size, 1.0), e.eq(y_size, math.inf))
    one = e.or_(e.or_(e.eq(x, 1.0), e.eq(y, 0.0)), unit)
    return e.select(one, e.like(x, 1.0), signed)


def _integer_power(e: Emitter, a: Value, b: Value) -> Value:
    """Square and multiply over the bits of the exponent (none is negative)."""
    if b.name[0] == "%":
        return _each_lane(e, _power_loop(e, a.kind), a, b)
    exponent = int(b.name.strip("<>").split()[-1])
    result, base = e.like(a, 1), a
    while exponent > 0:
        if exponent & 1:
            result = e.mul(result, base)
        exponent >>= 1
        base = e.mul(base, base) if exponent else base
    return result


def _each_lane(e: Emitter, function: str, a: Value, b: Value) -> Value:
    result = a
    for lane in range(a.width):
        scalar = e.call(function, a.kind, 1, e.extract(a, lane), e.extract(b, lane))
        result = e.insert(result, scalar, lane)
    return result


def _power_loop(e: Emitter, kind: str) -> str:
    """A helper of the module that runs through the bits of an exponent it does not know."""
    name, t = f"power_{kind}", type_text(kind)
    e.preamble[name] = f"""define internal {t} @{name}({t} %x, {t} %p) {{
entry:
  br label %head
head:
  %result = phi {t} [ 1, %entry ], [ %next, %head ]
  %base = phi {t} [ %x, %entry ], [ %square, %head ]
  %left = phi {t} [ %p, %entry ], [ %half, %head ]
  %odd = trunc {t} %left to i1
  %more = mul {t} %result, %base
  %next = select i1 %odd, {t} %more, {t} %result
  %square = mul {t} %base, %base
  %half = lshr {t} %left, 1
  %done = icmp eq {t} %half, 0
  br i1 %done, label %out, label %head
out:
  ret {t} %next
}}"""
    return name
