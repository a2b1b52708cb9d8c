"""NIST's problems from both starts side by side: certified values whatever method a fit needs."""

import numpy as np
import pytest

import descend
from fitting.nist import problems

PROBLEMS = problems()
# Easy ones, one that the lean method leaves to the full one (MGH09), far starts, many steps.
CHOSEN = ("Misra1a", "Eckerle4", "MGH09", "Rat43", "Thurber", "Lanczos3")


def digits(found, certified) -> float:
    return float(np.min(-np.log10(np.maximum(np.abs(found / certified - 1), 1e-11))))


@pytest.mark.parametrize("name", CHOSEN)
def test_certified_values(name):
    problem = PROBLEMS[name]
    x, y = problem.data
    first, second = problem.starts
    start = {n: np.array([first[n], second[n]]) for n in first}
    fits = descend.fit_many(problem.function, x, np.stack([y, y]), start=start)
    assert fits.success.all() and fits.dof.tolist() == [problem.dof] * 2
    for number in range(2):
        found, errors = ([a[n][number] for n in first] for a in (fits.params, fits.stderr))
        assert digits(np.array(found), problem.certified) >= 6
        assert digits(np.array(errors), problem.deviations) >= 4
        assert digits(fits.chi2[number], problem.rss) >= 6
