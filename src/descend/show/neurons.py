"""The picture of a network's units over the plane of two columns, layer by layer."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from descend.records.record import FitRecord
from descend.show import canvas
from descend.show.numbers import plural, short, shortened
from descend.show.plots import head_lines, run_line

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["SIDE", "Units", "plot_neurons"]

Array = NDArray[Any]
SIDE = 60  # points along each side of a map
SHOWN = 8  # units of a layer
THIN, THICK = 0.25, 4.5  # lines of the smallest and the largest weight
LEFT, RIGHT, BOTTOM = 0.1, 0.1, 0.45  # inches around all maps
TOP, LINE = 1.12, 0.235  # inches above them, and for each line of the headings
GAP, LABELLED = 0.16, 0.3  # inches between maps, and where each has a name
OUTPUT = 2.2  # and of the map of an output at most
LETTER = 0.082  # inches, of a title
WIDEST = 0.62  # share of a column's width that a map may have
ROWS = 300  # that are drawn on the map of an output


class Units(NamedTuple):
    """The units of a layer, with the activations that follow it.

    Attributes:
        title: its layers. maps: (units, SIDE, SIDE), the second column of the data going up.
        weights: (units, units before) of the lines that come in; None where there are no such.
        names: of the units, where they have some.
    """

    title: str
    maps: Array
    weights: Array | None = None
    names: tuple[str, ...] = ()


def plot_neurons(
    record: FitRecord, layers: Sequence[Units], names: tuple[str, str], x: Array, y: Array,
    rows: tuple[Array, Array, Array | None], held: Sequence[str] = (),
    path: str | os.PathLike[str] | None = None,
) -> Figure:  # fmt: skip
    """Draw what every unit makes of the plane, with the weights between layers as lines.

    Args:
        layers: the inputs first, the outputs last.
        names: of the two columns; x, y: (SIDE,) their values in the maps.
        rows: the two columns of the data, and the classes of the rows where they have some.
        held: what is said of other columns.

    Raises:
        UsageError: the path cannot be written.
    """
    lines = [
        *head_lines(record), *held,
        run_line(record, plural(record.epochs, record.unit), f"loss {short(record.loss)}"),
        f"each map: {names[0]} from {short(x[0], 3)} to {short(x[-1], 3)} across, {names[1]} from "
        f"{short(y[0], 3)} to {short(y[-1], 3)} up; blue above 0, orange below, ± is the deepest",
        "lines: weights, the wider the larger in its layer; orange and dashed below 0"
        + ("" if rows[2] is None else "  ·  dots: rows, filled where they are of the class"),
    ]
    figure = canvas.new_figure(record.model, lines)
    figure.set_layout_engine("none")  # every place is worked out here
    shown = _chosen(layers)
    boxes, sizes = _boxes(figure, [len(own) for own in shown], TOP + LINE * len(lines))
    back: Axes = figure.add_axes((0.0, 0.0, 1.0, 1.0), zorder=0)
    back.set_axis_off()
    width, height = figure.get_size_inches()
    back.set(xlim=(0, width), ylim=(0, height))
    for number, layer in enumerate(layers):
        if number and layer.weights is not None:
            kept = layer.weights[np.ix_(shown[number], shown[number - 1])]
            _weights(back, kept, boxes[number], boxes[number - 1], *sizes[number - 1 : number + 1])
        limit = float(np.abs(layer.maps).max()) or 1.0
        size = sizes[number]
        room = int((width - LEFT - RIGHT) / len(layers) / LETTER)
        _heading(back, layer, shown[number], boxes[number], size, limit, room)
        for unit, box in zip(shown[number], boxes[number], strict=True):
            place = figure.add_axes(
                (box[0] / width, box[1] / height, size / width, size / height), zorder=2
            )
            _map(place, layer.maps[unit], x, y, limit)
            if number == len(layers) - 1:
                _rows(place, rows, unit if len(layer.maps) > 1 else 1)
            if layer.names:
                canvas.write(back, box[0] + size / 2, box[1] - 0.05, shortened(
                    layer.names[unit], 16
                ), size=10, color=canvas.INK, ha="center", va="top")  # fmt: skip
    return canvas.save(figure, path)


def _chosen(layers: Sequence[Units]) -> list[Array]:
    """The units that are drawn: of many those whose weights to the next layer are largest."""
    found = []
    for number, layer in enumerate(layers):
        count = len(layer.maps)
        kept = np.arange(count)
        if count > SHOWN:
            after = layers[number + 1].weights if number + 1 < len(layers) else None
            reach = np.abs(layer.maps).max(axis=(1, 2)) if after is None else (
                np.linalg.norm(after, axis=0)
            )  # fmt: skip
            kept = np.sort(np.argsort(-reach, kind="stable")[:SHOWN])
        found.append(kept)
    return found


def _boxes(
    figure: Figure, counts: Sequence[int], above: float
) -> tuple[list[list[tuple[float, float]]], list[float]]:
    """The lower left corner of each map in inches, and the side of those of each layer.

    Outputs are larger where there is room.

    Args:
        above: inches of the headings.
    """
    width, height = figure.get_size_inches()
    across = (width - LEFT - RIGHT) / len(counts)
    tall = height - above - BOTTOM
    most = max(counts)
    common = min((tall - (most - 1) * GAP) / most, WIDEST * across, 1.9)
    own = min((tall - (counts[-1] - 1) * LABELLED) / counts[-1], 0.85 * across, OUTPUT)
    sizes = [common] * (len(counts) - 1) + [max(common, own)]
    boxes = []
    for number, (count, size) in enumerate(zip(counts, sizes, strict=True)):
        least = LABELLED if number in (0, len(counts) - 1) else GAP
        gap = least if count == most else max(least, min((tall - count * size) / (count + 1), size))
        whole = count * size + (count - 1) * gap
        top = BOTTOM + (tall + whole) / 2
        left = LEFT + across * number + (across - size) / 2
        boxes.append([(left, top - size - k * (size + gap)) for k in range(count)])
    return boxes, sizes


def _weights(
    back: Axes, weights: Array, here: Sequence[tuple[float, float]],
    before: Sequence[tuple[float, float]], size_before: float, size: float,
) -> None:  # fmt: skip
    """A line for each weight: wide where it is large, orange and dashed where it is negative."""
    largest = float(np.abs(weights).max()) or 1.0
    for i, j in np.ndindex(*weights.shape):
        share = float(weights[i, j]) / largest
        (x0, y0), (x1, y1) = before[j], here[i]
        back.plot(
            [x0 + size_before, x1], [y0 + size_before / 2, y1 + size / 2],
            color=canvas.DATA if share > 0 else canvas.FIT, alpha=0.25 + 0.6 * abs(share),
            linestyle="-" if share > 0 else (0, (3, 1.2)),
            linewidth=THIN + (THICK - THIN) * abs(share), solid_capstyle="butt", zorder=1,
        )  # fmt: skip


def _heading(
    back: Axes, layer: Units, shown: Array, boxes: Sequence[tuple[float, float]], size: float,
    limit: float, room: int,
) -> None:  # fmt: skip
    """What a layer is, how many of its units are drawn, and its largest number."""
    middle, top = boxes[0][0] + size / 2, boxes[0][1] + size + 0.1
    count = len(layer.maps)
    part = f"{len(shown)} of {count} units" if len(shown) < count else plural(count, "unit")
    said = f"{part}, ±{short(limit, 3)}"
    canvas.write(back, middle, top, said, size=10, color=canvas.MUTED, ha="center", va="bottom")
    canvas.write(back, middle, top + 0.2, shortened(layer.title, room), size=11, color=canvas.INK,
                 ha="center", va="bottom")  # fmt: skip


def _map(axes: Axes, values: Array, x: Array, y: Array, limit: float) -> None:
    """One unit over the plane, with a line where it is 0."""
    from matplotlib.colors import LinearSegmentedColormap

    colours = LinearSegmentedColormap.from_list("sign", [canvas.FIT, canvas.PAPER, canvas.DATA])
    axes.imshow(
        values, extent=(x[0], x[-1], y[0], y[-1]), origin="lower", aspect="auto", cmap=colours,
        vmin=-limit, vmax=limit, interpolation="nearest",
    )  # fmt: skip
    if values.min() < 0 < values.max():
        axes.contour(x, y, values, levels=[0.0], colors=canvas.INK, linewidths=0.7)
    axes.set(xticks=[], yticks=[])
    for spine in axes.spines.values():
        spine.set(color=canvas.MUTED, linewidth=0.8)


def _rows(axes: Axes, rows: tuple[Array, Array, Array | None], mine: int) -> None:
    """The rows of the data as small dots, filled where they are of the output's class."""
    first, second, classes = rows
    step = -(-len(first) // ROWS)
    first, second = first[::step], second[::step]
    own = np.ones(len(first), bool) if classes is None else classes[::step] == mine
    look: dict[str, Any] = {"s": 13, "linewidths": 0.6, "zorder": 3, "edgecolors": canvas.INK}
    axes.scatter(first[~own], second[~own], facecolors=canvas.PAPER, **look)
    axes.scatter(first[own], second[own], facecolors=canvas.INK, **look)
