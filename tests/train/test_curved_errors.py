"""Standard errors where the loss is no sum of squares, against formulas written out here."""

import numpy as np
import pytest
from scipy import stats

import descend

RNG = np.random.default_rng(8)
X = np.linspace(0.0, 5.0, 80)
COUNTS = RNG.poisson(np.exp(1.0 + 0.4 * X)).astype(float)
DESIGN = np.stack([np.ones(80), X], 1)
Y = 1.0 + 0.5 * X + 0.1 * RNG.standard_t(2, 80)


def line(x, a, b):
    return a + b * x


def by_scoring(weight):
    """Fisher scoring of the Poisson regression with a logarithmic link, to the last digit."""
    beta = np.array([1.0, 0.3])
    for _ in range(60):
        rate = np.exp(DESIGN @ beta)
        information = DESIGN.T @ ((weight * rate)[:, None] * DESIGN)
        beta = beta + np.linalg.solve(information, DESIGN.T @ (weight * (COUNTS - rate)))
    return beta, np.linalg.inv(information)


@pytest.mark.parametrize("weight", [None, np.linspace(0.5, 2.0, 80)])
def test_counts_with_a_logarithmic_link(weight):
    beta, covariance = by_scoring(np.ones(80) if weight is None else weight)
    fit = descend.fit(line, X, COUNTS, loss="poisson_log_rate", sample_weight=weight)
    np.testing.assert_allclose(list(fit.params.values()), beta, rtol=1e-9)
    np.testing.assert_allclose(fit.covariance, covariance, rtol=1e-7)
    assert "Fisher's information" in fit.report()


def test_counts_with_a_rate_and_what_is_said_of_them():
    fit = descend.fit(lambda x, a, b: np.exp(a + b * x), X, COUNTS, loss="poisson")
    beta, covariance = by_scoring(np.ones(80))
    np.testing.assert_allclose(list(fit.params.values()), beta, rtol=1e-8)
    np.testing.assert_allclose(fit.covariance, covariance, rtol=1e-6)
    rate = np.exp(DESIGN @ beta)
    log_likelihood = stats.poisson.logpmf(COUNTS, rate).sum()
    saturated = stats.poisson.logpmf(COUNTS, COUNTS).sum()
    assert fit.deviance == pytest.approx(2 * (saturated - log_likelihood), rel=1e-9)
    assert fit.chi2 == pytest.approx(np.sum((COUNTS - rate) ** 2 / rate), rel=1e-7)
    assert fit.aic == pytest.approx(4 - 2 * log_likelihood, rel=1e-9)
    assert fit.bic == pytest.approx(2 * np.log(80) - 2 * log_likelihood, rel=1e-9)
    assert (fit.dof, fit.reduced_chi2) == (78, pytest.approx(fit.chi2 / 78))
    np.testing.assert_allclose(fit.residuals, COUNTS - rate, atol=1e-6)
    assert "deviance" in fit.report() and "Pearson's" in fit.report()


def test_a_rate_below_zero_is_no_way_out():
    """Where counts are 0 a line would cross 0, and gain from it, if it were let."""
    counts = np.where(X > 3.5, 0.0, np.round(7 - 2 * X))
    with pytest.warns(descend.DescendWarning, match="stalled"):
        fit = descend.fit(line, X, counts, loss="poisson", start=dict(a=5.0, b=-0.5))
    rate = fit.params["a"] + fit.params["b"] * X
    assert rate.min() >= 0 and np.isfinite(fit.loss)


def test_errors_of_counts_are_those_of_repeated_counts():
    """The scatter of the estimate over 400 samples of the same rates (5 standard errors of it)."""
    rate = np.exp(1.0 + 0.4 * X)
    found = []
    for _ in range(400):
        sample = RNG.poisson(rate).astype(float)
        fit = descend.fit(line, X, sample, loss="poisson_log_rate", start=dict(a=1.0, b=0.4))
        found.append([fit.params["a"], fit.params["b"]])
    scatter = np.std(found, axis=0, ddof=1)
    told = list(descend.fit(line, X, COUNTS, loss="poisson_log_rate").stderr.values())
    np.testing.assert_allclose(scatter, told, rtol=5 / np.sqrt(2 * 400))


PSI = {  # the derivative of half the loss in r/s, and its derivative
    "cauchy": (lambda u: u / (1 + u**2), lambda u: (1 - u**2) / (1 + u**2) ** 2),
    "soft_l1": (lambda u: u / np.sqrt(1 + u**2), lambda u: (1 + u**2) ** -1.5),
    "huber": (lambda u: np.clip(u, -1, 1), lambda u: (np.abs(u) < 1) * 1.0),
}


@pytest.mark.parametrize("sigma", [None, np.linspace(0.5, 2.0, 80)])
@pytest.mark.parametrize("name", PSI)
def test_the_sandwich_of_a_straight_line(name, sigma):
    scale = 0.2
    fit = descend.fit(line, X, Y, loss=f"{name}({scale})", sigma=sigma)
    spread = np.ones(80) if sigma is None else sigma
    psi, slope = PSI[name]
    u = (DESIGN @ list(fit.params.values()) - Y) / spread / scale
    design = DESIGN / spread[:, None]
    bread = np.linalg.inv(design.T @ (slope(u)[:, None] * design))
    meat = design.T @ ((scale * psi(u))[:, None] ** 2 * design)
    np.testing.assert_allclose(fit.covariance, bread @ meat @ bread * 80 / 78, rtol=1e-6)
    assert "sandwich" in fit.report()
    assert ("sigma       by which residuals are divided" in fit.report()) == (sigma is not None)


@pytest.mark.filterwarnings("ignore:not converged after 2 iterations")
def test_none_where_there_is_no_minimum():
    fit = descend.fit(line, X, Y, loss="cauchy", start=dict(a=9.0, b=9.0), optimizer="lm", epochs=2)
    assert not fit.has_errors and "had not arrived" in fit.report()
    fit = descend.fit(lambda x, a, b: a + 0 * b * x, X, Y, loss="huber", start=dict(a=1.0, b=1.0))
    assert "the prediction does not depend on b" in fit.report()
    fit = descend.fit(line, X[:2], Y[:2], loss="huber")
    assert "2 values leave no degree of freedom for 2 parameters" in fit.report()
    fit = descend.fit(line, X, Y, loss="mae", start=dict(a=1.0, b=0.5))
    assert "the loss mae has kinks, and so no second derivatives" in fit.report()


def test_a_prediction_band_supposes_normal_scatter():
    fit = descend.fit(line, X, COUNTS, loss="poisson_log_rate")
    with pytest.raises(descend.UsageError, match="supposes that data scatter normally"):
        fit.prediction_band(X[:3])
    assert np.all(fit.confidence_band(X[:3]).stderr > 0)


def test_sigma_is_told_as_relative_or_absolute():
    said = descend.fit(line, X, Y, sigma=np.full(80, 0.1)).report()
    assert "sigma       relative: errors are scaled as if reduced chi² were 1" in said
    said = descend.fit(line, X, Y, sigma=np.full(80, 0.1), absolute_sigma=True).report()
    assert "sigma       absolute: in the target's unit, and errors follow from it" in said
    with pytest.raises(descend.UsageError, match="absolute_sigma has no say with the loss cauchy"):
        descend.fit(line, X, Y, sigma=np.full(80, 0.1), absolute_sigma=True, loss="cauchy")


def test_parameters_that_are_fixed_tied_or_on_a_bound():
    plain = descend.fit(lambda x, b: 1.0 + b * x, X, Y, loss="cauchy(0.2)", start=dict(b=0.5))
    fixed = descend.fit(line, X, Y, loss="cauchy(0.2)", start=dict(b=0.5), fixed={"a": 1.0})
    assert fixed.stderr["b"] == pytest.approx(plain.stderr["b"], rel=1e-6)
    bound = dict(start=dict(a=0.2, b=0.5), bounds={"a": (0.0, 0.5)})
    fit = descend.fit(line, X, Y, loss="cauchy(0.2)", **bound)
    held = descend.fit(line, X, Y, loss="cauchy(0.2)", start=dict(b=0.5), fixed={"a": 0.5})
    assert fit.params["a"] == 0.5 and np.isnan(fit.stderr["a"])
    assert fit.stderr["b"] == pytest.approx(held.stderr["b"], rel=1e-6)
    tied = descend.fit(
        line, X, COUNTS, loss="poisson_log_rate", start=dict(b=0.4), ties={"a": "2.5*b"}
    )
    alone = descend.fit(
        lambda x, b: 2.5 * b + b * x, X, COUNTS, loss="poisson_log_rate", start=dict(b=0.4)
    )
    assert tied.stderr["b"] == pytest.approx(alone.stderr["b"], rel=1e-6)
    assert tied.stderr["a"] == pytest.approx(2.5 * alone.stderr["b"], rel=1e-6)


@pytest.mark.parametrize("loss", ["poisson_log_rate", "huber(0.2)"])
def test_what_rows_do_not_determine_is_named_and_the_other_errors_are_given(loss):
    """They are those of the model with one number in the place of two."""
    y = COUNTS if loss.startswith("poisson") else Y
    plain = descend.fit(line, X, y, loss=loss)
    fit = descend.fit(
        lambda x, a, b, c, d: a + c + b * x + 0 * d, X, y, loss=loss,
        start=dict(a=0.5, b=0.3, c=0.4, d=1.0), starts=1,
    )  # fmt: skip
    assert fit.params["b"] == pytest.approx(plain.params["b"], rel=1e-6)
    assert fit.stderr["b"] == pytest.approx(plain.stderr["b"], rel=1e-6)
    assert np.isnan([fit.stderr[name] for name in "acd"]).all()
    assert "the prediction does not depend on d" in fit.errors_note
    assert "the data do not determine a, c" in fit.errors_note
    assert any(found.startswith("The data determine a + c") for found in fit.findings)
