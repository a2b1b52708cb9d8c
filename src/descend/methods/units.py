"""The unit of each parameter, for methods that know the loss and its gradient alone.

A parameter's unit u is the largest |x| that it has had: in x/u a descent takes the same path in
whatever units x is written. A parameter that is 0 has none of its own: w/|g| has its unit, where g
is its slope and w, the worth, a fall of the loss that is within reach.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from descend.methods.base import Array, State, cast

__all__ = [
    "Units", "beyond", "lengths", "measured", "noise", "reciprocal", "shortened", "sizes",
    "square_length", "steepest", "unmeasured",
]  # fmt: skip

CAUTION = 0.3  # an estimated unit is this share of w/|g|: too short is soon mended, too long not
SLIGHT = 1e-3  # a share of the loss from which a fall is one
STRETCH = 10.0  # times |x|, at most
ALIKE = 30.0  # times |x|, at most, where elements share a unit
SHORT, LONG = 1e-6, 1e3  # what is taken of a shared unit, in terms of the estimated one
ROOTS = 10.0  # times a residual: what its terms may be
STEEPER = 3.0  # times what the slopes at both ends explain: a fall of another neighbourhood
ASTRAY = 1e3  # times √(w/h): so long an estimated unit came from a slope of rounding
WORST = 0.01  # of the largest such factor


class Units(NamedTuple):
    """What has been seen of the parameters' sizes, as far as points have been accepted.

    Attributes:
        widest: the largest |x| of each parameter.
        unit: u of each, 0 where it is unknown.
        worth: w, the largest fall that seemed within reach.
        guessed: 1 where some u is an estimate.
    """

    widest: Array
    stretch: Array
    unit: Array
    worth: Array
    guessed: Array


def unmeasured(p: Array) -> State:
    """Return the entries of a state before the first point, shaped like the attributes."""
    zero, zeros = np.zeros((), p.dtype), np.zeros_like(p)
    return {
        "widest": zeros, "stretch": np.ones_like(p), "unit": zeros + 0, "worth": zero,
        "guessed": zero + 0,
    }  # fmt: skip


def measured(
    s: State, x: Array, loss: Array, gradient: Array, accept: Array, wait: Array,
    parts: tuple[int, ...] | None = None,
) -> Units:  # fmt: skip
    """Return the units after a point that may have been accepted.

    w is max u|g| over the parameters whose size is known, or |loss| if that is less: both are
    in the unit of the loss. If all that is known is level, it lies between the two.

    Args:
        s: the entries of `Units`, as `unmeasured` or the last call left them.
        wait: whether parameters at 0 may wait for the others to move, and then show at two points
            how steep the loss is along them: at one of them that may be 0 by symmetry.
        parts: how many elements each parameter has; None for one array. Elements of one array
            share a unit where they may, so that one that is near 0 by accident is not held up.

    >>> s = {**unmeasured(np.zeros(3)), "gradient": np.zeros(3)}
    >>> x, g = np.array([5e6, -2e-3, 0.0]), np.array([1e-6, 1e4, 4e9])
    >>> measured(s, x, np.array(8.0), g, np.array(True), np.array(False), (1, 1, 1)).unit
    array([1.e+07, 2.e-03, 6.e-10])
    """
    parts = (x.shape[0],) if parts is None else parts
    alone = all(n == 1 for n in parts)
    steep: Array = np.abs(gradient)
    widest: Array = np.where(accept, np.maximum(s["widest"], np.abs(x)), s["widest"])
    most, height = np.max(widest * steep), np.abs(loss)
    alive = most > cast(SLIGHT, x) * height
    worth = np.where(accept, np.maximum(s["worth"], _worth(most, height, alive, steep)), s["worth"])
    sloping: Array = (steep > 0) & ~(wait & alive)
    begun: Array = accept & (s["worth"] == 0) & (widest > 0)
    stretch: Array = np.where(begun, _stretch(widest * steep, most), s["stretch"])
    shared, size = widest, stretch * widest
    if alone:
        guess = cast(CAUTION, x) * worth / np.where(steep > 0, steep, 1)
    else:
        shared, guess, size = _of_parts(parts, worth, steep, widest, size)
    common, eps = np.max(widest), cast(np.finfo(x.dtype).eps, x)
    top = np.maximum(most, np.max(widest * np.abs(s["gradient"])))
    level = (common > 0) & (steep * common <= 8 * eps * top)
    guess = np.where(level, np.where(shared > 0, shared, common), guess)
    held = np.where(sloping, np.minimum(guess, s["unit"]), s["unit"])
    guess = np.where(s["unit"] > 0, held, np.where(sloping, guess, 0))
    now: Array = np.where(widest > 0, np.maximum(size, s["unit"]), guess)
    unit: Array = np.where(accept, now, s["unit"])
    guessed: Array = np.any((widest == 0) & (unit > 0))
    return Units(widest, stretch, unit, worth, np.where(guessed, np.ones_like(worth), 0))


def _of_parts(
    parts: tuple[int, ...], worth: Array, steep: Array, widest: Array, size: Array
) -> tuple[Array, Array, Array]:
    """Return the largest |x| of each part, the estimated units, and the sizes of the parameters."""
    lone = np.repeat([n == 1 for n in parts], parts)
    shared, reach = _largest(widest, parts), _reach(worth, steep, parts)
    alike = np.minimum(np.maximum(shared, cast(SHORT, worth) * reach), cast(LONG, worth) * reach)
    share: Array = widest / np.where(shared > 0, shared, 1)
    own = widest * _alike(np.where(widest > 0, share, 1))
    return shared, np.where(lone | (shared == 0), reach, alike), np.where(lone, size, own)


def _worth(most: Array, height: Array, alive: Array, steep: Array) -> Array:
    """Return w at a point, from max u|g| and the height of the loss."""
    between = np.where(most > 0, np.sqrt(most) * np.sqrt(height), height)
    within = np.where(height > 0, np.minimum(most, height), most)
    now = np.where(alive, within, between)
    # Where the loss is 0, and so is every parameter, nothing has a unit but the slopes' ratios.
    return np.where(now > 0, now, np.max(steep))


def _reach(worth: Array, steep: Array, parts: tuple[int, ...]) -> Array:
    """Return a careful w/|g|; in one array about that of its steepest element."""
    most = _largest(steep, parts)
    share = np.where(steep > 0, steep, 1) / np.where(steep > 0, most, 1)
    return cast(CAUTION, steep) * worth / np.where(most > 0, most, 1) / (share * _alike(share))


def _alike(share: Array) -> Array:
    """Return by what a share of the largest element is multiplied: to 1, if it is not far from it.

    What is decades smaller is of another unit, and hardly changed.
    """
    near = np.sqrt(np.sqrt(np.minimum(1, cast(ALIKE, share) * share)))
    return np.minimum(1 / share, np.maximum(1, cast(ALIKE, share) * near))


def _stretch(gain: Array, most: Array) -> Array:
    """Return by what |x| is multiplied: more where the loss hardly depends on the parameter."""
    top = np.where(most > 0, most, 1)
    return np.sqrt(top / np.maximum(gain, top / cast(STRETCH**2, gain)))


def _largest(values: Array, parts: tuple[int, ...]) -> Array:
    """Return the largest value of each part, repeated for its elements.

    >>> _largest(np.array([1.0, 5.0, 2.0, 3.0]), (1, 1, 2))
    array([1., 5., 3., 3.])
    """
    found, at, single = [], 0, 0
    for n in (*parts, 0):
        if n == 1:
            single += 1
            continue
        if single:
            found.append(values[at : at + single])
        at, single = at + single, 0
        if n:
            piece = values[at : at + n]
            found.append(np.max(piece) + 0 * piece)
            at += n
    return found[0] if len(found) == 1 else np.concatenate(found)


def steepest(s: State, gradient: Array) -> Array:
    """Return max u|g|, by how much the loss may fall along one parameter; 1 where it is level."""
    most = np.max(s["unit"] * np.abs(gradient))
    return np.where(most > 0, most, 1)


def lengths(s: State, move: Array) -> Array:
    """Return the length of a move in units of the parameters."""
    return np.sqrt(square_length(s, move))


def square_length(s: State, move: Array) -> Array:
    """Return the square of the length of a move in units of the parameters."""
    share = np.where(s["unit"] > 0, move, 0) * reciprocal(s)
    return np.sum(share * share)


def reciprocal(s: State) -> Array:
    """Return 1/u of every parameter that has a unit; 1 of others, which have not moved."""
    return 1 / np.where(s["unit"] > 0, s["unit"], 1)


def sizes(s: State) -> Array:
    """Return what moves are compared with: |x|, or a share of the largest where x is near 0."""
    eps = cast(np.finfo(s["x"].dtype).eps, s["x"])
    largest = np.where(s["widest"] > 0, s["widest"], s["unit"])
    return np.maximum(np.abs(s["x"]), np.sqrt(np.sqrt(eps)) * largest)


def noise(s: State) -> Array:
    """Return how far rounding alone may change the loss, as far as can be told.

    A loss that has come from w to f may be a sum of squares, whose roots' rounding is that of √w:
    2√f·ε√w, besides εf. From a start that was far out it is less.
    """
    eps, height = cast(np.finfo(s["x"].dtype).eps, s["x"]), np.abs(s["loss"])
    root = np.minimum(np.sqrt(height) * np.sqrt(s["worth"]), cast(ROOTS, height) * height)
    return eps * (8 * height + 2 * root)


def shortened(s: State, move: Array, change: Array, may: Array) -> tuple[Array, Array]:
    """Return the units after a first move, or the trial of one, and whether a unit was astray.

    Where a slope is 0 but for rounding, w/|g| is astronomically long. How the slopes change along a
    move then tells a length: √(w/h), with the curvature h. What is less astray by far may be so
    because of the others.

    Args:
        change: of the gradient along the move.
        may: whether there was such a move.

    >>> s = {"unit": np.array([1e16, 0.3]), "widest": np.zeros(2), "worth": np.array(1.0)}
    >>> units, astray = shortened(s, np.array([1e15, 0.1]), np.array([1e15, 1e13]), np.array(True))
    >>> units, bool(astray)
    (array([1. , 0.3]), True)
    """
    steep, length = np.abs(change), np.abs(move)
    known = may & (s["widest"] == 0) & (length > 0) & (length <= s["unit"]) & np.isfinite(steep)
    worth = np.where(s["worth"] > 0, s["worth"], 1)
    bend: Array = np.where(known, steep, 0) / (np.where(known, length, 1) * worth)
    root = s["unit"] * np.sqrt(bend)
    astray = (root > cast(ASTRAY, root)) & (root >= cast(WORST, root) * np.max(root))
    return s["unit"] / np.where(astray, root, 1), np.any(astray)


def beyond(s: State, loss: Array, ahead: Array) -> Array:
    """Return whether a trial has left the neighbourhood that an estimated unit is meant for.

    Where a slope is 0 but for rounding, w/|g| is astronomically long, and what lies there may be
    lower by accident.

    Args:
        ahead: how far the steeper of the slopes at both ends lets the loss fall (negative).
    """
    return (s["guessed"] > 0) & (loss - s["loss"] < cast(STEEPER, ahead) * ahead)
