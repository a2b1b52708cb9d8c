"""The bootstrap: draws against theory, intervals against SciPy's, and the same seed."""

from types import SimpleNamespace

import numpy as np
import pytest
from scipy import stats

import descend
from descend.errors import UsageError

X = np.linspace(0, 3, 25)
Y = 2 * np.exp(-0.7 * X) + np.random.default_rng(2).normal(0, 0.1, 25)


def decay(x, a, k):
    return a * np.exp(-k * x)


@pytest.fixture(scope="module")
def fit():
    return descend.fit(decay, X, Y, start=dict(a=1, k=1))


@pytest.fixture(scope="module")
def mean():
    """A fitted constant is the mean, whose bootstrap SciPy has."""
    y = np.random.default_rng(8).exponential(2.0, 40)
    return y, descend.fit(lambda x, m: m + 0 * x, np.arange(40.0), y, start=dict(m=1))


def test_drawing_rows_is_scipys_bootstrap_of_the_mean(mean):
    y, fit = mean
    found = fit.bootstrap(4000, kind="case", seed=3)
    draws = found.draws[:, 0]
    assert draws.std() == pytest.approx(y.std() / np.sqrt(40), rel=0.05)
    # SciPy's are not expanded to Student's t: it is asked for the level that reaches as far.
    inside = 1 - 2 * stats.norm.sf(np.sqrt(40 / 39) * stats.t.ppf([0.975, 0.95], 39))
    theirs = stats.bootstrap(
        (y,), np.mean, n_resamples=0, method="BCa", confidence_level=inside[0],
        bootstrap_result=SimpleNamespace(bootstrap_distribution=draws),
    ).confidence_interval  # fmt: skip
    # SciPy takes quantiles of another definition: they differ by a place or two among the draws.
    near = np.sort(draws)
    for mine, other in zip(found.intervals()["m"], theirs, strict=True):
        assert abs(np.searchsorted(near, mine) - np.searchsorted(near, other)) <= 2
    low, high = found.intervals(0.9, "percentile")["m"]
    assert np.mean((draws > low) & (draws < high)) == pytest.approx(inside[1], abs=1e-3)
    basic = found.intervals(0.9, "basic")["m"]
    assert basic == pytest.approx((2 * y.mean() - high, 2 * y.mean() - low))


def test_leaving_out_rows_is_the_jackknife(mean):
    y, fit = mean
    expected = (y - y.mean()) / (len(y) - 1)
    found = fit.bootstrap(10, kind="case").influences[:, 0]
    assert found == pytest.approx(expected, abs=1e-7)


@pytest.mark.parametrize("kind", ["residual", "parametric"])
def test_drawn_noise_has_the_covariance_of_the_fit(fit, kind):
    """Nearly linear, so that the draws spread as the exact derivatives say, to 1/√(2n)."""
    found = fit.bootstrap(4000, kind=kind, seed=1)
    assert found.failed == 0
    for name, error in fit.stderr.items():
        assert found.stderr[name] == pytest.approx(error, rel=0.06)
        assert abs(found.bias[name]) < 0.1 * error
    both = found.covariance[0, 1] / np.sqrt(found.covariance[0, 0] * found.covariance[1, 1])
    assert both == pytest.approx(fit.correlation[0, 1], abs=0.03)


def test_each_draw_is_a_fit_of_its_own_data(fit):
    """The refits in step end where a whole new fit ends."""
    found = fit.bootstrap(3, kind="parametric", seed=7)
    noise = np.random.default_rng([7, 0]).standard_normal((3, 25))
    for draw, own in zip(found.draws, noise, strict=True):
        y = fit.fitted + np.sqrt(fit.reduced_chi2) * own
        again = descend.fit(decay, X, y, start=fit)
        assert draw == pytest.approx([again.params["a"], again.params["k"]], rel=1e-6)


def test_weights_and_sigmas_stay_with_their_rows():
    sigma = np.linspace(0.05, 0.3, 25)
    weight = np.linspace(2.0, 0.5, 25)
    fit = descend.fit(decay, X, Y, start=dict(a=1, k=1), sigma=sigma, sample_weight=weight)
    found = fit.bootstrap(2, kind="case", seed=5)
    counts = np.bincount(np.random.default_rng([5, 0]).integers(0, 25, 25), minlength=25)
    again = descend.fit(decay, X, Y, start=fit, sigma=sigma, sample_weight=weight * counts)
    assert found.draws[0] == pytest.approx([again.params["a"], again.params["k"]], rel=1e-6)
    drawn = fit.bootstrap(1, kind="parametric", seed=5).draws[0]
    unit = np.sqrt(fit.reduced_chi2) * sigma / np.sqrt(weight)
    y = fit.fitted + unit * np.random.default_rng([5, 0]).standard_normal(25)
    again = descend.fit(decay, X, y, start=fit, sigma=sigma, sample_weight=weight)
    assert drawn == pytest.approx([again.params["a"], again.params["k"]], rel=1e-6)


def test_the_same_seed_draws_the_same(fit):
    few, many = fit.bootstrap(5, seed=4), fit.bootstrap(300, seed=4)
    assert few.draws.tolist() == many.draws[:5].tolist()
    assert fit.bootstrap(5, seed=5).draws[0, 0] != few.draws[0, 0]


def test_a_loss_that_is_no_square_draws_from_its_own_law():
    x = np.arange(30.0)
    y = np.random.default_rng(4).poisson(20 * np.exp(-0.1 * x)).astype(float)
    fit = descend.fit(decay, x, y, start=dict(a=10, k=0.1), loss="poisson")
    found = fit.bootstrap(1, kind="parametric", seed=2)
    rate = fit.predict(x)
    drawn = np.random.default_rng([2, 0]).poisson(rate).astype(float)
    again = descend.fit(decay, x, drawn, start=fit, loss="poisson")
    assert found.draws[0] == pytest.approx([again.params["a"], again.params["k"]], rel=1e-5)
    with pytest.raises(UsageError, match="has no residuals that could be drawn anew"):
        fit.bootstrap()


def test_a_robust_loss_draws_whole_rows():
    robust = descend.fit(decay, X, Y, start=dict(a=1, k=1), loss="log_cosh")
    with pytest.raises(UsageError, match="stands for no distribution"):
        robust.bootstrap(kind="parametric")
    assert robust.bootstrap(20, kind="case").failed == 0


def test_what_is_said(fit):
    report = str(fit.bootstrap(50))
    assert report.splitlines()[0] == "Bootstrap of 50 fits (residual)"
    assert "low and high: the BCa interval of 0.95. Seed 0." in report
    told = str(fit.bootstrap(50).intervals(0.9))
    assert told.startswith("Intervals of 0.9 by the BCa bootstrap (residual, 50 fits)")
