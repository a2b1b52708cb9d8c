"""Profiles and regions of curved models: against lmfit, SciPy, and what must hold."""

import json
import math
from pathlib import Path

import numpy as np
import pytest
from scipy import optimize, stats

import descend
from descend.errors import UsageError

PROBLEMS = json.loads((Path(__file__).parents[1] / "data/nist_strd.json").read_text())["problems"]

# lmfit 1.3.4: Minimizer(residual, params), leastsq(xtol=ftol=gtol=1e-15), then
# conf_interval(minimizer, result, sigmas=[0.95]); it finds the ends to about 1e-6.
LMFIT = {
    "Misra1a": {
        "b1": (233.1953079249402, 245.01736934624398),
        "b2": (0.000534318267926781, 0.0005660298972798854),
    },
    "Eckerle4": {
        "b1": (1.5229604137313766, 1.586031606190324),
        "b2": (3.993335433564959, 4.186761000070451),
        "b3": (451.44572343860057, 451.636584319449),
    },
}


@pytest.mark.parametrize("name", LMFIT)
def test_intervals_are_those_of_lmfit(name):
    problem = PROBLEMS[name]
    names = [f"b{i + 1}" for i in range(len(problem["certified"]))]
    formulas = {
        "Misra1a": lambda x, b1, b2: b1 * (1 - np.exp(-b2 * x)),
        "Eckerle4": lambda x, b1, b2, b3: b1 / b2 * np.exp(-0.5 * ((x - b3) / b2) ** 2),
    }
    x, y = (np.array(problem["columns"][c], float) for c in "xy")
    start = dict(zip(names, problem["certified"], strict=True))
    fit = descend.fit(formulas[name], x, y, start=start)
    for key, (low, high) in LMFIT[name].items():
        reach = high - low
        found = fit.profile(key)
        assert found.low == pytest.approx(low, abs=1e-5 * reach)
        assert found.high == pytest.approx(high, abs=1e-5 * reach)


def saturating(x, a, k):
    return a * (1 - np.exp(-k * x))


@pytest.fixture(scope="module")
def short():
    """Data that end long before the saturation: a is open above, k is not."""
    x = np.linspace(0, 1, 30)
    y = 1 - np.exp(-0.2 * x) + np.random.default_rng(1).normal(0, 0.01, 30)
    return x, y, descend.fit(saturating, x, y, start=dict(a=1, k=0.2))


def lowest_square(x, y, k):
    """min over a of the sum of squares, which is linear in a."""
    column = 1 - np.exp(-k * x)
    return float(np.sum((y - column * (column @ y) / (column @ column)) ** 2))


def test_the_ends_are_where_the_rest_refitted_says(short):
    x, y, fit = short
    goal = fit.chi2 + fit.reduced_chi2 * stats.f.ppf(0.95, 1, 28)
    found = fit.profile("k")
    for end, away in ((found.low, -1.0), (found.high, 1.0)):
        expected = optimize.brentq(
            lambda k: lowest_square(x, y, k) - goal, fit.params["k"] + 0.05 * away,
            fit.params["k"] + away, xtol=1e-12,
        )  # fmt: skip
        assert end == pytest.approx(expected, rel=1e-5)
    for value, rise in zip(found.values, found.rises, strict=True):
        expected = (lowest_square(x, y, value) - fit.chi2) / fit.reduced_chi2
        assert rise == pytest.approx(expected, abs=1e-6)


def test_a_profile_that_levels_off_is_open(short):
    """For a → ∞ the model becomes a straight line, whose sum of squares is finite."""
    x, y, fit = short
    found = fit.profile("a")
    assert found.high == math.inf and found.sides[1].reason == "open"
    line = float(np.sum((y - x * (x @ y) / (x @ x)) ** 2))
    limit = math.sqrt((line - fit.chi2) / fit.reduced_chi2)
    assert found.sides[1].rise == pytest.approx(limit, rel=1e-3)
    assert "a is open above: the fit gets worse by no more than" in found.report()
    regions = fit.contour("a", "k", points=11)
    assert regions.cut == ("the regions are open: a may go on without end",)


def test_the_likelihood_of_counts():
    x = np.arange(12.0)
    y = np.random.default_rng(4).poisson(20 * np.exp(-0.2 * x)).astype(float)
    fit = descend.fit(
        lambda x, a, k: a * np.exp(-k * x), x, y, start=dict(a=10, k=0.1), loss="poisson"
    )

    def deviance(k):
        """With the best a for k, for which the sum of rates is that of the counts."""
        rate = y.sum() * np.exp(-k * x) / np.exp(-k * x).sum()
        return 2 * np.sum(rate - y * np.log(rate))

    best = optimize.minimize_scalar(deviance, bracket=(0.1, 0.2), tol=1e-12)
    goal = best.fun + stats.chi2.ppf(0.95, 1)
    found = fit.profile("k")
    for end, outside in ((found.low, 0.05), (found.high, 0.5)):
        assert end == pytest.approx(
            optimize.brentq(lambda k: deviance(k) - goal, best.x, outside, xtol=1e-12), rel=1e-6
        )


@pytest.mark.filterwarnings("ignore:a side minimum", "ignore:the parameters come from another")
def test_a_lower_minimum_on_the_way_is_told():
    x = np.linspace(0, 10, 60)
    y = np.sin(2.2 * x) + np.random.default_rng(3).normal(0, 0.3, 60)
    fit = descend.fit(lambda x, a, w: a * np.sin(w * x), x, y, start=dict(a=0.3, w=1.4), starts=1)
    found = fit.profile("w")
    assert math.isnan(found.low) and math.isnan(found.high)
    better = descend.fit(lambda x, a, w: a * np.sin(w * x), x, y, start=found.better)
    assert better.chi2 < fit.chi2
    assert "A lower minimum was found on the way along w" in str(found)
    assert "start=dict(a=" in str(found)


def test_regions_hold_the_profiles_of_each(short):
    """The widest reach of a region along one parameter is that parameter's profile."""
    x, y, _ = short
    fit = descend.fit(saturating, 6 * x, 1 - np.exp(-1.2 * x) + (y - y.mean()) * 0.05,
                      start=dict(a=1, k=0.2))  # fmt: skip
    found = fit.contour("a", "k", levels=(0.5, 0.9), points=61)
    single = fit.profile("k", 2 * stats.t.cdf(math.sqrt(found.thresholds[1]), fit.dof) - 1)
    inside = found.y[(found.rises <= found.thresholds[1]).any(axis=1)]
    step = found.y[2] - found.y[1]
    assert inside.min() == pytest.approx(single.low, abs=step)
    assert inside.max() == pytest.approx(single.high, abs=step)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda fit: fit.profile("q"), '"q" is no free number of the fit'),
        (lambda fit: fit.profile("a", 95), "level=95 is not between 0 and 1"),
        (lambda fit: fit.contour("a", "a"), 'contour needs two parameters, and got "a" twice'),
        (lambda fit: fit.confidence(kind="profil"), 'did you mean "profile"'),
        (lambda fit: fit.propagate("a*kk"), 'names kk, which is no parameter (did you mean "k"?)'),
        (lambda fit: fit.propagate(3.0), "propagate takes a function of the parameters, not float"),
        (lambda fit: fit.propagate(lambda s, t: s), "the parameters are a, k"),
        (lambda fit: fit.prediction_band(np.ones(2), sigma=1.0), "the fit had no sigma"),
        (lambda fit: fit.bootstrap(kind="cases"), 'did you mean "case"'),
        (lambda fit: fit.bootstrap(20).intervals(kind="t"), 'no bootstrap interval of kind "t"'),
    ],
)
def test_wrong_use(short, call, words):
    with pytest.raises(UsageError) as caught:
        call(short[2])
    assert words in str(caught.value)


def test_what_has_no_minimum_has_no_profile():
    x = np.linspace(0, 1, 10)
    y = np.exp(x)
    stopped = descend.fit(saturating, x, y, start=dict(a=1, k=0.2), optimizer="sgd", lr=1e-3,
                          epochs=2)  # fmt: skip
    with pytest.raises(UsageError, match="the descent had not arrived"):
        stopped.profile("a")
    exact = descend.fit(lambda x, a: a * x, x, x, start=dict(a=1))
    with pytest.raises(UsageError, match="there is no noise to judge it by"):
        exact.profile("a")
    robust = descend.fit(lambda x, a: a * x, x, y, start=dict(a=1), loss="huber(1)")
    with pytest.raises(UsageError, match="is no likelihood"):
        robust.profile("a")
