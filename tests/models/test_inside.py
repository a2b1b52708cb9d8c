"""Ready models inside one's own functions: plain functions of arrays, in everything that traces."""

from typing import Any

import numpy as np
import pytest

import descend
from descend.models import gaussian, linear, lorentzian, sine, voigt

X = np.linspace(0.0, 10.0, 50)
PEAK = gaussian()
BOTH = gaussian() + linear()


def on_a_base(x: Any, a: Any, c: Any, s: Any, base: Any) -> Any:
    return PEAK(x, a, c, s) + base


def by_name(x: Any, a: Any, c: Any, s: Any, base: Any) -> Any:
    return gaussian()(x, amplitude=a, sigma=s, center=c) + base


Y = PEAK(X, 3, 5, 1) + 1
START = dict(a=2.0, c=4.0, s=1.0, base=0.0)


@pytest.mark.parametrize("model", [on_a_base, by_name])
def test_in_fit(model: Any) -> None:
    found = descend.fit(model, X, Y, start=START)
    assert list(found.params.values()) == pytest.approx([3, 5, 1, 1], rel=1e-6)
    assert found.predict(X) == pytest.approx(Y, rel=1e-6)


def test_in_fit_many() -> None:
    targets = np.stack([PEAK(X, a, 5, 1) + a for a in (2.0, 3.0, 4.0)])
    found = descend.fit_many(on_a_base, X, targets, start=START)
    assert found.params["a"] == pytest.approx([2, 3, 4], rel=1e-6)
    assert found.params["base"] == pytest.approx([2, 3, 4], rel=1e-6)


def test_in_minimize() -> None:
    found = descend.minimize(
        lambda a, c, s: np.sum((PEAK(X, a, c, s) + 1 - Y) ** 2), start=dict(a=2.0, c=4.5, s=1.2)
    )
    assert list(found.params.values()) == pytest.approx([3, 5, 1], rel=1e-5)


def difference(function: Any, at: float) -> float:
    return float((function(at + 1e-6) - function(at - 1e-6)) / 2e-6)


@pytest.mark.parametrize(
    "function",
    [
        lambda c: np.sum(PEAK(X, 3, c, 1.0)),
        lambda s: np.sum(PEAK(X, 3, 5, s) ** 2),
        lambda x: PEAK(x, 3, 5, 1) * x,
        lambda x: BOTH(x, 3.0, 5.0, 1.0, x, 2.0),
        lambda s: np.sum((gaussian() * sine())(X, 3, 5, 1.0, s, 1.0, 0.2)),
        lambda s: np.sum(voigt()(X, 3, 5, s, 0.5)),
        lambda s: np.sum((lorentzian(prefix="l_") + linear())(X, 3, 5, s, 1.0, 2.0)),
        lambda s: np.sum(PEAK([1.0, 4.5, s], 3, 5, 1)),
    ],
)
def test_in_derivatives(function: Any) -> None:
    value, slope = descend.value_and_grad(function)(1.5)
    assert value == pytest.approx(function(1.5), rel=1e-13)
    assert slope == pytest.approx(difference(function, 1.5), rel=1e-6, abs=1e-7)


def test_wrong_arguments_are_named() -> None:
    with pytest.raises(descend.UsageError, match="missing a required argument: 'sigma'"):
        descend.grad(lambda c: np.sum(PEAK(X, 3, c)))(5.0)
