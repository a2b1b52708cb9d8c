"""The page: controls and words by NiceGUI, and beside it the socket that frames travel on.

Every tab has a bench of its own, which lives as long as the page does.
"""

from __future__ import annotations

import asyncio
import json
import math
import os
import secrets
import tempfile
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from importlib.resources import files
from typing import Any

from fastapi import Request, WebSocket, WebSocketDisconnect
from fastapi.responses import Response
from nicegui import app, ui

from descend.errors import DescendError, UsageError
from descend.studio.bench import Bench
from descend.studio.guide import Guide
from descend.studio.lessons import Lesson
from descend.studio.opened import MOST_BYTES, Opened, read_file, safe_suffix
from descend.studio.session import NO_FRAME, Session
from descend.studio.setup import PARABOLA
from descend.studio.shell import LANGUAGE, View
from descend.words import LANGUAGES, preferred

__all__ = ["FAVICON", "Studio"]

FAVICON = (
    '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 32 32"><rect width="32" height="32" '
    'rx="7" fill="#2f6fb0"/><path d="M5 7c5 22 17 22 22 0" fill="none" stroke="#fff" '
    'stroke-width="3"/><circle cx="16" cy="23" r="4" fill="#ff8a52"/></svg>'
)
LOOKED = 0.2  # seconds between two looks whether there is another surface of the loss
UNKNOWN_RUN = 4404  # why a socket is closed: in the range that applications may use


class Studio:
    """The benches of all tabs, and the pages and sockets that belong to them.

    Args:
        opened: the table that every page begins on; the lesson's parabola without one.
        lessons: the lesson that every page opens, by language.
    """

    def __init__(
        self, opened: Opened | None = None, lessons: dict[str, Lesson] | None = None
    ) -> None:
        self._opened, self._lessons = opened, lessons
        self._setup = PARABOLA if opened is None else opened.begins
        if lessons is not None:
            self._setup, self._opened = Guide(lessons).setup, None
        self._tabs: dict[str, View] = {}

    def enter(self) -> None:
        """Give NiceGUI's app the page, the module that draws, the socket, and what takes files."""
        module = files("descend.studio").joinpath("draw.js").read_bytes()

        def draw() -> Response:
            return Response(module, media_type="text/javascript")

        ui.page("/")(self.page)
        app.add_api_route("/draw.js", draw, methods=["GET"])
        app.add_api_websocket_route("/frames/{key}", self.frames)
        app.add_api_route("/file/{key}", self.upload, methods=["POST"])

    def warm(self) -> None:
        """Compile what the first page will want."""
        table = None if self._opened is None else self._opened.table
        with suppress(DescendError):  # the page says it
            Session(self._setup, table).close()

    async def page(self, request: Request) -> None:
        """The page of a tab that has just been opened."""
        asked = request.cookies.get(LANGUAGE, "")
        language = asked if asked in LANGUAGES else preferred(
            request.headers.get("accept-language", "")
        )  # fmt: skip
        key, loop = secrets.token_urlsafe(16), asyncio.get_running_loop()
        bench = Bench()
        view = View(key, language, bench)
        bench.tell_playing(_in_loop(loop, view.show_playing))
        bench.tell_waiting(view.show_waiting)
        complaint = ""
        try:
            await bench.put(self._setup, self._opened)
        except DescendError as error:
            complaint = str(error)
            await bench.put(PARABOLA)
        self._tabs[key] = view
        view.build(complaint)
        if self._lessons is not None:
            view.teach(self._lessons)
        ui.context.client.on_delete(lambda: self._tabs.pop(key).bench.close())

    async def upload(self, key: str, request: Request) -> Response:
        """Take a file, within its limits, and put its table on the bench of a tab."""
        view = self._tabs.get(key)
        if view is None:
            return Response("There is no such page any more.", 404)
        name = request.query_params.get("name", "")[-200:] or "table"
        handle, path = tempfile.mkstemp(prefix="descend-", suffix=safe_suffix(name))
        try:
            count = 0
            with os.fdopen(handle, "wb") as target:
                async for piece in request.stream():
                    count += len(piece)
                    if count > MOST_BYTES:
                        await view.refuse(f"the file is larger than {MOST_BYTES // 10**6} MB")
                        return Response(status_code=413)
                    target.write(piece)
            try:
                opened = await asyncio.to_thread(read_file, path, name)
            except DescendError as error:
                await view.refuse(str(error))
                return Response(status_code=422)
        finally:
            with suppress(OSError):
                os.unlink(path)
        await view.take(opened)
        return Response(status_code=204)

    async def frames(self, socket: WebSocket, key: str) -> None:
        """Frames to the browser, one after the other is acknowledged; orders from it."""
        await socket.accept()
        view = self._tabs.get(key)
        if view is None:
            await socket.close(UNKNOWN_RUN, "There is no such run any more.")
            return
        drawn = asyncio.Event()
        sending = asyncio.create_task(_send(socket, view.bench, drawn))
        telling = asyncio.create_task(_tell_surfaces(socket, view.bench))
        try:
            async for text in socket.iter_text():
                try:
                    _obey(view, drawn, json.loads(text))
                except (ValueError, TypeError, AttributeError, UsageError) as error:
                    await socket.close(1008, str(error)[:100])
                    break
        finally:
            sending.cancel()
            telling.cancel()


async def _send(socket: WebSocket, bench: Bench, drawn: asyncio.Event) -> None:
    """The latest frame, again and again: made when the one before was drawn, and not earlier.

    Another session on the bench begins with its own scene.
    """
    loop = asyncio.get_running_loop()
    with suppress(WebSocketDisconnect, RuntimeError):  # it was closed meanwhile
        while not bench.closed:
            session, have = bench.session, -1
            await socket.send_text(json.dumps(session.scene()))
            while True:
                made: asyncio.Future[tuple[int, bytes]] = loop.create_future()
                session.ask(have, _in_loop(loop, partial(_settle, made)))
                have, frame = await made
                if frame == NO_FRAME:
                    break
                if session is bench.session:
                    bench.tape.add(frame)
                await socket.send_bytes(frame)
                await drawn.wait()
                drawn.clear()
            if session is bench.session:
                await socket.close(1011, "The run has ended.")
                return


async def _tell_surfaces(socket: WebSocket, bench: Bench) -> None:
    """Surfaces of the loss, which are whole now and then while a run rests."""
    told = None
    with suppress(WebSocketDisconnect, RuntimeError):
        while not bench.closed:
            found = bench.session.slope.told
            if found is not None and found is not told:
                told = found
                await socket.send_text(json.dumps({"slope": told}))
            await asyncio.sleep(LOOKED)


def _settle(made: asyncio.Future[tuple[int, bytes]], sequence: int, frame: bytes) -> None:
    if not made.done():
        made.set_result((sequence, frame))


def _obey(view: View, drawn: asyncio.Event, message: dict[str, Any]) -> None:
    name = message.get("do")
    if name == "ack":
        drawn.set()
    elif name == "point":
        x, y = (float(message.get(name, math.nan)) for name in ("x", "y"))
        if math.isfinite(x) and math.isfinite(y):
            view.add_point(x, y)
    else:
        value = message.get("value", 1)
        several = isinstance(value, list)
        view.bench.order(str(name), [*map(float, value)] if several else float(value))


def _in_loop(loop: asyncio.AbstractEventLoop, call: Callable[..., Any]) -> Callable[..., None]:
    """A function for another thread, which has `call` made in the loop, as long as there is one."""

    def calling(*args: Any) -> None:
        with suppress(RuntimeError):
            loop.call_soon_threadsafe(call, *args)

    return calling
