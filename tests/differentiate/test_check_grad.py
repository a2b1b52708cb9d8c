"""The checker itself: right rules pass, a planted wrong one is found."""

from typing import Any

import numpy as np
import pytest
from scipy import special

from descend.differentiate.check import complex_step, ridders
from descend.functions import check_grad, custom_derivative


def planted(factor: float) -> Any:
    f = custom_derivative(lambda x: x**2)
    f.defvjp(lambda x: (x**2, x), lambda x, g: (factor * x * g,))
    return f


def test_a_planted_error_of_one_in_two_thousand_is_found() -> None:
    x = np.array([0.5, -1.5, 3.0])
    good = check_grad(planted(2.0), x)
    assert good.ok and good.error < 1e-12
    bad = check_grad(planted(2.001), x)
    assert not bad
    assert bad.error == pytest.approx(5e-4, rel=1e-6)
    assert "DIFFERS from complex step" in str(bad)
    assert bad.found == pytest.approx(2.001 / 2 * bad.expected)


def root_of_square(x: Any) -> Any:
    square = x**2
    return np.sqrt(square) + np.exp(x)


def test_the_operation_without_a_finite_derivative_is_named() -> None:
    """√u has an infinite slope at u = 0; what comes after it is no reason."""
    check = check_grad(root_of_square, 0.0)
    assert not check and np.isnan(check.found)
    assert check.lost.startswith("sqrt (test_check_grad.py:")
    assert "no finite derivative of sqrt" in str(check) and "np.sqrt(square)" in str(check)
    fine = check_grad(root_of_square, 1.5)
    assert fine and not fine.lost and "no finite derivative" not in str(fine)


def test_an_error_in_one_element_is_located() -> None:
    f = custom_derivative(lambda x: x**2)
    f.defvjp(lambda x: (x**2, x), lambda x, g: (2 * x * g * np.array([1.0, 1.01, 1.0]),))
    bad = check_grad(lambda scale, x: scale * f(x), 2.0, np.array([1.0, 2.0, 3.0]), argnums=(0, 1))
    assert not bad
    assert bad.where == "1[1]"
    assert bad.error == pytest.approx(0.01)


@pytest.mark.parametrize(
    ("f", "method"),
    [
        (lambda x: np.sum(np.exp(x) * np.sin(x)), "complex step"),
        (lambda x: np.sum(np.abs(x) ** 1.5), "central differences"),
        (lambda x: np.sum(special.gammaln(x)), "central differences"),
        (lambda x: np.where(x > 0, x, 2 * x) * np.max(x), "central differences"),
    ],
)
def test_functions_of_all_kinds(f: Any, method: str) -> None:
    check = check_grad(f, np.array([0.7, 1.3, 2.9]))
    assert check.ok, str(check)
    assert check.error < 1e-7
    assert check.method == method or method == "central differences"


def test_trees_and_large_arguments() -> None:
    rng = np.random.default_rng(0)
    p = {"w": rng.normal(size=(20, 30)), "b": 0.5}
    assert check_grad(lambda p, x: np.tanh(x @ p["w"] + p["b"]), p, rng.normal(size=(4, 20)))


def test_the_differences_themselves() -> None:
    x = np.array([0.3, 2.0])
    f = lambda z: np.sin(z[0]) * z[1] ** 3  # noqa: E731
    exact = [np.cos(0.3) * 8, np.sin(0.3) * 12]
    for k in range(2):
        assert complex_step(f, x, k) == pytest.approx(exact[k], rel=1e-15)
        found, error = ridders(f, x, k)
        assert found == pytest.approx(exact[k], rel=1e-10)
        assert abs(found - exact[k]) <= 10 * error
    assert complex_step(lambda z: np.floor(z[0]), x, 0) is None


def test_one_number_is_reported_as_it_is() -> None:
    check = check_grad(lambda x: 3 * x**2, 1.0)
    assert (check.found, check.expected) == (pytest.approx(6, rel=1e-14), pytest.approx(6))
    assert str(check).startswith("the gradient agrees with complex step")
    several = check_grad(lambda x: 3 * x**2, np.array([1.0, 2.0]))
    assert str(several).startswith("the gradient of a weighted sum of the results agrees with")
