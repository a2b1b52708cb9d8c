"""What is taken away: code, command, data, a report that plays, and the address of the state.

An address that is opened is shown first, with what it says; only who then wants it has it used.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Any

from nicegui import ui
from nicegui.elements.mixins.text_element import TextElement

from descend.errors import DescendError, UsageError
from descend.studio.panels import fields
from descend.studio.panels.room import Panel
from descend.studio.panels.runs import TOLD, shown
from descend.studio.recording import origin_of
from descend.studio.report import report_html
from descend.studio.setup import Setup
from descend.studio.speech import Text, text_of
from descend.studio.state import state_json
from descend.studio.takeaway import (
    LONGEST_FRAGMENT,
    command,
    file_name,
    from_fragment,
    python_code,
    table_csv,
    to_fragment,
)  # fmt: skip
from descend.words import words_of

__all__ = ["HASH", "TakeAwayPanel"]

LOOKS = 0.5  # seconds between two looks at how far the run is
HASH = """
const tell = () => {
  if (location.hash.startsWith("#descend=")) emitEvent("descend-address", location.hash);
};
window.addEventListener("hashchange", tell);
tell();
"""
"""Has the page tell an address that it is opened with, now and later."""
FORGET = "history.replaceState(null, '', location.pathname)"
COPY = """async () => {{
  await navigator.clipboard.writeText(document.getElementById({source}).textContent);
  emit();
}}"""


class TakeAwayPanel(Panel):
    """The panel of what is taken away."""

    name = "takeaway"

    def __init__(self, room: Any) -> None:
        super().__init__(room)
        self._offered: Setup | None = None
        self._shown: Any = None

    def open(self) -> None:
        ui.timer(LOOKS, self._follow)
        super().open()

    def _said(self, key: str, **gaps: Any) -> Callable[[], str]:
        """A word of this panel in the language of then, its gaps filled."""
        return lambda: words_of("takeaway", self.speech.language)[key].format(**gaps)

    # --- what is seen

    def build(self) -> None:
        if self._offered is not None:
            self._build_offer(self._offered)
            return
        self.speech.text(self._said("same_bits"), "p").classes("told")
        self._code = self._build_text("python_code", "code")
        self._command = self._build_text("command_line", "command")
        self._told = text_of("p").classes("told").props("data-field=command-told")
        self._saying: Text = ""
        self.speech.name(self._told.set_text, lambda: _read(self._saying), self._told)
        with ui.element("div").classes("row wrap"):
            fields.button(self.speech, "save-data", self._said("save_data"), self._save_data)
            fields.button(self.speech, "save-state", self._said("save_state"), self._save_state)
            fields.button(self.speech, "save-report", self._said("save_report"), self._save_report)
        self._address = self._build_text("address", "address")
        self.speech.text(self._said("address_only"), "p").classes("told")
        with fields.field(self.speech, self._said("open_address"), "wide"):
            typed = ui.element("input").props("type=text spellcheck=false autocomplete=off")
            typed.props.update({"data-field": "open-address", "maxlength": LONGEST_FRAGMENT + 200})
        typed.on("change", lambda e: self.offer(str(e.args)), js_handler=fields.VALUE)
        self._shown = None
        self._follow()

    def _build_text(self, key: str, name: str) -> TextElement:
        """A text that may be copied, below its name."""
        with ui.element("div").classes("taken"):
            with ui.element("div").classes("row head"):
                self.speech.text(self._said(key), "h3")
                copy = fields.button(self.speech, f"copy-{name}", self._said("copy"), lambda: None)
            found = text_of("pre").props("tabindex=0").classes(f"taken-{name}")
            self.speech.label(found, self._said(key))
        said = self._said("copied")
        copy.on(
            "click", lambda _: ui.notify(said()),
            js_handler=COPY.format(source=json.dumps(found.html_id)),
        )  # fmt: skip
        return found

    def _follow(self) -> None:
        """Write what belongs to where the run stands, where that is another place."""
        session = self.bench.session
        if self.place is None or not self.place.visible or self._offered is not None:
            return
        way, epoch = session.way, session.standing.epoch
        now = (id(session), tuple(way), self.bench.setup)
        if now == self._shown:
            return
        self._shown = now
        assert way[0].lr is not None
        first = _with_rate(self.bench.setup, way[0].lr)
        legs = [way[0]._replace(lr=None), *way[1:]]
        self._code.set_text(python_code(first, self.bench.table, legs))
        self._say_command(first, epoch, any(leg.lr is not None for leg in legs))
        try:
            self._address.set_text(f"#{to_fragment(self.bench.setup)}")
        except UsageError as error:
            self._address.set_text(str(error))

    def _say_command(self, setup: Setup, epoch: int, changed: bool) -> None:
        reasons = {
            "no_command_network": setup.is_network, "no_command_rate": changed,
            "no_command_start": not epoch,
        }  # fmt: skip
        why = next((key for key, holds in reasons.items() if holds), None)
        self._command.set_text("" if why else command(setup, self.bench.table, epoch))
        self._command.parent_slot.parent.set_visibility(not why)  # type: ignore[union-attr]
        self._saying = self._said(why) if why else self._said("command_epochs", epoch=epoch)
        self._told.set_text(_read(self._saying))

    # --- what is saved

    def _save_data(self) -> None:
        content = table_csv(self.bench.table).encode()
        ui.download.content(content, file_name(self.bench.setup), "text/csv")

    def _save_state(self) -> None:
        content = state_json(self.bench.setup, self.bench.table).encode()
        name = file_name(self.bench.setup).replace(".csv", ".studio.json")
        ui.download.content(content, name, "application/json")

    async def _save_report(self) -> None:
        setup = self.bench.setup
        try:
            page = await asyncio.to_thread(
                report_html, self.bench.session.scene(), self.bench.tape.frames(),
                setup.formula or "descend", origin_of(setup), self.speech.language,
            )  # fmt: skip
        except UsageError as error:
            self.room.complain(str(error))
            return
        name = file_name(setup).replace(".csv", ".html")
        ui.download.content(page.encode(), name, "text/html")

    # --- an address that is opened

    def offer(self, address: str) -> None:
        """Show what an address says; nothing is read or run."""
        _, mark, fragment = address.strip()[: LONGEST_FRAGMENT + 500].rpartition("#")
        try:
            self._offered = from_fragment(mark + fragment)
        except DescendError as error:
            self._offered = None
            self.room.complain(str(error))
        self.again()

    def _build_offer(self, setup: Setup) -> None:
        with ui.element("section").classes("offer"):
            self.speech.text(self._said("address_asks"), "p")
            plain = setup.plain()
            with ui.element("dl"):
                for name in (n for n in TOLD if plain[n] or n in ("lr", "seed")):
                    self.speech.text(TOLD[name], "dt")
                    text_of("dd", shown(plain[name]))
            there = not setup.source.own or setup.source == self.bench.setup.source
            if not there:
                name = setup.source.own
                self.speech.text(self._said("needs_own_data", name=name), "p").classes("told")
            with ui.element("div").classes("row"):
                if there:
                    fields.button(
                        self.speech, "use-state", self._said("use_state"), lambda: self._use(setup)
                    )
                fields.button(self.speech, "leave-state", self._said("leave_state"), self._leave)

    async def _use(self, setup: Setup) -> None:
        self._offered = None
        self.room.script(FORGET)
        if await self.room.put(setup) is not None:
            self.again()

    def _leave(self) -> None:
        self._offered = None
        self.room.script(FORGET)
        self.again()


def _read(text: Text) -> str:
    return text if isinstance(text, str) else text()


def _with_rate(setup: Setup, lr: float) -> Setup:
    return Setup.from_plain({**json.loads(setup.to_json()), "lr": lr})
