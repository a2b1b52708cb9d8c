"""The test problems of Moré, Garbow and Hillstrom, written from the definitions in their paper.

J. J. Moré, B. S. Garbow, K. E. Hillstrom, "Testing Unconstrained Optimization Software", ACM
Transactions on Mathematical Software 7 (1981) 17-41. Every problem is a sum of squares: a function
of one vector returns the m residuals. The minima are those that the paper lists, problem 11 with
|yi - x2| in place of its misprint, and for problem 35 with ten unknowns a lower one than the
paper's, where MINPACK arrives from most random starts; an entry `infimum` is only approached as x
grows without limit.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

Array = np.ndarray


@dataclass(frozen=True)
class Problem:
    """A problem with its standard start.

    Args:
        number: as in the paper.
        minima: sums of squares at known minima, the global one first.
        infimum: sums of squares approached at infinity.
    """

    number: int
    name: str
    residual: Callable[[Any], Any]
    standard: Array
    minima: tuple[float, ...]
    infimum: tuple[float, ...] = ()

    def start(self, factor: float) -> Array:
        """The standard start times a factor; where it is zero, the factor in every place."""
        if factor != 1 and not self.standard.any():
            return np.full_like(self.standard, factor)
        return factor * self.standard

    def reached(self, squares: float) -> float | None:
        """The known sum of squares that was reached, or None."""
        for known in self.minima + self.infimum:
            if abs(squares - known) <= 2e-6 * known + 1e-14:
                return known
        return None


def rosenbrock(x):
    return np.stack([10 * (x[1] - x[0] ** 2), 1 - x[0]])


def freudenstein_roth(x):
    return np.stack(
        [-13 + x[0] + ((5 - x[1]) * x[1] - 2) * x[1], -29 + x[0] + ((x[1] + 1) * x[1] - 14) * x[1]]
    )


def powell_badly_scaled(x):
    return np.stack([1e4 * x[0] * x[1] - 1, np.exp(-x[0]) + np.exp(-x[1]) - 1.0001])


def brown_badly_scaled(x):
    return np.stack([x[0] - 1e6, x[1] - 2e-6, x[0] * x[1] - 2])


def beale(x):
    i, y = np.array([1, 2, 3]), np.array([1.5, 2.25, 2.625])
    return y - x[0] * (1 - x[1] ** i)


def jennrich_sampson(x):
    i = np.arange(1.0, 11.0)
    return 2 + 2 * i - (np.exp(i * x[0]) + np.exp(i * x[1]))


def helical_valley(x):
    turn = np.arctan(x[1] / x[0]) / (2 * np.pi) + np.where(x[0] < 0, 0.5, 0.0)
    return np.stack([10 * (x[2] - 10 * turn), 10 * (np.sqrt(x[0] ** 2 + x[1] ** 2) - 1), x[2]])


BARD = np.array(
    [0.14, 0.18, 0.22, 0.25, 0.29, 0.32, 0.35, 0.39, 0.37, 0.58, 0.73, 0.96, 1.34, 2.1, 4.39]
)


def bard(x):
    u = np.arange(1.0, 16.0)
    v = 16 - u
    return BARD - (x[0] + u / (v * x[1] + np.minimum(u, v) * x[2]))


def gaussian(x):
    half = [0.0009, 0.0044, 0.0175, 0.0540, 0.1295, 0.2420, 0.3521]
    y = np.array([*half, 0.3989, *half[::-1]])
    t = (8 - np.arange(1.0, 16.0)) / 2
    return x[0] * np.exp(-x[1] * (t - x[2]) ** 2 / 2) - y


MEYER = np.array(
    [
        34780, 28610, 23650, 19630, 16370, 13720, 11540, 9744, 8261, 7030, 6005, 5147, 4427, 3820,
        3307, 2872,
    ],
    float,
)  # fmt: skip


def meyer(x):
    t = 45 + 5 * np.arange(1.0, 17.0)
    return x[0] * np.exp(x[1] / (t + x[2])) - MEYER


def gulf(x):
    t = np.arange(1.0, 100.0) / 100
    y = 25 + (-50 * np.log(t)) ** (2 / 3)
    return np.exp(-(np.abs(y - x[1]) ** x[2]) / x[0]) - t


def box(x):
    t = np.arange(1.0, 11.0) / 10
    return np.exp(-t * x[0]) - np.exp(-t * x[1]) - x[2] * (np.exp(-t) - np.exp(-10 * t))


def powell_singular(x):
    fourth = np.sqrt(10) * (x[0] - x[3]) ** 2
    return np.stack([x[0] + 10 * x[1], np.sqrt(5) * (x[2] - x[3]), (x[1] - 2 * x[2]) ** 2, fourth])


def wood(x):
    a, b, c, d = x[0], x[1], x[2], x[3]
    ninety, ten = np.sqrt(90), np.sqrt(10)
    first = [10 * (b - a**2), 1 - a, ninety * (d - c**2), 1 - c]
    return np.stack([*first, ten * (b + d - 2), (b - d) / ten])


KOWALIK = np.array(
    [
        (0.1957, 4.0), (0.1947, 2.0), (0.1735, 1.0), (0.1600, 0.5), (0.0844, 0.25),
        (0.0627, 0.167), (0.0456, 0.125), (0.0342, 0.1), (0.0323, 0.0833), (0.0235, 0.0714),
        (0.0246, 0.0625),
    ]
)  # fmt: skip


def kowalik_osborne(x):
    y, u = KOWALIK[:, 0], KOWALIK[:, 1]
    return y - x[0] * (u**2 + u * x[1]) / (u**2 + u * x[2] + x[3])


def brown_dennis(x):
    t = np.arange(1.0, 21.0) / 5
    return (x[0] + t * x[1] - np.exp(t)) ** 2 + (x[2] + x[3] * np.sin(t) - np.cos(t)) ** 2


OSBORNE_1 = np.array(
    [
        0.844, 0.908, 0.932, 0.936, 0.925, 0.908, 0.881, 0.850, 0.818, 0.784, 0.751, 0.718, 0.685,
        0.658, 0.628, 0.603, 0.580, 0.558, 0.538, 0.522, 0.506, 0.490, 0.478, 0.467, 0.457, 0.448,
        0.438, 0.431, 0.424, 0.420, 0.414, 0.411, 0.406,
    ]
)  # fmt: skip


def osborne_1(x):
    t = 10 * np.arange(33.0)
    return OSBORNE_1 - (x[0] + x[1] * np.exp(-t * x[3]) + x[2] * np.exp(-t * x[4]))


def biggs(x):
    t = np.arange(1.0, 14.0) / 10
    y = np.exp(-t) - 5 * np.exp(-10 * t) + 3 * np.exp(-4 * t)
    return x[2] * np.exp(-t * x[0]) - x[3] * np.exp(-t * x[1]) + x[5] * np.exp(-t * x[4]) - y


OSBORNE_2 = np.array(
    [
        1.366, 1.191, 1.112, 1.013, 0.991, 0.885, 0.831, 0.847, 0.786, 0.725, 0.746, 0.679, 0.608,
        0.655, 0.616, 0.606, 0.602, 0.626, 0.651, 0.724, 0.649, 0.649, 0.694, 0.644, 0.624, 0.661,
        0.612, 0.558, 0.533, 0.495, 0.500, 0.423, 0.395, 0.375, 0.372, 0.391, 0.396, 0.405, 0.428,
        0.429, 0.523, 0.562, 0.607, 0.653, 0.672, 0.708, 0.633, 0.668, 0.645, 0.632, 0.591, 0.559,
        0.597, 0.625, 0.739, 0.710, 0.729, 0.720, 0.636, 0.581, 0.428, 0.292, 0.162, 0.098, 0.054,
    ]
)  # fmt: skip


def osborne_2(x):
    t = np.arange(65.0) / 10
    peaks = x[1] * np.exp(-((t - x[8]) ** 2) * x[5]) + x[2] * np.exp(-((t - x[9]) ** 2) * x[6])
    return OSBORNE_2 - x[0] * np.exp(-t * x[4]) - peaks - x[3] * np.exp(-((t - x[10]) ** 2) * x[7])


def watson(x):
    j = np.arange(len(x))
    t = np.arange(1.0, 30.0)[:, None] / 29
    slope = (j[1:] * t ** (j[1:] - 1)) @ x[1:]
    inner = slope - (t**j @ x) ** 2 - 1
    return np.concatenate([inner, np.stack([x[0], x[1] - x[0] ** 2 - 1])])


def extended_rosenbrock(x):
    odd, even = x[0::2], x[1::2]
    return np.concatenate([10 * (even - odd**2), 1 - odd])


def extended_powell(x):
    a, b, c, d = x[0::4], x[1::4], x[2::4], x[3::4]
    pairs = [a + 10 * b, np.sqrt(5) * (c - d), (b - 2 * c) ** 2, np.sqrt(10) * (a - d) ** 2]
    return np.concatenate(pairs)


def penalty_1(x):
    return np.concatenate([np.sqrt(1e-5) * (x - 1), np.stack([np.sum(x**2) - 0.25])])


def penalty_2(x):
    n = len(x)
    i = np.arange(2.0, n + 1)
    a = np.sqrt(1e-5)
    pairs = a * (np.exp(x[1:] / 10) + np.exp(x[:-1] / 10) - np.exp(i / 10) - np.exp((i - 1) / 10))
    single = a * (np.exp(x[1:] / 10) - np.exp(-0.1))
    last = np.sum(np.arange(n, 0, -1) * x**2) - 1
    return np.concatenate([np.stack([x[0] - 0.2]), pairs, single, np.stack([last])])


def variably_dimensioned(x):
    total = np.sum(np.arange(1, len(x) + 1) * (x - 1))
    return np.concatenate([x - 1, np.stack([total, total**2])])


def trigonometric(x):
    n = len(x)
    i = np.arange(1, n + 1)
    return n - np.sum(np.cos(x)) + i * (1 - np.cos(x)) - np.sin(x)


def brown_almost_linear(x):
    return np.concatenate([x[:-1] + np.sum(x) - (len(x) + 1), np.stack([np.prod(x) - 1])])


def grid(n: int) -> tuple[float, Array]:
    h = 1 / (n + 1)
    return h, h * np.arange(1, n + 1)


def neighbours(x):
    """Every entry's left and right neighbour, 0 beyond the ends."""
    zero = np.zeros(1)
    return np.concatenate([zero, x[:-1]]), np.concatenate([x[1:], zero])


def boundary_value(x):
    h, t = grid(len(x))
    left, right = neighbours(x)
    return 2 * x - left - right + h**2 * (x + t + 1) ** 3 / 2


def integral_equation(x):
    h, t = grid(len(x))
    cubes = (x + t + 1) ** 3
    below = np.tril(np.ones((len(t), len(t))))
    return x + h * ((1 - t) * (below @ (t * cubes)) + t * ((1 - below) @ ((1 - t) * cubes))) / 2


def broyden_tridiagonal(x):
    left, right = neighbours(x)
    return (3 - 2 * x) * x - left - 2 * right + 1


def broyden_banded(x):
    offset = np.subtract.outer(np.arange(len(x)), np.arange(len(x)))
    band = ((offset <= 5) & (offset >= -1) & (offset != 0)).astype(float)
    return x * (2 + 5 * x**2) + 1 - band @ (x * (1 + x))


def linear(m: int) -> Callable[[Any], Any]:
    def full_rank(x):
        shared = -2 / m * np.sum(x) - 1
        return np.concatenate([x + shared, np.zeros(m - len(x)) + shared])

    return full_rank


def linear_rank_1(m: int) -> Callable[[Any], Any]:
    def rank_1(x):
        return np.arange(1, m + 1) * np.sum(np.arange(1, len(x) + 1) * x) - 1

    return rank_1


def linear_rank_1_zeros(m: int) -> Callable[[Any], Any]:
    def rank_1_zeros(x):
        factor = np.concatenate([np.arange(0, m - 1), [0]])
        return factor * np.sum(np.arange(2, len(x)) * x[1:-1]) - 1

    return rank_1_zeros


def chebyquad(m: int) -> Callable[[Any], Any]:
    def quadrature(x):
        z = 2 * x - 1
        before, now, means = 1.0, z, []
        for i in range(1, m + 1):
            integral = -1 / (i**2 - 1) if i % 2 == 0 else 0.0
            means.append(np.mean(now) - integral)
            before, now = now, 2 * z * now - before
        return np.stack(means)

    return quadrature


def _v(*values: float) -> Array:
    return np.array(values, float)


def _small() -> list[Problem]:
    osborne = _v(1.3, 0.65, 0.65, 0.7, 0.6, 3, 5, 7, 2, 4.5, 5.5)
    return [
        Problem(1, "Rosenbrock", rosenbrock, _v(-1.2, 1), (0.0,)),
        Problem(2, "Freudenstein and Roth", freudenstein_roth, _v(0.5, -2), (0.0, 48.984254)),
        Problem(3, "Powell badly scaled", powell_badly_scaled, _v(0, 1), (0.0,)),
        Problem(4, "Brown badly scaled", brown_badly_scaled, _v(1, 1), (0.0,)),
        Problem(5, "Beale", beale, _v(1, 1), (0.0,)),
        Problem(6, "Jennrich and Sampson", jennrich_sampson, _v(0.3, 0.4), (124.362182,)),
        Problem(7, "helical valley", helical_valley, _v(-1, 0, 0), (0.0,)),
        Problem(8, "Bard", bard, _v(1, 1, 1), (8.2148773e-3,), (17.428693,)),
        Problem(9, "Gaussian", gaussian, _v(0.4, 1, 0), (1.1279328e-8,)),
        Problem(10, "Meyer", meyer, _v(0.02, 4000, 250), (87.945855,)),
        Problem(11, "Gulf research", gulf, _v(5, 2.5, 0.15), (0.0,)),
        Problem(12, "Box three-dimensional", box, _v(0, 10, 20), (0.0,)),
        Problem(13, "Powell singular", powell_singular, _v(3, -1, 0, 1), (0.0,)),
        Problem(14, "Wood", wood, _v(-3, -1, -3, -1), (0.0,)),
        Problem(
            15, "Kowalik and Osborne", kowalik_osborne, _v(0.25, 0.39, 0.415, 0.39),
            (3.0750560e-4,), (1.0273447e-3,),
        ),
        Problem(16, "Brown and Dennis", brown_dennis, _v(25, 5, -5, -1), (85822.2016,)),
        Problem(17, "Osborne 1", osborne_1, _v(0.5, 1.5, -1, 0.01, 0.02), (5.4648947e-5,)),
        Problem(18, "Biggs EXP6", biggs, _v(1, 2, 1, 1, 1, 1), (0.0, 5.6556499e-3)),
        Problem(19, "Osborne 2", osborne_2, osborne, (4.0137736e-2,)),
    ]  # fmt: skip


def _sized() -> list[Problem]:
    tenth = np.arange(1, 11) / 10
    curve = grid(10)[1] * (grid(10)[1] - 1)
    zeros_minimum = (10**2 + 3 * 10 - 6) / (2 * (2 * 10 - 3))
    return [
        Problem(20, "Watson, 6", watson, np.zeros(6), (2.2876700e-3,)),
        Problem(20, "Watson, 9", watson, np.zeros(9), (1.3997601e-6,)),
        Problem(20, "Watson, 12", watson, np.zeros(12), (4.7223811e-10,)),
        Problem(21, "extended Rosenbrock", extended_rosenbrock, np.tile([-1.2, 1], 5), (0.0,)),
        Problem(22, "extended Powell", extended_powell, np.tile([3.0, -1, 0, 1], 3), (0.0,)),
        Problem(23, "penalty I", penalty_1, np.arange(1.0, 11.0), (7.0876515e-5,)),
        Problem(24, "penalty II", penalty_2, np.full(10, 0.5), (2.9366054e-4,)),
        Problem(25, "variably dimensioned", variably_dimensioned, 1 - tenth, (0.0,)),
        Problem(26, "trigonometric", trigonometric, np.full(10, 0.1), (0.0, 2.7950606e-5)),
        Problem(27, "Brown almost-linear", brown_almost_linear, np.full(10, 0.5), (0.0, 1.0)),
        Problem(28, "discrete boundary value", boundary_value, curve, (0.0,)),
        Problem(29, "discrete integral equation", integral_equation, curve, (0.0,)),
        Problem(30, "Broyden tridiagonal", broyden_tridiagonal, np.full(10, -1.0), (0.0,)),
        Problem(31, "Broyden banded", broyden_banded, np.full(10, -1.0), (0.0,)),
        Problem(32, "linear, full rank", linear(50), np.ones(5), (45.0,)),
        Problem(33, "linear, rank 1", linear_rank_1(10), np.ones(5), (10 * 9 / (2 * 21),)),
        Problem(34, "linear, zeros", linear_rank_1_zeros(10), np.ones(5), (zeros_minimum,)),
        Problem(35, "Chebyquad, 8", chebyquad(8), np.arange(1, 9) / 9, (3.5168737e-3,)),
        Problem(35, "Chebyquad, 9", chebyquad(9), tenth[:9], (0.0,)),
        Problem(
            35, "Chebyquad, 10", chebyquad(10), np.arange(1, 11) / 11, (4.7727137e-3, 6.5039548e-3)
        ),
    ]


PROBLEMS = {problem.name: problem for problem in (*_small(), *_sized())}
