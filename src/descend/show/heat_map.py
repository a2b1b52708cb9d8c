"""The picture of very many trainings over two numbers: the loss of each, and where they diverge."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from descend.show import canvas
from descend.show.numbers import count, short
from descend.show.scale import by_factors

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["edges_of", "plot_map"]

Array = NDArray[Any]
CONTRAST = 20.0  # losses that spread farther have a logarithmic scale
LOST, HATCH = "#d3d8de", "#8d96a1"


def plot_map(
    names: tuple[str, str], values_a: Sequence[float] | Array, values_b: Sequence[float] | Array,
    loss: Array, path: str | os.PathLike[str] | None = None, title: str = "",
    lines: Sequence[str] = (), loss_name: str = "loss", lost_name: str = "diverged",
) -> Figure:  # fmt: skip
    """Draw the loss of trainings over two numbers, with those that diverged hatched and counted.

    Axes are logarithmic where their values are: where each is about the same multiple of the one
    before. The best cell is marked, and its numbers stand below the title.

    Args:
        names: of the two numbers; the first goes up, the second across.
        values_a: (m,), values_b: (n,) ascending.
        loss: (m, n); infinite or NaN where a training diverged.
        title, lines: headings; a line on the best and on the diverged ones follows them.
        loss_name: what the numbers are; lost_name: what is said of those that are hatched.

    Raises:
        UsageError: the path cannot be written.
    """
    a, b = (np.asarray(v, np.float64) for v in (values_a, values_b))
    loss = np.asarray(loss, np.float64)
    finite = np.isfinite(loss)
    said = _said(names, a, b, loss, finite, (loss_name, lost_name))
    heading = title or f"The {loss_name} over {names[0]} and {names[1]}"
    figure = canvas.new_figure(heading, [*lines, said], failed=not finite.any())
    axes = figure.subplots()
    for set_scale, own in ((axes.set_yscale, a), (axes.set_xscale, b)):
        if by_factors(own):
            set_scale("log")
    across, up = edges_of(b), edges_of(a)
    axes.set(xlim=(across[0], across[-1]), ylim=(up[0], up[-1]))
    if finite.any():
        _cells(figure, axes, across, up, loss, finite, loss_name)
    if not finite.all():
        _lost(axes, across, up, finite, lost_name)
    if finite.any():
        i, j = np.unravel_index(np.where(finite, loss, np.inf).argmin(), loss.shape)
        hollow: dict[str, Any] = {"facecolors": "none", "zorder": 5, "clip_on": False}
        axes.scatter(b[j], a[i], s=190, edgecolors=canvas.PAPER, linewidths=4.5, **hollow)
        axes.scatter(b[j], a[i], s=190, edgecolors=canvas.FIT, linewidths=2.2, label="the best",
                     **hollow)  # fmt: skip
    canvas.style(axes, names[1], names[0])
    axes.grid(False)
    canvas.legend_above(axes)
    return canvas.save(figure, path)


def _said(
    names: tuple[str, str], a: Array, b: Array, loss: Array, finite: Array, words: tuple[str, str]
) -> str:
    """How many trainings there are, which is best, and how many diverged."""
    loss_name, lost_name = words
    parts = [f"{count(loss.size)} trainings"]
    if finite.any():
        i, j = np.unravel_index(np.where(finite, loss, np.inf).argmin(), loss.shape)
        best = f"{names[0]} = {short(a[i], 4)} and {names[1]} = {short(b[j], 4)}"
        parts.append(f"least {loss_name} {short(float(loss[i, j]), 4)} at {best}")
    lost = int(loss.size - finite.sum())
    parts.append(f"{count(lost) if lost else 'none'} {lost_name}")
    return "  ·  ".join(parts)


def edges_of(values: Array) -> Array:
    """The edges between cells: half-way, on the scale of the values.

    >>> edges_of(np.array([1.0, 2.0, 3.0])).tolist(), edges_of(np.array([5.0])).tolist()
    ([0.5, 1.5, 2.5, 3.5], [4.5, 5.5])
    >>> edges_of(np.array([1.0, 100.0, 10_000.0])).round(9).tolist()
    [0.1, 10.0, 1000.0, 100000.0]
    """
    if len(values) == 1:
        half = abs(float(values[0])) / 10 or 0.5
        return np.array([values[0] - half, values[0] + half])
    geometric = by_factors(values)
    own = np.log(values) if geometric else values
    middle = (own[1:] + own[:-1]) / 2
    found = np.concatenate([[2 * own[0] - middle[0]], middle, [2 * own[-1] - middle[-1]]])
    return np.asarray(np.exp(found) if geometric else found)


def _cells(
    figure: Figure, axes: Axes, across: Array, up: Array, loss: Array, finite: Array, name: str
) -> None:
    """The losses in colours from dark, where they are low, to light."""
    from matplotlib import colormaps
    from matplotlib.colors import LogNorm, Normalize
    from matplotlib.ticker import FuncFormatter

    seen = loss[finite]
    low, high = float(seen.min()), float(seen.max())
    wide = low > 0 and high > CONTRAST * low
    norm = LogNorm(low, high) if wide else Normalize(low, high if high > low else low + 1.0)
    mesh = axes.pcolormesh(
        across, up, np.ma.masked_where(~finite, loss), cmap=colormaps["cividis"], norm=norm,
        rasterized=True, linewidth=0, zorder=1.0,
    )  # fmt: skip
    bar = figure.colorbar(mesh, ax=axes, pad=0.015, fraction=0.05)
    bar.ax.tick_params(which="both", colors=canvas.MUTED, labelsize=11)
    bar.ax.tick_params(which="minor", length=0)
    bar.outline.set_visible(False)
    bar.set_label(name, color=canvas.INK, fontsize=12)
    if wide and high < 500 * low:
        bar.ax.yaxis.set_minor_formatter(FuncFormatter(lambda value, _: f"{value:.3g}"))


def _lost(axes: Axes, across: Array, up: Array, finite: Array, name: str) -> None:
    """Hatched grey where trainings diverged: a ground that the cells of the others cover."""
    from matplotlib.patches import Rectangle

    number = count(int((~finite).sum()))
    width, height = across[-1] - across[0], up[-1] - up[0]
    ground = Rectangle(
        (across[0], up[0]), width, height, facecolor=LOST, edgecolor=HATCH, hatch="////",
        linewidth=0.0, zorder=0.5, label=f"{number} {name}",
    )  # fmt: skip
    axes.add_patch(ground)
