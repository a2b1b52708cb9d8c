"""The picture of a minimisation: the way taken over the function, and its value on the way."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from descend.records.record import Minimum, flat_parameters
from descend.show import canvas
from descend.show.numbers import plural, short
from descend.show.plots import loss_course, run_line, value_lines

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["contours", "draw_way", "plot_minimum", "span"]

Array = NDArray[Any]
Function = Callable[[Array], float]

CURVE_POINTS = 400
GRID = 90
LEVELS = 14
MOST_STOPS = 60  # more positions than this are drawn as a line without markers


def plot_minimum(
    record: Minimum,
    path: str | os.PathLike[str] | None = None,
    function: Function | None = None,
) -> Figure:
    """Draw the path of a minimisation of one or two numbers, beside the course of its value.

    The path needs the parameters in the history; without them, or with more than two numbers,
    the course of the value stands alone.

    Args:
        path: where to write the picture (.png, .svg, .pdf, .jpg, .webp); None only returns it.
        function: from the flat parameters (d,) to the value, for the curve or the contours.

    Raises:
        UsageError: the path cannot be written.
    """
    made = run_line(record, plural(record.iterations, "iteration"), f"value {short(record.value)}")
    lines = [*value_lines(record.named()), made]
    heading = f"{'Maximum' if record.maximize else 'Minimum'} of {record.function}"
    figure = canvas.new_figure(heading, lines, failed=not record.success)
    names, way = _way(record)
    if len(names) in (1, 2):
        left, right = figure.subplots(1, 2, width_ratios=(1.6, 1.0))
        if len(names) == 1:
            _over_curve(left, record, names[0], way[:, 0], function)
        else:
            _overcontours(left, names, way, function)
    else:
        right = figure.subplots()
    loss_course(right, record.history, "iteration", name="value")
    return canvas.save(figure, path)


def _way(record: Minimum) -> tuple[list[str], Array]:
    """Names and positions (m, d) along the way, the start first; no names where unknown."""
    columns = record.history.columns()
    names = [name for name in columns if name not in ("epoch", "loss", "lr", "grad_norm")]
    if record.history.params is None or not names:
        return [], np.empty((0, 0))
    way = np.stack([columns[name] for name in names], axis=1).astype(np.float64)
    if record.start is not None:
        start = np.array([value for _, value in flat_parameters(record.named(record.start))])
        if start.shape == way.shape[1:]:
            way = np.vstack([start, way])
    return names, way[np.isfinite(way).all(axis=1)]


def span(values: Array, share: float = 0.25) -> tuple[float, float]:
    """The ends of an axis for these values, with a margin of a share of their range."""
    low, high = (float(values.min()), float(values.max())) if values.size else (-1.0, 1.0)
    margin = share * (high - low) or max(abs(low), 1.0)
    return low - margin, high + margin


def _value(function: Function, place: Array) -> float:
    """The function's value, NaN where it has none: the picture may reach beyond its domain."""
    try:
        with np.errstate(all="ignore"):
            return float(function(place))
    except (ArithmeticError, ValueError):
        return float("nan")


def _over_curve(
    axes: Axes, record: Minimum, name: str, way: Array, function: Function | None
) -> None:
    if function is not None:
        x = np.linspace(*span(way, 0.5), CURVE_POINTS)
        y = np.array([_value(function, np.array([place])) for place in x])
        axes.plot(x, y, color=canvas.DATA, linewidth=1.8, label="the function")
        heights = np.array([_value(function, np.array([place])) for place in way])
    else:
        heights = record.history.loss[-len(way) :]
        way = way[-len(heights) :]
    draw_way(axes, way, heights, width=0.7)
    canvas.style(axes, name, "value")
    canvas.legend_above(axes)


def _overcontours(axes: Axes, names: list[str], way: Array, function: Function | None) -> None:
    if function is not None:
        x = np.linspace(*span(way[:, 0]), GRID)
        y = np.linspace(*span(way[:, 1]), GRID)
        z = np.array([[_value(function, np.array([a, b])) for a in x] for b in y])
        contours(axes, x, y, z)
    draw_way(axes, way[:, 0], way[:, 1])
    canvas.style(axes, *names)
    axes.grid(False)
    canvas.legend_above(axes)


def contours(axes: Axes, x: Array, y: Array, z: Array) -> None:
    """Levels at equal shares of the picture's area, so that flat valleys are seen as well."""
    finite = z[np.isfinite(z)]
    if not finite.size or np.ptp(finite) == 0:
        return
    levels = np.unique(np.quantile(finite, np.linspace(0, 1, LEVELS) ** 1.5))
    shown = np.ma.masked_invalid(z)
    colours = canvas.contour_colours()(np.linspace(0, 1, len(levels) + 1))
    axes.contourf(x, y, shown, levels=levels, colors=colours, extend="both")
    axes.contour(x, y, shown, levels=levels, colors=canvas.PAPER, linewidths=0.7)


def draw_way(axes: Axes, x: Array, y: Array, width: float = 1.4) -> None:
    """The positions from the start to the end."""
    marker = "o" if x.size <= MOST_STOPS else ""
    look: dict[str, Any] = {"color": canvas.FIT, "zorder": 4}
    axes.plot(x, y, linewidth=width, marker=marker, markersize=4, label="the way taken", **look)
    if x.size:
        hollow: dict[str, Any] = {"facecolors": canvas.PAPER, "edgecolors": canvas.FIT}
        axes.scatter(x[:1], y[:1], s=80, linewidths=1.8, zorder=5, label="start", **hollow)
        axes.scatter(x[-1:], y[-1:], s=80, linewidths=0, label="end", **look)
