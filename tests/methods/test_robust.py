"""Robust losses: SciPy's definitions, its minima, and the speed of Newton's method at the end."""

import numpy as np
import pytest
from scipy.optimize import least_squares

import descend
from descend.methods.table import LOSSES, as_loss

RNG = np.random.default_rng(3)
X = np.linspace(0.0, 5.0, 60)
Y = 2.5 * np.exp(-1.3 * X) + 0.5 + 0.05 * RNG.normal(size=60)
Y[::9] += RNG.uniform(1.0, 3.0, 7)
SIGMA = np.linspace(0.03, 0.09, 60)
START = dict(a=2.0, k=1.0, c=0.4)


def model(x, a, k, c):
    return a * np.exp(-k * x) + c


def by_scipy(loss, scale, sigma=1.0, start=(2.0, 1.0, 0.4)):
    return least_squares(
        lambda p: (model(X, *p) - Y) / sigma, start, loss=loss, f_scale=scale,
        xtol=1e-15, ftol=1e-15, gtol=1e-15,
    )  # fmt: skip


@pytest.mark.parametrize("name", ["soft_l1", "cauchy", "arctan", "huber"])
def test_definitions_are_scipys(name):
    r, scale = np.linspace(-3.0, 3.0, 13), 0.7
    cost = [
        least_squares(lambda p, v=v: v + 0 * p, [0.0], loss=name, f_scale=scale).cost for v in r
    ]
    ours = as_loss(f"{name}({scale})").per_row(r, np.zeros(13))
    half = 1.0 if name == "huber" else 0.5
    np.testing.assert_allclose(half * ours, cost, rtol=1e-12, atol=1e-15)


@pytest.mark.parametrize("sigma", [None, SIGMA])
@pytest.mark.parametrize("name", ["soft_l1", "cauchy", "arctan", "huber"])
def test_minima_are_scipys(name, sigma):
    scale = 0.1 if sigma is None else 2.0
    theirs = by_scipy(name, scale, 1.0 if sigma is None else sigma)
    fit = descend.fit(model, X, Y, loss=f"{name}({scale})", sigma=sigma, start=START)
    assert fit.success and fit.optimizer.startswith("LevenbergMarquardt")
    np.testing.assert_allclose(list(fit.params.values()), theirs.x, rtol=1e-7)
    factor = 1.0 if name == "huber" else 2.0
    assert fit.loss * 60 <= factor * theirs.cost * (1 + 1e-13)


def test_tukeys_biweight_forgets_the_outliers():
    fit = descend.fit(model, X, Y, loss="tukey(0.3)", start=START)
    kept = np.abs(Y - model(X, 2.5, 1.3, 0.5)) < 0.3
    assert kept.sum() == 53
    without = descend.fit(model, X[kept], Y[kept], loss="tukey(0.3)", start=START)
    np.testing.assert_allclose(list(fit.params.values()), list(without.params.values()), rtol=1e-9)


@pytest.mark.parametrize(
    ("name", "optimizer"),
    [
        *((name, "bfgs") for name in ("soft_l1", "cauchy", "arctan", "huber", "log_cosh", "tukey")),
        ("cauchy", "adam"), ("huber", "adam"), ("tukey", "interpreted lm"),
    ],
)  # fmt: skip
def test_every_optimizer_finds_the_same_minimum(name, optimizer):
    scale = "" if name == "log_cosh" else "(0.3)"
    options = {
        "bfgs": dict(optimizer="bfgs"),
        "adam": dict(optimizer="adam", lr=0.02, epochs=3000),
        "interpreted lm": dict(engine="interpreted"),
    }[optimizer]
    start = {**START, "a": 2.4, "k": 1.2}
    newton = descend.fit(model, X, Y, loss=name + scale, start=start)
    other = descend.fit(model, X, Y, loss=name + scale, start=start, **options)
    values = list(other.params.values())
    np.testing.assert_allclose(values, list(newton.params.values()), rtol=1e-5)


@pytest.mark.parametrize("name", ["soft_l1(0.1)", "cauchy(0.1)", "cauchy", "log_cosh"])
def test_the_end_is_quadratic(name):
    """The outliers' residuals are large, where Gauss–Newton alone gains a digit at a time."""
    fit = descend.fit(model, X, Y, loss=name, start=START, record="params")
    course = np.stack([fit.history["params"][n] for n in START], axis=1)
    distance = np.abs(course - course[-1]).max(axis=1)
    distance = distance[distance > 1e-13]
    late = distance[(distance < 1e-2) & (distance > 1e-8)]
    assert fit.n_evaluations <= 20
    assert len(late) <= 4


def test_a_loss_of_ones_own_with_levenberg_marquardt():
    def own(prediction, target):
        return 0.01 * np.log1p((prediction - target) ** 2 / 0.01)

    fit = descend.fit(model, X, Y, loss=own, optimizer="lm", start=START)
    cauchy = descend.fit(model, X, Y, loss="cauchy(0.1)", start=START)
    np.testing.assert_allclose(
        list(fit.params.values()), list(cauchy.params.values()), rtol=1e-9
    )
    assert fit.loss == pytest.approx(cauchy.loss, rel=1e-13)


class Welsch(descend.RobustLoss):
    """A robust loss of one's own, which has no more than a rho."""

    name = "welsch"

    def rho(self, z):
        return 1 - np.exp(-z)


def test_a_robust_loss_of_ones_own_by_its_rho():
    fit = descend.fit(model, X, Y, loss=Welsch(scale=0.2), start=START)
    theirs = least_squares(
        lambda p: model(X, *p) - Y, list(START.values()), f_scale=0.2, xtol=1e-15, ftol=1e-15,
        gtol=1e-15, loss=lambda z: np.stack([1 - np.exp(-z), np.exp(-z), -np.exp(-z)]),
    )  # fmt: skip
    np.testing.assert_allclose(list(fit.params.values()), theirs.x, rtol=1e-6)
    assert fit.has_errors and fit.n_evaluations <= 20


def test_what_has_no_second_derivative_is_refused_or_goes_to_bfgs():
    with pytest.raises(descend.UsageError, match="needs two derivatives of each row's loss"):
        descend.fit(model, X, Y, loss="mae", optimizer="lm", start=START)
    with pytest.raises(descend.UsageError, match="sigma belongs to losses of prediction − target"):
        descend.fit(model, X, np.abs(Y), loss="poisson", sigma=SIGMA, start=START)
    with pytest.raises(descend.UsageError, match=r"scale must lie in \(0, inf\)"):
        descend.fit(model, X, Y, loss="cauchy(0)", start=START)


def test_many_parameters_go_without_exact_second_derivatives():
    """Above a dozen parameters, Gauss–Newton's matrix alone: a polynomial of degree 20."""

    def chebyshev(x, w):
        return np.cos(np.arccos(x)[:, None] * np.arange(21)) @ w

    x = np.linspace(-0.99, 0.99, 80)
    y = np.sin(3 * x) + 0.01 * RNG.normal(size=80)
    y[5] += 4
    fit = descend.fit(chebyshev, x, y, loss="soft_l1(0.05)", start=dict(w=np.zeros(21)))
    columns = np.cos(np.arccos(x)[:, None] * np.arange(21))
    theirs = least_squares(
        lambda w: columns @ w - y, np.zeros(21), lambda w: columns, loss="soft_l1", f_scale=0.05,
        xtol=1e-15, ftol=1e-15, gtol=1e-15,
    )  # fmt: skip
    np.testing.assert_allclose(fit.params["w"], theirs.x, atol=1e-6)


@pytest.mark.parametrize("name", sorted(LOSSES))
def test_curved_losses_have_the_derivatives_that_they_promise(name):
    loss = as_loss(name)
    if not loss.curved:
        return
    prediction, target = np.linspace(0.2, 4.0, 9), np.full(9, 1.5)
    lowest = loss.lowest(target) if loss.is_likelihood else 0.0
    best = np.log(target) if name == "poisson_log_rate" else target
    np.testing.assert_allclose(loss.per_row(best, target), lowest, atol=1e-15)
    assert np.all(loss.per_row(prediction, target) >= lowest - 1e-15)
