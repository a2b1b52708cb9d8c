"""Standard errors of likelihoods: by statsmodels' numbers, and whatever the entry."""

import warnings

import numpy as np
import pytest

import descend
from uncertainty.likelihoods import LIKELIHOODS, X, line

LOGIT = LIKELIHOODS["logit"]


def own_errors(name: str) -> np.ndarray:
    one = LIKELIHOODS[name]
    fit = descend.fit(
        one.model, X, one.target, loss=one.loss, likelihood=one.likelihood, start=one.start or None
    )
    assert fit.verdict == "minimum" and fit.arrived == "yes"
    assert "likelihood's curvature" in fit.report()
    scale = one.scale(fit.params)
    return np.concatenate([np.ravel(e * scale.get(n, 1.0)) for n, e in fit.stderr.items()])


@pytest.mark.parametrize("name", LIKELIHOODS)
def test_errors_are_those_of_statsmodels(name: str) -> None:
    np.testing.assert_allclose(own_errors(name), LIKELIHOODS[name].stderr, rtol=1e-5)


def minus_log(a, b):
    z = a + b * X
    return np.sum(np.logaddexp(0, z) - LOGIT.target * z)


def test_a_minimum_of_a_likelihood_has_a_covariance() -> None:
    zero = {"a": 0.0, "b": 0.0}
    for _ in range(2):
        found = descend.minimize(minus_log, start=zero, likelihood=True)
        np.testing.assert_allclose(list(found.stderr.values()), LOGIT.stderr, rtol=1e-5)
    np.testing.assert_allclose(np.sqrt(np.diag(found.covariance)), LOGIT.stderr, rtol=1e-5)
    assert "± error" in found.report()
    above = descend.maximize(lambda p: -minus_log(p[0], p[1]), start=[0.0, 0.0], likelihood=True)
    np.testing.assert_allclose(above.stderr, LOGIT.stderr, rtol=1e-5)
    plain = descend.minimize(minus_log, start=zero)
    assert plain.stderr is None and plain.covariance is None
    assert "± error" not in plain.report()


def test_what_is_fixed_tied_or_held_has_the_error_that_is_left() -> None:
    zero = {"a": 0.0, "b": 0.0}
    p = 1 / (1 + np.exp(-(0.2 + 1.0 * X)))
    known = descend.minimize(minus_log, start=zero, likelihood=True, fixed={"a": 0.2})
    p = 1 / (1 + np.exp(-(0.2 + known.params["b"] * X)))
    assert known.stderr["b"] == pytest.approx(np.sum(X**2 * p * (1 - p)) ** -0.5, rel=1e-9)
    assert np.isnan(known.stderr["a"])
    tied = descend.minimize(minus_log, start=zero, likelihood=True, ties={"b": "2*a"})
    assert tied.stderr["b"] == pytest.approx(2 * tied.stderr["a"], rel=1e-12)


def test_many_fits_have_the_same_errors() -> None:
    many = descend.fit_many(line, X, np.stack([LOGIT.target] * 3), loss="bce_with_logits")
    errors = np.stack([many.stderr["a"], many.stderr["b"]], 1)
    np.testing.assert_allclose(errors, [LOGIT.stderr] * 3, rtol=1e-5)


def test_weights_count_as_so_many_rows() -> None:
    weight = np.where(np.arange(X.size) % 2, 2.0, 1.0)
    rows = np.repeat(np.arange(X.size), weight.astype(int))
    weighted = descend.fit(line, X, LOGIT.target, loss="bce_with_logits", sample_weight=weight)
    plain = descend.fit(line, X[rows], LOGIT.target[rows], loss="bce_with_logits")
    np.testing.assert_allclose(
        list(weighted.stderr.values()), list(plain.stderr.values()), rtol=1e-9
    )


def test_a_gaussian_likelihood_of_mean_and_spread() -> None:
    y = 1.0 + 2.0 * X + 0.3 * np.cos(np.arange(X.size) * 2.1)
    fit = descend.fit(
        lambda x, a, b, s: (a + b * x, s + 0 * x), X, y, loss="gaussian_nll",
        start={"a": 0.0, "b": 0.0, "s": 0.0},
    )  # fmt: skip
    design = np.stack([np.ones_like(X), X], 1)
    variance = np.exp(fit.params["s"])
    plain = np.sqrt(np.diag(np.linalg.inv(design.T @ design)) * variance)
    told = [*plain, np.sqrt(2 / X.size)]
    np.testing.assert_allclose(list(fit.stderr.values()), told, rtol=1e-6)


def test_logits_that_are_only_known_up_to_a_constant_have_none() -> None:
    one = LIKELIHOODS["multinomial logit"]
    fit = descend.fit(
        lambda x, a, b: a + b * x[:, None], X, one.target, loss="cross_entropy",
        start={"a": np.zeros(3), "b": np.zeros(3)},
    )  # fmt: skip
    assert not fit.has_errors
    assert "the data do not determine a[0], a[1], a[2]" in fit.errors_note


def test_more_numbers_than_a_few_are_worked_out_together() -> None:
    columns = np.stack([np.cos(np.arange(X.size) * (k + 1) * 0.37) for k in range(40)], 1)
    y = (np.arange(X.size) * 0.618 % 1.0 < 0.5).astype(float)
    big, target = np.tile(columns, (4, 1)), np.concatenate([y, 1 - y, y, 1 - y])
    fit = descend.fit(
        lambda x, w: x @ w, big, target, loss="bce_with_logits", start={"w": np.zeros(40)}
    )
    p = 1 / (1 + np.exp(-big @ fit.params["w"]))
    told = np.sqrt(np.diag(np.linalg.inv((big.T * (p * (1 - p))) @ big)))
    np.testing.assert_allclose(fit.stderr["w"], told, rtol=1e-6)


def test_why_there_are_none() -> None:
    y = 1 + X + 0.1 * np.cos(np.arange(X.size))
    mae = descend.fit(line, X, y, loss="mae", start={"a": 1.0, "b": 1.0})
    assert mae.errors_note == (
        "the loss mae has kinks, and so no second derivatives to tell them by"
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", descend.DescendWarning)
        held = descend.fit(line, X, y, penalty="l2(0.1)", start={"a": 1.0, "b": 1.0})
    assert held.errors_note == (
        "the penalty moves the parameters from where the data alone would put them"
    )
    with pytest.raises(descend.UsageError, match='the loss "mse" is no negative log-likelihood'):
        descend.fit(line, X, y, likelihood=True)
