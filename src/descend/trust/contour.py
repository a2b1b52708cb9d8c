"""Regions of two parameters together, all others refitted at every place."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from descend.lean import dataclass
from descend.show import canvas
from descend.show.layout import Section
from descend.show.numbers import end_of, shortened
from descend.show.shown import Uncertain
from descend.trust.profile import BOUND, LOWER, OPEN, Side, profiles
from descend.trust.quantiles import region_factor
from descend.trust.refit import refit
from descend.trust.surface import Surface

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["Contour", "contours"]

Array = np.ndarray[Any, np.dtype[Any]]
MARGIN = 0.08  # of the extent, on each side of the widest region


@dataclass
class Contour(Uncertain):
    """Regions of two parameters together: S over both.

    Attributes:
        x, y: (m,) values of the first and of the second parameter.
        rises: (m, m) (S - lowest)/s², the second parameter along the first axis; NaN where the
            refit failed.
        levels, thresholds: levels of confidence, and the rise at which each region ends.
        cut: what stops the regions short, in words.
    """

    names: tuple[str, str]
    best: tuple[float, float]
    x: Array
    y: Array
    rises: Array
    levels: tuple[float, ...]
    thresholds: tuple[float, ...]
    cut: tuple[str, ...] = ()

    __repr__ = Uncertain.__repr__

    def _told(self) -> tuple[str, list[Section]]:
        """How large the grid is, and what cuts the regions off."""
        levels = ", ".join(f"{level:.4g}" for level in self.levels)
        rows: list[tuple[str, ...]] = [
            ("grid", f"{len(self.x)} × {len(self.y)} places"),
            ("levels", levels),
        ]
        for name, axis in zip(self.names, (self.x, self.y), strict=True):
            low, high = float(axis[0]), float(axis[-1])
            rows.append((shortened(name, 12), f"{end_of(low)} to {end_of(high)}"))
        remarks = [f"{note[0].upper()}{note[1:]}." for note in self.cut]
        title = f"Regions of {self.names[0]} and {self.names[1]}"
        return title, [Section("", rows=rows, remarks=remarks)]

    def plot(self, path: canvas.Path = None) -> Figure:
        """Draw the regions.

        Raises:
            UsageError: the path cannot be written.
        """
        levels = ", ".join(f"{level:.4g}" for level in self.levels)
        lines = [f"joint regions of {levels}, all other parameters refitted", *self.cut[:1]]
        figure = canvas.new_figure(f"{self.names[0]} and {self.names[1]}", lines)
        axes = figure.subplots(1, 1)
        rises = np.where(np.isfinite(self.rises), self.rises, np.nan)
        order = np.argsort(self.thresholds)
        edges = [self.thresholds[k] for k in order]
        axes.contourf(self.x, self.y, rises, levels=[0.0, *edges],
                      cmap=canvas.contour_colours().reversed())  # fmt: skip
        drawn = axes.contour(self.x, self.y, rises, levels=edges, colors=canvas.DATA,
                             linewidths=1.6)  # fmt: skip
        names = {edge: f"{self.levels[k]:.4g}" for edge, k in zip(edges, order, strict=True)}
        axes.clabel(drawn, fmt=names, fontsize=11)
        axes.plot(*self.best, "+", color=canvas.FIT, markersize=14, markeredgewidth=2)
        canvas.style(axes, *self.names)
        return canvas.save(figure, path)


def contours(
    surface: Surface, first: int, second: int, levels: Sequence[float], points: int
) -> Contour:
    """S on a grid over two parameters that holds the widest region.

    A region holds the places where (S - lowest)/s² stays below 2·F(2, ν), or χ²(2) where the
    scale is known. How far it reaches is told by the profiles of each of the two up to that rise.
    The grid is walked from the lowest place outwards: each ring starts from the one inside.
    """
    factors = [region_factor(level, 2, surface.dof) for level in levels]
    extents, cut = _extents(surface, (first, second), max(factors))
    axes = [_axis(*extent, float(surface.best[j]), points) for extent, j in
            zip(extents, (first, second), strict=True)]  # fmt: skip
    rises = _grid(surface, (first, second), axes)
    return Contour(
        (surface.names[first], surface.names[second]),
        (float(surface.best[first]), float(surface.best[second])),
        axes[0], axes[1], rises, tuple(levels), tuple(f**2 for f in factors), cut,
    )  # fmt: skip


def _extents(
    surface: Surface, indices: tuple[int, int], factor: float
) -> tuple[list[tuple[float, float]], tuple[str, ...]]:
    """How far the widest region reaches along each parameter, and what cuts it off."""
    cut, extents = [], []
    for found in profiles(surface, indices, math.nan, factor):
        ends = []
        for side, last in zip(found.sides, (found.values[0], found.values[-1]), strict=True):
            if side.reason in (BOUND, OPEN, LOWER) or math.isnan(side.limit):
                cut.append(_cut(found.name, side))
            finite = side.limit if math.isfinite(side.limit) else last
            if side.reason == OPEN:
                reach = 4 * factor * (found.stderr or abs(found.best) or 1.0)
                finite = found.best + math.copysign(min(abs(last - found.best), reach),
                                                    last - found.best)  # fmt: skip
            ends.append(float(finite))
        room = MARGIN * (ends[1] - ends[0]) or MARGIN * max(abs(found.best), 1.0)
        j = surface.names.index(found.name)
        extents.append(
            (max(ends[0] - room, float(surface.lower[j])),
             min(ends[1] + room, float(surface.upper[j])))
        )  # fmt: skip
    return extents, tuple(dict.fromkeys(cut))


def _cut(name: str, side: Side) -> str:
    why = {
        BOUND: f"the bound {side.limit:g} of {name} cuts the regions off",
        OPEN: f"the regions are open: {name} may go on without end",
        LOWER: f"S falls below the fit's on the way along {name}: fit again",
    }
    return why.get(side.reason, f"refits along {name} failed")


def _axis(low: float, high: float, best: float, points: int) -> Array:
    """Places from low to high; the one nearest to the lowest place is moved onto it."""
    axis = np.linspace(low, high, points)
    axis[np.argmin(np.abs(axis - best))] = best
    return axis


def _grid(surface: Surface, indices: tuple[int, int], axes: list[Array]) -> Array:
    i, j = indices
    size = (len(axes[1]), len(axes[0]))
    centre = (int(np.argmin(abs(axes[1] - surface.best[j]))),
              int(np.argmin(abs(axes[0] - surface.best[i]))))  # fmt: skip
    rises = np.full(size, np.nan)
    points = np.tile(surface.best, (*size, 1))
    rows, columns = np.indices(size)
    ring = np.maximum(abs(rows - centre[0]), abs(columns - centre[1]))
    fixed = np.zeros(surface.best.size, bool)
    fixed[[i, j]] = True
    for radius in range(int(ring.max()) + 1):
        r, c = np.nonzero(ring == radius)
        # The neighbour one ring further in.
        inner = (r - np.sign(r - centre[0]) * (abs(r - centre[0]) == radius),
                 c - np.sign(c - centre[1]) * (abs(c - centre[1]) == radius))  # fmt: skip
        start = points[inner]
        start[:, i], start[:, j] = axes[0][c], axes[1][r]
        found = refit(surface, start, fixed)
        points[r, c] = np.where(found.arrived[:, None], found.points, start)
        rises[r, c] = np.where(
            found.arrived, (found.value - surface.value) / surface.spread, np.nan
        )
    return rises
