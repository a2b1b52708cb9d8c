"""Whole fits judged twice: by `descend`, and by plain NumPy and SciPy from the definitions."""

import numpy as np
import pytest
from scipy import optimize, stats

import descend

RNG = np.random.default_rng(3)
X = np.linspace(0, 3, 30)
SIGMA = np.linspace(0.05, 0.4, 30)
NOISY = 2 * np.exp(-X) + SIGMA * RNG.standard_normal(30)
TIMES = np.array([1.0, 2, 3, 4, 5, 6])


def line(x, a, b):
    return a * x + b


def decay(x, a, k):
    return a * np.exp(-k * x)


def growth(x, a, k):
    return a * (1 - np.exp(-k * x))


def two_rates(x, a, b, c, k, m):
    return a + b * np.exp(-x * k) + c * np.exp(-x * m)


PLACES = np.linspace(0, 320, 33)
TWO = two_rates(PLACES, 0.38, 1.94, -1.46, 0.0129, 0.0221) + 0.003 * RNG.standard_normal(33)
CASES = {
    "line": (line, X, 2 * X + 1 + 0.3 * RNG.standard_normal(30), dict(a=1.0, b=0.5), {}),
    "two degrees of freedom": (
        growth, TIMES[:4], np.array([8.3, 10.3, 19.0, 16.0]), dict(a=20.0, k=0.5), {},
    ),
    "two rates": (
        two_rates, PLACES, TWO, dict(a=0.38, b=1.9, c=-1.4, k=0.013, m=0.022), {},
    ),
    "known sigmas": (
        decay, X, NOISY, dict(a=1.0, k=1.0), {"sigma": SIGMA, "absolute_sigma": True},
    ),
    "relative sigmas": (decay, X, NOISY, dict(a=1.0, k=1.0), {"sigma": SIGMA}),
    "weights": (
        decay, X, NOISY, dict(a=1.0, k=1.0),
        {"sample_weight": RNG.integers(1, 5, 30).astype(float)},
    ),
}  # fmt: skip


class ByHand:
    """A fit with everything that its definitions say of it."""

    def __init__(self, model, x, y, start, sigma=None, absolute_sigma=False, sample_weight=None):
        root = np.ones(y.size) if sigma is None else 1 / sigma
        root = root if sample_weight is None else root * np.sqrt(sample_weight)
        self.residual = lambda p: root * (y - model(x, *p))
        self.model, self.x = model, x
        self.p = self._lowest(self.residual, np.array(list(start.values())))
        self.r, self.n, self.k = self.residual(self.p), y.size, self.p.size
        self.chi2 = self.r @ self.r
        self.s2 = 1.0 if absolute_sigma else self.chi2 / (self.n - self.k)
        self.dof = np.inf if absolute_sigma else self.n - self.k
        self.slopes = root[:, None] * self.complex_step(x)
        self.covariance = np.linalg.inv(self.slopes.T @ self.slopes) * self.s2
        self.stderr = np.sqrt(np.diag(self.covariance))
        self.hat = np.einsum("ij,jk,ik->i", self.slopes, self.covariance / self.s2, self.slopes)

    @staticmethod
    def _lowest(residual, start):
        tight = dict(xtol=1e-15, ftol=1e-15, gtol=1e-15, x_scale=np.abs(start) + 1e-9)
        return optimize.least_squares(residual, start, method="lm", **tight).x

    def complex_step(self, x):
        steps = 1e-30j * np.eye(self.k)
        return np.stack([self.model(x, *(self.p + s)).imag / 1e-30 for s in steps], 1)

    def rise(self, held, values):
        """(S - lowest)/s² with some parameters held, the others minimised anew."""
        free = np.setdiff1d(np.arange(self.k), held)
        p = self.p.copy()
        p[held] = values

        def residual(others):
            q = p.copy()
            q[free] = others
            return self.residual(q)

        left = residual(self._lowest(residual, p[free]) if free.size else p[free])
        return (left @ left - self.chi2) / self.s2


@pytest.fixture(scope="module", params=list(CASES))
def pair(request):
    model, x, y, start, options = CASES[request.param]
    return descend.fit(model, x, y, start=start, **options), ByHand(model, x, y, start, **options)


def test_errors_and_criteria(pair):
    fit, own = pair
    n, k = own.n, own.k
    assert list(fit.params.values()) == pytest.approx(own.p, rel=1e-6)
    assert fit.covariance == pytest.approx(own.covariance, rel=1e-5)
    aic = n * np.log(own.chi2 / n) + 2 * k
    small = 2 * k * (k + 1) / (n - k - 1)
    assert (fit.chi2, fit.reduced_chi2) == pytest.approx((own.chi2, own.chi2 / (n - k)))
    assert (fit.aic, fit.aicc) == pytest.approx((aic, aic + small))
    assert fit.bic == pytest.approx(aic + k * (np.log(n) - 2))


def test_profiles_and_regions(pair):
    fit, own = pair
    names = list(fit.params)
    goal = stats.norm.ppf(0.975) if np.isinf(own.dof) else stats.t.ppf(0.975, own.dof)
    for j, (low, high) in enumerate(fit.confidence(kind="profile").values()):
        for end in (low, high):
            if np.isfinite(end):
                assert own.rise([j], [end]) == pytest.approx(goal**2, rel=1e-4)
    regions = fit.contour(names[0], names[1], 0.9, points=9)
    level = stats.chi2.ppf(0.9, 2) if np.isinf(own.dof) else 2 * stats.f.ppf(0.9, 2, own.dof)
    assert regions.thresholds == pytest.approx([level])
    for i, j in ((2, 4), (4, 6), (5, 5)):
        rise = own.rise([0, 1], [regions.x[i], regions.y[j]])
        assert regions.rises[j, i] == pytest.approx(rise, rel=1e-3, abs=1e-6)


def test_bands(pair):
    fit, own = pair
    at = np.linspace(own.x[0], own.x[-1], 5)
    slopes = own.complex_step(at)
    variance = np.einsum("ij,jk,ik->i", slopes, own.covariance, slopes)
    curve = own.model(at, *own.p)
    known = np.isinf(own.dof)
    t = stats.norm.ppf(0.95) if known else stats.t.ppf(0.95, own.dof)
    assert fit.confidence_band(at, 0.9).high == pytest.approx(curve + t * np.sqrt(variance))
    k = own.k
    scheffe = np.sqrt(stats.chi2.ppf(0.9, k) if known else k * stats.f.ppf(0.9, k, own.dof))
    whole = fit.confidence_band(at, 0.9, simultaneous=True)
    assert whole.low == pytest.approx(curve - scheffe * np.sqrt(variance), abs=1e-6)
    if not fit.sigma_given:
        new = fit.prediction_band(at, 0.9)
        assert new.low == pytest.approx(curve - t * np.sqrt(variance + own.s2), abs=1e-6)


def test_rows(pair):
    fit, own = pair
    found, h, k = fit.diagnostics(), own.hat, own.k
    standardized = own.r / np.sqrt(own.s2 * (1 - h))
    assert found.leverage == pytest.approx(h, rel=1e-4)
    assert found.standardized == pytest.approx(standardized, rel=1e-4, abs=1e-5)
    assert found.cooks == pytest.approx(standardized**2 * h / (1 - h) / k, rel=1e-3, abs=1e-8)
    others = (own.chi2 - own.r**2 / (1 - h)) / (own.n - k - 1)
    by_others = standardized if np.isinf(own.dof) else own.r / np.sqrt(others * (1 - h))
    assert found.studentized == pytest.approx(by_others, rel=1e-3, abs=1e-5)


def test_what_a_bound_holds_follows_no_row():
    """On a bound, a row's weight is as if the parameter were fixed there."""

    def above(x, a, k, c):
        return a * np.exp(-k * x) + c

    y = above(X, 2, 1, -0.05) + 0.1 * np.random.default_rng(1).standard_normal(30)
    bounded = descend.fit(above, X, y, start=dict(a=1, k=1, c=0.1), bounds={"c": (0, None)})
    fixed = descend.fit(above, X, y, start=dict(a=1, k=1), fixed={"c": 0.0})
    assert bounded.params["c"] == 0
    found, other = bounded.diagnostics(), fixed.diagnostics()
    assert found.leverage == pytest.approx(other.leverage, rel=1e-5)
    # One degree of freedom less, as in the standard errors.
    assert found.cooks == pytest.approx(other.cooks * 27 / 28, rel=1e-4, abs=1e-9)
    told = str(bounded.confidence())
    assert 'c lies on its bound: ask for its interval with kind="profile".' in told


def test_far_rows_of_known_sigmas_are_judged_by_the_normal_distribution():
    """Of 8 rows the limit is 2.73 standard errors; Student's t of 5 degrees would say 4.38."""
    x = np.arange(8.0)
    y = 2 * x + np.array([0.2, -0.3, 0.1, 3.6, -0.4, 0.2, -0.1, 0.3])
    fit = descend.fit(line, x, y, start=dict(a=1, b=0), sigma=np.ones(8), absolute_sigma=True)
    limit = stats.norm.ppf(1 - 0.025 / 8)
    told = [text for text in fit.diagnostics().findings if text.startswith("Far from the fit")]
    assert len(told) == 1 and f"beyond {limit:.2f}" in told[0] and "row 3" in told[0]


def test_counts_are_of_known_scale_and_robust_losses_are_not():
    """By simulation, z covers a rate of 20 counts, and t of n - p a robust line of 20 rows."""
    x = np.linspace(0, 1, 20)
    counts = np.random.default_rng(1).poisson(2 * x + 6).astype(float)
    fit = descend.fit(line, x, counts, start=dict(a=1, b=6), loss="poisson")
    found = fit.confidence()
    assert found.kind == "the normal distribution"
    reach = stats.norm.ppf(0.975) * fit.stderr["a"]
    assert found["a"] == pytest.approx((fit.params["a"] - reach, fit.params["a"] + reach))
    robust = descend.fit(line, x, counts, start=dict(a=1, b=6), loss="huber")
    reach = stats.t.ppf(0.975, 18) * robust.stderr["a"]
    found = robust.confidence()
    assert found.kind == "Student's t"
    assert found["a"] == pytest.approx((robust.params["a"] - reach, robust.params["a"] + reach))
    middle = np.array([0.5])
    slopes = np.array([0.5, 1.0])
    error = np.sqrt(slopes @ robust.covariance @ slopes)
    band = robust.confidence_band(middle)
    assert band.high - band.fitted == pytest.approx([stats.t.ppf(0.975, 18) * error])


def test_what_is_not_determined_has_no_bootstrap():
    """Refits leave a and b where they start along a·b: their scatter would say nothing."""
    y = 2 * np.exp(-X) + 0.1 * RNG.standard_normal(30)
    fit = descend.fit(lambda x, a, b, k: a * b * np.exp(-k * x), X, y, start=dict(a=1, b=2, k=1))
    found = fit.bootstrap(300, seed=1)
    assert np.isnan(found.draws[:, :2]).all() and not np.isnan(found.draws[:, 2]).any()
    intervals = found.intervals()
    assert np.isnan(intervals["a"]).all() and intervals["k"][0] < 1 < intervals["k"][1]
    told = " ".join(str(found).split())
    assert "The data determine a·b, but not a and b apart" in told and "too few" not in told
    assert str(fit.contour("a", "k", points=5)).count("may go on without end") == 1


def test_a_loaded_robust_fit_keeps_its_degrees_of_freedom(tmp_path):
    y = 2 * X + np.random.default_rng(2).standard_t(3, 30)
    fit = descend.fit("y = a*x + b", {"x": X, "y": y}, start=dict(a=1, b=0), loss="huber")
    assert fit.dof == 28
    fit.save(tmp_path / "robust.descend")
    loaded = descend.load(tmp_path / "robust.descend").confidence()
    assert loaded["a"] == fit.confidence()["a"] and loaded.kind == "Student's t"


@pytest.mark.parametrize("loss", ["huber", "cauchy", "soft_l1", "log_cosh"])
def test_columns_of_a_target_are_fits_of_their_own(loss) -> None:
    """Columns that share no parameter: each is found, and known, as well as by itself."""
    x = np.linspace(0.0, 4.0, 41)
    y = np.stack([2 * x + np.cos(9 * x), 1 - 3 * x + 0.2 * np.sin(7 * x)], axis=1)

    def lines(x, a, b):
        return x[:, None] * a + b

    start = {"a": np.ones(2), "b": np.zeros(2)}
    both = descend.fit(lines, x, y, start=start, loss=loss)
    each = [
        descend.fit(lambda x, a, b: a * x + b, x, column, start={"a": 1, "b": 0}, loss=loss)
        for column in y.T
    ]
    for name in ("a", "b"):
        np.testing.assert_allclose(both.params[name], [f.params[name] for f in each], rtol=1e-5)
        np.testing.assert_allclose(both.stderr[name], [f.stderr[name] for f in each], rtol=1e-3)
    assert "Parameters" in both.report()
