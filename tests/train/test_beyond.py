"""Functions without a minimum: no method may call the place where it stopped one."""

import itertools

import numpy as np
import pytest

import descend
from whole import sampled

METHODS = ["bfgs", "lbfgs", "cg", "newton", "nelder_mead"]
ENDLESS = {
    "a line": (lambda x: -x, 1.0),
    "a parabola": (lambda x: -(x**2), 1.0),
    "a logarithm": (lambda x: -np.log(x), 1.0),
    "a root": (lambda x: -np.sqrt(x), 1.0),
    "an infimum": (lambda x: 1 / (1 + x**2), 1.0),
    "one of two": (lambda x: (x[0] - 1) ** 2 - x[1], np.array([0.0, 0.0])),
    "a diagonal": (lambda x: (x[0] - x[1]) ** 2 - x[0] - x[1], np.array([0.0, 0.5])),
}
SOUND = {
    "far away": (lambda x: (x / 1e8 - 1) ** 2, 1.0),
    "among others": (lambda x: np.cos(x / 50) + x / 1e4, 1.0),
    "in a flat bowl": (lambda x: np.log1p((x / 1e4 - 1) ** 2), 1.0),
}


@pytest.mark.filterwarnings("ignore::descend.DescendWarning")
@sampled("case, method", itertools.product(ENDLESS, METHODS), 2)
def test_what_falls_without_end_has_no_minimum(case: str, method: str) -> None:
    function, start = ENDLESS[case]
    for _ in range(3):  # also when it is made again
        found = descend.minimize(function, start=start, optimizer=method)
        assert not found.success and found.verdict in ("runaway", "diverged"), found.message


@sampled("case, method", itertools.product(SOUND, METHODS), 2)
def test_a_minimum_that_is_far_away_is_one(case: str, method: str) -> None:
    function, start = SOUND[case]
    for _ in range(3):
        found = descend.minimize(function, start=start, optimizer=method)
        assert found.success, found.message
        x = found.params
        assert all(function(x * (1 + s)) > function(x) for s in (-0.01, 0.01))


def test_the_words_name_what_goes_away() -> None:
    with pytest.warns(descend.DescendWarning, match="no minimum there"):
        found = descend.minimize(
            lambda a, b: (a - 1) ** 2 + np.exp(-b), start=dict(a=0.0, b=0.0), optimizer="newton"
        )
    assert "no minimum there: the loss still falls as b goes farther out" in found.message
    with pytest.warns(descend.DescendWarning, match="no maximum there"):
        found = descend.maximize(lambda x: np.log(x), start=1.0)
    assert "no maximum there: the value still rises as x goes farther out" in found.message


def test_a_bound_is_an_end() -> None:
    found = descend.minimize(lambda x: -x, start=1.0, bounds={"x": (None, 1e6)})
    assert found.success and found.params == 1e6
