"""Far starts, far columns, and losses that end at an edge."""

import itertools
import warnings

import numpy as np
import pytest
from scipy.optimize import least_squares

import descend
from whole import covered, sampled

YEARS = np.arange(1990, 2021).astype(float)


def quiet(*given, **options):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return descend.fit(*given, **options)


LOSSES = ["huber", "huber(0.1)", "soft_l1"]
STARTS = [(1.0, -4.0, 0.3), (1.0, 9.0, 0.3), (5.0, 4.8, 0.1)]


@sampled("start, loss", itertools.product(STARTS, LOSSES), 2, ids=str)
def test_a_peak_is_found_from_beside_it_or_that_is_said(loss, start):
    x = np.linspace(-5, 5, 120)

    def peak(x, a, m, w, c):
        return a / (1 + ((x - m) / w) ** 2) + c

    y = peak(x, 3.0, 1.0, 0.4, 0.5) + 0.1 * np.random.default_rng(1).normal(size=120)
    y[::17] += 4
    begin = {**dict(zip("amw", start, strict=True)), "c": 0.0}
    fit = quiet(peak, x, y, start=begin, loss=loss)
    assert fit.success and fit.verdict == "minimum"
    assert fit.params["m"] == pytest.approx(1.0, abs=0.1)
    kept = quiet(peak, x, y, start=begin, loss=loss, starts=1)
    assert kept.verdict == "side minimum" or kept.params["m"] == pytest.approx(1.0, abs=0.1)
    quasi = quiet(peak, x, y, start=begin, loss=loss, optimizer="bfgs")
    assert not quasi.success or quasi.params["m"] == pytest.approx(1.0, abs=0.1)


@covered("optimizer, loss", [None, "bfgs", "cg"], ["huber", "mse"])
def test_growth_over_years_has_a_minimum(loss, optimizer):
    y = 5 * np.exp(0.03 * (YEARS - 2000)) + 0.1 * np.random.default_rng(2).normal(size=31)
    best = least_squares(lambda p: np.exp(p[0] + p[1] * (YEARS - 2005)) - y, [1.7, 0.03]).x
    for start in (dict(a=-60.0, b=0.03), dict(a=0.0, b=0.0)):
        fit = quiet(
            lambda x, a, b: np.exp(a + b * x), YEARS, y, start=start, loss=loss, optimizer=optimizer
        )
        assert (fit.verdict, fit.success) == ("minimum", True)
        assert fit.params["b"] == pytest.approx(best[1], rel=1e-5)


def test_what_began_far_larger_is_determined_where_it_ends():
    y = 5 * np.exp(0.03 * (YEARS - 2000)) + 0.1 * np.random.default_rng(2).normal(size=31)
    fit = quiet(lambda x, a, b: a * np.exp(b * x), YEARS, y, start=dict(a=1.0, b=0.001))
    assert fit.verdict == "minimum" and np.isfinite(fit.stderr["b"])


@pytest.mark.parametrize("optimizer", [None, "bfgs", "cg", "lbfgs", "newton", "nelder_mead"])
def test_a_group_without_counts_has_the_rate_0(optimizer):
    group, rng = np.repeat([0, 1, 2], 30), np.random.default_rng(3)
    counts = rng.poisson(np.array([2.0, 0.0, 4.0])[group]).astype(float)
    columns = tuple((group == k) * 1.0 for k in range(3))
    means = [counts[group == k].mean() for k in range(3)]
    options = dict(start=dict(a=1.0, b=1.0, c=1.0), loss="poisson", optimizer=optimizer)
    fit = quiet(lambda g, h, i, a, b, c: a * g + b * h + c * i, columns, counts, **options)
    np.testing.assert_allclose([*fit.params.values()], means, rtol=1e-5)
    assert (fit.verdict, fit.success) == ("bound", True)
    log = quiet(
        lambda g, h, i, a, b, c: np.exp(a * g + b * h + c * i), columns, counts, **options
    )
    assert (log.verdict, log.success) == ("runaway", False)
    assert [log.params["a"], log.params["c"]] == pytest.approx(np.log([means[0], means[2]]), 1e-4)
