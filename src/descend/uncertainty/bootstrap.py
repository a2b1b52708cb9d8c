"""The bootstrap: fits to data drawn anew, and the intervals that they give."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from descend.errors import UsageError, suggest
from descend.lean import dataclass
from descend.uncertainty.quantiles import check_level, normal_cdf, normal_quantile
from descend.uncertainty.refit import Refits, refit
from descend.uncertainty.surface import Surface

__all__ = [
    "KINDS",
    "BootstrapRecord",
    "acceleration",
    "bca_shares",
    "influences",
    "limits",
    "resample",
]

Array = np.ndarray[Any, np.dtype[Any]]
Draw = Callable[[np.random.Generator, int], tuple[Array | None, Array | None]]

KINDS = ("residual", "case", "parametric")
INTERVALS = ("bca", "percentile", "basic")
MOST_JACKKNIFE = 1000  # more rows than this are left out in so many groups
AT_ONCE, MOST_NUMBERS = 1000, 1 << 24


@dataclass
class BootstrapRecord:
    """What many fits to data drawn anew gave.

    Attributes:
        names: one a free number.
        best: (p,) the fit's own values.
        draws: (n, p) those of the fits that arrived.
        failed: how many did not.
        influences: (groups, p) how far leaving out a row (or, of many, a group of rows) moves
            the parameters, for BCa.
    """

    kind: str
    seed: int
    names: tuple[str, ...]
    best: Array
    draws: Array
    failed: int
    influences: Array

    @property
    def n(self) -> int:
        """How many fits there are."""
        return len(self.draws)

    @property
    def stderr(self) -> dict[str, float]:
        """The standard deviation of the draws."""
        spread = np.std(self.draws, axis=0, ddof=1)
        return dict(zip(self.names, map(float, spread), strict=True))

    @property
    def bias(self) -> dict[str, float]:
        """The mean of the draws less the fit's own value."""
        shift = np.mean(self.draws, axis=0) - self.best
        return dict(zip(self.names, map(float, shift), strict=True))

    @property
    def covariance(self) -> Array:
        """(p, p) of the draws."""
        return np.atleast_2d(np.cov(self.draws, rowvar=False))

    def limits(self, level: float = 0.95, kind: str = "bca") -> Array:
        """(p, 2) the lower and upper ends of the intervals."""
        return limits(self.draws, self.best, self.influences, check_level(level), kind)


def resample(
    surface: Surface, draw: Draw, n: int, seed: int,
    fits: Callable[[Array | None, Array | None], Refits] | None = None,
) -> Refits:  # fmt: skip
    """Fit n data sets that are drawn anew, each from the fit's own parameters on.

    Args:
        draw: so many data sets by a generator: targets (m, ...) and row weights (m, rows), or
            None for those of the fit. Each thousand (fewer, of many rows) has a generator of its
            own, and the data sets are drawn in order: the first do not depend on how many follow.
        fits: fits many data sets at once; by refits of the surface where None.
    """
    found = []
    block = _block(surface.count)
    for begin in range(0, n, block):
        count = min(block, n - begin)
        targets, weights = draw(np.random.default_rng([seed, begin]), count)
        if fits is None:
            found.append(_refits(surface, targets, weights, count))
        else:
            found.append(fits(targets, weights))
    return Refits(*(np.concatenate(parts) for parts in zip(*found, strict=True)))


def _block(rows: int) -> int:
    """How many data sets are held at once."""
    return max(1, min(AT_ONCE, MOST_NUMBERS // max(1, rows)))


def _refits(surface: Surface, targets: Array | None, weights: Array | None, count: int) -> Refits:
    start = np.repeat(surface.best[None], count, axis=0)
    return refit(
        surface.others(targets, weights), start, np.zeros(surface.best.size, bool), surface.lower,
        surface.upper, surface.spread, np.arange(count), surface.exact,
    )  # fmt: skip


def influences(surface: Surface, own: Array) -> Array:
    """What leaving out each row in turn takes off the parameters (the jackknife).

    More than 1000 rows are left out in 1000 groups, every thousandth row together.

    Args:
        own: (rows,) the row weights of the fit.
    """
    groups = np.arange(len(own)) % MOST_JACKKNIFE
    count = int(groups.max()) + 1
    found = np.empty((count, surface.best.size))
    block = _block(len(own))
    for begin in range(0, count, block):
        at = np.arange(begin, min(begin + block, count))
        weights = np.where(groups == at[:, None], 0.0, own)
        left = _refits(surface, None, weights, len(at))
        found[at] = np.where(left.arrived[:, None], surface.best - left.points, 0.0)
    return np.asarray(found - found.mean(axis=0))


def acceleration(influences: Array) -> Array:
    """(p,) a sixth of the skewness of the influences.

    Efron, "Better bootstrap confidence intervals" (1987), equation 6.6.

    >>> acceleration(np.array([[-1.0], [-1.0], [2.0]])).round(4)
    array([0.068])
    """
    square = np.sum(influences**2, axis=0)
    cube = np.sum(influences**3, axis=0)
    return np.asarray(np.where(square > 0, cube / np.maximum(square, 1e-300) ** 1.5 / 6, 0.0))


def bca_shares(draws: Array, best: Array, speed: Array, level: float) -> Array:
    """(p, 2) which quantiles of the draws are the ends of the BCa intervals.

    With z0 = Φ⁻¹(share of the draws below the fit's value) and the acceleration a, the end for z
    is Φ(z0 + (z0 + z)/(1 - a·(z0 + z))): Efron (1987), equation 2.3.

    >>> bca_shares(np.linspace(-1, 1, 101)[:, None], np.zeros(1), np.zeros(1), 0.9).round(3)
    array([[0.05, 0.95]])
    """
    n = len(draws)
    below = np.sum(draws < best, axis=0) + 0.5 * np.sum(draws == best, axis=0)
    shift = normal_quantile(np.clip(below / n, 0.5 / n, 1 - 0.5 / n))
    z = normal_quantile(np.array([0.5 - 0.5 * level, 0.5 + 0.5 * level]))
    moved = shift[:, None] + z
    bent = 1 - speed[:, None] * moved
    ends = np.where(bent > 0, shift[:, None] + moved / np.where(bent > 0, bent, 1), z * math.inf)
    shares: Array = normal_cdf(ends)
    return shares


def limits(draws: Array, best: Array, influences: Array, level: float, kind: str) -> Array:
    """(p, 2) the ends of bootstrap intervals.

    `percentile` takes quantiles of the draws; `basic` mirrors them at the fit's value; `bca`
    corrects them for bias and acceleration. Davison and Hinkley, "Bootstrap Methods and their
    Application" (1997), chapter 5: the k-th of n ordered draws is the k/(n + 1) quantile.
    """
    p = draws.shape[1]
    tails = np.array([0.5 - 0.5 * level, 0.5 + 0.5 * level])
    shares = np.broadcast_to(tails, (p, 2))
    if kind not in INTERVALS:
        raise UsageError(
            f'there is no bootstrap interval of kind "{kind}"{suggest(kind, INTERVALS)}',
            remedy=f"the kinds are {', '.join(INTERVALS)}",
        )
    if kind == "bca":
        shares = bca_shares(draws, best, acceleration(influences), level)
    ends = [np.quantile(draws[:, j], shares[j], method="weibull") for j in range(p)]
    found: Array = np.array(ends).reshape(p, 2)
    mirrored: Array = 2 * best[:, None] - found[:, ::-1]
    return mirrored if kind == "basic" else found
