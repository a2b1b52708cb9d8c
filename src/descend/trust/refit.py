"""Many small minimisations at once: refits with some parameters held, or with other data.

All cases go in step through the same evaluations; a case that has arrived takes no further part.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from descend.trust.surface import Local, Slope, Surface

__all__ = ["Refits", "refit", "refitted"]

Array = np.ndarray[Any, np.dtype[Any]]

MOST_STEPS = 400
ENOUGH = 1e-8  # the fall still to come, as a share of s²: the last step takes it
NEARLY = 1e-7  # the same where the steps are spent, or rounding stops them
ACCEPT = 1e-4
FIRST_DAMPING, LEAST_DAMPING, MOST_DAMPING = 1e-4, 1e-10, 1e12


class Refits(NamedTuple):
    """Where each of k minimisations ended.

    Attributes:
        points, value: (k, p) and (k,) the lowest places, and S there.
        arrived: (k,) whether it is a minimum, as far as rounding lets one see.
    """

    points: Array
    value: Array
    arrived: Array


class _State:
    """The cases as they stand."""

    def __init__(self, local: Local, points: Array, which: Array) -> None:
        self.points = points
        slope = local(points, which)
        self.value, self.gradient, self.curvature = (np.array(part) for part in slope)
        self.damping = np.full(len(points), FIRST_DAMPING)
        self.lost = ~_finite(slope)
        self.arrived = np.zeros(len(points), bool)
        self.stuck = np.zeros(len(points), bool)
        self.left = np.full(len(points), np.inf)  # the fall that was last predicted

    @property
    def active(self) -> Array:
        return np.flatnonzero(~(self.arrived | self.lost | self.stuck))


@np.errstate(all="ignore")
def refit(
    local: Local, start: Array, fixed: Array, lower: Array, upper: Array, spread: float,
    which: Array | None = None, exact: bool = False,
) -> Refits:  # fmt: skip
    """Minimise S from each start, by damped Gauss–Newton (or Newton) steps within bounds.

    A parameter on a bound stays there while S would fall beyond it (projected steps: Bertsekas,
    "Projected Newton methods", 1982); damping follows the ratio of the actual to the predicted
    fall (Marquardt 1963).

    Args:
        start: (k, p) the starts.
        fixed: (k, p) or (p,) what does not move.
        lower, upper: (p,) bounds.
        spread: s², which says what fall is small.
        which: (k,) the data set of each; all the first one where None.
        exact: whether the curvature may be indefinite.

    >>> def local(points, which):
    ...     distance = points - [1.0, 2.0]
    ...     square = np.sum(distance**2, axis=1)
    ...     return Slope(square, distance, np.broadcast_to(np.eye(2), (len(points), 2, 2)))
    >>> start, low, high = np.zeros((1, 2)), np.full(2, -9.0), np.full(2, 1.5)
    >>> inside = refit(local, start, np.zeros(2, bool), low, high, spread=1.0)
    >>> inside.points, inside.value.round(6), inside.arrived
    (array([[1. , 1.5]]), array([0.25]), array([ True]))
    """
    points = np.clip(np.array(start, np.float64), lower, upper)
    which = np.zeros(len(points), np.intp) if which is None else which
    fixed = np.broadcast_to(fixed, points.shape)
    points = np.where(fixed, start, points)
    state = _State(local, points, which)
    for _ in range(MOST_STEPS):
        at = state.active
        if not at.size:
            break
        _step(state, at, local, which, fixed[at], (lower, upper), spread, exact)
    nearly = ~state.lost & (state.left <= NEARLY * spread)
    return Refits(state.points, state.value, state.arrived | nearly)


def refitted(
    surface: Surface, start: Array, fixed: Array | bool = False, local: Local | None = None
) -> Refits:
    """Minimise S of a fit from each start (k, p).

    Args:
        fixed: (k, p) or (p,) what does not move.
        local: S with as many other data sets, one each; that of the fit where None.
    """
    which = None if local is None else np.arange(len(start))
    return refit(
        local or surface.local, start, np.asarray(fixed), surface.lower, surface.upper,
        surface.spread, which, surface.exact,
    )  # fmt: skip


def _finite(slope: Slope) -> Array:
    inner = np.isfinite(slope.curvature).all((1, 2)) & np.isfinite(slope.gradient).all(1)
    return np.asarray(np.isfinite(slope.value) & inner)


def _step(
    state: _State, at: Array, local: Local, which: Array, fixed: Array,
    bounds: tuple[Array, Array], spread: float, exact: bool,
) -> None:  # fmt: skip
    x, g, a = state.points[at], state.gradient[at], state.curvature[at]
    lower, upper = bounds
    free = ~(fixed | ((x <= lower) & (g > 0)) | ((x >= upper) & (g < 0)))
    # A parameter that the case's data do not touch stays where it is.
    free &= np.diagonal(a, axis1=1, axis2=2) != 0
    move = _moves(np.where(free, g, 0), a, free, state.damping[at], exact)
    move = np.where(free, np.clip(x + move, lower, upper) - x, 0)
    image = np.einsum("kij,kj->ki", a, move)
    predicted = -np.einsum("ki,ki->k", 2 * g + image, move)
    small = predicted <= np.maximum(ENOUGH * spread, 1e-15 * np.abs(state.value[at]))
    light = (state.damping[at] <= 1e-2) | (predicted <= 0)
    done = small & light
    state.arrived[at[done]] = True
    # The last step is too small to be seen in S, but not in the parameters.
    state.points[at[done]] += np.where(predicted > 0, 1.0, 0.0)[done, None] * move[done]
    state.left[at] = predicted
    at, move, x, predicted = at[~done], move[~done], x[~done], predicted[~done]
    if not at.size:
        return
    found = local(x + move, which[at])
    fall = state.value[at] - found.value
    good = _finite(found) & (fall > ACCEPT * predicted)
    taken = at[good]
    state.points[taken] = (x + move)[good]
    state.value[taken], state.gradient[taken] = found.value[good], found.gradient[good]
    state.curvature[taken] = found.curvature[good]
    factor = np.where(good, np.where(fall > 0.75 * predicted, 0.1, 0.5), 10.0)
    state.damping[at] = np.maximum(state.damping[at] * factor, LEAST_DAMPING)
    drowned = ~good & (predicted <= 1e-12 * np.abs(state.value[at]))
    state.arrived[at[drowned]] = True
    state.stuck[at] = state.damping[at] > MOST_DAMPING


def _moves(g: Array, a: Array, free: Array, damping: Array, exact: bool) -> Array:
    """The damped steps; what is not free has an equation of its own: it does not move."""
    both = free[:, :, None] & free[:, None, :]
    eye = np.eye(a.shape[1])
    scale = np.sqrt(np.abs(np.diagonal(a, axis1=1, axis2=2)))
    scale = np.where(free & (scale > 0), scale, 1.0)
    matrix = np.where(both, a / scale[:, :, None] / scale[:, None, :], eye)
    if exact:
        values, vectors = np.linalg.eigh(matrix)
        # Along a direction of negative curvature the step goes down all the same.
        size = np.maximum(np.abs(values), 1e-12) + damping[:, None]
        along = np.einsum("kji,kj->ki", vectors, g / scale)
        return np.asarray(-np.einsum("kij,kj->ki", vectors, along / size) / scale)
    matrix = matrix + (damping + 1e-14)[:, None, None] * eye
    try:
        solved = np.linalg.solve(matrix, (g / scale)[:, :, None])[:, :, 0]
    except np.linalg.LinAlgError:
        inverse = np.linalg.pinv(matrix, hermitian=True)
        solved = np.einsum("kij,kj->ki", inverse, g / scale)
    return np.asarray(-solved / scale)
