"""The bootstrap: fits to data drawn anew, and the intervals that they give."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from descend.errors import UsageError, suggest
from descend.lean import dataclass
from descend.show import canvas
from descend.show.layout import Section
from descend.show.numbers import DIGITS, NAME_WIDTH, count, end_of, full, plural, shortened
from descend.show.shown import Uncertain
from descend.trust.diagnostics import leverages
from descend.trust.intervals import Interval, Intervals
from descend.trust.quantiles import check_level, expanded_tails
from descend.trust.refit import NO_FREEDOM, SIGMAS, Refits, minimum_of, refit
from descend.trust.resampling import Draw, drawing
from descend.trust.surface import Cases, Surface

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = [
    "KINDS",
    "Bootstrap",
    "acceleration",
    "bca_shares",
    "bootstrapped",
    "influences",
    "linear_acceleration",
    "linear_stretch",
    "resample",
]

Array = np.ndarray[Any, np.dtype[Any]]

KINDS = ("residual", "case", "parametric")
INTERVALS = ("bca", "percentile", "basic")
MOST_JACKKNIFE = 1000  # more rows than this are left out in so many groups
AT_ONCE, MOST_NUMBERS = 1000, 1 << 24


@dataclass
class Bootstrap(Uncertain):
    """What many fits to data drawn anew gave.

    Attributes:
        names: one a free number.
        best: (p,) the fit's own values.
        draws: (n, p) those of the fits that arrived.
        failed: how many did not.
        influences: (groups, p) how far leaving out a row (or, of many, a group of rows) moves
            the parameters; (0, p) where BCa needs none.
        acceleration: (p,) how fast the standard error changes with the parameter, for BCa.
        dof: degrees of freedom of the variance of the draws; infinite where its scale is known.
        stretch: (p,) how much larger the standard errors are than the spread of the draws.
        on_bound: whether a bound holds a parameter of the fit.
        findings: what the data do not determine, in words; its draws are NaN.
    """

    kind: str
    seed: int
    names: tuple[str, ...]
    best: Array
    draws: Array
    failed: int
    influences: Array
    acceleration: Array
    dof: float
    stretch: Array
    on_bound: bool
    findings: tuple[str, ...] = ()

    __repr__ = Uncertain.__repr__

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
        """(p, 2) the lower and upper ends of the intervals.

        `percentile` takes quantiles of the draws; `basic` mirrors them at the fit's value; `bca`
        corrects them for bias and acceleration. Davison and Hinkley, "Bootstrap Methods and their
        Application" (1997), chapter 5: the k-th of n ordered draws is the k/(n + 1) quantile.
        All three take their quantiles where Student's t has the level (`expanded_tails`).
        Where a bound holds the fit, the draws' lopsidedness is the bound's and no bias of the
        estimate (Andrews, "Inconsistency of the bootstrap when a parameter is on the boundary of
        the parameter space", 2000): `bca` corrects nothing there, and is `percentile`.

        Raises:
            UsageError: there is no such kind, or the level is no number between 0 and 1.
        """
        at = self._shares(level, kind)
        ends = [np.quantile(self.draws[:, j], at[j], method="weibull") for j in range(len(at))]
        found: Array = np.array(ends).reshape(-1, 2)
        mirrored: Array = 2 * self.best[:, None] - found[:, ::-1]
        return mirrored if kind == "basic" else found

    def beyond(self, level: float, kind: str) -> tuple[str, ...]:
        """The parameters whose ends would lie outside of all draws: they are too few."""
        at = self._shares(level, kind)
        least = np.minimum(at[:, 0], 1 - at[:, 1]) * (self.n + 1)
        few = (least < 1) & ~np.isnan(self.draws[0])
        return tuple(name for name, is_few in zip(self.names, few, strict=True) if is_few)

    def _shares(self, level: float, kind: str) -> Array:
        """(p, 2) which quantiles of the draws are the ends of intervals of a kind."""
        if kind not in INTERVALS:
            raise UsageError(
                f'there is no bootstrap interval of kind "{kind}"{suggest(kind, INTERVALS)}',
                remedy=f"the kinds are {', '.join(INTERVALS)}",
            )
        tails = expanded_tails(check_level(level), self.dof, self.stretch)
        if kind == "bca" and not self.on_bound:
            return bca_shares(self.draws, self.best, self.acceleration, tails)
        return np.broadcast_to(tails, (self.draws.shape[1], 2))

    def intervals(self, level: float = 0.95, kind: str = "bca") -> Intervals:
        """The intervals of all parameters: `bca`, `percentile` or `basic`.

        Raises:
            UsageError: there is no such kind, or the level is no number between 0 and 1.
        """
        ends = self.limits(level, kind)
        best = dict(zip(self.names, map(float, self.best), strict=True))
        rows = zip(self.names, ends, strict=True)
        entries = {name: Interval(float(low), float(high)) for name, (low, high) in rows}
        word = "BCa" if kind == "bca" else kind
        title = f"the {word} bootstrap ({self.kind}, {self.n} fits)"
        notes = tuple(self.remarks(level, kind))
        return Intervals(title, level, best, entries, notes)

    def _told(self) -> tuple[str, list[Section]]:
        """Errors, biases and BCa intervals."""
        level = 0.95
        table = Section("", ("name", "value", "± error", "bias", "low", "high"))
        ends = self.limits(level, "bca")
        cells = [
            (shortened(name, NAME_WIDTH), full(float(best), DIGITS + 2),
             end_of(self.stderr[name]), end_of(self.bias[name], 3), end_of(float(low)),
             end_of(float(high)))
            for name, best, (low, high) in zip(self.names, self.best, ends, strict=True)
        ]  # fmt: skip
        table.fill(cells, range(1, len(table.header)))
        table.remarks = [
            f"low and high: the BCa interval of {level:.4g}. Seed {self.seed}.",
            *self.remarks(level),
        ]
        if self.failed:
            table.remarks.append(
                f"Left out: {plural(self.failed, 'fit')} of {count(self.n + self.failed)} that "
                "found no minimum. The others look better than all would."
            )
        return f"Bootstrap of {self.n} fits ({self.kind})", [table]

    def remarks(self, level: float, kind: str = "bca") -> list[str]:
        """What is to be said of the ends."""
        notes = [*self.findings]
        if math.isfinite(self.dof):
            notes.append(
                f"Quantiles expanded to Student's t of {self.dof:.6g} "
                f"{'degree' if self.dof == 1 else 'degrees'} of freedom."
            )
        if kind == "bca" and self.on_bound:
            notes.append(
                "A parameter lies on its bound, where BCa has no bias to correct: these are the "
                "percentile intervals."
            )
        if beyond := self.beyond(level, kind):
            names = ", ".join(beyond[:6]) + (", …" if len(beyond) > 6 else "")
            notes.append(
                f"{plural(self.n, 'fit')} are too few for {level:.4g}: an end of {names} lies "
                "beyond all draws, and is the outermost of them. Draw more."
            )
        return notes

    def plot(self, path: canvas.Path = None, level: float = 0.95) -> Figure:
        """Draw the distribution of each parameter, with its BCa interval.

        Raises:
            UsageError: the path cannot be written.
        """
        shown = min(len(self.names), canvas.MOST_PANELS)
        lines = [f"{plural(self.n, 'fit')} to data drawn anew ({self.kind}), seed {self.seed}",
                 f"lines: the fitted value, and the BCa interval of {level:.4g}"]  # fmt: skip
        figure = canvas.new_figure("Bootstrap", lines)
        columns = min(shown, 3)
        panels = np.atleast_1d(figure.subplots(-(-shown // columns), columns)).ravel()
        ends = self.limits(level, "bca")
        for k, axes in enumerate(panels):
            if k >= shown:
                axes.set_visible(False)
                continue
            if np.isnan(self.draws[:, k]).any():
                canvas.style(axes, f"{self.names[k]}: not determined by the data", "")
                continue
            bins = int(np.clip(2 * self.n ** (1 / 3), 8, 80))
            axes.hist(self.draws[:, k], bins=bins, color=canvas.PALE, edgecolor=canvas.PAPER)
            axes.axvline(self.best[k], color=canvas.FIT, linewidth=1.6)
            for end in ends[k]:
                axes.axvline(end, color=canvas.DATA, linewidth=1.2, linestyle="--")
            canvas.style(axes, self.names[k], "")
        return canvas.save(figure, path)


def bootstrapped(fit: Any, n: int, kind: str, seed: int) -> Bootstrap:
    """See `Fit.bootstrap`."""
    surface = minimum_of(fit, likely=False)
    if not surface.dof > 0:
        raise UsageError(NO_FREEDOM, remedy=SIGMAS)
    evidence, rows = surface.evidence, surface.evidence.rows
    assert surface.loss is not None
    lost = _undetermined(fit, surface)
    slopes = np.where(surface.held, 0.0, evidence.linear()[1]) if surface.squares else None
    drawn = drawing(
        kind, rows, surface.loss, surface.squares, evidence.prediction(),
        None if slopes is None else leverages(slopes), surface.spread,
    )  # fmt: skip
    found = resample(surface, drawn.draw, n, seed)
    if not found.arrived.any():
        raise UsageError("none of the fits to drawn data arrived", remedy='try kind="residual"')
    if drawn.skewness is not None and slopes is not None:
        out = np.empty((0, len(surface.names)))
        speed = linear_acceleration(slopes, drawn.skewness)
    else:
        out = influences(surface, rows.extra.get("sample_weight", np.ones(rows.n_rows)))
        speed = acceleration(out)
    return Bootstrap(
        kind, seed, surface.names, surface.best,
        np.where(lost, math.nan, found.points[found.arrived]),
        int(np.sum(~found.arrived)), out, speed, *_scatter(kind, surface, slopes, rows.n_rows),
        bool(surface.held.any()), tuple(fit.findings) if lost.any() else (),
    )  # fmt: skip


def _undetermined(fit: Any, surface: Surface) -> Array:
    """(p,) what the data do not determine: refits would leave it where they start."""
    if fit.covariance is None and "singular" not in fit.errors_note:
        return np.zeros(len(surface.names), bool)
    if fit.covariance is None:
        return ~surface.held
    known = np.isfinite(np.diag(fit.covariance))
    return np.asarray(~known & ~surface.held)


def _scatter(
    kind: str, surface: Surface, slopes: Array | None, rows: int
) -> tuple[float, Array]:
    """Degrees of freedom of the variance of the draws, and how far their spread falls short.

    Drawn rows take their variance from the rows themselves, whatever the loss and the sigmas.
    """
    one = np.ones(len(surface.names))
    if kind != "case":
        return surface.dof, one
    n, free = surface.count, surface.count - int((surface.lower < surface.upper).sum())
    if free <= 0:
        return math.inf, one
    stretch = math.sqrt(n / free) * one if slopes is None else linear_stretch(slopes)
    return free * rows / n, stretch


def resample(surface: Surface, draw: Draw, n: int, seed: int) -> Refits:
    """Fit n data sets that are drawn anew, each from the fit's own parameters on.

    Args:
        draw: so many data sets by a generator. Each thousand (fewer, of many rows) has a generator
            of its own, and they are drawn in order: the first do not depend on how many follow.
    """
    found = []
    block = _block(surface.count)
    for begin in range(0, n, block):
        count = min(block, n - begin)
        found.append(_refits(surface, draw(np.random.default_rng([seed, begin]), count)))
    return Refits(*(np.concatenate(parts) for parts in zip(*found, strict=True)))


def _block(rows: int) -> int:
    """How many data sets are held at once."""
    return max(1, min(AT_ONCE, MOST_NUMBERS // max(1, rows)))


def _refits(surface: Surface, cases: Cases) -> Refits:
    (data,) = cases.values()
    return refit(surface, np.repeat(surface.best[None], len(data), axis=0), cases=cases)


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
        left = _refits(surface, {"sample_weight": np.where(groups == at[:, None], 0.0, own)})
        found[at] = np.where(left.arrived[:, None], surface.best - left.points, 0.0)
    return np.asarray(found - found.mean(axis=0))


def acceleration(influences: Array) -> Array:
    """(p,) a sixth of the skewness of the influences.

    Efron, "Better bootstrap confidence intervals" (1987), equation 6.6.

    >>> acceleration(np.array([[-1.0], [-1.0], [2.0]])).round(4)
    array([0.068])
    """
    with np.errstate(all="ignore"):
        size = np.max(np.abs(influences), axis=0, initial=0.0)
        part = influences / np.where(size > 0, size, 1.0)
        found = np.sum(part**3, axis=0) / np.sum(part**2, axis=0) ** 1.5 / 6
    return np.asarray(np.where(np.isfinite(found), found, 0.0))


def linear_acceleration(jacobian: Array, skewness: float) -> Array:
    """(p,) the acceleration of least squares, where every error has the same skewness.

    The estimate is Σcᵢ·yᵢ with C = (JᵀJ)⁻¹Jᵀ, and a sixth of its skewness is γ·Σc³/(Σc²)^1.5/6.
    The jackknife, which takes the third moment at each row from that row alone, costs n refits
    and covers no better.

    Args:
        jacobian: (n, p) derivatives of the scaled residuals. skewness: γ, of the errors.

    >>> linear_acceleration(np.ones((4, 1)), 2.0).round(4)
    array([0.1667])
    """
    return skewness * acceleration(np.linalg.pinv(jacobian).T)


def linear_stretch(jacobian: Array) -> Array:
    """(p,) how much too small drawn rows make the standard errors of least squares.

    A residual has the variance σ²(1 - hᵢ), so that Σcᵢ²rᵢ² falls short of σ²Σcᵢ² by what the rows
    that decide have of it: the second correction (HC2) of MacKinnon and White, "Some
    heteroskedasticity-consistent covariance matrix estimators with improved finite sample
    properties" (1985). For a mean it is √(n/(n - 1)), as in Hesterberg (2015).

    Args:
        jacobian: (n, p) derivatives of the scaled residuals.

    >>> linear_stretch(np.ones((4, 1))).round(4)
    array([1.1547])
    """
    square = np.linalg.pinv(jacobian) ** 2
    whole, left = square.sum(axis=1), square @ (1 - leverages(jacobian))
    known = left > 1e-6 * whole
    return np.sqrt(np.where(known, whole, 1.0) / np.where(known, left, 1.0))


def bca_shares(draws: Array, best: Array, speed: Array, tails: Array) -> Array:
    """(p, 2) which quantiles of the draws are the ends of the BCa intervals.

    With z0 = Φ⁻¹(share of the draws below the fit's value) and the acceleration a, the end for z
    is Φ(z0 + (z0 + z)/(1 - a·(z0 + z))): Efron (1987), equation 2.3.

    Args:
        tails: (2,) or (p, 2) Φ(z) at both ends.

    >>> line = np.linspace(-1, 1, 101)[:, None]
    >>> bca_shares(line, np.zeros(1), np.zeros(1), np.array([0.05, 0.95])).round(3)
    array([[0.05, 0.95]])
    """
    from scipy import special

    n = len(draws)
    below = np.sum(draws < best, axis=0) + 0.5 * np.sum(draws == best, axis=0)
    shift = special.ndtri(np.clip(below / n, 0.5 / n, 1 - 0.5 / n))
    z = special.ndtri(tails)
    moved = shift[:, None] + z
    bent = 1 - speed[:, None] * moved
    ends = np.where(bent > 0, shift[:, None] + moved / np.where(bent > 0, bent, 1), z * math.inf)
    found: Array = special.ndtr(ends)
    return found
