"""The studio in a notebook's cell: a descent that plays, in Jupyter and marimo.

    from descend.studio.widget import Studio
    Studio()

The cell draws by the same module as the studio's page. Frames come as binary messages, the next one
after the browser has drawn the one before.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable, Mapping
from contextlib import suppress
from importlib.resources import files
from typing import Any

from descend.errors import UsageError

try:
    import anywidget
    import traitlets
except ImportError:
    raise UsageError(
        "a notebook shows the studio by anywidget, which is not installed",
        remedy="pip install 'descend[notebook]'",
    ) from None

from descend.studio.orders import SPEED, SPEEDS
from descend.studio.samples import Table
from descend.studio.session import NO_FRAME, Session
from descend.studio.setup import PARABOLA, Setup
from descend.words import LANGUAGES, check_language, words_of

__all__ = ["Studio"]

RATES = (-5.0, 0.3, 0.05)  # powers of ten of the learning rate: from, to, by

MINDS = 1.0  # seconds between two looks at whether the notebook still has the cell


class Studio(anywidget.AnyWidget):  # type: ignore[misc]
    """A descent in a notebook's cell.

    The run lives as long as some cell shows it. Where the cell is run again, the old run ends and a
    new one begins.

    Args:
        setup: what is descended; the lesson's parabola by default.
        table: the data, of a setup that names a table of one's own.
        lang: `"en"` or `"zh"`; may be set anew at any time.

    Raises:
        UsageError: there are no words in that language; or as of `Session`.
    """

    _esm = files("descend.studio").joinpath("draw.js").read_text("utf-8")
    words = traitlets.Dict().tag(sync=True)
    controls = traitlets.Dict().tag(sync=True)
    lang = traitlets.Enum(LANGUAGES, "en")

    def __init__(
        self, setup: Setup = PARABOLA, table: Table | None = None, *, lang: str = "en",
        **given: Any,
    ) -> None:  # fmt: skip
        self._setup, self._table = setup, table
        self._views = 0
        self._have, self._waits = -1, False
        self._session: Session | None = Session(setup, table)
        self._loop = _loop()
        super().__init__(
            lang=check_language(lang), words=dict(words_of("studio", lang)),
            controls={
                "lr": math.log10(setup.lr), "rates": RATES, "speed": SPEED,
                "speeds": [speed for speed in SPEEDS if speed < math.inf],
            },
            **given,
        )  # fmt: skip
        self.on_msg(_take)
        self._mind()

    @traitlets.observe("lang")  # type: ignore[untyped-decorator]
    def _speak(self, change: Mapping[str, Any]) -> None:
        self.words = dict(words_of("studio", change["new"]))

    @property
    def session(self) -> Session | None:
        """The run; None while no cell shows it."""
        return self._session

    def close(self) -> None:
        """End the run and the widget."""
        self._end()
        super().close()

    # --- what the cell says

    def _hello(self, _: Any) -> None:
        """A cell shows it from now on; what it shows begins with the scene."""
        self._views += 1
        if self._session is None:
            self._session, self._have, self._waits = Session(self._setup, self._table), -1, False
            self._mind()
        self.send({"scene": self._session.scene()})
        self._have = -1
        self._ask()

    def _bye(self, _: Any) -> None:
        self._views = max(0, self._views - 1)
        if not self._views:
            self._end()

    def _drawn(self, _: Any) -> None:
        self._ask()

    def _end(self) -> None:
        if self._session is not None:
            self._session.close()
            self._session = None

    def _mind(self) -> None:
        """End the run where the notebook has closed the cell's connection without a word."""
        if getattr(self.comm, "_closed", False):
            self._end()
        if self._loop is not None and self._session is not None:
            self._loop.call_later(MINDS, self._mind)

    def _ask(self) -> None:
        """Have the next frame made, unless one is on its way."""
        if self._session is not None and not self._waits:
            self._waits = True
            self._session.ask(self._have, self._in_loop(self._session))

    def _in_loop(self, session: Session) -> Callable[[int, bytes], None]:
        """What takes a frame in the run's thread, and sends it in the notebook's own."""

        def show(number: int, frame: bytes) -> None:
            if session is self._session:
                self._waits = False
                if frame != NO_FRAME:
                    self._have = number
                    self.send({"frame": number}, [frame])

        def take(number: int, frame: bytes) -> None:
            if self._loop is None:
                show(number, frame)
                return
            with suppress(RuntimeError):  # the notebook has ended
                self._loop.call_soon_threadsafe(show, number, frame)

        return take


DOES: Mapping[str, Callable[[Studio, Any], None]] = {
    "hello": Studio._hello, "bye": Studio._bye, "ack": Studio._drawn,
}  # fmt: skip
"""What a cell says beside orders to the run."""


def _take(widget: Studio, message: Any, _: Any) -> None:
    """A message of the cell: one of `DOES`, or an order; what is neither is left alone."""
    name = message.get("do") if isinstance(message, dict) else None
    if not isinstance(name, str):
        return
    if name in DOES:
        DOES[name](widget, message)
    elif widget.session is not None:
        with suppress(UsageError, TypeError):
            widget.session.order(name, message.get("value", 1))


def _loop() -> asyncio.AbstractEventLoop | None:
    """The loop of the notebook's kernel; none in a plain program."""
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None
