"""Small matrices, element by element: elimination, triangular systems, the Cholesky factor.

An element is a node over the leading axes. Rows are exchanged by selection, so that nothing
branches.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from descend.graph.elementwise import call, full_like, mul, select, sub
from descend.graph.linear import concatenate, reshape, slice_
from descend.graph.matrices import order_of
from descend.graph.node import Node, Shape

__all__ = [
    "cholesky_elements", "elements", "eliminated", "solved", "stacked", "triangular_elements",
]  # fmt: skip

Table = list[list[Node]]
Swaps = list[tuple[int, int, Node]]


def elements(x: Node) -> Table:
    """The elements of the matrices."""
    m, n = order_of(x)
    lead = x.shape[:-2]
    zeros = (0,) * len(lead)
    steps = (1,) * x.ndim

    def at(i: int, j: int) -> Node:
        return reshape(slice_(x, (*zeros, i, j), (*lead, i + 1, j + 1), steps), lead)

    return [[at(i, j) for j in range(n)] for i in range(m)]


def stacked(table: Sequence[Sequence[Node]], shape: Shape) -> Node:
    """Matrices of these elements."""
    k = len(shape) - 2
    lines = [concatenate([reshape(v, (*shape[:k], 1, 1)) for v in line], k + 1) for line in table]
    return concatenate(lines, k)


def _exchanged(swap: Node, a: Node, b: Node) -> tuple[Node, Node]:
    return select(swap, b, a), select(swap, a, b)


def eliminated(a: Table) -> tuple[Table, Swaps]:
    """L (without its ones) and U in one table, and the exchanges of rows: P A = L U."""
    table, swaps, n = [list(line) for line in a], [], len(a)
    for c in range(n):
        for r in range(c + 1, n):
            swap = call("lt", call("abs", table[c][c]), call("abs", table[r][c]))
            for j in range(n):
                table[c][j], table[r][j] = _exchanged(swap, table[c][j], table[r][j])
            swaps.append((c, r, swap))
        pivot = select(call("eq", table[c][c], 0.0), 1.0, table[c][c])
        for r in range(c + 1, n):
            factor = table[r][c] = call("div", table[r][c], pivot)
            for j in range(c + 1, n):
                table[r][j] = sub(table[r][j], mul(factor, table[c][j]))
    return table, swaps


def _divided(value: Node, pivot: Node) -> Node:
    """NaN where the matrix is singular."""
    return call("div", value, select(call("eq", pivot, 0.0), math.nan, pivot))


def _substituted(table: Table, b: Table, lower: bool, unit: bool) -> Table:
    """Solve with one triangle of the table, for all right-hand sides."""
    n = len(table)
    found: Table = [list(line) for line in b]
    for i in range(n) if lower else reversed(range(n)):
        for j in range(i) if lower else range(i + 1, n):
            found[i] = [
                sub(v, mul(table[i][j], w)) for v, w in zip(found[i], found[j], strict=True)
            ]
        if not unit:
            found[i] = [_divided(v, table[i][i]) for v in found[i]]
    return found


def _flipped(table: Table) -> Table:
    return [list(column) for column in zip(*table, strict=True)]


def solved(table: Table, swaps: Swaps, b: Table, transposed: bool) -> Table:
    """The solution of A X = B, or Aᵀ X = B, from the factors of A."""
    found = [list(line) for line in b]
    if transposed:
        found = _substituted(_flipped(table), found, lower=True, unit=False)
        found = _substituted(_flipped(table), found, lower=False, unit=True)
    else:
        _reorder(swaps, found)
        found = _substituted(table, found, lower=True, unit=True)
        found = _substituted(table, found, lower=False, unit=False)
    if transposed:
        _reorder(swaps[::-1], found)
    return _whole(found, [table[i][i] for i in range(len(table))])


def _reorder(swaps: Swaps, lines: Table) -> None:
    for c, r, swap in swaps:
        pairs = zip(lines[c], lines[r], strict=True)
        moved = [_exchanged(swap, a, b) for a, b in pairs]
        lines[c], lines[r] = [a for a, _ in moved], [b for _, b in moved]


def _whole(found: Table, pivots: Sequence[Node]) -> Table:
    """All elements NaN where a pivot is 0."""
    lost = call("eq", pivots[0], 0.0)
    for pivot in pivots[1:]:
        lost = call("or", lost, call("eq", pivot, 0.0))
    return [[select(lost, full_like(v, math.nan), v) for v in line] for line in found]


def triangular_elements(t: Table, b: Table, lower: bool, transposed: bool) -> Table:
    """The solution of T X = B, or Tᵀ X = B, that looks at one triangle of T."""
    table, below = (_flipped(t), not lower) if transposed else (t, lower)
    found = _substituted(table, b, below, unit=False)
    return _whole(found, [t[i][i] for i in range(len(t))])


def cholesky_elements(a: Table) -> Table:
    """The lower factor; NaN where the matrix is not positive definite."""
    n, zero = len(a), full_like(a[0][0], 0.0)
    lower = [[zero] * n for _ in range(n)]
    for j in range(n):
        rest = a[j][j]
        for k in range(j):
            rest = sub(rest, mul(lower[j][k], lower[j][k]))
        good = call("lt", zero, rest)
        lower[j][j] = select(good, call("sqrt", rest), math.nan)
        for i in range(j + 1, n):
            value = a[i][j]
            for k in range(j):
                value = sub(value, mul(lower[i][k], lower[j][k]))
            lower[i][j] = call("div", value, lower[j][j])
    last = lower[-1][-1]
    lost = call("ne", last, last)
    return [[select(lost, full_like(v, math.nan), v) for v in line] for line in lower]
