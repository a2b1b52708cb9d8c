"""Small dense linear algebra in traced NumPy: Cholesky and its solves, a column at a time.

The loops run over a static size, so they unroll; each turn is one operation on whole columns.
"""

from __future__ import annotations

import numpy as np

from descend.methods.base import Array

__all__ = ["backward", "cholesky", "forward", "solve"]


def cholesky(a: Array, floor: Array) -> tuple[list[Array], list[Array]]:
    """Return the columns of L, where A = L·Lᵀ, and the reciprocals of its diagonal.

    A pivot at or below `floor` times its diagonal entry is dropped: its column and its reciprocal
    are zero, so that a solve moves nothing along a direction the matrix does not determine.

    Args:
        a: a symmetric positive semidefinite matrix, `(n, n)`, in any units.
        floor: a scalar, such as n times the machine epsilon.

    Golub and Van Loan, "Matrix Computations" (2013), section 4.2, in outer-product form.

    >>> columns, reciprocals = cholesky(np.array([[4.0, 2.0], [2.0, 5.0]]), 0.0)
    >>> np.stack(columns, axis=1)
    array([[2., 0.],
           [1., 2.]])
    """
    rows = np.arange(a.shape[0])
    least = floor * np.diagonal(a)
    columns, reciprocals = [], []
    for k in range(a.shape[0]):
        pivot = a[k, k]
        sound = pivot > least[k]
        one = np.ones_like(pivot)
        reciprocal = np.where(sound, one / np.sqrt(np.where(sound, pivot, one)), 0 * one)
        column = np.where(rows >= k, a[:, k] * reciprocal, 0 * a[:, k])
        a = a - column[:, None] * column[None, :]
        columns.append(column)
        reciprocals.append(reciprocal)
    return columns, reciprocals


def forward(columns: list[Array], reciprocals: list[Array], b: Array) -> Array:
    """Return y with L·y = b, `(n,)`.

    >>> forward(*cholesky(np.array([[4.0, 2.0], [2.0, 5.0]]), 0.0), np.array([8.0, 12.0]))
    array([4., 4.])
    """
    y = []
    for column, reciprocal, k in zip(columns, reciprocals, range(len(columns)), strict=True):
        y.append(b[k] * reciprocal)
        b = b - column * y[k]
    return np.stack(y)


def backward(columns: list[Array], reciprocals: list[Array], y: Array) -> Array:
    """Return x with Lᵀ·x = y, `(n,)`.

    >>> backward(*cholesky(np.array([[4.0, 2.0], [2.0, 5.0]]), 0.0), np.array([4.0, 4.0]))
    array([1., 2.])
    """
    rows = np.arange(len(columns))
    x = 0 * y
    for k in reversed(range(len(columns))):
        entry = (y[k] - np.sum(columns[k] * x)) * reciprocals[k]
        x = np.where(rows == k, entry, x)
    return x


def solve(a: Array, b: Array) -> Array:
    """Return x with A·x = b for a symmetric positive definite A, `(n, n)`, and b of shape `(n,)`.

    >>> solve(np.array([[4e12, 2.0], [2.0, 5e-12]]), np.array([8e6, 12e-6]))
    array([1.e-06, 2.e+06])
    """
    floor = a.shape[0] * np.asarray(np.finfo(a.dtype).eps, dtype=a.dtype)
    factor = cholesky(a, floor)
    return backward(*factor, forward(*factor, b))
