"""The studio's server: on the loopback address, behind the guard, until Ctrl-C."""

from __future__ import annotations

import asyncio
import os
import socket
import threading
import warnings
import webbrowser
from collections.abc import Callable

from descend.errors import DescendWarning, UsageError

try:
    import uvicorn
    from fastapi import FastAPI
    from nicegui import ui
except ImportError:
    raise UsageError(
        "descend studio shows its pages by NiceGUI, which is not installed",
        remedy="pip install 'descend[studio]'",
    ) from None

from descend.studio.guard import Guard
from descend.studio.guide import check_lessons
from descend.studio.lessons import LESSONS, find_lesson
from descend.studio.opened import read_file
from descend.studio.orders import ORDERS
from descend.studio.page import FAVICON, Studio

__all__ = ["serve"]

HOST = "127.0.0.1"
FAREWELL = 1  # seconds that connections have to end when the studio stops


def serve(
    port: int = 0, opens: bool = True, say: Callable[[str], None] = print, file: str | None = None,
    lesson: str | None = None,
) -> None:  # fmt: skip
    """Serve the studio until it is interrupted.

    Args:
        port: of the loopback address; 0 for one that is free.
        opens: whether a browser is opened on it.
        say: told the address, once it answers.
        file: a table to begin on; else the lesson's parabola.
        lesson: the name of a lesson that is open, or its file.

    Raises:
        UsageError: the port is taken.
        DataError: the file is no table, or too large a one.
        KeyboardInterrupt: Ctrl-C.
    """
    opened = None if file is None else read_file(file, os.path.basename(file))
    lessons = None if lesson is None else find_lesson(lesson)
    if lessons is not None and lesson not in LESSONS:
        check_lessons(lessons, {name: order.takes for name, order in ORDERS.items()})
    own = _listen(port)
    inner = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)
    studio = Studio(opened, lessons)
    studio.enter()
    ui.run_with(
        inner, title="descend studio", favicon=FAVICON, dark=None, tailwind=False,
        binding_refresh_interval=None, show_welcome_message=False,
    )  # fmt: skip
    guard = Guard(inner, own.getsockname()[1])
    config = uvicorn.Config(
        guard, ws="websockets-sansio", ws_per_message_deflate=False, log_level="error",
        access_log=False, timeout_graceful_shutdown=FAREWELL, server_header=False,
    )  # fmt: skip
    with own, warnings.catch_warnings():
        warnings.simplefilter("ignore", DescendWarning)  # the page says what it is of
        with asyncio.Runner(loop_factory=config.get_loop_factory()) as runner:
            runner.run(_run(uvicorn.Server(config), studio, own, guard.address, opens, say))


async def _run(
    server: uvicorn.Server, studio: Studio, own: socket.socket, address: str, opens: bool,
    say: Callable[[str], None],
) -> None:  # fmt: skip
    """Serve, and tell the address as soon as somebody answers there."""
    serving = asyncio.create_task(server.serve([own]))
    while not server.started and not serving.done():
        await asyncio.sleep(0.005)
    if not serving.done():
        say(f"descend studio: {address}\nCtrl-C ends it.")
        if opens:  # a browser of the terminal stays until it is left
            threading.Thread(target=webbrowser.open, args=[address], daemon=True).start()
        await asyncio.to_thread(studio.warm)
    await serving


def _listen(port: int) -> socket.socket:
    """The socket, taken before anything else is done, so that nobody comes between."""
    own = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    own.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        own.bind((HOST, port))
    except (OSError, OverflowError) as error:
        own.close()
        raise UsageError(
            f"the studio cannot listen on port {port}: {getattr(error, 'strerror', None) or error}",
            remedy="give another one with --port, or none: then a free one is taken",
        ) from None
    return own
