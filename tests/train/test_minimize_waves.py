"""Waves have many minima: the one that is found is no farther and higher than one on the way."""

import itertools

import numpy as np
import pytest

import descend
from whole import sampled

WAVES = {
    "slow": lambda x: np.sin(3 * x) + 0.1 * x**2, "slower": lambda x: np.sin(3 * x) + 0.01 * x**2,
    "shifted": lambda x: np.cos(5 * x) + 0.05 * (x - 1) ** 2,
    "in other units": lambda x: 1e-6 * (np.sin(3e3 * x) + 1e5 * x**2),
}  # fmt: skip


def near_minimum(function, start, span):
    """Where one comes to by going downhill on a fine grid."""
    x = np.linspace(start - span, start + span, 200_001)
    heights, i = function(x), 100_000
    while heights[i - 1] < heights[i]:
        i -= 1
    while heights[i + 1] < heights[i]:
        i += 1
    return x[i], heights[i]


OPTIMIZERS = ["auto", "cg", "lbfgs", "newton", "nelder_mead"]


@sampled("name, optimizer", itertools.product(WAVES, OPTIMIZERS), 3)
def test_no_minimum_on_the_way_is_jumped_over(name, optimizer):
    function, unit = WAVES[name], 1e-3 if name == "in other units" else 1.0
    span = float(np.ptp(function(np.linspace(-unit, unit, 1001))))
    for start in unit * np.array([-5.7, -2.4, -1.5, 0.6, 1.5, 2.7, 4.5, 4.8]):
        place, height = near_minimum(function, start, 5 * unit)
        found = descend.minimize(function, start=float(start), optimizer=optimizer)
        farther = abs(found.params - start) > abs(place - start)
        assert found.value <= height + 1e-3 * span or not farther


METHODS = ["auto", "nelder_mead", "cg", "lbfgs", "newton"]


@sampled("optimizer, start", itertools.product(METHODS, [0.001, 0.5, 1.0, 2.0, 10.0]), 3)
def test_a_function_that_is_not_finite_everywhere_has_its_minimum(optimizer, start):
    found = descend.minimize(lambda x: x * np.log(x), start=start, optimizer=optimizer)
    assert found.params == pytest.approx(np.exp(-1), rel=1e-6)
    assert (found.verdict, found.success) == ("minimum", True)


def test_bounds_and_fixed_numbers_are_kept_to_on_the_way():
    place, height = near_minimum(WAVES["slow"], 4.5, 3.0)
    for options in (dict(bounds={"a": (1.0, 9.0)}), dict(bounds={"a": (-9.0, 9.0)}), {}):
        found = descend.minimize(
            lambda a, b: np.sin(3 * a) + a**2 / 10 + (b - 1) ** 2, start=dict(a=4.5, b=1.0),
            fixed=["b"], **options,
        )  # fmt: skip
        assert found.params["b"] == 1.0 and found.value <= height + 1e-9
        low, high = options.get("bounds", {"a": (-np.inf, np.inf)})["a"]
        assert low <= found.params["a"] <= high
    assert place > 3.5
