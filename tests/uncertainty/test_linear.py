"""A straight line has exact formulas for everything: nothing here is taken from descend."""

import numpy as np
import pytest
from scipy import stats

import descend
from descend.errors import UsageError

N = 12
X = np.linspace(-1.0, 3.0, N) ** 2 / 3
Y = 1.5 * X - 0.7 + np.random.default_rng(5).normal(0, 0.3, N)
J = np.stack([X, np.ones(N)], axis=1)
INVERSE = np.linalg.inv(J.T @ J)
BEST = INVERSE @ J.T @ Y
RESIDUAL = Y - J @ BEST
DOF = N - 2
VARIANCE = RESIDUAL @ RESIDUAL / DOF
STDERR = np.sqrt(VARIANCE * np.diag(INVERSE))
T = stats.t.ppf(0.975, DOF)
HAT = J @ INVERSE @ J.T


def line(x, a, b):
    return a * x + b


@pytest.fixture(scope="module")
def fit():
    return descend.fit(line, X, Y, start=dict(a=1, b=0))


def test_t_intervals(fit):
    found = fit.confidence(0.95)
    assert list(found) == ["a", "b"]
    for name, best, error in zip("ab", BEST, STDERR, strict=True):
        assert found[name] == pytest.approx((best - T * error, best + T * error), rel=1e-9)
    assert "Intervals of 0.95 by Student's t" in str(found)


def test_absolute_sigmas_make_normal_intervals():
    sigma = np.linspace(0.2, 0.5, N)
    fit = descend.fit(line, X, Y, start=dict(a=1, b=0), sigma=sigma, absolute_sigma=True)
    errors = np.sqrt(np.diag(np.linalg.inv((J / sigma[:, None] ** 2).T @ J)))
    low, high = fit.confidence(0.99)["a"]
    assert (high - low) / 2 == pytest.approx(stats.norm.ppf(0.995) * errors[0], rel=1e-9)
    assert fit.profile("a", 0.99).high == pytest.approx(high, rel=1e-6)


def test_profiles_of_a_line_are_its_t_intervals(fit):
    """S is a parabola then, so that both must agree."""
    for name, interval in fit.confidence(0.9, kind="profile").items():
        assert interval == pytest.approx(fit.confidence(0.9)[name], rel=1e-6)
    found = fit.profile("a", 0.9)
    assert found.rises == pytest.approx(((found.values - BEST[0]) / STDERR[0]) ** 2, abs=1e-8)
    assert [side.reason for side in found.sides] == ["reached", "reached"]


def test_regions_of_a_line_are_ellipses(fit):
    found = fit.contour("a", "b", levels=0.95, points=15)
    a, b = np.meshgrid(found.x, found.y)
    away = np.stack([a - BEST[0], b - BEST[1]], axis=-1)
    expected = np.einsum("...i,ij,...j", away, J.T @ J, away) / VARIANCE
    assert found.rises == pytest.approx(expected, abs=1e-6)
    assert found.thresholds == pytest.approx([2 * stats.f.ppf(0.95, 2, DOF)])
    assert not found.cut


def test_bands(fit):
    x = np.array([-2.0, 0.0, 5.0])
    rows = np.stack([x, np.ones(3)], axis=1)
    error = np.sqrt(VARIANCE * np.einsum("ni,ij,nj->n", rows, INVERSE, rows))
    band = fit.confidence_band(x)
    assert band.fitted == pytest.approx(rows @ BEST, rel=1e-9)
    assert band.high - band.fitted == pytest.approx(T * error, rel=1e-9)
    wide = fit.confidence_band(x, simultaneous=True)
    scheffe = np.sqrt(2 * stats.f.ppf(0.95, 2, DOF))
    assert wide.fitted - wide.low == pytest.approx(scheffe * error, rel=1e-9)
    new = fit.prediction_band(x, 0.9)
    reach = stats.t.ppf(0.95, DOF) * np.sqrt(error**2 + VARIANCE)
    assert new.high - new.fitted == pytest.approx(reach, rel=1e-9)
    together = fit.prediction_band(x, 0.9, simultaneous=True)
    bonferroni = stats.t.ppf(1 - 0.05 / 3, DOF) * np.sqrt(error**2 + VARIANCE)
    assert together.high - together.fitted == pytest.approx(bonferroni, rel=1e-9)


def test_prediction_bands_take_the_sigmas_of_new_rows():
    sigma = np.linspace(0.2, 0.5, N)
    fit = descend.fit(line, X, Y, start=dict(a=1, b=0), sigma=sigma)
    found = fit.prediction_band(np.array([1.0, 2.0]), sigma=np.array([0.1, 0.4]))
    error = fit.confidence_band(np.array([1.0, 2.0])).stderr
    noise = fit.reduced_chi2 * np.array([0.1, 0.4]) ** 2
    assert found.stderr == pytest.approx(np.sqrt(error**2 + noise), rel=1e-12)
    with pytest.raises(UsageError, match="the fit had a sigma for each row"):
        fit.prediction_band(np.array([1.0]))


def test_rows_are_weighed_by_the_hat_matrix(fit):
    found = fit.diagnostics()
    leverage = np.diag(HAT)
    assert found.leverage == pytest.approx(leverage, rel=1e-9)
    inner = RESIDUAL / np.sqrt(VARIANCE * (1 - leverage))
    assert found.standardized == pytest.approx(inner, rel=1e-9)
    assert found.cooks == pytest.approx(inner**2 * leverage / (1 - leverage) / 2, rel=1e-9)
    for row in range(N):
        rest = np.delete(np.arange(N), row)
        best = np.linalg.lstsq(J[rest], Y[rest], rcond=None)[0]
        left = Y[rest] - J[rest] @ best
        spread = left @ left / (N - 3)
        expected = RESIDUAL[row] / np.sqrt(spread * (1 - leverage[row]))
        assert found.studentized[row] == pytest.approx(expected, rel=1e-8)


def test_functions_of_parameters(fit):
    slope = np.array([1 / BEST[1], -BEST[0] / BEST[1] ** 2])
    error = np.sqrt(slope @ INVERSE @ slope * VARIANCE)
    for made in ("a/b", lambda p: p["a"] / p["b"], lambda b, a: a / b):
        found = fit.propagate(made)
        assert found.value == pytest.approx(BEST[0] / BEST[1], rel=1e-9)
        assert found.stderr == pytest.approx(error, rel=1e-8)
    assert found.high - found.value == pytest.approx(T * error, rel=1e-8)
    both = fit.propagate(lambda p: np.stack([p["a"] + p["b"], 2 * p["a"]]))
    mixed = np.array([[1.0, 1.0], [2.0, 0.0]])
    assert both.covariance == pytest.approx(mixed @ INVERSE @ mixed.T * VARIANCE, rel=1e-9)


def test_a_loaded_fit_keeps_what_needs_no_data(fit, tmp_path):
    fit.save(tmp_path / "line.descend")
    loaded = descend.load(tmp_path / "line.descend")
    assert loaded.confidence()["a"] == fit.confidence()["a"]
    x = np.array([0.5])
    assert loaded.prediction_band(x).low == fit.prediction_band(x).low
    assert loaded.propagate("a*b").stderr == fit.propagate("a*b").stderr
    with pytest.raises(UsageError, match="needs the data, and a loaded fit has none"):
        loaded.profile("a")


def test_standardized_fits_speak_of_the_data_in_their_own_units(fit):
    other = descend.fit(line, X, Y, start=dict(a=1, b=0), standardize=True)
    x = np.array([0.0, 4.0])
    mine, theirs = fit.prediction_band(x), other.prediction_band(x)
    assert theirs.low == pytest.approx(mine.low, rel=1e-7)
    assert theirs.high == pytest.approx(mine.high, rel=1e-7)
    found = other.diagnostics()
    assert found.studentized == pytest.approx(fit.diagnostics().studentized, rel=1e-6)


def test_bands_are_drawn_where_they_are_asked_for(fit):
    def filled(figure):
        return {str(c.get_label()): c for c in figure.axes[0].collections if c.get_label()}

    assert not any("confidence" in label for label in filled(fit.plot()))
    drawn = filled(fit.plot(bands=0.9))
    ends = fit.confidence_band(np.linspace(X.min(), X.max(), 600), 0.9)
    assert "prediction 0.9" in drawn
    sigma = np.linspace(0.2, 0.5, N)
    weighed = descend.fit(line, X, Y, start=dict(a=1, b=0), sigma=sigma)
    counted = descend.fit(line, X, np.arange(N) % 3 + 1.0, start=dict(a=0, b=1), loss="poisson")
    for alone in (weighed, counted):
        assert [k for k in filled(alone.plot(bands=True)) if "0.95" in k] == ["confidence 0.95"]
    vertices = drawn["confidence 0.9"].get_paths()[0].vertices
    assert vertices[:, 1].min() == pytest.approx(ends.low.min())
    assert vertices[:, 1].max() == pytest.approx(ends.high.max())
    many = descend.fit(lambda x, z, a: a * x + z, {"x": X, "z": X}, Y, start=dict(a=1))
    with pytest.raises(UsageError, match="bands are drawn over one input"):
        many.plot(bands=True)
