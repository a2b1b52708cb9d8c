"""The picture of a loss over two parameters of a fit, with the way that the descent took on it.

Of many parameters the plane may be that of the way's two principal directions, as in Li et al.,
"Visualizing the loss landscape of neural nets" (2018).
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from descend.errors import UsageError, suggest
from descend.records.record import FitRecord
from descend.show import canvas
from descend.show.numbers import plural, short
from descend.show.paths import contours, draw_way, span
from descend.show.plots import course, head_lines, run_line

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["Plane", "loss_over", "plane_of", "plot_surface"]

Array = NDArray[Any]
SECONDS = 2.0  # that the values of a picture may take, about
GRID, LEAST = 80, 24  # values along an edge


class Plane(NamedTuple):
    """A plane in the space of all numbers of a fit.

    Attributes:
        labels: of its two axes.
        directions: (2, numbers), of length 1.
        origin: (numbers,) a point of it, where both coordinates are `shift`.
        shift: (2,) what is written at the origin.
    """

    labels: tuple[str, str]
    directions: Array
    origin: Array
    shift: Array

    def point(self, place: Array) -> Array:
        """The numbers at coordinates (2,)."""
        return np.asarray(self.origin + (place - self.shift) @ self.directions)

    def coordinates(self, points: Array) -> Array:
        """The coordinates (m, 2) of the points (m, numbers), seen from above the plane."""
        return np.asarray((points - self.origin) @ self.directions.T + self.shift)


def plane_of(names: Sequence[str], varied: Sequence[str], way: Array, end: Array,
             over: Sequence[str] | None) -> Plane:  # fmt: skip
    """The plane of a picture: of two numbers by name, or along which the way spreads most.

    Args:
        names: of all numbers; `varied` are those that the descent moves.
        way: (m, numbers) along the descent; `end` is where it returned from.
        over: two names; None for the only two that vary, or the principal directions.

    Raises:
        UsageError: a name that there is not, or not two of them; a way that spreads in no two
            directions, or is not known.
    """
    if over is None and len(varied) == 2:
        over = list(varied)
    if over is not None:
        chosen = [over] if isinstance(over, str) else list(over)
        for name in chosen:
            if name not in names:
                raise UsageError(
                    f'the surface is over "{name}", and there is no such number'
                    f"{suggest(str(name), names)}",
                    remedy=f"choose two of {', '.join(names[:8])}{', …' * (len(names) > 8)}",
                )
        if len(set(chosen)) != 2:
            raise UsageError(
                f"a surface is over two numbers, not {len(set(chosen))}",
                remedy=f'write over=("{names[0]}", "{names[-1]}"), for example',
            )
        at = [list(names).index(name) for name in chosen]
        return Plane((chosen[0], chosen[1]), np.eye(len(names))[at], end, end[at])
    if len(varied) < 2:
        raise UsageError("a surface is over two numbers, and one varies", remedy="use plot()")
    if len(way) < 3:
        raise UsageError(
            f"{plural(len(varied), 'number')} vary, and the way of the descent was not recorded, "
            "along which the plane could lie",
            remedy='choose two by over=("…", "…"), or fit with record=["params"]',
        )
    _, sizes, directions = np.linalg.svd(way - end, full_matrices=False)
    if len(sizes) < 2 or sizes[1] == 0:
        raise UsageError("the way is a straight line", remedy='choose two by over=("…", "…")')
    shares = 100 * sizes**2 / np.sum(sizes**2)
    labels = [f"direction {n + 1} ({shares[n]:.3g} % of the way)" for n in range(2)]
    return Plane((labels[0], labels[1]), directions[:2], end, np.zeros(2))


def plot_surface(
    record: FitRecord, plane: Plane, way: Array, loss: Callable[[Array], float],
    path: str | os.PathLike[str] | None = None,
) -> Figure:  # fmt: skip
    """Draw the loss over a plane, the way on it, and the course of the loss beside them.

    Args:
        way: (m, numbers) the positions that are known, from the start to the end.
        loss: of all numbers.

    Raises:
        UsageError: the path cannot be written.
    """
    made = run_line(record, plural(record.epochs, record.unit), f"loss {short(record.loss)}")
    heading = f"The loss of {record.model}"
    lines = [*head_lines(record), made]
    if way.shape[1] > 2:
        lines.append("in the plane through the end of the way, which lies beside it elsewhere")
    figure = canvas.new_figure(heading, lines, failed=not record.success)
    left, right = figure.subplots(1, 2, width_ratios=(1.6, 1.0))
    seen = plane.coordinates(way)
    seen = seen[np.isfinite(seen).all(axis=1)]
    x, y, z = loss_over(plane, seen, loss)
    contours(left, x, y, z)
    draw_way(left, seen[:, 0], seen[:, 1])
    canvas.style(left, *plane.labels)
    left.grid(False)
    canvas.legend_above(left)
    course(right, record)
    return canvas.save(figure, path)


def loss_over(
    plane: Plane, seen: Array, loss: Callable[[Array], float]
) -> tuple[Array, Array, Array]:
    """The loss around the way, over both coordinates: fewer values of what takes long."""

    def value(a: float, b: float) -> float:
        try:
            with np.errstate(all="ignore"):
                return loss(plane.point(np.array([a, b])))
        except (ArithmeticError, ValueError):
            return float("nan")

    began = time.perf_counter()
    value(*plane.shift)
    each = max(time.perf_counter() - began, 1e-6)
    count = int(np.clip(np.sqrt(SECONDS / each), LEAST, GRID))
    x, y = (np.linspace(*span(seen[:, n]), count) for n in range(2))
    return x, y, np.array([[value(a, b) for a in x] for b in y])
