"""`descend studio`: the descent in the browser."""

from __future__ import annotations

from typing import Any

from descend.cli.streams import say

__all__ = ["studio"]


def studio(**given: Any) -> None:
    """Show a descent in the browser: play it, or step it by one example.

    The page is for this computer alone. Its address is printed, and opened in a browser; Ctrl-C
    ends it.
    """
    from descend.studio.server import serve  # what shows it takes half a second to load

    serve(given["port"], given["open"], say)
