"""Pictures of profiles, regions, bootstraps and diagnostics; matplotlib is imported on use."""

from __future__ import annotations

import math
import os
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from descend.show import canvas
from descend.show.numbers import plural, short
from descend.trust.bootstrap import BootstrapRecord
from descend.trust.contour import ContourRecord
from descend.trust.diagnostics import DiagnosticsRecord
from descend.trust.profile import ProfileRecord

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["plot_bootstrap", "plot_contour", "plot_diagnostics", "plot_profile"]

Array = NDArray[Any]
Path = str | os.PathLike[str] | None
MOST_PANELS = 9


def plot_profile(record: ProfileRecord, path: Path = None) -> Figure:
    """Draw the rise of the fit along one parameter, and how the others follow it."""
    lines = [f"{record.name} = {short(record.best)}, from {short(record.low)} to "
             f"{short(record.high)} at {record.level:.4g}", "profile likelihood"]  # fmt: skip
    figure = canvas.new_figure(f"Profile of {record.name}", lines)
    others = [k for k, name in enumerate(record.names) if name != record.name]
    left, right = figure.subplots(1, 2) if others else (figure.subplots(1, 1), None)
    left.plot(record.values, record.rises, "o-", color=canvas.DATA, markersize=4, linewidth=1.8,
              label="(S − lowest) / s²")  # fmt: skip
    if record.stderr > 0:
        x = np.linspace(record.values[0], record.values[-1], 200)
        parabola = ((x - record.best) / record.stderr) ** 2
        shown = parabola <= 1.5 * record.threshold
        left.plot(x[shown], parabola[shown], "--", color=canvas.MUTED, linewidth=1.2,
                  label="by the standard error")  # fmt: skip
    left.axhline(record.threshold, color=canvas.FIT, linewidth=1.2, label=f"{record.level:.4g}")
    for end in (record.low, record.high):
        if math.isfinite(end):
            left.axvline(end, color=canvas.FIT, linewidth=0.9, linestyle=":")
    canvas.style(left, record.name, "")
    canvas.legend_above(left, columns=3)
    if right is not None:
        _paths(right, record, others)
    return canvas.save(figure, path)


def _paths(axes: Axes, record: ProfileRecord, others: list[int]) -> None:
    """The other parameters over this one, each in units of its own change."""
    at = int(np.argmin(np.abs(record.values - record.best)))
    for k in others[:MOST_PANELS]:
        column = record.paths[:, k]
        reach = float(np.max(np.abs(column - column[at]))) or 1.0
        label = f"{record.names[k]} ± {short(reach, 3)}"
        axes.plot(record.values, (column - column[at]) / reach, linewidth=1.8, label=label)
    axes.axvline(record.best, color=canvas.RULE, linewidth=1.0)
    canvas.style(axes, record.name, "change of the others")
    canvas.legend_above(axes, columns=3)


def plot_contour(record: ContourRecord, path: Path = None) -> Figure:
    """Draw the regions of two parameters."""
    levels = ", ".join(f"{level:.4g}" for level in record.levels)
    lines = [f"joint regions of {levels}, all other parameters refitted", *record.cut[:1]]
    figure = canvas.new_figure(f"{record.names[0]} and {record.names[1]}", lines)
    axes = figure.subplots(1, 1)
    rises = np.where(np.isfinite(record.rises), record.rises, np.nan)
    order = np.argsort(record.thresholds)
    edges = [record.thresholds[k] for k in order]
    axes.contourf(record.x, record.y, rises, levels=[0.0, *edges],
                  cmap=canvas.contour_colours().reversed())  # fmt: skip
    drawn = axes.contour(record.x, record.y, rises, levels=edges, colors=canvas.DATA,
                         linewidths=1.6)  # fmt: skip
    names = {edge: f"{record.levels[k]:.4g}" for edge, k in zip(edges, order, strict=True)}
    axes.clabel(drawn, fmt=names, fontsize=11)
    axes.plot(*record.best, "+", color=canvas.FIT, markersize=14, markeredgewidth=2)
    canvas.style(axes, *record.names)
    return canvas.save(figure, path)


def plot_bootstrap(record: BootstrapRecord, path: Path = None, level: float = 0.95) -> Figure:
    """Draw the distribution of each parameter, with its BCa interval."""
    shown = min(len(record.names), MOST_PANELS)
    lines = [f"{plural(record.n, 'fit')} to data drawn anew ({record.kind}), seed {record.seed}",
             f"lines: the fitted value, and the BCa interval of {level:.4g}"]  # fmt: skip
    figure = canvas.new_figure("Bootstrap", lines)
    columns = min(shown, 3)
    panels = np.atleast_1d(figure.subplots(-(-shown // columns), columns)).ravel()
    ends = record.limits(level, "bca")
    for k, axes in enumerate(panels):
        if k >= shown:
            axes.set_visible(False)
            continue
        if np.isnan(record.draws[:, k]).any():
            canvas.style(axes, f"{record.names[k]}: not determined by the data", "")
            continue
        bins = int(np.clip(2 * record.n ** (1 / 3), 8, 80))
        axes.hist(record.draws[:, k], bins=bins, color=canvas.PALE, edgecolor=canvas.PAPER)
        axes.axvline(record.best[k], color=canvas.FIT, linewidth=1.6)
        for end in ends[k]:
            axes.axvline(end, color=canvas.DATA, linewidth=1.2, linestyle="--")
        canvas.style(axes, record.names[k], "")
    return canvas.save(figure, path)


def plot_diagnostics(record: DiagnosticsRecord, path: Path = None) -> Figure:
    """Draw residuals in order, against normal quantiles, and the weight of each row."""
    from scipy import special

    first = record.findings[0] if record.findings else "nothing remarkable"
    figure = canvas.new_figure("Diagnostics", [first])
    (order, normal), (leverage, cooks) = figure.subplots(2, 2)
    n = record.studentized.size
    row = np.arange(n, dtype=np.float64)
    canvas.points(order, row, record.studentized)
    for height in (-2.0, 0.0, 2.0):
        order.axhline(height, color=canvas.FIT if height == 0 else canvas.MUTED, linewidth=1.0)
    canvas.style(order, "row", "studentised residual")
    place = special.ndtri((np.arange(1, n + 1) - 0.375) / (n + 0.25))
    canvas.points(normal, place, np.sort(record.studentized))
    ends = np.array([place[0], place[-1]])
    normal.plot(ends, ends, color=canvas.FIT, linewidth=1.2)
    canvas.style(normal, "normal quantile", "studentised residual")
    canvas.points(leverage, record.leverage, record.studentized)
    canvas.style(leverage, "leverage", "studentised residual")
    canvas.points(cooks, row, record.cooks)
    canvas.style(cooks, "row", "Cook's distance")
    return canvas.save(figure, path)
