"""Whether a best value exists at all: whether the loss still falls farther and farther out.

Two ways are tried. A sum of squares is followed as a function of one number alone, with all others
at their best (its profile): it runs away if the profile does not rise outwards, however far, and
does inwards. Of any other function the numbers are moved on along the way that they went.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from descend.judge.walk import Walk
from descend.parameters.reading import number_names
from descend.run.finished import Finished

__all__ = ["falling", "has_gone", "runaways"]

Array = np.ndarray[Any, np.dtype[Any]]

GONE = 30.0  # times its start, or 1: from here on a number is looked after in a run made again
LEAST = 1e-3  # of itself: a number that moved by less has not run away
STEPS = 2.0 ** np.arange(-6, 11)  # times the way it went
MOST = 64  # numbers that are looked after one by one
VAGUEST = 2  # of these, which are followed by doublings too
OUT = (10.0, 1e3, 1e5)  # times the value, to where the profile must not rise
DOUBLED = tuple(2.0**k for k in range(1, 11))  # the same, followed along a valley that bends
IN = tuple(10.0**-k for k in (1, 2, 3, 5, 7, 9, 11))  # and where it must, sooner or later
FOLLOWED = 30  # evaluations in which the other numbers follow
RISE = 1e-8  # of the sum of squares: what is a rise
CLEAR = 1e-5  # and what is one without question
COMPANION = 0.05  # the share of a direction that makes a number part of it


def runaways(walk: Walk) -> tuple[str, ...]:
    """The numbers of a least squares fit that have no finite best value; none if all have one.

    Looked at are those that J does not determine to their own size.
    """
    errors, names, begin = walk.errors(), walk.number_names(), walk.x.copy()
    vague = [
        int(i) for i in np.argsort(-errors / np.maximum(np.abs(begin), np.finfo(float).tiny))
        if errors[i] >= np.abs(begin[i]) > 0 and not walk.bound[i]
    ]  # fmt: skip
    square, companions = walk.square, _companions(walk)
    if square <= walk.rounding or not vague or _is_redundant(walk):
        return ()
    found: list[str] = []
    walk.overflows = True
    for i in vague[:MOST]:
        ways = _ways(walk, begin, i)
        away = all(_least(walk, begin, i, ways, f) <= square * (1 + RISE) for f in OUT)
        away = away or (i in vague[:VAGUEST] and _stays_low(walk, begin, i, ways, square))
        if away and _rises(walk, begin, i, ways, square):
            found = [names[i], *(names[j] for j in companions if j != i and j in vague)]
            break
        walk.jump(begin)
    walk.overflows = False
    walk.jump(begin)
    return tuple(found)


def _is_redundant(walk: Walk) -> bool:
    """Whether as many directions are without effect at the start: the model is like that."""
    here, lost = walk.x.copy(), _nullity(walk)
    if not lost:
        return False
    at_start = _nullity(walk) if walk.jump(walk.start) else 0
    walk.jump(here)
    return at_start >= lost


def _nullity(walk: Walk) -> int:
    known = 0 if walk.parts is None else int(np.sum(walk.parts.known))
    return len(walk.x) - known - int(np.sum(walk.bound))


def _companions(walk: Walk) -> list[int]:
    """The numbers that move together along the direction that J determines least."""
    if walk.parts is None:
        return []
    share = np.abs(walk.parts.vt[-1])
    return [int(walk.free[k]) for k in np.flatnonzero(share > COMPANION)]


def _ways(walk: Walk, begin: Array, i: int) -> list[Array]:
    """How the others may move when a number doubles: not at all, or as J leaves undetermined."""
    alone = np.zeros_like(begin)
    alone[i] = begin[i]
    if walk.parts is None or i not in walk.free:
        return [alone]
    along = np.zeros_like(begin)
    along[walk.free] = walk.parts.vt[-1] / walk.lengths
    if not along[i]:
        return [alone]
    return [alone, along * (begin[i] / along[i])]


def _least(walk: Walk, begin: Array, i: int, ways: Sequence[Array], factor: float) -> float:
    """The least sum of squares found where a number is so many times as large, the others follow.

    The walk stands at that place then.
    """
    best, place = np.inf, begin
    for way in ways:
        if walk.jump(begin + (factor - 1) * way, [i]):
            walk.go(FOLLOWED)
            if walk.square < best:
                best, place = walk.square, walk.x.copy()
    walk.jump(place)
    return best


def _stays_low(walk: Walk, begin: Array, i: int, ways: Sequence[Array], square: float) -> bool:
    """Whether the profile does not rise outwards, each place followed from the one before."""
    return not _climbs(walk, begin, i, ways, DOUBLED, square * (1 + RISE))


def _rises(walk: Walk, begin: Array, i: int, ways: Sequence[Array], square: float) -> bool:
    """Whether the profile rises inwards, each place followed from the one before."""
    return _climbs(walk, begin, i, ways, IN, square * (1 + CLEAR))


def _climbs(
    walk: Walk, begin: Array, i: int, ways: Sequence[Array], factors: Sequence[float], most: float
) -> bool:
    """Whether the profile is above a height at any of some multiples of a number."""
    at, last = begin, 1.0
    for factor in factors:
        own = [way * (at[i] / way[i]) for way in ways]
        if not _least(walk, at, i, own, factor / last) <= most:
            return True
        at, last = walk.x.copy(), factor
    return False


def has_gone(begin: Sequence[float], end: Sequence[float]) -> bool:
    """Whether a number went so far that it may have no end.

    >>> has_gone([1.0, 0.0], [2.0, -3.0]), has_gone([1.0, 0.0], [2.0, -300.0])
    (False, True)
    """
    return any(abs(b) >= GONE * max(abs(a), 1.0) for a, b in zip(begin, end, strict=True))


def _way(begin: Array, end: Array, i: int) -> float:
    return float(abs(np.reshape(end, -1)[i] - np.reshape(begin, -1)[i]))


def falling(run: Finished) -> list[str]:
    """The numbers that the loss falls with, as far as one can see; none at a minimum.

    They are moved on, each by itself and then all of them, by shares and multiples of the way they
    went: at a minimum a small share already raises the loss.
    """
    begin, end = run.begin, run.leaves()
    space = run.job.space
    names = [
        (leaf, i, name)
        for leaf in end
        if space is None or space.varies(leaf)
        for i, name in enumerate(number_names(leaf, end[leaf].shape))
        if _way(begin[leaf], end[leaf], i) > LEAST * abs(np.reshape(end[leaf], -1)[i])
    ]
    if not names:
        return []
    loss = run.job.loss_at(run.built, end)
    least = loss({})

    def falls(moved: Sequence[tuple[str, int, str]]) -> bool:
        values = [least]
        for step in STEPS:
            values.append(loss(_beyond(run, end, moved, step)))
            if not values[-1] <= values[-2]:
                return least == -np.inf
        return values[-1] < least or least == -np.inf

    with np.errstate(all="ignore"):
        alone = [entry for entry in names[:MOST] if falls([entry])]
        return [name for *_, name in alone or (names if len(names) > 1 and falls(names) else [])]


def _beyond(
    run: Finished, end: dict[str, Array], moved: Sequence[tuple[str, int, str]], step: float
) -> dict[str, Array]:
    """Some numbers moved on by a multiple of the way they went, as far as their bounds allow."""
    found: dict[str, Array] = {}
    for leaf, i, _ in moved:
        array = found.setdefault(leaf, np.array(end[leaf]))
        way = np.asarray(end[leaf]).reshape(-1)[i] - np.asarray(run.begin[leaf]).reshape(-1)[i]
        array.reshape(-1)[i] += step * way
    space = run.job.space
    return found if space is None else {n: space.inside(n, a) for n, a in found.items()}
