"""What falls without end, a bottom that is level, and a saddle: said as they are, by every method.

Each function is written in several units of its argument and its value.
"""

from __future__ import annotations

import itertools
import warnings

import numpy as np
import pytest

import descend
from whole import sampled

METHODS = ["bfgs", "lbfgs", "cg", "newton", "nelder_mead"]
UNITS = [(1.0, 1.0), (1e8, 1e-9), (1e-8, 1e9)]

ENDLESS = {
    "exp(-x)": lambda x: np.exp(-x),
    "arctan": lambda x: np.arctan(-x),
    "bell": lambda x: np.exp(-(x**2)),
    "1/(1+x²)": lambda x: 1 / (1 + x**2),
    "softplus": lambda x: np.log(1 + np.exp(-x)),
    "tanh": lambda x: np.tanh(-x),
    "sigmoid": lambda x: -1 / (1 + np.exp(-x)),
    "rational": lambda x: -x / (1 + np.abs(x)),
    "over a floor": lambda x: 5 + 1 / (1 + x**2),
    "-log(1+x²)": lambda x: -np.log1p(x**2),
    "-√(1+x²)": lambda x: -np.sqrt(1 + x**2),
    "cubic": lambda x: -(x**3),
}
BOTTOMS = {
    "x⁴": (lambda x: (x - 1) ** 4, 5.0),
    "x⁸": (lambda x: (x - 1) ** 8 + 2, 5.0),
    "x¹⁶": (lambda x: x**16, 2.0),
    "huber": (lambda x: np.where(np.abs(x) < 1, x**2 / 2, np.abs(x) - 0.5), 30.0),
    "√(1+x²)": (lambda x: np.sqrt(1 + x**2), 30.0),
    "level": (lambda x: np.maximum(np.abs(x) - 1, 0) ** 2, 5.0),
    "cosh": (lambda x: np.cosh(x), 8.0),
    "far away": (lambda x: (x - 1e6) ** 2, 1.0),
    "well": (lambda x: -np.exp(-(x**2)), 1.5),
}


def told(function, start, method, u, v, **options):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", descend.DescendWarning)
        return descend.minimize(
            lambda x: v * function(x / u), start * u, optimizer=method, max_iter=5000, **options
        )


@sampled("name, method, units", itertools.product(ENDLESS, METHODS, UNITS), 11, ids=str)
def test_what_falls_without_end_runs_away_in_every_unit(name, method, units):
    found = told(ENDLESS[name], 0.5, method, *units)
    assert (found.verdict, found.success) == ("runaway", False), found.message


@sampled("name, method, units", itertools.product(BOTTOMS, METHODS, UNITS), 7, ids=str)
def test_a_bottom_is_a_minimum_in_every_unit(name, method, units):
    function, start = BOTTOMS[name]
    found = told(function, start, method, *units)
    assert found.verdict == "minimum", found.message


PARTLY = {
    "beside a minimum": (lambda x: np.exp(-x[0]) + (x[1] - 1) ** 2, [0.5, 3.0]),
    "sum of logarithms": (
        lambda x: np.log(1 + np.exp(-x[0])) + np.log(1 + np.exp(-x[1] - x[0])), [0.1, 0.3]
    ),
    "a difference": (lambda x: np.exp(x[0] - x[1]), [1.0, 0.2]),
}  # fmt: skip


@sampled("name, method", itertools.product(PARTLY, METHODS), 2)
def test_some_numbers_run_away(name, method):
    function, start = PARTLY[name]
    assert told(function, np.array(start), method, 1.0, 1.0).verdict == "runaway"


def test_a_bound_ends_a_fall():
    found = descend.minimize(lambda x: np.exp(-x), 0.5, bounds=(0.0, 3.0))
    assert (found.params, found.success) == (3.0, True)


SADDLES = {
    "one number stays": (lambda x: x[0] ** 2 - x[1] ** 2 + x[1] ** 4, [1.0, 0.0]),
    "both alike": (
        lambda x: (x[0] + x[1]) ** 2 - (x[0] - x[1]) ** 2 + (x[0] - x[1]) ** 4, [1.0, 1.0]
    ),
    "along a line": (
        lambda x: (x[0] + 2 * x[1]) ** 2 - (2 * x[0] - x[1]) ** 2 + x[0] ** 4, [1.0, 2.0]
    ),
    "monkey": (
        lambda x: x[0] ** 3 - 3 * x[0] * x[1] ** 2 + (x[0] ** 2 + x[1] ** 2) ** 2, [0.5, 0.0]
    ),
    "in other units": (
        lambda x: (x[0] / 1e6) ** 2 - (x[1] * 1e5) ** 2 + (x[1] * 1e5) ** 4, [1e6, 0.0]
    ),
}  # fmt: skip


@sampled("name, method", itertools.product(SADDLES, METHODS[:-1]), 3)
def test_a_saddle_is_no_minimum_though_the_descent_ends_there(name, method):
    function, start = SADDLES[name]
    found = told(function, np.array(start), method, 1.0, 1.0)
    if np.max(np.abs(found.gradient)) == 0 or not found.success:
        assert not found.success
        assert "a saddle, begin elsewhere" in found.message or found.verdict == "runaway"
    else:  # rounding has led off the ridge
        assert found.value < function(np.array([0.0, 0.0]))


def test_a_saddle_is_told_of_to_who_climbs():
    with pytest.warns(descend.DescendWarning, match=r"the value rises from there along x\[1\]"):
        descend.maximize(lambda x: -(x[0] ** 2) + x[1] ** 2 - x[1] ** 4, [1.0, 0.0])


@sampled("unit, method", itertools.product([1e-9, 1.0, 1e9], ["bfgs", "lbfgs", "cg", "newton"]), 3)
def test_what_falls_without_end_beside_zero_is_no_minimum(method, unit):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = descend.minimize(lambda x: unit * np.log(x), start=1.0, optimizer=method)
        root = descend.minimize(lambda x: unit * np.sqrt(x), start=1.0, optimizer=method)
    assert (found.verdict, found.success) == ("runaway", False)
    assert "nears 0" in found.message
    assert root.verdict != "runaway"


def quadratic(curved):
    return lambda p: p @ curved @ p


@pytest.mark.filterwarnings("ignore")
@sampled("n, method, seed", itertools.product([2, 3, 4], ["bfgs", "lbfgs"], range(4)), 5)
def test_a_saddle_is_never_a_minimum(n, method, seed):
    """Quadratics of one falling direction, from anywhere and from beside their ridge."""
    rng = np.random.default_rng(seed)
    q = np.linalg.qr(rng.normal(size=(n, n)))[0]
    curved = q @ np.diag([-rng.uniform(0.1, 3), *rng.uniform(0.1, 3, n - 1)]) @ q.T
    for start in (rng.normal(size=n), 2 * q[:, 1] + 1e-9 * q[:, 0]):
        found = descend.minimize(quadratic(curved), start=start, optimizer=method)
        assert not found.success


@pytest.mark.filterwarnings("ignore")
def test_the_curvature_between_two_moves_tells_of_a_saddle():
    found = descend.minimize(lambda x, y: x * y, start={"x": 1.0, "y": 1.1})
    assert found.verdict == "runaway"


@pytest.mark.filterwarnings("ignore")
def test_counts_of_an_empty_group_run_away_by_least_squares_steps_too():
    x = np.repeat([0.0, 1.0], 10)
    y = np.r_[np.zeros(10), [3, 2, 4, 1, 5, 2, 3, 2, 4, 3]]
    found = descend.fit(lambda x, a, b: np.exp(a + b * x), x, y, loss="poisson",
                        start={"a": 0.0, "b": 0.0})  # fmt: skip
    assert found.verdict == "runaway" and not found.success
