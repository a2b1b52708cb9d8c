"""SciPy's forms of bounds for `minimize`, and the remedies that are printed for them."""

import numpy as np
import pytest
from scipy.optimize import Bounds

import descend


def bowl(x):
    return np.sum((x - 10) ** 2)


@pytest.mark.parametrize(
    "bounds", [([0, 0, 0], [4, 4, 4]), [(0, 4)] * 3, (0, 4), ([0, 0, 0], 4), {"x": (0, 4)}]
)
def test_every_form_of_bounds(bounds) -> None:
    found = descend.minimize(bowl, start=[1.0, 2.0, 3.0], bounds=bounds)
    assert np.array_equal(found.params, [4.0, 4.0, 4.0])


def test_the_remedies_for_a_wrong_number_of_bounds_work() -> None:
    for wrong in ([(0, 1), (0, 1)], ([0, 0, 0, 0], [4, 4, 4, 4])):
        with pytest.raises(descend.UsageError, match=r"bounds=\{") as told:
            descend.minimize(bowl, start=[1.0, 2.0, 3.0], bounds=wrong)
        named = told.value.remedy.partition("bounds=")[2]
        found = descend.minimize(bowl, start=[1.0, 2.0, 3.0], bounds=eval(named))
        np.testing.assert_allclose(found.params, 10.0, rtol=1e-6)


def test_two_lists_of_two_may_mean_two_things() -> None:
    """SciPy's minimize reads pairs, its least_squares all lower and all upper ones."""
    for both in (([0, 4], [1, 5]), (np.array([0, 4]), np.array([1, 5]))):
        with pytest.raises(descend.UsageError, match="may be two pairs, or all lower and all"):
            descend.minimize(bowl, start=[0.5, 4.5], bounds=both)
    for pairs in ([(0, 4), (1, 5)], [[0, 4], [1, 5]], np.array([[0, 4], [1, 5]])):
        found = descend.minimize(bowl, start=[0.5, 4.5], bounds=pairs)
        assert np.array_equal(found.params, [4.0, 5.0])


@pytest.mark.parametrize(
    "bounds", [(np.zeros((2, 2)), np.full((2, 2), 4.0)), [(0, 4)] * 4, Bounds(0, 4),
               Bounds(np.zeros(4), np.full(4, 4.0))],
)  # fmt: skip
def test_bounds_of_a_matrix(bounds) -> None:
    found = descend.minimize(bowl, start=np.ones((2, 2)), bounds=bounds)
    assert np.array_equal(found.params, np.full((2, 2), 4.0))
