"""The page: controls and words by NiceGUI, and beside it the socket that frames travel on.

Every tab has a run of its own, which lives as long as the page does.
"""

from __future__ import annotations

import asyncio
import json
import math
import secrets
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from importlib.resources import files
from typing import Any

from fastapi import Request, WebSocket, WebSocketDisconnect
from fastapi.responses import Response
from nicegui import app, ui

from descend.errors import UsageError
from descend.studio.parabola import PARABOLA
from descend.studio.session import NO_FRAME, SPEED, SPEEDS, Session
from descend.words import LANGUAGES, TAGS, preferred, words_of

__all__ = ["FAVICON", "Studio"]

FAVICON = (
    '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 32 32"><rect width="32" height="32" '
    'rx="7" fill="#2f6fb0"/><path d="M5 7c5 22 17 22 22 0" fill="none" stroke="#fff" '
    'stroke-width="3"/><circle cx="16" cy="23" r="4" fill="#ff8a52"/></svg>'
)
UNKNOWN_RUN = 4404  # why a socket is closed: in the range that applications may use
LANGUAGE = "descend-language"  # the cookie that keeps a choice

STEPS = (
    ("example", "looks_one", "E"), ("batch", "playlist_add", "B"), ("epoch", "skip_next", "N"),
    ("reset", "restart_alt", "R"),
)  # fmt: skip
"""The orders with a button: their word, their picture, their key."""
RATES = (-5.0, 0.3, 0.1)  # powers of ten of the learning rate: from, to, by
THEMES = ((None, "brightness_auto"), (False, "light_mode"), (True, "dark_mode"))


class Studio:
    """The runs of all tabs, and the pages and sockets that belong to them."""

    def __init__(self) -> None:
        self._sessions: dict[str, Session] = {}

    def enter(self) -> None:
        """Give NiceGUI's app the page, the module that draws, and the socket."""
        module = files("descend.studio").joinpath("draw.js").read_bytes()

        def draw() -> Response:
            return Response(module, media_type="text/javascript")

        ui.page("/")(self.page)
        app.add_api_route("/draw.js", draw, methods=["GET"])
        app.add_api_websocket_route("/frames/{key}", self.frames)

    def warm(self) -> None:
        """Compile what the first page will want."""
        Session(PARABOLA).close()

    async def page(self, request: Request) -> None:
        """The page of a tab that has just been opened."""
        asked = request.cookies.get(LANGUAGE, "")
        language = asked if asked in LANGUAGES else preferred(
            request.headers.get("accept-language", "")
        )  # fmt: skip
        key, loop = secrets.token_urlsafe(16), asyncio.get_running_loop()
        view = View(f"/frames/{key}", language)
        told = _in_loop(loop, view.show_playing)
        session = self._sessions[key] = await asyncio.to_thread(Session, PARABOLA, told)
        view.build(session)
        ui.context.client.on_delete(lambda: self._sessions.pop(key).close())

    async def frames(self, socket: WebSocket, key: str) -> None:
        """Frames to the browser, one after the other is acknowledged; orders from it."""
        await socket.accept()
        session = self._sessions.get(key)
        if session is None:
            await socket.close(UNKNOWN_RUN, "There is no such run any more.")
            return
        await socket.send_text(json.dumps(session.scene()))
        drawn = asyncio.Event()
        sending = asyncio.create_task(_send(socket, session, drawn))
        try:
            async for text in socket.iter_text():
                try:
                    _obey(session, drawn, json.loads(text))
                except (ValueError, TypeError, AttributeError, UsageError) as error:
                    await socket.close(1008, str(error)[:100])
                    break
        finally:
            sending.cancel()


async def _send(socket: WebSocket, session: Session, drawn: asyncio.Event) -> None:
    """The latest frame, again and again: made when the one before was drawn, and not earlier."""
    loop, have = asyncio.get_running_loop(), -1
    with suppress(WebSocketDisconnect, RuntimeError):  # it was closed meanwhile
        while True:
            made: asyncio.Future[tuple[int, bytes]] = loop.create_future()
            session.ask(have, _in_loop(loop, partial(_settle, made)))
            have, frame = await made
            if frame == NO_FRAME:
                await socket.close(1011, "The run has ended.")
                return
            await socket.send_bytes(frame)
            await drawn.wait()
            drawn.clear()


def _settle(made: asyncio.Future[tuple[int, bytes]], sequence: int, frame: bytes) -> None:
    if not made.done():
        made.set_result((sequence, frame))


def _obey(session: Session, drawn: asyncio.Event, message: dict[str, Any]) -> None:
    name = message.get("do")
    if name == "ack":
        drawn.set()
    else:
        session.order(str(name), float(message.get("value", 1)))


def _in_loop(loop: asyncio.AbstractEventLoop, call: Callable[..., Any]) -> Callable[..., None]:
    """A function for another thread, which has `call` made in the loop, as long as there is one."""

    def calling(*args: Any) -> None:
        with suppress(RuntimeError):
            loop.call_soon_threadsafe(call, *args)

    return calling


class View:
    """The controls of one tab.

    Args:
        path: of the socket with its frames.
    """

    def __init__(self, path: str, language: str) -> None:
        self._path, self._language = path, language
        self._named: list[tuple[Callable[[str], Any], Callable[[], str]]] = []

    def _say(self, key: str) -> str:
        return words_of("studio", self._language)[key]

    def _name(self, write: Callable[[str], Any], text: str | Callable[[], str]) -> None:
        """Write a word now, and again in every language that is chosen."""
        read = partial(self._say, text) if isinstance(text, str) else text
        self._named.append((write, read))
        write(read())

    def _label(self, element: ui.element, key: str) -> None:
        """Give an element its name for screen readers, and for those who point at it."""

        def write(text: str) -> None:
            element.props["aria-label"] = element.props["title"] = text

        self._name(write, key)

    def build(self, session: Session) -> None:
        """Make the page."""
        self._session, self._playing = session, session.playing
        self._lr, self._speed = math.log10(session.sample.options["lr"]), SPEED
        ui.add_css(files("descend.studio").joinpath("page.css").read_text("utf-8"))
        ui.page_title("descend studio")
        self._dark = ui.dark_mode(None)
        with ui.element("header").classes("top"):
            self._build_top()
        with ui.element("div").classes("body"):
            with ui.element("section").classes("controls") as controls:
                self._label(controls, "controls")
                self._build_buttons()
                self._build_sliders()
            drawing = ui.element("div").classes("drawing")
            self._drawing = f'document.getElementById("{drawing.html_id}")'
            keys = ui.element("p").classes("keys")
            with keys:
                self._name(ui.label().set_text, "keys")
        options = json.dumps({"path": self._path, "words": words_of("studio", self._language)})
        ui.run_javascript(
            f'import("/draw.js").then((m) => m.studio({self._drawing}, {options}));'
            f"document.documentElement.lang = {json.dumps(TAGS[self._language])}"
        )

    def _build_top(self) -> None:
        with ui.element("div").classes("titles"):
            with ui.element("h1"):
                self._name(ui.label().set_text, "title")
            sample = self._session.sample
            ui.label(sample.formula).classes("formula")
            gaps = {"rows": len(sample.x), "origin": sample.origin}
            self._name(
                ui.label().classes("lesson").set_text, lambda: self._say("lesson").format(**gaps)
            )
        with ui.element("nav").classes("choices") as choices:
            self._label(choices, "choose_language")
            self._languages = {}
            for language in LANGUAGES:
                button = ui.button(words_of("studio", language)["language"], color=None)
                button.props("flat dense no-caps")
                button.props["lang"] = TAGS[language]
                button.on_click(lambda _, chosen=language: self._speak(chosen))
                self._languages[language] = button
            self._theme = 0
            theme = ui.button(icon=THEMES[0][1], color=None).props("flat dense round")
            theme.on_click(lambda _: self._next_theme(theme))
            self._label(theme, "theme")
        self._mark_language()

    def _build_buttons(self) -> None:
        with ui.element("div").classes("buttons"):
            self._play = ui.button(icon="play_arrow", color=None).classes("play")
            self._play.props("unelevated no-caps")
            self._play.props["aria-keyshortcuts"] = "Space"
            self._play.on_click(lambda _: self._session.order("toggle"))
            self._name(self._play.set_text, lambda: self._say("pause" if self._playing else "play"))
            for order, icon, key in STEPS:
                button = ui.button(icon=icon, color=None).props("outline no-caps").classes(order)
                button.props["aria-keyshortcuts"] = key
                button.on_click(lambda _, asked=order: self._session.order(asked))
                self._name(button.set_text, order)

    def _build_sliders(self) -> None:
        with ui.element("div").classes("sliders"):
            self._slider("lr", RATES, self._lr, self._set_rate, lambda: f"{10**self._lr:.2g}")
            self._slider(
                "speed", (0, len(SPEEDS) - 1, 1), self._speed, self._set_speed, self._speed_said
            )

    def _slider(
        self, key: str, span: tuple[float, float, float], value: float,
        change: Callable[[float], None], said: Callable[[], str],
    ) -> None:  # fmt: skip
        with ui.element("div").classes("slider"):
            with ui.element("div").classes("said").props("aria-hidden=true"):
                self._name(ui.label().set_text, key)
                shown = ui.label().classes("value")
            slider = ui.element("input").props("type=range").classes(key)
            slider.props.update(dict(zip(("min", "max", "step"), span, strict=True)))
            slider.props["value"] = value
            self._label(slider, key)

        def tell(text: str) -> None:
            shown.set_text(text)
            slider.props["aria-valuetext"] = text

        def moved(event: Any) -> None:
            with slider.props.suspend_updates():  # it is there already
                slider.props["value"] = event.args
            change(float(event.args))
            tell(said())

        self._name(tell, said)
        slider.on(
            "input", moved, throttle=0.03, js_handler="(e) => emit(Number(e.target.value))"
        )  # fmt: skip

    def _set_rate(self, power: float) -> None:
        self._lr = min(max(power, RATES[0]), RATES[1])
        self._session.order("lr", float(f"{10**self._lr:.2g}"))

    def _set_speed(self, number: float) -> None:
        self._speed = min(max(int(number), 0), len(SPEEDS) - 1)
        self._session.order("speed", self._speed)

    def _speed_said(self) -> str:
        speed = SPEEDS[self._speed]
        if speed == math.inf:
            return self._say("fastest")
        return self._say("a_second").format(count=f"{speed:,.0f}")

    def show_playing(self, playing: bool) -> None:
        """Name the button by what it does next."""
        self._playing = playing
        self._play.set_text(self._say("pause" if playing else "play"))
        self._play.props["icon"] = "pause" if playing else "play_arrow"

    def _speak(self, language: str) -> None:
        self._language = language
        for write, read in self._named:
            write(read())
        self._mark_language()
        tag, words = json.dumps(TAGS[language]), json.dumps(words_of("studio", language))
        kept = json.dumps(f"{LANGUAGE}={language}; SameSite=Strict; Path=/; Max-Age=31536000")
        ui.run_javascript(
            f"document.documentElement.lang = {tag}; document.cookie = {kept};"
            f"{self._drawing}.studio?.words({words})"
        )

    def _mark_language(self) -> None:
        for language, button in self._languages.items():
            button.props["aria-pressed"] = "true" if language == self._language else "false"

    def _next_theme(self, button: ui.button) -> None:
        self._theme = (self._theme + 1) % len(THEMES)
        self._dark.value, icon = THEMES[self._theme]
        button.props["icon"] = icon
