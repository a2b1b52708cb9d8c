"""Everyday models with nothing said of where to start: all must arrive at the global minimum."""

import warnings

import numpy as np
import pytest
from scipy.optimize import least_squares

import descend
from fitting.everyday import TASKS, Task
from whole import WHOLE


def least(task: Task, y: np.ndarray) -> float:
    """Where MINPACK ends when it begins at the truth."""
    truth = np.array(task.truth)
    with np.errstate(all="ignore"):
        found = least_squares(
            lambda p: task.model(task.x, *(p * truth)) - y, np.ones(truth.size), method="lm",
            xtol=1e-15, ftol=1e-15, gtol=1e-15, max_nfev=10_000,
        )  # fmt: skip
    return 2 * float(found.cost)


@pytest.mark.fuzz
@pytest.mark.parametrize("name", TASKS)
def test_an_everyday_model_needs_no_start(name: str) -> None:
    task = TASKS[name]
    for seed in range(3 if WHOLE else 1):
        y = task.data(seed)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", descend.DescendWarning)
            fit = descend.fit(task.model, task.x, y)
        assert fit.success and fit.chi2 <= least(task, y) * (1 + 1e-6), (seed, fit.params)


def test_what_enters_linearly_is_solved_for() -> None:
    task = TASKS["two decays"]
    fit = descend.fit(task.model, task.x, task.data(0))
    assert fit.start_source.startswith(
        "a, k, b, q the best of 32 candidates, a, b solved for (seed 0)"
    )
    a, k, b, q = (fit.start[name] for name in ("a", "k", "b", "q"))
    basis = np.exp(-np.outer(task.x, [k, q]))
    assert [a, b] == pytest.approx(np.linalg.lstsq(basis, task.data(0))[0], rel=1e-9)


def test_a_linear_model_begins_at_its_minimum() -> None:
    x = np.linspace(-1, 1, 30)
    y = 3 * x**2 - x + 2 + 0.1 * np.random.default_rng(0).normal(size=30)
    fit = descend.fit(lambda x, a, b, c: a * x**2 + b * x + c, x, y)
    assert list(fit.start.values()) == pytest.approx(np.polyfit(x, y, 2), rel=1e-9)


def test_sigmas_weigh_in_what_is_solved_for() -> None:
    x = np.linspace(0, 1, 20)
    y, sigma = 2 * x + 1 + x**3, 0.1 + x
    fit = descend.fit(lambda x, a, b: a * x + b, x, y, sigma=sigma)
    assert list(fit.start.values()) == pytest.approx(np.polyfit(x, y, 1, w=1 / sigma), rel=1e-9)


@pytest.mark.parametrize(
    "bonds", [{"bounds": {"a": (0, 1)}}, {"ties": {"b": "2*a"}}, {"fixed": {"a": 0.5}}], ids=str
)
def test_bonds_are_kept(bonds) -> None:
    x = np.linspace(0, 4, 40)
    y = 2 * np.exp(-1.3 * x) + 4
    fit = descend.fit(lambda x, a, k, b: a * np.exp(-k * x) + b, x, y, **bonds)
    a, b = fit.start["a"], fit.start["b"]
    assert {"bounds": 0 <= a <= 1, "ties": b == 2 * a, "fixed": a == 0.5}[next(iter(bonds))]


def test_what_cannot_be_told_is_drawn() -> None:
    """No linear parameter, or one whose column is not finite for some candidates."""
    x = np.linspace(1, 5, 30)
    y = np.exp(0.3 * x) / (1 + np.exp(0.9 * x))
    fit = descend.fit(lambda x, a, b: np.exp(a * x) / (1 + np.exp(b * x)), x, y)
    assert "solved for" not in fit.start_source
    assert fit.params == pytest.approx({"a": 0.3, "b": 0.9}, rel=1e-6)
    fit = descend.fit(lambda x, a, b: a * x ** (b * 50), x, 2 * x**1.5)
    assert fit.params == pytest.approx({"a": 2, "b": 0.03}, rel=1e-6)
