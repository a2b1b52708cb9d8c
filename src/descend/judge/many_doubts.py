"""Which of many fits are not plainly well: those alone are looked at closer, one by one."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from descend.judge.doubts import FAR
from descend.judge.explained import SAVES, by_chance, saved
from descend.methods.base import XTOL
from descend.parameters.space import Space
from descend.records.many import SINGULAR, SPENT
from descend.run.many_job import CONVERGED, LEAST_PIVOT, UNSOLVED, ManyJob, among
from descend.task.columns import SIGMA, TARGET, WEIGHT, WHITENING
from descend.task.datasets import ManyData

__all__ = ["as_good_outside", "doubtful", "is_below_constants", "plainly_well", "shares"]

Array = np.ndarray[Any, np.dtype[Any]]

VAGUE = 100.0  # times its value: the standard error of a parameter that may have no finite best one
WEIGHED = frozenset((TARGET, SIGMA, WEIGHT))
LEFT = 0.9  # of a constant's loss: less is explained by more than chance (`by_chance`)
OPEN = 10.0  # the same, where it is tried before it is said
FARTHER = 1.5  # times a number: it has not come back from where it is twice as large
ROUNDING = 1e-12  # of a loss
WHITE = 2.0  # standard deviations of that correlation


def plainly_well(job: ManyJob, made: Mapping[str, Array], codes: Array) -> Array:
    """(fits,) which are neither doubtful, nor look as if they had missed the minimum (`further`).

    Args:
        made: what the program left of each fit, by name. codes: of their ends.
    """
    well: Any = among(codes, CONVERGED)
    with np.errstate(all="ignore"):
        if job.loss.name == "mse":
            well &= is_below_constants(job.data, made["loss"] / LEFT)
        elif job.loss.of_residual:
            well &= np.isnan(shares(job, made["loss"]))
        if "arrived" in made:
            well &= made["arrived"]
        if "pivot" in made:
            well &= made["pivot"] > LEAST_PIVOT
        for name, begin in job.start.leaves().items():
            error, end = made.get(f"stderr.{name}"), np.abs(made[f"params.{name}"])
            if error is None:
                continue
            known: Any = error < end
            if known.ndim > 1:
                known = known.reshape(len(well), -1).all(axis=1)
            some = np.flatnonzero(well & ~known)
            if some.size:
                begun = np.abs(job.start.each.get(name, begin[None]))
                begun = begun[some] if len(begun) == len(well) else begun
                well[some] = _is_held(begun, end[some], error[some])
    return np.asarray(well)


def _is_held(begin: Array, end: Array, error: Array) -> Array:
    """Which fits have no number that is vague, or has gone far and is not known to its size."""
    vague = (error >= VAGUE * end) & (end > 0)
    gone = (end >= FAR * begin) & (begin > 0) & ~(error < end)
    return np.asarray(~(vague | gone).reshape(len(end), -1).any(axis=1))


def shares(job: ManyJob, losses: Array) -> Array:
    """(fits,) the share of the best constant's loss that fits save; NaN where that is open.

    By a loss that is no sum of squares it is open as well where much is saved.
    """
    data, loss = job.data, job.loss
    if loss.name == "mse":
        level = job.level
        return np.asarray(1.0 - losses / np.where(level > 0, level, np.nan))
    found, target = np.full(data.n_fits, np.nan), data.columns[TARGET]
    if not loss.of_residual or target.ndim != 1 or WHITENING in data.columns:
        return found
    for i in np.flatnonzero(~is_far_below(job, losses)):
        share = saved(loss, float(losses[i]), data.one(int(i)).extra)
        found[i] = np.nan if share is None else share
    return found


def is_far_below(job: ManyJob, losses: Array) -> Array:
    """(fits,) whether losses save so much of that of the target's mean that no more is asked."""
    data = job.data
    target, counts = data.columns[TARGET], data.counts
    plain = not {SIGMA, WEIGHT} & data.columns.keys() and bool(counts.size)
    if plain and (counts == counts[0]).all():
        y = target.reshape(data.n_fits, -1)
        rows = job.loss.per_row(y.mean(axis=1, keepdims=True), y)
        return np.asarray(losses < SAVES * rows.mean(axis=1))
    whole = {n: np.tile(a, data.n_fits) if n in data.shared else a
             for n, a in data.columns.items() if n in WEIGHED}  # fmt: skip
    sigma, weight = whole.get(SIGMA, 1.0), whole.get(WEIGHT, 1.0)
    first = np.minimum(data.offsets[:-1], len(target) - 1)
    mean = np.repeat(np.add.reduceat(target, first) / counts, counts)
    rows = weight * job.loss.per_row(mean / sigma, target / sigma)
    return np.asarray(losses < SAVES * (np.add.reduceat(rows, first) / counts))


def is_below_constants(data: ManyData, losses: Array) -> Array:
    """(fits,) whether losses are certainly lower than any constant's; False where that is open.

    The squares of all rows about their mean are no fewer than those of pairs of them about their
    own means. Few rows are looked at, first those that lie beside each other in memory.
    """
    target, counts = data.columns[TARGET], data.counts
    n, found = int(counts[0]) if counts.size else 0, np.zeros(data.n_fits, bool)
    if target.ndim != 1 or target.dtype.kind != "f" or len(target) != n * data.n_fits:
        return found
    if n < 4 or WHITENING in data.columns or (counts != n).any():
        return found
    rows = {name: data.columns[name].reshape(-1, n) for name in WEIGHED & data.columns.keys()}
    some: Any = slice(None)  # all at first, without a copy
    least = np.zeros(data.n_fits)
    for i, j in ((0, n - 1), (1, n // 2), (n // 4, n // 2 + n // 4)):
        apart = _of(rows[TARGET], some, i) - _of(rows[TARGET], some, j)
        both = _variance(rows, some, i) + _variance(rows, some, j)
        least[some] += apart * apart / (n * both)
        found[some] = losses[some] < least[some]
        some = np.flatnonzero(~found)
        if not some.size:
            break
    return found


def _of(rows: Array, some: Any, i: int) -> Array:
    """A row of some fits, where there may be one for all."""
    column = rows[:, i]
    return column if len(rows) == 1 else column[some]


def _variance(rows: Mapping[str, Array], some: Any, i: int) -> Any:
    """The reciprocal of what squares are multiplied by, in a row of some fits."""
    found: Any = 1.0
    if SIGMA in rows:
        found = np.square(_of(rows[SIGMA], some, i))
    return found / _of(rows[WEIGHT], some, i) if WEIGHT in rows else found


def as_good_outside(
    job: ManyJob, status: Array, made: Mapping[str, Array],
    descend: Callable[[ManyJob], Mapping[str, Array]],
) -> Array:  # fmt: skip
    """The numbers of the fits that end as low from twice as far out, and farther out than before.

    They may have no finite best value. Looked at are those with a vague number; where lanes leave
    no standard errors, those that did not end by steps that were small at last.

    Args:
        descend: what the program leaves of a job's fits, by name.
    """
    start, vague = job.start, status != XTOL
    if any(name.startswith("stderr.") for name in made):
        vague = np.zeros(len(status), bool)
        for name in start.varied():
            error, value = made[f"stderr.{name}"], np.abs(made[f"params.{name}"])
            vague |= ~(error < OPEN * value).reshape(len(vague), -1).all(axis=1)
    some = np.flatnonzero(among(status, CONVERGED) & vague)
    if not some.size or any(map((start.space or Space()).bounded, start.varied())):
        return some[:0]
    ends = {name: made[f"params.{name}"][some] for name in start.varied()}
    part = job.part(some)
    each = {**part.start.each, **{name: 2.0 * array for name, array in ends.items()}}
    other, loss = descend(part.starting(part.start._replace(each=each))), made["loss"][some]
    found = np.zeros(some.size, bool)
    for name, array in ends.items():
        farther = np.abs(other[f"params.{name}"]) > FARTHER * np.abs(array)
        found |= farther.reshape(some.size, -1).any(axis=1)
    return np.asarray(some[found & (other["loss"] <= loss + ROUNDING * np.abs(loss))])


def doubtful(
    job: ManyJob, status: Array, made: Mapping[str, Array],
    neighbours: Callable[[Mapping[str, Array]], Array], some: Array,
) -> Array:  # fmt: skip
    """The numbers of the fits, of some, that a closer look may judge otherwise.

    Args:
        status: (fits,) codes of their ends.
        made: what the program left of each fit, by name.
        neighbours: (fits,) the correlation of the residuals of neighbouring rows, where the
            parameters end: what explains no more than a constant is no side minimum if its
            residuals are white.
    """
    if not some.size:
        return some
    ended = status[some]
    settled = among(ended, CONVERGED)
    found = among(ended, (*UNSOLVED, SINGULAR, SPENT))
    if "arrived" in made:
        found |= settled & ~made["arrived"][some]
    for name in job.start.leaves():
        if f"stderr.{name}" in made:
            error, value = made[f"stderr.{name}"][some], np.abs(made[f"params.{name}"][some])
            vague = (error >= VAGUE * value) & (value > 0)
            found |= settled & vague.reshape(len(some), -1).any(axis=1)
    part = job.part(some)
    p, counts = sum(a.size for a in job.start.varied().values()), part.data.counts
    with np.errstate(all="ignore"):
        low = settled & (shares(part, made["loss"][some]) <= by_chance(p, counts))
        if low.any():
            ends = {name: made[f"params.{name}"] for name in job.start.leaves()}
            low &= ~(np.abs(neighbours(ends)[some]) * np.sqrt(counts) < WHITE)
    return np.asarray(some[found | low])
