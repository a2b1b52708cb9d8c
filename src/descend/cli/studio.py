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
        file: A table to begin on; else the lesson's parabola.
    """
    with without_collection():  # what shows it takes half a second to load, and stays
        from descend.studio.server import serve
    gc.freeze()
    serve(given["port"], given["open"], say, file)
