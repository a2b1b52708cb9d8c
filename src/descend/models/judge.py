"""How proposals for the parts of a model are judged: by what is left after linear least squares."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from descend.models.kind import Array, Given, Values
from descend.models.parts import Leaf, Rows

__all__ = ["gains", "judged", "judged_pair", "polished", "projected", "squares"]

STEPS = 8


def _solve(columns: list[Array], y: Array) -> Array:
    """The linear least-squares coefficients, with columns of any scale."""
    table = np.stack([np.broadcast_to(c, y.shape) for c in columns], axis=1)
    scale = np.linalg.norm(table, axis=0)
    usable = np.isfinite(scale) & (scale > 0)
    best = np.zeros(len(columns))
    if usable.any():
        solved, *_ = np.linalg.lstsq(table[:, usable] / scale[usable], y, rcond=1e-10)
        best[usable] = solved / scale[usable]
    return best


def projected(parts: Sequence[Any], rows: Rows, values: Values, known: Given) -> Values:
    """The values with the linear parameters of all parts solved for together."""
    linear = [name for part in parts for name in part.linear]
    columns = [c for part in parts for c in part.columns(rows.data, values)]
    free = [k for k, name in enumerate(linear) if name not in known]
    rest = rows.y - sum(
        known[name] * columns[k] for k, name in enumerate(linear) if name in known
    )
    if free:
        solved = _solve([columns[k] for k in free], np.asarray(rest))
        values = values | {linear[k]: float(v) for k, v in zip(free, solved, strict=True)}
    return known.completed(values)


def squares(parts: Sequence[Any], rows: Rows, values: Values) -> float:
    residual = rows.y - sum(part.value(rows.data, values) for part in parts)
    total = float(np.sum(residual**2))
    return total if np.isfinite(total) else np.inf


def judged(
    part: Any, others: Sequence[Any], rows: Rows, values: Values, tried: list[Values]
) -> Values:
    """The best of the proposals for a part, the linear parameters of all parts being free.

    Of equals the first: a step up on a line is also a negative step down on a higher one.
    """
    gain = gains(part, others, rows, values, tried)
    return tried[int(np.argmax(gain >= gain.max() - 1e-8 * float(rows.y @ rows.y)))]


def gains(
    part: Any, others: Sequence[Any], rows: Rows, values: Values, tried: list[Values]
) -> Array:
    """By how much each proposal lowers the sum of squares; −∞ where it is not finite.

    What the others can describe is taken out of the target and of every proposal's columns.
    """
    basis = _orthonormal([c for o in others for c in o.columns(rows.data, values)], rows.y)
    target = rows.y - basis @ (basis.T @ rows.y)
    tables, usable = _apart(_tables(part, rows, values, tried), basis)
    gram = tables @ tables.transpose(0, 2, 1) + 1e-10 * np.eye(tables.shape[1])
    right = tables @ target
    gain = np.sum(right * np.linalg.solve(gram, right[:, :, None])[:, :, 0], axis=1)
    return np.where(usable, gain, -np.inf)


def _apart(tables: Array, basis: Array) -> tuple[Array, Array]:
    """Columns of length one without what the basis describes, and which proposals are finite."""
    size = np.linalg.norm(tables, axis=2, keepdims=True)
    tables = tables / np.where(size > 0, size, 1)
    tables = tables - (tables @ basis) @ basis.T
    usable = np.isfinite(tables).all(axis=(1, 2)) & np.isfinite(size).all(axis=(1, 2))
    return np.where(usable[:, None, None], tables, 0.0), usable


def judged_pair(
    pair: Sequence[Any], others: Sequence[Any], rows: Rows, values: Values,
    tried: Sequence[list[Values]],
) -> Values:
    """The best two of the proposals for two parts of one column each, judged together."""
    basis = _orthonormal([c for o in others for c in o.columns(rows.data, values)], rows.y)
    target = rows.y - basis @ (basis.T @ rows.y)
    (first, fine), (second, good) = (
        _apart(_tables(part, rows, values, own), basis)
        for part, own in zip(pair, tried, strict=True)
    )
    first, second = first[:, 0], second[:, 0]
    shared, a, b = first @ second.T, first @ target, second @ target
    aa, bb = np.sum(first**2, axis=1)[:, None], np.sum(second**2, axis=1)[None, :]
    det = aa * bb - shared**2
    gain = a[:, None] ** 2 * bb - 2 * np.outer(a, b) * shared + b[None, :] ** 2 * aa
    safe = (det > 1e-4 * aa * bb) & fine[:, None] & good[None, :]
    gain = np.where(safe, gain / np.where(safe, det, 1.0), -np.inf)
    i, j = np.unravel_index(int(np.argmax(gain)), gain.shape)
    return tried[0][int(i)] | tried[1][int(j)]


def _orthonormal(columns: list[Array], y: Array) -> Array:
    if not columns:
        return np.zeros((y.size, 0))
    table = np.stack([np.broadcast_to(c, y.shape) for c in columns], axis=1)
    scale = np.linalg.norm(table, axis=0)
    table = table[:, np.isfinite(scale) & (scale > 0)]
    if not table.shape[1]:
        return table
    left, sizes, _ = np.linalg.svd(table / np.linalg.norm(table, axis=0), full_matrices=False)
    return left[:, sizes > 1e-10 * sizes[0]]


def _tables(part: Any, rows: Rows, values: Values, tried: list[Values]) -> Array:
    """(proposals, linear parameters, rows): the columns of every proposal."""
    if isinstance(part, Leaf):
        names = tried[0].keys()
        stacked = {name: np.array([entry[name] for entry in tried])[:, None] for name in names}
        found = part.columns(rows.data, values | stacked)
        shape = (len(tried), rows.y.size)
        return np.stack([np.broadcast_to(column, shape) for column in found], axis=1)
    one = [part.columns(rows.data, values | entry) for entry in tried]
    return np.stack([[np.broadcast_to(c, rows.y.shape) for c in own] for own in one])



def polished(parts: Sequence[Any], rows: Rows, values: Values, known: Given) -> Values:
    """A few damped Gauss–Newton steps, so that sums of squares can be compared between starts."""
    names = [name for part in parts for name in part.names]
    names = [name for name in names if name not in known and name not in known.ties]
    at = np.array([values[name] for name in names])

    def residual(point: Array) -> Array:
        changed = known.completed(values | dict(zip(names, point.tolist(), strict=True)))
        return np.asarray(rows.y - sum(part.value(rows.data, changed) for part in parts))

    here, damping = residual(at), 1e-2
    for _ in range(STEPS):
        jacobian = np.empty((here.size, at.size))
        for k, size in enumerate(np.abs(at)):
            moved = at.copy()
            moved[k] += 1e-6 * (size or 1e-3)
            jacobian[:, k] = (here - residual(moved)) / (moved[k] - at[k])
        if not np.isfinite(jacobian).all():
            break
        scale = np.linalg.norm(jacobian, axis=0)
        scale[scale == 0] = 1.0
        table = np.concatenate([jacobian / scale, np.sqrt(damping) * np.eye(at.size)])
        step, *_ = np.linalg.lstsq(table, np.concatenate([here, np.zeros(at.size)]), rcond=None)
        there = residual(at + step / scale)
        fell = there @ there < here @ here
        damping *= 0.2 if fell else 10
        if fell:
            at, here = at + step / scale, there
    return known.completed(values | dict(zip(names, at.tolist(), strict=True)))
