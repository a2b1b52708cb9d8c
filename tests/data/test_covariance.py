"""A covariance matrix of the target: whitening, and what is refused."""

import numpy as np
import pytest

import descend
from descend.data.covariance import whitening

X = np.linspace(0.0, 4.0, 40)
RNG = np.random.default_rng(1)
SPREAD = 0.04 * np.exp(-np.abs(X[:, None] - X) / 0.5) + 0.01 * np.eye(40)
NOISE = np.linalg.cholesky(SPREAD) @ RNG.normal(size=40)


def decay(x, a, k, c):
    return a * np.exp(-k * x) + c


Y = decay(X, 2.0, 1.3, 0.5) + NOISE


def test_whitening_makes_the_covariance_one():
    w = whitening(SPREAD, 40)
    np.testing.assert_allclose(w @ SPREAD @ w.T, np.eye(40), atol=1e-12)
    assert np.array_equal(w, np.tril(w))


@pytest.mark.parametrize("absolute", [False, True])
@pytest.mark.parametrize("engine", ["native", "interpreted"])
def test_against_curve_fit(absolute, engine):
    from scipy.optimize import curve_fit

    fit = descend.fit(
        decay, X, Y, sigma=SPREAD, absolute_sigma=absolute, start=dict(a=1, k=1, c=0), engine=engine
    )
    best, covariance = curve_fit(
        decay, X, Y, [1, 1, 0], SPREAD, absolute_sigma=absolute, xtol=1e-14, ftol=1e-14
    )
    np.testing.assert_allclose(list(fit.params.values()), best, rtol=1e-6)
    np.testing.assert_allclose(fit.covariance, covariance, rtol=1e-5)
    which = "absolute: in the target's unit" if absolute else "relative: errors are scaled"
    assert f"sigma       a covariance matrix, {which}" in " ".join(fit.report().split("\n"))


def test_generalised_least_squares_of_a_straight_line():
    """Aitken's estimator, and R² against the best constant."""
    design = np.stack([np.ones(40), X], 1)
    inverse = np.linalg.inv(SPREAD)
    covariance = np.linalg.inv(design.T @ inverse @ design)
    best = covariance @ design.T @ inverse @ Y
    fit = descend.fit(lambda x, a, b: a + b * x, X, Y, sigma=SPREAD, absolute_sigma=True)
    np.testing.assert_allclose(list(fit.params.values()), best, rtol=1e-9)
    np.testing.assert_allclose(fit.covariance, covariance, rtol=1e-9)
    r = Y - design @ best
    assert fit.chi2 == pytest.approx(r @ inverse @ r, rel=1e-10)
    mean = (inverse.sum(axis=0) @ Y) / inverse.sum()
    assert fit.r2 == pytest.approx(1 - fit.chi2 / ((Y - mean) @ inverse @ (Y - mean)), rel=1e-9)


def test_a_diagonal_matrix_is_sigma_squared_with_every_optimizer_and_loss():
    sigma = np.linspace(0.1, 0.3, 40)
    for options in ({}, {"loss": "cauchy"}, {"optimizer": "bfgs"}, {"loss": "mae"}):
        start = dict(a=2.0, k=1.3, c=0.5)
        plain = descend.fit(decay, X, Y, sigma=sigma, start=start, **options)
        matrix = descend.fit(decay, X, Y, sigma=np.diag(sigma**2), start=start, **options)
        assert matrix.loss == pytest.approx(plain.loss, rel=1e-6)
        if "loss" not in options:
            values = list(matrix.params.values())
            np.testing.assert_allclose(values, list(plain.params.values()), rtol=1e-6)
            assert matrix.r2 == pytest.approx(plain.r2, rel=1e-9)


def test_predicts_any_number_of_rows_and_after_loading(tmp_path):
    fit = descend.fit(decay, X, Y, sigma=SPREAD)
    new = np.array([0.5, 1.5, 9.0])
    np.testing.assert_allclose(fit.predict(new), decay(new, **fit.params), rtol=1e-14)
    fit.save(tmp_path / "m.descend")
    assert np.array_equal(descend.load(tmp_path / "m.descend").predict(new), fit.predict(new))


def test_missing_rows_leave_the_matrix_too():
    y, kept = Y.copy(), np.arange(40) != 3
    y[3] = np.nan
    dropped = descend.fit(decay, X, y, sigma=SPREAD, missing="drop")
    without = descend.fit(decay, X[kept], Y[kept], sigma=SPREAD[np.ix_(kept, kept)])
    assert dropped.params == without.params and dropped.n_dropped == 1


def test_a_bootstrap_draws_correlated_residuals():
    """Its scatter is that of the linear theory, within what 400 draws can tell."""
    fit = descend.fit(lambda x, a, b: a + b * x, X, 1 + 0.5 * X + NOISE, sigma=SPREAD)
    for kind in ("residual", "parametric"):
        told = fit.bootstrap(n=400, kind=kind).stderr
        for name, error in fit.stderr.items():
            assert told[name] == pytest.approx(error, rel=5 / np.sqrt(2 * 400))
    with pytest.raises(descend.UsageError, match="rows cannot be drawn by themselves"):
        fit.bootstrap(n=10, kind="case")


UNEVEN, WRONG, LOST = SPREAD.copy(), SPREAD.copy(), SPREAD.copy()
UNEVEN[0, 1] += 1e-3
WRONG[2, 2] = -1.0
LOST[1, 2] = np.nan
REFUSED = {
    "uneven": (dict(sigma=UNEVEN), "not symmetric: row 0, column 1 has 0.0335817, and row 1"),
    "singular": (dict(sigma=np.ones((40, 40))), "not positive definite"),
    "negative": (dict(sigma=WRONG), "variance in row 2 is -1"),
    "nan": (dict(sigma=LOST), "sigma is nan in row 1, column 2"),
    "shape": (dict(sigma=SPREAD[:5]), r"sigma has the shape \(5, 40\), and y has the shape"),
    "batches": (dict(sigma=SPREAD, optimizer="adam", batch_size=10), "sigma is a covariance mat"),
    "held": (dict(sigma=SPREAD, validation_split=0.2), "rows cannot be held back"),
    "weights": (dict(sigma=SPREAD, sample_weight=X + 1), "sample_weight has no meaning beside"),
    "standardize": (dict(sigma=SPREAD, standardize=True), "standardize has no meaning beside"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refusals(name):
    options, words = REFUSED[name]
    with pytest.raises((descend.UsageError, descend.DataError), match=words):
        descend.fit(decay, X, Y, **options)
