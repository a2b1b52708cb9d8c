"""Methods for sums of squares: Levenberg–Marquardt and Gauss–Newton within a trusted length."""

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
from descend.methods.trust_region import Trust, damped_step, dogleg_step, norm, times

__all__ = ["GaussNewton", "LeastSquares", "LevenbergMarquardt"]

ACCEPT = 1e-4
BETTER = 0.5
SOUND = 0.1
SLOWEST = 0.9


@dataclass(frozen=True)
class LeastSquares(Optimizer):
    """What methods for sums of squares share: trials, trust, verdicts. `_move` makes the steps.

    One step is one evaluation: the state holds the accepted point with its JᵀJ and Jᵀr, and the
    point handed to the model is the trial.
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
        return {
            "x": p + zero, "loss": zero, "jtj": np.zeros((p.shape[0], p.shape[0]), p.dtype),
            "jtr": zeros, "largest": zeros, "move": zeros, "predicted": zero, "radius": zero,
            "damping": zero, "started": zero, "status": zero,
        }  # fmt: skip

    def step(self, p: Array, e: Any, s: State, h: Any) -> tuple[Array, State]:
        inside = box(h)
        trial = _judge(p, e, s, inside)
        new = {
            "x": np.where(trial.accept, p, s["x"]),
            "loss": np.where(trial.accept, e.loss, s["loss"]),
            "jtj": np.where(trial.accept, e.jtj, s["jtj"]),
            "jtr": np.where(trial.accept, e.jtr, s["jtr"]),
            "started": np.ones_like(s["started"]),
        }
        new["largest"] = np.maximum(s["largest"], np.diagonal(new["jtj"]))
        scale = _scale(new["largest"])
        pull = inside.pull(new["x"], new["jtr"])
        size = norm(scale * new["x"])
        begin = np.where(size > 0, size, norm(pull / scale)) * cast(h.radius, p)
        radius, damping = _trust(trial, s)
        radius = np.where(trial.first, begin, radius)
        bend = self._move(e, s, new, trial, Around(scale, radius, damping, inside, h))
        # The first step says how long steps are: a far larger radius would only be waited out.
        length = norm(scale * new["move"])
        new["radius"] = np.where(trial.first, np.minimum(radius, length), radius)
        code = _verdict(trial, s, new, _cosine(new, pull), h)
        new["status"] = np.where(s["status"] > 0, s["status"], cast(code, p))
        return inside.project(inside.landed(new["x"], new["move"] + bend)), new

    def _move(self, e: Any, s: State, new: State, trial: Trial, around: Around) -> Array:
        """Enter `move`, `damping` and `predicted` into `new`; return what bends the step."""
        raise NotImplementedError

    def answer(self, p: Array, s: State) -> Array:
        return s["x"]


@dataclass(frozen=True)
class LevenbergMarquardt(LeastSquares):
    """Gauss–Newton steps kept within a trusted length, which follows how well they were predicted.

    The trial step δ solves (B + λD²)·δ = −Jᵀr, where D holds the largest norms that J's columns
    have had, so that the path does not depend on the parameters' units. λ is 0 if that step has
    ‖Dδ‖ ≤ Δ, else such that ‖Dδ‖ is within a tenth of Δ. With the gain ratio ρ = (actual fall of
    the loss)/(predicted fall) a trial is accepted if ρ > 1e-4; Δ falls if ρ ≤ 1/4 and becomes
    2‖Dδ‖ if ρ ≥ 3/4. A trial where the loss or its derivatives are not finite is rejected.

    B is JᵀJ, or JᵀJ + S where that has foretold the last change of the slope at least twice as
    well: S learns the residuals' own curvature Σ rᵢ∇²rᵢ from the gradients along the way, so that
    a fit with large residuals converges faster than linearly. It is forgotten wherever B is not
    positive definite.

    Along a curved valley the step bends: with the second derivative r″ of the residuals along the
    last step u, exact and from the same pass over the data, the step is δ + ½c²a, where
    (B + λD²)·a = −Jᵀr″ and δ ≈ c·u. It bends if δ and u are parallel enough (cosine above 0.8) and
    ‖c²Da‖ ≤ `acceleration`·‖Dδ‖.

    One step is one evaluation: the state holds the accepted point with its JᵀJ and Jᵀr, and the
    point handed to the model is the trial. It works for a loss c·rᵀr with any c, if all that is
    evaluated carries the same c. Where falls drown in rounding, whole steps are judged by whether
    the next would gain less, and others by ‖D⁻¹Jᵀr‖.

    Within bounds, parameters on a bound that the gradient presses against stand still, those that
    a step would carry across one move to it, and the others are solved for what remains.

    Args:
        ftol: stop when the next whole step, and all that would follow at the present rate, would
            lower the loss by no more than this share of it. It may be below the machine epsilon,
            since it is predicted: the parameters then err by √ftol of their standard errors,
            roughly. This is the relative offset of Bates and Watts, squared.
        xtol: stop when the next whole step changes the fitted values by less than this share.
        gtol: stop when the cosine of the angle between r and every column of J is below this.
        radius: Δ at the start, as a share of ‖Dp‖.
        acceleration: how far a step may bend, as a share of its length; 0 leaves it out.

    Moré, "The Levenberg–Marquardt algorithm: implementation and theory" (1978), with λ carried from
    step to step and improved by at most two of its safeguarded Newton iterations; Transtrum and
    Sethna, "Improvements to the Levenberg–Marquardt algorithm" (2012) for the bend; Dennis, Gay and
    Welsch, "An adaptive nonlinear least-squares algorithm" (1981) for S and its sizing, with the
    structured BFGS update of Dennis, Martínez and Tapia (1989); Bates and Watts, "A relative offset
    orthogonality convergence criterion for nonlinear least squares" (1981).

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

    acceleration: float = 0.3
    zeros: ClassVar[tuple[str, ...]] = ("acceleration",)
    ranges: ClassVar[Mapping[str, str]] = {**LeastSquares.ranges, "acceleration": "[0, inf)"}

    def init(self, p: Array) -> State:
        zeros = np.zeros_like(p)
        state = {**super().init(p), "learnt": np.zeros((p.shape[0], p.shape[0]), p.dtype)}
        return state if self.acceleration == 0 else {**state, "along": zeros, "curve": zeros}

    def _move(self, e: Any, s: State, new: State, trial: Trial, around: Around) -> Array:
        bends = self.acceleration != 0
        if bends:
            # Some losses have no residuals whose second derivative could bend a step.
            second = getattr(e, "jt_rvv", None)
            curve = s["curve"] if second is None else second(s["move"])
            new["along"] = np.where(trial.accept, s["move"], s["along"])
            new["curve"] = np.where(trial.accept, curve, s["curve"])
        new["learnt"], useful = _learn(s, new, trial)
        trust = Trust(around.radius, around.damping, useful)
        most = around.h.acceleration if bends else None
        found = damped_step(new, around.scale, trust, around.inside, most)
        bend = found.pop("bend")
        new.update(found)
        return bend


@dataclass(frozen=True)
class GaussNewton(LeastSquares):
    """Gauss–Newton within a trusted length, by the dogleg: one factorisation a step.

    The trial step ends where the path from x straight to the minimum along the steepest descent,
    and from there straight to the Gauss–Newton point x − (JᵀJ)⁻¹Jᵀr, leaves the ball ‖Dδ‖ ≤ Δ.
    Trials are judged, Δ follows, and the descent ends as in `LevenbergMarquardt`, whose options
    these are too. It does less a step; where valleys are narrow it needs more of them.

    Powell, "A hybrid method for nonlinear equations" (1970); Nocedal and Wright, "Numerical
    Optimization" (2006), section 4.1.

    >>> from types import SimpleNamespace
    >>> method = GaussNewton()
    >>> p = np.array([0.5])
    >>> s, h = method.init(p), method.hyper(method.numbers(), t=1.0)
    >>> while int(method.status(s)) == 0:
    ...     r, j = p**2 - 2, 2 * p
    ...     p, s = method.step(p, SimpleNamespace(loss=r @ r, jtj=j[:, None] * j, jtr=j * r), s, h)
    >>> method.answer(p, s).round(12)
    array([1.41421356])
    """

    def _move(self, e: Any, s: State, new: State, trial: Trial, around: Around) -> Array:
        new.update(dogleg_step(new, around.scale, around.radius, around.inside))
        return 0 * new["x"]


class Trial(NamedTuple):
    """What an evaluation says of the trial that led to it (all scalars)."""

    first: Array
    ok: Array
    accept: Array
    fall: Array
    ratio: Array
    length: Array
    drowned: Array


class Around(NamedTuple):
    """What a step is made within: scale D, radius Δ, the damping to begin with, bounds, h."""

    scale: Array
    radius: Array
    damping: Array
    inside: Box
    h: Any


def _judge(p: Array, e: Any, s: State, inside: Box) -> Trial:
    first = s["started"] == 0
    ok = np.isfinite(e.loss) & np.all(np.isfinite(e.jtr)) & np.all(np.isfinite(e.jtj))
    scale = _scale(s["largest"])
    fall = s["loss"] - np.where(ok, e.loss, s["loss"])
    known = s["predicted"] > 0
    ratio = np.where(known, fall, -1) / np.where(known, s["predicted"], 1)
    noise = _noise(s)
    drowned = ok & (s["predicted"] <= noise) & (np.abs(fall) <= noise)
    pulled = norm(inside.pull(p, np.where(ok, e.jtr, 0)) / scale)
    sharper = (s["damping"] == 0) | (pulled < norm(inside.pull(s["x"], s["jtr"]) / scale))
    accept = ok & (first | np.where(drowned, sharper, ratio > ACCEPT))
    return Trial(first, ok, accept, fall, ratio, norm(scale * s["move"]), drowned)


def _verdict(trial: Trial, s: State, new: State, cosine: Array, h: Any) -> Array:
    """Return the status code that the trial and the step after it earn, 0 to go on.

    A step held back by the radius is small for its own reasons, and proves nothing.
    """
    eps = cast(np.finfo(s["x"].dtype).eps, s["x"])
    norms = np.sqrt(np.diagonal(new["jtj"]))
    length, size = norm(norms * new["move"]), norm(norms * new["x"])
    settled = cosine * cosine * new["loss"] <= 100 * _noise(s)
    stuck = ~trial.first & (length <= eps * (size + eps * np.sqrt(new["loss"])))
    code = np.where(stuck, np.where(settled, PRECISION, STALLED), 0)
    code = np.where(trial.drowned & ~trial.accept & settled, PRECISION, code)
    whole = trial.accept & (new["damping"] == 0)
    second = whole & ~trial.first & (s["damping"] == 0) & (s["predicted"] > 0)
    slower = new["predicted"] >= s["predicted"]
    code = np.where(second & trial.drowned & slower, PRECISION, code)
    code = np.where(whole & (length <= cast(h.xtol, eps) * size), XTOL, code)
    # Steps that shrink by the rate q are 1/(1 − q) times the next one together.
    rate = np.where(second, new["predicted"], 0) / np.where(second, s["predicted"], 1)
    left = new["predicted"] / (1 - np.minimum(np.sqrt(np.maximum(rate, 0)), SLOWEST)) ** 2
    code = np.where(whole & (left <= cast(h.ftol, eps) * new["loss"]), FTOL, code)
    code = np.where(trial.accept & (cosine <= cast(h.gtol, eps)), GTOL, code)
    return np.where(trial.first & ~trial.ok, NOT_FINITE, code)


def _learn(s: State, new: State, trial: Trial) -> tuple[Array, Array]:
    """Return S after the accepted step, and whether it is worth more than nothing.

    Dennis, Gay and Welsch (1981), section 3, for the sizing; the update is the BFGS one of JᵀJ + S.
    """
    went = trial.accept & ~trial.first
    step = np.where(went, new["x"] - s["x"], 0 * s["x"])
    change = new["jtr"] - s["jtr"]
    image, curved = times(new["jtj"], step), times(s["learnt"], step)
    own, bent, slope = np.sum(step * image), np.sum(step * curved), np.sum(step * change)
    missed = slope - own
    useful = went & (np.abs(missed - bent) < BETTER * np.abs(missed))
    size = np.minimum(1, np.abs(missed) / np.where(bent != 0, np.abs(bent), 1))
    size = np.where((bent != 0) & (own + size * bent > SOUND * own), size, 0 * size)
    own = own + size * bent
    sound = (slope > 0) & (own > 0)
    gained = np.where(sound, change, 0 * change) / np.sqrt(np.where(sound, slope, 1))
    lost = np.where(sound, image + size * curved, 0 * change) / np.sqrt(np.where(sound, own, 1))
    kept = np.where(sound, size, 1) * s["learnt"]
    return kept + gained[:, None] * gained[None, :] - lost[:, None] * lost[None, :], useful


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


def _noise(s: State) -> Array:
    """Return how far rounding alone may change the loss.

    A residual f − y carries the rounding of f, and the norms of J's columns times the parameters
    stand for ‖f‖: 2‖r‖·ε‖f‖, besides ε‖r‖².
    """
    eps = cast(np.finfo(s["x"].dtype).eps, s["x"])
    size = norm(np.sqrt(np.diagonal(s["jtj"])) * s["x"])
    return eps * (8 * s["loss"] + 2 * np.sqrt(s["loss"]) * size)


def _scale(largest: Array) -> Array:
    return np.sqrt(np.where(largest > 0, largest, np.ones_like(largest)))


def _cosine(new: State, pull: Array) -> Array:
    """Return the largest |cosine| between the residual and a column of J; 0 at a perfect fit."""
    norms = np.sqrt(np.diagonal(new["jtj"])) * np.sqrt(new["loss"])
    nonzero = norms > 0
    return np.max(np.where(nonzero, np.abs(pull), 0) / np.where(nonzero, norms, 1))
