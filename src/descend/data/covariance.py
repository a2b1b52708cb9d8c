"""A covariance matrix of the target: checked, and turned into what makes residuals independent."""

from __future__ import annotations

from typing import Any, NoReturn

import numpy as np
from numpy.typing import NDArray

from descend.errors import DataError

__all__ = ["whitening"]

Array = NDArray[Any]
UNEVEN = 1e-8  # how far two entries that should be equal may differ, as a share of the diagonal


def whitening(covariance: Array, n_rows: int) -> Array:
    """Return W with WᵀW the inverse of the matrix: W·r has the covariance of independent numbers.

    W is the inverse of the Cholesky factor L of C = L·Lᵀ, (n, n), lower triangular.

    Raises:
        DataError: another shape, numbers that are not finite, a matrix that is not symmetric or
            not positive definite, with the rows (counted from 0) or the eigenvalue.

    >>> whitening(np.array([[4.0, 2.0], [2.0, 2.0]]), 2)
    array([[ 0.5,  0. ],
           [-0.5,  1. ]])
    """
    c = np.asarray(covariance, np.float64)
    if c.shape != (n_rows, n_rows):
        raise DataError(
            f"sigma has the shape {c.shape}, and y has {n_rows} rows",
            remedy=f"give one number a row, or the covariance matrix, ({n_rows}, {n_rows})",
        )
    _check_entries(c)
    scale = np.sqrt(np.diag(c))
    try:
        factor = np.linalg.cholesky(c / np.outer(scale, scale)) * scale[:, None]
    except np.linalg.LinAlgError:
        _refuse_indefinite(c, scale)
    from scipy.linalg import solve_triangular

    found: Array = solve_triangular(factor, np.eye(n_rows), lower=True)
    return np.ascontiguousarray(found)


def _check_entries(c: Array) -> None:
    wrong = np.argwhere(~np.isfinite(c))
    if len(wrong):
        i, j = map(int, wrong[0])
        raise DataError(f"sigma is {c[i, j]} in row {i}, column {j} (counted from 0)")
    low = np.flatnonzero(np.diag(c) <= 0)
    if len(low):
        i = int(low[0])
        raise DataError(
            f"sigma is a covariance matrix whose variance in row {i} is {c[i, i]:g}",
            remedy="variances, the squares of the standard deviations, stand on its diagonal",
        )
    scale = np.sqrt(np.diag(c))
    uneven = np.abs(c - c.T) > UNEVEN * np.outer(scale, scale)
    if uneven.any():
        i, j = map(int, np.argwhere(uneven)[0])
        raise DataError(
            f"sigma is not symmetric: row {i}, column {j} has {c[i, j]:g}, and row {j}, column {i} "
            f"has {c[j, i]:g} (counted from 0)",
            remedy="a covariance matrix is symmetric: (sigma + sigma.T) / 2 would be",
        )


def _refuse_indefinite(c: Array, scale: Array) -> NoReturn:
    lowest = float(np.linalg.eigvalsh(c / np.outer(scale, scale))[0])
    raise DataError(
        f"sigma is no covariance matrix: it is not positive definite (as correlations, its lowest "
        f"eigenvalue is {lowest:.3g})",
        remedy="two rows that move together exactly count once: leave one out, or add to the "
        "diagonal what each row scatters by itself",
    ) from None
