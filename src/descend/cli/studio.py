"""`descend studio`: the descent in the browser."""

from __future__ import annotations

import gc
from typing import Any

from descend.cli.options import Text
from descend.cli.streams import say
from descend.graph.bulk import without_collection

__all__ = ["studio"]


def studio(file: Text | None = None, /, **given: Any) -> None:
    """Show a descent in the browser: play it, or step it by one example.

    The page is for this computer alone. Its address is printed, and opened in a browser; Ctrl-C
    ends it.

    Args:
        file: A table to begin on, or a lesson (.md); else the lesson's parabola.
    """
    lesson, report = given.get("lesson"), given.get("report")
    if file is not None and file.lower().endswith(".md"):
        file, lesson = None, lesson or file
    if report is not None:
        from descend.studio.recording import report_of

        report_of(file, lesson, report)
        say(f'the report is in "{report}"')
        return
    with without_collection():  # what shows it takes half a second to load, and stays
        from descend.studio.server import serve
    gc.freeze()
    serve(given["port"], given["open"], say, file, lesson)
