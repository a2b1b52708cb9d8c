"""The methods for smooth losses as a user meets them: compiled, and beside SciPy.

What they ask the pipeline for in a direction (Hessian products, second derivatives of residuals)
is judged by formulas worked out by hand; the minima by SciPy.
"""

from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import least_squares, minimize, rosen, rosen_der

import descend
from descend.methods.base import Optimizer

X = np.linspace(0, 5, 60)
Y = 2 * np.exp(-1.3 * X) + 0.5 + 0.02 * np.cos(37 * X)
ALL = ["lm", "gauss-newton", "bfgs", "lbfgs", "cg", "newton", "nelder-mead"]


def decay(x, a, b, c):
    return a * np.exp(-b * x) + c


def fit(optimizer, start, **options):
    return descend.fit(decay, X, Y, start=start, optimizer=optimizer, epochs=5000, **options)


@pytest.mark.parametrize("optimizer", ALL)
def test_a_fit_within_bounds_is_scipys(optimizer):
    bounds = {"a": (0, 10), "b": (0, 9), "c": (-1, 0.4)}
    found = fit(optimizer, {"a": 1.0, "b": 1.0, "c": 0.2}, bounds=bounds)
    lower, upper = zip(*bounds.values(), strict=True)
    known = least_squares(
        lambda p: decay(X, *p) - Y, [1, 1, 0.2], bounds=(lower, upper), xtol=1e-15, gtol=1e-15,
        ftol=1e-15,
    )  # fmt: skip
    assert found.success and found.engine == "native"
    assert found.params["c"] == 0.4
    np.testing.assert_allclose(list(found.params.values()), known.x, rtol=1e-7)
    np.testing.assert_allclose(found.chi2, 2 * known.cost, rtol=1e-12)


@pytest.mark.parametrize("optimizer", ["lbfgs", "cg", "newton"])
def test_fifty_numbers_along_rosenbrocks_valley(optimizer):
    found = descend.minimize(
        lambda x: np.sum(100 * (x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2),
        np.linspace(-1, 1.5, 50), optimizer=optimizer, max_iter=5000,
    )  # fmt: skip
    known = minimize(rosen, np.linspace(-1, 1.5, 50), jac=rosen_der, method="BFGS")
    assert found.success and found.engine == "native"
    np.testing.assert_allclose(found.params, np.ones(50), rtol=1e-8)
    np.testing.assert_allclose(found.params, known.x, rtol=1e-5)


def test_newton_leaves_a_saddle_along_the_curve_that_falls():
    def saddle(x):
        return x[0] ** 2 - x[1] ** 2 + x[1] ** 4

    found = descend.minimize(saddle, np.array([1.0, 1e-3]), optimizer="newton")
    assert found.success
    np.testing.assert_allclose(np.abs(found.params), [0, np.sqrt(0.5)], atol=1e-8)


def test_newton_goes_on_faster_than_linearly():
    found = descend.minimize(
        lambda x: np.sum(np.cosh(x - 1)), np.full(4, 2.5), optimizer="newton"
    )
    assert found.success
    assert found.n_evaluations < 15


def test_nelder_mead_needs_no_derivatives_and_minds_no_kinks():
    found = descend.minimize(
        lambda x: np.abs(x[0] - 1) + 10 * np.abs(x[1] + 2 - x[0]), np.array([4.0, 4.0]),
        optimizer="nelder-mead", max_iter=5000,
    )  # fmt: skip
    assert found.success
    np.testing.assert_allclose(found.params, [1, -1], rtol=1e-7)


class Asks(Optimizer):
    """Keeps what the pipeline gives in the direction (1, 2, 3)."""

    scope = "vector"

    def init(self, p):
        return {"found": np.zeros(3)}

    def step(self, p, e, s, h):
        return p, {"found": self.ask(e, np.array([1.0, 2.0, 3.0]) + 0 * p)}

    def answer(self, p, s):
        return s["found"]


class AsksHessian(Asks):
    def ask(self, e, v):
        return e.hvp(v)


class AsksBend(Asks):
    needs = "gauss_newton"

    def ask(self, e, v):
        return e.jt_rvv(v)


def jacobian(p):
    a, b, _ = p
    return np.stack([np.exp(-b * X), -a * X * np.exp(-b * X), np.ones_like(X)], axis=1)


POINT, ALONG = np.array([1.5, 0.7, 0.1]), np.array([1.0, 2.0, 3.0])


def second(p, v):
    """The second derivative of decay along v."""
    a, b, _ = p
    return (-2 * X * v[0] * v[1] + a * X**2 * v[1] ** 2) * np.exp(-b * X)


@pytest.mark.filterwarnings("ignore:not converged after 1 iterations")
def test_second_derivatives_of_the_residuals_along_a_step():
    found = descend.fit(decay, X, Y, start=dict(zip("abc", POINT, strict=True)),
                        optimizer=AsksBend(), epochs=1)  # fmt: skip
    known = jacobian(POINT).T @ second(POINT, ALONG) / len(X)
    np.testing.assert_allclose(list(found.params.values()), known, rtol=1e-12)


@pytest.mark.filterwarnings("ignore:not converged after 1 iterations")
def test_products_with_the_hessian():
    found = descend.fit(decay, X, Y, start=dict(zip("abc", POINT, strict=True)),
                        optimizer=AsksHessian(), epochs=1)  # fmt: skip
    j, r = jacobian(POINT), decay(X, *POINT) - Y
    curved = np.array(
        [[r @ (second(POINT, u + w) - second(POINT, u) - second(POINT, w)) / 2 for w in np.eye(3)]
         for u in np.eye(3)]
    )  # fmt: skip
    curved[np.diag_indices(3)] = [r @ second(POINT, u) for u in np.eye(3)]
    np.testing.assert_allclose(
        list(found.params.values()), 2 * (j.T @ j + curved) @ ALONG / len(X), rtol=1e-12
    )
