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
    """A polynomial with `count` coefficients close to a function on [low, high]."""

    function: Function
    low: float
    high: float
    count: int
    single: bool = False


def series(function: Function, head: dict[int, str], drop: int, step: int = 1) -> Function:
    """(f(x) - Σ head[i]·x^i) / x^drop as a function of t = x^step; `head` holds mpmath text."""
    terms = {i: mp.mpf(eval(text, {"mp": mp})) for i, text in head.items()}

    def quotient(t: mp.mpf) -> mp.mpf:
        t = t if abs(t) > TINY else TINY
        x = mp.root(t, step) if step > 1 else t
        return (function(x) - mp.fsum(c * x**i for i, c in terms.items())) / x**drop

    return quotient


def _solve(spec: Spec, nodes: list[mp.mpf], values: list[mp.mpf]) -> list[mp.mpf]:
    size = spec.count + 1
    rows = mp.matrix(size, size)
    for i, x in enumerate(nodes):
        for j in range(spec.count):
            rows[i, j] = x**j
        rows[i, spec.count] = (-1) ** i
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
    chosen = [round(i * points / spec.count) for i in range(spec.count + 1)]
    for _ in range(30):
        solution = _solve(spec, [grid[i] for i in chosen], [values[i] for i in chosen])
        coefficients, level = solution[:-1], abs(solution[-1])
        error = [v - mp.polyval(coefficients[::-1], x) for x, v in zip(grid, values, strict=True)]
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
LOG_REACH = 0.02943725152286  # ((√2 - 1)/(√2 + 1))²
QUARTER = 0.7955**2  # π/4 and what the rounding of x·2/π adds

SPECS = {
    "EXP": Spec(EXP, -HALF_LN2, HALF_LN2, 10),
    "EXP_F32": Spec(EXP, -HALF_LN2, HALF_LN2, 5, True),
    "LOG": Spec(LOG, 0, LOG_REACH, 7),
    "LOG_F32": Spec(LOG, 0, LOG_REACH, 3, True),
    "LOG_TAIL": Spec(LOG_TAIL, 0, LOG_REACH, 7),
    "SIN": Spec(SIN, 0, QUARTER, 6),
    "COS": Spec(COS, 0, QUARTER, 6),
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
