"""Least deviations end where rows are met exactly: at the place, and with the verdict, of it."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import linprog

import descend

RNG = np.random.default_rng(3)
X = np.sort(RNG.uniform(-1.0, 4.0, 41))  # at even steps a minimum may be a line
Y = 0.4 - 1.7 * X + 0.6 * X**2 + RNG.standard_t(2, 41) * 0.3
SIGMA = np.where(X < 1, 0.2, 0.7)
WEIGHT = np.where(X < 2, 1.0, 3.0)


def parabola(x, a, b, c):
    return a + b * x + c * x**2


def decay(x, height, rate, floor):
    return height * np.exp(-rate * x) + floor


def exact(q=0.5, weight=1.0):
    """The parameters of the least weighted deviations, by linear programming."""
    n, design = len(X), np.stack([X**0, X, X**2], 1)
    own = np.broadcast_to(weight, n)
    cost = np.concatenate([np.zeros(3), own * (1 - q), own * q])
    found = linprog(
        cost, A_eq=np.hstack([design, -np.eye(n), np.eye(n)]), b_eq=Y,
        bounds=[(None, None)] * 3 + [(0, None)] * (2 * n), method="highs-ds",
        options={"dual_feasibility_tolerance": 1e-10, "primal_feasibility_tolerance": 1e-10},
    )  # fmt: skip
    assert found.success
    return found.x[:3]


@pytest.mark.parametrize("method", ["bfgs", "nelder_mead"])
@pytest.mark.parametrize(
    ("loss", "q", "options", "weight"),
    [
        ("mae", 0.5, {}, 1.0),
        ("quantile(0.7)", 0.7, {}, 1.0),
        ("mae", 0.5, dict(sigma=SIGMA), 1 / SIGMA),
        ("mae", 0.5, dict(sample_weight=WEIGHT), WEIGHT),
        ("quantile(0.2)", 0.2, dict(sigma=SIGMA, sample_weight=WEIGHT), WEIGHT / SIGMA),
    ],
)
def test_least_deviations_are_those_of_linear_programming(method, loss, q, options, weight):
    fit = descend.fit(
        parabola, X, Y, start=dict(a=1.0, b=1.0, c=1.0), loss=loss, optimizer=method,
        epochs=20_000, **options,
    )  # fmt: skip
    np.testing.assert_allclose(list(fit.params.values()), exact(q, weight), rtol=1e-9)
    assert (fit.verdict, fit.arrived) == ("kink", "yes")


@pytest.mark.parametrize("unit", [1e-12, 1.0, 1e12])
def test_a_bound_holds_a_number_there(unit):
    free = descend.fit(parabola, X, Y, start=dict(a=1.0, b=1.0, c=1.0), loss="mae")
    top = 0.9 * free.params["c"]
    fit = descend.fit(
        parabola, X, Y * unit, start=dict(a=unit, b=-unit, c=0.3 * unit), loss="mae",
        bounds=dict(c=(0.0, top * unit)),
    )  # fmt: skip
    assert fit.params["c"] == top * unit
    rest = Y - fit.predict(X) / unit
    slopes = np.where(np.abs(rest) < 1e-9, 0.0, np.sign(rest))
    assert np.sum(slopes == 0) == 2
    # Of all rows that are not met, the pull outwards along c, with a and b following.
    basis = np.linalg.solve(
        np.stack([X**0, X], 1)[slopes == 0], -(X**2)[slopes == 0]
    )
    assert slopes @ (X**2 + np.stack([X**0, X], 1) @ basis) > 0


@pytest.mark.parametrize("unit", [1e-12, 1e-5, 1e7, 1e12])
@pytest.mark.parametrize("method", ["bfgs", "nelder_mead"])
def test_a_curve_is_met_at_the_same_rows_in_every_unit(method, unit):
    x = np.linspace(0, 4, 50)
    y = decay(x, 2.5, 1.3, 0.5) + RNG.standard_normal(50) * 0.05
    start = np.array([1.0, 1.0, 1.0])

    def found(u, v, how):
        sizes = np.array([v, 1 / u, v])
        named = dict(zip(("height", "rate", "floor"), map(float, start * sizes), strict=True))
        fit = descend.fit(
            decay, x * u, y * v, start=named, loss="mae", optimizer=how, epochs=20_000
        )
        assert fit.verdict == "kink", fit.message
        return np.array(list(fit.params.values())) / sizes

    right = found(1.0, 1.0, "bfgs")
    np.testing.assert_allclose(found(unit, 1.0, method), right, rtol=1e-9)
    np.testing.assert_allclose(found(1.0, unit, method), right, rtol=1e-9)


@pytest.mark.parametrize("unit", [1e-12, 1.0, 1e12])
def test_exact_data_are_met_exactly(unit):
    y = unit * parabola(X, 0.3, -2.0, 0.7)
    fit = descend.fit(parabola, X, y, start=dict(a=unit, b=unit, c=unit), loss="mae")
    np.testing.assert_allclose(list(fit.params.values()), np.array([0.3, -2, 0.7]) * unit, 1e-12)
    assert fit.verdict == "kink"


def test_what_is_no_single_place_is_not_called_one():
    fit = descend.fit(lambda x, a: a + 0 * x, np.arange(4.0), np.array([1.0, 2.0, 3.0, 7.0]),
                      start=dict(a=0.5), loss="mae")  # fmt: skip
    assert 2.0 <= fit.params["a"] <= 3.0


def test_all_numbers_on_their_bounds() -> None:
    fit = descend.fit(lambda x, a: a * x, X, X, start=dict(a=0.1), bounds={"a": (0.0, 0.5)},
                      loss="mae")  # fmt: skip
    assert fit.params == {"a": 0.5} and fit.verdict == "bound"
