"""A global fit shown dataset by dataset: a table, and a picture with a panel each."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from descend.lean import dataclass
from descend.show.layout import Section
from descend.show.numbers import short
from descend.show.output import check_output_path

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["DatasetLine", "datasets_section", "plot_datasets"]

MOST_OWN = 3  # parameters of its own that a dataset's line has room for
MOST_PANELS = 24
SIZE = 3.2  # inches of a panel


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


def plot_datasets(
    panels: Sequence[tuple[str, str, Any, str, Any, Any]],
    path: str | os.PathLike[str] | None = None,
) -> Figure:
    """Draw (name, label of x, x, label of y, y, fitted) in a panel each, and write the picture.

    Raises:
        UsageError: the path cannot be written.
    """
    from matplotlib.figure import Figure

    if path is not None:
        check_output_path(path, "plot")
    shown = panels[:MOST_PANELS]
    across = math.ceil(math.sqrt(len(shown)))
    down = math.ceil(len(shown) / across)
    figure = Figure(figsize=(SIZE * across, SIZE * 0.8 * down), layout="constrained")
    axes = np.asarray(figure.subplots(down, across, squeeze=False)).ravel()
    for axis, (name, x_label, x, y_label, y, fitted) in zip(axes, shown, strict=False):
        order = np.argsort(x, kind="stable")
        axis.plot(x, y, "o", markersize=3, alpha=0.6)
        axis.plot(np.asarray(x)[order], np.asarray(fitted)[order], "-", linewidth=1.5)
        axis.set(title=name, xlabel=x_label, ylabel=y_label)
    for axis in axes[len(shown) :]:
        axis.set_visible(False)
    if path is not None:
        figure.savefig(path, dpi=150)
    return figure
