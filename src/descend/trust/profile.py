"""Profile-likelihood intervals: how far one parameter may go while all others make up for it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import field
from typing import TYPE_CHECKING, Any

import numpy as np

from descend.lean import dataclass
from descend.show import canvas
from descend.show.layout import Section
from descend.show.numbers import DIGITS, end_of, full, plural, short
from descend.show.shown import Uncertain
from descend.trust.quantiles import region_factor
from descend.trust.refit import refit
from descend.trust.surface import Surface

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["Profile", "Side", "profiles"]

Array = np.ndarray[Any, np.dtype[Any]]

STEPS_TO_EDGE = 8  # steps of equal rise on the way to the threshold
MOST_POINTS = 80
LONGEST = 3.0  # a step may be so many times the one before
FAR = 1e6  # standard errors (or 1e9 times the value) at which a profile counts as open
EDGE_TOLERANCE = 1e-6  # in the square root of the rise: about 1e-6 of the interval's half
BETTER = 1e-6  # a fall below the fit's own S by more than this share of s²
REACHED, BOUND, OPEN, STUCK, LOWER = "reached", "bound", "open", "stuck", "lower"


@dataclass(frozen=True)
class Side:
    """One end of a profile interval.

    Attributes:
        limit: where the interval ends; infinite where it does not.
        reason: `reached` the threshold, `bound` stops the parameter, `open` where S levels off
            below the threshold, `stuck` where refits failed, `lower` where S fell below the fit's.
        rise: the square root of (S - lowest)/s² at the last point.
    """

    limit: float
    reason: str
    rise: float


@dataclass
class Profile(Uncertain):
    """The profile of one parameter: `low`, `high`, and the way there.

    Attributes:
        low, high: the interval; NaN on both sides where a better minimum was found.
        values: (m,) values of the parameter, ascending.
        rises: (m,) (S - lowest)/s², all other parameters refitted.
        paths: (m, p) all parameters on the way.
        threshold: the rise at which the interval ends.
        sides: why it ends below and above.
        better: the parameters at a lower place that was met on the way, or None.
    """

    name: str
    level: float
    best: float
    low: float
    high: float
    threshold: float
    sides: tuple[Side, Side]
    values: Array
    rises: Array
    paths: Array
    names: tuple[str, ...]
    stderr: float
    better: dict[str, float] | None = None
    kind: str = field(default="profile")

    __repr__ = Uncertain.__repr__

    def _told(self) -> tuple[str, list[Section]]:
        """The interval of one parameter, and how far it is from symmetric."""
        reach = math.sqrt(self.threshold) * self.stderr
        rows: list[tuple[str, ...]] = [
            ("value", full(self.best, DIGITS + 2)),
            ("interval", f"{end_of(self.low)} to {end_of(self.high)}"),
            ("symmetric", f"{end_of(self.best - reach)} to {end_of(self.best + reach)}"),
            ("refits", plural(max(len(self.values) - 1, 0), "point")),
        ]
        title = f"Profile of {self.name} at {self.level:.4g}"
        return title, [Section("", rows=rows, remarks=self.remarks())]

    def remarks(self) -> list[str]:
        """What is to be said of the ends of the interval."""
        if self.better is not None:
            place = ", ".join(f"{name}={value:.6g}" for name, value in self.better.items())
            return [
                f"A lower minimum was found on the way along {self.name}: the fit is not at the "
                f"best place. Fit again from there: start=dict({place})."
            ]
        sides = zip(("below", "above"), self.sides, strict=True)
        return [note for word, side in sides if (note := self._remark(word, side))]

    def _remark(self, word: str, side: Side) -> str:
        goal = math.sqrt(self.threshold)
        if side.reason == BOUND:
            bound = f"{side.limit:.6g}"
            return f"{self.name} is one-sided: {word}, its bound {bound} ends the interval."
        if side.reason == OPEN:
            return (
                f"{self.name} is open {word}: the fit gets worse by no more than {side.rise:.2g} "
                f"standard errors there, and {goal:.3g} would end the interval."
            )
        if side.reason in (STUCK, LOWER):
            return f"The end of {self.name} {word} was not found: refits failed on the way."
        return ""

    def plot(self, path: canvas.Path = None) -> Figure:
        """Draw the rise of the fit along the parameter, and how the others follow.

        Raises:
            UsageError: the path cannot be written.
        """
        lines = [f"{self.name} = {short(self.best)}, from {short(self.low)} to "
                 f"{short(self.high)} at {self.level:.4g}", "profile likelihood"]  # fmt: skip
        figure = canvas.new_figure(f"Profile of {self.name}", lines)
        others = [k for k, name in enumerate(self.names) if name != self.name]
        left, right = figure.subplots(1, 2) if others else (figure.subplots(1, 1), None)
        left.plot(self.values, self.rises, "o-", color=canvas.DATA, markersize=4, linewidth=1.8,
                  label="(S − lowest) / s²")  # fmt: skip
        if self.stderr > 0:
            x = np.linspace(self.values[0], self.values[-1], 200)
            parabola = ((x - self.best) / self.stderr) ** 2
            shown = parabola <= 1.5 * self.threshold
            left.plot(x[shown], parabola[shown], "--", color=canvas.MUTED, linewidth=1.2,
                      label="by the standard error")  # fmt: skip
        left.axhline(self.threshold, color=canvas.FIT, linewidth=1.2, label=f"{self.level:.4g}")
        for end in (self.low, self.high):
            if math.isfinite(end):
                left.axvline(end, color=canvas.FIT, linewidth=0.9, linestyle=":")
        canvas.style(left, self.name, "")
        canvas.legend_above(left, columns=3)
        if right is not None:
            self._draw_others(right, others)
        return canvas.save(figure, path)

    def _draw_others(self, axes: Axes, others: list[int]) -> None:
        """The other parameters over this one, each in units of its own change."""
        at = int(np.argmin(np.abs(self.values - self.best)))
        for k in others[:canvas.MOST_PANELS]:
            column = self.paths[:, k]
            reach = float(np.max(np.abs(column - column[at]))) or 1.0
            label = f"{self.names[k]} ± {short(reach, 3)}"
            axes.plot(self.values, (column - column[at]) / reach, linewidth=1.8, label=label)
        axes.axvline(self.best, color=canvas.RULE, linewidth=1.0)
        canvas.style(axes, self.name, "change of the others")
        canvas.legend_above(axes, columns=3)


class _Walk:
    """One way out from the lowest place: up or down along one parameter."""

    def __init__(self, surface: Surface, index: int, sign: int, goal: float) -> None:
        self.index, self.sign, self.goal = index, sign, goal
        self.best = surface.best
        edge = surface.upper[index] if sign > 0 else surface.lower[index]
        self.room = abs(float(edge) - float(surface.best[index]))
        variance = float(surface.inverse[index, index])
        error = math.sqrt(variance * surface.spread) if variance > 0 else 0.0
        value = abs(float(surface.best[index]))
        self.error = error if error > 0 and math.isfinite(error) else 0.1 * value or 0.1
        slope = surface.inverse[:, index] / variance if variance > 0 else np.zeros(len(self.best))
        self.slope = np.where(np.isfinite(slope), slope, 0.0)
        self.far = max(FAR * self.error, 1e9 * value) if error > 0 else 1e6 * max(value, 1.0)
        self.places, self.rises, self.points = [0.0], [0.0], [surface.best]
        self.above: tuple[float, float] | None = None  # the nearest place beyond the threshold
        self.longest = math.inf  # a step; shorter after refits that failed
        self.reason = "" if self.room > 0 else BOUND
        self.lowest: tuple[float, Array] | None = None

    def next_place(self) -> float:
        """The next distance from the lowest place."""
        last, rise = self.places[-1], self.rises[-1]
        if self.above is not None:
            return min(self._between(last, rise), last + self.longest)
        step = self.goal / STEPS_TO_EDGE * self.error
        if len(self.places) > 1:
            before = last - self.places[-2]
            gain = (rise - self.rises[-2]) / before
            wanted = self.goal / STEPS_TO_EDGE / gain if gain > 0 else math.inf
            step = min(max(wanted, before / LONGEST), LONGEST * before)
        return min(last + min(step, self.longest), self.room)

    def _between(self, last: float, rise: float) -> float:
        """Where a line between the ends says that the threshold lies, kept inside of them."""
        assert self.above is not None
        place, top = self.above
        share = (self.goal - rise) / (top - rise)
        return last + (place - last) * min(max(share, 0.02), 0.98)

    def start(self, place: float) -> Array:
        """Where the others probably are there: on the line through the last two points."""
        last = self.places[-1]
        if len(self.places) > 1:
            along = (self.points[-1] - self.points[-2]) / (last - self.places[-2])
        else:
            along = self.sign * self.slope
        guess = np.asarray(self.points[-1] + along * (place - last))
        guess[self.index] = self.best[self.index] + self.sign * place
        return guess

    def take(self, place: float, rise: float, point: Array, arrived: bool) -> None:
        """Learn what was found at a place; `rise` is (S - lowest)/s²."""
        if not (arrived and math.isfinite(rise)):
            self._failed(place)
            return
        if rise < -BETTER:
            self.lowest, self.reason = (rise, point), LOWER
            return
        root = math.sqrt(max(rise, 0.0))
        if root > self.goal * (1 + EDGE_TOLERANCE):
            self.above = (place, root)
            self._close()
            return
        self.places.append(place)
        self.rises.append(root)
        self.points.append(point)
        self.longest *= 2
        self._close()
        if root >= self.goal * (1 - EDGE_TOLERANCE):
            self.reason = REACHED
        elif place >= self.room:
            self.reason = BOUND
        elif place >= self.far or len(self.places) > MOST_POINTS:
            self.reason = OPEN

    def _close(self) -> None:
        """Stop between neighbouring places, as where S jumps over the threshold."""
        if self.above is not None and self.above[0] - self.places[-1] <= 1e-9 * self.above[0]:
            self.reason = REACHED

    def _failed(self, place: float) -> None:
        self.longest = 0.25 * (place - self.places[-1])
        if self.longest < 1e-3 * self.error:
            self.reason = STUCK

    def side(self) -> Side:
        """The end of the interval on this side."""
        place = math.inf if self.reason == OPEN else self.places[-1]
        if self.reason == BOUND:
            place = self.room
        limit = float(self.best[self.index] + self.sign * place)
        limit = math.nan if self.reason in (STUCK, LOWER) else limit
        return Side(limit, self.reason, self.rises[-1])


def profiles(
    surface: Surface, indices: Sequence[int], level: float, reach: float | None = None
) -> list[Profile]:
    """Profile some parameters, all of them and both sides in step.

    The interval holds the values at which (S(θ) - S)/s² stays below F(1, ν), or χ²(1) where the
    scale is known, with all other parameters refitted. Steps are chosen so that the square root
    of the rise grows evenly; the ends are found by the rule of false position on that root, which
    is nearly straight.

    Bates and Watts, "Nonlinear Regression Analysis and Its Applications" (1988), section 6.1;
    Venzon and Moolgavkar, "A method for computing profile-likelihood-based confidence intervals"
    (1988).

    Args:
        surface: with a spread that is positive.
        indices: which parameters.
        reach: the square root of the rise to go to, where it is not that of the level.
    """
    goal = region_factor(level, 1, surface.dof) if reach is None else reach
    walks = [_Walk(surface, j, sign, goal) for j in indices for sign in (-1, 1)]
    rounds = 0
    while (open_ := [w for w in walks if not w.reason]) and rounds < 3 * MOST_POINTS:
        rounds += 1
        places = [w.next_place() for w in open_]
        starts = np.array([w.start(p) for w, p in zip(open_, places, strict=True)])
        fixed = np.zeros(starts.shape, bool)
        fixed[np.arange(len(open_)), [w.index for w in open_]] = True
        found = refit(surface, starts, fixed)
        rises = (found.value - surface.value) / surface.spread
        for w, p, rise, point, good in zip(
            open_, places, rises, found.points, found.arrived, strict=True
        ):
            w.take(p, float(rise), point, bool(good))
    for w in walks:
        w.reason = w.reason or STUCK
    pairs = zip(walks[::2], walks[1::2], strict=True)
    return [_record(surface, low, high, level) for low, high in pairs]


def _record(surface: Surface, low: _Walk, high: _Walk, level: float) -> Profile:
    j = low.index
    sides = (low.side(), high.side())
    points = np.array([*low.points[:0:-1], *high.points])
    rises = np.array([*low.rises[:0:-1], *high.rises]) ** 2
    lower = [w.lowest for w in (low, high) if w.lowest is not None]
    better: Mapping[str, float] | None = None
    if lower:
        _, place = min(lower, key=lambda found: found[0])
        # The way ends where all parameters are let go.
        found = refit(surface, place[None])
        better = dict(zip(surface.names, map(float, found.points[0]), strict=True))
    ends = (math.nan, math.nan) if lower else (sides[0].limit, sides[1].limit)
    return Profile(
        surface.names[j], level, float(surface.best[j]), *ends, low.goal**2, sides,
        points[:, j], rises, points, surface.names,
        math.sqrt(max(surface.inverse[j, j] * surface.spread, 0.0)),
        None if better is None else dict(better),
    )  # fmt: skip
