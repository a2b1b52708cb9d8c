"""For each differentiable elementwise primitive, points at which derivatives are hardest to tell:

where numbers overflow and underflow, where they are 0 or infinite, where a domain ends. The values
of the functions are mpmath's (`elementwise_cases`, if no other meaning is given here).
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import inf, isinf, nextafter

import mpmath as mp

from descend.graph.elementwise import call, full_like
from descend.graph.node import Node
from differentiate.elementwise_cases import ATTRIBUTES, SMOOTH

Place = tuple[float, ...]


@dataclass(frozen=True)
class Row:
    """Hard points of a primitive.

    Attributes:
        name: of the primitive.
        points: numbers for all arguments.
        meaning: the function in arbitrary precision.
        build: the same as a graph.
        breaks: sizes of arguments at which the function may have a kink, a pole or an end.
        digits: with which the differences are taken.
        rounding: what the function's own rounding makes of its derivatives, as of a cast.
        label: its name in the list of tests.
        whole: whether rounding is that of all arguments and derivatives together, as of matrices.
        ends: points at which the function has a kink, a pole or an end.
    """

    name: str
    points: Sequence[Place]
    meaning: Callable[..., mp.mpf]
    build: Callable[..., Node]
    breaks: frozenset[float]
    digits: int = 330
    rounding: float = 0.0
    label: str = ""
    whole: bool = False
    ends: frozenset[Place] = frozenset()

    def __str__(self) -> str:
        return self.label or self.name

    def may_break(self, place: Place) -> bool:
        """Whether it may at this place: also where two arguments have the same size."""
        sizes = [abs(v) for v in place]
        same = len(set(sizes)) < len(sizes)
        broken = any(s in self.breaks for s in sizes) or (bool(self.breaks) and same)
        return broken or place in self.ends


def both(*sizes: float) -> list[float]:
    return [s * v for v in sizes for s in (1.0, -1.0)]


def grid(*axes: Sequence[float]) -> list[Place]:
    return list(itertools.product(*axes))


UP, DOWN = nextafter(1.0, 2.0), nextafter(1.0, 0.0)
SIZES = (
    5e-324, 1e-310, 1e-200, 1e-108, 1e-30, 1e-8, 0.3, 0.5, DOWN, 1.0, UP, 1.5, 2.0, 3.0, 10.0,
    27.0, 40.0, 300.0, 709.0, 711.0, 750.0, 1e4, 1e8, 1e100, 1e160, 1e300, inf,
)  # fmt: skip
LINE = grid([0.0, -0.0, *both(*SIZES)])
RIGHT = grid([0.0, *SIZES])
FEW = (1e-310, 1e-200, 1e-30, 0.5, 1.0, 2.0, 3.5, 40.0, 1e4, 1e100, 1e200, inf)
PLANE = grid([0.0, *both(*FEW)], [0.0, *both(*FEW)])
NEAR = grid([0.0, *both(0.5, 1.0, 2.5, 30.0, 1e4)], [0.0, *both(1e-8, 0.5, 1.0, 3.0, 30.0)])
GAMMA = [
    0.0, *both(1e-30, 1e-8, 0.5, 1.0, UP, 1.5, 2.0, 20.5, 170.5), 25.0, 171.0, 171.7, 180.0, 1e4,
    1e30, inf, -180.5,
]  # fmt: skip
SHARES = [0.0, 1e-100, 1e-30, 1e-8, 0.1, 0.5, 0.9, 0.999, DOWN, 1.0]
ORDERED = (1e-300, 1e-200, 1e-108, 1e-30, 1e-8, 0.5, 2.0, 40.0, 700.0, 760.0)
COUNTS = (1e-8, 0.5, 1.0, 2.5, 30.0, 171.0, 1e4)
SHAPES = grid((1e-8, 0.5, 1.0, 2.0, 30.0, 300.0), (0.0, 1e-30, 1e-8, 0.5, 1.0, 30.0, 800.0))
SIDES = grid((1e-8, 0.5, 30.0), (0.5, 2.0, 40.0), (0.0, 1e-30, 1e-8, 0.5, DOWN, 1.0))
SIDES_ENDS = [p for p in SIDES if p[2] == 1.0]
UPPER = grid([0.0, *both(0.5, 5.0, 30.0, 1e5)], [0.0, 1e-8, 0.5, 5.0, 30.0, 1e5, -0.5, -5.0])
WHOLE = tuple(float(k) for k in range(1500))
POWERS = (-3.0, -2.0, -1.0, -0.5, 0.5, 1.0, 1.5, 2.0, 3.0, 4.0, 40.0)


def erfcx(x: mp.mpf) -> mp.mpf:
    """By its asymptotic series where mpmath's erfc underflows."""
    if x < 1e6:
        return mp.exp(x * x) * mp.erfc(x)
    terms = (mp.fac2(2 * k - 1) / (-2 * x * x) ** k for k in range(30))
    return sum(terms) / (x * mp.sqrt(mp.pi))


def erfc(x: mp.mpf) -> mp.mpf:
    return mp.exp(-x * x) * erfcx(x) if x > 1e6 else mp.erfc(x)


def log_ndtr(x: mp.mpf) -> mp.mpf:
    z = -x / mp.sqrt(2)
    return mp.log(erfcx(z) / 2) - z * z if z > 0 else mp.log1p(-erfc(-z) / 2)


def dawsn(x: mp.mpf) -> mp.mpf:
    if abs(x) < 1e6:
        return mp.sqrt(mp.pi) / 2 * mp.exp(-x * x) * mp.erfi(x)
    return sum(mp.fac2(2 * k - 1) / (2 * x * x) ** k for k in range(30)) / (2 * x)


def gammainc(a: mp.mpf, x: mp.mpf) -> mp.mpf:
    if x < 0:
        raise ValueError
    return mp.power(x, a) * mp.exp(-x) * mp.hyp1f1(1, a + 1, x) / mp.gamma(a + 1)


def betainc(a: mp.mpf, b: mp.mpf, x: mp.mpf) -> mp.mpf:
    if not 0 <= x <= 1:
        raise ValueError
    return mp.betainc(a, b, 0, x, regularized=True)


def rows(
    names: str,
    points: Sequence[Place],
    breaks: Sequence[float] = (),
    meaning: Callable[..., mp.mpf] | None = None,
    digits: int = Row.digits,
    whole: bool = False,
    ends: Sequence[Place] = (),
) -> list[Row]:
    found = []
    for name in names.split():
        attributes = ATTRIBUTES.get(name, {})

        def build(*args: Node, name: str = name, attributes: dict[str, float] = attributes) -> Node:
            return call(name, *args, **attributes)

        exact = meaning or SMOOTH[name][0]
        found.append(Row(name, points, exact, build, frozenset(breaks), digits, whole=whole,
                         ends=frozenset(ends)))  # fmt: skip
    return found


def powers() -> list[Row]:
    """Known exponents, as in x**3."""
    return [
        Row(
            "pow", LINE, lambda x, p=p: mp.power(x, p),
            lambda x, p=p: call("pow", x, full_like(x, p)), frozenset([0.0]), label=f"x**{p:g}",
        )
        for p in POWERS
    ]  # fmt: skip


ROWS: list[Row] = [
    *rows("neg sin cos tan arctan arcsinh", LINE),
    *rows("exp exp2 expm1 sinh cosh", LINE, digits=800),
    *rows("tanh sech_square expit erf one_less_square over_one_and_square erfi", LINE),
    *rows("erfc", LINE, meaning=erfc),
    *rows("erfcx", LINE, meaning=erfcx),
    *rows("log_ndtr", LINE, meaning=log_ndtr),
    *rows("mills", LINE, meaning=lambda x: mp.sqrt(2 / mp.pi) / erfcx(-x / mp.sqrt(2))),
    *rows("dawsn", LINE, meaning=dawsn),
    *rows("abs sqrt cbrt log log2 log10", LINE, [0.0]),
    *rows("log1p arcsin arccos arccosh arctanh root_square_less_one", LINE, [1.0]),
    *rows("add sub", PLANE),
    *rows("mul div hypot arctan2 copysign max min mul0 mul_sat if_finite", PLANE, [0.0]),
    *rows("mod fmod", NEAR, [0.0, 0.5, 1.0, 2.5, 3.0, 30.0, 1e4]),
    *rows("pow", [p for p in PLANE if p[0] >= 0 and not (isinf(p[0]) and abs(p[1]) < 0.1)], [0.0]),
    *powers(),
    *rows(
        "gamma gammaln",
        grid(
            GAMMA,
        ),
        WHOLE,
        digits=130,
    ),
    *rows("digamma", grid([v for v in GAMMA if abs(v) < 40]), WHOLE, digits=130),
    *rows("polygamma", grid([v for v in GAMMA if v >= -0.5]), [0.0], digits=130),
    *rows(
        "erfinv",
        grid([0.0, *both(5e-324, 1e-200, 1e-30, 1e-8, 0.5, 0.999, DOWN, 1.0, UP)]),
        [1.0],
        digits=130,
    ),
    *rows("erfcinv", grid([*SHARES, 1.5, nextafter(2.0, 0.0), 2.0, 2.5]), [0.0, 2.0], digits=130),
    *rows("ndtri", grid([*SHARES, -0.5, 1.5]), [0.0, 1.0], digits=130),
    *rows("exp1 expi", RIGHT, [0.0]),
    *rows("expn", RIGHT, [0.0], lambda x: mp.exp(-x) - x * mp.e1(x)),
    *rows("zeta", grid([0.0, *ORDERED, 1e100]), [0.0], digits=130),
    *rows("jv", grid([0.0, *both(*ORDERED)]), digits=130),
    *rows("iv", grid([0.0, *both(*ORDERED)]), digits=130),
    *rows("ive", grid([0.0, *both(*ORDERED, 1e5, 1e8)]), [0.0], digits=130),
    *rows("yv kv", grid(ORDERED[4:]), digits=90),
    *rows("kve", grid([*ORDERED[4:], 1e5, 1e8]), digits=130),
    *rows("beta betaln", grid(COUNTS, COUNTS), digits=130, whole=True),
    *rows(
        "binom",
        grid([0.5, 5.0, 30.5, 171.0, 1e4], [0.0, 1e-8, 0.5, 1.0, 5.0, 30.0]),
        digits=130,
        whole=True,
    ),
    *rows(
        "poch",
        grid([1e-8, 0.5, 1.0, 30.0, 171.0], [0.0, 1e-8, 0.5, 1.0, 30.0, 171.0]),
        digits=130,
        whole=True,
    ),
    *rows("wofz_real wofz_imag", UPPER, digits=130),
    *rows("gammainc", SHAPES, [0.0], gammainc, digits=130),
    *rows("gammaincc", SHAPES, [0.0], lambda a, x: 1 - gammainc(a, x), digits=450),
    *rows(
        "gammaincinv", grid((0.5, 1.0, 30.0), (0.0, 1e-8, 0.5, 0.999, 1.0)), [0.0, 1.0], digits=130
    ),
    *rows("betainc", SIDES, [0.0], betainc, digits=130, ends=SIDES_ENDS),
    *rows(
        "betaincc", SIDES, [0.0], lambda a, b, x: betainc(b, a, 1 - x), digits=330, ends=SIDES_ENDS
    ),
    *rows("betaincinv", grid((0.5, 30.0), (2.0,), (0.0, 1e-8, 0.5, 1.0)), [0.0], digits=90),
]

LIMITS: dict[tuple[str, Place], str] = {
    ("pow", (1e-200, 2.0)): "by base and exponent: x**y, which is 1e-400, is divided by x",
}
"""Where digits are lost because a factor underflows before it meets one that is as large."""

UNDEFINED: dict[str, int] = {"gammainc": 1, "gammaincc": 1, "betainc": 2, "betaincc": 2}
"""Of how many shapes below 1e-4 the derivative is NaN, told in `graph/quadrature.py`."""
