"""Compute the polynomial coefficients of `descend.compile.elementary` with mpmath.

    python tools/coefficients.py > src/descend/compile/elementary/coefficients.py

Each entry of SPECS is a smooth function on an interval; the Remez exchange finds the polynomial
whose largest error is smallest (Muller, *Elementary Functions*, 3rd ed., §3.4), first coefficient
constant. Constants that are cut into several doubles follow. Takes a few minutes.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import NamedTuple

import mpmath as mp
import numpy as np

mp.mp.dps = 130
TINY = mp.mpf(10) ** -20
Function = Callable[[mp.mpf], mp.mpf]


class Spec(NamedTuple):
    """A polynomial with `count` coefficients close to a function on [low, high].

    The error is measured times the weight.
    """

    function: Function
    low: float
    high: float
    count: int
    single: bool = False
    weight: Function | None = None


def series(function: Function, head: dict[int, str], drop: int, step: int = 1) -> Function:
    """(f(x) - Σ head[i]·x^i) / x^drop as a function of t = x^step; `head` holds mpmath text."""
    terms = {i: mp.mpf(eval(text, {"mp": mp})) for i, text in head.items()}

    def quotient(t: mp.mpf) -> mp.mpf:
        t = t if abs(t) > TINY else TINY
        x = mp.root(t, step) if step > 1 else t
        return (function(x) - mp.fsum(c * x**i for i, c in terms.items())) / x**drop

    return quotient


def _solve(
    count: int, nodes: list[mp.mpf], values: list[mp.mpf], weights: list[mp.mpf]
) -> list[mp.mpf]:
    rows = mp.matrix(count + 1, count + 1)
    for i, x in enumerate(nodes):
        for j in range(count):
            rows[i, j] = x**j
        rows[i, count] = (-1) ** i / weights[i]
    return list(mp.lu_solve(rows, mp.matrix(values)))


def _extremes(error: list[mp.mpf]) -> list[int]:
    """Index of the largest error in each run of one sign."""
    best: list[int] = []
    for i, value in enumerate(error):
        if best and (value > 0) == (error[best[-1]] > 0):
            if abs(value) > abs(error[best[-1]]):
                best[-1] = i
        else:
            best.append(i)
    return best


def remez(spec: Spec) -> tuple[list[mp.mpf], mp.mpf]:
    """Coefficients of the best polynomial, and its largest error."""
    points = 24 * (spec.count + 1)
    low, high = mp.mpf(spec.low), mp.mpf(spec.high)
    middle, half = (low + high) / 2, (high - low) / 2
    grid = [middle - half * mp.cos(mp.pi * i / points) for i in range(points + 1)]
    values = [spec.function(x) for x in grid]
    weights = [spec.weight(x) if spec.weight else mp.mpf(1) for x in grid]
    chosen = [round(i * points / spec.count) for i in range(spec.count + 1)]
    for _ in range(30):
        picked = ([column[i] for i in chosen] for column in (grid, values, weights))
        solution = _solve(spec.count, *picked)
        coefficients, level = solution[:-1], abs(solution[-1])
        error = [
            w * (v - mp.polyval(coefficients[::-1], x))
            for x, v, w in zip(grid, values, weights, strict=True)
        ]
        extremes = _extremes(error)
        while len(extremes) > spec.count + 1:
            ends = (extremes[0], extremes[-1])
            extremes.remove(min(ends, key=lambda i: abs(error[i])))
        worst = max(abs(v) for v in error)
        if len(extremes) < spec.count + 1 or worst < level * mp.mpf("1.001"):
            return coefficients, worst
        chosen = extremes
    return coefficients, worst


def parts(value: mp.mpf, count: int, single: bool = False) -> tuple[float, ...]:
    """A constant as an unevaluated sum of doubles (or floats), largest first."""
    result = []
    for _ in range(count):
        piece = float(np.float32(float(value))) if single else float(value)
        result.append(piece)
        value -= mp.mpf(piece)
    return tuple(result)


HALF_LN2 = 0.34657359028
EXP = series(mp.exp, {0: "1", 1: "1"}, 2)
LOG = series(lambda s: mp.log((1 + s) / (1 - s)), {1: "2"}, 3, 2)
LOG_TAIL = series(lambda s: mp.log((1 + s) / (1 - s)) / 2, {1: "1", 3: "mp.mpf(1)/3"}, 5, 2)
SIN = series(mp.sin, {1: "1"}, 3, 2)
COS = series(mp.cos, {0: "1", 2: "-mp.mpf(1)/2"}, 4, 2)
ATAN = series(mp.atan, {1: "1"}, 3, 2)
ASIN = series(mp.asin, {1: "1"}, 3, 2)
ERF = series(mp.erf, {}, 1, 2)
LOG_REACH = 0.02943725152286  # ((√2 - 1)/(√2 + 1))²
QUARTER = 0.7955**2  # π/4 and what the rounding of x·2/π adds

ERF_MIDDLE = 3.55
ERFC_POLE = 3.0  # t = (x - pole) / (x + pole)


def _erf_exponent(u: mp.mpf) -> mp.mpf:
    """-log(erfc(x)) - x² at x = middle + u."""
    x = ERF_MIDDLE + u
    return -mp.log(mp.erfc(x)) - x * x


def _erfc_scaled(t: mp.mpf) -> mp.mpf:
    """(1 + 2x)·e^x²·erfc(x) as a function of t."""
    x = ERFC_POLE * (1 + t) / (1 - t)
    return (1 + 2 * x) * mp.exp(x * x) * mp.erfc(x)


def _stirling(w: mp.mpf) -> mp.mpf:
    """x·(log Γ(x) - (x - ½)(log x - 1) - (log 2π - 1)/2) at w = 1/x²."""
    x = 1 / mp.sqrt(max(w, TINY))
    return x * (mp.loggamma(x) - (x - 0.5) * (mp.log(x) - 1) - (mp.log(2 * mp.pi) - 1) / 2)


def _digamma_tail(w: mp.mpf) -> mp.mpf:
    """x²·(log x - 1/(2x) - ψ(x)) at w = 1/x²."""
    x = 1 / mp.sqrt(max(w, TINY))
    return x * x * (mp.log(x) - 1 / (2 * x) - mp.digamma(x))


def _near_two(d: mp.mpf) -> mp.mpf:
    """log Γ(2 + d) / d."""
    d = d if abs(d) > TINY else TINY
    return mp.loggamma(2 + d) / d


SPECS = {
    "EXP": Spec(EXP, -HALF_LN2, HALF_LN2, 10),
    "EXP_F32": Spec(EXP, -HALF_LN2, HALF_LN2, 5, True),
    "LOG": Spec(LOG, 0, LOG_REACH, 7),
    "LOG_F32": Spec(LOG, 0, LOG_REACH, 3, True),
    "LOG_TAIL": Spec(LOG_TAIL, 0, LOG_REACH, 7),
    "SIN": Spec(SIN, 0, QUARTER, 6),
    "COS": Spec(COS, 0, QUARTER, 6),
    "ATAN": Spec(ATAN, 0, 0.17157287525381, 12),
    "ASIN": Spec(ASIN, 0, 0.25, 13),
    "ERF": Spec(lambda z: ERF(z) - 1, 0, 1.21, 13),
    "ERF_TAIL": Spec(_erf_exponent, -2.45, 2.45, 18, False, lambda u: mp.erfc(ERF_MIDDLE + u)),
    "ERF_F32": Spec(lambda z: ERF(z) - 1, 0, 1.21, 7, True),
    "ERF_TAIL_F32": Spec(_erf_exponent, -2.45, 0.65, 6, True, lambda u: mp.erfc(ERF_MIDDLE + u)),
    "ERFC": Spec(_erfc_scaled, -0.75, 0.82, 22),
    "GAMMALN": Spec(_near_two, -0.5, 0.5, 18),
    "STIRLING": Spec(_stirling, 0, 1 / 49, 7),
    "DIGAMMA": Spec(_digamma_tail, 0, 1 / 64, 7),
    "INVERSE_CBRT": Spec(lambda m: 1 / mp.cbrt(m), 0.70710678, 1.41421357, 5),
    "SIN_F32": Spec(SIN, 0, QUARTER, 4),
    "COS_F32": Spec(COS, 0, QUARTER, 4),
}

CONSTANTS: dict[str, tuple[Function, int, bool]] = {
    "LN2": (lambda _: mp.ln2, 2, False),
    "LN2_F32": (lambda _: mp.ln2, 2, True),
    "LOG2E": (lambda _: 1 / mp.ln2, 2, False),
    "LOG2E_F32": (lambda _: 1 / mp.ln2, 2, True),
    "LOG10E": (lambda _: 1 / mp.ln10, 2, False),
    "LOG10E_F32": (lambda _: 1 / mp.ln10, 2, True),
    "LOG10_2": (lambda _: mp.ln2 / mp.ln10, 2, False),
    "LOG10_2_F32": (lambda _: mp.ln2 / mp.ln10, 2, True),
    "HALF_PI": (lambda _: mp.pi / 2, 3, False),
    "TWO_OVER_PI": (lambda _: 2 / mp.pi, 1, False),
    "QUARTER_PI": (lambda _: mp.pi / 4, 2, False),
    "CBRT_2": (lambda _: mp.cbrt(2), 1, False),
    "PI": (lambda _: mp.pi, 2, False),
    "LOG_PI": (lambda _: mp.log(mp.pi), 2, False),
    "STIRLING_SHIFT": (lambda _: (mp.log(2 * mp.pi) - 1) / 2, 1, False),
    "ERF_MIDDLE": (lambda _: mp.mpf(ERF_MIDDLE), 1, False),
    "ERFC_POLE": (lambda _: mp.mpf(ERFC_POLE), 1, False),
    "THIRD": (lambda _: mp.mpf(1) / 3, 2, False),
}


def digits_of_two_over_pi(words: int = 22) -> list[str]:
    """A word of zeros, then the bits of 2/π, 64 a word."""
    scaled = int(mp.floor(2 / mp.pi * mp.mpf(2) ** (64 * words)))
    return ["0"] + [f"0x{scaled >> 64 * (words - 1 - i) & (1 << 64) - 1:X}" for i in range(words)]


def _table(name: str, numbers: list[str], note: str) -> str:
    if len(numbers) == 1:
        return f"# {note}\n{name} = ({numbers[0]},)\n"
    body = "".join(f"    {number},\n" for number in numbers)
    return f"# {note}\n{name} = (\n{body})\n"


def main() -> None:
    out = [
        '"""Coefficients and constants of the elementary functions, lowest power first.\n\n'
        "Written by tools/coefficients.py; the errors are absolute, of the polynomial named.\n"
        '"""\n'
    ]
    for name, spec in SPECS.items():
        coefficients, error = remez(spec)
        numbers = [repr(parts(c, 1, spec.single)[0]) for c in coefficients]
        out.append(_table(name, numbers, f"error {mp.nstr(error, 3)}"))
    for name, (value, count, single) in CONSTANTS.items():
        numbers = [repr(piece) for piece in parts(value(mp.mpf(0)), count, single)]
        out.append(_table(name, numbers, "a sum of parts" if count > 1 else "rounded"))
    with mp.workdps(500):
        out.append(_table("TWO_OVER_PI_BITS", digits_of_two_over_pi(), "64 bits a word"))
    sys.stdout.write("\n".join(out))


if __name__ == "__main__":
    main()
