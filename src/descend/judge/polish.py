"""The last steps of a fit by least squares, by J itself, where JᵀJ has lost too many digits.

The normal equations have the square of J's condition: of numbers with sixteen digits eight are
left to tell nearly parallel columns apart. Columns such as 1 and a time of 1.7e9 seconds need more.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from descend.methods.base import FTOL
from descend.run.finished import Finished, Told
from descend.run.view import on_bounds
from descend.trust.complete import MOST_WITH_ERRORS, Completion
from descend.trust.covariance import MIXED, Split, split

__all__ = ["polished", "sizes"]

Array = np.ndarray[Any, np.dtype[Any]]

WORSE = 1e-10  # the least eigenvalue of JᵀJ, as a share of the largest, from which J is asked
MOST_STEPS = 100
SETTLED = 1e-20  # a predicted fall, as a share of rᵀr
EPS = float(np.finfo(np.float64).eps)


def polished(run: Finished) -> None:
    """Go on by QR of J where that has more to say, and enter what was found into the run.

    Levenberg–Marquardt with columns scaled to length one; every step by the singular values of J,
    of which those below rounding count as zero. The numbers that lie on a bound stay there.
    """
    if not _is_needed(run):
        return
    state = run.state()
    with np.errstate(all="ignore"):
        walk = _Walk(run)
        if not np.isfinite(walk.begin):
            return
        count = walk.go()
        run.told = Told(walk.errors(), count)
    if not count:
        return
    share = float(state["method/loss"]) / walk.begin if walk.begin > 0 else 1.0 / walk.r.size
    moved = run.job.moved({**run.leaves(), **walk.leaves(walk.x)})
    state["method/x"][...] = np.concatenate([a.reshape(-1) for a in moved.values()])
    state["method/loss"][...] = share * walk.square
    state["method/jtj"][...] = share * (walk.j.T @ walk.j)
    state["method/jtr"][...] = share * (walk.j.T @ walk.r)
    run.control.steps += count
    if walk.settled:
        run.control.status = FTOL


def _is_needed(run: Finished) -> bool:
    state, job = run.state(), run.job
    jtj = state.get("method/jtj")
    if job.settings.optimizer.needs != "gauss_newton" or jtj is None or not jtj.size:
        return False
    if run.built.descent.residual is None or job.settings.penalty is not None:
        return False
    if jtj.dtype != np.float64 or len(jtj) > MOST_WITH_ERRORS or not np.isfinite(jtj).all():
        return False
    if job.space is not None and job.space.scales:
        return False
    if run.ending is None or run.ending.outside:
        return False
    norms = np.sqrt(np.diagonal(jtj))
    alive = norms > 0
    if not alive.any():
        return False
    own = jtj[np.ix_(alive, alive)] / norms[alive, None] / norms[None, alive]
    values = np.linalg.eigvalsh(own)
    return bool(values[0] < WORSE * values[-1])


def sizes(begin: Array, end: Array) -> Array:
    """How large parameters are: as the larger of start and end, or 1 if they began at zero."""
    return np.where(begin == 0, 1.0, np.maximum(np.abs(begin), np.abs(end)))


class _Walk:
    """Where the polishing is: the varied numbers, residuals and J there."""

    def __init__(self, run: Finished) -> None:
        self.run = run
        assert run.original is not None
        leaves = run.leaves()
        self.completion = Completion(
            run.job, run.built, leaves, bool(run.options.absolute_sigma), run.original
        )
        self.names = list(self.completion.leaves)
        self.shapes: list[tuple[int, ...]] = [self.completion.leaves[n].shape for n in self.names]
        self.x = np.concatenate([self.completion.leaves[n].reshape(-1) for n in self.names])
        self.start = np.concatenate([np.reshape(run.begin[n], -1) for n in self.names])
        self.held = on_bounds(run.job.space, self.completion.leaves)
        self.settled = False
        r, j = self.completion.linear()
        self.begin = float(r @ r)
        self.parts: Split | None = None
        if np.isfinite(self.begin):
            self._enter(r, j, self.begin)

    def leaves(self, x: Array) -> dict[str, Array]:
        """The varied leaves, kept within their bounds."""
        found, at, space = {}, 0, self.run.job.space
        for name, shape in zip(self.names, self.shapes, strict=True):
            size = int(np.prod(shape))
            array = x[at : at + size].reshape(shape)
            found[name], at = array if space is None else space.inside(name, array), at + size
        return found

    def go(self) -> int:
        """Descend; return how many evaluations it took."""
        damping, count = 0.0, 0
        while count < MOST_STEPS:
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

    def _enter(self, r: Array, j: Array, square: float) -> None:
        """Stand at a place: its residuals, and J of what is free to move, taken apart."""
        self.r, self.j, self.square = r, j, square
        lengths = np.sqrt(np.sum(j**2, axis=0))
        effect = lengths * sizes(self.start, self.x)
        alive = effect > EPS * effect.max(initial=0.0)
        self.free = np.flatnonzero(alive & np.isfinite(lengths) & ~self.held)
        self.lengths = lengths[self.free]
        self.parts = None
        if self.free.size:
            self.parts = split(j[:, self.free] / self.lengths, r, r.size)

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
        r, j = self.completion.linear()
        square = float(r @ r)
        if not (square < self.square and np.isfinite(j).all()):
            self.completion.leaves = before
            return False
        self.x = np.concatenate([leaves[n].reshape(-1) for n in self.names])
        self._enter(r, j, square)
        return True

    def errors(self) -> Array:
        """The standard error of every number; infinite where J does not determine it."""
        found = np.full(self.x.shape, np.inf)
        if self.parts is None:
            return found
        vt, known = self.parts.vt, self.parts.known
        spread = self.square / max(self.completion.original.counted - len(found), 1)
        own = np.sqrt(np.sum((vt.T * self.parts.inverse) ** 2, axis=1) * spread) / self.lengths
        lost = np.sqrt(np.sum(vt[~known] ** 2, axis=0)) > MIXED
        found[self.free] = np.where(lost, np.inf, own)
        found[self.held] = 0.0
        return found
