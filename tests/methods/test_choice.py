"""Which optimizer is taken where none is asked for, and what the report says of it."""

from __future__ import annotations

import numpy as np
import pytest

import descend
from descend.methods.choice import Task, chosen

X = np.linspace(0.1, 3, 40)
Y = 2 * np.exp(-X) + 0.01 * np.cos(50 * X)


def model(x, a, k):
    return a * np.exp(-k * x)


def fit(**options):
    return descend.fit(model, X, Y, start=dict(a=1.0, k=0.5), epochs=5, **options)


@pytest.mark.parametrize(
    ("options", "name", "why"),
    [
        ({}, "LevenbergMarquardt", "a sum of squares of 2 parameters"),
        ({"loss": "huber"}, "LevenbergMarquardt", "a loss of each row with two derivatives, of 2"),
        ({"loss": "mae"}, "BFGS", "a loss with kinks, of 2 parameters"),
        ({"penalty": "l2(1e-3)"}, "BFGS", "a loss of 2 parameters"),
        ({"batch_size": 8}, "Adam", "batches of 8 rows"),
        ({"batch_size": 99}, "LevenbergMarquardt", "a sum of squares of 2 parameters"),
    ],
)
@pytest.mark.filterwarnings("ignore::descend.errors.DescendWarning")
def test_auto_says_what_and_why(options, name, why):
    for given in (None, "auto"):
        found = fit(optimizer=given, **options)
        assert found.optimizer.startswith(name)
        assert f"chosen for {why}" in " ".join(found.report().split())
    assert fit(optimizer=name_of(name), **options).chosen_for == ""


def name_of(name):
    return {"LevenbergMarquardt": "lm", "BFGS": "bfgs", "Adam": "adam"}[name]


def test_many_parameters_take_methods_that_need_less():
    assert isinstance(chosen(Task(100, squares=True))[0], descend.LevenbergMarquardt)
    assert isinstance(chosen(Task(101, squares=True))[0], descend.BFGS)
    assert isinstance(chosen(Task(501, squares=True))[0], descend.LBFGS)
    assert isinstance(chosen(Task(3, squares=True, bare=False))[0], descend.BFGS)


def test_minimize_says_why_too():
    found = descend.minimize(lambda x: np.sum((x - 1) ** 2), np.zeros(3), optimizer="auto")
    assert found.chosen_for == "a loss of 3 parameters"
    assert "chosen for a loss of 3 parameters" in " ".join(found.report().split())
    assert descend.minimize(lambda x: np.sum(x**4), np.ones(2), optimizer="bfgs").chosen_for == ""


def test_a_rate_without_an_optimizer_is_refused_in_auto_too():
    with pytest.raises(descend.UsageError, match="lr needs an optimizer"):
        fit(optimizer="auto", lr=0.1)


@pytest.mark.parametrize("name", ["newton", "nelder-mead"])
def test_methods_that_cannot_clip_say_so(name):
    with pytest.raises(descend.UsageError, match="knows no clip"):
        fit(optimizer=name, clip=descend.clip_norm(1.0))
