"""A descent that moves: the curve goes to the points while the loss falls, as GIF or MP4."""

from __future__ import annotations

import base64
import io
import os
import subprocess
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from descend.errors import UsageError
from descend.records.record import FitRecord
from descend.show import canvas
from descend.show.classes import Classified, draw_classes
from descend.show.fonts import drawn_texts, warn_of_missing
from descend.show.numbers import short
from descend.show.output import check_output_path, written_whole
from descend.show.paths import contours, span
from descend.show.plots import Rows, left_line

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["FRAMES", "Film", "Ground", "Moving", "animated", "check_animation"]

Array = NDArray[Any]
FRAMES = 60
FPS, HELD = 12, 2.0  # frames and seconds; the last picture stays for so long
MOST_BYTES = 2_000_000
LEAST_FRAMES = 10
INCHES, DOTS = (10.0, 5.2), 80  # 800 × 416
COLOURS, STEPS = 128, 16  # found in the pictures; of a colour of the look
NEARLY = 247  # white: Pillow takes the first colour that is about the same
LINE_AT = 0.908  # the height of the line below the title
MOST_DOTS = 800  # of the data in a picture that moves


class Ground(NamedTuple):
    """What a ball rolls over: two names, their axes, the loss (b, a), and the way (frames, 2)."""

    names: tuple[str, str]
    x: Array
    y: Array
    z: Array
    way: Array


class Film(NamedTuple):
    """The pictures of a descent, from its start to its end.

    Attributes:
        epochs: (frames,). loss: (frames,) on all rows, at the parameters of each.
        rows: of the fit. x: (points,) and curves: (frames, points) of a model of one column; of
            others curves has the predictions for the rows.
        classes: the same for what tells classes apart, one a frame, in place of these.
        ground: the loss over the only two numbers that vary.
    """

    epochs: Array
    loss: Array
    rows: Rows | None = None
    x: Array | None = None
    curves: Array | None = None
    classes: Sequence[Classified] = ()
    ground: Ground | None = None


Mover = tuple[Callable[[int], None], list[Any] | None]
"""What shows a panel as it is in one of the pictures, and what moves in it; None for all of it."""


class Sheet(NamedTuple):
    """A figure, what makes it show one of the pictures, and what moves; None for all of it."""

    figure: Figure
    draw: Callable[[int], None]
    moving: list[Any] | None


class Moving:
    """An animation, which shows itself in a notebook.

    Attributes:
        data: the bytes of the file. kind: `gif` or `mp4`. frames: how many pictures it has.
    """

    def __init__(self, data: bytes, kind: str, frames: int) -> None:
        self.data, self.kind, self.frames = data, kind, frames

    def __repr__(self) -> str:
        return f"<animation of {self.frames} pictures: {self.kind}, {len(self.data) // 1000} kB>"

    def _repr_html_(self) -> str:
        text = base64.b64encode(self.data).decode("ascii")
        if self.kind == "gif":
            return f'<img alt="a descent" src="data:image/gif;base64,{text}">'
        return f'<video controls loop src="data:video/mp4;base64,{text}"></video>'


def check_animation(path: str | os.PathLike[str]) -> Path:
    """Make sure that an animation can be written there afterwards.

    Raises:
        UsageError: it cannot, or it is an MP4 and there is no ffmpeg.
    """
    target = check_output_path(path, "animation")
    if target.suffix.lower() == ".mp4":
        from matplotlib.animation import FFMpegWriter

        if not FFMpegWriter.isAvailable():
            raise UsageError(
                f'"{path}" is an MP4, which ffmpeg writes, and ffmpeg is not installed',
                remedy="install it (apt install ffmpeg, brew install ffmpeg, winget install "
                "ffmpeg), or write a .gif",
            )
    return target


def animated(record: FitRecord, film: Film, path: str | os.PathLike[str] | None = None) -> Moving:
    """Draw every picture of a film, and write them where a path is given.

    A file is at most 2 MB large: of a longer one every second picture is left out.

    Raises:
        UsageError: the path cannot be written, or needs ffmpeg.
    """
    kind = "gif" if path is None else check_animation(path).suffix.lower()[1:]
    shown = np.arange(len(film.epochs))
    while True:
        data = _written(record, film, shown, kind)
        if len(data) <= MOST_BYTES or len(shown) <= LEAST_FRAMES:
            break
        shown = np.union1d(shown[::2], shown[-1:])
    if path is not None:
        with written_whole(check_animation(path)) as temporary:
            Path(temporary).write_bytes(data)
    return Moving(data, kind, len(shown))


def _written(record: FitRecord, film: Film, shown: Array, kind: str) -> bytes:
    with canvas.any_script():
        sheet = _sheet(record, film)
        warn_of_missing(drawn_texts(sheet.figure))
        return _gif(sheet, shown) if kind == "gif" else _mp4(sheet, shown)


def _mp4(sheet: Sheet, shown: Array) -> bytes:
    """All pictures through ffmpeg, which chooses the encoder; the last of them stays."""
    from matplotlib.animation import FFMpegWriter

    frames = list(_frames(sheet, shown))
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder) / "descent.mp4"
        read = ["-f", "rawvideo", "-pix_fmt", "rgb24", "-r", str(FPS), "-i", "-"]
        write = ["-vf", f"tpad=stop_mode=clone:stop_duration={HELD}", "-pix_fmt", "yuv420p"]
        size = f"{frames[0].width}x{frames[0].height}"
        done = subprocess.run(
            [FFMpegWriter.bin_path(), "-v", "error", "-s", size, *read, *write, str(place)],
            input=b"".join(frame.tobytes() for frame in frames), capture_output=True,
        )  # fmt: skip
        if done.returncode or not place.exists():
            said = done.stderr.decode(errors="replace").strip().splitlines()
            raise UsageError(
                f"ffmpeg could not write the film: {said[-1] if said else 'it said nothing'}",
                remedy="write a .gif, or install a full ffmpeg",
            )
        return place.read_bytes()


def _gif(sheet: Sheet, shown: Array) -> bytes:
    """All pictures in the same few colours; the last of them stays."""
    from PIL import Image

    frames = list(_frames(sheet, shown))
    sample = Image.new("RGB", (frames[0].width, 3 * frames[0].height))
    for number, frame in enumerate((frames[0], frames[len(frames) // 2], frames[-1])):
        sample.paste(frame, (0, number * frame.height))
    palette = Image.new("P", (1, 1))
    found = (sample.quantize(COLOURS).getpalette() or [])[: 3 * COLOURS]
    palette.putpalette([255 if part > NEARLY else part for part in _ramps() + found])
    plain = Image.Dither.NONE
    first, *others = [frame.quantize(palette=palette, dither=plain) for frame in frames]
    durations = [round(1000 / FPS)] * (len(frames) - 1) + [round(1000 * HELD)]
    stream = io.BytesIO()
    first.save(
        stream, format="GIF", save_all=True, append_images=others, duration=durations, loop=0
    )
    return stream.getvalue()


def _ramps() -> list[int]:
    """The colours of the look, each in steps from paper on: a small dot keeps its own."""
    from matplotlib.colors import to_rgb

    named = (canvas.INK, canvas.MUTED, canvas.DATA, canvas.FIT, canvas.HELD_BACK, canvas.WRONG)
    shares = np.linspace(0, 1, STEPS)[:, None]
    found = [(1 - shares) + shares * np.array(to_rgb(colour)) for colour in named]
    return [int(value) for value in (255 * np.concatenate(found)).round().ravel()]


def _frames(sheet: Sheet, shown: Array) -> Iterator[Any]:
    """The pictures one after the other; where few things move, only these are drawn anew."""
    from PIL import Image

    figure, moving = sheet.figure, sheet.moving
    drawn: Any = figure.canvas
    for artist in moving or ():
        artist.set_animated(True)
    drawn.draw()
    ground = drawn.copy_from_bbox(figure.bbox)
    for number in shown:
        sheet.draw(int(number))
        if moving is None:
            drawn.draw()
        else:
            drawn.restore_region(ground)
            for artist in moving:
                (artist.axes or figure).draw_artist(artist)
        yield Image.fromarray(np.asarray(drawn.buffer_rgba())).convert("RGB")


# --- the sheet, and what moves on it


def _sheet(record: FitRecord, film: Film) -> Sheet:
    figure = canvas.new_figure(record.model, [" "], inches=INCHES)
    figure.set_dpi(DOTS)
    line = figure.texts[1]
    line.set_y(LINE_AT)
    has_data = int(film.rows is not None or bool(film.classes))
    has_ground = int(film.ground is not None)
    panels = figure.subplots(
        1, 1 + has_data + has_ground, squeeze=False,
        width_ratios=[1.5] * has_data + [1.2] * has_ground + [1.0],
    ).ravel()  # fmt: skip
    movers: list[Mover] = []
    if film.classes:
        movers.append(_moving_classes(panels[0], record, film))
    elif film.rows is not None:
        movers.append(_moving_curve(panels[0], record, film, film.rows))
    if film.ground is not None:
        movers.append(_moving_ball(panels[has_data], film.ground))
    movers.append(_moving_loss(panels[-1], record, film))

    said = left_line(record)
    left = f"  ·  {said[0]}" if said else ""

    def draw(number: int) -> None:
        for move, _ in movers:
            move(number)
        line.set_text(
            f"{record.optimizer}  ·  {record.unit} {film.epochs[number]:.0f}  ·  loss "
            f"{short(float(film.loss[number]), 4)}" + left * (number == len(film.epochs) - 1)
        )

    draw(len(film.epochs) - 1)
    figure.canvas.draw()
    figure.set_layout_engine("none")  # else panels would move as well
    moving = [line]
    for _, artists in movers:
        if artists is None:
            return Sheet(figure, draw, None)
        moving += artists
    return Sheet(figure, draw, moving)


def _moving_curve(axes: Axes, record: FitRecord, film: Film, rows: Rows) -> Mover:
    """The data with the curve, or the actual values over the predicted ones."""
    assert film.curves is not None
    curves = film.curves
    step = -(-rows.actual.size // MOST_DOTS)
    low, high = _range([rows.actual, curves[-1], curves[0]])
    if film.x is not None:
        canvas.points(axes, rows.place[::step], rows.actual[::step], record.target)
        (curve,) = axes.plot(film.x, curves[0], color=canvas.FIT, linewidth=2.4, zorder=4,
                             label="the model")  # fmt: skip
        canvas.style(axes, rows.name, record.target)
        axes.set(xlim=_range([film.x], 0.02), ylim=(low, high))
        canvas.legend_above(axes)
        return lambda number: curve.set_ydata(curves[number]), [curve]
    ends = [low, high]
    axes.plot(ends, ends, color=canvas.FIT, linewidth=1.6, label="prediction = actual")
    look: dict[str, Any] = {"s": 18.0, "color": canvas.DATA, "alpha": 0.45, "linewidths": 0}
    actual = rows.actual[::step]
    dots = axes.scatter(curves[0][::step], actual, label=f"{actual.size} rows", **look)
    canvas.style(axes, f"{record.target}, predicted", f"{record.target}, actual")
    axes.set(xlim=(low, high), ylim=_range([rows.actual]))
    canvas.legend_above(axes)

    def move(number: int) -> None:
        dots.set_offsets(np.stack([curves[number][::step], actual], axis=1))

    return move, [dots]


def _moving_classes(axes: Axes, record: FitRecord, film: Film) -> Mover:
    def move(number: int) -> None:
        axes.clear()
        draw_classes(axes, record, film.classes[number])

    return move, None


def _moving_ball(axes: Axes, ground: Ground) -> Mover:
    contours(axes, ground.x, ground.y, ground.z)
    look: dict[str, Any] = {"color": canvas.FIT, "zorder": 4}
    (way,) = axes.plot(*ground.way.T, linewidth=1.4, label="the way taken", **look)
    (ball,) = axes.plot(*ground.way[:1].T, "o", markersize=10, markeredgecolor=canvas.PAPER, **look)
    canvas.style(axes, *ground.names)
    axes.grid(False)
    axes.set(xlim=(ground.x[0], ground.x[-1]), ylim=(ground.y[0], ground.y[-1]))
    canvas.legend_above(axes)

    def move(number: int) -> None:
        way.set_data(*ground.way[: number + 1].T)
        ball.set_data(*ground.way[number : number + 1].T)

    return move, [way, ball]


def _moving_loss(axes: Axes, record: FitRecord, film: Film) -> Mover:
    """The loss so far, with a dot where it stands."""
    finite = film.loss[np.isfinite(film.loss)]
    axes.plot(film.epochs, film.loss, color=canvas.PALE, linewidth=1.2)
    (line,) = axes.plot([], [], color=canvas.DATA, linewidth=2.2, label="loss on all rows")
    (dot,) = axes.plot([], [], "o", color=canvas.FIT, markersize=8, clip_on=False, zorder=5)
    if finite.size and (finite > 0).all() and finite.max() > 3 * finite.min():
        axes.set_yscale("log")
    uneven = len(film.epochs) > 3 and np.diff(film.epochs)[-1] > 2 * np.diff(film.epochs)[0]
    if uneven:
        canvas.stretched(axes)
    canvas.style(axes, record.unit, "")
    if uneven:
        canvas.stretched(axes)
        axes.set_xlim(-0.3, 1.3 * film.epochs[-1])
    canvas.legend_above(axes)

    def move(number: int) -> None:
        line.set_data(film.epochs[: number + 1], film.loss[: number + 1])
        dot.set_data(film.epochs[number : number + 1], film.loss[number : number + 1])

    return move, [line, dot]


def _range(arrays: Sequence[Array], share: float = 0.06) -> tuple[float, float]:
    """Ends of an axis for all these values that are numbers."""
    values = np.concatenate([np.ravel(a) for a in arrays])
    return span(values[np.isfinite(values)], share)
