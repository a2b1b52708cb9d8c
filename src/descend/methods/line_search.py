"""A line search that is part of the state: what descent along directions has in common."""

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
from descend.methods.bounds import Box, box
from descend.methods.units import (
    beyond,
    lengths,
    measured,
    noise,
    shortened,
    sizes,
    steepest,
    unmeasured,
)

__all__ = ["LITTLE", "LineSearch", "bottomless", "first_share", "least"]

ARMIJO = 1e-4
MOST_TRIALS, FEW_TRIALS = 60, 5
PATIENT = 6  # trials after which steps grow faster
STRICT = 6  # trials up to which a slope that rises too much refuses a step
AT_THE_EDGE = 10  # trials after which a step may end beside a point that is not finite
MOST_DROWNED = 20
LITTLE = 16  # times the rounding of the loss: a fall that may be lost in it
BOTTOMS = 2  # moves in a row that are not by accident
GONE = 1e-3  # of the fall within reach: what a slope may still promise over a parameter's unit
STRAIGHT = 1e-6  # the square of an angle: moves along one line
ROUND, NEAR = 0.05, 0.3  # shares of a fall, and of a slope, that a parabola and its bottom may miss
FIRST = 1.0  # the first move, in units of the parameters


@dataclass(frozen=True)
class LineSearch(Optimizer):
    """Descent along directions d, with steps that satisfy the weak Wolfe conditions.

    f(x + αd) ≤ f + 1e-4·α·gᵀd and g(x + αd)ᵀd ≥ c·gᵀd, where c is `curvature`. One step is one
    evaluation: the search keeps a bracket of α. A trial that is too high, or not finite, becomes
    its upper end, one that is still falling too steeply its lower end; the next trial is the
    minimum of the cubic through both ends, kept away from them, or, while there is no upper end,
    where the two slopes seen point to, 2 to 10 times the lower end. Where the fall of f drowns in
    rounding, a trial is judged by its slope alone (the approximate Wolfe conditions), and slopes
    alone tell the next. With `rise`, r, also g(x + αd)ᵀd ≤ −r·gᵀd is asked for.

    Lengths are those of x/u with the parameters' units u (`descend.methods.units`), so that the
    path depends on no unit of x or f.

    Within bounds the search follows the projected path P(x + αd): what has met a face stays on it
    and no longer counts in the slope. Parameters that −g presses against a bound do not move.

    Derive from it, and give `memory`, `learn` and `direct`.

    Nocedal and Wright, "Numerical Optimization" (2006), section 3.5; Lewis and Overton, "Nonsmooth
    optimization via quasi-Newton methods" (2013) for the bracket; Hager and Zhang, "A new conjugate
    gradient method" (2005) for the approximate Wolfe conditions; Bertsekas, "Projected Newton
    methods for optimization problems with simple constraints" (1982) for the path.
    """

    ftol: float = 0.0
    xtol: float = 1e-12
    gtol: float = 0.0
    curvature: ClassVar[float] = 0.9
    rise: ClassVar[float | None] = None
    sees: ClassVar[bool] = True  # whether its moves tell of a minimum: they are whole steps
    scope: ClassVar[str] = "vector"
    bounded: ClassVar[bool] = True
    ranges: ClassVar[Mapping[str, str]] = {
        "ftol": "[0, 1)", "xtol": "[0, 1)", "gtol": "[0, inf)",
    }  # fmt: skip

    def init(self, p: Array) -> State:
        zero, zeros = np.zeros((), p.dtype), np.zeros_like(p)
        return {
            "x": p + zero, "loss": zero, "gradient": zeros, "direction": zeros,
            **unmeasured(p), **self.memory(p), "alpha": zero, "promise": zero,
            "trials": zero, "drowned": zero, "started": zero, "status": zero, "closed": zero,
            **(_nothing_seen(p) if self.sees else {}),
            "low": zero, "low_loss": zero, "low_slope": zero,
            "high": zero, "high_loss": zero, "high_slope": zero, "high_known": zero,
        }  # fmt: skip

    def memory(self, p: Array) -> State:
        """Return the part of the state that is the method's own, before the first step."""
        raise NotImplementedError

    def learn(self, s: State, new: State, move: Array, change: Array, took: Array) -> State:
        """Return the method's own state after a move, and the change of the gradient with it.

        Args:
            new: the next state as far as it is known: `x`, `gradient` and the units.
            took: whether there was a move at all; else what is returned must be as before.
        """
        raise NotImplementedError

    def direct(self, new: State, pull: Array, s: State) -> Array:
        """Return the next direction, from the new state and the gradient that may pull."""
        raise NotImplementedError

    def begun_again(self, s: State, code: Array) -> tuple[State, Array, Array]:
        """Return the state, whether a direction that leads no further gives way to the steepest
        descent, and the status code then."""
        return s, s["started"] < 0, code

    def first_length(self, new: State, s: State) -> Array:
        """Return the first α to try along a new direction."""
        raise NotImplementedError

    def reach(self, new: State, s: State, length: Array) -> Array:
        """Return the α at which the loss is lowest, as far as can be told beforehand.

        Args:
            length: the first α to try.
        """
        return length

    def step(self, p: Array, e: Any, s: State, h: Any) -> tuple[Array, State]:
        inside, parts = box(h), getattr(h, "parts", None)
        ok = np.isfinite(e.loss) & np.all(np.isfinite(e.gradient))
        first, finite = s["started"] == 0, ok
        gradient = np.where(ok, e.gradient, s["gradient"])
        slope = np.sum(gradient * _moving(p, s["direction"], inside))
        ahead = s["alpha"] * np.sum(s["gradient"] * s["direction"])
        if inside.bounded:
            ahead = np.sum(s["gradient"] * (p - s["x"]))
        ok = ok & ~beyond(s, e.loss, np.minimum(ahead, s["alpha"] * slope))
        loss = np.where(ok, e.loss, s["loss"])
        too_high, too_steep = _wolfe(ok, loss, slope, ahead, s, self.curvature)
        if self.rise is not None:
            rises = slope > -self.rise * np.sum(s["gradient"] * s["direction"])
            too_high = too_high | rises & (s["trials"] < STRICT)
        accept = ok & (first | ~(too_high | too_steep))
        s, astray = self._with_units(p, np.where(finite, e.gradient - s["gradient"], 0), s)
        code = np.where(first, np.where(ok, 0, NOT_FINITE), _verdict(p, loss, slope, s, accept, h))
        code = np.where(astray, 0, code)
        s, again, code = self.begun_again(s, code)
        code = np.where(ok & bottomless(loss), UNBOUNDED, code)
        anew = accept | astray | again
        new = {
            "x": np.where(accept, p, s["x"]),
            "loss": np.where(accept, loss, s["loss"]),
            "gradient": np.where(accept, gradient, s["gradient"]),
            "trials": np.where(anew, 0, s["trials"] + 1),
            "started": np.ones_like(s["started"]),
        }
        took = accept & ~first
        level = took & (np.abs(s["loss"] - loss) <= cast(np.finfo(p.dtype).eps, p) * np.abs(loss))
        new["drowned"] = np.where(accept, np.where(level, s["drowned"] + 1, 0), s["drowned"])
        code = np.where((code == 0) & (new["drowned"] >= MOST_DROWNED), PRECISION, code)
        move = np.where(took, p - s["x"], 0)
        change = np.where(took, gradient - s["gradient"], 0)
        if inside.bounded:
            # What a bound holds says nothing of the curvature of the others.
            change = np.where(move == 0, 0, change)
        new.update(measured(s, p, loss, gradient, accept, first, parts)._asdict())
        new.update(_seen(s, new, move, loss, gradient, took) if self.sees else {})
        new.update(self.learn(s, new, move, change, took))
        pull = inside.pull(new["x"], new["gradient"])
        fresh = _downhill(self.direct(new, pull, s), pull, new, inside)
        new["direction"] = np.where(anew, fresh, s["direction"])
        bracket = _bracket(s, ok, too_high, loss, slope)
        begin = _fresh_bracket(new)
        new.update({name: np.where(anew, begin[name], bracket[name]) for name in begin})
        begin_length = self.first_length(new, s)
        new["alpha"] = np.where(anew, begin_length, _next_length(s, bracket))
        promise = -0.5 * self.reach(new, s, begin_length) * begin["low_slope"]
        # A whole step that changes nothing but rounding promises nothing.
        still = ok & (s["trials"] == 0) & (np.abs(s["loss"] - loss) <= LITTLE * noise(s))
        new["promise"] = np.where(anew, promise, np.where(still, 0, s["promise"]))
        # Falls so small that their products underflow cannot steer a search any more.
        code = np.where(accept & (-begin["low_slope"] <= least(p)), PRECISION, code)
        flat = accept & (np.max(np.abs(pull)) <= cast(h.gtol, p))
        new["status"] = np.where(s["status"] > 0, s["status"], cast(np.where(flat, GTOL, code), p))
        following = inside.project(new["x"] + new["alpha"] * new["direction"])
        new.update(_lowest(s, new, inside))
        return following, new

    def answer(self, p: Array, s: State) -> Array:
        return s["x"]

    def _with_units(self, p: Array, change: Array, s: State) -> tuple[State, Array]:
        """Return a state without units that were astray, and whether one was: then all is anew."""
        units, astray = shortened(s, p - s["x"], change, s["started"] > 0)
        forgotten = {n: np.where(astray, 0, s[n]) for n in ("learnt",) if n in s}
        return {**s, **forgotten, "unit": units}, astray


def _lowest(s: State, new: State, inside: Box) -> State:
    """Return x and loss at the end: a search without end leaves the lowest point it has seen."""
    lower = (s["status"] == 0) & (new["status"] > 0) & (new["low_loss"] < new["loss"])
    lowest = inside.project(new["x"] + new["low"] * new["direction"])
    return {
        "x": np.where(lower, lowest, new["x"]),
        "loss": np.where(lower, new["low_loss"], new["loss"]),
    }


def _nothing_seen(p: Array) -> State:
    """Return the entries of `_seen` before the first move."""
    zeros = {name: np.zeros_like(p) for name in ("line", "lift", "moved")}
    return {**zeros, **dict.fromkeys(("turned", "rounds", "bowl"), np.zeros((), p.dtype))}


def _seen(
    s: State, new: State, move: Array, loss: Array, gradient: Array, took: Array
) -> State:
    """Return what the moves so far have seen of the loss, of which `bowl` is the sum: 1 or 0.

    It is 1 where the last moves that count came near the bottom of a parabola, the slope has gone,
    every number has moved, and the loss bends upwards in the whole plane of two moves: along each
    it does on the ridge of a saddle too. What falls for ever has no bottom: a step that takes away
    most of its slope lowers it by less than half of slope times length.
    """
    fall, one = s["loss"] - loss, np.ones_like(loss)
    counts = took & (fall > LITTLE * noise(s))
    before, after = np.sum(s["gradient"] * move), np.sum(gradient * move)
    round_ = np.abs(fall + 0.5 * (before + after)) <= cast(ROUND, fall) * np.abs(fall)
    near = round_ & (after >= cast(NEAR, fall) * before)
    # By the changes of the slope the curvature is known along both moves, and between them.
    change = gradient - s["gradient"]
    own, line = np.sum(move * change), np.sum(s["line"] * s["lift"])
    inner = 0.5 * (np.sum(move * s["lift"]) + np.sum(s["line"] * change))
    bowl = (own > 0) & (line > 0)
    own, line = np.where(bowl, own, 1), np.where(bowl, line, 1)
    turns = bowl & ((inner / own) * (inner / line) < 1 - cast(STRAIGHT, fall))
    begins = counts & np.all(s["line"] == 0)
    moved = np.where(move != 0, np.ones_like(move), s["moved"])
    turned = np.where(counts & turns, one, s["turned"]) if move.shape[0] > 1 else one
    rounds = np.where(counts, np.where(near, s["rounds"] + 1, 0), s["rounds"])
    level = np.max(new["unit"] * np.abs(new["gradient"])) <= cast(GONE, fall) * new["worth"]
    good = np.where(level & (rounds >= min(move.shape[0], BOTTOMS)), one, 0)
    return {
        "line": np.where(begins, move, s["line"]), "lift": np.where(begins, change, s["lift"]),
        "moved": moved,
        "turned": turned, "rounds": rounds, "bowl": good * turned * np.min(moved),
    }


def _moving(p: Array, direction: Array, inside: Box) -> Array:
    """Return the direction in which the projected path goes on at p."""
    if not inside.bounded:
        return direction
    outward = ((p <= inside.lower) & (direction < 0)) | ((p >= inside.upper) & (direction > 0))
    return np.where(outward, 0, direction)


def _downhill(fresh: Array, pull: Array, new: State, inside: Box) -> Array:
    """Return the direction that was found, or the steepest descent if that one does not fall."""
    if inside.bounded:
        fresh = _moving(new["x"], np.where(pull == 0, 0, fresh), inside)
    straight = -new["unit"] * (new["unit"] * (pull * (1 / steepest(new, pull))))
    return np.where(np.sum(fresh * pull) < 0, fresh, straight)


def _wolfe(
    ok: Array, loss: Array, slope: Array, ahead: Array, s: State, curvature: float
) -> tuple[Array, Array]:
    """Return whether the trial is too high for its linear fall, and whether still too steep."""
    start = np.sum(s["gradient"] * s["direction"])
    fell = loss <= s["loss"] + ARMIJO * ahead
    level = (loss <= s["loss"] + noise(s)) & (slope <= (2 * ARMIJO - 1) * start)
    too_high = ~(ok & (fell | level))
    edge = (s["closed"] > 0) & (s["high_known"] == 0) & (s["trials"] >= AT_THE_EDGE)
    edge = edge & (s["alpha"] >= 0.5 * s["high"])
    return too_high, ~too_high & ~edge & (slope < curvature * start)


def _verdict(
    p: Array, loss: Array, slope: Array, s: State, accept: Array, h: Any
) -> Array:
    """Return the status code that the trial just evaluated earns, 0 to go on."""
    eps = cast(np.finfo(s["x"].dtype).eps, s["x"])
    move, size = np.abs(p - s["x"]), sizes(s)
    fall = np.abs(s["loss"] - loss)
    # A step that ends beside a point that is not finite is short, and the loss may still fall.
    falls = slope < np.sum(s["gradient"] * s["direction"])
    small = np.all(move <= cast(h.xtol, eps) * size)
    code = np.where(accept & small & ~falls, XTOL, 0)
    code = np.where(accept & (fall < cast(h.ftol, eps) * np.abs(s["loss"])), FTOL, code)
    little = LITTLE * noise(s)
    # A promise is an estimate: one that is hardly more, and has led to nothing else, is lost too.
    level = (s["high_known"] > 0) & (np.abs(s["high_loss"] - s["loss"]) <= little)
    lost = (s["promise"] <= little) | (s["drowned"] > 0) | level & (s["promise"] <= 10 * little)
    most = np.where(lost & (s["closed"] > 0), FEW_TRIALS, MOST_TRIALS)
    still, begun = np.all(move <= eps * size), s["trials"] == 0
    stuck = ~accept & ((still & (begun | (s["closed"] > 0))) | (s["trials"] >= most))
    ending = np.where(s["closed"] > 0, STALLED, UNBOUNDED)
    # What has come down to the square of rounding has no more digits to lose.
    spent = np.abs(s["loss"]) <= eps * eps * s["worth"]
    ending = np.where(lost | (spent & (s["closed"] > 0)) | (still & begun), PRECISION, ending)
    return np.where(stuck, ending, code)


def first_share(new: State) -> Array:
    """Return the α of a first move along the direction: 1, or less if that is a long way."""
    length = lengths(new, new["direction"])
    return FIRST / np.maximum(length, FIRST)


def bottomless(loss: Array) -> Array:
    """Return whether the loss has fallen to where floating point ends."""
    limits = np.finfo(loss.dtype)
    return loss <= -cast(limits.max, loss) * cast(limits.eps, loss)


def least(p: Array) -> Array:
    """Return the smallest number with whose reciprocal one can still reckon."""
    limits = np.finfo(p.dtype)
    return cast(limits.tiny, p) / cast(limits.eps, p)


def _fresh_bracket(new: State) -> State:
    zero = np.zeros_like(new["loss"])
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
        "high_known": np.where(too_high, np.where(ok, one, 0), s["high_known"]),
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
    # As shares of the largest, whose square is a number in any unit of the loss.
    most = np.maximum(np.maximum(np.abs(left), np.abs(right)), np.abs(secant))
    left, right, secant = (slope / np.where(most > 0, most, 1) for slope in (left, right, secant))
    # A change of the loss that may be rounding says less than the slopes do.
    drowned = np.abs(b["high_loss"] - b["low_loss"]) <= LITTLE * noise(s)
    secant = np.where(drowned, 0.5 * (left + right), secant)
    bend = left + right - 3 * secant
    root = np.sqrt(np.maximum(bend * bend - left * right, 0))
    span = right - left + 2 * root
    share = 1 - np.where(span > 0, right + root - bend, 0.5) / np.where(span > 0, span, 1)
    # Where the ends are so far apart that their products overflow, share is no number.
    share = np.where(known & (share > 0.1), np.minimum(share, 0.9), 0.1)
    change = b["low_slope"] - s["low_slope"]
    ahead = -b["low_slope"] / np.where(change > 0, change, 1) * (b["low"] - s["low"])
    beyond = np.minimum(np.maximum(ahead, b["low"]), 9 * b["low"])
    # A slope that has not changed over several trials says that the minimum is decades away.
    blind = np.where(s["trials"] >= PATIENT, 99 * b["low"], 3 * b["low"])
    return b["low"] + np.where(closed, share * width, np.where(change > 0, beyond, blind))
