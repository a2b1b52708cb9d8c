"""The picture of a classifier over any two columns, the others held at their medians."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from descend.errors import UsageError
from descend.records.record import FitRecord
from descend.show import canvas
from descend.show.classes import Classified, draw_boundary, sample_line
from descend.show.columns import Single, column_name, columns_at, pair_of, single_columns
from descend.show.numbers import plural, short
from descend.show.plots import head_lines, run_line

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["held_line", "plane_columns", "plot_boundary", "whole_columns"]

Array = NDArray[Any]
NAMED = 4  # held columns that are named


def plot_boundary(
    record: FitRecord, rows: Classified, over: Sequence[str] | None = None,
    path: str | os.PathLike[str] | None = None,
) -> Figure:  # fmt: skip
    """Draw which class is likeliest over two columns, with all rows.

    Of more columns the others are at their medians, which the headings say: rows lie beside the
    plane, and are drawn where they are seen from above it.

    Raises:
        UsageError: the path cannot be written, or there are no such two columns.
    """
    if rows.predict is None or not (rows.are_probabilities and rows.hard):
        raise UsageError(
            "a boundary lies between classes, of which each row has one, and there are none",
            remedy="write plot()",
        )
    columns = single_columns(record.x, len(rows.y))
    pair = pair_of(columns, rows.names, over, "the boundary")
    accuracy = record.metrics.get("accuracy")
    told = "" if accuracy is None else f"accuracy {accuracy:.2%}"
    made = run_line(record, plural(record.epochs, record.unit), told)
    drawn = sample_line(record, rows)
    lines = [*head_lines(record), *held_line(columns, pair, rows.names), *drawn, made]
    figure = canvas.new_figure(record.model, lines, failed=not record.success)
    plane = plane_columns(columns, pair, rows.names)
    predict = rows.predict

    def probable(given: Mapping[str, Array]) -> Array:
        first, second = given.values()
        return predict(whole_columns(columns, pair, first, second))

    draw_boundary(figure.subplots(), rows._replace(predict=probable), plane)
    return canvas.save(figure, path)


def plane_columns(
    columns: Sequence[Single], pair: tuple[int, int], names: Sequence[str]
) -> list[Single]:  # fmt: skip
    """The two columns by names of their own."""
    found: list[Single] = []
    for at in pair:
        name, number, values = columns[at]
        found.append((column_name(name, number, columns, names), None, values))
    return found


def held_line(
    columns: Sequence[Single], pair: tuple[int, int], names: Sequence[str]
) -> list[str]:  # fmt: skip
    """What is said of the columns that are held."""
    held = [at for at in range(len(columns)) if at not in pair]
    if not held:
        return []
    told = [
        f"{column_name(name, number, columns, names)} = {short(float(np.median(values)), 4)}"
        for name, number, values in (columns[at] for at in held[:NAMED])
    ]
    more = f" and {len(held) - NAMED} more" if len(held) > NAMED else ""
    return [f"at the medians of the others: {', '.join(told)}{more}"]


def whole_columns(
    columns: Sequence[Single], pair: tuple[int, int], first: Array, second: Array
) -> dict[str, Array]:
    """Columns by argument, where the two are as given and all others at their medians."""
    values = [np.full(len(first), np.median(own)) for _, _, own in columns]
    values[pair[0]], values[pair[1]] = first, second
    return columns_at(columns, values)
