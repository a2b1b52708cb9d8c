"""Levenberg–Marquardt at the lowest price for each step: for many small fits side by side."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, NamedTuple

import numpy as np

from descend.lean import dataclass
from descend.methods.base import (
    FTOL,
    GTOL,
    NOT_FINITE,
    PRECISION,
    STALLED,
    XTOL,
    Array,
    Optimizer,
    State,
    cast,
)
from descend.methods.bounds import Box, box

__all__ = ["LeanLevenbergMarquardt", "whole"]

ACCEPT, POOR, GOOD = 1e-4, 0.25, 0.75


@dataclass(frozen=True)
class LeanLevenbergMarquardt(Optimizer):
    """`LevenbergMarquardt` with one factorisation a step and as few divisions as can be.

    The trial step δ solves (JᵀJ + λD²)·δ = −Jᵀr, where D holds the largest norms that J's columns
    have had, and is shortened to the trusted length Δ if it is longer. λ is 0 as long as
    Gauss–Newton steps are within Δ; where they are not, one of Moré's Newton iterations towards
    ‖Dδ‖ = Δ gives the λ of the next step. Trials are judged, and Δ follows, as in
    `LevenbergMarquardt`.

    It is made for fits so small that the method costs as much as the model, and it ends before an
    evaluation that could show nothing new: two Gauss–Newton steps in a row show at what rate they
    shrink, and if all that are still to come would lower the loss by less than `ftol` of it, the
    present one is taken unseen. What it cannot solve is left to `LevenbergMarquardt`.

    Args:
        ftol: stop when all further steps would lower the loss by less than this share of it.
        xtol: stop when the steps after this one would be shorter, ‖Dδ‖, than this share of ‖Dp‖.
        gtol: stop when the cosine of the angle between r and every column of J is below this.
        radius: Δ at the start, as a share of ‖Dp‖.

    Moré, "The Levenberg–Marquardt algorithm: implementation and theory" (1978).

    >>> from types import SimpleNamespace
    >>> method = LeanLevenbergMarquardt()
    >>> p = np.array([0.0, 0.0])
    >>> s, x = method.init(p), np.arange(4.0)
    >>> h = method.hyper(method.numbers(), t=1.0)
    >>> jacobian = np.stack([np.ones(4), x], axis=1)
    >>> while int(method.status(s)) == 0:
    ...     r = p[0] + p[1] * x - (2 + 3 * x)
    ...     e = SimpleNamespace(loss=r @ r, jtj=jacobian.T @ jacobian, jtr=jacobian.T @ r)
    ...     p, s = method.step(p, e, s, h)
    >>> method.answer(p, s).round(9)
    array([2., 3.])
    """

    ftol: float = 1e-20
    xtol: float = 1e-12
    gtol: float = 1e-14
    radius: float = 1.0
    scope: ClassVar[str] = "vector"
    needs: ClassVar[str] = "gauss_newton"
    bounded: ClassVar[bool] = True
    ranges: ClassVar[Mapping[str, str]] = {
        "ftol": "[0, 1)", "xtol": "[0, 1)", "gtol": "[0, 1)", "radius": "(0, inf)",
    }  # fmt: skip

    def init(self, p: Array) -> State:
        zero, zeros = np.zeros((), p.dtype), np.zeros_like(p)
        n = p.shape[0]
        return {
            "x": p + zero, "loss": zero, "half": np.zeros(n * (n + 1) // 2, p.dtype), "jtr": zeros,
            "largest": zeros, "predicted": zero, "slope": zero, "length": zero, "radius": zero,
            "damping": zero, "free": zero, "started": zero, "status": zero,
        }  # fmt: skip

    def step(self, p: Array, e: Any, s: State, h: Any) -> tuple[Array, State]:
        bounds = box(h)
        jtj, jtr = _held(e, p, bounds)
        trial = _judge(e.loss, jtj, jtr, s)
        half = _lower(jtj)
        new = {
            "x": np.where(trial.accept, p, s["x"]),
            "loss": np.where(trial.accept, e.loss, s["loss"]),
            "half": np.where(trial.accept, half, s["half"]),
            "jtr": np.where(trial.accept, jtr, s["jtr"]),
            "started": 0 * s["started"] + 1,
        }
        diagonal = new["half"][_places(p.shape[0])]
        new["largest"] = np.where(diagonal > s["largest"], diagonal, s["largest"])
        square = np.where(new["largest"] > 0, new["largest"], 1)
        size = np.sum(square * new["x"] * new["x"])
        radius, damping = _trust(trial, s)
        factor = _factor(new["half"], damping * square, p)
        move = _backward(factor, _forward(factor, [-g for g in _cells(new["jtr"])]))
        length = np.sqrt(np.sum(square * move * move))
        begin = cast(h.radius, p) * np.where(size > 0, np.sqrt(size), length)
        radius = np.where(trial.first, np.where(begin < length, begin, length), radius)
        excess = length - radius
        fits = excess <= 0.1 * radius
        short = np.where(fits, 1, radius / np.where(fits, 1, length))
        down = np.sum(new["jtr"] * move)
        new |= {
            "radius": radius, "length": short * length, "slope": short * down,
            "predicted": short * short * (damping * length * length + down) - 2 * short * down,
            "damping": _next_damping(factor, square * move, damping, length, excess, radius),
            "free": np.where(fits & (damping == 0), 1, 0 * length),
        }  # fmt: skip
        following = bounds.project(new["x"] + short * move)
        if bounds.bounded:
            new.update(_set_down(new, following - new["x"], square))
        code = _verdict(trial, s, new, diagonal, size, h)
        new["status"] = np.where(s["status"] > 0, s["status"], cast(code, p))
        return following, new

    def answer(self, p: Array, s: State) -> Array:
        ahead = (s["status"] == FTOL) | (s["status"] == XTOL)
        return np.where(ahead, p, s["x"])


class Trial(NamedTuple):
    """What an evaluation says of the trial that led to it (all scalars)."""

    first: Array
    ok: Array
    accept: Array
    fall: Array
    drowned: Array
    noise: Array


def _held(e: Any, p: Array, bounds: Box) -> tuple[Array, Array]:
    """Return JᵀJ and Jᵀr where nothing moves what presses against its bound."""
    if not bounds.bounded:
        return e.jtj, e.jtr
    free = bounds.free(p, e.jtr)
    both = (free[:, None] & free[None, :]) | np.eye(p.shape[0], dtype=bool)
    return np.where(both, e.jtj, 0 * e.jtj), np.where(free, e.jtr, 0 * e.jtr)


def _set_down(new: State, move: Array, square: Array) -> State:
    """Return what a step promises once it is set down on the bounds that it would cross."""
    image = np.sum(whole(new["half"], move.shape[0]) * move[None, :], axis=1)
    slope = np.sum(new["jtr"] * move)
    return {
        "slope": slope, "predicted": -2 * slope - np.sum(image * move),
        "length": np.sqrt(np.sum(square * move * move)),
    }  # fmt: skip


def _judge(loss: Array, jtj: Array, jtr: Array, s: State) -> Trial:
    total = loss + np.sum(_lower(jtj)) + np.sum(jtr)
    first, ok = s["started"] == 0, total - total == 0
    fall, noise = s["loss"] - loss, _noise(s)
    drowned = (s["predicted"] <= noise) & (np.abs(fall) <= noise)
    inverse = 1 / np.where(s["largest"] > 0, s["largest"], 1)
    sharper = np.sum(jtr * jtr * inverse) < np.sum(s["jtr"] * s["jtr"] * inverse)
    falls = (fall > ACCEPT * s["predicted"]) & (s["predicted"] > 0)
    accept = ok & (first | np.where(drowned, sharper, falls))
    return Trial(first, ok, accept, fall, drowned, noise)


def _noise(s: State) -> Array:
    """Return how far rounding alone may change the loss; see `LevenbergMarquardt`."""
    eps = cast(np.finfo(s["x"].dtype).eps, s["x"])
    size = np.sum(s["half"][_places(s["x"].shape[0])] * s["x"] * s["x"])
    return eps * (8 * s["loss"] + 2 * np.sqrt(s["loss"] * size))


def _trust(trial: Trial, s: State) -> tuple[Array, Array]:
    """Return the trusted length and the damping, after the trial just evaluated."""
    # Where the loss rose, the parabola through its two values and its slope has its minimum here.
    rise = s["slope"] + 0.5 * trial.fall
    usable = trial.ok & (rise < 0) & (trial.fall < 0)
    parabola = 0.5 * s["slope"] / np.where(usable, rise, -1)
    shrink = np.where(usable & (parabola > 0.1), parabola, 0.1)
    shrink = np.where(trial.ok & ((trial.fall >= 0) | (shrink > 0.5)), 0.5, shrink)
    poor = ~trial.accept | (~trial.drowned & (trial.fall <= POOR * s["predicted"]))
    large = (trial.fall >= GOOD * s["predicted"]) | (s["free"] > 0)
    good = trial.accept & ~trial.drowned & large
    held = np.where(s["radius"] < 10 * s["length"], s["radius"], 10 * s["length"])
    radius = np.where(poor, shrink * held, np.where(good, 2 * s["length"], s["radius"]))
    tiny = cast(np.finfo(s["x"].dtype).tiny, radius)
    damping = s["damping"] * np.where(poor, 1 / shrink, np.where(good, 0.5, 1 + 0 * shrink))
    return np.where(radius > tiny, radius, tiny), damping


def _next_damping(
    factor: Factor, pulled: Array, damping: Array, length: Array, excess: Array, radius: Array
) -> Array:
    """Return the damping of the next step: one Newton iteration towards ‖Dδ‖ = Δ."""
    bent = _forward(factor, _cells(pulled))
    curve = sum(b * b * r for b, r in zip(bent, factor.reciprocal, strict=True)) * radius
    known = curve > 0
    newton = damping + length * length * excess / np.where(known, curve, 1)
    right = (np.abs(excess) <= 0.1 * radius) | ((damping == 0) & (excess <= 0)) | ~known
    return np.where(right, damping, np.where(newton > 0, newton, 0 * newton))


def _verdict(
    trial: Trial, s: State, new: State, diagonal: Array, size: Array, h: Any
) -> Array:
    """Return the status code: of the trial just evaluated, or of the steps still to come."""
    eps = cast(np.finfo(s["x"].dtype).eps, s["x"])
    shrinking = (new["free"] > 0) & (s["free"] > 0) & (new["predicted"] < s["predicted"])
    told = trial.accept & shrinking
    rate = np.where(told, new["predicted"], 0) / np.where(told, s["predicted"], 1)
    # Steps that shrink by √rate each: what all of them after this one do, at most.
    rest = np.where(told, 4 * rate, 1)
    share = np.where(told, (1 - rate) ** 2, 1)
    free = trial.accept & (new["free"] > 0)
    flat = new["predicted"] * rest <= cast(h.ftol, eps) * new["loss"] * share
    still = new["length"] ** 2 * rest <= cast(h.xtol, eps) ** 2 * size * share
    limit = cast(h.gtol, eps) ** 2 * new["loss"]
    level = np.all(new["jtr"] * new["jtr"] <= limit * diagonal)
    settled = new["predicted"] <= 100 * trial.noise
    stuck = ~trial.accept & (s["length"] ** 2 <= eps * eps * size)
    code = np.where(stuck, np.where(settled, PRECISION, STALLED), 0)
    code = np.where(trial.drowned & ~trial.accept & settled, PRECISION, code)
    code = np.where(free & still, XTOL, code)
    code = np.where(free & flat, FTOL, code)
    code = np.where(trial.accept & level, GTOL, code)
    return np.where(trial.first & ~trial.ok, NOT_FINITE, code)


# --- small symmetric systems, as their single entries -------------------------------------------


class Factor(NamedTuple):
    """L·d·Lᵀ of a symmetric matrix, without square roots.

    Attributes:
        lower: (i, j) → L[i, j], for i > j.
        reciprocal: 1/d; 0 where a pivot is only rounding, so that nothing moves along it.
    """

    lower: dict[tuple[int, int], Array]
    reciprocal: list[Array]


def _cells(vector: Array) -> list[Array]:
    return [vector[i] for i in range(vector.shape[0])]


def _lower(matrix: Array) -> Array:
    """Return the lower triangle of a symmetric matrix, row by row."""
    return np.concatenate([matrix[i, : i + 1] for i in range(matrix.shape[0])])


def whole(half: Array, n: int) -> Array:
    """Return the symmetric matrix (n, n) of a lower triangle, row by row.

    >>> whole(np.array([1.0, 2.0, 3.0]), 2)
    array([[1., 2.],
           [2., 3.]])
    """
    places = [[max(i, j) * (max(i, j) + 1) // 2 + min(i, j) for j in range(n)] for i in range(n)]
    return half[np.array(places)]


def _places(n: int) -> Array:
    """Return where the diagonal stands in the lower triangle."""
    return np.array([i * (i + 3) // 2 for i in range(n)])


def _factor(half: Array, weight: Array, p: Array) -> Factor:
    """Factor the matrix with this lower triangle and `weight` added to its diagonal.

    Golub and Van Loan, "Matrix Computations" (2013), section 4.1.
    """
    n = p.shape[0]
    floor = n * cast(np.finfo(p.dtype).eps, p)
    lower: dict[tuple[int, int], Array] = {}
    reciprocal: list[Array] = []
    for j in range(n):
        row = j * (j + 1) // 2
        diagonal = half[row + j] + weight[j]
        pivot = diagonal
        raw: dict[int, Array] = {}
        for k in range(j):
            entry = half[row + k]
            for m in range(k):
                entry = entry - raw[m] * lower[k, m]
            raw[k] = entry
            lower[j, k] = entry * reciprocal[k]
            pivot = pivot - entry * lower[j, k]
        known = pivot > floor * diagonal
        reciprocal.append(np.where(known, 1 / np.where(known, pivot, 1), 0 * pivot))
    return Factor(lower, reciprocal)


def _forward(factor: Factor, b: list[Array]) -> list[Array]:
    """Return y with L·y = b."""
    y: list[Array] = []
    for j, value in enumerate(b):
        for k in range(j):
            value = value - factor.lower[j, k] * y[k]
        y.append(value)
    return y


def _backward(factor: Factor, y: list[Array]) -> Array:
    """Return x with d·Lᵀ·x = y."""
    n = len(y)
    x: list[Array] = list(y)
    for j in reversed(range(n)):
        value = y[j] * factor.reciprocal[j]
        for i in range(j + 1, n):
            value = value - factor.lower[i, j] * x[i]
        x[j] = value
    return np.stack(x)
