"""What is said of a fit as a whole: chi² and the criteria that follow from it."""

import math

import numpy as np

from descend.trust.goodness import goodness


def test_the_criteria_hold_for_the_smallest_residuals() -> None:
    """Their mean square is less than the smallest number, and so is taken for zero."""
    y = np.arange(5.0)
    tiny = np.array([2.5e-162, 0, 0, 0, 0])
    found = goodness(tiny, y, None, 1)
    assert found["chi2"] == 5e-324 and found["r2"] == 1
    assert found["aic"] == found["bic"] == -math.inf


def test_the_criteria_are_those_of_their_formulas() -> None:
    rng = np.random.default_rng(0)
    y, residual = rng.normal(size=(2, 30))
    found = goodness(residual, y, None, 4)
    n, chi2 = 30, math.fsum(residual**2)
    aic = n * math.log(chi2 / n) + 2 * 4
    assert abs(found["aic"] - aic) < 1e-12
    assert abs(found["aicc"] - (aic + 2 * 4 * 5 / (n - 5))) < 1e-12
    assert abs(found["bic"] - (aic - 8 + 4 * math.log(n))) < 1e-12
    assert abs(found["r2"] - (1 - chi2 / (n * np.var(y)))) < 1e-14
