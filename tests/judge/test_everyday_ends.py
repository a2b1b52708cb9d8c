"""Ends that people meet: rates that are truly 0, steps of other forms, curves steeper than data."""

import itertools
import warnings

import numpy as np
import pytest

import descend
from whole import sampled

warned = pytest.mark.filterwarnings("ignore::descend.DescendWarning")
ROWS = np.arange(300.0)


def quiet(*args, **options):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        return descend.fit(*args, **options)


def fading(x, a, k):
    return a * np.exp(-k * x)


def power(x, a, p):
    return a * x**p


@sampled("model, rows, unit",
         itertools.product([fading, power], [8, 20, 400], [1e-9, 1.0, 1e9]), 5)  # fmt: skip
def test_a_rate_that_is_truly_zero_is_a_minimum(model, rows, unit):
    """Noise about a constant: the least squares are no more than those about the mean."""
    x = np.linspace(1, 5, rows)
    for seed in range(3):
        y = unit * (2 + 0.1 * np.random.default_rng(seed).normal(size=rows))
        fit = quiet(model, x, y)
        assert (fit.verdict, fit.success, fit.arrived) == ("minimum", True, "yes"), fit.message
        assert fit.chi2 <= rows * np.var(y) * (1 + 1e-9)
        assert abs(fit.params[list(fit.params)[1]]) < 5 * fit.stderr[list(fit.params)[1]]


@warned
@pytest.mark.parametrize("start", [0.15, 0.255, 0.36])
@pytest.mark.parametrize("spread", [0.0, 0.3])
def test_a_wave_beside_its_frequency_is_found_or_told(start, spread):
    x = np.linspace(0, 100, 300)
    noise = spread * np.random.default_rng(1).normal(size=300)

    def wave(x, a, w, p):
        return a * np.sin(w * x + p)

    for _ in range(2):
        fit = descend.fit(wave, x, 2 * np.sin(0.3 * x) + noise, start=dict(a=1, w=start, p=0))
        found = abs(fit.params["w"] - 0.3) < 1e-3
        assert found or (fit.verdict == "side minimum" and not fit.success)


@warned
@pytest.mark.parametrize("unit", [1e-9, 1.0, 1e9])
@pytest.mark.parametrize(
    "step",
    [
        lambda x, p, low, high: low + (high - low) * np.heaviside(x - p, 1.0),
        lambda x, p, low, high: (low + high) / 2 + (high - low) / 2 * np.sign(x - p),
    ],
    ids=["heaviside", "sign"],
)
def test_a_step_is_found_in_any_unit(step, unit):
    """The squares about the two means are the least there are."""
    y = np.where(ROWS < 70, -3.0, 1.0) + 0.1 * np.random.default_rng(2).normal(size=300)
    best = 70 * np.var(y[:70]) + 230 * np.var(y[70:])
    fit = descend.fit(step, ROWS * unit, y, start=dict(p=150 * unit, low=0, high=0))
    assert fit.chi2 == pytest.approx(best, rel=1e-9)
    assert (fit.verdict, fit.success) == ("flat", True)
    assert "p acts only through comparisons or rounding" in fit.findings[0]


@warned
@pytest.mark.parametrize("loss", ["mae", "huber", "cauchy"])
def test_a_step_is_found_by_every_loss(loss):
    """The loss about a step anywhere, with the best levels to either side, is no lower."""
    y = np.where(ROWS < 70, -3.0, 1.0) + 0.1 * np.random.default_rng(2).normal(size=300)
    fit = descend.fit(
        lambda x, p, low, high: np.where(x < p, low, high), ROWS, y, loss=loss,
        start=dict(p=150, low=0, high=0),
    )  # fmt: skip
    assert (fit.verdict, fit.success) == ("flat", True)
    assert "p acts only through comparisons" in fit.findings[0]
    assert 69 < fit.params["p"] <= 70


@warned
@pytest.mark.parametrize("seed", [0, 1, 3, 4, 5])
def test_a_curve_steeper_than_the_data_runs_away(seed):
    """As k grows, one point between the levels is met exactly, and the rest is two means."""
    y = np.r_[np.zeros(10), np.ones(10)] + 0.05 * np.random.default_rng(seed).normal(size=20)
    x = np.arange(20.0)
    fit = descend.fit(lambda x, L, k, m: L / (1 + np.exp(-k * (x - m))), x, y)
    infimum = min(
        np.sum(y[:i] ** 2) + (19 - i) * np.var(y[i + 1 :])
        for i in (9, 10) if 0 < y[i] < y[i + 1 :].mean()
    )  # fmt: skip
    assert fit.chi2 == pytest.approx(infimum, rel=1e-6)
    assert (fit.verdict, fit.success, fit.arrived) == ("runaway", False, "no")
    assert fit.findings[0].startswith("k and m run away")


@warned
def test_a_start_that_is_kept_as_the_best_is_no_success():
    x = np.arange(100) / 100
    y = 4 * x**2 + 5 * x + 6
    fit = descend.fit(
        lambda x, a, b, c: a * x**2 + b * x + c, x, y, start=dict(a=1, b=0, c=1),
        optimizer=descend.SGD(lr=1.0), epochs=200, keep_best=True,
    )  # fmt: skip
    assert fit.params == {"a": 1, "b": 0, "c": 1} and np.isfinite(fit.loss)
    assert (fit.verdict, fit.success) == ("grew", False)


@warned
def test_a_growth_that_six_digits_do_not_show_is_told_by_its_share():
    x = np.arange(100) / 100
    y = 4 * x + 5 + 0.1 * np.random.default_rng(0).normal(size=100)
    slope, level = np.polyfit(x, y, 1)
    fit = descend.fit(
        lambda x, a, b: a * x + b, x, y, start=dict(a=slope, b=level), optimizer="adam", epochs=50
    )
    assert fit.verdict != "grew" or "of itself, after 50 epochs" in fit.message


@pytest.mark.filterwarnings("ignore::descend.DescendWarning")
def test_a_step_that_was_found_needs_no_other_start():
    x = np.arange(200.0)
    y = np.where(x < 80, 2.0, 5.0) + 0.3 * np.random.default_rng(11).normal(size=200)
    start = dict(p=50.0, low=0.0, high=1.0)
    fit = descend.fit(lambda x, p, low, high: np.where(x < p, low, high), x, y, start=start)
    assert (fit.verdict, fit.params["p"]) == ("flat", 79.5)
    assert "p from 79 to 80" in fit.findings[0]
    assert not any("begin elsewhere" in each for each in fit.findings)
    found = descend.minimize(
        lambda p, low, high: np.sum((np.where(x < p, low, high) - y) ** 2), start=start
    )
    assert (found.verdict, found.success) == ("threshold", False)
    assert "starts=1" not in found.message
