"""Whether a best value exists at all: whether the loss still falls farther and farther out.

Two ways are tried. A sum of squares is followed as a function of one number alone, with all others
at their best (its profile): it runs away if the profile does not rise outwards, however far, and
does inwards. Of any other function the numbers are moved on along the way that they went: it runs
away if it falls there, or is level, and has become so ever more slowly, as exp(−x) does. A bottom
that is level, or of high order as x⁸ is, begins somewhere.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from descend.judge.beside import half_curvature
from descend.judge.walk import Walk
from descend.parameters.flat import flat, leaf_by_leaf
from descend.parameters.reading import number_names
from descend.run.finished import Finished
from descend.run.look import MOVED

__all__ = ["at_edges", "falling", "runaways", "sinking"]

Array = np.ndarray[Any, np.dtype[Any]]
Entry = tuple[str, int, str]
"""A number: its leaf, its place in it, and its name."""

LEAST = 1e-3  # of itself: a number that moved by less has not moved
STEPS = 2.0 ** np.arange(-6, 11)  # times the way it went
LEVEL = 16.0  # times the rounding of the loss: a change that is none
GIVEN_BACK = 0.1  # of what it falls farther out: no more than a way that is not quite straight
ENDLESS = 0.6  # times a third of a fall, in decades, is the next one where there is no end
FIRST, HALVINGS = -1000.0, 60  # of the logarithm of the way, to find where it had a certain height
MOST = 64  # numbers that are looked after one by one
VAGUEST = 2  # of these, which are followed by doublings too
OUT = (10.0, 1e3, 1e5)  # times the value, to where the profile must not rise
DOUBLED = tuple(2.0**k for k in range(1, 11))  # the same, followed along a valley that bends
IN = tuple(10.0**-k for k in (1, 2, 3, 5, 7, 9, 11))  # and where it must, sooner or later
FOLLOWED = 30  # evaluations in which the other numbers follow
RISE = 1e-8  # of the sum of squares: what is a rise
CLEAR = 1e-5  # and what is one without question
FREE = 1e-8  # of the largest curvature: one that is as good as none
HALVED, SINKS = 9, 1e-9  # times; a share of the loss that is no rounding
DRAWN = 4  # places at which a model may show that all directions have an effect
COMPANION = 0.05  # the share of a direction that makes a number part of it


def runaways(walk: Walk) -> tuple[str, ...]:
    """The numbers of a least squares fit that have no finite best value; none if all have one.

    Looked at are those that J does not determine to their own size. Of data that are met exactly,
    as a step between two points is, a residual is what is rounding.
    """
    square = max(walk.square, walk.rounding)
    grown = np.sqrt(square / walk.square) if walk.square > 0 else 1.0
    errors, names, begin = walk.errors() * grown, walk.number_names(), walk.x.copy()
    vague = [
        int(i) for i in np.argsort(-errors / np.maximum(np.abs(begin), np.finfo(float).tiny))
        if errors[i] >= np.abs(begin[i]) > 0 and not walk.bound[i]
    ]  # fmt: skip
    companions = _companions(walk)
    if not vague or _is_redundant(walk):
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
    """Whether as many directions are without effect at the start: the model is like that.

    A start that is the end, as where an earlier fit is gone on with, tells nothing: then places
    are drawn.
    """
    here, lost = walk.x.copy(), _nullity(walk)
    if not lost:
        return False
    run, places = walk.run, [walk.start]
    if np.allclose(walk.start, here, rtol=LEAST, atol=0.0):
        drawn = (run.job.glanced(run.built, i) for i in range(1, DRAWN + 1))
        places = [flat({name: leaves[name] for name in walk.like}) for leaves in drawn]
    least = min(_nullity(walk) if walk.jump(place) else lost for place in places)
    walk.jump(here)
    return least >= lost


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


def falling(run: Finished) -> list[str]:
    """The numbers that the loss falls with, as far as one can see; none at a minimum.

    They are moved on, each by itself and then all of them, by shares and multiples of the way they
    went: at a minimum a small share already raises the loss. A start may have been as far out
    already; so the way from 0 is tried as well, and what of it is free of curvature.
    """
    end, space = run.leaves(), run.job.space
    entries = [
        (leaf, i, name)
        for leaf in end
        if space is None or space.varies(leaf)
        for i, name in enumerate(number_names(leaf, end[leaf].shape))
    ]
    loss = run.job.loss_at(run.built, end)
    least, level = loss({}), abs(loss(run.begin))
    found: list[str] = []
    for begin in (run.begin, {leaf: 0 * array for leaf, array in end.items()}, _bent(run, end)):
        moved = [entry for entry in entries if _has_moved(begin, end, entry)]

        def falls(some: Sequence[Entry], begin: Mapping[str, Array] = begin) -> bool:
            def at(share: float) -> float:
                place = _along(run, begin, end, some, share)
                return np.inf if place is None else loss(place)

            return _falls(at, least, float(np.finfo(end[some[0][0]].dtype).eps), level)

        with np.errstate(all="ignore"):
            some = [entry for entry in moved[:MOST] if falls([entry])]
            some = some or (moved if len(moved) > 1 and falls(moved) else [])
        found = found or [name for *_, name in some]
    return found


def sinking(run: Finished) -> list[str]:
    """The numbers that the loss falls with, without end, as they near 0: as log(x) does."""
    end, space = run.leaves(), run.job.space
    loss, found = run.job.loss_at(run.built, end), []
    for leaf, array in end.items():
        if space is not None and not space.varies(leaf):
            continue
        for i, name in enumerate(number_names(leaf, array.shape)):
            if _is_small(run.begin, end, (leaf, i, name)):
                with np.errstate(all="ignore"):
                    heights = [loss(_halved(end, leaf, i, k)) for k in range(HALVED)]
                falls = -np.diff(heights)
                if bool(np.all(falls >= 0.5 * falls[0])) and falls[0] > SINKS * abs(heights[0]):
                    found.append(name)
    return found


def at_edges(run: Finished) -> dict[str, float]:
    """The single numbers that near 0, where the loss is finite and ends, and on which side."""
    end, loss, found = run.leaves(), run.job.loss_at(run.built, run.leaves()), {}
    for leaf, array in end.items():
        if array.ndim or not _is_small(run.begin, end, (leaf, 0, leaf)):
            continue
        with np.errstate(all="ignore"):
            here, edge, beyond = (loss({leaf: share * array}) for share in (1.0, 0.0, -1.0))
        if edge <= here and not np.isfinite(beyond):
            found[leaf] = float(np.sign(array))
    return found


def _is_small(begin: Mapping[str, Array], end: Mapping[str, Array], entry: Entry) -> bool:
    leaf, i, _ = entry
    one, two = (abs(float(np.reshape(place[leaf], -1)[i])) for place in (begin, end))
    return 0.0 < two < MOVED * one


def _halved(end: Mapping[str, Array], leaf: str, i: int, times: int) -> dict[str, Array]:
    moved = np.array(end[leaf])
    moved.reshape(-1)[i] *= 2.0**-times
    return {leaf: moved}


def _bent(run: Finished, end: Mapping[str, Array]) -> Mapping[str, Array]:
    """From where one would come to the end along what the second derivatives leave free."""
    half = half_curvature(run, end)
    if half is None:
        return end
    x = flat(end)
    unit = np.abs(x)
    values, vectors = np.linalg.eigh(half * unit[:, None] * unit[None, :])
    free = vectors[:, np.abs(values) <= FREE * np.max(np.abs(values), initial=0.0)]
    return leaf_by_leaf(x - unit * (free @ (free.T @ np.sign(x))), end)


def _has_moved(begin: Mapping[str, Array], end: Mapping[str, Array], entry: Entry) -> bool:
    leaf, i, _ = entry
    one, two = (float(np.reshape(place[leaf], -1)[i]) for place in (begin, end))
    return abs(two - one) > MOVED * abs(two)


def _falls(
    at: Callable[[float], float], least: float, eps: float, level: float = np.inf
) -> bool:
    """Whether a function of one number falls, or sinks towards a height, without end.

    Args:
        at: 0 is where a descent began, 1 where it ended, and larger numbers are farther out.
        least: its value at 1.
        level: its size where the descent began: of what more there is at 0, nothing is left.

    >>> _falls(lambda t: np.exp(-40 * t), np.exp(-40), 2.2e-16)
    True
    >>> _falls(lambda t: max(1 - t, 0.0), 0.0, 2.2e-16), _falls(lambda t: (t - 1)**8, 0.0, 2.2e-16)
    (False, False)
    """
    height = at(0.0)
    rounding = LEVEL * eps * max(min(abs(height), level), abs(least))
    lowest = least
    for step in STEPS:
        value = at(1.0 + step)
        if value == -np.inf:
            return True
        if not value <= lowest + max(rounding, GIVEN_BACK * (least - lowest)):
            return False
        lowest = min(lowest, value)
    if lowest < least - rounding:
        return True
    # Level: where it was three, two and one third of its fall (in decades) above that.
    fall = height - lowest
    if not fall > rounding > 0:
        return False
    shares = (rounding / fall) ** (np.arange(1, 4) / 3.0)
    first, second, third = (_where(at, lowest + share * fall) for share in shares)
    return third - second >= ENDLESS * (second - first) > 0


def _where(at: Callable[[float], float], height: float) -> float:
    """The number, from 0 to 1, at which a function comes down to a height."""
    low, high = FIRST, 0.0
    for _ in range(HALVINGS):
        middle = 0.5 * (low + high)
        low, high = (middle, high) if at(2.0**middle) > height else (low, middle)
    return float(2.0**high)


def _along(
    run: Finished, before: Mapping[str, Array], end: Mapping[str, Array], moved: Sequence[Entry],
    share: float,
) -> dict[str, Array] | None:  # fmt: skip
    """Some numbers at a share of the way that they went, or farther; None beyond a bound."""
    found: dict[str, Array] = {}
    for leaf, i, _ in moved:
        array = found.setdefault(leaf, np.array(end[leaf]))
        begin = np.asarray(before[leaf]).reshape(-1)[i]
        array.reshape(-1)[i] = begin + share * (np.asarray(end[leaf]).reshape(-1)[i] - begin)
    space = run.job.space
    kept = space is None or all(np.array_equal(space.inside(n, a), a) for n, a in found.items())
    return found if kept else None
