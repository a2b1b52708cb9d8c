"""Counts and classes: starts at zero whose slopes are rounding, and what has no finite best value.

Right values are closed forms of groups: log of the mean count, log-odds of the share.
"""

import itertools
import warnings

import numpy as np
import pytest
from scipy.optimize import minimize

import descend
from whole import covered, sampled

METHODS = ("bfgs", "lbfgs", "cg", "newton")
GROUP = np.repeat([0.0, 1.0], 20)
X = np.r_[np.linspace(-3.0, -0.5, 15), np.linspace(0.7, 3.0, 15)]
CLASSES = (X > 0).astype(float)


def line(x, a, b):
    return a + b * x


def quietly(*args, **options):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return descend.fit(*args, **options)


@sampled("method, unit", itertools.product(METHODS, [1e-9, 1.0, 1e9]), 2)
def test_as_many_of_one_class_as_of_the_other_from_zero(method, unit):
    y = CLASSES.copy()
    y[[3, 20]] = 1 - y[[3, 20]]
    right = minimize(
        lambda p: np.mean(np.logaddexp(0, line(X, *p)) - y * line(X, *p)), [0, 0], tol=1e-12
    ).x
    start = dict(a=0.0, b=0.0)
    fit = quietly(line, X * unit, y, loss="bce_with_logits", start=start, optimizer=method)
    assert fit.verdict == "minimum"
    np.testing.assert_allclose([fit.params["a"], fit.params["b"] * unit], right, rtol=1e-4)
    many = descend.fit_many(
        line, X * unit, y[None], loss="bce_with_logits", start=start, optimizer=method
    )
    np.testing.assert_allclose([many.params["a"][0], many.params["b"][0] * unit], right, rtol=1e-4)


@pytest.mark.parametrize("method", METHODS)
def test_centred_squares_from_zero(method):
    x = np.linspace(-1.0, 1.0, 1001)
    y = np.sin(3 * x) + 0.3 * x**2
    y -= y.mean()
    right = np.linalg.lstsq(np.column_stack([x**0, x, x**2]), y, rcond=None)[0]
    start = dict(a=0.0, b=0.0, c=0.0)
    fit = quietly(lambda x, a, b, c: a + b * x + c * x**2, x, y, start=start, optimizer=method)
    assert fit.verdict == "minimum"
    np.testing.assert_allclose(list(fit.params.values()), right, rtol=1e-5)


@pytest.mark.parametrize("start", [dict(a=1.0, b=0.0), dict(a=1.0, b=-100.0), None])
@pytest.mark.parametrize("method", ["lm", *METHODS])
def test_a_group_without_counts_runs_away(method, start):
    y = np.random.default_rng(0).poisson(5, 40) * (1 - GROUP)
    fit = quietly(line, GROUP, y, loss="poisson_log_rate", start=start, optimizer=method)
    assert (fit.verdict, fit.success) == ("runaway", False)
    assert "b runs away" in fit.findings[0]
    assert fit.params["a"] == pytest.approx(np.log(y[:20].mean()), rel=1e-6)


@pytest.mark.parametrize("loss", ["poisson_log_rate", "bce_with_logits"])
@pytest.mark.parametrize("method", ["bfgs", "newton"])
def test_a_group_without_counts_is_told_among_many(method, loss):
    rng = np.random.default_rng(1)
    draws = rng.integers(0, 2, (3, 40)) * 1.0
    draws[0, :20], draws[2, 20:] = 1.0, 0.0
    if loss == "poisson_log_rate":
        draws[0, :20] = 0.0
    many = descend.fit_many(
        line, GROUP, draws, loss=loss, start=dict(a=0.5, b=0.0), optimizer=method
    )
    assert list(many.verdict) == ["runaway", "minimum", "runaway"]
    means = draws[1, :20].mean(), draws[1, 20:].mean()
    ends = [np.log(m if loss == "poisson_log_rate" else m / (1 - m)) for m in means]
    found = many.params["a"][1], many.params["a"][1] + many.params["b"][1]
    np.testing.assert_allclose(found, ends, rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("tie", [False, True])
def test_separated_classes_run_away(method, tie):
    x = X.copy()
    if tie:  # one of either class at the border: the threshold stands, and the slope is endless
        x[14] = x[15] = 0.7
    fit = quietly(
        line, x, CLASSES, loss="bce_with_logits", start=dict(a=0.0, b=0.0), optimizer=method
    )
    assert (fit.verdict, fit.success) == ("runaway", False)
    assert "b" in fit.findings[0]


@pytest.mark.parametrize("seed", range(6))
def test_a_smooth_loss_ends_at_no_kink(seed):
    rng = np.random.default_rng(seed)
    y = rng.poisson(3, 40) / 3.0
    fit = quietly(
        line, 2 * GROUP - 1, y, loss="poisson_log_rate", start=dict(a=0.0, b=0.0),
        optimizer="newton",
    )  # fmt: skip
    assert fit.verdict == "minimum"
    ends = np.log([y[:20].mean(), y[20:].mean()])
    np.testing.assert_allclose(fit.params["a"] + fit.params["b"] * np.r_[-1, 1], ends, atol=1e-9)


DISTRIBUTED = np.linspace(-1.0, 1.0, 60)


def logits(x, w):
    return np.stack([w[0] + w[1] * x, w[2] + w[3] * x, 0 * x], axis=-1)


def shares(x, w):
    e = np.exp(logits(x, w))
    return e / e.sum(axis=-1, keepdims=True)


DESCENTS = ["auto", "lbfgs", "bfgs", "newton", "cg"]


@covered("method, loss", DESCENTS, ["kl", "kl_with_logits"])
def test_a_distribution_that_is_met_exactly_is_a_minimum(loss, method):
    """The divergence is 0 there, and what floating point makes of it is no fall."""
    w = np.array([0.3, 1.0, -0.2, -0.5])
    model = shares if loss == "kl" else logits
    fit = quietly(
        model, DISTRIBUTED, shares(DISTRIBUTED, w), loss=loss, start=dict(w=np.zeros(4)),
        optimizer=method,
    )  # fmt: skip
    assert (fit.verdict, fit.status) == ("minimum", "converged"), fit.message
    np.testing.assert_allclose(fit.params["w"], w, atol=1e-6)
