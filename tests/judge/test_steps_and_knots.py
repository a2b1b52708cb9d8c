"""Thresholds and knots are found by every loss and method; the oracle is a fine grid."""

import itertools
import warnings

import numpy as np
import pytest

import descend
from whole import sampled

X = np.sort(np.random.default_rng(0).uniform(0, 10, 60))


def stairs(x, low, high, p):
    return np.where(x < p, low, high)


def huber(r, d):
    size = np.abs(r)
    return np.where(size <= d, 0.5 * r * r, d * size - 0.5 * d * d)


METHODS = [
    dict(optimizer="lm"), dict(optimizer="bfgs"), dict(optimizer="cg"), dict(optimizer="newton"),
    dict(optimizer="nelder_mead"), dict(optimizer="lbfgs"), dict(optimizer="adam", lr=0.05),
    dict(optimizer="sgd", lr=0.2), dict(optimizer="sgd", lr=0.05, batch_size=10),
    dict(loss="mae"), dict(loss="huber(0.1)"), dict(loss="quantile(0.3)"),
    dict(loss="cauchy(0.1)", optimizer="lbfgs"),
]  # fmt: skip


def quiet(*given, **options):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return descend.fit(*given, **options)


@pytest.mark.parametrize("options", METHODS, ids=str)
def test_a_threshold_is_found_by_every_method_and_loss(options):
    y = stairs(X, 1.0, 2.0, 6.2) + 0.05 * np.random.default_rng(1).normal(size=60)
    left = X[X < 6.2].max()
    right = X[X >= 6.2].min()
    for start in (dict(low=1.0, high=2.0, p=0.9), dict(low=0.0, high=0.0, p=9.0)):
        fit = quiet(stairs, X, y, start=start, **options)
        assert left <= fit.params["p"] <= right and fit.success
        assert fit.verdict == ("rule" if "lr" in options else "flat")
        assert "acts only through comparisons" in " ".join(fit.findings)


def test_a_start_that_is_to_be_kept_is_kept():
    fit = quiet(stairs, X, stairs(X, 1.0, 2.0, 6.2), start=dict(low=1, high=2, p=0.9), starts=1)
    assert fit.params["p"] == 0.9 and fit.verdict == "threshold"


def where(x, t, a, b, c):
    return np.where(x < t, a + b * x, a + b * t + c * (x - t))


def hinge(x, t, a, b, c):
    return a + b * x + c * np.maximum(x - t, 0)


def jump(x, t, a, b, c):
    return np.where(x < t, a + b * x, c)


def profile(model, y, t):
    """The squares that are left where the other numbers are best."""
    one, left = np.ones_like(X), (t > X).astype(float)
    columns = [left, left * X, 1 - left] if model is jump else [one, X, np.maximum(X - t, 0)]
    table = np.stack(columns, 1)
    return float(np.sum((y - table @ np.linalg.lstsq(table, y, rcond=None)[0]) ** 2))


@sampled("model, seed", itertools.product([where, hinge, jump], range(6)), 5)
def test_a_broken_line_ends_in_the_best_interval_of_the_data(model, seed):
    rng = np.random.default_rng(seed)
    y = model(X, rng.uniform(2, 8), 1.0, 0.5, 2.0) + 0.5 * rng.normal(size=60)
    best = min(profile(model, y, t) for t in np.linspace(X[1] + 1e-9, X[-2], 2000))
    fit = quiet(model, X, y, start=dict(t=5.0, a=1.0, b=1.0, c=1.0))
    assert fit.chi2 <= best * (1 + 1e-9) and fit.success


STEPS = {
    "x/p": lambda x, a, b, p: a + b * np.floor(x / p), "x//p": lambda x, a, b, p: a + b * (x // p),
    "x*p": lambda x, a, b, p: a + b * np.round(x * p),
}  # fmt: skip


@sampled("what, truth", itertools.product(STEPS, [0.7, 1.3, 2.6]), 2)
def test_the_length_of_steps_is_found(what, truth):
    y = STEPS[what](X, 1.0, 0.5, truth) + 0.05 * np.random.default_rng(1).normal(size=60)
    fit = quiet(STEPS[what], X, y, start=dict(a=0.0, b=1.0, p=2.0))
    least = np.inf
    for p in np.linspace(0.3, 5, 4000):
        table = np.stack([np.ones(60), STEPS[what](X, 0.0, 1.0, p)], 1)
        rest = y - table @ np.linalg.lstsq(table, y, rcond=None)[0]
        least = min(least, float(rest @ rest))
    assert fit.chi2 <= least * (1 + 1e-9)
    assert (fit.verdict, fit.success) == ("flat", True)
