"""The picture of many trainings over one number: what the loss came to, and where it diverges."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from descend.show import canvas
from descend.show.numbers import plural, short

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["Series", "edge_of", "plot_series"]

Array = NDArray[Any]
ABOVE = 1e2  # times the loss at the start: what lies higher is at the upper edge, and said


class Series(NamedTuple):
    """Trainings that differ in one number.

    Attributes:
        name: of the number. values: (m,) ascending.
        loss: (m,) of the last epoch, or of the last that was finite; NaN where none was.
        lost: (m,) the epoch in which it was no longer finite; NaN where it stayed so.
        begun: the loss at the start.
        epochs: how many there were.
        limit: beyond which descent on all rows diverges near the minimum, and `said`, how it is
            written; NaN where the method has no such limit.
    """

    name: str
    values: Array
    loss: Array
    lost: Array
    begun: float
    epochs: int
    limit: float = float("nan")
    said: str = ""

    @property
    def fell(self) -> Array:
        """Which of them ended no higher than they began."""
        return np.asarray(np.isnan(self.lost) & (self.loss <= self.begun))


def edge_of(series: Series) -> tuple[float, float] | None:
    """The largest value that fell and the next one, from which on none did; None without one.

    >>> values, lost = np.array([0.1, 0.2, 0.4]), np.array([np.nan, np.nan, 7.0])
    >>> edge_of(Series("lr", values, np.array([0.5, 0.1, 1e300]), lost, 1.0, 20))
    (0.2, 0.4)
    """
    good = np.flatnonzero(series.fell)
    if not good.size or good[-1] + 1 == len(series.values):
        return None
    return float(series.values[good[-1]]), float(series.values[good[-1] + 1])


def plot_series(
    series: Series, title: str, lines: list[str], path: str | os.PathLike[str] | None = None
) -> Figure:
    """Draw the loss over the number; below it, the epoch in which each diverged one was lost.

    Raises:
        UsageError: the path cannot be written.
    """
    edge = edge_of(series)
    figure = canvas.new_figure(title, [*lines, _told(series, edge)])
    lost = np.isfinite(series.lost)
    heights = (2.6, 1.0) if lost.any() else (1.0,)
    panels = figure.subplots(
        len(heights), 1, sharex=True, squeeze=False, height_ratios=heights
    ).ravel()
    upper = panels[0]
    _losses(upper, series, edge)
    canvas.style(upper, "" if lost.any() else series.name, f"loss after {series.epochs} epochs")
    if lost.any():
        _epochs(panels[1], series, edge)
        upper.tick_params(labelbottom=False)
    canvas.legend_above(upper, columns=4)
    figure.align_ylabels()
    return canvas.save(figure, path)


def _told(series: Series, edge: tuple[float, float] | None) -> str:
    parts = [plural(len(series.values), "training")]
    best = np.where(series.fell, series.loss, np.inf)
    if series.fell.any():
        at = float(series.values[best.argmin()])
        parts.append(f"least loss {short(float(best.min()), 4)} at {series.name} = {short(at, 4)}")
    if edge is not None:
        parts.append(f"falls up to {short(edge[0], 4)}, not from {short(edge[1], 4)} on")
    if np.isfinite(series.limit):
        parts.append(f"{series.said} = {short(series.limit, 4)}")
    return "  ·  ".join(parts)


def _losses(axes: Axes, series: Series, edge: tuple[float, float] | None) -> None:
    x, finite = series.values, np.isnan(series.lost) & np.isfinite(series.loss)
    seen = series.loss[finite]
    positive = series.begun > 0 and bool((seen >= 0).all()) and bool((seen > 0).any())
    top = ABOVE * series.begun if positive else np.inf
    inside = finite & (series.loss <= top)
    _scales(axes, x)
    if positive:
        axes.set_yscale("log")
    none = finite & (series.loss == 0) & positive
    inside &= ~none
    shown = np.where(inside, series.loss, np.nan)
    axes.plot(x, shown, color=canvas.DATA, linewidth=1.6, zorder=2)
    kinds = ((series.fell, canvas.DATA, "o", "fell"), (~series.fell, canvas.WRONG, "^", "rose"))
    for which, colour, marker, label in kinds:
        at = inside & which
        if at.any():
            axes.scatter(x[at], series.loss[at], s=34, color=colour, marker=marker, zorder=3,
                         linewidths=0, label=label)  # fmt: skip
    if none.any():
        look: dict[str, Any] = {"clip_on": False, "zorder": 4, "linewidths": 1.4}
        axes.scatter(x[none], np.zeros(int(none.sum())), s=60, facecolors=canvas.PAPER, marker="v",
                     edgecolors=canvas.DATA, transform=axes.get_xaxis_transform(),
                     label="exactly 0", **look)  # fmt: skip
    beyond = finite & ~inside & ~none
    if beyond.any():
        highest = short(float(series.loss[beyond].max()), 3)
        axes.set_ylim(top=top)
        axes.scatter(x[beyond], np.full(int(beyond.sum()), top), s=60, facecolors=canvas.PAPER,
                     edgecolors=canvas.WRONG, marker="^", linewidths=1.4, clip_on=False, zorder=4,
                     label=f"above the picture, up to {highest}")  # fmt: skip
    axes.axhline(series.begun, color=canvas.MUTED, linewidth=1.1, linestyle=":",
                 label=f"at the start {short(series.begun, 4)}")  # fmt: skip
    _edge(axes, series, edge)


def _epochs(axes: Axes, series: Series, edge: tuple[float, float] | None) -> None:
    """In which epoch each of the lost ones was."""
    lost = np.isfinite(series.lost)
    axes.scatter(series.values[lost], series.lost[lost], s=44, color=canvas.WRONG, marker="X",
                 linewidths=0, zorder=3)  # fmt: skip
    seen = series.lost[lost]
    if seen.max() > 8 * seen.min():
        axes.set_yscale("log")
    _edge(axes, series, edge)
    canvas.style(axes, series.name, "lost in epoch")


def _edge(axes: Axes, series: Series, edge: tuple[float, float] | None) -> None:
    if edge is not None:
        low = float(np.sqrt(edge[0] * edge[1]) if edge[0] > 0 else sum(edge) / 2)
        _, high = axes.get_xlim()
        axes.axvspan(low, max(high, float(series.values[-1])), color=canvas.WRONG, alpha=0.08,
                     linewidth=0, label="diverges")  # fmt: skip
    if np.isfinite(series.limit):
        axes.axvline(series.limit, color=canvas.FIT, linewidth=1.8, linestyle="--",
                     label=f"{series.said} = {short(series.limit, 4)}")  # fmt: skip


def _scales(axes: Axes, x: Array) -> None:
    if (x > 0).all() and x[-1] > 4 * x[0]:
        axes.set_xscale("log")
        factor = (x[-1] / x[0]) ** 0.03
        axes.set_xlim(x[0] / factor, x[-1] * factor)
