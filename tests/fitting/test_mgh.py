"""The problems of Moré, Garbow and Hillstrom, from their starts and ten and a hundred times them.

With nothing said every one must arrive at a minimum of the paper's, but for those in `ELSEWHERE`.
From the start alone, without further ones, those in `ALONE` end elsewhere: these must say the
truth, which is either that the descent did not arrive, or that it stands where no residual pulls
(judged by central differences).
"""

import itertools
import warnings

import numpy as np

import descend
from fitting.mgh import PROBLEMS, Problem
from whole import covered, sampled

FACTORS = (1, 10, 100)
ELSEWHERE = {
    ("Kowalik and Osborne", 10): "a minimum whose poles lie between the points: 4.236746e-4",
}
ALONE = {
    **ELSEWHERE,
    ("Powell badly scaled", 10): "a valley of width 1e-8",
    ("Powell badly scaled", 100): "one parameter acts by 1e-44",
    ("Beale", 10): "x1 runs to infinity, where the infimum is 0.4520089",
    ("Beale", 100): "the same",
    ("Jennrich and Sampson", 10): "one exponential vanishes: infimum 259.5802",
    ("Jennrich and Sampson", 100): "the squares of exp(400) overflow at the start",
    ("Box three-dimensional", 10): "one exponential vanishes: infimum 0.07558874",
    ("Box three-dimensional", 100): "the same",
    ("Biggs EXP6", 100): "two exponentials merge: 0.3063668",
    ("Osborne 2", 10): "peaks far from all points: 1.789814",
    ("Osborne 2", 100): "the same",
    ("Gulf research", 100): "the derivatives underflow at the start",
    ("trigonometric", 10): "a third minimum: 4.218634e-5",
    ("Chebyquad, 8", 10): "polynomials of degree 8 start at 1e11",
    ("Chebyquad, 8", 100): "at 1e19",
    ("Chebyquad, 9", 10): "polynomials of degree 9 start at 1e12",
    ("Chebyquad, 9", 100): "at 1e22",
    ("Chebyquad, 10", 10): "polynomials of degree 10 start at 1e14",
    ("Chebyquad, 10", 100): "at 1e24",
}


def solve(problem: Problem, factor: float, **options) -> descend.Fit:
    def model(row, x):
        return problem.residual(x)

    rows = np.arange(float(len(problem.residual(problem.standard))))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", descend.DescendWarning)
        start = dict(x=problem.start(factor))
        return descend.fit(model, rows, np.zeros(len(rows)), start=start, **options)


def stands_still(problem: Problem, x: np.ndarray) -> bool:
    """Whether r has no part along any column of J, or the column is nothing beside r."""
    r = problem.residual(x)
    for j, size in enumerate(np.abs(x)):
        step = np.zeros_like(x)
        step[j] = 1e-6 * max(size, 1e-3)
        column = (problem.residual(x + step) - problem.residual(x - step)) / (2 * step[j])
        length = np.linalg.norm(column)
        flat = length * max(size, 1.0) <= 1e-8 * np.linalg.norm(r)
        if not (flat or abs(column @ r) <= 1e-5 * length * np.linalg.norm(r)):
            return False
    return True


@covered("name, factor", PROBLEMS, FACTORS)
def test_problem(name: str, factor: int) -> None:
    problem = PROBLEMS[name]
    fit = solve(problem, factor)
    if (name, factor) not in ELSEWHERE:
        assert fit.success, fit.message
        assert problem.reached(fit.chi2) is not None, (fit.chi2, fit.message)
    if fit.n_starts > 1:
        assert "more were tried" in fit.start_source


@sampled("name, factor", itertools.product(PROBLEMS, FACTORS), 7)
def test_problem_from_its_start_alone(name: str, factor: int) -> None:
    problem = PROBLEMS[name]
    fit = solve(problem, factor, starts=1)
    assert fit.n_starts == 1
    if problem.reached(fit.chi2) in problem.minima:
        assert fit.success, fit.message
    elif problem.reached(fit.chi2) is None:
        assert (name, factor) in ALONE, (fit.chi2, fit.message)
        assert not fit.success or fit.status == "epochs_spent" or stands_still(
            problem, fit.params["x"]
        ), (fit.chi2, fit.message)  # fmt: skip


def test_every_problem_of_the_paper_is_here() -> None:
    assert {p.number for p in PROBLEMS.values()} == set(range(1, 36))
    assert {name for name, _ in ALONE} <= set(PROBLEMS)


def test_the_judge_sees_a_point_that_is_no_minimum() -> None:
    assert PROBLEMS["Wood"].reached(1e-3) is None
    assert not stands_still(PROBLEMS["Wood"], np.array([-3.0, -1, -3, -1]))
    assert stands_still(PROBLEMS["Wood"], np.ones(4))
    assert PROBLEMS["Beale"].reached(0.4520089) is None
