"""Remainders and rounded quotients of floats, exact for any size of the quotient."""

from __future__ import annotations

import math

from descend.compile.elementary.formats import or_whole, through_double
from descend.compile.lanes import Emitter, Value

__all__ = ["floordiv", "fmod", "mod"]

_EXACT = 2.0**53
_HELPER = "descend.far_remainder"
_DECLARATIONS = {
    "llvm.fma.f64": "declare double @llvm.fma.f64(double, double, double)",
    "llvm.trunc.f64": "declare double @llvm.trunc.f64(double)",
}

# r mod b for r / b >= 2^53: r is replaced by its remainder modulo b·2^k, with k chosen such that
# the quotient stays under 2^53, until k is 0 or nothing is left. The factor 2^k is applied in two
# parts, since it may itself be too large; b·2^k is always exact.
_HELPER_TEXT = f"""define internal double @{_HELPER}(double %a, double %b) noinline cold nounwind {{
entry:
  %b.raised = fmul double %b, 0x4350000000000000
  %b.bits = bitcast double %b.raised to i64
  %b.field = lshr i64 %b.bits, 52
  br label %again
again:
  %r = phi double [ %a, %entry ], [ %rest, %again ]
  %r.bits = bitcast double %r to i64
  %r.field = lshr i64 %r.bits, 52
  %gap = sub i64 %r.field, %b.field
  %k.any = add i64 %gap, 4
  %k.some = icmp sgt i64 %k.any, 0
  %k.positive = select i1 %k.some, i64 %k.any, i64 0
  %k.huge = icmp sgt i64 %k.positive, 2000
  %k = select i1 %k.huge, i64 2000, i64 %k.positive
  %k.first = lshr i64 %k, 1
  %k.second = sub i64 %k, %k.first
  %e.first = add i64 %k.first, 1023
  %e.second = add i64 %k.second, 1023
  %s.first = shl i64 %e.first, 52
  %s.second = shl i64 %e.second, 52
  %f.first = bitcast i64 %s.first to double
  %f.second = bitcast i64 %s.second to double
  %c.first = fmul double %b, %f.first
  %c = fmul double %c.first, %f.second
  %ratio = fdiv double %r, %c
  %q = call double @llvm.trunc.f64(double %ratio)
  %q.minus = fneg double %q
  %left = call double @llvm.fma.f64(double %q.minus, double %c, double %r)
  %over = fcmp olt double %left, 0.0
  %raised = fadd double %left, %c
  %rest = select i1 %over, double %raised, double %left
  %enough = fcmp oge double %rest, %b
  %more = and i1 %k.some, %enough
  br i1 %more, label %again, label %done
done:
  ret double %rest
}}"""


def _near(e: Emitter, a: Value, b: Value) -> tuple[Value, Value, Value]:
    """Ratio a/b, its whole part and the remainder, for a, b ≥ 0; exact below _EXACT.

    The rounded ratio is never below the whole part, and above it by at most one.
    """
    ratio = e.div(a, b)
    q = e.trunc(ratio)
    left = e.fma(e.neg(q), b, a)
    over = e.lt(left, 0.0)
    q = e.select(over, e.sub(q, 1.0), q)
    left = e.select(over, e.add(left, b), left)
    return ratio, q, e.select(e.eq(b, math.inf), e.sub(a, q), left)


def _remainder(e: Emitter, a: Value, b: Value) -> Value:
    """a mod b for a, b ≥ 0; NaN if b is 0 or a infinite."""
    ratio, _, left = _near(e, a, b)
    left = e.select(e.lt(ratio, _EXACT), left, math.nan)
    far = e.and_(e.ge(ratio, _EXACT), e.and_(e.lt(a, math.inf), e.gt(b, 0.0)))
    return e.when_any(far, [left], lambda: [_far(e, a, b, far, left)])[0]


def _far(e: Emitter, a: Value, b: Value, far: Value, near: Value) -> Value:
    for name, text in _DECLARATIONS.items():
        e.preamble.setdefault(name, text)
    e.preamble.setdefault(_HELPER, _HELPER_TEXT)
    safe_a, safe_b = e.select(far, a, 1.0), e.select(far, b, 1.0)
    found = near
    for lane in range(a.width):
        one = e.call(_HELPER, "f64", 1, e.extract(safe_a, lane), e.extract(safe_b, lane))
        found = e.insert(found, one, lane)
    return e.select(far, found, near)


@or_whole("remainder")
@through_double
def fmod(e: Emitter, x: Value, y: Value) -> Value:
    """The remainder with the sign of x (C's fmod)."""
    return e.copysign(_remainder(e, e.abs(x), e.abs(y)), x)


@or_whole("mod")
@through_double
def mod(e: Emitter, x: Value, y: Value) -> Value:
    """The remainder with the sign of y (NumPy's mod)."""
    left = e.copysign(_remainder(e, e.abs(x), e.abs(y)), x)
    opposite = e.lt(e.mul(e.copysign(e.like(y, 1.0), y), left), 0.0)
    left = e.select(opposite, e.add(left, y), left)
    return e.select(e.eq(left, 0.0), e.copysign(0.0, y), left)


@or_whole("floordiv")
@through_double
def floordiv(e: Emitter, x: Value, y: Value) -> Value:
    """The quotient rounded down; x/y if y is 0, NaN for infinite x."""
    ratio, q, left = _near(e, e.abs(x), e.abs(y))
    exact = e.div(x, y)
    opposite = e.lt(e.copysign(1.0, exact), 0.0)
    whole = e.copysign(q, exact)
    down = e.and_(opposite, e.gt(left, 0.0))
    whole = e.select(down, e.sub(whole, 1.0), whole)
    result = e.select(e.lt(ratio, _EXACT), whole, exact)
    infinite = e.and_(e.eq(e.abs(x), math.inf), e.ne(y, 0.0))
    return e.select(infinite, e.like(x, math.nan), result)
