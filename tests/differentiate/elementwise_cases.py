"""For each elementwise primitive: what it means in arbitrary precision, and points to try it at."""

import mpmath as mp
import numpy as np

LINE = [(-2.3,), (-0.7,), (0.4,), (1.9,)]
POSITIVE = [(0.3,), (1.0,), (2.7,)]
UNIT = [(-0.8,), (-0.1,), (0.5,)]
PLANE = [(-1.3, 0.7), (0.4, 2.1), (1.5, -0.6), (-0.9, -1.1)]
QUADRANT = [(0.6, 1.7), (2.2, 0.4), (1.5, -1.3)]


def rint(x: mp.mpf) -> mp.mpf:
    return mp.nint(x)


def floordiv(x: mp.mpf, y: mp.mpf) -> mp.mpf:
    return mp.floor(x / y)


def trunc(x: mp.mpf) -> mp.mpf:
    return mp.floor(x) if x > 0 else mp.ceil(x)


SMOOTH = {
    "add": (lambda x, y: x + y, PLANE),
    "sub": (lambda x, y: x - y, PLANE),
    "mul": (lambda x, y: x * y, PLANE),
    "div": (lambda x, y: x / y, PLANE),
    "mul0": (lambda g, p: g * p, [*PLANE, (0.0, 1.5)]),
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
    "arcsinh": (mp.asinh, LINE),
    "arccosh": (mp.acosh, [(1.2,), (3.4,)]),
    "arctanh": (mp.atanh, UNIT),
    "expit": (lambda x: 1 / (1 + mp.exp(-x)), [*LINE, (-30.0,), (30.0,)]),
    "erf": (mp.erf, LINE),
    "erfc": (mp.erfc, [*LINE, (5.0,)]),
    "gammaln": (lambda x: mp.log(abs(mp.gamma(x))), [*POSITIVE, (7.5,), (-0.7,)]),
    "digamma": (mp.digamma, [*POSITIVE, (7.5,)]),
    "polygamma": (lambda x: mp.polygamma(2, x), [*POSITIVE, (7.5,)]),
}

ATTRIBUTES = {"polygamma": {"order": 2}}

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
