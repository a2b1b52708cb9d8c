"""log Γ and its derivatives: Stirling's series, recurrence below it, reflection left of 0.

The results are good to a few units in the last place for x > 0 and gammaln even around its zeros
1 and 2; around the zeros of digamma, and of all of them at negative x, the error is a few 1e-16
of the largest term.
"""

from __future__ import annotations

import math
from fractions import Fraction

import descend.compile.elementary.coefficients as c
from descend.compile.elementary.formats import estrin, through_double
from descend.compile.elementary.logarithm import log
from descend.compile.elementary.trigonometric import sin_cos_pi
from descend.compile.lanes import Emitter, Value

__all__ = ["digamma", "gammaln", "polygamma"]

# B2, B4, … B24
_BERNOULLI = [
    Fraction(top, below)
    for top, below in (
        (1, 6), (-1, 30), (1, 42), (-1, 30), (5, 66), (-691, 2730), (7, 6), (-3617, 510),
        (43867, 798), (-174611, 330), (854513, 138), (-236364091, 2730),
    )
]  # fmt: skip
_SHIFT = 8.0


def _mirrored(e: Emitter, x: Value) -> tuple[Value, Value, Value]:
    """Whether x < 0; 1 - x there, else x; the distance of x to the nearest integer."""
    left = e.lt(x, 0.0)
    bounded = e.select(e.lt(e.abs(x), 2.0**52), x, 0.0)
    return left, e.select(left, e.sub(1.0, x), x), e.sub(bounded, e.rint(bounded))


@through_double
def gammaln(e: Emitter, x: Value) -> Value:
    """log |Γ(x)|; ∞ at the poles, -∞ at -∞ as in SciPy."""
    left, y, fraction = _mirrored(e, x)
    value = _gammaln_right(e, y)
    # π cancels where sin πf is πf, which would be rounded hard if f is subnormal.
    tiny = e.lt(e.abs(fraction), 1e-20)
    sine = e.select(tiny, fraction, sin_cos_pi(e, fraction)[0])
    sine_log = e.sub(e.select(tiny, e.like(x, 0.0), c.LOG_PI[0]), log(e, e.abs(sine)))
    reflected = e.sub(sine_log, value)
    result = e.select(left, reflected, value)
    pole = e.and_(left, e.eq(fraction, 0.0))
    result = e.select(pole, math.inf, result)
    return e.select(e.eq(e.abs(x), math.inf), x, result)


def _gammaln_right(e: Emitter, x: Value) -> Value:
    """log Γ(x) for x ≥ 0: Stirling from 7 on, else from [3/2, 5/2] by products of x + k."""
    far = e.ge(x, 7.0)
    d, product = e.sub(x, 2.0), e.like(x, 1.0)
    for k in range(1, 6):
        above = e.ge(x, k + 1.5)
        product = e.select(above, e.mul(product, e.sub(x, float(k))), product)
        d = e.select(above, e.sub(x, k + 2.0), d)
    for bound, shift in ((1.5, 0.0), (0.5, 1.0)):
        below = e.lt(x, bound)
        product = e.select(below, e.mul(product, e.add(x, shift)), product)
        d = e.select(below, e.sub(x, 1.0 - shift), d)
    logarithm = log(e, e.select(far, x, product))
    sign = e.select(e.lt(x, 1.5), e.like(x, -1.0), 1.0)
    near = e.fma(sign, logarithm, e.mul(d, estrin(e, d, c.GAMMALN)))
    inverse = e.div(e.like(x, 1.0), x)
    series = estrin(e, e.mul(inverse, inverse), c.STIRLING)
    main = e.mul(e.sub(x, 0.5), e.sub(logarithm, 1.0))
    stirling = e.add(main, e.fma(inverse, series, c.STIRLING_SHIFT[0]))
    return e.select(far, stirling, near)


def _cotangent(e: Emitter, fraction: Value) -> Value:
    sine, cosine = sin_cos_pi(e, fraction)
    return e.div(cosine, sine)


@through_double
def digamma(e: Emitter, x: Value) -> Value:
    """Γ'(x)/Γ(x); ∓∞ at ±0, NaN at the other poles."""
    left, y, fraction = _mirrored(e, x)
    near = e.lt(y, _SHIFT)
    # Σ 1/(y + i), i < 8, is (2y + 7)·Q'(p)/Q(p) with p = y² + 7y, Q = p(p + 6)(p + 10)(p + 12).
    bounded = e.select(near, y, _SHIFT)
    p = e.mul(bounded, e.add(bounded, 7.0))
    slope = estrin(e, p, (720.0, 504.0, 84.0, 4.0))
    ratio = e.div(slope, e.mul(p, estrin(e, p, (720.0, 252.0, 28.0, 1.0))))
    sum_below = e.mul(e.fma(bounded, 2.0, 7.0), ratio)
    z = e.select(near, e.add(y, _SHIFT), y)
    inverse = e.div(e.like(x, 1.0), z)
    series = estrin(e, e.mul(inverse, inverse), c.DIGAMMA)
    value = e.sub(log(e, z), e.mul(inverse, e.fma(inverse, series, 0.5)))
    value = e.select(near, e.sub(value, sum_below), value)
    reflected = e.fma(_cotangent(e, fraction), -math.pi, value)
    reflected = e.select(e.eq(fraction, 0.0), math.nan, reflected)
    result = e.select(left, reflected, value)
    pole = e.copysign(e.like(x, math.inf), e.neg(x))
    return e.select(e.eq(x, 0.0), pole, result)


def polygamma(e: Emitter, x: Value, *, order: int) -> Value:
    """The derivative of this order of digamma; ∞ (−∞ for even orders) at the poles."""
    if order == 0:
        return digamma(e, x)
    if x.kind == "f32":
        return e.convert(polygamma(e, e.convert(x, "f64"), order=order), "f32")
    left, y, fraction = _mirrored(e, x)
    value = _polygamma_right(e, y, order)
    cotangent = _cotangent(e, fraction)
    derivative = e.mul(estrin(e, cotangent, _cotangent_derivative(order)), math.pi ** (order + 1))
    # ψn(x) = (-1)^n ψn(1 - x) - π dⁿ/dxⁿ cot πx
    other = e.neg(value) if order % 2 else value
    result = e.select(left, e.sub(other, derivative), value)
    pole = e.and_(e.eq(fraction, 0.0), e.and_(e.le(x, 0.0), e.gt(x, -math.inf)))
    if order % 2:
        # So near a pole that the terms overflow, and at -∞, where SciPy says ∞ too.
        lost = e.and_(e.isnan(result), e.not_(e.isnan(x)))
        return e.select(e.or_(pole, lost), math.inf, result)
    return e.select(pole, -math.inf, result)


def _cotangent_derivative(order: int) -> list[float]:
    """Coefficients in c = cot u of the derivative of this order of cot u: d/du c = -1 - c²."""
    terms = [0, 1]
    for _ in range(order):
        slope = [i * t for i, t in enumerate(terms)][1:]
        terms = [-s for s in slope] + [0, 0]
        for i, s in enumerate(slope):
            terms[i + 2] -= s
    return [float(t) for t in terms]


def _polygamma_right(e: Emitter, x: Value, order: int) -> Value:
    """(-1)^(n+1)·n!·Σ 1/(x + i)^(n+1): the first terms as they are, the rest by its asymptote."""
    count = 10 + order
    sign, scale = (1.0 if order % 2 else -1.0), float(math.factorial(order))
    near = e.lt(x, float(count))
    total = e.like(x, 0.0)
    for i in reversed(range(count)):
        inverse = e.div(e.like(x, 1.0), e.add(x, float(i)))
        total = e.add(total, _whole_power(e, inverse, order + 1))
    z = e.select(near, e.add(x, float(count)), x)
    inverse = e.div(e.like(x, 1.0), z)
    series = [
        float(
            b * math.factorial(2 * k + order - 1) / (math.factorial(2 * k) * math.factorial(order))
        )
        for k, b in enumerate(_BERNOULLI, 1)
    ]
    square = e.mul(inverse, inverse)
    tail = e.fma(e.mul(inverse, square), estrin(e, square, series), e.mul(square, 0.5))
    tail = e.fma(inverse, 1.0 / order, tail)
    tail = e.mul(tail, _whole_power(e, inverse, order - 1)) if order > 1 else tail
    return e.mul(e.add(tail, e.select(near, total, 0.0)), sign * scale)


def _whole_power(e: Emitter, x: Value, exponent: int) -> Value:
    """x^exponent for exponent ≥ 1, by squaring."""
    result, base = None, x
    while True:
        if exponent % 2:
            result = base if result is None else e.mul(result, base)
        exponent //= 2
        if exponent == 0:
            assert result is not None
            return result
        base = e.mul(base, base)
