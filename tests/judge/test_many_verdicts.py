"""Many fits are judged as single ones are."""

import warnings

import numpy as np
import pytest

import descend
from whole import WHOLE

X = np.linspace(0.0, 4.0, 50)
RNG = np.random.default_rng(4)


def decay(x, a, k, c):
    return a * np.exp(-k * x) + c


def product(x, a, b, c):
    return a * b * np.exp(-x) + c


def tail(x, a, b, c):
    return a / (1 + np.exp(-b * (x - c)))


def bent(x, knot, level, left, right):
    return level + left * np.minimum(x - knot, 0) + right * np.maximum(x - knot, 0)


def stairs(x, low, high, p):
    return np.where(x < p, low, high)


def noisy(truth, size=0.02):
    return truth + size * RNG.normal(size=(8, 50))


CASES = {
    "minimum": (decay, noisy(decay(X, 2.5, 1.3, 0.5)), {}),
    "bound": (decay, noisy(decay(X, 2.5, 1.3, 0.5)), {"bounds": {"k": (0.0, 1.1)}}),
    "flat": (product, noisy(decay(X, 2.5, 1.0, 0.5)), {}),
    "runaway": (tail, noisy(tail(X, 1.0, 1.0, 9.0), 2e-5), {}),
    "step between points": (tail, noisy(np.where(X < 2.0, 0.0, 1.0), 0.0), {}),
    "searched": (stairs, noisy(stairs(X, 1.0, 3.0, 2.03)), {"start": dict(low=1, high=3, p=2.2)}),
    "kink": (bent, np.abs(X - X[20]) + 0.002 * np.cos(40 * X) * np.ones((2, 1)), {}),
}


@pytest.mark.fuzz
@pytest.mark.parametrize("case", CASES)
def test_the_verdict_is_that_of_a_single_fit(case):
    model, many, options = CASES[case]
    many = many if WHOLE else many[:3]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        fits = descend.fit_many(model, X, many, **options)
        single = [descend.fit(model, X, y, **options) for y in many]
    assert [str(v) for v in fits.verdict] == [fit.verdict for fit in single]
    assert fits[0].verdict == single[0].verdict and fits.success[0] == single[0].success
    if case == "minimum":
        assert fits.n_closer == 0
    for i, fit in enumerate(single):
        assert fits.loss[i] <= fit.loss * (1 + 1e-6)
    if case == "searched":
        np.testing.assert_allclose(fits.params["p"], [fit.params["p"] for fit in single])


def test_the_share_that_is_looked_at_closer_is_small_where_all_is_well():
    rng = np.random.default_rng(0)
    k, a, c = rng.uniform(0.5, 2, 2000), rng.uniform(1, 3, 2000), rng.uniform(0.2, 1, 2000)
    many = a[:, None] * np.exp(-k[:, None] * X) + c[:, None] + 0.02 * rng.normal(size=(2000, 50))
    fits = descend.fit_many(decay, X, many, start=dict(a=2, k=1, c=0.5))
    assert fits.n_closer <= 0.05 * len(fits) and fits.success.all()


def test_points_are_not_left_out_of_a_model_that_counts_them():
    many = np.cumsum(np.ones((3, 50)), axis=1)
    many[1, 7] = np.nan
    with pytest.raises(descend.UsageError, match="the model's rows know of one another"):
        descend.fit_many(
            lambda x, g: g * np.arange(len(x)), X, many, start=dict(g=0.5), missing="drop"
        )


@pytest.mark.parametrize("options", [{}, {"starts": 1}], ids=["given", "kept to"])
def test_a_given_start_is_kept_to_only_where_that_is_asked(options):
    many = np.stack([X, 2 * X])  # no wave explains a line

    def wave(x, a):
        return np.sin(a * x)

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        fits = descend.fit_many(wave, X, many, start=dict(a=1.5), **options)
        single = [descend.fit(wave, X, y, start=dict(a=1.5), **options) for y in many]
    assert [str(v) for v in fits.verdict] == [fit.verdict for fit in single] == 2 * ["side minimum"]
    assert fits.success.tolist() == [fit.success for fit in single] == 2 * [bool(options)]
