"""Small dense linear algebra in traced NumPy: Cholesky and its solves, a column at a time.

The loops run over a static size, so they unroll; each turn is one operation on whole columns.
`sound_solve` does so for a few unknowns; for more it is a primitive, whose loops stay loops.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from descend.functions import scan
from descend.graph.node import Primitive
from descend.graph.sound_solve import SOUND_SOLVE
from descend.methods.base import Array
from descend.trace.context import current
from descend.trace.tensor import as_node, wrap

__all__ = [
    "Solved", "backward", "cholesky", "forward", "nothing_held", "solve", "sound_solve",
    "swept",
]  # fmt: skip

UNROLLED = 4


class Solved(NamedTuple):
    """What `sound_solve` finds.

    Attributes:
        x: the solutions, `(n,)` each.
        square: vᵀA⁻¹v of v = shift + the first solution, a scalar.
        sound: whether no pivot was dropped.
        held: all of it, to be handed to the next call.
    """

    x: tuple[Array, ...]
    square: Array
    sound: Array
    held: Array


def nothing_held(n: int, sides: int, p: Array) -> Array:
    """Return what is held before the first call."""
    return np.zeros((sides + 2 if n > UNROLLED else 0, n), p.dtype)


def sound_solve(
    a: Array, sides: Sequence[Array], shift: Array | None = None, held: Array | None = None,
    settled: Array | None = None,
) -> Solved:  # fmt: skip
    """Return x with A·x = b for every b, `(n,)`, and what a damped step asks besides.

    Args:
        a: a symmetric positive semidefinite matrix, `(n, n)`, in any units. A pivot that is at
            most n·ε times its diagonal entry is dropped, as in `cholesky`.
        held, settled: of the call before, and whether this one asks the same again.

    >>> found = sound_solve(np.array([[4.0, 2.0], [2.0, 5.0]]), [np.array([8.0, 12.0])])
    >>> found.x, float(found.square), bool(found.sound)
    ((array([1., 2.]),), 0.8125, True)
    """
    n = a.shape[0]
    if n <= UNROLLED:
        factor = cholesky(a, n * np.asarray(np.finfo(a.dtype).eps, dtype=a.dtype))
        x = tuple(backward(*factor, forward(*factor, b)) for b in sides)
        moved = x[0] if shift is None else shift + x[0]
        square = np.sum(forward(*factor, moved) ** 2)
        return Solved(x, square, np.min(np.stack(factor[1])) > 0, held)
    if held is None or settled is None:
        held, settled = nothing_held(n, len(sides), a), np.asarray(False)
    moved = 0 * sides[0] if shift is None else shift
    found = _applied(SOUND_SOLVE, a, np.stack(sides), moved, held, settled)
    x = tuple(found[1 + i] for i in range(len(sides)))
    return Solved(x, np.sum(found[0] * found[-1] * found[-1]), np.min(found[0]) > 0, found)


def _applied(primitive: Primitive, *arrays: Array) -> Array:
    """What a primitive makes of arrays, or of the stand-ins of a trace."""
    if current() is None:
        return primitive.meaning(*arrays)
    return wrap(primitive.apply(*map(as_node, arrays)))


def swept(a: Array) -> Array:
    """Return the inverse of a symmetric matrix, `(n, n)`, by sweeps of one row at a time.

    It is a loop that stays one when it is compiled. A pivot of 0 leaves no number.

    Goodnight, "A tutorial on the SWEEP operator" (1979).

    >>> swept(np.array([[4.0, 2.0], [2.0, 5.0]])).round(4)
    array([[ 0.3125, -0.125 ],
           [-0.125 ,  0.25  ]])
    """

    def sweep(a: Array, who: Array) -> tuple[Array, Array]:
        row = np.sum(a * who[:, None], axis=0)
        share = row / np.sum(row * who)
        cross = who[:, None] * share[None, :] + share[:, None] * who[None, :]
        both, either = who[:, None] * who[None, :], who[:, None] + who[None, :]
        own = np.where(both > 0, -1 / np.sum(row * who), cross)
        return np.where(either > 0, own, a - row[:, None] * share[None, :]), share

    found, _ = scan(sweep, a, np.eye(a.shape[0], dtype=a.dtype))
    return -found


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
