"""The picture of several runs beside one another: their losses, and what each came to."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from descend.records.record import FitRecord
from descend.show import canvas
from descend.show.numbers import count, plural, short, shortened
from descend.show.plots import TOP

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["MOST_RUNS", "plot_race"]

Array = NDArray[Any]
MOST_RUNS = 16  # lines that can be told apart
ABOVE = 1e3  # times the largest first loss: what lies higher is cut, and said
EARLY = 20
STRETCHED_FROM = 30
FALLEN = ("diverged", "grew")
"""Statuses of runs whose loss left its start behind, upwards."""


def plot_race(
    runs: Mapping[str, FitRecord], path: str | os.PathLike[str] | None = None
) -> Figure:
    """Draw the loss of each run over its epochs, with a table of what they came to.

    A run that diverged ends in a cross at its last finite loss, and the table says where it left.

    Raises:
        UsageError: the path cannot be written.
    """
    records = list(runs.values())
    models = list(dict.fromkeys(record.model for record in records))
    unit = records[0].unit
    heading = models[0] if len(models) == 1 else f"{len(models)} models"
    fallen = sum(record.status in FALLEN for record in records)
    said = f"; {fallen} of them diverged" if fallen else ""
    figure = canvas.new_figure(heading, [f"{plural(len(runs), 'run')}{said}"])
    left, right = figure.subplots(1, 2, width_ratios=(1.6, 1.0))
    top = _top(records)
    for number, (name, record) in enumerate(runs.items()):
        _line(left, name, record, number, top)
    finite = np.concatenate([_finite(record)[1] for record in records])
    if finite.size and (finite > 0).all() and finite.max() > 3 * finite.min():
        left.set_yscale("log")
    if finite.size and finite.max() > top:
        left.set_ylim(finite.min() / 2 if finite.min() > 0 else None, top)
    _stretch(left, records)
    canvas.style(left, unit, "loss")
    if left.get_xscale() == "symlog":
        canvas.stretched(left)
    _table(right, runs)
    return canvas.save(figure, path)


def _finite(record: FitRecord) -> tuple[Array, Array]:
    """Epochs and losses that are numbers."""
    loss = np.asarray(record.history.loss, np.float64)
    seen = np.isfinite(loss)
    return np.asarray(record.history.epoch, np.float64)[seen], loss[seen]


def _top(records: list[FitRecord]) -> float:
    """The highest loss that is drawn: beyond it a divergence would press all others flat."""
    first = [loss[0] for _, loss in map(_finite, records) if loss.size]
    return ABOVE * max(map(abs, first), default=1.0)


def _line(axes: Axes, name: str, record: FitRecord, number: int, top: float) -> None:
    epoch, loss = _finite(record)
    look = canvas.line_look(number)
    x, y = canvas.thinned(epoch, loss.clip(-TOP, TOP))
    if x.size == 1:
        look["marker"] = "o"
    axes.plot(x, y, linewidth=1.9, **look)
    if record.status in FALLEN and epoch.size:
        place = int(np.argmax(loss > top)) if (loss > top).any() else len(loss) - 1
        axes.scatter(
            epoch[place : place + 1], np.minimum(loss[place : place + 1], top), s=90, marker="X",
            color=look["color"], edgecolors=canvas.PAPER, linewidths=0.8, zorder=5, clip_on=False,
        )  # fmt: skip


def _stretch(axes: Axes, records: list[FitRecord]) -> None:
    """Give the first epochs more room where most of what happens is there."""
    early = 0
    for record in records:
        _, loss = _finite(record)
        if loss.size >= STRETCHED_FROM and (loss > 0).all():
            logs = np.log(loss)
            early += bool(np.ptp(logs[: max(2, logs.size // EARLY)]) > 0.5 * np.ptp(logs))
    if 2 * early >= len(records):
        canvas.stretched(axes)


def _table(axes: Axes, runs: Mapping[str, FitRecord]) -> None:
    """A row a run: its line, its name, its loss at the end, how long it took, how it ended."""
    axes.set_axis_off()
    axes.set(xlim=(0, 1), ylim=(0, 1))
    step = min(0.075, 0.93 / (len(runs) + 1))
    size = 11.5 if len(runs) <= 12 else 10.0
    places = (0.13, 0.65, 0.82, 1.0)
    for place, text in zip(places, ("run", "loss", "epochs", "updates"), strict=True):
        canvas.write(axes, place, 0.985, text, color=canvas.MUTED, size=size - 0.5, va="top",
                     ha="left" if place == places[0] else "right")  # fmt: skip
    best = min((r.loss for r in runs.values() if np.isfinite(r.loss)), default=None)
    for number, (name, record) in enumerate(runs.items()):
        height = 0.985 - step * (number + 1)
        look = canvas.line_look(number)
        axes.plot([0.0, 0.10], [height - 0.012] * 2, linewidth=2.2, **look)
        weight = "bold" if record.loss == best else "normal"
        lost = record.status in FALLEN
        said = (_left(record), "", "") if lost else (
            short(record.loss, 4), count(record.epochs), count(record.n_updates)
        )  # fmt: skip
        canvas.write(axes, places[0], height, shortened(name, 30 if not lost else 20), size=size,
                     color=canvas.INK, va="top", weight=weight)  # fmt: skip
        for place, text in zip(places[1:] if not lost else (1.0, 1.0, 1.0), said, strict=True):
            canvas.write(axes, place, height, text, size=size, va="top", ha="right", weight=weight,
                         color=canvas.WRONG if lost else canvas.INK)  # fmt: skip


def _left(record: FitRecord) -> str:
    """Where a run left, or how far it rose."""
    epoch, loss = _finite(record)
    if record.status == "grew":
        return f"rose to {short(record.loss, 3)}"
    if not loss.size:
        return f"lost in {record.unit} {record.history.epochs}"
    return f"{short(float(loss[-1]), 3)} in {record.unit} {epoch[-1]:.0f}, then lost"
