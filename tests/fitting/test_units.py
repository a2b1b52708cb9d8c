"""A slice of the table of units (`fitting.units`; the whole is in `make fuzz`), and minima."""

from __future__ import annotations

import itertools
import warnings

import numpy as np
import pytest
from scipy.optimize import curve_fit

import descend
from fitting.units import LOSSES, METHODS, TASKS, decay, suits, wrong
from whole import sampled

SLICE = [
    ("decay", "mse", 1e-12, 1e12),
    ("decay from a floor of 0", "huber", 1.0, 1e-9),
    ("parabola from 0", "mse", 1e9, 1.0),
    ("wave", "mae", 1e-12, 1.0),
    ("counts", "poisson", 1e12, 1.0),
]


CELLS = [
    (*row, method) for row in SLICE for method in METHODS
    if suits(TASKS[row[0]], method, LOSSES[row[1]])
]  # fmt: skip


@sampled("task, loss, u, v, method", CELLS, 2)
def test_a_fit_does_not_depend_on_units(task, loss, u, v, method):
    assert not wrong(TASKS[task], method, LOSSES[loss], u, v)


@pytest.mark.parametrize("method", ["bfgs", "lbfgs", "cg", "newton"])
@pytest.mark.parametrize("unit", [1e-9, 1e-6, 1e9])
def test_the_rate_of_a_decay_is_that_of_curve_fit_in_every_unit(method, unit):
    x = np.linspace(0, 4, 50)
    y = 2.5 * np.exp(-1.3 * x) + 0.5 + 0.05 * np.sin(37 * x)
    right, _ = curve_fit(decay, x, y, p0=[1.0, 1.0, 1.0], ftol=1e-14, xtol=1e-14)
    fit = descend.fit(
        decay, x, y * unit, start=dict(a=unit, k=1, c=unit), optimizer=method, epochs=5000
    )
    assert fit.success
    assert fit.params["k"] == pytest.approx(right[1], rel=1e-6)


@pytest.mark.parametrize("loss", ["mae", "quantile(0.5)"])
def test_least_deviations_where_parameters_are_decades_apart(loss):
    t, truth = np.linspace(0, 5e6, 60), dict(a=1e5, k=1e-6, c=50)
    y = np.random.default_rng(0).poisson(decay(t, **truth)).astype(float)
    fit = descend.fit(decay, t, y, loss=loss, start=dict(a=5e4, k=2e-6, c=10))
    at_truth = np.mean(np.abs(y - decay(t, **truth)))
    assert np.mean(np.abs(y - fit.predict(t))) <= at_truth


STARTS = [[3.0, 1.0], [0.0, 0.0]]
SOLVERS = ["bfgs", "lbfgs", "cg", "newton", "nelder_mead"]


@sampled("method, unit, start", itertools.product(SOLVERS, [1e-16, 1e16], STARTS), 3)
def test_a_minimum_does_not_depend_on_the_units_of_the_function(method, unit, start):
    found = descend.minimize(
        lambda x: unit * ((x[0] - 2) ** 2 + 10 * (x[1] + 1) ** 2 + 3),
        start=start, optimizer=method, max_iter=5000,
    )  # fmt: skip
    assert found.success
    np.testing.assert_allclose(found.params, [2, -1], rtol=1e-6)


@pytest.mark.parametrize("method", ["bfgs", "lbfgs", "cg", "newton", "nelder_mead"])
@pytest.mark.parametrize(
    ("function", "start"),
    [
        (lambda x: -np.exp(-x), 0.0),
        (lambda x: x**3, -1.0),
        (lambda x: -(x**4), 1.0),
        (lambda x: -np.exp(1e6 * x), 1e-6),
    ],
    ids=["-exp(-x)", "x**3", "-x**4", "-exp(1e6 x)"],
)
def test_what_falls_without_end_does_not_stall_at_the_start(method, function, start):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", descend.DescendWarning)
        found = descend.minimize(function, start=start, optimizer=method)
    assert not found.success
    assert "without end" in found.message or "no minimum" in found.message
    assert function(np.float64(found.params)) < function(start) - 1
