"""Tests of residuals against their definitions; what is remarkable is said, and nothing else."""

import numpy as np
import pytest
from scipy import stats

import descend
from descend.errors import UsageError
from descend.trust.diagnostics import diagnose, ljung_box, runs_test

RNG = np.random.default_rng(11)


def line(x, a, b):
    return a * x + b


def fitted(noise, **options):
    x = np.linspace(0, 1, noise.size)
    return descend.fit(line, x, 2 * x + noise, start=dict(a=1, b=0), **options)


def p_values(diagnostics):
    return {test.name: test.p_value for test in diagnostics.tests}


def test_a_faithful_model_has_nothing_remarkable():
    found = fitted(RNG.normal(0, 0.1, 80)).diagnostics()
    assert found.findings == () and "Nothing remarkable." in str(found)
    assert set(p_values(found)) == {"Shapiro–Wilk", "Ljung–Box", "runs"}
    assert found.ordered_by == "x"


def test_ljung_box_by_its_definition():
    r = RNG.normal(size=40).cumsum()
    r = r - r.mean()
    correlations = [np.sum(r[k:] * r[: 40 - k]) / np.sum(r * r) for k in (1, 2, 3)]
    q = 40 * 42 * sum(c**2 / (40 - k) for k, c in enumerate(correlations, 1))
    found = ljung_box(r, lags=3)
    assert found.statistic == pytest.approx(q)
    assert found.p_value == pytest.approx(stats.chi2.sf(q, 3))


def test_the_share_of_false_alarms_is_that_of_the_test():
    """Pure noise fails a test of 5 % in 5 % of cases: here of 2000, within four deviations."""
    noise = np.random.default_rng(0).normal(size=(2000, 60))
    for test in (ljung_box, runs_test):
        alarms = np.mean([test(row).p_value < 0.05 for row in noise])
        assert abs(alarms - 0.05) < 4 * np.sqrt(0.05 * 0.95 / 2000)


def test_errors_that_lean_on_their_neighbours_are_told():
    x = np.linspace(0, 1, 60)
    found = descend.fit(line, x, np.sin(6 * x) + RNG.normal(0, 0.02, 60),
                        start=dict(a=1, b=0)).diagnostics()  # fmt: skip
    assert found.durbin_watson < 0.3
    assert any("Neighbouring residuals are alike" in text for text in found.findings)
    shuffled = RNG.permutation(60)
    again = descend.fit(line, x[shuffled], (np.sin(6 * x))[shuffled] , start=dict(a=1, b=0))
    assert any("Neighbouring" in text for text in again.diagnostics().findings)


def test_outliers_are_named_by_their_row():
    noise = RNG.normal(0, 0.1, 50)
    noise[17] = 1.5
    found = fitted(noise).diagnostics()
    assert any(text.startswith("Far from the fit") and "row 17" in text for text in found.findings)
    assert any("not normal (Shapiro–Wilk" in text for text in found.findings)
    assert int(np.argmax(np.abs(found.studentized))) == 17
    assert found.studentized[17] > 0


def test_a_row_that_decides_alone_is_named():
    x = np.append(np.zeros(20), 1.0)
    y = np.append(RNG.normal(0, 0.1, 20), 5.0)
    found = descend.fit(line, x, y, start=dict(a=1, b=0)).diagnostics()
    assert found.leverage[20] == pytest.approx(1.0)
    assert any("wherever they lie: row 20" in text for text in found.findings)


@pytest.mark.parametrize(("factor", "word"), [(0.3, "large"), (4.0, "small")])
def test_sigmas_that_cannot_be_are_told(factor, word):
    noise = RNG.normal(0, 0.1, 60)
    fit = fitted(noise, sigma=np.full(60, 0.1 * factor), absolute_sigma=True)
    found = fit.diagnostics()
    assert any(f"chi² is far too {word}" in text for text in found.findings)
    assert p_values(found)["chi²"] == pytest.approx(stats.chi2.sf(fit.chi2, 58))


def test_large_fits_are_tested_by_dagostino():
    rows = np.stack([np.ones(6000), RNG.normal(size=6000)], axis=1)
    found = diagnose(RNG.normal(size=6000), rows, 5998, False)
    assert "D'Agostino–Pearson" in p_values(found)


def test_only_sums_of_squares_have_residuals_to_judge():
    x = np.arange(10.0)
    fit = descend.fit(line, x, x + 2, start=dict(a=2, b=1), loss="poisson")
    with pytest.raises(UsageError, match="the loss is poisson"):
        fit.diagnostics()
