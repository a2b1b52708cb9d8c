"""The page of one tab: its head, the controls, the panels, and the place of the pictures."""

from __future__ import annotations

import asyncio
import json
import math
import re
from importlib.resources import files

from nicegui import background_tasks, ui

from descend.errors import DescendError, UsageError
from descend.studio.bench import Bench
from descend.studio.lessons import Lesson
from descend.studio.opened import Opened
from descend.studio.orders import SPEED, SPEEDS
from descend.studio.panels.data import DataPanel
from descend.studio.panels.descent import DescentPanel
from descend.studio.panels.fields import Slider
from descend.studio.panels.lesson import LessonPanel
from descend.studio.panels.map import MapPanel
from descend.studio.panels.model import ModelPanel
from descend.studio.panels.room import Panel, Room
from descend.studio.panels.runs import RunsPanel
from descend.studio.panels.steps import StepsPanel
from descend.studio.panels.takeaway import HASH, TakeAwayPanel
from descend.studio.samples import SAMPLES
from descend.studio.setup import PARABOLA, Setup
from descend.studio.speech import Speech, text_of
from descend.words import LANGUAGES, TAGS, words_of

__all__ = ["LANGUAGE", "View"]

LANGUAGE = "descend-language"  # the cookie that keeps a choice
STEPS = (
    ("example", "looks_one", "E"), ("batch", "playlist_add", "B"), ("epoch", "skip_next", "N"),
    ("reset", "restart_alt", "R"),
)  # fmt: skip
"""The orders with a button: their word, their picture, their key."""
WAITS = "hourglass_empty"
RATES = (-5.0, 0.3, 0.1)  # powers of ten of the learning rate: from, to, by
THEMES = ((None, "brightness_auto"), (False, "light_mode"), (True, "dark_mode"))
PANELS: tuple[type[Panel], ...] = (
    LessonPanel, DataPanel, ModelPanel, DescentPanel, RunsPanel, StepsPanel, MapPanel,
    TakeAwayPanel,
)  # fmt: skip
PACE = 0.3  # seconds without another point, after which points that were drawn count


class View:
    """The page of one tab.

    Args:
        key: of the tab, in the paths that belong to it.
        bench: what it shows.
    """

    def __init__(self, key: str, language: str, bench: Bench) -> None:
        self._key, self.bench = key, bench
        self._speech = Speech(language)
        self._points: list[tuple[float, float]] = []
        self._pending: asyncio.TimerHandle | None = None

    def build(self, complaint: str = "") -> None:
        """Make the page; with words on why it does not begin with what was asked for."""
        self._client = ui.context.client
        self._playing = self.bench.session.playing
        ui.add_css(files("descend.studio").joinpath("page.css").read_text("utf-8"))
        ui.page_title("descend studio")
        self._dark = ui.dark_mode(None)
        self._room = Room(self.bench, self._speech, self._arrived, self._script)
        self._panels = {kind.name: kind(self._room) for kind in PANELS}
        with ui.element("header").classes("top"):
            self._build_top()
        with ui.element("div").classes("body"):
            with ui.element("section").classes("controls") as controls:
                self._speech.label(controls, "controls")
                self._build_buttons()
                self._build_sliders()
            self._room.build()
            self._room.complain(complaint)
            with ui.element("div").classes("work"):
                with ui.element("aside").classes("panels") as self._aside:
                    self._speech.label(self._aside, "panels")
                self._aside.set_visibility(False)
                drawing = ui.element("div").classes("drawing")
            self._drawing = f'document.getElementById("{drawing.html_id}")'
            with ui.element("p").classes("keys"):
                self._speech.text("keys")
        options = json.dumps({
            "path": f"/frames/{self._key}", "file": f"/file/{self._key}",
            "words": words_of("studio", self._speech.language),
        })  # fmt: skip
        self._script(
            f'import("/draw.js").then((m) => m.studio({self._drawing}, {options}));'
            f"document.documentElement.lang = {json.dumps(TAGS[self._speech.language])}"
        )
        ui.on("descend-address", lambda e: self._offer(str(e.args)))
        self._script(HASH)

    def teach(self, lessons: dict[str, Lesson]) -> None:
        """Open a lesson, whose setup is on the bench."""
        panel = self._panels["lesson"]
        assert isinstance(panel, LessonPanel)
        panel.begin(lessons)
        self._toggle("lesson")

    def _offer(self, address: str) -> None:
        """Show what an address that was opened says."""
        panel = self._panels["takeaway"]
        assert isinstance(panel, TakeAwayPanel)
        panel.offer(address)
        if panel.place is None or not panel.place.visible:
            self._toggle("takeaway")

    def _script(self, code: str) -> None:
        with self._client:
            ui.run_javascript(code)

    # --- the head

    def _build_top(self) -> None:
        with ui.element("div").classes("titles"):
            with ui.element("h1"):
                self._speech.text("title")
            with ui.element("div").classes("described"):
                formula = text_of("div").classes("formula")
                self._speech.name(formula.set_text, lambda: shown_model(self.bench.setup))
                lesson = text_of("div").classes("lesson")
                self._speech.name(lesson.set_text, self._lesson)
        with ui.element("nav").classes("bar") as bar:
            self._speech.label(bar, "panels")
            self._bars = {name: self._build_bar(name) for name in self._panels}
        with ui.element("nav").classes("choices") as choices:
            self._speech.label(choices, "choose_language")
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
            self._speech.label(theme, "theme")
        self._mark_language()

    def _build_bar(self, name: str) -> ui.button:
        button = ui.button(color=None).props("flat dense no-caps").classes(f"open-{name}")
        button.props["aria-expanded"] = "false"
        self._speech.name(button.set_text, f"panel_{name}")
        button.on_click(lambda _: self._toggle(name))
        return button

    def _toggle(self, name: str) -> None:
        """Open a panel, which closes the others, or close it."""
        panel = self._panels[name]
        opens = panel.place is None or not panel.place.visible
        for other in self._panels.values():
            if other.place is not None and (other is panel or not (panel.stays or other.stays)):
                other.place.set_visibility(False)
        if opens and panel.place is None:
            with self._aside:
                panel.open()
        elif opens:
            panel.again()
            assert panel.place is not None
            panel.place.set_visibility(True)
        shown = {n for n, p in self._panels.items() if p.place is not None and p.place.visible}
        self._aside.set_visibility(bool(shown))
        for known, button in self._bars.items():
            button.props["aria-expanded"] = "true" if known in shown else "false"

    def _lesson(self) -> str:
        """What the data are, in a sentence."""
        setup, descent = self.bench.setup, self.bench.session.descent
        if setup.formula == PARABOLA.formula and setup.source == PARABOLA.source:
            return self._speech.say("lesson", rows=descent.n_rows, origin=_origin(setup))
        count = sum(a.size for a in descent.first.under_way.leaves(False).values())
        origin = _origin(setup) or self._speech.say(f"sample_{setup.source.sample}")
        return self._speech.say("searched", rows=descent.n_rows, origin=origin, count=count)

    # --- the controls

    def _build_buttons(self) -> None:
        with ui.element("div").classes("buttons"):
            self._play = ui.button(icon="play_arrow", color=None).classes("play")
            self._play.props("unelevated no-caps")
            self._play.props["aria-keyshortcuts"] = "Space"
            self._play.on_click(lambda _: self.bench.order("toggle"))
            self._speech.name(self._play.set_text, self._play_said)
            self._steps = {}
            for order, icon, key in STEPS:
                button = ui.button(icon=icon, color=None).props("outline no-caps").classes(order)
                button.props["aria-keyshortcuts"] = key
                button.on_click(lambda _, asked=order: self.bench.order(asked))
                self._speech.name(button.set_text, order)
                self._steps[order] = button

    def _build_sliders(self) -> None:
        speeds = (0, len(SPEEDS) - 1, 1)
        with ui.element("div").classes("sliders"):
            self._rate = Slider(
                self._speech, "lr", math.log10(self.bench.setup.lr), RATES, self._set_rate,
                lambda _: f"{self.bench.setup.lr:.2g}",
            )  # fmt: skip
            speed = Slider(
                self._speech, "speed", SPEED, speeds, self._set_speed, self._speed_said
            )
        self._rate.element.classes("lr")
        speed.element.classes("speed")

    def _set_rate(self, power: float) -> None:
        self.bench.set_rate(float(f"{10 ** min(max(power, RATES[0]), RATES[1]):.2g}"))

    def _set_speed(self, number: float) -> None:
        self.bench.set_speed(min(max(int(number), 0), len(SPEEDS) - 1))

    def _speed_said(self, number: float) -> str:
        speed = SPEEDS[min(max(int(number), 0), len(SPEEDS) - 1)]
        if speed == math.inf:
            return self._speech.say("fastest")
        return self._speech.say("a_second", count=f"{speed:,.0f}")

    def show_playing(self, playing: bool) -> None:
        """Name the button by what it does next."""
        self._playing = playing
        self.show_waiting()

    def show_waiting(self) -> None:
        """Show on its button, and say, which order waits for a setup that is compiled."""
        waits = self.bench.waits
        self._play.set_text(self._play_said())
        goes = "pause" if self._playing else "play_arrow"
        self._play.props["icon"] = WAITS if waits == "play" else goes
        for order, icon, _ in STEPS:
            self._steps[order].props["icon"] = WAITS if waits == order else icon
        self._room.say_compiling()

    def _play_said(self) -> str:
        waits = self.bench.waits == "play"
        return self._speech.say("pause" if self._playing else "waits" if waits else "play")

    # --- another setup

    def _arrived(self) -> None:
        """Show what stands on the bench now."""
        session = self.bench.session
        self.show_playing(session.playing)
        self._rate.put(math.log10(self.bench.setup.lr))
        self._rate.element.props["disabled"] = not session.descent.has_rate
        self._steps["example"].set_enabled(session.descent.takes_examples)
        for panel in self._panels.values():
            if panel.place is not None and panel.place.visible:
                panel.again()
        self._speech.refresh()

    async def take(self, opened: Opened) -> None:
        """Begin on a table of one's own."""
        with self._client:
            data = self._panels["data"]
            assert isinstance(data, DataPanel)
            try:
                await data.take(opened)
            except DescendError as error:
                self._room.complain(str(error))

    async def refuse(self, words: str) -> None:
        """Say why a file was refused."""
        with self._client:
            self._room.complain(words)

    def add_point(self, x: float, y: float) -> None:
        """Add a point that was drawn; several soon after one another count together."""
        self._points.append((x, y))
        if self._pending is not None:
            self._pending.cancel()
        loop = asyncio.get_running_loop()
        self._pending = loop.call_later(
            PACE, lambda: background_tasks.create(self._take_points(), name="points")
        )

    async def _take_points(self) -> None:
        points, self._points = self._points, []
        with self._client:
            try:
                await self._room.put(*self.bench.with_points(points))
            except UsageError as error:
                self._room.complain(str(error))

    # --- language and theme

    def _speak(self, language: str) -> None:
        self._speech.speak(language)
        self._mark_language()
        tag, words = json.dumps(TAGS[language]), json.dumps(words_of("studio", language))
        kept = json.dumps(f"{LANGUAGE}={language}; SameSite=Strict; Path=/; Max-Age=31536000")
        ui.run_javascript(
            f"document.documentElement.lang = {tag}; document.cookie = {kept};"
            f"{self._drawing}.studio?.words({words})"
        )

    def _mark_language(self) -> None:
        for language, button in self._languages.items():
            chosen = language == self._speech.language
            button.props["aria-pressed"] = "true" if chosen else "false"

    def _next_theme(self, button: ui.button) -> None:
        self._theme = (self._theme + 1) % len(THEMES)
        self._dark.value, icon = THEMES[self._theme]
        button.props["icon"] = icon


RAISED = str.maketrans("0123456789", "⁰¹²³⁴⁵⁶⁷⁸⁹")


def shown_model(setup: Setup) -> str:
    """A model as a person reads it.

    >>> shown_model(PARABOLA)
    'y = w1·x² + w2·x + w3'
    """
    if setup.formula:
        powers = re.sub(r"\*\*(\d+)(?![.\d])", lambda m: m[1].translate(RAISED), setup.formula)
        return re.sub(r"(?<!\*)\*(?!\*)", "·", powers)
    inputs = ", ".join(setup.inputs) if len(setup.inputs) < 5 else f"{len(setup.inputs)} inputs"
    layers = [f"{layer.units} {layer.activation}" for layer in setup.layers]
    return " → ".join([inputs, *layers, setup.target])


def _origin(setup: Setup) -> str:
    source = setup.source
    return SAMPLES[source.sample].origin if source.sample else source.own
