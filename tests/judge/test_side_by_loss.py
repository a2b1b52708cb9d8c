"""Side minima by losses that are no sums of squares: what saves no more than a constant is told."""

import warnings

import numpy as np
import pytest

import descend
from whole import covered

X = np.linspace(0.0, 1.0, 100)
NOISE = 0.05 * np.random.default_rng(2).normal(size=100)
PEAK = np.exp(-(((X - 0.5) / 0.22) ** 2)) + NOISE
TIMES = np.linspace(0.0, 100.0, 300)


def peak(x, a, b, c):
    return a * np.exp(-((x - b) ** 2) / c**2)


def wave(x, a):
    return np.sin(a * x)


CURVES = {
    "peak": (peak, 1e9 * X, PEAK, dict(a=1.0, b=0.0, c=1.0), 0.5e9),
    "wave": (wave, TIMES, np.sin(1.759 * TIMES), dict(a=1.5), 1.759),
}


@covered("loss, curve", ["mae", "huber", "soft_l1", "quantile(0.3)"], CURVES)
def test_a_side_minimum_is_no_success_in_any_call(loss, curve):
    model, x, y, start, right = CURVES[curve]
    for _ in range(9):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            fit = descend.fit(model, x, y, start=start, loss=loss)
        found = fit.params["b" if model is peak else "a"]
        assert not fit.success or abs(found / right - 1) < 0.05


@pytest.mark.parametrize("loss", ["mae", "huber"])
def test_what_is_truly_no_more_than_a_constant_is_a_minimum(loss):
    def fading(x, a, k):
        return a * np.exp(-k * x)

    for _ in range(9):
        fit = descend.fit(fading, X, 3.0 + NOISE, start=dict(a=2.0, k=0.1), loss=loss)
        assert fit.success
        assert fit.params["a"] == pytest.approx(3.0, abs=0.05)
