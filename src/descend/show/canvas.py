"""The sheet that pictures are drawn on: colours, headings, axes, saving.

Figures are made directly, never through pyplot: no global state, no window, no backend to choose.
"""

from __future__ import annotations

import contextlib
import functools
import io
import itertools
import os
import warnings
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from descend.show.fonts import drawn_texts, families, warn_of_missing
from descend.show.numbers import shortened
from descend.show.output import check_output_path, written_whole
from descend.visible import visible

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.colors import Colormap
    from matplotlib.figure import Figure

__all__ = [
    "DATA",
    "FIT",
    "HELD_BACK",
    "INK",
    "MUTED",
    "PALE",
    "RULE",
    "PAPER",
    "WRONG",
    "any_script",
    "bars",
    "class_look",
    "contour_colours",
    "density_colours",
    "legend_above",
    "line_look",
    "new_figure",
    "ordered_colours",
    "stretched",
    "part_colour",
    "points",
    "save",
    "style",
    "thinned",
    "write",
]

INK, MUTED, RULE = "#1f2933", "#66727f", "#d9dee4"
DATA, FIT, HELD_BACK, WRONG = "#3f78b0", "#d95f1e", "#2a8f83", "#b3261e"
PAPER, PALE = "#ffffff", "#9cb9d6"
CLASSES = (
    DATA, FIT, "#e6c229", "#5b1a4f", "#9bd3ea", "#7f06f9", "#806e4d", "#132686", "#bfc69f",
    "#630303",
)  # fmt: skip
"""As far apart for all kinds of colour vision as two given ones allow."""
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "<", ">", "*")
LINES = (DATA, FIT, "#2a8f83", "#5b1a4f", "#a07a1c", "#7f06f9", "#1f2933", "#b0487f")
DASHES = ("-", (0, (5, 1.6)), (0, (1.4, 1.3)), (0, (7, 1.6, 1.4, 1.6)))
PARTS = ("#2a8f83", "#8a5ab0", "#a07a1c", "#4d8f3a", "#b0487f", "#5b6b7a")

Path = str | os.PathLike[str] | None
INCHES = (12.0, 8.0)
DOTS = 150  # per inch when saved: 1800 × 1200
FIRST_LINE, LINE = 0.918, 0.029  # heights of the lines below the title
MOST_PANELS = 9  # of a picture with a panel for each parameter
MOST_MARKERS = 5000  # more points than this are drawn as a density
MOST_VERTICES = 4000  # a line needs no more on a page this wide

LONGEST_LABEL = 40  # characters
ROOM, LETTER, HANDLE = 6.3, 0.083, 0.6  # inches: the wide panel, a letter, what else an entry needs
_PLAIN = (-4, 6)  # powers of ten between which ticks are written out

_METADATA: Mapping[str, Mapping[str, Any]] = {
    ".svg": {"Date": None},
    ".pdf": {"CreationDate": None, "ModDate": None},
}


def part_colour(number: int) -> str:
    """The colour of the components of a model, again from the first after the last."""
    return PARTS[number % len(PARTS)]


def class_look(number: int) -> tuple[str, str]:
    """The colour and the marker of a class: what colours leave alike, shapes tell apart.

    >>> class_look(0), class_look(11)
    (('#3f78b0', 'o'), ('#d95f1e', 's'))
    """
    at = number % len(CLASSES)
    return CLASSES[at], MARKERS[at]


def line_look(number: int) -> dict[str, Any]:
    """The look of one of several lines: dashes tell apart what colours leave alike.

    >>> line_look(0)["color"], line_look(9)["color"], line_look(9)["linestyle"]
    ('#3f78b0', '#d95f1e', (0, (1.4, 1.3)))
    """
    dashes = DASHES[(number + number // len(LINES)) % len(DASHES)]
    return {"color": LINES[number % len(LINES)], "linestyle": dashes}


def ordered_colours(number: int) -> list[tuple[float, ...]]:
    """Colours in an order that is seen, as of layers one after the other: light to dark."""
    from matplotlib import colormaps

    places = np.linspace(0.12, 0.88, max(number, 2))[:number]
    return [tuple(colour) for colour in colormaps["viridis"](places[::-1])]


def new_figure(
    title: str, lines: Sequence[str], failed: bool = False, inches: tuple[float, float] = INCHES
) -> Figure:
    """Return an empty sheet with its headings: a title and smaller lines.

    The last line is muted, or, where the run has failed, in the colour of a warning.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=inches, facecolor=PAPER, layout="constrained")
    FigureCanvasAgg(figure)
    engine = figure.get_layout_engine()
    if engine is not None:
        below = FIRST_LINE - LINE * len(lines) + 0.005
        engine.set(rect=(0.008, 0.01, 0.984, below - 0.01), hspace=0.03, wspace=0.04)  # type: ignore[call-arg]
    _heading(figure, 0.955, " ".join(title.split()), 16.0, INK, "bold")
    closing = WRONG if failed else MUTED
    for number, line in enumerate(lines):
        last = number == len(lines) - 1
        _heading(figure, FIRST_LINE - LINE * number, line, 11.5, closing if last else INK)
    return figure


def _heading(
    figure: Figure, height: float, text: str, size: float, colour: str, weight: str = "normal"
) -> None:
    """Write one line across the sheet; shrink it, then cut it, until it fits."""
    entry = write(figure, 0.02, height, text, size=size, color=colour, weight=weight)
    room = 0.96 * figure.bbox.width
    while (wide := _extent(entry)) > room:
        if entry.get_fontsize() > 10.5:
            entry.set_fontsize(max(10.5, entry.get_fontsize() * room / wide * 0.99))
            continue
        kept = int(len(entry.get_text()) * room / wide) - 2
        entry.set_text(entry.get_text()[:kept].rstrip("… ") + "…")


def _extent(entry: Any) -> float:
    with any_script():
        return float(entry.get_window_extent().width)


@contextlib.contextmanager
def any_script() -> Iterator[None]:
    """Draw a box for a letter that no installed font has, without a word about it."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph .* missing from font")
        yield


def write(place: Any, x: float, y: float, text: str, **options: Any) -> Any:
    """Write text that is never read as mathematics: a column may be called `price ($)`."""
    return place.text(x, y, visible(text), parse_math=False, fontfamily=families(), **options)


def _tick(value: float) -> str:
    """Write a tick in full: a common factor above the axis would run into the legend.

    >>> _tick(-0.30000000000000004), _tick(1.5e9)
    ('−0.3', '1.5e9')
    """
    if value == 0 or 1e-4 <= abs(value) < 1e6:
        text = f"{value:.10g}"
    else:
        digits, power = f"{value:.9e}".split("e")
        text = f"{digits.rstrip('0').rstrip('.')}e{int(power)}"
    return text.replace("-", "−")


def style(axes: Axes, x_label: str = "", y_label: str = "") -> None:
    """Give axes the common look: two thin spines, quiet ticks, a faint horizontal grid."""
    from matplotlib.ticker import FuncFormatter

    axes.set_facecolor(PAPER)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    for side in ("left", "bottom"):
        axes.spines[side].set(color=MUTED, linewidth=0.8)
    axes.grid(True, axis="y", color=RULE, linewidth=0.7)
    axes.set_axisbelow(True)
    axes.tick_params(which="both", colors=MUTED, labelsize=11, labelfontfamily="DejaVu Sans")
    axes.tick_params(which="minor", length=0)
    for axis, label in ((axes.xaxis, x_label), (axes.yaxis, y_label)):
        axis.offsetText.set(color=MUTED, fontsize=10)
        if label:
            axis.set_label_text(
                shortened(visible(label), LONGEST_LABEL),
                color=INK,
                fontsize=12,
                fontfamily=families(),
                parse_math=False,
            )
    _plain_logarithms(axes)
    if axes.get_xscale() == "linear":
        axes.ticklabel_format(axis="x", style="sci", scilimits=_PLAIN, useMathText=True)
    if axes.get_yscale() == "linear":
        axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: _tick(value)))


def _plain_logarithms(axes: Axes) -> None:
    """Where a logarithmic axis spans few decades, label 2 and 5 too, and write numbers out."""
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

    for axis, scale, (low, high) in (
        (axes.xaxis, axes.get_xscale(), axes.get_xlim()),
        (axes.yaxis, axes.get_yscale(), axes.get_ylim()),
    ):
        if scale != "log":
            continue
        axis.set_minor_formatter(NullFormatter())
        if 0 < low < high < 500 * low:
            axis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
            axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))


def stretched(axes: Axes) -> None:
    """Give the first epochs the room of the many later ones; 0 stays on the axis."""
    from matplotlib.ticker import FuncFormatter, NullLocator, SymmetricalLogLocator

    axes.set_xscale("symlog", linthresh=1.0)
    low, high = axes.get_xlim()
    axes.set_xlim(max(low, -0.3), high)
    axes.xaxis.set_major_locator(SymmetricalLogLocator(base=10, linthresh=1.0))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: _tick(value)))
    axes.xaxis.set_minor_locator(NullLocator())


def _columns(labels: Sequence[str], most: int) -> int:
    """How many columns of a legend fit over a wide panel; a longer row would make it narrower.

    >>> _columns(["y, 60 rows", "prediction"], 4), _columns(["a long name of a column"] * 4, 4)
    (2, 2)
    """
    for count in range(min(most, len(labels)), 1, -1):
        widest = [max(map(len, part)) for part in np.array_split(labels, count)]
        if sum(widest) * LETTER + len(widest) * HANDLE <= ROOM:
            return count
    return 1


def legend_above(axes: Axes, columns: int = 4) -> None:
    """Put the legend in a row above the axes, where it can cover nothing."""
    handles, labels = axes.get_legend_handles_labels()
    if not handles:
        return
    labels = [shortened(label, LONGEST_LABEL) for label in labels]
    legend = axes.legend(
        handles,
        labels,
        loc="lower left",
        bbox_to_anchor=(0.0, 1.0),
        ncols=_columns(labels, columns),
        frameon=False,
        borderpad=0.2,
        borderaxespad=0.2,
        handletextpad=0.5,
        columnspacing=1.6,
        prop={"family": families(), "size": 11.5},
        labelcolor=INK,
    )
    for entry in legend.get_texts():
        entry.set_parse_math(False)


def points(axes: Axes, x: NDArray[Any], y: NDArray[Any], label: str = "") -> None:
    """Draw the data: as markers, or, where they would cover one another, as a density."""
    seen = np.isfinite(x) & np.isfinite(y)
    x, y = x[seen], y[seen]
    if x.size > MOST_MARKERS:
        axes.hexbin(
            x, y, gridsize=(90, 45), bins="log", mincnt=1, linewidths=0.1, cmap=density_colours()
        )
        if label:
            axes.plot([], [], "h", color=DATA, markersize=9, label=f"{label} (darker: more)")
        return
    size, alpha = (44.0, 0.45) if x.size <= 400 else (16.0, 0.35)
    axes.scatter(x, y, s=size, color=DATA, alpha=alpha, linewidths=0, label=label or None)


def bars(axes: Axes, x: NDArray[Any], y: NDArray[Any], spread: NDArray[Any]) -> None:
    """Draw a thin bar of one standard deviation up and down at each point."""
    look: dict[str, Any] = {"color": DATA, "linewidth": 1.0, "alpha": 0.45, "zorder": 1}
    axes.vlines(x, y - spread, y + spread, **look)


def density_colours() -> Colormap:
    """Return the scale from almost paper to the colour of the data."""
    from matplotlib.colors import LinearSegmentedColormap

    return LinearSegmentedColormap.from_list("density", ["#dbe7f2", "#7fa8cf", DATA, "#1c4a78"])


def contour_colours() -> Colormap:
    """Return a quiet scale for areas that a path is drawn on: low is light."""
    from matplotlib.colors import LinearSegmentedColormap

    return LinearSegmentedColormap.from_list("heights", ["#f6f9fc", "#c9d9e8", "#8fb0d0"])


def thinned(x: NDArray[Any], y: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any]]:
    """Leave out points of a long line, but no peak and no trough.

    Of each stretch the smallest and the largest value stay, at their places, and both ends.

    >>> x, y = thinned(np.arange(100_000), np.sin(np.arange(100_000)))
    >>> len(x) <= 4002, float(y.max() - y.min()) > 1.999
    (True, True)
    """
    if y.size <= MOST_VERTICES:
        return x, y
    edges = np.linspace(0, y.size, MOST_VERTICES // 2 + 1).astype(int)
    low, high = np.where(np.isnan(y), np.inf, y), np.where(np.isnan(y), -np.inf, y)
    kept = {0, y.size - 1}
    for start, stop in itertools.pairwise(edges):
        kept.add(int(start + low[start:stop].argmin()))
        kept.add(int(start + high[start:stop].argmax()))
    index = np.array(sorted(kept))
    return x[index], y[index]


def save(figure: Figure, path: str | os.PathLike[str] | None) -> Figure:
    """Write the figure where a path is given, and return it so that notebooks show it."""
    vars(figure)["_repr_png_"] = functools.partial(_png, figure)
    warn_of_missing(drawn_texts(figure))
    if path is None:
        return figure
    target = check_output_path(path, "plot")
    suffix = target.suffix.lower()
    with written_whole(target) as temporary, any_script():
        metadata = _METADATA.get(suffix)
        figure.savefig(temporary, dpi=DOTS, format=suffix[1:], metadata=metadata)
    return figure


def _png(figure: Figure) -> bytes:
    """The picture as a notebook asks for it, which knows only figures made through pyplot."""
    stream = io.BytesIO()
    with any_script():
        figure.savefig(stream, dpi=DOTS / 2, format="png")
    return stream.getvalue()
