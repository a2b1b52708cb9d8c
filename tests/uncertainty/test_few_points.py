"""Bootstrap intervals of few points: they reach as far as Student's t, and no farther."""

import math

import numpy as np
import pytest
from scipy import stats

import descend
from descend.errors import UsageError

X = np.linspace(0.2, 1, 8)
Y = 3 * X + np.random.default_rng(0).normal(0, 0.2, 8)


def through_zero(x, a):
    return a * x


def decay(x, a, k, c):
    return a * np.exp(-k * x) + c


@pytest.fixture(scope="module")
def fit():
    return descend.fit(through_zero, X, Y, start=dict(a=1))


@pytest.mark.parametrize("kind", ["residual", "parametric"])
def test_draws_of_a_linear_model_vary_as_s2_says(fit, kind):
    """Residuals about a line through 0 have a mean of their own, and s² is of 7 degrees."""
    by_hand = np.sqrt(np.sum((Y - fit.params["a"] * X) ** 2) / 7 / np.sum(X**2))
    draws = fit.bootstrap(20_000, kind, seed=2).draws[:, 0]
    assert draws.std() == pytest.approx(by_hand, rel=0.02)  # four deviations of chance
    assert draws.mean() == pytest.approx(fit.params["a"], abs=4 * by_hand / np.sqrt(20_000))


@pytest.mark.parametrize("kind", ["percentile", "bca", "basic"])
def test_normal_draws_reach_as_far_as_students_t(fit, kind):
    reach = stats.t.ppf(0.975, 7) * fit.stderr["a"]
    assert reach > 1.2 * 1.96 * fit.stderr["a"]
    low, high = fit.bootstrap(20_000, "parametric", seed=2).intervals(0.95, kind)["a"]
    assert low == pytest.approx(fit.params["a"] - reach, abs=0.08 * reach)
    assert high == pytest.approx(fit.params["a"] + reach, abs=0.08 * reach)


def test_quantiles_are_those_where_t_has_the_level(fit):
    found = fit.bootstrap(999, seed=1)
    ordered = np.sort(found.draws[:, 0])
    share = stats.norm.cdf(stats.t.ppf([0.05, 0.95], 7))
    ends = np.interp(share * 1000, np.arange(1, 1000), ordered)
    assert found.intervals(0.9, "percentile")["a"] == pytest.approx(tuple(ends), rel=1e-12)
    assert found.dof == 7 and found.stretch.tolist() == [1]
    rows = fit.bootstrap(999, "case", seed=1)
    share = stats.norm.cdf(rows.stretch * stats.t.ppf([0.05, 0.95], 7))
    ends = np.interp(share * 1000, np.arange(1, 1000), np.sort(rows.draws[:, 0]))
    assert rows.intervals(0.9, "percentile")["a"] == pytest.approx(tuple(ends), rel=1e-12)


def test_rows_that_decide_have_short_residuals():
    """The variance that residuals show, over the true one: by simulation of a straight line."""
    x = np.array([0.0, 0.1, 0.2, 0.3, 1.0])
    y = np.array([0.1, 0.0, 0.3, 0.2, 1.0])
    fit = descend.fit("y = a + b*x", {"x": x, "y": y}, start=dict(a=0, b=1))
    noise = np.random.default_rng(1).normal(size=(100_000, 5))
    design = np.stack([np.ones(5), x], 1)
    solve = np.linalg.inv(design.T @ design) @ design.T
    left = noise - noise @ solve.T @ design.T
    shown = np.mean(left**2 @ (solve**2).T, axis=0)
    true = np.var(noise @ solve.T, axis=0)
    found = fit.bootstrap(5, "case").stretch
    assert found == pytest.approx(np.sqrt(true / shown), rel=0.01)


@pytest.mark.parametrize("kind", ["residual", "parametric"])
def test_a_known_scale_needs_no_t_and_is_not_taken_from_residuals(kind):
    """Sigmas three times too large stay so, as in the standard errors."""
    fit = descend.fit(
        through_zero, X, Y, start=dict(a=1), sigma=np.full(8, 0.6), absolute_sigma=True
    )
    found = fit.bootstrap(20_000, kind, seed=3)
    error = 0.6 / np.sqrt(np.sum(X**2))
    assert math.isinf(found.dof)
    assert found.draws[:, 0].std() == pytest.approx(error, rel=0.02)
    low, high = found.intervals(0.95, "percentile")["a"]
    if kind == "parametric":
        assert high - low == pytest.approx(2 * 1.96 * error, rel=0.03)
    assert "Student" not in str(found)


def test_counts_have_the_scale_that_they_need():
    x = np.arange(12.0)
    y = np.random.default_rng(4).poisson(9 + 0 * x).astype(float)
    fit = descend.fit(lambda x, m: m + 0 * x, x, y, start=dict(m=5), loss="poisson")
    found = fit.bootstrap(2000, "parametric", seed=1)
    ends = np.interp(
        np.array([0.025, 0.975]) * 2001, np.arange(1, 2001), np.sort(found.draws[:, 0])
    )
    assert found.intervals(0.95, "percentile")["m"] == pytest.approx(tuple(ends))
    rows = fit.bootstrap(200, "case", seed=1)  # the rows know their scatter from themselves
    assert rows.dof == 11 and rows.stretch == pytest.approx(np.sqrt(12 / 11))


def test_the_acceleration_of_a_mean_is_the_skewness_of_its_sum():
    y = np.random.default_rng(8).exponential(2.0, 40)
    fit = descend.fit(lambda x, m: m + 0 * x, np.arange(40.0), y, start=dict(m=1))
    expected = stats.skew(y) / (6 * np.sqrt(40))
    assert fit.bootstrap(10).acceleration[0] == pytest.approx(expected, rel=1e-6)
    assert fit.bootstrap(10, "case").acceleration[0] == pytest.approx(expected, rel=1e-5)
    assert fit.bootstrap(10, "parametric").acceleration[0] == 0


def test_on_a_bound_bca_corrects_nothing_and_says_so():
    x = np.linspace(0, 4, 40)
    y = decay(x, 2, 1.3, -0.06) + np.random.default_rng(1).normal(0, 0.1, 40)
    fit = descend.fit(decay, x, y, start=dict(a=1, k=1, c=0.1), bounds={"c": (0, None)})
    assert fit.params["c"] == 0
    found = fit.bootstrap(300, seed=1)
    for name in "akc":
        assert found.intervals()[name] == found.intervals(0.95, "percentile")[name]
    assert "A parameter lies on its bound" in str(found)
    assert "A parameter lies on its bound" in str(found.intervals())
    assert "lies on its bound" not in str(found.intervals(0.95, "percentile"))


def test_too_few_draws_for_a_level_are_told(fit):
    found = fit.bootstrap(100, seed=1).intervals(0.99, "percentile")
    told = " ".join(str(found).split())
    assert "100 fits are too few for 0.99: an end of a lies beyond all draws" in told
    assert "too few" not in str(fit.bootstrap(2000, seed=1).intervals())


def test_rows_of_several_numbers_are_drawn_as_rows():
    """Forty residuals in twenty rows: the rows are what is independent."""
    x = np.linspace(0, 2, 20)
    y = np.stack([3 * x, x], 1) + np.random.default_rng(6).normal(0, 0.1, (20, 2))
    fit = descend.fit(lambda x, w: x[:, None] * w, x, y, start=dict(w=np.ones(2)))
    assert fit.bootstrap(20, "case").dof == 19  # (40 - 2)·20/40
    assert fit.bootstrap(20, "residual").dof == fit.dof == 38


def test_where_there_is_no_noise_nothing_is_drawn():
    two = descend.fit("y = a + b*x", {"x": [0.0, 1.0], "y": [1.0, 3.0]}, start=dict(a=0, b=1))
    for kind in ("residual", "case", "parametric"):
        with pytest.raises(UsageError, match="no degree of freedom left"):
            two.bootstrap(20, kind)
    exact = descend.fit(
        through_zero, X, 2 * X, start=dict(a=2), sigma=np.ones(8), absolute_sigma=True
    )
    with pytest.raises(UsageError, match="all residuals are 0"):
        exact.bootstrap(20)
    assert exact.bootstrap(2000, "parametric").stderr["a"] == pytest.approx(
        np.sum(X**2) ** -0.5, rel=0.1
    )
