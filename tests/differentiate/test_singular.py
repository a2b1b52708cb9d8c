"""Branches not taken send back 0, and derivatives at singular points are what they should be."""

import itertools
from typing import Any

import numpy as np
import pytest
from scipy import special

from descend import fit
from descend.functions import grad, hessian, jvp
from whole import sampled

NOT_TAKEN = {
    "sqrt": (lambda x: np.where(x > 0, np.sqrt(x), 0), [0.0, -1.0]),
    "log": (lambda x: np.where(x > 0, np.log(x), 0), [0.0, -1.0]),
    "x log x": (lambda x: np.where(x > 0, x * np.log(x), 0), [0.0, -1.0]),
    "log squared": (lambda x: np.where(x > 0, np.log(x) * np.log(x), 0), [0.0]),
    "power": (lambda x: np.where(x > 0, x**-1.5, 0), [0.0, -2.0]),
    "quotient": (lambda x: np.where(x != 0, np.sin(x) / x, 0), [0.0]),
    "overflow": (lambda x: np.where(x < 1, np.exp(x), 0), [1e3]),
    "overflow squared": (lambda x: np.where(x < 1, np.exp(x) ** 2 * x, 0), [1e3]),
    "arcsin": (lambda x: np.where(abs(x) < 1, np.arcsin(x), 0), [1.0, -1.0, 3.0]),
    "arctanh": (lambda x: np.where(abs(x) < 1, np.arctanh(x), 0), [1.0]),
    "log1p": (lambda x: np.where(x > -1, np.log1p(x), 0), [-1.0]),
    "gammaln": (lambda x: np.where(x > 0, special.gammaln(x), 0), [0.0, -1.0]),
    "sine of infinity": (lambda x: np.where(x < 9, np.sin(1 / (x - 9)), 0), [9.0]),
}


@pytest.mark.parametrize("name", NOT_TAKEN)
def test_a_branch_not_taken_sends_back_nothing(name: str) -> None:
    f, points = NOT_TAKEN[name]
    for x in points:
        assert grad(f)(x) == 0.0
        assert jvp(f, (x,), (1.0,))[1] == 0.0
        assert grad(grad(f))(x) == 0.0
        assert hessian(f)(x) == 0.0


@pytest.mark.parametrize("x", [-800.0, -1.0, 0.0, 2.0, 800.0])
def test_the_textbook_sigmoid_has_no_nan(x: float) -> None:
    s = special.expit(x)
    assert grad(lambda x: 1 / (1 + np.exp(-x)))(x) == pytest.approx(s * (1 - s), rel=1e-12, abs=0)


def test_norm_and_hypot_at_the_origin() -> None:
    zero = np.zeros(3)
    np.testing.assert_array_equal(grad(np.linalg.norm)(zero), zero)
    assert grad(lambda x: np.hypot(x, 0.0))(0.0) == 0.0
    both = grad(lambda x, y: np.hypot(x, y), (0, 1))(0.0, -2.0)
    assert both == (0.0, -1.0)
    assert np.isfinite(hessian(np.linalg.norm)(zero)).all()


def test_norm_beside_the_origin() -> None:
    x = np.array([3.0, 0.0, -4.0])
    unit = x / 5
    np.testing.assert_allclose(grad(np.linalg.norm)(x), unit, rtol=1e-15)
    expected = (np.eye(3) - np.outer(unit, unit)) / 5
    np.testing.assert_allclose(hessian(np.linalg.norm)(x), expected, rtol=1e-14, atol=1e-17)


def test_second_derivative_at_a_perfect_fit() -> None:
    """d²/dw² of (√w − 2)² at w = 4 is 2 · (1/(2√w))² = 1/8, although the residual is 0 there."""
    loss = lambda w: (np.sqrt(w) - 2.0) ** 2  # noqa: E731
    assert grad(loss)(4.0) == 0.0
    assert hessian(loss)(4.0) == pytest.approx(0.125, rel=1e-15)
    assert grad(grad(loss))(4.0) == pytest.approx(0.125, rel=1e-15)


def test_squared_residuals_of_a_perfect_linear_fit() -> None:
    """∂²/∂w² Σ (w x − y)² = 2 Σ x², where a rule `where(g == 0, 0, …)` would give 0."""
    x = np.array([0.5, 1.0])
    assert hessian(lambda w: np.sum((w * x - 2 * x) ** 2))(2.0) == pytest.approx(2.5)


@pytest.mark.parametrize("f", [np.maximum, np.minimum])
def test_ties_are_shared(f: Any) -> None:
    assert grad(f, (0, 1))(1.5, 1.5) == (0.5, 0.5)
    shared = grad(lambda x: np.max(x))(np.array([1.0, 3.0, 3.0]))
    np.testing.assert_array_equal(shared, [0.0, 0.5, 0.5])


SMOOTH_OF_A_KINK = {
    "square": (lambda x: np.abs(x) ** 2, 2.0),
    "product": (lambda x: np.abs(x) * np.abs(x), 2.0),
    "cosh": (lambda x: np.cosh(np.abs(x)), 1.0),
    "cos": (lambda x: np.cos(3 * np.abs(x)), -9.0),
    "tanh": (lambda x: np.tanh(np.abs(x) * np.abs(x)), 2.0),
    "Gaussian": (lambda x: np.exp(-(np.abs(x) ** 2) / 2), -1.0),
    "larger": (lambda x: np.maximum(x, -x) ** 2, 2.0),
    "smaller": (lambda x: np.cosh(np.minimum(2 * x, -2 * x)), 4.0),
    "hypot": (lambda x: np.hypot(x, 0.0) ** 2, 2.0),
    "fourth power": (lambda x: np.abs(x) ** 4, 0.0),
}


@pytest.mark.parametrize("name", SMOOTH_OF_A_KINK)
def test_what_depends_on_a_kink_smoothly_has_a_second_derivative(name: str) -> None:
    """Each is a power series of x² at 0, by hand: f(0) + f″/2 · x² + …"""
    f, want = SMOOTH_OF_A_KINK[name]
    along = lambda g: lambda x: jvp(g, (x,), (1.0,))[1]  # noqa: E731
    assert grad(f)(0.0) == 0.0
    for second in (grad(grad(f)), along(grad(f)), grad(along(f)), along(along(f)), hessian(f)):
        assert second(0.0) == pytest.approx(want, rel=1e-12, abs=0)


EVEN = {
    "cosh": (np.cosh, 1.0),
    "cos": (lambda r: np.cos(2 * r), -4.0),
    "square of tanh": (lambda r: np.tanh(r) ** 2, 2.0),
    "r·sin": (lambda r: r * np.sin(r), 2.0),
    "log cosh": (lambda r: np.log(np.cosh(r)), 1.0),
    "secant": (lambda r: 1 / np.cosh(3 * r), -9.0),
    "Bessel": (special.j0, -0.5),
    "square": (lambda r: r**2, 2.0),
    "fourth power": (lambda r: r**4, 0.0),
    "Gaussian": (lambda r: np.exp(-(r**2)), -2.0),
    "hyperbola": (lambda r: np.sqrt(1 + r**2), 1.0),
    "residual": (lambda r: (np.cosh(r) - 3) ** 2, -4.0),
}


NORMS = {"norm": np.linalg.norm, "hypot": lambda x: np.hypot(x[0], x[1])}


@sampled("name, norm, dtype", itertools.product(EVEN, NORMS, ["float64", "float32"]), 3)
def test_even_functions_of_a_norm_have_second_derivatives_at_the_origin(name, norm, dtype) -> None:
    """By hand f″(0) times the unit matrix, in every order of the modes; and no slope."""
    even, bend = EVEN[name]
    f = lambda x: even(NORMS[norm](x))  # noqa: E731
    zero, unit = np.zeros(2, dtype), np.eye(2, dtype=dtype)
    ahead = lambda x, e: jvp(f, (x,), (e,))[1]  # noqa: E731
    np.testing.assert_array_equal(grad(f)(zero), zero)
    found = [
        hessian(f)(zero),
        [grad(lambda x, i=i: grad(f)(x)[i])(zero) for i in range(2)],
        [grad(lambda x, e=e: ahead(x, e))(zero) for e in unit],
        [[jvp(lambda x, e=e: ahead(x, e), (zero,), (d,))[1] for e in unit] for d in unit],
    ]
    for matrix in found:
        np.testing.assert_allclose(matrix, bend * unit, rtol=1e-6 if dtype == "float32" else 1e-14)


def test_a_cone_has_no_second_derivative_at_its_tip_and_is_fitted_there() -> None:
    """A row may lie at the tip, where a derivative that is not finite would stop the fit."""
    x, y = (a.ravel() for a in np.meshgrid(np.linspace(-2, 2, 9), np.linspace(-2, 2, 9)))
    cone = lambda X, a, u, v, s: a * np.exp(-np.hypot(X[:, 0] - u, X[:, 1] - v) / s)  # noqa: E731
    rows = np.column_stack([x, y])
    target = cone(rows, 3.0, 0.2, -0.1, 0.8)
    found = fit(cone, rows, target, start={"a": 2.0, "u": 0.0, "v": 0.0, "s": 1.0})
    np.testing.assert_allclose(list(found.params.values()), [3.0, 0.2, -0.1, 0.8], rtol=1e-6)


def test_the_square_of_a_norm_has_a_second_derivative_at_the_origin() -> None:
    found = hessian(lambda x: np.linalg.norm(x) ** 2)(np.zeros(2))
    np.testing.assert_array_equal(found, 2 * np.eye(2))


def test_a_kink_itself_keeps_its_slope_between_both_sides() -> None:
    assert grad(np.abs)(0.0) == 0.0
    assert hessian(np.abs)(0.0) == 0.0
    slope = grad(lambda x: np.maximum(x, 0.0) ** 2 / 2)
    assert slope(0.0) == 0.0
    assert 0.0 <= grad(slope)(0.0) <= 1.0


def test_powers_at_zero() -> None:
    assert grad(lambda x: x**2)(0.0) == 0.0
    assert grad(lambda x: x**1)(0.0) == 1.0
    assert grad(lambda x: x**0)(0.0) == 0.0
    assert hessian(lambda x: x**3)(0.0) == 0.0
    assert grad(lambda x, p: x**p, (0, 1))(0.0, 2.0) == (0.0, 0.0)


def test_data_that_are_not_numbers_behind_a_mask() -> None:
    x = np.array([1.0, np.nan, 3.0, np.inf])
    ok = np.isfinite(x)
    masked = grad(lambda w: np.sum(np.where(ok, w * x, 0.0)))
    assert masked(2.0) == 4.0
    assert grad(lambda w: np.sum(np.where(np.isfinite(x), np.sin(w * x), 0.0)))(0.0) == 4.0
    both = grad(lambda w, z: np.sum(np.where(np.isnan(z), 0.0, w * z)), (0, 1))(2.0, x[:3])
    assert both[0] == 4.0
    np.testing.assert_array_equal(both[1], [2.0, 0.0, 2.0])
