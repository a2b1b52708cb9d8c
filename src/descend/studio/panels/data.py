"""Which data: a sample, a file, cells from a spreadsheet, points drawn; and what they are for."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

from nicegui import ui

from descend.errors import DescendError
from descend.studio.opened import (
    SUFFIXES,
    Opened,
    formula_of,
    read_text,
    sample_setup,
    usable,
)
from descend.studio.panels import fields
from descend.studio.panels.room import Panel
from descend.studio.samples import SAMPLES
from descend.studio.setup import Setup
from descend.studio.speech import Text, text_of

__all__ = ["DataPanel"]

OWN = "own"
SHARES = ("0", "0.1", "0.2", "0.3", "0.5")
MOST_LISTED = 60  # columns that are listed one by one
UPLOAD = """(e) => {
  const file = e.target.files[0];
  if (file) document.querySelector('.drawing').studio.upload(file);
}"""


class DataPanel(Panel):
    """The panel of the data."""

    name = "data"

    def __init__(self, room: Any) -> None:
        super().__init__(room)
        self.draws = False

    def build(self) -> None:
        self._build_source()
        self._build_roles()
        self._build_said()

    def _build_source(self) -> None:
        source = self.bench.setup.source
        known: dict[str, Text | None] = {name: f"sample_{name}" for name in SAMPLES}
        if source.own:
            known = {OWN: lambda: source.own, **known}
        fields.choice(
            self.speech, "sample", "sample", known, source.sample or OWN, self._choose_sample
        )
        for name, limits in SAMPLES[source.sample].numbers.items() if source.sample else ():
            fields.slider(
                self.speech, name, name, source.options.get(name, limits.usual),
                (limits.low, limits.high, 0.05), self._set_number(name), lambda v: f"{v:.2f}",
            )  # fmt: skip
        with fields.field(self.speech, "file"):
            chosen = ui.element("input").props("type=file")
            chosen.props.update({"accept": ",".join(SUFFIXES), "data-field": "file"})
            chosen.on("change", js_handler=UPLOAD)
        with ui.element("details"):
            self.speech.text("paste", "summary")
            with fields.field(self.speech, "paste_here", "wide"):
                area = ui.element("textarea").props("rows=4 spellcheck=false")
                area.props["data-field"] = "paste"
            area.on("change", lambda e: self._remember(str(e.args)), js_handler=fields.VALUE)
            fields.button(self.speech, "use_paste", "paste_use", self._use_paste)
        self._pasted = ""
        if self.bench.takes_points:
            fields.check(self.speech, "points", "points", self.draws, self._set_draws)

    def _remember(self, text: str) -> None:
        self._pasted = text

    async def _choose_sample(self, name: str) -> None:
        if name != OWN:
            await self.room.put(sample_setup(name))

    def _set_number(self, name: str) -> fields.Change:
        async def change(value: float) -> None:
            source = self.bench.setup.source
            options = {**source.options, name: value}
            await self.room.change(source=dataclasses.replace(source, options=options))

        return change

    async def _use_paste(self) -> None:
        try:
            opened = read_text(self._pasted, self.speech.say("pasted"))
            await self.take(opened)
        except DescendError as error:
            self.room.complain(str(error))

    async def take(self, opened: Opened) -> None:
        """Begin on a table of one's own."""
        await self.room.put(opened.begins, opened)

    def _set_draws(self, draws: bool) -> None:
        self.draws = draws
        self.room.draw(f"drawsPoints({str(draws).lower()})")

    # --- roles

    def _build_roles(self) -> None:
        setup, columns = self.bench.setup, usable(self.bench.table)
        if setup.source.sample == "parabola":
            self._build_share()
            return
        targets = dict.fromkeys([*columns][:MOST_LISTED])
        fields.choice(self.speech, "target", "target", targets, setup.target, self._set_target)
        with ui.element("fieldset").classes("wide"):
            self.speech.text("inputs", "legend")
            for name in [n for n, numbers in columns.items() if numbers][:MOST_LISTED]:
                if name != setup.target:
                    fields.check(
                        self.speech, f"input {name}", _same(name),
                        name in setup.inputs, self._set_input(name),
                    )  # fmt: skip
        self._build_share()

    def _build_share(self) -> None:
        held = f"{self.bench.setup.held:g}"
        shares = {share: _percent(share) for share in sorted({*SHARES, held}, key=float)}
        fields.choice(self.speech, "held", "held", shares, held, self._set_share)

    async def _set_share(self, share: str) -> None:
        await self.room.change(held=float(share))

    async def _set_target(self, target: str) -> None:
        setup = self.bench.setup
        inputs = tuple(name for name in setup.inputs if name != target)
        numbers = usable(self.bench.table).get(setup.target, False)
        if not inputs or (setup.target not in inputs and numbers):
            inputs = (*inputs, setup.target)
        await self.room.put(_with_columns(setup, target, inputs))

    def _set_input(self, name: str) -> fields.Change:
        async def change(chosen: bool) -> None:
            setup = self.bench.setup
            inputs = tuple(n for n in setup.inputs if n != name) + ((name,) if chosen else ())
            if inputs:
                await self.room.put(_with_columns(setup, setup.target, inputs))
            else:
                self.again()

        return change

    def _build_said(self) -> None:
        job = self.bench.session.descent.job
        held = 0 if job.held is None else job.held.n_rows
        left = 0 if job.rows is None else job.rows.n_dropped
        told = {"rows": self.bench.session.descent.n_rows, "held": held, "left": left}
        key = "table_told_left" if left else "table_told"
        self.speech.text(lambda: self.speech.say(key, **told), "p").classes("told")
        for note in self.bench.notes[:3]:
            text_of("p", note).classes("told")


def _with_columns(setup: Setup, target: str, inputs: tuple[str, ...]) -> Setup:
    """The setup with other columns; a formula is of them anew, a loss is what suits."""
    changed: dict[str, Any] = dict(target=target, inputs=inputs, start={}, loss="")
    if setup.formula:
        changed |= dict(formula=formula_of(target, inputs))
    return dataclasses.replace(setup, **changed)


def _same(name: str) -> Callable[[], str]:
    return lambda: name


def _percent(share: str) -> Any:
    return lambda: f"{float(share):.0%}"
