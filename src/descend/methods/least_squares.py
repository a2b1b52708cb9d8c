"""Levenberg–Marquardt: the method for sums of squares."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, NamedTuple

import numpy as np

from descend.functions import scan
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
from descend.methods.linear_algebra import backward, cholesky, forward

__all__ = ["LevenbergMarquardt"]

ACCEPT = 1e-4
DAMPING_TRIALS = 3


@dataclass(frozen=True)
class LevenbergMarquardt(Optimizer):
    """Gauss–Newton steps kept within a trusted length, which follows how well they were predicted.

    The trial step δ solves (JᵀJ + λD²)·δ = −Jᵀr, where D holds the largest norms that J's columns
    have had, so that the path does not depend on the parameters' units. λ is 0 if that step has
    ‖Dδ‖ ≤ Δ, else such that ‖Dδ‖ is within a tenth of Δ. With the gain ratio ρ = (actual fall of
    the loss)/(predicted fall) a trial is accepted if ρ > 1e-4; Δ falls if ρ ≤ 1/4 and becomes
    2‖Dδ‖ if ρ ≥ 3/4. A trial where the loss or its derivatives are not finite is rejected.

    One step is one evaluation: the state holds the accepted point with its JᵀJ and Jᵀr, and the
    point handed to the model is the trial. It works for a loss c·rᵀr with any c, if `e.jtj` and
    `e.jtr` carry the same c. Where falls drown in rounding, trials are judged by ‖D⁻¹Jᵀr‖.

    Args:
        ftol: stop when the predicted fall of the loss is below this share of it, and the actual
            fall too (as far as rounding lets one see). It may be below the machine epsilon, since
            it is predicted: the parameters then err by √ftol of their standard errors, roughly.
        xtol: stop when a step ‖Dδ‖ is below this share of ‖Dp‖.
        gtol: stop when the cosine of the angle between r and every column of J is below this.
        radius: Δ at the start, as a share of ‖Dp‖.

    Moré, "The Levenberg–Marquardt algorithm: implementation and theory" (1978). λ is carried from
    step to step and improved by at most two of Moré's safeguarded Newton iterations.

    >>> from types import SimpleNamespace
    >>> method = LevenbergMarquardt()
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
    ranges: ClassVar[Mapping[str, str]] = {
        "ftol": "[0, 1)", "xtol": "[0, 1)", "gtol": "[0, 1)", "radius": "(0, inf)",
    }  # fmt: skip

    def init(self, p: Array) -> State:
        zero, zeros = np.zeros((), p.dtype), np.zeros_like(p)
        square = np.zeros((p.shape[0], p.shape[0]), p.dtype)
        return {
            "x": p + zero, "loss": zero, "jtj": square, "jtr": zeros, "largest": zeros,
            "move": zeros, "predicted": zero, "radius": zero, "damping": zero,
            "started": zero, "status": zero,
        }  # fmt: skip

    def step(self, p: Array, e: Any, s: State, h: Any) -> tuple[Array, State]:
        trial = _judge(p, e, s)
        new = {
            "x": np.where(trial.accept, p, s["x"]),
            "loss": np.where(trial.accept, e.loss, s["loss"]),
            "jtj": np.where(trial.accept, e.jtj, s["jtj"]),
            "jtr": np.where(trial.accept, e.jtr, s["jtr"]),
            "started": np.ones_like(s["started"]),
        }
        diagonal = np.diagonal(new["jtj"])
        new["largest"] = np.maximum(s["largest"], diagonal)
        scale = _scale(new["largest"])
        size = _norm(scale * new["x"])
        cosine = _cosine(new, diagonal)
        code = _verdict(trial, s, new, cosine, h)
        code = np.where(trial.first, np.where(trial.ok, 0, NOT_FINITE), code)
        code = np.where((cosine <= cast(h.gtol, p)) & trial.accept, GTOL, code)
        new["status"] = np.where(s["status"] > 0, s["status"], cast(code, p))
        begin = np.where(size > 0, size, _norm(new["jtr"] / scale)) * cast(h.radius, p)
        radius, damping = _trust(trial, s)
        radius = np.where(trial.first, begin, radius)
        new.update(_move(new, scale, radius, damping))
        # The first step says how long steps are: a far larger radius would only be waited out.
        length = _norm(scale * new["move"])
        new["radius"] = np.where(trial.first, np.minimum(radius, length), radius)
        return new["x"] + new["move"], new

    def answer(self, p: Array, s: State) -> Array:
        return s["x"]


class Trial(NamedTuple):
    """What an evaluation says of the trial that led to it (all scalars)."""

    first: Array
    ok: Array
    accept: Array
    fall: Array
    ratio: Array
    length: Array
    drowned: Array


def _judge(p: Array, e: Any, s: State) -> Trial:
    first = s["started"] == 0
    ok = np.isfinite(e.loss) & np.all(np.isfinite(e.jtr)) & np.all(np.isfinite(e.jtj))
    scale = _scale(s["largest"])
    fall = s["loss"] - np.where(ok, e.loss, s["loss"])
    known = s["predicted"] > 0
    ratio = np.where(known, fall, -1) / np.where(known, s["predicted"], 1)
    noise = _noise(s)
    drowned = ok & (s["predicted"] <= noise) & (np.abs(fall) <= noise)
    sharper = _norm(np.where(ok, e.jtr, 0) / scale) < _norm(s["jtr"] / scale)
    accept = ok & (first | np.where(drowned, sharper, ratio > ACCEPT))
    return Trial(first, ok, accept, fall, ratio, _norm(scale * s["move"]), drowned)


def _verdict(trial: Trial, s: State, new: State, cosine: Array, h: Any) -> Array:
    """Return the status code that the trial just evaluated earns, 0 to go on.

    A step held back by the radius is small for its own reasons, and proves nothing.
    """
    eps = cast(np.finfo(s["x"].dtype).eps, s["x"])
    norms = np.sqrt(np.diagonal(s["jtj"]))
    length, size = _norm(norms * s["move"]), _norm(norms * s["x"])
    whole = trial.ok & (s["damping"] == 0)
    level = s["predicted"] <= cast(h.ftol, eps) * s["loss"]
    seen = np.abs(trial.fall) <= np.maximum(cast(h.ftol, eps) * s["loss"], _noise(s))
    settled = cosine * cosine * new["loss"] <= 100 * _noise(s)
    stuck = ~trial.accept & (length <= eps * (size + eps * np.sqrt(s["loss"])))
    code = np.where(stuck, np.where(settled, PRECISION, STALLED), 0)
    code = np.where(trial.drowned & ~trial.accept & settled, PRECISION, code)
    code = np.where(whole & (length <= cast(h.xtol, eps) * size), XTOL, code)
    return np.where(whole & trial.accept & level & seen, FTOL, code)


def _trust(trial: Trial, s: State) -> tuple[Array, Array]:
    """Return the radius and the damping to begin with, after the trial just evaluated."""
    slope = np.sum(s["jtr"] * s["move"])
    one = np.ones_like(slope)
    # Where the loss rose, the parabola through its two values and its slope has its minimum here.
    rise = slope + 0.5 * trial.fall
    parabola = np.maximum(0.5 * slope / np.where(rise < 0, rise, -1), 0.1)
    bounded = trial.ok & (-trial.fall < 99 * s["loss"])
    shrink = np.where(trial.fall >= 0, 0.5, np.where(bounded, np.minimum(parabola, 0.5), 0.1 * one))
    shrink = np.where(trial.ok, shrink, 0.1)
    poor = ~trial.accept | (~trial.drowned & (trial.ratio <= 0.25))
    good = trial.accept & ~trial.drowned & ((trial.ratio >= 0.75) | (s["damping"] == 0))
    shorter = shrink * np.minimum(s["radius"], 10 * trial.length)
    radius = np.where(poor, shorter, np.where(good, 2 * trial.length, s["radius"]))
    damping = s["damping"] * np.where(poor, 1 / shrink, np.where(good, 0.5 * one, one))
    tiny = cast(np.finfo(s["x"].dtype).tiny, radius)
    return np.maximum(radius, tiny), damping


def _move(new: State, scale: Array, radius: Array, damping: Array) -> State:
    """Return the next step, its damping λ and the fall it predicts.

    The trials are a loop that stays one when it is compiled: factorisations are most of the code.
    """
    n = scale.shape[0]
    jtj = new["jtj"] / scale[:, None] / scale[None, :]
    jtr = new["jtr"] / scale
    floor = n * cast(np.finfo(scale.dtype).eps, scale)
    highest = _norm(jtr) / radius

    def trial(carry: tuple[Array, ...], last: Array) -> tuple[tuple[Array, ...], Array]:
        below, above, damping, _ = carry
        factor = cholesky(jtj + damping * np.eye(n, dtype=scale.dtype), floor)
        move = -backward(*factor, forward(*factor, jtr))
        length = _norm(move)
        excess = length - radius
        fits = (np.abs(excess) <= 0.1 * radius) | ((damping == 0) & (excess <= 0))
        low: Array = np.where(excess > 0, np.maximum(below, damping), below)
        high: Array = np.where(excess > 0, above, np.minimum(above, damping))
        curve = np.sum(forward(*factor, move) ** 2)
        newton = damping + length**2 / np.where(curve > 0, curve, 1) * (excess / radius)
        middle = np.maximum(1e-3 * high, np.sqrt(low) * np.sqrt(high))
        middle = np.where((newton <= 0) & (low == 0), 0, middle)
        better = np.where((newton > low) & (newton < high), newton, middle)
        return (low, high, np.where(fits | last, damping, better), move), length

    is_last = np.arange(DAMPING_TRIALS) == DAMPING_TRIALS - 1
    begin = (0 * radius, highest, np.minimum(damping, highest), 0 * jtr)
    carry, _ = scan(trial, begin, is_last)
    _, _, damping, move = carry
    image = np.sum(jtj * move[None, :], axis=1)
    predicted = -np.sum((2 * jtr + image) * move)
    return {"move": move / scale, "damping": damping, "predicted": predicted}


def _noise(s: State) -> Array:
    """Return how far rounding alone may change the loss.

    A residual f − y carries the rounding of f, and the norms of J's columns times the parameters
    stand for ‖f‖: 2‖r‖·ε‖f‖, besides ε‖r‖².
    """
    eps = cast(np.finfo(s["x"].dtype).eps, s["x"])
    size = _norm(np.sqrt(np.diagonal(s["jtj"])) * s["x"])
    return eps * (8 * s["loss"] + 2 * np.sqrt(s["loss"]) * size)


def _scale(largest: Array) -> Array:
    return np.sqrt(np.where(largest > 0, largest, np.ones_like(largest)))


def _norm(vector: Array) -> Array:
    return np.sqrt(np.sum(vector * vector))


def _cosine(new: State, diagonal: Array) -> Array:
    """Return the largest |cosine| between the residual and a column of J; 0 at a perfect fit."""
    norms = np.sqrt(diagonal) * np.sqrt(new["loss"])
    nonzero = norms > 0
    return np.max(np.where(nonzero, np.abs(new["jtr"]), 0) / np.where(nonzero, norms, 1))
