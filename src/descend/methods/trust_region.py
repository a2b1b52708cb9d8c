"""Steps of limited length that lower a quadratic model: by damping, and by a bent path.

Both work in units of the scale D: lengths are ‖Dδ‖.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from descend.functions import scan
from descend.methods.base import Array, State, cast
from descend.methods.bounds import Box
from descend.methods.linear_algebra import nothing_held, sound_solve

__all__ = ["Trust", "damped_step", "dogleg_step", "norm", "times"]

TRIALS, TRIALS_IN_BOX = 3, 5
PARALLEL = 0.8


class Trust(NamedTuple):
    """How far a model is trusted.

    Attributes:
        radius: the most that ‖Dδ‖ may be.
        damping: λ to begin with.
        useful: whether what is learnt of the curvature is to be believed.
    """

    radius: Array
    damping: Array
    useful: Array


class Walls(NamedTuple):
    """Where a step would leave the box, in units of the scale, and 1 for what may move at all."""

    low: Array
    high: Array
    free: Array

    def kept(self, move: Array, c: State, radius: Array) -> tuple[Array, State]:
        """Return the step set down on the walls that it meets, and what that means.

        A step that is too long is only set down: damped, it may never come so far.
        """
        inner = np.minimum(np.maximum(move, self.low), self.high)
        crossing = (c["free"] > 0) & (inner != move) & (norm(move) <= 1.1 * radius)
        return inner, {
            "crossed": np.any(crossing),
            "free": np.where(crossing, 0 * inner, c["free"]),
            "offset": np.where(crossing, inner, c["offset"]),
        }


class Quadratic(NamedTuple):
    """A quadratic model in units of the scale: B = jtj + use·learnt, and the pull g.

    Attributes:
        curve: the right-hand side of the bend, or None.
    """

    jtj: Array
    learnt: Array
    jtr: Array
    curve: Array | None


def norm(vector: Array) -> Array:
    """Return the Euclidean length."""
    return np.sqrt(np.sum(vector * vector))


def times(matrix: Array, vector: Array) -> Array:
    """Return the product of a matrix with a vector.

    >>> times(np.array([[1.0, 2.0], [3.0, 4.0]]), np.ones(2))
    array([3., 7.])
    """
    return np.sum(matrix * vector[None, :], axis=1)


def damped_step(
    new: State, scale: Array, trust: Trust, inside: Box, acceleration: Array | None
) -> State:
    """Return the step that solves (B + λD²)·δ = −g with ‖Dδ‖ ≤ Δ; λ is 0 where that is enough.

    Args:
        new: `x`, `jtj`, `jtr`, `learnt`, `along` and `curve` at the accepted point.
        acceleration: the most that a step may bend, as a share of its length.

    Returns:
        `move` δ, `bend` to be added to it, `damping` λ, the fall `predicted` for δ, and `learnt`,
        which is zero if B was not positive definite with it.
    """
    pair = scale[:, None] * scale[None, :]
    q = Quadratic(
        new["jtj"] / pair, new["learnt"] / pair, new["jtr"] / scale,
        None if acceleration is None else new["curve"] / scale,
    )  # fmt: skip
    walls = None
    if inside.bounded:
        q = q._replace(jtr=inside.pull(new["x"], q.jtr))
        free = np.where(inside.free(new["x"], new["jtr"]), 1 + 0 * scale, 0 * scale)
        walls = Walls(scale * (inside.lower - new["x"]), scale * (inside.upper - new["x"]), free)
    found = _searched(q, trust, walls)
    if walls is not None:
        found = _at_least_cauchy(q, walls, trust.radius, found)
    bend = 0 * scale
    if acceleration is not None:
        bend = _bend(found, scale * new["along"], cast(acceleration, scale))
    return {
        "move": found["move"] / scale, "bend": bend / scale, "damping": found["damping"],
        "predicted": found["predicted"], "learnt": new["learnt"] * found["keep"],
    }  # fmt: skip


def _searched(q: Quadratic, trust: Trust, walls: Walls | None) -> State:
    """Return the step of the right length, after a few trials of λ.

    The trials are a loop that stays one when it is compiled: factorisations are most of the code.
    A trial whose B is not positive definite with what was learnt, or that meets a wall, is repeated
    without that, and says nothing of λ. Once λ is settled, the systems are not solved again.
    """
    one, zero = np.ones_like(trust.radius), 0 * trust.radius
    highest = norm(q.jtr) / trust.radius
    held = np.minimum(trust.damping, highest)

    def trial(c: State, last: Array) -> tuple[State, Array]:
        found = _tried(q, walls, c, trust.radius)
        excess = found.pop("length") - trust.radius
        wrong = (c["use"] > 0) & ~found.pop("sound")
        again = wrong if walls is None else wrong | found.pop("crossed")
        low, high, better = _bracket(c, excess, trust.radius, found.pop("slant"))
        fits = (np.abs(excess) <= 0.1 * trust.radius) | ((c["damping"] == 0) & (excess <= 0))
        better = np.where(fits | last | again, c["damping"], better)
        found |= {
            "low": np.where(again, c["low"], low),
            "high": np.where(again, c["high"], high),
            "damping": np.where(wrong, held, better),
            "use": np.where(wrong, 0 * one, c["use"]),
            "keep": np.where(wrong, 0 * one, c["keep"]),
            "settled": ~again & (better == c["damping"]),
        }
        return {name: found[name] for name in c}, excess

    begin = {
        "low": zero, "high": highest, "damping": np.where(trust.useful, zero, held),
        "use": np.where(trust.useful, one, zero), "keep": one,
        "move": 0 * q.jtr, "turn": 0 * q.jtr, "predicted": zero,
    }  # fmt: skip
    if walls is not None:
        begin |= {"free": walls.free, "offset": 0 * q.jtr}
    solved = nothing_held(q.jtr.shape[0], 1 if q.curve is None else 2, q.jtr)
    if solved.size:
        begin |= {"held": solved + zero, "settled": one < zero}
    trials = TRIALS if walls is None else TRIALS_IN_BOX
    carry, _ = scan(trial, begin, np.arange(trials) == trials - 1)
    return carry  # type: ignore[no-any-return]


def _at_least_cauchy(q: Quadratic, walls: Walls, radius: Array, found: State) -> State:
    """Return the step, or the one straight along the pull where that lowers the model more.

    A step that walls have cut off may be no descent, or stand still where there is still a pull.
    One as good as the Cauchy step, whose way ends at the first wall, always gets on (Conn, Gould
    and Toint, "Trust-Region Methods", 2000, section 12.2).
    """
    cauchy, fall = _cauchy(q.jtj, q.jtr, walls.low, walls.high, radius)
    worse = found["predicted"] < 0.5 * fall
    eps = cast(np.finfo(q.jtr.dtype).eps, q.jtr)
    return found | {
        "move": np.where(worse, cauchy, found["move"]),
        "turn": np.where(worse, 0 * cauchy, found["turn"]),
        "predicted": np.where(worse, fall, found["predicted"]),
        # It is no whole step, so that nothing is concluded from its length.
        "damping": np.where(worse, np.maximum(found["damping"], eps), found["damping"]),
    }


def _cauchy(
    jtj: Array, pull: Array, low: Array, high: Array, radius: Array
) -> tuple[Array, Array]:
    """Return the best step along the pull within radius and walls, and how far it falls."""
    square, curve = np.sum(pull * pull), np.sum(pull * times(jtj, pull))
    moving = pull != 0
    way = np.where(moving, np.where(pull > 0, low, high), -1) / np.where(moving, -pull, 1)
    room = np.min(np.where(moving, way, np.inf * np.ones_like(way)))
    most = np.minimum(radius / np.where(square > 0, np.sqrt(square), 1), room)
    best = np.where(curve > 0, square, 0) / np.where(curve > 0, curve, 1)
    share = np.where(curve > 0, np.minimum(best, most), most)
    share = np.where(square > 0, share, 0 * share)
    return -share * pull, share * (2 * square - share * curve)


def _tried(q: Quadratic, walls: Walls | None, c: State, radius: Array) -> State:
    """Return what the damping of the carry `c` leads to."""
    eye = np.eye(q.jtr.shape[0], dtype=q.jtr.dtype)
    whole = q.jtj + c["use"] * q.learnt
    model, side, turn = whole, q.jtr, q.curve
    if walls is not None:
        free = c["free"] > 0
        model = np.where(free[:, None] & free[None, :], whole, eye)
        side = np.where(free, q.jtr + times(whole, c["offset"]), 0 * side)
        turn = None if turn is None else np.where(free, turn, 0 * turn)
    sides = [-side] if turn is None else [-side, -turn]
    shift = None if walls is None else c["offset"]
    before = c.get("held"), c.get("settled")
    solved = sound_solve(model + c["damping"] * eye, sides, shift, *before)
    move, *turned = solved.x
    if shift is not None:
        move = shift + move
    found = {
        "sound": solved.sound, "length": norm(move), "slant": solved.square, "held": solved.held,
    }  # fmt: skip
    if walls is not None:
        move, more = walls.kept(move, c, radius)
        found |= more
    found["move"] = move
    found["turn"] = 0 * move if turn is None else turned[0]
    found["predicted"] = -np.sum((2 * q.jtr + times(whole, move)) * move)
    return found


def _bracket(c: State, excess: Array, radius: Array, slant: Array) -> tuple[Array, Array, Array]:
    """Return Moré's bracket of λ after a trial, and the next λ: Newton's, kept inside."""
    low: Array = np.where(excess > 0, np.maximum(c["low"], c["damping"]), c["low"])
    high: Array = np.where(excess > 0, c["high"], np.minimum(c["high"], c["damping"]))
    length = excess + radius
    newton = c["damping"] + length**2 / np.where(slant > 0, slant, 1) * (excess / radius)
    middle = np.maximum(1e-3 * high, np.sqrt(low) * np.sqrt(high))
    middle = np.where((newton <= 0) & (low == 0), 0, middle)
    return low, high, np.where((newton > low) & (newton < high), newton, middle)


def _bend(found: State, along: Array, acceleration: Array) -> Array:
    """Return ½c²a for a step that is nearly c times `along`; 0 where it is not, or bends too far.

    Transtrum and Sethna (2012), with their limit 2‖a/2‖ ≤ α‖δ‖.
    """
    move = found["move"]
    product, own, other = np.sum(along * move), np.sum(along * along), np.sum(move * move)
    share = product / np.where(own > 0, own, 1)
    bend = 0.5 * share * share * found["turn"]
    parallel = product * product > PARALLEL**2 * own * other
    small = 2 * norm(bend) <= acceleration * np.sqrt(other)
    return np.where(parallel & small, bend, 0 * move)


def dogleg_step(new: State, scale: Array, radius: Array, inside: Box) -> State:
    """Return the step to where the path over the Cauchy point to the Gauss–Newton point leaves Δ.

    Returns:
        `move`, the fall `predicted` for it, and `damping`: 0 for the whole Gauss–Newton step.

    Powell, "A hybrid method for nonlinear equations" (1970); Nocedal and Wright (2006), 4.1.
    """
    n = scale.shape[0]
    jtj = new["jtj"] / scale[:, None] / scale[None, :]
    jtr = inside.pull(new["x"], new["jtr"]) / scale
    eye = np.eye(n, dtype=scale.dtype)
    model = jtj
    if inside.bounded:
        free = inside.free(new["x"], new["jtr"])
        model = np.where(free[:, None] & free[None, :], jtj, eye)
    (newton,) = sound_solve(model, [-jtr]).x
    square, curve = np.sum(jtr * jtr), np.sum(jtr * times(model, jtr))
    known = curve > 0
    cauchy = -np.where(known, square, 0) / np.where(known, curve, 1) * jtr
    far, near = norm(newton), norm(cauchy)
    steepest = -radius / np.where(square > 0, np.sqrt(square), 1) * jtr
    move = np.where(near >= radius, steepest, _between(cauchy, newton, radius))
    whole = far <= radius
    move = np.where(whole, newton, move) / scale
    damping = np.where(whole, 0 * far, np.ones_like(far))
    if inside.bounded:
        move = inside.project(new["x"] + move) - new["x"]
    predicted = -np.sum((2 * new["jtr"] + times(new["jtj"], move)) * move)
    if inside.bounded:
        low, high = (scale * (side - new["x"]) for side in (inside.lower, inside.upper))
        cauchy, fall = _cauchy(jtj, jtr, low, high, radius)
        worse = predicted < 0.5 * fall
        move, predicted = (
            np.where(worse, cauchy / scale, move), np.where(worse, fall, predicted),
        )  # fmt: skip
        damping = np.where(worse, np.ones_like(far), damping)
    return {"move": move, "damping": damping, "predicted": predicted}


def _between(near: Array, far: Array, radius: Array) -> Array:
    """Return the point between two, inside and outside of the radius, that lies on it.

    >>> _between(np.array([0.0, 1.0]), np.array([9.0, 1.0]), np.sqrt(5.0))
    array([2., 1.])
    """
    leg = far - near
    a, b, c = np.sum(leg * leg), np.sum(near * leg), np.sum(near * near) - radius * radius
    root = np.sqrt(np.maximum(b * b - a * c, 0 * a))
    # The form without cancellation, whichever sign b has.
    share = np.where(b > 0, -c / np.where(b > 0, b + root, 1), (root - b) / np.where(a > 0, a, 1))
    return near + np.minimum(np.maximum(share, 0), 1) * leg
