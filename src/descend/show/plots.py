"""Pictures of a run: data and fit, residuals, the course of the loss; the path of a descent.

matplotlib is imported on use.
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from descend.methods.links import expected
from descend.records.band import Band
from descend.records.record import FitRecord, History, Minimum, flat_parameters, leaves
from descend.show import canvas
from descend.show.numbers import duration, plural, short

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = [
    "FALLEN", "Rows", "course", "head_lines", "left_at", "left_line", "loss_course", "plot_fit",
    "rows_of", "run_line", "value_lines",
]  # fmt: skip

Array = NDArray[Any]
Predict = Callable[[Mapping[str, Array]], Array]
Components = Callable[[Mapping[str, Array]], Mapping[str, Array]]
Bands = Callable[[Mapping[str, Array]], list[Band]]

HEADING_WIDTH, HEADING_LINES = 118, 2  # room for the values of parameters, in characters
LISTED = 9  # array parameters up to this many numbers are spelled out
MARKED_PREDICTIONS = 250  # up to this many rows each prediction has its own marker
CURVE_POINTS = 600
MOST_BARS = 400  # more rows than this have no bars of their sigmas
SEPARATE_BARS = 40  # more bars than this are drawn without gaps
TOP = 1e250  # losses beyond it are drawn there: the margins of the axes must not overflow
FALLEN = ("diverged", "grew")
"""Statuses of runs whose loss left its start behind, upwards."""
GONE = 1e4
STRETCHED_FROM = 30  # epochs from which a steep beginning is given more room


class Rows(NamedTuple):
    """What the left-hand panels show: positions, actual values, predictions, all of one length.

    Attributes:
        tail: the shape of a row of the only input.
        link: what a prediction says of the mean of the target, a name of `methods.links.LINKS`.
    """

    place: Array
    actual: Array
    predicted: Array
    name: str
    over_input: bool
    tail: tuple[int, ...] = ()
    link: str = "identity"

    def between(self) -> tuple[Array, dict[str, Array]]:
        """Places close together for a curve, and the same as rows of the input."""
        x = np.linspace(*_range(self.place), CURVE_POINTS)
        return x, {self.name: x.reshape(-1, *self.tail)}

    def mean(self, prediction: Any) -> Array:
        """The mean of the target at a prediction."""
        return expected(self.link, prediction)


def plot_fit(
    record: FitRecord,
    path: str | os.PathLike[str] | None = None,
    predict: Predict | None = None,
    components: Components | None = None,
    bands: Bands | None = None,
    sigma: Array | None = None,
    link: str = "identity",
    fitted: Array | None = None,
) -> Figure:
    """Draw one picture of a fit: data and prediction, residuals, and the course of the loss.

    With one input the data stand over it; with several, the actual values over the predicted ones.
    What a record does not hold is left out.

    Args:
        path: where to write the picture (.png, .svg, .pdf, .jpg, .webp); None only returns it.
        predict: the fitted model, from columns by name to predictions, for a smooth curve.
        components: the addends of a sum, from columns by name to values by name, drawn apart.
        bands: from columns by name to the bands around the prediction, the narrowest last.
        sigma: the standard deviation of each target, drawn as a bar where there are few rows.
        link: what a prediction says of the mean of the target, which is drawn.

    Raises:
        UsageError: the path cannot be written.
    """
    small = record.batch_size is not None and record.batch_size < record.n_rows
    made = run_line(
        record, plural(record.epochs, record.unit),
        f"batches of {plural(record.batch_size or 0, 'row')}" if small else "",
        f"{record.loss_name} {short(record.loss)}",
        "" if math.isnan(record.r2) else f"R² {record.r2:.6f}",
    )  # fmt: skip
    lines = [*head_lines(record), made]
    figure = canvas.new_figure(record.model, lines, failed=not record.success)
    grid = figure.add_gridspec(2, 2, width_ratios=(1.75, 1.0), height_ratios=(1.9, 1.0))
    rows = rows_of(record, link, fitted)
    if rows is not None:
        data, loss = figure.add_subplot(grid[0, 0]), figure.add_subplot(grid[0, 1])
        residuals = figure.add_subplot(grid[1, 0], sharex=data)
        spread = figure.add_subplot(grid[1, 1], sharey=residuals)
        if bands is not None and rows.over_input:
            _bands(data, rows, bands)
        _data(data, record, rows, predict, components)
        _residuals(residuals, record, rows)
        if sigma is not None and sigma.size == rows.actual.size <= MOST_BARS:
            canvas.bars(data, rows.place, rows.actual, sigma)
            canvas.bars(residuals, rows.place, rows.actual - rows.predicted, sigma)
        _distribution(spread, rows.actual - rows.predicted)
    else:
        loss = figure.add_subplot(grid[:, :])
    course(loss, record)
    figure.align_ylabels()
    return canvas.save(figure, path)


def head_lines(record: FitRecord) -> list[str]:
    """What stands below the title: the values of parameters, or how many a network has."""
    if not record.layers:
        return value_lines(record.params, record.stderr)
    total = plural(sum(layer.parameters for layer in record.layers), "parameter")
    said = f"{total} in {plural(len(record.layers), 'layer')}"
    return [f"{record.goal}; {said}" if record.goal else said]


def left_at(record: FitRecord) -> float:
    """The epoch in which a run that diverged left: from there on its numbers are no picture.

    Its loss was no longer finite then, or ten thousand times that of the first epoch; infinite for
    other runs.
    """
    loss, epoch = np.asarray(record.history.loss, np.float64), record.history.epoch
    if record.status not in FALLEN or not loss.size:
        return math.inf
    gone = np.flatnonzero(~(loss <= GONE * np.abs(loss[0])))
    return float(epoch[gone[0]]) if gone.size else math.inf


def left_line(record: FitRecord) -> list[str]:
    """Where a run left, and its last finite loss, in words."""
    left = left_at(record)
    if math.isinf(left):
        return []
    loss = np.asarray(record.history.loss, np.float64)
    last = np.flatnonzero(np.isfinite(loss))[-1:]
    value = f", loss {short(float(loss[last[0]]), 4)}" if last.size else ""
    at = f" in {record.unit} {record.history.epoch[last[0]]}" if last.size else ""
    return [f"diverged: drawn up to {record.unit} {left:.0f}, where it left{value}{at}"]


def course(axes: Axes, record: FitRecord) -> None:
    """Draw the course of a fit's loss."""
    name = "loss" if record.batch_size in (None, record.n_rows) else "running loss"
    loss_course(axes, record.history, record.unit, name, record.stop_loss)


def value_lines(params: Any, stderr: Any = None) -> list[str]:
    """Name the parameters and their values, as many as fit into two lines.

    >>> value_lines({"a": 2.0, "b": 1.5}, {"a": 0.25, "b": float("nan")})
    ['a = 2 ± 0.25    b = 1.5']
    """
    entries = []
    for name, leaf in leaves(params):
        if np.size(leaf) > LISTED:
            entries.append(f"{name}: array {'×'.join(map(str, np.shape(leaf)))}")
            continue
        errors = dict(leaves(stderr)).get(name, math.nan)
        shown = flat_parameters({name: np.broadcast_to(errors, np.shape(leaf))})
        for (label, value), (_, error) in zip(flat_parameters({name: leaf}), shown, strict=True):
            known = f" ± {short(error, 3)}" if math.isfinite(error) else ""
            entries.append(f"{label} = {short(value)}{known}")
    lines = [""]
    for position, entry in enumerate(entries):
        longer = f"{lines[-1]}    {entry}" if lines[-1] else entry
        if len(longer) <= HEADING_WIDTH:
            lines[-1] = longer
        elif len(lines) < HEADING_LINES:
            lines.append(entry)
        else:
            lines[-1] += f"    … and {len(entries) - position} more"
            break
    return lines


def run_line(record: FitRecord | Minimum, amount: str, *parts: str) -> str:
    """The run behind a picture in a line: method, what else there is, how long, how it failed."""
    took = "" if math.isnan(record.seconds) else f" in {duration(record.seconds)}"
    failed = "" if record.success else record.status.replace("_", " ").upper()
    return "  ·  ".join(filter(None, (record.optimizer, *parts, amount + took, failed)))


def rows_of(record: FitRecord, link: str, fitted: Array | None = None) -> Rows | None:
    """What there is to compare row by row, or None.

    Args:
        fitted: what the model says of the rows, where the record has not.
    """
    fitted = record.fitted if fitted is None else fitted
    if record.y is None or fitted is None:
        return None
    actual, predicted = np.asarray(record.y), expected(link, fitted)
    if actual.shape != predicted.shape or actual.size == 0 or actual.dtype.kind not in "fiub":
        return None
    actual, predicted = actual.astype(np.float64).ravel(), predicted.astype(np.float64).ravel()
    inputs = [(name, np.asarray(column)) for name, column in record.x.items()]
    if len(inputs) == 1:
        name, column = inputs[0]
        if column.size == actual.size and column.dtype.kind in "fiub":
            place, tail = column.astype(np.float64).ravel(), column.shape[1:]
            return Rows(place, actual, predicted, name, True, tail, link)
    return Rows(predicted, actual, predicted, f"{record.target}, predicted", False)


def _data(
    axes: Axes, record: FitRecord, rows: Rows, predict: Predict | None,
    components: Components | None,
) -> None:  # fmt: skip
    """The data with the fitted curve, or the actual values over the predicted ones."""
    rows_word = plural(record.n_rows, "row")
    if record.fitted is None:
        rows_word = f"{len(rows.actual):,} of the rows"
    canvas.points(axes, rows.place, rows.actual, f"{record.target}, {rows_word}")
    if not rows.over_input:
        ends = _range(rows.predicted)
        axes.plot(ends, ends, color=canvas.FIT, linewidth=1.6, label="prediction = actual")
        label = f"{record.target}, actual"
    else:
        if components is not None:
            _components(axes, rows, components)
        _curve(axes, rows, predict)
        label = record.target
    canvas.style(axes, "", label)
    axes.tick_params(labelbottom=False)
    canvas.legend_above(axes)


def _bands(axes: Axes, rows: Rows, bands: Bands) -> None:
    """Bands around the prediction: where the curve lies, and where new observations do."""
    x, columns = rows.between()
    for band in bands(columns):
        if band.low.shape == x.shape:
            together = ", simultaneous" if band.simultaneous else ""
            alpha = 0.28 if band.kind == "confidence" else 0.13
            look: dict[str, Any] = {"alpha": alpha, "linewidth": 0}
            label = f"{band.kind} {band.level:.4g}{together}"
            low, high = rows.mean(band.low), rows.mean(band.high)
            axes.fill_between(x, low, high, color=canvas.FIT, label=label, **look)


def _curve(axes: Axes, rows: Rows, predict: Predict | None) -> None:
    """The prediction: a smooth curve where the model is at hand, and markers at few rows."""
    label: str | None = "prediction"
    if predict is not None:
        x, columns = rows.between()
        y = rows.mean(predict(columns)).reshape(-1)
        if y.shape == x.shape:
            axes.plot(x, y, color=canvas.FIT, linewidth=1.8, label=label, zorder=3)
            label = None
    if rows.place.size <= MARKED_PREDICTIONS:
        markers: dict[str, Any] = {"s": 11, "color": canvas.FIT, "linewidths": 0, "zorder": 4}
        axes.scatter(rows.place, rows.predicted, label=label, **markers)
    elif label:
        order = np.argsort(rows.place, kind="stable")
        x, y = canvas.thinned(rows.place[order], rows.predicted[order])
        axes.plot(x, y, color=canvas.FIT, linewidth=1.8, label=label, zorder=3)


def _components(axes: Axes, rows: Rows, components: Components) -> None:
    """Each addend of the prediction as a thin dashed curve; one alone is the prediction itself."""
    x, columns = rows.between()
    parts = components(columns)
    for k, (name, values) in enumerate(parts.items() if len(parts) > 1 else ()):
        look: dict[str, Any] = {"linewidth": 1.3, "linestyle": "--", "zorder": 2}
        axes.plot(x, values, color=canvas.part_colour(k), label=name, **look)


def _residuals(axes: Axes, record: FitRecord, rows: Rows) -> None:
    canvas.points(axes, rows.place, rows.actual - rows.predicted)
    axes.axhline(0.0, color=canvas.FIT, linewidth=1.2)
    canvas.style(axes, rows.name, "residual")


def _distribution(axes: Axes, residuals: Array) -> None:
    """How often residuals of each size occur, on the scale of the residual panel."""
    from matplotlib.ticker import FuncFormatter, MaxNLocator

    finite = residuals[np.isfinite(residuals)]
    if finite.size and np.ptp(finite) > 0:
        bins = int(np.clip(2 * finite.size ** (1 / 3), 8, 120))
        gap = canvas.PAPER if bins <= SEPARATE_BARS else canvas.PALE
        look: dict[str, Any] = {"color": canvas.PALE, "edgecolor": gap}
        axes.hist(finite, bins=bins, orientation="horizontal", **look)
    axes.axhline(0.0, color=canvas.FIT, linewidth=1.2)
    canvas.style(axes, "rows per residual", "")
    axes.tick_params(labelleft=False)
    axes.xaxis.set_major_locator(MaxNLocator(nbins=5, integer=True))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: _brief(value)))


def _brief(number: float) -> str:
    """Write a count so shortly that ticks stay apart.

    >>> _brief(500), _brief(150_000), _brief(2_500_000)
    ('500', '150k', '2.5M')
    """
    if number >= 1e6:
        return f"{number / 1e6:g}M"
    return f"{number / 1e3:g}k" if number >= 1e4 else f"{number:g}"


def _range(values: Array) -> tuple[float, float]:
    finite = values[np.isfinite(values)]
    return (float(finite.min()), float(finite.max())) if finite.size else (0.0, 1.0)


def loss_course(
    axes: Axes, history: History, unit: str, name: str = "loss", stop: float | None = None
) -> None:
    """Draw the loss over the epochs, with the validation loss and the threshold to stop at.

    The scale is logarithmic where all values are positive; epochs without a finite loss are
    marked.
    """
    epoch = np.asarray(history.epoch, dtype=np.float64)
    curves = [(name, history.loss, canvas.DATA, "-")]
    if history.validation_loss is not None:
        curves.append(("validation loss", history.validation_loss, canvas.HELD_BACK, "--"))
    shown = [values[np.isfinite(values)] for _, values, _, _ in curves]
    everything = np.concatenate([*shown, [] if stop is None else [stop]])
    positive = bool(everything.size) and bool((everything > 0).all())
    if positive and everything.max() > 3 * everything.min():
        axes.set_yscale("log")
    if _steep_at_first(epoch, history.loss):
        axes.set_xscale("log")
    for label, values, colour, dashes in curves:
        finite = values[np.isfinite(values)]
        last = f", last {short(float(finite[-1]), 4)}" if finite.size else ""
        _line(axes, epoch, values, label=label + last, color=colour, linestyle=dashes)
    if not epoch.size:
        canvas.write(
            axes, 0.5, 0.5, f"no {unit} was completed",
            transform=axes.transAxes, color=canvas.MUTED, size=13, ha="center",
        )  # fmt: skip
        canvas.style(axes, unit, "")
        axes.set(xticks=[], yticks=[])
        return
    if stop is not None:
        label = f"stop at {short(stop)}"
        axes.axhline(stop, color=canvas.MUTED, linewidth=1.2, linestyle=":", label=label)
    _mark_lost(axes, epoch, history.loss, unit)
    _level(axes, everything)
    _whole_epochs(axes, epoch)
    canvas.style(axes, unit, "")
    canvas.legend_above(axes, columns=1)


def _level(axes: Axes, values: Array) -> None:
    """Draw as level what differs in digits that nobody reads: its ticks would all be alike."""
    if values.size and np.ptp(values) < 1e-6 * np.abs(values).max() < np.inf:
        middle = float(values.mean())
        axes.set_ylim(*sorted((0.9 * middle, 1.1 * middle)))


def _line(axes: Axes, epoch: Array, values: Array, **options: Any) -> None:
    """A curve; where it has few points, or a single one, with markers."""
    marker = "o" if values.size <= 25 else ""
    x, y = canvas.thinned(epoch, np.where(np.isfinite(values), values.clip(-TOP, TOP), np.nan))
    axes.plot(x, y, linewidth=1.8, marker=marker, markersize=5, **options)


def _steep_at_first(epoch: Array, loss: Array) -> bool:
    """Whether most of the fall happens so early that an even scale would show a wall."""
    finite = np.isfinite(loss) & (loss > 0)
    if epoch.size < STRETCHED_FROM or finite.sum() < STRETCHED_FROM or epoch[0] <= 0:
        return False
    logs = np.log(loss[finite])
    early = logs[: max(2, logs.size // 20)]
    return bool(np.ptp(early) > 0.5 * np.ptp(logs))


def _mark_lost(axes: Axes, epoch: Array, loss: Array, unit: str) -> None:
    lost = np.flatnonzero(~np.isfinite(loss))
    if not lost.size:
        return
    first = float(epoch[lost[0]])
    axes.axvspan(first - 0.5, max(float(epoch[-1]), first) + 0.5, color=canvas.WRONG, alpha=0.10)
    axes.plot(
        [], [], "s", color=canvas.WRONG, alpha=0.35, markersize=9,
        label=f"not finite from {unit} {first:.0f}",
    )  # fmt: skip


def _whole_epochs(axes: Axes, epoch: Array) -> None:
    """Keep ticks between epochs away, and give a single epoch some room."""
    from matplotlib.ticker import MaxNLocator

    if axes.get_xscale() == "linear":
        axes.xaxis.set_major_locator(MaxNLocator(nbins=6, integer=True))
        if epoch.size == 1:
            axes.set_xlim(epoch[0] - 1, epoch[0] + 1)
