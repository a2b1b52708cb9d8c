"""Small least squares of a search, entry by entry, in traced NumPy."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

__all__ = ["change_of", "least_moves"]

Array = Any


def change_of(e: Any, chosen: Sequence[int], moves: Sequence[Array]) -> Array:
    """By how much the loss changes where some parameters move and the residuals are linear."""
    total = 0 * e.loss
    for i, a in zip(chosen, moves, strict=True):
        along = 2 * e.jtr[i]
        for j, b in zip(chosen, moves, strict=True):
            along = along + e.jtj[i, j] * b
        total = total + a * along
    return total


def least_moves(e: Any, chosen: Sequence[int]) -> list[Array]:
    """The moves of some parameters to the minimum, where the residuals are linear in them.

    JᵀJ is scaled to a unit diagonal; what it does not determine does not move.

    Golub and Van Loan, "Matrix Computations" (2013), section 4.1.
    """
    eps, tiny = np.finfo(np.float64).eps, np.finfo(np.float64).tiny
    lengths = []
    for i in chosen:
        square = e.jtj[i, i]
        sound = (square > tiny / eps) & (square < np.inf)
        lengths.append(np.where(sound, 1 / np.sqrt(np.where(sound, square, 1.0)), 0 * square))
    n = len(chosen)
    lower: dict[tuple[int, int], Array] = {}
    inverse: list[Array] = []
    for j in range(n):
        raw: list[Array] = []
        pivot = e.jtj[chosen[j], chosen[j]] * lengths[j] * lengths[j]
        for k in range(j):
            entry = e.jtj[chosen[j], chosen[k]] * lengths[j] * lengths[k]
            for m in range(k):
                entry = entry - raw[m] * lower[k, m]
            raw.append(entry)
            lower[j, k] = entry * inverse[k]
            pivot = pivot - entry * lower[j, k]
        known = pivot > 4 * n * eps
        inverse.append(np.where(known, 1 / np.where(known, pivot, 1.0), 0 * pivot))
    x: list[Array] = []
    for j in range(n):
        value = -e.jtr[chosen[j]] * lengths[j]
        for k in range(j):
            value = value - lower[j, k] * x[k]
        x.append(value)
    for j in reversed(range(n)):
        value = x[j] * inverse[j]
        for k in range(j + 1, n):
            value = value - lower[k, j] * x[k]
        x[j] = value
    return [value * length for value, length in zip(x, lengths, strict=True)]
