"""Linear problems in random boxes, against SciPy's bounded-variable least squares."""

import numpy as np
import pytest
from scipy.optimize import lsq_linear

import descend

ROWS, NUMBERS = 12, 5


def linear(x, p):
    return x @ p


def problem(rng):
    """Columns of very different sizes, bounds on some sides, a start that may lie on them."""
    x = rng.normal(size=(ROWS, NUMBERS)) * 10 ** rng.uniform(-2, 2, NUMBERS)
    y = rng.normal(size=ROWS)
    lower = -(10 ** rng.uniform(-2, 1, NUMBERS))
    upper = lower + 10 ** rng.uniform(-2, 1, NUMBERS)
    lower[rng.random(NUMBERS) < 0.2] = -np.inf
    upper[rng.random(NUMBERS) < 0.2] = np.inf
    return x, y, lower, upper, np.clip(rng.normal(size=NUMBERS), lower, upper)


@pytest.mark.parametrize("optimizer", ["lm", "gauss_newton", "bfgs", "lbfgs", "newton"])
def test_random_boxes(optimizer):
    rng = np.random.default_rng(3)
    for _ in range(60):
        x, y, lower, upper, start = problem(rng)
        bounds = {"p": (lower, upper)}
        fit = descend.fit(linear, x, y, start=dict(p=start), bounds=bounds, optimizer=optimizer)
        assert np.all((lower <= fit.params["p"]) & (fit.params["p"] <= upper))
        found = np.mean((x @ fit.params["p"] - y) ** 2)
        expected = lsq_linear(x, y, (lower, upper), method="bvls", tol=1e-14)
        assert fit.success
        assert found <= 2 * expected.cost / ROWS * (1 + 1e-9) + 1e-12
