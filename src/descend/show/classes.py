"""Pictures of what tells classes apart: the boundary, hits and misses, calibration, the course."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from descend.methods.links import rows_of_classes
from descend.records.record import FitRecord
from descend.show import canvas
from descend.show.columns import Single, column_name, columns_at, rgb, room, single_columns
from descend.show.numbers import count, plural, short, shortened
from descend.show.plots import course, head_lines, run_line
from descend.visible import visible

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.gridspec import GridSpecBase

__all__ = ["Classified", "classified", "draw_boundary", "draw_classes", "has_place", "plot_classes"]

Array = NDArray[Any]
Predict = Callable[[Mapping[str, Array]], Array]

SIDE = 180  # points of a boundary along each side
CURVE_POINTS = 600
BINS = 10  # of probability
WRITTEN, TICKED = 12, 30  # classes up to which cells have numbers, and axes labels
LONGEST = 14  # characters of a label
HALF = 0.5
ACCURACIES: Mapping[str, tuple[str, str]] = {
    "accuracy": (canvas.DATA, "-"), "validation_accuracy": (canvas.HELD_BACK, "--"),
}  # fmt: skip
"""Records of a history → how they are drawn."""
TAIL = 1.959963984540054  # of the normal distribution, either side of 95 %
COLUMNS = ("true positive", "false negative", "false positive", "true negative")


class Classified(NamedTuple):
    """The rows of a fit as classes.

    Attributes:
        labels: the classes, or the labels of which a row may have several.
        y: (n,) class numbers, or (n, labels) zeros and ones, or shares between these.
        p: (n, classes) probabilities; of scores that say no such thing, the scores.
        are_probabilities: which of these p is.
        several: whether a row may have several labels.
        predict: from columns by name to probabilities, where the model's rows are by themselves.
        names: of the columns of the only argument, where they have some.
    """

    labels: tuple[str, ...]
    y: Array
    p: Array
    are_probabilities: bool = True
    several: bool = False
    predict: Predict | None = None
    names: tuple[str, ...] = ()

    @property
    def hard(self) -> bool:
        """Whether each row is of one class, so that hits and misses can be counted."""
        return not self.several and self.y.dtype.kind in "iu"

    def wrong(self) -> Array:
        """(n,) whether a row is taken for another class than its own."""
        return np.asarray(self.p.argmax(axis=1) != self.y)


def classified(
    record: FitRecord, link: str = "", labels: Sequence[Any] | Array | None = None,
    predict: Predict | None = None, names: Sequence[str] = (), fitted: Array | None = None,
) -> Classified | None:  # fmt: skip
    """The rows of a fit as classes; None where there are none.

    Args:
        link: what the prediction says of probabilities, a name of `methods.links.LINKS`; an empty
            string where the loss does not say.
        labels: the classes in the order of their numbers. predict, names: as of `Classified`.
        fitted: what the model says of the rows, where the record has not.
    """
    fitted = record.fitted if fitted is None else fitted
    if record.y is None or fitted is None:
        return None
    y, fitted = np.asarray(record.y), np.asarray(fitted)
    if not link:
        scores = y.ndim == 1 and y.dtype.kind in "iu" and fitted.shape[:-1] == y.shape
        return Classified(_labels(labels, fitted.shape[-1]), y, fitted, False) if scores else None
    if not np.isfinite(fitted).all() or not len(y) == len(fitted) > 0:
        return None
    y, p = rows_of_classes(link, fitted, y)
    several = y.ndim > 1 and bool(np.isin(y, (0, 1)).all())
    return Classified(_labels(labels, p.shape[1]), y, p, True, several, predict, tuple(names))


def _labels(labels: Sequence[Any] | Array | None, number: int) -> tuple[str, ...]:
    named = range(number) if labels is None or len(labels) != number else labels
    return tuple(shortened(str(label), LONGEST) for label in named)


def plot_classes(
    record: FitRecord, rows: Classified, path: str | os.PathLike[str] | None = None
) -> Figure:
    """Draw one picture of a classifier.

    With two columns its boundary with the rows, with one its probabilities over it; how many rows
    of each class were taken for each; how often what was called so probable was so; and the
    course of the loss.

    Raises:
        UsageError: the path cannot be written.
    """
    small = record.batch_size is not None and record.batch_size < record.n_rows
    accuracy = record.metrics.get("accuracy")
    made = run_line(
        record, plural(record.epochs, record.unit),
        f"batches of {plural(record.batch_size or 0, 'row')}" if small else "",
        f"{record.loss_name} {short(record.loss)}",
        "" if accuracy is None else f"accuracy {accuracy:.2%}",
    )  # fmt: skip
    lines = [*head_lines(record), *sample_line(record, rows), made]
    figure = canvas.new_figure(record.model, lines, failed=not record.success)
    recorded = [n for n in ACCURACIES if n in record.history]
    if has_place(record, rows):
        grid = figure.add_gridspec(2, 2, width_ratios=(1.45, 1.0), height_ratios=(1.35, 1.0))
        draw_classes(figure.add_subplot(grid[0, 0]), record, rows)
        _table(figure.add_subplot(grid[0, 1]), record, rows)
        _calibration(figure.add_subplot(grid[1, 0]), rows)
        below: GridSpecBase = grid[1, 1].subgridspec(len(recorded[:1]) + 1, 1)
        places = [below[k, 0] for k in range(len(recorded[:1]) + 1)]
    else:
        heights = [1.2] * rows.are_probabilities + [0.6] * len(recorded[:1]) + [1.0]
        grid = figure.add_gridspec(
            len(heights), 2, width_ratios=(1.35, 1.0), height_ratios=heights
        )
        counted = rows.hard or rows.several
        if counted:
            _table(figure.add_subplot(grid[:, 0]), record, rows)
        if rows.are_probabilities:
            _calibration(figure.add_subplot(grid[0, 1] if counted else grid[:, 0]), rows)
        first = int(rows.are_probabilities and counted)
        places = [grid[k, 1] for k in range(first, len(heights))]
        if not counted and not recorded:
            places = [grid[:, 1]]
    for place in places[:-1]:
        _accuracies(figure.add_subplot(place), record, recorded)
    course(figure.add_subplot(places[-1]), record)
    return canvas.save(figure, path)


def sample_line(record: FitRecord, rows: Classified) -> list[str]:
    """Where the rows at hand are but some of those of the fit, that they are."""
    here = len(rows.y)
    return [] if here >= record.n_rows else [f"drawn: {here:,} of the {record.n_rows:,} rows"]


def has_place(record: FitRecord, rows: Classified) -> bool:
    """Whether the classes can be drawn over one column or two."""
    columns = _columns(record.x, len(rows.y)) if rows.predict is not None else []
    return 1 <= len(columns) <= 2 and rows.are_probabilities and rows.hard


def draw_classes(axes: Axes, record: FitRecord, rows: Classified) -> None:
    """The probabilities over the only column, or the boundary over two."""
    columns = _columns(record.x, len(rows.y))
    if len(columns) == 2:
        draw_boundary(axes, rows, columns)
    else:
        _over_column(axes, record, rows, columns)


def _columns(x: Mapping[str, Array], n_rows: int) -> list[Single]:
    """The single columns of the data, where there are at most two."""
    found = single_columns(x, n_rows)
    return found if len(found) <= 2 else []


# --- where classes lie


def draw_boundary(axes: Axes, rows: Classified, columns: Sequence[Single]) -> None:
    """Which class is likeliest at each place of the plane, and how surely; with the rows."""
    edges = [room(values) for _, _, values in columns]
    x, y = (np.linspace(*edge, SIDE) for edge in edges)
    across, up = np.meshgrid(x, y)
    assert rows.predict is not None
    p = rows.predict(columns_at(columns, [across.ravel(), up.ravel()])).reshape(SIDE, SIDE, -1)
    ordered, k = np.sort(p, axis=2), p.shape[2]
    sure = np.clip((ordered[..., -1] - 1 / k) / (1 - 1 / k), 0, 1)
    tints = np.array([rgb(canvas.class_look(number)[0]) for number in range(k)])
    share = (0.06 + 0.34 * sure)[..., None]
    image = (1 - share) + share * tints[p.argmax(axis=2)]
    (left, right), (low, high) = edges
    axes.imshow(
        image, extent=(left, right, low, high), origin="lower", aspect="auto", zorder=0,
        interpolation="nearest",
    )  # fmt: skip
    for number in range(k if k > 2 else 1):
        lead = p[..., number] - np.delete(p, number, axis=2).max(axis=2)
        if lead.min() < 0 < lead.max():
            axes.contour(x, y, lead, levels=[0.0], colors=canvas.INK, linewidths=1.0, zorder=2)
    _rows(axes, rows, [values for _, _, values in columns])
    names = [column_name(name, number, columns, rows.names) for name, number, _ in columns]
    canvas.style(axes, names[0], names[1])
    axes.grid(False)
    axes.set(xlim=edges[0], ylim=edges[1])
    canvas.legend_above(axes, columns=6)


def _rows(axes: Axes, rows: Classified, place: Sequence[Array]) -> None:
    """Each row at its place in the look of its class; ringed where it is taken for another."""
    step = -(-len(rows.y) // canvas.MOST_MARKERS)
    shown = slice(None, None, step)
    x, y, own, wrong = place[0][shown], place[1][shown], rows.y[shown], rows.wrong()[shown]
    size = 36.0 if len(own) <= 400 else 14.0
    for number, label in enumerate(rows.labels):
        mine, (colour, marker) = own == number, canvas.class_look(number)
        axes.scatter(
            x[mine], y[mine], s=size, color=colour, marker=marker, alpha=0.8,
            linewidths=0.4, edgecolors=canvas.PAPER, zorder=3,
            label=label if len(rows.labels) <= WRITTEN else None,
        )  # fmt: skip
    if wrong.any():
        axes.scatter(
            x[wrong], y[wrong], s=3.2 * size, facecolors="none", edgecolors=canvas.WRONG,
            linewidths=1.3, zorder=4, label="taken for another",
        )  # fmt: skip


def _over_column(
    axes: Axes, record: FitRecord, rows: Classified,
    columns: Sequence[Single],
) -> None:  # fmt: skip
    """The probability of each class over the only column, and where its rows lie."""
    ((name, number, values),) = columns
    x = np.linspace(*room(values), CURVE_POINTS)
    assert rows.predict is not None
    p, k = rows.predict(columns_at(columns, [x])), len(rows.labels)
    step = -(-len(rows.y) // canvas.MOST_MARKERS)
    for each, label in enumerate(rows.labels):
        colour, marker = canvas.class_look(each)
        mine = values[::step][rows.y[::step] == each]
        level = float(each) if k == 2 else -0.06 * (each + 1)
        look: dict[str, Any] = {"s": 22.0, "alpha": 0.45, "linewidths": 0, "zorder": 3}
        title = label if k <= WRITTEN else None
        axes.scatter(mine, np.full(mine.shape, level), color=colour, marker=marker, label=title,
                     **look)  # fmt: skip
        if k > 2:
            axes.plot(x, p[:, each], color=colour, linewidth=1.8, zorder=2)
    if k == 2:
        label = f"probability of {rows.labels[1]}"
        axes.plot(x, p[:, 1], color=canvas.FIT, linewidth=1.8, zorder=2, label=label)
    low = -0.05 if k == 2 else -0.06 * (k + 1)
    axes.set(ylim=(low, 1.05), xlim=room(values), yticks=[0, 0.25, 0.5, 0.75, 1])
    canvas.style(axes, column_name(name, number, columns, rows.names), "probability")
    canvas.legend_above(axes, columns=6)


# --- how often they are right


def _table(axes: Axes, record: FitRecord, rows: Classified) -> None:
    """How many rows of each class were taken for each, and which share of the class that is."""
    labels: tuple[str, ...] = rows.labels
    if rows.several:
        yes, said = rows.y > HALF, rows.p > HALF
        cells = (yes & said, yes & ~said, ~yes & said, ~yes & ~said)
        table = np.stack([cell.sum(axis=0) for cell in cells], axis=1)
        share = table / len(rows.y)
        good = np.tile([True, False, False, True], (len(table), 1))
        labels, title = COLUMNS, f"each of {plural(len(rows.y), 'row')}"
    else:
        size = max(len(rows.labels), int(rows.y.max(initial=0)) + 1)
        table = np.zeros((size, size), np.int64)
        np.add.at(table, (rows.y, rows.p.argmax(axis=1)), 1)
        share = table / np.maximum(table.sum(axis=1, keepdims=True), 1)
        good = np.eye(size, dtype=bool)
        title = f"accuracy {_share(np.trace(table) / max(table.sum(), 1), 2)}"
        base = record.metrics.get("base_rate")
        title += "" if base is None else f", base rate {_share(base, 2)}"
    ends = np.where(good[..., None], rgb(canvas.DATA), rgb(canvas.FIT))
    axes.imshow(1 - share[..., None] * (1 - ends), aspect="auto" if rows.several else "equal")
    if max(table.shape) <= WRITTEN:
        _cells(axes, table, share)
    down = f"labels of {record.target}" if rows.several else f"{record.target}, actual"
    canvas.style(axes, "" if rows.several else f"{record.target}, predicted", down)
    axes.grid(False)
    canvas.write(
        axes, 0.0, 1.02, title, transform=axes.transAxes, color=canvas.INK, size=12, va="bottom"
    )
    _ticks(axes, labels, rows.labels)


def _cells(axes: Axes, table: Array, share: Array) -> None:
    size = 12.0 if max(table.shape) <= 4 else 10.0 if max(table.shape) <= 7 else 8.5
    for row, column in np.ndindex(*table.shape):
        number, part = int(table[row, column]), float(share[row, column])
        text = f"{count(number)}\n{_share(part)}" if number else "0"
        colour = canvas.PAPER if part > 0.55 else canvas.INK if number else canvas.MUTED
        canvas.write(
            axes, column, row, text, color=colour, ha="center", va="center", size=size,
            linespacing=1.05,
        )  # fmt: skip


def _share(share: float, digits: int = 0) -> str:
    """Write a share, and neither all nor nothing where it is not.

    >>> _share(1.0), _share(0.999), _share(0.001), _share(0.25), _share(0.99999, 2)
    ('100%', '>99%', '<1%', '25%', '>99.99%')
    """
    text, least = f"{share:.{digits}%}", 10.0**-digits
    if share < 1 and float(text[:-1]) == 100:
        return f">{100 - least:.{digits}f}%"
    return f"<{least:.{digits}f}%" if share > 0 and float(text[:-1]) == 0 else text


def _ticks(axes: Axes, across: Sequence[str], down: Sequence[str]) -> None:
    for axis, labels in ((axes.xaxis, across), (axes.yaxis, down)):
        if len(labels) > TICKED:
            continue
        axis.set_ticks(range(len(labels)), [visible(label) for label in labels])
        for text in axis.get_ticklabels():
            text.set_parse_math(False)
    longest = max(map(len, across), default=0)
    if across is down and longest * len(across) > 26:
        axes.tick_params(axis="x", labelrotation=90 if len(across) > 6 else 30)


def _calibration(axes: Axes, rows: Classified) -> None:
    """How often what was called so probable was so; with 95 % intervals by Wilson (1927)."""
    said, seen = _pairs(rows)
    place = np.clip((said * BINS).astype(int), 0, BINS - 1)
    number = np.bincount(place, minlength=BINS)
    full = number > 0
    mean = np.bincount(place, said, BINS)[full] / number[full]
    share = np.bincount(place, seen, BINS)[full] / number[full]
    low, high = _wilson(share, number[full])
    axes.plot([0, 1], [0, 1], color=canvas.MUTED, linewidth=1.2, linestyle="--", label="calibrated")
    axes.vlines(mean, low, high, color=canvas.DATA, linewidth=1.6, alpha=0.6)
    size = 30 + 220 * number[full] / number.sum()
    axes.scatter(
        mean, share, s=size, color=canvas.DATA, zorder=3, linewidths=0,
        label="by tenths, 95% intervals",
    )  # fmt: skip
    ticks = [0, 0.25, 0.5, 0.75, 1]
    axes.set(xlim=(-0.05, 1.05), ylim=(-0.08, 1.08), xticks=ticks, yticks=ticks)
    canvas.style(axes, "predicted probability", "observed share")
    canvas.legend_above(axes, columns=2)


def _pairs(rows: Classified) -> tuple[Array, Array]:
    """Probabilities, and whether each was so, or to what share: of the second of two classes, or
    of all classes together."""
    k = rows.p.shape[1]
    if rows.y.ndim > 1:
        return rows.p.ravel(), rows.y.ravel().astype(float)
    if k == 2:
        return rows.p[:, 1], rows.y.astype(float)
    return rows.p.ravel(), (rows.y[:, None] == np.arange(k)).ravel().astype(float)


def _wilson(share: Array, number: Array) -> tuple[Array, Array]:
    """The interval of a proportion: Wilson, "Probable inference" (1927).

    >>> low, high = _wilson(np.array([0.5]), np.array([10]))
    >>> low.round(4), high.round(4)
    (array([0.2366]), array([0.7634]))
    """
    z2 = TAIL * TAIL
    middle = (share + z2 / (2 * number)) / (1 + z2 / number)
    half = np.sqrt(share * (1 - share) / number + z2 / (4 * number**2)) * TAIL / (1 + z2 / number)
    return middle - half, middle + half


# --- the course


def _accuracies(axes: Axes, record: FitRecord, recorded: Sequence[str]) -> None:
    """The accuracy over the epochs, of the rows held back too."""
    for name in recorded:
        colour, dashes = ACCURACIES[name]
        values = np.asarray(record.history[name], float)
        title = name.removesuffix("_accuracy")
        title += f" {values[-1]:.4g}" if values.size else ""
        x, y = canvas.thinned(np.asarray(record.history.epoch, float), values)
        axes.plot(x, y, color=colour, linestyle=dashes, linewidth=1.8, label=title)
    canvas.style(axes)
    axes.tick_params(labelbottom=False)
    canvas.legend_above(axes, columns=2)
