"""The surface that a fit has found the lowest place of, as everything here looks at it."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from descend.lean import dataclass

__all__ = ["Local", "Slope", "Surface"]

Array = np.ndarray[Any, np.dtype[Any]]


class Slope(NamedTuple):
    """S ≈ value + 2·gradient·δ + δᵀ·curvature·δ, for k cases at once.

    Attributes:
        value: (k,) the sum of squares, or twice the negative logarithm of the likelihood.
        gradient: (k, p) half its gradient: Jᵀr.
        curvature: (k, p, p) half its second derivatives: JᵀJ.
    """

    value: Array
    gradient: Array
    curvature: Array


Local = Callable[[Array, Array], Slope]
"""S around points (k, p), each for the data set of that number (k,)."""


@dataclass(frozen=True)
class Surface:
    """S over the free parameters, which is lowest at `best`.

    Attributes:
        names: one a free number.
        best, lower, upper: (p,) the lowest place, and the bounds.
        count: the number n of residuals.
        spread: s², by which S is divided to be compared with quantiles.
        dof: degrees of freedom of s²; infinite where the scale is known.
        local: S with the data of the fit, which are its only data set.
        others: S with other targets (m, ...) and row weights (m, rows), as many data sets; None
            stands for those of the fit.
        exact: whether the curvature may be indefinite, as that of a likelihood may be.
    """

    names: tuple[str, ...]
    best: Array
    lower: Array
    upper: Array
    count: int
    spread: float
    dof: float
    local: Local
    others: Callable[[Array | None, Array | None], Local]
    exact: bool = False

    @functools.cached_property
    def at_best(self) -> Slope:
        """The slope at the lowest place."""
        return self.local(self.best[None], np.zeros(1, np.intp))

    @property
    def value(self) -> float:
        """S at the lowest place."""
        return float(self.at_best.value[0])

    @functools.cached_property
    def held(self) -> Array:
        """(p,) which parameters lie on a bound that keeps them from going on."""
        slope = self.at_best.gradient[0]
        low, high = self.best <= self.lower, self.best >= self.upper
        return np.asarray((low & (slope >= 0)) | (high & (slope <= 0)))

    @functools.cached_property
    def inverse(self) -> Array:
        """(p, p) the inverse of the curvature; zero for those that are held."""
        free = np.flatnonzero(~self.held)
        matrix = self.at_best.curvature[0][np.ix_(free, free)]
        scale = np.sqrt(np.maximum(np.diag(matrix), np.finfo(float).tiny))
        found = np.zeros((self.best.size, self.best.size))
        inner = np.linalg.pinv(matrix / np.outer(scale, scale), rcond=1e-14, hermitian=True)
        found[np.ix_(free, free)] = inner / np.outer(scale, scale)
        return found
