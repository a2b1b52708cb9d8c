"""Elementwise functions and reductions."""

import numpy as np

from table_cases.data import A, B, E, F, I, J, N, P, T, U, V, call, case, each

# --- elementwise ------------------------------------------------------------------------------
ANY = (
    "sin cos tan arctan sinh cosh tanh arcsinh exp exp2 expm1 cbrt square absolute abs fabs sign "
    "signbit floor ceil rint trunc negative positive conjugate conj isnan isinf isfinite deg2rad "
    "rad2deg degrees radians atan asinh logical_not"
)
each(ANY, call, A)
each(ANY, call, F)
each(ANY.replace("negative", ""), call, T.astype(int))
each("floor ceil rint trunc sign isnan isinf isfinite signbit fabs absolute exp tanh", call, E)
each("reciprocal", call, F)
each("log log2 log10 log1p sqrt arccosh acosh reciprocal", call, 1.0 + P)
each("arcsin arccos arctanh asin acos atanh", call, U)
each("sqrt log exp sin", call, J)
each("sqrt exp sin arctan", call, J.astype(np.int8))
TWO = (
    "add subtract multiply divide true_divide floor_divide remainder mod fmod copysign maximum "
    "minimum fmax fmin hypot arctan2 atan2 less less_equal greater greater_equal equal not_equal "
    "logical_and logical_or logical_xor logaddexp logaddexp2 heaviside"
)
each(TWO, call, A, B)
each(TWO, call, A, B[0])
each(TWO, call, F, F[:, :1])
each(TWO.replace("heaviside", ""), call, I, J)
each("fmax fmin maximum minimum heaviside", call, E, E[::-1].copy())
each("power pow float_power", call, P, A)
each("power pow", call, I, J)
each("bitwise_and bitwise_or bitwise_xor left_shift bitwise_left_shift", call, J, J[:1])
each("right_shift bitwise_right_shift", call, J, np.array([1]))
each("invert bitwise_not bitwise_invert", call, I)
each("invert", call, T)
each("add multiply bitwise_and bitwise_or maximum minimum", call, T, T[:1])
case("divmod", lambda a, b: np.divmod(a, b), A, B)
case("modf", lambda a: np.modf(a), np.abs(A) * 3)
case("ldexp", lambda a, n: np.ldexp(a, n), A, J)
case("where", lambda a, b: np.where(a > 0, a, b), A, B)
case("where", lambda a: np.where(a > 0, a, 1), F)
case("where", lambda a: np.where(a > 0, 1.0, 2), A)
if np.lib.NumpyVersion(np.__version__) < "2.5.0":  # from then on NumPy refuses it
    case("where", lambda a: np.where(a > 0, a, -1), np.array([2, 0, 7], np.uint8))
case("select", lambda a: np.select([a > 1, a > 0], [a, a**2], default=-1.0), A)
case("piecewise", lambda a: np.piecewise(a, [a < 0, a >= 1], [lambda v: -v, 3.0, np.sin]), A)
case("clip", lambda a: np.clip(a, -1, 300), np.array([2, 0, 7], np.uint8))
case("clip", lambda a: np.clip(a, -0.5, 0.5), A)
case("clip", lambda a: np.clip(a, None, a * 0 + 0.25), A)
case("round around", lambda a: np.round(a, 2), A)
case("round", lambda a: (np.round(a * 100, -1), np.around(a)), A)
case("round", lambda a: np.round(a), I)
case("fix", lambda a: np.fix(a * 3), A)
case("nan_to_num", lambda a: np.nan_to_num(a), E)
case("nan_to_num", lambda a: np.nan_to_num(a, nan=1.0, posinf=2.0, neginf=3.0), E)
case("isclose", lambda a, b: np.isclose(a, b, atol=0.5), A, B)
case("isclose", lambda a: np.isclose(a, a, equal_nan=True), E)
case("allclose", lambda a, b: np.allclose(a, b), A, A)
case("array_equal", lambda a, b: np.array_equal(a, b), A, A)
case("isposinf isneginf", lambda a: (np.isposinf(a), np.isneginf(a)), E)
case("real imag", lambda a: (np.real(a), np.imag(a)), A)
case("isreal iscomplex", lambda a: (np.isreal(a), np.iscomplex(a)), A)
case("isrealobj iscomplexobj", lambda a: (np.isrealobj(a), np.iscomplexobj(a)), A)
case("sinc", lambda a: np.sinc(a), np.array([0.0, 1e-9, 0.05, 0.3, 1.0, -2.5]))
case("angle", lambda a: (np.angle(a), np.angle(a, deg=True)), A)
# --- reductions -------------------------------------------------------------------------------
for _axis in (None, 0, -1, (0, 1)):
    each(
        "sum prod mean var std max amax min amin ptp any all count_nonzero nansum nanprod nanmean "
        "nanvar nanstd nanmax nanmin",
        lambda name, _axis=_axis: lambda a: getattr(np, name)(a, axis=_axis),
        A,
    )
each("sum prod mean var std max min ptp any all", lambda n: lambda a: getattr(np, n)(a), I)
each("sum prod mean any all", lambda n: lambda a: getattr(np, n)(a, axis=1), T)
each("sum mean var max", lambda n: lambda a: getattr(np, n)(a, axis=0, keepdims=True), F)
each("sum mean", lambda n: lambda a: getattr(np, n)(a, dtype=np.float64), F)
each("sum prod", lambda n: lambda a: getattr(np, n)(a, initial=2.0, where=a > 0), A)
each("max min", lambda n: lambda a: getattr(np, n)(a, initial=0.0, where=a > 0), A)
each(
    "mean var", lambda n: lambda a: getattr(np, n)(a, where=np.array([True, False, True, True])), A
)
each("var std", lambda n: lambda a: getattr(np, n)(a, axis=0, ddof=1), A)
each(
    "nansum nanprod nanmean nanvar nanstd nanmax nanmin nancumsum nancumprod",
    lambda n: lambda a: getattr(np, n)(a, axis=1),
    N,
)
each("argmax argmin", lambda n: lambda a: (getattr(np, n)(a), getattr(np, n)(a, axis=1)), A)
each("argmax argmin", lambda n: lambda a: getattr(np, n)(a, axis=0, keepdims=True), A)
each("nanargmax nanargmin", lambda n: lambda a: getattr(np, n)(a, axis=1), N)
each("cumsum cumprod", lambda n: lambda a: (getattr(np, n)(a), getattr(np, n)(a, axis=1)), A)
each("cumsum cumprod", lambda n: lambda a: getattr(np, n)(a, axis=0), I)
each(
    "cumulative_sum cumulative_prod",
    lambda n: lambda a: getattr(np, n)(a, axis=1, include_initial=True),
    A,
)
case("average", lambda a: np.average(a, axis=0), A)
case("average", lambda a, w: np.average(a, weights=w), A, U)
case("average", lambda a, w: np.average(a, axis=1, weights=w, returned=True), A, U[0])
case("_maximum_accumulate", lambda a: np.maximum.accumulate(a), V)
case("_minimum_accumulate", lambda a: np.minimum.accumulate(a, axis=1), A)
case("_logaddexp_reduce", lambda a: np.logaddexp.reduce(a), V)
case("sum", lambda a: (np.add.reduce(a), np.multiply.outer(a, a), np.add.accumulate(a)), V)
