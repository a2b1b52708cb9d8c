"""SciPy's forms of bounds for `minimize`, and the remedies that are printed for them."""

import numpy as np
import pytest

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
    with pytest.raises(descend.UsageError, match="all lower, all upper"):
        descend.minimize(bowl, start=[1.0, 2.0, 3.0], bounds=[(0, 1), (0, 1)])
