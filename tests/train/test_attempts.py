"""Several starts: what is returned, how many agree, and when more are tried unasked."""

import numpy as np
import pytest

import descend

X = np.linspace(0, 10, 200)


def wave(x, a, w, p, c):
    return a * np.sin(w * x + p) + c


def noisy(seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    truth = rng.uniform(1, 5), rng.uniform(0.5, 6), rng.uniform(-3, 3), rng.uniform(-5, 5)
    return wave(X, *truth) + 0.1 * rng.normal(size=X.size)


def test_correlated_residuals_send_out_more_starts() -> None:
    fit = descend.fit(wave, X, noisy(0))
    assert fit.chi2 < 3.0
    assert fit.n_starts > 1 and 1 <= fit.n_agreed < fit.n_starts
    words = f"{fit.n_starts - 1} more were tried, since the residuals of the first are correlated"
    assert words in fit.start_source
    assert f"{fit.n_agreed} of {fit.n_starts} agree" in fit.report().replace("\n    ", " ")


def test_the_same_seed_tries_the_same_starts() -> None:
    one, other = descend.fit(wave, X, noisy(1)), descend.fit(wave, X, noisy(1))
    assert one.params == other.params and one.n_starts == other.n_starts


@pytest.mark.parametrize("start", [{"a": 1, "w": 9, "p": 0, "c": 0}, "random"], ids=str)
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
