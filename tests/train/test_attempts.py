"""Several starts: what is returned, how many agree, and when more are tried unasked."""

import warnings
from inspect import signature

import numpy as np
import pytest
from scipy.optimize import differential_evolution

import descend
from descend.judge.doubts import nullity

X = np.linspace(0, 10, 200)


def wave(x, a, w, p, c):
    return a * np.sin(w * x + p) + c


def noisy(seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    truth = rng.uniform(1, 5), rng.uniform(0.5, 6), rng.uniform(-3, 3), rng.uniform(-5, 5)
    return wave(X, *truth) + 0.1 * rng.normal(size=X.size)


def peaks(x, a, m, b, n, c, q, s):
    """Three narrow peaks: their places are easily mistaken for one another."""
    return sum(h * np.exp(-((x - p) ** 2) / (2 * s**2)) for h, p in ((a, m), (b, n), (c, q)))


def three(seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    truth = [rng.uniform(*span) for span in ((1, 3), (1, 3), (1, 3), (4, 6), (1, 3), (7, 9))]
    return peaks(X, *truth, 0.25) + 0.02 * rng.normal(size=X.size)


def test_correlated_residuals_send_out_more_starts() -> None:
    fit = descend.fit(peaks, X, three(0))
    assert fit.chi2 < 0.02**2 * 1.3 * X.size
    assert fit.n_starts > 1 and 1 <= fit.n_agreed < fit.n_starts
    words = f"{fit.n_starts - 1} more were tried, since the residuals of the first are correlated"
    assert words in fit.start_source
    assert f"{fit.n_agreed} of {fit.n_starts} agree" in fit.report().replace("\n    ", " ")


def test_the_same_seed_tries_the_same_starts() -> None:
    one, other = descend.fit(peaks, X, three(0)), descend.fit(peaks, X, three(0))
    assert one.params == other.params and one.n_starts == other.n_starts > 1


@pytest.mark.filterwarnings("ignore::descend.DescendWarning")
@pytest.mark.parametrize("start", ["random"], ids=str)
def test_a_start_that_was_said_is_the_only_one(start) -> None:
    fit = descend.fit(wave, X, noisy(0), start=start)
    assert fit.n_starts == fit.n_agreed == 1
    assert "more were tried" not in fit.start_source


def test_a_perfect_fit_is_not_suspected() -> None:
    fit = descend.fit(lambda x, a, b, c: a * x**2 + b * x + c, X, 2 * X**2 - X + 1)
    assert fit.success and fit.n_starts == 1


def test_starts_that_are_asked_for_are_counted() -> None:
    y = 2 * np.exp(-0.5 * X) + 1
    fit = descend.fit(
        lambda x, a, k, c: a * np.exp(-k * x) + c, X, y, start=dict(a=1, k=1, c=1), starts=5
    )
    assert fit.start_source == f"given; best of 5 starts, {fit.n_agreed} of which agree"
    assert fit.n_starts == 5 and 2 <= fit.n_agreed <= 5
    told = fit.to_json_dict()
    assert (told["n_starts"], told["n_agreed"]) == (5, fit.n_agreed)


def test_the_best_is_returned_whole() -> None:
    """Its own parameters, loss and standard errors, not those of the last run."""
    fit = descend.fit(wave, X, noisy(0))
    assert fit.loss == pytest.approx(np.mean((noisy(0) - fit.predict(X)) ** 2), rel=1e-12)
    again = descend.fit(wave, X, noisy(0), start=fit.params)
    assert fit.stderr == pytest.approx(again.stderr, rel=1e-6)


# --- what the normal equations say against a descent

FEW = np.linspace(0, 10, 15)  # too few rows to look for correlations


def sagging(x, a, k, c):
    return a * np.exp(-k * x) + c


def bell(x, a, m, s):
    return a * np.exp(-((x - m) ** 2) / (2 * s**2))


def between(x, a, k, q):
    return a * (np.exp(-k * x) - np.exp(-q * x))


def ratio(x, a, b, c):
    return (a + b * x) / (1 + c * x)


LOST = "the first ended where the data hardly determine all parameters"
AWAY = "{} ran away in the first"
TRAPS = {
    "the rate": (
        sagging, 10 * FEW, (5, 0.05, 1), (-0.9, 54.0, 1.9), [(-9, 9), (0, 1), (-9, 9)], LOST,
    ),
    "the place": (
        bell, 6 * FEW, (3, 40, 2), (60.0, 29.0, 0.3), [(0, 9), (0, 60), (0.1, 9)], LOST,
    ),
    "a rate": (
        between, FEW, (20, 0.4, 1.2), (-0.9, 12.7, -0.12), [(0, 50), (0, 1), (0, 9)],
        AWAY.format("k"),
    ),
    "both": (
        ratio, FEW, (32, -2.3, 0.12), (2.9, -97.0, -5.5), [(0, 90), (-9, 9), (0, 9)],
        AWAY.format("b, c"),
    ),
}  # fmt: skip
"""A model, its x, its truth, a start that leads nowhere, a box around the truth, what is said."""


def measured(model, x, truth, seed: int = 0) -> np.ndarray:
    y = model(x, *truth)
    return y + 0.02 * np.ptp(y) * np.random.default_rng(seed).normal(size=x.size)




@pytest.mark.parametrize("trap", TRAPS)
def test_a_descent_that_loses_a_parameter_sends_out_more_starts(trap: str) -> None:
    model, x, truth, begin, box, why = TRAPS[trap]
    y = measured(model, x, truth)
    start = dict(zip([*signature(model).parameters][1:], begin, strict=True))

    def chi2(p):
        with np.errstate(over="ignore", invalid="ignore"):
            return float(np.sum((model(x, *p) - y) ** 2))

    best = differential_evolution(chi2, box, seed=1, tol=1e-8)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        alone = descend.fit(model, x, y, start=start, starts=1)
    assert alone.chi2 > 1.5 * best.fun and alone.n_starts == 1
    assert alone.verdict in ("side minimum", "flat", "runaway")
    with pytest.warns(descend.DescendWarning, match="another start than the one that was given"):
        fit = descend.fit(model, x, y, start=start)
    assert fit.success and fit.chi2 == pytest.approx(best.fun, rel=1e-6)
    assert f"{fit.n_starts - 1} more were tried, since {why}, the best is" in fit.start_source
    assert 2 <= fit.n_agreed < fit.n_starts or "evaluations spent" in fit.start_source
    assert descend.fit(model, x, y).chi2 == pytest.approx(best.fun, rel=1e-6)


REDUNDANT = {
    "a product": (lambda x, a, b, c: a * b * np.exp(-c * x), (1, 2, 0.3)),
    "a sum": (lambda x, a, b, c: a + b + c * x, (1, 2, 0.3)),
    "a shift": (lambda x, a, m, k: a * np.exp(-k * (x - m)), (2, 1, 0.3)),
}


@pytest.mark.parametrize("case", REDUNDANT)
@pytest.mark.parametrize("given", [None, 1.0])
def test_redundant_parameters_are_told_and_no_start_is_tried_for_them(case: str, given) -> None:
    model, truth = REDUNDANT[case]
    start = None if given is None else dict.fromkeys([*signature(model).parameters][1:], given)
    fit = descend.fit(model, FEW, measured(model, FEW, truth), start=start)
    assert fit.n_starts == 1 and "more were tried" not in fit.start_source
    assert "the data do not determine" in fit.errors_note


@pytest.mark.filterwarnings("ignore:no minimum there")
def test_a_lost_parameter_is_seen_beside_redundant_ones() -> None:
    def model(x, a, b, m, s):
        return a * b * np.exp(-((x - m) ** 2) / (2 * s**2))

    x = 6 * FEW
    y = measured(model, x, (3, 1, 40, 2), seed=4)
    fit = descend.fit(model, x, y)
    plain = descend.fit(bell, x, y, start=dict(a=3, m=40, s=2))
    assert fit.chi2 == pytest.approx(plain.chi2, rel=1e-6)
    assert LOST in fit.start_source and fit.n_agreed >= 2


def test_nullity_by_exact_columns() -> None:
    rng = np.random.default_rng(2)
    j = rng.normal(size=(40, 4)) * [1, 1e-9, 1e9, 1]
    size = np.array([1, 1e9, 1e-9, 1])
    assert nullity(j.T @ j, size) == 0
    j[:, 3] = 2 * j[:, 0] + 1e9 * j[:, 1]
    assert nullity(j.T @ j, size) == 1
    j[:, 2] = 0
    assert nullity(j.T @ j, size) == 2
    assert nullity(np.zeros((3, 3)), np.ones(3)) == 3


def decay(x, a, b):
    return a * np.exp(-b * x)


@pytest.mark.parametrize("options", [{}, {"bounds": {"b": (0, 2000)}}], ids=["free", "bounded"])
def test_a_start_too_far_out_is_left_and_that_is_said(options) -> None:
    y = decay(X, 3, 1.3) + 0.01 * np.random.default_rng(0).normal(size=X.size)
    with pytest.warns(descend.DescendWarning, match="come from another start than the one"):
        fit = descend.fit(decay, X, y, start={"a": 1, "b": 1000}, **options)
    best = differential_evolution(
        lambda p: np.mean((decay(X, *p) - y) ** 2), [(0, 10), (0, 10)], seed=0, tol=1e-12
    )
    assert fit.loss == pytest.approx(best.fun, rel=1e-6)
    assert "hardly determine all parameters, the best is one of these" in fit.start_source


def test_one_start_that_is_asked_for_is_one_descent() -> None:
    with pytest.warns(descend.DescendWarning, match="a side minimum: .*starts=1 keeps to it"):
        fit = descend.fit(decay, X, decay(X, 3, 1.3), start={"a": 1, "b": 1000}, starts=1)
    assert (fit.n_starts, fit.start_source, fit.verdict) == (1, "given", "side minimum")


def test_the_time_is_that_of_all_descents() -> None:
    seen: list[float] = []
    fit = descend.fit(
        decay, X, decay(X, 3, 1.3) + 0.1, start={"a": 1, "b": 1}, starts=4,
        callback=lambda moment: seen.append(moment.epoch),
    )  # fmt: skip
    assert fit.n_evaluations == len(seen) > fit.n_updates


def test_a_search_that_was_stopped_says_so() -> None:
    heard: list[int] = []

    def third(moment) -> bool:
        heard.append(moment.epoch)
        return heard.count(1) == 3

    fit = descend.fit(
        decay, X, decay(X, 3, 1.3) + 0.1, start={"a": 1, "b": 1}, starts=8, callback=third
    )
    assert fit.n_starts == 3
    assert fit.start_source.endswith("(stopped before the search was done)")


def test_no_descent_begins_after_the_time_is_over() -> None:
    """Though each of them ends before it has looked at the clock."""
    y = decay(X, 3, 1.3) + 0.1
    fit = descend.fit(decay, X, y, start={"a": 1, "b": 1}, starts=10**6, max_seconds=1e-9)
    assert fit.n_starts == 1
    assert fit.start_source.endswith("(max_seconds spent before the search was done)")
