"""A minimisation that ends on a slope is no minimum, and one at a kink says so."""

import itertools
import warnings

import numpy as np
import pytest

import descend
from descend import DescendWarning
from whole import sampled

METHODS = ("bfgs", "lbfgs", "cg", "newton", "nelder_mead")


def rosenbrock(x):
    return 100 * (x[1] - x[0] ** 2) ** 2 + (1 - x[0]) ** 2


def _bottom(power):
    return lambda x: np.sum((x - 1) ** power)


def corner(x):
    return np.abs(x[0] - 1) + 2 * np.abs(x[1] + 1)


@pytest.mark.parametrize("option", [{"ftol": 0.1}, {"xtol": 0.1}, {"gtol": 10.0}], ids=str)
def test_a_wide_tolerance_ends_by_its_rule(option):
    found = descend.minimize(rosenbrock, [-1.2, 1.0], **option)
    assert found.verdict == "rule" and found.success
    assert "stopped by its own test" in found.message
    assert "the loss still falls along x[0] and x[1]" in found.message
    assert "saddle" not in found.message


@sampled("unit, method", itertools.product([1e-9, 1.0, 1e9], METHODS), 2)
def test_a_corner_is_a_kink_or_not_reached(method, unit):
    """Whatever the method makes of it, a place beside the corner is never called a minimum."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DescendWarning)
        found = descend.minimize(
            lambda x: corner(x / unit), [3.0 * unit, 2.0 * unit], optimizer=method
        )
    near = np.allclose(found.params / unit, [1, -1], atol=1e-6)
    assert found.success == near
    assert found.verdict == ("kink" if near else "not converged")


@pytest.mark.parametrize("method", METHODS)
def test_flat_bottoms_are_minima(method):
    for power in (2, 4, 8):
        found = descend.minimize(_bottom(power), [3.0, 2.0], optimizer=method)
        assert found.verdict == "minimum", power


def test_the_simplex_ends_where_the_lowest_value_is_zero():
    """No share of a lowest value of 0 is small: what it has fallen in all counts."""
    for begin in ([1.0, 2.0, -1.0], [1e6, -3e6, 2e6]):
        found = descend.minimize(
            lambda x: np.sum(np.array([1.0, 3.0, 5.0]) * x**2), begin, optimizer="nelder_mead"
        )
        assert found.verdict == "minimum"
        assert np.max(np.abs(found.params)) < 1e-7 * np.max(np.abs(begin))


def test_a_number_that_began_at_zero_and_stayed_is_looked_beside():
    """The second term drowns in the first: what can be told is that the loss falls."""
    with pytest.warns(DescendWarning, match="the loss still falls along"):
        found = descend.minimize(
            lambda x: 1e12 * (1e6 * x[0] - 3) ** 2 + 1e-9 * (x[1] - 2) ** 2, [0.0, 0.0],
            optimizer="nelder_mead",
        )
    assert not found.success
