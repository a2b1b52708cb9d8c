"""From the guess alone every ready model arrives, whatever the noise, the order and the units."""

import warnings

import numpy as np
import pytest

import descend
import descend.models as m
from models.truths import CASES, SUMS, Case
from whole import WHOLE

SCALES = [(1.0, 1.0), (1e-6, 1e4), (1e6, 1e-5)]
UNITS_OF_X_INSIDE = {"lognormal", "power_law", "arrhenius"}


def simulated(case: Case, seed: int, scale: float):
    """x, the noisy y, and the sum of squares at the truth, in units of x of another size."""
    rng = np.random.default_rng(seed)
    n, noise = int(rng.choice([40, 80, 200])), float(rng.choice([0, 0.01, 0.05, 0.1]))
    truth = case.draw(rng)
    x = rng.uniform(case.low, max(10.0, 1.3 * case.low), n)
    y = case.model.function(x, *truth)
    noisy = y + noise * np.ptp(y) * rng.normal(size=n)
    return x * scale, noisy, float(np.sum((noisy - y) ** 2))


ALL = CASES | SUMS


@pytest.mark.fuzz
@pytest.mark.parametrize("name", ALL)
def test_the_guess_leads_there(name: str) -> None:
    """Every model meets some of the scales, and so many draws for each; all where fuzz is run."""
    case, place = ALL[name], list(ALL).index(name)
    for seed in range(4 if name in CASES else 3):
        if not WHOLE and (seed + place) % 3:
            continue
        across, up = SCALES[0 if name in UNITS_OF_X_INSIDE else seed % 3]
        x, y, squares = simulated(case, seed, across)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", descend.DescendWarning)
            fit = descend.fit(case.model, x, y * up)
        assert "guessed from the data" in fit.start_source
        assert fit.success, (seed, fit.message)
        assert fit.chi2 <= 1.001 * squares * up**2 + 1e-10 * np.sum((y * up) ** 2), seed


@pytest.mark.parametrize("name", CASES)
def test_the_guess_follows_the_units_of_y(name: str) -> None:
    """What is measured in units of y is multiplied, all else stays."""
    case = CASES[name]
    x, y, _ = simulated(case, 3, 1.0)
    one, other = case.model.guess(x, y), case.model.guess(x, 1024.0 * y)
    linear = case.model.singles[0].kind.linear
    for parameter, value in one.items():
        factor = 1024.0 if parameter in linear else 1.0
        assert other[parameter] == pytest.approx(factor * value, rel=1e-6, abs=1e-12)


def test_order_of_rows_does_not_matter() -> None:
    x, y, _ = simulated(SUMS["peak on a line"], 1, 1.0)
    model, turned = SUMS["peak on a line"].model, np.random.default_rng(0).permutation(len(x))
    assert model.guess(x, y) == pytest.approx(model.guess(x[turned], y[turned]), rel=1e-6)


def test_equal_peaks_are_numbered_from_left_to_right() -> None:
    x = np.linspace(0, 20, 300)
    truth = [2.0, 15.0, 0.5, 3.0, 4.0, 0.7, 4.0, 9.0, 0.6]
    model = m.gaussian() + m.gaussian() + m.gaussian()
    start = model.guess(x, model.function(x, *truth))
    centers = [start[f"gaussian{k}_center"] for k in (1, 2, 3)]
    assert centers == pytest.approx([4.0, 9.0, 15.0], abs=0.05)


def test_what_is_given_is_kept() -> None:
    x = np.linspace(0, 10, 100)
    model = m.gaussian() + m.constant()
    y = model.function(x, 3.0, 4.0, 0.5, 1.0)
    start = model.guess(x, y, center=4.2, c=0.9)
    assert start["center"] == 4.2 and start["c"] == 0.9
    assert start["sigma"] == pytest.approx(0.5, rel=0.2)


def test_a_spike_and_a_gap_do_not_mislead() -> None:
    rng = np.random.default_rng(5)
    x = np.concatenate([np.linspace(0, 3, 60), np.linspace(5, 10, 100)])
    y = m.gaussian().function(x, 5.0, 7.0, 0.6) + 0.05 * rng.normal(size=x.size)
    y[10] += 6.0
    fit = descend.fit(m.gaussian(), x, y)
    assert fit.params["center"] == pytest.approx(7.0, abs=0.05)


def test_two_dimensions() -> None:
    x, y = (column.ravel() for column in np.meshgrid(np.linspace(-3, 3, 20), np.linspace(0, 5, 25)))
    truth = [-3.0, 1.0, 0.5, 2.0, 0.9]
    z = m.gaussian2d().function(x, y, *truth) + 0.01 * np.random.default_rng(0).normal(size=x.size)
    for model, level in ((m.gaussian2d(), []), (m.gaussian2d() + m.constant(), [7.0])):
        fit = descend.fit(model, (x, y), z + sum(level))
        assert fit.success and fit.start_source == "guessed from the data"
        assert list(fit.params.values()) == pytest.approx(truth + level, abs=0.05)


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize(
    "x, y",
    [
        (np.array([1.0]), np.array([2.0])),
        (np.full(5, 3.0), np.arange(5.0)),
        (np.arange(5.0), np.zeros(5)),
        (np.arange(6.0), np.full(6, -2.0)),
        (np.array([0.0, 1.0, np.nan, 3.0]), np.array([1.0, np.inf, 2.0, 0.5])),
    ],
    ids=["one row", "one x", "zeros", "one value", "holes"],
)
def test_poor_data_give_finite_guesses(name: str, x, y) -> None:
    start = CASES[name].model.guess(x, y)
    assert list(start) == list(CASES[name].model.parameters)
    assert np.isfinite(list(start.values())).all()


def test_words() -> None:
    with pytest.raises(
        descend.UsageError, match=r'"centre" is no parameter \(did you mean "center"'
    ):
        m.gaussian().guess([0.0, 1.0], [1.0, 2.0], centre=3.0)
    with pytest.raises(descend.UsageError, match="different lengths: 2 and 3"):
        m.gaussian().guess([0.0, 1.0], [1.0, 2.0, 3.0])
    with pytest.raises(descend.UsageError, match="no row with finite numbers"):
        m.gaussian().guess([np.nan], [1.0])
