"""exp and what is built on it: exp2, expm1, expit, tanh and its slope, sinh, cosh.

x = n·ln 2 + r with |r| ≤ ln 2 / 2 (Cody and Waite, two parts), then exp(r) by a polynomial, and
2^n multiplied in before the last addition, so that the chain from x to the result is short.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import descend.compile.elementary.coefficients as c
from descend.compile.elementary.formats import (
    FORMATS,
    estrin,
    fast_two_sum,
    quotient,
    two_product,
    two_sum,
)
from descend.compile.lanes import Emitter, Value

__all__ = ["cosh", "exp", "exp2", "expit", "expm1", "scaled_exp", "sech_square", "sinh", "tanh"]


class _Range(NamedTuple):
    """Parts of ln 2, exp's polynomial from r² on, and bounds.

    Below `low` e^x is 0, above `high` it is infinite, above `half` so is e^x / 2; beyond `vast`
    the reduction is meaningless.
    """

    ln2: tuple[float, ...]
    tail: tuple[float, ...]
    low: float
    high: float
    half: float
    vast: float


_TINY = 1e-17  # below, expm1(x), sinh(x) and tanh(x) are x

_RANGES = {
    "f64": _Range(c.LN2, c.EXP, -746.0, 710.0, 710.6, 1000.0),
    "f32": _Range(c.LN2_F32, c.EXP_F32, -104.0, 89.0, 89.5, 120.0),
}


def exp(e: Emitter, x: Value) -> Value:
    """e^x. Scalars are patched at the end, vectors clamped at the start: same bits."""
    span = _RANGES[x.kind]
    if x.width == 1:
        special = e.select(e.gt(x, 0.0), e.like(x, math.inf), 0.0)
        return e.select(e.gt(e.abs(x), span.vast), special, _exp(e, x))
    return _exp(e, _clamp(e, x, span.low, span.high))


def _clamp(e: Emitter, x: Value, low: float, high: float) -> Value:
    """x within bounds, NaN as it is; one instruction a side."""
    x = e.select(e.gt(x, high), high, x)
    return e.select(e.lt(x, low), low, x)


def _reduce(e: Emitter, x: Value, shift: int) -> tuple[Value, Value, Value]:
    """x / ln 2 rounded to n: magic sum whose low bits are n + shift, n, x - n·(high part)."""
    magic = FORMATS[x.kind].magic + shift
    biased = e.fma(x, c.LOG2E[0], magic)
    n = e.sub(biased, magic)
    return biased, n, e.fma(n, -_RANGES[x.kind].ln2[0], x)


def _power_of_two(e: Emitter, biased: Value) -> Value:
    """2^(n-1) for any n whose result matters, from a magic sum with low bits n + 2·bias - 1.

    A product of two powers, because 2^(n-1) may be subnormal.
    """
    form = FORMATS[biased.kind]
    bits = e.bitcast(biased, form.bits)
    half = e.lshr(bits, 1)
    first = e.bitcast(e.shl(half, form.mantissa), biased.kind)
    second = e.bitcast(e.shl(e.sub(bits, half), form.mantissa), biased.kind)
    return e.mul(first, second)


def _exp(e: Emitter, x: Value) -> Value:
    span, form = _RANGES[x.kind], FORMATS[x.kind]
    biased, n, rough = _reduce(e, x, 2 * form.bias - 1)
    r = e.fma(n, -span.ln2[1], rough)
    high, quadratic, r2 = _exp_polynomial(e, rough, r, span.tail)
    scale = _power_of_two(e, biased)
    r4 = e.mul(r2, r2)
    head = e.fma(r2, quadratic, e.fma(r, 2.0, 2.0))
    return e.fma(e.mul(scale, r4), high, e.mul(scale, head))


def _exp_polynomial(
    e: Emitter, rough: Value, r: Value, tail: tuple[float, ...]
) -> tuple[Value, Value, Value]:
    """h, q, r² of 2·e^r = 2 + 2r + q·r² + h·r⁴.

    The terms of h take `rough`, which is r before its last correction, to start earlier.
    """
    table = [2.0 * t for t in tail]
    pairs = [
        e.fma(rough, table[i + 1], table[i]) if i + 1 < len(table) else e.like(r, table[i])
        for i in range(2, len(table), 2)
    ]
    r2 = e.mul(r, r)
    quads = [e.fma(r2, b, a) for a, b in zip(pairs[::2], pairs[1::2], strict=True)]
    high = quads[0] if len(quads) == 1 else e.fma(e.mul(r2, r2), quads[1], quads[0])
    return high, e.fma(r, table[1], table[0]), r2


def _careful(e: Emitter, biased: Value, r: Value, low: Value, tail: tuple[float, ...]) -> Value:
    """2^n·e^(r + low) with little more than the error of one rounding; the chain is longer."""
    high, quadratic, r2 = _exp_polynomial(e, r, r, tail)
    twice = e.add(r, r)
    head, lost = fast_two_sum(e, e.like(r, 2.0), twice)
    lost = e.fma(low, 2.0, lost)
    rest = e.fma(e.mul(r2, r2), high, e.fma(r2, quadratic, lost))
    scale = _power_of_two(e, biased)
    return e.fma(scale, rest, e.mul(scale, head))


def scaled_exp(e: Emitter, high: Value, low: Value) -> Value:
    """exp(high + low) for |low| ≤ ulp(high), any high that is not NaN."""
    span, form = _RANGES[high.kind], FORMATS[high.kind]
    high = _clamp(e, high, span.low, span.high)
    biased, n, rough = _reduce(e, high, 2 * form.bias - 1)
    r, low = fast_two_sum(e, rough, e.fma(n, -span.ln2[1], low))
    return _careful(e, biased, r, low, span.tail)


def exp2(e: Emitter, x: Value) -> Value:
    """2^x: the fraction is exact, so its product with ln 2 is the reduced argument."""
    span, form = _RANGES[x.kind], FORMATS[x.kind]
    x = _clamp(e, x, -form.bias - form.mantissa - 2.0, form.bias + 1.0)
    magic = form.magic + 2 * form.bias - 1
    biased = e.add(x, magic)
    fraction = e.sub(x, e.sub(biased, magic))
    r, low = two_product(e, fraction, e.like(x, span.ln2[0]))
    return _careful(e, biased, r, e.fma(fraction, span.ln2[1], low), span.tail)


def _expm1_quarter(e: Emitter, x: Value) -> tuple[Value, Value]:
    """(e^x - 1) / 4 as high + low, for x clamped to [-60, half]."""
    span, form = _RANGES[x.kind], FORMATS[x.kind]
    biased, n, rough = _reduce(e, x, form.bias - 2)
    r, error = fast_two_sum(e, rough, e.mul(n, -span.ln2[1]))
    scale = e.bitcast(e.shl(e.bitcast(biased, form.bits), form.mantissa), x.kind)
    r2 = e.mul(r, r)
    # e^r - 1 = r + r²·tail; 2^n - 1 + 2^n·r is added without error.
    rest = e.fma(r2, estrin(e, r, span.tail, r2), e.fma(error, r, error))
    above = e.sub(scale, 0.25)
    high = e.fma(scale, r, above)
    low = e.fma(scale, rest, e.fma(scale, r, e.sub(above, high)))
    return fast_two_sum(e, high, low)


def expm1(e: Emitter, x: Value) -> Value:
    """e^x - 1, right near 0."""
    high, low = _expm1_quarter(e, _clamp(e, x, -60.0, _RANGES[x.kind].high))
    result = e.mul(e.add(high, low), 4.0)
    return e.select(e.lt(e.abs(x), _TINY), x, result)


def expit(e: Emitter, x: Value) -> Value:
    """1 / (1 + e^-x), right in both tails."""
    small = e.neg(e.abs(x))
    small = scaled_exp(e, small, e.like(x, 0.0))
    top = e.select(e.lt(x, 0.0), small, 1.0)
    return e.div(top, e.add(small, 1.0))


def _tanh_parts(e: Emitter, x: Value) -> tuple[Value, Value, Value]:
    """|x|, tanh |x|, and 4 / (e^2|x| + 1): once where a block asks for tanh and for its slope."""
    key = ("tanh", e.block, x)
    found: tuple[Value, Value, Value] | None = e.shared.get(key)
    if found is None:
        size = e.abs(x)
        top, top_low = _expm1_quarter(e, _clamp(e, e.add(size, size), 0.0, _RANGES[x.kind].half))
        below, below_low = two_sum(e, top, e.like(x, 0.5))
        inverse = e.div(e.like(x, 1.0), below)
        result = quotient(e, top, top_low, below, e.add(below_low, top_low), inverse)
        found = e.shared[key] = size, result, inverse
    return found


def tanh(e: Emitter, x: Value) -> Value:
    """(e^2x - 1) / (e^2x + 1) with the quotient's rounding corrected."""
    size, result, _ = _tanh_parts(e, x)
    return e.select(e.lt(size, _TINY), x, e.copysign(result, x))


def sech_square(e: Emitter, x: Value) -> Value:
    """4r(1 - r) with r = 1 / (e^2|x| + 1), of which no digit is lost far out."""
    size, _, four = _tanh_parts(e, x)
    slope = e.fma(e.mul(four, four), -0.25, four)
    return e.select(e.gt(size, 0.5 * _RANGES[x.kind].half), 0.0, slope)


def sinh(e: Emitter, x: Value) -> Value:
    """(t + t/(t + 1)) / 2 with t = e^|x| - 1."""
    size = e.abs(x)
    high, low = _expm1_quarter(e, _clamp(e, size, 0.0, _RANGES[x.kind].half))
    other = e.div(high, e.fma(high, 4.0, 1.0))
    result = e.mul(e.add(high, e.add(low, other)), 2.0)
    return e.select(e.lt(size, _TINY), x, e.copysign(result, x))


def cosh(e: Emitter, x: Value) -> Value:
    """(u + 1/u) / 2 with u = e^|x|."""
    high, low = _expm1_quarter(e, _clamp(e, e.abs(x), 0.0, _RANGES[x.kind].half))
    quarter = e.add(e.add(high, low), 0.25)
    return e.mul(e.add(quarter, e.div(e.like(x, 0.0625), quarter)), 2.0)
