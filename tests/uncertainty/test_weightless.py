"""Rows of weight zero say nothing: everything is as if they were not there (as in R's `lm`)."""

import numpy as np
import pytest

import descend

X = np.linspace(0, 4, 40)
RNG = np.random.default_rng(4)
Y = 2 * np.exp(-1.3 * X) + 0.5 + 0.1 * RNG.normal(size=40)
WEIGHT = RNG.uniform(0.5, 2, 40)
WEIGHT[5:15] = 0
KEPT = WEIGHT > 0
START = {"a": 1.0, "k": 1.0, "c": 0.0}
TOLD = ["chi2", "reduced_chi2", "dof", "r2", "aic", "aicc", "bic"]


def decay(x, a, k, c):
    return a * np.exp(-k * x) + c


def both(loss: str = "mse", y: np.ndarray = Y) -> tuple[descend.Fit, descend.Fit]:
    whole = descend.fit(decay, X, y, start=START, sample_weight=WEIGHT, loss=loss)
    kept = descend.fit(decay, X[KEPT], y[KEPT], start=START, sample_weight=WEIGHT[KEPT], loss=loss)
    return whole, kept


def test_the_fit_and_what_is_said_of_it() -> None:
    for _ in range(3):  # also where it is made again
        whole, kept = both()
        assert whole.params == pytest.approx(kept.params, rel=1e-9)
        assert whole.stderr == pytest.approx(kept.stderr, rel=1e-8)
        for name in TOLD:
            assert getattr(whole, name) == pytest.approx(getattr(kept, name), rel=1e-9), name
    assert whole.residuals.shape == (40,) and "40 rows, 10 of weight 0" in whole.report()
    assert whole.to_json_dict()["n_weightless"] == 10


def test_intervals_and_bands() -> None:
    whole, kept = both()
    for kind in ("t", "profile"):
        one, other = whole.confidence(kind=kind), kept.confidence(kind=kind)
        for name in START:
            assert one[name].low == pytest.approx(other[name].low, rel=1e-6)
            assert one[name].high == pytest.approx(other[name].high, rel=1e-6)
    one, other = whole.confidence_band(X), kept.confidence_band(X)
    assert one.low == pytest.approx(other.low, rel=1e-6)
    drawn = [fit.bootstrap(400, seed=1).intervals() for fit in (whole, kept)]
    for name in START:
        size = drawn[1][name].high - drawn[1][name].low
        assert drawn[0][name].low == pytest.approx(drawn[1][name].low, abs=0.15 * size)


@pytest.mark.parametrize("loss", ["huber", "poisson"])
def test_other_losses(loss: str) -> None:
    y = Y if loss == "huber" else RNG.poisson(20 * decay(X, 2.0, 1.3, 0.5)).astype(float)
    whole, kept = both(loss, y)
    assert whole.dof == kept.dof
    assert whole.params == pytest.approx(kept.params, rel=1e-6)
    assert whole.stderr == pytest.approx(kept.stderr, rel=1e-4)


def test_too_few_rows_that_count_are_told() -> None:
    weight = np.zeros(40)
    weight[:2] = 1
    with pytest.warns(descend.DescendWarning, match="3 parameters and only 2 values"):
        descend.fit(decay, X, Y, start=START, sample_weight=weight)
