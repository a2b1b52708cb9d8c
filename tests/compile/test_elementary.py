"""Elementary functions against mpmath at 60 digits and more, against NumPy at the edges."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

import mpmath as mp
import numpy as np
import pytest

import descend.graph.elementwise  # noqa: F401  (its primitives are entered)
from descend.compile.operations import emitter, is_outlined
from descend.graph.node import PRIMITIVES
from whole import WHOLE

ELEMENTARY = {name: emitter(name) for name in PRIMITIVES if is_outlined(name) or name == "sqrt"}
PRECISION = {"f64": (53, -1074, np.float64), "f32": (24, -149, np.float32)}
EXPONENT = {"f64": 307, "f32": 37}
BINARY = {"pow", "arctan2", "hypot", "fmod", "mod", "floordiv"}
DRAWS = {"threefry", "drawn"}  # tested as draws
WIDTHS = (1, 2, 4, 8)
Points = Callable[[np.random.Generator, float], np.ndarray]


class Case(NamedTuple):
    """A function, what it should be, where it is tried, and the units it may err by in float64.

    float32 results must be right to `single` units.
    """

    exact: Callable[..., mp.mpf]
    points: Points
    units: float
    single: float = 0.51


def _line(rng: np.random.Generator, reach: float) -> np.ndarray:
    signs = rng.choice([-1.0, 1.0], 150)
    return np.concatenate(
        [
            rng.uniform(-10, 10, 200),
            rng.uniform(-1, 1, 150),
            signs * 10 ** rng.uniform(-reach, 2, 150),
        ]
    )


def _exponents(rng: np.random.Generator, reach: float) -> np.ndarray:
    return np.concatenate([_line(rng, reach), rng.uniform(-2.42, 2.3, 300) * reach])


def _positive(rng: np.random.Generator, reach: float) -> np.ndarray:
    subnormal = 10 ** rng.uniform(-reach - (16 if reach > 100 else 7), -reach, 50)
    return np.concatenate(
        [10 ** rng.uniform(-reach, reach, 200), rng.uniform(0.5, 2, 200), subnormal]
    )


def _over_minus_one(rng: np.random.Generator, reach: float) -> np.ndarray:
    return np.concatenate(
        [_positive(rng, reach), rng.uniform(-1, 1, 300), 10 ** rng.uniform(-20, 0, 99)]
    )


def _to_the_smallest(rng: np.random.Generator, reach: float) -> np.ndarray:
    high = 354.0 if reach > 100 else 43.5
    return np.concatenate([_line(rng, reach), rng.uniform(-high, high, 300)])


def _unit(rng: np.random.Generator, reach: float) -> np.ndarray:
    near = 10 ** rng.uniform(-15 if reach > 100 else -7, -1, 100)
    return np.concatenate([rng.uniform(-1, 1, 400), 1 - near, near - 1, [0.5, -0.5]])


def _angles(rng: np.random.Generator, reach: float) -> np.ndarray:
    turns = np.pi / 2 * np.concatenate([np.arange(1, 50), rng.integers(1, 2**39, 150)])
    vast = 10 ** rng.uniform(12, reach, 150)
    # The float64 whose multiple of π/2 is nearest, among all.
    worst = [6381956970095103.0 * 2.0**797] if reach > 100 else [16367173.0 * 2.0**72]
    return np.concatenate([_line(rng, reach), turns, vast, -vast, worst])


def _from_one(rng: np.random.Generator, reach: float) -> np.ndarray:
    near = 1 + 10 ** rng.uniform(-15 if reach > 100 else -7, 1, 200)
    return np.concatenate([near, 10 ** rng.uniform(0, reach, 200)])


def _gaussian(rng: np.random.Generator, reach: float) -> np.ndarray:
    high = 27.4 if reach > 100 else 10.0
    return np.concatenate(
        [_line(rng, reach), rng.uniform(0, high, 300), rng.uniform(-1.3, 1.3, 200)]
    )


def _gamma(rng: np.random.Generator, reach: float) -> np.ndarray:
    near = 10 ** rng.uniform(-14 if reach > 100 else -6, -1, 60)
    return np.concatenate(
        [
            rng.uniform(0, 12, 250),
            10 ** rng.uniform(-reach, reach - 3, 100),
            1 + near,
            2 + near,
            2 - near,
        ]
    )


def _signed_cbrt(x: mp.mpf) -> mp.mpf:
    return mp.sign(x) * mp.cbrt(abs(x))


CASES = {
    "sqrt": Case(mp.sqrt, _positive, 0.5),
    "cbrt": Case(_signed_cbrt, _line, 0.51),
    "exp": Case(mp.exp, _exponents, 1.8, 1.8),
    "exp2": Case(lambda x: mp.mpf(2) ** x, _exponents, 1.0, 1.0),
    "expm1": Case(mp.expm1, _exponents, 1.5, 1.5),
    "log": Case(mp.log, _positive, 0.8, 0.8),
    "log2": Case(lambda x: mp.log(x) / mp.ln2, _positive, 0.6, 0.6),
    "log10": Case(mp.log10, _positive, 0.6, 0.6),
    "log1p": Case(mp.log1p, _over_minus_one, 0.8, 1.3),
    "expit": Case(lambda x: 1 / (1 + mp.exp(-x)), _exponents, 2.0, 2.0),
    "sinh": Case(mp.sinh, _exponents, 1.8, 1.8),
    "cosh": Case(mp.cosh, _exponents, 1.5, 1.5),
    "tanh": Case(mp.tanh, _line, 1.0, 1.0),
    "sech_square": Case(lambda x: mp.sech(x) ** 2, _to_the_smallest, 2.0, 2.0),
    "sin": Case(mp.sin, _angles, 0.8),
    "cos": Case(mp.cos, _angles, 0.8),
    "tan": Case(mp.tan, _angles, 0.8),
    "arcsin": Case(mp.asin, _unit, 0.7),
    "arccos": Case(mp.acos, _unit, 0.7),
    "arctan": Case(mp.atan, _line, 0.9),
    "arcsinh": Case(mp.asinh, _line, 1.5),
    "arccosh": Case(mp.acosh, _from_one, 1.5),
    "arctanh": Case(mp.atanh, _unit, 1.5),
    "erf": Case(mp.erf, _gaussian, 1.2, 1.1),
    "erfc": Case(mp.erfc, _gaussian, 1.9),
    "gammaln": Case(mp.loggamma, _gamma, 6.0),
}


def _units_off(got: float, want: mp.mpf, kind: str) -> float:
    """Distance in units of the last place of the exact value; 0 for the right NaN or overflow."""
    digits, least, dtype = PRECISION[kind]
    if mp.isnan(want):
        return 0.0 if math.isnan(got) else math.inf
    if not math.isfinite(got):
        # Within one rounding of the largest number both answers are right.
        limit = mp.mpf(float(np.finfo(dtype).max)) * (1 - mp.mpf(2) ** (1 - digits))
        return 0.0 if math.isinf(got) and got * want > 0 and abs(want) > limit else math.inf
    unit = mp.mpf(2) ** max(mp.frexp(want)[1] - digits, least)
    return float(abs(mp.mpf(float(got)) - want) / unit)


def _worst(got: np.ndarray, exact: Callable[..., mp.mpf], kind: str, *args: np.ndarray) -> tuple:
    """The largest error in units, and where."""
    with mp.workprec(240 if max(abs(args[0])) < 1e20 else 1400):
        errors = [
            _units_off(float(g), exact(*(mp.mpf(float(v)) for v in xs)), kind)
            for g, *xs in zip(got, *args, strict=True)
        ]
    at = int(np.argmax(errors))
    return errors[at], tuple(float(a[at]) for a in args)


@pytest.mark.fuzz
@pytest.mark.parametrize("kind", PRECISION)
@pytest.mark.parametrize("name", CASES)
def test_error_in_units_of_the_last_place(name, kind, lanewise):
    case = CASES[name]
    dtype = PRECISION[kind][2]
    with np.errstate(over="ignore"):
        x = case.points(np.random.default_rng(7), EXPONENT[kind]).astype(dtype)
    x = x[np.isfinite(x)]
    if name == "arctanh":
        x = x[abs(x) < 1]
    x = x[:: -1 if WHOLE else -3]  # the last are the hardest
    got = lanewise(ELEMENTARY[name], (kind,), 4)(x)
    error, where = _worst(got, case.exact, kind, x)
    assert error <= (case.units if kind == "f64" else case.single), where


def _pairs(name: str, kind: str) -> tuple[np.ndarray, np.ndarray]:
    rng, reach = np.random.default_rng(11), EXPONENT[kind]
    dtype = PRECISION[kind][2]
    if name == "pow":
        base = np.concatenate(
            [
                10 ** rng.uniform(-reach, reach, 300),
                rng.uniform(0, 3, 300),
                rng.uniform(0.99, 1.01, 300),
            ]
        )
        exponent = rng.uniform(-1, 1, 900) * reach * 2.4 / np.abs(np.log(base))
        return base.astype(dtype), np.clip(exponent, -1e30, 1e30).astype(dtype)
    x = np.concatenate([_line(rng, reach), 10 ** rng.uniform(-reach, reach, 300)])
    y = np.concatenate([x[:400] * rng.uniform(-3, 3, 400), rng.permutation(x)[:400]])
    return x.astype(dtype), y.astype(dtype)


@pytest.mark.parametrize("kind", PRECISION)
@pytest.mark.parametrize(
    ("name", "exact", "units"),
    [("pow", mp.power, 1.0), ("arctan2", mp.atan2, 0.9), ("hypot", mp.hypot, 1.0)],
)
def test_error_of_functions_of_two(name, exact, units, kind, lanewise):
    x, y = _pairs(name, kind)
    got = lanewise(ELEMENTARY[name], (kind, kind), 4)(x, y)
    error, where = _worst(got, exact, kind, x, y)
    assert error <= (units if kind == "f64" else 0.51), where


@pytest.mark.parametrize(
    ("name", "exact", "bound"),
    [("gammaln", lambda x: mp.log(abs(mp.gamma(x))), 2e-15), ("digamma", mp.digamma, 2e-15)],
)
def test_gamma_family_is_close_around_zeros_and_left_of_zero(name, exact, bound, lanewise):
    rng = np.random.default_rng(3)
    x = np.concatenate(
        [rng.uniform(-20, 0, 300), rng.uniform(0, 3, 300), rng.uniform(1.4, 1.5, 50)]
    )
    got = lanewise(ELEMENTARY[name], ("f64",), 4)(x)
    with mp.workprec(240):
        want = np.array([float(exact(mp.mpf(float(v)))) for v in x])
    assert np.max(abs(got - want) / (1 + abs(want))) < bound


@pytest.mark.parametrize("order", [0, 1, 2, 3, 6])
def test_polygamma(order, lanewise):
    rng = np.random.default_rng(4)
    x = np.concatenate(
        [rng.uniform(0.01, 30, 200), 10 ** rng.uniform(1, 6, 50), rng.uniform(-4, 0, 50)]
    )

    def emit(e, v):
        return ELEMENTARY["polygamma"](e, v, order=order)

    got = lanewise(emit, ("f64",), 4)(x)
    with mp.workprec(200):
        want = np.array([float(mp.polygamma(order, mp.mpf(float(v)))) for v in x])
    assert np.max(abs(got - want) / (np.abs(want) + (x < 2))) < 4e-15


def _edges(kind: str) -> np.ndarray:
    info = np.finfo(PRECISION[kind][2])
    with np.errstate(over="ignore"):
        values = np.array(
            [0, 0.5, 1, 1.5, 2, 3, 5, 10, info.tiny, info.smallest_subnormal, info.max, np.inf,
             0.1, 1e-5, 1e-20, 1e5, 1e10, 1e30, 2.0**24, 2.0**53, 2.0**53 + 2, 700, 709.7, 710,
             745, 750, 88.7, 89, 103.9, 110],
            info.dtype,
        )  # fmt: skip
    return np.concatenate([values, -values, [info.dtype.type(np.nan)]])


def _reference(name: str) -> Callable[..., np.ndarray]:
    from scipy import special

    renamed = {"pow": "power", "floordiv": "floor_divide"}
    return getattr(np, renamed.get(name, name), None) or getattr(special, name)


@pytest.mark.parametrize("kind", PRECISION)
@pytest.mark.parametrize("name", sorted(set(ELEMENTARY) - {"polygamma", "sech_square", *DRAWS}))
def test_special_values_are_numpys(name, kind, lanewise):
    edges = _edges(kind)
    args = (edges,)
    if name in BINARY:
        args = tuple(np.ascontiguousarray(g.ravel()) for g in np.meshgrid(edges, edges))
    got = lanewise(ELEMENTARY[name], (kind,) * len(args), 4)(*args)
    with np.errstate(all="ignore"):
        want = _reference(name)(*args).astype(edges.dtype)
        info = np.finfo(edges.dtype)
        if name == "gammaln":  # SciPy overflows at the smallest number, where it is -log|x|
            want = np.where(abs(edges.astype(float)) == 5e-324, 744.4400719213812, want)
        off = abs(got - want)
    near = 4 * info.eps * np.minimum(abs(want), info.max) + 2 * info.smallest_subnormal
    close = off <= near
    # SciPy's expit flushes to 0 there; digamma is good to an absolute error near its zeros.
    if name == "expit":
        close |= abs(want) < info.tiny
    if name == "digamma":
        close |= off < 8 * info.eps
    same = (np.isnan(got) & np.isnan(want)) | ((got == want) | close) & (
        np.signbit(got) == np.signbit(want)
    )
    wrong = [(*(float(a[i]) for a in args), got[i], want[i]) for i in np.flatnonzero(~same)]
    assert not wrong


@pytest.mark.parametrize("kind", PRECISION)
def test_the_slope_of_tanh_at_its_ends(kind, lanewise):
    x = np.array([0, -0.0, np.inf, -np.inf, np.nan, -1e30, 1e-30, 360], PRECISION[kind][2])
    got = lanewise(ELEMENTARY["sech_square"], (kind,), 4)(x)
    np.testing.assert_array_equal(got, [1, 1, 0, 0, np.nan, 0, 1, 0])


@pytest.mark.parametrize("kind", PRECISION)
@pytest.mark.parametrize("name", sorted(set(ELEMENTARY) - DRAWS))
def test_bits_do_not_depend_on_the_width(name, kind, lanewise, same_bits):
    rng = np.random.default_rng(5)
    x = np.concatenate([_edges(kind), _angles(rng, EXPONENT[kind]), _unit(rng, EXPONENT[kind])])
    args = (x.astype(PRECISION[kind][2]),)
    if name in BINARY:
        args = (*args, rng.permutation(args[0]))
    function = ELEMENTARY[name]

    def emit(e, *values):
        return function(e, *values, order=1) if name == "polygamma" else function(e, *values)

    scalar, *vectors = (same_bits(lanewise(emit, (kind,) * len(args), w)(*args)) for w in WIDTHS)
    for vector in vectors:
        np.testing.assert_array_equal(vector, scalar)


@pytest.mark.parametrize("kind", PRECISION)
@pytest.mark.parametrize("name", ["fmod", "mod"])
def test_remainders_are_exact(name, kind, lanewise):
    rng, reach = np.random.default_rng(6), EXPONENT[kind] - 2
    x = rng.choice([-1, 1], 4000) * 10 ** rng.uniform(-reach, reach, 4000)
    y = x * 10 ** rng.uniform(-reach, 3, 4000)
    y[:500] = x[:500] / rng.integers(1, 100, 500)
    x, y = (v.astype(PRECISION[kind][2]) for v in (x, y))
    with np.errstate(all="ignore"):
        want = getattr(np, name)(x, y)
    np.testing.assert_array_equal(lanewise(ELEMENTARY[name], (kind, kind), 4)(x, y), want)


def test_floor_division_up_to_the_last_whole_number(lanewise):
    rng = np.random.default_rng(8)
    y = rng.uniform(-10, 10, 4000)
    x = np.where(
        rng.random(4000) < 0.5, y * rng.integers(-50, 50, 4000), rng.uniform(-1e6, 1e6, 4000)
    )
    got = lanewise(ELEMENTARY["floordiv"], ("f64", "f64"), 4)(x, y)
    np.testing.assert_array_equal(got, np.floor_divide(x, y))


def test_nothing_calls_a_library(lanewise):
    for name, function in ELEMENTARY.items():
        if name in DRAWS:
            continue
        kinds = ("f64",) * (2 if name in BINARY else 1)
        attrs = {"order": 2} if name == "polygamma" else {}
        lanewise.text(lambda e, *v, f=function, a=attrs: f(e, *v, **a), kinds, 4)
    declared = [text for text in lanewise.preambles.values() if text.startswith("declare")]
    assert declared
    assert all("@llvm." in text for text in declared)
