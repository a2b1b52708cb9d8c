"""The covariance of many rows, worked out block by block, against the whole factorisation."""

import numpy as np
import pytest

import descend
from descend.graph.blocks import BLOCK
from descend.trust.covariance import MANY, errors_of, triangle_of

NAMES = ["a", "b", "c"]


def least_squares(rows, seed=0):
    """A Jacobian with columns of very different length, and residuals at right angles to it."""
    rng = np.random.default_rng(seed)
    jacobian = np.stack([np.ones(rows), *rng.normal(size=(2, rows))], 1) * [1e-7, 1.0, 1e6]
    noise = rng.normal(size=rows)
    q, _ = np.linalg.qr(jacobian)
    return jacobian, noise - q @ (q.T @ noise)


@pytest.mark.parametrize("rows", [MANY + 1, 3 * MANY, 50_021])
@pytest.mark.parametrize("order", ["C", "F"])
def test_blocks_give_the_covariance_of_the_whole(rows, order):
    jacobian, residual = least_squares(rows)
    variance = float(residual @ residual) / (rows - 3)
    found = errors_of(np.array(jacobian, order=order), residual, np.ones(3), NAMES, variance)
    _, singular, vt = np.linalg.svd(jacobian / np.linalg.norm(jacobian, axis=0), False)
    length = np.linalg.norm(jacobian, axis=0)
    whole = (vt.T / singular**2) @ vt / np.outer(length, length)
    whole *= variance
    size = np.sqrt(np.outer(np.diag(whole), np.diag(whole)))
    np.testing.assert_allclose(found.covariance / size, whole / size, atol=1e-12)
    assert found.note == ""


@pytest.mark.parametrize(("rows", "p"), [(5, 2), (70_000, 2), (20_011, 17), (9_000, 60), (3, 9)])
def test_the_triangle_of_small_factorisations_is_that_of_the_whole(rows, p):
    rng = np.random.default_rng(p)
    jacobian, residual = rng.normal(size=(rows, p)), rng.normal(size=rows)
    found = triangle_of(np.asfortranarray(jacobian), residual)
    both = np.column_stack([jacobian, residual])
    assert found.shape == (min(rows, p + 1), p + 1)
    np.testing.assert_array_equal(found, np.triu(found))
    np.testing.assert_allclose(found.T @ found, both.T @ both, atol=1e-12 * rows)


def test_many_rows_that_do_not_determine_a_parameter():
    jacobian, residual = least_squares(40_000)
    jacobian[:, 1] = 3 * jacobian[:, 0]
    found = errors_of(jacobian, residual, np.ones(3), NAMES, 1.0)
    assert found.note == "the covariance is singular: the data do not determine a, b"
    assert np.isnan(found.covariance[0, 0])
    assert np.isfinite(found.covariance[2, 2])


@pytest.mark.parametrize("bad", [np.nan, np.inf])
@pytest.mark.parametrize("where", [0, 20_000, 39_999])
def test_one_bad_value_among_many_rows_is_seen(bad, where):
    jacobian, residual = least_squares(40_000)
    jacobian[where, 2] = bad
    found = errors_of(jacobian, residual, np.ones(3), NAMES, 1.0)
    assert found.covariance is None
    assert found.note == "the residuals or their derivatives are not finite"


def test_a_parameter_without_influence_is_named_for_many_rows():
    jacobian, residual = least_squares(40_000)
    jacobian[:, 1] = 0
    found = errors_of(jacobian, residual, np.ones(3), NAMES, 1.0)
    assert found.note == "the prediction does not depend on b"


def test_many_rows_that_know_of_one_another_are_not_cut_into_blocks():
    """The sandwich of Huber and White, by hand: sums over parts of the rows are no such sums."""
    rng, n = np.random.default_rng(0), BLOCK + 4_000
    x = rng.uniform(0, 1, n)
    whole = np.stack([np.cumsum(x) / n, np.ones(n)], 1)
    y = whole @ [2.0, 0.5] + 0.1 * rng.normal(size=n)

    def model(x, a, b):
        return a * np.cumsum(x) / len(x) + b

    fit = descend.fit(model, x, y, start={"a": 1.0, "b": 0.0}, loss="huber(0.5)")
    residual = whole @ [fit.params["a"], fit.params["b"]] - y
    slope, bend = np.clip(residual, -0.5, 0.5), np.abs(residual) < 0.5
    inverse = np.linalg.inv(whole.T @ (bend[:, None] * whole))
    scatter = whole.T @ (slope[:, None] ** 2 * whole)
    covariance = inverse @ scatter @ inverse * (n / (n - 2))
    np.testing.assert_allclose([*fit.stderr.values()], np.sqrt(np.diag(covariance)), rtol=1e-6)
