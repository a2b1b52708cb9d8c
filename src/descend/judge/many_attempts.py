"""Further starts for many fits: of all of them, or only of those that look as if they missed.

What is drawn for a fit depends on the seed and the number of the attempt alone, so that a fit comes
out with the same bits whatever its neighbours are.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import numpy as np

from descend.compile.many_native import ManyArrays
from descend.judge.attempts import ALIKE, MORE
from descend.judge.doubts import FAR
from descend.lean import dataclass
from descend.methods.base import NOT_FINITE, STATUS
from descend.program.lanes import ManyBuilt
from descend.records.many import SINGULAR, SPENT
from descend.run.many_job import CONVERGED, ManyJob, among, statuses
from descend.task.datasets import ManyData
from descend.task.start import around
from descend.task.starts import ManyStart

__all__ = ["Tries", "further"]

Array = np.ndarray[Any, np.dtype[Any]]
Descend = Callable[[ManyJob, int], tuple[ManyBuilt, ManyArrays, bool]]

CHUNK = 4096  # fits that are begun again together: what bounds the memory
FAILED = (
    *(code for code, outcome in STATUS.items() if not outcome.success), NOT_FINITE, SPENT, SINGULAR,
)  # fmt: skip


@dataclass
class Tries:
    """What further starts have shown.

    Attributes:
        starts, agreed: (fits,) how many were tried, and how many arrived at the least loss.
        needed: how many fits looked as if they had missed the minimum.
        mended: how many of these another start has brought to one.
        stopped: whether Ctrl-C came.
    """

    starts: Array
    agreed: Array
    needed: int = 0
    mended: int = 0
    stopped: bool = False


def further(
    job: ManyJob, built: ManyBuilt, arrays: ManyArrays, asked: int, more: bool, descend: Descend
) -> Tries:
    """Begin again, from as many starts as were asked for; or where the only descent looks wrong.

    Args:
        arrays: with the results of the first descents, which better ones replace.
        asked: starts of each fit. more: whether fits that look wrong get `MORE` others if it is 1.
        descend: all fits of a job, from the starts of an attempt; and whether it was stopped.
    """
    n = job.data.n_fits
    tries = Tries(np.ones(n, np.int64), np.ones(n, np.int64))
    if asked == 1 and not more:
        return tries
    whole = _standing(job, built, arrays)
    if asked > 1:
        chosen = np.flatnonzero(among(whole.status, (*CONVERGED, *FAILED)))
    else:
        chosen = np.flatnonzero(whole.wrong)
        tries.needed = len(chosen)
    for some in _chunks(chosen):
        part = replace(job, data=_some(job.data, some), start=_of(job.start, some))
        for attempt in range(1, asked if asked > 1 else MORE + 1):
            _attempt(part, built, arrays, some, attempt, descend, tries)
            if tries.stopped:
                return tries
        if asked == 1:
            tries.mended += int(np.sum(~_standing(part, built, arrays, some).wrong))
    return tries


def _attempt(
    part: ManyJob, built: ManyBuilt, arrays: ManyArrays, some: Array, attempt: int,
    descend: Descend, tries: Tries,
) -> None:  # fmt: skip
    """One more descent of some fits, where `part` is the job of these alone."""
    near = replace(part, start=_near(part.start, len(some), attempt, part.seed))
    other_built, other, tries.stopped = descend(near, attempt)
    if tries.stopped:
        return
    old, new = _standing(part, built, arrays, some), _standing(part, other_built, other)
    low, high = old.loss * (1 - ALIKE), old.loss * (1 + ALIKE)
    known = np.isfinite(new.loss)
    better = known & (~np.isfinite(old.loss) | (new.loss < low))
    same = known & ~better & (new.loss <= high)
    tries.starts[some] += 1
    tries.agreed[some] = np.where(better, 1, tries.agreed[some] + same)
    take = better | (same & old.wrong & ~new.wrong)
    source, goal = np.flatnonzero(take), some[take]
    others = dict(zip(other_built.results, other.results, strict=True))
    for name, own in zip(built.results, arrays.results, strict=True):
        own[goal] = others[name][source]
    arrays.codes[goal] = other.codes[source]
    arrays.iterations[goal] = other.iterations[source]


@dataclass(frozen=True)
class _Standing:
    """How fits have ended: status, loss (NaN where there is none), and what looks wrong."""

    status: Array
    loss: Array
    wrong: Array


def _standing(
    job: ManyJob, built: ManyBuilt, arrays: ManyArrays, some: Array | None = None
) -> _Standing:
    """How the fits of a job stand, which may be some of those in the arrays."""
    rows: Any = slice(None) if some is None else some
    made = {n: a[rows] for n, a in zip(built.results, arrays.results, strict=True)}
    status = statuses(job, arrays.codes[rows], arrays.iterations[rows], made)
    known = among(status, (*CONVERGED, *FAILED)) & (status != NOT_FINITE)
    loss = np.where(known, made["loss"], np.nan)
    wrong = among(status, FAILED) | (among(status, CONVERGED) & _ran_away(job, made))
    return _Standing(status, loss, wrong)


def _ran_away(job: ManyJob, made: dict[str, Array]) -> Array:
    """Whether a parameter has gone far, and is not known to its own size."""
    found = np.zeros(job.data.n_fits, bool)
    for name, first in job.start.leaves().items():
        if f"stderr.{name}" not in made:
            continue
        begin = np.abs(job.start.each.get(name, first[None]))
        end, error = np.abs(made[f"params.{name}"]), made[f"stderr.{name}"]
        gone = (end >= FAR * np.maximum(begin, 1.0)) & ~(error < end)
        found |= gone.reshape(len(found), -1).any(axis=1)
    return found


def _chunks(chosen: Array) -> Iterator[Array]:
    for first in range(0, len(chosen), CHUNK):
        yield chosen[first : first + CHUNK]


def _some(data: ManyData, some: Array) -> ManyData:
    """The rows of some fits."""
    counts = data.counts[some]
    offsets = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
    rows = np.arange(offsets[-1]) + np.repeat(data.offsets[some] - offsets[:-1], counts)
    columns = {
        name: array if name in data.shared else np.ascontiguousarray(array[rows])
        for name, array in data.columns.items()
    }
    keys = None if data.keys is None else data.keys[some]
    return replace(data, columns=columns, offsets=offsets, keys=keys)


def _of(start: ManyStart, some: Array) -> ManyStart:
    """The start of some fits."""
    return start._replace(each={name: array[some] for name, array in start.each.items()})


def _near(start: ManyStart, fits: int, attempt: int, seed: int) -> ManyStart:
    """Starts within a decade of those given, the same factors for every fit."""
    rng, space = np.random.default_rng([seed, attempt]), start.space
    each = dict(start.each)
    for name, array in start.leaves().items():
        factors, normal = around(np.ones(array.shape), rng), around(np.zeros(array.shape), rng)
        if space is None or space.varies(name):
            given = each.get(name, np.broadcast_to(array, (fits, *array.shape)))
            moved = np.where(given == 0, normal, given * factors)
            each[name] = moved if space is None else space.inside(name, moved)
    return start._replace(each=each)
