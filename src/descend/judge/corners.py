"""Minima of a loss that has a kink at a residual of zero: some rows are met exactly.

Where the loss of a row is straight on either side of its kink, as the absolute value is, the place
x of a minimum and the forces λ of the rows A that are met there solve

    g + J_Aᵀλ = 0,  r_A = 0,  with each force between the two slopes of its row's loss,

g being the gradient of all other rows. Descents end near it; Newton's method for both equations
ends at it, in any unit, and shows whether it is one: the forces are within their slopes, and the
curvature is positive along all that the rows leave free.

Osborne, "Finite Algorithms in Optimization and Data Analysis" (1985), chapter 6.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from descend.methods.base import STATUS
from descend.parameters.reading import number_names
from descend.run.finished import Facts, Finished
from descend.run.view import on_bounds
from descend.task.columns import SIGMA, TARGET, WEIGHT, WHITENING
from descend.trust.complete import Completion
from descend.trust.covariance import MIXED, split

__all__ = ["to_corner"]

Array = np.ndarray[Any, np.dtype[Any]]

MOST_NUMBERS, MOST_ROWS = 12, 1_000_000
MOST_STEPS = 12
SLOPES_AGAIN = 2  # steps before which the second derivatives are worked out
ASIDE = 1e-4  # of the target's spread: by what J is differenced
SETTLED = 1e-9  # of the same: a last step that is short enough
NEAR = 1.0  # of the same: a step that leads elsewhere
STRICT = 1e-7  # by what forces and curvatures are within their limits, as a share of them
SAME = 1e-12  # of the loss: no rise
NEARLY, EXACTLY = 1e-6, 4  # of the same: from where so many steps are to lead to none
ROUNDING = 16 * float(np.finfo(np.float64).eps)  # of the loss without a model: none


class Place(NamedTuple):
    """A place that was found.

    Attributes:
        x: (p,) the numbers.
        rows: how many rows are met.
        loss: the sum of the rows' losses.
    """

    x: Array
    rows: int
    loss: float


def to_corner(run: Finished) -> None:
    """Go on to the minimum that a descent has ended beside, and enter it into the run."""
    loss, state = run.job.settings.loss, run.state()
    x = state.get("method/x")
    if loss is None or not (loss.kinked and loss.of_residual) or x is None:
        return
    if x.dtype != np.float64 or not 0 < len(x) <= MOST_NUMBERS or run.best_epoch() is not None:
        return
    if run.control.status not in STATUS or run.job.settings.penalty is not None:
        return
    if run.original is None or len(run.built.model.nodes) != 1 or run.original.total > MOST_ROWS:
        return
    with np.errstate(all="ignore"):
        search = Corner(run)
        found = search.found() if search.suits else None
    if found is None:
        return
    moved = run.job.moved({**run.leaves(), **search.leaves(found.x)})
    x[...] = np.concatenate([a.reshape(-1) for a in moved.values()])
    state["method/loss"][...] = found.loss / search.target.size
    run.control.steps += search.evaluations
    names = zip(search.number_names(), search.lost, strict=True)
    kinks = tuple(search.number_names()) if found.rows else ()
    run.facts = Facts(arrived=True, kinks=kinks, lost=tuple(n for n, lost in names if lost))


class Corner:
    """The rows of a fit near its end: residuals, J, and the slopes of their losses."""

    def __init__(self, run: Finished) -> None:
        assert run.original is not None
        self.completion = Completion(run.job, run.built, run.leaves(), False, run.original)
        leaves, rows = self.completion.leaves, self.completion.rows
        self.space, self.evaluations = run.job.space, 0
        self.names = list(leaves)
        self.shapes: list[tuple[int, ...]] = [a.shape for a in leaves.values()]
        self.x = np.concatenate([a.reshape(-1) for a in leaves.values()])
        self.held = on_bounds(self.space, leaves)
        self.lost = np.zeros_like(self.held)
        self.target = np.asarray(rows.extra[TARGET], np.float64)
        loss: Any = run.job.settings.loss
        one, zero = np.ones(()), np.zeros(())
        self.up, self.down = float(loss.per_row(one, zero)), float(loss.per_row(-one, zero))
        straight = np.isclose(loss.per_row(2 * one, zero), 2 * self.up, rtol=1e-12)
        self.suits = bool(straight) and WHITENING not in rows.extra and self.target.ndim == 1
        weight = rows.extra.get(WEIGHT, 1.0) / rows.extra.get(SIGMA, 1.0)
        self.weight = np.broadcast_to(np.asarray(weight, np.float64), self.target.shape)
        # Slopes do not depend on the unit of y then, nor on that of sigma.
        self.level = float(np.mean(self.weight))
        self.spread = float(np.sqrt(np.mean((self.target - self.target.mean()) ** 2)))
        edges = [(-np.inf, np.inf) if self.space is None else self.space.edges(n) for n in leaves]
        self.low, self.high = (
            np.concatenate([
                np.broadcast_to(pair[side], shape).reshape(-1)
                for pair, shape in zip(edges, self.shapes, strict=True)
            ])
            for side in (0, 1)
        )  # fmt: skip
        self.unit, self.begun = np.ones_like(self.x), (self.target, np.zeros((0, 0)))

    def number_names(self) -> list[str]:
        """The names of the varied numbers."""
        pairs = zip(self.names, self.shapes, strict=True)
        return [name for leaf, shape in pairs for name in number_names(leaf, shape)]

    def leaves(self, x: Array) -> dict[str, Array]:
        """The varied leaves."""
        found, at = {}, 0
        for name, shape in zip(self.names, self.shapes, strict=True):
            size = int(np.prod(shape))
            found[name], at = x[at : at + size].reshape(shape), at + size
        return found

    def found(self) -> Place | None:
        """The minimum nearby; None where none could be shown to be one."""
        r, j = self.begun = self._rows(self.x)
        length = np.sqrt(np.mean(j**2, axis=0))
        scale = self.spread or float(np.sqrt(np.mean(r[self.weight > 0] ** 2)))
        if not (np.isfinite(j).all() and length.any() and scale > 0 and self.level > 0):
            return None
        self._hold_what_is_lost(j, length)
        self.unit, self.spread = scale / np.where(length > 0, length, np.inf), scale
        reach = np.sqrt(np.sum((j * self.unit) ** 2, axis=1))
        alive = (self.weight > 0) & (reach > 0)
        away = np.where(alive, np.abs(r) / np.where(alive, reach, 1), np.inf)
        order, most = np.argsort(away, kind="stable"), self._loss(r)
        exact = self._exact(r, j)
        if exact is not None:
            return exact
        p = min(int(np.sum(~self.held)), int(np.sum(alive)) - 1)
        # The farther the next row is, the likelier it is that those before it are met.
        floor = np.finfo(np.float64).eps
        gaps = [away[order[k]] / max(away[order[k - 1]], floor) if k else 0.0
                for k in range(max(p, 0) + 1)]  # fmt: skip
        for k in np.argsort(gaps)[::-1]:
            place = self._solved(order[:k], self.held)
            if place is not None and place.loss <= most * (1 + SAME):
                return place
        return None

    def _hold_what_is_lost(self, j: Array, length: Array) -> None:
        """Hold numbers without a slope, and as many as the slopes of others make up for."""
        free = np.flatnonzero((length > 0) & ~self.held)
        self.held |= length == 0
        if not free.size:
            return
        own = j[:, free] / length[free]
        parts = split(own / np.sqrt(len(j)), self.target, len(j))
        self.lost[free] = np.sqrt(np.sum(parts.vt[~parts.known] ** 2, axis=0)) > MIXED
        rest = own.copy()
        for _ in range(int(np.sum(parts.known))):
            k = int(np.argmax(np.sum(rest**2, axis=0)))
            rest -= np.outer(rest[:, k], rest[:, k] @ rest) / (rest[:, k] @ rest[:, k])
            free[k], rest[:, k] = -1, 0.0
        self.held[free[free >= 0]] = True

    def _rows(self, x: Array) -> tuple[Array, Array]:
        """(n,) prediction − target and (n, p) J; NaN beyond an index."""
        self.evaluations += 1
        self.completion.leaves = self.leaves(x)
        try:
            prediction, j = self.completion.linear_prediction()
        except IndexError:
            prediction, j = self.target * np.nan, np.full((self.target.size, x.size), np.nan)
        return prediction - self.target, j

    def _loss(self, r: Array) -> float:
        return float(np.sum(self.weight * np.where(r > 0, self.up * r, -self.down * r)))

    def _solved(self, met: Array, held: Array) -> Place | None:
        """The place at which some rows are met, and some numbers held, if it is a minimum."""
        x, free, k = self.x.copy(), np.flatnonzero(~held), len(met)
        if k > free.size:
            return None
        unit, size, forces = self.unit[free], np.inf, np.zeros(0)
        bend = np.zeros((free.size, free.size))
        for turn in range(MOST_STEPS):
            r, j = self._rows(x) if turn else self.begun
            pull = self._pull(r, met, forces)
            own = j[np.ix_(met, free)] * unit / self.spread
            side = self._pull(r, met) @ j[:, free] * unit / self.spread
            if turn == 0:
                pull[met] = -np.linalg.lstsq(own.T, side, rcond=None)[0]
            if k < free.size and turn < SLOPES_AGAIN:
                bend = self._bend(x, pull, free)
            step = _newton(bend, own, side, r[met] / self.spread)
            if step is None:
                return None
            last, size = size, float(np.max(np.abs(step[: free.size]), initial=0.0))
            if not size <= NEAR:
                return None
            x[free] += unit * step[: free.size]
            forces = step[free.size :]
            near = size < SETTLED**1.5 or size >= 0.5 * last
            if size <= SETTLED and (near or k == free.size):
                break  # what is left is rounding: where all rows are met, the square of this step
        if not size <= SETTLED:
            return None
        kept = np.clip(x, self.low, self.high)
        out = (kept != x) & ~held
        if out.any():
            self.x = np.where(out, kept, self.x)
            self.begun = self._rows(self.x)
            return self._solved(met, held | out)
        return self._shown(x, r, j, met, forces, free, bend)

    def _exact(self, r: Array, j: Array) -> Place | None:
        """The place nearby at which all rows are met: no loss is lower than that of exact data."""
        whole = (self.up + self.down) * float(np.sum(self.weight * np.abs(self.target)))
        x, best = self.x.copy(), self._loss(r)
        free, root = np.flatnonzero(~self.held), np.sqrt(self.weight)[:, None]
        if not (free.size and best <= NEARLY * whole):
            return None
        for _ in range(EXACTLY):
            step = np.linalg.lstsq(root * j[:, free] * self.unit[free], root[:, 0] * r, rcond=None)
            there = x.copy()
            there[free] -= self.unit[free] * step[0]
            there = np.clip(there, self.low, self.high)
            r, j = self._rows(there)
            loss = self._loss(r)
            if not loss < best:
                break
            x, best = there, loss
        return Place(x, r.size, best) if best <= ROUNDING * whole else None

    def _pull(self, r: Array, met: Array, forces: Array | float = 0.0) -> Array:
        """The slope of each row's loss, or the force of a row that is met."""
        pull = self.weight / self.level * np.where(r > 0, self.up, -self.down)
        pull[met] = forces if np.size(forces) == len(met) else 0.0
        return pull

    def _bend(self, x: Array, pull: Array, free: Array) -> Array:
        """The second derivatives of all rows with these forces, by differences of J."""
        found = np.zeros((free.size, free.size))
        for at, i in enumerate(free):
            aside = np.zeros_like(x)
            aside[i] = ASIDE * self.unit[i]
            change = pull @ (self._rows(x + aside)[1] - self._rows(x - aside)[1])[:, free]
            found[at] = change * self.unit[free] / (2 * ASIDE * self.spread)
        return 0.5 * (found + found.T)

    def _shown(
        self, x: Array, r: Array, j: Array, met: Array, forces: Array, free: Array, bend: Array
    ) -> Place | None:
        """The place, if every force is within its slopes and the curvature is positive."""
        r = r.copy()
        r[met] = 0.0
        share = self.weight[met] / self.level
        least, most = -self.down * share, self.up * share
        room = STRICT * (most - least)
        if not np.all((forces > least + room) & (forces < most - room)):
            return None
        pull = self._pull(r, met, forces)
        if met.size < free.size:
            own = j[np.ix_(met, free)] * self.unit[free] / self.spread
            basis = np.linalg.qr(own.T, mode="complete")[0][:, met.size :]
            bent = np.linalg.eigvalsh(basis.T @ bend @ basis)[0]
            if not bent > STRICT * float(np.sum(np.abs(pull))):
                return None
        slope, low, high = pull @ j, self.low, self.high
        wrong = np.where(x <= low, slope < 0, (x >= high) & (slope > 0)) & (low < high)
        return None if wrong.any() else Place(x, met.size, self._loss(r))


def _newton(bend: Array, own: Array, side: Array, rest: Array) -> Array | None:
    """The step of the numbers, and the forces after it; None where they are not determined."""
    k = len(rest)
    matrix = np.block([[bend, own.T], [own, np.zeros((k, k))]])
    if not np.isfinite(matrix).all():
        return None
    try:
        return np.asarray(np.linalg.solve(matrix, -np.concatenate([side, rest])))
    except np.linalg.LinAlgError:
        return None
