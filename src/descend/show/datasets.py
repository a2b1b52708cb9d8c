"""A global fit shown dataset by dataset: a table, and a picture with a panel each."""

from __future__ import annotations

import math
import os
from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from descend.errors import UsageError
from descend.show import canvas
from descend.show.layout import Section
from descend.show.numbers import short, shortened
from descend.show.output import check_output_path

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["datasets_section", "plot_datasets"]

MOST_OWN = 3  # parameters of its own that a dataset's line has room for
MOST_PANELS = 24
WIDE, HIGH = 3.6, 2.9  # inches of a panel where there are many
CURVE_POINTS = 400
LONGEST_NAME = 30


def datasets_section(sets: Sequence[Any], shared: Collection[str], has_sigma: bool) -> Section:
    """The table of datasets, each with its local parameters.

    Args:
        sets: what a global fit says of each dataset (`SetFit`). shared: parameters of all.

    >>> from types import SimpleNamespace
    >>> one = SimpleNamespace(
    ...     name="first", n_rows=5, chi2=2.5, r2=0.9, params={"a": 1.0, "k": 2.0},
    ...     stderr={"a": 0.25, "k": 0.5})
    >>> datasets_section([one], ["k"], False).rows
    [('first', '5', '2.5', '0.9', '1 ± 0.25')]
    """
    names = (name for one in sets for name in one.params if name not in shared)
    own = list(dict.fromkeys(names))[:MOST_OWN]
    section = Section("Datasets", ("name", "rows", "chi²", "R²", *own))
    for one in sets:
        cells = [
            _with_error(one.params[name], one.stderr[name]) if name in one.params else ""
            for name in own
        ]
        section.rows.append(
            (one.name, str(one.n_rows), short(one.chi2), short(one.r2, 6), *cells)
        )
    what = "(residual / sigma)²" if has_sigma else "squared residuals"
    section.remarks.append(f"chi² is each dataset's sum of {what}.")
    return section


def _with_error(value: float, error: float) -> str:
    told = short(value)
    return told if math.isnan(error) else f"{told} ± {short(error, 3)}"


def plot_datasets(
    sets: Sequence[Any], path: str | os.PathLike[str] | None = None,
    heading: str = "", lines: Sequence[str] = ("",), failed: bool = False,
) -> Figure:  # fmt: skip
    """Draw a panel for each dataset, with one legend for all, and write the picture.

    Args:
        sets: what a global fit says of each dataset (`SetFit`).
        path: where to write the picture (.png, .svg, .pdf, .jpg, .webp); None only returns it.
        heading, lines: what stands above; a last line says how many datasets are not drawn.

    Raises:
        UsageError: the path cannot be written.
    """
    if path is not None:
        check_output_path(path, "plot")
    if any(one.y is None for one in sets):
        raise UsageError(
            "a saved global fit has no rows to draw",
            remedy="plot it where it was made, or pickle it: a pickle keeps the rows",
        )
    shown = sets[:MOST_PANELS]
    if len(sets) > len(shown):
        lines = [*lines[:-1], f"{lines[-1]}  ·  the first {len(shown)} of {len(sets)} datasets"]
    across = math.ceil(math.sqrt(len(shown)))
    down = math.ceil(len(shown) / across)
    inches = (max(canvas.INCHES[0], WIDE * across), max(canvas.INCHES[1], HIGH * down + 1.5))
    figure = canvas.new_figure(heading, lines, failed=failed, inches=inches)
    axes = figure.subplots(down, across, squeeze=False).ravel()
    for axis, one in zip(axes, shown, strict=False):
        _panel(axis, one)
    handles, labels = axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower left", ncols=2, frameon=False, fontsize=11.5)
    for axis in axes[len(shown) :]:
        axis.set_visible(False)
    return canvas.save(figure, path)


def _panel(axes: Axes, one: Any) -> None:
    """One dataset over its only input, its first, or the numbers of its rows."""
    columns = one.x
    name = next((n for n, a in columns.items() if a.ndim == 1), None)
    place = np.arange(one.n_rows) if name is None else columns[name]
    canvas.points(axes, place, one.y, "data")
    order = np.argsort(place, kind="stable")
    x, y = place[order], one.fitted[order]
    if name is not None and one.has_curve and x.size and x[0] < x[-1]:
        x = np.linspace(x[0], x[-1], CURVE_POINTS)
        y = np.broadcast_to(np.asarray(one.predict({name: x}), np.float64), x.shape)
    axes.plot(*canvas.thinned(x, y), color=canvas.FIT, linewidth=1.8, label="prediction", zorder=3)
    canvas.style(axes, name or "row", one.target)
    title = axes.set_title(shortened(one.name, LONGEST_NAME), loc="left", color=canvas.INK)
    title.set_parse_math(False)
