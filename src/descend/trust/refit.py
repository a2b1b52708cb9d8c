"""Many small minimisations at once: refits with some parameters held, or with other data.

All cases go in step through the same evaluations; a case that has arrived takes no further part.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from descend.errors import UsageError, suggest
from descend.trust.complete import evidence_of
from descend.trust.surface import Cases, Slope, Surface

__all__ = ["NO_FREEDOM", "SIGMAS", "Refits", "index_of", "minimum_of", "refit"]

Array = np.ndarray[Any, np.dtype[Any]]

MOST_STEPS = 400
ENOUGH = 1e-8  # the fall still to come, as a share of s²: the last step takes it
NEARLY = 1e-7  # the same where the steps are spent, or rounding stops them
ACCEPT = 1e-4
FIRST_DAMPING, LEAST_DAMPING, MOST_DAMPING = 1e-4, 1e-10, 1e12
CLOSE = 0.05  # of s²: S may fall so far before the fit counts as not arrived
NO_FREEDOM = "there is no degree of freedom left: there is no noise to judge it by"
SIGMAS = "give absolute sigmas"


class Refits(NamedTuple):
    """Where each of k minimisations ended.

    Attributes:
        points, value: (k, p) and (k,) the lowest places, and S there.
        arrived: (k,) whether it is a minimum, as far as rounding lets one see.
    """

    points: Array
    value: Array
    arrived: Array


@np.errstate(all="ignore")
def refit(
    surface: Surface, start: Array, fixed: Any = False, cases: Cases | None = None
) -> Refits:
    """Minimise S from each start (k, p), by damped Gauss–Newton (or Newton) steps within bounds.

    A parameter on a bound stays there while S would fall beyond it (projected steps: Bertsekas,
    "Projected Newton methods", 1982); damping follows the ratio of the actual to the predicted
    fall (Marquardt 1963).

    Args:
        fixed: (k, p) or (p,) what does not move.
        cases: as many other data sets, one each; that of the fit where None.

    >>> from types import SimpleNamespace
    >>> def slope(points, cases, which):
    ...     distance = points - [1.0, 2.0]
    ...     square = np.sum(distance**2, axis=1)
    ...     return Slope(square, distance, np.broadcast_to(np.eye(2), (len(points), 2, 2)))
    >>> surface = SimpleNamespace(
    ...     slope=slope, lower=np.full(2, -9.0), upper=np.full(2, 1.5), spread=1.0, squares=True)
    >>> inside = refit(surface, np.zeros((1, 2)))
    >>> inside.points, inside.value.round(6), inside.arrived
    (array([[1. , 1.5]]), array([0.25]), array([ True]))
    """
    walkers = _Walkers(surface, start, fixed, cases)
    for _ in range(MOST_STEPS):
        at = np.flatnonzero(~(walkers.arrived | walkers.lost | walkers.stuck))
        if not at.size:
            break
        walkers.step(at)
    nearly = ~walkers.lost & (walkers.left <= NEARLY * surface.spread)
    return Refits(walkers.points, walkers.value, walkers.arrived | nearly)


def _finite(slope: Slope) -> Array:
    inner = np.isfinite(slope.curvature).all((1, 2)) & np.isfinite(slope.gradient).all(1)
    return np.asarray(np.isfinite(slope.value) & inner)


class _Walkers:
    """The cases as they stand."""

    def __init__(self, surface: Surface, start: Array, fixed: Any, cases: Cases | None) -> None:
        self.surface, self.cases = surface, cases
        start = np.array(start, np.float64)
        self.fixed = np.broadcast_to(fixed, start.shape)
        self.points = np.where(self.fixed, start, np.clip(start, surface.lower, surface.upper))
        slope = surface.slope(self.points, cases, np.arange(len(start)))
        self.value, self.gradient, self.curvature = (np.array(part) for part in slope)
        self.damping = np.full(len(start), FIRST_DAMPING)
        self.lost = ~_finite(slope)
        self.arrived, self.stuck = np.zeros((2, len(start)), bool)
        self.left = np.full(len(start), np.inf)  # the fall that was last predicted

    def step(self, at: Array) -> None:
        """Go on with the cases of these numbers."""
        lower, upper, spread = self.surface.lower, self.surface.upper, self.surface.spread
        x, g, a = self.points[at], self.gradient[at], self.curvature[at]
        free = ~(self.fixed[at] | ((x <= lower) & (g > 0)) | ((x >= upper) & (g < 0)))
        # A parameter that the case's data do not touch stays where it is.
        free &= np.diagonal(a, axis1=1, axis2=2) != 0
        move = _moves(np.where(free, g, 0), a, free, self.damping[at], not self.surface.squares)
        move = np.where(free, np.clip(x + move, lower, upper) - x, 0)
        image = np.einsum("kij,kj->ki", a, move)
        predicted = -np.einsum("ki,ki->k", 2 * g + image, move)
        small = predicted <= np.maximum(ENOUGH * spread, 1e-15 * np.abs(self.value[at]))
        light = (self.damping[at] <= 1e-2) | (predicted <= 0)
        done = small & light
        self.arrived[at[done]] = True
        # The last step is too small to be seen in S, but not in the parameters.
        self.points[at[done]] += np.where(predicted > 0, 1.0, 0.0)[done, None] * move[done]
        self.left[at] = predicted
        at, move, x, predicted = at[~done], move[~done], x[~done], predicted[~done]
        if at.size:
            self._take(at, x + move, predicted)

    def _take(self, at: Array, points: Array, predicted: Array) -> None:
        """Stand at new points, where S falls enough."""
        found = self.surface.slope(points, self.cases, at)
        fall = self.value[at] - found.value
        good = _finite(found) & (fall > ACCEPT * predicted)
        taken = at[good]
        self.points[taken] = points[good]
        self.value[taken], self.gradient[taken] = found.value[good], found.gradient[good]
        self.curvature[taken] = found.curvature[good]
        factor = np.where(good, np.where(fall > 0.75 * predicted, 0.1, 0.5), 10.0)
        self.damping[at] = np.maximum(self.damping[at] * factor, LEAST_DAMPING)
        drowned = ~good & (predicted <= 1e-12 * np.abs(self.value[at]))
        self.arrived[at[drowned]] = True
        self.stuck[at] = self.damping[at] > MOST_DAMPING


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


def minimum_of(fit: Any, likely: bool = True) -> Surface:
    """The surface of a fit, at its minimum.

    Raises:
        UsageError: the fit is at no minimum, has no noise, or (`likely`) is of no likelihood.
    """
    surface = Surface(evidence_of(fit, "a refit" if likely else "bootstrap"), fit.bounds)
    if likely and not (surface.squares or surface.is_likelihood):
        raise UsageError(
            f"the loss {fit.loss_name} is no likelihood, so a rise of it has no probability",
            remedy='write fit.bootstrap(kind="case").intervals()',
        )
    if likely and not surface.spread > 0:
        why = "the fit is exact: there is no noise to judge it by"
        raise UsageError(why if surface.spread == 0 else NO_FREEDOM, remedy=SIGMAS)
    found = refit(surface, surface.best[None])
    fall = surface.value - float(found.value[0])
    if not found.arrived[0] or fall > CLOSE * surface.spread:
        raise UsageError(
            "the descent had not arrived: uncertainties belong to a minimum",
            remedy="fit on from there: descend.fit(…, start=fit)",
        )
    return surface.moved(found.points[0]) if fall > 0 else surface


def index_of(fit: Any, surface: Surface, name: str) -> int:
    """Which free number has this name.

    Raises:
        UsageError: none has.
    """
    if name not in surface.names:
        if name in fit.fixed:
            raise UsageError(f"{name} is fixed: it has no interval", remedy="leave it out of fixed")
        if name in fit.ties:
            raise UsageError(
                f"{name} is tied: {name} = {fit.ties[name]}",
                remedy=f'write fit.propagate("{name}"), or profile what it is tied to',
            )
        own = [n for n in surface.names if n.startswith((f"{name}[", f"{name}."))]
        hint = f": it has the numbers {', '.join(own[:6])}" if own else suggest(name, surface.names)
        raise UsageError(
            f'"{name}" is no free number of the fit{hint}',
            remedy=f"the free numbers are {', '.join(surface.names[:12])}",
        )
    return surface.names.index(name)
