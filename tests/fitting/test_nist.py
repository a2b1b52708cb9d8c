"""All of NIST's nonlinear problems from both starts, with nothing said beyond model and start.

A log relative error of 6 means that six digits are the certified ones. Lanczos1's data rounded to
float64 already leave a residual sum other than the certified one, which its errors follow.
"""

import numpy as np
import pytest

import descend
from fitting.nist import MODELS, PATH, Problem, problems
from whole import covered

PROBLEMS = problems()
RUNS = [(name, start) for name in PROBLEMS for start in (1, 2)]
ROUNDED = {"Lanczos1"}


def digits(found, certified) -> float:
    """The least log relative error, which the certified digits limit to 11."""
    found, certified = np.asarray(found, float), np.asarray(certified, float)
    if not np.isfinite(found).all():
        return -np.inf
    error = np.abs(found - certified) / np.abs(certified)
    return float(np.min(-np.log10(np.maximum(error, 1e-11))))


def check(problem: Problem, fit: descend.Fit) -> None:
    assert fit.success and fit.n_starts == 1, fit.message  # from the start that was given
    assert fit.dof == problem.dof
    assert digits([fit.params[name] for name in problem.starts[0]], problem.certified) >= 6
    if problem.name not in ROUNDED:
        assert digits([fit.stderr[name] for name in problem.starts[0]], problem.deviations) >= 4
        assert digits(fit.chi2, problem.rss) >= 6
        assert digits(np.sqrt(fit.reduced_chi2), problem.residual_sd) >= 6


@pytest.mark.parametrize("name, start", RUNS)
def test_function(name: str, start: int) -> None:
    problem = PROBLEMS[name]
    x, y = problem.data
    check(problem, descend.fit(problem.function, x, y, start=problem.starts[start - 1]))


@covered("name, start", PROBLEMS, (1, 2))
def test_formula(name: str, start: int) -> None:
    problem = PROBLEMS[name]
    start_at = problem.starts[start - 1]
    check(problem, descend.fit(problem.formula, problem.columns, start=start_at))


@pytest.mark.parametrize("name", PROBLEMS)
def test_published_numbers_agree_with_each_other(name: str) -> None:
    p = PROBLEMS[name]
    x, y = p.data
    assert len(y) - len(p.certified) == p.dof
    assert np.sqrt(p.rss / p.dof) == pytest.approx(p.residual_sd, rel=1e-9)
    residual = y - p.function(*x, *p.certified)
    if name not in ROUNDED:
        assert residual @ residual == pytest.approx(p.rss, rel=1e-7)


def test_all_27_are_here() -> None:
    assert len(PROBLEMS) == len(MODELS) == 27
    assert "itl.nist.gov" in PATH.read_text(encoding="utf-8")


def test_a_wrong_digit_is_seen() -> None:
    assert digits([1.0, 2.00001], [1.0, 2.0]) < 6
    assert digits(np.nan, 1.0) < 6
    assert digits([1.0], [1.0]) == 11


@pytest.mark.parametrize("name", ["Thurber", "Gauss2"])
def test_the_examples_hold_the_same_data(name: str) -> None:
    path = PATH.parents[2] / "examples" / f"{name.lower()}.csv"
    x, y = np.loadtxt(path, delimiter=",", skiprows=1).T
    assert np.array_equal(x, PROBLEMS[name].columns["x"])
    assert np.array_equal(y, PROBLEMS[name].columns["y"])
