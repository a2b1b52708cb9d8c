"""Minima at a kink: where a parameter meets a data point, and the derivative jumps over zero.

No step along a derivative ends there. So the sum of squares is followed as a function of the
kinked parameter alone, with all others at their best (its profile), down to where it rises on
either side.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from descend.graph.node import postorder
from descend.judge.walk import Walk
from descend.run.finished import Finished

__all__ = ["kinked", "to_kinks"]

Array = np.ndarray[Any, np.dtype[Any]]

GOLDEN = 0.3819660112501051
NARROW = 1e-12  # a bracket, as a share of where it lies
MOST_STEPS = 80
MOST_NUMBERS = 12  # that are followed one by one
ROUNDS = 4
FOLLOWED = 12  # evaluations in which the other parameters follow
LESS = 1e-12  # a fall of the sum of squares that is one


def kinked(run: Finished) -> bool:
    """Whether the model has a kink in any parameter."""
    kept = run.built.extras.get("kinked")
    if kept is None:
        leaves = set(run.built.model.leaves.values())
        kept = run.built.extras["kinked"] = any(
            node.op.breaks == "kink" and leaves & set(postorder(list(node.args)))
            for node in postorder(run.built.model.nodes)
        )
    return bool(kept)


def to_kinks(walk: Walk) -> tuple[str, ...]:
    """Go down to the kinks nearby; the names of the numbers that end at one, none if there is none.

    Brent, "Algorithms for Minimization without Derivatives" (1973), section 5.3, has the golden
    section, which a kink does not mislead.
    """
    found: dict[int, str] = {}
    names = walk.number_names()
    if len(names) > MOST_NUMBERS:
        return ()
    for _ in range(ROUNDS):
        before = walk.square
        for i, name in enumerate(names):
            if walk.bound[i] or not walk.length_of(i) > 0:
                continue
            if _lowered(walk, i):
                found[i] = name
        if not before - walk.square > LESS * before:
            break
    at = tuple(name for i, name in found.items() if _is_kink(walk, i))
    return at if at and _rises(walk) else ()


def _profile(walk: Walk, i: int) -> Callable[[float], float]:
    """The sum of squares where a number is held and the others follow from where they are best."""
    return lambda t: walk.follow(i, t, FOLLOWED)


def _lowered(walk: Walk, i: int) -> bool:
    """Whether the profile of a number has a lowest place nearby, to which the walk then goes."""
    begin, square = walk.x.copy(), walk.square
    length = walk.length_of(i)
    h = float(np.sqrt(square / max(walk.count, 1)) / length)
    profile = _profile(walk, i)
    best = _bracketed(profile, float(begin[i]), h, square)
    if best is not None:
        t = _golden(profile, *best)
        profile(t)
    walk.jump(walk.x.copy() if best is not None and walk.square <= square else begin)
    return best is not None


def _bracketed(
    profile: Callable[[float], float], t: float, h: float, square: float
) -> tuple[float, float, float] | None:
    """Three places, of which the middle one is the lowest; None where none is found."""
    low, middle, high = t - h, t, t + h
    left, here, right = profile(low), square, profile(high)
    for _ in range(12):
        if here <= left and here <= right:
            return low, middle, high
        if left < right:
            low, middle, high = low - 2 * (middle - low), low, middle
            left, here, right = profile(low), left, here
        else:
            low, middle, high = middle, high, high + 2 * (high - middle)
            left, here, right = here, right, profile(high)
    return None


def _golden(profile: Callable[[float], float], low: float, middle: float, high: float) -> float:
    """The lowest place of a bracket."""
    here = profile(middle)
    for _ in range(MOST_STEPS):
        if high - low <= NARROW * max(abs(low), abs(high)):
            break
        upper = high - middle > middle - low
        t = middle + GOLDEN * (high - middle if upper else low - middle)
        value = profile(t)
        if value < here:
            low, high = (middle, high) if upper else (low, middle)
            middle, here = t, value
        elif upper:
            high = t
        else:
            low = t
    return middle


def _is_kink(walk: Walk, i: int) -> bool:
    """Whether the slope of the profile jumps where it is lowest."""
    x, square = walk.x.copy(), walk.square
    h = 1e-5 * float(np.sqrt(square / max(walk.count, 1)) / walk.length_of(i))
    profile = _profile(walk, i)
    far = min(profile(x[i] - h), profile(x[i] + h)) - square
    near = min(profile(x[i] - h / 4), profile(x[i] + h / 4)) - square
    walk.jump(x)
    return far > 0 and near > 0.15 * far  # a kink: a quarter; a smooth minimum: a sixteenth


def _rises(walk: Walk) -> bool:
    """Whether the sum of squares rises along every coordinate."""
    x, square = walk.x.copy(), walk.square
    for i in range(len(x)):
        if walk.bound[i] or not walk.length_of(i) > 0:
            continue
        h = 1e-4 * float(np.sqrt(square / max(walk.count, 1)) / walk.length_of(i))
        for sign in (1.0, -1.0):
            moved = x.copy()
            moved[i] += sign * h
            if walk.jump(moved) and walk.square < square * (1 - 1e-9):
                walk.jump(x)
                return False
    walk.jump(x)
    return True
