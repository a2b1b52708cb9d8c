"""The unit of each parameter, for methods that know the loss and its gradient alone.

A parameter's unit u is the largest |x| that it has had: in x/u a descent takes the same path in
whatever units x is written. A parameter that is 0 has none of its own: w/|g| has its unit, where g
is its slope and w, the worth, a fall of the loss that is within reach.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from descend.methods.base import Array, State, cast

__all__ = ["Units", "beyond", "lengths", "measured", "sizes", "steepest", "unmeasured"]

CAUTION = 0.1  # an estimated unit is this share of w/|g|: too short is soon mended, too long not
SLIGHT = 1e-3  # a share of the loss from which a fall is one
ALIKE = 30.0
SHORT, LONG = 1e-6, 1e3
STEEPER = 3.0  # times what the slopes at both ends explain: a fall of another neighbourhood


class Units(NamedTuple):
    """What has been seen of the parameters' sizes, as far as points have been accepted.

    Attributes:
        widest: the largest |x| of each parameter.
        unit: u of each, 0 where it is unknown.
        worth: w, the largest fall that seemed within reach.
        guessed: 1 where some u is an estimate.
    """

    widest: Array
    unit: Array
    worth: Array
    guessed: Array


def unmeasured(p: Array) -> State:
    """Return the entries of a state before the first point, shaped like the attributes."""
    zero, zeros = np.zeros((), p.dtype), np.zeros_like(p)
    return {"widest": zeros, "unit": zeros + 0, "worth": zero, "guessed": zero + 0}


def measured(
    s: State, x: Array, loss: Array, gradient: Array, accept: Array, wait: Array
) -> Units:
    """Return the units after a point that may have been accepted.

    w is max u|g| over the parameters whose size is known, or |loss| if that is less: both are
    in the unit of the loss. If all that is known is level, it lies between the two.

    Args:
        s: the entries of `Units`, as `unmeasured` or the last call left them.
        wait: whether parameters at 0 may wait for the others to move, and then show at two points
            how steep the loss is along them: at one of them that may be 0 by symmetry.

    >>> s = unmeasured(np.zeros(3))
    >>> x, g = np.array([5e6, -2e-3, 0.0]), np.array([1e-6, 1e4, 4e9])
    >>> measured(s, x, np.array(8.0), g, np.array(True), np.array(False)).unit
    array([5.e+06, 2.e-03, 2.e-10])
    """
    steep = np.abs(gradient)
    widest = np.where(accept, np.maximum(s["widest"], np.abs(x)), s["widest"])
    most, height = np.max(widest * steep), np.abs(loss)
    alive = most > cast(SLIGHT, x) * height
    between = np.where(most > 0, np.sqrt(most) * np.sqrt(height), height)
    within = np.where(height > 0, np.minimum(most, height), most)
    now = np.where(alive, within, between)
    # Where the loss is 0, and so is every parameter, nothing has a unit but the slopes' ratios.
    now = np.where(now > 0, now, np.max(steep))
    worth = np.where(accept, np.maximum(s["worth"], now), s["worth"])
    common = np.max(widest)
    known = common > 0
    near = np.minimum(common, cast(ALIKE, x) * widest)
    sloping = (steep > 0) & ~(wait & alive)
    reach = cast(CAUTION, x) * worth / np.where(sloping, steep, 1)
    eps = cast(np.finfo(x.dtype).eps, x)
    top = np.maximum(most, np.max(widest * np.abs(s["gradient"])))
    noise = known & (steep * common <= 8 * eps * top)
    held = np.minimum(np.maximum(common, cast(SHORT, x) * reach), cast(LONG, x) * reach)
    guess = np.where(known, np.where(noise, common, held), reach)
    guess = np.where(sloping, guess, 0 * guess)
    guess = np.where((s["unit"] > 0) & ~(sloping & (guess < s["unit"])), s["unit"], guess)
    unit = np.where(accept, np.where(widest > 0, near, guess), s["unit"])
    guessed = np.any((widest == 0) & (unit > 0))
    return Units(widest, unit, worth, np.where(guessed, 1 + 0 * worth, 0 * worth))


def steepest(s: State, gradient: Array) -> Array:
    """Return max u|g|, by how much the loss may fall along one parameter; 1 where it is level."""
    most = np.max(s["unit"] * np.abs(gradient))
    return np.where(most > 0, most, 1)


def lengths(s: State, move: Array) -> Array:
    """Return the length of a move in units of the parameters."""
    known = s["unit"] > 0
    share = np.where(known, move, 0 * move) / np.where(known, s["unit"], 1)
    return np.sqrt(np.sum(share * share))


def sizes(s: State) -> Array:
    """Return what moves are compared with: |x|, or a share of the largest where x has got near 0."""
    eps = cast(np.finfo(s["x"].dtype).eps, s["x"])
    largest = np.where(s["widest"] > 0, s["widest"], s["unit"])
    return np.maximum(np.abs(s["x"]), np.sqrt(np.sqrt(eps)) * largest)


def beyond(s: State, loss: Array, ahead: Array) -> Array:
    """Return whether a trial has left the neighbourhood that an estimated unit is meant for.

    Where a slope is 0 but for rounding, w/|g| is astronomically long, and what lies there may be
    lower by accident.

    Args:
        ahead: how far the steeper of the slopes at both ends lets the loss fall (negative).
    """
    return (s["guessed"] > 0) & (loss - s["loss"] < cast(STEEPER, ahead) * ahead)
