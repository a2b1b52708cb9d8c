"""Second-order Taylor series in arbitrary precision: what derivatives are, beyond all ranges.

A `Taylor` is a value with its first and second derivative, in mpmath's numbers, which neither
overflow nor underflow. Each function applies the chain rule with the textbook's derivatives of
that function; where one does not exist, mpmath raises or returns infinity, and `Singular` is
raised.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import mpmath as mp

Triple = tuple[mp.mpf, mp.mpf, mp.mpf]


class Singular(Exception):
    """There is no value or no derivative here."""


class Unknown(Exception):
    """A value so large that arbitrary precision ends, too."""


MOST_BITS = 20_000
ROUNDING = 2.0**-52


@dataclass(frozen=True)
class Taylor:
    """f, f′ and f″ at a point, and the sums of the sizes of all terms that f′ and f″ add up.

    What floating-point arithmetic makes of f′ can be wrong by rounding errors of the latter.
    `error` is what f itself may be wrong by.
    """

    value: mp.mpf
    first: mp.mpf
    second: mp.mpf
    terms: mp.mpf
    second_terms: mp.mpf
    error: mp.mpf

    def through(self, at: Callable[[mp.mpf], Triple]) -> Taylor:
        """g(f), by g, g′ and g″ at f."""
        if mp.mag(self.value) > MOST_BITS:
            raise Unknown
        if at is _abs and 0 < abs(self.value) <= 2 * self.error:
            raise Unknown  # on which side of the kink it lies, rounding decides
        try:
            g, slope, bend = at(self.value)
        except ZeroDivisionError as e:
            raise Singular from e
        except (ValueError, OverflowError) as e:
            raise Unknown from e
        size = abs(slope)
        made = Taylor(
            g,
            slope * self.first,
            bend * self.first**2 + slope * self.second,
            size * self.terms,
            (abs(bend) + size) * self.terms**2 + size * self.second_terms,
            abs(slope) * self.error + ROUNDING * abs(g),
        )
        for number in (made.value, made.first, made.second):
            if isinstance(number, mp.mpc) or not mp.isfinite(number):
                raise Singular
        return made

    def __add__(self, other: Taylor) -> Taylor:
        return Taylor(
            self.value + other.value,
            self.first + other.first,
            self.second + other.second,
            self.terms + other.terms,
            self.second_terms + other.second_terms,
            self.error + other.error + ROUNDING * abs(self.value + other.value),
        )

    def __sub__(self, other: Taylor) -> Taylor:
        return self + other * constant(-1)

    def __mul__(self, other: Taylor) -> Taylor:
        size, others = abs(self.value), abs(other.value)
        return Taylor(
            self.value * other.value,
            self.first * other.value + self.value * other.first,
            self.second * other.value + 2 * self.first * other.first + self.value * other.second,
            self.terms * others + size * other.terms,
            self.second_terms * others + 2 * self.terms * other.terms + size * other.second_terms,
            self.error * others + size * other.error + ROUNDING * size * others,
        )

    def __truediv__(self, other: Taylor) -> Taylor:
        return self * other.through(power(-1))


def constant(value: float) -> Taylor:
    zero = mp.mpf(0)
    return Taylor(mp.mpf(value), zero, zero, zero, zero, zero)


def variable(value: Any) -> Taylor:
    one, zero = mp.mpf(1), mp.mpf(0)
    return Taylor(mp.mpf(value), one, zero, one, zero, zero)


def power(p: float) -> Callable[[mp.mpf], Triple]:
    """v ↦ v^p; of a negative v only for whole p."""
    p = mp.mpf(p)

    def at(v: mp.mpf) -> Triple:
        if v < 0 and p != mp.floor(p):
            raise Singular
        first = mp.mpf(0) if p == 0 else p * mp.power(v, p - 1)
        second = mp.mpf(0) if p in (0, 1) else p * (p - 1) * mp.power(v, p - 2)
        return mp.power(v, p), first, second

    return at


def _log(v: mp.mpf) -> Triple:
    if v <= 0:
        raise Singular
    return mp.log(v), 1 / v, -1 / v**2


def _root(v: mp.mpf) -> Triple:
    if v <= 0:
        raise Singular
    root = mp.sqrt(v)
    return root, 1 / (2 * root), -1 / (4 * root * v)


def _cube_root(v: mp.mpf) -> Triple:
    if v == 0:
        raise Singular
    root = mp.sign(v) * mp.cbrt(abs(v))
    return root, 1 / (3 * root**2), -2 / (9 * root**2 * v)


def _abs(v: mp.mpf) -> Triple:
    if v == 0:
        raise Singular
    return abs(v), mp.sign(v), mp.mpf(0)


def _tanh(v: mp.mpf) -> Triple:
    t, slope = mp.tanh(v), mp.sech(v) ** 2
    return t, slope, -2 * t * slope


def _expit(v: mp.mpf) -> Triple:
    up, down = 1 / (1 + mp.exp(-v)), 1 / (1 + mp.exp(v))
    return up, up * down, up * down * (down - up)


def _erf(v: mp.mpf) -> Triple:
    if abs(v) > 1e6:
        raise Unknown
    slope = 2 / mp.sqrt(mp.pi) * mp.exp(-v * v)
    return mp.erf(v), slope, -2 * v * slope


def _erfc(v: mp.mpf) -> Triple:
    _, slope, bend = _erf(v)
    return mp.erfc(v), -slope, -bend


def _erfcx(v: mp.mpf) -> Triple:
    if abs(v) > 1e6:
        raise Unknown
    value = mp.exp(v * v) * mp.erfc(v)
    slope = 2 * v * value - 2 / mp.sqrt(mp.pi)
    return value, slope, 2 * value + 2 * v * slope


def _arcsine(v: mp.mpf) -> Triple:
    if abs(v) >= 1:
        raise Singular
    inside = 1 - v * v
    return mp.asin(v), inside ** mp.mpf(-0.5), v * inside ** mp.mpf(-1.5)


def _arctan(v: mp.mpf) -> Triple:
    inside = 1 + v * v
    return mp.atan(v), 1 / inside, -2 * v / inside**2


def _arcsinh(v: mp.mpf) -> Triple:
    inside = 1 + v * v
    return mp.asinh(v), inside ** mp.mpf(-0.5), -v * inside ** mp.mpf(-1.5)


def _arccosh(v: mp.mpf) -> Triple:
    if v <= 1:
        raise Singular
    inside = v * v - 1
    return mp.acosh(v), inside ** mp.mpf(-0.5), -v * inside ** mp.mpf(-1.5)


def _arctanh(v: mp.mpf) -> Triple:
    if abs(v) >= 1:
        raise Singular
    inside = 1 - v * v
    return mp.atanh(v), 1 / inside, 2 * v / inside**2


def _log_ndtr(v: mp.mpf) -> Triple:
    density = mp.exp(-v * v / 2) / mp.sqrt(2 * mp.pi)
    share = mp.erfc(-v / mp.sqrt(2)) / 2
    slope = density / share
    value = mp.log(share) if v < 0 else mp.log1p(-mp.erfc(v / mp.sqrt(2)) / 2)
    return value, slope, -slope * (v + slope)


def _sin(v: mp.mpf) -> Triple:
    if abs(v) > 1e8:
        raise Unknown  # the rounding error of v is no small part of a turn
    return mp.sin(v), mp.cos(v), -mp.sin(v)


def _cos(v: mp.mpf) -> Triple:
    sine, cosine, _ = _sin(v)
    return cosine, -sine, -cosine


def _tan(v: mp.mpf) -> Triple:
    _sin(v)
    t = mp.tan(v)
    return t, 1 + t * t, 2 * t * (1 + t * t)


def exponential(base: float | None = None) -> Callable[[mp.mpf], Triple]:
    rate = mp.mpf(1) if base is None else mp.log(base)
    return lambda v: (mp.exp(rate * v), rate * mp.exp(rate * v), rate**2 * mp.exp(rate * v))


FUNCTIONS: dict[str, Callable[[mp.mpf], Triple]] = {
    "exp": exponential(),
    "exp2": exponential(2),
    "expm1": lambda v: (mp.expm1(v), mp.exp(v), mp.exp(v)),
    "log": _log,
    "log1p": lambda v: (mp.log1p(v), *_log(1 + v)[1:]),
    "log2": lambda v: tuple(part / mp.log(2) for part in _log(v)),  # type: ignore[dict-item]
    "log10": lambda v: tuple(part / mp.log(10) for part in _log(v)),  # type: ignore[dict-item]
    "sqrt": _root,
    "cbrt": _cube_root,
    "abs": _abs,
    "sin": _sin,
    "cos": _cos,
    "tan": _tan,
    "sinh": lambda v: (mp.sinh(v), mp.cosh(v), mp.sinh(v)),
    "cosh": lambda v: (mp.cosh(v), mp.sinh(v), mp.cosh(v)),
    "tanh": _tanh,
    "arcsin": _arcsine,
    "arccos": lambda v: (mp.acos(v), *(-part for part in _arcsine(v)[1:])),
    "arctan": _arctan,
    "arcsinh": _arcsinh,
    "arccosh": _arccosh,
    "arctanh": _arctanh,
    "expit": _expit,
    "erf": _erf,
    "erfc": _erfc,
    "log_ndtr": _log_ndtr,
    "erfcx": _erfcx,
    "square": power(2),
    "cube": power(3),
    "reciprocal": power(-1),
}
