"""A global fit shown dataset by dataset: a table, and a picture with a panel each."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from descend.lean import dataclass
from descend.show import canvas
from descend.show.layout import Section
from descend.show.numbers import short, shortened
from descend.show.output import check_output_path

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["DatasetLine", "Panel", "datasets_section", "plot_datasets"]

Array = NDArray[Any]

MOST_OWN = 3  # parameters of its own that a dataset's line has room for
MOST_PANELS = 24
WIDE, HIGH = 3.6, 2.9  # inches of a panel where there are many
CURVE_POINTS = 400
LONGEST_NAME = 30


@dataclass(frozen=True)
class DatasetLine:
    """One dataset in the table; `own` has its local parameters with their errors."""

    name: str
    n_rows: int
    chi2: float
    r2: float
    own: Mapping[str, tuple[float, float]]


def datasets_section(lines: Sequence[DatasetLine], has_sigma: bool) -> Section:
    """The table of datasets.

    >>> line = DatasetLine("first", 5, 2.5, 0.9, {"a": (1.0, 0.25)})
    >>> datasets_section([line], False).rows
    [('first', '5', '2.5', '0.9', '1 ± 0.25')]
    """
    own = list(dict.fromkeys(name for line in lines for name in line.own))[:MOST_OWN]
    section = Section("Datasets", ("name", "rows", "chi²", "R²", *own))
    for line in lines:
        cells = [_with_error(*line.own[name]) if name in line.own else "" for name in own]
        section.rows.append(
            (line.name, str(line.n_rows), short(line.chi2), short(line.r2, 6), *cells)
        )
    what = "(residual / sigma)²" if has_sigma else "squared residuals"
    section.remarks.append(f"chi² is each dataset's sum of {what}.")
    return section


def _with_error(value: float, error: float) -> str:
    told = short(value)
    return told if math.isnan(error) else f"{told} ± {short(error, 3)}"


class Panel(NamedTuple):
    """One dataset to be drawn: rows over one input, or over their numbers."""

    name: str
    x_label: str
    x: Array
    y_label: str
    y: Array
    fitted: Array
    predict: Callable[[Array], Array] | None = None


def plot_datasets(
    panels: Sequence[Panel], path: str | os.PathLike[str] | None = None,
    heading: str = "", lines: Sequence[str] = ("",), failed: bool = False,
) -> Figure:  # fmt: skip
    """Draw a panel for each dataset, with one legend for all, and write the picture.

    Args:
        path: where to write the picture (.png, .svg, .pdf, .jpg, .webp); None only returns it.
        heading, lines: what stands above; a last line says how many datasets are not drawn.

    Raises:
        UsageError: the path cannot be written.
    """
    if path is not None:
        check_output_path(path, "plot")
    shown = panels[:MOST_PANELS]
    if len(panels) > len(shown):
        lines = [*lines[:-1], f"{lines[-1]}  ·  the first {len(shown)} of {len(panels)} datasets"]
    across = math.ceil(math.sqrt(len(shown)))
    down = math.ceil(len(shown) / across)
    inches = (max(canvas.INCHES[0], WIDE * across), max(canvas.INCHES[1], HIGH * down + 1.5))
    figure = canvas.new_figure(heading, lines, failed=failed, inches=inches)
    axes = figure.subplots(down, across, squeeze=False).ravel()
    for axis, panel in zip(axes, shown, strict=False):
        _panel(axis, panel)
    handles, labels = axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower left", ncols=2, frameon=False, fontsize=11.5)
    for axis in axes[len(shown) :]:
        axis.set_visible(False)
    return canvas.save(figure, path)


def _panel(axes: Axes, panel: Panel) -> None:
    canvas.points(axes, panel.x, panel.y, "data")
    order = np.argsort(panel.x, kind="stable")
    x, y = panel.x[order], panel.fitted[order]
    if panel.predict is not None and x.size and x[0] < x[-1]:
        x = np.linspace(x[0], x[-1], CURVE_POINTS)
        y = np.broadcast_to(np.asarray(panel.predict(x), np.float64), x.shape)
    axes.plot(*canvas.thinned(x, y), color=canvas.FIT, linewidth=1.8, label="prediction", zorder=3)
    canvas.style(axes, panel.x_label, panel.y_label)
    title = axes.set_title(shortened(panel.name, LONGEST_NAME), loc="left", color=canvas.INK)
    title.set_parse_math(False)
