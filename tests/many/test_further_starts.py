"""Further starts: for the fits that did not arrive, or for all that were asked for."""

import os
import signal
import threading

import numpy as np
import pytest
from scipy.optimize import curve_fit, least_squares

import descend
from descend.errors import DataError, UsageError

X = np.linspace(0.0, 10.0, 80)


def wave(x, a, f, p, c):
    return a * np.sin(f * x + p) + c


def waves(fits, seed=1):
    rng = np.random.default_rng(seed)
    f = rng.uniform(1.0, 6.0, (fits, 1))
    return wave(X, 2.0, f, 0.5, 1.0) + 0.05 * rng.normal(size=(fits, 80))


def bell(x, m, s):
    return np.exp(-((x - m) ** 2) / (2 * s**2))


def three(x, a, m, b, n, c, q, s):
    """Three narrow peaks: their places are easily mistaken for one another."""
    return a * bell(x, m, s) + b * bell(x, n, s) + c * bell(x, q, s)


LEVEL = 0.02**2 * 1.8  # of the mean square at the truth


def peaks(fits, seed=1):
    rng = np.random.default_rng(seed)

    def some(low, high):
        return rng.uniform(low, high, (fits, 1))

    y = three(X, some(1, 3), some(1, 3), some(1, 3), some(4, 6), some(1, 3), some(7, 9), 0.25)
    return y + 0.02 * rng.normal(size=(fits, 80))


def same(a, b, which=slice(None)):
    for name in a.params:
        np.testing.assert_array_equal(a.params[name][which], b.params[name])
    np.testing.assert_array_equal(a.status[which], b.status)
    np.testing.assert_array_equal(a.starts[which], b.starts)


def test_fits_that_missed_are_begun_again_and_others_stay():
    y = peaks(40)
    fits = descend.fit_many(three, X, y)
    again = fits.starts > 1
    assert fits.n_further == again.sum() > 0
    assert 0 < fits.n_mended <= fits.n_further
    assert f"{fits.n_further} fits needed further starts, which mended {fits.n_mended}" in str(fits)
    assert fits.to_json_dict()["n_further_starts"] == fits.n_further
    assert descend.fit_many(three, X, y[~again]).n_further == 0
    assert np.mean(fits.loss < LEVEL) > 0.9


def test_one_of_many_is_begun_again_as_a_single_fit_is():
    y = peaks(12)
    fits = descend.fit_many(three, X, y)
    for i, own in enumerate(y):
        one = descend.fit(three, X, own)
        assert one.loss == pytest.approx(fits.loss[i], rel=1e-9)
        assert (one.n_starts > 1) == (fits.starts[i] > 1)


def test_a_given_start_that_arrives_is_the_only_one():
    k = np.linspace(0.5, 2.0, 50)[:, None]
    y = 2 * np.exp(-k * X) + 0.02 * np.random.default_rng(0).normal(size=(50, 80))
    fits = descend.fit_many(lambda x, a, k: a * np.exp(-k * x), X, y, start=dict(a=1, k=1))
    assert np.all(fits.starts == 1) and fits.n_further == 0


def test_a_given_start_too_far_out_is_left():
    """As by `fit`: the column of k vanishes there, so that no step leads back."""
    k = np.linspace(0.5, 2.0, 8)[:, None]
    y = 2 * np.exp(-k * X) + 0.01 * np.random.default_rng(0).normal(size=(8, 80))
    fits = descend.fit_many(lambda x, a, k: a * np.exp(-k * x), X, y, start=dict(a=1, k=1000))
    np.testing.assert_allclose(fits.params["k"], k[:, 0], rtol=0.03)
    assert np.all(fits.starts > 1) and fits.success.all()


def test_neighbours_and_threads_do_not_matter_to_fits_begun_again():
    y = peaks(60)
    fits = descend.fit_many(three, X, y, threads=1)
    which = [*np.flatnonzero(fits.starts > 1)[:3].tolist(), 0, 7]
    same(fits, descend.fit_many(three, X, y[which], threads=2), which)
    same(fits, descend.fit_many(three, X, y, threads=2))


def test_starts_that_are_asked_for_find_better_minima():
    rng = np.random.default_rng(1)
    y = wave(X, 2.0, rng.uniform(1.0, 6.0, (60, 1)), 0.5, 1.0) + 0.05 * rng.normal(size=(60, 80))
    start = dict(a=1.0, f=3.0, p=0.0, c=0.0)
    one, many = (descend.fit_many(wave, X, y, start=start, starts=n) for n in (1, 12))
    assert np.all(one.starts == 1)
    level = 0.05**2 * 1.8
    assert np.sum(many.loss < level) > 1.5 * np.sum(one.loss < level)
    assert np.all(many.starts == 12) and np.all(many.agreed >= 1)
    assert "best of 12 starts each" in str(many)
    with pytest.raises(UsageError, match="starts"):
        descend.fit_many(wave, X, y, starts=0)


def test_starts_around_what_was_given_keep_bounds_and_fixed_values():
    y = waves(4)
    fits = descend.fit_many(
        wave, X, y, start=dict(a=1.0, f=3.0, p=0.1, c=np.ones(4)), starts=6,
        bounds=dict(a=(0, 3), f=(0.5, 7)), fixed=["c"],
    )  # fmt: skip
    assert np.all(fits.params["c"] == 1.0)
    assert np.all((fits.params["a"] >= 0) & (fits.params["a"] <= 3))
    assert np.all((fits.params["f"] >= 0.5) & (fits.params["f"] <= 7))


def test_bad_data_and_too_few_points_are_not_begun_again():
    y = waves(4)
    y[1, 3] = np.nan
    fits = descend.fit_many(wave, X, y, starts=3)
    assert fits.starts.tolist() == [3, 1, 3, 3]
    few = descend.fit_many(wave, X[:3], y[2:, :3])
    assert few.counts() == {"too_few_points": 2} and np.all(few.starts == 1)


def test_a_start_of_a_wrong_length_is_told_with_both_meanings():
    def line(x, a, b):
        return a * x + b

    y = np.ones((5, 80))
    with pytest.raises(UsageError, match=r"the start of a, \(4,\), is read as an array that all"):
        descend.fit_many(line, X, y, start=dict(a=np.ones(4), b=1))

    def curve(x, w):
        return w[0] + w[1] * x

    with pytest.raises(UsageError, match=r"one number for each of the 2 fits; write np.tile"):
        descend.fit_many(curve, X, y[:2], start=dict(w=np.ones(2)))


@pytest.mark.parametrize("labels", [[0.0, 0.0, np.nan, 1.0], ["a", None, "a", "b"]])
def test_rows_of_no_group_are_refused(labels):
    table = {"x": np.arange(4.0), "y": np.arange(4.0), "g": np.array(labels)}
    with pytest.raises(DataError, match=r'the column "g" says no group in row [12]'):
        descend.fit_many("y = a*x", table, by="g")


def test_ctrl_c_among_further_starts_keeps_what_is_done():
    y = waves(20_000)
    start = dict(a=1, f=3, p=0, c=0)
    descend.fit_many(wave, X, y[:50], start=start, starts=20)
    clock = threading.Timer(0.8, os.kill, (os.getpid(), signal.SIGINT))
    clock.start()
    fits = descend.fit_many(wave, X, y, start=start, starts=200)
    clock.join()
    assert fits.interrupted and fits.success.any()
    assert fits.starts is None or fits.starts.min() < 200


# --- last steps and units


@pytest.mark.parametrize("start", [None, dict(a=0, b=0)], ids=["none", "given"])
def test_lines_over_seconds_since_1970_are_those_of_polyfit(start):
    """JᵀJ has lost all digits that tell a slope from a level there; J has not."""
    x = 1.7e9 + np.arange(200.0)
    y = 5 + 0.01 * (x - 1.7e9) + 0.1 * np.random.default_rng(0).normal(size=(20, 200))
    fits = descend.fit_many(lambda x, a, b: a * x + b, x, y, start=start)
    lines = [np.polyfit(x - x.mean(), own, 1, cov=True) for own in y]
    np.testing.assert_allclose(fits.params["a"], [line[0] for line, _ in lines], rtol=1e-6)
    errors = [np.sqrt(covariance[0, 0]) for _, covariance in lines]
    np.testing.assert_allclose(fits.stderr["a"], errors, rtol=1e-6)
    assert fits.success.all()


@pytest.mark.parametrize("unit", [1.0, 1e9, 1e-9])
def test_lines_over_julian_dates_end_where_single_fits_do(unit):
    """The columns differ by 1e-6 of themselves: a step of 1e-12 of a·x is one of 1e-4 errors."""
    x = 2460000 + np.arange(100) / 24
    y = unit * (5 + 0.6 * (x - x.mean()) + 0.1 * np.random.default_rng(3).normal(size=(3, 100)))
    fits = descend.fit_many(lambda x, a, b: a * x + b, x, y, start=dict(a=1, b=1))
    for i, own in enumerate(y):
        line, covariance = np.polyfit(x - x.mean(), own, 1, cov=True)
        assert abs(fits.params["a"][i] - line[0]) < 1e-6 * np.sqrt(covariance[0, 0])


def test_parabolas_over_years_of_unequal_lengths_with_sigmas():
    rng = np.random.default_rng(1)
    sets = [1900 + np.sort(rng.uniform(0, 100, n)) for n in (20, 31, 47, 8)]
    curves = [3 + 0.1 * (x - 1950) + 0.02 * (x - 1950) ** 2 for x in sets]
    data = [(x, y + rng.normal(size=x.size)) for x, y in zip(sets, curves, strict=True)]
    sigma = [1 + 0.5 * np.sin(x) for x in sets]
    fits = descend.fit_many(
        lambda x, a, b, c: a * x * x + b * x + c, data, sigma=sigma, absolute_sigma=True,
        start=dict(a=0, b=0, c=0),
    )  # fmt: skip
    for i, ((x, y), s) in enumerate(zip(data, sigma, strict=True)):
        line, covariance = np.polyfit(x - 1950, y, 2, w=1 / s, cov="unscaled")
        assert fits.params["a"][i] == pytest.approx(line[0], rel=1e-6)
        assert fits.stderr["a"][i] == pytest.approx(np.sqrt(covariance[0, 0]), rel=1e-6)


def test_the_unit_of_y_changes_neither_a_rate_nor_its_error():
    t = np.linspace(0, 4, 50)
    y = 2 * np.exp(-1.1 * t) + 0.3 + 0.02 * np.random.default_rng(0).normal(size=50)
    units = 10.0 ** np.arange(-12, 13, 3)

    def decay(t, a, k, c):
        return a * np.exp(-k * t) + c

    popt, pcov = curve_fit(decay, t, y, [1, 1, 0], xtol=1e-14, ftol=1e-14, gtol=1e-14)
    for start in (dict(a=1, k=1, c=0), None):
        fits = descend.fit_many(decay, t, y * units[:, None], start=start)
        assert fits.success.all()
        np.testing.assert_allclose(fits.params["k"], popt[1], rtol=1e-6)
        np.testing.assert_allclose(fits.stderr["k"], np.sqrt(pcov[1, 1]), rtol=1e-5)


def test_peaks_far_from_zero_need_no_start():
    x = np.linspace(100.0, 200.0, 101)
    rng = np.random.default_rng(1)
    centres = rng.uniform(110, 190, 20)

    def peak(x, a, c, w):
        return a * np.exp(-(((x - c) / w) ** 2))

    y = peak(x, 3.0, centres[:, None], 6.0) + 0.02 * rng.normal(size=(20, 101))
    np.testing.assert_allclose(descend.fit_many(peak, x, y).params["c"], centres, atol=0.1)


@pytest.mark.parametrize("seed", [3, 23])
def test_a_guess_that_missed_is_doubted_as_a_start_that_was_searched_for(seed):
    """Ready peaks of one width: each is guessed a width of its own, of which one is left."""
    x, true = np.linspace(0, 1, 25), np.array([1500.0, 0.35, 0.11, 1300.0, 0.62, 850.0])

    def two(p):
        first = p[0] * np.exp(-(((x - p[1]) / p[2]) ** 2) / 2)
        return first + p[3] * np.exp(-(((x - p[4]) / p[2]) ** 2) / 2) + p[5]

    y = two(true) + 60 * np.random.default_rng(seed).normal(size=25)
    right = 2 * least_squares(lambda p: two(p) - y, true, x_scale=true).cost
    peak = descend.models.gaussian
    model = peak(prefix="a_") + peak(prefix="b_") + descend.models.constant()
    fit = descend.fit(model, x, y, ties={"b_sigma": "a_sigma"})
    many = descend.fit_many(model, x, y[None], ties={"b_sigma": "a_sigma"})
    assert fit.success and fit.chi2 == pytest.approx(right, rel=1e-6)
    assert many.success[0] and many.chi2[0] == pytest.approx(right, rel=1e-6)
