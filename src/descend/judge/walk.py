"""A walk down a sum of squares by QR of J, where JᵀJ has lost too many digits.

The normal equations have the square of J's condition: of numbers with sixteen digits eight are
left to tell nearly parallel columns apart. Columns such as 1 and a time of 1.7e9 seconds need more.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from descend.parameters.flat import flat, leaf_by_leaf, names_of
from descend.program.arrival import EXACT, near
from descend.run.finished import Finished
from descend.run.view import on_bounds
from descend.trust.covariance import MIXED, Split, split
from descend.trust.passes import completion_of

__all__ = ["Walk", "begin_of", "sizes", "walk_of"]

Array = np.ndarray[Any, np.dtype[Any]]

MOST_STEPS = 100
BESIDE = (-0.01, 0.01, -0.03, 0.03)  # shares of a number, by which it is moved off an overflow
SETTLED = 1e-20  # a predicted fall, as a share of rᵀr
EPS = float(np.finfo(np.float64).eps)


def begin_of(run: Finished) -> Array:
    """Where a run began, in the method's own coordinates."""
    return flat(run.job.moved(run.begin))


def sizes(begin: Array, end: Array) -> Array:
    """How large parameters are: as the larger of start and end."""
    return np.maximum(np.abs(begin), np.abs(end))


def walk_of(run: Finished) -> Walk:
    """The walk that stands where a run ended; J is worked out once for all who look at it."""
    if run.walk is None:
        run.walk = Walk(run)
    found: Walk = run.walk
    return found


class Walk:
    """A walk down a sum of squares by QR of J: the varied numbers, residuals and J there.

    Levenberg–Marquardt with columns scaled to length one; every step by the singular values of J,
    of which those below rounding count as zero. The numbers that lie on a bound stay there.
    """

    def __init__(self, run: Finished) -> None:
        self.run = run
        assert run.original is not None
        leaves = run.leaves()
        self.completion = completion_of(
            run.job, run.built, leaves, bool(run.options.absolute_sigma), run.original
        )
        self.like = self.completion.leaves
        self.x, self.start = flat(self.like), flat({n: run.begin[n] for n in self.like})
        self.bound = on_bounds(run.job.space, self.completion.leaves)
        self.held = self.bound
        self.settled = False
        self.overflows = False
        self.evaluations = 0
        r, j = self._residuals()
        self.evaluations, self.begin = 0, float(r @ r)
        self.level = self.completion.level()
        self.parts: Split | None = None
        if np.isfinite(self.begin):
            self._enter(r, j, self.begin)
            if not np.isfinite(j).all():
                self._beside()

    def _beside(self) -> None:
        """Stand close by, and no higher, where J has not overflowed, if there is such a place."""
        here, most = self.x.copy(), max(self.begin, EXACT * self.level)
        for share in BESIDE:
            for i in np.flatnonzero(~self.bound):
                x = here.copy()
                x[i] *= 1 + share
                if self.jump(x) and self.square <= most and np.isfinite(self.j).all():
                    return
        self.jump(here)

    def leaves(self, x: Array) -> dict[str, Array]:
        """The varied leaves, kept within their bounds."""
        found, space = leaf_by_leaf(x, self.like), self.run.job.space
        return found if space is None else {n: space.inside(n, a) for n, a in found.items()}

    def go(self, most: int = MOST_STEPS) -> int:
        """Descend; return how many evaluations it took, of at most so many."""
        damping, count = 0.0, 0
        while count < most:
            step, predicted = self._step(damping)
            if not predicted > SETTLED * self.square:
                self.settled = damping == 0.0
                break
            count += 1
            if self._moves(self.x + step):
                damping = damping / 10 if damping > 1e-14 else 0.0
            elif predicted <= 64 * EPS * self.square:
                self.settled = True
                break
            else:
                damping = max(10 * damping, 1e-12)
                if damping > 1e6:
                    break
        return count

    def jump(self, x: Array, held: Sequence[int] = ()) -> bool:
        """Stand at another place, where some numbers are to stay; whether the sum is finite there.

        Where J is not finite, there is no way on from there.
        """
        leaves = self.leaves(x)
        self.completion.leaves = leaves
        r, j = self._residuals()
        square = float(r @ r)
        if not np.isfinite(square):
            return False
        self.held = self.bound.copy()
        self.held[list(held)] = True
        self.x = flat(leaves)
        self._enter(r, j, square)
        return True

    def follow(self, i: int, value: float, most: int) -> float:
        """The sum of squares where a number has a value and the others follow; ∞ where none is.

        Args:
            most: evaluations in which they follow.
        """
        x = self.x.copy()
        x[i] = value
        if not self.jump(x, [i]):
            return float("inf")
        self.go(most)
        return self.square

    def rest(self) -> None:
        """Stand still: what has come to lie on a bound stays there."""
        leaves = self.leaves(self.x)
        self.bound = self.held = on_bounds(self.run.job.space, leaves)
        self._enter(self.r, self.j, self.square)

    def _residuals(self) -> tuple[Array, Array]:
        """Residuals and J at the parameters that the completion has; NaN beyond an index."""
        self.evaluations += 1
        try:
            r, j = self.completion.reduced()
        except IndexError:
            return np.full(1, np.nan), np.full((1, len(self.start)), np.nan)
        return r, np.where(np.isfinite(j), j, 0.0) if self.overflows else j

    def number_names(self) -> list[str]:
        """The names of the varied numbers."""
        return names_of(self.like)

    def length_of(self, i: int) -> float:
        """The length of a column of J."""
        return float(np.sqrt(np.sum(self.j[:, i] ** 2)))

    def _enter(self, r: Array, j: Array, square: float) -> None:
        """Stand at a place: its residuals, and J of what is free to move, taken apart."""
        self.r, self.j, self.square = r, j, square
        lengths = np.sqrt(np.sum(j**2, axis=0))
        alive = (self.start == 0) & (lengths > 0)
        for size in (np.abs(self.x), sizes(self.start, self.x)):
            alive |= lengths * size > EPS * np.max(lengths * size, initial=0.0)
        self.free = np.flatnonzero(alive & np.isfinite(lengths) & ~self.held)
        self.lengths = lengths[self.free]
        self.parts = None
        if self.free.size and np.isfinite(j).all():
            self.parts = split(j[:, self.free] / self.lengths, r, self.count)

    def _step(self, damping: float) -> tuple[Array, float]:
        step = np.zeros_like(self.x)
        if self.parts is None:
            return step, 0.0
        singular, vt, known, side = self.parts
        along = np.where(known, vt @ side, 0.0)
        square = np.where(known, singular**2 + damping, 1.0)
        step[self.free] = -(vt.T @ (along / square)) / self.lengths
        return step, float(np.sum(along**2 / square))

    def _moves(self, x: Array) -> bool:
        """Go to a place if it is lower and all is finite there."""
        leaves = self.leaves(x)
        before = self.completion.leaves
        self.completion.leaves = leaves
        r, j = self._residuals()
        square = float(r @ r)
        if not (square < self.square and np.isfinite(j).all()):
            self.completion.leaves = before
            return False
        self.x = flat(leaves)
        self._enter(r, j, square)
        return True

    @property
    def count(self) -> int:
        """How many residuals there are, of which r and J may be what a factorisation leaves."""
        return self.completion.residual_count()

    def noise(self) -> Array:
        """(n,) residuals one by one: of the rows in memory."""
        if self.r.size == self.count:
            return self.r
        self.completion.leaves = self.leaves(self.x)
        return self.completion.linear()[0]

    @property
    def rounding(self) -> float:
        """Below what a sum of squares is nothing: rounding of the terms in the residuals."""
        whole = float(np.sum((self.j * np.where(np.isfinite(self.x), self.x, 0.0)) ** 2))
        return EXACT * max(whole, self.level)

    def has_arrived(self) -> bool:
        """Whether the predicted step of what is free is below the limit of arrival."""
        if self.square <= self.rounding or self.parts is None:
            return True
        step, _ = self._step(0.0)
        dof = self.completion.original.counted - len(self.x)
        spread = self.square / dof if dof > 0 else 0.0
        errors = self.parts.errors(spread) / self.lengths
        return bool(np.all(near(step[self.free], errors, self.x[self.free])))

    def errors(self) -> Array:
        """The standard error of every number; infinite where J does not determine it."""
        found = np.full(self.x.shape, np.inf)
        if self.parts is None:
            return found
        vt, known = self.parts.vt, self.parts.known
        spread = self.square / max(self.completion.original.counted - len(found), 1)
        own = self.parts.errors(spread) / self.lengths
        lost = np.sqrt(np.sum(vt[~known] ** 2, axis=0)) > MIXED
        found[self.free] = np.where(lost, np.inf, own)
        found[self.held] = 0.0
        return found
