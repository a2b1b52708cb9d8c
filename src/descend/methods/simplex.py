"""Nelder and Mead's simplex: for losses that have no derivatives, or noisy ones."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np

from descend.lean import dataclass
from descend.methods.base import NOT_FINITE, UNBOUNDED, XTOL, Array, Optimizer, State, cast
from descend.methods.bounds import box
from descend.methods.line_search import bottomless

__all__ = ["NelderMead"]

FILL, REFLECT, EXPAND, OUTSIDE, INSIDE = range(5)
LEAST_SIZE = 1e-3
NOTHING = 1e-2  # of the rounding of all that the loss has fallen
FELT = 1e-4  # a share of the loss from which an edge changes it
COARSE, MOST_TRIED = 100.0, 40
GROWING = 3


@dataclass(frozen=True)
class NelderMead(Optimizer):
    """A simplex of n + 1 points that crawls downhill: it needs values alone, no derivatives.

    With the worst point x_w and the mean c of the others, the trials are c + t·(c − x_w): the
    reflection with t = 1; the expansion with t = 1 + 2/n, if that was the best of all; else, if it
    was no better than the second worst, a contraction with t = ±(3/4 − 1/(2n)). If that fails, all
    points move towards the best one by the factor 1 − 1/n. These parameters suit n; for n = 1 they
    are those of n = 2. A trial that is not finite counts as infinitely high; within bounds, trials
    are projected.

    A parameter that starts at zero has no size of its own: its edge begins far below that of the
    largest, and is lengthened until the loss feels it. The other way round, it might end where a
    wave has many periods.

    One step is one evaluation. When the simplex has become as small as `xtol` it is built anew
    around the best point, `restarts` times at most, and the descent ends early if that has won no
    more than `ftol`: a simplex can become flat far from a minimum.

    Args:
        xtol: the simplex is done when no corner is farther from the best one, in any parameter,
            than this share of the parameter (or of 1e-3 of the first simplex's edge).
        ftol: a restart that lowers the loss by no more than this share of it, or by nothing beside
            what it has fallen in all, is the last.
        edge: the first simplex's edges, as a share of each parameter.
        restarts: how often a small simplex is built anew, at most.

    Gao and Han, "Implementing the Nelder-Mead simplex algorithm with adaptive parameters" (2012);
    Kelley, "Detection and remediation of stagnation in the Nelder–Mead algorithm" (1999) for
    building it anew.

    >>> from types import SimpleNamespace
    >>> method = NelderMead()
    >>> p = np.array([5.0, -3.0])
    >>> s, h = method.init(p), method.hyper(method.numbers(), t=1.0)
    >>> while int(method.status(s)) == 0:
    ...     p, s = method.step(p, SimpleNamespace(loss=abs(p[0] - 1) + (p[1] - 2) ** 2), s, h)
    >>> method.answer(p, s).round(6)
    array([1., 2.])
    """

    xtol: float = 1e-9
    ftol: float = 1e-15
    edge: float = 0.1
    restarts: int = 5
    scope: ClassVar[str] = "vector"
    needs: ClassVar[str] = "value"
    bounded: ClassVar[bool] = True
    ranges: ClassVar[Mapping[str, str]] = {
        "xtol": "(0, 1)", "ftol": "[0, 1)", "edge": "(0, inf)", "restarts": "[0, inf)",
    }  # fmt: skip

    def init(self, p: Array) -> State:
        zero, zeros, n = np.zeros((), p.dtype), np.zeros_like(p), p.shape[0]
        return {
            "x": p + zero, "loss": zero, "points": np.zeros((n + 1, n), p.dtype),
            "values": np.full(n + 1, np.inf, p.dtype), "phase": zero, "slot": zero,
            "reflected": zeros, "height": zero, "widths": zeros, "blind": zeros + 0, "tried": zero,
            "built": zero, "before": zero, "begun": zero, "started": zero, "status": zero,
        }  # fmt: skip

    def step(self, p: Array, e: Any, s: State, h: Any) -> tuple[Array, State]:
        inside = box(h)
        first = s["started"] == 0
        loss = np.where(np.isfinite(e.loss), e.loss, cast(np.inf, p))
        edge = cast(h.edge, p)
        common = np.max(np.abs(p))
        eps = cast(np.finfo(p.dtype).eps, p)
        least = eps * eps * np.where(common > 0, common, np.sqrt(eps))
        widths = np.where(p != 0, edge * p, edge * least)
        blind = np.where(first, np.where(p == 0, GROWING + 0 * p, 0), s["blind"])
        if inside.bounded:
            out = (p + widths > inside.upper) | (p + widths < inside.lower)
            widths = np.where(out, -widths, widths)
        widths = np.where(first, widths, s["widths"])
        points = np.where(first, _corners(p, widths), s["points"])
        before = np.where(first, cast(np.inf, p), s["before"])
        begun = np.where(first, loss, s["begun"])
        s = {**s, "widths": widths, "points": points, "before": before, "blind": blind}
        new, shrink = _received(p, loss, s)
        new, shrink = _refitted(loss, s, new, shrink)
        best, new["loss"] = _best(new)
        new["x"], new["begun"] = best, begun
        new.update(_shrunk(new, best, shrink))
        ends, more = _rebuilt(new, best, h)
        new.update(more)
        code = np.where(first & ~np.isfinite(loss), NOT_FINITE, np.where(ends, XTOL, 0))
        code = np.where(bottomless(new["loss"]), UNBOUNDED, code)
        new["status"] = np.where(s["status"] > 0, s["status"], cast(code, p))
        new["started"] = np.ones_like(s["started"])
        return inside.project(_asked(new)), new

    def answer(self, p: Array, s: State) -> Array:
        return s["x"]


def _corners(p: Array, widths: Array) -> Array:
    """Return p, and p with one parameter after the other moved by its width; `(n + 1, n)`.

    >>> _corners(np.zeros(2), np.array([1.0, 3.0]))
    array([[0., 0.],
           [1., 0.],
           [0., 3.]])
    """
    n = p.shape[0]
    return p[None, :] + np.eye(n + 1, n, k=-1, dtype=p.dtype) * widths[None, :]


def _worst(values: Array) -> tuple[Array, Array, Array]:
    """Return which corner is the worst, its value, and the second worst value."""
    worst: Array = np.arange(values.shape[0]) == np.argmax(values)
    return worst, np.max(values), np.max(np.where(worst, np.min(values), values))


def _best(new: State) -> tuple[Array, Array]:
    """Return the best corner and its value."""
    best: Array = np.arange(new["values"].shape[0]) == np.argmin(new["values"])
    point = np.sum(np.where(best[:, None], new["points"], 0), axis=0)
    return point, np.min(new["values"])


def _received(p: Array, loss: Array, s: State) -> tuple[State, Array]:
    """Return the simplex after the value that was asked for, and whether it must shrink."""
    worst, high, second = _worst(s["values"])
    low, phase, height = np.min(s["values"]), s["phase"], s["height"]
    corners = np.arange(s["values"].shape[0])
    filling, reflecting = phase == FILL, phase == REFLECT
    expand = reflecting & (loss < low)
    contract = reflecting & (loss >= second)
    better = np.where(phase == OUTSIDE, loss <= height, loss < high)
    contracted = ((phase == OUTSIDE) | (phase == INSIDE)) & better
    shrink = ((phase == OUTSIDE) | (phase == INSIDE)) & ~better
    back = (phase == EXPAND) & ~(loss < height)
    takes = (reflecting & ~expand & ~contract) | (phase == EXPAND) | contracted
    place: Array = np.where(filling, corners == s["slot"], worst & takes)
    last = filling & (s["slot"] >= corners.shape[0] - 1)
    follows = np.where(loss < high, OUTSIDE, INSIDE)
    onward = np.where(expand, EXPAND, np.where(contract, follows, REFLECT))
    onward = np.where(filling & ~last, FILL, onward)
    point: Array = np.where(back, s["reflected"], p)
    return {
        "points": np.where(place[:, None], point[None, :], s["points"]),
        "values": np.where(place, np.where(back, height, loss), s["values"]),
        "phase": cast(onward, p), "slot": np.where(filling, s["slot"] + 1, s["slot"]),
        "reflected": np.where(reflecting, p, s["reflected"]),
        "height": np.where(reflecting, loss, height),
        "widths": s["widths"], "built": s["built"], "before": s["before"],
    }, shrink  # fmt: skip


def _refitted(loss: Array, s: State, new: State, shrink: Array) -> tuple[State, Array]:
    """Return the simplex with a corner to be tried again, where its edge is still to be found.

    The corner is that of a parameter without a size; others are as they were received. Its edge
    grows until the loss feels it; then it is made such that the loss feels it just so, twice, and
    last as many times longer as it grew at a time: in every unit it is the same.
    """
    corners, blind = np.arange(s["values"].shape[0]), s["blind"]
    kept: State
    begin = s["values"][0]
    change, felt = np.abs(loss - begin), cast(FELT, loss) * np.abs(begin)
    here: Array = corners[1:] == s["slot"]
    stage = np.where(s["phase"] == FILL, np.max(np.where(here, blind, 0)), 0)
    grows = (stage == GROWING) & (change <= felt) & (s["tried"] < MOST_TRIED)
    fits = (stage > 0) & ~grows & (change > 0) & (felt > 0) & np.isfinite(change)
    again = (grows | fits) & np.isfinite(begin)
    ratio = felt / np.where(fits, change, 1) * np.where(stage == 1, cast(COARSE, loss), 1)
    factor = np.where(grows, cast(COARSE, loss), ratio)
    entry: Array = (corners == s["slot"])[:, None] & here[None, :]
    kept = {name: np.where(again, s[name], value) for name, value in new.items()}
    kept["points"] = np.where(again & entry, kept["points"] * factor, kept["points"])
    kept["widths"] = np.where(again & here, s["widths"] * factor, s["widths"])
    kept["tried"] = np.where(again, s["tried"] + 1, 0)
    after = np.where(grows, stage, np.where(again, stage - 1, 0))
    kept["blind"] = np.where(here & (stage > 0), after, blind)
    return kept, shrink & ~again


def _replaced(new: State, best: Array, points: Array, when: Array) -> State:
    """Return the simplex with the best point in front and other corners still to be valued."""
    front = np.arange(new["values"].shape[0]) == 0
    fresh = np.where(front, np.min(new["values"]), cast(np.inf, best))
    return {
        "points": np.where(when, points, new["points"]),
        "values": np.where(when, fresh, new["values"]),
        "phase": np.where(when, FILL + 0 * new["phase"], new["phase"]),
        "slot": np.where(when, 1 + 0 * new["slot"], new["slot"]),
    }


def _shrunk(new: State, best: Array, when: Array) -> State:
    """Return the simplex with all corners moved towards the best one, which comes first."""
    factor = 1 - 1 / max(best.shape[0], 2)
    corners = np.arange(new["values"].shape[0])
    first: Array = corners == np.argmin(new["values"])
    # The corner that stood in front takes the place of the best one.
    others = np.where(first[:, None], new["points"][:1], new["points"])
    moved = best[None, :] + factor * (others - best[None, :])
    return _replaced(new, best, np.where((corners == 0)[:, None], best[None, :], moved), when)


def _rebuilt(new: State, best: Array, h: Any) -> tuple[Array, State]:
    """Return whether the descent ends, and the simplex, built anew if it has become small."""
    reach = np.max(np.abs(new["points"] - best[None, :]), axis=0)
    size = np.maximum(np.abs(best), LEAST_SIZE * np.abs(new["widths"]))
    spread = np.max(new["values"]) - new["loss"]
    eps = cast(np.finfo(best.dtype).eps, best)
    # Where the lowest loss is 0, no share of it is small.
    least = cast(NOTHING, best) * eps * np.abs(new["begun"] - new["loss"])
    level = (spread <= 4 * eps * np.abs(new["loss"])) | (spread <= least)
    small = np.all(reach <= cast(h.xtol, best) * size) | level
    small = small & (new["phase"] == REFLECT)
    won = new["before"] - new["loss"]
    won = (won > cast(h.ftol, best) * np.abs(new["loss"])) & (won > least)
    again = small & won & (new["built"] < cast(h.restarts, best))
    widths = np.where(again, -0.5 * new["widths"], new["widths"])
    state = _replaced(new, best, _corners(best, widths), again)
    state["widths"] = widths
    state["built"] = np.where(again, new["built"] + 1, new["built"])
    state["before"] = np.where(again, new["loss"], new["before"])
    return small & ~again, state


def _asked(new: State) -> Array:
    """Return the point whose value is wanted next."""
    n = new["points"].shape[1]
    corners = np.arange(n + 1)
    worst, _, _ = _worst(new["values"])
    phase, k = new["phase"], max(n, 2)
    high = np.sum(np.where(worst[:, None], new["points"], 0), axis=0)
    centre = (np.sum(new["points"], axis=0) - high) / n
    narrow = 0.75 - 0.5 / k
    ahead = np.where(phase == EXPAND, 1 + 2 / k, 1 + 0 * phase)
    ahead = np.where(phase == OUTSIDE, narrow, np.where(phase == INSIDE, -narrow, ahead))
    slot: Array = (corners == new["slot"])[:, None]
    fill = np.sum(np.where(slot, new["points"], 0), axis=0)
    return np.where(phase == FILL, fill, centre + ahead * (centre - high))
