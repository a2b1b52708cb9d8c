"""What the ready models compute: against SciPy's distributions, lmfit's values and differences."""

import json
from pathlib import Path

import numpy as np
import pytest
from scipy import stats
from scipy.special import voigt_profile

import descend
import descend.models as m
from descend.models.table import KINDS
from descend.trace.formula import Formula
from models.truths import CASES

PATH = Path(__file__).parents[1] / "data" / "lmfit_models.json"
REFERENCE = json.loads(PATH.read_text("utf-8"))
X = np.array([-1.0, 0.0, 0.3, 1.0, 2.5, 7.0])

DENSITIES = {
    "gaussian": (lambda x: stats.norm.pdf(x, 1.2, 0.7), (1, 1.2, 0.7)),
    "lorentzian": (lambda x: stats.cauchy.pdf(x, 1.2, 0.7), (1, 1.2, 0.7)),
    "voigt": (lambda x: voigt_profile(x - 1.2, 0.7, 0.4), (1, 1.2, 0.7, 0.4)),
    "lognormal": (lambda x: stats.lognorm.pdf(x, 0.7, scale=np.exp(1.2)), (1, 1.2, 0.7)),
    "weibull": (lambda x: stats.weibull_min.pdf(x, 2.5, scale=1.4), (1, 1.4, 2.5)),
    "weibull_cumulative": (lambda x: stats.weibull_min.cdf(x, 2.5, scale=1.4), (1, 1.4, 2.5)),
    "step": (lambda x: stats.norm.cdf(x, 1.2, 0.7 / np.sqrt(2)), (1, 1.2, 0.7)),
    "step_atan": (lambda x: stats.cauchy.cdf(x, 1.2, 0.7), (1, 1.2, 0.7)),
    "step_logistic": (lambda x: stats.logistic.cdf(x, 1.2, 0.7), (1, 1.2, 0.7)),
    "logistic3": (lambda x: 3 * stats.logistic.cdf(x, 1.2, 0.7), (3, 1.2, 0.7)),
    "logistic4": (lambda x: 1 + 2 * stats.logistic.cdf(x, 1.2, 0.7), (1, 3, 1.2, 0.7)),
    "logistic5": (
        lambda x: 1 + 2 * stats.genlogistic.cdf(x, 1.8, 1.2, 0.7), (1, 3, 1.2, 0.7, 1.8),
    ),
    "polynomial4": (lambda x: np.polyval([5, 4, 3, 2, 1], x), (1, 2, 3, 4, 5)),
    "hill": (lambda x: stats.fisk.cdf(x, 2.5, scale=1.4), (1, 1.4, 2.5)),
}  # fmt: skip


@pytest.mark.parametrize("name", DENSITIES)
def test_against_scipy(name: str) -> None:
    expected, parameters = DENSITIES[name]
    assert KINDS[name].function(X, *parameters) == pytest.approx(expected(X), rel=1e-13, abs=1e-300)


@pytest.mark.parametrize("name", REFERENCE["models"])
def test_against_lmfit(name: str) -> None:
    entry, kind = REFERENCE["models"][name], KINDS[name]
    assert list(entry["parameters"]) == list(kind.parameters)
    data = [np.array(column) for column in entry["data"].values()]
    assert kind.function(*data, **entry["parameters"]) == pytest.approx(entry["values"], rel=1e-12)


def test_arrhenius_and_michaelis_menten() -> None:
    energy = 8.31446261815324 * 300 * np.log(2)
    assert m.arrhenius()(300.0, 8.0, energy) == pytest.approx(4.0, rel=1e-14)
    assert m.michaelis_menten()(np.array([0.0, 3.0]), 8.0, 3.0).tolist() == [0.0, 4.0]


@pytest.mark.parametrize("n, expected", [(2.0, 0.0), (-2.0, 3.0)])
def test_hill_at_zero_is_its_limit(n: float, expected: float) -> None:
    """Its derivatives are finite there too: at no dose there is nothing to divide by."""
    x = np.array([0.0, 1.0])
    assert m.hill()(x, 3.0, 1.0, n)[0] == expected
    slopes = descend.jacobian(lambda p: m.hill().function(x, p[0], p[1], p[2]))(
        np.array([3.0, 1.0, n])
    )
    assert slopes[0].tolist() == [expected / 3.0, 0.0, 0.0]


@pytest.mark.parametrize("name", CASES)
def test_derivatives_against_differences(name: str) -> None:
    case = CASES[name]
    rng = np.random.default_rng(1)
    truth = np.array(case.draw(rng))
    x = rng.uniform(case.low + 0.1, case.low + 10.0, 7)

    def model(p):
        return case.model.function(x, *(p[k] for k in range(len(truth))))

    slopes = np.asarray(descend.jacobian(model)(truth))
    size = 1e-5 * np.maximum(np.abs(truth), 1e-2)
    for k, step in enumerate(np.diag(size)):
        near = (model(truth + step) - model(truth - step)) / (2 * size[k])
        far = (model(truth + 2 * step) - model(truth - 2 * step)) / (4 * size[k])
        scale = np.abs(slopes[:, k]).max() + np.abs(model(truth)).max()
        assert slopes[:, k] == pytest.approx((4 * near - far) / 3, rel=1e-6, abs=1e-8 * scale)


def test_every_kind_says_what_it_is() -> None:
    for kind in KINDS.values():
        assert all(kind.parameters.values()), f"{kind.name}: a parameter without meaning"
        named = set(kind.bounds) | set(kind.linear) | ({kind.place} if kind.place else set())
        assert named <= set(kind.parameters)
        assert kind.name in CASES | {"gaussian2d": None} or kind.name.startswith("polynomial")


@pytest.mark.parametrize("name", [n for n in KINDS if "voigt" not in n])
def test_formulas_are_what_is_computed(name: str) -> None:
    """The formula that is shown, read as a formula, gives the same numbers."""
    kind = KINDS[name]
    parameters = {p: 0.7 + 0.4 * k for k, p in enumerate(kind.parameters)}
    data = {c: np.array([0.3, 1.1, 2.9]) for c in kind.data}
    text = kind.formula.replace("8.31446*", "8.31446261815324*")
    shown = Formula.parse(text).evaluate({**data, **parameters})
    assert np.broadcast_to(shown, 3) == pytest.approx(
        kind.function(*data.values(), *parameters.values()), rel=1e-12
    )
