"""Pictures of what a descent does epoch by epoch: its parameters, and the gradients by layer."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from descend.errors import UsageError
from descend.records.record import FitRecord
from descend.show import canvas
from descend.show.numbers import plural, short, shortened
from descend.show.plots import course, head_lines, run_line

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["UNLIKE", "plot_gradients", "plot_paths"]

Array = NDArray[Any]
NAMED_LINES = 8  # more parameters than this have a panel for each array
PANELS = 9
THIN_LINES = 40  # of the numbers of one array
STRETCHED_FROM, EARLY = 30, 20  # epochs; one in so many of them are the first ones
UNLIKE = 1000.0  # times as small or large as in the last layer


def plot_paths(
    record: FitRecord, names: Sequence[str], epochs: Array, way: Array,
    path: str | os.PathLike[str] | None = None,
) -> Figure:  # fmt: skip
    """Draw every parameter over the epochs, beside the course of the loss.

    Args:
        names: of the numbers that the descent moves.
        epochs: (m,) 0 for the start. way: (m, numbers) after each of them.

    Raises:
        UsageError: the path cannot be written.
    """
    made = run_line(record, plural(record.epochs, record.unit), f"loss {short(record.loss)}")
    figure = canvas.new_figure(
        f"The parameters of {record.model}", [*head_lines(record), made], not record.success
    )
    halves: Any = figure.subfigures(1, 2, width_ratios=(1.7, 1.0))
    left, right = halves
    arrays: dict[str, list[int]] = {}
    for number, name in enumerate(names):
        arrays.setdefault(name.partition("[")[0], []).append(number)
    if len(names) <= NAMED_LINES or (len(arrays) == 1 and len(names) <= 2 * NAMED_LINES):
        _named_lines(left.subplots(), record, names, epochs, way)
    else:
        _panels(left, record, arrays, epochs, way)
    course(right.subplots(), record)
    return canvas.save(figure, path)


def _named_lines(
    axes: Axes, record: FitRecord, names: Sequence[str], epochs: Array, way: Array
) -> None:
    """One panel with a line for each number."""
    for number, name in enumerate(names):
        values = way[:, number]
        finite = values[np.isfinite(values)]
        label = f"{name} {short(float(finite[-1]), 4)}" if finite.size else name
        _line(axes, epochs, values, label=label, linewidth=1.8, **canvas.line_look(number))
    _finish(axes, record, epochs, way, "value")
    canvas.legend_above(axes, columns=6)


def _panels(
    place: Any, record: FitRecord, arrays: Mapping[str, list[int]], epochs: Array, way: Array
) -> None:
    """A panel for each array, with thin lines of as many of its numbers as can be told apart."""
    shown = list(arrays.items())[:PANELS]
    columns = 1 if len(shown) == 1 else 2 if len(shown) <= 6 else 3
    rows = -(-len(shown) // columns)
    panels = np.asarray(place.subplots(rows, columns, squeeze=False, sharex=True)).ravel()
    for axes, (name, own) in zip(panels, shown, strict=False):
        taken = np.unique(np.linspace(0, len(own) - 1, min(len(own), THIN_LINES)).astype(int))
        for number, at in enumerate(taken):
            look = canvas.line_look(number) | {"linewidth": 0.9, "linestyle": "-", "alpha": 0.75}
            _line(axes, epochs, way[:, own[at]], **look)
        part = f"{len(taken)} of {len(own)}" if len(taken) < len(own) else str(len(own))
        _finish(axes, record, epochs, way[:, own], "")
        canvas.write(
            axes, 0.0, 1.02, f"{shortened(name, 24)}, {part}", transform=axes.transAxes,
            color=canvas.INK, size=11, va="bottom",
        )  # fmt: skip
    for axes in panels[len(shown):]:
        axes.set_visible(False)
    for number, axes in enumerate(panels[: len(shown)]):
        if number + columns < len(shown):
            axes.set_xlabel("")
        else:
            axes.tick_params(labelbottom=True)


def _line(axes: Axes, epochs: Array, values: Array, **look: Any) -> None:
    x, y = canvas.thinned(epochs, np.where(np.isfinite(values), values, np.nan))
    axes.plot(x, y, **look)


def _finish(axes: Axes, record: FitRecord, epochs: Array, way: Array, label: str) -> None:
    """Scale, spans that were lost, labels."""
    if _changes_early(epochs, way):
        canvas.stretched(axes)
    lost = ~np.isfinite(way).all(axis=1)
    if lost.any():
        axes.axvspan(epochs[lost.argmax()], epochs[-1], color=canvas.WRONG, alpha=0.10)
    canvas.style(axes, record.unit, label)
    if axes.get_xscale() == "symlog":
        canvas.stretched(axes)


def _changes_early(epochs: Array, way: Array) -> bool:
    """Whether most of the way is gone in the first epochs."""
    known = way[np.isfinite(way).all(axis=1)]
    if len(epochs) < STRETCHED_FROM or len(known) < STRETCHED_FROM:
        return False
    scale = np.ptp(known, axis=0)
    scale[scale == 0] = 1.0
    steps = np.linalg.norm(np.diff(known / scale, axis=0), axis=1)
    return bool(steps[: len(steps) // EARLY + 1].sum() > 0.5 * steps.sum())


# --- gradients by layer


def plot_gradients(
    record: FitRecord, epochs: Array, norms: Mapping[str, Array], layers: bool,
    path: str | os.PathLike[str] | None = None,
) -> Figure:  # fmt: skip
    """Draw the norm of the loss's gradient by each layer over the epochs, and the loss.

    Where the first layer's is less than a thousandth of the last one's, or more than a thousand
    times as large, the epochs are tinted, and the headings say so.

    Args:
        epochs: (m,) those at which it was worked out, 0 for the start.
        norms: layer or parameter → (m,).
        layers: whether they follow one another.

    Raises:
        UsageError: nothing is varied, or the path cannot be written.
    """
    if not norms:
        raise UsageError("nothing varies, so there is no gradient to draw")
    made = run_line(record, plural(record.epochs, record.unit), f"loss {short(record.loss)}")
    lines = [*head_lines(record), *([_contrast(epochs, norms, record.unit)] if layers else [])]
    figure = canvas.new_figure(
        f"The gradient of the loss of {record.model}", [*filter(None, lines), made],
        not record.success,
    )  # fmt: skip
    left, right = figure.subplots(1, 2, width_ratios=(1.7, 1.0))
    colours = canvas.ordered_colours(len(norms))
    for number, (name, values) in enumerate(norms.items()):
        look = canvas.line_look(number)
        if layers:
            look["color"] = colours[number]
        last = values[np.isfinite(values)][-1:]
        label = f"{name} {short(float(last[0]), 3)}" if last.size else name
        positive = np.where(np.isfinite(values) & (values > 0), values, np.nan)
        left.plot(epochs, positive, linewidth=2.0, label=label, **look)
    if any((values > 0).any() for values in norms.values()):
        left.set_yscale("log")
    if layers and len(norms) > 1:
        _tint(left, epochs, norms)
    stacked = np.stack([*norms.values()], axis=1)
    spread = np.log(np.where(stacked > 0, stacked, np.nan))
    if _changes_early(epochs, np.nan_to_num(spread)) or _uneven(epochs):
        canvas.stretched(left)
    canvas.style(left, record.unit, "norm of the gradient")
    if left.get_xscale() == "symlog":
        canvas.stretched(left)
    canvas.legend_above(left, columns=4)
    course(right, record)
    return canvas.save(figure, path)


def _uneven(epochs: Array) -> bool:
    """Whether the first epochs lie closer together than the last ones."""
    steps = np.diff(epochs)
    return len(steps) > 2 and steps[-1] > 2 * steps[0]


def _ratio(norms: Mapping[str, Array]) -> Array:
    """The first layer's norm in units of the last one's."""
    first, *_, last = norms.values()
    with np.errstate(all="ignore"):
        return np.asarray(first / last)


def _contrast(epochs: Array, norms: Mapping[str, Array], unit: str) -> str:
    """How the first layer's gradient stands to the last one's at both ends, in words."""
    ratio = _ratio(norms) if len(norms) > 1 else np.zeros(0)
    known = np.flatnonzero(np.isfinite(ratio))
    if not known.size:
        return ""
    told = []
    for at in dict.fromkeys((known[0], known[-1])):
        when = "at the start" if epochs[at] == 0 else f"in {unit} {epochs[at]:.0f}"
        word = " (it VANISHES)" if ratio[at] < 1 / UNLIKE else ""
        word = " (it EXPLODES)" if ratio[at] > UNLIKE else word
        told.append(f"{short(float(ratio[at]), 3)} of the last layer's {when}{word}")
    return f"the first layer's gradient is {', '.join(told)}"


def _tint(axes: Axes, epochs: Array, norms: Mapping[str, Array]) -> None:
    ratio = _ratio(norms)
    for unlike, label in (
        (ratio < 1 / UNLIKE, "vanishing: first < last / 1000"),
        (ratio > UNLIKE, "exploding: first > 1000 · last"),
    ):
        if unlike.any():
            axes.fill_between(
                epochs, 0, 1, where=unlike, transform=axes.get_xaxis_transform(), step="mid",
                color=canvas.WRONG, alpha=0.10, linewidth=0, label=label,
            )  # fmt: skip
