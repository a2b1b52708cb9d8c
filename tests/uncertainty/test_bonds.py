"""Uncertainties where parameters are bounded, fixed or tied: against the model written without."""

import numpy as np
import pytest

import descend
from descend.errors import UsageError

X = np.linspace(0, 4, 50)
NOISE = 0.1 * np.random.default_rng(3).normal(size=50)


def decay(x, a, k, c):
    return a * np.exp(-k * x) + c


@pytest.fixture(scope="module")
def bounded():
    """The minimum lies inside, the interval of c ends on its bound."""
    y = 2 * np.exp(-1.3 * X) + 0.03 + NOISE
    return descend.fit(decay, X, y, start=dict(a=1, k=1, c=0.1), bounds={"c": (0, None)})


def test_a_bound_ends_an_interval(bounded):
    free = descend.fit(decay, X, bounded.y, start=bounded.params)
    assert free.profile("c").low < 0
    found = bounded.profile("c")
    assert found.low == 0.0 and found.sides[0].reason == "bound"
    assert found.high == pytest.approx(free.profile("c").high, rel=1e-6)
    assert "c is one-sided: below, its bound 0 ends the interval." in found.report()
    assert bounded.contour("a", "c", points=9).cut == ("the bound 0 of c cuts the regions off",)


def test_what_makes_up_for_a_parameter_keeps_its_bounds_too(bounded):
    """k's profile with c held to be positive: S by a search that knows nothing of descend."""
    found = bounded.profile("k")
    for value, rise in zip(found.values, found.rises, strict=True):
        column = np.exp(-value * X)
        both = np.stack([column, np.ones(50)], axis=1)
        best = np.linalg.lstsq(both, bounded.y, rcond=None)[0]
        if best[1] < 0:
            best = np.array([column @ bounded.y / (column @ column), 0.0])
        square = np.sum((bounded.y - both @ best) ** 2)
        assert rise == pytest.approx((square - bounded.chi2) / bounded.reduced_chi2, abs=1e-5)


def test_draws_keep_within_bounds(bounded):
    found = bounded.bootstrap(400)
    assert found.draws[:, 2].min() == 0.0 and found.failed == 0
    assert found.intervals()["c"].low >= 0


def test_on_a_bound_the_others_have_errors_as_if_it_were_fixed():
    y = 2 * np.exp(-1.3 * X) - 0.1 + NOISE
    found = descend.fit(decay, X, y, start=dict(a=1, k=1, c=0.1), bounds={"c": (0, None)})
    alone = descend.fit(decay, X, y, start=dict(a=1, k=1), fixed={"c": 0.0})
    assert found.params["c"] == 0.0 and np.isnan(found.stderr["c"])
    share = np.sqrt((50 - 2) / (50 - 3))  # a bound that happens to hold is no parameter less
    for name in "ak":
        assert found.stderr[name] == pytest.approx(share * alone.stderr[name], rel=1e-5)
    low, high = found.profile("c").low, found.profile("c").high
    assert low == 0.0 and 0 < high < 0.1


def test_fixed_parameters_hand_on_no_error():
    y = 2 * np.exp(-1.3 * X) + 0.05 + NOISE
    found = descend.fit(decay, X, y, start=dict(a=1, k=1), fixed={"c": 0.05})
    other = descend.fit(lambda x, a, k: decay(x, a, k, 0.05), X, y, start=dict(a=1, k=1))
    assert list(found.confidence()) == ["a", "k"] == list(found.profile())
    assert found.profile("k").high == pytest.approx(other.profile("k").high, rel=1e-6)
    assert found.propagate("a*c").stderr == pytest.approx(0.05 * other.stderr["a"], rel=1e-6)
    ours, theirs = found.confidence_band(X), other.confidence_band(X)
    assert ours.stderr == pytest.approx(theirs.stderr, rel=1e-6)
    with pytest.raises(UsageError, match="c is fixed: it has no interval"):
        found.profile("c")


def test_tied_parameters_follow():
    y = 2 * np.exp(-1.0 * X) + 0.05 + NOISE
    found = descend.fit(decay, X, y, start=dict(a=1), ties={"k": "a/2", "c": "k/20"})
    other = descend.fit(lambda x, a: decay(x, a, a / 2, a / 40), X, y, start=dict(a=1))
    assert found.profile("a").low == pytest.approx(other.profile("a").low, rel=1e-6)
    ours, theirs = found.prediction_band(X), other.prediction_band(X)
    assert ours.high == pytest.approx(theirs.high, rel=1e-6)
    expected = other.propagate("a*a/40").stderr
    assert found.propagate("a*c").stderr == pytest.approx(expected, rel=1e-6)
    assert found.diagnostics().leverage == pytest.approx(other.diagnostics().leverage, rel=1e-5)
    with pytest.raises(UsageError, match="c is tied: c = k/20"):
        found.profile("c")
