"""Derivatives of a function in arbitrary precision, by differences, also beside kinks and poles.

Nothing here knows a rule of differentiation: a difference quotient over 10⁻³⁰ of the distance to
where a function may break, in numbers of as many digits as that takes, is its derivative to more
digits than a float has.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from math import isinf

import mpmath as mp

Meaning = Callable[..., mp.mpf]
Place = tuple[float, ...]
STEP, BESIDE = mp.mpf(10) ** -30, mp.mpf(10) ** -25
FAR = (mp.mpf(10) ** 250, mp.mpf(10) ** 265)
FAILURES = (ZeroDivisionError, ValueError, OverflowError, TypeError, mp.libmp.NoConvergence)


class Nothing(Exception):
    """The function has no value here, or none that arbitrary precision tells."""


@dataclass(frozen=True)
class Jet:
    """The value, the first and the second derivatives of a function of one or more arguments."""

    value: mp.mpf
    first: tuple[mp.mpf, ...]
    second: dict[tuple[int, int], mp.mpf]

    def entry(self, which: tuple[int, ...]) -> mp.mpf:
        """The value for (), ∂f/∂xᵢ for (i,), ∂²f/∂xᵢ∂xⱼ for (i, j)."""
        if len(which) == 2:
            return self.second[which[0], which[1]]
        return self.first[which[0]] if which else self.value


def jets(meaning: Meaning, place: Place, breaks: bool, digits: int) -> tuple[Jet, ...]:
    """At the place; where the function may break there, beside it in all directions instead.

    In place of infinity stand two large numbers: of what does not tend to a limit there are two.
    """
    ends = [[mp.sign(v) * f for f in FAR] if isinf(v) else [mp.mpf(v)] for v in place]
    return tuple(j for end in itertools.product(*ends) for j in _jets(meaning, end, breaks, digits))


def value(meaning: Meaning, place: Place, digits: int) -> mp.mpf:
    """At the place itself, where it has one."""
    if any(map(isinf, place)):
        raise Nothing
    with mp.workdps(digits):
        return _number(meaning, tuple(map(mp.mpf, place)))


@cache
def _jets(meaning: Meaning, place: tuple[mp.mpf, ...], breaks: bool, digits: int) -> list[Jet]:
    scales, digits = _scales(place), digits + _further(place)
    if not breaks:
        with mp.workdps(digits):
            return [_differences(meaning, place, [s * STEP for s in scales])]
    found = []
    with mp.workdps(digits + 110):
        for signs in _directions(len(place)):
            moved = [x + d * s * BESIDE for x, d, s in zip(place, signs, scales, strict=True)]
            try:
                found.append(_differences(meaning, moved, [s * BESIDE * STEP for s in scales]))
            except Nothing:
                continue
    if not found:
        raise Nothing
    return found


def _scales(place: Sequence[mp.mpf]) -> list[mp.mpf]:
    """Over what the arguments change: each over its own size, 0 over that of the others."""
    least = min((abs(x) for x in place if x), default=mp.mpf(1))
    return [min(abs(x) or least, mp.mpf(1)) for x in place]


def _further(place: Sequence[mp.mpf]) -> int:
    """How many digits more second differences beside numbers of this size take."""
    return sum(int(0.95 * abs(mp.mag(x))) for x in place if x)


def _directions(count: int) -> Iterator[tuple[float, ...]]:
    """Around a point, off the axes and the diagonals, along which functions often break."""
    sizes = [1.0 + 0.37 * i for i in range(count)]
    yield from itertools.product(*[(s, -s) for s in sizes])


def _differences(meaning: Meaning, place: Sequence[mp.mpf], steps: Sequence[mp.mpf]) -> Jet:
    known: dict[tuple[int, ...], mp.mpf] = {}
    count = len(place)

    def f(**moves: int) -> mp.mpf:
        key = tuple(moves.get(f"x{i}", 0) for i in range(count))
        if key not in known:
            moved = (x + m * h for x, m, h in zip(place, key, steps, strict=True))
            known[key] = _number(meaning, tuple(moved))
        return known[key]

    ends = [(f(**{f"x{i}": 1}), f(**{f"x{i}": -1})) for i in range(count)]
    first = tuple((up - down) / (2 * h) for (up, down), h in zip(ends, steps, strict=True))
    second = {}
    for i, j in itertools.combinations_with_replacement(range(count), 2):
        if i == j:
            up, down = ends[i]
            second[i, i] = (up - 2 * f() + down) / steps[i] ** 2
        else:
            corners = (a * b * f(**{f"x{i}": a, f"x{j}": b}) for a in (1, -1) for b in (1, -1))
            second[i, j] = second[j, i] = sum(corners) / (4 * steps[i] * steps[j])
    return Jet(f(), first, second)


def _number(meaning: Meaning, place: tuple[mp.mpf, ...]) -> mp.mpf:
    try:
        found = mp.mpmathify(meaning(*place))
    except FAILURES as e:
        raise Nothing from e
    if isinstance(found, mp.mpc):
        if found.imag:
            raise Nothing
        found = found.real
    if not mp.isfinite(found):
        raise Nothing
    return found
