"""Runs that were kept, beside the one that goes on: what differs, and how far each came."""

from __future__ import annotations

import json
import math
from typing import Any

from nicegui import ui

from descend.studio.bench import Kept
from descend.studio.panels import fields
from descend.studio.panels.room import Panel
from descend.studio.speech import text_of

__all__ = ["TOLD", "RunsPanel", "shown"]

TOLD = {
    "lr": "lr", "batch_size": "batch_size", "optimizer": "optimizer", "loss": "loss_choice",
    "penalty": "penalty", "seed": "seed", "held": "held", "formula": "formula",
    "schedule": "schedule", "numbers": "numbers", "start": "starts", "shuffle": "shuffle",
    "layers": "layers", "source": "sample", "target": "target", "inputs": "inputs",
}  # fmt: skip
"""Fields of a setup that are told where they differ, with their words."""
MOST_SIGNS = 60


class RunsPanel(Panel):
    """The panel of the runs."""

    name = "runs"

    def build(self) -> None:
        with ui.element("div").classes("row wide"):
            fields.button(self.speech, "keep", "keep", self._keep)
            if self.bench.runs:
                fields.button(self.speech, "clear", "clear", self._clear)
        if not self.bench.runs:
            self.speech.text("no_runs", "p").classes("told wide")
            return
        scroll = ui.element("div").classes("scroll wide").props("tabindex=0 role=region")
        self.speech.label(scroll, "panel_runs")
        with scroll, ui.element("table"):
            with ui.element("thead"), ui.element("tr"):
                for head in ("run", "differs", "epoch_count", "loss_now", "state"):
                    self.speech.text(head, "th").props("scope=col")
            with ui.element("tbody"):
                for number, kept in enumerate(self.bench.runs, 1):
                    self._build_row(number, kept)

    def _build_row(self, number: int, kept: Kept) -> None:
        with ui.element("tr"):
            with text_of("th").props("scope=row"):
                ui.element("i").classes(f"swatch colour-{(number - 1) % 6}")
                text_of("span", str(number))
            cell = text_of("td").classes("differs")
            self.speech.name(cell.set_text, lambda: self._difference(number, kept), cell)
            text_of("td", str(kept.epoch))
            text_of("td", f"{kept.loss:.4g}")
            self.speech.text(f"state_{kept.state}", "td")

    def _difference(self, number: int, kept: Kept) -> str:
        """What is another thing than in the first run; of the first, how it is trained."""
        plain = kept.setup.plain()
        by_hand = [self.speech.say("edited")] if kept.edited else []
        if number == 1:
            rate = f"{self.speech.say('lr')} {plain['lr']:.3g}"
            return ", ".join([plain["optimizer"], rate, *by_hand])
        other = self.bench.runs[0].setup
        found = [
            f"{self.speech.say(TOLD[name])} {shown(value)}"
            for name, value in kept.setup.differs(other).items()
            if name in TOLD
        ] + by_hand
        return ", ".join(found) or self.speech.say("same")

    def _keep(self) -> None:
        self.bench.keep()
        self._show()

    def _clear(self) -> None:
        self.bench.runs.clear()
        self._show()

    def _show(self) -> None:
        self.again()
        kept = [{"epochs": k.epochs.tolist(), "losses": _finite(k.losses)} for k in self.bench.runs]
        self.room.draw(f"kept({json.dumps(kept)})")


def shown(value: Any) -> str:
    text = f"{value:.3g}" if isinstance(value, float) else json.dumps(value, ensure_ascii=False)
    return text.strip('"')[:MOST_SIGNS]


def _finite(values: Any) -> list[float | None]:
    return [float(v) if math.isfinite(v) else None for v in values]
