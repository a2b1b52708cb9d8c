"""Reduction of an angle modulo π/2, for arguments of any size.

Up to 2^40 the multiple of π/2 is taken off in three parts (Cody and Waite, exact by fma). Beyond
that a scalar helper function, called only when a lane needs it, multiplies by those digits of 2/π
that matter (Payne and Hanek, SIGNUM 1983): 192 bits, of which at least 125 are right.
"""

from __future__ import annotations

import descend.compile.elementary.coefficients as c
from descend.compile.elementary.formats import FORMATS, two_product
from descend.compile.kinds import literal
from descend.compile.lanes import Emitter, Value

__all__ = ["reduce_angle"]

_REACH = 2.0**40
_HELPER = "descend.reduce_angle"
_DECLARATIONS = {
    "llvm.fma.f64": "declare double @llvm.fma.f64(double, double, double)",
    "llvm.fshl.i64": "declare i64 @llvm.fshl.i64(i64, i64, i64)",
    "llvm.ctlz.i64": "declare i64 @llvm.ctlz.i64(i64, i1)",
}

# {r high, r low, n} for one float64 of at least 2^40; NaN for infinity.
# x = m·2^e with an integer m. Window g is 2/π·2^e modulo 4 as a 192-bit fixed-point number with
# 2 bits before the point; m·g modulo 2^192 is the quadrant and the fraction of x·2/π.
_HELPER_TEXT = """\
@descend.reduce_angle.bits = private unnamed_addr constant [COUNT x i64] [WORDS], align 64
define internal { double, double, i64 } @descend.reduce_angle(double %x) noinline cold nounwind {
  %bits = bitcast double %x to i64
  %field = lshr i64 %bits, 52
  %finite = icmp ult i64 %field, 2047
  %large = icmp ugt i64 %field, 1062
  %usable = and i1 %finite, %large
  %exponent = select i1 %usable, i64 %field, i64 1063
  %position = sub i64 %exponent, 1013
  %word = lshr i64 %position, 6
  %offset = and i64 %position, 63
  %a0 = getelementptr i64, ptr @descend.reduce_angle.bits, i64 %word
  %a1 = getelementptr i64, ptr %a0, i64 1
  %a2 = getelementptr i64, ptr %a0, i64 2
  %a3 = getelementptr i64, ptr %a0, i64 3
  %w0 = load i64, ptr %a0, align 8
  %w1 = load i64, ptr %a1, align 8
  %w2 = load i64, ptr %a2, align 8
  %w3 = load i64, ptr %a3, align 8
  %g0 = call i64 @llvm.fshl.i64(i64 %w0, i64 %w1, i64 %offset)
  %g1 = call i64 @llvm.fshl.i64(i64 %w1, i64 %w2, i64 %offset)
  %g2 = call i64 @llvm.fshl.i64(i64 %w2, i64 %w3, i64 %offset)
  %stored = and i64 %bits, 4503599627370495
  %m = or i64 %stored, 4503599627370496
  %m.wide = zext i64 %m to i128
  %g1.wide = zext i64 %g1 to i128
  %g2.wide = zext i64 %g2 to i128
  %low.product = mul i128 %m.wide, %g2.wide
  %low.carry = lshr i128 %low.product, 64
  %middle.product = mul i128 %m.wide, %g1.wide
  %middle = add i128 %middle.product, %low.carry
  %middle.carry = lshr i128 %middle, 64
  %high.carry = trunc i128 %middle.carry to i64
  %high.product = mul i64 %m, %g0
  %p0 = add i64 %high.product, %high.carry
  %p1 = trunc i128 %middle to i64
  %p2 = trunc i128 %low.product to i64
  %rounded = add i64 %p0, 2305843009213693952
  %n = lshr i64 %rounded, 62
  %whole = shl i64 %n, 62
  %f0 = sub i64 %p0, %whole
  %sign = ashr i64 %f0, 63
  %s0 = xor i64 %f0, %sign
  %s1 = xor i64 %p1, %sign
  %s2 = xor i64 %p2, %sign
  %empty = icmp eq i64 %s0, 0
  %t0 = select i1 %empty, i64 %s1, i64 %s0
  %t1 = select i1 %empty, i64 %s2, i64 %s1
  %t2 = select i1 %empty, i64 0, i64 %s2
  %skipped = select i1 %empty, i64 64, i64 0
  %zeros = call i64 @llvm.ctlz.i64(i64 %t0, i1 false)
  %u0 = call i64 @llvm.fshl.i64(i64 %t0, i64 %t1, i64 %zeros)
  %u1 = call i64 @llvm.fshl.i64(i64 %t1, i64 %t2, i64 %zeros)
  %top = lshr i64 %u0, 11
  %next.word = call i64 @llvm.fshl.i64(i64 %u0, i64 %u1, i64 53)
  %next = lshr i64 %next.word, 11
  %top.float = uitofp i64 %top to double
  %next.float = uitofp i64 %next to double
  %shift = add i64 %skipped, %zeros
  %top.exponent = sub i64 972, %shift
  %next.exponent = sub i64 919, %shift
  %top.field = shl i64 %top.exponent, 52
  %next.field = shl i64 %next.exponent, 52
  %negative = and i64 %sign, -9223372036854775808
  %top.bits = or i64 %top.field, %negative
  %next.bits = or i64 %next.field, %negative
  %top.scale = bitcast i64 %top.bits to double
  %next.scale = bitcast i64 %next.bits to double
  %f = fmul double %top.float, %top.scale
  %f.low = fmul double %next.float, %next.scale
  %product = fmul double %f, HALF_PI
  %minus = fneg double %product
  %error = call double @llvm.fma.f64(double %f, double HALF_PI, double %minus)
  %error.1 = call double @llvm.fma.f64(double %f, double HALF_PI_LOW, double %error)
  %error.2 = call double @llvm.fma.f64(double %f.low, double HALF_PI, double %error.1)
  %r = fadd double %product, %error.2
  %back = fsub double %r, %product
  %r.low = fsub double %error.2, %back
  %nan = fsub double %x, %x
  %first = select i1 %finite, double %r, double %nan
  %v0 = insertvalue { double, double, i64 } poison, double %first, 0
  %v1 = insertvalue { double, double, i64 } %v0, double %r.low, 1
  %v2 = insertvalue { double, double, i64 } %v1, i64 %n, 2
  ret { double, double, i64 } %v2
}"""


def reduce_angle(e: Emitter, size: Value) -> tuple[Value, Value, Value]:
    """r high, r low and the bits of n, for float64 size = n·π/2 + r ≥ 0, |r| ≤ π/4 (1 + 2^-9)."""
    magic = FORMATS["f64"].magic
    biased = e.fma(size, c.TWO_OVER_PI[0], magic)
    n = e.sub(biased, magic)
    # The first difference is exact. The error of the second is too, because the first is a
    # multiple of 2^-53 and n·HALF_PI[1] stays under 2^-13.
    first = e.fma(n, -c.HALF_PI[0], size)
    part, part_low = two_product(e, n, e.like(n, c.HALF_PI[1]))
    r = e.sub(first, part)
    lost = e.sub(e.sub(first, r), part)
    low = e.fma(n, -c.HALF_PI[2], e.sub(lost, part_low))
    far = e.gt(size, _REACH)
    usual = (r, low, e.bitcast(biased, "i64"))
    r, low, bits = e.when_any(far, usual, lambda: _far(e, size, far, usual))
    return r, low, bits


def _far(
    e: Emitter, size: Value, far: Value, usual: tuple[Value, Value, Value]
) -> tuple[Value, Value, Value]:
    """Every lane by the helper; lanes that are not far keep what they have."""
    for name, text in _DECLARATIONS.items():
        e.preamble.setdefault(name, text)
    e.preamble.setdefault(_HELPER, _helper_text())
    found = list(usual)
    for lane in range(size.width):
        name = e.fresh()
        x = e.extract(size, lane)
        e.line(f"{name} = call {{ double, double, i64 }} @{_HELPER}({x.typed})")
        for i, kind in enumerate(("f64", "f64", "i64")):
            part = e.op(f"extractvalue {{ double, double, i64 }} {name}, {i}", kind, 1)
            found[i] = e.insert(found[i], part, lane)
    chosen = [e.select(far, new, old) for new, old in zip(found, usual, strict=True)]
    return chosen[0], chosen[1], chosen[2]


def _helper_text() -> str:
    constants = {
        "COUNT": str(len(c.TWO_OVER_PI_BITS)),
        "WORDS": ", ".join(f"i64 {word}" for word in c.TWO_OVER_PI_BITS),
        "HALF_PI_LOW": literal(c.HALF_PI[1], "f64"),
        "HALF_PI": literal(c.HALF_PI[0], "f64"),
    }
    text = _HELPER_TEXT
    for name, value in constants.items():
        text = text.replace(name, value)
    return text
