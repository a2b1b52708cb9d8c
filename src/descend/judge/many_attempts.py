"""Further starts for many fits: of all of them, or only of those that look as if they missed.

The rules are those of a single fit (`judge.attempts`): the same doubts, the same rounds, the same
allowance, counted fit by fit. What is drawn for a fit depends on the seed, the number of the
attempt and its own data alone, so that it comes out with the same bits whatever its neighbours are.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import numpy as np

from descend.compile.many_native import ManyArrays
from descend.judge.attempts import ALIKE, ALLOWANCE, MORE, MOST_STARTS, SHORTEST, Unasked
from descend.judge.doubts import CORRELATED, ENOUGH, FAR, LEAST, MOST, NOTHING
from descend.judge.explained import LITTLE, by_chance
from descend.judge.many_doubts import shares
from descend.lean import dataclass
from descend.methods.base import NOT_FINITE, STATUS
from descend.program.lanes import ManyBuilt
from descend.records.many import SINGULAR, SPENT
from descend.run.many_job import CONVERGED, ManyJob, among, statuses
from descend.task.datasets import ManyData
from descend.task.start import around
from descend.task.starts import ManyStart

__all__ = ["Made", "Tries", "further"]

Array = np.ndarray[Any, np.dtype[Any]]

CHUNK = 4096  # fits that are begun again together: what bounds the memory
FAILED = (
    *(code for code, outcome in STATUS.items() if not outcome.success), NOT_FINITE, SPENT, SINGULAR,
)  # fmt: skip


@dataclass(frozen=True)
class Made:
    """Descents of some fits: their program, its arrays, and (fits,) evaluations of their models.

    Attributes:
        stopped: whether Ctrl-C came.
    """

    built: ManyBuilt
    arrays: ManyArrays
    searched: Array
    stopped: bool = False


Descend = Callable[[ManyJob, int, int | None], Made]
Neighbours = Callable[[ManyJob, dict[str, Array]], Array]


@dataclass
class Tries:
    """What further starts have shown.

    Attributes:
        starts, agreed: (fits,) how many were tried, and how many arrived at the least loss.
        needed: how many fits looked as if they had missed the minimum.
        mended: how many of these another start has brought to one.
        cut: of how many the search ended since its evaluations were spent.
        stopped: whether Ctrl-C came.
    """

    starts: Array
    agreed: Array
    needed: int = 0
    mended: int = 0
    cut: int = 0
    stopped: bool = False


def further(
    job: ManyJob, first: Made, asked: int, more: Unasked, descend: Descend,
    neighbours: Neighbours, some: Array,
) -> Tries:  # fmt: skip
    """Begin again, from as many starts as were asked for; or where the only descent looks wrong.

    Args:
        first: the first descents, whose results better ones replace.
        asked: starts of each fit. more: whether fits that look wrong get others if it is 1.
        descend: all fits of a job, by the number of the attempt, of so many steps at most.
        neighbours: (fits,) how residuals of neighbouring rows go together, at these parameters.
        some: the fits that are not plainly well; others may only have correlated residuals.
    """
    n = job.data.n_fits
    tries = Tries(np.ones(n, np.int64), np.ones(n, np.int64))
    if asked == 1 and more is Unasked.NEVER:
        return tries
    judge = _Judge(job, first, more, neighbours)
    if asked > 1:
        status = judge.standing(job, first).status
        begun = np.flatnonzero(among(status, (*CONVERGED, *FAILED)))
        _as_asked(judge, begun, asked, descend, tries)
        return tries
    looked = some if more is Unasked.FAILED else np.arange(n)
    if not looked.size:
        return tries
    chosen = looked[judge.suspected(looked, tries)]
    tries.needed = len(chosen)
    for some in _chunks(chosen):
        _rounds(judge, some, descend, tries)
        if tries.stopped:
            break
    return tries


def _as_asked(
    judge: _Judge, chosen: Array, asked: int, descend: Descend, tries: Tries
) -> None:
    for some in _chunks(chosen):
        part = judge.job.part(some)
        for attempt in range(1, asked):
            near = replace(part, start=_near(part.start, len(some), attempt, part.seed))
            made = descend(near, attempt, None)
            tries.stopped = made.stopped
            if tries.stopped:
                return
            judge.enter(part, made, some, np.ones(len(some), bool), tries)


def _rounds(judge: _Judge, some: Array, descend: Descend, tries: Tries) -> None:
    """Rounds of unasked starts for some fits, until none of them looks wrong any more."""
    left = some
    took, cut = np.zeros(len(tries.starts), np.int64), np.zeros(len(tries.starts), bool)
    first = np.maximum(judge.searched + judge.iterations, SHORTEST)
    for begin in range(1, MOST_STARTS, MORE):
        for attempt in range(begin, min(begin + MORE, MOST_STARTS)):
            room = ALLOWANCE * first[left] - took[left] - judge.searched[left]
            cut[left[room < 1]] = True
            left, room = left[room >= 1], room[room >= 1]
            if not left.size:
                break
            part = judge.job.part(left)
            made = descend(part, attempt, int(room.max()))
            tries.stopped = made.stopped
            if tries.stopped:
                return
            steps = made.arrays.iterations
            whole = steps < room
            took[left] += made.searched + np.minimum(steps, room)
            judge.enter(part, made, left, whole, tries)
            cut[left[~whole]] = True
            left = left[whole]
        if not left.size:
            break
        left = left[judge.suspected(left, tries)]
    tries.cut += int(np.sum(cut[some]))
    tries.mended += int(np.sum(~judge.suspected(some, tries)))


@dataclass(frozen=True)
class _Ends:
    """How fits have ended: status, loss (NaN where there is none), and what looks wrong.

    Attributes:
        failed: they did not arrive. lost: their data hardly determine all parameters there.
        gone: a parameter has gone far, and is not known to its own size.
    """

    status: Array
    loss: Array
    failed: Array
    lost: Array
    gone: Array

    @property
    def wrong(self) -> Array:
        return self.failed | self.lost | self.gone


class _Judge:
    """What the first descents look like, and what becomes of them."""

    def __init__(
        self, job: ManyJob, first: Made, more: Unasked, neighbours: Neighbours
    ) -> None:
        self.job, self.first, self.more, self.neighbours = job, first, more, neighbours
        self.searched, self.iterations = first.searched, first.arrays.iterations.copy()
        self.count = sum(a.size for a in job.start.varied().values())

    def standing(self, job: ManyJob, made: Made, some: Array | None = None) -> _Ends:
        """How the fits of a job stand, which may be some of those in the arrays."""
        rows: Any = slice(None) if some is None else some
        arrays = made.arrays
        found = {n: a[rows] for n, a in zip(made.built.results, arrays.results, strict=True)}
        status = statuses(job, arrays.codes[rows], arrays.iterations[rows], found)
        known = among(status, (*CONVERGED, *FAILED)) & (status != NOT_FINITE)
        arrived = found.get("arrived", np.ones(len(status), bool))
        lost = (status == SINGULAR) | (among(status, CONVERGED) & ~arrived)
        gone = among(status, CONVERGED) & _ran_away(job, found)
        failed = among(status, FAILED) & ~lost
        return _Ends(status, np.where(known, found["loss"], np.nan), failed, lost, gone)

    def suspected(self, some: Array, tries: Tries) -> Array:
        """Which of some fits look as if they had missed the minimum."""
        part = self.job.part(some)
        s = self.standing(part, self.first, some)
        tried, agreed = tries.starts[some], tries.agreed[some]
        floor = NOTHING * _mean_squares(part.data)
        with np.errstate(all="ignore"):
            perfect = s.loss <= floor
            share = shares(part, s.loss)
        low = among(s.status, CONVERGED) & ~perfect & (share <= LITTLE)
        low &= bool(low.any()) and not self.job.is_linear
        idle = low & (share <= by_chance(self.count, part.data.weighty()))
        shaped = np.flatnonzero(low & ~idle)
        idle[shaped] = self._correlated(some[shaped])
        settled = (agreed >= ENOUGH) & ~idle
        found = s.failed | (s.lost & ~settled & ~perfect) | (s.gone & ~perfect) | idle
        alone = (tried > 1) & (agreed < 2) & ~perfect & among(s.status, (*CONVERGED, *FAILED))
        found |= alone
        if self.more is Unasked.DOUBTED:
            look = ~found & among(s.status, CONVERGED) & ~perfect
            look &= ~((tried > 1) & (tried == agreed))
            found[look] = self._correlated(some[look])
        return np.asarray(found)

    def _correlated(self, some: Array) -> Array:
        """Which fits have residuals that go together with those of their neighbours."""
        data = self.job.data
        names = [n for n in data.columns if n not in ("target", "sigma", "sample_weight")]
        plain = len(names) == 1 and data.columns[names[0]].ndim == 1
        if not plain or data.columns["target"].ndim != 1 or not some.size:
            return np.zeros(len(some), bool)
        counts = data.counts[some]
        looked = (counts >= LEAST) & (counts <= MOST)
        found = np.zeros(len(some), bool)
        for piece in _chunks(np.flatnonzero(looked)):
            chosen = some[piece]
            made = dict(zip(self.first.built.results, self.first.arrays.results, strict=True))
            ends = {n: made[f"params.{n}"][chosen] for n in self.job.start.leaves()}
            told = self.neighbours(self.job.part(chosen), ends)
            found[piece] = told * np.sqrt(counts[piece]) > CORRELATED
        return found

    def enter(self, part: ManyJob, made: Made, some: Array, whole: Array, tries: Tries) -> None:
        """Take the results of one more attempt of some fits, where they are better.

        Args:
            whole: which of these descents went to their own end.
        """
        first = self.first
        old, new = self.standing(part, first, some), self.standing(part, made)
        slack = ALIKE * np.abs(old.loss)  # likelihoods may be below zero
        low, high = old.loss - slack, old.loss + slack
        known = np.isfinite(new.loss) & whole
        better = known & (~np.isfinite(old.loss) | (new.loss < low))
        same = known & ~better & (new.loss <= high)
        tries.starts[some] += whole
        tries.agreed[some] = np.where(better, 1, tries.agreed[some] + same)
        take = better | (same & old.wrong & ~new.wrong)
        source, goal = np.flatnonzero(take), some[take]
        others = dict(zip(made.built.results, made.arrays.results, strict=True))
        for name, own in zip(first.built.results, first.arrays.results, strict=True):
            own[goal] = others[name][source]
        first.arrays.codes[goal] = made.arrays.codes[source]
        first.arrays.iterations[goal] = made.arrays.iterations[source]


def _ran_away(job: ManyJob, made: dict[str, Array]) -> Array:
    """Whether a parameter has gone far, and is not known to its own size."""
    found = np.zeros(job.data.n_fits, bool)
    for name, first in job.start.leaves().items():
        if f"stderr.{name}" not in made:
            continue
        begin = np.abs(job.start.each.get(name, first[None]))
        end, error = np.abs(made[f"params.{name}"]), made[f"stderr.{name}"]
        gone = (end >= FAR * begin) & (begin > 0) & ~(error < end)
        found |= gone.reshape(len(found), -1).any(axis=1)
    return found


def _mean_squares(data: ManyData) -> Array:
    """(fits,) the mean square of the target."""
    target = data.columns["target"]
    if target.dtype.kind != "f" or not target.size:
        return np.zeros(data.n_fits)
    counts = np.maximum(data.counts, 1)
    with np.errstate(all="ignore"):
        if (data.counts == counts[0]).all():
            whole = target.reshape(data.n_fits, -1)
            return np.asarray(np.einsum("ij,ij->i", whole, whole) / whole.shape[1])
        rows = np.square(target.reshape(len(target), -1)).mean(axis=1)
        first = np.minimum(data.offsets[:-1], len(rows) - 1)
        return np.asarray(np.where(data.counts > 0, np.add.reduceat(rows, first) / counts, 0.0))


def _chunks(chosen: Array) -> Iterator[Array]:
    for first in range(0, len(chosen), CHUNK):
        yield chosen[first : first + CHUNK]


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
