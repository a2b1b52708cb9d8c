"""Overflow, underflow, zeros and ends of domains inside of functions: no wrong finite derivative.

The oracle is arbitrary precision, whose numbers neither overflow nor underflow. Where a derivative
exists it must come out, or, in a composition drawn by lot, not be finite; a wrong number is never
allowed. Where the value itself is not what exact arithmetic gives, nothing is asked.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import mpmath as mp
import numpy as np
import pytest
from scipy import special

import descend
from descend.compile.function import compile_graph
from descend.differentiate.forward import forward
from descend.differentiate.reverse import reverse
from descend.graph.elementwise import call
from descend.graph.evaluate import evaluate
from descend.graph.linear import broadcast
from descend.graph.source import const, input_node
from descend.simplify.driver import simplify
from differentiate import taylor
from differentiate.compositions import (
    ORDERS,
    Expression,
    X,
    derivatives,
    drawn,
    is_right,
    truth,
    written,
)
from whole import WHOLE

FAR = (0.3, 1.0, 5.0, 36.0, 100.0, 371.0, 400.0, 700.0, 709.5, 720.0, 746.0, 1e3, 1e4)
BOTH_WAYS = tuple(s * v for v in FAR for s in (1.0, -1.0))
HARD = (
    0.0, 0.5, 1.0, -1.0, 2.0, -2.0, 10.0, -10.0, 30.0, -30.0, 40.0, -40.0, 300.0, -300.0,
    400.0, -400.0, 709.0, -709.0, 750.0, -750.0, 1e4, -1e4, 1e-30, -1e-30,
)  # fmt: skip
COMPOSITIONS = 1000 if WHOLE else 60


FAR_OUT = {np.float64: (0.5, 9.0, 19.1, 40.0, 300.0, 353.0), np.float32: (0.5, 9.2, 20.0, 43.0)}


@pytest.mark.parametrize("dtype", FAR_OUT)
@pytest.mark.parametrize("native", [False, True])
def test_the_slopes_of_tanh_keep_their_digits_far_out(dtype: type, native: bool) -> None:
    """From |x| = 19 on tanh is rounded to 1, and a slope written as 1 - tanh² would be 0."""
    points = np.array([s * v for v in FAR_OUT[dtype] for s in (1, -1)], dtype)
    x = input_node("x", points.shape, np.dtype(dtype))
    one = broadcast(const(1.0, np.dtype(dtype)), points.shape, ())
    made = [call("tanh", x)]
    made += forward(made, [x], [one])
    made += reverse(made[-1:], [one], [x])
    made += reverse(made[-1:], [one], [x])
    got = compile_graph(made, [x])([points]) if native else evaluate(made, {x: points})
    for found, at in zip(np.transpose(got), points, strict=True):
        t, s = mp.tanh(mp.mpf(float(at))), mp.sech(mp.mpf(float(at))) ** 2
        want = [float(v) for v in (t, s, -2 * t * s, s * (4 * t * t - 2 * s))]
        np.testing.assert_allclose(found, want, rtol=20 * np.finfo(dtype).eps)


def reciprocal(u: Expression) -> Expression:
    return "reciprocal", u


def one_and(u: Expression) -> Expression:
    return "+", 1.0, u


UP: Expression = ("exp", X)
DOWN: Expression = ("exp", ("neg", X))
LOGISTIC = reciprocal(one_and(DOWN))
GOMPERTZ: Expression = ("exp", ("neg", DOWN))
TANH: Expression = ("tanh", X)
ERF: Expression = ("erf", X)
SOFTPLUS: Expression = ("log1p", DOWN)

EVERYDAY: dict[str, Expression] = {
    "logistic": LOGISTIC,
    "expit": ("expit", X),
    "falling logistic": reciprocal(one_and(UP)),
    "logistic of 2^x": reciprocal(one_and(("exp2", ("neg", X)))),
    "logistic of 1/exp": reciprocal(one_and(reciprocal(("exp", ("*", 0.5, X))))),
    "logistic squared": ("square", LOGISTIC),
    "logistic density": ("/", DOWN, ("square", one_and(DOWN))),
    "Bose": reciprocal(("+", -1.0, DOWN)),
    "Planck": reciprocal(("expm1", ("neg", X))),
    "hyperbolic secant": reciprocal(("cosh", X)),
    "secant of exponentials": reciprocal(("+", UP, DOWN)),
    "secant squared": ("**", -2.0, ("cosh", X)),
    "Gompertz": GOMPERTZ,
    "Gumbel density": ("*", DOWN, GOMPERTZ),
    "Weibull": one_and(("neg", ("exp", ("neg", UP)))),
    "Richards": ("**", -0.5, one_and(DOWN)),
    "Richards by a quotient": reciprocal(("**", 0.5, one_and(DOWN))),
    "Richards squared": reciprocal(("**", 2.0, one_and(DOWN))),
    "tanh": TANH,
    "tanh by a logistic": ("+", -1.0, ("*", 2.0, reciprocal(one_and(("exp", ("*", -2.0, X)))))),
    "tanh of exp": ("tanh", DOWN),
    "arctan of exp": ("arctan", DOWN),
    "expit of exp": ("expit", UP),
    "erf": ERF,
    "softplus": SOFTPLUS,
    "softplus by log": ("log", one_and(DOWN)),
    "mish": ("*", X, ("tanh", ("log1p", UP))),
    "silu": ("*", X, LOGISTIC),
    "silu by a quotient": ("/", X, one_and(DOWN)),
    "gelu": ("*", X, one_and(ERF)),
    "log cosh": ("log", ("cosh", X)),
    "log of 1/2 and a logistic": ("log", ("+", 0.5, LOGISTIC)),
    "Gaussian": ("exp", ("neg", ("square", X))),
    "log ndtr": ("log_ndtr", X),
    "logistic · tanh": ("*", LOGISTIC, TANH),
    "logistic · erf": ("*", LOGISTIC, ERF),
    "logistic · logistic": ("*", LOGISTIC, reciprocal(one_and(UP))),
    "logistic · Gompertz": ("*", GOMPERTZ, LOGISTIC),
    "Gompertz · tanh": ("*", GOMPERTZ, TANH),
    "tanh · erf": ("*", TANH, ERF),
    "softplus · logistic": ("*", SOFTPLUS, LOGISTIC),
    "difference of logistics": (
        "-",
        LOGISTIC,
        reciprocal(one_and(("exp", ("+", 1.0, ("neg", X))))),
    ),
}


def computed(e: Expression, points: Sequence[float], native: bool) -> np.ndarray:
    """The value and the derivatives in every mode, one row each."""
    x, outputs = derivatives(e, points)
    outputs = simplify(outputs, final=True)
    given = np.array(points)
    with np.errstate(all="ignore"):
        if native:
            return np.array(compile_graph(outputs, [x])([given]))
        return np.array(evaluate(outputs, {x: given}))


def compared(
    e: Expression, points: Sequence[float], native: bool = False
) -> Iterator[tuple[str, bool, bool]]:
    """For each derivative where the value is right: what it is, whether finite, whether right."""
    value, *found = computed(e, points, native)
    for i, at in enumerate(points):
        if not np.isfinite(value[i]):
            continue
        try:
            exists, true = truth(e, at)
        except taylor.Unknown:
            continue
        if exists and abs(value[i] - true[0].value) > 1e-9 * abs(true[0].value) + 1e-15:
            continue
        for row, (mode, order) in zip(found, ORDERS.items(), strict=True):
            what = f"{mode} of {written(e)} at {at}: {row[i]}"
            finite = bool(np.isfinite(row[i]))
            asked = exists and abs(true[0].first if order == 1 else true[0].second) < 1e300
            right = is_right(row[i], order, true) if finite else not asked
            yield what, finite, right


@pytest.mark.parametrize("name", EVERYDAY)
def test_everyday_functions_have_finite_derivatives_far_out(name: str) -> None:
    wrong = [what for what, _, right in compared(EVERYDAY[name], BOTH_WAYS, True) if not right]
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("name", taylor.FUNCTIONS)
def test_every_function_at_hard_points(name: str) -> None:
    wrong = [what for what, _, right in compared((name, X), HARD) if not right]
    assert not wrong, "\n".join(wrong)


@pytest.mark.fuzz
def test_no_composition_has_a_wrong_finite_derivative() -> None:
    told = silent = 0
    for seed in range(COMPOSITIONS):
        for what, finite, right in compared(drawn(seed), HARD):
            assert right or not finite, f"{seed}: {what}"
            told += right
            silent += not right
    assert told > 60 * COMPOSITIONS
    assert silent < 0.02 * told, "more and more derivatives that exist are not finite"


ONE_SIDED = {
    "sqrt(x)**2": ("square", ("sqrt", X)),
    "1/(1/x)": reciprocal(reciprocal(X)),
    "exp(log(x))": ("exp", ("log", X)),
    "arctan(1/x)": ("arctan", reciprocal(X)),
    "sqrt(x**2)": ("sqrt", ("square", X)),
    "cbrt(x**3)": ("cbrt", ("cube", X)),
    "(x**4)**0.25": ("**", 0.25, ("**", 4.0, X)),
    "sqrt(x)*sqrt(x)": ("*", ("sqrt", X), ("sqrt", X)),
    "x**1.5/sqrt(x)": ("/", ("**", 1.5, X), ("sqrt", X)),
}


@pytest.mark.parametrize("name", ONE_SIDED)
def test_a_zero_against_a_pole_is_no_zero(name: str) -> None:
    """By hand each has the slope 1 (arctan: −1) from the right at 0."""
    right = -1.0 if "arctan" in name else 1.0
    for native in (False, True):
        _, back, ahead, *_ = computed(ONE_SIDED[name], [0.0], native)
        for got in (back[0], ahead[0]):
            assert np.isnan(got) or got == right
        assert np.isnan(back[0]) == np.isnan(ahead[0])


ZERO_DOSE = {
    "diffusion": (lambda t, d, c: np.sqrt(4 * d * t) + c, (2.0, 1.0)),
    "Weibull": (lambda t, a, s, k: a * (1 - np.exp(-((t / s) ** k))), (1.0, 2.0, 0.7)),
    "power": (lambda t, a, b: a * t**b, (1.0, 0.5)),
    "Hill": (lambda t, v, k, n: v * t**n / (k**n + t**n), (1.0, 2.0, 1.5)),
    "Hill by a quotient": (lambda t, v, k, n: v / (1 + (k / t) ** n), (1.0, 2.0, 1.5)),
    "falling dose": (lambda t, b, e, h: b / (1 + (t / e) ** -h), (1.0, 3.0, 1.2)),
    "Arrhenius": (lambda t, a, e: a * np.exp(-e / t), (1.0, 2.0)),
    "Arrhenius with a constant": (lambda t, a, e, r: a * np.exp(-e / (r * t)), (1.0, 2.0, 3.0)),
    "logarithm": (lambda t, a, b: a * np.log(1 + t / b), (1.0, 2.0)),
}


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize("name", ZERO_DOSE)
def test_a_row_at_zero_depends_on_nothing(name: str) -> None:
    """At t = 0 each of these is the same number, whatever the parameters but its offset."""
    function, at = ZERO_DOSE[name]
    for i in range(len(at)):
        want = 1.0 if name == "diffusion" and i == 1 else 0.0
        alone = lambda p, i=i: function(np.zeros(1), *at[:i], p, *at[i + 1 :])[0]  # noqa: E731
        assert descend.grad(alone)(at[i]) == want
        assert descend.jvp(alone, (at[i],), (1.0,))[1] == want


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_rows_far_to_the_left_do_not_stop_a_logistic_fit() -> None:
    t = np.concatenate([np.linspace(985.0, 1015.0, 40), [0.0, 100.0, 2000.0]])
    logistic = lambda t, a, k, t0: a / (1 + np.exp(-k * (t - t0)))  # noqa: E731
    start = {"a": 2.5, "k": 0.9, "t0": 990.0}
    fit = descend.fit(logistic, t, logistic(t, 3.0, 1.1, 1000.0), start=start)
    np.testing.assert_allclose(list(fit.params.values()), [3.0, 1.1, 1000.0], rtol=1e-6)


AGREE = {
    "0**y": (lambda y: 0.0**y, (0.0, 0.5, 2.0)),
    "log ndtr": (special.log_ndtr, (38.0, 40.0, 100.0)),
    "root of a square": (lambda x: np.sqrt(x**2), (0.0,)),
    "arcsin": (np.arcsin, (1.0, -1.0)),
    "arccos": (np.arccos, (1.0, -1.0)),
    "arccosh": (np.arccosh, (1.0,)),
    "arctanh": (np.arctanh, (1.0, -1.0)),
    "arctan2": (lambda x: np.arctan2(x, x), (0.0,)),
    "softplus": (lambda x: np.log(1 + np.exp(x)), (800.0, -800.0)),
    "logarithm": (np.log, (-1.0, 0.0)),
}


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize("name", AGREE)
def test_both_orders_and_modes_say_the_same(name: str) -> None:
    function, points = AGREE[name]
    for x in map(np.float64, points):
        first = descend.grad(function)(x)
        np.testing.assert_array_equal(descend.jvp(function, (x,), (1.0,))[1], first)
        twice = descend.grad(descend.grad(function))(x)
        np.testing.assert_array_equal(np.squeeze(descend.hessian(function)(x)), twice)


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_what_has_no_value_has_no_derivative() -> None:
    """log(1 + exp(800)) is infinite in floating point, √(x²) at 1e200; log(−1) is none at all."""
    softplus = lambda x: np.log(1 + np.exp(x))  # noqa: E731
    root = lambda x: np.sqrt(x**2)  # noqa: E731
    for function, at in ((softplus, 800.0), (root, 1e200), (np.log, -1.0)):
        x = np.float64(at)
        assert np.isnan(descend.grad(function)(x))
        assert np.isnan(descend.jvp(function, (x,), (1.0,))[1])
        assert np.isnan(descend.vjp(function, x)[1](1.0)[0])
        assert np.isnan(descend.jacobian(function)(np.array([x]))[0, 0])
