"""A run that is watched on the terminal: the model's curve on the data, and the loss.

Dots are those of Braille, two by four in a sign; where the encoding has none, there is one sign
for each place.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from typing import IO, Any

import numpy as np

from descend.show.numbers import short
from descend.show.progress import BETWEEN_DRAWINGS, Clock, Meter

__all__ = ["Dots", "Watched"]

Array = np.ndarray[Any, np.dtype[Any]]
WIDTH, HEIGHT = 44, 12  # signs of a picture, without its numbers
LEAST_WIDTH = 16
BRAILLE = 0x2800
BITS = np.array([[0x01, 0x02, 0x04, 0x40], [0x08, 0x10, 0x20, 0x80]])  # by column and row of a sign
FINE = (2, 4)  # dots of a sign
DATA, CURVE = 0, 1
COLOURS = ("blue", "red")
PLAIN = (".", "*")
SPAN = 100.0  # times the least loss, from which on it is drawn by its powers of ten
MOST = 4000  # losses that are kept


class Dots:
    """A picture of dots in signs.

    >>> dots = Dots(4, 2, (0, 1), (0, 1))
    >>> dots.line(np.linspace(0, 1, 50), np.linspace(0, 1, 50))
    >>> print("\\n".join(dots.text()))
    ⠀⠀⡠⠊
    ⡠⠊⠀⠀
    """

    def __init__(
        self, width: int, height: int, across: Sequence[float], up: Sequence[float],
        braille: bool = True,
    ) -> None:  # fmt: skip
        self.width, self.height, self.braille = width, height, braille
        self.fine = FINE if braille else (1, 1)
        self.across, self.up = across, up
        self.signs = np.zeros((2, height, width), np.int64)

    def points(self, x: Array, y: Array, layer: int = DATA) -> None:
        """Put points into one of the two layers; what lies outside is left out."""
        places = []
        for values, ends, signs, fine in (
            (x, self.across, self.width, self.fine[0]), (y, self.up, self.height, self.fine[1]),
        ):  # fmt: skip
            span = (ends[1] - ends[0]) or 1.0
            with np.errstate(all="ignore"):
                places.append(np.rint((values - ends[0]) / span * (signs * fine - 1)))
        right, above = places
        wide, high = self.width * self.fine[0], self.height * self.fine[1]
        inside = (right >= 0) & (right < wide) & (above >= 0) & (above < high)
        i, j = right[inside].astype(np.int64), high - 1 - above[inside].astype(np.int64)
        bits = BITS[i % 2, j % 4] if self.braille else np.ones(len(i), np.int64)
        np.bitwise_or.at(self.signs[layer], (j // self.fine[1], i // self.fine[0]), bits)

    def line(self, x: Array, y: Array, layer: int = CURVE) -> None:
        """Put a line through points that rise in x."""
        sound = np.isfinite(x) & np.isfinite(y)
        if sound.sum() < 2:
            return
        fine = np.linspace(x[sound][0], x[sound][-1], 8 * self.width)
        self.points(fine, np.interp(fine, x[sound], y[sound]), layer)

    def cells(self) -> list[list[tuple[str, int]]]:
        """The signs, row by row, with the layer of each; the curve lies above the data."""
        rows = []
        for below, above in zip(*self.signs, strict=True):
            row = []
            for data, curve in zip(below.tolist(), above.tolist(), strict=True):
                layer = CURVE if curve else DATA
                sign = chr(BRAILLE + (data | curve)) if self.braille else " "
                if not self.braille and (data or curve):
                    sign = PLAIN[layer]
                row.append((sign, layer))
            rows.append(row)
        return rows

    def text(self) -> list[str]:
        """The rows without their colours."""
        return ["".join(sign for sign, _ in row) for row in self.cells()]


class Watched(Meter):
    """A meter that draws the run; the last picture stays.

    Args:
        curve: x and y of the data, and the model at (n,) values of x with the parameters of the
            moment; None where there is no one x to draw over.
    """

    each_epoch = True

    def __init__(
        self, stream: IO[str], curve: tuple[Array, Array, Callable[..., Any]] | None,
        clock: Clock = time.monotonic,
    ) -> None:  # fmt: skip
        super().__init__(stream, clock)
        self.curve = curve
        self.losses: list[tuple[int, float]] = []
        self.params: dict[str, Any] = {}
        self.live: Any = None
        self.drawn = -math.inf
        encoding = getattr(stream, "encoding", None) or "utf-8"
        try:
            chr(BRAILLE).encode(encoding)
            self.braille = True
        except (UnicodeEncodeError, LookupError):
            self.braille = False

    def start(self, total: int | None, unit: str = "epoch") -> None:
        super().start(total, unit)
        self.losses, self.drawn = [], -math.inf

    def see(self, moment: Any) -> None:
        """Take the parameters of a moment, as a callback of the run."""
        self.params = moment.params

    def update(self, epoch: int, loss: float, rows: int) -> None:
        if not self.losses or self.losses[-1][0] != epoch:
            self.losses.append((epoch, loss))
            if len(self.losses) > MOST:
                self.losses = [*self.losses[:-1:2], self.losses[-1]]
        super().update(epoch, loss, rows)

    def _show(self) -> None:
        if not getattr(self.stream, "isatty", lambda: False)():
            return
        now = self.elapsed
        if now - self.drawn >= BETWEEN_DRAWINGS:
            self.drawn = now
            self._draw()

    def _draw(self) -> None:
        from rich.console import Console
        from rich.live import Live

        if self.live is None:
            console = Console(file=self.stream, highlight=False)
            self.live = Live(console=console, auto_refresh=False, redirect_stdout=False,
                             redirect_stderr=False)  # fmt: skip
            self.live.start()
        self.live.update(self.picture(self.live.console.width), refresh=True)

    def _end(self, message: str) -> None:
        from rich.console import Console

        self.total = None  # nothing is left of it

        if self.live is not None:
            self.live.update(self.picture(self.live.console.width), refresh=True)
            self.live.stop()
            self.live = None
        elif self.losses:
            console = Console(file=self.stream, highlight=False)
            console.print(self.picture(console.width))

    def picture(self, columns: int = 80) -> Any:
        """What is drawn, for so many columns."""
        from rich.console import Group
        from rich.table import Table
        from rich.text import Text

        parts = [part for part in (self._curve(columns), self._course(columns)) if part is not None]
        grid = Table.grid(padding=(0, 2))
        for _ in parts:
            grid.add_column()
        grid.add_row(*(self._framed(*part) for part in parts))
        return Group(grid, Text(self._line()))

    def _width(self, columns: int) -> int:
        panels = 1 if self.curve is None else 2
        return max(LEAST_WIDTH, min(WIDTH, (columns - 14 * panels) // panels))

    def _curve(self, columns: int) -> tuple[Dots, str, list[str]] | None:
        if self.curve is None:
            return None
        x, y, model = self.curve
        ends = (float(x.min()), float(x.max()))
        low, high = float(y.min()), float(y.max())
        room = 0.05 * ((high - low) or abs(high) or 1.0)
        dots = Dots(self._width(columns), HEIGHT, ends, (low - room, high + room), self.braille)
        dots.points(x, y)
        if self.params:
            grid = np.linspace(*ends, 4 * dots.width)
            with np.errstate(all="ignore"):
                dots.line(grid, np.broadcast_to(model(grid, **self.params), grid.shape))
        return dots, "data and curve", [short(v, 4) for v in (low, high, *ends)]

    def _course(self, columns: int) -> tuple[Dots, str, list[str]]:
        epochs = np.array([e for e, _ in self.losses], float)
        losses = np.array([loss for _, loss in self.losses], float)
        sound = losses[np.isfinite(losses)]
        low, high = (float(sound.min()), float(sound.max())) if len(sound) else (0.0, 1.0)
        powers = low > 0 and high > SPAN * low
        with np.errstate(all="ignore"):
            drawn = np.log10(losses) if powers else losses
        up = (math.log10(low), math.log10(high)) if powers else (low, high)
        first, last = (epochs[0], epochs[-1]) if len(epochs) else (0.0, 1.0)
        dots = Dots(self._width(columns), HEIGHT, (first, last), up, self.braille)
        dots.line(epochs, drawn)
        name = "loss, by powers of ten" if powers else "loss"
        return dots, name, [short(v, 4) for v in (low, high, first, last)]

    def _framed(self, dots: Dots, title: str, ends: list[str]) -> Any:
        """A picture with its title, and the ends of both axes."""
        from rich.text import Text

        low, high, first, last = ends
        margin = max(len(low), len(high), 4)
        text = Text(" " * (margin + 1) + title + "\n", style="bold")
        for number, row in enumerate(dots.cells()):
            label = high if number == 0 else low if number == dots.height - 1 else ""
            text.append(f"{label:>{margin}} ", style="dim")
            for sign, layer in row:
                text.append(sign, style=COLOURS[layer])
            text.append("\n")
        gap = max(1, dots.width - len(first) - len(last))
        text.append(" " * (margin + 1) + first + " " * gap + last, style="dim")
        return text
