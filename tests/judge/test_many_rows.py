"""Ends on many rows, of which no plan is kept: a pass over the rows says what J itself says."""

import warnings

import numpy as np
import pytest

import descend
import descend.judge.verdict as verdict_module
from descend.judge.clear import clear_by_graph
from descend.run.ends import MANY_ROWS, WARM
from whole import covered

N = WARM * MANY_ROWS
X = np.linspace(0.0, 4.0, N)
START = {"a": 1.5, "k": 1.0, "c": 0.2}


def decay(x, a, k, c):
    return a * np.exp(-k * x) + c


def nine(x, a, b, c, d, e, f, g, h, i):
    return ((a + b * x + c * x**2) * np.sin(d * x) + e) / (1 + f * x) + g * np.tanh(h * x + i)


def noisy(y, seed=0):
    return y + 0.05 * np.random.default_rng(seed).normal(size=N)


def told(*given, **options):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        fit = descend.fit(*given, **options)
    return fit.status, fit.verdict, fit.success, fit.arrived, fit.message, dict(fit.params)


@pytest.fixture
def cleared(monkeypatch):
    """What the passes over the rows have said."""
    seen = []

    def watched(run, look):
        seen.append(clear_by_graph(run, look))
        return seen[-1]

    monkeypatch.setattr(verdict_module, "clear_by_graph", watched)
    monkeypatch.setattr("descend.judge.clear.clear_by_graph", watched)
    return seen


def closer(monkeypatch):
    """From here on all ends are looked at closer."""
    monkeypatch.setattr(verdict_module, "ends_clearly", lambda run: False)
    monkeypatch.setattr(verdict_module, "clear_by_graph", lambda run, look: False)


@covered("method, loss", ["bfgs", "lbfgs", "cg", "newton"], ["mse", "huber(0.1)"])
def test_a_minimum_is_cleared_and_is_one(method, loss, cleared, monkeypatch):
    options = {"start": START, "optimizer": method, "loss": loss}
    y = noisy(decay(X, 2.0, 1.3, 0.5))
    first = told(decay, X, y, **options)
    assert cleared[-1] and first[1] == "minimum"
    closer(monkeypatch)
    assert told(decay, X, y, **options) == first


def test_nine_numbers_are_cleared_by_their_equations(cleared, monkeypatch):
    start = dict(zip("abcdefghi", (1.0, 0.3, -0.1, 2.0, 0.5, 0.2, 0.4, 1.1, -0.6), strict=True))
    y = noisy(nine(X, *[1.05 * v for v in start.values()]))
    first = told(nine, X, y, start=start, optimizer="bfgs", epochs=3000)
    assert cleared[-1] and first[1] == "minimum"
    closer(monkeypatch)
    assert told(nine, X, y, start=start, optimizer="bfgs", epochs=3000) == first


@pytest.mark.parametrize("loss", ["mse", "huber(0.1)"])
def test_a_side_minimum_is_not_cleared(loss, cleared):
    y = noisy(np.sin(9.0 * X))
    options = {"start": {"w": 30.0}, "optimizer": "bfgs", "loss": loss, "starts": 1}
    status, *_ = told(lambda x, w: np.sin(w * x), X, y, **options)
    assert not any(cleared)
    assert loss != "mse" or status == "side_minimum_kept"
