"""What the elementary functions need to know of float64 and float32, and shared small steps."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import wraps
from typing import NamedTuple

from descend.compile.kinds import is_float
from descend.compile.lanes import Emitter, Value

__all__ = [
    "FORMATS",
    "Format",
    "estrin",
    "fast_two_sum",
    "quotient",
    "through_double",
    "two_product",
    "two_sum",
]

Pair = tuple[Value, Value]
Function = Callable[..., Value]


class Format(NamedTuple):
    """A binary floating format.

    Attributes:
        bits: kind of the integer with the same size.
        mantissa: stored bits of the significand.
        bias: of the exponent.
        magic: 1.5·2^mantissa; adding it to a small number rounds that to an integer, whose bits
            are then the low bits of the sum.
        least: the smallest normal number.
    """

    bits: str
    mantissa: int
    bias: int
    magic: float
    least: float


FORMATS = {
    "f64": Format("i64", 52, 1023, 1.5 * 2.0**52, 2.0**-1022),
    "f32": Format("i32", 23, 127, 1.5 * 2.0**23, 2.0**-126),
}


def through_double(function: Function) -> Function:
    """Compute float32 by way of float64: right to half a unit, at half the speed."""

    @wraps(function)
    def either(e: Emitter, *args: Value, **attrs: int) -> Value:
        if args[0].kind == "f64":
            return function(e, *args, **attrs)
        return e.convert(function(e, *(e.convert(a, "f64") for a in args), **attrs), "f32")

    return either


def or_whole(name: str) -> Callable[[Function], Function]:
    """Integers take the emitter's method of this name instead."""

    def of_floats(function: Function) -> Function:
        @wraps(function)
        def either(e: Emitter, x: Value, y: Value) -> Value:
            if is_float(x.kind):
                return function(e, x, y)
            return getattr(e, name)(x, y)  # type: ignore[no-any-return]

        return either

    return of_floats


def estrin(e: Emitter, x: Value, table: Sequence[float], square: Value | None = None) -> Value:
    """Σ table[i]·x^i by Estrin's scheme: a chain of about log2(n) fused operations."""
    terms: list[Value | float] = list(table)
    power = x
    while len(terms) > 1:
        paired: list[Value | float] = [
            e.fma(power, terms[i + 1], terms[i]) for i in range(0, len(terms) - 1, 2)
        ]
        if len(terms) % 2:
            paired.append(terms[-1])
        terms = paired
        if len(terms) > 1:
            known, square = square, None
            power = e.mul(power, power) if known is None else known
    return e.like(x, terms[0])


def two_sum(e: Emitter, a: Value, b: Value) -> Pair:
    """a + b as the rounded sum and its exact error (Knuth)."""
    total = e.add(a, b)
    back = e.sub(total, a)
    return total, e.add(e.sub(a, e.sub(total, back)), e.sub(b, back))


def fast_two_sum(e: Emitter, a: Value, b: Value) -> Pair:
    """The same where |a| ≥ |b| (Dekker)."""
    total = e.add(a, b)
    return total, e.sub(b, e.sub(total, a))


def two_product(e: Emitter, a: Value, b: Value) -> Pair:
    """a·b as the rounded product and its exact error."""
    product = e.mul(a, b)
    return product, e.fma(a, b, e.neg(product))


def quotient(
    e: Emitter, top: Value, top_low: Value, below: Value, below_low: Value,
    inverse: Value | None = None,
) -> Value:  # fmt: skip
    """(top + top_low) / (below + below_low), with little more than one rounding.

    Args:
        inverse: 1 / below, where it is there.
    """
    if inverse is None:
        inverse = e.div(e.like(top, 1.0), below)
    first = e.mul(top, inverse)
    rest = e.add(e.fma(e.neg(first), below, top), top_low)
    rest = e.fma(e.neg(first), below_low, rest)
    return e.fma(rest, inverse, first)
