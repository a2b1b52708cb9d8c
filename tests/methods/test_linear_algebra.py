"""Small dense linear algebra against SciPy's LAPACK."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.linalg

from descend.methods.linear_algebra import backward, cholesky, forward, solve, swept


def definite(n, seed):
    a = np.random.default_rng(seed).normal(size=(n + 2, n))
    return a.T @ a


@pytest.mark.parametrize("n", [1, 2, 3, 9, 20])
def test_cholesky_and_its_solves(n):
    a, b = definite(n, n), np.arange(1.0, n + 1)
    columns, reciprocals = cholesky(a, 0.0)
    lower = np.stack(columns, axis=1)
    expected = scipy.linalg.cholesky(a, lower=True)
    np.testing.assert_allclose(lower, expected, rtol=1e-11, atol=1e-12)
    np.testing.assert_array_equal(np.triu(lower, 1), 0)
    halfway = scipy.linalg.solve_triangular(expected, b, lower=True)
    np.testing.assert_allclose(forward(columns, reciprocals, b), halfway, rtol=1e-9)
    x = scipy.linalg.solve_triangular(expected.T, halfway)
    np.testing.assert_allclose(backward(columns, reciprocals, halfway), x, rtol=1e-9)


@pytest.mark.parametrize("n", [1, 2, 5])
def test_solve_does_not_depend_on_the_units(n):
    a, x = definite(n, n), np.arange(1.0, n + 1)
    units = 10.0 ** np.linspace(-60, 60, n)
    scaled = solve(a * units[:, None] * units, (a @ x) * units)
    np.testing.assert_allclose(scaled * units, x, rtol=1e-11)


def test_a_dependent_column_is_dropped():
    a = np.array([[1.0, 1.0, 0.5], [1.0, 1.0, 0.5], [0.5, 0.5, 1.0]])
    columns, reciprocals = cholesky(a, 1e-15)
    assert reciprocals[1] == 0
    b = a @ np.array([3.0, 0.0, -1.0])
    x = backward(columns, reciprocals, forward(columns, reciprocals, b))
    np.testing.assert_allclose(x, [3.0, 0.0, -1.0], rtol=1e-14, atol=1e-15)


def test_nan_in_the_matrix_moves_nothing_into_other_columns_silently():
    a = np.array([[np.nan, 0.0], [0.0, 4.0]])
    _, reciprocals = cholesky(a, 0.0)
    assert reciprocals[0] == 0


def test_single_precision_stays_single():
    a = definite(3, 0).astype(np.float32)
    assert solve(a, np.ones(3, np.float32)).dtype == np.float32


@pytest.mark.parametrize("n", [1, 2, 5, 12, 40])
def test_sweeps_invert_a_matrix(n):
    rng = np.random.default_rng(n)
    a = rng.normal(size=(n + 3, n))
    matrix = a.T @ a
    found = swept(matrix)
    assert np.allclose(found @ matrix, np.eye(n), atol=1e-9)
    assert np.allclose(found, np.linalg.inv(matrix), rtol=1e-7)


def test_a_singular_matrix_has_no_inverse_that_could_be_trusted():
    with np.errstate(all="ignore"):
        found = swept(np.array([[1.0, 1.0], [1.0, 1.0]]))
    assert not np.isfinite(found).all()
