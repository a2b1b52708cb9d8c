"""For each elementwise primitive: what it means in arbitrary precision, and points to try it at."""

from collections.abc import Callable

import mpmath as mp
import numpy as np
from scipy import special

LINE = [(-2.3,), (-0.7,), (0.4,), (1.9,)]
POSITIVE = [(0.3,), (1.0,), (2.7,)]
UNIT = [(-0.8,), (-0.1,), (0.5,)]
PLANE = [(-1.3, 0.7), (0.4, 2.1), (1.5, -0.6), (-0.9, -1.1)]
QUADRANT = [(0.6, 1.7), (2.2, 0.4), (1.5, -1.3)]


SHAPES = [(0.7, 0.4), (0.7, 3.1), (4.5, 4.0), (30.0, 41.0), (2.0, 0.01)]
SHARES = [(0.7, 2.5, 0.1), (3.0, 0.6, 0.8), (8.0, 5.0, 0.62), (2.0, 3.0, 0.999)]
HALF_PLANE = [
    (0.3, 0.8), (-1.9, 0.1), (9.0, 7.0), (-30.0, 40.0), (2e5, 1e3), (0.4, -0.6), (1e5, -5.0),
]  # fmt: skip


def rint(x: mp.mpf) -> mp.mpf:
    return mp.nint(x)


def floordiv(x: mp.mpf, y: mp.mpf) -> mp.mpf:
    return mp.floor(x / y)


def trunc(x: mp.mpf) -> mp.mpf:
    return mp.floor(x) if x > 0 else mp.ceil(x)


def wofz(x: mp.mpf, y: mp.mpf) -> mp.mpc:
    z = mp.mpc(x, y)
    return mp.exp(-z * z) * mp.erfc(-1j * z)


def log_ndtr(x: mp.mpf) -> mp.mpf:
    return mp.log(mp.erfc(-x / mp.sqrt(2)) / 2)


def gammainc(a: mp.mpf, x: mp.mpf) -> mp.mpf:
    return mp.gammainc(a, 0, x, regularized=True)


def betainc(a: mp.mpf, b: mp.mpf, x: mp.mpf) -> mp.mpf:
    return mp.betainc(a, b, 0, x, regularized=True)


def inverse(function: Callable[..., mp.mpf], start: Callable[..., float]) -> Callable[..., mp.mpf]:
    """The root in the last argument, by the secant method near SciPy's value."""

    def found(*args: mp.mpf) -> mp.mpf:
        *shape, share = args
        near = mp.mpf(float(start(*(float(a) for a in args))))
        return mp.findroot(lambda x: function(*shape, x) - share, (near, near * (1 - 1e-9)))

    return found


SMOOTH = {
    "add": (lambda x, y: x + y, PLANE),
    "sub": (lambda x, y: x - y, PLANE),
    "mul": (lambda x, y: x * y, PLANE),
    "div": (lambda x, y: x / y, PLANE),
    "mul0": (lambda g, p: g * p, [*PLANE, (0.0, 1.5)]),
    "mul_sat": (lambda z, b: z * b, [*PLANE, (0.0, 1.5)]),
    "if_finite": (lambda d, value: d, PLANE),
    "one_less_square": (lambda x: 1 - x * x, LINE),
    "over_one_and_square": (lambda x: 1 / (1 + x * x), LINE),
    "root_square_less_one": (lambda x: mp.sqrt(x * x - 1), [(1.2,), (3.4,)]),
    "neg": (lambda x: -x, LINE),
    "abs": (abs, LINE),
    "sign": (mp.sign, LINE),
    "floor": (mp.floor, LINE),
    "ceil": (mp.ceil, LINE),
    "rint": (rint, LINE),
    "trunc": (trunc, LINE),
    "floordiv": (floordiv, PLANE),
    "mod": (lambda x, y: x - y * mp.floor(x / y), PLANE),
    "fmod": (lambda x, y: x - y * trunc(x / y), PLANE),
    "copysign": (lambda x, y: abs(x) * mp.sign(y), PLANE),
    "max": (max, PLANE),
    "min": (min, PLANE),
    "sqrt": (mp.sqrt, POSITIVE),
    "cbrt": (lambda x: mp.sign(x) * mp.cbrt(abs(x)), LINE),
    "exp": (mp.exp, LINE),
    "exp2": (lambda x: mp.power(2, x), LINE),
    "expm1": (mp.expm1, [*LINE, (1e-9,)]),
    "log": (mp.log, POSITIVE),
    "log2": (lambda x: mp.log(x, 2), POSITIVE),
    "log10": (mp.log10, POSITIVE),
    "log1p": (mp.log1p, [*POSITIVE, (-0.4,), (1e-9,)]),
    "pow": (mp.power, QUADRANT),
    "hypot": (mp.hypot, PLANE),
    "sin": (mp.sin, LINE),
    "cos": (mp.cos, LINE),
    "tan": (mp.tan, LINE),
    "arcsin": (mp.asin, UNIT),
    "arccos": (mp.acos, UNIT),
    "arctan": (mp.atan, LINE),
    "arctan2": (mp.atan2, PLANE),
    "sinh": (mp.sinh, LINE),
    "cosh": (mp.cosh, LINE),
    "tanh": (mp.tanh, LINE),
    "sech_square": (lambda x: mp.sech(x) ** 2, LINE),
    "arcsinh": (mp.asinh, LINE),
    "arccosh": (mp.acosh, [(1.2,), (3.4,)]),
    "arctanh": (mp.atanh, UNIT),
    "expit": (lambda x: 1 / (1 + mp.exp(-x)), [*LINE, (-30.0,), (30.0,)]),
    "erf": (mp.erf, LINE),
    "erfc": (mp.erfc, [*LINE, (5.0,)]),
    "gammaln": (lambda x: mp.log(abs(mp.gamma(x))), [*POSITIVE, (7.5,), (-0.7,)]),
    "digamma": (mp.digamma, [*POSITIVE, (7.5,)]),
    "polygamma": (lambda x: mp.polygamma(2, x), [*POSITIVE, (7.5,)]),
    "gamma": (mp.gamma, [*POSITIVE, (7.5,), (-0.7,), (-2.4,), (25.0,)]),
    "beta": (mp.beta, [(0.6, 1.7), (2.2, 0.4), (9.0, 30.0)]),
    "betaln": (lambda a, b: mp.log(mp.beta(a, b)), [(0.6, 1.7), (2.2, 0.4), (12.0, 30.0)]),
    "binom": (mp.binomial, [(5.5, 2.2), (7.0, 0.4)]),
    "poch": (mp.rf, [(1.5, 2.2), (0.3, 0.4)]),
    "erfinv": (mp.erfinv, UNIT),
    "erfcinv": (lambda x: mp.erfinv(1 - x), [(0.1,), (0.7,), (1.6,)]),
    "ndtri": (lambda p: mp.sqrt(2) * mp.erfinv(2 * p - 1), [(0.03,), (0.4,), (0.93,)]),
    "erfcx": (lambda x: mp.exp(x * x) * mp.erfc(x), [*LINE, (11.0,), (13.0,), (4e5,)]),
    "erfi": (mp.erfi, LINE),
    "dawsn": (
        lambda x: mp.sqrt(mp.pi) / 2 * mp.exp(-x * x) * mp.erfi(x),
        [*LINE, (-13.0,), (4e5,)],
    ),
    "log_ndtr": (log_ndtr, [*LINE, (-30.0,), (6.0,)]),
    "mills": (lambda x: mp.npdf(x) / mp.ncdf(x), [*LINE, (-35.0,), (6.0,)]),
    "exp1": (mp.e1, POSITIVE),
    "expi": (mp.ei, [(0.7,), (2.2,), (-1.3,)]),
    "expn": (lambda x: mp.expint(2, x), POSITIVE),
    "zeta": (lambda q: mp.zeta(3, q), POSITIVE),
    "wofz_real": (lambda x, y: mp.re(wofz(x, y)), HALF_PLANE),
    "wofz_imag": (lambda x, y: mp.im(wofz(x, y)), HALF_PLANE),
    "gammainc": (gammainc, SHAPES),
    "gammaincc": (lambda a, x: mp.gammainc(a, x, mp.inf, regularized=True), SHAPES),
    "gammaincinv": (inverse(gammainc, special.gammaincinv), [(0.7, 0.4), (4.5, 0.9)]),
    "betainc": (betainc, SHARES),
    "betaincc": (lambda a, b, x: betainc(b, a, 1 - x), SHARES),
    "betaincinv": (inverse(betainc, special.betaincinv), [(0.7, 2.5, 0.4), (8.0, 5.0, 0.9)]),
    "jv": (lambda x: mp.besselj(2, x), [*LINE, (30.0,)]),
    "yv": (lambda x: mp.bessely(0, x), POSITIVE),
    "iv": (lambda x: mp.besseli(0, x), LINE),
    "kv": (lambda x: mp.besselk(1.5, x), POSITIVE),
    "ive": (lambda x: mp.besseli(1, x) * mp.exp(-abs(x)), [*LINE, (500.0,)]),
    "kve": (lambda x: mp.besselk(0, x) * mp.exp(x), [*POSITIVE, (500.0,)]),
}

ATTRIBUTES: dict[str, dict[str, float]] = {
    "mul_sat": {"both": False},
    "if_finite": {"infinite": True},
    "polygamma": {"order": 2},
    "expn": {"order": 2},
    "zeta": {"order": 3.0},
    "jv": {"order": 2.0},
    "yv": {"order": 0.0},
    "iv": {"order": 0.0},
    "kv": {"order": 1.5},
    "ive": {"order": 1.0},
    "kve": {"order": 0.0},
}

PAIRS = np.array([-1.5, 0.0, 0.0, 2.5]), np.array([0.5, 0.0, -1.0, 2.5])
BITS = np.array([0b1100, 7, -3, 0]), np.array([0b1010, 2, 5, 1])
TRUTH = np.array([True, True, False, False]), np.array([True, False, True, False])
SHIFTS = np.array([1, 5, -8, 3]), np.array([0, 3, 2, 1])

EXACT = {
    "lt": (lambda x, y: x < y, [PAIRS, BITS]),
    "le": (lambda x, y: x <= y, [PAIRS, BITS]),
    "eq": (lambda x, y: x == y, [PAIRS, BITS]),
    "ne": (lambda x, y: x != y, [PAIRS, BITS]),
    "and": (lambda x, y: x & y, [BITS, TRUTH]),
    "or": (lambda x, y: x | y, [BITS, TRUTH]),
    "xor": (lambda x, y: x ^ y, [BITS, TRUTH]),
    "not": (lambda x: ~x, [BITS[:1], TRUTH[:1]]),
    "shift_left": (lambda x, y: x << y, [SHIFTS]),
    "shift_right": (lambda x, y: x >> y, [SHIFTS]),
    "add": (lambda x, y: x + y, [BITS]),
    "sub": (lambda x, y: x - y, [BITS]),
    "mul": (lambda x, y: x * y, [BITS]),
    "neg": (lambda x: -x, [BITS[:1]]),
    "max": (np.fmax, [BITS]),
    "min": (np.fmin, [BITS]),
    "floordiv": (lambda x, y: x // y, [(BITS[0], SHIFTS[0])]),
    "mod": (lambda x, y: x % y, [(BITS[0], SHIFTS[0])]),
    "stop_gradient": (lambda x: x, [PAIRS[:1]]),
}
