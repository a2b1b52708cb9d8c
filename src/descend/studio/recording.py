"""A run recorded without a browser, as a report that plays."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import numpy as np

from descend.errors import UsageError
from descend.studio.frames import unpack
from descend.studio.guide import Guide
from descend.studio.lessons import find_lesson
from descend.studio.opened import read_file
from descend.studio.orders import MOST_STEPS
from descend.studio.report import MOST_FRAMES, report_html
from descend.studio.samples import Table
from descend.studio.session import NO_FRAME, Session
from descend.studio.setup import PARABOLA, Setup
from descend.words import LANGUAGES, words_of

__all__ = ["EPOCHS", "origin_of", "recorded_report", "report_of"]

EPOCHS = 1000
"""How many epochs are recorded, where neither the setup nor the run itself ends it before."""


def origin_of(setup: Setup) -> dict[str, str]:
    """What the data are called, by language."""
    source = setup.source
    return {
        lang: words_of("studio", lang)[f"sample_{source.sample}"] if source.sample else source.own
        for lang in LANGUAGES
    }


def recorded_report(setup: Setup, table: Table | None = None, lang: str = "en") -> str:
    """Descend from the start to the end, and return the report that plays it.

    The moments lie close at first, where most happens, and ever farther apart.

    Raises:
        UsageError: as of `report_html`; DescendError: as of `Session`.
    """
    session = Session(setup, table)
    try:
        frames = _frames(session, setup.epochs or EPOCHS)
        return report_html(
            session.scene(), frames, setup.formula or "descend", origin_of(setup), lang
        )
    finally:
        session.close()


def _frames(session: Session, epochs: int) -> list[bytes]:
    """The frames of a run at moments that follow one another by a constant factor."""
    d = session.descent
    last = epochs * -(-d.n_rows // d.batch_size)
    moments = np.unique(np.geomspace(1, max(last, 2), MOST_FRAMES).astype(np.int64))
    frames = [_frame(session, -1)]
    for count in np.diff(moments, prepend=0):
        for part in range(0, int(count), MOST_STEPS - 1):
            session.order("batch", min(int(count) - part, MOST_STEPS - 1))
        frames.append(_frame(session, int(unpack(frames[-1])[0]["sequence"])))
        if unpack(frames[-1])[0]["ended"]:
            break
    return frames


def _frame(session: Session, have: int) -> bytes:
    """The next frame after the one that is had."""
    there, got = threading.Event(), []

    def take(_: int, frame: bytes) -> None:
        got.append(frame)
        there.set()

    session.ask(have, take)
    there.wait()
    if got[0] == NO_FRAME:
        raise UsageError("the run has ended before it was recorded")
    return got[0]


def report_of(file: str | None, lesson: str | None, path: str) -> None:
    """Record what the studio would begin on, and write the report.

    Args:
        file: a table. lesson: a lesson's name or file. With neither, the lesson's parabola.
        path: of the report.

    Raises:
        UsageError: the path ends in something else than .html, or cannot be written.
        DescendError: what the studio would refuse.
    """
    place = Path(path)
    if place.suffix.lower() not in (".html", ".htm"):
        raise UsageError(
            f'a report is a page of HTML, and "{place}" is none', remedy="write such as run.html"
        )
    setup, table = PARABOLA, None
    if lesson is not None:
        setup = Guide(find_lesson(lesson)).setup
    elif file is not None:
        opened = read_file(file, os.path.basename(file))
        setup, table = opened.begins, opened.table
    page = recorded_report(setup, table)
    try:
        place.write_text(page, encoding="utf-8")
    except OSError as error:
        raise UsageError(f'the report cannot be written to "{place}": {error.strerror}') from None
