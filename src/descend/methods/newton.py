"""Newton's method for many parameters: a trusted length, and products with the exact Hessian."""

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
    UNBOUNDED,
    XTOL,
    Array,
    Optimizer,
    State,
    cast,
)
from descend.methods.bounds import Box, box
from descend.methods.line_search import LITTLE, bottomless
from descend.methods.trust_region import norm
from descend.methods.units import measured, noise, shortened, sizes, unmeasured

__all__ = ["NewtonCG"]

ACCEPT, POOR, GOOD = 1e-4, 0.25, 0.75


@dataclass(frozen=True)
class NewtonCG(Optimizer):
    """Newton steps by conjugate gradients, cut off at a trusted length or where H bends down.

    All this is of x/u and f/w, with the units u of the parameters and the worth w of
    `descend.methods.units`, so that the path depends on no unit of x or f. The step z lowers the
    model gᵀz + ½zᵀHz: conjugate gradients begin with z = 0 and the residual r = g, and end when
    ‖r‖ ≤ min(½, √(‖g‖/‖g₀‖))·‖g‖, where dᵀHd ≤ 0 or ‖z‖ reaches the radius Δ; then d is followed to
    the sphere. With the gain ratio ρ = (actual fall)/(predicted fall) the step is accepted if
    ρ > 1e-4; Δ falls if ρ ≤ 1/4 and grows up to 2‖z‖ if ρ ≥ 3/4. A step that is not accepted is
    shortened and tried again.

    One step is one evaluation, and one exact product H·d by forward differentiation of the
    gradient: conjugate gradients are part of the state, and while they go on the model is evaluated
    at the same place. Within bounds, what is held by one does not move, and a face ends the step as
    the sphere does.

    Args:
        ftol: stop when an accepted step lowers the loss by less than this share of it.
        xtol: stop when an accepted step is no larger than this share of the parameters.
        gtol: stop when no component of the gradient is larger than this.
        radius: Δ at the start, as a share of ‖x/u‖.

    Steihaug, "The conjugate gradient method and trust regions in large scale optimization" (1983);
    Nocedal and Wright, "Numerical Optimization" (2006), algorithm 7.2.

    >>> from types import SimpleNamespace
    >>> method = NewtonCG()
    >>> p, hessian = np.array([5.0, -3.0]), np.array([2.0, 20.0])
    >>> s, h = method.init(p), method.hyper(method.numbers(), t=1.0)
    >>> while int(method.status(s)) == 0:
    ...     e = SimpleNamespace(loss=p[0] ** 2 + 10 * p[1] ** 2, gradient=hessian * p)
    ...     e.hvp = lambda d: hessian * d
    ...     p, s = method.step(p, e, s, h)
    >>> bool(np.all(abs(method.answer(p, s)) < 1e-8))
    True
    """

    ftol: float = 0.0
    xtol: float = 1e-12
    gtol: float = 0.0
    radius: float = 1.0
    scope: ClassVar[str] = "vector"
    needs: ClassVar[str] = "hvp"
    bounded: ClassVar[bool] = True
    ranges: ClassVar[Mapping[str, str]] = {
        "ftol": "[0, 1)", "xtol": "[0, 1)", "gtol": "[0, inf)", "radius": "(0, inf)",
    }  # fmt: skip

    def init(self, p: Array) -> State:
        zero, zeros = np.zeros((), p.dtype), np.zeros_like(p)
        return {
            "x": p + zero, **unmeasured(p),
            "loss": zero, "gradient": zeros, "free": zeros, "step": zeros,
            "residual": zeros, "direction": zeros, "predicted": zero, "promise": zero,
            "radius": zero, "steepest": zero, "turns": zero, "trying": zero,
            "started": zero, "status": zero,
        }  # fmt: skip

    def step(self, p: Array, e: Any, s: State, h: Any) -> tuple[Array, State]:
        inside = box(h)
        trial = _judge(p, e, s, inside)
        new = {
            "x": np.where(trial.accept, p, s["x"]),
            "loss": np.where(trial.accept, e.loss, s["loss"]),
            "gradient": np.where(trial.accept, e.gradient, s["gradient"]),
            "started": np.ones_like(s["started"]),
        }
        never: Array = trial.first & ~trial.first
        parts = getattr(h, "parts", None)
        new.update(measured(s, p, e.loss, e.gradient, trial.accept, never, parts)._asdict())
        unit, worth = new["unit"], np.where(new["worth"] > 0, new["worth"], 1)
        slope, held = unit * (new["gradient"] / worth), s["unit"] * (s["gradient"] / worth)
        pull, before = inside.pull(new["x"], slope), inside.pull(s["x"], held)
        size = norm(np.where(unit > 0, new["x"], 0) / np.where(unit > 0, unit, 1))
        begin = np.where(size > 0, size, 1) * cast(h.radius, p)
        radius = np.where(trial.first, begin, _radius(trial, s))
        new["radius"] = radius
        new["steepest"] = np.where(trial.first, worth * norm(pull), s["steepest"])
        again: State = {
            "free": np.where(pull != 0, np.ones_like(p), 0),
            "step": 0 * p, "residual": pull, "direction": -pull, "turns": 0 * s["turns"],
        }  # fmt: skip
        at: State = {name: np.where(trial.accept, value, s[name]) for name, value in again.items()}
        along = unit * at["direction"]
        image = e.hvp(along)
        found, ended = _turn(unit * (image / worth), at, new, pull, inside)
        # Where a unit was astray, all this is done again with another.
        begins: Array = ~trial.refused & (at["turns"] == 0)
        new["unit"], astray = shortened(new, along, image, begins)
        other = new["unit"] * (new["gradient"] / worth)
        anew = {**again, "residual": other, "direction": -other, "predicted": 0 * size}
        found = {n: np.where(astray, anew[n], a) for n, a in found.items()}
        ended = ended & ~astray
        # A step that was refused is shortened; its own curvature tells what it then wins.
        share = np.minimum(radius / np.where(trial.length > 0, trial.length, 1), 0.5)
        linear = np.sum(slope * s["step"])
        curved = np.sum(s["step"] * (s["residual"] - before))
        new.update({n: np.where(trial.refused, s[n], value) for n, value in found.items()})
        new["step"] = np.where(trial.refused, share * s["step"], found["step"])
        # Of a shortened step the residual is g + share·H·step.
        kept = pull + share * (s["residual"] - before)
        new["residual"] = np.where(trial.refused, kept, found["residual"])
        shorter = -share * linear - 0.5 * share * share * curved
        new["predicted"] = worth * np.where(trial.refused, shorter, found["predicted"])
        new["promise"] = np.where(trial.refused, s["promise"], new["predicted"])
        new["trying"] = np.where(trial.refused | ended, np.ones_like(size), 0)
        code = _verdict(trial, s, new, inside, h)
        new["status"] = np.where(s["status"] > 0, s["status"], cast(code, p))
        move = np.where(new["trying"] > 0, unit * new["step"], 0)
        return np.where(new["trying"] > 0, inside.landed(new["x"], move), new["x"]), new

    def answer(self, p: Array, s: State) -> Array:
        return s["x"]


class Trial(NamedTuple):
    """What an evaluation says (all scalars): of a trial, or nothing, while products are made."""

    first: Array
    ok: Array
    accept: Array
    refused: Array
    fall: Array
    ratio: Array
    length: Array
    drowned: Array


def _judge(p: Array, e: Any, s: State, inside: Box) -> Trial:
    first, trying = s["started"] == 0, s["trying"] > 0
    ok = np.isfinite(e.loss) & np.all(np.isfinite(e.gradient))
    fall = s["loss"] - np.where(ok, e.loss, s["loss"])
    known = s["predicted"] > 0
    ratio = np.where(known, fall, -1) / np.where(known, s["predicted"], 1)
    most = noise(s)
    drowned = trying & ok & (s["predicted"] <= most) & (np.abs(fall) <= most)
    worth = np.where(s["worth"] > 0, s["worth"], 1)
    pulled = norm(inside.pull(p, s["unit"] * (np.where(ok, e.gradient, 0) / worth)))
    sharper = pulled < norm(inside.pull(s["x"], s["unit"] * (s["gradient"] / worth)))
    accept = ok & (first | (trying & np.where(drowned, sharper, ratio > ACCEPT)))
    refused = trying & ~accept
    return Trial(first, ok, accept, refused, fall, ratio, norm(s["step"]), drowned)


def _radius(trial: Trial, s: State) -> Array:
    """Return the radius after a trial."""
    poor = trial.refused | (trial.accept & ~trial.drowned & (trial.ratio <= POOR))
    good = trial.accept & ~trial.drowned & (trial.ratio >= GOOD)
    least = np.minimum(s["radius"], trial.length)
    shorter = np.where(trial.ok, 0.25 * least, 0.1 * least)
    longer = np.maximum(s["radius"], 2 * trial.length)
    tiny = cast(np.finfo(s["x"].dtype).tiny, s["x"])
    return np.where(poor, np.maximum(shorter, tiny), np.where(good, longer, s["radius"]))


def _turn(
    product: Array, at: State, new: State, pull: Array, inside: Box
) -> tuple[State, Array]:
    """Return the state of the conjugate gradients after one product, and whether they are done."""
    free, step, residual, direction = (at[n] for n in ("free", "step", "residual", "direction"))
    product = np.where(free > 0, product, 0)
    square, curve = np.sum(residual * residual), np.sum(direction * product)
    bends = curve > 0
    whole = np.where(bends, square, 0) / np.where(bends, curve, 1)
    room = _room(step, direction, new["radius"])
    if inside.bounded:
        unit = new["unit"]
        room = np.minimum(room, inside.room(new["x"] + unit * step, unit * direction))
    cut = ~bends | ~(whole < room)
    length = np.where(cut, room, whole)
    ahead = step + length * direction
    after = residual + length * product
    rest = np.sum(after * after)
    slope = norm(pull)
    steepest = np.where(new["steepest"] > 0, new["steepest"], 1)
    share = np.sqrt(slope * (new["worth"] / steepest))
    turns = at["turns"] + 1
    done = cut | (np.sqrt(rest) <= np.minimum(0.5, share) * slope) | (turns >= pull.shape[0])
    onward = rest / np.where(square > 0, square, 1) * direction - after
    found = {
        "free": free, "step": ahead, "residual": after, "direction": onward, "turns": turns,
        "predicted": -0.5 * np.sum(ahead * (pull + after)),
    }  # fmt: skip
    return found, done


def _room(step: Array, direction: Array, radius: Array) -> Array:
    """Return the length at which step + length·direction reaches the sphere from within.

    >>> float(_room(np.array([0.0, 3.0]), np.array([2.0, 0.0]), np.array(5.0)))
    2.0
    """
    a, b = np.sum(direction * direction), np.sum(step * direction)
    c = radius * radius - np.sum(step * step)
    root = np.sqrt(np.maximum(b * b + a * np.maximum(c, 0), 0))
    far = np.maximum(c, 0) / np.where(b + root > 0, b + root, 1)
    return np.where(b > 0, far, (root - b) / np.where(a > 0, a, 1))


def _verdict(trial: Trial, s: State, new: State, inside: Box, h: Any) -> Array:
    """Return the status code that an evaluation earns, 0 to go on."""
    eps = cast(np.finfo(s["x"].dtype).eps, s["x"])
    move, size, took = np.abs(s["unit"] * s["step"]), sizes(s), trial.accept & ~trial.first
    stuck = trial.refused & np.all(move <= eps * size)
    lost = trial.drowned | (s["promise"] <= LITTLE * noise(s))
    code = np.where(stuck, np.where(lost, PRECISION, STALLED), 0)
    code = np.where(trial.refused & trial.drowned, PRECISION, code)
    code = np.where(took & np.all(move <= cast(h.xtol, eps) * size), XTOL, code)
    code = np.where(took & (np.abs(trial.fall) < cast(h.ftol, eps) * np.abs(s["loss"])), FTOL, code)
    steep = np.max(np.abs(inside.pull(new["x"], new["gradient"])))
    code = np.where(trial.accept & (steep <= cast(h.gtol, eps)), GTOL, code)
    code = np.where(trial.accept & bottomless(new["loss"]), UNBOUNDED, code)
    return np.where(trial.first & ~trial.ok, NOT_FINITE, code)
