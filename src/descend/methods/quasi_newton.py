"""BFGS: the method for any smooth loss with few parameters."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np

from descend.lean import dataclass
from descend.methods.base import (
    FTOL,
    GTOL,
    NOT_FINITE,
    PRECISION,
    STALLED,
    UNBOUNDED,
    XTOL,
    Array,
    Optimizer,
    State,
    cast,
)

__all__ = ["BFGS"]

ARMIJO, CURVATURE = 1e-4, 0.9
MOST_TRIALS = 60


@dataclass(frozen=True)
class BFGS(Optimizer):
    """Newton's step with an inverse Hessian H learnt from the gradients along the way.

    d = −H·g; the step length α satisfies the weak Wolfe conditions
    f(x + αd) ≤ f + 1e-4·α·gᵀd and g(x + αd)ᵀd ≥ 0.9·gᵀd; then, with s the move, y the change of g
    and ρ = 1/(yᵀs): H ← (I − ρsyᵀ)·H·(I − ρysᵀ) + ρssᵀ. The first H is (yᵀs/yᵀy)·I.

    One step is one evaluation: the line search is part of the state. It keeps a bracket of α: a
    trial that is too high, or not finite, becomes its upper end, one that is still falling too
    steeply its lower end; the next trial is the minimum of the cubic through both ends, kept away
    from them, or, while there is no upper end, where the two slopes seen point to, 2 to 10 times
    the lower end. Where the fall of f drowns in rounding, a trial is judged by its slope alone (the
    approximate Wolfe conditions).

    Args:
        ftol: stop when an accepted step lowers the loss by less than this share of it.
        xtol: stop when an accepted step is no larger than this share of the parameters.
        gtol: stop when no component of the gradient is larger than this. Its measure depends on
            the units of loss and parameters, so that of itself only a gradient of zero stops.

    Nocedal and Wright, "Numerical Optimization" (2006), equations 6.17 and 6.20; Lewis and Overton,
    "Nonsmooth optimization via quasi-Newton methods" (2013) for the bracket; Hager and Zhang, "A
    new conjugate gradient method" (2005) for the approximate Wolfe conditions.

    >>> from types import SimpleNamespace
    >>> method = BFGS()
    >>> p = np.array([5.0, -3.0])
    >>> s, h = method.init(p), method.hyper(method.numbers(), t=1.0)
    >>> while int(method.status(s)) == 0:
    ...     e = SimpleNamespace(loss=p[0] ** 2 + 10 * p[1] ** 2, gradient=p * np.array([2.0, 20.0]))
    ...     p, s = method.step(p, e, s, h)
    >>> bool(np.all(abs(method.answer(p, s)) < 1e-8))
    True
    """

    ftol: float = 0.0
    xtol: float = 1e-12
    gtol: float = 0.0
    scope: ClassVar[str] = "vector"
    ranges: ClassVar[Mapping[str, str]] = {
        "ftol": "[0, 1)", "xtol": "[0, 1)", "gtol": "[0, inf)",
    }  # fmt: skip

    def init(self, p: Array) -> State:
        zero, zeros = np.zeros((), p.dtype), np.zeros_like(p)
        return {
            "x": p + zero, "loss": zero, "gradient": zeros, "direction": zeros,
            "inverse": np.eye(p.shape[0], dtype=p.dtype), "learnt": zero, "alpha": zero,
            "trials": zero, "started": zero, "status": zero, "closed": zero,
            "low": zero, "low_loss": zero, "low_slope": zero,
            "high": zero, "high_loss": zero, "high_slope": zero, "high_known": zero,
        }  # fmt: skip

    def step(self, p: Array, e: Any, s: State, h: Any) -> tuple[Array, State]:
        ok = np.isfinite(e.loss) & np.all(np.isfinite(e.gradient))
        first = s["started"] == 0
        loss = np.where(ok, e.loss, s["loss"])
        gradient = np.where(ok, e.gradient, s["gradient"])
        slope = np.sum(gradient * s["direction"])
        too_high, too_steep = _wolfe(loss, slope, s, ok)
        accept = ok & (first | ~(too_high | too_steep))
        code = np.where(first, np.where(ok, 0, NOT_FINITE), _verdict(p, loss, s, accept, h))
        new = {
            "x": np.where(accept, p, s["x"]),
            "loss": np.where(accept, loss, s["loss"]),
            "gradient": np.where(accept, gradient, s["gradient"]),
            "trials": np.where(accept, 0 * s["trials"], s["trials"] + 1),
            "started": np.ones_like(s["started"]),
        }
        new.update(_learn(p, gradient, s, accept & ~first))
        new.update(_direction(s, new, accept))
        bracket = _bracket(s, ok, too_high, loss, slope)
        fresh = _fresh_bracket(new)
        new.update({name: np.where(accept, fresh[name], bracket[name]) for name in fresh})
        new["alpha"] = np.where(accept, _whole(new), _next_length(s, bracket))
        # Falls so small that their products underflow cannot steer a search any more.
        code = np.where(accept & (-fresh["low_slope"] <= _least(p)), PRECISION, code)
        flat = accept & (np.max(np.abs(new["gradient"])) <= cast(h.gtol, p))
        new["status"] = np.where(s["status"] > 0, s["status"], cast(np.where(flat, GTOL, code), p))
        return new["x"] + new["alpha"] * new["direction"], new

    def answer(self, p: Array, s: State) -> Array:
        return s["x"]


def _least(p: Array) -> Array:
    """Return the smallest number with whose reciprocal one can still reckon."""
    limits = np.finfo(p.dtype)
    return cast(limits.tiny, p) / cast(limits.eps, p)


def _wolfe(loss: Array, slope: Array, s: State, ok: Array) -> tuple[Array, Array]:
    """Return whether the trial is too high for the step's length, and whether still too steep."""
    start = np.sum(s["gradient"] * s["direction"])
    noise = 4 * cast(np.finfo(s["x"].dtype).eps, s["x"]) * np.abs(s["loss"])
    fell = loss <= s["loss"] + ARMIJO * s["alpha"] * start
    level = (loss <= s["loss"] + noise) & (slope <= (2 * ARMIJO - 1) * start)
    too_high = ~(ok & (fell | level))
    return too_high, ~too_high & (slope < CURVATURE * start)


def _verdict(p: Array, loss: Array, s: State, accept: Array, h: Any) -> Array:
    """Return the status code that the trial just evaluated earns, 0 to go on."""
    eps = cast(np.finfo(s["x"].dtype).eps, s["x"])
    move = np.max(np.abs(p - s["x"]))
    size = np.max(np.abs(s["x"]))
    fall = np.abs(s["loss"] - loss)
    predicted = -0.5 * np.sum(s["gradient"] * s["direction"])
    code = np.where(accept & (move <= cast(h.xtol, eps) * size), XTOL, 0)
    code = np.where(accept & (fall < cast(h.ftol, eps) * np.abs(s["loss"])), FTOL, code)
    stuck = ~accept & ((move <= eps * size) | (s["trials"] >= MOST_TRIALS))
    ending = np.where(s["closed"] > 0, STALLED, UNBOUNDED)
    ending = np.where(predicted <= 16 * eps * np.abs(s["loss"]), PRECISION, ending)
    return np.where(stuck, ending, code)


def _learn(p: Array, gradient: Array, s: State, accept: Array) -> State:
    """Return the inverse Hessian after the accepted move, and 1 once it has learnt a scale."""
    eps = cast(np.finfo(s["x"].dtype).eps, s["x"])
    move = np.where(accept, p - s["x"], 0 * s["x"])
    change = np.where(accept, gradient - s["gradient"], 0 * s["x"])
    product = np.sum(move * change)
    square = np.sum(change * change)
    noise = eps * np.sqrt(np.sum(move * move)) * np.sqrt(square)
    sound = product > np.maximum(noise, _least(s["x"]))
    begin = sound & (s["learnt"] == 0)
    scale = np.where(begin, product, 1) / np.where(begin, square, 1)
    inverse = s["inverse"] * scale
    rho = 1 / np.where(sound, product, 1)
    image = np.sum(inverse * change[None, :], axis=1)
    gain = rho * (1 + rho * np.sum(change * image))
    cross = image[:, None] * move[None, :]
    updated = inverse + gain * move[:, None] * move[None, :] - rho * (cross + np.transpose(cross))
    return {
        "inverse": np.where(sound, updated, s["inverse"]),
        "learnt": np.where(sound, np.ones_like(rho), s["learnt"]),
    }


def _direction(s: State, new: State, accept: Array) -> State:
    """Return the direction of the next trial: a new one after a step, else the one in use."""
    fresh = -np.sum(new["inverse"] * new["gradient"][None, :], axis=1)
    downhill = np.sum(fresh * new["gradient"]) < 0
    fresh = np.where(downhill, fresh, -new["gradient"])
    return {"direction": np.where(accept, fresh, s["direction"])}


def _whole(new: State) -> Array:
    """Return the first step length to try: 1 once H has a scale, before that a unit move."""
    length = np.sqrt(np.sum(new["direction"] * new["direction"]))
    return np.where(new["learnt"] > 0, 1, 1 / np.maximum(length, 1))


def _fresh_bracket(new: State) -> State:
    zero = 0 * new["loss"]
    return {
        "low": zero, "low_loss": new["loss"],
        "low_slope": np.sum(new["direction"] * new["gradient"]),
        "closed": zero, "high": zero, "high_loss": zero, "high_slope": zero, "high_known": zero,
    }  # fmt: skip


def _bracket(s: State, ok: Array, too_high: Array, loss: Array, slope: Array) -> State:
    """Return the bracket of the step length, narrowed by a trial that was not accepted."""
    one = np.ones_like(loss)
    return {
        "low": np.where(too_high, s["low"], s["alpha"]),
        "low_loss": np.where(too_high, s["low_loss"], loss),
        "low_slope": np.where(too_high, s["low_slope"], slope),
        "closed": np.where(too_high, one, s["closed"]),
        "high": np.where(too_high, s["alpha"], s["high"]),
        "high_loss": np.where(too_high, loss, s["high_loss"]),
        "high_slope": np.where(too_high, slope, s["high_slope"]),
        "high_known": np.where(too_high, np.where(ok, one, 0 * one), s["high_known"]),
    }


def _next_length(s: State, b: State) -> Array:
    """Return the next step length, by the cubic inside the bracket, by the slopes beyond it.

    Nocedal and Wright, equation 3.59, as a share of the bracket.
    """
    closed = b["closed"] > 0
    known = b["high_known"] > 0
    width = np.where(closed, b["high"] - b["low"], 1)
    secant = np.where(known, b["high_loss"] - b["low_loss"], 0) / np.where(width > 0, width, 1)
    left, right = b["low_slope"], np.where(known, b["high_slope"], 0)
    bend = left + right - 3 * secant
    root = np.sqrt(np.maximum(bend * bend - left * right, 0))
    span = right - left + 2 * root
    share = 1 - np.where(span > 0, right + root - bend, 0.5) / np.where(span > 0, span, 1)
    share = np.where(known, np.minimum(np.maximum(share, 0.1), 0.9), 0.1)
    change = left - s["low_slope"]
    ahead = -left / np.where(change > 0, change, 1) * (b["low"] - s["low"])
    beyond = np.minimum(np.maximum(ahead, b["low"]), 9 * b["low"])
    return b["low"] + np.where(closed, share * width, np.where(change > 0, beyond, 3 * b["low"]))
